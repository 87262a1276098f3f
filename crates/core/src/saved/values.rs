//! Whether a program, declared again, computes the values that a plan knows.
//!
//! What a function of the user's does is not to be seen from its place in the source. What it makes
//! of the values that were known when the plan was made is: it is computed again, and compared.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use petgraph::graph::NodeIndex;

use super::{Document, shape::shortened};
use crate::{
    declare::{Node, NodeKind, Problem, Program},
    expr::NodeId,
    identity::Address,
    plan::{Action, Reason, Step, created_outputs, ignored, updated_outputs},
    policy::{self, Graph, Policies},
    schema::ResourceType,
    state::{Record, Role, Snapshot},
    value::{Map, Value},
};

static NULL: Value = Value::Null;

/// Everything that the program computes otherwise than the plan knows it; `snapshot` is the state
/// with the plan's repairs.
pub(super) fn differences(
    program: &Program,
    document: &Document,
    snapshot: &Snapshot,
    policies: &Policies,
) -> Vec<Problem> {
    let plan = &document.plan;
    if document.asked.destroy || plan.refresh_only {
        // Of what is destroyed nothing is computed, and records are what is there.
        return Vec::new();
    }
    let narrowed = plan.narrowed.as_ref();
    let left_out: HashSet<&Address> = narrowed.into_iter().flat_map(|it| &it.left_out).collect();
    let kept: HashSet<&String> = narrowed.into_iter().flat_map(|it| &it.kept_outputs).collect();
    let forward = plan.steps.iter().filter(|step| is_forward(step));
    let steps: HashMap<&Address, &Step> = forward.map(|step| (&step.address, step)).collect();
    let current = snapshot.records.values().filter(|row| row.role == Role::Current);
    let rows: HashMap<(&str, &str), &Record> =
        current.map(|row| ((row.address.as_str(), row.kind.as_str()), row)).collect();
    let mut outputs: Vec<Value> = vec![Value::Unknown; program.graph.node_count()];
    let waiting: HashSet<&Address> = plan.waiting.iter().collect();
    let kept: HashSet<&String> = kept.into_iter().chain(&plan.kept_outputs).collect();
    let inputs = |address: &str, kind: &str| rows.get(&(address, kind)).map(|row| &row.inputs);
    let graph = (!policies.is_empty())
        .then(|| Graph::of(program, plan, |at, kind| inputs(at, kind).map(Cow::Borrowed)));
    let mut problems = Vec::new();
    for index in program.order.iter().copied() {
        let node = &program.graph[index];
        if waiting.contains(&node.address) {
            continue;
        }
        let mut computed = resolve(program, index, &outputs);
        if matches!(node.kind, NodeKind::Decide) {
            if let Some((by, _)) = program.deciders[&index].decided.as_ref() {
                match computed {
                    Ok(computed) if computed == *by => {}
                    Ok(computed) => problems.push(problem(node, None, otherwise(&computed, by))),
                    Err(message) => problems.push(problem(node, None, message)),
                }
                outputs[index.index()] = program.result(index, &outputs).unwrap_or(Value::Unknown);
            }
            continue;
        }
        if let (Some(graph), NodeKind::Resource(of), Ok(declared)) =
            (&graph, node.kind, &mut computed)
        {
            let row = rows.get(&(node.address.as_str(), of.kind)).copied();
            let step = steps.get(&node.address).copied();
            let declared = std::mem::take(declared);
            computed = Ok(remedied(policies, (program, index), of, declared, (row, step), graph));
        }
        let (planned, reported) = match node.kind {
            NodeKind::Decide => continue,
            NodeKind::Lookup { kind, .. } => {
                let pin = snapshot.pins.get(&node.address).filter(|pin| pin.kind == kind);
                match steps.get(&node.address) {
                    // Its answer is not there yet; one that is recorded is an old one.
                    Some(step) => (Some(&step.inputs), None),
                    None => (pin.map(|pin| &pin.query), pin.map(|pin| pin.answer.clone())),
                }
            }
            NodeKind::Resource(of) => match steps.get(&node.address) {
                Some(step) => (Some(&step.inputs), reported(of, step, snapshot)),
                None => {
                    let row = rows.get(&(node.address.as_str(), of.kind));
                    (row.map(|row| &row.inputs), row.map(|row| row.outputs.clone()))
                }
            },
        };
        outputs[index.index()] = reported.unwrap_or(Value::Unknown);
        let asked = |node: &Node| document.answers.iter().any(|pin| pin.address == node.address);
        let unasked =
            matches!(node.kind, NodeKind::Lookup { .. }) && narrowed.is_some() && !asked(node);
        if unasked || left_out.contains(&node.address) {
            // It stays as it is recorded, whatever the program says.
            continue;
        }
        match (planned, computed) {
            (Some(planned), Ok(computed)) => compare(node, planned, &computed, &mut problems),
            (None, _) => {
                let message = "the plan says nothing of it, and nothing is recorded of it";
                problems.push(problem(node, None, message.to_owned()));
            }
            (_, Err(message)) => problems.push(problem(node, None, message)),
        }
    }
    for (name, expr) in program.exports.iter().filter(|(name, _)| !kept.contains(name)) {
        let planned = plan.exports.get(name).unwrap_or(&NULL);
        let computed = expr.resolve(&|id: NodeId| outputs.get(id.0 as usize));
        let message = match computed {
            Ok(computed) if computed == *planned => continue,
            Ok(computed) => otherwise(&computed, planned),
            Err(error) => error.to_string(),
        };
        problems.push(Problem {
            address: "".into(),
            field: Some(name.clone()),
            message,
            declared_at: "its export".to_owned(),
        });
    }
    problems
}

/// Whether a step is of what the program declares.
pub(super) fn is_forward(step: &Step) -> bool {
    !matches!(step.action, Action::Delete | Action::Forget | Action::Join)
}

/// What is declared, with what the policies put right now, in the place that the plan was made in.
fn remedied(
    policies: &Policies,
    (program, index): (&Program, NodeIndex),
    of: &'static ResourceType,
    declared: Value,
    (row, step): (Option<&Record>, Option<&Step>),
    graph: &Graph<'_>,
) -> Value {
    let because = |why: &[Reason]| {
        step.is_some_and(|step| step.reasons.iter().any(|reason| why.contains(reason)))
    };
    let (gone, requested) = (because(&[Reason::Gone]), because(&[Reason::Requested]));
    let standing = policy::standing(of, row, gone, requested);
    let node = NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX));
    policy::remedy(policies, (program, node), of, declared, standing, graph).inputs
}

fn resolve(program: &Program, node: NodeIndex, outputs: &[Value]) -> Result<Value, String> {
    let inputs = &program.graph[node].inputs;
    inputs.resolve(&|id: NodeId| outputs.get(id.0 as usize)).map_err(|error| error.to_string())
}

/// What the plan expects an object to report after its step.
fn reported(of: &ResourceType, step: &Step, snapshot: &Snapshot) -> Option<Value> {
    if step.action == Action::Create {
        return Some(created_outputs(of, &step.inputs));
    }
    let seen = step.observed.as_ref().map(|seen| &seen.outputs);
    let now = seen.or_else(|| Some(&snapshot.records.get(&step.id)?.outputs))?.clone();
    Some(match step.action {
        Action::Update => updated_outputs(of, now, &step.inputs, &step.changes),
        _ => now,
    })
}

fn compare(node: &Node, planned: &Value, computed: &Value, problems: &mut Vec<Problem>) {
    // Of what is ignored the plan may have another word than the program.
    let ignored = ignored(node);
    let empty = Map::new();
    let (planned, computed) =
        (planned.as_map().unwrap_or(&empty), computed.as_map().unwrap_or(&empty));
    let names: BTreeSet<&str> = planned.keys().chain(computed.keys()).map(AsRef::as_ref).collect();
    for name in names {
        let (was, is) = (planned.get(name).unwrap_or(&NULL), computed.get(name).unwrap_or(&NULL));
        if was != is && !ignored.iter().any(|path| path.top() == name) {
            problems.push(problem(node, Some(name), otherwise(is, was)));
        }
    }
}

fn otherwise(is: &Value, was: &Value) -> String {
    let (is, was) = (shortened(is), shortened(was));
    match is == was {
        true => format!("the program computes another value now, which reads {is} too"),
        false => format!("the program computes {is} now, and the plan was made with {was}"),
    }
}

fn problem(node: &Node, field: Option<&str>, message: String) -> Problem {
    Problem {
        address: node.address.clone(),
        field: field.map(str::to_owned),
        message,
        declared_at: node.declared_at.to_string(),
    }
}
