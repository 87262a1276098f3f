//! Where a launch puts its instances: the subnet, the zone and the interfaces of each.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::super::{
    address,
    instance_type_catalogue::InstanceType,
    interface::{self, Interface, InterfaceKind, NewInterface},
    launch_interfaces,
    launch_template_data::{InterfaceSpec, LaunchData},
    security_group::SecurityGroup,
    subnet::Subnet,
    vpc::Vpc,
};
use super::launch::Request;
use crate::{call::Call, error::ApiError, regions, tags::Tags};

/// The network of a launch, checked; the same for each of its instances.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The primary interface's.
    pub(super) subnet: Subnet,
    interfaces: Vec<Planned>,
}

#[derive(Clone, Debug)]
struct Planned {
    device: u32,
    card: u32,
    delete: bool,
    public: bool,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Existing(String),
    New(NewInterface),
}

/// Resolves subnets, groups and interfaces, and checks them against the type.
pub(super) fn plan(
    call: &Call<'_>,
    request: &Request,
    row: &InstanceType,
) -> Result<Plan, ApiError> {
    let data = &request.data;
    let specs = if data.network_interfaces.is_empty() {
        vec![single(request)]
    } else {
        refuse_instance_level(request)?;
        data.network_interfaces.clone()
    };
    launch_interfaces::check(&specs, row)?;
    let primary = specs
        .iter()
        .find(|spec| spec.device_index == Some(0) && launch_interfaces::card(spec) == 0);
    let named = primary.and_then(|spec| spec.subnet_id.clone());
    let existing = primary.and_then(|spec| spec.network_interface_id.clone());
    let subnet = match (existing, named.or_else(|| request.subnet.clone())) {
        (Some(interface), _) => {
            let interface: Interface = call.find(&interface)?;
            call.find(&interface.subnet)?
        }
        (None, Some(id)) => call.find(&id)?,
        (None, None) => default_subnet(call, data, row)?,
    };
    let wanted = data
        .placement
        .as_ref()
        .and_then(|it| it.availability_zone.as_ref().or(it.availability_zone_id.as_ref()));
    if let Some(wanted) = wanted
        && *wanted != subnet.zone
        && *wanted != subnet.zone_id
    {
        return Err(ApiError::combination(format!(
            "The availability zone '{wanted}' of the request is not the zone '{}' of subnet '{}'.",
            subnet.zone, subnet.id
        )));
    }
    let lone = specs.len() == 1;
    let interfaces = specs
        .iter()
        .map(|spec| planned(call, request, &subnet, spec, lone))
        .collect::<Result<_, _>>()?;
    Ok(Plan { subnet, interfaces })
}

fn single(request: &Request) -> InterfaceSpec {
    InterfaceSpec {
        device_index: Some(0),
        subnet_id: request.subnet.clone(),
        groups: request.data.security_group_ids.clone(),
        private_ip_address: request.private_ip.clone(),
        ipv6_address_count: request.ipv6_count,
        ..InterfaceSpec::default()
    }
}

fn refuse_instance_level(request: &Request) -> Result<(), ApiError> {
    let refuse = |what: &str| {
        Err(ApiError::combination(format!(
            "Network interfaces and an instance-level {what} may not be specified on the same request"
        )))
    };
    if !request.data.security_group_ids.is_empty() || !request.data.security_groups.is_empty() {
        return refuse("security groups");
    }
    // A group's subnet is for the interfaces that name none.
    if request.subnet.is_some() && !request.subnet_is_default {
        return refuse("subnet ID");
    }
    if request.private_ip.is_some() {
        return refuse("private address");
    }
    if request.ipv6_count.is_some() {
        return refuse("IPv6 address count");
    }
    Ok(())
}

fn default_subnet(
    call: &Call<'_>,
    data: &LaunchData,
    row: &InstanceType,
) -> Result<Subnet, ApiError> {
    let mut subnets = call.visible::<Subnet>();
    subnets.retain(|subnet| subnet.default_for_zone);
    subnets.sort_by(|a, b| a.zone.cmp(&b.zone));
    if subnets.is_empty() {
        let message = if call.visible::<Vpc>().iter().any(|vpc| vpc.is_default) {
            return Err(ApiError::new(
                "MissingInput",
                "No subnets found for the default VPC. Please specify a subnet.",
            ));
        } else {
            "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC."
        };
        return Err(ApiError::new("VPCIdNotSpecified", message));
    }
    let placement = data.placement.as_ref();
    let zone = placement
        .and_then(|it| it.availability_zone.clone().or_else(|| it.availability_zone_id.clone()));
    let found = match zone {
        Some(zone) => {
            let known = regions::zones(&call.region)
                .into_iter()
                .find(|it| it.name == zone || it.id == zone);
            let known = known.ok_or_else(|| {
                ApiError::invalid_value(format!("Invalid availability zone: [{zone}]"))
            })?;
            subnets.into_iter().find(|subnet| subnet.zone == known.name)
        }
        None => subnets.into_iter().find(|subnet| row.offered_in(&subnet.zone)),
    };
    found.ok_or_else(|| {
        ApiError::new("MissingInput", "No default subnet for the availability zone.")
    })
}

fn planned(
    call: &Call<'_>,
    request: &Request,
    primary: &Subnet,
    spec: &InterfaceSpec,
    lone: bool,
) -> Result<Planned, ApiError> {
    let device = u32::try_from(spec.device_index.unwrap_or(0)).unwrap_or(u32::MAX);
    let card = launch_interfaces::card(spec);
    if let Some(id) = &spec.network_interface_id {
        let interface: Interface = call.find(id)?;
        if let Some(attachment) = &interface.attachment {
            return Err(ApiError::new(
                "InvalidNetworkInterface.InUse",
                format!("Interface: [{id}] in use by {}.", attachment.instance),
            ));
        }
        same_zone(primary, &interface.zone)?;
        let source = Source::Existing(id.clone());
        return Ok(Planned { device, card, delete: false, public: false, source });
    }
    refuse_unsupported(spec)?;
    let subnet: Subnet = match &spec.subnet_id {
        Some(id) => call.find(id)?,
        None => primary.clone(),
    };
    same_zone(primary, &subnet.zone)?;
    let kind = match spec.interface_type.as_deref() {
        Some("efa") => InterfaceKind::Efa,
        Some("efa-only") => InterfaceKind::EfaOnly,
        _ => InterfaceKind::Interface,
    };
    let groups = groups(call, request, &subnet, spec)?;
    interface::check_groups(call, &subnet.vpc, &groups)?;
    let private_ip = primary_address(spec)?;
    let secondary = spec.private_ip_addresses.iter().filter(|it| it.primary != Some(true)).count();
    if secondary > 0 {
        return Err(ApiError::new(
            "UnsupportedOperation",
            "The sandbox assigns secondary private addresses by count only (SecondaryPrivateIpAddressCount).",
        ));
    }
    let count = |value: Option<i64>| usize::try_from(value.unwrap_or(0)).unwrap_or(0);
    let ipv6_count = count(spec.ipv6_address_count).max(usize::from(subnet.assign_ipv6 && lone));
    let source = Source::New(NewInterface {
        groups,
        private_ip,
        description: spec.description.clone().unwrap_or_default(),
        secondary_ips: count(spec.secondary_private_ip_address_count),
        ipv6_count,
        ..NewInterface::in_subnet(&subnet.id, kind)
    });
    let public = spec.associate_public_ip_address.unwrap_or(subnet.map_public_ip && lone);
    Ok(Planned { device, card, delete: spec.delete_on_termination.unwrap_or(true), public, source })
}

fn same_zone(primary: &Subnet, zone: &str) -> Result<(), ApiError> {
    if primary.zone == zone {
        return Ok(());
    }
    Err(ApiError::invalid_value(format!(
        "All network interfaces of an instance must be in one Availability Zone: {} and {zone} differ.",
        primary.zone
    )))
}

fn refuse_unsupported(spec: &InterfaceSpec) -> Result<(), ApiError> {
    let prefixes = !spec.ipv4_prefixes.is_empty()
        || !spec.ipv6_prefixes.is_empty()
        || spec.ipv4_prefix_count.unwrap_or(0) > 0
        || spec.ipv6_prefix_count.unwrap_or(0) > 0;
    if prefixes || !spec.ipv6_addresses.is_empty() || spec.primary_ipv6 == Some(true) {
        return Err(ApiError::new(
            "UnsupportedOperation",
            "The sandbox does not launch with prefix delegation, chosen IPv6 addresses or a primary IPv6 address.",
        ));
    }
    Ok(())
}

fn groups(
    call: &Call<'_>,
    request: &Request,
    subnet: &Subnet,
    spec: &InterfaceSpec,
) -> Result<Vec<String>, ApiError> {
    let names = &request.data.security_groups;
    if names.is_empty() {
        return Ok(spec.groups.clone());
    }
    if !spec.groups.is_empty() {
        return Err(ApiError::combination(
            "Security groups may be given by ID or by name, not both.",
        ));
    }
    if request.subnet.is_some() || !subnet.default_for_zone {
        return Err(ApiError::combination(
            "The parameter groupName cannot be used with the parameter subnet",
        ));
    }
    let known = call.visible::<SecurityGroup>();
    let find = |name: &String| {
        let found = known.iter().find(|group| group.vpc == subnet.vpc && group.name == *name);
        found.map(|group| group.id.clone()).ok_or_else(|| {
            ApiError::new(
                "InvalidGroup.NotFound",
                format!(
                    "The security group '{name}' does not exist in default VPC '{}'",
                    subnet.vpc
                ),
            )
        })
    };
    names.iter().map(find).collect()
}

fn primary_address(spec: &InterfaceSpec) -> Result<Option<Ipv4Addr>, ApiError> {
    let listed = spec.private_ip_addresses.iter().find(|it| it.primary == Some(true));
    let text = spec
        .private_ip_address
        .as_deref()
        .or_else(|| listed.and_then(|it| it.private_ip_address.as_deref()));
    interface::read_address(text)
}

impl Plan {
    /// Whether the instance gets a public address of Amazon's.
    pub(super) fn is_public(&self) -> bool {
        self.interfaces.iter().any(|planned| planned.public)
    }

    /// How many instances the subnets have addresses for, up to `most`; fewer than `least` is an error.
    pub(super) fn room(
        &self,
        call: &Call<'_>,
        least: usize,
        most: usize,
    ) -> Result<usize, ApiError> {
        let fixed = self.interfaces.iter().any(|it| match &it.source {
            Source::Existing(_) => true,
            Source::New(new) => new.private_ip.is_some(),
        });
        if fixed && most > 1 {
            return Err(ApiError::combination(
                "A network interface or a private IP address may only be specified when launching one instance.",
            ));
        }
        let mut needed: BTreeMap<&str, usize> = BTreeMap::new();
        for planned in &self.interfaces {
            if let Source::New(new) = &planned.source
                && new.kind != InterfaceKind::EfaOnly
            {
                *needed.entry(&new.subnet).or_default() += 1 + new.secondary_ips;
            }
        }
        let mut room = most;
        for (id, each) in needed {
            let subnet: Subnet = call.find(id)?;
            let free = interface::free_addresses(call, &subnet) as usize;
            room = room.min(free / each);
            if room < least {
                return Err(ApiError::new(
                    "InsufficientFreeAddressesInSubnet",
                    format!(
                        "Not enough free addresses in subnet {id}: {each} are needed for each instance, {free} are free."
                    ),
                ));
            }
        }
        Ok(room)
    }

    /// Makes and attaches the interfaces of one instance.
    pub(super) fn build(
        &self,
        call: &mut Call<'_>,
        instance: &str,
        tags: &Tags,
    ) -> Result<(), ApiError> {
        for planned in &self.interfaces {
            let id = match &planned.source {
                Source::Existing(id) => id.clone(),
                Source::New(new) => {
                    let mut interface = interface::create(call, new.clone())?;
                    if planned.public {
                        interface.public_ip = Some(address::public_ip(call));
                        call.put(&interface);
                    }
                    call.set_tags(&interface.id, tags.clone());
                    interface.id
                }
            };
            interface::attach(call, &id, instance, planned.device, planned.card, planned.delete)?;
        }
        Ok(())
    }
}
