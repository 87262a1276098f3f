//! A managed policy: what those may do whom it is attached to, in up to five versions.

use aws_sdk_iam::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    document::{self, DocumentKind, PolicyDocument},
    entity::{
        each, if_there, is_ours, is_owned, made_before, seen_document, seen_tags, sent_tags,
        settled, update_tags,
    },
    name::{check_name, check_path, check_tags},
    role::root,
};
use crate::{
    check,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::Arn,
    locate::may_take,
    retry::while_failing,
    tags::{self, Tags},
    wait,
};

/// The most characters of a managed policy, and the most versions
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const SIZE: usize = 6144;
const VERSIONS: usize = 5;

/// A managed policy of the account.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>
///
/// Changing what it says makes a version of it and puts that in force; where there are five already,
/// the oldest that is not in force goes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:iam/policy", outputs = PolicyOutputs, group = identity, seconds = 1)]
pub struct Policy {
    /// Its name, unique in the account whatever its case: up to 128 letters, digits and `+=,.@_-`.
    /// Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// Its path: `/`, or one like `/team/`.
    #[serde(default = "root")]
    #[resource(replace, default)]
    pub path: String,
    /// What it is for: up to 1000 characters. IAM can not change it.
    #[resource(replace)]
    pub description: Option<String>,
    /// What may be done.
    #[resource(nested)]
    pub policy: PolicyDocument,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a managed policy reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct PolicyOutputs {
    /// The ARN.
    #[output(id)]
    pub arn: Arn,
    /// The name.
    pub name: String,
    /// The id that no other policy ever has, `ANPA...`.
    pub unique_id: String,
}

/// The ARN of a policy that AWS manages, in the `aws` partition: its name, after its path if it has
/// one, such as `AmazonSSMManagedInstanceCore` or `service-role/AWSLambdaBasicExecutionRole`.
/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>
#[must_use]
pub fn aws_managed_policy(name: &str) -> Arn {
    Arn::from(format!("arn:aws:iam::aws:policy/{name}"))
}

impl Lifecycle for Policy {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let name = format!("policy{}{}", inputs.path, name(cx, inputs));
        let arn = cx.client.global_arn("iam", &name);
        match get(cx.client, &arn).await? {
            Some(policy) if is_ours(policy.tags(), cx.identity) => {
                observe(cx.client, &policy, Some(inputs)).await
            }
            _ => Ok(None),
        }
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
        // ListPolicies has neither tags, descriptions nor documents.
        each(among, |known| see(clients, known)).await
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let arn = match by {
            By::Id(id) if !id.starts_with("arn:") => return Ok(None),
            By::Id(arn) => arn.into(),
            By::Inputs(Self { name: Some(name), path, .. }) => {
                clients.global_arn("iam", &format!("policy{path}{name}"))
            }
            By::Inputs(_) => return Ok(None),
        };
        match get(clients, &arn).await?.filter(|it| may_take(by, is_owned(it.tags()))) {
            Some(policy) => observe(clients, &policy, None).await,
            None => Ok(None),
        }
    }

    async fn claim(cx: &Context<'_, Clients>, known: &Known<Self>) -> Result<(), ProviderError> {
        let all = tags::all(cx.client, cx.identity, &known.inputs.tags);
        let call = cx.client.iam().tag_policy().policy_arn(known.outputs.arn.as_str());
        let call = call.set_tags(Some(super::entity::sent_tags(&all)?));
        call.send().await.named("iam:TagPolicy")?;
        Ok(())
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<PolicyOutputs, CreateError<Self>> {
        const CALL: &str = "iam:CreatePolicy";
        let all = tags::all(cx.client, cx.identity, &inputs.tags);
        let call = cx
            .client
            .iam()
            .create_policy()
            .policy_name(name(cx, inputs))
            .path(&inputs.path)
            .set_description(inputs.description.clone())
            .policy_document(inputs.policy.to_json())
            .set_tags(Some(sent_tags(&all)?));
        match call.send().await.named(CALL) {
            Ok(answer) => {
                let policy = answer.policy().ok_or_else(|| incomplete(CALL, "policy"))?;
                Ok(outputs(policy)?)
            }
            Err(error) if error.kind == ErrorKind::Conflict => {
                let found = Self::find(cx, inputs).await?;
                Ok(made_before(error, found)?.outputs)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        settled(cx, known, |sent, seen| Self { name: seen.name.clone(), ..sent.clone() } == *seen)
            .await
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<PolicyOutputs, ProviderError> {
        let (clients, arn) = (cx.client, &known.outputs.arn);
        if changes.touches("policy") {
            put_in_force(clients, arn, &inputs.policy).await?;
        }
        update_tags!(
            cx,
            known,
            inputs,
            changes,
            policy_arn = arn.as_str(),
            tag_policy = "iam:TagPolicy",
            untag_policy = "iam:UntagPolicy"
        );
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let (clients, arn) = (cx.client, &known.outputs.arn);
        // The call goes by ARN, and another policy may have this ARN by now.
        let policy = get(clients, arn).await?;
        if policy.is_none_or(|policy| policy.policy_id() != Some(&known.outputs.unique_id)) {
            return Ok(Deletion::Done);
        }
        for version in versions(clients, arn).await? {
            if !version.is_default_version() {
                delete_version(clients, arn, &version).await?;
            }
        }
        let call = clients.iam().delete_policy().policy_arn(arn.as_str());
        // What it was detached from a moment ago may still count.
        let in_use = |error: &ProviderError| error.kind == ErrorKind::InUse;
        let result = while_failing(clients, in_use, || async {
            call.clone().send().await.named("iam:DeletePolicy")
        });
        unless_absent(result.await)?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        check_name(check, "name", 128);
        check_path(check, "path");
        check::text(check, "description", (0, 1000), |_| true, "text");
        document::check(check, "policy", DocumentKind::Identity, SIZE);
        check_tags(check, "tags");
    }
}

fn name(cx: &Context<'_, Clients>, inputs: &Policy) -> String {
    inputs.name.clone().unwrap_or_else(|| cx.identity.name(128))
}

/// Makes a version of the policy that says `document`, and puts it in force.
async fn put_in_force(
    clients: &Clients,
    arn: &Arn,
    document: &PolicyDocument,
) -> Result<(), ProviderError> {
    let Some(policy) = get(clients, arn).await? else {
        return Err(wait::vanished("iam:GetPolicy", arn));
    };
    // An earlier attempt may have come this far.
    if in_force(clients, &policy, Some(document)).await?.as_ref() == Some(document) {
        return Ok(());
    }
    let mut versions = versions(clients, arn).await?;
    // Numbers grow: v10 is newer than v9.
    versions.sort_by_key(|version| number(version.version_id().unwrap_or_default()));
    if versions.len() >= VERSIONS
        && let Some(oldest) = versions.iter().find(|version| !version.is_default_version())
    {
        delete_version(clients, arn, oldest).await?;
    }
    let call = clients.iam().create_policy_version().policy_arn(arn.as_str());
    let call = call.policy_document(document.to_json()).set_as_default(true);
    call.send().await.named("iam:CreatePolicyVersion")?;
    Ok(())
}

fn number(version: &str) -> u64 {
    version.trim_start_matches('v').parse().unwrap_or(0)
}

async fn versions(
    clients: &Clients,
    arn: &Arn,
) -> Result<Vec<types::PolicyVersion>, ProviderError> {
    let call = clients.iam().list_policy_versions().policy_arn(arn.as_str());
    let pages = call.into_paginator().items().send();
    pages.try_collect().await.named("iam:ListPolicyVersions")
}

async fn delete_version(
    clients: &Clients,
    arn: &Arn,
    version: &types::PolicyVersion,
) -> Result<(), ProviderError> {
    let call = clients.iam().delete_policy_version().policy_arn(arn.as_str());
    let call = call.set_version_id(version.version_id().map(str::to_owned));
    unless_absent(call.send().await.named("iam:DeletePolicyVersion"))
}

async fn get(clients: &Clients, arn: &Arn) -> Result<Option<types::Policy>, ProviderError> {
    const CALL: &str = "iam:GetPolicy";
    let call = clients.iam().get_policy().policy_arn(arn.as_str());
    let answer = if_there(call.send().await.named(CALL))?;
    answer.map(|answer| answer.policy.ok_or_else(|| incomplete(CALL, "policy"))).transpose()
}

/// The document that is in force, if its version is still there.
async fn in_force(
    clients: &Clients,
    policy: &types::Policy,
    declared: Option<&PolicyDocument>,
) -> Result<Option<PolicyDocument>, ProviderError> {
    const CALL: &str = "iam:GetPolicyVersion";
    let call = clients.iam().get_policy_version();
    let call = call.set_policy_arn(policy.arn.clone());
    let call = call.set_version_id(policy.default_version_id.clone());
    let Some(answer) = if_there(call.send().await.named(CALL))? else { return Ok(None) };
    let text = answer.policy_version().and_then(|version| version.document());
    seen_document(CALL, text, declared).map(Some)
}

/// What is there of a known policy; a policy of that ARN that is another one is not it.
async fn see(
    clients: &Clients,
    known: &Known<Policy>,
) -> Result<Option<Observed<Policy>>, ProviderError> {
    match get(clients, &known.outputs.arn).await? {
        Some(policy) if policy.policy_id() == Some(&known.outputs.unique_id) => {
            observe(clients, &policy, Some(&known.inputs)).await
        }
        _ => Ok(None),
    }
}

fn outputs(policy: &types::Policy) -> Result<PolicyOutputs, ProviderError> {
    const CALL: &str = "iam:GetPolicy";
    Ok(PolicyOutputs {
        arn: policy.arn().map(Arn::from).ok_or_else(|| incomplete(CALL, "ARN"))?,
        name: policy.policy_name.clone().ok_or_else(|| incomplete(CALL, "name"))?,
        unique_id: policy.policy_id.clone().ok_or_else(|| incomplete(CALL, "id"))?,
    })
}

async fn observe(
    clients: &Clients,
    policy: &types::Policy,
    declared: Option<&Policy>,
) -> Result<Option<Observed<Policy>>, ProviderError> {
    let document = in_force(clients, policy, declared.map(|declared| &declared.policy)).await?;
    let Some(document) = document else { return Ok(None) };
    let inputs = Policy {
        name: policy.policy_name.clone(),
        path: policy.path.clone().unwrap_or_else(root),
        description: policy.description.clone().filter(|text| !text.is_empty()),
        policy: document,
        tags: tags::own(clients, seen_tags(policy.tags()), declared.map(|declared| &declared.tags)),
    };
    Ok(Some(Observed { inputs, outputs: outputs(policy)? }))
}
