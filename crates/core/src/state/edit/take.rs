//! Between stores: what is taken out of one as data, and taken into another.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Edit, EditAction, EditError, Edited, Part,
    hand_over::{arrive, parted, without},
    refusal, unless,
};
use crate::{
    identity::{Address, ResourceId},
    state::{Pin, ProviderTarget, Record, Role, Snapshot},
};

/// A part of a stack's state, to be taken into another stack or another store. Its secrets are
/// values of their own kind, which whoever writes it down seals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The stack it is of.
    pub stack: String,
    /// The lineage of that stack's state.
    pub lineage: String,
    /// The version that it had.
    pub version: u64,
    /// The rows. References to others than these are left out.
    pub records: Vec<Record>,
    /// The answers of lookups.
    pub pins: Vec<Pin>,
    /// Where the providers pointed.
    pub targets: Vec<ProviderTarget>,
}

/// What is recorded at `what`: addresses of resources, lookups, or components with all inside them;
/// all of the stack where none is named.
///
/// # Errors
/// Where nothing is recorded at one of them, where a call was cut off, and where what goes with
/// another object would be parted from it.
pub fn excerpt(stack: &str, state: &Snapshot, what: &[String]) -> Result<Excerpt, EditError> {
    let wanted = |address: &Address| {
        let is = |word: &String| address.as_str() == word || address.is_inside(word);
        what.is_empty() || what.iter().any(is)
    };
    let mut refusals = Vec::new();
    for word in what {
        let here = |address: &Address| address.as_str() == word || address.is_inside(word);
        let known = state.records.values().map(|row| &row.address).chain(state.pins.keys());
        if !known.into_iter().any(here) {
            refusals.push(refusal(&Address::new(word.as_str()), "nothing is recorded there"));
        }
    }
    let rows = state.records.values().filter(|row| wanted(&row.address));
    let going: BTreeSet<ResourceId> = rows.clone().map(|row| row.id).collect();
    for intent in state.intents.values() {
        let row = intent.record.as_deref().or_else(|| state.records.get(&intent.id));
        if let Some(row) = row.filter(|row| wanted(&row.address)) {
            let message = format!("a call on it was cut off: plan and apply `{stack}` first");
            refusals.push(refusal(&row.address, message));
        }
    }
    refusals.extend(parted(state, &going));
    let providers: BTreeSet<&str> = rows.clone().map(|row| row.provider.as_str()).collect();
    let targets = state.targets.values();
    let excerpt = Excerpt {
        stack: stack.to_owned(),
        lineage: state.lineage.clone(),
        version: state.version,
        records: rows.map(|row| without(row.clone(), |id| going.contains(id))).collect(),
        pins: state.pins.values().filter(|pin| wanted(&pin.address)).cloned().collect(),
        targets: targets.filter(|at| providers.contains(at.provider.as_str())).cloned().collect(),
    };
    match refusals.is_empty() {
        true => Ok(excerpt),
        false => Err(EditError { refusals }),
    }
}

/// Takes `excerpt` into the stack. Whoever gave it still has it too: it is to be removed there.
///
/// # Errors
/// Where something is recorded at one of its addresses, where one of its objects is recorded already,
/// and where the name of a provider means another place here. Nothing is overwritten.
pub fn take(stack: &str, state: &Snapshot, excerpt: &Excerpt) -> Result<Edit, EditError> {
    let targets: BTreeMap<String, ProviderTarget> =
        excerpt.targets.iter().map(|at| (at.provider.clone(), at.clone())).collect();
    // A document may be anything: its references lead to its own rows or to nowhere.
    let ids: BTreeSet<ResourceId> = excerpt.records.iter().map(|row| row.id).collect();
    let rows = excerpt.records.iter().map(|row| without(row.clone(), |id| ids.contains(id)));
    let (changes, mut refusals) = arrive(state, rows.collect(), excerpt.pins.clone(), &targets);
    if ids.len() < excerpt.records.len() {
        refusals.push(refusal(&Address::new(""), "one object stands in it several times"));
    }
    let edited = |address: &Address, kind: &str, id: Option<ResourceId>, note: &str| Edited {
        action: EditAction::Take,
        address: address.clone(),
        kind: kind.to_owned(),
        id,
        from: None,
        from_stack: Some(excerpt.stack.clone()),
        note: note.to_owned(),
    };
    let note = |row: &Record| match row.role {
        Role::Current => "",
        Role::Deposed => "a copy that was replaced",
    };
    let rows = excerpt.records.iter();
    let rows = rows.map(|row| edited(&row.address, &row.kind, Some(row.id), note(row)));
    let pins = excerpt.pins.iter().map(|pin| edited(&pin.address, &pin.kind, None, ""));
    let mut done: Vec<Edited> = rows.chain(pins).collect();
    done.sort_by(|one, other| (&one.address, one.id).cmp(&(&other.address, other.id)));
    unless(refusals, false, Edit { done, parts: vec![Part::of(stack, state, changes)] })
}
