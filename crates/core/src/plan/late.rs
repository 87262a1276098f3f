//! Lookups that the run asks, because what they depend on is not there, or not as it will be, when
//! the plan is made.
//!
//! A question is asked while planning only if nothing that it depends on is about to change. So
//! before the plan is made its nodes are visited, as often as that brings up another question that
//! can be asked: an answer may show that a resource stays as it is, and the next question is about
//! that resource.

use std::collections::{BTreeMap, HashSet};

use petgraph::{Direction, graph::NodeIndex};

use super::{Action, Facts, PlanError, Reason, decide::Draft, drift::find_drift};
use crate::{
    declare::{Decisions, Node, NodeKind, Program},
    expr::NodeId,
    identity::Address,
    state::{Pin, Status},
    value::Value,
};

/// A lookup that the run asks.
pub(super) struct Asked {
    pub(super) provider: String,
    pub(super) reasons: Vec<Reason>,
}

/// A lookup whose question is known, and may be asked now.
pub(crate) struct Question {
    pub(crate) node: NodeIndex,
    pub(crate) query: Value,
    /// Whether the answer to the same question, where one is recorded, still counts.
    pub(crate) pinned: bool,
}

/// What a visit of all that is declared brought up.
pub(crate) struct Probe {
    /// The questions that nothing stands in the way of any more, and that have no answer yet.
    pub(crate) questions: Vec<Question>,
    /// By which values subtrees can be declared.
    pub(crate) decided: Decisions,
}

/// Visits all that is declared, and plans nothing.
pub(crate) fn probe(program: &Program, facts: &Facts<'_>) -> Result<Probe, PlanError> {
    let (_, strayed) = find_drift(program, facts);
    let mut draft = Draft::new(program, facts, strayed);
    draft.visit_all()?;
    Ok(Probe { questions: draft.questions, decided: draft.decided })
}

impl Program {
    /// The lookups that depend on a resource, by themselves or through other lookups.
    pub(crate) fn late_lookups(&self) -> HashSet<NodeIndex> {
        let mut late = HashSet::new();
        for index in self.order.iter().copied() {
            let lookup = |at: NodeIndex| matches!(self.graph[at].kind, NodeKind::Lookup { .. });
            let mut needs = self.graph.neighbors_directed(index, Direction::Incoming);
            if lookup(index) && needs.any(|from| !lookup(from) || late.contains(&from)) {
                late.insert(index);
            }
        }
        late
    }
}

/// How something that a lookup or a subtree depends on stands.
pub(super) enum Stands {
    AsItWill,
    /// It is about to change, or to be asked.
    Pending,
    /// It is left out of a narrowed plan, and is not there.
    Missing,
}

impl Draft<'_> {
    /// What a lookup tells the others, and how it is asked if the run does that.
    pub(super) fn look_up(
        &mut self,
        index: NodeIndex,
        node: &Node,
        query: &Value,
    ) -> Result<(Value, Option<Asked>), PlanError> {
        let facts = self.facts;
        let chosen = self.is_chosen(index);
        if let Some(pin) = facts.answers.get(&node.address)
            && (!chosen || pin.query == *query)
        {
            return Ok((pin.answer.clone(), None));
        }
        let recorded = facts.snapshot.pins.get(&node.address);
        let recorded = recorded.filter(|pin| pin.kind == node.kind.name());
        let old = |recorded: Option<&Pin>| recorded.map_or(Value::Unknown, |p| p.answer.clone());
        if !chosen {
            return Ok((Value::Unknown, None));
        }
        let (mut pending, mut renewed) = (Vec::new(), facts.ask_again);
        for from in self.program.graph.neighbors_directed(index, Direction::Incoming) {
            match self.stands(from) {
                Stands::AsItWill => {}
                Stands::Pending => {
                    renewed |= node.renewed_by.iter().any(|id| id.0 as usize == from.index());
                    pending.push(from);
                }
                // Nothing can be asked, now or in the run: all stays as it is.
                Stands::Missing => return Ok((old(recorded), None)),
            }
        }
        let same = recorded.is_some_and(|pin| pin.query == *query);
        if query.is_known() && (pending.is_empty() || (same && !renewed)) {
            let pinned = !renewed;
            self.questions.push(Question { node: index, query: query.clone(), pinned });
        }
        let kind = node.kind.name();
        let provider = (facts.asked_of)(kind, &node.options).ok_or_else(|| {
            PlanError::NoProvider { address: node.address.clone(), kind: kind.to_owned() }
        })?;
        pending.sort_unstable();
        let address = |at: &NodeIndex| self.program.graph[*at].address.clone();
        let mut reasons: Vec<Reason> =
            pending.iter().map(address).map(Reason::AskedAfter).collect();
        if renewed && recorded.is_some() {
            reasons.push(Reason::AskedAnew);
        }
        Ok((Value::Unknown, Some(Asked { provider, reasons })))
    }

    /// Whether a lookup has no answer, and gets none in the run.
    pub(super) fn is_unasked(&self, node: NodeId) -> bool {
        let index = node.0 as usize;
        let lookup = matches!(self.program.node(node).kind, NodeKind::Lookup { .. });
        lookup && self.asked[index].is_none() && !self.outputs[index].is_known()
    }

    pub(super) fn stands(&self, on: NodeIndex) -> Stands {
        if self.waits[on.index()] || self.asked[on.index()].is_some() {
            return Stands::Pending;
        }
        if matches!(self.program.graph[on].kind, NodeKind::Decide) {
            // Its result stands as what it is made of.
            let from = self.program.graph.neighbors_directed(on, Direction::Incoming);
            let mut stands = from.map(|from| self.stands(from));
            return stands
                .find(|stands| !matches!(stands, Stands::AsItWill))
                .unwrap_or(Stands::AsItWill);
        }
        let Some(decision) = &self.decisions[on.index()] else {
            // A lookup that was answered, or one that stays as it is without having been.
            return match self.outputs[on.index()].is_known() {
                true => Stands::AsItWill,
                false => Stands::Missing,
            };
        };
        if !self.is_chosen(on) {
            let row = decision.row.and_then(|row| self.facts.snapshot.records.get(&row));
            return match row.is_some_and(|row| row.status != Status::Absent) {
                true => Stands::AsItWill,
                false => Stands::Missing,
            };
        }
        match decision.action {
            Some(Action::Create | Action::Update | Action::Settle) => Stands::Pending,
            _ => Stands::AsItWill,
        }
    }
}

/// The recorded answer to this very question.
pub(crate) fn pinned<'p>(
    pins: &'p BTreeMap<Address, Pin>,
    address: &Address,
    kind: &str,
    query: &Value,
) -> Option<&'p Pin> {
    pins.get(address).filter(|pin| pin.kind == kind && pin.query == *query)
}
