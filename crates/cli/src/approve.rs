//! Asking before a cloud is changed where changes have consequences.
//!
//! A harmless cloud never asks. A real one shows where it points and what the stack costs by the
//! hour, then asks on a terminal and refuses elsewhere. `--yes` answers, up to the ceiling.

use formwork_core::Plan;

use crate::{
    args::Ceiling,
    cloud::Estimate,
    error::CliError,
    run::{Run, Session},
    view,
};

/// Whether a plan is shown to people: after `--json` only before they are asked about it.
pub(crate) fn is_read(run: &Run<'_>, session: &Session) -> bool {
    !run.console.is_json() || (session.cloud.real && can_ask(run))
}

/// Gets the user's consent to `plan`.
pub(crate) async fn changes(run: &Run<'_>, session: &Session, plan: &Plan) -> Result<(), CliError> {
    if !session.cloud.real || !plan.steps().any(|step| step.action.mutates()) {
        return Ok(());
    }
    let estimate = session.estimate(plan).await?;
    show_target(run, session, estimate.as_ref());
    match too_dear(estimate.as_ref(), run.flags.max_hourly) {
        None if run.flags.yes => Ok(()),
        None => {
            let answer = ask(run, "Make these changes? [y/N] ").await?.to_lowercase();
            if matches!(answer.as_str(), "y" | "yes") { Ok(()) } else { Err(not_approved()) }
        }
        Some(why) if run.flags.yes || !can_ask(run) => {
            Err(CliError::refused(format!("{why}; nothing was changed")).with_help(
                "approve it at the prompt, or raise --max-hourly (`none` takes the ceiling away)",
            ))
        }
        Some(why) => {
            run.console.note(&capitalised(&why));
            ask_for_name(run, "go on").await
        }
    }
}

/// Gets the user's consent to the removal of everything, or of a part.
pub(crate) async fn destruction(
    run: &Run<'_>,
    session: &Session,
    plan: &Plan,
) -> Result<(), CliError> {
    if !session.cloud.real || run.flags.yes || !plan.steps().any(|step| step.action.mutates()) {
        return Ok(());
    }
    show_target(run, session, None);
    let part = plan.data().narrowed.is_some();
    ask_for_name(run, if part { "remove this part of it" } else { "remove all of it" }).await
}

/// Gets the user's consent to an edit of the state, which has been shown.
pub(crate) async fn edit(run: &Run<'_>) -> Result<(), CliError> {
    if run.flags.yes {
        return Ok(());
    }
    if !can_ask(run) {
        let message = "this edits the state, and there is nobody to ask; nothing was changed";
        let help = "run it on a terminal, or with --yes; --dry-run only shows it";
        return Err(CliError::refused(message).with_help(help));
    }
    let answer = ask(run, "Edit the state so? [y/N] ").await?.to_lowercase();
    if matches!(answer.as_str(), "y" | "yes") { Ok(()) } else { Err(not_approved()) }
}

fn show_target(run: &Run<'_>, session: &Session, estimate: Option<&Estimate>) {
    run.console.err(&view::target(session, estimate, &run.console.err_layout()));
}

/// Why the plan is above the ceiling, if it is, or may be.
fn too_dear(estimate: Option<&Estimate>, ceiling: Ceiling) -> Option<String> {
    let Ceiling::Dollars(ceiling) = ceiling else { return None };
    let limit = format!("the ceiling is {} per hour (--max-hourly)", view::money(ceiling));
    let Some(estimate) = estimate else {
        return Some(format!("what this costs is not known, and {limit}"));
    };
    if estimate.dollars() > ceiling {
        let costs = view::money(estimate.dollars());
        return Some(format!("this costs about {costs} per hour, and {limit}"));
    }
    if !estimate.unpriced.is_empty() {
        let what = estimate.unpriced.join(", ");
        return Some(format!("the price of {what} is not known, and {limit}"));
    }
    None
}

fn can_ask(run: &Run<'_>) -> bool {
    run.input.is_terminal() && !run.flags.no_input
}

async fn ask_for_name(run: &Run<'_>, what: &str) -> Result<(), CliError> {
    let question = format!("Type the stack's name, {}, to {what}: ", run.stack);
    if ask(run, &question).await? == run.stack { Ok(()) } else { Err(not_approved()) }
}

/// The user's answer; refuses where there is nobody to give one.
async fn ask(run: &Run<'_>, question: &str) -> Result<String, CliError> {
    if !can_ask(run) {
        let message = "this changes a real cloud, and there is nobody to ask; nothing was changed";
        return Err(CliError::refused(message).with_help("run it on a terminal, or with --yes"));
    }
    run.console.err(question);
    let answer = run.interruptible(async { Ok(run.input.line().await) }).await;
    if !matches!(answer, Ok(Some(_))) {
        // Nobody has ended the line.
        run.console.err("\n");
    }
    Ok(answer?.unwrap_or_default())
}

fn not_approved() -> CliError {
    CliError::refused("not approved; nothing was changed")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
