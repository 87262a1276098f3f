//! What drifted, from all sides: what the program wants, what is recorded, and what is there.
//!
//! Drift alone says that something is otherwise than it was left. Whether that is a problem depends on
//! what the program says by now: another hand may have done already what the plan is about to do.

use serde::{Deserialize, Serialize};

use super::{
    Action, Cause, Drift, Facts, Observation, baseline,
    decide::{Decision, Draft},
    diff::{Against, diff},
};
use crate::{
    declare::NodeKind,
    provider::Seen,
    schema::ResourceType,
    state::{Record, Role},
    value::{Path, Value},
};

/// A place of an object that drifted, from all sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftView {
    /// Where; of something in a list, the list.
    pub path: Path,
    /// What the program wants now: null where it sets nothing, unknown where only apply can tell.
    /// Absent where nobody asks the program: it no longer declares the object, or the plan is to
    /// destroy, or only refreshes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub wanted: Option<Value>,
    /// What was last sent.
    pub sent: Value,
    /// What was there right after that: the cloud may write what it is sent in its own way.
    pub left: Value,
    /// What is there now.
    pub found: Value,
    /// What becomes of it.
    pub standing: Standing,
}

/// What a plan makes of a place that drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// The program wants something else, and the plan makes it so.
    PutBack,
    /// It is just what the program wants by now: another hand did already what was to be done. The
    /// record is all that changes.
    DoneAlready,
    /// The program leaves it to the cloud, so what is there is accepted.
    Accepted,
    /// The program wants what only apply can tell.
    Open,
    /// The object goes, or a new one takes its place.
    Goes,
    /// The plan does nothing about it: it leaves the object out, or only refreshes the records.
    Stays,
}

/// Adds the views to what drifted. Without a draft the plan changes nothing.
pub(super) fn add(drift: &mut [Drift], facts: &Facts<'_>, draft: Option<&Draft<'_>>) {
    for drift in drift.iter_mut().filter(|drift| !drift.gone) {
        let record = facts.snapshot.records.get(&drift.id);
        let Some(record) = record else { continue };
        let (Some(of), Some(Observation::There(seen))) =
            ((facts.types)(&record.provider, &record.kind), facts.observed.get(&record.id))
        else {
            continue;
        };
        let declared = draft.and_then(|draft| declared(draft, record));
        drift.declared = match draft {
            Some(draft) => declares(draft, record),
            None => drift.declared,
        };
        let goes = draft.is_some_and(|draft| goes(draft, record));
        let view = View { of, record, seen, declared, goes };
        let mut paths: Vec<Path> = drift.fields.iter().map(|field| field.path.unit()).collect();
        paths.sort_unstable();
        paths.dedup();
        drift.views = paths.into_iter().map(|path| view.at(path)).collect();
    }
}

struct View<'v> {
    of: &'v ResourceType,
    record: &'v Record,
    seen: &'v Seen,
    /// What the program wants of the object, and what was decided for it.
    declared: Option<(&'v Value, &'v Decision)>,
    goes: bool,
}

impl View<'_> {
    fn at(&self, path: Path) -> DriftView {
        let left = baseline::left(self.record, self.seen);
        let wanted = self.declared.map(|(wanted, _)| at(wanted, &path));
        DriftView {
            sent: at(&self.record.inputs, &path),
            left: at(&left, &path),
            found: at(&self.seen.inputs, &path),
            standing: self.standing(&path, wanted.as_ref()),
            wanted,
            path,
        }
    }

    fn standing(&self, path: &Path, wanted: Option<&Value>) -> Standing {
        let (Some((all, decision)), Some(wanted)) = (self.declared, wanted) else {
            return if self.goes { Standing::Goes } else { Standing::Stays };
        };
        let meets = |other: &Path| {
            let other = other.unit();
            other.starts_with(path) || path.starts_with(&other)
        };
        let differs = diff(self.of.inputs, &self.seen.inputs, all, Against::Seen, Cause::Program);
        let differs = differs.iter().any(|change| meets(&change.path));
        let acts = decision.changes.iter().any(|change| meets(&change.path));
        let free = self.of.inputs.field(path.top()).is_some_and(|field| field.defaulted);
        match decision.action {
            _ if decision.replaced => Standing::Goes,
            _ if !wanted.is_known() => Standing::Open,
            Some(Action::Update) if acts => Standing::PutBack,
            _ if free && wanted.is_null() => Standing::Accepted,
            _ if !differs => Standing::DoneAlready,
            _ => Standing::Stays,
        }
    }
}

/// What the program wants of the current object of its address, where the plan is about it.
fn declared<'d>(draft: &'d Draft<'_>, record: &Record) -> Option<(&'d Value, &'d Decision)> {
    let node = draft.program.by_address.get(&record.address)?;
    let same = draft.program.graph[*node].kind.name() == record.kind;
    if !same || record.role != Role::Current || !draft.is_chosen(*node) {
        return None;
    }
    let decision = draft.decisions.get(node.index())?.as_ref()?;
    Some((draft.inputs.get(node.index())?, decision))
}

fn declares(draft: &Draft<'_>, record: &Record) -> bool {
    let node = draft.program.by_address.get(&record.address);
    let node = node.map(|node| &draft.program.graph[*node].kind);
    matches!(node, Some(NodeKind::Resource(of)) if of.kind == record.kind)
}

/// Whether the plan removes an object that it asks nothing of the program about.
fn goes(draft: &Draft<'_>, record: &Record) -> bool {
    declared(draft, record).is_none() && draft.chosen.selection.contains(&record.address)
}

/// The value at a place, secret if anything around it is.
fn at(value: &Value, path: &Path) -> Value {
    let mut secret = matches!(value, Value::Secret(_));
    let mut here = Path::default();
    for segment in path.segments() {
        here = here.join(segment.clone());
        secret |= matches!(here.of(value), Some(Value::Secret(_)));
    }
    let found = path.of(value).cloned().unwrap_or(Value::Null);
    if secret && !found.is_null() { found.into_secret() } else { found }
}

/// What is written is there, also when it is null: only an absent field is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
