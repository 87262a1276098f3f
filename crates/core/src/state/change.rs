//! One change of the state, as a store takes it.

use serde::{Deserialize, Serialize};

use super::{Departed, Intent, Pin, ProviderTarget, Record, Snapshot};
use crate::{
    identity::{Address, ResourceId},
    value::Value,
};

/// One change of the state. A commit is a list of these, applied in order and all or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Opens an intent, or replaces the open one of the same object.
    Open(Intent),
    /// Closes the object's intent, if one is open.
    Close(ResourceId),
    /// Writes a row.
    Put(Box<Record>),
    /// Removes a row, if it is there.
    Remove(ResourceId),
    /// Records the answer of a lookup.
    Pin(Pin),
    /// Forgets the answer of a lookup.
    Unpin(Address),
    /// Records where a provider points.
    Target(ProviderTarget),
    /// Notes that an object has left this stack.
    Depart(Departed),
    /// Forgets that one left from the address.
    Return(Address),
    /// Replaces the outputs of the stack.
    Exports(Value),
}

impl Snapshot {
    /// What the state is after `change`: the meaning of a change, which every store must agree with.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Open(intent) => {
                self.intents.insert(intent.id, intent);
            }
            Change::Close(id) => {
                self.intents.remove(&id);
            }
            Change::Put(record) => {
                self.records.insert(record.id, *record);
            }
            Change::Remove(id) => {
                self.records.remove(&id);
            }
            Change::Pin(pin) => {
                self.pins.insert(pin.address.clone(), pin);
            }
            Change::Unpin(address) => {
                self.pins.remove(&address);
            }
            Change::Target(target) => {
                self.targets.insert(target.provider.clone(), target);
            }
            Change::Depart(departed) => {
                self.departed.insert(departed.address.clone(), departed);
            }
            Change::Return(address) => {
                self.departed.remove(&address);
            }
            Change::Exports(exports) => self.exports = exports,
        }
    }
}
