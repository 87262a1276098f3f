//! The software of a node, one pure step each.
//!
//! A [`Step`] is a struct of inputs. It knows how to look at a host ([`Step::probe`]), how to read
//! what the host answered ([`Step::observe`]), what to do next about it ([`Step::converge`]) and how
//! to take itself away ([`Step::remove`]). None of that does anything: [`settle`], [`take_away`] and [`look`] run a
//! step on a host through a [`Transport`](crate::transport::Transport), and so does an engine.
//!
//! Every step keeps three laws, which one test each checks over all steps and systems:
//!
//! * a second run changes nothing: after [`Next::Converged`] there is nothing left to do;
//! * a run that is cut short anywhere, before or after any operation, converges when it is resumed;
//! * what is removed is gone, and removing it again changes nothing.
//!
//! ```
//! use formwork_gpu::os::Os;
//! use formwork_gpu::simulated::SimulatedHosts;
//! use formwork_gpu::steps::{KernelPin, settle};
//! use formwork_gpu::transport::HostRef;
//!
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     let mut future = std::pin::pin!(future);
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     loop {
//! #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
//! #             return value;
//! #         }
//! #     }
//! # }
//! # block_on(async {
//! let hosts = SimulatedHosts::in_memory();
//! let host = HostRef::new("i-0abc").with_instance_type("p5.48xlarge");
//! let pin = KernelPin::new(Os::Ubuntu2404, "6.8.0-1069-aws");
//!
//! let first = settle(&hosts, &host, &pin).await?;
//! assert_eq!(first.observed.running, "6.8.0-1069-aws");
//! let second = settle(&hosts, &host, &pin).await?;
//! assert_eq!(second.mutations(), 0);
//! # Ok::<(), formwork_gpu::steps::SettleError>(())
//! # }).unwrap();
//! ```
//!
//! Exit codes prove nothing (`nvidia-smi` exits 0 on settings that it did not make), so after every
//! batch the host is looked at again, and a step that sees the same difference twice reports
//! [`SettleError::NoProgress`] instead of trying for ever.

mod answers;
mod cuda;
mod driver;
mod fabric_manager;
mod gpu_settings;
mod kernel;
mod nccl;
mod packages;
mod readiness;
mod repository;
mod run;
mod scratch;
pub(crate) mod scratch_script;
mod scratch_speed;
pub mod smi;

#[cfg(test)]
mod laws;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::operation::{Batch, OperationResult};
use crate::os::Os;

pub use cuda::{Cuda, CudaObserved};
pub use driver::{Activation, Driver, DriverObserved, PackageSource};
pub use fabric_manager::{FabricManager, FabricManagerObserved};
pub use gpu_settings::{Clocks, ComputeMode, GpuSettings, GpuSettingsObserved};
pub use kernel::{KernelPin, KernelPinObserved};
pub use nccl::{NcclSettings, NcclSettingsObserved};
pub use packages::PackageObserved;
pub use readiness::{Check, Readiness, ReadinessObserved, ScratchExpectation, Verdict};
pub use repository::{NvidiaRepository, NvidiaRepositoryObserved};
pub use run::{SettleError, Settled, look, settle, take_away};
pub use scratch::{FileSystem, Layout, Scratch, ScratchObserved};
pub use scratch_speed::{ScratchSpeed, ScratchSpeedObserved};

/// One part of a node's software, as inputs and pure functions over them.
pub trait Step:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The step's name, as plans and errors show it.
    const NAME: &'static str;

    /// What there is on a host that this step cares about.
    type Observed: Clone
        + fmt::Debug
        + PartialEq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// Everything that is wrong with the inputs by themselves.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// What to be careful about with these inputs, though they work.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Operations that only look.
    fn probe(&self) -> Batch;

    /// What the answers to [`Step::probe`] mean.
    ///
    /// # Errors
    ///
    /// When the answers are not those of the probe, or the host is not what the inputs say.
    fn observe(&self, results: &[OperationResult]) -> Result<Self::Observed, StepError>;

    /// What to do next so that the host becomes what the inputs say.
    fn converge(&self, observed: &Self::Observed) -> Next;

    /// What to do next so that nothing of this step is left on the host.
    fn remove(&self, observed: &Self::Observed) -> Next;
}

/// What to do next to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Nothing: it is as it should be.
    Converged,
    /// Run this batch, then look again.
    Change {
        /// What differs.
        differences: Vec<Difference>,
        /// What to do about it.
        batch: Batch,
    },
    /// This step cannot make it so: something else has to happen first.
    Blocked {
        /// All the reasons.
        problems: Vec<String>,
    },
}

impl Next {
    /// Blocked for one reason.
    #[must_use]
    pub fn blocked(problem: impl Into<String>) -> Self {
        Self::Blocked { problems: vec![problem.into()] }
    }

    /// Converged if nothing differs, else a batch that stops at its first failure.
    fn change(
        differences: Vec<Difference>,
        operations: impl IntoIterator<Item = crate::operation::Operation>,
    ) -> Self {
        if differences.is_empty() {
            return Self::Converged;
        }
        Self::Change { differences, batch: Batch::change(operations) }
    }
}

/// Something on a host that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about: `package libnccl2`, `GPU 3 power limit`.
    pub what: String,
    /// What is there.
    pub is: String,
    /// What should be there.
    pub should: String,
}

impl Difference {
    fn new(what: impl Into<String>, is: impl Into<String>, should: impl Into<String>) -> Self {
        Self { what: what.into(), is: is.into(), should: should.into() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: is {}, should be {}", self.what, self.is, self.should)
    }
}

/// Answers that a step cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// There are not as many answers as questions.
    #[error("{step}: {expected} answers expected, {found} came")]
    AnswerCount {
        /// The step.
        step: &'static str,
        /// How many operations the probe has.
        expected: usize,
        /// How many results there are.
        found: usize,
    },
    /// A question was not answered.
    #[error("{step}: `{operation}` failed: {reason}")]
    Unanswered {
        /// The step.
        step: &'static str,
        /// The operation, as a plan prints it.
        operation: String,
        /// Its exit code and what it said.
        reason: String,
    },
    /// An answer is of another kind than its question.
    #[error("{step}: `{operation}` was answered with something else")]
    WrongKind {
        /// The step.
        step: &'static str,
        /// The operation, as a plan prints it.
        operation: String,
    },
    /// The host has another operating system than the inputs say.
    #[error("{step}: the host runs {found}, and the step is for {expected}")]
    WrongOs {
        /// The step.
        step: &'static str,
        /// What the inputs say.
        expected: Os,
        /// What the host says of itself.
        found: String,
    },
}
