//! What tests of stacks, stores and the engine itself are made of.
//!
//! Compiled always, for stores and providers in other crates are tested with it too, and used by
//! nothing that runs in earnest.

mod cloud;
mod invariants;
pub mod laws;
mod memory;
mod random;
mod sample;
mod thing;

pub use cloud::{Call, Cloud, Fault, Object, Op};
pub use invariants::check_invariants;
pub use memory::MemoryStore;
pub use random::Random;
pub use sample::changes;
pub use thing::{
    Leaf, Net, Part, Resumable, Single, Thing, ThingHandle, ThingOutputs, provider,
    provider_with_children,
};
