//! The order of a plan's steps: which waits for which, and which starts first.
//!
//! Hard edges follow from what needs what. Soft edges are better kept but not needed (an orphan
//! that uses a thing goes before that thing is changed): where one would close a cycle it is
//! dropped. A hard cycle that remains is refused, naming its members.

use std::{
    collections::{BinaryHeap, HashMap, HashSet},
    time::Duration,
};

use petgraph::{
    Direction,
    algo::tarjan_scc,
    graph::{DiGraph, NodeIndex},
};

use super::{
    Action, Observation, PlanError, Reason, Step, StepId,
    decide::{Decision, Draft},
    removals::Removal,
};
use crate::{
    declare::NodeKind,
    identity::ResourceId,
    provider::Seen,
    schema::Group,
    state::{Record, RecordedOptions},
    value::Value,
};

/// Steps under construction, with who waits for whom.
struct Arrangement<'d> {
    draft: &'d Draft<'d>,
    steps: Vec<Step>,
    weights: Vec<u64>,
    /// The step of each node, if it has one.
    of_node: Vec<Option<StepId>>,
    /// The step that removes each row, or that the row goes along with.
    of_row: HashMap<ResourceId, StepId>,
    /// The node whose object each row is, where it stays.
    node_of_row: HashMap<ResourceId, usize>,
    /// Who is recorded to depend on each row.
    dependents: HashMap<ResourceId, Vec<ResourceId>>,
    /// The step that removes the row of an object that went first.
    tombstones: HashMap<ResourceId, StepId>,
    /// (before, after)
    soft: Vec<(StepId, StepId)>,
}

pub(super) fn arrange(draft: &Draft<'_>, removals: Vec<Removal>) -> Result<Vec<Step>, PlanError> {
    let mut arrangement = Arrangement {
        draft,
        steps: Vec::new(),
        weights: Vec::new(),
        of_node: vec![None; draft.decisions.len()],
        of_row: HashMap::new(),
        node_of_row: HashMap::new(),
        dependents: HashMap::new(),
        tombstones: HashMap::new(),
        soft: Vec::new(),
    };
    arrangement.forward();
    let forward = arrangement.steps.len();
    if !removals.is_empty() {
        arrangement.removals(&removals);
    }
    let order = arrangement.settle_order()?;
    Ok(finish(arrangement.steps, &arrangement.weights, &order, forward))
}

impl Arrangement<'_> {
    fn push(&mut self, step: Step, weight: u64) -> StepId {
        let id = StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        self.steps.push(step);
        self.weights.push(weight);
        id
    }

    fn wait(&mut self, step: StepId, before: StepId) {
        if step != before {
            self.steps[step.index()].after.push(before);
        }
    }

    /// The steps of declared resources, and what each waits for. What stays as it is passes on
    /// what it would have waited for; where that is a lot, through a join.
    fn forward(&mut self) {
        let program = self.draft.program;
        let mut frontiers: Vec<Vec<StepId>> = Vec::with_capacity(self.draft.decisions.len());
        for (node, decision) in self.draft.decisions.iter().enumerate() {
            let index = NodeIndex::new(node);
            let mut before: Vec<StepId> = program
                .graph
                .neighbors_directed(index, Direction::Incoming)
                .flat_map(|from| frontiers[from.index()].iter().copied())
                .collect();
            before.sort_unstable();
            before.dedup();
            let step = match decision {
                Some(decision) if decision.action.is_some() => {
                    Some(self.push_forward(node, decision))
                }
                Some(decision) if before.len() > 4 => {
                    let mut step = self.blank(decision.id, Action::Join);
                    step.address = program.graph[index].address.clone();
                    Some(self.push(step, 0))
                }
                _ => None,
            };
            match step {
                Some(step) => {
                    self.steps[step.index()].after = before;
                    self.of_node[node] = Some(step);
                    frontiers.push(vec![step]);
                }
                None => frontiers.push(before),
            }
        }
    }

    fn push_forward(&mut self, node: usize, decision: &Decision) -> StepId {
        let declared = &self.draft.program.graph[NodeIndex::new(node)];
        let (kind, group, seconds) = match declared.kind {
            NodeKind::Resource(of) => (of.kind, of.group, of.seconds),
            NodeKind::Lookup { kind, .. } => (kind, Group::Other, 0),
        };
        let action = decision.action.unwrap_or(Action::Join);
        let step = Step {
            action,
            address: declared.address.clone(),
            kind: kind.to_owned(),
            provider: decision.provider.clone(),
            group,
            id: decision.id,
            reasons: decision.reasons.clone(),
            changes: decision.changes.clone(),
            inputs: self.draft.inputs[node].clone(),
            observed: self.observed(decision),
            replaces: decision.row.filter(|_| decision.replaced),
            leaves_row: false,
            takes_along: Vec::new(),
            depends_on: decision.depends_on.clone(),
            options: decision.options.clone(),
            declared_at: declared.declared_at.to_string(),
            after: Vec::new(),
            priority: 0,
        };
        let weight = if matches!(action, Action::Record) { 0 } else { u64::from(seconds) };
        self.push(step, weight)
    }

    fn observed(&self, decision: &Decision) -> Option<Seen> {
        if decision.action == Some(Action::Create) {
            return None;
        }
        match self.draft.facts.observed.get(&decision.row?)? {
            Observation::There(seen) => Some(seen.clone()),
            Observation::Gone => None,
        }
    }

    fn blank(&self, id: ResourceId, action: Action) -> Step {
        Step {
            action,
            address: "".into(),
            kind: String::new(),
            provider: String::new(),
            group: Group::Other,
            id,
            reasons: Vec::new(),
            changes: Vec::new(),
            inputs: Value::Null,
            observed: None,
            replaces: None,
            leaves_row: false,
            takes_along: Vec::new(),
            depends_on: Vec::new(),
            options: RecordedOptions::default(),
            declared_at: String::new(),
            after: Vec::new(),
            priority: 0,
        }
    }

    fn removal_step(&self, record: &Record, action: Action, reasons: Vec<Reason>) -> (Step, u64) {
        let of = (self.draft.facts.types)(&record.provider, &record.kind);
        let mut step = self.blank(record.id, action);
        step.address = record.address.clone();
        step.kind.clone_from(&record.kind);
        step.provider.clone_from(&record.provider);
        step.group = of.map(|of| of.group).unwrap_or_default();
        step.reasons = reasons;
        step.declared_at.clone_from(&record.declared_at);
        step.options.delete_timeout = self.delete_timeout(record);
        let weight = if action == Action::Delete { of.map_or(1, |of| of.seconds) } else { 0 };
        (step, u64::from(weight))
    }

    /// The program's word counts where it still declares the resource, the record's where it does not.
    fn delete_timeout(&self, record: &Record) -> Option<Duration> {
        let program = self.draft.program;
        let declared = program.by_address.get(&record.address).map(|node| &program.graph[*node]);
        match declared.filter(|node| node.kind.name() == record.kind) {
            Some(node) => node.options.timeouts.delete,
            None => record.options.delete_timeout,
        }
    }

    fn removals(&mut self, removals: &[Removal]) {
        let records = &self.draft.facts.snapshot.records;
        for record in records.values() {
            for needed in &record.depends_on {
                self.dependents.entry(*needed).or_default().push(record.id);
            }
        }
        for (node, decision) in self.draft.decisions.iter().enumerate() {
            if let Some(row) = decision.as_ref().and_then(|d| d.row) {
                self.node_of_row.insert(row, node);
            }
        }
        let mut made = Vec::with_capacity(removals.len());
        for removal in removals {
            let record = &records[&removal.row];
            let (mut step, weight) =
                self.removal_step(record, removal.action, removal.reasons.clone());
            step.leaves_row = removal.delete_first;
            step.takes_along.clone_from(&removal.takes_along);
            let id = self.push(step, weight);
            self.of_row.insert(removal.row, id);
            for along in &removal.takes_along {
                self.of_row.insert(*along, id);
            }
            made.push(id);
        }
        for (removal, step) in removals.iter().zip(made) {
            self.order_removal(removal, step);
        }
        // A row outlives the rows that refer to it.
        for (row, tombstone) in self.tombstones.clone() {
            for user in self.dependents.get(&row).cloned().unwrap_or_default() {
                if let Some(&other) = self.tombstones.get(&user) {
                    self.wait(tombstone, other);
                }
            }
        }
        self.unique_keys(removals);
    }

    fn order_removal(&mut self, removal: &Removal, step: StepId) {
        // Everything that still uses it goes first, or moves over first.
        let rows: Vec<ResourceId> =
            std::iter::once(removal.row).chain(removal.takes_along.iter().copied()).collect();
        let mut stack = rows;
        let mut seen: HashSet<ResourceId> = stack.iter().copied().collect();
        let mut moved = Vec::new();
        let mut rows_only = Vec::new();
        while let Some(row) = stack.pop() {
            for user in self.dependents.get(&row).cloned().unwrap_or_default() {
                if !seen.insert(user) {
                    continue;
                }
                // What only goes along with another is no step to wait for; what uses it may be.
                let own = |gone: &&StepId| self.steps[gone.index()].id == user;
                if let Some(&gone) = self.of_row.get(&user).filter(own) {
                    // A row without an object holds nothing up in the cloud: only the row that it
                    // refers to has to outlive it.
                    let row_only = self.steps[gone.index()].action == Action::Forget;
                    if removal.delete_first && row_only {
                        rows_only.push(gone);
                    } else {
                        self.wait(step, gone);
                    }
                } else {
                    if !self.of_row.contains_key(&user)
                        && let Some(&node) = self.node_of_row.get(&user)
                        && let Some(update) = self.of_node[node]
                    {
                        moved.push(update);
                    }
                    // Through what stays, to what goes behind it.
                    stack.push(user);
                }
            }
        }
        let created = removal.replaced_by.and_then(|node| self.of_node[node]);
        match (created, removal.delete_first) {
            (Some(created), true) => {
                self.wait(created, step);
                self.tombstone(removal, created, moved.iter().chain(&rows_only));
            }
            (Some(created), false) => self.wait(step, created),
            (None, _) => {}
        }
        // What lives on it is there anew before the old one goes, if that can be.
        for along in &removal.takes_along {
            let renewed = self.node_of_row.get(along).and_then(|node| self.of_node[*node]);
            self.soft.extend(renewed.map(|renewed| (renewed, step)));
        }
        // Whoever moves over to the new object of a delete-first replacement can not do so before
        // the old one goes; there the edge closes a cycle, and is dropped.
        self.soft.extend(moved.into_iter().map(|update| (update, step)));
        // An orphan lets go of what it uses before that is changed.
        if removal.replaced_by.is_none() {
            let record = &self.draft.facts.snapshot.records[&removal.row];
            for used in &record.depends_on {
                if let Some(&node) = self.node_of_row.get(used)
                    && let Some(change) = self.of_node[node]
                    && self.steps[change.index()].action == Action::Update
                {
                    self.soft.push((step, change));
                }
            }
        }
    }

    /// The row of an object that went first stays until nobody refers to it any more.
    fn tombstone<'s>(
        &mut self,
        removal: &Removal,
        created: StepId,
        users: impl Iterator<Item = &'s StepId>,
    ) {
        let record = &self.draft.facts.snapshot.records[&removal.row];
        let (step, weight) = self.removal_step(record, Action::Forget, vec![Reason::Replaced]);
        let forget = self.push(step, weight);
        self.tombstones.insert(removal.row, forget);
        self.wait(forget, created);
        for user in users {
            self.wait(forget, *user);
        }
    }

    /// An object that takes over the unique key of one that goes comes after it.
    fn unique_keys(&mut self, removals: &[Removal]) {
        let mut keys: HashMap<(String, String), StepId> = HashMap::new();
        for removal in removals.iter().filter(|r| r.action == Action::Delete) {
            let record = &self.draft.facts.snapshot.records[&removal.row];
            let Some(of) = (self.draft.facts.types)(&record.provider, &record.kind) else {
                continue;
            };
            for field in of.inputs.fields.iter().filter(|f| f.unique) {
                if let Some(value) = record.inputs.get(field.name).filter(|v| !v.is_null()) {
                    let key = (record.kind.clone(), format!("{}={value}", field.name));
                    keys.insert(key, self.of_row[&removal.row]);
                }
            }
        }
        if keys.is_empty() {
            return;
        }
        for (node, step) in self.of_node.iter().enumerate() {
            let Some(step) = *step else { continue };
            if self.steps[step.index()].action != Action::Create {
                continue;
            }
            let declared = &self.draft.program.graph[NodeIndex::new(node)];
            for field in declared.kind.inputs().fields.iter().filter(|f| f.unique) {
                if let Some(value) = self.draft.inputs[node].get(field.name) {
                    let key = (declared.kind.name().to_owned(), format!("{}={value}", field.name));
                    if let Some(&gone) = keys.get(&key) {
                        self.soft.push((gone, step));
                    }
                }
            }
        }
    }

    /// Adds the soft edges that close no cycle, and returns a topological order.
    fn settle_order(&mut self) -> Result<Vec<StepId>, PlanError> {
        let hard: Vec<usize> = self.steps.iter().map(|step| step.after.len()).collect();
        for (before, after) in std::mem::take(&mut self.soft) {
            self.wait(after, before);
        }
        if let Some(order) = topological(&self.steps) {
            return Ok(order);
        }
        let component = self.components();
        for (i, step) in self.steps.iter_mut().enumerate() {
            let mut at = 0;
            step.after.retain(|before| {
                at += 1;
                at <= hard[i] || component[before.index()] != component[i]
            });
        }
        if let Some(order) = topological(&self.steps) {
            return Ok(order);
        }
        let component = self.components();
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        for c in &component {
            *sizes.entry(*c).or_default() += 1;
        }
        let ring = component.iter().copied().find(|c| sizes[c] > 1);
        let member = |(i, step): (usize, &Step)| {
            (Some(component[i]) == ring).then(|| format!("{:?} {}", step.action, step.address))
        };
        Err(PlanError::Cycle {
            members: self.steps.iter().enumerate().filter_map(member).collect(),
        })
    }

    /// The strongly connected component of each step.
    fn components(&self) -> Vec<usize> {
        let mut graph = DiGraph::<(), ()>::with_capacity(self.steps.len(), self.steps.len() * 2);
        for _ in &self.steps {
            graph.add_node(());
        }
        for (i, step) in self.steps.iter().enumerate() {
            for before in &step.after {
                graph.add_edge(NodeIndex::new(before.index()), NodeIndex::new(i), ());
            }
        }
        let mut component = vec![0; self.steps.len()];
        for (c, members) in tarjan_scc(&graph).into_iter().enumerate() {
            for member in members {
                component[member.index()] = c;
            }
        }
        component
    }
}

/// A topological order that keeps to the given order where it can; `None` if there is a cycle.
fn topological(steps: &[Step]) -> Option<Vec<StepId>> {
    let mut waiting: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
    let mut next: Vec<Vec<u32>> = vec![Vec::new(); steps.len()];
    for (i, step) in (0u32..).zip(steps) {
        for before in &step.after {
            next[before.index()].push(i);
        }
    }
    let ready = (0u32..).zip(&waiting).filter(|(_, w)| **w == 0);
    let mut ready: BinaryHeap<std::cmp::Reverse<u32>> =
        ready.map(|(i, _)| std::cmp::Reverse(i)).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(std::cmp::Reverse(i)) = ready.pop() {
        order.push(StepId(i));
        for &j in &next[i as usize] {
            waiting[j as usize] -= 1;
            if waiting[j as usize] == 0 {
                ready.push(std::cmp::Reverse(j));
            }
        }
    }
    (order.len() == steps.len()).then_some(order)
}

/// Numbers the steps as they are shown (what is made in the order of declaration, then what goes,
/// in the order it goes), and gives each its priority.
fn finish(mut steps: Vec<Step>, weights: &[u64], order: &[StepId], forward: usize) -> Vec<Step> {
    let mut longest = vec![0u64; steps.len()];
    for step in order.iter().rev() {
        let i = step.index();
        longest[i] += weights[i];
        for before in &steps[i].after {
            longest[before.index()] = longest[before.index()].max(longest[i]);
        }
    }
    let mut place = vec![StepId(0); steps.len()];
    let shown = (0u32..)
        .take(forward)
        .map(StepId)
        .chain(order.iter().copied().filter(|step| step.index() >= forward));
    let shown: Vec<StepId> = shown.collect();
    for (i, step) in (0u32..).zip(&shown) {
        place[step.index()] = StepId(i);
    }
    for (step, priority) in steps.iter_mut().zip(longest) {
        step.priority = priority;
        for before in &mut step.after {
            *before = place[before.index()];
        }
        step.after.sort_unstable();
        step.after.dedup();
    }
    let mut numbered: Vec<(StepId, Step)> = place.into_iter().zip(steps).collect();
    numbered.sort_unstable_by_key(|(id, _)| *id);
    numbered.into_iter().map(|(_, step)| step).collect()
}
