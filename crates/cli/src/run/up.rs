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
    let (changed, mut live) = wave(run, &session, plan, started).await?;
    if !changed {
        return Ok(Exit::Done);
    }
    match file {
        Some(_) => left(run, &live),
        None => live = onward(run, &session, live).await?,
    }
    if run.console.is_json() {
        run.console.json_line(&json!({ "event": "outputs", "outputs": live.exports() }));
        return Ok(Exit::Done);
    }
    run.console.human(&view::outputs(live.exports(), &run.console.human_layout()));
    if !live.undecided().is_empty() {
        run.hint("up", "to go on with what this decided");
        return Ok(Exit::Done);
    }
    run.hint("drift", "to compare the cloud with this");
    run.hint("destroy", "to remove all of it");
    Ok(Exit::Done)
}

/// How many plans are made one after the other: each decides something, so this is far more than
/// there are decisions in each other.
const WAVES: usize = 100;

/// Goes on with what a run decided: plans again, and asks where it must, until nothing is undecided
/// or there is no way on.
async fn onward(run: &Run<'_>, session: &Session, mut live: Live) -> Result<Live, CliError> {
    for _ in 0..WAVES {
        if live.undecided().is_empty() {
            break;
        }
        let next = async {
            let plan = session.plan(run, Purpose::Onward).await?;
            wave(run, session, plan, Instant::now()).await
        };
        let (changed, next) = next.await.inspect_err(|_| {
            let text =
                "the plan before this one was applied and is recorded; this is about the next:";
            run.console.note(text);
        })?;
        live = next;
        if !changed {
            break;
        }
    }
    Ok(live)
}

/// Says what is left to plan after a saved plan.
fn left(run: &Run<'_>, live: &Live) {
    if live.undecided().is_empty() {
        return;
    }
    if run.console.is_json() {
        run.console.json_line(&json!({ "event": "undecided", "undecided": live.undecided() }));
    }
    let layout = run.console.human_layout();
    run.console.human(&view::undecided(live.undecided(), &[], &layout));
}

/// Shows a plan, asks where it must, and applies it. Returns whether there was anything to change.
async fn wave(
    run: &Run<'_>,
    session: &Session,
    plan: Plan,
    started: Instant,
) -> Result<(bool, Live), CliError> {
    let layout = run.console.human_layout();
    if run.console.is_json() {
        run.console.json_line(&json!({ "event": "plan", "plan": plan.data() }));
    }
    if !view::has_changes(plan.data()) {
        run.console.human(&view::unchanged(plan.data(), started.elapsed(), &layout));
        // Recovered rows, new pins and the like are still to be written.
        return Ok((false, run.apply_silently(session, plan).await?));
    }
    let types = |kind: &str| session.engine.resource_type(kind);
    if approve::is_read(run, session) {
        run.console.human(&view::plan(plan.data(), &types, &layout));
    }
    if plan.data().refresh_only {
        let live = run.apply_silently(session, plan).await?;
        run.console.human("Recorded.\n");
        return Ok((false, live));
    }
    match plan.removes_all() {
        // A program may have saved a plan to remove everything.
        true => approve::destruction(run, session, &plan).await?,
        false => approve::changes(run, session, &plan).await?,
    }
    Ok((true, run.apply(session, plan).await?))
}
