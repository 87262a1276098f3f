//! How a run can end other than well.

use crate::{
    identity::Address, plan::Action, provider::ProviderError, saved::Unsaved, state::StateError,
    value::Value,
};

/// One step that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not {} {address} ({kind}) [declared at {declared_at}]: {error}", verb(*action))]
pub struct Failure {
    /// The resource.
    pub address: Address,
    /// Its type.
    pub kind: String,
    /// What was tried.
    pub action: Action,
    /// The source line of its declaration.
    pub declared_at: String,
    /// What it failed with.
    pub error: ProviderError,
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Settle => "see the readiness of",
        Action::Ask => "ask",
        Action::Record | Action::Forget | Action::Join => "record",
    }
}

/// One step that was not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The resource.
    pub address: Address,
    /// What would have been done.
    pub action: Action,
    /// The resource whose step failed; absent when the run was cancelled.
    pub because: Option<Address>,
}

/// What a run that did not end well did and did not.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many steps are done and recorded.
    pub done: usize,
    /// Every failure.
    pub failures: Vec<Failure>,
    /// Every step that was not tried.
    pub skipped: Vec<Skipped>,
}

/// How a run can end other than well. All that happened is recorded, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Some steps failed; what did not depend on them was done.
    #[error("{} step(s) failed, {} skipped, {} done:{}", _0.failures.len(), _0.skipped.len(), _0.done, lines(&_0.failures))]
    Failed(Report),
    /// The run was cancelled; the next one goes on from here.
    #[error("cancelled: {} step(s) done, {} not tried{}", _0.done, _0.skipped.len(), lines(&_0.failures))]
    Cancelled(Report),
    /// The plan is of another state than the one there is. Nothing was done.
    #[error("the plan was made from another state of `{stack}`: plan again. Nothing was done")]
    Lineage {
        /// The stack.
        stack: String,
    },
    /// A provider points to another place than when the plan was made. Nothing was done.
    #[error(
        "the plan of `{stack}` was made while the provider `{provider}` pointed to {was}, and it points to {now} now: plan again. Nothing was done"
    )]
    OtherTarget {
        /// The stack.
        stack: String,
        /// The provider.
        provider: String,
        /// Where it pointed.
        was: Value,
        /// Where it points; null if it is not there.
        now: Value,
    },
    /// The state could not be locked or read. Nothing was done.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state could not be written, though that was tried several times, or the lease was lost.
    /// The run stopped there; what could not be recorded, or was not heard to be, is listed.
    #[error("the state could not be written, and the run stopped; {} change(s) are not recorded: {source}", unsaved.changes.len())]
    Unsaved {
        /// Why.
        source: StateError,
        /// What is not recorded, to be kept elsewhere: [`Engine::record`](crate::Engine::record) writes it
        /// when the store works again.
        unsaved: Box<Unsaved>,
        /// What was done up to then.
        report: Report,
    },
}

fn lines(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("\n  - {failure}")).collect()
}
