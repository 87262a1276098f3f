//! The attachment of a managed policy to a role.

use std::collections::{BTreeMap, BTreeSet};

use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Managed,
    Observed, Outputs, Parent, ProviderError, Resource,
};
use serde::{Deserialize, Serialize};

use super::{
    entity::{each, if_there},
    name::{check_name, check_policy_arn},
    role::{FORCE, Role, RoleName},
};
use crate::{
    child::says,
    client::Clients,
    error::{Named, unless_absent},
    id::Arn,
    retry::while_unseen,
};

/// The attachment of a managed policy, one's own or AWS's, to a role. One that is there already is
/// taken over.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:iam/role-policy-attachment",
    outputs = RolePolicyAttachmentOutputs,
    group = identity,
    seconds = 1
)]
pub struct RolePolicyAttachment {
    /// The role.
    #[resource(replace, unique)]
    pub role: RoleName,
    /// The policy; for one of AWS's see [`aws_managed_policy`](super::aws_managed_policy).
    #[resource(replace, unique)]
    pub policy_arn: Arn,
}

/// What an attachment reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RolePolicyAttachmentOutputs {
    /// The role's name and the policy's ARN: `role/arn`.
    #[output(id)]
    pub id: String,
    /// The role's name.
    #[output(echo)]
    pub role: RoleName,
    /// The policy.
    #[output(echo)]
    pub policy_arn: Arn,
}

impl Lifecycle for RolePolicyAttachment {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let attached = attached(cx.client, &inputs.role).await?;
        Ok(attached.contains(&inputs.policy_arn).then(|| observed(inputs)))
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Self::find(cx, &known.inputs).await
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let roles: BTreeSet<&RoleName> = among.iter().map(|known| &known.inputs.role).collect();
        let roles: Vec<&RoleName> = roles.into_iter().collect();
        let found = each(&roles, |role| async {
            attached(clients, role).await.map(|attached| Some(((*role).clone(), attached)))
        });
        let found: BTreeMap<RoleName, BTreeSet<Arn>> = found.await?.into_iter().collect();
        let there = |inputs: &Self| {
            found.get(&inputs.role).is_some_and(|attached| attached.contains(&inputs.policy_arn))
        };
        Ok(among.iter().filter(|known| there(&known.inputs)).map(|k| observed(&k.inputs)).collect())
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let inputs = match by {
            By::Id(id) => match crate::locate::pair(id, '/') {
                Some((role, arn)) => Self { role: role.into(), policy_arn: arn.into() },
                None => return Ok(None),
            },
            By::Inputs(inputs) => inputs.clone(),
        };
        let attached = attached(clients, &inputs.role).await?;
        Ok(attached.contains(&inputs.policy_arn).then(|| observed(&inputs)))
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<RolePolicyAttachmentOutputs, CreateError<Self>> {
        let call = cx.client.iam().attach_role_policy();
        let call = call.role_name(inputs.role.as_str()).policy_arn(inputs.policy_arn.as_str());
        while_unseen(cx.client, || async {
            call.clone().send().await.named("iam:AttachRolePolicy")
        })
        .await?;
        Ok(observed(inputs).outputs)
    }

    /// Never called: every change replaces.
    async fn update(
        _cx: &Context<'_, Clients>,
        known: &Known<Self>,
        _inputs: &Self,
        _changes: &Changes,
    ) -> Result<RolePolicyAttachmentOutputs, ProviderError> {
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let RolePolicyAttachmentOutputs { role, policy_arn, .. } = &known.outputs;
        let call = cx.client.iam().detach_role_policy();
        let call = call.role_name(role.as_str()).policy_arn(policy_arn.as_str());
        unless_absent(call.send().await.named("iam:DetachRolePolicy"))?;
        Ok(Deletion::Done)
    }

    const PARENTS: &'static [Parent] = &[Parent::new(Role::TYPE.kind, "role")];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let found = each(parents, |role| async move {
            let name = RoleName::from(role.id);
            let child = |policy_arn| {
                let inputs = Self { role: name.clone(), policy_arn };
                Child::new(observed(&inputs)).going_along(says(role, FORCE))
            };
            let attached = attached(clients, &name).await?;
            Ok(Some(attached.into_iter().map(child).collect::<Vec<_>>()))
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    fn validate(check: &mut Check<'_>) {
        check_name(check, "role", 64);
        check_policy_arn(check, "policy_arn");
    }
}

/// The policies that are attached to a role; none if there is no such role.
async fn attached(clients: &Clients, role: &RoleName) -> Result<BTreeSet<Arn>, ProviderError> {
    let call = clients.iam().list_attached_role_policies().role_name(role.as_str());
    let pages = call.into_paginator().items().send();
    let found: Result<Vec<_>, _> = pages.try_collect().await.named("iam:ListAttachedRolePolicies");
    let found = if_there(found)?.unwrap_or_default();
    Ok(found.into_iter().filter_map(|policy| policy.policy_arn).map(Arn::from).collect())
}

fn observed(inputs: &RolePolicyAttachment) -> Observed<RolePolicyAttachment> {
    let RolePolicyAttachment { role, policy_arn } = inputs.clone();
    let id = format!("{role}/{policy_arn}");
    let outputs = RolePolicyAttachmentOutputs { id, role, policy_arn };
    Observed { inputs: inputs.clone(), outputs }
}
