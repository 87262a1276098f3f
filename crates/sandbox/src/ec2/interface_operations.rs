//! The operations that clients have for network interfaces.

use super::{
    address,
    interface::{self, Attachment, Interface, InterfaceKind, NewInterface},
    security_group::SecurityGroup,
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    regions, tags,
    time::iso8601,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateNetworkInterface", create),
    ("DeleteNetworkInterface", delete),
    ("DescribeNetworkInterfaces", describe_interfaces),
    ("ModifyNetworkInterfaceAttribute", modify),
];

const FILTERS: &[&str] = &[
    "association.allocation-id",
    "association.public-ip",
    "attachment.attachment-id",
    "attachment.instance-id",
    "attachment.status",
    "availability-zone",
    "description",
    "group-id",
    "interface-type",
    "mac-address",
    "network-interface-id",
    "owner-id",
    "private-ip-address",
    "requester-managed",
    "status",
    "subnet-id",
    "vpc-id",
];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let token = call.client_token();
    let kind = match params.choice("InterfaceType", &["efa", "efa-only"])?.as_deref() {
        None => InterfaceKind::Interface,
        Some("efa") => InterfaceKind::Efa,
        Some(_) => InterfaceKind::EfaOnly,
    };
    let tags = tags::specification(&params, "network-interface")?;
    let new = NewInterface {
        groups: params.list("SecurityGroupId"),
        private_ip: interface::read_address(params.optional("PrivateIpAddress").as_deref())?,
        description: params.optional("Description").unwrap_or_default(),
        secondary_ips: params.number("SecondaryPrivateIpAddressCount")?.unwrap_or(0),
        ipv6_count: params.number("Ipv6AddressCount")?.unwrap_or(0),
        ..NewInterface::in_subnet(params.required("SubnetId")?, kind)
    };
    let interface = interface::create(call, new)?;
    call.set_tags(&interface.id, tags);
    let answer = Xml::new().node("networkInterface", xml(call, &interface));
    Ok(answer.maybe("clientToken", token).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let interface: Interface = call.find(&call.params.required("NetworkInterfaceId")?)?;
    if interface.attachment.is_some() {
        return Err(ApiError::new(
            "InvalidNetworkInterface.InUse",
            format!("Network interface '{}' is currently in use.", interface.id),
        ));
    }
    check_own(&interface)?;
    interface::remove(call, &interface.id);
    Ok(Answer::done())
}

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut interface: Interface = call.find(&params.required("NetworkInterfaceId")?)?;
    check_own(&interface)?;
    let mut given = 0;
    if let Some(description) = params.optional("Description.Value") {
        interface.description = description;
        given += 1;
    }
    if let Some(check) = params.flag("SourceDestCheck.Value")? {
        interface.source_dest_check = check;
        given += 1;
    }
    if let Some(change) = params.nested("Attachment") {
        let wanted = change.required("AttachmentId")?;
        let attachment = interface.attachment.as_mut().filter(|own| own.id == wanted);
        let attachment = attachment.ok_or_else(|| {
            ApiError::new(
                "InvalidAttachmentID.NotFound",
                format!("The attachment ID '{wanted}' does not exist"),
            )
        })?;
        if let Some(value) = change.flag("DeleteOnTermination")? {
            attachment.delete_on_termination = value;
        }
        given += 1;
    }
    let groups = params.list("SecurityGroupId");
    given += i32::from(!groups.is_empty());
    if given != 1 {
        return Err(ApiError::combination(format!(
            "Exactly one attribute can be modified at a time, and {given} are given"
        )));
    }
    if groups.is_empty() {
        call.put(&interface);
    } else {
        interface::set_groups(call, &mut interface, groups)?;
    }
    Ok(Answer::done())
}

/// What AWS made for a service can only be changed through that service.
fn check_own(interface: &Interface) -> Result<(), ApiError> {
    if interface.requester_managed {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("You are not allowed to manage the interface {}", interface.id),
        ));
    }
    Ok(())
}

fn describe_interfaces(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let owner = call.account.clone();
    let page = describe::<Interface>(call, "NetworkInterfaceId", FILTERS, |interface, filter| {
        let attachment = interface.attachment.as_ref();
        let address = || address::of_interface(call, &interface.id);
        match filter {
            "association.allocation-id" => address().map(|own| own.id).into_iter().collect(),
            "association.public-ip" => {
                public_ip(call, interface).map(|ip| ip.to_string()).into_iter().collect()
            }
            "attachment.attachment-id" => {
                attachment.map(|own| own.id.clone()).into_iter().collect()
            }
            "attachment.instance-id" => {
                attachment.map(|own| own.instance.clone()).into_iter().collect()
            }
            "attachment.status" => attachment.map(|_| "attached".into()).into_iter().collect(),
            "availability-zone" => vec![interface.zone.clone()],
            "description" => vec![interface.description.clone()],
            "group-id" => interface.groups.clone(),
            "interface-type" => vec![filter_name(interface.kind).to_owned()],
            "mac-address" => vec![interface.mac.clone()],
            "owner-id" => vec![owner.clone()],
            "private-ip-address" => interface.private_ips.iter().map(ToString::to_string).collect(),
            "requester-managed" => vec![interface.requester_managed.to_string()],
            "status" => vec![status(interface).to_owned()],
            "subnet-id" => vec![interface.subnet.clone()],
            "vpc-id" => vec![interface.vpc.clone()],
            _ => vec![interface.id.clone()],
        }
    })?;
    Ok(page.xml("networkInterfaceSet", |interface| xml(call, interface)).into())
}

/// Filters write this one kind in another way than answers do.
fn filter_name(kind: InterfaceKind) -> &'static str {
    match kind {
        InterfaceKind::NatGateway => "nat_gateway",
        kind => kind.name(),
    }
}

fn status(interface: &Interface) -> &'static str {
    if interface.attachment.is_some() || interface.requester_managed {
        "in-use"
    } else {
        "available"
    }
}

/// The public address of an interface, its own or an elastic one.
pub(crate) fn public_ip(call: &Call<'_>, interface: &Interface) -> Option<std::net::Ipv4Addr> {
    address::of_interface(call, &interface.id).map(|address| address.ip).or(interface.public_ip)
}

/// The internal host name of an address, as it is with `ip-name` host names.
pub(crate) fn private_dns(call: &Call<'_>, ip: std::net::Ipv4Addr) -> String {
    let host = ip.to_string().replace('.', "-");
    match call.region.as_str() {
        "us-east-1" => format!("ip-{host}.ec2.internal"),
        region => format!("ip-{host}.{region}.compute.internal"),
    }
}

/// The groups of an interface, as answers show them.
pub(crate) fn groups_xml(call: &Call<'_>, groups: &[String]) -> Vec<Xml> {
    let name = |id: &str| call.get::<SecurityGroup>(id).map(|group| group.name);
    groups.iter().map(|id| Xml::new().text("groupId", id).maybe("groupName", name(id))).collect()
}

fn xml(call: &Call<'_>, interface: &Interface) -> Xml {
    let zone = regions::zone(&call.region, &interface.zone).ok().map(|zone| zone.id);
    let primary = interface.private_ips.first().copied();
    let public = association_xml(call, interface);
    let addresses = interface.private_ips.iter().enumerate().map(|(place, ip)| {
        let own = Xml::new()
            .text("privateIpAddress", ip)
            .text("privateDnsName", private_dns(call, *ip))
            .text("primary", place == 0);
        own.maybe_node("association", public.clone().filter(|_| place == 0))
    });
    let ipv6 = interface.ipv6.iter().map(|ip| Xml::new().text("ipv6Address", ip));
    let xml = Xml::new()
        .text("networkInterfaceId", &interface.id)
        .text("subnetId", &interface.subnet)
        .text("vpcId", &interface.vpc)
        .text("availabilityZone", &interface.zone)
        .maybe("availabilityZoneId", zone)
        .text("description", &interface.description)
        .text("ownerId", &call.account)
        .text("requesterManaged", interface.requester_managed)
        .text("status", status(interface))
        .text("macAddress", &interface.mac)
        .maybe("privateIpAddress", primary)
        .maybe("privateDnsName", primary.map(|ip| private_dns(call, ip)))
        .text("sourceDestCheck", interface.source_dest_check)
        .items("groupSet", groups_xml(call, &interface.groups))
        .maybe_node(
            "attachment",
            interface.attachment.as_ref().map(|own| attachment_xml(call, own)),
        )
        .maybe_node("association", public.clone())
        .items("privateIpAddressesSet", addresses)
        .items("ipv6AddressesSet", ipv6)
        .text("interfaceType", interface.kind.name());
    tags::xml(xml, &call.tags(&interface.id))
}

fn association_xml(call: &Call<'_>, interface: &Interface) -> Option<Xml> {
    match address::of_interface(call, &interface.id) {
        Some(address) => Some(
            Xml::new()
                .text("publicIp", address.ip)
                .text("ipOwnerId", &call.account)
                .text("allocationId", &address.id)
                .maybe("associationId", address.association.map(|own| own.id)),
        ),
        None => interface
            .public_ip
            .map(|ip| Xml::new().text("publicIp", ip).text("ipOwnerId", "amazon")),
    }
}

fn attachment_xml(call: &Call<'_>, attachment: &Attachment) -> Xml {
    Xml::new()
        .text("attachmentId", &attachment.id)
        .text("instanceId", &attachment.instance)
        .text("instanceOwnerId", &call.account)
        .text("deviceIndex", attachment.device_index)
        .text("networkCardIndex", attachment.network_card)
        .text("status", "attached")
        .text("attachTime", iso8601(attachment.at))
        .text("deleteOnTermination", attachment.delete_on_termination)
}
