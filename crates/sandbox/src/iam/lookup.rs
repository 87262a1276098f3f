//! What other services ask of IAM: which role an instance profile carries, and whom a role trusts.

use crate::{call::Call, error::ApiError};

use super::{
    document,
    instance_profile::{self, InstanceProfile},
    role::{self, Role},
    trust::{self, Caller, Context},
};

/// How a request names an instance profile: by one of the two, or by both.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProfileReference<'a> {
    pub(crate) arn: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

/// An instance profile that EC2 can use.
#[derive(Clone, Debug)]
pub(crate) struct UsableProfile {
    pub(crate) arn: String,
    /// `AIPA...`
    pub(crate) id: String,
}

/// Finds the instance profile that an EC2 request names and checks that an instance could use it:
/// it has a role, and the role trusts EC2.
///
/// AWS launches the instance even if the role does not trust EC2, and then hands it no credentials;
/// the sandbox is stricter.
///
/// # Errors
/// `InvalidParameterValue` in the words of RunInstances, also while the profile or its role has not
/// propagated yet.
pub(crate) fn profile_for_instance(
    call: &Call<'_>,
    reference: ProfileReference<'_>,
) -> Result<UsableProfile, ApiError> {
    let profile = match (reference.arn, reference.name) {
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "The parameter 'iamInstanceProfile.name' may not be used in \
                 combination with 'iamInstanceProfile.arn'",
            ));
        }
        (Some(arn), None) => profile_by_arn(call, arn).ok_or_else(|| {
            ApiError::invalid("iamInstanceProfile.arn", arn, "Invalid IAM Instance Profile ARN")
        })?,
        (None, Some(name)) => instance_profile::find(call, name).map_err(|_| {
            ApiError::invalid("iamInstanceProfile.name", name, "Invalid IAM Instance Profile name")
        })?,
        (None, None) => return Err(ApiError::missing("iamInstanceProfile")),
    };
    let arn = profile.arn(&call.account);
    let Some(role) = role_of(call, &profile) else {
        return Err(ApiError::invalid_value(format!(
            "IAM Instance Profile \"{arn}\" has no associated IAM Roles"
        )));
    };
    if !trusts_service(call, &role, "ec2.amazonaws.com") {
        let role = role.arn(&call.account);
        return Err(ApiError::invalid_value(format!(
            "The role {role} of IAM Instance Profile \"{arn}\" does not trust ec2.amazonaws.com"
        )));
    }
    Ok(UsableProfile { arn, id: profile.unique_id })
}

/// Finds an instance profile by its ARN, if it is visible yet.
pub(crate) fn profile_by_arn(call: &Call<'_>, arn: &str) -> Option<InstanceProfile> {
    let profile = instance_profile::find(call, arn.rsplit('/').next()?).ok()?;
    (profile.arn(&call.account) == arn).then_some(profile)
}

/// The role that an instance profile carries, once that is known everywhere.
pub(crate) fn role_of(call: &Call<'_>, profile: &InstanceProfile) -> Option<Role> {
    let propagated = call.now >= profile.role_changed.saturating_add(call.timing.window);
    call.find::<Role>(profile.role.as_deref().filter(|_| propagated)?).ok()
}

/// Finds a role by its ARN, if it is visible yet.
pub(crate) fn role_by_arn(call: &Call<'_>, arn: &str) -> Option<Role> {
    let role = role::find(call, arn.rsplit('/').next()?).ok()?;
    (role.arn(&call.account) == arn).then_some(role)
}

/// Whether a role's trust policy lets a service of this account and region assume it.
pub(crate) fn trusts_service(call: &Call<'_>, role: &Role, service: &str) -> bool {
    let context = Context::from([
        ("aws:sourceaccount".to_owned(), call.account.clone()),
        ("aws:requestedregion".to_owned(), call.region.clone()),
    ]);
    trust::allows(&role.trust_policy, Caller::Service(service), "sts:AssumeRole", &context)
}

/// Whether a role may do something at all: one of its policies allows the action on some resource.
///
/// Resources and conditions are not looked at, and of AWS's policies only those whose document the
/// sandbox carries.
pub(crate) fn allows_somewhere(call: &Call<'_>, role: &Role, action: &str) -> bool {
    let attached =
        role.attached.iter().filter_map(|arn| super::policy_version::default_document(call, arn));
    role.inline.values().cloned().chain(attached).any(|text| {
        let Ok(policy) = document::parse(document::Kind::Identity, &text) else { return false };
        document::statements(&policy).into_iter().any(|statement| {
            statement.get("Effect").and_then(serde_json::Value::as_str) == Some("Allow")
                && document::texts(statement, "Action").iter().any(|named| {
                    trust::glob(&named.to_ascii_lowercase(), &action.to_ascii_lowercase())
                })
        })
    })
}
