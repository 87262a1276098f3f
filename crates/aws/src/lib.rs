//! AWS resources for formwork, over the AWS SDK for Rust.
//!
//! [`Aws`] is the provider: it knows where to look for credentials and what types there are. Each
//! type is a plain struct in the module of its service, such as [`ec2::Vpc`]; everything that AWS
//! would refuse and that can be known beforehand is reported when a plan is made.
//!
//! What it is not: it prints nothing, keeps no state, and waits for nothing; the engine does.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can not go on has failed"))]

pub mod autoscaling;
mod check;
mod child;
mod cidr;
mod client;
pub mod ec2;
mod error;
pub mod iam;
mod id;
#[cfg(test)]
mod import_tests;
mod locate;
pub mod lookup;
pub mod policy;
mod provider;
mod retry;
mod tags;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod unmanaged_tests;
mod wait;

pub use client::Clients;
use formwork_core::Registry;
pub use id::Arn;
pub use provider::{Aws, AwsBuilder, ConnectError};
pub use tags::Tags;

/// Adds every type that this crate has.
fn register(registry: Registry<Clients>) -> Registry<Clients> {
    lookup::register(iam::register(autoscaling::register(ec2::register(registry))))
}
