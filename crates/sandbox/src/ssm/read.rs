//! Reading parameters by name and by path.

use serde::Deserialize;
use serde_json::json;

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
};

use super::{
    filter::{self, Filter},
    name,
    paging::{self, Asked},
    parameter::{self, Parameter},
    validation,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("GetParameter", get_one),
    ("GetParameters", get_some),
    ("GetParametersByPath", get_by_path),
    ("GetParameterHistory", get_history),
    ("DescribeParameters", describe),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetParameter {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

fn get_one(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: GetParameter = call.body()?;
    let found = parameter::find(call, &request.name)?;
    let json = found.parameter.json(call, found.selector.as_deref(), request.with_decryption);
    Ok(json!({ "Parameter": json }).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

fn get_some(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: GetParameters = call.body()?;
    name::check_count(&request.names)?;
    let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
    for name in request.names {
        match parameter::find(call, &name) {
            Ok(found) => {
                parameters.push(found.parameter.json(
                    call,
                    found.selector.as_deref(),
                    request.with_decryption,
                ));
            }
            Err(_) => invalid.push(name),
        }
    }
    Ok(json!({ "Parameters": parameters, "InvalidParameters": invalid }).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetParametersByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    #[serde(default)]
    with_decryption: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

fn get_by_path(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: GetParametersByPath = call.body()?;
    name::check_path(&request.path)?;
    filter::check_by_path(&request.parameter_filters)?;
    let below = format!("{}/", request.path.trim_end_matches('/'));
    let all = if parameter::is_public(&below) {
        parameter::public(call)
    } else {
        call.visible::<Parameter>()
    };
    let rows = all
        .into_iter()
        .filter(|row| {
            row.name
                .strip_prefix(&below)
                .is_some_and(|rest| request.recursive || !rest.contains('/'))
        })
        .filter(|row| filter::matches(&request.parameter_filters, row))
        .collect();
    let asked = Asked { size: request.max_results, most: 10, token: request.next_token };
    let page = paging::page(call, rows, |row: &Parameter| row.name.clone(), asked)?;
    let parameters: Vec<_> =
        page.rows.iter().map(|row| row.json(call, None, request.with_decryption)).collect();
    Ok(paging::answer("Parameters", parameters, page.next).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct GetParameterHistory {
    name: String,
    #[serde(default)]
    with_decryption: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

fn get_history(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: GetParameterHistory = call.body()?;
    let latest = parameter::find(call, &request.name)?.parameter;
    let oldest = latest.version.saturating_sub(super::write::VERSIONS - 1).max(1);
    let rows = (oldest..=latest.version)
        .filter_map(|number| call.get::<parameter::Version>(&format!("{}:{number}", latest.name)))
        .map(|version| version.parameter)
        .collect();
    let asked = Asked { size: request.max_results, most: 50, token: request.next_token };
    let page = paging::page(call, rows, |row: &Parameter| format!("{:012}", row.version), asked)?;
    let history: Vec<_> = page
        .rows
        .iter()
        .map(|row| {
            let mut json = row.json(call, None, request.with_decryption);
            if let Some(fields) = json.as_object_mut() {
                fields.remove("ARN");
                fields.extend(metadata(row));
                fields.insert("Labels".into(), json!([]));
            }
            json
        })
        .collect();
    Ok(paging::answer("Parameters", history, page.next).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DescribeParameters {
    #[serde(default)]
    filters: Vec<OldFilter>,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    #[serde(default)]
    shared: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct OldFilter {
    key: String,
    values: Vec<String>,
}

fn describe(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: DescribeParameters = call.body()?;
    if request.shared {
        return Err(validation(
            "The sandbox has no parameters shared by other accounts: Shared can not be true.",
        ));
    }
    if !request.filters.is_empty() && !request.parameter_filters.is_empty() {
        return Err(validation(
            "You can use either Filters or ParameterFilters in a single request.",
        ));
    }
    let mut filters = request.parameter_filters;
    for old in request.filters {
        if !matches!(old.key.as_str(), "Name" | "Type" | "KeyId") {
            return Err(ApiError::new(
                "InvalidFilterKey",
                format!("{} is no key of Filters.", old.key),
            ));
        }
        let option = if old.key == "Name" { "BeginsWith" } else { "Equals" };
        filters.push(Filter { key: old.key, option: Some(option.to_owned()), values: old.values });
    }
    filter::check_describe(&filters)?;
    let rows = call
        .visible::<Parameter>()
        .into_iter()
        .filter(|row| filter::matches(&filters, row))
        .collect();
    let asked = Asked { size: request.max_results, most: 50, token: request.next_token };
    let page = paging::page(call, rows, |row: &Parameter| row.name.clone(), asked)?;
    let parameters: Vec<_> = page
        .rows
        .iter()
        .map(|row| {
            let mut json = row.json(call, None, false);
            if let Some(fields) = json.as_object_mut() {
                fields.remove("Value");
                fields.extend(metadata(row));
            }
            json
        })
        .collect();
    Ok(paging::answer("Parameters", parameters, page.next).into())
}

/// What only descriptions and histories tell.
fn metadata(row: &Parameter) -> serde_json::Map<String, serde_json::Value> {
    let mut fields = serde_json::Map::new();
    fields.insert("LastModifiedUser".into(), json!(row.modified_by));
    fields.insert("Tier".into(), json!(row.tier));
    fields.insert("Policies".into(), json!([]));
    if let Some(description) = &row.description {
        fields.insert("Description".into(), json!(description));
    }
    if let Some(key) = &row.key_id {
        fields.insert("KeyId".into(), json!(key));
    }
    fields
}
