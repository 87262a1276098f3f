//! A role: an identity that services and people take on, and who may.

use aws_sdk_iam::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    document::{self, DocumentKind, PolicyDocument, PolicyText},
    entity::{
        if_there, is_ours, is_owned, made_before, seen_document, seen_tags, sent_tags, settled,
        update_tags,
    },
    name::{check_description, check_name, check_path, check_policy_arn, check_tags},
    role_detach,
};
use crate::{
    check,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::{Arn, id_type},
    locate::may_take,
    retry::while_failing,
    tags::{self, Tags},
};

id_type! {
    /// A role's name, which is how IAM's calls name it.
    RoleName,
}

/// The most characters that the trust policy of a role can have. Accounts have 2,048 until they ask
/// for more (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const TRUST_POLICY_SIZE: usize = 8192;

/// A role. What it may do is said by [`RolePolicy`](super::RolePolicy) and
/// [`RolePolicyAttachment`](super::RolePolicyAttachment).
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
///
/// A role of that name which this stack did not make is never adopted, changed or deleted.
///
/// ```
/// use formwork_aws::iam::Role;
///
/// let role = Role::builder().assumed_by("ec2.amazonaws.com").build();
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:iam/role", outputs = RoleOutputs, group = identity, seconds = 1)]
pub struct Role {
    /// Its name, unique in the account whatever its case: up to 64 letters, digits and `+=,.@_-`.
    /// Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// Its path: `/`, or one like `/team/`.
    #[serde(default = "root")]
    #[resource(replace, default)]
    pub path: String,
    /// What it is for: up to 1000 characters.
    pub description: Option<String>,
    /// Who may assume it; [`RoleBuilder::assumed_by`] is short for one service.
    #[resource(nested)]
    pub assume_role_policy: PolicyDocument,
    /// How long a session may last, in seconds: 3600 (also if it is not set) to 43200.
    #[serde(default = "hour")]
    #[resource(default)]
    pub max_session_duration: u32,
    /// The managed policy that says what it may do at most, whatever its policies allow.
    pub permissions_boundary: Option<Arn>,
    /// Whether a delete takes away what others gave the role: policies, and places in instance
    /// profiles. If not, a delete fails while there are such.
    #[serde(default)]
    #[resource(default, write_only)]
    pub force_detach: bool,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

pub(super) fn root() -> String {
    "/".to_owned()
}

/// The input that has a delete take away what others gave the role.
pub(super) const FORCE: &str = "force_detach";

fn hour() -> u32 {
    3600
}

/// What a role reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RoleOutputs {
    /// The name.
    #[output(id)]
    pub name: RoleName,
    /// The ARN.
    pub arn: Arn,
    /// The id that no other role ever has, `AROA...`: a role made again under the same name has
    /// another.
    pub unique_id: String,
}

impl<S: role_builder::State> RoleBuilder<S> {
    /// Says that a service assumes the role, such as `ec2.amazonaws.com`.
    pub fn assumed_by(
        self,
        service: impl PolicyText,
    ) -> RoleBuilder<role_builder::SetAssumeRolePolicy<S>>
    where
        S::AssumeRolePolicy: role_builder::IsUnset,
    {
        self.assume_role_policy(PolicyDocument::assumed_by(service))
    }
}

impl Lifecycle for Role {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let role = get(cx.client, &name(cx, inputs)).await?;
        let ours = role.filter(|role| is_ours(role.tags(), cx.identity));
        ours.map(|role| observe(cx.client, &role, Some(inputs))).transpose()
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
        // ListRoles has neither tags nor boundaries.
        super::entity::each(among, |known| see(clients, known)).await
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
        let role = get(clients, name).await?;
        let role = role.filter(|role| may_take(by, is_owned(role.tags())));
        role.map(|role| observe(clients, &role, None)).transpose()
    }

    async fn claim(cx: &Context<'_, Clients>, known: &Known<Self>) -> Result<(), ProviderError> {
        let all = tags::all(cx.client, cx.identity, &known.inputs.tags);
        let call = cx.client.iam().tag_role().role_name(known.outputs.name.as_str());
        let call = call.set_tags(Some(super::entity::sent_tags(&all)?));
        call.send().await.named("iam:TagRole")?;
        Ok(())
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<RoleOutputs, CreateError<Self>> {
        const CALL: &str = "iam:CreateRole";
        let all = tags::all(cx.client, cx.identity, &inputs.tags);
        let call = cx
            .client
            .iam()
            .create_role()
            .role_name(name(cx, inputs))
            .path(&inputs.path)
            .assume_role_policy_document(inputs.assume_role_policy.to_json())
            .set_description(inputs.description.clone())
            .max_session_duration(seconds(inputs))
            .set_permissions_boundary(inputs.permissions_boundary.as_ref().map(ToString::to_string))
            .set_tags(Some(sent_tags(&all)?));
        let send = || async { call.clone().send().await.named(CALL) };
        match while_failing(cx.client, is_new_principal, send).await {
            Ok(answer) => {
                let role = answer.role().ok_or_else(|| incomplete(CALL, "role"))?;
                Ok(outputs(role))
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
    ) -> Result<RoleOutputs, ProviderError> {
        let (clients, name) = (cx.client, known.outputs.name.as_str());
        let iam = clients.iam();
        if changes.touches("description") || changes.touches("max_session_duration") {
            // An empty description removes it; one that is not sent would stay.
            let call = iam.update_role().role_name(name).max_session_duration(seconds(inputs));
            let call = call.description(inputs.description.clone().unwrap_or_default());
            call.send().await.named("iam:UpdateRole")?;
        }
        if changes.touches("assume_role_policy") {
            let call = iam.update_assume_role_policy().role_name(name);
            let call = call.policy_document(inputs.assume_role_policy.to_json());
            while_failing(clients, is_new_principal, || async {
                call.clone().send().await.named("iam:UpdateAssumeRolePolicy")
            })
            .await?;
        }
        if changes.touches("permissions_boundary") {
            if let Some(arn) = &inputs.permissions_boundary {
                let call = iam.put_role_permissions_boundary().role_name(name);
                let call = call.permissions_boundary(arn.as_str());
                call.send().await.named("iam:PutRolePermissionsBoundary")?;
            } else {
                let call = iam.delete_role_permissions_boundary().role_name(name);
                unless_absent(call.send().await.named("iam:DeleteRolePermissionsBoundary"))?;
            }
        }
        update_tags!(
            cx,
            known,
            inputs,
            changes,
            role_name = name,
            tag_role = "iam:TagRole",
            untag_role = "iam:UntagRole"
        );
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        // The call goes by name, and another role may have this name by now.
        if see(cx.client, known).await?.is_none() {
            return Ok(Deletion::Done);
        }
        let name = known.outputs.name.as_str();
        if known.inputs.force_detach {
            role_detach::all(cx.client, name).await?;
        }
        let call = cx.client.iam().delete_role().role_name(name);
        // What was detached from it a moment ago may still count.
        let in_use = |error: &ProviderError| error.kind == ErrorKind::InUse;
        let result = while_failing(cx.client, in_use, || async {
            call.clone().send().await.named("iam:DeleteRole")
        });
        unless_absent(result.await)?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        check_name(check, "name", 64);
        check_path(check, "path");
        if let Some(path) =
            check.get::<String>("path").filter(|p| p.starts_with("/aws-service-role/"))
        {
            check.problem("path", format!("{path:?} is for roles that services make themselves"));
        }
        check_description(check, "description");
        check::range(check, "max_session_duration", 3600, 43_200);
        check_policy_arn(check, "permissions_boundary");
        document::check(check, "assume_role_policy", DocumentKind::Trust, TRUST_POLICY_SIZE);
        check_tags(check, "tags");
    }
}

fn name(cx: &Context<'_, Clients>, inputs: &Role) -> String {
    inputs.name.clone().unwrap_or_else(|| cx.identity.name(64))
}

fn seconds(inputs: &Role) -> i32 {
    i32::try_from(inputs.max_session_duration).unwrap_or(i32::MAX)
}

/// A trust policy may name a role that IAM does not know everywhere yet.
fn is_new_principal(error: &ProviderError) -> bool {
    error.kind == ErrorKind::Invalid && error.message.contains("Invalid principal")
}

async fn get(clients: &Clients, name: &str) -> Result<Option<types::Role>, ProviderError> {
    const CALL: &str = "iam:GetRole";
    let answer = if_there(clients.iam().get_role().role_name(name).send().await.named(CALL))?;
    answer.map(|answer| answer.role.ok_or_else(|| incomplete(CALL, "role"))).transpose()
}

/// What is there of a known role; a role of that name that is another one is not it.
async fn see(
    clients: &Clients,
    known: &Known<Role>,
) -> Result<Option<Observed<Role>>, ProviderError> {
    let role = get(clients, known.outputs.name.as_str()).await?;
    let role = role.filter(|role| role.role_id == known.outputs.unique_id);
    role.map(|role| observe(clients, &role, Some(&known.inputs))).transpose()
}

fn outputs(role: &types::Role) -> RoleOutputs {
    RoleOutputs {
        name: RoleName::from(role.role_name()),
        arn: Arn::from(role.arn()),
        unique_id: role.role_id().to_owned(),
    }
}

fn observe(
    clients: &Clients,
    role: &types::Role,
    declared: Option<&Role>,
) -> Result<Observed<Role>, ProviderError> {
    let trust = declared.map(|declared| &declared.assume_role_policy);
    let inputs = Role {
        name: Some(role.role_name().to_owned()),
        path: role.path().to_owned(),
        description: role.description().filter(|text| !text.is_empty()).map(str::to_owned),
        assume_role_policy: seen_document(
            "iam:GetRole",
            role.assume_role_policy_document(),
            trust,
        )?,
        max_session_duration: role
            .max_session_duration()
            .and_then(|seconds| u32::try_from(seconds).ok())
            .unwrap_or_else(hour),
        permissions_boundary: role
            .permissions_boundary()
            .and_then(|boundary| boundary.permissions_boundary_arn())
            .map(Arn::from),
        force_detach: declared.is_some_and(|declared| declared.force_detach),
        tags: tags::own(clients, seen_tags(role.tags()), declared.map(|declared| &declared.tags)),
    };
    Ok(Observed { inputs, outputs: outputs(role) })
}
