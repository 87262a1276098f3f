//! The rows.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    hook::HookPoint,
    identity::{Address, ResourceId},
    value::{Path, Value},
};

/// What is remembered of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its immutable id; the key of the row.
    pub id: ResourceId,
    /// Where the program declares it now: an attribute, not a key.
    pub address: Address,
    /// Its type, as `provider:service/type`.
    pub kind: String,
    /// The provider it was made through, by name.
    pub provider: String,
    /// The version of the type's shape that this row has.
    pub version: u32,
    /// Whether it is the object of its address, or one that is still to be deleted.
    pub role: Role,
    /// How far it is.
    pub status: Status,
    /// The inputs that were last sent.
    pub inputs: Value,
    /// The state that was seen right after they were sent, in the shape of the inputs. What the
    /// cloud makes of an input is known from the difference, and is not drift.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub seen: Option<Value>,
    /// The write-only inputs whose value in the cloud is not known, because the end of an update of
    /// them was not seen. They are sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsure: Vec<String>,
    /// The places that an update changed which was not seen to settle yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changing: Vec<Path>,
    /// The outputs it last reported.
    pub outputs: Value,
    /// The objects it needs; it is deleted before them.
    pub depends_on: Vec<ResourceId>,
    /// The options that outlive the declaration.
    #[serde(default)]
    pub options: RecordedOptions,
    /// How it came here, if an object that existed already was taken over. A replacement keeps it,
    /// so that the declaration may go on saying what was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
    /// The source line of its declaration.
    pub declared_at: String,
}

/// The taking over of an object that existed already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The id that was asked for; of one that was adopted, its id in the cloud.
    pub id: String,
    /// Whether it was found by its inputs, and not named by its id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Whether it is done: the object is marked as ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
}

impl Record {
    /// The object's state as far as it is known: what was seen of it, or else what was sent.
    #[must_use]
    pub fn last_known(&self) -> &Value {
        self.seen.as_ref().unwrap_or(&self.inputs)
    }

    /// Whether its create was cut off: nobody saw whether all of it was done.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.status == Status::Settling && self.seen.is_none()
    }

    /// Whether it is of an object that a run began to take over, and did not see that it is marked
    /// as ours.
    #[must_use]
    pub fn is_unclaimed(&self) -> bool {
        self.import.as_ref().is_some_and(|import| !import.claimed)
    }

    /// The row of an object whose address another one took. What the replacing program says of
    /// keeping the old object counts, also for a run that finds it after a crash.
    #[must_use]
    pub fn into_deposed(mut self, retain: bool) -> Self {
        self.role = Role::Deposed;
        self.options.retain = retain;
        self
    }

    /// The row of an object that was deleted while others may still refer to it. What does not exist
    /// needs nothing, so it refers to no other row.
    #[must_use]
    pub fn into_absent(mut self) -> Self {
        self.status = Status::Absent;
        self.depends_on.clear();
        self.options.deleted_with = None;
        self
    }
}

/// Which of an address's objects a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one the address means; at most one row per address has this role.
    #[default]
    Current,
    /// One that was replaced and is still to be deleted.
    Deposed,
}

/// How far an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It exists, and was ready when last seen.
    #[default]
    Ready,
    /// It exists; that it is ready was not confirmed yet.
    Settling,
    /// It exists, but its create did not finish: it failed half way, or the object will never be ready.
    Incomplete {
        /// What the create failed with.
        reason: String,
    },
    /// It does not exist any more: it was deleted before all that refers to it moved away. The row
    /// stays so that these references resolve.
    Absent,
}

/// The options that must be known when the program no longer declares the resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedOptions {
    /// Deletion is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// What belongs to it and nobody declares is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// The object is left behind when it is no longer wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain: bool,
    /// It goes with this object, without a call of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_with: Option<ResourceId>,
    /// It is replaced when one of these addresses means another object than this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replace_with: Vec<(Address, ResourceId)>,
    /// The trigger value of the last apply.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub trigger: Option<Value>,
    /// The hooks that run around its verbs, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<(HookPoint, String)>,
    /// How long its delete may take; absent for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_timeout: Option<Duration>,
}

/// What an intent is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Make the object.
    Create,
    /// Change it in place.
    Update,
    /// Remove it.
    Delete,
}

/// A call that is about to be made, durable before it is: what a crash leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The object. For a create this id is new, and the object's token and tag are made of it.
    pub id: ResourceId,
    /// The verb.
    pub verb: Verb,
    /// The row as it will be when the call succeeds, without outputs that only the call can tell.
    /// Absent for a delete, but for one of what no row has: there it is what was seen of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<Record>>,
    /// When, in milliseconds since 1970.
    pub started_ms: u64,
}

/// The recorded answer of a lookup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// The lookup's address.
    pub address: Address,
    /// The lookup's kind.
    pub kind: String,
    /// What was asked.
    pub query: Value,
    /// What was answered.
    pub answer: Value,
}

/// Where a provider pointed: an object is only there for who looks at the same place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderTarget {
    /// The provider's name.
    pub provider: String,
    /// Its [`Provider::target`](crate::Provider::target).
    pub target: Value,
}

/// What is left of an object that this stack does not have any more, because it was given away: a
/// program that still declares it would make another one, and is refused until it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// Where it was.
    pub address: Address,
    /// Its type.
    pub kind: String,
    /// The object.
    pub id: ResourceId,
    /// Who has it now: the name of a stack, or words.
    pub to: String,
    /// Where it is there, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_address: Option<Address>,
}

impl fmt::Display for Departed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: it went to {}", self.address, self.to)?;
        match &self.to_address {
            Some(address) => write!(f, ", as {address}"),
            None => Ok(()),
        }
    }
}

/// What is written is there, also when it is null: only an absent field is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
