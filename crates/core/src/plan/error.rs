//! Why no plan could be made. Nothing was changed, whatever the reason.

use std::fmt;

use super::{KeptInUse, Missing, Move, UnknownAddress};
use crate::{
    declare::{Problem, error_list},
    hook::{FailedHook, MissingHook},
    identity::Address,
    policy::Verdict,
    provider::ProviderError,
    state::{Departed, StateError},
    value::Value,
};

/// Why no plan could be made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Parts of the declaration are wrong; all of them are listed.
    #[error("the declaration of `{stack}` has {} problem(s):{}", problems.len(), error_list(problems))]
    Invalid {
        /// The stack.
        stack: String,
        /// Every problem, in the order of declaration.
        problems: Vec<Problem>,
    },
    /// Resources are protected and would have to be deleted or replaced; all of them are listed.
    #[error("{} protected resource(s) would be deleted:{}", addresses.len(), lines(addresses))]
    Protected {
        /// What, and why it would be deleted.
        addresses: Vec<(Address, String)>,
    },
    /// Steps wait for each other.
    #[error("these steps wait for each other, so none can start: {}", members.join(" -> "))]
    Cycle {
        /// The steps, as action and address.
        members: Vec<String>,
    },
    /// Unique values would have to change hands in a way that no order of steps allows.
    #[error(
        "no order of steps lets these unique values change hands:{}\nfree one of them in a run of its own, or have one of these resources replaced",
        list(takeovers)
    )]
    Exchange {
        /// Who takes what from whom.
        takeovers: Vec<Takeover>,
    },
    /// Mandatory policies are violated; all of it is listed, and what policies say beside that too.
    #[error(
        "{} violation(s) of mandatory policies in `{stack}`:{}",
        verdict.refusals().count(),
        verdict.refusals().map(|violation| format!("\n  - {violation}")).collect::<String>()
    )]
    Policy {
        /// The stack.
        stack: String,
        /// Everything that the policies say: [`Verdict::refusals`] is why there is no plan.
        verdict: Box<Verdict>,
    },
    /// Steps have hooks that the engine does not know; all of them are listed.
    #[error("{} hook(s) are not there:{}", missing.len(), list(missing))]
    MissingHooks {
        /// Which.
        missing: Vec<MissingHook>,
    },
    /// Hooks that run while a plan is made said no; all of them are listed.
    #[error("{} hook(s) refuse the plan:{}", failures.len(), list(failures))]
    HooksFailed {
        /// Which, and what they said.
        failures: Vec<FailedHook>,
    },
    /// Objects have other addresses than they are recorded at, and the plan is narrowed: part of them
    /// would move.
    #[error(
        "the plan is narrowed, and {} object(s) have moved, which has to be recorded first:{}",
        moves.len(),
        list(moves)
    )]
    Moving {
        /// What moved, and where to.
        moves: Vec<Move>,
    },
    /// The program still declares what the stack gave away; all of it is listed.
    #[error(
        "the program of `{stack}` declares {} resource(s) that this stack gave away: take them out of it, or they would be made anew{}",
        departed.len(),
        list(departed)
    )]
    Departed {
        /// The stack.
        stack: String,
        /// What, and who has it now.
        departed: Vec<Departed>,
    },
    /// Addresses that were asked for are of nothing that is declared or recorded; all are listed.
    #[error("there is nothing of {} address(es):{}", unknown.len(), list(unknown))]
    UnknownAddresses {
        /// Each, with the one that was probably meant.
        unknown: Vec<UnknownAddress>,
    },
    /// Addresses were asked for of which nothing is left by what is excluded; all are listed.
    #[error(
        "nothing is left of {} address(es) without {}, which they are or need:{}",
        addresses.len(),
        excludes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        list(addresses)
    )]
    Excluded {
        /// The targets, and what was to be replaced.
        addresses: Vec<Address>,
        /// What was to be left out.
        excludes: Vec<Address>,
    },
    /// A narrowed plan leaves out what it can not do without; all of it is listed.
    #[error(
        "the plan is narrowed, and leaves out {} resource(s) that it can not do without:{}",
        missing.len(),
        list(missing)
    )]
    LeftOut {
        /// What is missing, and why.
        missing: Vec<Missing>,
    },
    /// An object has to go before its replacement comes, and is used by what stays as it is until more
    /// is known; all are listed.
    #[error(
        "{} object(s) can not stay until it is decided what uses them:{}",
        kept.len(),
        list(kept)
    )]
    KeptInUse {
        /// What goes, and who uses it.
        kept: Vec<KeptInUse>,
    },
    /// No provider has the type.
    #[error("no provider is there for `{kind}` at {address}: add one that has it to the engine")]
    NoProvider {
        /// The resource.
        address: Address,
        /// Its type.
        kind: String,
    },
    /// A row was written by a newer program, or can not be brought to today's shape.
    #[error("the record of {address} can not be used: {message}")]
    Record {
        /// The resource.
        address: Address,
        /// What is wrong.
        message: String,
    },
    /// A provider points to another place than the one where its objects were made.
    #[error(
        "the objects of `{stack}` were made through the provider `{provider}` at {was}, and it points to {now} now, where they would all seem to be gone"
    )]
    OtherTarget {
        /// The stack.
        stack: String,
        /// The provider.
        provider: String,
        /// Where it pointed.
        was: Value,
        /// Where it points.
        now: Value,
    },
    /// A lookup failed.
    #[error("the lookup {address} failed [declared at {declared_at}]")]
    Lookup {
        /// The lookup.
        address: Address,
        /// The source lines of its declaration.
        declared_at: String,
        /// What with.
        #[source]
        source: ProviderError,
    },
    /// What is there could not be looked at.
    #[error("what is there of `{kind}` could not be read (for {address})")]
    Refresh {
        /// One of the resources concerned.
        address: Address,
        /// The type.
        kind: String,
        /// What with.
        #[source]
        source: ProviderError,
    },
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system gave no randomness.
    #[error("no random seed: {0}")]
    Seed(String),
}

/// A unique value that one resource is to have and another one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// Who is to have it.
    pub taker: Address,
    /// Who has it.
    pub holder: Address,
    /// The fields that are unique, together.
    pub fields: Vec<String>,
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taker, holder, fields } = self;
        write!(f, "{taker} takes the `{}` that {holder} has", fields.join("` and `"))
    }
}

fn list(of: &[impl fmt::Display]) -> String {
    of.iter().map(|line| format!("\n  - {line}")).collect()
}

fn lines(addresses: &[(Address, String)]) -> String {
    addresses.iter().map(|(address, why)| format!("\n  - {address}: {why}")).collect()
}
