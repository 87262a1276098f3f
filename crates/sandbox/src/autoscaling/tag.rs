//! Tags of groups, which say of themselves whether instances get them too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    activity::PAGING,
    error::{missing, validation},
    group::{self, Group},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    page::paginate,
    params::Params,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateOrUpdateTags", create_or_update),
    ("DeleteTags", delete),
    ("DescribeTags", describe_tags),
];

const RESOURCE_TYPE: &str = "auto-scaling-group";

/// The value of a tag, and whether new instances get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GroupTag {
    pub(super) value: String,
    pub(super) propagate: bool,
}

/// One entry of a request's list.
struct Entry {
    group: String,
    key: String,
    value: Option<String>,
    propagate: Option<bool>,
}

fn entry(params: &Params, own: Option<&str>) -> Result<Entry, ApiError> {
    let group = match (params.optional("ResourceId"), own) {
        (Some(id), Some(own)) if id != own => {
            return Err(validation(format!(
                "Tag resource ID '{id}' is not the group's name '{own}'."
            )));
        }
        (Some(id), _) => id,
        (None, Some(own)) => own.to_owned(),
        (None, None) => return Err(missing("tags.1.member.resourceId")),
    };
    match params.optional("ResourceType").as_deref() {
        Some(RESOURCE_TYPE) => {}
        None if own.is_some() => {}
        None => return Err(missing("tags.1.member.resourceType")),
        Some(other) => {
            return Err(validation(format!(
                "'{other}' is not a valid resource type: it must be {RESOURCE_TYPE}."
            )));
        }
    }
    let key = params.optional("Key").ok_or_else(|| missing("tags.1.member.key"))?;
    let value = params.optional("Value");
    tags::check(&key, value.as_deref().unwrap_or_default())
        .map_err(|error| validation(error.message))?;
    Ok(Entry { group, key, value, propagate: params.flag("PropagateAtLaunch")? })
}

/// Reads `Tags` of a request that makes a group of this name.
pub(super) fn read(
    call: &Call<'_>,
    own: Option<&str>,
) -> Result<BTreeMap<String, GroupTag>, ApiError> {
    let mut found = BTreeMap::new();
    for tag in call.params.structs("Tags") {
        let entry = entry(&tag, own)?;
        let tag = GroupTag {
            value: entry.value.unwrap_or_default(),
            propagate: entry.propagate.unwrap_or(false),
        };
        if found.insert(entry.key.clone(), tag).is_some() {
            return Err(validation(format!("Duplicate tag key '{}'.", entry.key)));
        }
    }
    limit(&found)?;
    Ok(found)
}

fn limit(tags: &BTreeMap<String, GroupTag>) -> Result<(), ApiError> {
    if tags.len() > 50 {
        return Err(ApiError::new("LimitExceeded", "A group can have at most 50 tags."));
    }
    Ok(())
}

fn create_or_update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    for tag in call.params.structs("Tags") {
        let entry = entry(&tag, None)?;
        let mut group = group::by_name(call, &entry.group)?;
        let known = group.tags.get(&entry.key);
        let tag = GroupTag {
            value: entry.value.unwrap_or_default(),
            propagate: entry.propagate.or(known.map(|tag| tag.propagate)).unwrap_or(false),
        };
        group.tags.insert(entry.key, tag);
        limit(&group.tags)?;
        call.put(&group);
    }
    Ok(Answer::empty())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    for tag in call.params.structs("Tags") {
        let entry = entry(&tag, None)?;
        let mut group = group::by_name(call, &entry.group)?;
        let matches = |tag: &GroupTag| entry.value.as_ref().is_none_or(|value| *value == tag.value);
        if group.tags.get(&entry.key).is_some_and(matches) {
            group.tags.remove(&entry.key);
            call.put(&group);
        }
    }
    Ok(Answer::empty())
}

fn describe_tags(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut filters = Vec::new();
    for filter in call.params.structs("Filters") {
        let name = filter.optional("Name").unwrap_or_default();
        if !matches!(name.as_str(), "auto-scaling-group" | "key" | "value" | "propagate-at-launch")
        {
            return Err(validation(format!(
                "Filter type {name} is not correct. Allowed Filter types are: auto-scaling-group, key, value, propagate-at-launch"
            )));
        }
        filters.push((name, filter.list("Values")));
    }
    // (sort key, group, key, tag)
    let mut rows: Vec<(String, String, String, GroupTag)> = Vec::new();
    for group in call.visible::<Group>() {
        for (key, tag) in &group.tags {
            let field = |filter: &str| match filter {
                "auto-scaling-group" => group.name.clone(),
                "key" => key.clone(),
                "value" => tag.value.clone(),
                _ => tag.propagate.to_string(),
            };
            if filters.iter().all(|(name, values)| values.contains(&field(name))) {
                rows.push((
                    format!("{}\n{key}", group.name),
                    group.name.clone(),
                    key.clone(),
                    tag.clone(),
                ));
            }
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let page = paginate(call, rows, |row| &row.0, PAGING)?;
    Ok(Xml::new()
        .members("Tags", page.rows.iter().map(|(_, group, key, tag)| xml(group, key, tag)))
        .maybe("NextToken", page.next.as_deref())
        .into())
}

/// A tag as the operations show it.
pub(super) fn xml(group: &str, key: &str, tag: &GroupTag) -> Xml {
    Xml::new()
        .text("ResourceId", group)
        .text("ResourceType", RESOURCE_TYPE)
        .text("Key", key)
        .text("Value", &tag.value)
        .text("PropagateAtLaunch", tag.propagate)
}
