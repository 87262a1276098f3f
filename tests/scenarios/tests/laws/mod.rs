//! Laws, over random stories.
//!
//! Each of these runs a bounded number of cases. With `FORMWORK_FUZZ_SECONDS` set, each runs that
//! long instead, with new seeds, which are printed; `FORMWORK_FUZZ_SEED` begins with a certain one. A
//! case that fails is shrunk, and printed as a test to paste into `found.rs`.

mod crash;
mod explore;
mod found;
mod kill;
mod live;
mod model;
mod order;
mod story;
mod terraform;
