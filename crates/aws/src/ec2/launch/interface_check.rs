//! What AWS refuses about a layout of network interfaces.
//!
//! Rules: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html>,
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceNetworkInterfaceSpecification.html>.
//! How many interfaces and cards a type has is not known here.

use std::net::{Ipv4Addr, Ipv6Addr};

use formwork_core::Check;
use ipnet::Ipv4Net;

use super::interface::InterfaceType;
use crate::check::{choice, id, range};

/// What makes an interface, and so can not go with one that exists.
const MAKING: [&str; 4] = ["subnet_id", "security_group_ids", "description", "private_ip_address"];

/// What gives an interface an address.
const ADDRESSING: [&str; 10] = [
    "private_ip_address",
    "secondary_private_ip_addresses",
    "secondary_private_ip_address_count",
    "ipv6_addresses",
    "ipv6_address_count",
    "primary_ipv6",
    "ipv4_prefixes",
    "ipv4_prefix_count",
    "ipv6_prefixes",
    "ipv6_prefix_count",
];

/// Fields of the same kind, of which one or the other can be set.
const EITHER: [[&str; 2]; 4] = [
    ["secondary_private_ip_addresses", "secondary_private_ip_address_count"],
    ["ipv6_addresses", "ipv6_address_count"],
    ["ipv4_prefixes", "ipv4_prefix_count"],
    ["ipv6_prefixes", "ipv6_prefix_count"],
];

/// Reports what is wrong with the interfaces of the field `field`; `beside` are fields of the
/// machine itself that say for one interface what the list says for each.
pub(crate) fn check(check: &mut Check<'_>, field: &str, beside: &[&str]) {
    let count = super::length(check, field);
    if count == 0 {
        return;
    }
    for name in beside {
        if set(check, name) {
            let message = format!("{field} is set too: expected it on each interface instead");
            check.problem(name, message);
        }
    }
    let at = |i: usize| format!("{field}[{i}]");
    let place = |check: &Check<'_>, i: usize| {
        let part = |name: &str| check.get::<u32>(&format!("{}.{name}", at(i)));
        part("network_card_index").zip(part("device_index"))
    };
    let places: Vec<_> = (0..count).map(|i| place(check, i)).collect();
    if places.iter().all(|place| place.is_some_and(|place| place != (0, 0))) {
        let message =
            "none is device 0 on network card 0: expected the primary interface among them";
        check.problem(field, message);
    }
    for (i, place) in places.iter().enumerate() {
        let Some((card, device)) = place else { continue };
        if places[..i].contains(&Some((*card, *device))) {
            let message = format!("device {device} on network card {card} is there twice");
            check.problem(&at(i), message);
        }
    }
    for (i, place) in places.into_iter().enumerate() {
        one(check, &at(i), place, count);
    }
    zones(check, field, count);
}

fn one(check: &mut Check<'_>, at: &str, place: Option<(u32, u32)>, count: usize) {
    let field = |name: &str| format!("{at}.{name}");
    choice::<InterfaceType>(check, &field("interface_type"));
    id(check, &field("subnet_id"), "subnet");
    id(check, &field("network_interface_id"), "eni");
    let public = field("associate_public_ip_address");
    let wants_public = check.get::<bool>(&public) == Some(true);
    if wants_public && count > 1 {
        let message = format!(
            "{count} interfaces are launched: expected no public address with more than one; \
             use a private subnet, or an elastic address on the primary interface"
        );
        check.problem(&public, message);
    } else if wants_public && place.is_some_and(|(_, device)| device != 0) {
        check.problem(&public, "only device 0 can be given a public address at launch");
    }
    let kind = check.get::<InterfaceType>(&field("interface_type"));
    if kind == Some(InterfaceType::EfaOnly) {
        if place == Some((0, 0)) {
            let message = "efa-only has no IP address and can not be the primary interface: expected \
                           interface or efa on network card 0, device 0";
            check.problem(&field("interface_type"), message);
        }
        for name in ADDRESSING.iter().chain(&["associate_public_ip_address"]) {
            let name = field(name);
            if set(check, &name) && check.get::<bool>(&name) != Some(false) {
                check.problem(&name, "an efa-only interface takes no IP address: expected none");
            }
        }
    }
    if check.is_set(&field("network_interface_id")) {
        for name in MAKING {
            if set(check, &field(name)) {
                let message =
                    "an existing interface is attached: expected none, for it has its own";
                check.problem(&field(name), message);
            }
        }
        let delete = field("delete_on_termination");
        if check.get::<bool>(&delete) == Some(true) {
            let message =
                "an existing interface can not be deleted with the machine: expected false";
            check.problem(&delete, message);
        }
    }
    for [list, number] in EITHER {
        if set(check, &field(list)) && check.is_set(&field(number)) {
            check.problem(&field(number), format!("{list} is set too: expected only one of them"));
        }
    }
    addresses(check, at);
    // <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html>
    range(check, &field("connection_tracking.tcp_established_timeout"), 60, 432_000);
    range(check, &field("connection_tracking.udp_timeout"), 30, 60);
    range(check, &field("connection_tracking.udp_stream_timeout"), 60, 180);
}

fn addresses(check: &mut Check<'_>, at: &str) {
    let subnet = check
        .target(&format!("{at}.subnet_id"))
        .and_then(|subnet| subnet.get::<String>("cidr_block"))
        .and_then(|block| block.parse::<Ipv4Net>().ok());
    let list = format!("{at}.secondary_private_ip_addresses");
    let mut fields = vec![format!("{at}.private_ip_address")];
    fields.extend((0..super::length(check, &list)).map(|i| format!("{list}[{i}]")));
    for field in fields {
        let Some(text) = check.get::<String>(&field) else { continue };
        match (text.parse::<Ipv4Addr>(), subnet) {
            (Err(_), _) => check.problem(&field, format!("{text:?} is no IPv4 address")),
            (Ok(address), Some(subnet)) if !subnet.contains(&address) => {
                check.problem(&field, format!("{address} is not in the subnet's block {subnet}"));
            }
            _ => {}
        }
    }
    let list = format!("{at}.ipv6_addresses");
    for i in 0..super::length(check, &list) {
        let field = format!("{list}[{i}]");
        if let Some(text) = check.get::<String>(&field)
            && text.parse::<Ipv6Addr>().is_err()
        {
            check.problem(&field, format!("{text:?} is no IPv6 address"));
        }
    }
}

/// All interfaces of a machine are in its zone.
fn zones(check: &mut Check<'_>, field: &str, count: usize) {
    let zone = |check: &Check<'_>, i: usize| {
        let subnet = check.target(&format!("{field}[{i}].subnet_id"))?;
        subnet.get::<String>("availability_zone")
    };
    let mut first: Option<String> = None;
    for i in 0..count {
        let Some(zone) = zone(check, i) else { continue };
        let first = first.get_or_insert_with(|| zone.clone());
        if *first != zone {
            let message =
                format!("the subnet is in {zone}: expected {first}, where the others are");
            check.problem(&format!("{field}[{i}].subnet_id"), message);
        }
    }
}

/// Whether a field says something: an empty list does not.
fn set(check: &Check<'_>, field: &str) -> bool {
    check.is_set(field)
        && check.get::<Vec<serde_json::Value>>(field).is_none_or(|list| !list.is_empty())
}
