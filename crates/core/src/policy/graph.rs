//! What will be there once a plan is applied: what the policies judge.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::subject::{Notes, Subject};
use crate::{
    declare::{Node, NodeKind, Program},
    expr::NodeId,
    identity::Address,
    plan::{Action, PlanData, Step},
    schema::ResourceType,
    state::{Record, Role, Status},
    value::Value,
};

/// One declared resource as it will be.
pub(super) struct Entry<'a> {
    pub(super) node: &'a Node,
    pub(super) of: &'static ResourceType,
    pub(super) inputs: Cow<'a, Value>,
    pub(super) step: Option<&'a Step>,
    /// Whether the plan is about it.
    pub(super) chosen: bool,
}

/// The declared resources that there will be, in the order of declaration.
pub(crate) struct Graph<'a> {
    pub(super) program: &'a Program,
    pub(super) plan: &'a PlanData,
    /// Per node; a lookup has none, nor has what is left out and does not exist.
    entries: Vec<Option<Entry<'a>>>,
}

/// The inputs of the objects that are there, by address and type.
pub(super) fn recorded<'r>(
    rows: impl Iterator<Item = &'r Record>,
) -> HashMap<(&'r str, &'r str), &'r Value> {
    rows.filter(|row| row.role == Role::Current && row.status != Status::Absent)
        .map(|row| ((row.address.as_str(), row.kind.as_str()), &row.inputs))
        .collect()
}

impl<'a> Graph<'a> {
    /// The graph after `plan`; `recorded` tells the inputs of what it leaves as it is.
    pub(crate) fn of(
        program: &'a Program,
        plan: &'a PlanData,
        recorded: impl Fn(&str, &str) -> Option<Cow<'a, Value>>,
    ) -> Self {
        let steps = plan
            .steps
            .iter()
            .filter(|step| !matches!(step.action, Action::Delete | Action::Forget | Action::Join));
        let steps: HashMap<&Address, &Step> = steps.map(|step| (&step.address, step)).collect();
        let left_out = plan.narrowed.as_ref().map_or(&[][..], |it| &it.left_out);
        // What waits is judged when it is planned.
        let left_out: HashSet<&Address> = left_out.iter().chain(&plan.waiting).collect();
        let entry = |node: &'a Node| {
            let NodeKind::Resource(of) = node.kind else { return None };
            let step = steps.get(&node.address).copied().filter(|step| step.kind == of.kind);
            let inputs = match step {
                Some(step) => Cow::Borrowed(&step.inputs),
                None => recorded(node.address.as_str(), of.kind)?,
            };
            Some(Entry { node, of, inputs, step, chosen: !left_out.contains(&node.address) })
        };
        Self { program, plan, entries: program.graph.node_weights().map(entry).collect() }
    }

    /// All of it, in the order of declaration.
    pub(super) fn entries(&self) -> impl Iterator<Item = (NodeId, &Entry<'a>)> {
        let numbered = (0u32..).zip(&self.entries);
        numbered.filter_map(|(i, entry)| Some((NodeId(i), entry.as_ref()?)))
    }

    pub(super) fn entry(&self, node: NodeId) -> Option<&Entry<'a>> {
        self.entries.get(node.0 as usize)?.as_ref()
    }

    /// What is known of a resource now.
    pub(super) fn set(&mut self, node: NodeId, inputs: Value) {
        if let Some(Some(entry)) = self.entries.get_mut(node.0 as usize) {
            entry.inputs = Cow::Owned(inputs);
        }
    }

    /// A resource, to be judged.
    pub(super) fn subject<'g>(&'g self, node: NodeId, notes: &'g Notes) -> Option<Subject<'g>> {
        let entry = self.entry(node)?;
        Some(Subject {
            program: self.program,
            id: node,
            node: entry.node,
            of: entry.of,
            inputs: &entry.inputs,
            step: entry.step,
            others: self,
            notes,
        })
    }
}

/// Where a resource that another one refers to is looked up.
pub(crate) trait Others {
    /// The inputs of a declared resource, and what is done to it.
    fn other(&self, node: NodeId) -> Option<(&Value, Option<&Step>)>;
}

impl Others for Graph<'_> {
    fn other(&self, node: NodeId) -> Option<(&Value, Option<&Step>)> {
        self.entry(node).map(|entry| (&*entry.inputs, entry.step))
    }
}

/// While a plan is made: the inputs that were decided for the nodes before.
pub(crate) struct Before<'a>(pub(crate) &'a [Value]);

impl Others for Before<'_> {
    fn other(&self, node: NodeId) -> Option<(&Value, Option<&Step>)> {
        self.0.get(node.0 as usize).map(|inputs| (inputs, None))
    }
}
