//! Where formwork keeps its records.
//!
//! [`SledStore`] keeps them in a folder: a row per object, an intent per open call, one durable
//! write per commit whatever the size of the stack. Secrets are sealed before they are written.
//! The crate reads no environment and prints nothing.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that can not go on has failed"))]

mod batch;
mod command;
mod decode;
mod digest;
mod encode;
mod excerpt;
mod export;
mod folder;
mod format;
mod inspect;
mod key;
mod layout;
mod medium;
mod options;
mod plan;
mod seal;
mod store;
mod writer;

pub use excerpt::{open_excerpt, seal_excerpt};
pub use key::KeySource;
#[doc(hidden)]
pub use medium::SyncObserver;
pub use options::SledOptions;
pub use store::SledStore;
