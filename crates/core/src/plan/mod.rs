//! Planning: what must be done, in which order, and why.
//!
//! [`compute`] is a pure function of the program, the recorded state, what was observed, and a
//! seed: no clock, no randomness, no I/O, no async. What it returns is plain data that apply can
//! follow without deciding anything.

mod arrivals;
mod baseline;
mod canonical;
mod changes;
mod decide;
mod diff;
mod drift;
mod error;
mod existing;
mod exports;
mod facts;
mod import;
mod late;
mod moves;
mod narrow;
mod order;
mod refresh;
mod removals;
mod render;
mod replace;
mod step;
mod unmanaged;
mod views;
mod wave;

use std::{fmt, sync::Arc};

pub(crate) use arrivals::{Arrivals, arrive, departed};
pub(crate) use baseline::settled;
pub(crate) use canonical::Canonical;
pub(crate) use changes::{drifted_from, ignored};
pub(crate) use decide::{compute, created_outputs, updated_outputs};
pub(crate) use diff::{
    Against, diff, mark_outputs, mark_secrets, remark_outputs, remark_seen, same_value,
    unsent_changes,
};
pub use diff::{Cause, FieldChange};
pub use error::{PlanError, Takeover};
pub(crate) use facts::{Facts, Uncertain, Want};
pub use facts::{Observation, RefreshMode};
pub(crate) use import::{Admitted, Imports, admit, take_in, wanted};
pub(crate) use late::{pinned, probe};
pub use moves::Move;
pub(crate) use moves::{Moves, follow};
pub use narrow::{Lack, Missing, Narrowed, UnknownAddress};
pub(crate) use narrow::{Narrow, Selection};
use serde::{Deserialize, Serialize};
pub use step::{Action, Reason, Step, StepId};
pub(crate) use unmanaged::{Children, Stray, StrayOf, Unlisted};
pub use unmanaged::{Fate, Unmanaged};
pub use views::{DriftView, Standing};
pub use wave::{Decided, KeptInUse, Undecided};

use crate::{
    declare::{Problem, Program},
    identity::{Address, ResourceId, Seed},
    policy::Verdict,
    saved::Made,
    state::{Change, Role},
    value::{Map, Value},
};

/// A reviewed set of steps; the only thing that apply accepts.
///
/// It holds the plan itself, as data, and the declared program, whose late values apply resolves.
#[derive(Clone)]
pub struct Plan {
    pub(crate) data: PlanData,
    pub(crate) program: Arc<Program>,
    pub(crate) made: Arc<Made>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("stack", &self.data.stack)
            .field("summary", &self.summary())
            .finish_non_exhaustive()
    }
}

/// A plan, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanData {
    /// The stack.
    pub stack: String,
    /// The lineage of the state it was made from.
    pub lineage: String,
    /// The version of the state it was made from; apply refuses another.
    pub version: u64,
    /// Where all that is random in it came from.
    pub seed: Seed,
    /// The steps. Their order in the list is the order they are shown in.
    pub steps: Vec<Step>,
    /// What was found different in the cloud from what the last apply left.
    pub drift: Vec<Drift>,
    /// The children of managed objects that neither the program nor the state has; null if nobody
    /// looked for them, which only a plan does that looks at everything ([`RefreshMode::List`]).
    #[serde(default)]
    pub unmanaged: Option<Vec<Unmanaged>>,
    /// Objects of an interrupted run that were found, and how.
    pub recovered: Vec<Recovered>,
    /// The objects that have a new address, which is written before the first step.
    #[serde(default)]
    pub moves: Vec<Move>,
    /// What is written to the state before the first step.
    pub repairs: Vec<Change>,
    /// The other stacks that objects come from: what is written to each in that same commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PlanSource>,
    /// The outputs of the stack as they will be, with unknowns; null if the plan is to destroy.
    pub exports: Value,
    /// The outputs of the stack as they are.
    pub recorded_exports: Value,
    /// What the program wants the user to know about what it declares.
    #[serde(default)]
    pub warnings: Vec<Problem>,
    /// What the policies say of it; absent where there are none.
    #[serde(default, skip_serializing_if = "Verdict::is_empty")]
    pub policy: Verdict,
    /// Whether no hook runs.
    #[serde(default)]
    pub skip_hooks: bool,
    /// How many resources stay as they are.
    pub unchanged: usize,
    /// The values that subtrees are declared from ([`Scope::decide`](crate::Scope::decide)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Decided>,
    /// The subtrees that can be declared only after it, in a plan of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<Undecided>,
    /// What uses the output of those, and stays as it is until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Address>,
    /// The outputs of the stack that keep their recorded value until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_outputs: Vec<String>,
    /// What it is narrowed to; absent if it is about the whole stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
    /// Whether it only brings the records up to what is there: it has no steps, `drift` says what
    /// is recorded, and `repairs` are the rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refresh_only: bool,
}

/// Another stack that a plan takes objects from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanSource {
    /// Its name.
    pub stack: String,
    /// The lineage of its state.
    pub lineage: String,
    /// The version of its state; apply refuses another.
    pub version: u64,
    /// What is written there, with the repairs of this stack.
    pub changes: Vec<Change>,
}

/// One object that is not as the last apply left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Its address.
    pub address: Address,
    /// Its type.
    pub kind: String,
    /// The object.
    pub id: ResourceId,
    /// Its id in the cloud.
    pub physical_id: String,
    /// Whether it is the object of its address, or an old one that is still to be deleted.
    #[serde(default)]
    pub role: Role,
    /// Whether the program declares it, as far as the plan asks.
    #[serde(default = "yes")]
    pub declared: bool,
    /// Whether it is gone altogether.
    pub gone: bool,
    /// The fields that differ: `old` is what the last apply left, `new` what is there now.
    pub fields: Vec<FieldChange>,
    /// The same places from all sides: the program, the record, the cloud.
    #[serde(default)]
    pub views: Vec<DriftView>,
}

fn yes() -> bool {
    true
}

/// What became of a call that an earlier run did not see the end of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// The resource's address.
    pub address: Address,
    /// What was found, as a sentence.
    pub found: String,
}

/// How many resources a plan does what to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Ones that exist already and are taken over; what changes on one then counts as an update.
    #[serde(default)]
    pub import: usize,
    /// New ones.
    pub create: usize,
    /// Ones changed in place.
    pub update: usize,
    /// Ones replaced: one create and one delete each.
    pub replace: usize,
    /// Ones removed.
    pub delete: usize,
    /// Ones forgotten without a call.
    pub forget: usize,
    /// Ones that have a new address.
    #[serde(default)]
    pub moved: usize,
    /// Ones only waited for.
    pub settle: usize,
    /// Lookups that are asked by the run.
    #[serde(default)]
    pub ask: usize,
    /// Ones that stay as they are.
    pub unchanged: usize,
}

impl Plan {
    /// The plan as data.
    #[must_use]
    pub fn data(&self) -> &PlanData {
        &self.data
    }

    /// The stack's name.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.data.stack
    }

    /// The steps that are shown, in the order they are shown in.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.data.steps.iter().filter(|step| step.action.is_shown())
    }

    /// Whether nothing has to be done: no object changes or has a new address, and no output of the
    /// stack changes. Of a plan that only refreshes: whether no record changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let unwritten = self.data.refresh_only && !self.data.repairs.is_empty();
        self.steps().next().is_none()
            && self.data.moves.is_empty()
            && !self.data.exports_change()
            && !unwritten
    }

    /// The subtrees that can be declared only after it ([`Scope::decide`](crate::Scope::decide)). When
    /// there are any the plan is a wave: plan again when it is applied.
    #[must_use]
    pub fn undecided(&self) -> &[Undecided] {
        &self.data.undecided
    }

    /// Whether it was asked to remove everything, or every target.
    #[must_use]
    pub fn removes_all(&self) -> bool {
        self.made.asked.destroy
    }

    /// How many resources it does what to.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.data.summary()
    }
}

impl PlanData {
    /// Whether an output of the stack changes.
    #[must_use]
    pub fn exports_change(&self) -> bool {
        let empty = Map::new();
        let planned = self.exports.as_map().unwrap_or(&empty);
        let recorded = self.recorded_exports.as_map().unwrap_or(&empty);
        planned != recorded
    }

    /// How many resources it does what to.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (unchanged, moved) = (self.unchanged, self.moves.len());
        let mut summary = Summary { unchanged, moved, ..Summary::default() };
        for step in &self.steps {
            match step.action {
                Action::Create if step.is_replacement() => summary.replace += 1,
                Action::Create => summary.create += 1,
                Action::Import => summary.import += 1,
                Action::Update => summary.update += 1,
                Action::Settle => summary.settle += 1,
                Action::Ask => summary.ask += 1,
                Action::Delete if step.reasons.contains(&Reason::Replaced) => {}
                Action::Delete => summary.delete += 1,
                Action::Forget if step.is_bookkeeping() => {}
                Action::Forget => summary.forget += 1,
                Action::Record | Action::Join => {}
            }
        }
        summary
    }
}

impl Step {
    /// Whether this create replaces an object that still exists.
    #[must_use]
    pub fn is_replacement(&self) -> bool {
        self.action == Action::Create && self.replaces.is_some()
    }

    /// Whether this step deletes what nobody declares, and no row has: what was seen of it is all that
    /// is known.
    #[must_use]
    pub fn is_of_unmanaged(&self) -> bool {
        let unmanaged =
            |reason: &Reason| matches!(reason, Reason::Undeclared(_) | Reason::DeleteBegan);
        self.action == Action::Delete && self.reasons.iter().any(unmanaged)
    }

    /// Whether this step only tidies formwork's own records.
    #[must_use]
    pub fn is_bookkeeping(&self) -> bool {
        match self.action {
            Action::Record | Action::Join => true,
            Action::Forget => self.reasons.iter().all(|reason| {
                matches!(reason, Reason::Replaced | Reason::Gone | Reason::GoesWith(_))
            }),
            _ => false,
        }
    }
}
