//! Tags of parameters, which live in the parameters' own rows.

use serde::Deserialize;
use serde_json::json;

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    tags::Tags,
};

use super::{
    parameter::{self, Parameter},
    validation,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("AddTagsToResource", add),
    ("RemoveTagsFromResource", remove),
    ("ListTagsForResource", list),
];

const LIMIT: usize = 50;

/// One tag of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Adds tags to tags.
pub(super) fn merge(mut tags: Tags, added: Vec<Tag>) -> Result<Tags, ApiError> {
    for Tag { key, value } in added {
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        let short = !key.is_empty() && key.chars().count() <= 128 && value.chars().count() <= 256;
        if !short || !key.chars().chain(value.chars()).all(allowed) {
            return Err(validation(format!(
                "The tag '{key}' is not valid: a key has from 1 to 128 and a value up to 256 \
                 letters, digits, spaces and signs of _.:/=+-@"
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(validation(format!(
                "The tag key '{key}' begins with aws:, which is reserved"
            )));
        }
        tags.insert(key, value);
    }
    if tags.len() > LIMIT {
        return Err(ApiError::new(
            "TooManyTagsError",
            format!("A parameter can have {LIMIT} tags."),
        ));
    }
    Ok(tags)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct AddTags {
    resource_type: String,
    resource_id: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RemoveTags {
    resource_type: String,
    resource_id: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ListTags {
    resource_type: String,
    resource_id: String,
}

fn find(call: &Call<'_>, resource_type: &str, id: &str) -> Result<Parameter, ApiError> {
    if resource_type != "Parameter" {
        let message =
            format!("The sandbox has no Systems Manager resources of the type {resource_type}");
        return Err(ApiError::new("InvalidResourceType", message));
    }
    let found = call.find::<Parameter>(&parameter::resolve(call, id));
    found.map_err(|_| {
        ApiError::new("InvalidResourceId", format!("The parameter {id} does not exist"))
    })
}

fn add(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: AddTags = call.body()?;
    let mut row = find(call, &request.resource_type, &request.resource_id)?;
    row.tags = merge(row.tags, request.tags)?;
    call.put(&row);
    Ok(json!({}).into())
}

fn remove(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: RemoveTags = call.body()?;
    let mut row = find(call, &request.resource_type, &request.resource_id)?;
    row.tags.retain(|key, _| !request.tag_keys.contains(key));
    call.put(&row);
    Ok(json!({}).into())
}

fn list(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: ListTags = call.body()?;
    let row = find(call, &request.resource_type, &request.resource_id)?;
    let tags: Vec<_> =
        row.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    Ok(json!({ "TagList": tags }).into())
}
