//! The engine on the modelled cloud: each test is a story, told by plan text and the cloud's log.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod basics;
mod bounds;
mod crash;
mod document;
mod drift;
mod failure;
mod hooks;
mod moves;
mod order;
mod partial;
mod places;
mod random;
mod replacement;
mod saved;
mod store;
mod upgrade;
mod world;
