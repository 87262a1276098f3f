//! The rules for names and paths of parameters
//! (Systems Manager User Guide, `sysman-paramstore-su-create`; API reference, `PutParameter`).

use crate::error::ApiError;

use super::validation;

/// Levels of a hierarchy.
const LEVELS: usize = 15;
/// Characters of a name, the part of its ARN before it included.
const LENGTH: usize = 1011;

/// Checks the name of a parameter that is to be written.
pub(super) fn check(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.chars().count() > LENGTH {
        return Err(validation(format!(
            "Parameter name: it must have from 1 to {LENGTH} characters."
        )));
    }
    let bare = name.trim_start_matches('/').to_ascii_lowercase();
    if name.to_ascii_lowercase().starts_with("/aws/") {
        let message = format!("No access to reserved parameter name: {name}.");
        return Err(ApiError::new("AccessDeniedException", message));
    }
    if bare.starts_with("aws") || bare.starts_with("ssm") {
        return Err(validation(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If \
             formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path \
             can be formed as a mix of letters, numbers and the following 3 symbols .-_",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(validation("Parameter name must be a fully qualified name."));
    }
    if !name.chars().all(is_sign) || name.contains("//") || name.ends_with('/') {
        return Err(validation(
            "Parameter name: can't be formed of anything but sub-paths divided by slash symbol; \
             each sub-path can be formed as a mix of letters, numbers and the following 3 symbols \
             .-_",
        ));
    }
    if name.matches('/').count() > LEVELS {
        return Err(ApiError::new(
            "HierarchyLevelLimitExceededException",
            format!("A parameter name hierarchy can have a maximum of {LEVELS} levels."),
        ));
    }
    Ok(())
}

/// Checks the path of GetParametersByPath.
pub(super) fn check_path(path: &str) -> Result<(), ApiError> {
    let valid = path.starts_with('/') && path.chars().all(is_sign) && !path.contains("//");
    if valid {
        return Ok(());
    }
    Err(validation(
        "The parameter doesn't meet the parameter name requirements. The parameter name must \
         begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" \
         (case-insensitive). It must use only letters, numbers, or the following symbols: . \
         (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, \
         if specified, must use the forward slash symbol \"/\". Valid example: \
         /get/parameters2-/by1./path0_.",
    ))
}

/// Requests name from one to ten parameters.
pub(super) fn check_count(names: &[String]) -> Result<(), ApiError> {
    let bound = match names.len() {
        0 => "greater than or equal to 1",
        1..=10 => return Ok(()),
        _ => "less than or equal to 10",
    };
    Err(validation(format!(
        "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: \
         Member must have length {bound}.",
        names.join(", ")
    )))
}

fn is_sign(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-/".contains(c)
}
