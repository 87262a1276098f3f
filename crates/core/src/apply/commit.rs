//! What is written when, and what is done once it is durable.
//!
//! Whatever is due at one moment is one commit, and one commit at a time is under way. One that
//! fails in a way that may pass is written again; until it is durable nothing new is started.

use std::time::Duration;

use tokio::time::sleep;

use super::{call::Ask, executor::Executor};
use crate::{
    identity::ResourceId,
    plan::StepId,
    provider::BoxFuture,
    state::{Change, Record, StateError},
};

/// How often a commit that failed is written again.
const RETRIES: u32 = 4;

/// How long before the first time; each next pause is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// What is done when a batch is durable.
pub(super) enum Then {
    Call(StepId, Ask),
    Finish(StepId),
}

/// A batch on its way to the store.
pub(super) struct Commit<'r> {
    write: BoxFuture<'r, Result<u64, StateError>>,
    batch: Vec<Change>,
    after: Vec<Then>,
    /// How often it failed so far.
    failures: u32,
}

impl Commit<'_> {
    /// Waits for the store's answer.
    pub(super) async fn answered(&mut self) -> Result<u64, StateError> {
        (&mut self.write).await
    }
}

/// What to make of the store's answer to a commit.
pub(super) enum Written {
    /// It is durable, and this is the state's version now.
    Durable(u64),
    /// It is to be written again after this long.
    Again(Duration),
    /// It is given up.
    GivenUp(StateError),
}

impl Written {
    /// `failures` is how often the same commit on the version `expected` failed before.
    pub(super) fn of(answer: Result<u64, StateError>, expected: u64, failures: u32) -> Self {
        match answer {
            Ok(version) => Written::Durable(version),
            // An attempt that was reported as failed is durable all the same: while the lease
            // holds, and the store checks it first, nobody else can have written.
            Err(StateError::Stale { found, .. }) if failures > 0 && found == expected + 1 => {
                Written::Durable(found)
            }
            Err(StateError::Io { .. }) if failures < RETRIES => {
                Written::Again(PAUSE * 2u32.pow(failures))
            }
            Err(error) => Written::GivenUp(error),
        }
    }
}

impl<'r> Executor<'r> {
    pub(super) fn remove(&mut self, row: ResourceId) {
        if self.records.remove(&row).is_some() {
            self.batch.push(Change::Remove(row));
        }
        self.close(row);
    }

    pub(super) fn close(&mut self, row: ResourceId) {
        if self.open.remove(&row) {
            self.batch.push(Change::Close(row));
        }
    }

    pub(super) fn put(&mut self, record: Record) {
        self.batch.push(Change::Put(Box::new(record.clone())));
        self.records.insert(record.id, record);
    }

    /// Writes what has gathered, if nothing is being written. With nothing to write, what waited
    /// for it goes on at once; returns whether something did.
    pub(super) fn start_commit(&mut self) -> bool {
        if self.committing.is_some() || self.broken.is_some() {
            return false;
        }
        if self.batch.is_empty() {
            let after = std::mem::take(&mut self.after);
            let released = !after.is_empty();
            for then in after {
                self.then(then);
            }
            return released;
        }
        let batch = std::mem::take(&mut self.batch);
        let after = std::mem::take(&mut self.after);
        let write = self.settings.store.commit(self.lease, self.version, batch.clone());
        self.committing = Some(Commit { write, batch, after, failures: 0 });
        false
    }

    /// Whether the store failed to take the commit under way, and is asked again.
    pub(super) fn is_stalled(&self) -> bool {
        self.committing.as_ref().is_some_and(|commit| commit.failures > 0)
    }

    pub(super) fn committed(&mut self, answer: Result<u64, StateError>) {
        let Some(mut commit) = self.committing.take() else { return };
        match Written::of(answer, self.version, commit.failures) {
            Written::Durable(version) => {
                self.version = version;
                for then in commit.after {
                    self.then(then);
                }
            }
            Written::Again(pause) => {
                commit.failures += 1;
                commit.write = self.write_after(pause, commit.batch.clone());
                self.committing = Some(commit);
            }
            Written::GivenUp(error) => self.break_off(error, commit.batch),
        }
    }

    fn write_after(
        &self,
        pause: Duration,
        batch: Vec<Change>,
    ) -> BoxFuture<'r, Result<u64, StateError>> {
        let (store, lease, version) = (&*self.settings.store, self.lease, self.version);
        Box::pin(async move {
            sleep(pause).await;
            store.commit(lease, version, batch).await
        })
    }

    fn then(&mut self, then: Then) {
        match then {
            Then::Finish(step) => self.finished(step),
            Then::Call(step, ask) => {
                let first =
                    matches!(ask, Ask::Create { .. } | Ask::Update { .. } | Ask::Delete { .. });
                if self.halted() {
                    // An intent whose call never started says so by being closed again; a waiting
                    // object's row says how far it is.
                    self.slots -= 1;
                    if first {
                        self.close(self.step(step).id);
                    }
                    self.abandoned(step);
                } else {
                    self.call(step, ask);
                }
            }
        }
    }

    /// Ends the run as soon as the calls in flight have ended: nothing more can be recorded.
    pub(super) fn break_off(&mut self, error: StateError, unsaved: Vec<Change>) {
        match &mut self.broken {
            Some((_, all)) => all.extend(unsaved),
            None => self.broken = Some((error, unsaved)),
        }
        self.abandon_waiting();
    }
    /// Ends the run because the lease is lost. The write under way is not waited for: it is refused
    /// or, by a store that does not answer, never heard of again.
    pub(super) fn lost_lease(&mut self, error: StateError) {
        let unsaved = self.committing.take().map(|commit| commit.batch);
        self.break_off(error, unsaved.unwrap_or_default());
    }
}
