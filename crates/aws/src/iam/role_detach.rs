//! Takes away from a role what others gave it, so that it can be deleted.

use formwork_core::ProviderError;

use crate::{
    client::Clients,
    error::{Named, unless_absent},
};

/// Detaches its managed policies, deletes its inline ones, and takes it out of instance profiles.
pub(super) async fn all(clients: &Clients, role: &str) -> Result<(), ProviderError> {
    let iam = clients.iam();
    let attached = iam.list_attached_role_policies().role_name(role).into_paginator().items();
    let attached: Vec<_> =
        attached.send().try_collect().await.named("iam:ListAttachedRolePolicies")?;
    for arn in attached.into_iter().filter_map(|policy| policy.policy_arn) {
        let call = iam.detach_role_policy().role_name(role).policy_arn(arn);
        unless_absent(call.send().await.named("iam:DetachRolePolicy"))?;
    }
    let inline = iam.list_role_policies().role_name(role).into_paginator().items();
    let inline: Vec<_> = inline.send().try_collect().await.named("iam:ListRolePolicies")?;
    for name in inline {
        let call = iam.delete_role_policy().role_name(role).policy_name(name);
        unless_absent(call.send().await.named("iam:DeleteRolePolicy"))?;
    }
    let profiles = iam.list_instance_profiles_for_role().role_name(role).into_paginator().items();
    let profiles: Vec<_> =
        profiles.send().try_collect().await.named("iam:ListInstanceProfilesForRole")?;
    for profile in profiles {
        let call = iam.remove_role_from_instance_profile().role_name(role);
        let call = call.instance_profile_name(profile.instance_profile_name());
        unless_absent(call.send().await.named("iam:RemoveRoleFromInstanceProfile"))?;
    }
    Ok(())
}
