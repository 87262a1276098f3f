//! Instance profiles: what carries a role, at most one, to an EC2 instance.

use serde::{Deserialize, Serialize};

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    row::Row,
    tags::Tags,
    time::{Millis, iso8601},
    xml::Xml,
};

use super::{
    error::{already_exists, delete_conflict, no_such_entity, quota},
    input,
    role::{self, Role},
    tagging::{self, Tagged},
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateInstanceProfile", create),
    ("GetInstanceProfile", get),
    ("ListInstanceProfiles", list),
    ("ListInstanceProfilesForRole", list_for_role),
    ("AddRoleToInstanceProfile", add_role),
    ("RemoveRoleFromInstanceProfile", remove_role),
    ("DeleteInstanceProfile", delete),
    ("TagInstanceProfile", |call| tagging::tag(call, named(call)?)),
    ("UntagInstanceProfile", |call| tagging::untag(call, named(call)?)),
    ("ListInstanceProfileTags", |call| tagging::list(call, named(call)?.tags)),
];

/// An instance profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceProfile {
    /// The name in lower case: names do not differ by case alone.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AIPA...`
    pub(crate) unique_id: String,
    pub(crate) created: Millis,
    /// The key of its role.
    pub(crate) role: Option<String>,
    /// When the role was added, or removed.
    pub(crate) role_changed: Millis,
    pub(crate) tags: Tags,
}

impl Row for InstanceProfile {
    const KIND: &'static str = "instance-profile";
    const GLOBAL: bool = true;

    fn id(&self) -> &str {
        &self.key
    }
}

impl Tagged for InstanceProfile {
    const QUOTA: &'static str = "TagsPerInstanceProfile";

    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

impl InstanceProfile {
    /// `arn:aws:iam::123456789012:instance-profile/path/name`.
    pub(crate) fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:instance-profile{}{}", self.path, self.name)
    }

    fn xml(&self, call: &Call<'_>, whole: bool) -> Xml {
        let role = self.role.as_deref().and_then(|key| call.get::<Role>(key));
        let xml = Xml::new()
            .text("Path", &self.path)
            .text("InstanceProfileName", &self.name)
            .text("InstanceProfileId", &self.unique_id)
            .text("Arn", self.arn(&call.account))
            .text("CreateDate", iso8601(self.created))
            .members("Roles", role.map(|role| role.xml(&call.account, false)));
        if whole { tagging::xml(xml, &self.tags) } else { xml }
    }
}

/// Finds an instance profile that a client named.
pub(super) fn find(call: &Call<'_>, name: &str) -> Result<InstanceProfile, ApiError> {
    let found = call
        .find::<InstanceProfile>(&name.to_ascii_lowercase())
        .ok()
        .filter(|profile| profile.name == name);
    found.ok_or_else(|| no_such_entity(format!("Instance Profile {name} cannot be found.")))
}

fn named(call: &Call<'_>) -> Result<InstanceProfile, ApiError> {
    find(call, &input::entity_name(&call.params, "InstanceProfileName", 128)?)
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let name = input::entity_name(&params, "InstanceProfileName", 128)?;
    let path = input::path(&params)?;
    let tags = tagging::read(&params)?;
    let key = name.to_ascii_lowercase();
    if call.get::<InstanceProfile>(&key).is_some() {
        return Err(already_exists(format!("Instance Profile {name} already exists.")));
    }
    let profile = InstanceProfile {
        key,
        name,
        path,
        unique_id: call.new_unique_id("AIPA"),
        created: call.now,
        role: None,
        role_changed: call.now,
        tags,
    };
    call.put(&profile);
    Ok(Xml::new().node("InstanceProfile", profile.xml(call, true)).into())
}

fn get(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let profile = named(call)?;
    Ok(Xml::new().node("InstanceProfile", profile.xml(call, true)).into())
}

fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let prefix = input::path_prefix(&call.params)?;
    list_those(call, |profile| profile.path.starts_with(&prefix))
}

fn list_for_role(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = role::named(call)?;
    list_those(call, |profile| profile.role.as_deref() == Some(&role.key))
}

fn list_those(
    call: &Call<'_>,
    wanted: impl Fn(&InstanceProfile) -> bool,
) -> Result<Answer, ApiError> {
    let profiles = call.visible::<InstanceProfile>().into_iter().filter(wanted);
    let page = input::page(call, profiles.map(|profile| (profile.key.clone(), profile)).collect())?;
    let profiles = page.rows.iter().map(|(_, profile)| profile.xml(call, false));
    Ok(input::end_of_page(Xml::new().members("InstanceProfiles", profiles), &page).into())
}

fn add_role(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut profile = named(call)?;
    let role = role::named(call)?;
    role.check_modifiable()?;
    if profile.role.is_some() {
        return Err(quota("InstanceSessionsPerInstanceProfile", 1));
    }
    profile.role = Some(role.key);
    profile.role_changed = call.now;
    call.put(&profile);
    Ok(Answer::empty())
}

fn remove_role(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut profile = named(call)?;
    let role = role::named(call)?;
    role.check_modifiable()?;
    if profile.role.as_deref() != Some(&role.key) {
        let (role, profile) = (role.name, profile.name);
        return Err(no_such_entity(format!("Role {role} is not in instance profile {profile}.")));
    }
    profile.role = None;
    profile.role_changed = call.now;
    call.put(&profile);
    Ok(Answer::empty())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let profile = named(call)?;
    if profile.role.is_some() {
        return Err(delete_conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    call.remove_row::<InstanceProfile>(&profile.key);
    Ok(Answer::empty())
}
