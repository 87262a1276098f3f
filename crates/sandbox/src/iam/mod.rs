//! IAM: one file per resource, each with a table of its operations.
//!
//! What is there: roles, their policies, managed policies with versions, instance profiles and
//! service-linked roles. What is not: users, groups, access keys and identity providers. Documents
//! are checked as strictly as IAM checks them, and trust policies are evaluated. Permissions are
//! not: every caller may call everything.

use crate::call::OperationFn;

mod aws_managed;
mod document;
mod error;
mod input;
mod instance_profile;
pub(crate) mod lookup;
mod policy;
mod policy_version;
mod principals;
mod resource_arn;
mod role;
mod role_policy;
pub(crate) mod service_linked_role;
mod tagging;
pub(crate) mod trust;
pub(crate) mod user;

#[cfg(test)]
mod tests;

pub(crate) use document::{Kind as DocumentKind, parse as parse_document};

/// All operations, one table per file.
pub(crate) const OPERATIONS: &[&[(&str, OperationFn)]] = &[
    instance_profile::OPERATIONS,
    policy::OPERATIONS,
    policy_version::OPERATIONS,
    role::OPERATIONS,
    role_policy::OPERATIONS,
    service_linked_role::OPERATIONS,
];
