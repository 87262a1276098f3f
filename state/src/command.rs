//! What the writer is asked for, and where its answers go.

use std::time::Duration;

use formwork_core::state::{Lease, StateError};
use tokio::sync::oneshot;

use crate::{
    digest::Digest,
    encode::Encoded,
    inspect::{Entry, StackRow},
};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StateError>>;

/// What the thread is asked for.
pub(crate) enum Command {
    Read(Read),
    Write(Write),
}

pub(crate) enum Read {
    Stack { stack: String, reply: Reply<RawStack> },
    Journal { stack: String, reply: Reply<Vec<(u64, Vec<u8>)>> },
    Stacks { reply: Reply<Vec<String>> },
}

pub(crate) enum Write {
    Acquire { stack: String, holder: String, ttl: Duration, reply: Reply<Lease> },
    Renew { lease: Lease, reply: Reply<()> },
    Release { lease: Lease, reply: Reply<()> },
    Commit { lease: Lease, expected: u64, encoded: Encoded, reply: Reply<u64> },
    Import { row: StackRow, encoded: Encoded, reply: Reply<()> },
}

/// A stack as it lies in the store.
pub(crate) struct RawStack {
    pub(crate) row: StackRow,
    pub(crate) digest: Digest,
    pub(crate) entries: Vec<Entry>,
}
