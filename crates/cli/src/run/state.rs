//! `state`: looks at what is recorded; opens no cloud. What edits it is in `edit`.

use formwork_core::state::{Record, Role};
use serde_json::json;

use super::{Run, edit, unsaved};
use crate::{args::StateCommand, error::CliError, exit::Exit, view};

pub(super) async fn run(run: &Run<'_>, command: StateCommand) -> Result<Exit, CliError> {
    let command = match command {
        StateCommand::List | StateCommand::Show { .. } => command,
        StateCommand::Recover { file } => return unsaved::recover(run, &file).await,
        edit => return edit::run(run, edit).await,
    };
    let state = run.recorded().await?;
    let layout = run.console.human_layout();
    match command {
        StateCommand::List if run.console.is_json() => {
            let rows = view::state_rows(&state);
            run.console.json_document(&json!({ "stack": run.stack, "resources": rows }));
        }
        StateCommand::List => {
            if state.version == 0 {
                run.console.note(&run.no_state());
            } else if state.records.is_empty() && state.intents.is_empty() {
                run.console.note(&format!("nothing is recorded of `{}`", run.stack));
            } else {
                run.console.human(&view::state_list(&state, &layout));
            }
        }
        StateCommand::Show { address } => {
            let mut records: Vec<&Record> =
                state.records.values().filter(|r| r.address.as_str() == address).collect();
            records.sort_by_key(|record| (record.role != Role::Current, record.id));
            if records.is_empty() {
                let there = state.records.values().map(|record| record.address.as_str());
                let error = CliError::not_found("recorded resource", &address, there);
                return Err(if state.version == 0 {
                    error.with_help(run.no_state())
                } else {
                    error
                });
            }
            if run.console.is_json() {
                run.console.json_document(&records);
            } else {
                for record in records {
                    run.console.human(&view::record(record, &state, &layout));
                }
            }
        }
        _ => {}
    }
    Ok(Exit::Done)
}
