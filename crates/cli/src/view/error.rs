//! Errors for people and for machines: each failure with its resource, its line, the call and the
//! request id, and what to try.

use std::error::Error;

use formwork_core::{
    Action, Address, ApplyError, DeclareError, Failure, LoadPlanError, Missing, PlanError, Problem,
    ProviderError, Report, UnknownAddress,
    state::{Change, Status, Verb},
};
use miette::Diagnostic;
use serde_json::{Value, json};

use super::{
    Layout,
    text::{folded, natural, plain},
};
use crate::error::{CliError, Doing, provider_advice};

/// The error as a page.
pub(crate) fn error(error: &CliError, layout: &Layout) -> String {
    let mut page = Page { layout: *layout, text: String::new() };
    match error {
        CliError::Declare(DeclareError::Invalid { stack, problems }) => {
            page.head(&headline(error));
            page.problems(stack, problems);
        }
        CliError::Plan(plan) => match plan.as_ref() {
            PlanError::Invalid { stack, problems } => {
                page.head(&headline(error));
                page.problems(stack, problems);
            }
            PlanError::Protected { addresses } => {
                page.head(&headline(error));
                for (address, why) in addresses {
                    page.item(address.as_str(), std::slice::from_ref(why));
                }
            }
            PlanError::LeftOut { missing } => {
                page.head(&headline(error));
                for missing in missing {
                    page.item(missing.address.as_str(), &[missing.why.to_string()]);
                }
            }
            PlanError::UnknownAddresses { unknown } => {
                page.head(&headline(error));
                for unknown in unknown {
                    let meant = unknown.nearest.as_ref();
                    let meant = meant.map(|nearest| format!("did you mean {nearest}?"));
                    page.item(unknown.address.as_str(), meant.as_slice());
                }
            }
            PlanError::Excluded { addresses, .. } => {
                page.head(&headline(error));
                for address in addresses {
                    page.item(address.as_str(), &[]);
                }
            }
            PlanError::Lookup { source, .. } | PlanError::Refresh { source, .. } => {
                page.head(&plan.to_string());
                page.line(&call(source));
                if let Some(request) = &source.request_id {
                    page.line(&format!("request {request}"));
                }
            }
            other => page.chain(other),
        },
        CliError::Load(load) => match load.as_ref() {
            LoadPlanError::Differs { stack, problems }
            | LoadPlanError::Beyond { stack, problems } => {
                page.head(&headline(error));
                page.problems(stack, problems);
            }
            other => page.chain(other),
        },
        CliError::Apply(apply) => match apply.as_ref() {
            ApplyError::Failed(report) => {
                page.head(&headline(error));
                page.report(report);
            }
            ApplyError::Cancelled(report) => {
                page.head(&headline(error));
                page.report(report);
            }
            other => page.chain(other),
        },
        CliError::Unsaved { source, kept } => {
            page.chain(source.as_ref());
            match kept {
                Ok(file) => page.line(&format!("what is not recorded is in {}", file.display())),
                Err(why) => page.line(&format!("what is not recorded could not be kept: {why}")),
            }
            if let ApplyError::Unsaved { unsaved, report, .. } = source.as_ref() {
                for change in &unsaved.changes {
                    page.line(&unsaved_change(change));
                }
                page.report(report);
            }
        }
        other => page.chain(other),
    }
    if let Some(help) = error.help() {
        page.help(&help.to_string());
    }
    page.text
}

/// A change of the state in a line: what it is of, for the content is in the file.
fn unsaved_change(change: &Change) -> String {
    match change {
        Change::Put(record) => format!(
            "{}: its record, as {}",
            record.address,
            match &record.status {
                Status::Ready => "ready",
                Status::Settling => "on its way",
                Status::Incomplete { .. } => "incomplete",
                Status::Absent => "gone",
            }
        ),
        Change::Remove(id) => format!("{id}: that it is gone"),
        Change::Open(intent) => match &intent.record {
            Some(record) => {
                format!("{}: that a call to {} it is under way", record.address, verb(intent.verb))
            }
            None => format!("{}: that a call to {} it is under way", intent.id, verb(intent.verb)),
        },
        Change::Close(id) => format!("{id}: that its call ended"),
        Change::Pin(pin) => format!("{}: its answer", pin.address),
        Change::Unpin(address) => format!("{address}: that its answer is forgotten"),
        Change::Target(target) => format!("where the provider `{}` points", target.provider),
        Change::Exports(_) => "the outputs of the stack".to_owned(),
        Change::Depart(departed) => {
            format!("{}: that it went to {}", departed.address, departed.to)
        }
        Change::Return(address) => format!("{address}: that what went from there is forgotten"),
    }
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

/// The first sentence of the error; what it is made of is told by itself.
fn headline(error: &CliError) -> String {
    let wrong = |stack: &str, problems: &[Problem]| {
        format!("the declaration of `{stack}` has {}", counted(problems.len(), "problem"))
    };
    match error {
        CliError::Declare(DeclareError::Invalid { stack, problems }) => wrong(stack, problems),
        CliError::Plan(plan) => match plan.as_ref() {
            PlanError::Invalid { stack, problems } => wrong(stack, problems),
            PlanError::Protected { addresses } => {
                format!("{} would be deleted", counted(addresses.len(), "protected resource"))
            }
            PlanError::LeftOut { missing } => {
                let left_out = counted(missing.len(), "resource");
                format!(
                    "the plan is narrowed, and leaves out {left_out} that it can not do without"
                )
            }
            PlanError::UnknownAddresses { unknown } => match unknown.len() {
                1 => "nothing that is declared or recorded has this address".to_owned(),
                n => format!("nothing that is declared or recorded has these {n} addresses"),
            },
            PlanError::Excluded { excludes, .. } => {
                let names: Vec<&str> = excludes.iter().map(Address::as_str).collect();
                format!("nothing is left of what was asked for without {}", some(&names))
            }
            other => first_line(other),
        },
        CliError::Load(load) => match load.as_ref() {
            LoadPlanError::Differs { stack, problems } => {
                let n = counted(problems.len(), "difference");
                format!("{n} to what the plan of `{stack}` was made with")
            }
            LoadPlanError::Beyond { stack, .. } => format!(
                "the state of `{stack}` changed since, and it takes more now than the plan says"
            ),
            other => first_line(other),
        },
        CliError::Apply(apply) => match apply.as_ref() {
            ApplyError::Failed(report) => {
                format!("{} failed{}", counted(report.failures.len(), "step"), rest(report))
            }
            ApplyError::Cancelled(report) => format!("cancelled{}", rest(report)),
            other => first_line(other),
        },
        CliError::Usage(usage) => {
            let line = first_line(usage);
            line.strip_prefix("error: ").unwrap_or(&line).to_owned()
        }
        other => first_line(other),
    }
}

fn first_line(error: &dyn Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn rest(report: &Report) -> String {
    format!("; {} done, {} not tried", report.done, report.skipped.len())
}

/// A call that failed, in one line.
fn call(error: &ProviderError) -> String {
    let mut line = format!("{}: {}", error.operation, error.message);
    if let Some(code) = &error.code {
        line.push_str(&format!(" ({code})"));
    }
    line
}

/// The first of many, and how many more.
fn some(names: &[&str]) -> String {
    const FEW: usize = 8;
    let shown = names.iter().take(FEW).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Failures in sets that differ in the resource alone.
fn alike(failures: &[Failure]) -> Vec<Vec<&Failure>> {
    let mut sets: Vec<Vec<&Failure>> = Vec::new();
    for failure in failures {
        let same = |set: &&mut Vec<&Failure>| {
            let other = set[0];
            other.kind == failure.kind
                && other.action == failure.action
                && other.declared_at == failure.declared_at
                && call(&other.error) == call(&failure.error)
        };
        match sets.iter_mut().find(same) {
            Some(set) => set.push(failure),
            None => sets.push(vec![failure]),
        }
    }
    sets
}

struct Page {
    layout: Layout,
    text: String,
}

impl Page {
    fn head(&mut self, message: &str) {
        let paint = self.layout.paint;
        let page = folded(&format!("error: {message}"), 0, self.layout.width);
        let rest = page.strip_prefix("error:").unwrap_or(&page);
        self.text.push_str(&paint.red("error:"));
        self.text.push_str(rest);
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(&folded(text, 2, self.layout.width));
    }

    /// An error and its causes.
    fn chain(&mut self, error: &dyn Error) {
        self.head(&error.to_string());
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                self.line(&format!("because: {text}"));
                said = text;
            }
            cause = error.source();
        }
    }

    fn item(&mut self, title: &str, lines: &[String]) {
        let paint = self.layout.paint;
        let title = folded(&plain(title), 4, self.layout.width);
        let title = paint.bold(title.trim());
        self.text.push_str(&format!("\n  {} {title}\n", paint.red("×")));
        for line in lines {
            self.text.push_str(&folded(line, 4, self.layout.width));
        }
    }

    fn help(&mut self, text: &str) {
        let page = folded(&format!("help: {text}"), 0, self.layout.width);
        let rest = page.strip_prefix("help:").unwrap_or(&page);
        self.text.push_str(&format!("\n{}{rest}", self.layout.paint.cyan("help:")));
    }

    fn problems(&mut self, stack: &str, problems: &[Problem]) {
        for problem in problems {
            let title = match (&problem.field, problem.address.as_str()) {
                (Some(field), "") => field.clone(),
                (None, "") => format!("stack `{stack}`"),
                (Some(field), address) => format!("{address}.{field}"),
                (None, address) => address.to_owned(),
            };
            let at = match problem.declared_at.strip_prefix("--") {
                Some(flag) => format!("given with --{flag}"),
                None => format!("declared at {}", problem.declared_at),
            };
            self.item(&title, &[problem.message.clone(), at]);
        }
    }

    fn report(&mut self, report: &Report) {
        for alike in alike(&report.failures) {
            let first = alike[0];
            let names: Vec<&str> = alike.iter().map(|failure| failure.address.as_str()).collect();
            let title = format!("{} ({}) {}", some(&names), first.kind, undone(first.action));
            let mut lines = vec![call(&first.error), format!("declared at {}", first.declared_at)];
            let requests: Vec<&str> =
                alike.iter().filter_map(|failure| failure.error.request_id.as_deref()).collect();
            if !requests.is_empty() {
                lines.push(format!("request {}", some(&requests)));
            }
            lines.push(format!(
                "try: {}",
                provider_advice(first.error.kind, Doing::Step(first.action))
            ));
            self.item(&title, &lines);
        }
        let mut because: Vec<&str> =
            report.skipped.iter().filter_map(|s| Some(s.because.as_ref()?.as_str())).collect();
        because.sort_unstable();
        because.dedup();
        let mut apart = false;
        for failed in because {
            // Several steps of one resource, such as the two halves of a replacement, are one name.
            let mut skipped: Vec<&str> = report
                .skipped
                .iter()
                .filter(|skip| skip.because.as_ref().is_some_and(|b| b.as_str() == failed))
                .map(|skip| skip.address.as_str())
                .filter(|address| *address != failed)
                .collect();
            skipped.sort_by_key(|address| natural(address));
            skipped.dedup();
            if skipped.is_empty() {
                continue;
            }
            if !std::mem::replace(&mut apart, true) {
                self.text.push('\n');
            }
            self.line(&format!("not tried, because of {failed}: {}", some(&skipped)));
        }
    }
}

const fn undone(action: Action) -> &'static str {
    match action {
        Action::Create => "could not be created",
        Action::Update => "could not be updated",
        Action::Delete => "could not be deleted",
        Action::Settle => "was not seen ready",
        Action::Ask => "could not be asked",
        _ => "could not be recorded",
    }
}

/// The error as one JSON value.
pub(crate) fn error_json(error: &CliError) -> Value {
    let text =
        |shown: Option<Box<dyn std::fmt::Display + '_>>| shown.map(|shown| shown.to_string());
    let failure = |failure: &Failure| {
        json!({
            "address": failure.address,
            "kind": failure.kind,
            "action": failure.action,
            "declared_at": failure.declared_at,
            "error": failure.error,
        })
    };
    let mut value = json!({
        "event": "error",
        "code": text(error.code()),
        "message": headline(error),
        "help": text(error.help()),
    });
    let problems: Option<&[Problem]> = match error {
        CliError::Declare(DeclareError::Invalid { problems, .. }) => Some(problems),
        CliError::Plan(plan) => match plan.as_ref() {
            PlanError::Invalid { problems, .. } => Some(problems),
            _ => None,
        },
        CliError::Load(load) => match load.as_ref() {
            LoadPlanError::Differs { problems, .. } | LoadPlanError::Beyond { problems, .. } => {
                Some(problems)
            }
            _ => None,
        },
        _ => None,
    };
    if let Some(problems) = problems {
        value["problems"] = json!(problems);
    }
    if let CliError::Plan(plan) = error {
        match plan.as_ref() {
            PlanError::LeftOut { missing } => {
                let line =
                    |of: &Missing| json!({ "address": of.address, "why": of.why.to_string() });
                value["missing"] = missing.iter().map(line).collect();
            }
            PlanError::UnknownAddresses { unknown } => {
                let line =
                    |of: &UnknownAddress| json!({ "address": of.address, "nearest": of.nearest });
                value["unknown"] = unknown.iter().map(line).collect();
            }
            PlanError::Excluded { addresses, .. } => value["addresses"] = json!(addresses),
            _ => {}
        }
    }
    let report = match error {
        CliError::Apply(apply) => match apply.as_ref() {
            ApplyError::Failed(report) | ApplyError::Cancelled(report) => Some(report),
            _ => None,
        },
        CliError::Unsaved { source, kept } => {
            value["file"] = json!(kept.as_ref().ok());
            match source.as_ref() {
                ApplyError::Unsaved { report, .. } => Some(report),
                _ => None,
            }
        }
        _ => None,
    };
    if let Some(report) = report {
        value["failures"] = report.failures.iter().map(failure).collect();
        value["done"] = report.done.into();
        value["skipped"] = report.skipped.iter().map(|skip| json!(skip.address)).collect();
    }
    value
}
