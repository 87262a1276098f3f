//! From one stack to another, in one store: one edit of both.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edit, EditAction, EditError, Edited, Part, Refusal, names, refusal, unless};
use crate::{
    identity::{Address, ResourceId},
    stack::is_stack_name,
    state::{Change, Departed, Pin, ProviderTarget, Record, Role, Snapshot, Status},
};

/// What goes from one stack to another, and what speaks against it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crossing {
    /// The current objects that go, with the address that each has and gets.
    pub(crate) rows: Vec<(Record, Address)>,
    /// What is written into the stack that it leaves.
    pub(crate) source: Vec<Change>,
    /// What is written into the stack that it comes to.
    pub(crate) target: Vec<Change>,
    pub(crate) refusals: Vec<Refusal>,
}

/// Gives what is recorded in the stack `from` at each first address to the stack `to`, at the second
/// one: a resource, a lookup's answer, or a component with all inside it, with what was replaced there
/// and is still to be deleted. It is one commit of both stacks.
///
/// References across the cut are taken away, in both stacks: no stack knows the order of another. The
/// values that were sent stay recorded, so nothing is sent again where the programs say the same.
/// Where an object was a mark stays: the plan of a program that still declares it is refused,
/// saying where it went.
///
/// # Errors
/// Where nothing is at the first address, where something is at the second, where a call was cut off,
/// where what goes with another object (`deleted_with`) would be parted from it, where the object is
/// recorded there already, and where the two stacks mean two places by the name of a provider.
pub fn hand_over(
    (from, source): (&str, &Snapshot),
    (to, target): (&str, &Snapshot),
    pairs: &[(String, String)],
) -> Result<Edit, EditError> {
    let mut refusals = Vec::new();
    if from == to {
        let at = pairs.first().map_or("", |pair| pair.0.as_str());
        refusals.push(refusal(&Address::new(at), format!("`{to}` is the stack that it is in")));
    }
    if !is_stack_name(to) {
        refusals.push(refusal(&Address::new(""), format!("{to:?} is no name of a stack")));
    }
    let rules: BTreeMap<&str, &str> =
        pairs.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let place = |address: &Address| {
        let address = address.as_str();
        let mut around =
            std::iter::successors(Some(address), |inner| Some(inner.rsplit_once('/')?.0));
        let (from, to) = around.find_map(|at| rules.get_key_value(at))?;
        Some(Address::new(format!("{to}{}", &address[from.len()..])))
    };
    for (at, to) in pairs {
        let at = Address::new(at.as_str());
        let known = source.records.values().map(|row| &row.address).chain(source.pins.keys());
        let there = |address: &Address| *address == at || address.is_inside(at.as_str());
        if !known.into_iter().any(there) {
            refusals.push(refusal(&at, format!("nothing is recorded there in `{from}`")));
        }
        if to.split('/').any(str::is_empty) || to.chars().any(char::is_control) {
            refusals
                .push(refusal(&at, format!("{to:?} is no address, such as `network/subnet-0`")));
        }
    }
    let mut crossing = cross((from, source), (to, target), |address, _| place(address));
    refusals.append(&mut crossing.refusals);
    let mut done: Vec<Edited> = crossing
        .rows
        .iter()
        .map(|(row, to)| Edited {
            action: EditAction::Move,
            address: to.clone(),
            kind: row.kind.clone(),
            id: Some(row.id),
            from: Some(row.address.clone()),
            from_stack: Some(from.to_owned()),
            note: match row.role {
                Role::Current => String::new(),
                Role::Deposed => "a copy that was replaced".to_owned(),
            },
        })
        .collect();
    done.sort_by(|one, other| (&one.from, one.id).cmp(&(&other.from, other.id)));
    // The one that takes is the first: its version tells of both whether the commit was durable.
    let parts =
        vec![Part::of(to, target, crossing.target), Part::of(from, source, crossing.source)];
    unless(refusals, false, Edit { done, parts })
}

/// What goes where `place` says so: an address and a kind there, and the address here.
pub(crate) fn cross(
    (from, source): (&str, &Snapshot),
    (to, target): (&str, &Snapshot),
    place: impl Fn(&Address, &str) -> Option<Address>,
) -> Crossing {
    let goes = |row: &Record| Some((row.clone(), place(&row.address, &row.kind)?));
    let rows: Vec<(Record, Address)> = source.records.values().filter_map(goes).collect();
    let going: BTreeSet<ResourceId> = rows.iter().map(|(row, _)| row.id).collect();
    let pins = source.pins.values();
    let pins = pins.filter_map(|pin| Some((pin, place(&pin.address, &pin.kind)?)));
    let pins: Vec<(&Pin, Address)> = pins.collect();
    let mut refusals = Vec::new();
    for intent in source.intents.values() {
        let row = intent.record.as_deref().or_else(|| source.records.get(&intent.id));
        let Some(row) = row else { continue };
        if going.contains(&intent.id) || place(&row.address, &row.kind).is_some() {
            let message = format!("a call on it was cut off: plan and apply `{from}` first");
            refusals.push(refusal(&row.address, message));
        }
    }
    refusals.extend(parted(source, &going));
    let (mut leaves, mut comes) = (Vec::new(), Vec::new());
    for (row, to_address) in &rows {
        leaves.push(Change::Remove(row.id));
        if row.role == Role::Current && row.status != Status::Absent {
            leaves.push(Change::Depart(Departed {
                address: row.address.clone(),
                kind: row.kind.clone(),
                id: row.id,
                to: to.to_owned(),
                to_address: Some(to_address.clone()),
            }));
        }
        let mut row = row.clone();
        row.address = to_address.clone();
        for (address, id) in &mut row.options.replace_with {
            if let Some((_, to)) = rows.iter().find(|(other, _)| other.id == *id) {
                *address = to.clone();
            }
        }
        comes.push(without(row, |id| going.contains(id)));
    }
    leaves.extend(pins.iter().map(|(pin, _)| Change::Unpin(pin.address.clone())));
    for row in source.records.values().filter(|row| !going.contains(&row.id)) {
        let kept = without(row.clone(), |id| !going.contains(id));
        if kept != *row {
            leaves.push(Change::Put(Box::new(kept)));
        }
    }
    let pins = pins.into_iter().map(|(pin, address)| Pin { address, ..pin.clone() }).collect();
    let arrived = arrive(target, comes, pins, &source.targets);
    refusals.extend(arrived.1);
    Crossing { rows, source: leaves, target: arrived.0, refusals }
}

/// The row without the references that lead to where `stays` says no.
pub(super) fn without(mut row: Record, stays: impl Fn(&ResourceId) -> bool) -> Record {
    row.depends_on.retain(&stays);
    row.options.deleted_with = row.options.deleted_with.filter(&stays);
    row.options.replace_with.retain(|(_, id)| stays(id));
    row
}

/// What would be parted from what it goes with: nobody would know any more that it is gone.
pub(super) fn parted(state: &Snapshot, going: &BTreeSet<ResourceId>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for row in state.records.values() {
        let Some(host) = row.options.deleted_with else { continue };
        let Some(host) = state.records.get(&host) else { continue };
        match (going.contains(&row.id), going.contains(&host.id)) {
            (true, false) => {
                let message = format!("it goes with {}: move both", names([&host.address]));
                refusals.push(refusal(&row.address, message));
            }
            (false, true) => {
                let message = format!("{} goes with it: move both", names([&row.address]));
                refusals.push(refusal(&host.address, message));
            }
            _ => {}
        }
    }
    refusals
}

/// What is written where rows and answers come to, at the addresses that they have here, and what
/// speaks against it. `targets` is where the providers pointed through which they were made.
pub(super) fn arrive(
    state: &Snapshot,
    rows: Vec<Record>,
    pins: Vec<Pin>,
    targets: &BTreeMap<String, ProviderTarget>,
) -> (Vec<Change>, Vec<Refusal>) {
    let (mut changes, mut refusals) = (Vec::new(), Vec::new());
    let mut coming: BTreeMap<Address, usize> = BTreeMap::new();
    let mut providers = BTreeSet::new();
    let is_there = |row: &&Record| row.role == Role::Current && row.status != Status::Absent;
    let open = state.intents.values().filter_map(|intent| intent.record.as_deref());
    let here: BTreeSet<&Address> = state
        .records
        .values()
        .filter(is_there)
        .chain(open)
        .map(|row| &row.address)
        .chain(state.pins.keys())
        .collect();
    let current = rows.iter().filter(|row| row.role == Role::Current).map(|row| &row.address);
    for address in current.chain(pins.iter().map(|pin| &pin.address)) {
        *coming.entry(address.clone()).or_default() += 1;
    }
    for (address, many) in &coming {
        if here.contains(address) {
            let message = "something is recorded there already: move or remove that first";
            refusals.push(refusal(address, message));
        } else if *many > 1 {
            refusals.push(refusal(address, format!("{many} objects would come to it")));
        }
        if state.departed.contains_key(address) {
            changes.push(Change::Return(address.clone()));
        }
    }
    for row in rows {
        if let Some(known) = state.records.get(&row.id) {
            let at = names([&known.address]);
            refusals.push(refusal(&row.address, format!("it is recorded already, at {at}")));
        }
        providers.insert(row.provider.clone());
        changes.push(Change::Put(Box::new(row)));
    }
    // The mark of an object that is gone makes room for one that comes.
    for row in state.records.values() {
        let gone = row.role == Role::Current && row.status == Status::Absent;
        if gone && coming.contains_key(&row.address) {
            let row = Record { role: Role::Deposed, ..row.clone() };
            changes.push(Change::Put(Box::new(row)));
        }
    }
    changes.extend(pins.into_iter().map(Change::Pin));
    for target in providers.iter().filter_map(|provider| targets.get(provider)) {
        match state.targets.get(&target.provider) {
            None => changes.push(Change::Target(target.clone())),
            Some(known) if known == target => {}
            Some(known) => {
                let message = format!(
                    "the provider `{}` points to {} here, and it was made at {}",
                    target.provider, known.target, target.target
                );
                refusals.push(refusal(&Address::new(""), message));
            }
        }
    }
    (changes, refusals)
}
