//! NAT gateways.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{
    address::{self, Address},
    interface::{self, InterfaceKind, NewInterface},
    internet_gateway,
    subnet::Subnet,
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    page,
    row::{self, Row},
    tags,
    time::{Millis, iso8601},
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateNatGateway", create),
    ("DeleteNatGateway", delete),
    ("DescribeNatGateways", describe_gateways),
];

/// A NAT gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NatGateway {
    pub(crate) id: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    /// A gateway that can not work has no interface.
    pub(crate) interface: Option<String>,
    pub(crate) private_ip: Option<Ipv4Addr>,
    /// The elastic address; a private gateway has none.
    pub(crate) public: Option<PublicAddress>,
    /// Why it is going to fail, as code and message.
    pub(crate) failure: Option<(String, String)>,
    pub(crate) created: Millis,
    pub(crate) deleted: Option<Millis>,
}

/// The elastic address of a public gateway, kept here because a deleted gateway still shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PublicAddress {
    pub(crate) allocation: String,
    pub(crate) association: Option<String>,
    pub(crate) ip: Ipv4Addr,
}

impl Row for NatGateway {
    const KIND: &'static str = "natgateway";
    const PREFIX: &'static str = "nat";
    const ERROR: &'static str = "InvalidNatGatewayID";
    const NOUN: &'static str = "Nat Gateway";
    // These two codes are as AWS has them, in two different styles.
    const NOT_FOUND: &'static str = "NatGatewayNotFound";
    const MALFORMED: &'static str = "NatGatewayMalformed";

    fn id(&self) -> &str {
        &self.id
    }
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let token = call.client_token();
    let subnet: Subnet = call.find(&params.required("SubnetId")?)?;
    params.choice("AvailabilityMode", &["zonal"])?;
    let kinds = ["public", "private"];
    let private = params.choice("ConnectivityType", &kinds)?.as_deref() == Some("private");
    let tags = tags::specification(&params, "natgateway")?;
    let allocation = match (private, params.optional("AllocationId")) {
        (false, Some(id)) => Some(call.find::<Address>(&id)?),
        (true, None) => None,
        (false, None) => return Err(ApiError::missing("AllocationId")),
        (true, Some(_)) => {
            return Err(ApiError::combination(
                "AllocationId can not be used when ConnectivityType is private",
            ));
        }
    };
    if let Some(address) = allocation.as_ref().filter(|address| address.association.is_some()) {
        return Err(ApiError::new(
            "Resource.AlreadyAssociated",
            format!("Elastic IP address [{}] is already associated", address.id),
        ));
    }
    let mut gateway = NatGateway {
        id: call.new_id("nat"),
        subnet: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        interface: None,
        private_ip: None,
        public: allocation.as_ref().map(PublicAddress::unmapped),
        failure: None,
        created: call.now,
        deleted: None,
    };
    let private_ip = interface::read_address(params.optional("PrivateIpAddress").as_deref())?;
    if allocation.is_some() && internet_gateway::attached(call, &subnet.vpc).is_none() {
        // AWS accepts this one, and lets the gateway fail while the client waits for it.
        let message = format!("Network {} has no Internet gateway attached", subnet.vpc);
        gateway.failure = Some(("Gateway.NotAttached".to_owned(), message));
    } else {
        connect(call, &mut gateway, allocation, private_ip)?;
    }
    call.set_tags(&gateway.id, tags);
    call.put(&gateway);
    Ok(Xml::new().node("natGateway", xml(call, &gateway)).maybe("clientToken", token).into())
}

/// Gives a gateway its interface, and maps the elastic address to it.
fn connect(
    call: &mut Call<'_>,
    gateway: &mut NatGateway,
    allocation: Option<Address>,
    private_ip: Option<Ipv4Addr>,
) -> Result<(), ApiError> {
    let new = NewInterface {
        private_ip,
        description: format!("Interface for NAT Gateway {}", gateway.id),
        requester_managed: true,
        ..NewInterface::in_subnet(&gateway.subnet, InterfaceKind::NatGateway)
    };
    let interface = interface::create(call, new)?;
    if let Some(address) = allocation {
        let (unmapped, own) = (PublicAddress::unmapped(&address), &interface);
        let association = address::map(call, address, own, None)?;
        gateway.public = Some(PublicAddress { association: Some(association), ..unmapped });
    }
    gateway.private_ip = interface.private_ips.first().copied();
    gateway.interface = Some(interface.id);
    Ok(())
}

impl PublicAddress {
    fn unmapped(address: &Address) -> Self {
        Self { allocation: address.id.clone(), association: None, ip: address.ip }
    }
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut gateway: NatGateway = call.find(&call.params.required("NatGatewayId")?)?;
    // A gateway that is being deleted accepts to be deleted again, and a deleted one is not found.
    match gateway.deleted {
        Some(deleted) if call.settled(deleted) => {
            return Err(row::not_found::<NatGateway>(&gateway.id));
        }
        Some(_) => {}
        None => {
            gateway.deleted = Some(call.now);
            call.put(&gateway);
            call.when_settled(NatGateway::KIND, &gateway.id);
        }
    }
    Ok(Xml::new().text("natGatewayId", &gateway.id).into())
}

/// Frees what a gateway holds, once it is deleted and no longer being deleted.
pub(crate) fn end(call: &mut Call<'_>, id: &str) {
    let interface = call.get::<NatGateway>(id).and_then(|gateway| gateway.interface);
    if let Some(interface) = interface {
        interface::remove(call, &interface);
    }
}

/// Finds a gateway that a client named as the target of a route; it must be available.
pub(crate) fn find_target(call: &Call<'_>, id: &str) -> Result<NatGateway, ApiError> {
    let unusable = |why: &str| {
        // Routes have another code for this than NAT gateways themselves.
        let message = format!("The natGateway ID '{id}' {why}");
        ApiError::new("InvalidNatGatewayID.NotFound", message)
    };
    let gateway: NatGateway = call.find(id).map_err(|_| unusable("does not exist"))?;
    match state(call, &gateway) {
        "available" => Ok(gateway),
        state => Err(unusable(&format!("can not be used while it is {state}"))),
    }
}

fn describe_gateways(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const FILTERS: &[&str] =
        &["connectivity-type", "nat-gateway-id", "state", "subnet-id", "vpc-id"];
    let mut rows = call.visible::<NatGateway>();
    rows.retain(|gateway| {
        let over = gateway.deleted.or_else(|| gateway.failure.as_ref().map(|_| gateway.created));
        over.is_none_or(|over| !call.forgotten(over))
    });
    let page = describe_with(call, "NatGatewayId", FILTERS, page::EC2, rows, |gateway, filter| {
        vec![match filter {
            "connectivity-type" => connectivity(gateway).to_owned(),
            "state" => state(call, gateway).to_owned(),
            "subnet-id" => gateway.subnet.clone(),
            "vpc-id" => gateway.vpc.clone(),
            _ => gateway.id.clone(),
        }]
    })?;
    Ok(page.xml("natGatewaySet", |gateway| xml(call, gateway)).into())
}

fn state(call: &Call<'_>, gateway: &NatGateway) -> &'static str {
    match gateway.deleted {
        Some(deleted) if call.settled(deleted) => "deleted",
        Some(_) => "deleting",
        None if call.settled(gateway.created) && gateway.failure.is_some() => "failed",
        None if call.settled(gateway.created) => "available",
        None => "pending",
    }
}

fn connectivity(gateway: &NatGateway) -> &'static str {
    if gateway.public.is_some() { "public" } else { "private" }
}

fn xml(call: &Call<'_>, gateway: &NatGateway) -> Xml {
    let state = state(call, gateway);
    let public = gateway.public.as_ref();
    let address = Xml::new()
        .maybe("allocationId", public.map(|public| &public.allocation))
        .maybe("associationId", public.and_then(|public| public.association.as_deref()))
        .maybe("networkInterfaceId", gateway.interface.as_deref())
        .maybe("privateIp", gateway.private_ip)
        .maybe("publicIp", public.map(|public| public.ip))
        .text("isPrimary", true)
        .text(
            "status",
            match state {
                "pending" => "associating",
                "failed" => "failed",
                _ => "succeeded",
            },
        );
    // What is wrong is not known before it has failed.
    let failure = gateway.failure.as_ref().filter(|_| state != "pending");
    let xml = Xml::new()
        .text("natGatewayId", &gateway.id)
        .text("subnetId", &gateway.subnet)
        .text("vpcId", &gateway.vpc)
        .text("state", state)
        .text("createTime", iso8601(gateway.created))
        .maybe("deleteTime", gateway.deleted.map(iso8601))
        .maybe("failureCode", failure.map(|(code, _)| code))
        .maybe("failureMessage", failure.map(|(_, message)| message))
        .items("natGatewayAddressSet", [address])
        .text("connectivityType", connectivity(gateway))
        .text("availabilityMode", "zonal");
    tags::xml(xml, &call.tags(&gateway.id))
}
