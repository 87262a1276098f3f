//! `state rm|mv|repair|export|import`: edits what is recorded; opens no cloud.

use std::{io::Write, path::Path};

use formwork_core::state::{
    Snapshot, StateStore,
    edit::{Edit, Removal, excerpt, hand_over, remove, rename, repair, take},
};
use formwork_state::{open_excerpt, seal_excerpt};
use serde_json::json;

use super::Run;
use crate::{approve, args::StateCommand, error::CliError, exit::Exit, store};

pub(super) async fn run(run: &Run<'_>, command: StateCommand) -> Result<Exit, CliError> {
    let dry = matches!(
        &command,
        StateCommand::Export { .. }
            | StateCommand::Rm { dry_run: true, .. }
            | StateCommand::Mv { dry_run: true, .. }
            | StateCommand::Repair { dry_run: true }
            | StateCommand::Import { dry_run: true, .. }
    );
    // Only an import has something to do where there is no state yet.
    let only_looks = dry || !matches!(&command, StateCommand::Import { .. });
    let store = run.open_store(only_looks)?;
    let load = async |stack: &str| {
        run.interruptible(async { Ok::<Snapshot, CliError>(store.load(stack).await?) }).await
    };
    let state = load(&run.stack).await?;
    let edit = match command {
        StateCommand::Rm { addresses, force, moved_to, .. } => {
            remove(&run.stack, &state, &addresses, &Removal { force, moved_to })
        }
        StateCommand::Mv { from, to, to_stack: Some(stack), .. } => {
            let other = load(&stack).await?;
            let pair = (from.clone(), to.unwrap_or(from));
            hand_over((&run.stack, &state), (&stack, &other), &[pair])
        }
        StateCommand::Mv { from, to, .. } => {
            let pair = (from.clone(), to.unwrap_or(from));
            rename(&run.stack, &state, &[pair])
        }
        StateCommand::Repair { .. } => Ok(repair(&run.stack, &state)),
        StateCommand::Import { file, .. } => {
            let excerpt = read(run, &file)?;
            take(&run.stack, &state, &excerpt)
        }
        StateCommand::Export { addresses, out } => {
            return export(run, &state, &addresses, out.as_deref());
        }
        StateCommand::List | StateCommand::Show { .. } | StateCommand::Recover { .. } => {
            return Ok(Exit::Done);
        }
    };
    let edit = edit.map_err(|error| match state.version {
        0 if error.refusals.iter().all(|refusal| !refusal.forcible) => {
            CliError::refused(error.to_string()).with_help(run.no_state())
        }
        _ => error.into(),
    })?;
    carry_out(run, store.as_ref(), &edit, dry).await
}

/// Shows the edit, gets the user's consent, and writes it.
async fn carry_out(
    run: &Run<'_>,
    store: &dyn StateStore,
    edit: &Edit,
    dry: bool,
) -> Result<Exit, CliError> {
    let is_json = run.console.is_json();
    let lines: String = edit.done.iter().map(|line| format!("{line}\n")).collect();
    let print = |done: bool| {
        let document = json!({ "stack": run.stack, "done": done, "edits": edit.done });
        if is_json {
            run.console.json_document(&document);
        }
    };
    if edit.is_empty() {
        print(false);
        run.console.note("there is nothing to do");
        return Ok(Exit::Done);
    }
    if !is_json {
        run.console.human(&lines);
    }
    if dry {
        print(false);
        run.console.note("nothing was changed: --dry-run");
        return Ok(Exit::Done);
    }
    if is_json && !run.flags.yes {
        run.console.err(&lines);
    }
    approve::edit(run).await?;
    edit.commit(store, &run.holder()).await?;
    print(true);
    run.console.note("done");
    Ok(Exit::Done)
}

fn export(
    run: &Run<'_>,
    state: &Snapshot,
    addresses: &[String],
    out: Option<&Path>,
) -> Result<Exit, CliError> {
    if state.version == 0 {
        return Err(CliError::refused("there is nothing to export").with_help(run.no_state()));
    }
    let excerpt = excerpt(&run.stack, state, addresses)?;
    let (rows, pins) = (excerpt.records.len(), excerpt.pins.len());
    let key = store::export_key(&run.env).or_else(|| store::key(&run.env));
    let document = seal_excerpt(excerpt, key.as_ref())?;
    let Some(out) = out else {
        run.console.json_document(&document);
        return Ok(Exit::Done);
    };
    let file = run.dir.join(out);
    let failed = |why: &dyn std::fmt::Display| {
        CliError::command(format!("{} could not be written: {why}", out.display()))
    };
    let text = serde_json::to_string_pretty(&document).map_err(|error| failed(&error))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut to = options.open(&file).map_err(|error| failed(&error))?;
    let written = writeln!(to, "{text}").and_then(|()| to.sync_all());
    if let Err(error) = written {
        // Half a document is none.
        let _ = std::fs::remove_file(&file);
        return Err(failed(&error));
    }
    let what = format!("{rows} resource(s) and {pins} lookup(s)");
    run.console.note(&format!("{what} were written to {}", out.display()));
    Ok(Exit::Done)
}

fn read(run: &Run<'_>, file: &Path) -> Result<formwork_core::state::edit::Excerpt, CliError> {
    let failed = |why: &dyn std::fmt::Display| {
        CliError::command(format!("{} could not be read: {why}", file.display()))
    };
    let text = std::fs::read(run.dir.join(file)).map_err(|error| failed(&error))?;
    let document: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    let keys: Vec<_> =
        store::export_key(&run.env).into_iter().chain(store::key(&run.env)).collect();
    Ok(open_excerpt(&document, &keys)?)
}
