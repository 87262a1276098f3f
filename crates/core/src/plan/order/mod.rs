//! The order of a plan's steps: which waits for which, and which starts first.
//!
//! Hard edges follow from what needs what. Soft edges are better kept but not needed (an orphan
//! that uses a thing goes before that thing is changed): where they contradict each other or the
//! hard ones, the lightest are dropped, and no more than must be. A hard cycle is refused, naming
//! its members.

mod going;
mod keys;
mod soft;
mod strays;

use std::collections::{HashMap, HashSet};

use petgraph::{Direction, graph::NodeIndex};

use self::{
    going::{Behind, Users},
    soft::{Soft, Weight, choose, components, topological},
};
use super::{
    Action, Missing, Observation, PlanError, Reason, Step, StepId,
    decide::{Decision, Draft},
    import::{imported_as, secret_as},
    late::Asked,
    removals::Removal,
};
use crate::{
    declare::NodeKind, identity::ResourceId, provider::Seen, schema::Group, state::RecordedOptions,
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
    /// What was found at and behind the rows that stay.
    behind: HashMap<ResourceId, Behind>,
    soft: Vec<Soft>,
}

/// What became of the attempt to order the steps.
pub(super) enum Arranged {
    Steps(Vec<Step>),
    /// Unique values change hands among these nodes and others, so that their old objects have to go
    /// before the new ones come.
    DeleteFirst(Vec<usize>),
}

/// Who is left out of a narrowed plan and has a unique value that a step of it takes.
pub(super) fn holders_left_out(draft: &Draft<'_>, removals: &[Removal]) -> Vec<Missing> {
    let mut arrangement = Arrangement::new(draft);
    arrangement.forward();
    arrangement.removals(&Users::of_all(draft.facts), removals);
    arrangement.holders_left_out(removals)
}

/// The rows that are held back and have a unique value that a step takes.
pub(super) fn held_in_the_way(draft: &Draft<'_>, removals: &[Removal]) -> Vec<ResourceId> {
    let mut arrangement = Arrangement::new(draft);
    arrangement.forward();
    arrangement.removals(&Users::of_all(draft.facts), removals);
    arrangement.held_in_the_way(removals)
}

pub(super) fn arrange(
    draft: &Draft<'_>,
    removals: &[Removal],
    strays: &[(usize, Reason)],
) -> Result<Arranged, PlanError> {
    let mut arrangement = Arrangement::new(draft);
    arrangement.forward();
    let forward = arrangement.steps.len();
    let mut users = None;
    if !removals.is_empty() {
        let users = users.insert(Users::of_all(draft.facts));
        arrangement.removals(users, removals);
    }
    arrangement.strays(strays);
    let next = arrangement.next();
    if topological(&next).is_none() {
        return Err(arrangement.cycle(&next));
    }
    let delete_first = arrangement.hand_over(removals)?;
    if !delete_first.is_empty() {
        return Ok(Arranged::DeleteFirst(delete_first));
    }
    let order = arrangement.settle(users.as_ref(), removals)?;
    Ok(Arranged::Steps(finish(arrangement.steps, &arrangement.weights, &order, forward)))
}

impl<'d> Arrangement<'d> {
    fn new(draft: &'d Draft<'d>) -> Self {
        Self {
            draft,
            steps: Vec::new(),
            weights: Vec::new(),
            of_node: vec![None; draft.decisions.len()],
            of_row: HashMap::new(),
            node_of_row: HashMap::new(),
            behind: HashMap::new(),
            soft: Vec::new(),
        }
    }
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
        let mut frontiers: Vec<Vec<StepId>> = vec![Vec::new(); self.draft.decisions.len()];
        for index in program.order.iter().copied() {
            let node = index.index();
            let decision = &self.draft.decisions[node];
            let mut before: Vec<StepId> = program
                .graph
                .neighbors_directed(index, Direction::Incoming)
                .flat_map(|from| frontiers[from.index()].iter().copied())
                .collect();
            before.sort_unstable();
            before.dedup();
            let step = match decision {
                None => self.draft.asked[node]
                    .as_ref()
                    .map(|asked| self.push_asked(node, asked, before.clone())),
                Some(decision) if decision.action.is_some() => {
                    Some(self.push_forward(node, decision, before.clone()))
                }
                Some(decision) if before.len() > 4 => {
                    let mut step = self.blank(decision.id, Action::Join);
                    step.address = program.graph[index].address.clone();
                    step.after.clone_from(&before);
                    Some(self.push(step, 0))
                }
                _ => None,
            };
            match step {
                Some(step) => {
                    self.of_node[node] = Some(step);
                    frontiers[node] = vec![step];
                }
                None => frontiers[node] = before,
            }
        }
    }

    /// Adds the step of a declared resource. Of one that is taken over and changed there are two: the
    /// change comes behind.
    fn push_forward(&mut self, node: usize, decision: &Decision, before: Vec<StepId>) -> StepId {
        let imports = decision.import.as_ref().is_some_and(|import| !import.claimed);
        let mut step = self.forward_step(node, decision);
        step.after = before;
        if imports && decision.action == Some(Action::Update) {
            let mut import = step.clone();
            import.action = Action::Import;
            import.changes = Vec::new();
            import.reasons = imported_as(decision).into_iter().collect();
            let import = self.push(import, 1);
            step.after = vec![import];
            step.import = None;
        }
        let weight = match step.action {
            Action::Record => 0,
            _ => self.seconds(node),
        };
        self.push(step, weight)
    }

    fn seconds(&self, node: usize) -> u64 {
        match self.draft.program.graph[NodeIndex::new(node)].kind {
            NodeKind::Resource(of) => u64::from(of.seconds),
            _ => 0,
        }
    }

    fn forward_step(&self, node: usize, decision: &Decision) -> Step {
        let declared = &self.draft.program.graph[NodeIndex::new(node)];
        let (kind, group) = match declared.kind {
            NodeKind::Resource(of) => (of.kind, of.group),
            other => (other.name(), Group::Other),
        };
        let action = decision.action.unwrap_or(Action::Join);
        Step {
            action,
            address: declared.address.clone(),
            kind: kind.to_owned(),
            provider: decision.provider.clone(),
            group,
            id: decision.id,
            reasons: decision.reasons.clone(),
            changes: decision.changes.clone(),
            inputs: self.draft.inputs[node].clone(),
            observed: self.observed(node, decision),
            import: decision.import.clone(),
            replaces: decision.row.filter(|_| decision.replaced),
            leaves_row: false,
            takes_along: Vec::new(),
            depends_on: decision.depends_on.clone(),
            options: decision.options.clone(),
            declared_at: declared.declared_at.to_string(),
            after: Vec::new(),
            priority: 0,
        }
    }

    fn push_asked(&mut self, node: usize, asked: &Asked, before: Vec<StepId>) -> StepId {
        let declared = &self.draft.program.graph[NodeIndex::new(node)];
        let mut step =
            self.blank(ResourceId::derive(&self.draft.facts.seed, u64::MAX), Action::Ask);
        step.address = declared.address.clone();
        step.kind = declared.kind.name().to_owned();
        step.provider.clone_from(&asked.provider);
        step.reasons.clone_from(&asked.reasons);
        step.inputs = self.draft.inputs[node].clone();
        step.declared_at = declared.declared_at.to_string();
        step.after = before;
        self.push(step, 1)
    }

    fn observed(&self, node: usize, decision: &Decision) -> Option<Seen> {
        if decision.action == Some(Action::Create) {
            return None;
        }
        match self.draft.facts.observed.get(&decision.row?)? {
            // The record of what is only now taken over does not know yet what is secret.
            Observation::There(seen) if decision.import.as_ref().is_some_and(|i| !i.claimed) => {
                Some(secret_as(self.draft.program, node, &self.draft.inputs[node], seen))
            }
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
            import: None,
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

    /// Adds the soft edges that hold, and returns a topological order.
    fn settle(
        &mut self,
        users: Option<&Users>,
        removals: &[Removal],
    ) -> Result<Vec<StepId>, PlanError> {
        let kept = choose(self.next(), &self.soft);
        let mut early = HashSet::new();
        for (edge, kept) in std::mem::take(&mut self.soft).into_iter().zip(kept) {
            if kept {
                self.wait(edge.after, edge.before);
            } else if matches!(edge.weight, Weight::Row | Weight::Moves) {
                early.insert(edge.after);
            }
        }
        // What goes although others still refer to it leaves its row for them.
        for removal in removals.iter().filter(|_| !early.is_empty()) {
            let step = self.of_row[&removal.row];
            let leaves = early.contains(&step) && !self.steps[step.index()].leaves_row;
            if let (true, Some(users)) = (leaves, users) {
                self.leave_row(users, removal, step);
            }
        }
        let next = self.next();
        topological(&next).ok_or_else(|| self.cycle(&next))
    }

    /// For each step, those that wait for it.
    fn next(&self) -> Vec<Vec<StepId>> {
        let mut next = vec![Vec::new(); self.steps.len()];
        for (i, step) in (0u32..).zip(&self.steps) {
            for before in &step.after {
                next[before.index()].push(StepId(i));
            }
        }
        next
    }

    fn cycle(&self, next: &[Vec<StepId>]) -> PlanError {
        let component = components(next);
        let mut sizes = vec![0u32; next.len()];
        for c in &component {
            sizes[*c] += 1;
        }
        let ring = component.iter().copied().find(|c| sizes[*c] > 1);
        let member = |(i, step): (usize, &Step)| {
            (Some(component[i]) == ring).then(|| format!("{:?} {}", step.action, step.address))
        };
        PlanError::Cycle { members: self.steps.iter().enumerate().filter_map(member).collect() }
    }
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
