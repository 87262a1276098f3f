//! The subcommands, one per file, and what they share: from settings to an engine.

mod apply;
mod destroy;
mod drift;
mod edit;
mod graph;
mod output;
mod plan;
mod saved;
mod session;
mod state;
mod unsaved;
mod up;

use std::{collections::BTreeMap, future::Future, path::PathBuf};

use clap::ArgMatches;
pub(crate) use session::Session;

use crate::{
    args::{Builtin, Flags},
    console::Console,
    error::CliError,
    exit::Exit,
    io::{Input, Interrupts},
    narrow,
    program::Program,
    settings::Entry,
};

/// One run of a subcommand.
pub(crate) struct Run<'p> {
    pub(crate) program: &'p Program,
    /// What the user types to run the program.
    pub(crate) call: String,
    pub(crate) flags: Flags,
    pub(crate) matches: ArgMatches,
    /// Settings of the file that are no flags.
    pub(crate) more: Vec<Entry>,
    pub(crate) stack: String,
    pub(crate) state_dir: PathBuf,
    /// Where relative paths start from.
    pub(crate) dir: PathBuf,
    pub(crate) console: Console,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) input: Input,
    pub(crate) interrupts: Interrupts,
}

impl Run<'_> {
    /// Does `work`, which changes nothing, until the user interrupts it.
    pub(crate) async fn interruptible<T>(
        &self,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let mut interrupts = self.interrupts.clone();
        tokio::select! {
            biased;
            () = interrupts.reach(1) => Err(CliError::Cancelled),
            done = work => done,
        }
    }

    /// A subcommand with the flags that narrow this run.
    pub(crate) fn narrowed(&self, subcommand: &str) -> String {
        let narrow = &self.flags.narrow;
        let mut words = vec![subcommand.to_owned()];
        words.extend(narrow.target.iter().map(|address| format!("--target {address}")));
        words.extend(narrow.exclude.iter().map(|address| format!("--exclude {address}")));
        let switches = [
            (narrow.target_dependencies, "--target-dependencies"),
            (narrow.target_dependents, "--target-dependents"),
            (narrow.refresh_only, "--refresh-only"),
        ];
        words.extend(switches.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
        words.join(" ")
    }

    /// Prints what could be done next, for people on a terminal or not, beside the result.
    pub(crate) fn hint(&self, subcommand: &str, what: &str) {
        let layout = self.console.err_layout();
        let text = format!("next: {} {subcommand}   {what}", self.call);
        self.console.note(&layout.paint.dim(&text));
    }
}

/// Runs a subcommand.
pub(crate) async fn dispatch(run: &Run<'_>, command: Builtin) -> Result<Exit, CliError> {
    narrow::check(&run.flags, &command)?;
    match command {
        Builtin::Plan { out } => plan::run(run, out.as_deref()).await,
        Builtin::Up { file, allow_stale } => up::run(run, file.as_deref(), allow_stale).await,
        Builtin::Show { file } => saved::show(run, &file),
        Builtin::Drift => drift::run(run).await,
        Builtin::Destroy => destroy::run(run).await,
        Builtin::Output { name, reveal } => output::run(run, name.as_deref(), reveal).await,
        Builtin::Graph { format } => graph::run(run, format),
        Builtin::State(command) => state::run(run, command).await,
    }
}
