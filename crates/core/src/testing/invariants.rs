//! What must hold after every step, whatever happened: checked against the cloud itself.

use std::collections::{BTreeMap, BTreeSet};

use super::cloud::Cloud;
use crate::state::{Role, Snapshot, Status};

/// Checks that state and cloud agree, and panics with every law that is broken.
///
/// `lost` are objects that were taken away behind formwork's back, `kept` objects that were
/// retained on purpose.
///
/// # Panics
/// When a law is broken; that is what it is for.
pub fn check_invariants(state: &Snapshot, cloud: &Cloud, lost: &[&str], kept: &[&str]) {
    let mut broken = Vec::new();
    let objects = cloud.objects();
    let mut recorded: BTreeSet<&str> = BTreeSet::new();
    for record in state.records.values() {
        let id = record.outputs.get("id").and_then(|id| id.as_str());
        match (&record.status, id) {
            (Status::Absent, _) => {}
            (_, Some(id)) => {
                recorded.insert(id);
                if !objects.contains_key(id) && !lost.contains(&id) {
                    // Its own call may have been cut off, or that of what it lives on.
                    let mut on = Some(record);
                    let mut deleting = false;
                    while let Some(row) = on.filter(|_| !deleting) {
                        deleting = state.intents.contains_key(&row.id);
                        on = row.options.deleted_with.and_then(|host| state.records.get(&host));
                    }
                    if !deleting {
                        broken.push(format!("phantom: {id} is recorded and does not exist"));
                    }
                }
            }
            (_, None) => broken.push(format!("the row of {} has no id", record.address)),
        }
        for needed in record.depends_on.iter().chain(&record.options.deleted_with) {
            if !state.records.contains_key(needed) {
                broken.push(format!("{} refers to {needed}, which has no row", record.address));
            }
        }
    }
    for (id, object) in &objects {
        let intended = state.intents.contains_key(&object.made_by);
        let ours = !intended && !cloud.is_foreign(id);
        if !recorded.contains(id.as_str()) && ours && !kept.contains(&id.as_str()) {
            broken.push(format!("lost: {id} exists and no row or intent knows it"));
        }
    }
    let mut current: BTreeMap<&str, usize> = BTreeMap::new();
    for record in state.records.values().filter(|record| record.role == Role::Current) {
        *current.entry(record.address.as_str()).or_default() += 1;
    }
    for (address, n) in current.into_iter().filter(|(_, n)| *n > 1) {
        broken.push(format!("{address} has {n} current objects"));
    }
    assert!(
        broken.is_empty(),
        "broken:\n  {}\nstate: {state:#?}\ncloud: {objects:#?}",
        broken.join("\n  ")
    );
}
