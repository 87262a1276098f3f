//! A pack of policies over the resources of this crate.
//!
//! [`baseline`] is what no stack should be without; [`required_tags`] and [`cost_ceiling`] need to be
//! told what is wanted. Each is a plain [`formwork_core::Policy`]: make it advisory, allow no
//! exemption, or take only those that fit.
//!
//! There is nothing about buckets, for this crate has no type for them yet.

mod cost;
mod iam;
mod machine;
mod network;
mod storage;
mod tags;
#[cfg(test)]
mod tests;

pub use cost::{
    Ceiling, HOURS_PER_MONTH, INTERFACE_ENDPOINT, NAT_GATEWAY, PUBLIC_ADDRESS, cost_ceiling, hourly,
};
use formwork_core::Policy;
pub use iam::no_wildcard_admin;
pub use machine::imdsv2_required;
pub use network::{no_world_open_port, no_world_open_ssh};
pub use storage::encrypted_volumes;
pub use tags::required_tags;

/// What no stack should be without, all of it mandatory: no SSH that is open to the world, encrypted
/// volumes, IMDSv2, and no policy that allows everything.
#[must_use]
pub fn baseline() -> Vec<Policy> {
    vec![no_world_open_ssh(), encrypted_volumes(), imdsv2_required(), no_wildcard_admin()]
}
