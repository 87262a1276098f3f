//! IAM's errors: their codes and HTTP statuses, as its API model gives them.

use crate::error::ApiError;

/// `NoSuchEntity`.
pub(crate) fn no_such_entity(message: impl Into<String>) -> ApiError {
    ApiError::new("NoSuchEntity", message).with_status(404)
}

/// `EntityAlreadyExists`.
pub(crate) fn already_exists(message: impl Into<String>) -> ApiError {
    ApiError::new("EntityAlreadyExists", message).with_status(409)
}

/// `DeleteConflict`.
pub(crate) fn delete_conflict(message: impl Into<String>) -> ApiError {
    ApiError::new("DeleteConflict", message).with_status(409)
}

/// `LimitExceeded` for a quota by IAM's name for it, say `PoliciesPerRole: 10`.
pub(crate) fn quota(name: &str, limit: usize) -> ApiError {
    limit_exceeded(format!("Cannot exceed quota for {name}: {limit}"))
}

/// `LimitExceeded` with words of its own.
pub(crate) fn limit_exceeded(message: impl Into<String>) -> ApiError {
    ApiError::new("LimitExceeded", message).with_status(409)
}

/// `InvalidInput`.
pub(crate) fn invalid_input(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

/// `ValidationError`, for what is wrong with a parameter on its face.
pub(crate) fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

/// `ValidationError` for one member of the request that breaks a constraint of the API model.
pub(crate) fn constraint(parameter: &str, value: Option<&str>, must: &str) -> ApiError {
    let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
    let mut member = parameter.to_owned();
    if let Some(first) = member.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    validation(format!(
        "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: \
         Member must {must}"
    ))
}

/// `MalformedPolicyDocument`.
pub(crate) fn malformed_document(message: impl Into<String>) -> ApiError {
    ApiError::new("MalformedPolicyDocument", message)
}

/// `UnmodifiableEntity`, for a service-linked role.
pub(crate) fn protected(role: &str) -> ApiError {
    ApiError::new(
        "UnmodifiableEntity",
        format!(
            "Cannot perform the operation on the protected role '{role}' - this role is only \
             modifiable by AWS"
        ),
    )
}
