//! AWS Identity and Access Management: roles, what they may do, and who may take them on.
//!
//! One file is one resource, in one order: ids, inputs, outputs, `Lifecycle`, helpers, tests. Users,
//! groups and access keys are not here: a program that needs a long-lived key is better off with a
//! role.

mod document;
mod entity;
mod instance_profile;
mod name;
mod policy;
mod role;
mod role_detach;
mod role_policy;
mod role_policy_attachment;
#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod tests;

pub use document::{
    Effect, ParsePolicyError, PolicyDocument, PolicyText, Principals, Statement, StatementBuilder,
};
use formwork_core::Registry;
pub use instance_profile::{InstanceProfile, InstanceProfileHandle, InstanceProfileOutputs};
pub use policy::{Policy, PolicyHandle, PolicyOutputs, aws_managed_policy};
pub use role::{Role, RoleBuilder, RoleHandle, RoleName, RoleOutputs};
pub use role_policy::{RolePolicy, RolePolicyHandle, RolePolicyOutputs};
pub use role_policy_attachment::{
    RolePolicyAttachment, RolePolicyAttachmentHandle, RolePolicyAttachmentOutputs,
};

use crate::client::Clients;

/// Adds the types of this service.
pub(crate) fn register(registry: Registry<Clients>) -> Registry<Clients> {
    registry
        .with::<Role>()
        .with::<RolePolicy>()
        .with::<Policy>()
        .with::<RolePolicyAttachment>()
        .with::<InstanceProfile>()
}
