//! EC2 Auto Scaling: one file per resource, each with a table of its operations.
//!
//! Groups really launch and terminate instances of the EC2 part. Nothing runs in the background:
//! [`tick`] brings every group of a region up to date before each call, so whoever asks sees what
//! would have happened meanwhile.

mod activity;
mod capacity;
mod cron;
mod describe;
mod error;
mod group;
mod hook;
mod launch;
mod member;
mod process;
mod scheduled;
mod settings;
mod source;
mod tag;
mod tick;

#[cfg(test)]
mod tests;

use crate::call::OperationFn;

pub(crate) use tick::tick;

/// All operations, one table per file.
pub(crate) const OPERATIONS: &[&[(&str, OperationFn)]] = &[
    activity::OPERATIONS,
    describe::OPERATIONS,
    group::OPERATIONS,
    hook::OPERATIONS,
    member::OPERATIONS,
    process::OPERATIONS,
    scheduled::OPERATIONS,
    tag::OPERATIONS,
];
