//! The tests that need more than one crate, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::redundant_closure_for_method_calls, reason = "the SDK's type names are long")]

mod cluster;
mod conformance;
