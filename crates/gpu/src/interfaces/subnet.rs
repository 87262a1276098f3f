//! How many nodes a subnet takes.

use serde::Serialize;

/// Addresses that AWS keeps in every subnet: the first four and the last one (VPC User Guide,
/// "Subnet sizing for IPv4").
const RESERVED: u32 = 5;

/// What a subnet has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SubnetCapacity {
    /// Addresses that instances can use.
    pub usable: u32,
    /// Nodes that fit, if nothing else is in the subnet.
    pub nodes: u32,
}

/// A subnet that cannot be, or that is too small.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// EC2 has no such subnet.
    #[error("a subnet is between /16 and /28, not /{prefix}")]
    Prefix {
        /// The prefix length.
        prefix: u8,
    },
    /// The nodes do not fit.
    #[error(
        "{nodes} nodes with {per_node} addresses each need {needed}, and a /{prefix} has {usable} \
         to use: {fitting} nodes fit"
    )]
    TooSmall {
        /// The prefix length.
        prefix: u8,
        /// How many nodes are wanted.
        nodes: u32,
        /// How many addresses each takes.
        per_node: u32,
        /// How many addresses that is.
        needed: u64,
        /// How many the subnet has.
        usable: u32,
        /// How many nodes fit.
        fitting: u32,
    },
}

impl SubnetCapacity {
    /// The capacity of an IPv4 subnet for nodes that take `per_node` addresses each.
    ///
    /// # Errors
    ///
    /// When EC2 has no subnets of that size.
    pub fn of(prefix: u8, per_node: u32) -> Result<Self, SubnetError> {
        if !(16..=28).contains(&prefix) {
            return Err(SubnetError::Prefix { prefix });
        }
        let usable = (1 << (32 - prefix)) - RESERVED;
        Ok(Self { usable, nodes: usable.checked_div(per_node).unwrap_or(u32::MAX) })
    }

    /// Whether `nodes` nodes fit, and the capacity if they do.
    ///
    /// # Errors
    ///
    /// When they do not fit, with the figures; or when EC2 has no subnets of that size.
    pub fn check(prefix: u8, per_node: u32, nodes: u32) -> Result<Self, SubnetError> {
        let capacity = Self::of(prefix, per_node)?;
        if nodes <= capacity.nodes {
            return Ok(capacity);
        }
        Err(SubnetError::TooSmall {
            prefix,
            nodes,
            per_node,
            needed: u64::from(nodes) * u64::from(per_node),
            usable: capacity.usable,
            fitting: capacity.nodes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_24_holds_seven_nodes_with_32_addresses_each() {
        assert_eq!(SubnetCapacity::of(24, 32), Ok(SubnetCapacity { usable: 251, nodes: 7 }));
        let error = SubnetCapacity::check(24, 32, 16).unwrap_err();
        let text =
            "16 nodes with 32 addresses each need 512, and a /24 has 251 to use: 7 nodes fit";
        assert_eq!(error.to_string(), text);
        assert!(SubnetCapacity::check(24, 1, 16).is_ok());
        assert!(SubnetCapacity::of(29, 1).is_err() && SubnetCapacity::of(0, 0).is_err());
    }
}
