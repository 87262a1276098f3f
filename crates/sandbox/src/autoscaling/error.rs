//! The errors of Auto Scaling.

use crate::error::ApiError;

/// `ValidationError`, which most mistakes are.
pub(super) fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}

/// No group has this name.
pub(super) fn no_group(name: &str) -> ApiError {
    validation(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

/// A required parameter is missing, in the words of this service.
pub(super) fn missing(parameter: &str) -> ApiError {
    validation(format!(
        "1 validation error detected: Value null at '{parameter}' failed to satisfy constraint: Member must not be null"
    ))
}

/// An action of the group is under way.
pub(super) fn in_progress(message: impl Into<String>) -> ApiError {
    ApiError::new("ScalingActivityInProgress", message)
}
