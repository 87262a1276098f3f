//! What a program says of addresses that were others before.
//!
//! Each [`Moved`] is a rule for recorded addresses: what was at `from`, or inside it, is at `to` now.
//! A row follows the rules until it comes to an address that is declared, so that a component that
//! was renamed and a child of it that was renamed too, in whatever order, are two rules and one move.

use std::collections::HashMap;

use petgraph::{
    algo::kosaraju_scc,
    graph::{DiGraph, NodeIndex},
};

use super::{Problem, Program, Site};
use crate::identity::Address;

/// Something that has another address than before: a resource, or a component with all inside it.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) from: String,
    pub(crate) to: Address,
    pub(crate) declared_at: Site,
}

impl Moved {
    /// Where what is at `address` comes to by this rule alone.
    fn carries(&self, address: &str) -> Option<Address> {
        let rest = address.strip_prefix(self.from.as_str())?;
        (rest.is_empty() || rest.starts_with('/'))
            .then(|| Address::new(format!("{}{rest}", self.to)))
    }

    fn problem(&self, message: String) -> Problem {
        Problem {
            address: self.to.clone(),
            field: Some("moved_from".to_owned()),
            message,
            declared_at: self.declared_at.to_string(),
        }
    }
}

impl Program {
    /// Whether something of this kind is declared at the address.
    pub(crate) fn declares(&self, address: &Address, kind: &str) -> bool {
        let node = self.by_address.get(address);
        node.is_some_and(|node| self.graph[*node].kind.name() == kind)
    }

    /// Where a recorded object of this kind belongs that was left at `address`, and the rules that
    /// say so; none if it stays where it is.
    pub(crate) fn moved(&self, address: &Address, kind: &str) -> Option<(Address, Vec<&Moved>)> {
        let stays = self.declares(address, kind);
        let (mut at, mut rules) = (address.clone(), Vec::new());
        // Rules that go in a circle were refused, so each is followed once at most.
        for _ in 0..self.moves.len() {
            // The one that says most: what is inside a component may have gone elsewhere by itself.
            let fits =
                self.moves.iter().filter_map(|rule| Some((rule, rule.carries(at.as_str())?)));
            let Some((rule, next)) = fits.max_by_key(|(rule, _)| rule.from.len()) else { break };
            rules.push(rule);
            at = next;
            if at == *address {
                return None;
            }
            if self.declares(&at, kind) {
                return Some((at, rules));
            }
        }
        (!stays && !rules.is_empty()).then_some((at, rules))
    }

    /// What can not be meant.
    pub(crate) fn check_moves(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut by_source: HashMap<&str, &Moved> = HashMap::new();
        for rule in &self.moves {
            let from = rule.from.as_str();
            let named = from.split('/').all(|name| !name.is_empty());
            if !named || from.chars().any(char::is_control) {
                let message = format!(
                    "{from:?} is no address: expected the path from the root of the stack, such as \
                     `network/subnet-0`"
                );
                problems.push(rule.problem(message));
            } else if from == rule.to.as_str() {
                problems.push(rule.problem("it is the address that it has now".to_owned()));
            } else if rule.to.is_inside(from) || Address::new(from).is_inside(rule.to.as_str()) {
                let message = format!(
                    "`{from}` and `{}` are one inside the other: move what is inside by itself",
                    rule.to
                );
                problems.push(rule.problem(message));
            } else if let Some(other) = by_source.insert(from, rule)
                && other.to != rule.to
            {
                let message = format!(
                    "`{from}` can not have become two: `{}` was said to be it at {} before",
                    other.to, other.declared_at
                );
                problems.push(rule.problem(message));
            }
        }
        if problems.is_empty() {
            problems.extend(self.circles());
            problems.extend(self.still_there());
        }
        problems
    }

    /// Rules that lead back to where they start, each round once.
    fn circles(&self) -> Vec<Problem> {
        let mut next: DiGraph<&Moved, ()> = DiGraph::new();
        for rule in &self.moves {
            next.add_node(rule);
        }
        for one in next.node_indices() {
            for other in next.node_indices() {
                let (to, from) = (&next[one].to, next[other].from.as_str());
                // What comes to a place may go on from there, or from inside of it.
                if next[other].carries(to.as_str()).is_some()
                    || Address::new(from).is_inside(to.as_str())
                {
                    next.add_edge(one, other, ());
                }
            }
        }
        let rounds = kosaraju_scc(&next).into_iter().filter(|round| round.len() > 1);
        let problem = |mut round: Vec<NodeIndex>| {
            round.sort_unstable();
            let words = round.iter().map(|i| format!("`{}` to `{}`", next[*i].from, next[*i].to));
            let message = format!(
                "addresses can not be exchanged in one run: {}; move one of them out of the way \
                 first",
                words.collect::<Vec<_>>().join(", ")
            );
            next[round[0]].problem(message)
        };
        rounds.map(problem).collect()
    }

    /// Addresses that something is said to have left, and where something of the same kind is
    /// declared that does not come from elsewhere: the recorded object can not be both.
    fn still_there(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for rule in &self.moves {
            for node in self.graph.node_weights() {
                let Some(to) = rule.carries(node.address.as_str()) else { continue };
                let comes = |other: &Moved| {
                    node.address == other.to || node.address.is_inside(other.to.as_str())
                };
                if self.declares(&to, node.kind.name()) && !self.moves.iter().any(comes) {
                    let message = format!(
                        "`{}` is still declared, at {}: what is recorded there can not be `{to}` too",
                        node.address, node.declared_at
                    );
                    problems.push(rule.problem(message));
                }
            }
        }
        problems
    }
}
