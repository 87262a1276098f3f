//! `destroy`: removes everything that the stack has.

use serde_json::json;

use super::{Run, session::Purpose};
use crate::{approve, error::CliError, exit::Exit, view};

pub(super) async fn run(run: &Run<'_>) -> Result<Exit, CliError> {
    if run.is_fresh() {
        run.declare()?;
        return Ok(nothing(run));
    }
    let session = run.open(false).await?;
    let plan = session.plan(run, Purpose::Destroy).await?;
    if plan.data().version == 0 {
        return Ok(nothing(run));
    }
    let layout = run.console.human_layout();
    if run.console.is_json() {
        run.console.json_line(&json!({ "event": "plan", "plan": plan.data() }));
    }
    if !view::has_changes(plan.data()) {
        run.console.human("Nothing to destroy.\n");
        run.apply_silently(&session, plan).await?;
        return Ok(Exit::Done);
    }
    let types = |kind: &str| session.engine.resource_type(kind);
    if approve::is_read(run, &session) {
        run.console.human(&view::plan(plan.data(), &types, &layout));
    }
    approve::destruction(run, &session, &plan).await?;
    run.apply(&session, plan).await?;
    Ok(Exit::Done)
}

/// Says that nothing was ever there.
fn nothing(run: &Run<'_>) -> Exit {
    if run.console.is_json() {
        let event = json!({ "event": "no_state", "stack": run.stack, "message": run.no_state() });
        run.console.json_line(&event);
    }
    run.console.human(&format!("Nothing to destroy: {}.\n", run.no_state()));
    Exit::Done
}
