//! What a run did and could not record: kept in a file, and recorded from it later.

use std::path::{Path, PathBuf};

use formwork_core::{ApplyError, Engine, Recorded, Sealer, Unsaved};
use serde_json::json;

use super::Run;
use crate::{error::CliError, exit::Exit, plan_file};

impl Run<'_> {
    /// The error, with what it could not record in a file where the store has no part in.
    pub(super) fn apply_error(&self, error: ApplyError) -> CliError {
        match error {
            ApplyError::Unsaved { ref unsaved, .. } => {
                let kept = self.keep(unsaved);
                CliError::Unsaved { source: Box::new(error), kept }
            }
            error => Box::new(error).into(),
        }
    }

    /// Writes it beside the program, or where the system keeps what is passing: a disk that is full
    /// is rarely the only one.
    fn keep(&self, unsaved: &Unsaved) -> Result<PathBuf, String> {
        let key = self.key();
        let sealer = key.as_ref().map(|key| key as &dyn Sealer);
        let bytes = unsaved.to_bytes(sealer).map_err(|error| error.to_string())?;
        let mut why = String::new();
        for folder in [self.dir.clone(), std::env::temp_dir()] {
            let name = |n: u32| match n {
                0 => format!("formwork-unsaved-{}-{}.json", unsaved.stack, unsaved.version),
                n => format!("formwork-unsaved-{}-{}-{n}.json", unsaved.stack, unsaved.version),
            };
            let free = (0..100).map(|n| folder.join(name(n))).find(|file| !file.exists());
            let Some(file) = free else { continue };
            match plan_file::write(&file, &file, &bytes) {
                Ok(()) => return Ok(file),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }
}

/// `state recover FILE`: records what a run could not.
pub(super) async fn recover(run: &Run<'_>, file: &Path) -> Result<Exit, CliError> {
    let wrong = |why: String| CliError::Unrecovered { file: file.to_owned(), why };
    let bytes = std::fs::read(run.dir.join(file)).map_err(|error| wrong(error.to_string()))?;
    let key = run.key();
    let sealer = key.as_ref().map(|key| key as &dyn Sealer);
    let unsaved = Unsaved::from_bytes(&bytes, sealer).map_err(|error| wrong(error.to_string()))?;
    if unsaved.stack != run.stack {
        let (theirs, own) = (&unsaved.stack, &run.stack);
        let why = format!("it is of the stack `{theirs}`, and this is `{own}`: see --stack");
        return Err(wrong(why));
    }
    let engine = Engine::builder().shared_state(run.open_store(false)?).holder(run.holder());
    let engine = engine.try_build().map_err(|error| CliError::Program(error.to_string()))?;
    let done = engine.record(&unsaved).await.map_err(|error| wrong(error.to_string()))?;
    let changes = unsaved.changes.len();
    if run.console.is_json() {
        let recorded = done == Recorded::Now;
        run.console.json_document(&json!({
            "stack": unsaved.stack, "changes": changes, "recorded": recorded,
        }));
    } else {
        let text = match done {
            Recorded::Now => {
                format!("{changes} change(s) are recorded now; {} can go", file.display())
            }
            Recorded::Already => {
                format!("all of it was recorded already; {} can go", file.display())
            }
        };
        run.console.human(&format!("{text}\n"));
    }
    Ok(Exit::Done)
}
