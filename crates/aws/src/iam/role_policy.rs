//! An inline policy of a role: what that one role may do.

use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    document::{self, DocumentKind, PolicyDocument},
    entity::{each, if_there, made_before, seen_document, settled},
    name::check_name,
    role::{FORCE, Role, RoleName},
};
use crate::{
    child::says,
    client::Clients,
    error::{Named, unless_absent},
    retry::while_unseen,
};

/// The most characters of all inline policies of a role together
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const SIZE: usize = 10_240;

/// A policy that is part of a role, and goes with it.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:iam/role-policy", outputs = RolePolicyOutputs, group = identity, seconds = 1)]
pub struct RolePolicy {
    /// The role.
    #[resource(replace, unique)]
    pub role: RoleName,
    /// Its name, unique in the role: up to 128 letters, digits and `+=,.@_-`. Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// What the role may do.
    #[resource(nested)]
    pub policy: PolicyDocument,
}

/// What an inline policy reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RolePolicyOutputs {
    /// The role's name and the policy's: `role:policy`.
    #[output(id)]
    pub id: String,
    /// The role's name.
    #[output(echo)]
    pub role: RoleName,
    /// The policy's name.
    pub name: String,
}

impl Lifecycle for RolePolicy {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        // One of that name which says something else is not what was going to be created.
        let found = get(cx.client, &inputs.role, &name(cx, inputs), Some(&inputs.policy)).await?;
        Ok(found.filter(|found| found.inputs.policy == inputs.policy))
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        see(cx.client, known).await
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        each(among, |known| see(clients, known)).await
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (role, name) = match by {
            By::Id(id) => match crate::locate::pair(id, ':') {
                Some((role, name)) => (role.into(), name),
                None => return Ok(None),
            },
            By::Inputs(Self { role, name: Some(name), .. }) => (role.clone(), name.as_str()),
            By::Inputs(_) => return Ok(None),
        };
        get(clients, &role, name, None).await
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<RolePolicyOutputs, CreateError<Self>> {
        // IAM would overwrite without a word.
        let name = name(cx, inputs);
        let outputs = outputs(&inputs.role, &name);
        if let Some(there) = get(cx.client, &inputs.role, &name, Some(&inputs.policy)).await? {
            let message = format!("the role {} has a policy {name} already", inputs.role);
            let error = ProviderError::new(ErrorKind::Conflict, "iam:PutRolePolicy", message);
            let same = there.inputs.policy == inputs.policy;
            return Ok(made_before(error, same.then_some(outputs))?);
        }
        put(cx.client, &outputs, &inputs.policy).await?;
        Ok(outputs)
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        settled(cx, known, |sent, seen| sent.policy == seen.policy).await
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        _changes: &Changes,
    ) -> Result<RolePolicyOutputs, ProviderError> {
        put(cx.client, &known.outputs, &inputs.policy).await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let RolePolicyOutputs { role, name, .. } = &known.outputs;
        let call = cx.client.iam().delete_role_policy().role_name(role.as_str()).policy_name(name);
        unless_absent(call.send().await.named("iam:DeleteRolePolicy"))?;
        Ok(Deletion::Done)
    }

    const PARENTS: &'static [Parent] = &[Parent::new(Role::TYPE.kind, "role")];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let found = each(parents, |role| async move {
            let call = clients.iam().list_role_policies().role_name(role.id);
            let names = call.into_paginator().items().send().try_collect().await;
            let names: Vec<String> =
                if_there(names.named("iam:ListRolePolicies"))?.unwrap_or_default();
            let name = RoleName::from(role.id);
            let policies = each(&names, |policy| get(clients, &name, policy, None)).await?;
            let child = |policy| Child::new(policy).going_along(says(role, FORCE));
            Ok(Some(policies.into_iter().map(child).collect::<Vec<_>>()))
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    fn validate(check: &mut Check<'_>) {
        check_name(check, "role", 64);
        check_name(check, "name", 128);
        document::check(check, "policy", DocumentKind::Identity, SIZE);
    }
}

fn name(cx: &Context<'_, Clients>, inputs: &RolePolicy) -> String {
    inputs.name.clone().unwrap_or_else(|| cx.identity.name(128))
}

fn outputs(role: &RoleName, name: &str) -> RolePolicyOutputs {
    RolePolicyOutputs { id: format!("{role}:{name}"), role: role.clone(), name: name.to_owned() }
}

async fn put(
    clients: &Clients,
    of: &RolePolicyOutputs,
    policy: &PolicyDocument,
) -> Result<(), ProviderError> {
    let call = clients.iam().put_role_policy().role_name(of.role.as_str()).policy_name(&of.name);
    let call = call.policy_document(policy.to_json());
    while_unseen(clients, || async { call.clone().send().await.named("iam:PutRolePolicy") })
        .await?;
    Ok(())
}

async fn see(
    clients: &Clients,
    known: &Known<RolePolicy>,
) -> Result<Option<Observed<RolePolicy>>, ProviderError> {
    let RolePolicyOutputs { role, name, .. } = &known.outputs;
    get(clients, role, name, Some(&known.inputs.policy)).await
}

async fn get(
    clients: &Clients,
    role: &RoleName,
    name: &str,
    declared: Option<&PolicyDocument>,
) -> Result<Option<Observed<RolePolicy>>, ProviderError> {
    const CALL: &str = "iam:GetRolePolicy";
    let call = clients.iam().get_role_policy().role_name(role.as_str()).policy_name(name);
    let Some(answer) = if_there(call.send().await.named(CALL))? else { return Ok(None) };
    let inputs = RolePolicy {
        role: role.clone(),
        name: Some(name.to_owned()),
        policy: seen_document(CALL, Some(answer.policy_document()), declared)?,
    };
    Ok(Some(Observed { inputs, outputs: outputs(role, name) }))
}
