//! What a run tells while it goes: the interface between apply and whoever shows it.

use serde::{Deserialize, Serialize};

use crate::{
    hook::HookPoint,
    identity::{Address, ResourceId},
    plan::{Action, Step, StepId},
    policy::Violation,
    provider::ProviderError,
    schema::Group,
};

/// Which step an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// The step.
    pub step: StepId,
    /// What it does.
    pub action: Action,
    /// Whether it is half of a replacement.
    pub replacement: bool,
    /// The resource.
    pub address: Address,
    /// Its type.
    pub kind: String,
    /// The heading it stands under.
    pub group: Group,
    /// The object.
    pub id: ResourceId,
}

impl StepInfo {
    pub(crate) fn new(id: StepId, step: &Step) -> Self {
        Self {
            step: id,
            action: step.action,
            replacement: step.is_replacement()
                || step.reasons.contains(&crate::plan::Reason::Replaced),
            address: step.address.clone(),
            kind: step.kind.clone(),
            group: step.group,
            id: step.id,
        }
    }
}

/// One thing that happened in a run, in the order it happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run holds the lease and begins.
    RunStarted {
        /// The stack.
        stack: String,
        /// How many steps there are that a plan shows.
        steps: usize,
    },
    /// A step begins: its hooks, its intent and its first call follow.
    StepStarted(StepInfo),
    /// The object is not ready, or not gone, yet; the step waits without a slot.
    StepWaiting {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// For how long until it looks again, in milliseconds.
        for_ms: u64,
    },
    /// A call failed in a way that passes, and is made again.
    StepRetrying {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// In how long, in milliseconds.
        in_ms: u64,
        /// What the call failed with.
        error: ProviderError,
    },
    /// Hooks of a step begin, one after the other.
    HooksStarted {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// When this is.
        point: HookPoint,
        /// Their names.
        names: Vec<String>,
    },
    /// They ended.
    HooksFinished {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// When this was.
        point: HookPoint,
        /// The one that failed, and why.
        error: Option<String>,
    },
    /// A step violates a policy by a value that was not known before. If the policy is mandatory, and
    /// the step is not exempt, it fails, and nothing is sent.
    PolicyViolated {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// What is wrong.
        violation: Violation,
    },
    /// A step is done, and recorded.
    StepFinished {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// How long it took since it started, in milliseconds.
        elapsed_ms: u64,
        /// The object's id in the cloud.
        physical_id: Option<String>,
    },
    /// A step failed; what it made nevertheless is recorded.
    StepFailed {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
        /// What it failed with.
        error: ProviderError,
    },
    /// A step was not tried.
    StepSkipped {
        /// The step.
        #[serde(flatten)]
        of: StepInfo,
        /// The step it needed, that failed; absent when the run was cancelled.
        because: Option<Address>,
    },
    /// Someone asked the run to end.
    Cancelling {
        /// Whether calls in flight are dropped.
        abort: bool,
    },
    /// The run is over, and all that happened is recorded.
    RunFinished {
        /// How many steps were done.
        done: usize,
        /// How many failed.
        failed: usize,
        /// How many were not tried.
        skipped: usize,
        /// How long the run took, in milliseconds.
        elapsed_ms: u64,
    },
}

/// Whoever takes a run's events. Must be quick: it is called between two steps.
pub trait EventSink: Send {
    /// Takes one event.
    fn event(&mut self, event: Event);
}

impl<F: FnMut(Event) + Send> EventSink for F {
    fn event(&mut self, event: Event) {
        self(event);
    }
}
