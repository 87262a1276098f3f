//! Managed policies: the account's own and AWS's.
//!
//! Their versions are in [`super::policy_version`].

use std::collections::{BTreeMap, BTreeSet};

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
    aws_managed::{self, AwsManaged},
    document::{Kind, quota_length},
    error::{already_exists, delete_conflict, invalid_input, no_such_entity, quota},
    input,
    role::Role,
    tagging::{self, Tagged},
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreatePolicy", create),
    ("GetPolicy", get),
    ("ListPolicies", list),
    ("DeletePolicy", delete),
    ("ListEntitiesForPolicy", list_entities),
    ("TagPolicy", |call| tagging::tag(call, own(call)?)),
    ("UntagPolicy", |call| tagging::untag(call, own(call)?)),
    ("ListPolicyTags", |call| tagging::list(call, own(call)?.tags)),
];

/// Characters of a managed policy.
const SIZE_LIMIT: usize = 6144;

/// A managed policy of this account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// `arn:aws:iam::123456789012:policy/path/name`.
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) path: String,
    /// `ANPA...`
    pub(crate) unique_id: String,
    pub(crate) description: Option<String>,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
    /// By number: 3 is `v3`.
    pub(crate) versions: BTreeMap<u32, Version>,
    /// The number of the version in force.
    pub(crate) default_version: u32,
    /// The number of the next version; numbers are not used twice.
    pub(crate) next_version: u32,
    pub(crate) tags: Tags,
}

/// One version of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) document: String,
    pub(crate) created: Millis,
}

impl Row for Policy {
    const KIND: &'static str = "policy";
    const GLOBAL: bool = true;

    fn id(&self) -> &str {
        &self.arn
    }
}

impl Tagged for Policy {
    const QUOTA: &'static str = "TagsPerPolicy";

    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

/// How many roles use a policy.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    permissions: usize,
    boundaries: usize,
}

/// Refuses what is no ARN of a policy.
pub(super) fn check_arn(arn: &str) -> Result<(), ApiError> {
    let named = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":policy/"));
    let valid = named.is_some_and(|(owner, name)| {
        let account = owner.len() == 12 && owner.chars().all(|c| c.is_ascii_digit());
        (account || owner == "aws") && !name.is_empty()
    });
    if valid { Ok(()) } else { Err(invalid_input(format!("ARN {arn} is not valid."))) }
}

/// Reads `PolicyArn`.
pub(super) fn arn(params: &Params) -> Result<String, ApiError> {
    let arn = input::text(params, "PolicyArn", 2048)?;
    check_arn(&arn)?;
    Ok(arn)
}

/// Finds a policy of this account.
pub(super) fn find(call: &Call<'_>, arn: &str) -> Result<Policy, ApiError> {
    call.find::<Policy>(arn).map_err(|_| no_such_entity(format!("Policy {arn} was not found.")))
}

/// Finds the policy of this account that the request names; AWS's can not be changed.
pub(super) fn own(call: &Call<'_>) -> Result<Policy, ApiError> {
    let arn = arn(&call.params)?;
    if aws_managed::all().contains_key(&arn) {
        return Err(
            ApiError::new("AccessDenied", "Policy is outside your own account.").with_status(403)
        );
    }
    find(call, &arn)
}

/// Splits the ARN of a policy: `/service-role/` and `AWSLambdaBasicExecutionRole`.
pub(super) fn path_and_name(arn: &str) -> Option<(&str, &str)> {
    let (_, rest) = arn.split_once(":policy")?;
    Some(rest.split_at(rest.rfind('/')? + 1))
}

fn uses(call: &Call<'_>) -> BTreeMap<String, Uses> {
    let mut uses: BTreeMap<String, Uses> = BTreeMap::new();
    for role in call.rows::<Role>() {
        for arn in role.attached {
            uses.entry(arn).or_default().permissions += 1;
        }
        if let Some(arn) = role.boundary {
            uses.entry(arn).or_default().boundaries += 1;
        }
    }
    uses
}

fn xml(policy: &Policy, uses: Uses, whole: bool) -> Xml {
    let xml = Xml::new()
        .text("PolicyName", &policy.name)
        .text("PolicyId", &policy.unique_id)
        .text("Arn", &policy.arn)
        .text("Path", &policy.path)
        .text("DefaultVersionId", format!("v{}", policy.default_version))
        .text("AttachmentCount", uses.permissions)
        .text("PermissionsBoundaryUsageCount", uses.boundaries)
        .text("IsAttachable", true)
        .text("CreateDate", iso8601(policy.created))
        .text("UpdateDate", iso8601(policy.updated));
    if !whole {
        return xml;
    }
    tagging::xml(xml.maybe("Description", policy.description.as_deref()), &policy.tags)
}

fn aws_xml(policy: &AwsManaged, uses: Uses) -> Xml {
    Xml::new()
        .text("PolicyName", &policy.name)
        .text("PolicyId", policy.id())
        .text("Arn", policy.arn())
        .text("Path", &policy.path)
        .text("DefaultVersionId", &policy.version)
        .text("AttachmentCount", uses.permissions)
        .text("PermissionsBoundaryUsageCount", uses.boundaries)
        .text("IsAttachable", true)
        .text("CreateDate", &policy.created)
        .text("UpdateDate", &policy.updated)
}

/// Reads `PolicyDocument` of a managed policy.
pub(super) fn document(params: &Params) -> Result<String, ApiError> {
    let (document, _) = input::policy_document(params, "PolicyDocument", Kind::Identity)?;
    if quota_length(&document) > SIZE_LIMIT {
        return Err(quota("PolicySize", SIZE_LIMIT));
    }
    Ok(document)
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let name = input::entity_name(&params, "PolicyName", 128)?;
    let path = input::path(&params)?;
    let description = input::description(&params, false)?;
    let tags = tagging::read(&params)?;
    let document = document(&params)?;
    // One policy of a name, whatever its path and case.
    if call.rows::<Policy>().iter().any(|policy| policy.name.eq_ignore_ascii_case(&name)) {
        return Err(already_exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let policy = Policy {
        arn: format!("arn:aws:iam::{}:policy{path}{name}", call.account),
        name,
        path,
        unique_id: call.new_unique_id("ANPA"),
        description,
        created: call.now,
        updated: call.now,
        versions: BTreeMap::from([(1, Version { document, created: call.now })]),
        default_version: 1,
        next_version: 2,
        tags,
    };
    call.put(&policy);
    Ok(Xml::new().node("Policy", xml(&policy, Uses::default(), true)).into())
}

fn get(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let arn = arn(&call.params)?;
    let uses = uses(call).get(&arn).copied().unwrap_or_default();
    let xml = match aws_managed::all().get(&arn) {
        Some(policy) => aws_xml(policy, uses),
        None => xml(&find(call, &arn)?, uses, true),
    };
    Ok(Xml::new().node("Policy", xml).into())
}

fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let scope = input::choice(&params, "Scope", &["All", "AWS", "Local"])?;
    let only_attached = input::flag(&params, "OnlyAttached")?;
    let prefix = input::path_prefix(&params)?;
    let usage =
        input::choice(&params, "PolicyUsageFilter", &["PermissionsPolicy", "PermissionsBoundary"])?;
    let uses = uses(call);
    let uses = |arn: &str| uses.get(arn).copied().unwrap_or_default();
    let wanted = |path: &str, uses: Uses| {
        let used = match usage.as_deref() {
            // The filter lists only what is used that way.
            Some("PermissionsPolicy") => uses.permissions > 0,
            Some(_) => uses.boundaries > 0,
            None => !only_attached || uses.permissions + uses.boundaries > 0,
        };
        used && path.starts_with(&prefix)
    };
    let mut policies = Vec::new();
    if scope.as_deref() != Some("Local") {
        for (arn, policy) in aws_managed::all() {
            if wanted(&policy.path, uses(arn)) {
                policies.push((arn.clone(), aws_xml(policy, uses(arn))));
            }
        }
    }
    if scope.as_deref() != Some("AWS") {
        for policy in call.visible::<Policy>() {
            if wanted(&policy.path, uses(&policy.arn)) {
                policies.push((policy.arn.clone(), xml(&policy, uses(&policy.arn), false)));
            }
        }
    }
    policies.sort_by(|(one, _), (other, _)| one.cmp(other));
    let page = input::page(call, policies)?;
    let policies = page.rows.iter().map(|(_, xml)| xml.clone());
    Ok(input::end_of_page(Xml::new().members("Policies", policies), &page).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let policy = own(call)?;
    let uses = uses(call).get(&policy.arn).copied().unwrap_or_default();
    if uses.permissions + uses.boundaries > 0 {
        return Err(delete_conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete \
             the policy's versions. The default version is deleted with the policy.",
        ));
    }
    call.remove_row::<Policy>(&policy.arn);
    Ok(Answer::empty())
}

fn list_entities(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let arn = arn(&params)?;
    if !aws_managed::all().contains_key(&arn) {
        find(call, &arn)?;
    }
    const KINDS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];
    let kind = input::choice(&params, "EntityFilter", &KINDS)?;
    let prefix = input::path_prefix(&params)?;
    let usage =
        input::choice(&params, "PolicyUsageFilter", &["PermissionsPolicy", "PermissionsBoundary"])?;
    // Users and groups do not exist here.
    let roles_wanted = kind.is_none_or(|kind| kind == "Role");
    let mut roles = BTreeSet::new();
    for role in call.visible::<Role>().into_iter().filter(|_| roles_wanted) {
        let attached =
            usage.as_deref() != Some("PermissionsBoundary") && role.attached.contains(&arn);
        let bound =
            usage.as_deref() != Some("PermissionsPolicy") && role.boundary.as_ref() == Some(&arn);
        if (attached || bound) && role.path.starts_with(&prefix) {
            roles.insert((role.name, role.unique_id));
        }
    }
    let page = input::page(call, roles.into_iter().collect())?;
    let roles =
        page.rows.iter().map(|(name, id)| Xml::new().text("RoleName", name).text("RoleId", id));
    let nobody = std::iter::empty::<Xml>;
    let xml = Xml::new()
        .members("PolicyGroups", nobody())
        .members("PolicyUsers", nobody())
        .members("PolicyRoles", roles);
    Ok(input::end_of_page(xml, &page).into())
}
