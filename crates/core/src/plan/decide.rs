//! What to do with each declared resource: the forward half of a plan.
//!
//! Nodes are visited in declaration order, which is a topological order, so that the outputs a
//! resource reads are decided (known, or unknown until apply) before it is looked at. The cascade
//! of a replacement needs no search of its own: its outputs become unknown, and dependents that
//! can not take an unknown in place are found by their own diff.

use std::collections::{HashMap, HashSet};

use petgraph::{Direction, graph::NodeIndex};

use super::{
    Action, Facts, FieldChange, Observation, PlanData, PlanError, Reason, Want,
    changes::{changes, ignored, keep_ignored},
    diff::remark_outputs,
    drift::find_drift,
    import::{imported_before, marked, take_for_granted},
    late::{Asked, Question},
    narrow::{self, Chosen},
    order, refresh, unmanaged, views,
    wave::{self, KeptInUse},
};
use crate::{
    check::{Check, Peers},
    declare::{Decisions, Node, NodeKind, Problem, Program, ResourceRef},
    expr::{ExprError, NodeId},
    identity::{Address, ResourceId},
    policy::{self, Verdict},
    schema::ResourceType,
    state::{Import, Record, RecordedOptions, Role, Snapshot, Status},
    value::{Map, Path, Value},
};

/// What was decided for one declared resource.
pub(super) struct Decision {
    pub(super) action: Option<Action>,
    pub(super) reasons: Vec<Reason>,
    pub(super) changes: Vec<FieldChange>,
    /// The object as it will be known: new for a create.
    pub(super) id: ResourceId,
    /// The row that the address has now.
    pub(super) row: Option<ResourceId>,
    /// Whether the object of that row is replaced (and not merely gone).
    pub(super) replaced: bool,
    /// Whether the old object must go before the new one comes.
    pub(super) delete_first: bool,
    pub(super) depends_on: Vec<ResourceId>,
    pub(super) options: RecordedOptions,
    pub(super) provider: String,
    /// What its object is taken over as, or was before.
    pub(super) import: Option<Import>,
}

/// The planner's work so far.
pub(super) struct Draft<'a> {
    pub(super) program: &'a Program,
    pub(super) facts: &'a Facts<'a>,
    /// Per node: the desired inputs, with unknowns.
    pub(super) inputs: Vec<Value>,
    /// Per node: the outputs as its dependents will see them, with unknowns.
    pub(super) outputs: Vec<Value>,
    /// Per node; `None` for lookups.
    pub(super) decisions: Vec<Option<Decision>>,
    /// Per node; `None` but for lookups that the run asks.
    pub(super) asked: Vec<Option<Asked>>,
    /// Per node: whether it is undecided, or depends on what is.
    pub(super) waits: Vec<bool>,
    /// The subtrees of which the value is known.
    pub(super) decided: Decisions,
    /// What nobody declares and stays all the same, because something is undecided.
    pub(super) held: HashSet<ResourceId>,
    /// What would be held, and is in the way of the plan.
    pub(super) released: HashSet<ResourceId>,
    /// What has to go now, and is used by what stays because something is undecided.
    pub(super) in_use: Vec<KeptInUse>,
    pub(super) protected: Vec<(Address, String)>,
    /// What the plan is about.
    pub(super) chosen: Chosen,
    /// The objects that may be otherwise than the last apply left them.
    strayed: HashSet<ResourceId>,
    /// Per node: whether its old object, or one that it needs, goes before the new one comes.
    pub(super) goes_first: Vec<bool>,
    pub(super) problems: Vec<Problem>,
    /// What the policies put right.
    policy: Verdict,
    /// The nodes whose inputs could not be computed: the problem that says so, and why.
    failures: HashMap<NodeIndex, (usize, ExprError)>,
    /// The lookups whose question is known, and not asked yet.
    pub(super) questions: Vec<Question>,
    created: u64,
}

/// The plan: a pure function of its arguments.
pub(crate) fn compute(program: &Program, mut facts: Facts<'_>) -> Result<PlanData, PlanError> {
    if facts.want == Want::Records {
        return Ok(refresh::compute(program, facts));
    }
    let plan = narrow::complete(&mut facts, |facts| attempt(program, facts))?;
    Ok(PlanData {
        lineage: facts.snapshot.lineage,
        recovered: facts.recovered,
        repairs: facts.repairs,
        recorded_exports: facts.snapshot.exports,
        ..plan
    })
}

/// The plan, without what it takes over from the facts.
fn attempt(program: &Program, facts: &Facts<'_>) -> Result<PlanData, PlanError> {
    let (mut drift, strayed) = find_drift(program, facts);
    let mut draft = Draft::new(program, facts, strayed);
    let (mut exports, mut kept) = (Value::Null, Vec::new());
    if draft.facts.want == Want::Program {
        draft.visit_all()?;
        let reported = draft.require();
        draft.validate();
        draft.choose_guests();
        (exports, kept) = draft.exports(&reported);
    } else if !facts.selection.is_whole() {
        exports = draft.exports_left();
        kept.extend(exports.as_map().into_iter().flat_map(Map::keys).map(ToString::to_string));
    }
    if !draft.problems.is_empty() {
        let (stack, problems) = (program.stack.to_string(), draft.problems);
        return Err(PlanError::Invalid { stack, problems });
    }
    let (steps, unasked) = loop {
        draft.delete_first_cascade();
        let removals = draft.removals();
        if !draft.in_use.is_empty() {
            return Err(PlanError::KeptInUse { kept: draft.in_use });
        }
        draft.refuse_what_lacks(&removals)?;
        if !draft.protected.is_empty() {
            return Err(PlanError::Protected { addresses: draft.protected });
        }
        let unasked = unmanaged::decide(program, facts, &removals)?;
        match order::arrange(&draft, &removals, &unasked.deletes)? {
            order::Arranged::Steps(steps) => break (steps, unasked),
            // Each time there are more of them, so this ends.
            order::Arranged::DeleteFirst(nodes) => {
                for node in nodes {
                    if let Some(decision) = &mut draft.decisions[node] {
                        decision.delete_first = true;
                    }
                }
            }
        }
    };
    views::add(&mut drift, facts, Some(&draft));
    let decisions = program.graph.node_indices().zip(&draft.decisions);
    let chosen = decisions.filter(|(node, _)| draft.is_chosen(*node) && !draft.waits[node.index()]);
    let unchanged = chosen.filter_map(|(_, d)| d.as_ref()).filter(|d| d.is_unchanged()).count();
    let kept_outputs = if draft.is_narrowed() { Vec::new() } else { kept.clone() };
    let narrowed = draft.chosen.selection.narrowed(program, &facts.snapshot, kept);
    let mut warnings = program.warnings.clone();
    warnings.extend(facts.moves.warnings.iter().cloned());
    warnings.extend(unasked.warnings);
    Ok(PlanData {
        stack: program.stack.to_string(),
        lineage: String::new(),
        version: facts.snapshot.version,
        seed: facts.seed,
        steps,
        drift,
        unmanaged: unasked.told,
        recovered: Vec::new(),
        moves: facts.moves.moves.clone(),
        repairs: Vec::new(),
        sources: Vec::new(),
        exports,
        recorded_exports: Value::Null,
        warnings,
        policy: std::mem::take(&mut draft.policy),
        skip_hooks: false,
        unchanged,
        narrowed,
        decided: wave::decided(program),
        undecided: draft.undecided(),
        waiting: draft.waiting(),
        kept_outputs,
        refresh_only: false,
    })
}

impl Decision {
    fn is_unchanged(&self) -> bool {
        matches!(self.action, None | Some(Action::Record))
    }

    /// Whether it makes anew what an earlier run began to delete: that is gone first, like what a
    /// replacement deletes first.
    pub(super) fn is_going(&self, deleting: &HashSet<ResourceId>) -> bool {
        self.action == Some(Action::Create) && self.row.is_some_and(|row| deleting.contains(&row))
    }
}

/// The current row of each address and type.
fn current_rows(snapshot: &Snapshot) -> HashMap<(&str, &str), &Record> {
    snapshot
        .records
        .values()
        .filter(|record| record.role == Role::Current)
        .map(|record| ((record.address.as_str(), record.kind.as_str()), record))
        .collect()
}

impl<'a> Draft<'a> {
    /// Whether all is to go.
    pub(super) fn wants_nothing(&self) -> bool {
        self.facts.want == Want::Nothing
    }

    pub(super) fn new(
        program: &'a Program,
        facts: &'a Facts<'a>,
        strayed: HashSet<ResourceId>,
    ) -> Self {
        let nodes = program.graph.node_count();
        Self {
            program,
            facts,
            inputs: vec![Value::Unknown; nodes],
            outputs: vec![Value::Unknown; nodes],
            decisions: (0..nodes).map(|_| None).collect(),
            asked: (0..nodes).map(|_| None).collect(),
            waits: vec![false; nodes],
            decided: Decisions::new(),
            held: HashSet::new(),
            released: HashSet::new(),
            in_use: Vec::new(),
            protected: Vec::new(),
            chosen: Chosen::new(&facts.selection),
            strayed,
            goes_first: vec![false; nodes],
            problems: Vec::new(),
            policy: Verdict::default(),
            failures: HashMap::new(),
            questions: Vec::new(),
            created: 0,
        }
    }

    /// Decides about everything that is declared.
    pub(super) fn visit_all(&mut self) -> Result<(), PlanError> {
        let current = current_rows(&self.facts.snapshot);
        self.note_going(&current);
        for index in self.program.order.iter().copied() {
            self.visit(index, &current)?;
        }
        Ok(())
    }

    fn visit(
        &mut self,
        index: NodeIndex,
        current: &HashMap<(&str, &str), &'a Record>,
    ) -> Result<(), PlanError> {
        let node = &self.program.graph[index];
        let row = current.get(&(node.address.as_str(), node.kind.name())).copied();
        let chosen = self.choose(node, row);
        let outputs = &self.outputs;
        let desired =
            node.inputs.resolve(&|id: NodeId| outputs.get(id.0 as usize)).unwrap_or_else(|error| {
                if chosen {
                    self.problems.push(problem(node, None, error.to_string()));
                    self.failures.insert(index, (self.problems.len() - 1, error));
                }
                Value::Unknown
            });
        let at = index.index();
        let mut from = self.program.graph.neighbors_directed(index, Direction::Incoming);
        self.waits[at] = from.any(|from| self.waits[from.index()]);
        match node.kind {
            NodeKind::Decide => self.visit_subtree(index, node, &desired),
            NodeKind::Lookup { .. } if self.waits[at] => {}
            NodeKind::Lookup { .. } => {
                (self.outputs[at], self.asked[at]) = self.look_up(index, node, &desired)?;
            }
            NodeKind::Resource(of) if self.waits[at] => {
                if chosen {
                    self.note_needs(index);
                }
                self.decisions[at] = Some(self.left_out(of, row).0);
            }
            NodeKind::Resource(of) if !chosen => {
                let (decision, outputs) = self.left_out(of, row);
                self.outputs[at] = outputs;
                self.decisions[at] = Some(decision);
            }
            NodeKind::Resource(of) => {
                self.note_needs(index);
                self.check_options(node, of);
                let provider = (self.facts.provider_of)(of.kind, &node.options, row);
                let provider = provider.ok_or_else(|| PlanError::NoProvider {
                    address: node.address.clone(),
                    kind: of.kind.to_owned(),
                })?;
                let mut desired = self.remedied(index, of, row, desired);
                let (decision, outputs) = self.decide(index, node, of, row, &mut desired, provider);
                self.note_decided(&node.address, &decision);
                self.inputs[at] = desired;
                self.outputs[at] = outputs;
                self.decisions[at] = Some(decision);
                self.note_first(index);
                return Ok(());
            }
        }
        self.inputs[at] = desired;
        self.note_first(index);
        Ok(())
    }

    /// Notes whether the old object of a node, or of one that it needs, goes before the new one comes.
    fn note_first(&mut self, index: NodeIndex) {
        let below = self
            .program
            .graph
            .neighbors_directed(index, Direction::Incoming)
            .any(|from| self.goes_first[from.index()]);
        let own = self.decisions[index.index()].as_ref();
        let own =
            own.is_some_and(|d| (d.replaced && d.delete_first) || d.is_going(&self.facts.deleting));
        self.goes_first[index.index()] = below || own;
    }

    /// What is declared, with what the policies put right.
    fn remedied(
        &mut self,
        index: NodeIndex,
        of: &'static ResourceType,
        row: Option<&Record>,
        declared: Value,
    ) -> Value {
        let facts = self.facts;
        if facts.policies.is_empty() {
            return declared;
        }
        let gone = row.is_some_and(|row| facts.observed.get(&row.id) == Some(&Observation::Gone));
        let requested = facts.replace.contains(&self.program.graph[index].address);
        let standing = policy::standing(of, row, gone, requested);
        let node = NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX));
        let before = policy::Before(&self.inputs);
        let remedied =
            policy::remedy(facts.policies, (self.program, node), of, declared, standing, &before);
        self.policy.remediations.extend(remedied.remediations);
        self.policy.violations.extend(remedied.violations);
        remedied.inputs
    }

    /// Reports options that name fields which the type has not got, and exemptions without a reason.
    fn check_options(&mut self, node: &Node, of: &ResourceType) {
        for (policy, _) in node.options.exempt.iter().filter(|(_, why)| why.trim().is_empty()) {
            let message = format!("it is exempt from the policy `{policy}` without a reason");
            self.problems.push(problem(node, None, message));
        }
        let options = [
            ("ignore_changes", &node.options.ignore_changes),
            ("replace_on", &node.options.replace_on),
        ];
        for (option, paths) in options {
            for text in paths {
                let known = Path::parse(text).is_ok_and(|p| of.inputs.field(p.top()).is_some());
                if !known {
                    let message =
                        format!("{option} names `{text}`, which is no field of {}", of.kind);
                    self.problems.push(problem(node, Some(text), message));
                }
            }
        }
    }

    fn decide(
        &mut self,
        index: NodeIndex,
        node: &Node,
        of: &'static ResourceType,
        row: Option<&Record>,
        desired: &mut Value,
        provider: String,
    ) -> (Decision, Value) {
        let depends_on = self.needs(index);
        let options = self.recorded_options(node);
        let mut decision = Decision {
            action: None,
            reasons: Vec::new(),
            changes: Vec::new(),
            id: ResourceId::derive(&self.facts.seed, u64::MAX),
            row: row.map(|row| row.id),
            replaced: false,
            delete_first: false,
            depends_on,
            options,
            provider,
            import: imported_before(row),
        };
        self.refuse_import(node, row);
        let facts = self.facts;
        let observed = row.and_then(|row| facts.observed.get(&row.id));
        let row = match (row, observed) {
            (None, _) => {
                decision.reasons.push(Reason::New);
                None
            }
            (Some(_), Some(Observation::Gone)) => {
                decision.reasons.push(Reason::Gone);
                None
            }
            (Some(row), _) if row.status == Status::Absent => {
                decision.reasons.push(Reason::Replaced);
                None
            }
            (Some(row), _) => Some(row),
        };
        let Some(row) = row else {
            decision.action = Some(Action::Create);
            decision.id = self.new_id(&node.address, desired);
            let outputs = created_outputs(of, desired);
            return (decision, outputs);
        };
        let seen = match observed {
            Some(Observation::There(seen)) => Some(seen),
            _ => None,
        };
        decision.id = row.id;
        let taken = marked(of, row, seen, desired);
        let (row, seen) = match &taken {
            Some((row, seen)) => (row, seen.as_ref()),
            None => (row, seen),
        };
        let ignored = ignored(node);
        // What is as it was left needs no second look.
        let strayed = seen.filter(|_| self.strayed.contains(&row.id));
        keep_ignored(desired, &ignored, of, row, strayed);
        decision.changes = changes(of, row, seen, strayed.is_some(), desired, &ignored);
        for change in &mut decision.changes {
            let forced =
                |field: &String| Path::parse(field).is_ok_and(|p| change.path.starts_with(&p));
            change.replace |= node.options.replace_on.iter().any(forced)
                || self.holds_what_goes(of, node, change.path.top());
        }
        if row.is_unclaimed() {
            take_for_granted(of, &mut decision.changes);
        }
        self.reasons(node, of, row, &mut decision);
        let now = remark_outputs(of, desired, seen.map_or(&row.outputs, |seen| &seen.outputs));
        if let Some(import) = row.import.as_ref().filter(|import| !import.claimed) {
            return self.take_over(node, of, import, desired, (decision, now));
        }
        if decision.replaced {
            decision.action = Some(Action::Create);
            decision.delete_first = node.options.delete_first.unwrap_or_else(|| {
                of.delete_first || self.keeps_unique(of, node, row, seen, desired)
            });
            decision.id = self.new_id(&node.address, desired);
            return (decision, created_outputs(of, desired));
        }
        let resumes = matches!(row.status, Status::Incomplete { .. });
        if !decision.changes.is_empty() || resumes {
            decision.action = Some(Action::Update);
            let outputs = updated_outputs(of, now, desired, &decision.changes);
            return (decision, outputs);
        }
        if row.status == Status::Settling {
            decision.reasons.push(Reason::NotReadyYet);
            decision.action = Some(Action::Settle);
        } else if row.inputs != *desired
            || row.outputs != now
            || row.depends_on != decision.depends_on
            || row.options != decision.options
            || row.provider != decision.provider
            // An update whose end nobody saw; or what the program leaves to the cloud.
            || self.strayed.contains(&row.id)
        {
            decision.action = Some(Action::Record);
        }
        (decision, now)
    }

    /// What the row will say of the options that outlive the declaration.
    fn recorded_options(&self, node: &Node) -> RecordedOptions {
        let id_of = |of: &ResourceRef| {
            let decision = self.decisions.get(of.node.0 as usize)?.as_ref()?;
            Some((self.program.node(of.node).address.clone(), decision.id))
        };
        RecordedOptions {
            protect: node.options.protect,
            exclusive: node.options.exclusive,
            retain: node.options.retain,
            deleted_with: node.options.deleted_with.as_ref().and_then(id_of).map(|(_, id)| id),
            replace_with: node.options.replace_with.iter().filter_map(id_of).collect(),
            trigger: node.options.trigger.clone(),
            hooks: node.options.hooks.clone(),
            delete_timeout: node.options.timeouts.delete,
        }
    }

    /// The ids of the objects this node will depend on, in a stable order.
    fn needs(&self, index: NodeIndex) -> Vec<ResourceId> {
        let mut needs = Vec::new();
        let mut stack: Vec<NodeIndex> =
            self.program.graph.neighbors_directed(index, Direction::Incoming).collect();
        while let Some(from) = stack.pop() {
            match &self.decisions[from.index()] {
                Some(decision) => needs.push(decision.id),
                // What comes through a lookup depends on what the lookup asked with.
                None => {
                    let through = self.program.graph.neighbors_directed(from, Direction::Incoming);
                    stack.extend(through);
                }
            }
        }
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    fn new_id(&mut self, address: &Address, desired: &Value) -> ResourceId {
        self.created += 1;
        match self.facts.retried.get(address) {
            Some((id, inputs)) if inputs == desired => *id,
            _ => ResourceId::derive(&self.facts.seed, self.created),
        }
    }

    /// Reports the requirements that are not met, in the place of what uses the same values.
    fn require(&mut self) -> Vec<ExprError> {
        let outputs = &self.outputs;
        let mut reported = Vec::new();
        let mut problems = Vec::new();
        for required in &self.program.requirements {
            if self.keeps(&required.value) {
                continue;
            }
            let Err(error) = required.value.resolve(&|id: NodeId| outputs.get(id.0 as usize))
            else {
                continue;
            };
            let message = match &error {
                ExprError::Function { message, .. } => message.clone(),
                other => other.to_string(),
            };
            problems.push(Problem {
                address: required.address.clone(),
                field: required.field.clone(),
                message,
                declared_at: required.declared_at.to_string(),
            });
            reported.push(error);
        }
        let replaced: HashSet<usize> = self
            .failures
            .values()
            .filter(|(_, error)| reported.contains(error))
            .map(|(at, _)| *at)
            .collect();
        let mut at = 0..;
        self.problems.retain(|_| at.next().is_none_or(|at| !replaced.contains(&at)));
        self.problems.append(&mut problems);
        reported
    }

    fn validate(&mut self) {
        let mut problems = std::mem::take(&mut self.problems);
        let peers = Peers::of(self.program);
        for (index, decision) in self.program.graph.node_indices().zip(&self.decisions) {
            let Some(decision) = decision else { continue };
            let waits = self.waits[index.index()];
            if waits || self.failures.contains_key(&index) || !self.is_chosen(index) {
                continue;
            }
            let node = &self.program.graph[index];
            let mut check = Check {
                program: self.program,
                node: NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX)),
                inputs: &self.inputs,
                peers: &peers,
                problems: &mut problems,
            };
            (self.facts.validate)(&mut check, &decision.provider, node.kind.name());
        }
        self.problems = problems;
    }
}

/// Outputs of what is to be made: unknown, but for what the schema says comes back as it was sent.
pub(crate) fn created_outputs(of: &ResourceType, desired: &Value) -> Value {
    // What the program leaves to the cloud is not known before the cloud has chosen.
    let chosen = |name: &str| of.inputs.field(name).is_some_and(|field| field.defaulted);
    let known = |name: &str| match desired.get(name) {
        Some(Value::Null) if chosen(name) => Value::Unknown,
        Some(value) => value.clone(),
        None => Value::Unknown,
    };
    of.outputs
        .fields
        .iter()
        .map(|field| {
            let value = if field.echo { known(field.name) } else { Value::Unknown };
            (field.name.into(), value)
        })
        .collect::<Map>()
        .into()
}

/// Outputs across an update in place: as they are, but for what the schema says is computed anew.
pub(crate) fn updated_outputs(
    of: &ResourceType,
    mut now: Value,
    desired: &Value,
    changes: &[FieldChange],
) -> Value {
    if let Value::Map(map) = &mut now {
        for field in of.outputs.fields {
            let touched = |name: &&str| changes.iter().any(|c| c.path.top() == *name);
            if field.recomputed_by.iter().any(touched) {
                map.insert(field.name, Value::Unknown);
            } else if field.echo && touched(&field.name) {
                let chosen = of.inputs.field(field.name).is_some_and(|field| field.defaulted);
                let value = desired.get(field.name).cloned().unwrap_or(Value::Null);
                map.insert(
                    field.name,
                    if chosen && value.is_null() { Value::Unknown } else { value },
                );
            }
        }
    }
    now
}

pub(super) fn problem(node: &Node, field: Option<&str>, message: String) -> Problem {
    Problem {
        address: node.address.clone(),
        field: field.map(str::to_owned),
        message,
        declared_at: node.declared_at.to_string(),
    }
}
