//! Network ACLs: the default one of each VPC, with the rules it comes with.

use serde::{Deserialize, Serialize};

use super::vpc::Vpc;
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[("DescribeNetworkAcls", describe_acls)];

/// A network ACL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetworkAcl {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) ipv6: bool,
    /// Association id and subnet id.
    pub(crate) associations: Vec<(String, String)>,
}

impl Row for NetworkAcl {
    const KIND: &'static str = "network-acl";
    const PREFIX: &'static str = "acl";
    const ERROR: &'static str = "InvalidNetworkAclID";
    const NOUN: &'static str = "networkAcl ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The one ACL of a VPC.
const OF_VPC: &str = "vpc-acl";

/// Makes the ACL that comes with a VPC.
pub(crate) fn create_default(call: &mut Call<'_>, vpc: &Vpc) {
    let acl = NetworkAcl {
        id: call.new_id("acl"),
        vpc: vpc.id.clone(),
        ipv6: !vpc.ipv6_blocks.is_empty(),
        associations: Vec::new(),
    };
    call.link(OF_VPC, &vpc.id, &acl.id);
    call.put(&acl);
}

/// Removes the ACL of a VPC that goes away.
pub(crate) fn remove_default(call: &mut Call<'_>, vpc: &str) {
    for id in call.linked(OF_VPC, vpc) {
        call.unlink(OF_VPC, vpc, &id);
        call.remove::<NetworkAcl>(&id);
    }
}

/// Associates a new subnet with its VPC's ACL.
pub(crate) fn associate_default(call: &mut Call<'_>, vpc: &str, subnet: &str) {
    let association = call.new_id("aclassoc");
    for mut acl in call.linked_rows::<NetworkAcl>(OF_VPC, vpc) {
        acl.associations.push((association.clone(), subnet.to_owned()));
        call.put(&acl);
    }
}

/// Forgets the association of a subnet that goes away.
pub(crate) fn forget_subnet(call: &mut Call<'_>, vpc: &str, subnet: &str) {
    for mut acl in call.linked_rows::<NetworkAcl>(OF_VPC, vpc) {
        acl.associations.retain(|(_, other)| other != subnet);
        call.put(&acl);
    }
}

fn describe_acls(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let filters = ["association.subnet-id", "default", "network-acl-id", "owner-id", "vpc-id"];
    let owner = call.account.clone();
    let page =
        describe::<NetworkAcl>(call, "NetworkAclId", &filters, |acl, filter| match filter {
            "association.subnet-id" => {
                acl.associations.iter().map(|(_, subnet)| subnet.clone()).collect()
            }
            "default" => vec!["true".to_owned()],
            "owner-id" => vec![owner.clone()],
            "vpc-id" => vec![acl.vpc.clone()],
            _ => vec![acl.id.clone()],
        })?;
    Ok(page.xml("networkAclSet", |acl| xml(call, acl)).into())
}

fn xml(call: &Call<'_>, acl: &NetworkAcl) -> Xml {
    let entry = |number: u32, egress: bool, action: &str, cidr: (&str, &str)| {
        Xml::new()
            .text("ruleNumber", number)
            .text("protocol", "-1")
            .text("ruleAction", action)
            .text("egress", egress)
            .text(cidr.0, cidr.1)
    };
    let mut entries = Vec::new();
    for egress in [true, false] {
        let all = ("cidrBlock", "0.0.0.0/0");
        entries.push(entry(100, egress, "allow", all));
        entries.push(entry(32_767, egress, "deny", all));
        if acl.ipv6 {
            let all = ("ipv6CidrBlock", "::/0");
            entries.push(entry(101, egress, "allow", all));
            entries.push(entry(32_768, egress, "deny", all));
        }
    }
    let associations = acl.associations.iter().map(|(association, subnet)| {
        Xml::new()
            .text("networkAclAssociationId", association)
            .text("networkAclId", &acl.id)
            .text("subnetId", subnet)
    });
    let xml = Xml::new()
        .text("networkAclId", &acl.id)
        .text("vpcId", &acl.vpc)
        .text("default", true)
        .text("ownerId", &call.account)
        .items("entrySet", entries)
        .items("associationSet", associations);
    tags::xml(xml, &call.tags(&acl.id))
}
