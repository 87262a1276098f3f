//! The contract of a store.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Change, Departed, Intent, Pin, ProviderTarget, Record};
use crate::{
    identity::{Address, ResourceId},
    provider::BoxFuture,
    value::Value,
};

/// The whole state of one stack, as loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// A random id that the stack's state got when it was first written; empty before that.
    pub lineage: String,
    /// How many commits it has seen.
    pub version: u64,
    /// The rows.
    pub records: BTreeMap<ResourceId, Record>,
    /// The intents that no result has closed.
    pub intents: BTreeMap<ResourceId, Intent>,
    /// The recorded answers of lookups.
    pub pins: BTreeMap<Address, Pin>,
    /// Where each provider pointed when it last changed something, by its name.
    #[serde(default)]
    pub targets: BTreeMap<String, ProviderTarget>,
    /// What this stack gave away, by the address that it had here, until the program drops it.
    #[serde(default)]
    pub departed: BTreeMap<Address, Departed>,
    /// The outputs of the stack at its last complete apply: a map, or null before the first.
    pub exports: Value,
}

/// The right to write one stack's state, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The stack.
    pub stack: String,
    /// Who holds it, in words a person can act on: user, host, process.
    pub holder: String,
    /// The fencing token: larger than that of every lease before it.
    pub token: u64,
    /// How long it lasts without a renewal.
    pub ttl: Duration,
}

/// The changes of one stack in a commit of several.
#[derive(Clone, Debug)]
pub struct StackCommit {
    /// The right to write this stack.
    pub lease: Lease,
    /// The version that its state must have.
    pub expected: u64,
    /// What is written, in order.
    pub changes: Vec<Change>,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Someone else holds the lease, and is alive.
    #[error("the state of `{stack}` is locked by {holder}; wait until that run ends, or until its lease expires in {}s", expires.as_secs())]
    Leased {
        /// The stack.
        stack: String,
        /// Who.
        holder: String,
        /// How long the lease lasts if it is not renewed.
        expires: Duration,
    },
    /// The store itself is opened by another process.
    #[error(
        "the state in {place} is in use by another process; wait until it ends, or use another state folder"
    )]
    InUse {
        /// The folder or address.
        place: String,
    },
    /// The lease was lost to someone else: nothing was written.
    #[error("the lease on `{stack}` was lost: another run took over. Nothing was written")]
    Fenced {
        /// The stack.
        stack: String,
    },
    /// The state is not the one that the plan was made from: nothing was written.
    #[error(
        "the state of `{stack}` changed since it was planned (version {expected}, now {found}): plan again. Nothing was written"
    )]
    Stale {
        /// The stack.
        stack: String,
        /// The version the writer knew.
        expected: u64,
        /// The version there is.
        found: u64,
    },
    /// One commit was to change a stack twice: nothing was written.
    #[error("the state of `{stack}` stands twice in one commit. Nothing was written")]
    Twice {
        /// The stack.
        stack: String,
    },
    /// Something that was stored can not be read.
    #[error(
        "the state in {place} can not be read: {what}: {message}. Nothing was changed; restore it from a copy, or move it away to start anew"
    )]
    Corrupt {
        /// The folder or address.
        place: String,
        /// Which row or file.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// The store was written by a later version of formwork, in a format that this one does not know.
    #[error(
        "the state in {place} has format {found}, and this version of formwork knows formats up to {known}: use a later one. Nothing was changed"
    )]
    Newer {
        /// The folder or address.
        place: String,
        /// The format it has.
        found: u32,
        /// The latest format that is known.
        known: u32,
    },
    /// A secret can not be sealed or opened with the key at hand.
    #[error("the secrets in {place} can not be opened: {message}")]
    Key {
        /// The folder or address.
        place: String,
        /// What is wrong with the key.
        message: String,
    },
    /// The medium failed.
    #[error("the state in {place} could not be {verb}: {message}")]
    Io {
        /// The folder or address.
        place: String,
        /// What was tried: read, written, opened.
        verb: &'static str,
        /// What the system said.
        message: String,
    },
}

/// Where the state of stacks is kept. Object-safe, so that a program picks its store at run time.
///
/// Every store passes the same law suite, `formwork_core::testing::laws`.
pub trait StateStore: Send + Sync {
    /// Loads the state of `stack`; the empty one if there is none. Needs no lease, and writes nothing.
    fn load<'a>(&'a self, stack: &'a str) -> BoxFuture<'a, Result<Snapshot, StateError>>;

    /// The names of the stacks that have state.
    fn stacks(&self) -> BoxFuture<'_, Result<Vec<String>, StateError>>;

    /// Takes the lease of `stack`, if it is free or its holder's time ran out. The first lease of
    /// a stack gives its state a lineage.
    ///
    /// A crash of the holder is covered by `ttl`: after it the next one takes over.
    fn acquire<'a>(
        &'a self,
        stack: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, StateError>>;

    /// Extends the lease by its `ttl` from now. A renewal that failed may be tried again, unless it
    /// failed with [`StateError::Fenced`] or [`StateError::Leased`]: then someone else has the lease.
    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>>;

    /// Gives the lease back. One that was lost already is no error.
    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>>;

    /// Applies `changes` in order, all or none, if the lease still holds and the version is
    /// `expected`; returns the new version, `expected + 1`.
    ///
    /// **Durable when it resolves**: a crash at any later moment, of the process or the machine,
    /// loses none of it. A crash before leaves all or none of it.
    ///
    /// The lease is checked before the version, and the version that a refusal names is durable.
    /// Of a commit that failed with [`StateError::Io`] all or none is durable, and it may be tried
    /// again: [`StateError::Stale`] with the version `expected + 1` says then that it was durable,
    /// for nobody else can write while the lease holds. A store that can not tell any more what is
    /// durable must go on failing with [`StateError::Io`].
    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'a, Result<u64, StateError>>;

    /// Does the same for several stacks as one: all of their changes or none, of all stacks; returns
    /// the new version of each, in order.
    ///
    /// Every lease and every version is checked before anything is written: first all leases, then
    /// all versions, each in order. **Durable when it resolves**, and all or none after a crash, as
    /// [`StateStore::commit`] is; [`StateError::Stale`] for the first of them says in the same way
    /// that an attempt which failed with [`StateError::Io`] was durable, for all of them. A stack
    /// that stands in it twice is refused with [`StateError::Twice`].
    fn commit_all(&self, commits: Vec<StackCommit>) -> BoxFuture<'_, Result<Vec<u64>, StateError>>;
}
