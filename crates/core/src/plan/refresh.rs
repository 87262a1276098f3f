//! Plans that change nothing: what is there becomes the record.
//!
//! Where an object is otherwise than it was left, its row says from now on that what is there was
//! sent. So nothing is lost to the next plan: it compares the program with that, and puts back what
//! the program declares otherwise. What is gone leaves the state; where others still refer to it,
//! its row stays as a tombstone until they do not.

use std::collections::HashSet;

use super::{
    Cause, Drift, Facts, FieldChange, Observation, PlanData, Recovered, baseline,
    changes::drifted,
    diff::{Against, diff},
    unmanaged, views,
};
use crate::{
    declare::{NodeKind, Program},
    expr::{Expr, NodeId},
    gather::Readiness,
    hook::HookPoint,
    identity::ResourceId,
    policy::Verdict,
    provider::{Seen, physical_id},
    schema::ResourceType,
    state::{Change, Record, Role, Status},
    value::{Map, Path, Value},
};

/// The plan that brings the records up to what was seen: rows to write, and no step.
pub(super) fn compute(program: &Program, mut facts: Facts<'_>) -> PlanData {
    let unasked = unmanaged::report(program, &facts);
    let gone = gone(&facts);
    let (mut drift, mut rows) = (Vec::new(), Vec::new());
    let (mut unchanged, mut found_out) = (0, Vec::new());
    for record in facts.snapshot.records.values() {
        if !facts.selection.contains(&record.address) || record.status == Status::Absent {
            continue;
        }
        let of = (facts.types)(&record.provider, &record.kind);
        let told = |gone: bool, fields: Vec<FieldChange>| Drift {
            address: record.address.clone(),
            kind: record.kind.clone(),
            id: record.id,
            physical_id: of
                .and_then(|of| physical_id(of, &record.outputs))
                .unwrap_or_default()
                .to_owned(),
            role: record.role,
            declared: program.declares(&record.address, &record.kind),
            gone,
            fields,
            views: Vec::new(),
        };
        if gone.contains(&record.id) {
            rows.extend(dropped(&facts, record, &gone));
            drift.push(told(true, Vec::new()));
            continue;
        }
        if let (Some(of), Some(readiness)) = (of, facts.readiness.get(&record.id)) {
            match ended(of, record, readiness) {
                Some((row, fields, found)) => {
                    let address = record.address.clone();
                    found_out.push(Recovered { address, found });
                    if !fields.is_empty() {
                        drift.push(told(false, fields));
                    }
                    rows.push(Change::Put(Box::new(row)));
                }
                None => unchanged += 1,
            }
            continue;
        }
        match (of, seen(&facts, record)) {
            (Some(of), Some(seen)) => match refreshed(of, record, seen) {
                Some((row, fields)) => {
                    if !fields.is_empty() {
                        drift.push(told(false, fields));
                    }
                    rows.push(Change::Put(Box::new(row)));
                }
                None => unchanged += 1,
            },
            _ => unchanged += 1,
        }
    }
    drift.sort_by(|a, b| a.address.cmp(&b.address));
    views::add(&mut drift, &facts, None);
    for row in &rows {
        facts.snapshot.apply(row.clone());
    }
    let exports = exports(program, &facts);
    let kept = exports.as_map().into_iter().flat_map(Map::keys).map(ToString::to_string).collect();
    facts.repairs.append(&mut rows);
    facts.recovered.append(&mut found_out);
    let mut warnings = facts.moves.warnings;
    warnings.extend(unasked.warnings);
    PlanData {
        stack: program.stack.to_string(),
        narrowed: facts.selection.narrowed(program, &facts.snapshot, kept),
        lineage: facts.snapshot.lineage,
        version: facts.snapshot.version,
        seed: facts.seed,
        steps: Vec::new(),
        drift,
        unmanaged: unasked.told,
        recovered: facts.recovered,
        moves: facts.moves.moves,
        repairs: facts.repairs,
        sources: Vec::new(),
        exports,
        recorded_exports: facts.snapshot.exports,
        warnings,
        policy: Verdict::default(),
        skip_hooks: false,
        unchanged,
        decided: super::wave::decided(program),
        undecided: Vec::new(),
        waiting: Vec::new(),
        kept_outputs: Vec::new(),
        refresh_only: true,
    }
}

/// The objects that are gone: as was seen, or with the host that they lived on.
fn gone(facts: &Facts<'_>) -> HashSet<ResourceId> {
    let records = &facts.snapshot.records;
    let is_gone = |record: &Record| {
        // A delete that was cut off may not be done with its object yet.
        let certain = !facts.deleting.contains(&record.id);
        let seen = facts.observed.get(&record.id) == Some(&Observation::Gone);
        record.status == Status::Absent || (seen && certain)
    };
    let with_host = |record: &Record| {
        let mut at = Some(record);
        // A ring in damaged state ends the walk too.
        for _ in 0..=records.len() {
            match at {
                Some(row) if is_gone(row) => return true,
                Some(row) => at = row.options.deleted_with.and_then(|host| records.get(&host)),
                None => return false,
            }
        }
        false
    };
    let rows = records.values().filter(|row| row.status != Status::Absent);
    let rows = rows.filter(|row| facts.selection.contains(&row.address));
    rows.filter(|row| !facts.deleting.contains(&row.id) && with_host(row))
        .map(|row| row.id)
        .collect()
}

/// What becomes of the row of an object that is gone.
fn dropped(facts: &Facts<'_>, record: &Record, gone: &HashSet<ResourceId>) -> Vec<Change> {
    let intended = facts.snapshot.intents.values().filter_map(|intent| intent.record.as_deref());
    let mut others = facts.snapshot.records.values().chain(intended);
    let referred = others.any(|other| {
        let refers = other.depends_on.iter().chain(&other.options.deleted_with);
        !gone.contains(&other.id) && refers.into_iter().any(|id| *id == record.id)
    });
    let mut changes = vec![match referred {
        true => Change::Put(Box::new(record.clone().into_absent())),
        false => Change::Remove(record.id),
    }];
    if facts.snapshot.intents.contains_key(&record.id) {
        changes.push(Change::Close(record.id));
    }
    changes
}

/// What was seen of an object whose last call ended well; what became of any other is for a plan
/// to settle that may act on it.
fn seen<'f>(facts: &'f Facts<'_>, record: &Record) -> Option<&'f Seen> {
    let settled = record.status == Status::Ready && record.role == Role::Current;
    match facts.observed.get(&record.id)? {
        Observation::There(seen) if settled && !facts.uncertain.contains_key(&record.id) => {
            Some(seen)
        }
        _ => None,
    }
}

/// The row of an object that no run has seen ready, the fields in which it differs, and what was
/// found out; `None` if nothing was. A create that was cut off is left to a plan that may act on it,
/// unless it has failed for good; and so is one that hooks come after.
fn ended(
    of: &ResourceType,
    record: &Record,
    readiness: &Readiness,
) -> Option<(Record, Vec<FieldChange>, String)> {
    let incomplete = matches!(record.status, Status::Incomplete { .. });
    match readiness {
        Readiness::Never(reason) => {
            let status = Status::Incomplete { reason: reason.clone() };
            let row = Record { status, ..record.clone() };
            let found = format!("its create did not finish: {reason}");
            (row != *record).then_some((row, Vec::new(), found))
        }
        Readiness::Ready(seen) if incomplete => {
            if record.options.hooks.iter().any(|(point, _)| *point == HookPoint::AfterCreate) {
                return None;
            }
            let (row, fields) =
                refreshed(of, record, seen).unwrap_or_else(|| (record.clone(), Vec::new()));
            // Nobody knows whether what can not be read back arrived.
            let sent = |name: &str| record.inputs.get(name).is_some_and(|value| !value.is_null());
            let hidden =
                of.inputs.fields.iter().filter(|field| field.write_only && sent(field.name));
            let row = Record {
                status: Status::Ready,
                seen: Some(seen.inputs.clone()),
                outputs: seen.outputs.clone(),
                unsure: hidden.map(|field| field.name.to_owned()).collect(),
                ..row
            };
            Some((row, fields, "its create is done after all".to_owned()))
        }
        Readiness::Ready(_) => None,
    }
}

/// The row of an object as it is, and the fields in which that differs; `None` if it does not.
fn refreshed(
    of: &ResourceType,
    record: &Record,
    seen: &Seen,
) -> Option<(Record, Vec<FieldChange>)> {
    let mut fields = drifted(of, record, seen);
    let mut inputs = record.inputs.clone();
    let mut units: Vec<Path> = fields.iter().map(|change| change.path.unit()).collect();
    units.sort_unstable();
    units.dedup();
    for unit in units {
        let before = inputs.clone();
        baseline::put(&mut inputs, unit.segments(), unit.of(&seen.inputs).cloned());
        // What the program leaves to the cloud it goes on to leave to the cloud.
        let told = diff(of.inputs, &inputs, &record.inputs, Against::Sent, Cause::Program);
        let meets = |path: &Path| path.starts_with(&unit) || unit.starts_with(path);
        if !told.iter().any(|change| meets(&change.path)) {
            inputs = before;
        }
    }
    let empty = Map::new();
    for (name, new) in seen.outputs.as_map().unwrap_or(&empty).iter() {
        let old = record.outputs.get(name).unwrap_or(&Value::Null);
        if old != new && !fields.iter().any(|change| change.path.top() == name.as_ref()) {
            fields.push(FieldChange {
                path: Path::field(name.clone()),
                old: old.clone(),
                new: new.clone(),
                replace: false,
                cause: Cause::Drift,
            });
        }
    }
    fields.iter_mut().for_each(|change| change.replace = false);
    let row = Record {
        inputs,
        seen: Some(seen.inputs.clone()),
        outputs: seen.outputs.clone(),
        ..record.clone()
    };
    (row != *record && (!fields.is_empty() || row.outputs != record.outputs))
        .then_some((row, fields))
}

/// The recorded outputs of the stack, where they can be told anew from what is recorded now.
fn exports(program: &Program, facts: &Facts<'_>) -> Value {
    let Value::Map(recorded) = &facts.snapshot.exports else {
        return facts.snapshot.exports.clone();
    };
    let current = |row: &&Record| row.role == Role::Current && row.status == Status::Ready;
    let rows = facts.snapshot.records.values().filter(current);
    let rows: std::collections::HashMap<_, &Record> =
        rows.map(|row| ((row.address.as_str(), row.kind.as_str()), row)).collect();
    let output_of = |id: NodeId| {
        let node = program.node(id);
        match node.kind {
            NodeKind::Decide => None,
            NodeKind::Lookup { .. } => {
                facts.snapshot.pins.get(&node.address).map(|pin| &pin.answer)
            }
            NodeKind::Resource(of) => {
                let row = rows.get(&(node.address.as_str(), of.kind))?;
                facts.selection.contains(&node.address).then_some(&row.outputs)
            }
        }
    };
    let told = |export: &Expr| {
        let mut there = true;
        export.dependencies(&mut |_, node| there &= output_of(node).is_some());
        let value = export.resolve(&output_of).ok().filter(|_| there)?;
        value.is_known().then_some(value)
    };
    let mut exports = recorded.clone();
    for (name, export) in &program.exports {
        if let (true, Some(value)) = (recorded.get(name).is_some(), told(export)) {
            exports.insert(name.clone(), value);
        }
    }
    Value::Map(exports)
}
