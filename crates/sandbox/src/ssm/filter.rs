//! `ParameterFilters`: which parameters a request wants to see.

use serde::Deserialize;

use crate::error::ApiError;

use super::{parameter::Parameter, validation};

/// One filter; all of a request's must hold, each for any of its values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Filter {
    pub(super) key: String,
    pub(super) option: Option<String>,
    #[serde(default)]
    pub(super) values: Vec<String>,
}

impl Filter {
    fn option(&self) -> &str {
        let default = if self.key == "Path" { "OneLevel" } else { "Equals" };
        self.option.as_deref().unwrap_or(default)
    }
}

/// Checks the filters of GetParametersByPath.
pub(super) fn check_by_path(filters: &[Filter]) -> Result<(), ApiError> {
    check(filters, &["Type", "KeyId"])
}

/// Checks the filters of DescribeParameters.
pub(super) fn check_describe(filters: &[Filter]) -> Result<(), ApiError> {
    check(filters, &["Path", "Name", "Type", "KeyId", "Tier", "DataType"])
}

fn check(filters: &[Filter], known: &[&str]) -> Result<(), ApiError> {
    for (at, filter) in filters.iter().enumerate() {
        let key = filter.key.as_str();
        let tag =
            key.strip_prefix("tag:").is_some_and(|key| !key.is_empty()) && known.contains(&"Name");
        if !tag && !known.contains(&key) {
            return Err(ApiError::new(
                "InvalidFilterKey",
                format!(
                    "The following filter key is not valid: {key}. Valid filter keys include: [{}].",
                    known.join(", ")
                ),
            ));
        }
        if filters[..at].iter().any(|before| before.key == key) {
            return Err(ApiError::new(
                "InvalidFilterKey",
                format!(
                    "The following filter is duplicated in the request: {key}. A request can \
                     contain only one occurrence of a specific filter."
                ),
            ));
        }
        if filter.values.is_empty() && !tag {
            return Err(ApiError::new(
                "InvalidFilterValue",
                format!("The following filter values are missing : null for filter key {key}."),
            ));
        }
        let options: &[&str] = match key {
            "Path" => &["Recursive", "OneLevel"],
            "Name" => &["BeginsWith", "Equals", "Contains"],
            _ if tag => &["Equals"],
            _ => &["BeginsWith", "Equals"],
        };
        if !options.contains(&filter.option()) {
            return Err(ApiError::new(
                "InvalidFilterOption",
                format!(
                    "The following filter option is not valid: {}. Valid options include: [{}].",
                    filter.option(),
                    options.join(", ")
                ),
            ));
        }
        let reserved = |value: &String| {
            value.to_ascii_lowercase().starts_with("/aws")
                || value.to_ascii_lowercase().starts_with("/ssm")
        };
        if key == "Path" && filter.values.iter().any(reserved) {
            return Err(validation(
                "Filters for common parameters can't be prefixed with \"aws\" or \"ssm\" \
                 (case-insensitive). When using global parameters, please specify within a global \
                 namespace.",
            ));
        }
    }
    Ok(())
}

/// Whether a parameter passes all filters.
pub(super) fn matches(filters: &[Filter], row: &Parameter) -> bool {
    filters.iter().all(|filter| {
        let actual = match filter.key.as_str() {
            "Path" => {
                return filter.values.iter().any(|path| is_below(&row.name, path, filter.option()));
            }
            "Name" => Some(row.name.trim_start_matches('/')),
            "Type" => Some(row.kind.as_str()),
            "KeyId" => row.key_id.as_deref(),
            "Tier" => Some(row.tier.as_str()),
            "DataType" => Some(row.data_type.as_str()),
            key => key.strip_prefix("tag:").and_then(|key| row.tags.get(key)).map(String::as_str),
        };
        let Some(actual) = actual else { return false };
        filter.values.is_empty()
            || filter.values.iter().any(|wanted| {
                // A name is found with and without its first slash.
                let wanted =
                    if filter.key == "Name" { wanted.trim_start_matches('/') } else { wanted };
                match filter.option() {
                    "BeginsWith" => actual.starts_with(wanted),
                    "Contains" => actual.contains(wanted),
                    _ => actual == wanted,
                }
            })
    })
}

fn is_below(name: &str, path: &str, option: &str) -> bool {
    let below = format!("{}/", path.trim_end_matches('/'));
    name.strip_prefix(&below).is_some_and(|rest| option == "Recursive" || !rest.contains('/'))
}
