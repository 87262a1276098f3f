//! What can go wrong on the way.

/// A fault that is waiting for a host's operations; each strikes once.
///
/// Operations are counted from the moment in which the fault is put in, over all batches, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The host does not answer: nothing of the next batch is done.
    Unreachable,
    /// That operation fails and has no effect.
    Fail {
        /// Which operation.
        operation: usize,
        /// The exit code.
        code: i32,
        /// What it says.
        stderr: String,
    },
    /// The connection is cut before that operation takes effect.
    CutBefore {
        /// Which operation.
        operation: usize,
    },
    /// The connection is cut after that operation took effect, before it is answered.
    CutAfter {
        /// Which operation.
        operation: usize,
    },
}

/// A fault with the operations that went by since it was put in.
#[derive(Clone, Debug)]
pub(super) struct Armed {
    pub(super) fault: Fault,
    pub(super) passed: usize,
}

impl Armed {
    /// The operation that the fault is waiting for, counted from the next one.
    pub(super) fn due(&self) -> Option<usize> {
        match self.fault {
            Fault::Unreachable => Some(0),
            Fault::Fail { operation, .. }
            | Fault::CutBefore { operation }
            | Fault::CutAfter { operation } => operation.checked_sub(self.passed),
        }
    }
}
