//! Edits of recorded state by an operator: what is to be written, found out before any of it is.
//!
//! Each edit is a pure function from states to an [`Edit`]: the changes, and what they mean in words
//! and as data. Nothing here looks at a cloud or changes one. [`Edit::commit`] writes an edit under
//! the lease of each stack, on the condition that the state is the one that was looked at, as one
//! commit: a crash leaves all of it done or none.

mod hand_over;
mod remove;
mod rename;
mod repair;
mod take;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

pub use hand_over::hand_over;
pub(crate) use hand_over::{Crossing, cross};
pub use remove::{Removal, remove};
pub use rename::rename;
pub use repair::repair;
use serde::{Deserialize, Serialize};
pub use take::{Excerpt, excerpt, take};

use super::{Change, Lease, Snapshot, StackCommit, StateError, StateStore};
use crate::identity::{Address, ResourceId};

/// How long the lease of an edit lasts: longer than any store takes for one commit.
const LEASE: Duration = Duration::from_secs(60);

/// How often a commit that failed with an I/O error is tried, with a pause between.
const TRIES: u32 = 5;

/// An edit of recorded state that is about to be written: plain data.
#[derive(Clone, PartialEq, Serialize)]
pub struct Edit {
    /// What happens, in the order in which it is shown.
    pub done: Vec<Edited>,
    /// What is written, by stack. Not shown: rows hold secrets.
    #[serde(skip)]
    pub parts: Vec<Part>,
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stacks: Vec<&str> = self.parts.iter().map(|part| part.stack.as_str()).collect();
        f.debug_struct("Edit").field("done", &self.done).field("stacks", &stacks).finish()
    }
}

/// What an edit writes into one stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The stack.
    pub stack: String,
    /// The lineage of the state that was looked at; empty where there was none.
    pub lineage: String,
    /// The version of the state that was looked at.
    pub version: u64,
    /// What is written, in order.
    pub changes: Vec<Change>,
}

impl Part {
    fn of(stack: &str, state: &Snapshot, changes: Vec<Change>) -> Self {
        let (lineage, version) = (state.lineage.clone(), state.version);
        Self { stack: stack.to_owned(), lineage, version, changes }
    }
}

/// One thing that an edit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// What is done, as one word.
    pub action: EditAction,
    /// The address; the new one, of what moves.
    pub address: Address,
    /// The type, or the kind of a lookup.
    pub kind: String,
    /// The object; absent for the answer of a lookup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ResourceId>,
    /// The address it had, of what moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// The stack it comes from, of what moves between stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stack: Option<String>,
    /// What else there is to know, as a sentence without its end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What an edit does to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EditAction {
    /// It is forgotten; the object stays in the cloud.
    Remove,
    /// It has another address.
    Move,
    /// It is taken in, from elsewhere.
    Take,
    /// Something that broke an invariant is mended.
    Mend,
}

impl fmt::Display for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            EditAction::Remove => "remove",
            EditAction::Move => "move",
            EditAction::Take => "take",
            EditAction::Mend => "mend",
        };
        write!(f, "{verb} ")?;
        match (&self.from, &self.from_stack) {
            (Some(from), Some(stack)) => write!(f, "{from} of stack {stack} -> ")?,
            (Some(from), None) => write!(f, "{from} -> ")?,
            (None, _) => {}
        }
        write!(f, "{} ({})", self.address, self.kind)?;
        if let (None, Some(stack)) = (&self.from, &self.from_stack) {
            write!(f, " of stack {stack}")?;
        }
        if !self.note.is_empty() {
            write!(f, ": {}", self.note)?;
        }
        Ok(())
    }
}

/// One reason why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is about.
    pub address: Address,
    /// The reason, and what to do instead.
    pub message: String,
    /// Whether the edit is done all the same when it is forced.
    pub forcible: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.message)
    }
}

/// Why recorded state can not be edited so: every reason at once. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state can not be edited so, for {} reason(s):{}",
    refusals.len(),
    refusals.iter().map(|refusal| format!("\n  - {refusal}")).collect::<String>()
)]
pub struct EditError {
    /// The reasons.
    pub refusals: Vec<Refusal>,
}

/// The edit, if nothing speaks against it.
fn unless(refusals: Vec<Refusal>, force: bool, edit: Edit) -> Result<Edit, EditError> {
    match refusals.iter().all(|refusal| force && refusal.forcible) {
        true => Ok(edit),
        false => Err(EditError { refusals }),
    }
}

fn refusal(address: &Address, message: impl Into<String>) -> Refusal {
    Refusal { address: address.clone(), message: message.into(), forcible: false }
}

/// Addresses in a sentence.
fn names<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> String {
    let mut names: Vec<String> = addresses.into_iter().map(|at| format!("`{at}`")).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

impl Edit {
    /// Whether it does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.changes.is_empty())
    }

    /// Writes it, all or none, and returns the new version of each stack. Takes the lease of each
    /// stack for as long as that takes.
    ///
    /// # Errors
    /// [`StateError::Leased`] while a run holds one of the stacks, [`StateError::Stale`] when one of
    /// them was written since it was looked at, or is of another lineage, and what a store says of
    /// its medium. Nothing was written then.
    pub async fn commit(
        &self,
        store: &dyn StateStore,
        holder: &str,
    ) -> Result<Vec<u64>, StateError> {
        let mut leases = Vec::new();
        let mut result = Ok(Vec::new());
        for part in &self.parts {
            match store.acquire(&part.stack, holder, LEASE).await {
                Ok(lease) => leases.push(lease),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_ok() {
            result = self.write(store, &leases).await;
        }
        for lease in &leases {
            // One that can not be given back runs out by itself.
            let _ = store.release(lease).await;
        }
        result
    }

    async fn write(
        &self,
        store: &dyn StateStore,
        leases: &[Lease],
    ) -> Result<Vec<u64>, StateError> {
        for part in &self.parts {
            let found = store.load(&part.stack).await?;
            let other = !part.lineage.is_empty() && part.lineage != found.lineage;
            if other || part.version != found.version {
                let (stack, expected) = (part.stack.clone(), part.version);
                return Err(StateError::Stale { stack, expected, found: found.version });
            }
        }
        let mut failures = 0;
        loop {
            let commits = self.parts.iter().zip(leases).map(|(part, lease)| StackCommit {
                lease: lease.clone(),
                expected: part.version,
                changes: part.changes.clone(),
            });
            match store.commit_all(commits.collect()).await {
                // What was reported as failed was durable all the same: nobody else can have written.
                Err(StateError::Stale { expected, found, .. })
                    if failures > 0 && found == expected + 1 =>
                {
                    return Ok(self.parts.iter().map(|part| part.version + 1).collect());
                }
                Err(StateError::Io { .. }) if failures + 1 < TRIES => {
                    tokio::time::sleep(Duration::from_millis(250) * 2u32.pow(failures)).await;
                    failures += 1;
                }
                answer => return answer,
            }
        }
    }
}
