//! An instance profile: what an EC2 machine has its role from.

use aws_sdk_iam::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Identity, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    entity::{
        each, if_there, is_ours, is_owned, made_before, seen_tags, sent_tags, settled, update_tags,
    },
    name::{check_name, check_path, check_tags},
    role::{FORCE, Role, RoleName, root},
};
use crate::{
    child::says,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::Arn,
    locate::may_take,
    retry::{while_failing, while_throttled, while_unseen},
    tags::{self, Tags},
    wait,
};

/// An instance profile, and the role in it.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html>
///
/// It is ready when IAM shows it with its role. EC2 may take some seconds more to know it, which the
/// types that launch machines wait out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:iam/instance-profile",
    outputs = InstanceProfileOutputs,
    group = identity,
    seconds = 2,
    resumable
)]
pub struct InstanceProfile {
    /// Its name, unique in the account whatever its case: up to 128 letters, digits and `+=,.@_-`.
    /// Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// Its path: `/`, or one like `/team/`.
    #[serde(default = "root")]
    #[resource(replace, default)]
    pub path: String,
    /// The role in it; a machine can not be launched with an empty one.
    #[resource(holds)]
    pub role: Option<RoleName>,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What an instance profile reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct InstanceProfileOutputs {
    /// The name, by which machines and launch templates refer to it.
    #[output(id)]
    pub name: String,
    /// The ARN.
    pub arn: Arn,
    /// The id that no other instance profile ever has, `AIPA...`.
    pub unique_id: String,
}

impl Lifecycle for InstanceProfile {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let profile = get(cx.client, &name(cx, inputs)).await?;
        let ours = profile.filter(|profile| is_ours(profile.tags(), cx.identity));
        Ok(ours.map(|profile| observe(cx.client, &profile, Some(inputs))))
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
        // ListInstanceProfiles has no tags.
        each(among, |known| see(clients, known)).await
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let name = match by {
            By::Id(name) => name,
            By::Inputs(Self { name: Some(name), .. }) => name.as_str(),
            By::Inputs(_) => return Ok(None),
        };
        let profile = get(clients, name).await?;
        let profile = profile.filter(|profile| may_take(by, is_owned(profile.tags())));
        Ok(profile.map(|profile| observe(clients, &profile, None)))
    }

    async fn claim(cx: &Context<'_, Clients>, known: &Known<Self>) -> Result<(), ProviderError> {
        let all = tags::all(cx.client, cx.identity, &known.inputs.tags);
        let call =
            cx.client.iam().tag_instance_profile().instance_profile_name(&known.outputs.name);
        let call = call.set_tags(Some(super::entity::sent_tags(&all)?));
        call.send().await.named("iam:TagInstanceProfile")?;
        Ok(())
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<InstanceProfileOutputs, CreateError<Self>> {
        const CALL: &str = "iam:CreateInstanceProfile";
        let all = tags::all(cx.client, cx.identity, &inputs.tags);
        let call = cx.client.iam().create_instance_profile();
        let call = call.instance_profile_name(name(cx, inputs)).path(&inputs.path);
        let call = call.set_tags(Some(sent_tags(&all)?));
        let profile = match call.send().await.named(CALL) {
            Ok(answer) => {
                answer.instance_profile.ok_or_else(|| incomplete(CALL, "instance profile"))?
            }
            Err(error) if error.kind == ErrorKind::Conflict => {
                let found = get(cx.client, &name(cx, inputs)).await?;
                let ours = found.filter(|profile| is_ours(profile.tags(), cx.identity));
                made_before(error, ours)?
            }
            Err(error) => return Err(error.into()),
        };
        let outputs = outputs(&profile);
        match while_throttled(|| set_role(cx.client, &profile, inputs.role.as_ref())).await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let same =
            |sent: &Self, seen: &Self| Self { name: seen.name.clone(), ..sent.clone() } == *seen;
        Ok(match settled(cx, known, same).await? {
            // Without its role it is of no use to a machine, however long that takes.
            Settled::Ready(seen) if seen.inputs.role != known.inputs.role => {
                Settled::Pending(wait::SHORT)
            }
            settled => settled,
        })
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<InstanceProfileOutputs, ProviderError> {
        let (clients, name) = (cx.client, &known.outputs.name);
        let profile = get(clients, name).await?;
        let profile = profile.ok_or_else(|| wait::vanished("iam:GetInstanceProfile", name))?;
        set_role(clients, &profile, inputs.role.as_ref()).await?;
        update_tags!(
            cx,
            known,
            inputs,
            changes,
            instance_profile_name = name,
            tag_instance_profile = "iam:TagInstanceProfile",
            untag_instance_profile = "iam:UntagInstanceProfile"
        );
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let (clients, name) = (cx.client, &known.outputs.name);
        // The call goes by name, and another profile may have this name by now.
        let profile = get(clients, name).await?;
        let profile =
            profile.filter(|profile| profile.instance_profile_id() == known.outputs.unique_id);
        let Some(profile) = profile else { return Ok(Deletion::Done) };
        set_role(clients, &profile, None).await?;
        let call = clients.iam().delete_instance_profile().instance_profile_name(name);
        // The role that was taken out a moment ago may still count.
        let in_use = |error: &ProviderError| error.kind == ErrorKind::InUse;
        let result = while_failing(clients, in_use, || async {
            call.clone().send().await.named("iam:DeleteInstanceProfile")
        });
        unless_absent(result.await)?;
        Ok(Deletion::Done)
    }

    const PARENTS: &'static [Parent] = &[Parent::new(Role::TYPE.kind, "role").told_only()];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let found = each(parents, |role| async move {
            let call = clients.iam().list_instance_profiles_for_role().role_name(role.id);
            let found = call.into_paginator().items().send().try_collect().await;
            let found: Vec<types::InstanceProfile> =
                if_there(found.named("iam:ListInstanceProfilesForRole"))?.unwrap_or_default();
            // A list has no tags.
            let names: Vec<String> =
                found.into_iter().map(|profile| profile.instance_profile_name).collect();
            let profiles = each(&names, |name| get(clients, name)).await?;
            let child = |profile: types::InstanceProfile| {
                let owner = profile.tags().iter().find(|tag| tag.key() == Identity::TAG);
                Child::new(observe(clients, &profile, None))
                    .owned_by(owner.map(|tag| tag.value.clone()))
                    .going_along(says(role, FORCE))
            };
            Ok(Some(profiles.into_iter().map(child).collect::<Vec<_>>()))
        });
        Ok(found.await?.into_iter().flatten().collect())
    }

    fn validate(check: &mut Check<'_>) {
        check_name(check, "name", 128);
        check_path(check, "path");
        check_name(check, "role", 64);
        check_tags(check, "tags");
    }
}

fn name(cx: &Context<'_, Clients>, inputs: &InstanceProfile) -> String {
    inputs.name.clone().unwrap_or_else(|| cx.identity.name(128))
}

/// Leaves `role` in the profile, and no other: it holds one at most.
async fn set_role(
    clients: &Clients,
    profile: &types::InstanceProfile,
    role: Option<&RoleName>,
) -> Result<(), ProviderError> {
    let (iam, name) = (clients.iam(), profile.instance_profile_name());
    let inside = role_of(profile);
    if inside.as_ref() == role {
        return Ok(());
    }
    if let Some(other) = inside {
        let call = iam.remove_role_from_instance_profile().instance_profile_name(name);
        let call = call.role_name(other.as_str());
        unless_absent(call.send().await.named("iam:RemoveRoleFromInstanceProfile"))?;
    }
    let Some(role) = role else { return Ok(()) };
    let call = iam.add_role_to_instance_profile().instance_profile_name(name);
    let call = call.role_name(role.as_str());
    let added = while_unseen(clients, || async {
        call.clone().send().await.named("iam:AddRoleToInstanceProfile")
    })
    .await;
    match added {
        // It is full: of this role, if the answer to an earlier attempt got lost.
        Err(error) if error.kind == ErrorKind::Capacity => match get(clients, name).await? {
            Some(profile) if role_of(&profile).as_ref() == Some(role) => Ok(()),
            _ => Err(error),
        },
        added => added.map(drop),
    }
}

async fn get(
    clients: &Clients,
    name: &str,
) -> Result<Option<types::InstanceProfile>, ProviderError> {
    const CALL: &str = "iam:GetInstanceProfile";
    let call = clients.iam().get_instance_profile().instance_profile_name(name);
    let answer = if_there(call.send().await.named(CALL))?;
    let profile = |profile: Option<_>| profile.ok_or_else(|| incomplete(CALL, "instance profile"));
    answer.map(|answer| profile(answer.instance_profile)).transpose()
}

/// What is there of a known profile; a profile of that name that is another one is not it.
async fn see(
    clients: &Clients,
    known: &Known<InstanceProfile>,
) -> Result<Option<Observed<InstanceProfile>>, ProviderError> {
    let profile = get(clients, &known.outputs.name).await?;
    let profile =
        profile.filter(|profile| profile.instance_profile_id() == known.outputs.unique_id);
    Ok(profile.map(|profile| observe(clients, &profile, Some(&known.inputs))))
}

fn role_of(profile: &types::InstanceProfile) -> Option<RoleName> {
    profile.roles().first().map(|role| RoleName::from(role.role_name()))
}

fn outputs(profile: &types::InstanceProfile) -> InstanceProfileOutputs {
    InstanceProfileOutputs {
        name: profile.instance_profile_name().to_owned(),
        arn: Arn::from(profile.arn()),
        unique_id: profile.instance_profile_id().to_owned(),
    }
}

fn observe(
    clients: &Clients,
    profile: &types::InstanceProfile,
    declared: Option<&InstanceProfile>,
) -> Observed<InstanceProfile> {
    let inputs = InstanceProfile {
        name: Some(profile.instance_profile_name().to_owned()),
        path: profile.path().to_owned(),
        role: role_of(profile),
        tags: tags::own(
            clients,
            seen_tags(profile.tags()),
            declared.map(|declared| &declared.tags),
        ),
    };
    Observed { inputs, outputs: outputs(profile) }
}
