//! The rules, looked up, answer as they do when each is compared with each.

use proptest::prelude::*;

use super::*;
use crate::{Scope, Stack, testing::Thing};

/// One declaration: where, and the addresses that it is said to have had.
type Said = (Vec<u8>, Vec<Vec<u8>>);

/// A short path of few names, so that many of them meet.
fn path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0u8..3, 1..4)
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let one = (path(), prop::collection::vec(path(), 0..3));
    prop::collection::vec(one, 0..8)
}

fn text(path: &[u8]) -> String {
    let names: Vec<String> = path.iter().map(|n| format!("n{n}")).collect();
    names.join("/")
}

struct At<'a>(&'a [u8], &'a [Vec<u8>]);

impl crate::Component for At<'_> {
    type Handle = ();

    fn declare(self, scope: &mut Scope<'_>) {
        let At(path, from) = self;
        match path {
            [] => {}
            [last] => {
                let it = crate::Declaration::from(Thing::default());
                let it = from.iter().fold(it, |it, from| it.moved_from(text(from)));
                scope.add(text(&[*last]), it);
            }
            // A component half way is said to have been where the first of them was.
            [first, rest @ ..] => scope.add(text(&[*first]), At(rest, from)),
        }
    }
}

fn declare(said: &[Said], scope: &mut Scope<'_>) {
    for (path, from) in said {
        let (first, rest) = path.split_first().expect("a path has a name");
        if rest.is_empty() {
            let it = crate::Declaration::from(Thing::default());
            let it = from.iter().fold(it, |it, from| it.moved_from(text(from)));
            scope.add(text(&[*first]), it);
        } else if let [component, from @ ..] = from.as_slice() {
            use crate::Component;
            let inside = At(rest, from).with_options().moved_from(text(component));
            scope.add(text(&[*first]), inside);
        } else {
            scope.add(text(&[*first]), At(rest, from));
        }
    }
}

/// [`Program::moved`], with every rule compared.
fn compared<'p>(program: &'p Program, address: &Address) -> Option<(Address, Vec<&'p Moved>)> {
    let kind = "model:test/thing";
    let stays = program.declares(address, kind);
    let (mut at, mut rules) = (address.clone(), Vec::new());
    for _ in 0..program.moves.rules.len() {
        let fits = program.moves.iter().filter_map(|rule| Some((rule, rule.carries(at.as_str())?)));
        let Some((rule, next)) = fits.max_by_key(|(rule, _)| rule.from.len()) else { break };
        rules.push(rule);
        at = next;
        if at == *address {
            return None;
        }
        if program.declares(&at, kind) {
            return Some((at, rules));
        }
    }
    (!stays && !rules.is_empty()).then_some((at, rules))
}

/// The rounds of [`Program::circles`], by the rules that lead back to themselves.
fn rounds(program: &Program) -> Vec<Vec<usize>> {
    let rules = &program.moves.rules;
    let leads = |one: &Moved, other: &Moved| {
        let from = Address::new(other.from.as_str());
        other.carries(one.to.as_str()).is_some() || from.is_inside(one.to.as_str())
    };
    let n = rules.len();
    let mut reach: Vec<Vec<bool>> =
        rules.iter().map(|one| rules.iter().map(|other| leads(one, other)).collect()).collect();
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                reach[i][j] |= reach[i][k] && reach[k][j];
            }
        }
    }
    let round = |i: usize| (0..n).filter(|j| i == *j || (reach[i][*j] && reach[*j][i])).collect();
    let mut rounds: Vec<Vec<usize>> = (0..n).map(round).filter(|r: &Vec<_>| r.len() > 1).collect();
    rounds.sort();
    rounds.dedup();
    rounds
}

/// [`Program::still_there`], with every rule and declaration compared.
fn still(program: &Program) -> Vec<String> {
    let mut problems = Vec::new();
    for rule in program.moves.iter() {
        for node in program.graph.node_weights() {
            let Some(to) = rule.carries(node.address.as_str()) else { continue };
            let comes = |other: &Moved| {
                node.address == other.to || node.address.is_inside(other.to.as_str())
            };
            if program.declares(&to, node.kind.name()) && !program.moves.iter().any(comes) {
                problems.push(format!("{} {} {to}", rule.to, node.address));
            }
        }
    }
    problems
}

proptest! {
    #[test]
    fn rules_answer_as_if_each_were_compared_with_each(
        said in said(),
        asked in prop::collection::vec(path(), 1..6),
    ) {
        let mut builder = super::super::Builder::new("t");
        declare(&said, &mut Scope::root(&mut builder));
        let program = builder.program;
        // A stack is refused where rules can not be meant; these answer nothing that is asked for.
        let meant = program.check_moves().is_empty();
        for address in asked.iter().map(|path| Address::new(text(path))).filter(|_| meant) {
            let (one, other) = (program.moved(&address, "model:test/thing"), compared(&program, &address));
            let plain = |answer: Option<(Address, Vec<&Moved>)>| answer.map(|(to, rules)| {
                (to, rules.into_iter().map(std::ptr::from_ref).collect::<Vec<_>>())
            });
            prop_assert_eq!(plain(one), plain(other), "{}", address);
        }
        let no_rule_leads_into_itself = program.moves.iter().all(|rule| {
            let from = Address::new(rule.from.as_str());
            rule.from != rule.to.as_str()
                && !rule.to.is_inside(&rule.from)
                && !from.is_inside(rule.to.as_str())
        });
        if no_rule_leads_into_itself {
            let first = |round: &Vec<usize>| program.moves.rules[round[0]].to.clone();
            let expected: Vec<Address> = rounds(&program).iter().map(first).collect();
            let found = program.circles();
            let found: Vec<Address> = found.into_iter().map(|problem| problem.address).collect();
            prop_assert_eq!(found, expected);
        }
        let found = program.still_there();
        let expected = still(&program);
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let mut words = expected.split(' ');
            prop_assert_eq!(found.address.as_str(), words.next().unwrap_or_default());
            for word in words {
                let word = format!("`{word}`");
                prop_assert!(found.message.contains(&word), "{} {}", found, word);
            }
        }
    }
}

#[test]
fn very_many_rules_are_no_work() {
    let stack = Stack::new("t", |scope| {
        for i in 0..20_000 {
            let it = crate::Declaration::from(Thing::default()).moved_from(format!("n{i}"));
            scope.add(format!("n{}", i + 1), it);
        }
    });
    assert!(stack.is_ok());
}
