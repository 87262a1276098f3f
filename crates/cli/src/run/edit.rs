//! `state rm|mv|repair|export|import`: edits what is recorded; opens no cloud.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use formwork_core::state::{
    Change, Snapshot, StateStore,
    edit::{Edit, Removal, excerpt, hand_over, remove, rename, repair, take},
};
use formwork_state::{KeySource, SledStore, open_excerpt, seal_excerpt};
use serde_json::json;

use super::Run;
use crate::{approve, args::StateCommand, error::CliError, exit::Exit, store};

pub(super) async fn run(run: &Run<'_>, command: StateCommand) -> Result<Exit, CliError> {
    match command {
        StateCommand::RotateKey { new_key_file } => return rotate(run, new_key_file).await,
        StateCommand::History => return history(run).await,
        _ => {}
    }
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
        _ => return Ok(Exit::Done),
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

/// Seals every secret of the state anew.
async fn rotate(run: &Run<'_>, file: Option<PathBuf>) -> Result<Exit, CliError> {
    let to = match (file, store::new_passphrase(&run.env)) {
        (Some(file), None) => KeySource::File(run.dir.join(file)),
        (None, Some(passphrase)) => passphrase,
        (given, _) => {
            let message = match given {
                Some(_) => "two new keys are named: a file, and FORMWORK_NEW_PASSPHRASE",
                None => "no new key is named",
            };
            return Err(CliError::settings(message)
                .with_help("name one: --new-key-file FILE, or FORMWORK_NEW_PASSPHRASE"));
        }
    };
    let store = open_sled(run)?;
    approve::edit(run).await?;
    let words = match &to {
        KeySource::File(file) => format!("FORMWORK_KEY_FILE={}", file.display()),
        _ => "FORMWORK_PASSPHRASE to the new passphrase".to_owned(),
    };
    store.rotate_key(to).await?;
    if run.console.is_json() {
        run.console.json_document(&json!({ "done": true }));
    }
    run.console.note(&format!("done; from now on set {words}"));
    Ok(Exit::Done)
}

/// The default store, which has what others may not have.
fn open_sled(run: &Run<'_>) -> Result<SledStore, CliError> {
    if !run.program.default_store {
        return Err(CliError::refused(
            "the store of this program is its own, and has no such thing",
        ));
    }
    if run.is_fresh() {
        return Err(CliError::refused(run.no_state()));
    }
    Ok(store::open(&run.state_dir, &run.env)?)
}

/// The last commits, without any value.
async fn history(run: &Run<'_>) -> Result<Exit, CliError> {
    let store = open_sled(run)?;
    let commits = run.interruptible(async { Ok(store.journal(&run.stack).await?) }).await?;
    let line = |change: &Change| match change {
        Change::Open(intent) => {
            let record = intent.record.as_ref();
            let at = record.map_or_else(|| intent.id.to_string(), |row| row.address.to_string());
            (format!("{:?}", intent.verb).to_lowercase() + " begins", at)
        }
        Change::Close(id) => ("call ended".to_owned(), id.to_string()),
        Change::Put(record) => ("recorded".to_owned(), record.address.to_string()),
        Change::Remove(id) => ("removed".to_owned(), id.to_string()),
        Change::Pin(pin) => ("answered".to_owned(), pin.address.to_string()),
        Change::Unpin(address) => ("answer forgotten".to_owned(), address.to_string()),
        Change::Target(target) => ("provider".to_owned(), target.provider.clone()),
        Change::Depart(gone) => (format!("went to {}", gone.to), gone.address.to_string()),
        Change::Return(address) => ("mark forgotten".to_owned(), address.to_string()),
        Change::Exports(_) => ("outputs".to_owned(), String::new()),
    };
    let commits: Vec<(u64, Vec<(String, String)>)> = commits
        .iter()
        .map(|(version, changes)| (*version, changes.iter().map(line).collect()))
        .collect();
    if run.console.is_json() {
        let commits: Vec<_> = commits
            .iter()
            .map(|(version, changes)| {
                let changes = changes.iter();
                let changes = changes.map(|(what, at)| json!({ "what": what, "at": at }));
                json!({ "version": version, "changes": changes.collect::<Vec<_>>() })
            })
            .collect();
        run.console.json_document(&json!({ "stack": run.stack, "commits": commits }));
        return Ok(Exit::Done);
    }
    if commits.is_empty() {
        run.console.note(&run.no_state());
    }
    for (version, changes) in commits {
        for (what, at) in changes {
            run.console.human(format!("{version:>6}  {what} {at}").trim_end());
            run.console.human("\n");
        }
    }
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
