//! What a failed SDK call means to the engine.
//!
//! The one question that matters is whether the answer is definite. A request that was never sent
//! or was refused has no effect; one whose answer got lost may have had it, and is *ambiguous*.

use std::{error::Error as StdError, io, time::Duration};

use aws_sdk_ec2::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use formwork_core::{ErrorKind, ProviderError};

/// Names the operation of a failed call.
pub(crate) trait Named<T> {
    /// The answer, or what the failure of `operation` (such as `ec2:CreateVpc`) means.
    fn named(self, operation: &'static str) -> Result<T, ProviderError>;
}

impl<T, E> Named<T> for Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn named(self, operation: &'static str) -> Result<T, ProviderError> {
        self.map_err(|error| describe(operation, &error))
    }
}

fn describe<E>(operation: &'static str, error: &SdkError<E>) -> ProviderError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let chain = || chain(error);
    let (kind, message, code) = match error {
        SdkError::ConstructionFailure(_) => (ErrorKind::Invalid, chain(), None),
        SdkError::TimeoutError(_) => (ErrorKind::Ambiguous, chain(), None),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().map(|cause| cause as &dyn StdError);
            let kind = never_sent(cause).unwrap_or(ErrorKind::Ambiguous);
            let message = match kind {
                ErrorKind::Denied => format!("{NO_CREDENTIALS}: {}", chain()),
                _ => chain(),
            };
            (kind, message, None)
        }
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let (code, message) = (answer.err().code(), answer.err().message());
            let kind = code.and_then(kind_of_code).unwrap_or(kind_of_status(status));
            // Without a code there is no answer in words, and the raw one is no message.
            let unreadable = || format!("the service answered HTTP {status} and nothing readable");
            let message = match (message, code) {
                (Some(message), _) => message.to_owned(),
                (None, Some(_)) => chain(),
                (None, None) => unreadable(),
            };
            (kind, message, code.map(str::to_owned))
        }
        // An answer that can not be read is no answer.
        _ => (ErrorKind::Ambiguous, chain(), None),
    };
    ProviderError {
        code,
        request_id: error.request_id().map(str::to_owned),
        retry_after: retry_after(error),
        ..ProviderError::new(kind, operation, message)
    }
}

/// How long the service asks to wait: `x-amz-retry-after` in milliseconds, as the SDK reads it too, or
/// `retry-after` in seconds (RFC 9110, 10.2.3). A date in the latter is not read.
fn retry_after<E>(error: &SdkError<E>) -> Option<Duration> {
    let headers = error.raw_response()?.headers();
    let number = |name: &str| headers.get(name)?.trim().parse::<u64>().ok();
    let milliseconds = number("x-amz-retry-after").map(Duration::from_millis);
    milliseconds.or_else(|| number("retry-after").map(Duration::from_secs))
}

/// Where credentials come from if the program brings none, in the SDK's order
/// (<https://docs.aws.amazon.com/sdk-for-rust/latest/dg/credproviders.html>).
const NO_CREDENTIALS: &str = "no credentials could be loaded; they are looked for in the environment (AWS_ACCESS_KEY_ID and \
     AWS_SECRET_ACCESS_KEY), in the profile (AWS_PROFILE), by single sign-on, and by the role of \
     the machine";

/// What an error and its causes say, each once. Words that say only that there is a cause are left
/// out where there is one.
fn chain(error: &(dyn StdError + 'static)) -> String {
    const EMPTY: [&str; 5] = ["dispatch failure", "other", "io error", "service error", ""];
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let text = error.to_string();
        let says_nothing = EMPTY.contains(&text.as_str()) && next.is_some();
        // Some print their cause with them.
        if !says_nothing && !said.iter().any(|said| said.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

/// The kind of a failure to send, if it is certain that nothing was sent.
fn never_sent(mut cause: Option<&(dyn StdError + 'static)>) -> Option<ErrorKind> {
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            return Some(ErrorKind::Transient);
        }
        // The SDK resolves credentials before it sends, and reports their absence as a failure to
        // send; the type of that error is in a crate of its internals.
        if error.to_string().contains("credential") {
            return Some(ErrorKind::Denied);
        }
        cause = error.source();
    }
    None
}

/// What a service's own code means. The codes of EC2 are listed in
/// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html>, those that all services
/// share in <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>.
fn kind_of_code(code: &str) -> Option<ErrorKind> {
    let kind = match code {
        "NoSuchEntity"
        | "NoSuchEntityException"
        | "ParameterNotFound"
        | "InvalidInstanceId"
        | "InvalidAssociationID.NotFound"
        | "Gateway.NotAttached" => ErrorKind::NotFound,

        "DependencyViolation"
        | "ResourceInUse"
        | "ResourceInUseFault"
        | "DeleteConflict"
        | "VolumeInUse"
        | "InvalidIPAddress.InUse"
        | "InvalidNetworkInterface.InUse"
        | "ScalingActivityInProgress"
        | "CannotDelete" => ErrorKind::InUse,

        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "TooManyUpdates"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "EC2ThrottledException"
        | "SlowDown"
        | "RequestThrottling" => ErrorKind::Throttled,

        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "Blocked"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "NotAuthorized"
        | "PendingVerification"
        | "Client.UnauthorizedOperation" => ErrorKind::Denied,

        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientCapacity"
        | "InsufficientFreeAddressesInSubnet"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientVolumeCapacity"
        | "InsufficientCapacityOnOutpost"
        | "InsufficientAddressCapacity"
        | "ReservationCapacityExceeded"
        | "LimitExceeded"
        | "LimitExceededException"
        | "MaxSpotInstanceCountExceeded"
        | "SpotMaxPriceTooLow" => ErrorKind::Capacity,

        "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "AlreadyExists"
        | "AlreadyExistsFault"
        | "RouteAlreadyExists"
        | "ParameterAlreadyExists"
        | "InvalidSubnet.Conflict"
        | "IdempotentParameterMismatch"
        | "Resource.AlreadyAssociated"
        | "NetworkAclEntryAlreadyExists" => ErrorKind::Conflict,

        // Of tags there is no higher quota to ask for.
        "TagLimitExceeded" => ErrorKind::Invalid,

        "ConcurrentModification"
        | "ConcurrentTagAccess"
        | "IncorrectState"
        | "IncorrectInstanceState"
        | "OperationNotPermittedException" => ErrorKind::Transient,

        "ValidationError"
        | "ValidationException"
        | "MissingParameter"
        | "UnknownParameter"
        | "UnsupportedOperation"
        | "Unsupported"
        | "OperationNotPermitted"
        | "MalformedPolicyDocument"
        | "MalformedPolicyDocumentException" => ErrorKind::Invalid,

        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "Unavailable"
        | "ServerInternal" => ErrorKind::Ambiguous,

        code if code.ends_with("NotFound") || code.ends_with("NotFoundException") => {
            ErrorKind::NotFound
        }
        code if code.ends_with(".InUse") => ErrorKind::InUse,
        code if code.contains("Duplicate") || code.ends_with("AlreadyExists") => {
            ErrorKind::Conflict
        }
        code if code.ends_with("LimitExceeded") || code.ends_with("QuotaExceeded") => {
            ErrorKind::Capacity
        }
        code if code.starts_with("Invalid")
            || code.starts_with("Malformed")
            || code.starts_with("Missing") =>
        {
            ErrorKind::Invalid
        }
        _ => return None,
    };
    Some(kind)
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled,
        400..500 => ErrorKind::Other,
        // The service broke down at some point of its work, nobody knows which.
        _ => ErrorKind::Ambiguous,
    }
}

/// Whether a call failed because what it names is not there.
pub(crate) trait Absent {
    /// Whether it did.
    fn is_absent(&self) -> bool;
}

impl Absent for ProviderError {
    fn is_absent(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

/// Takes the absence of what was to be removed or detached for success.
pub(crate) fn unless_absent<T>(result: Result<T, ProviderError>) -> Result<(), ProviderError> {
    match result {
        Err(error) if !error.is_absent() => Err(error),
        _ => Ok(()),
    }
}

/// The error for a failure that a successful answer reports inside.
pub(crate) fn in_answer(operation: &'static str, code: &str, message: &str) -> ProviderError {
    ProviderError {
        code: Some(code.to_owned()),
        ..ProviderError::new(kind_of_code(code).unwrap_or(ErrorKind::Other), operation, message)
    }
}

/// The error for an answer that lacks what the service always gives.
pub(crate) fn incomplete(operation: &'static str, what: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::Ambiguous,
        operation,
        format!("the service's answer has no {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_services_document() {
        for (code, kind) in [
            ("InvalidVpcID.NotFound", ErrorKind::NotFound),
            ("InvalidInternetGatewayID.NotFound", ErrorKind::NotFound),
            ("NatGatewayNotFound", ErrorKind::NotFound),
            ("InvalidVpcID.Malformed", ErrorKind::Invalid),
            ("InvalidParameterValue", ErrorKind::Invalid),
            ("InvalidPermission.Duplicate", ErrorKind::Conflict),
            ("InvalidGroup.Duplicate", ErrorKind::Conflict),
            ("InvalidGroup.InUse", ErrorKind::InUse),
            ("DependencyViolation", ErrorKind::InUse),
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("VpcLimitExceeded", ErrorKind::Capacity),
            ("InsufficientInstanceCapacity", ErrorKind::Capacity),
            ("InternalError", ErrorKind::Ambiguous),
        ] {
            assert_eq!(kind_of_code(code), Some(kind), "{code}");
        }
        assert_eq!(kind_of_code("SomethingNew"), None);
        assert_eq!(kind_of_status(503), ErrorKind::Ambiguous);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn an_error_says_its_causes_once_and_in_words() {
        let layers = ["dispatch failure", "io error", "connect error", "connect error", "refused"];
        let error = layers
            .into_iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(Layer { text, source })));
        assert_eq!(chain(&*error.unwrap()), "connect error: refused");
        assert_eq!(chain(&Layer { text: "io error", source: None }), "io error");
    }

    #[test]
    fn a_request_that_was_never_sent_is_not_ambiguous() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(never_sent(Some(&refused)), Some(ErrorKind::Transient));
        let cut = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(never_sent(Some(&cut)), None);
    }
}
