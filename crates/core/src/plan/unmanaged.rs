//! Children of managed objects that nobody declares: which there are, and what becomes of each.
//!
//! A rule that another hand added to a security group of ours, or a policy attached to a role, is no
//! drift of any object that is recorded. What the gatherer found of such is told here, and deleted
//! where the parent is exclusive.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    Action, Facts, PlanError, Reason, Want, existing::Readers, import::taken_over_later,
    removals::Removal,
};
use crate::{
    declare::{Problem, Program},
    identity::{Address, ResourceId},
    provider::{ProviderError, Seen, physical_id},
    state::Record,
    value::Value,
};

/// A child of a managed object that neither the program nor the state has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unmanaged {
    /// The address of the object that it belongs to.
    pub parent: Address,
    /// Further ones, of what joins two, such as a route table with a subnet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_of: Vec<Address>,
    /// The provider that it was seen through, by name.
    pub provider: String,
    /// Its type.
    pub kind: String,
    /// Its id in the cloud.
    pub physical_id: String,
    /// Its state, in the shape of the inputs that would bring it about.
    pub inputs: Value,
    /// Its outputs.
    pub outputs: Value,
    /// The id in its ownership tag, where it has one: the resource of another stack that it is, or of
    /// one that was forgotten. Such a child is never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What a plan makes of an unmanaged child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// It is deleted, for a parent of it is exclusive; a step says so.
    Deleted,
    /// It goes when its parent is deleted, without a call of its own.
    GoesAlong,
    /// It stays, and the delete of its parent will fail for that.
    Blocks,
}

impl Unmanaged {
    /// What it is called where something with an address is named: its parent's address, and its id.
    #[must_use]
    pub fn address(&self) -> Address {
        called(&self.parent, &self.physical_id)
    }
}

/// What was found of the children of what is managed.
#[derive(Clone, Default)]
pub(crate) struct Children {
    /// Whether they were looked for, or nothing is there that could have any.
    pub(crate) looked: bool,
    pub(crate) strays: Vec<Stray>,
    pub(crate) unlisted: Vec<Unlisted>,
}

/// A child that no row has.
#[derive(Clone)]
pub(crate) struct Stray {
    pub(crate) provider: String,
    pub(crate) kind: String,
    pub(crate) physical_id: String,
    pub(crate) seen: Seen,
    pub(crate) owner: Option<String>,
    /// The rows that it belongs to.
    pub(crate) parents: Vec<StrayOf>,
    /// The id of a delete that an earlier run began, and did not see the end of.
    pub(crate) deleting: Option<ResourceId>,
}

/// Whose a stray is.
#[derive(Clone)]
pub(crate) struct StrayOf {
    pub(crate) row: ResourceId,
    pub(crate) address: Address,
    pub(crate) field: &'static str,
    pub(crate) goes_along: bool,
    pub(crate) told_only: bool,
}

/// A type whose objects could not be looked for.
#[derive(Clone)]
pub(crate) struct Unlisted {
    pub(crate) kind: String,
    pub(crate) parents: Vec<ResourceId>,
    pub(crate) error: ProviderError,
}

/// What a plan makes of all of them.
#[derive(Default)]
pub(super) struct Unasked {
    /// As data; absent if nothing was looked for.
    pub(super) told: Option<Vec<Unmanaged>>,
    pub(super) warnings: Vec<Problem>,
    /// Those that are deleted: the place among the strays, and why.
    pub(super) deletes: Vec<(usize, Reason)>,
}

/// Tells of all of them, in a plan that only brings the records up to what is there.
pub(super) fn report(program: &Program, facts: &Facts<'_>) -> Unasked {
    let children = &facts.children;
    let known = Known::of(program, facts);
    let strays = children.strays.iter().filter(|stray| !known.has(facts, stray));
    let told = strays.map(|stray| stray.told(Fate::Stays)).collect();
    let unlisted = children.unlisted.iter();
    // It deletes nothing, so it needs to know no better.
    let warnings = unlisted.map(|unlisted| unlisted.warning(facts, unlisted.parents.first()));
    Unasked {
        told: children.looked.then_some(told),
        warnings: warnings.collect(),
        deletes: Vec::new(),
    }
}

/// Decides what becomes of each, given what goes.
pub(super) fn decide(
    program: &Program,
    facts: &Facts<'_>,
    removals: &[Removal],
) -> Result<Unasked, PlanError> {
    let children = &facts.children;
    let going: HashMap<ResourceId, &Removal> = removals
        .iter()
        .flat_map(|removal| {
            let along = removal.takes_along.iter().copied();
            along.chain([removal.row]).map(move |row| (row, removal))
        })
        .collect();
    let mut unasked = Unasked { told: children.looked.then(Vec::new), ..Unasked::default() };
    let mut blocked: Vec<(&StrayOf, &Stray)> = Vec::new();
    let known = Known::of(program, facts);
    let open = facts.want == Want::Program && program.undecided().next().is_some();
    let strays = children.strays.iter().enumerate();
    for (at, stray) in strays.filter(|(_, stray)| !known.has(facts, stray)) {
        let goes = |of: &&StrayOf| {
            going.get(&of.row).is_some_and(|removal| removal.action == Action::Delete)
        };
        let left = |of: &&StrayOf| {
            let forgotten = |removal: &&Removal| removal.action == Action::Forget;
            !going.get(&of.row).is_some_and(forgotten)
        };
        let deleted: Vec<&StrayOf> = stray.parents.iter().filter(goes).collect();
        let in_the_way = deleted.iter().copied().find(|of| !of.goes_along);
        let claimed = stray.parents.iter().filter(left);
        let claimed = claimed.filter(|of| stray.owner.is_none() && !of.told_only);
        // What is undecided, or left out of this plan, may take it over; not from what goes now.
        let spared = open || taken_over_later(program, facts, (&stray.kind, &stray.physical_id));
        let claimed = claimed.filter(|of| !spared || goes(of));
        let exclusive = claimed.clone().find(|of| is_exclusive(program, facts, of.row));
        let reason = match (stray.deleting, exclusive) {
            (Some(_), _) => Some(Reason::DeleteBegan),
            (None, Some(of)) => Some(Reason::Undeclared(of.address.clone())),
            (None, None) => None,
        };
        let goes_along = !deleted.is_empty() && in_the_way.is_none() && stray.deleting.is_none();
        let fate = match (reason, in_the_way) {
            _ if goes_along => Fate::GoesAlong,
            (Some(reason), _) => {
                unasked.deletes.push((at, reason));
                Fate::Deleted
            }
            (None, Some(of)) => {
                blocked.push((of, stray));
                Fate::Blocks
            }
            (None, None) => Fate::Stays,
        };
        if let Some(told) = &mut unasked.told {
            told.push(stray.told(fate));
        }
    }
    unasked.warnings = blocks(facts, &blocked);
    for unlisted in &children.unlisted {
        let mut parents = unlisted.parents.iter();
        // To make it exclusive is to want to know what there is.
        if let Some(row) = parents.find(|row| is_exclusive(program, facts, **row)) {
            let address = facts.snapshot.records[row].address.clone();
            let (kind, source) = (unlisted.kind.clone(), unlisted.error.clone());
            return Err(PlanError::Refresh { address, kind, source });
        }
        unasked.warnings.push(unlisted.warning(facts, unlisted.parents.first()));
    }
    Ok(unasked)
}

/// Objects that the program names although they were not recorded when it was looked for children:
/// what it takes over in this plan, and what it only reads.
struct Known<'p> {
    taken: HashSet<(String, String)>,
    readers: Readers<'p>,
}

impl<'p> Known<'p> {
    fn of(program: &'p Program, facts: &Facts<'_>) -> Self {
        let id = |row: &Record| {
            let of = (facts.types)(&row.provider, &row.kind)?;
            Some((row.kind.clone(), physical_id(of, &row.outputs)?.to_owned()))
        };
        let rows = facts.snapshot.records.values().filter(|row| row.is_unclaimed());
        Self { taken: rows.filter_map(id).collect(), readers: Readers::of(program, facts) }
    }

    fn has(&self, facts: &Facts<'_>, stray: &Stray) -> bool {
        let read = (stray.provider.as_str(), stray.kind.as_str(), stray.physical_id.as_str());
        self.taken.contains(&(stray.kind.clone(), stray.physical_id.clone()))
            || self.readers.read(facts, read)
    }
}

fn called(parent: &Address, physical_id: &str) -> Address {
    Address::new(format!("{parent}[{physical_id}]"))
}

impl Stray {
    fn parent(&self) -> Address {
        self.parents.first().map_or_else(|| Address::new(""), |of| of.address.clone())
    }

    /// What its step is called.
    pub(super) fn address(&self) -> Address {
        called(&self.parent(), &self.physical_id)
    }

    fn told(&self, fate: Fate) -> Unmanaged {
        let parent = self.parent();
        let mut also_of: Vec<Address> = Vec::new();
        for of in &self.parents {
            if of.address != parent && !also_of.contains(&of.address) {
                also_of.push(of.address.clone());
            }
        }
        Unmanaged {
            parent,
            also_of,
            provider: self.provider.clone(),
            kind: self.kind.clone(),
            physical_id: self.physical_id.clone(),
            inputs: self.seen.inputs.clone(),
            outputs: self.seen.outputs.clone(),
            owner: self.owner.clone(),
            fate,
        }
    }
}

/// What the plan says of the deletes that will fail, one warning for each parent.
fn blocks(facts: &Facts<'_>, blocked: &[(&StrayOf, &Stray)]) -> Vec<Problem> {
    let removable = |row| {
        let mut of_row = blocked.iter().filter(|(of, _)| of.row == row);
        of_row.any(|(of, stray)| !of.told_only && stray.owner.is_none())
    };
    let mut warnings: Vec<(ResourceId, Problem)> = Vec::new();
    for (of, stray) in blocked {
        let record = &facts.snapshot.records[&of.row];
        let owner = stray.owner.as_ref();
        let owned = owner.map_or_else(String::new, |id| format!(", of the resource {id}"));
        let child = format!("\n    - {} ({}{owned})", stray.physical_id, stray.kind);
        match warnings.iter_mut().find(|(row, _)| *row == of.row) {
            Some((_, warning)) => warning.message.push_str(&child),
            None => warnings.push((
                of.row,
                Problem {
                    address: record.address.clone(),
                    field: None,
                    message: format!(
                        "its delete will fail while these are there, which nobody declares: \
                         delete them{}{child}",
                        match removable(of.row) {
                            true =>
                                ", or make it exclusive to have what only belongs to it go first",
                            false => "",
                        }
                    ),
                    declared_at: record.declared_at.clone(),
                },
            )),
        }
    }
    warnings.into_iter().map(|(_, warning)| warning).collect()
}

impl Unlisted {
    /// What is said where the children of a type could not be listed.
    fn warning(&self, facts: &Facts<'_>, of: Option<&ResourceId>) -> Problem {
        let row = of.and_then(|row| facts.snapshot.records.get(row));
        let more = match self.parents.len() {
            0 | 1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        Problem {
            address: row.map_or_else(|| Address::new(""), |row| row.address.clone()),
            field: None,
            message: format!(
                "could not look for `{}` of this{more} that nobody declares: {}",
                self.kind, self.error
            ),
            declared_at: row.map(|row| row.declared_at.clone()).unwrap_or_default(),
        }
    }
}

/// The program's word counts where it still declares the parent, the record's where it does not.
fn is_exclusive(program: &Program, facts: &Facts<'_>, row: ResourceId) -> bool {
    let Some(record) = facts.snapshot.records.get(&row) else { return false };
    let same = |record: &Record| {
        let node = program.by_address.get(&record.address)?;
        let node = &program.graph[*node];
        (node.kind.name() == record.kind).then_some(node.options.exclusive)
    };
    same(record).unwrap_or(record.options.exclusive)
}

/// The texts in a value, at any depth: what an object names, it may use.
pub(super) fn named(value: &Value) -> HashSet<&str> {
    let mut names = HashSet::new();
    let mut stack = vec![value];
    while let Some(value) = stack.pop() {
        match value.open() {
            Value::List(list) => stack.extend(list),
            Value::Map(map) => stack.extend(map.iter().map(|(_, value)| value)),
            other => names.extend(other.as_str()),
        }
    }
    names
}
