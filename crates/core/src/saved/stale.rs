//! A plan of an older state, against a plan that is made anew: what of it is still to do, and
//! whether anything is to do beyond it.
//!
//! A stale plan is never applied itself: it was ordered and computed for a state that is no more.
//! What is applied is a new plan, of which every step must be one that the old plan has too.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Document, shape::shortened};
use crate::{
    apply::agrees,
    declare::Problem,
    identity::{Address, ResourceId},
    plan::{Action, FieldChange, Plan, PlanData, Step},
    state::Pin,
    value::{Path, Value},
};

static NULL: Value = Value::Null;

/// Everything that `fresh` does and `saved` does not, or does otherwise.
pub(super) fn beyond(document: &Document, now: &Plan) -> Vec<Problem> {
    let (saved, fresh) = (&document.plan, &now.data);
    let forward: HashMap<(&Address, Action), &Step> =
        saved.steps.iter().map(|step| ((&step.address, step.action), step)).collect();
    let removes = |step: &&Step| matches!(step.action, Action::Delete | Action::Forget);
    let gone = saved.steps.iter().filter(removes);
    let gone: HashSet<ResourceId> =
        gone.flat_map(|step| step.takes_along.iter().chain([&step.id])).copied().collect();
    let deleted: HashSet<ResourceId> = saved
        .steps
        .iter()
        .filter(|step| step.action == Action::Delete)
        .map(|step| step.id)
        .collect();
    let mut problems = Vec::new();
    for step in &fresh.steps {
        let twin = forward.get(&(&step.address, step.action)).copied();
        let why = match step.action {
            // These call nothing that changes anything.
            Action::Join | Action::Record | Action::Settle | Action::Ask => None,
            Action::Import => taken(twin, step).then(|| "import it".to_owned()),
            Action::Create => made(twin, step),
            Action::Update => {
                let import = |plan: &PlanData, id| {
                    let import =
                        plan.steps.iter().find(|s| s.action == Action::Import && s.id == id);
                    import.and_then(|step| step.import.clone())
                };
                let taken = twin.and_then(|twin| import(saved, twin.id));
                let again = taken.is_some() && taken == import(fresh, step.id);
                changed(twin, step, again)
            }
            // Each plan gives it an id of its own; what it is says its address.
            Action::Delete if step.is_of_unmanaged() => {
                let same = |was: &&Step| {
                    was.is_of_unmanaged() && was.kind == step.kind && was.provider == step.provider
                };
                twin.filter(same).is_none().then(|| "delete it".to_owned())
            }
            Action::Delete => {
                removed(deleted.contains(&step.id), &gone, step).then(|| "delete it".to_owned())
            }
            Action::Forget => {
                removed(gone.contains(&step.id), &gone, step).then(|| "forget it".to_owned())
            }
        };
        problems.extend(why.map(|what| Problem {
            address: step.address.clone(),
            field: None,
            message: format!("it would now take to {what}, which the plan does not say"),
            declared_at: step.declared_at.clone(),
        }));
    }
    answers(document, &now.made.answers, &mut problems);
    exports(saved, fresh, &mut problems);
    problems
}

/// What a create does that the plan does not say.
fn made(twin: Option<&Step>, step: &Step) -> Option<String> {
    let what = if step.is_replacement() { "replace it" } else { "create it" };
    let Some(twin) = twin.filter(|twin| twin.kind == step.kind && twin.provider == step.provider)
    else {
        return Some(what.to_owned());
    };
    // What was to be replaced may be gone by now, and must not be another one.
    if step.replaces.is_some() && step.replaces != twin.replaces {
        return Some("replace another object".to_owned());
    }
    otherwise(twin, step).map(|field| format!("{what} with another `{field}`"))
}

/// Whether an import takes over something that the plan does not say.
fn taken(twin: Option<&Step>, step: &Step) -> bool {
    twin.is_none_or(|twin| {
        (&twin.import, &twin.kind, &twin.provider) != (&step.import, &step.kind, &step.provider)
    })
}

/// What an update does that the plan does not say; `taken` says that both plans take its object over
/// first.
fn changed(twin: Option<&Step>, step: &Step, taken: bool) -> Option<String> {
    let same = |twin: &&Step| {
        (taken || twin.id == step.id)
            && (&twin.kind, &twin.provider) == (&step.kind, &step.provider)
    };
    let Some(twin) = twin.filter(same) else { return Some("update it".to_owned()) };
    let planned: BTreeMap<&Path, &FieldChange> =
        twin.changes.iter().map(|change| (&change.path, change)).collect();
    let new = step.changes.iter().find(|change| {
        planned.get(&change.path).is_none_or(|planned| !agrees(&planned.new, &change.new))
    });
    match new {
        Some(change) => Some(format!("change `{}` to {}", change.path, shortened(&change.new))),
        None => otherwise(twin, step).map(|field| format!("send another `{field}`")),
    }
}

/// The field of which another value would be sent than the plan knows.
fn otherwise<'s>(twin: &Step, step: &'s Step) -> Option<&'s str> {
    let fields = step.inputs.as_map()?;
    let differs =
        |name: &str, value: &Value| !agrees(twin.inputs.get(name).unwrap_or(&NULL), value);
    fields.iter().find(|(name, value)| differs(name, value)).map(|(name, _)| name.as_ref())
}

/// Whether a removal is one that the plan does not say.
fn removed(said: bool, gone: &HashSet<ResourceId>, step: &Step) -> bool {
    !said || step.takes_along.iter().any(|row| !gone.contains(row))
}

/// The lookups have the answers that the plan was made with.
fn answers(document: &Document, fresh: &[Pin], problems: &mut Vec<Problem>) {
    let planned: BTreeMap<&Address, &Pin> =
        document.answers.iter().map(|pin| (&pin.address, pin)).collect();
    let asked = document.plan.steps.iter().filter(|step| step.action == Action::Ask);
    // Of these the plan has no answer yet.
    let asked: HashSet<&Address> = asked.map(|step| &step.address).collect();
    for now in fresh.iter().filter(|now| !asked.contains(&now.address)) {
        if planned.get(&now.address) != Some(&now) {
            problems.push(Problem {
                address: now.address.clone(),
                field: None,
                message: "the lookup has another answer now than the plan was made with".to_owned(),
                declared_at: "its lookup".to_owned(),
            });
        }
    }
}

fn exports(saved: &PlanData, fresh: &PlanData, problems: &mut Vec<Problem>) {
    for (name, now) in fresh.exports.as_map().into_iter().flat_map(crate::value::Map::iter) {
        let was = saved.exports.get(name).unwrap_or(&NULL);
        if !agrees(was, now) {
            problems.push(Problem {
                address: "".into(),
                field: Some(name.to_string()),
                message: format!(
                    "it would be {} now, and the plan says {}",
                    shortened(now),
                    shortened(was)
                ),
                declared_at: "its export".to_owned(),
            });
        }
    }
}
