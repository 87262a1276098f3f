//! Recorded objects whose address is another one now.
//!
//! All that moves is found out before anything is decided, so that the planner sees every row where
//! it belongs; and it is written at once, before the first step.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{Arrivals, PlanError};
use crate::{
    declare::{Moved, Problem, Program},
    identity::{Address, ResourceId},
    state::{Change, Pin, Record, Role, Snapshot, Status},
};

/// One object that has a new address. Nothing changes in the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The address that it had.
    pub from: Address,
    /// The address that it has from now on.
    pub to: Address,
    /// Its type.
    pub kind: String,
    /// The object.
    pub id: ResourceId,
    /// The stack that it comes from, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_stack: Option<String>,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from_stack {
            Some(stack) => write!(f, "moved {} of stack {stack} -> {}", self.from, self.to),
            None => write!(f, "moved {} -> {}", self.from, self.to),
        }
    }
}

/// What moves, and what to write for it.
#[derive(Clone, Default)]
pub(crate) struct Moves {
    pub(crate) moves: Vec<Move>,
    pub(crate) changes: Vec<Change>,
    pub(crate) warnings: Vec<Problem>,
}

impl Moves {
    /// Adds what comes from other stacks, and may have gone on from where it came to.
    pub(crate) fn arrive(&mut self, arrivals: &mut Arrivals) {
        let mut all = std::mem::take(&mut arrivals.moves);
        for arrived in &mut all {
            if let Some(on) = self.moves.iter().position(|moved| moved.id == arrived.id) {
                arrived.to = self.moves.remove(on).to;
            }
        }
        all.append(&mut self.moves);
        self.moves = all;
        self.warnings.append(&mut arrivals.warnings);
    }
}

/// An address and a kind: what two objects can not have in common.
type Place<'p> = (&'p str, &'p str);

/// Follows what the program says of earlier addresses.
pub(crate) fn follow(program: &Program, snapshot: &Snapshot) -> Result<Moves, PlanError> {
    if program.moves.is_empty() {
        return Ok(Moves::default());
    }
    let current = snapshot.records.values().filter(|record| record.role == Role::Current);
    let records: BTreeMap<Place<'_>, ResourceId> =
        current.map(|row| ((row.address.as_str(), row.kind.as_str()), row.id)).collect();
    let pins = snapshot.pins.values().map(|pin| (pin.address.as_str(), pin.kind.as_str()));
    let absent = snapshot.records.values().filter(|row| row.status == Status::Absent);
    let gone = absent.map(|row| (row.address.as_str(), row.kind.as_str())).collect();
    let rows = Tenants::new(program, records.keys().copied(), gone);
    let pins = Tenants::new(program, pins, BTreeSet::new());
    let mut problems = other_kinds(program, snapshot);
    problems.extend(rows.clashes());
    if !problems.is_empty() {
        return Err(PlanError::Invalid { stack: program.stack.to_string(), problems });
    }
    let mut moves = Moves { warnings: rows.left_behind(), ..Moves::default() };
    for (from, to) in rows.moving() {
        let (kind, id) = (from.1.to_owned(), records[&from]);
        moves.moves.push(Move { from: from.0.into(), to: to.clone(), kind, id, from_stack: None });
    }
    moves.changes = changes(snapshot, &rows.moving(), &pins.moving());
    Ok(moves)
}

/// Who is at which place, and where each is to go.
struct Tenants<'p> {
    program: &'p Program,
    to: BTreeMap<Place<'p>, Option<(Address, Vec<&'p Moved>)>>,
    /// The places whose object goes: nobody stays where it is to go to.
    going: HashSet<Place<'p>>,
}

impl<'p> Tenants<'p> {
    /// `gone` are the places where only the row of an object is that was deleted: nobody stays there.
    fn new(
        program: &'p Program,
        places: impl Iterator<Item = Place<'p>>,
        gone: BTreeSet<Place<'p>>,
    ) -> Self {
        let moved = |(address, kind): Place<'p>| {
            ((address, kind), program.moved(&Address::new(address), kind))
        };
        let to = places.map(moved).collect();
        let going = going(&to, &gone);
        Self { program, to, going }
    }

    fn goes(&self, place: Place<'_>) -> bool {
        self.going.contains(&place)
    }

    fn moving(&self) -> BTreeMap<Place<'p>, Address> {
        let goes = self.to.iter().filter(|(place, _)| self.goes(**place));
        goes.filter_map(|(place, to)| Some((*place, to.as_ref()?.0.clone()))).collect()
    }

    /// Objects that would come to one place.
    fn clashes(&self) -> Vec<Problem> {
        let mut coming: BTreeMap<(Address, &str), Vec<Place<'p>>> = BTreeMap::new();
        for (place, to) in self.moving() {
            coming.entry((to, place.1)).or_default().push(place);
        }
        let several = coming.into_iter().filter(|(_, from)| from.len() > 1);
        let problem = |((to, _), from): ((Address, &str), Vec<Place<'p>>)| {
            let names: Vec<String> = from.iter().map(|(at, _)| format!("`{at}`")).collect();
            let message = format!(
                "there is an object at each of {}: they can not become one; say of one of them only \
                 that it moved here",
                names.join(" and ")
            );
            self.problem(from[0], &to, message)
        };
        several.filter_map(problem).collect()
    }

    /// What stays at an address that nothing is declared at, because another object is where it was
    /// to go.
    fn left_behind(&self) -> Vec<Problem> {
        // One that is declared where it is keeps its place: it is not from there that others came.
        let declared = |place: &Place<'p>| self.program.declares(&place.0.into(), place.1);
        let stays = self.to.keys().filter(|place| !self.goes(**place) && !declared(place));
        let warning = |place: &Place<'p>| {
            let (to, _) = self.to[place].as_ref()?;
            let message = format!(
                "an object is here already, so the one at `{}` does not move here",
                place.0
            );
            self.problem(*place, to, message)
        };
        stays.filter_map(warning).collect()
    }

    /// A problem at the declaration that moves what is at `place`.
    fn problem(&self, place: Place<'p>, to: &Address, message: String) -> Option<Problem> {
        let (_, rules) = self.to[&place].as_ref()?;
        Some(Problem {
            address: to.clone(),
            field: Some("moved_from".to_owned()),
            message,
            declared_at: rules.last()?.declared_at.to_string(),
        })
    }
}

/// Which of them go. Each in a row of them waits for the next, so each row is followed once; one that
/// has no end moves nobody.
fn going<'p>(
    to: &BTreeMap<Place<'p>, Option<(Address, Vec<&'p Moved>)>>,
    gone: &BTreeSet<Place<'p>>,
) -> HashSet<Place<'p>> {
    let mut known: HashMap<Place<'_>, bool> = HashMap::with_capacity(to.len());
    for place in to.keys() {
        let mut row = Vec::new();
        let mut at = *place;
        let goes = loop {
            // Of the place itself this says nothing: only who comes to it has no need to wait.
            if !row.is_empty() && gone.contains(&at) {
                break true;
            }
            if let Some(goes) = known.get(&at) {
                break *goes;
            }
            let Some((place, next)) = to.get_key_value(&at) else { break true };
            known.insert(*place, false);
            row.push(*place);
            match next {
                Some((next, _)) => at = (next.as_str(), place.1),
                None => break false,
            }
        };
        known.extend(row.into_iter().map(|place| (place, goes)));
    }
    to.keys().filter(|place| known.get(*place).is_some_and(|goes| *goes)).copied().collect()
}

/// Resources that are said to have been another address, where something of another kind is.
fn other_kinds(program: &Program, snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut current: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in snapshot.records.values().filter(|record| record.role == Role::Current) {
        current.entry(record.address.as_str()).or_default().push(record);
    }
    for rule in program.moves.iter() {
        let from = Address::new(rule.from.as_str());
        let Some(node) = program.by_address.get(&rule.to).map(|at| &program.graph[*at]) else {
            continue;
        };
        let kind = node.kind.name();
        let there = current.get(rule.from.as_str()).into_iter().flatten();
        let mut there = there.filter(|record| !program.declares(&from, &record.kind)).peekable();
        if let Some(other) = there.peek().map(|record| record.kind.clone())
            && there.all(|record| record.kind != kind)
        {
            problems.push(Problem {
                address: rule.to.clone(),
                field: Some("moved_from".to_owned()),
                message: format!(
                    "`{}` is a {other}, and this is a {kind}: expected the same type",
                    rule.from
                ),
                declared_at: rule.declared_at.to_string(),
            });
        }
    }
    problems
}

/// What to write: every row of what moves, and every row that names an address which moved.
fn changes(
    snapshot: &Snapshot,
    rows: &BTreeMap<Place<'_>, Address>,
    pins: &BTreeMap<Place<'_>, Address>,
) -> Vec<Change> {
    let renamed: HashMap<&str, &Address> = rows.iter().map(|(from, to)| (from.0, to)).collect();
    let taken: HashSet<Place<'_>> = rows.iter().map(|(from, to)| (to.as_str(), from.1)).collect();
    let mut changes = Vec::new();
    for record in snapshot.records.values() {
        let mut row = record.clone();
        // What is left of earlier replacements goes along with the object that took its place.
        if let Some(to) = rows.get(&(record.address.as_str(), record.kind.as_str())) {
            row.address = to.clone();
        }
        // One that takes the place of an object that was deleted is the current one there.
        let moved = record.address != row.address;
        if !moved
            && row.role == Role::Current
            && row.status == Status::Absent
            && taken.contains(&(row.address.as_str(), row.kind.as_str()))
        {
            row.role = Role::Deposed;
        }
        for (address, _) in &mut row.options.replace_with {
            if let Some(to) = renamed.get(address.as_str()) {
                *address = (*to).clone();
            }
        }
        if row != *record {
            changes.push(Change::Put(Box::new(row)));
        }
    }
    let moved = |pin: &&Pin| pins.contains_key(&(pin.address.as_str(), pin.kind.as_str()));
    let moved: Vec<&Pin> = snapshot.pins.values().filter(moved).collect();
    changes.extend(moved.iter().map(|pin| Change::Unpin(pin.address.clone())));
    changes.extend(moved.into_iter().map(|pin| {
        let address = pins[&(pin.address.as_str(), pin.kind.as_str())].clone();
        Change::Pin(Pin { address, ..pin.clone() })
    }));
    changes
}
