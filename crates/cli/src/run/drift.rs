//! `drift`: prints exactly the fields that differ from what the last `up` left.

use serde_json::json;

use super::Run;
use crate::{error::CliError, exit::Exit, view};

pub(super) async fn run(run: &Run<'_>) -> Result<Exit, CliError> {
    if run.is_fresh() {
        run.declare()?;
        return Ok(nothing(run));
    }
    let session = run.open(true).await?;
    let plan = session.plan_drift(run).await?;
    if plan.data().version == 0 {
        return Ok(nothing(run));
    }
    let (drift, unmanaged) = (&plan.data().drift, &plan.data().unmanaged);
    let strangers = view::has_strangers(plan.data());
    if run.console.is_json() {
        let report = json!({ "stack": plan.stack(), "drift": drift, "unmanaged": unmanaged });
        run.console.json_document(&report);
    } else {
        run.console.human(&view::drift(plan.data(), &run.console.human_layout()));
        if !drift.is_empty() {
            let put_back = drift.iter().any(|of| {
                of.gone || of.fields.iter().any(|field| view::puts_back(plan.data(), of, field))
            });
            // What could not be planned by itself takes a run that is about more.
            let up = if plan.data().refresh_only { "up".to_owned() } else { run.narrowed("up") };
            let put_back = put_back || plan.data().refresh_only;
            run.hint(&up, if put_back { "to put it back" } else { "to accept it" });
        }
    }
    let told = run.flags.exit_code && (!drift.is_empty() || strangers);
    Ok(if told { Exit::Changes } else { Exit::Done })
}

/// Says that there is nothing that could have drifted.
fn nothing(run: &Run<'_>) -> Exit {
    if run.console.is_json() {
        let report = json!({ "stack": run.stack, "drift": [], "unmanaged": [] });
        run.console.json_document(&report);
    }
    run.console.human(&format!("Nothing to compare: {}.\n", run.no_state()));
    Exit::Done
}
