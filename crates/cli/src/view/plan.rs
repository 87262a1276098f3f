//! A plan for people: grouped, aligned, with what is alike shown once.

use std::{collections::HashMap, time::Duration};

use formwork_core::{
    Action, Address, Drift, FieldChange, Group, PlanData, Reason, ResourceId, Step, Summary,
    Undecided,
    value::{Map, Path, Value},
};

use super::{
    Layout, drift,
    entry::{self, Entry, Types},
    policy,
    text::{folded, natural, seconds},
    unmanaged::unmanaged,
    value::shown,
};

/// Whether the plan changes anything that a user would call a change.
pub(crate) fn has_changes(plan: &PlanData) -> bool {
    plan.exports_change()
        || !plan.moves.is_empty()
        || (plan.refresh_only && !plan.drift.is_empty())
        || plan.steps.iter().any(|step| step.action.is_shown() && !step.is_bookkeeping())
}

/// Whether the plan puts back what drifted in this field, or replaces or removes all of it.
pub(crate) fn puts_back(plan: &PlanData, drift: &Drift, field: &FieldChange) -> bool {
    // What an import changes is in a step of its own.
    let acts = |step: &&Step| !matches!(step.action, Action::Record | Action::Import);
    let steps = plan.steps.iter().filter(acts);
    steps.filter(|step| step.address == drift.address).any(|step| {
        let concerns = |change: &FieldChange| {
            change.path.starts_with(&field.path) || field.path.starts_with(&change.path)
        };
        step.action != Action::Update || step.changes.iter().any(concerns)
    })
}

/// The plan as a page.
pub(crate) fn plan(plan: &PlanData, types: &Types<'_>, layout: &Layout) -> String {
    let mut page = format!("{}{}", narrowed(plan, layout), recovered(plan, layout));
    page.push_str(&moved(plan, layout));
    if plan.refresh_only {
        page.push_str(&refreshed(plan, layout));
    }
    let mut shown: Vec<&Step> = plan.steps.iter().filter(|step| is_listed(step)).collect();
    // What comes stands in the order of declaration; what goes has none.
    let going = |step: &Step| matches!(step.action, Action::Delete | Action::Forget);
    shown.sort_by(|a, b| match (going(a), going(b)) {
        (true, true) => natural(a.address.as_str()).cmp(&natural(b.address.as_str())),
        (a, b) => a.cmp(&b),
    });
    let old_first = old_halves(plan);
    let mut groups: Vec<Group> = shown.iter().map(|step| step.group).collect();
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let steps = shown.iter().filter(|step| step.group == group);
        let mut entries: Vec<Entry> = steps
            .map(|step| Entry::of_step(step, order(step, &old_first), types, layout))
            .collect();
        if !layout.verbose {
            entries = entry::collapsed(entries);
        }
        page.push_str(&format!("{}\n", layout.paint.bold(group.title())));
        page.push_str(&entry::page(&entries, layout));
    }
    if !plan.refresh_only {
        page.push_str(&left_alone(plan, layout));
    }
    page.push_str(&unmanaged(plan, layout));
    page.push_str(&undecided(&plan.undecided, &plan.waiting, layout));
    page.push_str(&exports(plan, layout));
    page.push_str(&warnings(plan, layout));
    page.push_str(&policy::verdict(&plan.policy, layout));
    if !page.is_empty() {
        page.push('\n');
    }
    page.push_str(&folded(&summary(plan), 0, layout.width));
    page
}

/// What is said of a plan that changes nothing.
pub(crate) fn unchanged(plan: &PlanData, took: Duration, layout: &Layout) -> String {
    let mut page = format!("{}{}", narrowed(plan, layout), recovered(plan, layout));
    let took = seconds(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let text = if plan.refresh_only {
        page.push_str(&unmanaged(plan, layout));
        format!("Nothing to record: {} ({took}).", as_recorded(plan.unchanged))
    } else {
        page.push_str(&left_alone(plan, layout));
        page.push_str(&unmanaged(plan, layout));
        page.push_str(&undecided(&plan.undecided, &plan.waiting, layout));
        page.push_str(&policy::verdict(&plan.policy, layout));
        format!("Nothing changed: {} ({took}).", as_declared(plan.unchanged))
    };
    page.push_str(&folded(&text, 0, layout.width));
    page
}

fn as_declared(n: usize) -> String {
    match n {
        0 => "there is nothing to do".to_owned(),
        1 => "1 resource is as declared".to_owned(),
        n => format!("{n} resources are as declared"),
    }
}

fn as_recorded(n: usize) -> String {
    match n {
        0 => "there is nothing to look at".to_owned(),
        1 => "1 resource is as recorded".to_owned(),
        n => format!("{n} resources are as recorded"),
    }
}

/// What the plan is about, if not the whole stack.
fn narrowed(plan: &PlanData, layout: &Layout) -> String {
    const FEW: usize = 8;
    let Some(narrowed) = &plan.narrowed else { return String::new() };
    let list = |names: &[Address]| {
        let mut names: Vec<&str> = names.iter().map(Address::as_str).collect();
        names.sort_by_key(|name| natural(name));
        let more = names.len().saturating_sub(FEW);
        names.truncate(FEW);
        match more {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    };
    let mut text = "Narrowed".to_owned();
    for (word, names) in [
        ("to", &narrowed.targets),
        ("and with it", &narrowed.pulled_in),
        ("without", &narrowed.excludes),
    ] {
        if !names.is_empty() {
            text.push_str(&format!(" {word} {}", list(names)));
        }
    }
    match narrowed.left_out.len() {
        0 => text.push_str("; nothing is left out."),
        1 => text.push_str(&format!("; 1 resource is left out: {}.", list(&narrowed.left_out))),
        n => text.push_str(&format!("; {n} resources are left out: {}.", list(&narrowed.left_out))),
    }
    folded(&text, 0, layout.width)
}

/// What is recorded by a plan that changes nothing else.
fn refreshed(plan: &PlanData, layout: &Layout) -> String {
    let entries = drift::entries(&plan.drift, |_, _| false, layout);
    if entries.is_empty() {
        return String::new();
    }
    let heading = layout.paint.bold("recorded as it is in the cloud, which stays so");
    format!("{heading}\n{}", entry::page(&entries, layout))
}

/// The old half of a replacement is told with the new one.
fn is_listed(step: &Step) -> bool {
    let old_half = step.action == Action::Delete && step.reasons.contains(&Reason::Replaced);
    step.action.is_shown() && !step.is_bookkeeping() && !old_half
}

/// The objects that replacements delete, and whether each goes before the new one comes.
fn old_halves(plan: &PlanData) -> HashMap<ResourceId, bool> {
    let deletes = plan.steps.iter().filter(|step| step.action == Action::Delete);
    deletes.map(|step| (step.id, step.leaves_row)).collect()
}

/// In which order a replacement goes.
fn order(step: &Step, old_first: &HashMap<ResourceId, bool>) -> &'static str {
    match step.replaces.filter(|_| step.is_replacement()).and_then(|old| old_first.get(&old)) {
        Some(true) => "old one goes first",
        Some(false) => "new one comes first",
        None => "",
    }
}

fn recovered(plan: &PlanData, layout: &Layout) -> String {
    if plan.recovered.is_empty() {
        return String::new();
    }
    let heading = "recovered from an earlier run";
    let mut page = format!("{}\n", layout.paint.bold(heading));
    for recovered in &plan.recovered {
        let line = format!("{}: {}", recovered.address, recovered.found);
        page.push_str(&folded(&line, 2, layout.width));
    }
    page
}

/// How many moves are shown one by one: a component may take hundreds of resources along.
const MOVES_SHOWN: usize = 20;

fn moved(plan: &PlanData, layout: &Layout) -> String {
    if plan.moves.is_empty() {
        return String::new();
    }
    let heading = "moved, and not changed by that";
    let mut page = format!("{}\n", layout.paint.bold(heading));
    let most = if layout.verbose { usize::MAX } else { MOVES_SHOWN };
    let shown = match plan.moves.len() {
        // One line that says that there is one more is no shorter.
        n if n <= most.saturating_add(1) => n,
        _ => most,
    };
    for moved in &plan.moves[..shown] {
        let line = format!("{} -> {}", moved.from, moved.to);
        page.push_str(&folded(&line, 2, layout.width));
    }
    if shown < plan.moves.len() {
        let line = format!("and {} more; --verbose shows them", plan.moves.len() - shown);
        page.push_str(&folded(&line, 2, layout.width));
    }
    page
}

/// What differs in the cloud, and stays so: the program leaves it to the cloud, or wants it so.
fn left_alone(plan: &PlanData, layout: &Layout) -> String {
    let acted = plan.steps.iter().filter(|step| step.action != Action::Record);
    let acted: HashMap<&Address, &Step> = acted.map(|step| (&step.address, step)).collect();
    // What the plan does change is shown there; a new object has nothing that is left.
    let alone: Vec<Drift> = plan
        .drift
        .iter()
        .filter_map(|drift| {
            let Some(step) = acted.get(&drift.address) else { return Some(drift.clone()) };
            let mut drift = drift.clone();
            let planned = |path: &Path| {
                step.changes.iter().any(|c| c.path.starts_with(path) || path.starts_with(&c.path))
            };
            drift.fields.retain(|field| step.action == Action::Update && !planned(&field.path));
            (!drift.fields.is_empty()).then_some(drift)
        })
        .collect();
    let alone = drift::entries(alone.iter(), |_, _| false, layout);
    if alone.is_empty() {
        return String::new();
    }
    let heading =
        layout.paint.bold("drifted, and not set otherwise by the program: `up` accepts it");
    format!("{heading}\n{}", entry::page(&alone, layout))
}

/// What is left for plans after this one, and why.
pub(crate) fn undecided(undecided: &[Undecided], waiting: &[Address], layout: &Layout) -> String {
    let mut page = String::new();
    if undecided.is_empty() && waiting.is_empty() {
        return page;
    }
    page.push_str(&format!("{}\n", layout.paint.bold("later, in a plan of its own")));
    for undecided in undecided {
        let mut text = format!("? {undecided}");
        if layout.verbose && !undecided.keeps.is_empty() {
            let keeps: Vec<&str> = undecided.keeps.iter().map(Address::as_str).collect();
            text.push_str(&format!(" ({})", keeps.join(", ")));
        }
        page.push_str(&folded(&text, 2, layout.width));
    }
    if !waiting.is_empty() {
        let mut names: Vec<&str> = waiting.iter().map(Address::as_str).collect();
        names.sort_by_key(|name| natural(name));
        let text = format!("? what uses it waits: {}", names.join(", "));
        page.push_str(&folded(&text, 2, layout.width));
    }
    page
}

fn warnings(plan: &PlanData, layout: &Layout) -> String {
    let mut page = String::new();
    for warning in &plan.warnings {
        let text = folded(&format!("warning: {warning}"), 0, layout.width);
        let rest = text.strip_prefix("warning:").unwrap_or(&text);
        page.push_str(&format!("{}{rest}", layout.paint.yellow("warning:")));
    }
    page
}

fn exports(plan: &PlanData, layout: &Layout) -> String {
    if !plan.exports_change() {
        return String::new();
    }
    let (empty, none) = (Map::new(), Value::Null);
    let planned = plan.exports.as_map().unwrap_or(&empty);
    let recorded = plan.recorded_exports.as_map().unwrap_or(&empty);
    let mut names: Vec<_> = planned.keys().chain(recorded.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut rows = Vec::new();
    for name in names {
        let (old, new) = (recorded.get(name).unwrap_or(&none), planned.get(name).unwrap_or(&none));
        if old == new {
            continue;
        }
        let text = match old.is_null() {
            true => shown(new),
            false => format!("{} -> {}", shown(old), shown(new)),
        };
        rows.push((name.to_string(), text));
    }
    format!("{}\n{}", layout.paint.bold("outputs"), entry::pairs(&rows, 4, layout))
}

fn summary(plan: &PlanData) -> String {
    if plan.refresh_only {
        let gone = plan.drift.iter().filter(|drift| drift.gone).count();
        let changed = plan.drift.len() - gone;
        return match plan.drift.len() {
            0 => format!("Nothing to record: {}.", as_recorded(plan.unchanged)),
            _ => {
                format!("Plan: {changed} to record, {gone} to drop, {} unchanged.", plan.unchanged)
            }
        };
    }
    let Summary {
        import,
        create,
        update,
        replace,
        delete,
        forget,
        settle,
        ask,
        moved,
        unchanged,
        ..
    } = plan.summary();
    let parts: Vec<String> = [
        (import, "to import"),
        (create, "to create"),
        (update, "to update"),
        (replace, "to replace"),
        (delete, "to delete"),
        (moved, "to move"),
        (settle, "to wait for"),
        (ask, "to ask"),
        (forget, "to forget"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    match (parts.is_empty(), unchanged) {
        (true, n) if plan.exports_change() => format!("Plan: outputs change, {n} unchanged."),
        (true, n) => format!("No changes: {}.", as_declared(n)),
        (false, n) => format!("Plan: {}, {n} unchanged.", parts.join(", ")),
    }
}
