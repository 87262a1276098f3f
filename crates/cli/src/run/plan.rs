//! `plan`: shows what would change, and changes nothing but the file that it is saved to.

use std::path::Path;

use super::{Run, session::Purpose};
use crate::{error::CliError, exit::Exit, view};

pub(super) async fn run(run: &Run<'_>, out: Option<&Path>) -> Result<Exit, CliError> {
    if let Some(out) = out {
        run.check_out(out)?;
    }
    let session = run.open(true).await?;
    let purpose = if run.flags.narrow.refresh_only { Purpose::Refresh } else { Purpose::Up };
    let plan = session.plan(run, purpose).await?;
    let changes = view::has_changes(plan.data());
    if let Some(out) = out {
        run.save(&session, &plan, out)?;
    }
    if run.console.is_json() {
        run.console.json_document(plan.data());
    } else {
        let layout = run.console.human_layout();
        let types = |kind: &str| session.engine.resource_type(kind);
        run.console.human(&view::plan(plan.data(), &types, &layout));
        if session.cloud.real && changes && !plan.data().refresh_only {
            let estimate = session.estimate(&plan).await?;
            run.console.human(&view::target(&session, estimate.as_ref(), &layout));
        }
        if changes && out.is_none() {
            let what = if plan.data().refresh_only { "to record it" } else { "to make it so" };
            run.hint(&run.narrowed("up"), what);
        }
    }
    if let Some(out) = out {
        let out = out.display();
        run.console.note(&format!("saved as {out}"));
        run.hint(&format!("up {out}"), "to do exactly this");
    }
    let told = run.flags.exit_code && changes;
    Ok(if told { Exit::Changes } else { Exit::Done })
}
