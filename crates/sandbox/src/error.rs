//! The error an operation answers with; `dispatch` renders it in the protocol of its service.

use std::borrow::Cow;

/// What a service says when it refuses a call.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    /// The AWS error code, such as `InvalidVpcID.NotFound`.
    pub(crate) code: Cow<'static, str>,
    /// The sentence for humans.
    pub(crate) message: String,
    /// The HTTP status. Never 5xx for a mistake of the caller: SDKs retry those.
    pub(crate) status: u16,
}

impl ApiError {
    /// An error with HTTP status 400, as almost all of them have.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: 400 }
    }

    /// The same error with another HTTP status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// `MissingParameter`, in EC2's words.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// `InvalidParameterValue` for one value of one parameter, in EC2's words.
    pub(crate) fn invalid(parameter: &str, value: &str, why: &str) -> Self {
        Self::new(
            "InvalidParameterValue",
            format!("Value ({value}) for parameter {parameter} is invalid. {why}"),
        )
    }

    /// `InvalidParameterValue` with a message of its own.
    pub(crate) fn invalid_value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// `InvalidParameterCombination` with a message of its own.
    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// `DependencyViolation`: the object is still in use.
    pub(crate) fn dependency(message: impl Into<String>) -> Self {
        Self::new("DependencyViolation", message)
    }

    /// A fault of the sandbox itself (a broken row, a full disk), as HTTP 500.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalError", message).with_status(500)
    }
}
