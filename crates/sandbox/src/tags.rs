//! Tags, kept beside the objects they belong to, by the object's id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{call::Call, error::ApiError, params::Params, row::Row, xml::Xml};

/// The tags of one object.
pub(crate) type Tags = BTreeMap<String, String>;

/// At most this many tags an object
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>).
const LIMIT: usize = 50;

/// The row that holds an object's tags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TagRow {
    pub(crate) id: String,
    pub(crate) tags: Tags,
}

impl Row for TagRow {
    const KIND: &'static str = "tags";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Reads `TagSpecification.N` for an operation that creates one type of object.
pub(crate) fn specification(params: &Params, resource_type: &str) -> Result<Tags, ApiError> {
    Ok(specifications(params, &[resource_type])?.remove(resource_type).unwrap_or_default())
}

/// Reads `TagSpecification.N` for an operation that creates several types of object, by type.
pub(crate) fn specifications(
    params: &Params,
    resource_types: &[&str],
) -> Result<BTreeMap<String, Tags>, ApiError> {
    let mut found = BTreeMap::new();
    for specification in params.structs("TagSpecification") {
        let resource_type = specification.required("ResourceType")?;
        if !resource_types.contains(&resource_type.as_str()) {
            return Err(ApiError::invalid_value(format!(
                "'{resource_type}' is not a valid taggable resource type for this operation."
            )));
        }
        let tags = read(&specification, "Tag")?;
        if found.insert(resource_type.clone(), tags).is_some() {
            return Err(ApiError::invalid_value(format!(
                "Duplicate tag specifications for the resource type '{resource_type}'."
            )));
        }
    }
    Ok(found)
}

/// Reads a list of key and value pairs, and checks them by EC2's rules.
pub(crate) fn read(params: &Params, list: &str) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in params.structs(list) {
        let key = tag.required("Key")?;
        let value = tag.optional("Value").unwrap_or_default();
        check(&key, &value)?;
        if tags.insert(key.clone(), value).is_some() {
            return Err(ApiError::invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    limit(&tags)?;
    Ok(tags)
}

/// Refuses more tags than an object can have.
pub(crate) fn limit(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > LIMIT {
        return Err(ApiError::new(
            "TagLimitExceeded",
            format!("The maximum number of tags for a resource is {LIMIT}."),
        ));
    }
    Ok(())
}

/// Checks one tag by EC2's rules.
pub(crate) fn check(key: &str, value: &str) -> Result<(), ApiError> {
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(ApiError::invalid_value(
            "Tag keys starting with 'aws:' are reserved for internal use",
        ));
    }
    if key.is_empty() || key.chars().count() > 128 {
        return Err(ApiError::invalid_value(format!(
            "Tag key exceeds the maximum length of 128 characters or is empty: '{key}'"
        )));
    }
    if value.chars().count() > 256 {
        return Err(ApiError::invalid_value(format!(
            "Tag value exceeds the maximum length of 256 characters: '{value}'"
        )));
    }
    Ok(())
}

/// Writes EC2's `tagSet`.
pub(crate) fn xml(xml: Xml, tags: &Tags) -> Xml {
    xml.items(
        "tagSet",
        tags.iter().map(|(key, value)| Xml::new().text("key", key).text("value", value)),
    )
}

impl Call<'_> {
    /// The tags of an object of this region.
    pub(crate) fn tags(&self, id: &str) -> Tags {
        self.get::<TagRow>(id).map(|row| row.tags).unwrap_or_default()
    }

    /// Replaces the tags of an object of this region.
    pub(crate) fn set_tags(&mut self, id: &str, tags: Tags) {
        if tags.is_empty() {
            self.remove_row::<TagRow>(id);
        } else {
            self.put(&TagRow { id: id.to_owned(), tags });
        }
    }
}
