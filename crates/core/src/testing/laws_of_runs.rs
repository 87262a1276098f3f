//! The laws about one run: what it did was planned, deletes came in order, and no secret was told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    cloud::{Call, Object, Op},
    world::physical,
};
use crate::{
    identity::ResourceId,
    plan::{Action, PlanData, Step},
    state::{Record, Snapshot, Status},
};

/// What was done and not planned, or more often than planned.
pub(super) fn planned(plan: &PlanData, calls: &[Call]) -> Vec<String> {
    let mut left: BTreeMap<(Op, &str), usize> = BTreeMap::new();
    for step in &plan.steps {
        let op = match step.action {
            Action::Create => Op::Create,
            Action::Update => Op::Update,
            Action::Delete => Op::Delete,
            _ => continue,
        };
        *left.entry((op, step.address.as_str())).or_default() += 1;
    }
    let mut broken = Vec::new();
    let changes = |call: &&Call| matches!(call.op, Op::Create | Op::Update | Op::Delete);
    for call in calls.iter().filter(changes) {
        match left.get_mut(&(call.op, call.address.as_str())) {
            None => broken.push(format!("`{}` was called and not planned", call.name())),
            Some(0) if call.done => {
                broken.push(format!("`{}` was done more often than planned", call.name()));
            }
            Some(n) if call.done => *n -= 1,
            Some(_) => {}
        }
    }
    broken
}

/// Deletes that came before something that needed the object let go of it.
///
/// Who needs it stands in the recorded graph. Only where the plan says that the row stays behind as
/// a tombstone may others let go of it later: a replacement that deletes first, a name that another
/// one takes.
pub(super) fn delete_order(
    plan: &PlanData,
    before: &Snapshot,
    there: &BTreeMap<String, Object>,
    calls: &[Call],
) -> Vec<String> {
    let rows: HashMap<&str, &Record> = before
        .records
        .values()
        .filter(|row| row.status != Status::Absent)
        .filter_map(|row| Some((physical(row)?, row)))
        .collect();
    let steps: HashMap<ResourceId, &Step> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Delete)
        .map(|step| (step.id, step))
        .collect();
    let taken: BTreeSet<ResourceId> =
        plan.steps.iter().flat_map(|step| step.takes_along.iter().copied()).collect();
    let mut broken = Vec::new();
    for delete in calls.iter().filter(|call| call.op == Op::Delete && call.done) {
        let Some(row) = delete.id.as_deref().and_then(|id| rows.get(id)) else { continue };
        let stays = steps.get(&row.id).is_some_and(|step| step.leaves_row);
        for (id, user) in rows.iter().filter(|(id, _)| there.contains_key(**id)) {
            if !user.depends_on.contains(&row.id) || taken.contains(&user.id) {
                continue;
            }
            let of = |op: Op| {
                let own = move |call: &&Call| call.op == op && call.id.as_deref() == Some(*id);
                calls.iter().filter(own).filter(|call| call.done)
            };
            let early = |call: &Call| call.ended.is_some_and(|ended| ended < delete.started);
            if let Some(gone) = of(Op::Delete).next() {
                if !early(gone) {
                    broken.push(format!("{:?} was deleted before {id}, which needs it", delete.id));
                }
            } else if let Some(moved) = of(Op::Update).next()
                && !stays
                && !early(moved)
            {
                broken.push(format!("{:?} was deleted before {id} let go of it", delete.id));
            }
        }
    }
    broken
}

/// The secrets that are in one of the texts, with a piece of what is around them.
pub(super) fn leaks(secrets: &[String], texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for text in texts {
            // A text may be inside another one as JSON.
            let escaped = serde_json::to_string(secret).unwrap_or_default();
            let forms = [secret.as_str(), escaped.trim_matches('"')];
            if let Some(at) = forms.iter().find_map(|form| text.find(form)) {
                let start = text[..at].char_indices().rev().nth(60).map_or(0, |(i, _)| i);
                found.push(format!("..{}[{secret}]", &text[start..at]));
            }
        }
    }
    found
}
