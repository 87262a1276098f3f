//! Network interfaces as rows: what instances, NAT gateways and endpoints share.
//!
//! The operations that clients have for interfaces are in `interface_operations`.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{
    address, address_pool, cidr,
    security_group::{self, SecurityGroup},
    subnet::Subnet,
};
use crate::{call::Call, error::ApiError, ids, row::Row, time::Millis};

pub(crate) use super::address_pool::free_addresses;

/// A network interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    /// The zone's name.
    pub(crate) zone: String,
    pub(crate) kind: InterfaceKind,
    /// The primary address first; none if the kind takes none.
    pub(crate) private_ips: Vec<Ipv4Addr>,
    pub(crate) ipv6: Vec<Ipv6Addr>,
    /// The public address that came with a launch; elastic addresses are rows of their own.
    pub(crate) public_ip: Option<Ipv4Addr>,
    pub(crate) groups: Vec<String>,
    pub(crate) mac: String,
    pub(crate) description: String,
    pub(crate) requester_managed: bool,
    pub(crate) source_dest_check: bool,
    pub(crate) attachment: Option<Attachment>,
}

/// What an interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InterfaceKind {
    /// An ordinary one.
    Interface,
    /// An Elastic Fabric Adapter with an address.
    Efa,
    /// An Elastic Fabric Adapter without one.
    EfaOnly,
    /// A NAT gateway's.
    NatGateway,
    /// An interface endpoint's.
    VpcEndpoint,
}

/// How an interface is attached to an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) id: String,
    pub(crate) instance: String,
    pub(crate) device_index: u32,
    pub(crate) network_card: u32,
    pub(crate) delete_on_termination: bool,
    pub(crate) at: Millis,
}

/// What a new interface is to be.
#[derive(Clone, Debug)]
pub(crate) struct NewInterface {
    /// The subnet's id, as a client named it.
    pub(crate) subnet: String,
    /// The groups' ids, as a client named them; none is the VPC's default group.
    pub(crate) groups: Vec<String>,
    /// The primary address, if a certain one is wanted.
    pub(crate) private_ip: Option<Ipv4Addr>,
    pub(crate) kind: InterfaceKind,
    pub(crate) description: String,
    pub(crate) requester_managed: bool,
    /// How many further IPv4 addresses it gets.
    pub(crate) secondary_ips: usize,
    /// How many IPv6 addresses it gets.
    pub(crate) ipv6_count: usize,
}

impl NewInterface {
    /// An ordinary interface in a subnet, with nothing special.
    pub(crate) fn in_subnet(subnet: impl Into<String>, kind: InterfaceKind) -> Self {
        Self {
            subnet: subnet.into(),
            groups: Vec::new(),
            private_ip: None,
            kind,
            description: String::new(),
            requester_managed: false,
            secondary_ips: 0,
            ipv6_count: 0,
        }
    }
}

impl InterfaceKind {
    /// The kind as AWS writes it in answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Efa => "efa",
            Self::EfaOnly => "efa-only",
            Self::NatGateway => "natGateway",
            Self::VpcEndpoint => "vpc_endpoint",
        }
    }
}

impl Row for Interface {
    const KIND: &'static str = "network-interface";
    const PREFIX: &'static str = "eni";
    const ERROR: &'static str = "InvalidNetworkInterfaceID";
    const NOUN: &'static str = "networkInterface ID";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The interfaces in a subnet.
const IN_SUBNET: &str = "subnet-interfaces";
/// The interfaces that a security group applies to.
pub(crate) const OF_GROUP: &str = "group-interfaces";
/// The interfaces attached to an instance.
const OF_INSTANCE: &str = "instance-interfaces";

/// Makes an interface: checks the subnet and the groups, takes addresses.
pub(crate) fn create(call: &mut Call<'_>, new: NewInterface) -> Result<Interface, ApiError> {
    let subnet: Subnet = call.find(&new.subnet)?;
    let groups = if new.groups.is_empty() && new.kind != InterfaceKind::NatGateway {
        vec![security_group::default_of(call, &subnet.vpc)?.id]
    } else {
        new.groups.clone()
    };
    check_groups(call, &subnet.vpc, &groups)?;
    let id = call.new_id("eni");
    let private_ips = address_pool::take(call, &subnet, &new)?;
    let ipv6 = address_pool::take_ipv6(call, &subnet, new.ipv6_count)?;
    let interface = Interface {
        subnet: subnet.id,
        vpc: subnet.vpc,
        zone: subnet.zone,
        kind: new.kind,
        private_ips,
        ipv6,
        public_ip: None,
        mac: mac(call),
        groups,
        description: new.description,
        requester_managed: new.requester_managed,
        source_dest_check: new.kind != InterfaceKind::NatGateway,
        attachment: None,
        id,
    };
    call.put(&interface);
    call.link(IN_SUBNET, &interface.subnet, &interface.id);
    for group in &interface.groups {
        call.link(OF_GROUP, group, &interface.id);
    }
    Ok(interface)
}

/// Attaches an interface to an instance.
pub(crate) fn attach(
    call: &mut Call<'_>,
    id: &str,
    instance: &str,
    device_index: u32,
    network_card: u32,
    delete_on_termination: bool,
) -> Result<(), ApiError> {
    let mut interface: Interface = call.find(id).or_else(|error| call.get(id).ok_or(error))?;
    if let Some(attachment) = &interface.attachment {
        return Err(ApiError::new(
            "InvalidNetworkInterface.InUse",
            format!("Interface {id} is attached to {} already", attachment.instance),
        ));
    }
    call.link(OF_INSTANCE, instance, id);
    interface.attachment = Some(Attachment {
        id: call.new_id("eni-attach"),
        instance: instance.to_owned(),
        device_index,
        network_card,
        delete_on_termination,
        at: call.now,
    });
    call.put(&interface);
    Ok(())
}

/// Detaches an interface from its instance, if it is attached.
pub(crate) fn detach(call: &mut Call<'_>, id: &str) {
    if let Some(mut interface) = call.get::<Interface>(id) {
        if let Some(attachment) = interface.attachment.take() {
            call.unlink(OF_INSTANCE, &attachment.instance, id);
        }
        interface.public_ip = None;
        call.put(&interface);
    }
}

/// Removes an interface, if it is there: frees its addresses and what elastic address it has.
pub(crate) fn remove(call: &mut Call<'_>, id: &str) {
    let Some(interface) = call.get::<Interface>(id) else { return };
    address_pool::free(call, &interface);
    for group in &interface.groups {
        call.unlink(OF_GROUP, group, id);
    }
    if let Some(attachment) = &interface.attachment {
        call.unlink(OF_INSTANCE, &attachment.instance, id);
    }
    address::forget_interface(call, id);
    call.unlink(IN_SUBNET, &interface.subnet, id);
    call.remove::<Interface>(id);
}

/// Replaces the groups of an interface.
pub(crate) fn set_groups(
    call: &mut Call<'_>,
    interface: &mut Interface,
    groups: Vec<String>,
) -> Result<(), ApiError> {
    check_groups(call, &interface.vpc, &groups)?;
    for group in &interface.groups {
        call.unlink(OF_GROUP, group, &interface.id);
    }
    for group in &groups {
        call.link(OF_GROUP, group, &interface.id);
    }
    interface.groups = groups;
    call.put(interface);
    Ok(())
}

/// An interface that keeps a subnet from being deleted.
pub(crate) fn first_in_subnet(call: &Call<'_>, subnet: &str) -> Option<String> {
    in_subnet(call, subnet).into_iter().next().map(|interface| interface.id)
}

/// Tells whether any interface of a subnet has an IPv6 address.
pub(crate) fn uses_ipv6(call: &Call<'_>, subnet: &str) -> bool {
    in_subnet(call, subnet).iter().any(|interface| !interface.ipv6.is_empty())
}

/// The interfaces in a subnet.
pub(crate) fn in_subnet(call: &Call<'_>, subnet: &str) -> Vec<Interface> {
    call.linked_rows(IN_SUBNET, subnet)
}

/// The interfaces attached to an instance.
pub(crate) fn of_instance(call: &Call<'_>, instance: &str) -> Vec<Interface> {
    call.linked_rows(OF_INSTANCE, instance)
}

/// The first interface of an instance that a client named.
pub(crate) fn primary_of(call: &Call<'_>, instance: &str) -> Result<Interface, ApiError> {
    if !call.exists("instance", instance) {
        return Err(ApiError::new(
            "InvalidInstanceID.NotFound",
            format!("The instance ID '{instance}' does not exist"),
        ));
    }
    let is_first = |interface: &Interface| {
        let attachment = interface.attachment.as_ref();
        attachment.is_some_and(|it| it.device_index == 0 && it.network_card == 0)
    };
    of_instance(call, instance).into_iter().find(is_first).ok_or_else(|| {
        ApiError::new(
            "InvalidInstanceID",
            format!("The instance '{instance}' has no network interface"),
        )
    })
}

/// Checks that groups exist, are of this VPC, and not too many or twice the same.
pub(crate) fn check_groups(call: &Call<'_>, vpc: &str, groups: &[String]) -> Result<(), ApiError> {
    for (place, id) in groups.iter().enumerate() {
        let group: SecurityGroup = call.find(id).or_else(|error| {
            // The default group of a VPC may be younger than the window, and nobody named it.
            let own = call.get::<SecurityGroup>(id).filter(SecurityGroup::is_default);
            own.ok_or(error)
        })?;
        if group.vpc != vpc {
            return Err(ApiError::new(
                "InvalidGroup.NotFound",
                format!("The security group '{id}' does not exist in VPC '{vpc}'"),
            ));
        }
        if groups[..place].contains(id) {
            return Err(ApiError::invalid_value(format!("The group {id} is given twice")));
        }
    }
    if groups.len() > 16 {
        return Err(ApiError::new(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "An interface can have at most 16 security groups",
        ));
    }
    Ok(())
}

fn mac(call: &mut Call<'_>) -> String {
    let [.., a, b, c, d, e] = ids::mix(call.random()).to_be_bytes();
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
}

/// Reads an optional IPv4 address.
pub(crate) fn read_address(text: Option<&str>) -> Result<Option<Ipv4Addr>, ApiError> {
    text.map(|text| cidr::address("privateIpAddress", text)).transpose()
}
