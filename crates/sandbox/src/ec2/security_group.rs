//! Security groups. Their rules live inside them; `security_group_rule` has the operations on rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    interface::{Interface, OF_GROUP},
    permission::{Peer, Rule, RuleIndex, Terms},
    vpc::{GROUPS, Vpc},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    page,
    row::{self, Row},
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateSecurityGroup", create),
    ("DeleteSecurityGroup", delete),
    ("DescribeSecurityGroups", describe_groups),
];

/// A security group with its rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc: String,
    pub(crate) rules: Vec<Rule>,
}

impl Row for SecurityGroup {
    const KIND: &'static str = "security-group";
    const PREFIX: &'static str = "sg";
    const ERROR: &'static str = "InvalidGroup";
    const NOUN: &'static str = "security group";
    const MALFORMED: &'static str = "InvalidGroupId.Malformed";

    fn id(&self) -> &str {
        &self.id
    }
}

impl SecurityGroup {
    /// Tells whether this is the group that came with its VPC.
    pub(crate) fn is_default(&self) -> bool {
        self.name == "default"
    }
}

/// The groups that have a rule about a group.
pub(crate) const REFERRERS: &str = "group-referrers";
/// The group of a name in a VPC.
const NAMED: &str = "groups-named";

const FILTERS: &[&str] = &[
    "description",
    "egress.ip-permission.cidr",
    "egress.ip-permission.group-id",
    "egress.ip-permission.protocol",
    "group-id",
    "group-name",
    "ip-permission.cidr",
    "ip-permission.from-port",
    "ip-permission.group-id",
    "ip-permission.protocol",
    "ip-permission.to-port",
    "owner-id",
    "vpc-id",
];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let name = params.required("GroupName")?;
    let description = params.required("GroupDescription")?;
    check_text("groupName", &name)?;
    check_text("groupDescription", &description)?;
    if name.starts_with("sg-") || name.eq_ignore_ascii_case("default") {
        return Err(ApiError::invalid("groupName", &name, "The name is reserved."));
    }
    let vpc = match params.optional("VpcId") {
        Some(id) => call.find::<Vpc>(&id)?,
        None => call
            .visible::<Vpc>()
            .into_iter()
            .find(|vpc| vpc.is_default)
            .ok_or_else(|| ApiError::new("VPCIdNotSpecified", "No default VPC for this user"))?,
    };
    let tags = tags::specification(&params, "security-group")?;
    if !call.linked_rows::<SecurityGroup>(NAMED, &named(&vpc.id, &name)).is_empty() {
        return Err(ApiError::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{}'", vpc.id),
        ));
    }
    let id = call.new_id("sg");
    let group = SecurityGroup { id, name, description, vpc: vpc.id.clone(), rules: Vec::new() };
    call.set_tags(&group.id, tags.clone());
    let terms = allow_all_out(&vpc);
    add(call, group.clone(), &terms);
    let answer =
        Xml::new().text("groupId", &group.id).text("securityGroupArn", arn(call, &group.id));
    Ok(tags::xml(answer, &tags).into())
}

/// Makes the group that comes with a VPC.
pub(crate) fn create_default(call: &mut Call<'_>, vpc: &Vpc) {
    let id = call.new_id("sg");
    let among_themselves = Terms {
        egress: false,
        protocol: "-1".into(),
        ports: None,
        peer: Peer::Group(id.clone()),
        description: None,
    };
    let terms: Vec<Terms> = std::iter::once(among_themselves).chain(allow_all_out(vpc)).collect();
    let group = SecurityGroup {
        id,
        name: "default".into(),
        description: "default VPC security group".into(),
        vpc: vpc.id.clone(),
        rules: Vec::new(),
    };
    add(call, group, &terms);
}

/// The group that came with a VPC.
pub(crate) fn default_of(call: &Call<'_>, vpc: &str) -> Result<SecurityGroup, ApiError> {
    call.linked_rows::<SecurityGroup>(NAMED, &named(vpc, "default"))
        .into_iter()
        .next()
        .ok_or_else(|| row::not_found::<SecurityGroup>("default"))
}

fn add(call: &mut Call<'_>, mut group: SecurityGroup, terms: &[Terms]) {
    for terms in terms {
        group.rules.push(Rule::new(call, &group.id, terms.clone()));
    }
    call.link(GROUPS, &group.vpc, &group.id);
    call.link(NAMED, &named(&group.vpc, &group.name), &group.id);
    save(call, &group);
}

/// The owner of the set of groups with a name: there is at most one.
fn named(vpc: &str, name: &str) -> String {
    format!("{vpc}/{name}")
}

/// Writes a group, and keeps the set of who refers to whom true.
pub(crate) fn save(call: &mut Call<'_>, group: &SecurityGroup) {
    let before = call.get::<SecurityGroup>(&group.id);
    for peer in before.iter().flat_map(referred) {
        call.unlink(REFERRERS, &peer, &group.id);
    }
    for peer in referred(group) {
        call.link(REFERRERS, &peer, &group.id);
    }
    call.put(group);
}

fn referred(group: &SecurityGroup) -> Vec<String> {
    group.rules.iter().filter_map(|rule| rule.terms.peer.group().map(str::to_owned)).collect()
}

/// Removes a group that nothing uses.
pub(crate) fn remove(call: &mut Call<'_>, group: &SecurityGroup) {
    for rule in &group.rules {
        call.remove::<RuleIndex>(&rule.id);
    }
    for peer in referred(group) {
        call.unlink(REFERRERS, &peer, &group.id);
    }
    call.unlink(GROUPS, &group.vpc, &group.id);
    call.unlink(NAMED, &named(&group.vpc, &group.name), &group.id);
    call.remove::<SecurityGroup>(&group.id);
}

/// Something that keeps a group from being deleted: an interface, or another group's rule.
pub(crate) fn user(call: &Call<'_>, id: &str) -> Option<String> {
    let interface = call.linked_rows::<Interface>(OF_GROUP, id).into_iter().next();
    interface.map(|interface| interface.id).or_else(|| {
        call.linked_rows::<SecurityGroup>(REFERRERS, id)
            .into_iter()
            .map(|group| group.id)
            .find(|referrer| referrer != id)
    })
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let group = match (params.optional("GroupId"), params.optional("GroupName")) {
        (Some(id), None) => call.find::<SecurityGroup>(&id)?,
        (None, Some(name)) => {
            let default = call.visible::<Vpc>().into_iter().find(|vpc| vpc.is_default);
            call.visible::<SecurityGroup>()
                .into_iter()
                .find(|group| {
                    group.name == name && default.as_ref().is_some_and(|vpc| vpc.id == group.vpc)
                })
                .ok_or_else(|| row::not_found::<SecurityGroup>(&name))?
        }
        (None, None) => return Err(ApiError::missing("GroupName or GroupId")),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "The parameter GroupName cannot be used with the parameter GroupId",
            ));
        }
    };
    if group.is_default() {
        return Err(ApiError::new(
            "CannotDelete",
            format!(
                "the specified group: \"{}\" name: \"default\" cannot be deleted by a user",
                group.id
            ),
        ));
    }
    if let Some(user) = user(call, &group.id) {
        let message = format!("resource {} has a dependent object ({user})", group.id);
        return Err(ApiError::dependency(message));
    }
    remove(call, &group);
    Ok(Xml::new().text("return", true).text("groupId", &group.id).into())
}

fn describe_groups(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let owner = call.account.clone();
    let names = call.params.list("GroupName");
    let mut groups = call.visible::<SecurityGroup>();
    if let Some(unknown) =
        names.iter().find(|name| !groups.iter().any(|group| group.name == **name))
    {
        return Err(row::not_found::<SecurityGroup>(unknown));
    }
    groups.retain(|group| names.is_empty() || names.contains(&group.name));
    let page = describe_with(call, "GroupId", FILTERS, page::EC2, groups, |group, filter| {
        let (egress, field) = match filter.strip_prefix("egress.") {
            Some(field) => (true, field),
            None => (false, filter),
        };
        let rules = group.rules.iter().filter(|rule| rule.terms.egress == egress);
        match field {
            "description" => vec![group.description.clone()],
            "group-name" => vec![group.name.clone()],
            "owner-id" => vec![owner.clone()],
            "vpc-id" => vec![group.vpc.clone()],
            "ip-permission.protocol" => rules.map(|rule| rule.terms.protocol.clone()).collect(),
            "ip-permission.from-port" => {
                rules.filter_map(|rule| Some(rule.terms.ports?.0.to_string())).collect()
            }
            "ip-permission.to-port" => {
                rules.filter_map(|rule| Some(rule.terms.ports?.1.to_string())).collect()
            }
            "ip-permission.group-id" => {
                rules.filter_map(|rule| rule.terms.peer.group().map(str::to_owned)).collect()
            }
            "ip-permission.cidr" => rules
                .filter_map(|rule| match &rule.terms.peer {
                    Peer::Ipv4(cidr) => Some(cidr.to_string()),
                    _ => None,
                })
                .collect(),
            _ => vec![group.id.clone()],
        }
    })?;
    Ok(page.xml("securityGroupInfo", |group| xml(call, group)).into())
}

fn allow_all_out(vpc: &Vpc) -> Vec<Terms> {
    let to =
        |peer| Terms { egress: true, protocol: "-1".into(), ports: None, peer, description: None };
    let mut terms = vec![to(Peer::Ipv4(ipnet::Ipv4Net::default()))];
    if !vpc.ipv6_blocks.is_empty() {
        terms.push(to(Peer::Ipv6(ipnet::Ipv6Net::default())));
    }
    terms
}

/// Names and descriptions share one alphabet
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>).
fn check_text(parameter: &str, text: &str) -> Result<(), ApiError> {
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
    if text.len() <= 255 && text.chars().all(allowed) {
        return Ok(());
    }
    Err(ApiError::invalid(parameter, text, "Character sets beyond ASCII are not supported."))
}

fn arn(call: &Call<'_>, id: &str) -> String {
    format!("arn:aws:ec2:{}:{}:security-group/{id}", call.region, call.account)
}

fn xml(call: &Call<'_>, group: &SecurityGroup) -> Xml {
    let xml = Xml::new()
        .text("ownerId", &call.account)
        .text("groupId", &group.id)
        .text("groupName", &group.name)
        .text("groupDescription", &group.description)
        .text("vpcId", &group.vpc)
        .text("securityGroupArn", arn(call, &group.id))
        .items("ipPermissions", permissions(call, group, false))
        .items("ipPermissionsEgress", permissions(call, group, true));
    tags::xml(xml, &call.tags(&group.id))
}

/// Protocol, and ports where it has them.
type Traffic<'a> = (&'a str, Option<(i32, i32)>);

/// Rules of one protocol and port range are shown as one permission.
fn permissions(call: &Call<'_>, group: &SecurityGroup, egress: bool) -> Vec<Xml> {
    let mut by_traffic: BTreeMap<Traffic<'_>, Vec<&Terms>> = BTreeMap::new();
    for rule in group.rules.iter().filter(|rule| rule.terms.egress == egress) {
        let terms = &rule.terms;
        by_traffic.entry((&terms.protocol, terms.ports)).or_default().push(terms);
    }
    let one = |((protocol, ports), terms): (Traffic<'_>, Vec<&Terms>)| {
        let (mut groups, mut ipv4, mut ipv6, mut lists) = (vec![], vec![], vec![], vec![]);
        for terms in terms {
            let xml = Xml::new().maybe("description", terms.description.as_deref());
            match &terms.peer {
                Peer::Group(id) => {
                    groups.push(xml.text("userId", &call.account).text("groupId", id));
                }
                Peer::Ipv4(cidr) => ipv4.push(xml.text("cidrIp", cidr)),
                Peer::Ipv6(cidr) => ipv6.push(xml.text("cidrIpv6", cidr)),
                Peer::PrefixList(id) => lists.push(xml.text("prefixListId", id)),
            }
        }
        Xml::new()
            .text("ipProtocol", protocol)
            .maybe("fromPort", ports.map(|ports| ports.0))
            .maybe("toPort", ports.map(|ports| ports.1))
            .items("groups", groups)
            .items("ipRanges", ipv4)
            .items("ipv6Ranges", ipv6)
            .items("prefixListIds", lists)
    };
    by_traffic.into_iter().map(one).collect()
}
