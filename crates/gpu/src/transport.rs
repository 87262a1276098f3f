//! Who runs operations on a host.
//!
//! A [`Transport`] takes a [`Batch`] to a host in one round trip and brings back one result per
//! operation. It decides nothing: what to do was decided by whoever made the batch. An operation
//! that fails is a *result*; a [`TransportError`] means that the batch as a whole did not come
//! through, and that what it did is only partly known.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::{Batch, OperationResult};
use crate::os::Os;

/// A future that can be sent between threads, boxed so that traits with it are object safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs batches of operations on hosts.
pub trait Transport: Send + Sync {
    /// Runs `batch` on `host`; on success there is exactly one result per operation, in order.
    ///
    /// # Errors
    ///
    /// When the batch did not come through. Operations may have taken effect nevertheless: whoever
    /// calls looks again before doing anything else.
    fn run<'a>(
        &'a self,
        host: &'a HostRef,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<OperationResult>, TransportError>>;
}

impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    fn run<'a>(
        &'a self,
        host: &'a HostRef,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Vec<OperationResult>, TransportError>> {
        (**self).run(host, batch)
    }
}

/// A host, as a transport needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostRef {
    /// The identity: the EC2 instance id, or any name that stays.
    pub id: String,
    /// Where it is reached: an address or a name; not needed by every transport.
    pub address: Option<String>,
    /// Its instance type, such as `p5.48xlarge`.
    pub instance_type: Option<String>,
    /// Its operating system, where it is known.
    pub os: Option<Os>,
    /// What else a transport wants to know: user, port, region, jump host.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

impl HostRef {
    /// A host of which only the identity is known.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), address: None, instance_type: None, os: None, facts: BTreeMap::new() }
    }

    /// The same host with its instance type.
    #[must_use]
    pub fn with_instance_type(mut self, name: impl Into<String>) -> Self {
        self.instance_type = Some(name.into());
        self
    }

    /// The same host with its operating system.
    #[must_use]
    pub fn with_os(mut self, os: Os) -> Self {
        self.os = Some(os);
        self
    }
}

impl fmt::Display for HostRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{} ({address})", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// A batch that did not come through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing answers. Nothing was done.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What was tried and how it failed.
        reason: String,
    },
    /// The host does not let us in. Nothing was done.
    #[error("{host} refused the login of {user}: {reason}")]
    Auth {
        /// The host.
        host: String,
        /// Who we said we are.
        user: String,
        /// What was offered.
        reason: String,
    },
    /// The host's key is not the one that is known. Nothing was done.
    #[error("the key of {host} is not the known one: {reason}")]
    HostKey {
        /// The host.
        host: String,
        /// What differs.
        reason: String,
    },
    /// No such host, or it is not one this transport can have. Nothing was done.
    #[error("there is no host {host}: {reason}")]
    NoSuchHost {
        /// The host.
        host: String,
        /// Why not.
        reason: String,
    },
    /// It took too long. What was done is not known.
    #[error("{host} did not answer within {} s", .after.as_secs())]
    Timeout {
        /// The host.
        host: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection ended early. The given number of operations is known to be done; the next
    /// one may be.
    #[error("the connection to {host} was lost after {completed} operations")]
    Lost {
        /// The host.
        host: String,
        /// How many operations are known to be done.
        completed: usize,
    },
    /// The answer was no answer.
    #[error("{host} answered something else than results: {reason}")]
    Protocol {
        /// The host.
        host: String,
        /// What came instead.
        reason: String,
    },
    /// Reading or writing failed on this side.
    #[error("the transport to {host} failed")]
    Io {
        /// The host.
        host: String,
        /// What failed.
        #[source]
        source: std::io::Error,
    },
}

impl TransportError {
    /// Whether it is certain that nothing was done on the host.
    #[must_use]
    pub fn nothing_was_done(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Auth { .. }
                | Self::HostKey { .. }
                | Self::NoSuchHost { .. }
        )
    }
}
