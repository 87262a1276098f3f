//! Mending recorded state that breaks what always holds.
//!
//! No run leaves such a state. A file that was edited by hand, an old copy put back in part, or a
//! mistake in formwork does.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Edit, EditAction, Edited, Part};
use crate::{
    identity::{Address, ResourceId},
    state::{Change, Record, Role, Snapshot, Status, Verb},
};

/// Finds what breaks an invariant of the records, and what mends it. Looks at no cloud, and loses no
/// object: what may exist stays recorded.
///
/// * A reference to a row that is not there, or to itself, is taken away; of references in a ring,
///   the one that closes it.
/// * Of several current rows at one address one stays: one that exists, is ready, and that others
///   need. The others become copies that were replaced, which the next plan shows as deletions.
/// * What does not exist any more needs nothing.
/// * A call that was cut off and says nothing any more is closed: a create whose object is recorded,
///   a change of an object that is not, and one that names nothing.
/// * An address that something left and that something is at again has lost nothing.
#[must_use]
pub fn repair(stack: &str, state: &Snapshot) -> Edit {
    let mut rows = state.records.clone();
    let mut done = Vec::new();
    let mut tell = |row: &Record, note: String| {
        done.push(mended(&row.address, &row.kind, Some(row.id), note));
    };
    rivals(&mut rows, &mut tell);
    references(&mut rows, &mut tell);
    rings(&mut rows, &mut tell);
    let mut changes: Vec<Change> = Vec::new();
    for (id, row) in rows {
        if state.records.get(&id) != Some(&row) {
            changes.push(Change::Put(Box::new(row)));
        }
    }
    for intent in state.intents.values() {
        let recorded = state.records.get(&intent.id);
        let why = match (intent.verb, &intent.record, recorded) {
            (Verb::Create, _, Some(_)) => "its create was open, and it is recorded",
            (Verb::Create | Verb::Update, None, _) => "an open call does not say what it does",
            (Verb::Update, Some(_), None) => "an update of it was open, and it is not recorded",
            (Verb::Delete, _, None) => "its delete was open, and it is not recorded",
            _ => continue,
        };
        let row = intent.record.as_deref().or(recorded);
        let address = row.map_or_else(|| Address::new(""), |row| row.address.clone());
        let kind = row.map_or_else(String::new, |row| row.kind.clone());
        done.push(mended(&address, &kind, Some(intent.id), format!("{why}: the call is closed")));
        changes.push(Change::Close(intent.id));
    }
    for gone in state.departed.values() {
        let back = state.records.values().find(|row| {
            row.address == gone.address && row.role == Role::Current && row.status != Status::Absent
        });
        if let Some(row) = back {
            let note = format!("it is said to have left to {}, and it is here", gone.to);
            done.push(mended(&row.address, &row.kind, Some(row.id), note));
            changes.push(Change::Return(gone.address.clone()));
        }
    }
    done.sort_by(|one, other| (&one.address, one.id).cmp(&(&other.address, other.id)));
    Edit { done, parts: vec![Part::of(stack, state, changes)] }
}

fn mended(address: &Address, kind: &str, id: Option<ResourceId>, note: String) -> Edited {
    Edited {
        action: EditAction::Mend,
        address: address.clone(),
        kind: kind.to_owned(),
        id,
        from: None,
        from_stack: None,
        note,
    }
}

/// Leaves one current row at each address.
fn rivals(rows: &mut BTreeMap<ResourceId, Record>, tell: &mut impl FnMut(&Record, String)) {
    let needed: BTreeSet<ResourceId> = rows
        .values()
        .flat_map(|row| row.depends_on.iter().chain(&row.options.deleted_with))
        .copied()
        .collect();
    let mut current: BTreeMap<Address, Vec<ResourceId>> = BTreeMap::new();
    for row in rows.values().filter(|row| row.role == Role::Current) {
        current.entry(row.address.clone()).or_default().push(row.id);
    }
    for (address, mut rivals) in current.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
        rivals.sort_by_key(|id| {
            let status = match rows[id].status {
                Status::Ready => 3,
                Status::Settling => 2,
                Status::Incomplete { .. } => 1,
                Status::Absent => 0,
            };
            (Reverse(status), Reverse(needed.contains(id)), Reverse(*id))
        });
        for id in rivals.split_off(1) {
            if let Some(row) = rows.get_mut(&id) {
                row.role = Role::Deposed;
                let stays = rivals[0];
                let note = format!(
                    "`{address}` has another current object, {stays}: this one counts as replaced, \
                     and the next run deletes it, unless it is removed by its id, {id}"
                );
                tell(row, note);
            }
        }
    }
}

/// Takes references away that lead nowhere.
fn references(rows: &mut BTreeMap<ResourceId, Record>, tell: &mut impl FnMut(&Record, String)) {
    let known: BTreeSet<ResourceId> = rows.keys().copied().collect();
    for row in rows.values_mut() {
        let id = row.id;
        let resolves = |needed: &ResourceId| *needed != id && known.contains(needed);
        let lost: Vec<&ResourceId> = row.depends_on.iter().filter(|id| !resolves(id)).collect();
        if !lost.is_empty() {
            let lost: Vec<&str> = lost.into_iter().map(ResourceId::as_str).collect();
            let note = format!("it needs {}, of which there is no row", lost.join(", "));
            row.depends_on.retain(resolves);
            tell(row, note);
        }
        if let Some(host) = row.options.deleted_with.filter(|host| !resolves(host)) {
            row.options.deleted_with = None;
            tell(row, format!("it goes with {host}, of which there is no row"));
        }
        let refers = !row.depends_on.is_empty() || row.options.deleted_with.is_some();
        if row.status == Status::Absent && refers {
            *row = row.clone().into_absent();
            tell(row, "it does not exist any more, and so needs nothing".to_owned());
        }
    }
}

/// Takes references away that close a ring: nothing in it could ever be deleted.
fn rings(rows: &mut BTreeMap<ResourceId, Record>, tell: &mut impl FnMut(&Record, String)) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Open,
        Done,
    }
    let mut seen: BTreeMap<ResourceId, Seen> = BTreeMap::new();
    let ids: Vec<ResourceId> = rows.keys().copied().collect();
    for root in ids {
        // The way down from the root, and how many references of each were followed.
        let mut way: Vec<(ResourceId, usize)> = vec![(root, 0)];
        while let Some((id, at)) = way.last_mut() {
            if *at == 0 && seen.insert(*id, Seen::Open) == Some(Seen::Done) {
                seen.insert(*id, Seen::Done);
                way.pop();
                continue;
            }
            let (id, next) = (*id, *at);
            let Some(row) = rows.get_mut(&id) else {
                way.pop();
                continue;
            };
            match row.depends_on.get(next).copied() {
                None => {
                    seen.insert(id, Seen::Done);
                    way.pop();
                }
                Some(needed) if seen.get(&needed) == Some(&Seen::Open) => {
                    row.depends_on.remove(next);
                    // The next one has taken its place, and is looked at from here.
                    tell(row, format!("it needs {needed}, which needs it"));
                }
                Some(needed) => {
                    if let Some((_, at)) = way.last_mut() {
                        *at += 1;
                    }
                    if seen.get(&needed) != Some(&Seen::Done) {
                        way.push((needed, 0));
                    }
                }
            }
        }
    }
}
