//! Operations that travel together.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Operation;

/// Operations that a transport takes to a host in one round trip, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The operations.
    pub operations: Vec<Operation>,
    /// Whether the first one that fails ends the batch; the rest is then
    /// [`Skipped`](super::OperationResult::Skipped).
    pub stop_on_error: bool,
}

impl Batch {
    /// Operations that only look: each is answered, whatever became of the others.
    #[must_use]
    pub fn probe(operations: impl IntoIterator<Item = Operation>) -> Self {
        Self { operations: operations.into_iter().collect(), stop_on_error: false }
    }

    /// Operations that build on each other: the first one that fails ends the batch.
    #[must_use]
    pub fn change(operations: impl IntoIterator<Item = Operation>) -> Self {
        Self { operations: operations.into_iter().collect(), stop_on_error: true }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many operations change the host.
    #[must_use]
    pub fn mutations(&self) -> usize {
        self.operations.iter().filter(|operation| operation.mutates()).count()
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, operation) in self.operations.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{operation}")?;
        }
        Ok(())
    }
}
