//! What formwork remembers, and the contract of whatever remembers it.
//!
//! State is a row per object plus the intents that are open: never one document. What a store does
//! with a [`Change`] costs the same whether the stack has ten resources or a hundred thousand.

mod change;
pub mod edit;
mod record;
mod store;
mod values;

pub use change::Change;
pub use record::{
    Departed, Intent, Pin, ProviderTarget, Record, RecordedOptions, Role, Status, Verb,
};
pub use store::{Lease, Snapshot, StackCommit, StateError, StateStore};
