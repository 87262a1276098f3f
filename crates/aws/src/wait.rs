//! How long until it is worth while to look again.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_smithy_types::DateTime;
use formwork_core::{ErrorKind, ProviderError};

/// For what takes about a second: a network object to become available.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

/// For what takes about a minute: a gateway, an instance.
pub(crate) const LONG: Duration = Duration::from_secs(5);

/// For what may take a second or minutes, and was begun at `start`: a quarter of the time that it
/// took so far.
pub(crate) fn since(start: Option<&DateTime>) -> Duration {
    let start = start.and_then(|start| SystemTime::try_from(*start).ok());
    let elapsed = start.and_then(|start| start.elapsed().ok()).unwrap_or_default();
    (elapsed / 4).clamp(SHORT, LONG)
}

/// The error for an object that is gone while it is being changed.
pub(crate) fn vanished(operation: &'static str, id: &impl fmt::Display) -> ProviderError {
    ProviderError::new(ErrorKind::NotFound, operation, format!("{id} is gone"))
}
