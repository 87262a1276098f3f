//! Infrastructure as code as a Rust library, for AI infrastructure.
//!
//! The facade: it re-exports the crates of the workspace, and joins the command line to the places
//! a stack can be put on. Everything else is in the rooms that ARCHITECTURE.md names.

pub use formwork_core::*;

#[cfg(feature = "aws")]
pub use formwork_aws as aws;
#[cfg(feature = "gpu")]
pub use formwork_gpu as gpu;
#[cfg(feature = "sandbox")]
pub use formwork_sandbox as sandbox;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(all(feature = "cli", feature = "aws"))]
mod clouds;
pub mod prelude;

/// Where records are kept.
pub mod state {
    pub use formwork_core::state::*;
    pub use formwork_state::*;
}

/// The examples of the README, compiled.
#[cfg(all(doctest, feature = "cli", feature = "aws", feature = "sandbox"))]
#[doc = include_str!("../README.md")]
struct Readme;
