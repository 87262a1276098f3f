//! What a program says of addresses that were others before.
//!
//! Each [`Moved`] is a rule for recorded addresses: what was at `from`, or inside it, is at `to` now.
//! A row follows the rules until it comes to an address that is declared, so that a component that
//! was renamed and a child of it that was renamed too, in whatever order, are two rules and one move.

use std::collections::{HashMap, HashSet};

use petgraph::{algo::kosaraju_scc, graph::DiGraph};

use super::{Problem, Program, Site};
use crate::{identity::Address, stack::is_stack_name};

/// Something that has another address than before: a resource, or a component with all inside it.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) from: String,
    pub(crate) to: Address,
    pub(crate) declared_at: Site,
}

/// All rules of a program, found by the address that they carry from: what a row costs is the depth
/// of its address, however many rules there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct MoveRules {
    rules: Vec<Moved>,
    /// In the order in which they were said.
    by_from: HashMap<String, Vec<usize>>,
}

impl MoveRules {
    pub(crate) fn push(&mut self, rule: Moved) {
        self.by_from.entry(rule.from.clone()).or_default().push(self.rules.len());
        self.rules.push(rule);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Moved> {
        self.rules.iter()
    }

    /// The rules that carry exactly from `from`.
    fn from(&self, from: &str) -> &[usize] {
        self.by_from.get(from).map_or(&[], Vec::as_slice)
    }

    /// The rule for what is at `address`, and where it leads. The one that says most: what is inside a
    /// component may have gone elsewhere by itself.
    pub(crate) fn next(&self, address: &str) -> Option<(&Moved, Address)> {
        let rule = upwards(address).find_map(|at| self.from(at).last())?;
        let rule = &self.rules[*rule];
        Some((rule, rule.carries(address)?))
    }
}

/// The address itself, then the components around it, from the inside out.
fn upwards(address: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(address), |inner| Some(inner.rsplit_once('/')?.0))
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
        for _ in 0..self.moves.rules.len() {
            let Some((rule, next)) = self.moves.next(at.as_str()) else { break };
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
        for rule in self.moves.iter() {
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
        for (stack, rules) in &self.arrivals {
            problems.extend(self.arrivals_problems(stack, rules));
        }
        if problems.is_empty() {
            problems.extend(self.circles());
            problems.extend(self.still_there());
        }
        problems
    }

    /// What can not be meant of what was in the stack `stack`.
    fn arrivals_problems(&self, stack: &str, rules: &MoveRules) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |rule: &Moved, message: String| {
            let field = Some("moved_from_stack".to_owned());
            problems.push(Problem { field, ..rule.problem(message) });
        };
        for rule in rules.iter() {
            let from = rule.from.as_str();
            if from.split('/').any(str::is_empty) || from.chars().any(char::is_control) {
                let message = "is no address: expected the path from the root of that stack, such \
                               as `network/subnet-0`";
                say(rule, format!("{from:?} {message}"));
            } else if *stack == *self.stack {
                say(
                    rule,
                    format!("`{stack}` is this stack: `moved_from` says what was elsewhere in it"),
                );
            } else if !is_stack_name(stack) {
                say(rule, format!("{stack:?} is no name of a stack"));
            } else if let Some(first) = rules.from(from).first().map(|first| &rules.rules[*first])
                && first.to != rule.to
            {
                let message = format!(
                    "`{from}` of `{stack}` can not have become two: `{}` was said to be it at {} before",
                    first.to, first.declared_at
                );
                say(rule, message);
            }
        }
        problems
    }

    /// Rules that lead back to where they start, each round once.
    fn circles(&self) -> Vec<Problem> {
        // A rule leads to every rule that carries from where it ends, from around that, or from inside
        // of it. Each address stands in the graph twice, so that a rule needs two edges for all of
        // these: once as all that is around it, once as all that is inside it.
        let mut next: DiGraph<Option<usize>, ()> = DiGraph::new();
        let rules: Vec<_> = (0..self.moves.rules.len()).map(|i| next.add_node(Some(i))).collect();
        let mut places: HashMap<&str, [_; 2]> = HashMap::new();
        for (rule, index) in self.moves.iter().zip(&rules) {
            for end in [rule.from.as_str(), rule.to.as_str()] {
                let mut inner: Option<[_; 2]> = None;
                for at in upwards(end) {
                    let known = places.get(at).copied();
                    let here = known.unwrap_or_else(|| [next.add_node(None), next.add_node(None)]);
                    if let Some(inner) = inner {
                        next.add_edge(inner[0], here[0], ());
                        next.add_edge(here[1], inner[1], ());
                    }
                    if known.is_some() {
                        break;
                    }
                    places.insert(at, here);
                    inner = Some(here);
                }
            }
            let (from, to) = (places[rule.from.as_str()], places[rule.to.as_str()]);
            for (from, to) in from.into_iter().zip(to) {
                next.add_edge(*index, to, ());
                next.add_edge(from, *index, ());
            }
        }
        let rounds = kosaraju_scc(&next).into_iter();
        let rounds = rounds.map(|round| round.into_iter().filter_map(|i| next[i]).collect());
        let problem = |mut round: Vec<usize>| {
            round.sort_unstable();
            let round: Vec<&Moved> = round.into_iter().map(|i| &self.moves.rules[i]).collect();
            let words = round.iter().map(|rule| format!("`{}` to `{}`", rule.from, rule.to));
            let message = format!(
                "addresses can not be exchanged in one run: {}; move one of them out of the way \
                 first",
                words.collect::<Vec<_>>().join(", ")
            );
            round[0].problem(message)
        };
        let mut rounds: Vec<Vec<usize>> = rounds.filter(|round: &Vec<_>| round.len() > 1).collect();
        rounds.sort_unstable_by_key(|round| round.iter().min().copied());
        rounds.into_iter().map(problem).collect()
    }

    /// Addresses that something is said to have left, and where something of the same kind is
    /// declared that does not come from elsewhere: the recorded object can not be both.
    fn still_there(&self) -> Vec<Problem> {
        let arrived: HashSet<&str> = self.moves.iter().map(|rule| rule.to.as_str()).collect();
        let mut found = Vec::new();
        for (n, node) in self.graph.node_weights().enumerate() {
            let address = node.address.as_str();
            if upwards(address).any(|at| arrived.contains(at)) {
                continue;
            }
            for i in upwards(address).flat_map(|at| self.moves.from(at)) {
                let rule = &self.moves.rules[*i];
                let to = rule.carries(address);
                if let Some(to) = to.filter(|to| self.declares(to, node.kind.name())) {
                    let message = format!(
                        "`{}` is still declared, at {}: what is recorded there can not be `{to}` too",
                        node.address, node.declared_at
                    );
                    found.push((*i, n, rule.problem(message)));
                }
            }
        }
        found.sort_by_key(|(rule, node, _)| (*rule, *node));
        found.into_iter().map(|(_, _, problem)| problem).collect()
    }
}

#[cfg(test)]
mod tests;
