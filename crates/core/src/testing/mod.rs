//! What tests of stacks, of resource types, of stores and of the engine itself are made of.
//!
//! | to test | there is |
//! | --- | --- |
//! | a stack of one's own, without any account | [`plan_of`], [`Offline`], and [`expect`] for what the plan says |
//! | a story with faults and crashes | [`World`]: a modelled [`Cloud`], a [`MemoryStore`], and the laws after each step |
//! | the program around the engine | [`Cloud`], with [`provider`] and [`MemoryStore`] in an engine of one's own |
//! | a resource type that behaves as no other | [`Cloud::call`] and [`Effects`], which the types here are made of |
//! | a store | [`laws::store_laws`] |
//!
//! The types of the modelled cloud cover the ways in which real ones behave:
//!
//! | type | |
//! | --- | --- |
//! | [`Thing`] | fields that update, replace, hold, are a set, secret, write-only, or chosen by the cloud |
//! | [`Single`] | the same, and a replacement deletes first |
//! | [`Resumable`] | the same, and a create that half happened is finished by an update |
//! | [`Net`] | the same, and its name is a block of addresses, of which no two overlap |
//! | [`Named`] | named by the cloud, kept in its way of writing, with outputs that only it can tell |
//! | [`ByName`] | a lookup |
//!
//! Compiled always, for stores and providers in other crates are tested with it too, and used by
//! nothing that runs in earnest.

mod cloud;
mod distort;
mod expect;
mod invariants;
pub mod laws;
mod laws_of_runs;
mod memory;
mod named;
mod offline;
mod random;
mod run;
mod sample;
mod sealer;
mod thing;
mod world;

pub use cloud::{Call, Cloud, Effects, Fault, Interrupted, Object, Op, SavedCloud};
pub use expect::{Expect, expect};
pub use invariants::check_invariants;
pub use memory::MemoryStore;
pub use named::{ByName, ByNameAnswer, ByNameHandle, Named, NamedHandle, NamedOutputs};
pub use offline::{Offline, plan_of};
pub use random::Random;
pub use run::Run;
pub use sample::changes;
pub use sealer::TestSealer;
pub use thing::{
    Leaf, Net, Part, Renamed, Resumable, Single, Thing, ThingHandle, ThingOutputs, provider,
    provider_with_children,
};
pub use world::World;
