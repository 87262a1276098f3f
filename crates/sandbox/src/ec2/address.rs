//! Elastic IP addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{
    interface::{self, Interface, InterfaceKind},
    internet_gateway,
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    page::{self, Paging},
    params::Params,
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("AllocateAddress", allocate),
    ("AssociateAddress", associate),
    ("DescribeAddresses", describe_addresses),
    ("DescribeAddressesAttribute", describe_attribute),
    ("DisassociateAddress", disassociate),
    ("ReleaseAddress", release),
];

/// An elastic IP address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) id: String,
    pub(crate) ip: Ipv4Addr,
    pub(crate) association: Option<Association>,
}

/// What an address is mapped to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Association {
    pub(crate) id: String,
    pub(crate) interface: String,
    pub(crate) private_ip: Ipv4Addr,
}

impl Row for Address {
    const KIND: &'static str = "elastic-ip";
    const PREFIX: &'static str = "eipalloc";
    const ERROR: &'static str = "InvalidAllocationID";
    const NOUN: &'static str = "allocation ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The address of an interface.
const OF_INTERFACE: &str = "interface-addresses";
/// All public addresses, so that none is given twice.
const TAKEN: &str = "public-addresses";

fn allocate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    params.choice("Domain", &["vpc"])?;
    if let Some(group) = params.optional("NetworkBorderGroup").filter(|group| *group != call.region)
    {
        return Err(ApiError::invalid("networkBorderGroup", &group, "It is not of this region."));
    }
    let tags = tags::specification(&params, "elastic-ip")?;
    let ip = public_ip(call);
    let address = Address { id: call.new_id("eipalloc"), ip, association: None };
    call.link(TAKEN, "", &ip.to_string());
    call.set_tags(&address.id, tags);
    call.put(&address);
    let answer = Xml::new()
        .text("publicIp", ip)
        .text("domain", "vpc")
        .text("allocationId", &address.id)
        .text("publicIpv4Pool", "amazon")
        .text("networkBorderGroup", &call.region);
    Ok(answer.into())
}

/// A public address that no elastic address has, in a block of Amazon's.
pub(crate) fn public_ip(call: &mut Call<'_>) -> Ipv4Addr {
    loop {
        let [.., a, b, c] = call.random().to_be_bytes();
        let ip = Ipv4Addr::new(52, a, b, c.max(1));
        if !call.is_linked(TAKEN, "", &ip.to_string()) {
            return ip;
        }
    }
}

fn associate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let address = named(call, &params)?;
    let interface = match (params.optional("NetworkInterfaceId"), params.optional("InstanceId")) {
        (Some(id), None) => call.find::<Interface>(&id)?,
        (None, Some(id)) => interface::primary_of(call, &id)?,
        _ => {
            return Err(ApiError::combination(
                "Exactly one of NetworkInterfaceId and InstanceId must be given",
            ));
        }
    };
    let private_ip = interface::read_address(params.optional("PrivateIpAddress").as_deref())?;
    let again = params.flag("AllowReassociation")? == Some(true);
    if let Some(association) = &address.association {
        if association.interface == interface.id
            && private_ip.is_none_or(|wanted| wanted == association.private_ip)
        {
            return Ok(associated(&association.id));
        }
        if !again {
            return Err(ApiError::new(
                "Resource.AlreadyAssociated",
                format!(
                    "resource {} is already associated with associate-id {}",
                    address.id, association.id
                ),
            ));
        }
        if managed(call, &association.interface) {
            return Err(not_yours(&address));
        }
    }
    let id = map(call, address, &interface, private_ip)?;
    Ok(associated(&id))
}

/// Maps an address to an interface, whatever it was mapped to before; returns the association's id.
pub(crate) fn map(
    call: &mut Call<'_>,
    mut address: Address,
    interface: &Interface,
    private_ip: Option<Ipv4Addr>,
) -> Result<String, ApiError> {
    let wanted = private_ip.or_else(|| interface.private_ips.first().copied());
    let private_ip = wanted.filter(|ip| interface.private_ips.contains(ip)).ok_or_else(|| {
        ApiError::invalid_value(format!(
            "The interface {} does not have that private address",
            interface.id
        ))
    })?;
    if internet_gateway::attached(call, &interface.vpc).is_none() {
        return Err(ApiError::new(
            "Gateway.NotAttached",
            format!("Network {} is not attached to any internet gateway", interface.vpc),
        ));
    }
    for mut other in call.linked_rows::<Address>(OF_INTERFACE, &interface.id) {
        if other.association.as_ref().is_some_and(|mapped| mapped.private_ip == private_ip) {
            unmap(call, &mut other);
        }
    }
    unmap(call, &mut address);
    let id = call.new_id("eipassoc");
    call.link(OF_INTERFACE, &interface.id, &address.id);
    address.association =
        Some(Association { id: id.clone(), interface: interface.id.clone(), private_ip });
    call.put(&address);
    Ok(id)
}

fn unmap(call: &mut Call<'_>, address: &mut Address) {
    if let Some(association) = address.association.take() {
        call.unlink(OF_INTERFACE, &association.interface, &address.id);
        call.put(address);
    }
}

/// Unmaps the addresses of an interface that goes away.
pub(crate) fn forget_interface(call: &mut Call<'_>, interface: &str) {
    for mut address in call.linked_rows::<Address>(OF_INTERFACE, interface) {
        unmap(call, &mut address);
    }
}

/// The first address mapped to an interface.
pub(crate) fn of_interface(call: &Call<'_>, interface: &str) -> Option<Address> {
    call.linked_rows(OF_INTERFACE, interface).into_iter().next()
}

fn disassociate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let association = params.optional("AssociationId");
    let mut address = match (&association, params.optional("PublicIp")) {
        (Some(id), None) => {
            let mapped = |address: &Address| {
                address.association.as_ref().is_some_and(|association| association.id == *id)
            };
            call.visible::<Address>().into_iter().find(mapped).ok_or_else(|| {
                ApiError::new(
                    "InvalidAssociationID.NotFound",
                    format!("The association ID '{id}' does not exist"),
                )
            })?
        }
        (None, Some(ip)) => by_ip(call, &ip)?,
        (None, None) => return Err(ApiError::missing("AssociationId")),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "Only one of AssociationId and PublicIp may be given",
            ));
        }
    };
    if address.association.as_ref().is_some_and(|mapped| managed(call, &mapped.interface)) {
        return Err(not_yours(&address));
    }
    unmap(call, &mut address);
    Ok(Answer::done())
}

fn release(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let address = named(call, &params)?;
    if let Some(group) = params.optional("NetworkBorderGroup").filter(|group| *group != call.region)
    {
        return Err(ApiError::invalid("networkBorderGroup", &group, "It is not of this region."));
    }
    if address.association.is_some() {
        return Err(ApiError::new(
            "InvalidIPAddress.InUse",
            format!("Address {} is in use.", address.ip),
        ));
    }
    call.unlink(TAKEN, "", &address.ip.to_string());
    call.remove::<Address>(&address.id);
    Ok(Answer::done())
}

fn describe_addresses(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const FILTERS: &[&str] = &[
        "allocation-id",
        "association-id",
        "domain",
        "instance-id",
        "network-border-group",
        "network-interface-id",
        "private-ip-address",
        "public-ip",
    ];
    let ips = call.params.list("PublicIp");
    for ip in &ips {
        by_ip(call, ip)?;
    }
    let mut rows = call.visible::<Address>();
    rows.retain(|address| ips.is_empty() || ips.contains(&address.ip.to_string()));
    // This describe does not page: there is no MaxResults, and the SDKs have no paginator for it.
    let paging = Paging { default: usize::MAX, ..page::EC2 };
    let region = call.region.clone();
    let page = describe_with(call, "AllocationId", FILTERS, paging, rows, |address, filter| {
        let mapped = address.association.as_ref();
        match filter {
            "association-id" => mapped.map(|mapped| mapped.id.clone()).into_iter().collect(),
            "domain" => vec!["vpc".to_owned()],
            "instance-id" => {
                mapped.and_then(|mapped| instance_of(call, mapped)).into_iter().collect()
            }
            "network-border-group" => vec![region.clone()],
            "network-interface-id" => {
                mapped.map(|mapped| mapped.interface.clone()).into_iter().collect()
            }
            "private-ip-address" => {
                mapped.map(|mapped| mapped.private_ip.to_string()).into_iter().collect()
            }
            "public-ip" => vec![address.ip.to_string()],
            _ => vec![address.id.clone()],
        }
    })?;
    Ok(Xml::new().items("addressesSet", page.rows.iter().map(|row| xml(call, row))).into())
}

fn describe_attribute(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.params.choice("Attribute", &["domain-name"])?;
    let paging = Paging { least: 1, ..page::EC2 };
    let page =
        describe_with(call, "AllocationId", &[], paging, call.visible(), |_: &Address, _| {
            Vec::new()
        })?;
    let answer = page.xml("addressSet", |address| {
        Xml::new().text("publicIp", address.ip).text("allocationId", &address.id)
    });
    Ok(answer.into())
}

/// The address that a request names by `AllocationId` or `PublicIp`.
fn named(call: &Call<'_>, params: &Params) -> Result<Address, ApiError> {
    match (params.optional("AllocationId"), params.optional("PublicIp")) {
        (Some(id), None) => call.find(&id),
        (None, Some(ip)) => by_ip(call, &ip),
        (None, None) => Err(ApiError::missing("AllocationId")),
        (Some(_), Some(_)) => Err(ApiError::combination(
            "You may specify public IP or allocation id, but not both in the same call",
        )),
    }
}

fn by_ip(call: &Call<'_>, ip: &str) -> Result<Address, ApiError> {
    let found = call.visible::<Address>().into_iter().find(|address| address.ip.to_string() == ip);
    found.ok_or_else(|| {
        ApiError::new("InvalidAddress.NotFound", format!("Address '{ip}' not found."))
    })
}

fn associated(id: &str) -> Answer {
    Xml::new().text("return", true).text("associationId", id).into()
}

fn managed(call: &Call<'_>, interface: &str) -> bool {
    call.get::<Interface>(interface)
        .is_some_and(|interface| interface.kind == InterfaceKind::NatGateway)
}

fn not_yours(address: &Address) -> ApiError {
    let message = format!(
        "You do not have permission to access the specified resource: {} is used by a NAT gateway",
        address.id
    );
    ApiError::new("AuthFailure", message)
}

fn instance_of(call: &Call<'_>, association: &Association) -> Option<String> {
    Some(call.get::<Interface>(&association.interface)?.attachment?.instance)
}

fn xml(call: &Call<'_>, address: &Address) -> Xml {
    let xml = Xml::new()
        .text("publicIp", address.ip)
        .text("allocationId", &address.id)
        .text("domain", "vpc")
        .text("publicIpv4Pool", "amazon")
        .text("networkBorderGroup", &call.region);
    let xml = match &address.association {
        None => xml,
        Some(association) => xml
            .text("associationId", &association.id)
            .maybe("instanceId", instance_of(call, association))
            .text("networkInterfaceId", &association.interface)
            .text("networkInterfaceOwnerId", &call.account)
            .text("privateIpAddress", association.private_ip),
    };
    tags::xml(xml, &call.tags(&address.id))
}
