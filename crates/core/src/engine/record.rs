//! Writing what a run could not.

use super::Engine;
use crate::{
    saved::Unsaved,
    state::{Snapshot, StateError},
};

/// What became of changes that a run could not record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// They are recorded now.
    Now,
    /// They were recorded already: the store did more than it could say.
    Already,
}

/// Why changes that a run could not record are not recorded now either. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They belong to another state than the one that the stack has.
    #[error(
        "the changes belong to another state of `{stack}`: of lineage {theirs}, and the one here {}. Nothing was written",
        lineage(here)
    )]
    OtherState {
        /// The stack.
        stack: String,
        /// The lineage of the changes.
        theirs: String,
        /// The lineage of the state; empty where there is none.
        here: String,
    },
    /// Someone wrote to the stack since, and has looked at what that run left.
    #[error(
        "the state of `{stack}` was written since: the changes follow on version {expected}, and it has version {found}. They are not needed any more: that run has looked at what this one left. Nothing was written"
    )]
    Written {
        /// The stack.
        stack: String,
        /// The version that the changes follow on.
        expected: u64,
        /// The version there is.
        found: u64,
    },
    /// The store did not take them.
    #[error(transparent)]
    State(#[from] StateError),
}

fn lineage(here: &str) -> String {
    if here.is_empty() { "is empty".to_owned() } else { format!("is of {here}") }
}

impl Engine {
    /// Records what a run did and could not write: see [`Unsaved`]. Changes nothing in the cloud.
    ///
    /// All of it is one commit, so a crash leaves it recorded or not. To do it again does nothing.
    ///
    /// # Errors
    /// When someone wrote to the stack since, when its state is another one of the same name, and
    /// when the store does not take it. Nothing is written then.
    pub async fn record(&self, unsaved: &Unsaved) -> Result<Recorded, RecordError> {
        let store = &self.settings.store;
        let there = store.load(&unsaved.stack).await?;
        if let Some(done) = check(unsaved, there)? {
            return Ok(done);
        }
        let settings = &self.settings;
        let lease = store.acquire(&unsaved.stack, &settings.holder, settings.lease_ttl).await?;
        let written = store.commit(&lease, unsaved.version, unsaved.changes.clone()).await;
        // A lease that can not be given back runs out by itself.
        let _ = store.release(&lease).await;
        Ok(written.map(|_| Recorded::Now)?)
    }
}

/// Whether there is nothing to do, or it must not be done.
fn check(unsaved: &Unsaved, there: Snapshot) -> Result<Option<Recorded>, RecordError> {
    let stack = unsaved.stack.clone();
    if there.lineage != unsaved.lineage {
        let (theirs, here) = (unsaved.lineage.clone(), there.lineage);
        return Err(RecordError::OtherState { stack, theirs, here });
    }
    let mut then = there.clone();
    unsaved.changes.iter().cloned().for_each(|change| then.apply(change));
    let (expected, found) = (unsaved.version, there.version);
    match then == there {
        true => Ok(Some(Recorded::Already)),
        false if expected == found => Ok(None),
        false => Err(RecordError::Written { stack, expected, found }),
    }
}
