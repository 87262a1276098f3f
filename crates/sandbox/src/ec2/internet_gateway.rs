//! Internet gateways, and the egress-only kind for IPv6.

use serde::{Deserialize, Serialize};

use super::{
    address, interface, route_table,
    subnet::Subnet,
    vpc::{GATEWAYS, SUBNETS, Vpc},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("AttachInternetGateway", attach),
    ("CreateEgressOnlyInternetGateway", create_egress_only),
    ("CreateInternetGateway", create),
    ("DeleteEgressOnlyInternetGateway", delete_egress_only),
    ("DeleteInternetGateway", delete),
    ("DescribeEgressOnlyInternetGateways", describe_egress_only),
    ("DescribeInternetGateways", describe_gateways),
    ("DetachInternetGateway", detach),
];

/// An internet gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InternetGateway {
    pub(crate) id: String,
    /// The VPC that it is attached to.
    pub(crate) vpc: Option<String>,
}

/// An egress-only internet gateway; it is attached for all its life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EgressOnlyGateway {
    pub(crate) id: String,
    pub(crate) vpc: String,
}

impl Row for InternetGateway {
    const KIND: &'static str = "internet-gateway";
    const PREFIX: &'static str = "igw";
    const ERROR: &'static str = "InvalidInternetGatewayID";
    const NOUN: &'static str = "internetGateway ID";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Row for EgressOnlyGateway {
    const KIND: &'static str = "egress-only-internet-gateway";
    const PREFIX: &'static str = "eigw";
    const ERROR: &'static str = "InvalidEgressOnlyInternetGatewayId";
    const NOUN: &'static str = "egressOnlyInternetGateway ID";

    fn id(&self) -> &str {
        &self.id
    }
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let tags = tags::specification(&call.params, "internet-gateway")?;
    let gateway = InternetGateway { id: call.new_id("igw"), vpc: None };
    call.set_tags(&gateway.id, tags);
    call.put(&gateway);
    Ok(Xml::new().node("internetGateway", xml(call, &gateway)).into())
}

/// Makes the gateway that comes with a default VPC, attached and routed to.
pub(crate) fn create_default(call: &mut Call<'_>, vpc: &Vpc) {
    let gateway = InternetGateway { id: call.new_id("igw"), vpc: Some(vpc.id.clone()) };
    call.link(GATEWAYS, &vpc.id, &gateway.id);
    call.put(&gateway);
    route_table::add_default_route(call, &vpc.id, &gateway.id);
}

fn attach(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut gateway: InternetGateway = call.find(&params.required("InternetGatewayId")?)?;
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    if let Some(other) = &gateway.vpc {
        return Err(ApiError::new(
            "Resource.AlreadyAssociated",
            format!("resource {} is already attached to network {other}", gateway.id),
        ));
    }
    if let Some(other) = attached(call, &vpc.id) {
        return Err(ApiError::invalid_value(format!(
            "Network {} already has an internet gateway attached ({other})",
            vpc.id
        )));
    }
    call.link(GATEWAYS, &vpc.id, &gateway.id);
    gateway.vpc = Some(vpc.id);
    call.put(&gateway);
    Ok(Answer::done())
}

/// The internet gateway of a VPC.
pub(crate) fn attached(call: &Call<'_>, vpc: &str) -> Option<String> {
    call.linked_rows::<InternetGateway>(GATEWAYS, vpc).into_iter().next().map(|gateway| gateway.id)
}

fn detach(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut gateway: InternetGateway = call.find(&params.required("InternetGatewayId")?)?;
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    if gateway.vpc.as_ref() != Some(&vpc.id) {
        return Err(ApiError::new(
            "Gateway.NotAttached",
            format!("resource {} is not attached to network {}", gateway.id, vpc.id),
        ));
    }
    let mapped = call
        .linked_rows::<Subnet>(SUBNETS, &vpc.id)
        .iter()
        .flat_map(|subnet| interface::in_subnet(call, &subnet.id))
        .find(|interface| {
            interface.public_ip.is_some() || address::of_interface(call, &interface.id).is_some()
        });
    if let Some(interface) = mapped {
        return Err(ApiError::dependency(format!(
            "Network {} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway. ({})",
            vpc.id, interface.id
        )));
    }
    call.unlink(GATEWAYS, &vpc.id, &gateway.id);
    gateway.vpc = None;
    call.put(&gateway);
    Ok(Answer::done())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let gateway: InternetGateway = call.find(&call.params.required("InternetGatewayId")?)?;
    if gateway.vpc.is_some() {
        return Err(ApiError::dependency(format!(
            "The internetGateway '{}' has dependencies and cannot be deleted.",
            gateway.id
        )));
    }
    call.remove::<InternetGateway>(&gateway.id);
    Ok(Answer::done())
}

fn describe_gateways(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let filters = ["attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"];
    let owner = call.account.clone();
    let page =
        describe::<InternetGateway>(call, "InternetGatewayId", &filters, |gateway, filter| {
            match filter {
                "attachment.state" => gateway.vpc.iter().map(|_| "available".to_owned()).collect(),
                "attachment.vpc-id" => gateway.vpc.iter().cloned().collect(),
                "owner-id" => vec![owner.clone()],
                _ => vec![gateway.id.clone()],
            }
        })?;
    Ok(page.xml("internetGatewaySet", |gateway| xml(call, gateway)).into())
}

fn xml(call: &Call<'_>, gateway: &InternetGateway) -> Xml {
    let attachments =
        gateway.vpc.iter().map(|vpc| Xml::new().text("vpcId", vpc).text("state", "available"));
    let xml = Xml::new()
        .text("internetGatewayId", &gateway.id)
        .text("ownerId", &call.account)
        .items("attachmentSet", attachments);
    tags::xml(xml, &call.tags(&gateway.id))
}

fn create_egress_only(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let token = call.client_token();
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let tags = tags::specification(&params, "egress-only-internet-gateway")?;
    let gateway = EgressOnlyGateway { id: call.new_id("eigw"), vpc: vpc.id };
    call.set_tags(&gateway.id, tags);
    call.link(GATEWAYS, &gateway.vpc, &gateway.id);
    call.put(&gateway);
    let answer = Xml::new().maybe("clientToken", token);
    Ok(answer.node("egressOnlyInternetGateway", egress_only_xml(call, &gateway)).into())
}

fn delete_egress_only(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let id = call.params.required("EgressOnlyInternetGatewayId")?;
    let gateway: EgressOnlyGateway = call.find(&id)?;
    call.unlink(GATEWAYS, &gateway.vpc, &gateway.id);
    call.remove::<EgressOnlyGateway>(&gateway.id);
    Ok(Xml::new().text("returnCode", true).into())
}

fn describe_egress_only(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let page =
        describe::<EgressOnlyGateway>(call, "EgressOnlyInternetGatewayId", &[], |_, _| Vec::new())?;
    Ok(page.xml("egressOnlyInternetGatewaySet", |gateway| egress_only_xml(call, gateway)).into())
}

fn egress_only_xml(call: &Call<'_>, gateway: &EgressOnlyGateway) -> Xml {
    let attachment = Xml::new().text("vpcId", &gateway.vpc).text("state", "attached");
    let xml = Xml::new()
        .text("egressOnlyInternetGatewayId", &gateway.id)
        .items("attachmentSet", [attachment]);
    tags::xml(xml, &call.tags(&gateway.id))
}
