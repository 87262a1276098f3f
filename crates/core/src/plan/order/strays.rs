//! The steps of what nobody declares and is deleted: before whatever it may be in the way of.

use std::collections::HashMap;

use petgraph::graph::NodeIndex;

use super::{
    super::{
        Action, Reason, StepId,
        unmanaged::{Stray, named},
    },
    Arrangement,
    soft::{Soft, Weight},
};
use crate::{
    declare::NodeKind,
    identity::ResourceId,
    provider::physical_id,
    state::{Record, Status},
};

impl Arrangement<'_> {
    /// Adds a step for each of `deletes`. These wait for nothing but one another, so that others can
    /// wait for them without closing a cycle.
    pub(super) fn strays(&mut self, deletes: &[(usize, Reason)]) {
        if deletes.is_empty() {
            return;
        }
        let draft = self.draft;
        let mut steps: Vec<(StepId, &Stray)> = Vec::with_capacity(deletes.len());
        for (number, (at, reason)) in (0u64..).zip(deletes) {
            let stray = &draft.facts.children.strays[*at];
            // They count from the other end, so that what is made has the ids that it would have
            // without them; the very last one is nobody's.
            let last = u64::MAX - 1;
            let new = || ResourceId::derive(&draft.facts.seed, last - number);
            let id = stray.deleting.unwrap_or_else(new);
            let of = (draft.facts.types)(&stray.provider, &stray.kind);
            let mut step = self.blank(id, Action::Delete);
            step.address = stray.address();
            step.kind.clone_from(&stray.kind);
            step.provider.clone_from(&stray.provider);
            step.group = of.map(|of| of.group).unwrap_or_default();
            step.reasons = vec![reason.clone()];
            step.observed = Some(stray.seen.clone());
            let weight = of.map_or(1, |of| of.seconds);
            steps.push((self.push(step, u64::from(weight)), stray));
        }
        self.before_what_goes(&steps);
        self.before_what_comes(&steps);
        self.among(&steps);
    }

    /// What goes and is used by it, or is what it belongs to, goes after it.
    fn before_what_goes(&mut self, strays: &[(StepId, &Stray)]) {
        let draft = self.draft;
        let mut going: HashMap<&str, Vec<StepId>> = HashMap::new();
        let mut of_row: Vec<(ResourceId, StepId)> =
            self.of_row.iter().map(|(row, step)| (*row, *step)).collect();
        of_row.sort_unstable();
        for (row, step) in of_row {
            let record = &draft.facts.snapshot.records[&row];
            if self.steps[step.index()].action == Action::Delete
                && let Some(id) = self.id_of(record)
            {
                going.entry(id).or_default().push(step);
            }
        }
        for (step, stray) in strays {
            for name in named(&stray.seen.inputs) {
                for goes in going.get(name).into_iter().flatten() {
                    self.wait(*goes, *step);
                }
            }
        }
    }

    /// What is made or changed of its type and belongs to the same may need its place.
    fn before_what_comes(&mut self, strays: &[(StepId, &Stray)]) {
        let draft = self.draft;
        for (node, decision) in draft.decisions.iter().enumerate() {
            let NodeKind::Resource(of) = draft.program.graph[NodeIndex::new(node)].kind else {
                continue;
            };
            let acts = decision.as_ref().and_then(|decision| decision.action);
            let Some(comes) = self.of_node[node].filter(|_| acts.is_some_and(Action::mutates))
            else {
                continue;
            };
            for (step, stray) in strays.iter().filter(|(_, stray)| stray.kind == of.kind) {
                let of = |inputs: &crate::value::Value, field| {
                    inputs.get(field).and_then(|id| id.open().as_str().map(str::to_owned))
                };
                let same = |field| {
                    let id = of(&stray.seen.inputs, field);
                    id.is_some() && id == of(&draft.inputs[node], field)
                };
                if stray.parents.iter().any(|parent| same(parent.field)) {
                    self.wait(comes, *step);
                }
            }
        }
    }

    /// One that names another goes before it, where that leaves an order.
    fn among(&mut self, strays: &[(StepId, &Stray)]) {
        let of_id: HashMap<&str, StepId> =
            strays.iter().map(|(step, stray)| (stray.physical_id.as_str(), *step)).collect();
        for (step, stray) in strays {
            for after in named(&stray.seen.inputs).iter().filter_map(|name| of_id.get(name)) {
                if step != after {
                    self.soft.push(Soft { before: *step, after: *after, weight: Weight::Row });
                }
            }
        }
    }

    fn id_of<'r>(&self, record: &'r Record) -> Option<&'r str> {
        if record.status == Status::Absent {
            return None;
        }
        let of = (self.draft.facts.types)(&record.provider, &record.kind)?;
        physical_id(of, &record.outputs)
    }
}
