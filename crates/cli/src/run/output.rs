//! `output`: prints what the stack reported at its last complete `up`.

use formwork_core::value::{Map, Value};

use super::Run;
use crate::{error::CliError, exit::Exit, view};

pub(super) async fn run(run: &Run<'_>, name: Option<&str>, reveal: bool) -> Result<Exit, CliError> {
    let state = run.recorded().await?;
    let (exports, fresh) = (state.exports, state.version == 0);
    let empty = Map::new();
    let members = exports.as_map().unwrap_or(&empty);
    let Some(name) = name else {
        if run.console.is_json() {
            run.console.json_document(&Value::Map(members.clone()));
        } else if fresh {
            run.console.note(&run.no_state());
        } else if members.is_empty() {
            run.console.note(&format!("`{}` has no outputs", run.stack));
        } else {
            run.console.human(&view::output_list(members, &run.console.human_layout()));
        }
        return Ok(Exit::Done);
    };
    let value = members.get(name).ok_or_else(|| {
        let error = CliError::not_found("output", name, members.keys().map(AsRef::as_ref));
        if fresh { error.with_help(run.no_state()) } else { error }
    })?;
    let value = if reveal { &view::revealed(value) } else { value };
    if run.console.is_json() {
        run.console.json_document(value);
    } else {
        run.console.line(&view::bare(value));
    }
    if !reveal && value.has_secret() {
        run.hint(&format!("output {name} --reveal"), "to see what is secret");
    }
    Ok(Exit::Done)
}
