//! The steps of a plan, as plain data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::diff::FieldChange;
use crate::{
    identity::{Address, ResourceId},
    provider::Seen,
    schema::Group,
    state::{Import, RecordedOptions},
    value::Value,
};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Takes over an object that exists already; what has to change on it then is a step of its own.
    Import,
    /// Makes an object. If [`Step::replaces`] names another, this one takes its address.
    Create,
    /// Changes an object in place.
    Update,
    /// Waits for an object that an earlier run made and did not see ready.
    Settle,
    /// Rewrites a row; no call is made.
    Record,
    /// Removes an object.
    Delete,
    /// Removes a row and leaves the object, if there is one, alone.
    Forget,
    /// Asks a lookup whose question was not known, or too early to ask, when the plan was made.
    Ask,
    /// Nothing but a point in the order: many steps before it, many after it.
    Join,
}

impl Action {
    /// Whether the step may change something outside formwork's own records.
    #[must_use]
    pub const fn mutates(self) -> bool {
        matches!(self, Action::Import | Action::Create | Action::Update | Action::Delete)
    }

    /// Whether a plan shows it.
    #[must_use]
    pub const fn is_shown(self) -> bool {
        !matches!(self, Action::Record | Action::Join)
    }
}

/// Why a step is in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The program declares it, and it does not exist yet.
    New,
    /// The program no longer declares it.
    NoLongerDeclared,
    /// The whole stack is destroyed.
    Destroy,
    /// The program wants other values; see [`Step::changes`].
    Changed,
    /// The cloud has other values than the last apply left; see [`Step::changes`].
    Drifted,
    /// It was deleted behind formwork's back.
    Gone,
    /// An earlier create of it did not finish.
    Incomplete {
        /// What it failed with.
        reason: String,
    },
    /// An earlier run was stopped before it was seen ready.
    NotReadyYet,
    /// It is replaced by a new object.
    Replaced,
    /// It is replaced together with what it is bound to.
    ReplacedWith(Address),
    /// Its trigger value changed.
    Triggered,
    /// It went through this provider before, which points to another place.
    OtherProvider(String),
    /// The user asked for it.
    Requested,
    /// An earlier run replaced it and did not get to delete it.
    Deposed,
    /// The user asked for it to be taken over, by this id.
    Imported(String),
    /// It is there already, with this id in the cloud, and the program asks to take it over then.
    Adopted(String),
    /// Another resource is the same object, and keeps it.
    SharedWith(Address),
    /// It goes with the object it lives on.
    GoesWith(Address),
    /// It is retained in the cloud.
    Retained,
    /// The program only reads it from now on, at this address: it is not ours to delete.
    OnlyRead(Address),
    /// Nobody declares it, and this, which it belongs to, is exclusive.
    Undeclared(Address),
    /// Nobody declares it, and an earlier run began to delete it.
    DeleteBegan,
    /// It is asked when this is done, and not before.
    AskedAfter(Address),
    /// Its recorded answer is not used again, whether or not the question stays the same.
    AskedAnew,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::New => f.write_str("new"),
            Reason::NoLongerDeclared => f.write_str("no longer declared"),
            Reason::Destroy => f.write_str("the stack is destroyed"),
            Reason::Changed => f.write_str("changed"),
            Reason::Drifted => f.write_str("drifted"),
            Reason::Gone => f.write_str("it is gone from the cloud"),
            Reason::Incomplete { reason } => write!(f, "its create did not finish: {reason}"),
            Reason::NotReadyYet => f.write_str("an earlier run did not see it ready"),
            Reason::Replaced => f.write_str("replaced"),
            Reason::ReplacedWith(address) => write!(f, "replaced with {address}"),
            Reason::Triggered => f.write_str("its trigger changed"),
            Reason::OtherProvider(was) => write!(f, "it was made through the provider {was}"),
            Reason::Imported(id) => write!(f, "it is {id}"),
            Reason::Adopted(id) => write!(f, "it is there already: {id}"),
            Reason::SharedWith(address) => write!(f, "{address} is the same object and keeps it"),
            Reason::Requested => f.write_str("asked for"),
            Reason::Deposed => f.write_str("left over from an earlier replacement"),
            Reason::GoesWith(address) => write!(f, "goes with {address}"),
            Reason::OnlyRead(address) => {
                write!(f, "{address} only reads it from now on, so it stays in the cloud")
            }
            Reason::Retained => f.write_str("retained in the cloud"),
            Reason::Undeclared(parent) => write!(f, "not declared, and {parent} is exclusive"),
            Reason::DeleteBegan => f.write_str("not declared, and its delete had begun"),
            Reason::AskedAfter(address) => write!(f, "asked after {address}"),
            Reason::AskedAnew => f.write_str("its answer is asked anew"),
        }
    }
}

/// The place of a step in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl StepId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// The resource's address.
    pub address: Address,
    /// The resource's type.
    pub kind: String,
    /// The provider it goes through, by name.
    pub provider: String,
    /// The heading it stands under.
    pub group: Group,
    /// The object; of a create, the id it will have.
    pub id: ResourceId,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The fields that change, for an update or a replacement.
    pub changes: Vec<FieldChange>,
    /// What will be sent, with unknowns; null for a delete.
    pub inputs: Value,
    /// What was seen of the object, where the plan looked: what an update starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Seen>,
    /// What an import takes over; of a create, what its address was imported as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// The object whose address this create takes.
    pub replaces: Option<ResourceId>,
    /// Whether a delete leaves its row, and those that go with it, behind as absent: others refer to
    /// them for a while yet.
    pub leaves_row: bool,
    /// Rows that go with this one, without a call of their own.
    pub takes_along: Vec<ResourceId>,
    /// What the row will say it depends on.
    pub depends_on: Vec<ResourceId>,
    /// What the row will say of its options; of a removal, only how long it may take.
    pub options: RecordedOptions,
    /// The source line of the declaration.
    pub declared_at: String,
    /// The steps that must be done before.
    pub after: Vec<StepId>,
    /// The length of the longest path from here to the end, in seconds; larger ones start first.
    pub priority: u64,
}
