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
    Commit { commits: Vec<Sealed>, reply: Reply<Vec<u64>> },
    Import { row: StackRow, encoded: Encoded, reply: Reply<()> },
}

/// The changes of one stack in a commit, ready to be written.
pub(crate) struct Sealed {
    pub(crate) lease: Lease,
    pub(crate) expected: u64,
    pub(crate) encoded: Encoded,
}

/// A stack as it lies in the store.
pub(crate) struct RawStack {
    pub(crate) row: StackRow,
    pub(crate) digest: Digest,
    pub(crate) entries: Vec<Entry>,
}
