//! What the benchmarks are made of: a resource that costs nothing, ways to measure, the peer, and
//! a table of figures against their targets.
//!
//! The engine is measured over a provider that does nothing and the store of earnest use, so what
//! is left is what formwork itself costs. `cargo xtask bench` runs all of it.

pub mod figure;
pub mod measure;
pub mod terraform;
pub mod unit;
