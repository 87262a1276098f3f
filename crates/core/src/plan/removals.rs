//! What to do with each recorded object that the program no longer means: the backward half of a plan.

use std::collections::{HashMap, HashSet};

use super::{Action, Observation, Reason, Want, decide::Draft, existing::Readers};
use crate::{
    identity::ResourceId,
    provider::object_of,
    state::{Record, Role, Status},
};

/// What happens to a row.
pub(super) struct Removal {
    pub(super) row: ResourceId,
    pub(super) action: Action,
    pub(super) reasons: Vec<Reason>,
    /// The node whose new object takes its place.
    pub(super) replaced_by: Option<usize>,
    /// The old object goes before the new one comes; its row stays until dependents moved over.
    pub(super) delete_first: bool,
    pub(super) takes_along: Vec<ResourceId>,
}

impl Removal {
    /// Whether nothing takes the place of what goes: the program does not declare it.
    pub(super) fn is_of_orphan(&self) -> bool {
        self.replaced_by.is_none() && self.reasons.contains(&Reason::NoLongerDeclared)
    }
}

pub(super) fn decide(draft: &mut Draft<'_>) -> Vec<Removal> {
    let node_of_row: HashMap<ResourceId, usize> = draft
        .decisions
        .iter()
        .enumerate()
        .filter_map(|(node, decision)| Some((decision.as_ref()?.row?, node)))
        .collect();
    let mut removals: Vec<Removal> = Vec::new();
    let mut protected = Vec::new();
    let readers = Readers::of(draft.program, draft.facts);
    let chosen = &draft.chosen.selection;
    let kept = draft.kept_rows();
    for record in draft.facts.snapshot.records.values().filter(|r| chosen.contains(&r.address)) {
        if kept.contains(&record.id) {
            continue;
        }
        let node = node_of_row.get(&record.id).copied();
        let decision = node.and_then(|node| draft.decisions[node].as_ref());
        let is_gone = draft.facts.observed.get(&record.id) == Some(&Observation::Gone)
            || record.status == Status::Absent;
        let reason = match (record.role, decision) {
            (Role::Current, Some(decision)) if decision.id == record.id => continue,
            (Role::Current, Some(_)) if is_gone => Reason::Gone,
            (Role::Current, Some(_)) => Reason::Replaced,
            (Role::Deposed, _) => Reason::Deposed,
            (Role::Current, None) if draft.facts.want == Want::Nothing => Reason::Destroy,
            (Role::Current, None) => Reason::NoLongerDeclared,
        };
        let deleting = draft.facts.deleting.contains(&record.id) && record.status != Status::Absent;
        // What was to be taken over, and was never marked as ours, may be somebody else's.
        let retained =
            decision.map_or(record.options.retain, |d| d.options.retain) || record.is_unclaimed();
        let reader = readers.of_row(draft, record).filter(|_| !is_gone && !deleting);
        if let Some(reader) = reader {
            removals.push(Removal {
                row: record.id,
                action: Action::Forget,
                reasons: vec![reason, Reason::OnlyRead(reader.clone())],
                replaced_by: node,
                delete_first: false,
                takes_along: Vec::new(),
            });
            continue;
        }
        if !is_gone && record.role == Role::Current && is_protected(draft, record, node) {
            protected.push((record.id, record.address.clone(), reason.to_string()));
        }
        let (action, reasons) = if deleting {
            (Action::Delete, vec![reason])
        } else if is_gone && record.role == Role::Current && decision.is_none() {
            (Action::Forget, vec![reason, Reason::Gone])
        } else if is_gone {
            (Action::Forget, vec![reason])
        } else if retained {
            (Action::Forget, vec![reason, Reason::Retained])
        } else {
            (Action::Delete, vec![reason])
        };
        let delete_first = action == Action::Delete
            && decision.is_some_and(|d| deleting || (d.replaced && d.delete_first));
        removals.push(Removal {
            row: record.id,
            action,
            reasons,
            replaced_by: node,
            delete_first,
            takes_along: Vec::new(),
        });
    }
    draft.hold(&kept, &mut removals);
    let held = &draft.held;
    let protected = protected.into_iter().filter(|(row, ..)| !held.contains(row));
    draft.protected.extend(protected.map(|(_, address, why)| (address, why)));
    keep_shared(draft, &mut removals);
    go_with_hosts(draft, removals)
}

/// An object that another row means too is not deleted: two addresses came to name one object
/// whose create does not mind that it is there, such as an attachment of a policy to a role.
fn keep_shared(draft: &Draft<'_>, removals: &mut [Removal]) {
    if !removals.iter().any(|removal| removal.action == Action::Delete) {
        return;
    }
    let going: HashSet<ResourceId> = removals.iter().map(|removal| removal.row).collect();
    let records = &draft.facts.snapshot.records;
    let type_of = |record: &Record| (draft.facts.types)(&record.provider, &record.kind);
    let deleted = removals.iter().filter(|removal| removal.action == Action::Delete);
    // Another type, or another provider, is another object.
    let like: HashSet<(&str, &str)> = deleted
        .filter_map(|removal| records.get(&removal.row))
        .map(|row| (row.provider.as_str(), row.kind.as_str()))
        .collect();
    let stays = |record: &&Record| {
        record.status != Status::Absent
            && !going.contains(&record.id)
            && like.contains(&(record.provider.as_str(), record.kind.as_str()))
    };
    let kept: HashMap<_, &Record> = records
        .values()
        .filter(stays)
        .filter_map(|r| Some((object_of(type_of(r)?, r)?, r)))
        .collect();
    for removal in removals.iter_mut().filter(|removal| removal.action == Action::Delete) {
        let record = &records[&removal.row];
        let object = type_of(record).and_then(|of| object_of(of, record));
        if let Some(other) = object.and_then(|object| kept.get(&object)) {
            removal.action = Action::Forget;
            removal.delete_first = false;
            removal.reasons.push(Reason::SharedWith(other.address.clone()));
        }
    }
}

/// The program's word counts where it still declares the resource, the record's where it does not.
fn is_protected(draft: &Draft<'_>, record: &Record, node: Option<usize>) -> bool {
    let declared = node.or_else(|| {
        let index = draft.program.by_address.get(&record.address)?;
        let same = draft.program.graph[*index].kind.name() == record.kind;
        same.then(|| index.index())
    });
    match declared {
        Some(node) => draft.program.graph[petgraph::graph::NodeIndex::new(node)].options.protect,
        None => record.options.protect,
    }
}

/// What lives on an object that goes needs no removal of its own: its row goes with that object's.
fn go_with_hosts(draft: &Draft<'_>, removals: Vec<Removal>) -> Vec<Removal> {
    let records = &draft.facts.snapshot.records;
    let going: HashMap<ResourceId, usize> =
        removals.iter().enumerate().map(|(i, removal)| (removal.row, i)).collect();
    // The outermost host that goes too, for whatever is deleted with something.
    let host = |row: ResourceId| -> Option<usize> {
        let mut host = None;
        let mut at = row;
        // A chain is at most as long as there are rows; a ring in damaged state ends the walk too.
        for _ in 0..records.len() {
            let Some(next) = records.get(&at).and_then(|r| r.options.deleted_with) else { break };
            // An update whose end nobody saw may have moved it off its host.
            let sent = draft.facts.uncertain.get(&at);
            if sent.is_some_and(|sent| sent.deleted_with != Some(next)) {
                break;
            }
            let Some(&going) = going.get(&next) else { break };
            host = Some(going);
            at = next;
        }
        host.filter(|host| removals[*host].row != row)
    };
    let hosts: Vec<Option<usize>> = removals.iter().map(|removal| host(removal.row)).collect();
    let mut kept: Vec<Option<Removal>> = removals.into_iter().map(Some).collect();
    for (i, host) in hosts.iter().enumerate() {
        // A host that is only forgotten leaves its guests' rows nothing to go with.
        let Some(host) = *host else { continue };
        let left = |reason: &Reason| matches!(reason, Reason::Retained | Reason::OnlyRead(_));
        let stays = kept[host].as_ref().is_some_and(|h| h.reasons.iter().any(left));
        if stays {
            continue;
        }
        if let (Some(guest), true) = (kept[i].as_ref().map(|g| g.row), kept[host].is_some()) {
            kept[i] = None;
            if let Some(host) = &mut kept[host] {
                host.takes_along.push(guest);
            }
        }
    }
    kept.into_iter().flatten().collect()
}
