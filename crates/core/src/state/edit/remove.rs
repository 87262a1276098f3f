//! Forgetting what is recorded, without touching it in the cloud.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edit, EditAction, EditError, Edited, Part, Refusal, names, refusal, unless};
use crate::{
    identity::{Address, ResourceId},
    state::{Change, Departed, Record, Role, Snapshot, Status},
};

/// How rows are removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Removes also what others refer to, what is protected, and what a call was cut off of.
    pub force: bool,
    /// Who has the objects from now on, in words: the program is then refused for as long as it
    /// declares them, so that it does not make them anew.
    pub moved_to: Option<String>,
}

/// What one word of an operator means.
#[derive(Default)]
struct Meant {
    rows: BTreeSet<ResourceId>,
    /// Open calls whose object has no row.
    calls: BTreeSet<ResourceId>,
    pins: BTreeSet<Address>,
}

/// Forgets what is at `what`: the address of a resource or a lookup, of a component with all inside
/// it, or the id of one row, which is how a copy that was replaced is named. The objects stay in the
/// cloud, and nothing knows them any more.
///
/// # Errors
/// Where nothing is recorded at one of them; and, unless it is forced, where rows that stay refer to
/// one that goes, where one is protected, and where a call on one was cut off. Forced, a row that
/// others refer to stays as the mark of an object that is gone, so that every reference resolves;
/// the next run forgets it when nobody refers to it any more.
pub fn remove(
    stack: &str,
    state: &Snapshot,
    what: &[String],
    how: &Removal,
) -> Result<Edit, EditError> {
    let mut refusals = Vec::new();
    let mut meant = Meant::default();
    for word in what {
        find(state, word, &mut meant, &mut refusals);
    }
    let mut marks = BTreeSet::new();
    let users = users(state, &meant, &mut marks);
    let forcible = |address: &Address, message: String| Refusal {
        address: address.clone(),
        message,
        forcible: true,
    };
    let (mut done, mut changes) = (Vec::new(), Vec::new());
    // What goes with an object that is forgotten does not go with it any more: it still exists.
    for row in state.records.values().filter(|row| !meant.rows.contains(&row.id)) {
        if row.options.deleted_with.is_some_and(|host| meant.rows.contains(&host)) {
            let mut row = row.clone();
            row.options.deleted_with = None;
            changes.push(Change::Put(Box::new(row)));
        }
    }
    for id in &meant.rows {
        let record = &state.records[id];
        if record.options.protect {
            refusals.push(forcible(&record.address, "it is protected".to_owned()));
        }
        if state.intents.contains_key(id) {
            let message = "a call on it was cut off: the next run finds out what became of it, and \
                           nobody does when it is removed";
            refusals.push(forcible(&record.address, message.to_owned()));
            changes.push(Change::Close(*id));
        }
        let mut note = note(record);
        match users.get(id) {
            Some(users) => {
                let users = names(users);
                refusals.push(forcible(&record.address, format!("{users} refer to it")));
                if marks.contains(id) {
                    note = format!("{note}; a mark of it stays, for {users} refer to it");
                    changes.push(Change::Put(Box::new(record.clone().into_absent())));
                } else {
                    note = format!("{note}; {users} do not go with it any more");
                    changes.push(Change::Remove(*id));
                }
            }
            None => changes.push(Change::Remove(*id)),
        }
        if let (Some(to), Role::Current) = (&how.moved_to, record.role) {
            changes.push(Change::Depart(Departed {
                address: record.address.clone(),
                kind: record.kind.clone(),
                id: *id,
                to: to.clone(),
                to_address: None,
            }));
        }
        done.push(edited(&record.address, &record.kind, Some(*id), note));
    }
    for id in &meant.calls {
        let intended = state.intents[id].record.as_deref();
        let address = intended.map_or_else(|| Address::new(""), |row| row.address.clone());
        let kind = intended.map_or_else(String::new, |row| row.kind.clone());
        let message = "a call on it was cut off, and it may exist: the next run finds out, and \
                       nobody does when it is removed";
        refusals.push(forcible(&address, message.to_owned()));
        changes.push(Change::Close(*id));
        done.push(edited(&address, &kind, Some(*id), "a call that was cut off".to_owned()));
    }
    for address in &meant.pins {
        let kind = state.pins[address].kind.clone();
        changes.push(Change::Unpin(address.clone()));
        done.push(edited(address, &kind, None, "the next run asks again".to_owned()));
    }
    done.sort_by(|one, other| (&one.address, one.id).cmp(&(&other.address, other.id)));
    refusals.sort_by(|one, other| one.address.cmp(&other.address));
    let edit = Edit { done, parts: vec![Part::of(stack, state, changes)] };
    unless(refusals, how.force, edit)
}

/// Adds what `word` means to `meant`.
fn find(state: &Snapshot, word: &str, meant: &mut Meant, refusals: &mut Vec<Refusal>) {
    let row = state.records.keys().find(|id| id.as_str() == word);
    let call = state.intents.keys().find(|id| id.as_str() == word);
    if row.is_some() || call.is_some() {
        meant.rows.extend(row);
        meant.calls.extend(call.filter(|_| row.is_none()));
        return;
    }
    let at = |address: &Address| address.as_str() == word;
    let inside = |address: &Address| address.is_inside(word);
    if choose(state, at, meant) || choose(state, inside, meant) {
        return;
    }
    let address = Address::new(word);
    let replaced = state.records.values().filter(|row| row.address == address);
    let replaced: Vec<&str> = replaced.map(|row| row.id.as_str()).collect();
    refusals.push(refusal(
        &address,
        match replaced.is_empty() {
            true => "nothing is recorded there".to_owned(),
            false => format!(
                "only what was replaced is recorded there: name it by its id, {}",
                replaced.join(" or ")
            ),
        },
    ));
}

/// Adds what is at the addresses that `wanted` chooses; returns whether there is anything.
fn choose(state: &Snapshot, wanted: impl Fn(&Address) -> bool, meant: &mut Meant) -> bool {
    let rows = state.records.values();
    let rows = rows.filter(|row| row.role == Role::Current && wanted(&row.address));
    let rows: Vec<ResourceId> = rows.map(|row| row.id).collect();
    let calls = state.intents.values().filter(|intent| !state.records.contains_key(&intent.id));
    let calls = calls.filter(|call| call.record.as_ref().is_some_and(|row| wanted(&row.address)));
    let calls: Vec<ResourceId> = calls.map(|call| call.id).collect();
    let pins: Vec<Address> = state.pins.keys().filter(|address| wanted(address)).cloned().collect();
    let any = !rows.is_empty() || !calls.is_empty() || !pins.is_empty();
    meant.rows.extend(rows);
    meant.calls.extend(calls);
    meant.pins.extend(pins);
    any
}

/// What stays and refers to what goes, by what goes; `marks` are those that it still refers to then.
fn users(
    state: &Snapshot,
    meant: &Meant,
    marks: &mut BTreeSet<ResourceId>,
) -> BTreeMap<ResourceId, BTreeSet<Address>> {
    let mut users: BTreeMap<ResourceId, BTreeSet<Address>> = BTreeMap::new();
    // A call that was cut off may have made what refers to it.
    let intended = state.intents.values().filter_map(|intent| intent.record.as_deref());
    let intended = intended.filter(|row| !meant.calls.contains(&row.id));
    let rows = state.records.values().chain(intended);
    for row in rows.filter(|row| !meant.rows.contains(&row.id)) {
        let with = row.options.replace_with.iter().map(|(_, id)| id);
        let refers = row.depends_on.iter().chain(with);
        marks.extend(refers.clone().filter(|id| meant.rows.contains(id)));
        let refers = refers.chain(&row.options.deleted_with);
        for id in refers.filter(|id| meant.rows.contains(id)) {
            users.entry(*id).or_default().insert(row.address.clone());
        }
    }
    users
}

fn edited(address: &Address, kind: &str, id: Option<ResourceId>, note: String) -> Edited {
    Edited {
        action: EditAction::Remove,
        address: address.clone(),
        kind: kind.to_owned(),
        id,
        from: None,
        from_stack: None,
        note,
    }
}

/// What becomes of the object.
fn note(record: &Record) -> String {
    let object = match record.outputs.get("id").and_then(|id| id.as_str()) {
        Some(id) => format!("`{id}`"),
        None => "the object".to_owned(),
    };
    match (&record.status, record.role) {
        (Status::Absent, _) => "it does not exist any more".to_owned(),
        (_, Role::Deposed) => format!("{object} was replaced, and is never deleted"),
        (_, Role::Current) => format!("{object} stays in the cloud"),
    }
}
