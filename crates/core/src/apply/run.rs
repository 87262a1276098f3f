//! One run from plan to result: lease, freshness, repairs, and the dispatcher between.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{ApplyError, CancelToken, Event, EventSink, Live, commit::Written, executor::Executor};
use crate::{
    declare::NodeKind,
    hook::Hooks,
    plan::Plan,
    policy::Policies,
    provider::Provider,
    state::{Lease, Record, Role, Snapshot, StackCommit, StateError, StateStore, Status},
    value::Value,
};

/// What the engine lends a run.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) providers: Vec<Arc<dyn Provider>>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) parallelism: usize,
    pub(crate) holder: String,
    pub(crate) lease_ttl: Duration,
}

/// How a run is ended before it is done.
#[derive(Clone, Copy)]
pub(crate) struct How<'r> {
    pub(crate) cancel: &'r CancelToken,
    /// Whether it goes on after a failure.
    pub(crate) goes_on: bool,
}

/// Applies a plan.
pub(crate) async fn run(
    settings: &Settings,
    plan: &Plan,
    events: &mut dyn EventSink,
    how: How<'_>,
) -> Result<Live, ApplyError> {
    let stack = plan.data.stack.as_str();
    check_targets(settings, plan)?;
    let idle =
        plan.data.steps.is_empty() && plan.data.repairs.is_empty() && !plan.data.exports_change();
    if idle {
        // Nothing to write, so nothing to lock; but the plan must still be true.
        let snapshot = settings.store.load(stack).await?;
        check_fresh(plan, &snapshot)?;
        let outputs = known_outputs(plan, &snapshot);
        let exports = snapshot.exports;
        let undecided = plan.data.undecided.clone();
        return Ok(Live { program: plan.program.clone(), undecided, outputs, exports });
    }
    let asked = Instant::now();
    let lease = settings.store.acquire(stack, &settings.holder, settings.lease_ttl).await?;
    let result = run_leased(settings, (&lease, asked), plan, events, how).await;
    // A lease that can not be given back runs out by itself.
    let _ = settings.store.release(&lease).await;
    result
}

/// Refuses to do elsewhere what was planned for one place.
fn check_targets(settings: &Settings, plan: &Plan) -> Result<(), ApplyError> {
    for was in &plan.made.targets {
        let now = settings.providers.iter().find(|p| p.name() == was.provider);
        let now = now.map(|provider| provider.target());
        if now.as_ref() != Some(&was.target) {
            return Err(ApplyError::OtherTarget {
                stack: plan.data.stack.clone(),
                provider: was.provider.clone(),
                was: was.target.clone(),
                now: now.unwrap_or(Value::Null),
            });
        }
    }
    Ok(())
}

fn check_fresh(plan: &Plan, snapshot: &Snapshot) -> Result<(), ApplyError> {
    let stack = plan.data.stack.clone();
    if !plan.data.lineage.is_empty() && plan.data.lineage != snapshot.lineage {
        return Err(ApplyError::Lineage { stack });
    }
    if plan.data.version != snapshot.version {
        let (expected, found) = (plan.data.version, snapshot.version);
        return Err(StateError::Stale { stack, expected, found }.into());
    }
    Ok(())
}

/// What each node reports before the run: by its record, or by its recorded answer.
fn known_outputs(plan: &Plan, snapshot: &Snapshot) -> Vec<Value> {
    let current: HashMap<(&str, &str), &Record> = snapshot
        .records
        .values()
        .filter(|record| record.role == Role::Current && record.status != Status::Absent)
        .map(|record| ((record.address.as_str(), record.kind.as_str()), record))
        .collect();
    let program = &plan.program;
    let reported = |node: &crate::declare::Node| match node.kind {
        NodeKind::Lookup { .. } => {
            snapshot.pins.get(&node.address).map_or(Value::Unknown, |pin| pin.answer.clone())
        }
        NodeKind::Decide => Value::Unknown,
        NodeKind::Resource(of) => current
            .get(&(node.address.as_str(), of.kind))
            .map_or(Value::Unknown, |record| record.outputs.clone()),
    };
    let mut outputs: Vec<Value> = program.graph.node_weights().map(reported).collect();
    for at in program.order.iter().filter(|at| program.deciders.contains_key(at)) {
        if let Some(result) = program.result(*at, &outputs) {
            outputs[at.index()] = result;
        }
    }
    outputs
}

async fn run_leased(
    settings: &Settings,
    (lease, asked): (&Lease, Instant),
    plan: &Plan,
    events: &mut dyn EventSink,
    how: How<'_>,
) -> Result<Live, ApplyError> {
    let started = Instant::now();
    let mut snapshot = settings.store.load(&plan.data.stack).await?;
    check_fresh(plan, &snapshot)?;
    if !plan.data.repairs.is_empty() {
        snapshot.version = repair(settings, lease, plan).await?;
        for change in plan.data.repairs.clone() {
            snapshot.apply(change);
        }
    }
    let outputs = known_outputs(plan, &snapshot);
    let recorded = snapshot.exports.clone();
    let lease = (lease, asked);
    let mut executor = Executor::new(settings, lease, plan, events, how, snapshot, outputs);
    let shown = plan.steps().count();
    executor.events.event(Event::RunStarted { stack: plan.data.stack.clone(), steps: shown });
    executor.drive().await;
    executor.finish(started, &recorded).await
}

/// Writes what the plan found to be put right, before anything is started: with what other stacks
/// give to this one, as one commit.
async fn repair(settings: &Settings, lease: &Lease, plan: &Plan) -> Result<u64, ApplyError> {
    let mut leases = vec![lease.clone()];
    let mut result = Ok(());
    for source in &plan.data.sources {
        let lease = settings.store.acquire(&source.stack, &settings.holder, settings.lease_ttl);
        match lease.await {
            Ok(lease) => leases.push(lease),
            Err(error) => result = result.and(Err(ApplyError::from(error))),
        }
    }
    let version = match result {
        Ok(()) => write_repairs(settings, &leases, plan).await,
        Err(error) => Err(error),
    };
    for lease in leases.iter().skip(1) {
        // One that can not be given back runs out by itself.
        let _ = settings.store.release(lease).await;
    }
    version
}

async fn write_repairs(
    settings: &Settings,
    leases: &[Lease],
    plan: &Plan,
) -> Result<u64, ApplyError> {
    for source in &plan.data.sources {
        let (stack, expected) = (source.stack.clone(), source.version);
        let now = settings.store.load(&stack).await?;
        if now.lineage != source.lineage {
            return Err(ApplyError::Lineage { stack });
        }
        if now.version != expected {
            return Err(StateError::Stale { stack, expected, found: now.version }.into());
        }
    }
    let expected = plan.data.version;
    let mut failures = 0;
    loop {
        // This stack is the first: its version tells of all whether a commit was durable.
        let own = [(expected, &plan.data.repairs)];
        let others = plan.data.sources.iter().map(|source| (source.version, &source.changes));
        let commits = leases.iter().zip(own.into_iter().chain(others));
        let commits = commits.map(|(lease, (expected, changes))| StackCommit {
            lease: lease.clone(),
            expected,
            changes: changes.clone(),
        });
        let answer = match leases {
            [lease] => {
                let repairs = plan.data.repairs.clone();
                settings.store.commit(lease, expected, repairs).await
            }
            _ => {
                let answer = settings.store.commit_all(commits.collect()).await;
                answer.map(|versions| versions.first().copied().unwrap_or_default())
            }
        };
        match Written::of(answer, expected, failures) {
            Written::Durable(version) => return Ok(version),
            Written::Again(pause) => tokio::time::sleep(pause).await,
            Written::GivenUp(error) => return Err(error.into()),
        }
        failures += 1;
    }
}
