//! Runs a step on a host through a transport.

use super::{Difference, Next, Step, StepError};
use crate::operation::{Batch, OperationResult};
use crate::transport::{HostRef, Transport, TransportError};

/// A step that has come to rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled<O> {
    /// What is on the host now.
    pub observed: O,
    /// The batches that were run, in order; empty if nothing was to do.
    pub batches: Vec<Batch>,
}

impl<O> Settled<O> {
    /// How many operations changed the host.
    #[must_use]
    pub fn mutations(&self) -> usize {
        self.batches.iter().map(Batch::mutations).sum()
    }
}

/// Why a step did not come to rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The host could not be asked or changed. Resuming is safe.
    #[error("{step}: the host was not reached")]
    Transport {
        /// The step.
        step: &'static str,
        /// What happened.
        #[source]
        source: TransportError,
    },
    /// The host's answers cannot be read.
    #[error(transparent)]
    Answers(#[from] StepError),
    /// The inputs are wrong by themselves.
    #[error("{step}: {}", .problems.join("; "))]
    Inputs {
        /// The step.
        step: &'static str,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// Something else has to happen first.
    #[error("{step}: {}", .problems.join("; "))]
    Blocked {
        /// The step.
        step: &'static str,
        /// All the reasons.
        problems: Vec<String>,
    },
    /// An operation failed on the host.
    #[error("{step}: `{operation}` failed{}: {stderr}", .code.map(|c| format!(" ({c})")).unwrap_or_default())]
    Operation {
        /// The step.
        step: &'static str,
        /// The operation, as a plan prints it.
        operation: String,
        /// Its exit code, where a program ran.
        code: Option<i32>,
        /// What it said.
        stderr: String,
    },
    /// A batch succeeded and changed nothing of what it was for.
    #[error("{step}: still {}", .differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoProgress {
        /// The step.
        step: &'static str,
        /// What still differs.
        differences: Vec<Difference>,
    },
}

/// Batches after which a step must have come to rest; the longest step needs four.
const MOST_ROUNDS: usize = 12;

/// Looks at a host and changes nothing.
///
/// # Errors
///
/// When the host cannot be reached or its answers cannot be read.
pub async fn look<S: Step>(
    transport: &dyn Transport,
    host: &HostRef,
    step: &S,
) -> Result<S::Observed, SettleError> {
    let results = transport.run(host, &step.probe()).await;
    let results = results.map_err(|source| SettleError::Transport { step: S::NAME, source })?;
    Ok(step.observe(&results)?)
}

/// Makes a host what the step's inputs say: looks, changes, looks again, until nothing differs.
///
/// Cut short anywhere, a second call picks up where the host is.
///
/// # Errors
///
/// Everything in [`SettleError`]; what was done until then stays done.
pub async fn settle<S: Step>(
    transport: &dyn Transport,
    host: &HostRef,
    step: &S,
) -> Result<Settled<S::Observed>, SettleError> {
    let problems = step.problems();
    if !problems.is_empty() {
        return Err(SettleError::Inputs { step: S::NAME, problems });
    }
    rounds(transport, host, step, S::converge).await
}

/// Takes a step's software off a host; see each step for what it restores and what it leaves.
///
/// # Errors
///
/// Everything in [`SettleError`]; what was done until then stays done.
pub async fn take_away<S: Step>(
    transport: &dyn Transport,
    host: &HostRef,
    step: &S,
) -> Result<Settled<S::Observed>, SettleError> {
    rounds(transport, host, step, S::remove).await
}

async fn rounds<S: Step>(
    transport: &dyn Transport,
    host: &HostRef,
    step: &S,
    next: fn(&S, &S::Observed) -> Next,
) -> Result<Settled<S::Observed>, SettleError> {
    let mut batches = Vec::new();
    let mut before = Vec::new();
    loop {
        let observed = look(transport, host, step).await?;
        match next(step, &observed) {
            Next::Converged => return Ok(Settled { observed, batches }),
            Next::Blocked { problems } => {
                return Err(SettleError::Blocked { step: S::NAME, problems });
            }
            Next::Change { differences, .. }
                if differences == before || batches.len() >= MOST_ROUNDS =>
            {
                return Err(SettleError::NoProgress { step: S::NAME, differences });
            }
            Next::Change { differences, batch } => {
                let results = transport.run(host, &batch).await;
                let results =
                    results.map_err(|source| SettleError::Transport { step: S::NAME, source })?;
                failure(S::NAME, &batch, &results)?;
                batches.push(batch);
                before = differences;
            }
        }
    }
}

fn failure(
    step: &'static str,
    batch: &Batch,
    results: &[OperationResult],
) -> Result<(), SettleError> {
    for (operation, result) in batch.operations.iter().zip(results) {
        if let OperationResult::Failed { code, stderr } = result {
            return Err(SettleError::Operation {
                step,
                operation: operation.to_string(),
                code: *code,
                stderr: stderr.trim().to_owned(),
            });
        }
    }
    Ok(())
}
