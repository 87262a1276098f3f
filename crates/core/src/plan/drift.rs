//! What is otherwise in the cloud than the last apply left it.

use std::collections::HashSet;

use super::{
    Drift, Facts, Observation, Uncertain,
    changes::{drifted, drifted_from, ignored, is_ignored},
};
use crate::{
    declare::Program,
    identity::ResourceId,
    provider::physical_id,
    state::{Role, Status},
};

/// Every object that is not as the last apply left it; and the ids of these and of those
/// of which that can not be told.
pub(super) fn find_drift(
    program: &Program,
    facts: &Facts<'_>,
) -> (Vec<Drift>, HashSet<ResourceId>) {
    let mut found = Vec::new();
    let mut strayed = HashSet::new();
    for record in facts.snapshot.records.values() {
        // What we began to delete ourselves is no drift of an old object.
        let old = record.role == Role::Deposed;
        if record.status == Status::Absent || (old && facts.deleting.contains(&record.id)) {
            continue;
        }
        // Of what was not looked at not even the provider is needed.
        let Some(observed) = facts.observed.get(&record.id) else { continue };
        let Some(of) = (facts.types)(&record.provider, &record.kind) else { continue };
        let fields = match observed {
            Observation::Gone => Vec::new(),
            // What its create left undone is no drift.
            Observation::There(_) if record.is_unfinished() => {
                strayed.insert(record.id);
                continue;
            }
            Observation::There(seen) => {
                let mut fields = drifted(of, record, seen);
                let uncertain = facts.uncertain.get(&record.id);
                if let Some(Uncertain { inputs, .. }) = uncertain {
                    // What is as an update of ours would have made it was not made so by others.
                    let others = drifted_from(of, inputs, seen);
                    fields.retain(|change| others.iter().any(|other| other.path == change.path));
                }
                if !fields.is_empty() || uncertain.is_some() {
                    strayed.insert(record.id);
                    if let Some(node) = program.by_address.get(&record.address) {
                        let ignored = ignored(&program.graph[*node]);
                        fields.retain(|change| !is_ignored(change, &ignored));
                    }
                }
                fields
            }
        };
        let gone = *observed == Observation::Gone;
        if gone || !fields.is_empty() {
            found.push(Drift {
                address: record.address.clone(),
                kind: record.kind.clone(),
                id: record.id,
                physical_id: physical_id(of, &record.outputs).unwrap_or_default().to_owned(),
                role: record.role,
                declared: true,
                gone,
                fields,
                views: Vec::new(),
            });
        }
    }
    // An old object goes, whatever became of it meanwhile.
    let records = &facts.snapshot.records;
    strayed.retain(|id| records.get(id).is_some_and(|row| row.role == Role::Current));
    found.sort_by(|a, b| (&a.address, a.role).cmp(&(&b.address, b.role)));
    (found, strayed)
}
