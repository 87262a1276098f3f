//! What tests of stacks, stores and the engine itself are made of.
//!
//! Compiled always, for stores and providers in other crates are tested with it too, and used by
//! nothing that runs in earnest.

pub mod laws;
mod memory;

pub use memory::MemoryStore;
