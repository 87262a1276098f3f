//! Why a plan could not be saved, read or loaded. Nothing was changed, whatever the reason.

use std::fmt;

use super::{SealError, text::Broken};
use crate::{
    declare::{Problem, error_list},
    plan::PlanError,
    state::StateError,
    value::Value,
};

/// Why a plan could not be saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavePlanError {
    /// It holds secrets, and there is nothing to seal them with.
    #[error("the plan holds secrets, and there is no key to seal them with")]
    NoKey,
    /// Its secrets can not be sealed.
    #[error("the secrets of the plan can not be sealed: {0}")]
    Secrets(SealError),
    /// Its secrets are sealed already, so that they can not be read.
    #[error("the secrets of the plan are sealed; open it before it is saved again")]
    Sealed,
    /// It has no representation as JSON.
    #[error("the plan can not be written: {message}")]
    Write {
        /// Why.
        message: String,
    },
}

impl SavePlanError {
    pub(super) fn write(error: serde_json::Error) -> Self {
        SavePlanError::Write { message: error.to_string() }
    }
}

/// Why a file could not be read as a plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadPlanError {
    /// It is something else.
    #[error("this is no plan: {found}")]
    NotAPlan {
        /// What it is, as far as that can be told.
        found: String,
    },
    /// It is of a format that this version does not know.
    #[error(
        "the plan has format {found}, and this version of formwork reads format {known}: apply it with the version that wrote it, or plan again"
    )]
    Format {
        /// The format it has.
        found: u64,
        /// The one that is known.
        known: u32,
    },
    /// Another version of formwork wrote it, and it has parts that this one does not understand.
    #[error(
        "the plan was made by formwork {wrote}, and this is {reads}: apply it with the version that made it, or plan again"
    )]
    OtherVersion {
        /// The version that wrote it.
        wrote: String,
        /// This one.
        reads: String,
    },
    /// Something in it is not as it was written.
    #[error("the plan is damaged in line {line}: make it anew")]
    Damaged {
        /// The first line that is not as it was written, from 1.
        line: usize,
    },
    /// Its end is missing.
    #[error("the plan ends too early, in line {line}: it was cut off; make it anew")]
    Truncated {
        /// The line it ends in, from 1.
        line: usize,
    },
    /// It is whole, and can not have been written by this version.
    #[error("the plan makes no sense: {message}")]
    Wrong {
        /// What is wrong with it.
        message: String,
    },
    /// It holds secrets, and there is no key.
    #[error("the plan holds sealed secrets, and there is no key to open them with")]
    NoKey,
    /// Its secrets can not be opened.
    #[error("the secrets of the plan can not be opened: {0}")]
    Secrets(SealError),
}

impl From<Broken> for ReadPlanError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Other { found } => ReadPlanError::NotAPlan { found },
            Broken::Format { found, known } => ReadPlanError::Format { found, known },
            Broken::OtherVersion { wrote, reads } => ReadPlanError::OtherVersion { wrote, reads },
            Broken::Damaged { line } => ReadPlanError::Damaged { line },
            Broken::Truncated { line } => ReadPlanError::Truncated { line },
            Broken::Wrong { message } => ReadPlanError::Wrong { message },
        }
    }
}

/// A provider that points to another place than when a plan was made.
#[derive(Clone, Debug, PartialEq)]
pub struct MovedProvider {
    /// The provider.
    pub provider: String,
    /// Where it pointed.
    pub was: Value,
    /// Where it points; nothing if it is not there.
    pub now: Option<Value>,
}

impl fmt::Display for MovedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, was, now } = self;
        match now {
            Some(now) => {
                write!(f, "the provider `{provider}` points to {now}, and pointed to {was}")
            }
            None => write!(f, "the provider `{provider}` is not there"),
        }
    }
}

/// Why a saved plan is not a plan any more. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadPlanError {
    /// Its secrets are still sealed.
    #[error("the secrets of the plan are sealed: open it before it is loaded")]
    Sealed,
    /// It is of another stack.
    #[error("the plan is of the stack `{planned}`, and the program declares `{declared}`")]
    OtherStack {
        /// The stack of the plan.
        planned: String,
        /// The stack of the program.
        declared: String,
    },
    /// Another version of formwork made it, which may have meant something else by it.
    #[error(
        "the plan was made by formwork {wrote}, and this is {reads}: apply it with the version that made it, or plan again"
    )]
    OtherVersion {
        /// The version that made it.
        wrote: String,
        /// This one.
        reads: String,
    },
    /// The state is not the one that it was made from.
    #[error(
        "the plan was made from another state of `{stack}`: of lineage {was}, and the one here is of {now}. Plan again"
    )]
    Lineage {
        /// The stack.
        stack: String,
        /// The lineage that the plan was made from.
        was: String,
        /// The one there is; empty where there is no state.
        now: String,
    },
    /// The state was written since it was made.
    #[error(
        "the plan was made from version {was} of the state of `{stack}`, which has version {now} now: plan again"
    )]
    Stale {
        /// The stack.
        stack: String,
        /// The version that the plan was made from.
        was: u64,
        /// The version there is.
        now: u64,
    },
    /// Providers point to other places than when it was made; all of them are listed.
    #[error("the plan of `{stack}` was made elsewhere:{}", moved_list(moved))]
    OtherTargets {
        /// The stack.
        stack: String,
        /// Those that moved.
        moved: Vec<MovedProvider>,
    },
    /// The program is not the one that it was made with; every difference is listed.
    #[error("the program is not the one that the plan of `{stack}` was made with; {} difference(s):{}", problems.len(), error_list(problems))]
    Differs {
        /// The stack.
        stack: String,
        /// Every difference.
        problems: Vec<Problem>,
    },
    /// The state has changed, and what is to do now goes beyond the plan; all of it is listed.
    #[error("the state of `{stack}` changed since the plan was made, and it takes more now than the plan says; {} thing(s):{}", problems.len(), error_list(problems))]
    Beyond {
        /// The stack.
        stack: String,
        /// What the plan does not say.
        problems: Vec<Problem>,
    },
    /// What is there could not be looked at, or no plan can be made of it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

fn moved_list(moved: &[MovedProvider]) -> String {
    moved.iter().map(|provider| format!("\n  - {provider}")).collect()
}
