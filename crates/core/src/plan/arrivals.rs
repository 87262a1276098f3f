//! What comes from other stacks, and what this one gave away.

use std::collections::{BTreeMap, BTreeSet};

use super::{Move, PlanError, PlanSource, Selection, Want};
use crate::{
    declare::{MoveRules, Problem, Program},
    identity::Address,
    state::{
        Change, Departed, Role, Snapshot, Status,
        edit::{Crossing, cross},
    },
};

/// What this stack takes over from others.
#[derive(Default)]
pub(crate) struct Arrivals {
    pub(crate) moves: Vec<Move>,
    /// What is written here, before anything else.
    pub(crate) changes: Vec<Change>,
    /// What is written there, in the same commit.
    pub(crate) sources: Vec<PlanSource>,
    pub(crate) warnings: Vec<Problem>,
}

/// Follows what the program says of other stacks, whose states are `sources`, and applies it to
/// `snapshot`. What is said of an object that is here already, or nowhere, is history.
pub(crate) fn arrive(
    program: &Program,
    snapshot: &mut Snapshot,
    sources: &BTreeMap<String, Snapshot>,
) -> Result<Arrivals, PlanError> {
    let mut arrivals = Arrivals::default();
    let mut problems = Vec::new();
    let mut taken = BTreeSet::new();
    let given: Vec<Departed> = snapshot.departed.values().cloned().collect();
    for (stack, rules) in &program.arrivals {
        let Some(source) = sources.get(stack) else { continue };
        let mut places = BTreeMap::new();
        let rows = source.records.values();
        let rows = rows.filter(|row| row.role == Role::Current && row.status != Status::Absent);
        let rows = rows.map(|row| (&row.address, row.kind.as_str(), Some(row.id)));
        let pins = source.pins.values().map(|pin| (&pin.address, pin.kind.as_str(), None));
        for (from, kind, id) in rows.chain(pins) {
            let Some((rule, to)) = rules.next(from.as_str()) else { continue };
            let say = |message: String| Problem {
                address: to.clone(),
                field: Some("moved_from_stack".to_owned()),
                message,
                declared_at: rule.declared_at.to_string(),
            };
            let node = program.by_address.get(&to).map(|node| program.graph[*node].kind.name());
            if let Some(declared) = node.filter(|declared| to == rule.to && *declared != kind) {
                problems.push(say(format!(
                    "`{from}` of `{stack}` is a {kind}, and this is a {declared}: expected the same \
                     type"
                )));
            } else if is_here(snapshot, &to) {
                arrivals.warnings.push(say(format!(
                    "an object is here already, so the one at `{from}` of `{stack}` does not move \
                     here"
                )));
            } else if let Some(gone) = given.iter().find(|gone| Some(gone.id) == id) {
                // Or two programs that both say so would take it from each other, run by run.
                problems.push(say(format!(
                    "`{from}` of `{stack}` was given away here, as `{}`: run this stack without it \
                     before it is taken back",
                    gone.address
                )));
            } else if !taken.insert(to.clone()) {
                problems.push(say(format!(
                    "`{from}` of `{stack}` would come to where another object comes to"
                )));
            } else {
                places.insert((from.clone(), kind.to_owned()), to);
            }
        }
        if places.is_empty() {
            continue;
        }
        let place = |address: &Address, kind: &str| {
            places.get(&(address.clone(), kind.to_owned())).cloned()
        };
        let crossing = cross((stack, source), (&program.stack, snapshot), place);
        problems.extend(refused(&crossing, rules, stack));
        take_in(stack, source, crossing, snapshot, &mut arrivals);
    }
    match problems.is_empty() {
        true => Ok(arrivals),
        false => Err(PlanError::Invalid { stack: program.stack.to_string(), problems }),
    }
}

fn is_here(snapshot: &Snapshot, at: &Address) -> bool {
    let mut rows = snapshot.records.values().filter(|row| row.address == *at);
    rows.any(|row| row.role == Role::Current && row.status != Status::Absent)
        || snapshot.pins.contains_key(at)
}

/// What speaks against it, at the declarations that say it.
fn refused<'c>(
    crossing: &'c Crossing,
    rules: &'c MoveRules,
    stack: &'c str,
) -> impl Iterator<Item = Problem> + 'c {
    crossing.refusals.iter().filter_map(move |refusal| {
        let rule = rules.next(refusal.address.as_str()).map(|(rule, _)| rule);
        let rule = rule.or_else(|| rules.iter().next())?;
        Some(Problem {
            address: rule.to.clone(),
            field: Some("moved_from_stack".to_owned()),
            message: format!("`{}` of `{stack}`: {}", refusal.address, refusal.message),
            declared_at: rule.declared_at.to_string(),
        })
    })
}

fn take_in(
    stack: &str,
    source: &Snapshot,
    crossing: Crossing,
    snapshot: &mut Snapshot,
    arrivals: &mut Arrivals,
) {
    let mut moves: Vec<Move> = crossing
        .rows
        .iter()
        .filter(|(row, _)| row.role == Role::Current)
        .map(|(row, to)| Move {
            from: row.address.clone(),
            to: to.clone(),
            kind: row.kind.clone(),
            id: row.id,
            from_stack: Some(stack.to_owned()),
        })
        .collect();
    moves.sort_by(|one, other| one.from.cmp(&other.from));
    arrivals.moves.append(&mut moves);
    for change in &crossing.target {
        snapshot.apply(change.clone());
    }
    arrivals.changes.extend(crossing.target);
    arrivals.sources.push(PlanSource {
        stack: stack.to_owned(),
        lineage: source.lineage.clone(),
        version: source.version,
        changes: crossing.source,
    });
}

/// Refuses what the program declares and the stack gave away; returns the marks that have done their
/// work, for the program has dropped what they are of.
pub(crate) fn departed(
    program: &Program,
    snapshot: &Snapshot,
    want: Want,
    selection: &Selection,
) -> Result<Vec<Change>, PlanError> {
    let declared = |gone: &&Departed| {
        let moved = program.moved(&gone.address, &gone.kind).map(|(to, _)| to);
        let at = moved.as_ref().unwrap_or(&gone.address);
        program.declares(at, &gone.kind) && !is_here(snapshot, at)
    };
    let chosen = snapshot.departed.values().filter(|gone| selection.contains(&gone.address));
    let (still, mut over): (Vec<&Departed>, Vec<&Departed>) = chosen.partition(declared);
    // What is undecided may declare it, there or as moved from there.
    if program.undecided().next().is_some() {
        over.clear();
    }
    if want != Want::Nothing && !still.is_empty() {
        let departed = still.into_iter().cloned().collect();
        return Err(PlanError::Departed { stack: program.stack.to_string(), departed });
    }
    Ok(over.into_iter().map(|gone| Change::Return(gone.address.clone())).collect())
}
