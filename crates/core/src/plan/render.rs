//! The plan as text: plain, complete, and the same in every run.

use std::fmt;

use super::{Action, Cause, Fate, Plan, PlanData, Step};
use crate::{identity::Address, policy::Verdict, schema::Group, value::Value};

impl Step {
    /// The sign that stands before it: `←` taken over, `+` new, `~` changed, `±` replaced, `-` removed,
    /// `…` waited for, `×` forgotten, `?` asked.
    #[must_use]
    pub fn symbol(&self) -> &'static str {
        match self.action {
            Action::Import => "←",
            Action::Create if self.is_replacement() => "±",
            Action::Create => "+",
            Action::Update => "~",
            Action::Settle => "…",
            Action::Delete => "-",
            Action::Forget => "×",
            Action::Ask => "?",
            Action::Record | Action::Join => " ",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.data, f)
    }
}

impl fmt::Display for PlanData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(narrowed) = &self.narrowed {
            writeln!(f, "{narrowed}")?;
        }
        for recovered in &self.recovered {
            writeln!(f, "recovered {}: {}", recovered.address, recovered.found)?;
        }
        for moved in &self.moves {
            writeln!(f, "{moved}")?;
        }
        if self.refresh_only {
            write_unmanaged(f, self)?;
            return write_refresh(f, self);
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        write_verdict(f, &self.policy)?;
        let mut groups: Vec<Group> = self.steps.iter().map(|step| step.group).collect();
        groups.sort_unstable();
        groups.dedup();
        let shown = |step: &&Step| step.action.is_shown() && !step.is_bookkeeping();
        for group in groups {
            let mut steps = self.steps.iter().filter(|s| s.group == group).filter(shown).peekable();
            if steps.peek().is_some() {
                writeln!(f, "{}", group.title())?;
            }
            for step in steps {
                write_step(f, step)?;
            }
        }
        write_unmanaged(f, self)?;
        write_later(f, self)?;
        write_exports(f, self)?;
        write!(f, "{}", self.summary())
    }
}

/// What belongs to managed objects, and nobody declares; what of it is deleted stands in a step.
fn write_unmanaged(f: &mut fmt::Formatter<'_>, plan: &PlanData) -> fmt::Result {
    let Some(unmanaged) = &plan.unmanaged else {
        return writeln!(
            f,
            "what nobody declares was not looked for: only a plan does that looks at everything"
        );
    };
    let mut left = unmanaged.iter().filter(|child| child.fate != Fate::Deleted).peekable();
    if left.peek().is_some() {
        writeln!(f, "there, and declared by nobody")?;
    }
    for child in left {
        let what = match child.fate {
            Fate::GoesAlong => "goes with what it belongs to",
            Fate::Blocks => "in the way of a delete",
            _ => "stays",
        };
        write!(f, "  ! {:<40} {}  ({what}", child.address(), child.kind)?;
        let also: Vec<&str> = child.also_of.iter().map(Address::as_str).collect();
        if !also.is_empty() {
            write!(f, "; also of {}", also.join(", "))?;
        }
        if let Some(owner) = &child.owner {
            write!(f, "; it is the resource {owner} of another stack, or a forgotten one")?;
        }
        writeln!(f, ")")?;
    }
    Ok(())
}

/// What is left for plans after this one.
fn write_later(f: &mut fmt::Formatter<'_>, plan: &PlanData) -> fmt::Result {
    if plan.undecided.is_empty() && plan.waiting.is_empty() {
        return Ok(());
    }
    writeln!(f, "later")?;
    for undecided in &plan.undecided {
        writeln!(f, "  ? {undecided}")?;
    }
    for address in &plan.waiting {
        writeln!(f, "  ? {address} waits for what is undecided")?;
    }
    Ok(())
}

/// What the policies say, but for what refuses the plan.
fn write_verdict(f: &mut fmt::Formatter<'_>, verdict: &Verdict) -> fmt::Result {
    for remediation in &verdict.remediations {
        let what = if remediation.held.is_some() { "not remediated" } else { "remediated" };
        writeln!(f, "{what} {remediation}")?;
    }
    for violation in verdict.warnings() {
        let what = if violation.exempt.is_some() { "exempt" } else { "warning" };
        writeln!(f, "{what}: {violation}")?;
    }
    for deferred in &verdict.deferred {
        writeln!(f, "to be judged: {deferred}")?;
    }
    Ok(())
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    write!(f, "  {} {:<40} {}", step.symbol(), step.address, step.kind)?;
    let why: Vec<String> = step
        .reasons
        .iter()
        .filter(|reason| !matches!(reason, super::Reason::New | super::Reason::Changed))
        .map(ToString::to_string)
        .collect();
    if !why.is_empty() {
        write!(f, "  ({})", why.join("; "))?;
    }
    writeln!(f)?;
    for change in &step.changes {
        write!(f, "      {}: {} -> {}", change.path, Shown(&change.old), Shown(&change.new))?;
        let replace = if change.replace { " (forces replacement)" } else { "" };
        let drift = if change.cause == Cause::Drift { " (drifted)" } else { "" };
        writeln!(f, "{replace}{drift}")?;
    }
    if !step.takes_along.is_empty() {
        writeln!(f, "      {} more go with it", step.takes_along.len())?;
    }
    Ok(())
}

/// What a plan records that changes nothing else.
fn write_refresh(f: &mut fmt::Formatter<'_>, plan: &PlanData) -> fmt::Result {
    writeln!(f, "refresh only: what is there is recorded, and nothing else changes")?;
    for drift in &plan.drift {
        let (symbol, why) =
            if drift.gone { ("×", "  (it is gone from the cloud)") } else { ("~", "") };
        writeln!(f, "  {symbol} {:<40} {}{why}", drift.address, drift.kind)?;
        for field in &drift.fields {
            writeln!(f, "      {}: {} -> {}", field.path, Shown(&field.old), Shown(&field.new))?;
        }
    }
    write_exports(f, plan)?;
    let gone = plan.drift.iter().filter(|drift| drift.gone).count();
    let differs = plan.drift.len() - gone;
    match plan.drift.len() {
        0 => writeln!(f, "nothing to record, {} unchanged", plan.unchanged),
        _ => writeln!(f, "{differs} to record, {gone} to drop, {} unchanged", plan.unchanged),
    }
}

fn write_exports(f: &mut fmt::Formatter<'_>, plan: &PlanData) -> fmt::Result {
    if !plan.exports_change() {
        return Ok(());
    }
    writeln!(f, "outputs")?;
    let (empty, none) = (crate::value::Map::new(), Value::Null);
    let planned = plan.exports.as_map().unwrap_or(&empty);
    let recorded = plan.recorded_exports.as_map().unwrap_or(&empty);
    let mut names: Vec<_> = planned.keys().chain(recorded.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (old, new) = (recorded.get(name).unwrap_or(&none), planned.get(name).unwrap_or(&none));
        if old != new {
            writeln!(f, "    {name}: {} -> {}", Shown(old), Shown(new))?;
        }
    }
    Ok(())
}

impl fmt::Display for super::Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.import, "to import"),
            (self.create, "to create"),
            (self.update, "to update"),
            (self.replace, "to replace"),
            (self.delete, "to delete"),
            (self.moved, "to move"),
            (self.settle, "to wait for"),
            (self.ask, "to ask"),
            (self.forget, "to forget"),
        ];
        let mut any = false;
        for (n, what) in parts.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, "{}{n} {what}", if any { ", " } else { "" })?;
            any = true;
        }
        match (any, self.unchanged) {
            (true, n) => writeln!(f, ", {n} unchanged"),
            (false, n) => writeln!(f, "nothing to do, {n} unchanged"),
        }
    }
}

/// A value in a line of a plan: shortened, for a plan is read by people.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_null() {
            return f.write_str("(none)");
        }
        let text = self.0.to_string();
        match text.char_indices().nth(120) {
            Some((at, _)) => write!(f, "{}…", &text[..at]),
            None => f.write_str(&text),
        }
    }
}
