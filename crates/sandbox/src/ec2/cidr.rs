//! Reads CIDR blocks by EC2's rules.

use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::error::ApiError;

/// Reads an IPv4 block and brings it into its canonical form, as EC2 does.
pub(crate) fn ipv4(parameter: &str, text: &str) -> Result<Ipv4Net, ApiError> {
    text.parse::<Ipv4Net>()
        .map(|net| net.trunc())
        .map_err(|_| ApiError::invalid(parameter, text, "This is not a valid CIDR block."))
}

/// Reads an IPv6 block and brings it into its canonical form.
pub(crate) fn ipv6(parameter: &str, text: &str) -> Result<Ipv6Net, ApiError> {
    text.parse::<Ipv6Net>()
        .map(|net| net.trunc())
        .map_err(|_| ApiError::invalid(parameter, text, "This is not a valid IPv6 CIDR block."))
}

/// Reads an IPv4 address.
pub(crate) fn address(parameter: &str, text: &str) -> Result<Ipv4Addr, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(parameter, text, "This is not a valid IP address."))
}

/// Tells whether two blocks share an address.
pub(crate) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// Tells whether two IPv6 blocks share an address.
pub(crate) fn overlap6(one: Ipv6Net, other: Ipv6Net) -> bool {
    one.contains(&other) || other.contains(&one)
}
