//! Which soft edges hold: as many as the hard ones leave room for, the weightier first.
//!
//! Knows numbers and edges only, nothing of steps. Where nothing closes a cycle it costs one walk.

use std::{cmp::Reverse, collections::BinaryHeap};

use petgraph::{
    algo::kosaraju_scc,
    graph::{DiGraph, NodeIndex},
};

use super::super::StepId;

/// What is better kept, but not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Soft {
    pub(super) before: StepId,
    pub(super) after: StepId,
    pub(super) weight: Weight,
}

/// How much is lost without a soft edge. The lighter one goes where two contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// A row goes before the row that it refers to: else that one stays for a while without an object.
    Row,
    /// What goes is deleted before what it depends on through others that stay.
    Through,
    /// Whoever uses an object that goes before its replacement comes, moves away first. It seldom
    /// can: what it moves to is not there yet.
    MovesFirst,
    /// What lives on a host is there anew before the old host goes.
    Renewed,
    /// An orphan lets go of what it uses before that is changed.
    LetsGo,
    /// Whoever uses an object that goes moves away first.
    Moves,
}

impl Weight {
    const HEAVIEST_FIRST: [Weight; 6] = [
        Weight::Moves,
        Weight::LetsGo,
        Weight::Renewed,
        Weight::MovesFirst,
        Weight::Through,
        Weight::Row,
    ];
}

/// Which of `soft` hold, given `next`: for each step, those that wait for it, without a cycle.
/// Nothing more could hold: each that is left out would close a cycle with those that are kept.
pub(super) fn choose(mut next: Vec<Vec<StepId>>, soft: &[Soft]) -> Vec<bool> {
    let mut all = next.clone();
    for edge in soft {
        all[edge.before.index()].push(edge.after);
    }
    if topological(&all).is_some() {
        return vec![true; soft.len()];
    }
    let mut kept = vec![false; soft.len()];
    for weight in Weight::HEAVIEST_FIRST {
        let mut edges: Vec<usize> =
            (0..soft.len()).filter(|edge| soft[*edge].weight == weight).collect();
        edges.sort_by_key(|edge| (soft[*edge].after, soft[*edge].before));
        let mut all = next.clone();
        for edge in &edges {
            all[soft[*edge].before.index()].push(soft[*edge].after);
        }
        // Only an edge within a component lies on a cycle.
        let component = components(&all);
        let within = |edge: &usize| {
            component[soft[*edge].before.index()] == component[soft[*edge].after.index()]
        };
        let (doubtful, safe): (Vec<usize>, Vec<usize>) = edges.into_iter().partition(within);
        for edge in safe {
            kept[edge] = true;
            next[soft[edge].before.index()].push(soft[edge].after);
        }
        // One search serves all edges into a step: an edge into it that closes no cycle does not
        // change what can be reached from it.
        let mut seen = vec![None; next.len()];
        for into in doubtful.chunk_by(|a, b| soft[*a].after == soft[*b].after) {
            let Some(after) = into.first().map(|edge| soft[*edge].after) else { continue };
            let mut stack = vec![after];
            seen[after.index()] = Some(after);
            while let Some(at) = stack.pop() {
                for &to in &next[at.index()] {
                    let inside = component[to.index()] == component[after.index()];
                    if inside && seen[to.index()] != Some(after) {
                        seen[to.index()] = Some(after);
                        stack.push(to);
                    }
                }
            }
            for &edge in into {
                let before = soft[edge].before;
                kept[edge] = seen[before.index()] != Some(after);
                if kept[edge] {
                    next[before.index()].push(after);
                }
            }
        }
    }
    kept
}

/// The strongly connected component of each step.
pub(super) fn components(next: &[Vec<StepId>]) -> Vec<usize> {
    let edges = next.iter().map(Vec::len).sum();
    let mut graph = DiGraph::<(), ()>::with_capacity(next.len(), edges);
    for _ in next {
        graph.add_node(());
    }
    for (before, after) in next.iter().enumerate() {
        for after in after {
            graph.add_edge(NodeIndex::new(before), NodeIndex::new(after.index()), ());
        }
    }
    let mut component = vec![0; next.len()];
    // Not Tarjan's, which petgraph writes as a recursion: a long chain would overflow the stack.
    for (c, members) in kosaraju_scc(&graph).into_iter().enumerate() {
        for member in members {
            component[member.index()] = c;
        }
    }
    component
}

/// A topological order that keeps to the order of the numbers where it can; `None` if there is a
/// cycle.
pub(super) fn topological(next: &[Vec<StepId>]) -> Option<Vec<StepId>> {
    let mut waiting = vec![0u32; next.len()];
    for after in next.iter().flatten() {
        waiting[after.index()] += 1;
    }
    let ready = (0u32..).zip(&waiting).filter(|(_, waiting)| **waiting == 0);
    let mut ready: BinaryHeap<Reverse<StepId>> = ready.map(|(i, _)| Reverse(StepId(i))).collect();
    let mut order = Vec::with_capacity(next.len());
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for &after in &next[step.index()] {
            waiting[after.index()] -= 1;
            if waiting[after.index()] == 0 {
                ready.push(Reverse(after));
            }
        }
    }
    (order.len() == next.len()).then_some(order)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: u32 = 9;

    /// Edges forward in the order of numbers, which close no cycle.
    fn hard() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let edge =
            (0..STEPS, 0..STEPS).prop_filter_map("forward", |(a, b)| (a < b).then_some((a, b)));
        prop::collection::vec(edge, 0..14)
    }

    fn soft() -> impl Strategy<Value = Vec<Soft>> {
        let edge = (0..STEPS, 0..STEPS, 0usize..6).prop_filter_map("a loop", |(a, b, weight)| {
            let weight = Weight::HEAVIEST_FIRST[weight];
            (a != b).then_some(Soft { before: StepId(a), after: StepId(b), weight })
        });
        prop::collection::vec(edge, 0..14)
    }

    fn closes_a_cycle(next: &[Vec<StepId>], edge: Soft) -> bool {
        let mut next = next.to_vec();
        next[edge.before.index()].push(edge.after);
        topological(&next).is_none()
    }

    proptest! {
        #[test]
        fn every_edge_that_is_dropped_would_close_a_cycle_with_heavier_ones_that_are_kept(
            hard in hard(), soft in soft()
        ) {
            let mut next = vec![Vec::new(); STEPS as usize];
            for (before, after) in hard {
                next[before as usize].push(StepId(after));
            }
            let kept = choose(next.clone(), &soft);
            let with = |least: Weight| {
                let mut next = next.clone();
                for (edge, _) in soft.iter().zip(&kept).filter(|(e, kept)| **kept && e.weight >= least) {
                    next[edge.before.index()].push(edge.after);
                }
                next
            };
            prop_assert!(topological(&with(Weight::Row)).is_some(), "a cycle is left");
            for (edge, _) in soft.iter().zip(&kept).filter(|(_, kept)| !**kept) {
                prop_assert!(closes_a_cycle(&with(edge.weight), *edge), "{edge:?} could be kept");
            }
        }
    }

    #[test]
    fn a_long_ring_is_cut_at_its_lightest_edge() {
        let steps = 200_000;
        let mut next: Vec<Vec<StepId>> = (1..steps).map(|after| vec![StepId(after)]).collect();
        next.push(Vec::new());
        let back = |after, weight| Soft { before: StepId(steps - 1), after: StepId(after), weight };
        let soft = [back(0, Weight::Moves), Soft { before: StepId(0), ..back(7, Weight::Row) }];
        assert_eq!(choose(next, &soft), [false, true]);
    }
}
