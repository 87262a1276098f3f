//! Writing and deleting parameters, and their tags.

use serde::Deserialize;
use serde_json::json;

use crate::{
    call::{Answer, Call, OperationFn},
    ec2::image_catalogue,
    error::ApiError,
    sts::session,
    tags::Tags,
};

use super::{
    name,
    parameter::{self, Parameter, Version},
    tagging::{self, Tag},
    validation,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("PutParameter", put), ("DeleteParameter", delete_one), ("DeleteParameters", delete_some)];

/// Versions that are kept; the oldest makes room for the next.
pub(super) const VERSIONS: u64 = 100;
/// Characters of a standard parameter's value.
const STANDARD: usize = 4096;
/// Characters of an advanced parameter's value.
const ADVANCED: usize = 8192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PutParameter {
    name: String,
    value: String,
    r#type: Option<String>,
    description: Option<String>,
    key_id: Option<String>,
    #[serde(default)]
    overwrite: bool,
    allowed_pattern: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    tier: Option<String>,
    policies: Option<String>,
    data_type: Option<String>,
}

fn put(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: PutParameter = call.body()?;
    check(call, &request)?;
    let before = call.get::<Parameter>(&request.name);
    if before.is_some() && !request.overwrite {
        return Err(ApiError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in \
             the request to true.",
        ));
    }
    let kind = match (request.r#type, &before) {
        (Some(asked), Some(before)) if asked != before.kind => {
            return Err(ApiError::new(
                "HierarchyTypeMismatchException",
                "Parameter Store doesn't support changing a parameter type in a hierarchy. You \
                 must create a new, unique parameter.",
            ));
        }
        (Some(asked), _) => asked,
        (None, Some(before)) => before.kind.clone(),
        (None, None) => {
            return Err(validation("A parameter type is required when you create a parameter."));
        }
    };
    let secure = kind == "SecureString";
    if request.key_id.is_some() && !secure {
        return Err(validation("KeyId is only valid for parameters of the type SecureString."));
    }
    let tier = tier(request.tier.as_deref(), before.as_ref(), request.value.chars().count())?;
    let parameter = Parameter {
        version: before.as_ref().map_or(1, |before| before.version + 1),
        kind,
        value: request.value,
        modified: call.now,
        modified_by: session::caller(call)?.arn,
        description: request.description.or_else(|| before.as_ref()?.description.clone()),
        key_id: request
            .key_id
            .or_else(|| before.as_ref()?.key_id.clone())
            .or_else(|| secure.then(|| "alias/aws/ssm".to_owned())),
        tier,
        data_type: request
            .data_type
            .or_else(|| Some(before.as_ref()?.data_type.clone()))
            .unwrap_or_else(|| "text".to_owned()),
        tags: match before {
            Some(before) => before.tags,
            None => tagging::merge(Tags::new(), request.tags)?,
        },
        name: request.name,
    };
    call.put(&parameter);
    let id = |number: u64| format!("{}:{number}", parameter.name);
    call.put(&Version { id: id(parameter.version), parameter: parameter.clone() });
    if let Some(oldest) = parameter.version.checked_sub(VERSIONS).filter(|oldest| *oldest > 0) {
        call.remove_row::<Version>(&id(oldest));
    }
    Ok(json!({ "Version": parameter.version, "Tier": parameter.tier }).into())
}

/// Checks what can be judged without knowing what was there before.
fn check(call: &Call<'_>, request: &PutParameter) -> Result<(), ApiError> {
    name::check(&request.name)?;
    if request.value.is_empty() {
        return Err(validation(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: \
             Member must have length greater than or equal to 1.",
        ));
    }
    if request.overwrite && !request.tags.is_empty() {
        return Err(validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter \
             with tags, please remove overwrite flag. To update tags for an existing parameter, \
             please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    for (unsupported, what) in
        [(&request.allowed_pattern, "AllowedPattern"), (&request.policies, "Policies")]
    {
        if unsupported.is_some() {
            return Err(validation(format!(
                "The sandbox does not support {what} of PutParameter."
            )));
        }
    }
    if let Some(kind) = request
        .r#type
        .as_deref()
        .filter(|kind| !["String", "StringList", "SecureString"].contains(kind))
    {
        return Err(validation(format!(
            "1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint: \
             Member must satisfy enum value set: [SecureString, StringList, String]"
        )));
    }
    if request.description.as_ref().is_some_and(|text| text.chars().count() > 1024) {
        return Err(validation(
            "1 validation error detected: Value at 'description' failed to satisfy constraint: \
             Member must have length less than or equal to 1024",
        ));
    }
    match request.data_type.as_deref() {
        None | Some("text") => Ok(()),
        Some("aws:ec2:image") if image_catalogue::find(&call.region, &request.value).is_some() => {
            Ok(())
        }
        // AWS finds that out a while after it said yes, and drops the value.
        Some("aws:ec2:image") => {
            Err(validation(format!("There is no image {} in {}.", request.value, call.region)))
        }
        Some(other) => Err(validation(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        ))),
    }
}

fn tier(
    asked: Option<&str>,
    before: Option<&Parameter>,
    length: usize,
) -> Result<String, ApiError> {
    let was_advanced = before.is_some_and(|before| before.tier == "Advanced");
    let tier = match asked {
        Some("Standard") if was_advanced => {
            return Err(validation(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter \
                 from the advanced-parameter tier to the standard-parameter tier. If necessary, \
                 you can delete the advanced parameter and recreate it as a standard parameter.",
            ));
        }
        Some("Intelligent-Tiering") if length > STANDARD => "Advanced",
        Some("Standard" | "Intelligent-Tiering") | None if !was_advanced => "Standard",
        Some("Standard" | "Advanced" | "Intelligent-Tiering") | None => "Advanced",
        Some(other) => {
            return Err(validation(format!(
                "1 validation error detected: Value '{other}' at 'tier' failed to satisfy \
                 constraint: Member must satisfy enum value set: [Standard, Advanced, \
                 Intelligent-Tiering]"
            )));
        }
    };
    let (limit, hint) = match tier {
        "Standard" => (
            STANDARD,
            " To create a larger parameter value, upgrade the parameter to use the \
             advanced-parameter tier.",
        ),
        _ => (ADVANCED, ""),
    };
    if length > limit {
        return Err(validation(format!(
            "{tier} tier parameters support a maximum parameter value of {limit} characters.{hint}"
        )));
    }
    Ok(tier.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteParameter {
    name: String,
}

fn delete_one(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: DeleteParameter = call.body()?;
    if delete(call, &request.name) {
        return Ok(json!({}).into());
    }
    Err(ApiError::new("ParameterNotFound", format!("The parameter {} is not found.", request.name)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DeleteParameters {
    names: Vec<String>,
}

fn delete_some(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: DeleteParameters = call.body()?;
    name::check_count(&request.names)?;
    let (deleted, invalid): (Vec<String>, Vec<String>) =
        request.names.into_iter().partition(|name| delete(call, name));
    Ok(json!({ "DeletedParameters": deleted, "InvalidParameters": invalid }).into())
}

/// Deletes a parameter with all its versions; false if there is none that clients can see.
fn delete(call: &mut Call<'_>, asked: &str) -> bool {
    let Ok(parameter) = call.find::<Parameter>(&parameter::resolve(call, asked)) else {
        return false;
    };
    for number in parameter.version.saturating_sub(VERSIONS)..=parameter.version {
        call.remove_row::<Version>(&format!("{}:{number}", parameter.name));
    }
    call.remove_row::<Parameter>(&parameter.name);
    true
}
