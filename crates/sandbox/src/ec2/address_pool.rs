//! The addresses of subnets: which are reserved, which are taken, which are left.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    interface::{Interface, InterfaceKind, NewInterface},
    subnet::Subnet,
};
use crate::{call::Call, error::ApiError};

/// The IPv4 addresses of a subnet that are taken.
const ADDRESSES: &str = "subnet-addresses";
/// The network, the router, the DNS server, one reserved, the broadcast address
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
const RESERVED: u32 = 5;

/// How many addresses a subnet has left.
pub(crate) fn free_addresses(call: &Call<'_>, subnet: &Subnet) -> u32 {
    let taken = call.linked_count(ADDRESSES, &subnet.id);
    size(subnet).saturating_sub(RESERVED).saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
}

/// Frees the addresses of an interface that goes away.
pub(crate) fn free(call: &mut Call<'_>, interface: &Interface) {
    for address in &interface.private_ips {
        call.unlink(ADDRESSES, &interface.subnet, &address.to_string());
    }
}

/// Takes the IPv4 addresses that a new interface is to have, the primary one first.
pub(crate) fn take(
    call: &mut Call<'_>,
    subnet: &Subnet,
    new: &NewInterface,
) -> Result<Vec<Ipv4Addr>, ApiError> {
    if new.kind == InterfaceKind::EfaOnly {
        return match (new.private_ip, new.secondary_ips) {
            (None, 0) => Ok(Vec::new()),
            _ => Err(ApiError::combination("An EFA-only interface can not have an IP address")),
        };
    }
    let mut taken = Vec::with_capacity(1 + new.secondary_ips);
    taken.push(match new.private_ip {
        Some(wanted) => take_address(call, subnet, wanted)?,
        None => take_any_address(call, subnet)?,
    });
    for _ in 0..new.secondary_ips {
        let address = take_any_address(call, subnet)?;
        taken.push(address);
    }
    Ok(taken)
}

/// Takes a certain address of a subnet.
fn take_address(
    call: &mut Call<'_>,
    subnet: &Subnet,
    wanted: Ipv4Addr,
) -> Result<Ipv4Addr, ApiError> {
    if !usable(subnet, wanted) {
        return Err(ApiError::invalid_value(format!(
            "Address {wanted} does not fall within the subnet's address range, or is in its reserved range"
        )));
    }
    if call.is_linked(ADDRESSES, &subnet.id, &wanted.to_string()) {
        return Err(ApiError::new(
            "InvalidIPAddress.InUse",
            format!("Address {wanted} is in use."),
        ));
    }
    call.link(ADDRESSES, &subnet.id, &wanted.to_string());
    Ok(wanted)
}

fn take_any_address(call: &mut Call<'_>, subnet: &Subnet) -> Result<Ipv4Addr, ApiError> {
    let usable = size(subnet).saturating_sub(RESERVED);
    let start = (call.random() >> 32) as u32;
    for step in 0..usable {
        // Four reserved at the start, one at the end.
        let offset = 4 + start.wrapping_add(step) % usable;
        let address = Ipv4Addr::from_bits(subnet.cidr.network().to_bits() + offset);
        if !call.is_linked(ADDRESSES, &subnet.id, &address.to_string()) {
            call.link(ADDRESSES, &subnet.id, &address.to_string());
            return Ok(address);
        }
    }
    Err(ApiError::new(
        "InsufficientFreeAddressesInSubnet",
        format!("The subnet '{}' does not have enough free addresses.", subnet.id),
    ))
}

/// Takes IPv6 addresses.
pub(crate) fn take_ipv6(
    call: &mut Call<'_>,
    subnet: &Subnet,
    count: usize,
) -> Result<Vec<Ipv6Addr>, ApiError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let Some(block) = subnet.ipv6_blocks.first() else {
        return Err(ApiError::invalid_value(format!(
            "The subnet {} does not have an IPv6 CIDR block",
            subnet.id
        )));
    };
    // 64 random bits that no other call is ever given: no two interfaces can collide.
    let base = block.cidr.network().to_bits();
    Ok((0..count).map(|_| Ipv6Addr::from_bits(base | u128::from(call.random()))).collect())
}

fn usable(subnet: &Subnet, address: Ipv4Addr) -> bool {
    let first = subnet.cidr.network().to_bits();
    let offset = address.to_bits().checked_sub(first);
    offset.is_some_and(|offset| (4..size(subnet) - 1).contains(&offset))
}

fn size(subnet: &Subnet) -> u32 {
    1 << (32 - u32::from(subnet.cidr.prefix_len()))
}
