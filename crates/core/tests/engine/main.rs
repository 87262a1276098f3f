//! The engine on the modelled cloud: each test is a story, told by plan text and the cloud's log.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod arrivals;
mod asked;
mod basics;
mod bounds;
mod crash;
mod document;
mod drift;
mod edits;
mod failure;
mod hooks;
mod late_lookups;
mod left_out;
mod moves;
mod order;
mod partial;
mod places;
mod policy;
mod random;
mod random_targets;
mod random_unmanaged;
mod random_waves;
mod refresh;
mod replacement;
mod saved;
mod store;
mod targets;
mod unmanaged;
mod unsaved;
mod upgrade;
mod views;
mod waves;
mod world;
