//! Events as sentences.

use formwork_core::{Action, Event, StepInfo, Summary};

use crate::view::{Paint, plain, seconds};

const fn past(of: &StepInfo) -> &'static str {
    match (of.action, of.replacement) {
        (Action::Create, true) => "replaced",
        (Action::Create, false) => "created",
        (Action::Update, _) => "updated",
        (Action::Settle, _) => "ready",
        (Action::Ask, _) => "asked",
        (Action::Delete, true) => "deleted the old",
        (Action::Delete, false) => "deleted",
        (Action::Forget, _) => "forgot",
        _ => "recorded",
    }
}

/// What a step does, while it does it.
pub(super) const fn present(of: &StepInfo) -> &'static str {
    match (of.action, of.replacement) {
        (Action::Create, true) => "replacing",
        (Action::Create, false) => "creating",
        (Action::Update, _) => "updating",
        (Action::Settle, _) => "waiting for",
        (Action::Ask, _) => "asking",
        (Action::Delete, true) => "deleting the old",
        (Action::Delete, false) => "deleting",
        (Action::Forget, _) => "forgetting",
        _ => "recording",
    }
}

fn coloured(paint: Paint, of: &StepInfo, text: &str) -> String {
    match of.action {
        Action::Create | Action::Settle => paint.green(text),
        Action::Update => paint.yellow(text),
        Action::Delete => paint.red(text),
        _ => paint.dim(text),
    }
}

/// The sentence that stays of an event, if one does: ends and failures, and what the user should
/// know meanwhile. What is only recorded is not told.
pub(super) fn lasting(event: &Event, summary: &Summary, paint: Paint) -> Option<String> {
    match event {
        // Rows of what is gone anyway.
        Event::StepFinished { of, .. } if of.action == Action::Forget && summary.forget == 0 => {
            None
        }
        Event::StepFinished { of, elapsed_ms, physical_id } if of.action.is_shown() => {
            let done = coloured(paint, of, past(of));
            let id = match physical_id {
                Some(id) if !matches!(of.action, Action::Delete | Action::Forget) => {
                    format!(" {}", paint.dim(&plain(id)))
                }
                _ => String::new(),
            };
            Some(format!("{done} {}{id} ({})", of.address, seconds(*elapsed_ms)))
        }
        Event::StepFailed { of, elapsed_ms, error } => Some(format!(
            "{} {} {} ({}): {}",
            paint.red("failed"),
            present(of),
            of.address,
            seconds(*elapsed_ms),
            plain(&error.to_string())
        )),
        Event::HooksStarted { of, point, names } => {
            let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
            let text = format!("hook {} of {}, {point}", names.join(", "), of.address);
            Some(paint.dim(&text))
        }
        Event::Cancelling { abort: false } => Some(
            paint.yellow("stopping: calls in flight are waited for; interrupt again to drop them"),
        ),
        Event::Cancelling { abort: true } => {
            Some(paint.yellow("aborting: the next run looks what became of the calls in flight"))
        }
        _ => None,
    }
}

/// What a complete run did.
pub(super) fn finished(summary: &Summary, elapsed_ms: u64) -> String {
    let parts: Vec<String> = [
        (summary.create, "created"),
        (summary.update, "updated"),
        (summary.replace, "replaced"),
        (summary.delete, "deleted"),
        (summary.moved, "moved"),
        (summary.settle, "ready"),
        (summary.ask, "asked"),
        (summary.forget, "forgotten"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    match parts.is_empty() {
        true => format!("Done in {}.", seconds(elapsed_ms)),
        false => format!("Done: {} in {}.", parts.join(", "), seconds(elapsed_ms)),
    }
}
