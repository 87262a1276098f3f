//! `up`: plans or takes a saved plan, asks where it must, applies, and prints what the stack reports.

use std::{path::Path, time::Instant};

use formwork_core::{Live, Plan};
use serde_json::json;

use super::{Run, Session, session::Purpose};
use crate::{approve, error::CliError, exit::Exit, view};

pub(super) async fn run(
    run: &Run<'_>,
    file: Option<&Path>,
    allow_stale: bool,
) -> Result<Exit, CliError> {
    let started = Instant::now();
    let (session, plan) = match file {
        Some(file) => run.load(file, allow_stale).await?,
        None => {
            let session = run.open(false).await?;
            let purpose =
                if run.flags.narrow.refresh_only { Purpose::Refresh } else { Purpose::Up };
            let plan = session.plan(run, purpose).await?;
            (session, plan)
        }
    };
    let Some(live) = apply(run, &session, plan, started).await? else { return Ok(Exit::Done) };
    if run.console.is_json() {
        run.console.json_line(&json!({ "event": "outputs", "outputs": live.exports() }));
        return Ok(Exit::Done);
    }
    run.console.human(&view::outputs(live.exports(), &run.console.human_layout()));
    run.hint("drift", "to compare the cloud with this");
    run.hint("destroy", "to remove all of it");
    Ok(Exit::Done)
}

/// Shows a plan, asks where it must, and applies it; nothing where it has no changes but of records.
pub(super) async fn apply(
    run: &Run<'_>,
    session: &Session,
    plan: Plan,
    started: Instant,
) -> Result<Option<Live>, CliError> {
    let layout = run.console.human_layout();
    if run.console.is_json() {
        run.console.json_line(&json!({ "event": "plan", "plan": plan.data() }));
    }
    if !view::has_changes(plan.data()) {
        // Recovered rows, new pins and the like are still to be written.
        let unwritten = !plan.data().steps.is_empty() || !plan.data().repairs.is_empty();
        run.console.human(&view::unchanged(plan.data(), started.elapsed(), &layout));
        if unwritten {
            run.apply_silently(session, plan).await?;
        }
        return Ok(None);
    }
    let types = |kind: &str| session.engine.resource_type(kind);
    if approve::is_read(run, session) {
        run.console.human(&view::plan(plan.data(), &types, &layout));
    }
    if plan.data().refresh_only {
        run.apply_silently(session, plan).await?;
        run.console.human("Recorded.\n");
        return Ok(None);
    }
    match plan.removes_all() {
        // A program may have saved a plan to remove everything.
        true => approve::destruction(run, session, &plan).await?,
        false => approve::changes(run, session, &plan).await?,
    }
    Ok(Some(run.apply(session, plan).await?))
}
