//! What a role may do: its inline policies and the managed policies attached to it.

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    xml::Xml,
};

use super::{
    aws_managed,
    document::{Kind, quota_length},
    error::{limit_exceeded, no_such_entity, quota},
    input, policy,
    role::{self, Role},
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("PutRolePolicy", put),
    ("GetRolePolicy", get),
    ("ListRolePolicies", list),
    ("DeleteRolePolicy", delete),
    ("AttachRolePolicy", attach),
    ("DetachRolePolicy", detach),
    ("ListAttachedRolePolicies", list_attached),
];

/// Characters of all inline policies of a role together.
const INLINE_LIMIT: usize = 10_240;
/// Managed policies per role, unless AWS raised it.
const ATTACHED_LIMIT: usize = 10;

fn no_policy(name: &str) -> ApiError {
    no_such_entity(format!("The role policy with name {name} cannot be found."))
}

fn put(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = role::named(call)?;
    let name = input::entity_name(&call.params, "PolicyName", 128)?;
    let (document, _) = input::policy_document(&call.params, "PolicyDocument", Kind::Identity)?;
    role.check_modifiable()?;
    role.inline.insert(name, document);
    if role.inline.values().map(|document| quota_length(document)).sum::<usize>() > INLINE_LIMIT {
        let name = &role.name;
        return Err(limit_exceeded(format!(
            "Maximum policy size of {INLINE_LIMIT} bytes exceeded for role {name}"
        )));
    }
    call.put(&role);
    Ok(Answer::empty())
}

fn get(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = role::named(call)?;
    let name = input::entity_name(&call.params, "PolicyName", 128)?;
    let document = role.inline.get(&name).ok_or_else(|| no_policy(&name))?;
    Ok(Xml::new()
        .text("RoleName", &role.name)
        .text("PolicyName", &name)
        .text("PolicyDocument", input::url_encoded(document))
        .into())
}

fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = role::named(call)?;
    let page = input::page(call, role.inline.into_iter().collect())?;
    let names = page.rows.iter().map(|(name, _)| name);
    Ok(input::end_of_page(Xml::new().member_texts("PolicyNames", names), &page).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = role::named(call)?;
    let name = input::entity_name(&call.params, "PolicyName", 128)?;
    role.check_modifiable()?;
    if role.inline.remove(&name).is_none() {
        return Err(no_policy(&name));
    }
    call.put(&role);
    Ok(Answer::empty())
}

fn attach(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role = role::named(call)?;
    let arn = policy::arn(&call.params)?;
    role.check_modifiable()?;
    match aws_managed::all().get(&arn) {
        Some(policy) if !policy.attachable => {
            let message = "Cannot attach a Service Role Policy to a Customer Role.";
            return Err(ApiError::new("PolicyNotAttachable", message));
        }
        Some(_) => {}
        None if policy::find(call, &arn).is_ok() => {}
        None => {
            return Err(no_such_entity(format!(
                "Policy {arn} does not exist or is not attachable."
            )));
        }
    }
    if !role.attached.contains(&arn) {
        role.attached.push(arn);
    }
    if role.attached.len() > ATTACHED_LIMIT {
        return Err(quota("PoliciesPerRole", ATTACHED_LIMIT));
    }
    call.put(&role);
    Ok(Answer::empty())
}

fn detach(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut role: Role = role::named(call)?;
    let arn = policy::arn(&call.params)?;
    role.check_modifiable()?;
    let Some(at) = role.attached.iter().position(|attached| *attached == arn) else {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    };
    role.attached.remove(at);
    call.put(&role);
    Ok(Answer::empty())
}

fn list_attached(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let role = role::named(call)?;
    let prefix = input::path_prefix(&call.params)?;
    let mut attached: Vec<(String, String)> = role
        .attached
        .into_iter()
        .filter_map(|arn| {
            let (path, name) = policy::path_and_name(&arn)?;
            path.starts_with(&prefix).then(|| (arn.clone(), name.to_owned()))
        })
        .collect();
    attached.sort();
    let page = input::page(call, attached)?;
    let policies = page
        .rows
        .iter()
        .map(|(arn, name)| Xml::new().text("PolicyName", name).text("PolicyArn", arn));
    Ok(input::end_of_page(Xml::new().members("AttachedPolicies", policies), &page).into())
}
