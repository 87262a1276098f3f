//! The engine on the modelled cloud: each test is a story, told by plan text and the cloud's log.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod arrivals;
mod asked;
mod basics;
mod bounds;
mod brought;
mod crash;
mod document;
mod drift;
mod edits;
mod embedding;
mod existing;
mod failure;
mod hooks;
mod import;
mod interplay;
mod late_lookups;
mod left_out;
mod moves;
mod order;
mod pace;
mod partial;
mod places;
mod policy;
mod random;
mod random_targets;
mod random_unmanaged;
mod random_waves;
mod refresh;
mod renamed;
mod replacement;
mod saved;
mod secrets;
mod store;
mod targets;
mod unmanaged;
mod unsaved;
mod upgrade;
mod views;
mod waves;
mod world;
