//! Whole command lines, on a fake cloud and on buffers.

mod asking;
mod edits;
mod harness;
mod import;
mod narrow;
mod plans;
mod policy;
mod saved;
mod settings;
mod stories;
mod trouble;
mod unmanaged;
mod waves;
mod world;
