//! Plans that are one wave of several: what can be declared only after them, and what stays as it is
//! until then.
//!
//! While a subtree is undecided nothing is known of it, so nothing is done to it: what is recorded in
//! it stays, what depends on it waits, and what these objects use stays too, though it was replaced.
//! An object that the program declares nowhere may have moved into it, so it stays as long.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
};

use petgraph::{Direction, graph::NodeIndex};
use serde::{Deserialize, Serialize};

use super::{
    Want,
    decide::Draft,
    late::Stands,
    order,
    removals::{self, Removal},
};
use crate::{
    declare::{Node, NodeKind, Program},
    identity::{Address, ResourceId},
    value::Value,
};

/// What a subtree is declared from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Its address.
    pub address: Address,
    /// The value.
    pub value: Value,
}

/// A subtree that can be declared only when a plan is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undecided {
    /// Its address.
    pub address: Address,
    /// What it is decided after, by address.
    pub after: Vec<Address>,
    /// What is recorded in it, and stays as it is until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps: Vec<Address>,
    /// The source line of its declaration.
    pub declared_at: String,
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if !self.after.is_empty() {
            let after: Vec<String> = self.after.iter().map(ToString::to_string).collect();
            write!(f, " is decided after {}", after.join(", "))?;
        } else {
            f.write_str(" is undecided")?;
        }
        match self.keeps.len() {
            0 => Ok(()),
            1 => f.write_str("; what is recorded in it stays as it is: 1 resource"),
            n => write!(f, "; what is recorded in it stays as it is: {n} resources"),
        }
    }
}

/// An object that has to go now, and that is used by what stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptInUse {
    /// What has to go before its replacement comes.
    pub goes: Address,
    /// What uses it, and may use it or its replacement once more is known.
    pub user: Address,
}

impl fmt::Display for KeptInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} goes before its replacement comes, and {}, which can be decided only after that, \
             uses it: remove that first, or make the new one first",
            self.goes, self.user
        )
    }
}

/// By which values the program is decided.
pub(super) fn decided(program: &Program) -> Vec<Decided> {
    let decisions = program.decisions().into_iter();
    decisions.map(|(address, value)| Decided { address, value }).collect()
}

impl Draft<'_> {
    /// Finds out whether a subtree can be declared, and what it tells the others if it is.
    pub(super) fn visit_subtree(&mut self, index: NodeIndex, node: &Node, value: &Value) {
        let at = index.index();
        let decider = &self.program.deciders[&index];
        if !value.is_known() || decider.waits || self.depends_on_undecided(index) {
            self.waits[at] = true;
            if self.is_chosen(index) {
                self.note_needs(index);
            }
            return;
        }
        self.decided.insert(node.address.clone(), value.clone());
        match &decider.decided {
            Some((by, _)) if by == value => {
                self.outputs[at] =
                    self.program.result(index, &self.outputs).unwrap_or(Value::Unknown);
            }
            // It will be, by this value, before the plan is made.
            _ => self.waits[at] = true,
        }
    }

    /// Whether what decides a subtree waits itself. What is in the subtree may wait, and its result
    /// with it.
    fn depends_on_undecided(&self, index: NodeIndex) -> bool {
        self.program.sources(index).iter().any(|from| self.waits[from.index()])
    }

    /// What can be declared only after this plan.
    pub(super) fn undecided(&self) -> Vec<super::Undecided> {
        let records = &self.facts.snapshot.records;
        let undecided = self.program.order.iter().copied().filter(|index| {
            let node = &self.program.graph[*index];
            matches!(node.kind, NodeKind::Decide)
                && self.facts.want == Want::Program
                && self.is_chosen(*index)
                && self.program.deciders[index].decided.is_none()
        });
        undecided
            .map(|index| {
                let node = &self.program.graph[index];
                let from = self.program.graph.neighbors_directed(index, Direction::Incoming);
                let open = from.filter(|from| !matches!(self.stands(*from), Stands::AsItWill));
                let mut open: Vec<NodeIndex> = open.collect();
                open.sort_unstable();
                let within = |at: &&Address| at.is_inside(node.address.as_str());
                let keeps: BTreeSet<&Address> =
                    records.values().map(|row| &row.address).filter(within).collect();
                Undecided {
                    address: node.address.clone(),
                    after: open.iter().map(|at| self.program.graph[*at].address.clone()).collect(),
                    keeps: keeps.into_iter().cloned().collect(),
                    declared_at: node.declared_at.to_string(),
                }
            })
            .collect()
    }

    /// The resources and lookups that wait until more is decided.
    pub(super) fn waiting(&self) -> Vec<Address> {
        let waits = self.program.order.iter().filter(|at| self.waits[at.index()]);
        let nodes = waits.filter(|at| self.is_chosen(**at)).map(|at| &self.program.graph[*at]);
        let nodes = nodes.filter(|node| !matches!(node.kind, NodeKind::Decide));
        nodes.map(|node| node.address.clone()).collect()
    }

    /// The rows that stay because of what is undecided, whatever the program says.
    pub(super) fn kept_rows(&self) -> HashSet<ResourceId> {
        let undecided = self.program.undecided().next().is_some();
        if self.facts.want != Want::Program || !undecided {
            return HashSet::new();
        }
        let waiting: HashSet<&Address> = self
            .program
            .graph
            .node_indices()
            .filter(|at| self.waits[at.index()])
            .map(|at| &self.program.graph[at].address)
            .collect();
        let rows = self.facts.snapshot.records.values();
        rows.filter(|row| waiting.contains(&row.address) || self.program.is_undecided(&row.address))
            .map(|row| row.id)
            .collect()
    }

    /// What goes; what is held back is so only as far as it is in nobody's way.
    pub(super) fn removals(&mut self) -> Vec<Removal> {
        loop {
            self.protected.clear();
            let removals = removals::decide(self);
            if self.held.is_empty() {
                return removals;
            }
            let in_the_way = order::held_in_the_way(self, &removals);
            let before = self.released.len();
            self.released.extend(in_the_way);
            if self.released.len() == before {
                return removals;
            }
        }
    }

    /// Takes out of `removals` what stays until more is decided: what nobody declares, and whatever
    /// rows that stay refer to.
    pub(super) fn hold(&mut self, kept: &HashSet<ResourceId>, removals: &mut Vec<Removal>) {
        self.held.clear();
        self.in_use.clear();
        if self.facts.want != Want::Program || self.program.undecided().next().is_none() {
            return;
        }
        let facts = self.facts;
        let records = &facts.snapshot.records;
        let places: HashMap<ResourceId, usize> =
            removals.iter().enumerate().map(|(i, removal)| (removal.row, i)).collect();
        let first = removals.iter().filter(|removal| removal.delete_first);
        self.released.extend(users_among(facts, first.map(|removal| removal.row), &places));
        let orphan =
            |removal: &&Removal| removal.is_of_orphan() && !self.released.contains(&removal.row);
        let mut held: HashSet<ResourceId> =
            removals.iter().filter(orphan).map(|removal| removal.row).collect();
        let mut stack: Vec<ResourceId> = kept.iter().chain(&held).copied().collect();
        stack.sort_unstable();
        let mut in_use = Vec::new();
        while let Some(row) = stack.pop() {
            let Some(record) = records.get(&row) else { continue };
            for needed in facts.needs(record) {
                let Some(removal) = places.get(&needed).map(|at| &removals[*at]) else { continue };
                if removal.delete_first {
                    let goes = records[&needed].address.clone();
                    in_use.push(KeptInUse { goes, user: record.address.clone() });
                } else if held.insert(needed) {
                    stack.push(needed);
                }
            }
        }
        removals.retain(|removal| !held.contains(&removal.row));
        in_use.sort_by(|a, b| (&a.goes, &a.user).cmp(&(&b.goes, &b.user)));
        (self.held, self.in_use) = (held, in_use);
    }
}

/// The rows among `removals` that use one of these, directly or through others of them.
fn users_among(
    facts: &super::Facts<'_>,
    rows: impl Iterator<Item = ResourceId>,
    removals: &HashMap<ResourceId, usize>,
) -> Vec<ResourceId> {
    let mut users: HashMap<ResourceId, Vec<ResourceId>> = HashMap::new();
    let mut stack: Vec<ResourceId> = rows.collect();
    if stack.is_empty() {
        return Vec::new();
    }
    for record in facts.snapshot.records.values().filter(|row| removals.contains_key(&row.id)) {
        for needed in facts.needs(record) {
            users.entry(needed).or_default().push(record.id);
        }
    }
    let mut found = Vec::new();
    while let Some(row) = stack.pop() {
        for user in users.remove(&row).into_iter().flatten() {
            found.push(user);
            stack.push(user);
        }
    }
    found
}
