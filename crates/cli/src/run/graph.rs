//! `graph`: prints the declared graph; opens neither cloud nor state.

use super::Run;
use crate::{args::GraphFormat, error::CliError, exit::Exit, view};

pub(super) fn run(run: &Run<'_>, format: GraphFormat) -> Result<Exit, CliError> {
    let graph = run.declare()?.graph();
    if run.console.is_json() {
        run.console.json_document(&graph);
    } else {
        let text = match format {
            GraphFormat::Dot => view::dot(&graph),
            GraphFormat::Mermaid => view::mermaid(&graph),
        };
        run.console.human(&text);
    }
    Ok(Exit::Done)
}
