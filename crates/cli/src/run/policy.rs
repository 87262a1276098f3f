//! `policy`: lists the policies of the program, and judges what it declares now.

use formwork_core::{PlanError, Policy, Verdict};
use serde_json::{Value, json};

use super::{Run, session::Purpose};
use crate::{error::CliError, exit::Exit, view};

pub(super) async fn run(run: &Run<'_>) -> Result<Exit, CliError> {
    let session = run.open(true).await?;
    if session.engine.policies().next().is_none() {
        if run.console.is_json() {
            let verdict = Verdict::default();
            run.console
                .json_document(&json!({ "policies": [], "refused": false, "verdict": verdict }));
        }
        run.console.human("This program has no policies.\n");
        return Ok(Exit::Done);
    }
    let verdict = match session.plan(run, Purpose::Up).await {
        Ok(plan) => plan.data().policy.clone(),
        Err(CliError::Plan(error)) => match *error {
            PlanError::Policy { verdict, .. } => *verdict,
            other => return Err(Box::new(other).into()),
        },
        Err(other) => return Err(other),
    };
    let refused = verdict.refusals().next().is_some();
    if run.console.is_json() {
        let policies: Vec<Value> = session.engine.policies().map(data).collect();
        let document = json!({ "policies": policies, "refused": refused, "verdict": verdict });
        run.console.json_document(&document);
    } else {
        let layout = run.console.human_layout();
        run.console.human(&view::policies(session.engine.policies(), &layout));
        run.console.human(&view::refusals(&verdict, &layout));
        run.console.human(&format!("\n{}", view::verdict(&verdict, &layout)));
        run.console.human(&view::judgement(&verdict));
    }
    Ok(if refused { Exit::Error } else { Exit::Done })
}

fn data(policy: &Policy) -> Value {
    json!({
        "name": policy.name(),
        "level": policy.is(),
        "about": policy.demands(),
        "remedy": policy.advice(),
        "source": policy.comes_from(),
        "kinds": policy.kinds(),
        "on_unknown": policy.of_unknowns(),
        "remediates": policy.remediates(),
        "strict": policy.is_strict(),
    })
}
