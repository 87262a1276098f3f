//! What a plan may be narrowed to: a part of the stack, or the records alone.

use super::PlanRequest;
use crate::{identity::Address, plan::Want};

impl PlanRequest<'_> {
    /// Plans to bring the records up to what is there instead, and to change nothing else, whatever
    /// the program says. Of this and [`Self::destroy`] the last one counts.
    ///
    /// What differs from what the last apply left is recorded as if it had been sent, so the next
    /// plan puts back what the program declares otherwise. What is gone leaves the state; where
    /// other rows still refer to it, its row stays as a tombstone until they do not. A create that
    /// failed half way is looked at: if its object is ready after all the next plan compares it like
    /// any other, and if it will never be that is recorded. A call that was cut off is left to a plan that may act on it. All of it is one commit, so a crash leaves the
    /// state as it was or as planned.
    ///
    /// Everything recorded is looked at, whatever [`Self::refresh`] says.
    pub fn refresh_only(mut self) -> Self {
        self.want = Want::Records;
        self
    }

    /// Plans for this address alone: a resource, or all that is inside a component. Several add up.
    ///
    /// Whatever else is declared or recorded stays as it is: it is no orphan, no provider is asked
    /// for it, and what is recorded of it serves those who use it. An output of the stack that comes
    /// from it keeps its recorded value. What lives on a target (`deleted_with`) goes with it.
    ///
    /// # Errors
    /// The plan is refused with [`PlanError::LeftOut`](crate::PlanError::LeftOut), naming all that is missing, when a target
    /// needs something that does not exist yet, when something else uses an object that the plan
    /// removes or replaces, or has a unique value that a target takes; and with
    /// [`PlanError::UnknownAddresses`](crate::PlanError::UnknownAddresses) when nothing has the address.
    pub fn target(mut self, address: impl Into<Address>) -> Self {
        self.narrow.targets.push(address.into());
        self
    }

    /// Leaves this address out: a resource, or all that is inside a component. Several add up.
    ///
    /// What needs it is left out too; of what is destroyed, what it needs and what lives on it. All
    /// else is as with [`Self::target`]. A target of which nothing is left is refused, with
    /// [`PlanError::Excluded`](crate::PlanError::Excluded).
    pub fn exclude(mut self, address: impl Into<Address>) -> Self {
        self.narrow.excludes.push(address.into());
        self
    }

    /// Takes in all that the targets need, and what that needs. Means nothing without a target, or
    /// where targets are destroyed: what they need stays.
    pub fn target_dependencies(mut self) -> Self {
        self.narrow.dependencies = true;
        self
    }

    /// Takes in all that needs the targets, declared or recorded, and what needs that. Means nothing
    /// without a target. Together with [`Self::target_dependencies`], what these need comes in too.
    pub fn target_dependents(mut self) -> Self {
        self.narrow.dependents = true;
        self
    }
}
