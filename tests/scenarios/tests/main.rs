//! What the engine promises, each promise as a story: a program, a change or a fault, and what must
//! happen, by the plan's text and what the run told. After each step `World` asserts the ten laws.
//!
//! Nothing here knows more than a user of the facade does.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method of a request that borrows is of one lifetime, and a closure is of any"
)]

mod addresses;
mod basics;
mod drift;
mod failure;
mod hooks;
mod own_stacks;
mod plans;
mod replacement;
mod secrets;
mod support;
mod targets;
