//! The GPU cluster example, as a user runs it: up, drift, mistakes, `kill -9`, and faults at each call.

mod faults;
mod kill;
mod mistakes;
mod moto;
mod program;
mod story;
