//! Roles: their life, trust policy, permissions boundary and tags.
//!
//! What a role may do is in [`super::role_policy`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    params::Params,
    row::Row,
    tags::Tags,
    time::{Millis, iso8601},
    xml::Xml,
};

use super::{
    aws_managed,
    document::Kind,
    error::{
        already_exists, constraint, delete_conflict, invalid_input, malformed_document,
        no_such_entity, protected,
    },
    input,
    instance_profile::InstanceProfile,
    policy, principals, tagging,
    tagging::Tagged,
    user,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateRole", create),
    ("GetRole", get),
    ("ListRoles", list),
    ("UpdateRole", update),
    ("UpdateRoleDescription", update_description),
    ("UpdateAssumeRolePolicy", update_trust),
    ("PutRolePermissionsBoundary", put_boundary),
    ("DeleteRolePermissionsBoundary", delete_boundary),
    ("DeleteRole", delete),
    ("TagRole", |call| tagging::tag(call, named(call)?)),
    ("UntagRole", |call| tagging::untag(call, named(call)?)),
    ("ListRoleTags", |call| tagging::list(call, named(call)?.tags)),
];

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Role {
    /// The name in lower case: names do not differ by case alone.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AROA...`
    pub(crate) unique_id: String,
    pub(crate) created: Millis,
    /// The trust policy, as it was given.
    pub(crate) trust_policy: String,
    pub(crate) description: Option<String>,
    /// Seconds.
    pub(crate) max_session: u32,
    /// The ARN of the permissions boundary.
    pub(crate) boundary: Option<String>,
    pub(crate) tags: Tags,
    /// Inline policies: documents by name.
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of managed policies, in the order of their attachment.
    pub(crate) attached: Vec<String>,
    /// The service that a service-linked role belongs to, say `autoscaling.amazonaws.com`.
    pub(crate) linked_to: Option<String>,
}

impl Row for Role {
    const KIND: &'static str = "role";
    const GLOBAL: bool = true;

    fn id(&self) -> &str {
        &self.key
    }
}

impl Tagged for Role {
    const QUOTA: &'static str = "TagsPerRole";

    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

impl Role {
    /// `arn:aws:iam::123456789012:role/path/name`.
    pub(crate) fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:role{}{}", self.path, self.name)
    }

    /// Refuses changes to service-linked roles.
    pub(super) fn check_modifiable(&self) -> Result<(), ApiError> {
        if self.linked_to.is_some() { Err(protected(&self.name)) } else { Ok(()) }
    }

    /// As IAM writes a role. Lists leave out what only GetRole tells: boundary, tags, last use.
    pub(super) fn xml(&self, account: &str, whole: bool) -> Xml {
        let xml = Xml::new()
            .text("Path", &self.path)
            .text("RoleName", &self.name)
            .text("RoleId", &self.unique_id)
            .text("Arn", self.arn(account))
            .text("CreateDate", iso8601(self.created))
            .text("AssumeRolePolicyDocument", input::url_encoded(&self.trust_policy))
            .maybe("Description", self.description.as_deref())
            .text("MaxSessionDuration", self.max_session);
        if !whole {
            return xml;
        }
        let boundary = self.boundary.as_ref().map(|arn| {
            Xml::new()
                .text("PermissionsBoundaryType", "PermissionsBoundaryPolicy")
                .text("PermissionsBoundaryArn", arn)
        });
        tagging::xml(xml.maybe_node("PermissionsBoundary", boundary), &self.tags)
            .node("RoleLastUsed", Xml::new())
    }
}

/// Finds a role that a client named.
pub(super) fn find(call: &Call<'_>, name: &str) -> Result<Role, ApiError> {
    let found = call.find::<Role>(&name.to_ascii_lowercase()).ok().filter(|role| role.name == name);
    found.ok_or_else(|| no_such_entity(format!("The role with name {name} cannot be found.")))
}

/// Finds the role that the request names with `RoleName`.
pub(super) fn named(call: &Call<'_>) -> Result<Role, ApiError> {
    find(call, &input::entity_name(&call.params, "RoleName", 64)?)
}

/// Reads a trust policy and checks that its principals exist.
fn trust_policy(call: &Call<'_>, name: &str) -> Result<String, ApiError> {
    let (text, policy) = input::policy_document(&call.params, name, Kind::Trust)?;
    let exists = |arn: &str| {
        let role = arn.rsplit('/').next().and_then(|name| find(call, name).ok());
        role.is_some_and(|role| role.arn(&call.account) == arn) || arn == user::arn(&call.account)
    };
    principals::check(&policy, &call.account, exists).map_err(malformed_document)?;
    Ok(text)
}

fn max_session(params: &Params) -> Result<Option<u32>, ApiError> {
    let Some(text) = params.optional("MaxSessionDuration") else { return Ok(None) };
    let seconds: u32 =
        text.parse().map_err(|_| constraint("MaxSessionDuration", Some(&text), "be an integer"))?;
    match seconds {
        ..3600 => Err(constraint(
            "MaxSessionDuration",
            Some(&text),
            "have value greater than or equal to 3600",
        )),
        3600..=43_200 => Ok(Some(seconds)),
        _ => Err(constraint(
            "MaxSessionDuration",
            Some(&text),
            "have value less than or equal to 43200",
        )),
    }
}

fn boundary(call: &Call<'_>, arn: String) -> Result<String, ApiError> {
    policy::check_arn(&arn)?;
    let attachable = match aws_managed::all().get(&arn) {
        Some(policy) => policy.attachable,
        None => policy::find(call, &arn).is_ok(),
    };
    if !attachable {
        return Err(no_such_entity(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        )));
    }
    Ok(arn)
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let name = input::entity_name(&params, "RoleName", 64)?;
    let path = input::path(&params)?;
    if path.starts_with("/aws-service-role/") {
        return Err(invalid_input(
            "The path /aws-service-role/ is reserved for service-linked roles.",
        ));
    }
    let description = input::description(&params, true)?;
    let max_session = max_session(&params)?.unwrap_or(3600);
    let tags = tagging::read(&params)?;
    let trust_policy = trust_policy(call, "AssumeRolePolicyDocument")?;
    let boundary =
        params.optional("PermissionsBoundary").map(|arn| boundary(call, arn)).transpose()?;
    let key = name.to_ascii_lowercase();
    if call.get::<Role>(&key).is_some() {
        return Err(already_exists(format!("Role with name {name} already exists.")));
    }
    let role = Role {
        key,
        name,
        path,
        unique_id: call.new_unique_id("AROA"),
        created: call.now,
        trust_policy,
        description,
        max_session,
        boundary,
        tags,
        inline: BTreeMap::new(),
        attached: Vec::new(),
        linked_to: None,
    };
    call.put(&role);
    Ok(Xml::new().node("Role", role.xml(&call.account, true)).into())
}

fn get(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = named(call)?;
    Ok(Xml::new().node("Role", role.xml(&call.account, true)).into())
}

fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let prefix = input::path_prefix(&call.params)?;
    let roles = call.visible::<Role>().into_iter().filter(|role| role.path.starts_with(&prefix));
    let page = input::page(call, roles.map(|role| (role.key.clone(), role)).collect())?;
    let roles = page.rows.iter().map(|(_, role)| role.xml(&call.account, false));
    Ok(input::end_of_page(Xml::new().members("Roles", roles), &page).into())
}

fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = named(call)?;
    let max_session = max_session(&call.params)?;
    // The description is the one thing of a service-linked role that may be changed.
    if max_session.is_some() {
        role.check_modifiable()?;
    }
    // What is not given stays as it is, and an empty description removes it.
    if let Some(description) = input::description(&call.params, true)? {
        role.description = Some(description).filter(|text| !text.is_empty());
    }
    role.max_session = max_session.unwrap_or(role.max_session);
    call.put(&role);
    Ok(Answer::empty())
}

fn update_description(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = named(call)?;
    let description = input::description(&call.params, true)?;
    if description.is_none() {
        return Err(constraint("Description", None, "not be null"));
    }
    role.description = description.filter(|text| !text.is_empty());
    call.put(&role);
    Ok(Xml::new().node("Role", role.xml(&call.account, true)).into())
}

fn update_trust(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = named(call)?;
    role.check_modifiable()?;
    role.trust_policy = trust_policy(call, "PolicyDocument")?;
    call.put(&role);
    Ok(Answer::empty())
}

fn put_boundary(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = named(call)?;
    role.check_modifiable()?;
    role.boundary = Some(boundary(call, input::text(&call.params, "PermissionsBoundary", 2048)?)?);
    call.put(&role);
    Ok(Answer::empty())
}

fn delete_boundary(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = named(call)?;
    role.check_modifiable()?;
    if role.boundary.take().is_none() {
        return Err(no_such_entity(format!("Role {} has no permissions boundary.", role.name)));
    }
    call.put(&role);
    Ok(Answer::empty())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = named(call)?;
    role.check_modifiable()?;
    if call
        .rows::<InstanceProfile>()
        .iter()
        .any(|profile| profile.role.as_deref() == Some(&role.key))
    {
        return Err(delete_conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    if !role.attached.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.inline.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must delete policies first."));
    }
    call.remove_row::<Role>(&role.key);
    Ok(Answer::empty())
}
