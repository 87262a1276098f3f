//! Subtrees that are declared from a value, once it is known: the closures of
//! [`Scope::decide`](super::Scope::decide), and the program with what they declare.
//!
//! A program is declared once, and may be decided many times: a closure is pure, so the same values
//! give the same declarations. Places of nodes never change; what is decided comes after all else,
//! and [`Program::order`] says what needs what.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use petgraph::{Direction, graph::NodeIndex};

use super::{Builder, Options, Problem, Program, Scope, Site};
use crate::{
    expr::{Expr, NodeId},
    identity::Address,
    panics::caught_now,
    value::Value,
};

/// How deep decisions may lie in each other: a closure that always decides again never ends.
const DEPTH: u32 = 32;

type Declare = dyn Fn(&mut Scope<'_>, &Value) -> Result<Arc<Expr>, String> + Send + Sync;

/// By which value each subtree is decided.
pub(crate) type Decisions = BTreeMap<Address, Value>;

/// One subtree.
#[derive(Clone)]
pub(crate) struct Decider {
    pub(crate) declare: Arc<Declare>,
    pub(crate) options: Options,
    pub(crate) site: Site,
    pub(crate) depth: u32,
    /// The value that it is declared from, and what its closure returned.
    pub(crate) decided: Option<(Value, Arc<Expr>)>,
    /// Whether it stays undecided although its value is known.
    pub(crate) waits: bool,
}

impl Program {
    /// The subtrees that are not declared.
    pub(crate) fn undecided(&self) -> impl Iterator<Item = (NodeIndex, &Address)> {
        let undecided = self.deciders.iter().filter(|(_, decider)| decider.decided.is_none());
        undecided.map(|(at, _)| (*at, &self.graph[*at].address))
    }

    /// Whether an address lies in a subtree that is not declared.
    pub(crate) fn is_undecided(&self, address: &Address) -> bool {
        self.undecided().any(|(_, subtree)| address.is_inside(subtree.as_str()))
    }

    /// By which values it is decided.
    pub(crate) fn decisions(&self) -> Decisions {
        let decided = self.deciders.iter().filter_map(|(at, decider)| {
            let (value, _) = decider.decided.as_ref()?;
            Some((self.graph[*at].address.clone(), value.clone()))
        });
        decided.collect()
    }

    /// This program with the subtrees that `decisions` has values for, and those inside of them;
    /// of what is in `waits` none.
    pub(crate) fn decided(
        &self,
        decisions: &Decisions,
        waits: &[Address],
    ) -> Result<Self, Vec<Problem>> {
        let mut builder = Builder { program: self.clone(), problems: Vec::new(), depth: 0 };
        let mut next = 0;
        // Closures add subtrees, which come after those that are there.
        while let Some(at) = builder.program.deciders.range(NodeIndex::new(next)..).next() {
            let (at, decider) = (*at.0, at.1.clone());
            next = at.index() + 1;
            let address = builder.program.graph[at].address.clone();
            if waits.contains(&address) {
                builder.program.deciders.entry(at).and_modify(|decider| decider.waits = true);
            } else if let Some(value) = decisions.get(&address) {
                builder.decide(at, &decider, value);
            }
        }
        let Builder { mut program, mut problems, .. } = builder;
        problems.extend(program.arrange());
        if problems.is_empty() {
            problems.extend(program.check_moves());
        }
        if problems.is_empty() { Ok(program) } else { Err(problems) }
    }

    /// Finds the order again: as it was declared, and what is decided where that was declared.
    fn arrange(&mut self) -> Option<Problem> {
        let places = self.graph.node_count();
        let mut ranks: Vec<Vec<usize>> = Vec::with_capacity(places);
        for place in 0..places {
            let rank = self
                .decided_in
                .get(&NodeIndex::new(place))
                .map_or_else(Vec::new, |within| ranks[within.index()].clone());
            ranks.push(rank.into_iter().chain([place]).collect());
        }
        let mut missing: Vec<usize> = self
            .graph
            .node_indices()
            .map(|at| self.graph.edges_directed(at, Direction::Incoming).count())
            .collect();
        let ready = self.graph.node_indices().filter(|at| missing[at.index()] == 0);
        let mut ready: BinaryHeap<_> =
            ready.map(|at| Reverse((ranks[at.index()].clone(), at))).collect();
        let mut order = Vec::with_capacity(places);
        while let Some(Reverse((_, at))) = ready.pop() {
            order.push(at);
            for next in self.graph.neighbors_directed(at, Direction::Outgoing) {
                missing[next.index()] -= 1;
                if missing[next.index()] == 0 {
                    ready.push(Reverse((ranks[next.index()].clone(), next)));
                }
            }
        }
        let stuck = self.graph.node_indices().find(|at| missing[at.index()] > 0);
        self.order = order;
        let node = &self.graph[stuck?];
        Some(Problem {
            address: node.address.clone(),
            field: None,
            message: "it needs what is decided by itself: a closure of `decide` uses what was \
                      declared after it"
                .to_owned(),
            declared_at: node.declared_at.to_string(),
        })
    }

    /// The nodes that a subtree is decided by.
    pub(crate) fn sources(&self, at: NodeIndex) -> Vec<NodeIndex> {
        let mut sources = Vec::new();
        self.graph[at].inputs.dependencies(&mut |_, on: NodeId| {
            sources.push(NodeIndex::new(on.0 as usize));
        });
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// For each node, the decided subtrees whose result is made of what it reports.
    pub(crate) fn feeds(&self) -> BTreeMap<NodeIndex, Vec<NodeIndex>> {
        let mut feeds: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
        for (at, decider) in &self.deciders {
            if let Some((_, result)) = &decider.decided {
                result.dependencies(&mut |_, on: NodeId| {
                    feeds.entry(NodeIndex::new(on.0 as usize)).or_default().push(*at);
                });
            }
        }
        feeds
    }

    /// What a decided subtree gives the others, with what is reported so far.
    pub(crate) fn result(&self, at: NodeIndex, outputs: &[Value]) -> Option<Value> {
        let (_, result) = self.deciders.get(&at)?.decided.as_ref()?;
        result.resolve(&|on: NodeId| outputs.get(on.0 as usize)).ok()
    }
}

impl Builder {
    fn decide(&mut self, at: NodeIndex, decider: &Decider, value: &Value) {
        let address = self.program.graph[at].address.clone();
        if decider.depth > DEPTH {
            let message = format!(
                "decisions lie in each other more than {DEPTH} deep: does its closure decide \
                 again and again?"
            );
            self.problem(&address, None, decider.site, message);
            return;
        }
        let first = self.program.graph.node_count();
        self.depth = decider.depth;
        let declared = caught_now(|| {
            let mut scope = Scope::within(&address, decider, self);
            (decider.declare)(&mut scope, value)
        });
        self.depth = 0;
        for place in first..self.program.graph.node_count() {
            self.program.decided_in.insert(NodeIndex::new(place), at);
        }
        let result = match declared {
            Ok(Ok(result)) => result,
            Ok(Err(message)) => {
                let message = format!("what it is decided by is of another type: {message}");
                self.problem(&address, None, decider.site, message);
                return;
            }
            Err(panic) => {
                self.problem(
                    &address,
                    None,
                    decider.site,
                    format!("its closure panicked: {panic}"),
                );
                return;
            }
        };
        let (token, mut foreign) = (self.program.token, false);
        result.dependencies(&mut |from, on: NodeId| {
            let on = NodeIndex::new(on.0 as usize);
            if from != token || on.index() >= self.program.graph.node_count() {
                foreign = true;
            } else if self.program.graph.find_edge(on, at).is_none() {
                self.program.graph.add_edge(on, at, ());
            }
        });
        if foreign {
            let message = "it returns a handle or output of another stack".to_owned();
            self.problem(&address, None, decider.site, message);
            return;
        }
        let decided = Some((value.clone(), result));
        self.program.deciders.insert(at, Decider { decided, ..decider.clone() });
    }
}
