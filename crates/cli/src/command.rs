//! Further subcommands, which the facade or a user's program adds.

use std::{collections::BTreeMap, path::Path};

use clap::{ArgMatches, Command};
use formwork_core::BoxFuture;

use crate::{console::Console, error::CliError, exit::Exit, io::Interrupts};

/// A subcommand of its own, such as `sandbox serve`.
pub trait ExtraCommand: Send + Sync {
    /// Its name, flags and subcommands.
    fn command(&self) -> Command;

    /// Does it. An interrupt ends it only if it watches [`CommandContext::interrupts`].
    ///
    /// # Errors
    /// When it fails: [`CliError::command`].
    fn run<'a>(
        &'a self,
        matches: &'a ArgMatches,
        cx: CommandContext<'a>,
    ) -> BoxFuture<'a, Result<Exit, CliError>>;
}

/// What a further subcommand runs with.
#[non_exhaustive]
pub struct CommandContext<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// The folder that formwork keeps its things in.
    pub state_dir: &'a Path,
    /// The environment, `.env` included.
    pub env: &'a BTreeMap<String, String>,
    /// Where to print.
    pub console: &'a Console,
    /// The user's interrupts, from the first on.
    pub interrupts: Interrupts,
}
