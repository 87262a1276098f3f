//! Asking the policies: about a plan, and in the run about what only then is known.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet};

use super::{
    Deferred, Level, OnUnknown, PlannedStack, Policies, Policy, Report, ResourceRule, Violation,
    exempt::Exemption,
    fix::panicked,
    graph::{Graph, recorded},
    report::{masked, secrets},
    subject::{Note, Notes},
};
use crate::{
    declare::{Problem, Program},
    expr::NodeId,
    identity::Address,
    panics::caught_now,
    plan::{PlanData, PlanError, Step},
    state::{Record, Snapshot},
    value::Value,
};

/// Judges a plan, and writes down in it what the policies say. `snapshot` is the state with the
/// plan's repairs, and `removes` says whether the plan is to destroy.
///
/// # Errors
/// When a mandatory policy is violated: all that is, at once.
pub(crate) fn judge(
    policies: &Policies,
    program: &Program,
    plan: &mut PlanData,
    snapshot: &Snapshot,
    removes: bool,
) -> Result<(), PlanError> {
    if policies.is_empty() || removes || plan.refresh_only {
        return Ok(());
    }
    let mut verdict = std::mem::take(&mut plan.policy);
    verdict.policies = policies.iter().map(|policy| policy.name.clone()).collect();
    verdict.deferred.clear();
    {
        let rows = recorded(snapshot.records.values());
        let row = |address: &str, kind: &str| rows.get(&(address, kind)).copied();
        let graph = Graph::of(program, plan, |address, kind| row(address, kind).map(Cow::Borrowed));
        let mut judging = Judging::new(policies, &graph, false);
        for (node, entry) in graph.entries().filter(|(_, entry)| entry.chosen) {
            for policy in policies.iter() {
                for rule in policy.resource_rules.iter().filter(|rule| rule.is_of(entry.of.kind)) {
                    judging.resource(policy, rule, node);
                }
            }
        }
        for policy in policies.iter() {
            judging.stack(policy);
        }
        let Found { violations, deferred } = judging.found;
        verdict.violations.extend(violations);
        verdict.deferred.extend(deferred);
    }
    let place = |address: &Address| program.by_address.get(address).map(|index| index.index());
    let key = |violation: &Violation| (violation.level, place(&violation.address));
    verdict.violations.sort_by(|one, other| key(one).cmp(&key(other)).then_with(|| one.cmp(other)));
    verdict.violations.dedup();
    plan.warnings.extend(strangers(policies, program));
    plan.policy = verdict;
    if plan.policy.refusals().next().is_none() {
        return Ok(());
    }
    let (stack, verdict) = (plan.stack.clone(), Box::new(std::mem::take(&mut plan.policy)));
    Err(PlanError::Policy { stack, verdict })
}

/// Exemptions of declarations from policies that are not there: they may be misspelt.
fn strangers(policies: &Policies, program: &Program) -> Vec<Problem> {
    let nodes = program.graph.node_weights();
    let exempt =
        nodes.flat_map(|node| node.options.exempt.iter().map(move |(name, _)| (node, name)));
    let unknown = exempt.filter(|(_, name)| !policies.knows(name));
    let problem = |(node, name): (&crate::declare::Node, &String)| Problem {
        address: node.address.clone(),
        field: None,
        message: format!("it is exempt from `{name}`, which is no policy here"),
        declared_at: node.declared_at.to_string(),
    };
    unknown.map(problem).collect()
}

impl ResourceRule {
    fn is_of(&self, kind: &str) -> bool {
        self.kind.as_deref().is_none_or(|of| of == kind)
    }
}

/// What is found, sorted and once each.
#[derive(Default)]
struct Found {
    violations: BTreeSet<Violation>,
    deferred: BTreeSet<Deferred>,
}

struct Judging<'j, 'a> {
    policies: &'j Policies,
    graph: &'j Graph<'a>,
    /// Whether this is in the run: what is not known now is judged when it is.
    at_apply: bool,
    found: Found,
    /// The secrets that no text may show; collected when there is a text.
    secrets: OnceCell<Vec<String>>,
}

impl<'j, 'a> Judging<'j, 'a> {
    fn new(policies: &'j Policies, graph: &'j Graph<'a>, at_apply: bool) -> Self {
        Self { policies, graph, at_apply, found: Found::default(), secrets: OnceCell::new() }
    }

    fn resource(&mut self, policy: &Policy, rule: &ResourceRule, node: NodeId) {
        let graph = self.graph;
        let notes = Notes::default();
        let Some(subject) = graph.subject(node, &notes) else { return };
        let about = (subject.address().clone(), subject.declared_at());
        let mut report = Report { policy, about: about.clone(), violations: Vec::new() };
        let outcome = caught_now(|| (rule.check)(&subject, &mut report));
        let violations = report.violations;
        self.conclude(policy, Some(node), about, outcome, violations, notes.into_inner());
    }

    fn stack(&mut self, policy: &Policy) {
        let graph = self.graph;
        for rule in &policy.stack_rules {
            let notes = Notes::default();
            let about = (Address::new(""), String::new());
            let mut report = Report { policy, about: about.clone(), violations: Vec::new() };
            let stack = PlannedStack { graph, notes: &notes };
            let outcome = caught_now(|| rule(&stack, &mut report));
            let violations = report.violations;
            self.conclude(policy, None, about, outcome, violations, notes.into_inner());
        }
    }

    /// Takes in what one rule said.
    fn conclude(
        &mut self,
        policy: &Policy,
        node: Option<NodeId>,
        about: (Address, String),
        outcome: Result<(), String>,
        said: Vec<Violation>,
        notes: Vec<Note>,
    ) {
        let mut fault = |field: &str, message: String| {
            let (address, declared_at) = about.clone();
            let violation = Violation {
                address,
                policy: policy.name.clone(),
                // Nobody knows what it would have said.
                level: Level::Mandatory,
                field: Some(field.to_owned()).filter(|field| !field.is_empty()),
                message,
                remedy: Some("mend the policy".to_owned()),
                declared_at,
                exempt: None,
            };
            self.violation(policy, node, violation);
        };
        if let Err(panic) = outcome {
            fault("", panicked(&panic));
        }
        let (faults, unknown): (Vec<Note>, Vec<Note>) =
            notes.into_iter().partition(|note| note.fault.is_some());
        for note in faults {
            let message = note.fault.unwrap_or_default();
            fault(&note.field, message);
        }
        for violation in said {
            self.violation(policy, node, violation);
        }
        if self.at_apply {
            return;
        }
        for note in unknown {
            self.unknown(policy, node, &about, note);
        }
    }

    fn unknown(
        &mut self,
        policy: &Policy,
        node: Option<NodeId>,
        about: &(Address, String),
        note: Note,
    ) {
        let of = self.graph.program.node(note.of).address.clone();
        match policy.on_unknown {
            OnUnknown::Pass => {}
            OnUnknown::AtApply => {
                self.found.deferred.insert(Deferred {
                    address: about.0.clone(),
                    policy: policy.name.clone(),
                    level: policy.level,
                    of,
                    field: note.field,
                });
            }
            OnUnknown::Refuse => {
                let place = match of == about.0 {
                    true => String::new(),
                    false => format!("`{}` of {of}: ", note.field),
                };
                let violation = Violation {
                    address: about.0.clone(),
                    policy: policy.name.clone(),
                    level: policy.level,
                    field: Some(note.field).filter(|field| of == about.0 && !field.is_empty()),
                    message: format!("{place}it is known only after apply"),
                    remedy: Some("give it a known value".to_owned()),
                    declared_at: about.1.clone(),
                    exempt: None,
                };
                self.violation(policy, node, violation);
            }
        }
    }

    /// Takes in a violation: exempt where it is, and without secrets.
    fn violation(&mut self, policy: &Policy, node: Option<NodeId>, mut violation: Violation) {
        let address = &violation.address;
        let node = node.or_else(|| {
            let index = self.graph.program.by_address.get(address)?;
            Some(NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX)))
        });
        violation.exempt = match node {
            Some(node) => self.policies.exempt(policy, self.graph.program.node(node)),
            None => self.policies.exempt_at(policy, address),
        };
        let entry = node.and_then(|node| self.graph.entry(node));
        if entry.is_some_and(|entry| !entry.chosen) {
            // It stays as it is, whatever is said of it.
            return;
        }
        let hidden = self
            .secrets
            .get_or_init(|| secrets(self.graph.entries().map(|(_, entry)| &*entry.inputs)));
        violation.message = masked(violation.message, hidden);
        violation.remedy = violation.remedy.map(|remedy| masked(remedy, hidden));
        self.found.violations.insert(violation);
    }
}

/// What policies are still to judge in a run.
pub(crate) struct AtApply<'r> {
    policies: &'r Policies,
    graph: Graph<'r>,
}

impl<'r> AtApply<'r> {
    /// Nothing, if the plan leaves nothing to judge.
    pub(crate) fn of<'s>(
        policies: &'r Policies,
        program: &'r Program,
        plan: &'r PlanData,
        rows: impl Iterator<Item = &'s Record>,
    ) -> Option<Self> {
        if policies.is_empty() || plan.policy.deferred.is_empty() {
            return None;
        }
        let rows = recorded(rows);
        let row = |address: &str, kind: &str| rows.get(&(address, kind)).copied();
        let owned = |address: &str, kind: &str| row(address, kind).cloned().map(Cow::Owned);
        Some(Self { policies, graph: Graph::of(program, plan, owned) })
    }

    /// Judges a step that is about to be sent, now that its inputs are known.
    pub(crate) fn judge(&mut self, step: &Step, inputs: &Value) -> Vec<Violation> {
        let program = self.graph.program;
        let node = |address: &Address| {
            let index = program.by_address.get(address)?;
            Some(NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX)))
        };
        let Some(own) = node(&step.address) else { return Vec::new() };
        self.graph.set(own, inputs.clone());
        let graph = &self.graph;
        let policies = self.policies;
        let mut judging = Judging::new(policies, graph, true);
        let mut asked: BTreeSet<(&str, &Address)> = BTreeSet::new();
        for deferred in &graph.plan.policy.deferred {
            let judged = &deferred.address;
            let stack = judged.as_str().is_empty();
            // What is sent itself is judged then: all that it needs is known.
            let sent = node(judged).and_then(|node| graph.entry(node)?.step).is_some();
            let due = *judged == step.address || (deferred.of == step.address && (stack || !sent));
            if !due || !asked.insert((&deferred.policy, judged)) {
                continue;
            }
            let Some(policy) = policies.iter().find(|it| it.name == deferred.policy) else {
                continue;
            };
            match node(judged) {
                None => judging.stack(policy),
                Some(at) => {
                    let kind = graph.entry(at).map_or("", |entry| entry.of.kind);
                    for rule in policy.resource_rules.iter().filter(|rule| rule.is_of(kind)) {
                        judging.resource(policy, rule, at);
                    }
                }
            }
        }
        let told = &graph.plan.policy.violations;
        judging.found.violations.into_iter().filter(|it| !told.contains(it)).collect()
    }
}

impl Policies {
    /// Exemptions that the engine was given without a reason.
    pub(crate) fn unexplained(&self) -> impl Iterator<Item = &Exemption> {
        self.exemptions.iter().filter(|exemption| exemption.reason.trim().is_empty())
    }

    /// Exemptions that the engine was given from policies that it has not got.
    pub(crate) fn unknown_exemptions(&self) -> impl Iterator<Item = &Exemption> {
        self.exemptions.iter().filter(|exemption| !self.knows(&exemption.policy))
    }
}
