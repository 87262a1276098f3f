//! Other addresses for what is recorded.

use std::collections::{BTreeMap, HashMap};

use super::{Edit, EditAction, EditError, Edited, Part, Refusal, names, refusal, unless};
use crate::{
    identity::Address,
    state::{Change, Pin, Record, Role, Snapshot, Status},
};

/// The rules that an operator gave, each from an old address to a new one.
struct Pairs<'p>(HashMap<&'p str, &'p str>);

impl Pairs<'_> {
    /// Where what is at `address` goes: by the pair that says most, once.
    fn carry(&self, address: &Address) -> Option<Address> {
        let address = address.as_str();
        let mut around =
            std::iter::successors(Some(address), |inner| Some(inner.rsplit_once('/')?.0));
        let (from, to) = around.find_map(|at| self.0.get_key_value(at))?;
        Some(Address::new(format!("{to}{}", &address[from.len()..])))
    }
}

/// Gives what is recorded at each first address the second one: a resource, a lookup's answer, or a
/// component with all inside it, with open calls and with what was replaced there and is still to be
/// deleted. All pairs are done at once, so that one thing can take the place of another that moves
/// on; what refers to them follows. The program has to say the same, or the next run undoes it.
///
/// # Errors
/// As for `moved_from`: where nothing is at the first address, where something stays at the second,
/// where two would become one, where one lies inside the other, and where addresses would be
/// exchanged.
pub fn rename(
    stack: &str,
    state: &Snapshot,
    pairs: &[(String, String)],
) -> Result<Edit, EditError> {
    let mut refusals = Vec::new();
    let mut rules = HashMap::new();
    for (from, to) in pairs {
        refusals
            .extend(wrong(from, to).map(|message| refusal(&Address::new(from.as_str()), message)));
        if let Some(other) = rules.insert(from.as_str(), to.as_str())
            && other != to
        {
            let message = format!("it can not become both `{other}` and `{to}`");
            refusals.push(refusal(&Address::new(from.as_str()), message));
        }
    }
    refusals.extend(circle(pairs));
    let rules = Pairs(rules);
    let at = |from: &str, address: &Address| address.as_str() == from || address.is_inside(from);
    for (from, _) in pairs {
        let intended = state.intents.values().filter_map(|intent| intent.record.as_deref());
        let rows = state.records.values().chain(intended).map(|row| &row.address);
        if !rows.chain(state.pins.keys()).any(|address| at(from, address)) {
            refusals.push(refusal(&Address::new(from.as_str()), "nothing is recorded there"));
        }
    }
    refusals.extend(taken(state, &rules));
    let (done, changes) = changes(state, &rules);
    unless(refusals, false, Edit { done, parts: vec![Part::of(stack, state, changes)] })
}

/// What is wrong with a pair by itself.
fn wrong(from: &str, to: &str) -> Option<String> {
    let is_address = |address: &str| {
        address.split('/').all(|name| !name.is_empty()) && !address.chars().any(char::is_control)
    };
    if let Some(address) = [from, to].into_iter().find(|address| !is_address(address)) {
        return Some(format!("{address:?} is no address, such as `network/subnet-0`"));
    }
    if from == to {
        return Some("it is the address that it has now".to_owned());
    }
    let inside = Address::new(from).is_inside(to) || Address::new(to).is_inside(from);
    inside.then(|| format!("`{from}` and `{to}` are one inside the other"))
}

/// Pairs that lead back to where they start.
fn circle(pairs: &[(String, String)]) -> Option<Refusal> {
    let meet = |one: &str, other: &str| {
        one == other || Address::new(one).is_inside(other) || Address::new(other).is_inside(one)
    };
    let leads = |one: &(String, String), other: &(String, String)| meet(&one.1, &other.0);
    let sound = |pair: &&(String, String)| wrong(&pair.0, &pair.1).is_none();
    let mut open: Vec<&(String, String)> = pairs.iter().filter(sound).collect();
    // What leads nowhere, or is led to from nowhere, is in no circle; what is left is one.
    loop {
        let before = open.len();
        let keep: Vec<_> = open
            .iter()
            .filter(|one| {
                open.iter().any(|other| leads(one, other))
                    && open.iter().any(|other| leads(other, one))
            })
            .copied()
            .collect();
        open = keep;
        if open.is_empty() {
            return None;
        }
        if open.len() == before {
            break;
        }
    }
    let words: Vec<String> = open.iter().map(|(from, to)| format!("`{from}` to `{to}`")).collect();
    let message = format!(
        "addresses can not be exchanged at once: {}; move one of them out of the way first",
        words.join(", ")
    );
    Some(refusal(&Address::new(open[0].0.as_str()), message))
}

/// Places that somebody has who stays there, or that two would come to.
fn taken(state: &Snapshot, rules: &Pairs<'_>) -> Vec<Refusal> {
    // The mark of an object that is gone takes no place from one that comes.
    let is_there = |row: &&Record| {
        let comes = rules.carry(&row.address).is_some();
        row.role == Role::Current && (row.status != Status::Absent || comes)
    };
    let rows = state.records.values().filter(is_there).map(|row| &row.address);
    let open = state.intents.values().filter(|intent| !state.records.contains_key(&intent.id));
    let open = open.filter_map(|intent| Some(&intent.record.as_deref()?.address));
    let mut places: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
    for address in rows.chain(open).chain(state.pins.keys()) {
        let to = rules.carry(address).unwrap_or_else(|| address.clone());
        places.entry(to).or_default().push(address.clone());
    }
    let clash = |(place, mut from): (Address, Vec<Address>)| {
        from.sort();
        from.dedup();
        let comes = from.iter().find(|address| **address != place)?.clone();
        if from.len() < 2 {
            return None;
        }
        Some(match from.contains(&place) {
            true => refusal(&comes, format!("`{place}` is taken: move what is there first")),
            false => refusal(&comes, format!("{} would both be `{place}`", names(&from))),
        })
    };
    places.into_iter().filter_map(clash).collect()
}

fn changes(state: &Snapshot, rules: &Pairs<'_>) -> (Vec<Edited>, Vec<Change>) {
    let (mut done, mut changes) = (Vec::new(), Vec::new());
    let mut tell = |from: &Address, to: &Address, kind: &str, id| {
        done.push(Edited {
            action: EditAction::Move,
            address: to.clone(),
            kind: kind.to_owned(),
            id,
            from: Some(from.clone()),
            from_stack: None,
            note: String::new(),
        });
    };
    let arriving: Vec<Address> = state
        .records
        .values()
        .filter(|row| row.role == Role::Current)
        .filter_map(|row| rules.carry(&row.address))
        .collect();
    let moved = |row: &Record| {
        let mut row = row.clone();
        if let Some(to) = rules.carry(&row.address) {
            row.address = to;
        } else if row.role == Role::Current
            && row.status == Status::Absent
            && arriving.contains(&row.address)
        {
            // What takes the place of an object that is gone is the current one there.
            row.role = Role::Deposed;
        }
        for (address, _) in &mut row.options.replace_with {
            if let Some(to) = rules.carry(address) {
                *address = to;
            }
        }
        row
    };
    for record in state.records.values() {
        let row = moved(record);
        if row.address != record.address {
            tell(&record.address, &row.address, &row.kind, Some(row.id));
        }
        if row != *record {
            changes.push(Change::Put(Box::new(row)));
        }
    }
    for intent in state.intents.values() {
        let Some(record) = &intent.record else { continue };
        let row = moved(record);
        if row != **record {
            if row.address != record.address && !state.records.contains_key(&intent.id) {
                tell(&record.address, &row.address, &row.kind, Some(row.id));
            }
            let record = Some(Box::new(row));
            changes.push(Change::Open(crate::state::Intent { record, ..intent.clone() }));
        }
    }
    let pins: Vec<(&Pin, Address)> =
        state.pins.values().filter_map(|pin| Some((pin, rules.carry(&pin.address)?))).collect();
    changes.extend(pins.iter().map(|(pin, _)| Change::Unpin(pin.address.clone())));
    for (pin, to) in pins {
        tell(&pin.address, &to, &pin.kind, None);
        changes.push(Change::Pin(Pin { address: to, ..pin.clone() }));
    }
    // What left from an address of a component left from where that is now.
    for gone in state.departed.values() {
        if let Some(address) = rules.carry(&gone.address) {
            changes.push(Change::Return(gone.address.clone()));
            let gone = crate::state::Departed { address, ..gone.clone() };
            changes.push(Change::Depart(gone));
        }
    }
    done.sort_by(|one, other| (&one.from, one.id).cmp(&(&other.from, other.id)));
    (done, changes)
}
