//! The dispatcher: which step runs when, what is written when, and what a failure takes with it.
//!
//! All state is here and one task changes it; calls and timers only send messages. Per created
//! object three rows are written: the intent before the call, the object as soon as it has an id,
//! and the object once it is ready. Whatever is due at the same moment shares one durable write.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque},
    pin::pin,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use petgraph::graph::NodeIndex;
use tokio::time::Instant;

use super::{
    ApplyError, CancelToken, Cancelling, Event, EventSink, Failure, Live, Report, StepInfo,
    call::{Ask, Pending},
    commit::{Commit, Then},
    heartbeat::Heartbeat,
    hooks::Hooked,
    run::{How, Settings},
};
use crate::{
    declare::Program,
    expr::NodeId,
    identity::{Address, ResourceId},
    plan::{Action, Plan, Step, StepId},
    policy::{AtApply, Remediation},
    provider::{ErrorKind, ProviderError},
    saved::Unsaved,
    state::{Change, Lease, Pin, Record, Snapshot, StateError},
    value::{Map, Value},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    /// In the ready queue, or in flight.
    Open,
    Done,
    Failed,
    Skipped,
}

pub(super) struct Running {
    pub(super) started: Instant,
    /// When its timeout is over, which is counted from its first call; absent before that.
    pub(super) deadline: Option<Instant>,
    pub(super) attempt: u32,
    /// What to ask when it wakes.
    pub(super) again: Option<Ask>,
    pub(super) hooked: Hooked,
    /// Whether the policies have judged what it sends.
    pub(super) judged: bool,
}

pub(super) struct Executor<'r> {
    pub(super) settings: &'r Settings,
    pub(super) lease: &'r Lease,
    pub(super) heartbeat: Heartbeat<'r>,
    pub(super) plan: &'r Plan,
    pub(super) program: &'r Program,
    pub(super) events: &'r mut dyn EventSink,
    pub(super) cancel: &'r CancelToken,
    /// Whether it goes on after a failure.
    goes_on: bool,

    pub(super) records: HashMap<ResourceId, Record>,
    pub(super) open: HashSet<ResourceId>,
    lineage: String,
    /// The recorded answers of lookups.
    pub(super) pins: BTreeMap<Address, Pin>,
    pub(super) version: u64,
    /// Per node, what it reports.
    pub(super) outputs: Vec<Value>,
    pub(super) node_of: Vec<Option<NodeIndex>>,
    /// For each node, the subtrees whose result is made of what it reports.
    pub(super) feeds: BTreeMap<NodeIndex, Vec<NodeIndex>>,
    /// What the policies are still to judge.
    pub(super) policy: Option<AtApply<'r>>,
    /// What the policies put right, by resource.
    pub(super) remedied: HashMap<&'r Address, Vec<&'r Remediation>>,
    /// The rows that are removed, by their address.
    pub(super) removed_at: HashMap<Address, Vec<ResourceId>>,
    /// The objects that this run made, where the plan also removes some.
    pub(super) made: HashSet<(String, String, String)>,

    pub(super) progress: Vec<Progress>,
    pub(super) missing: Vec<u32>,
    pub(super) next: Vec<Vec<StepId>>,
    pub(super) ready: BinaryHeap<(u64, Reverse<StepId>)>,
    pub(super) running: HashMap<StepId, Running>,
    /// Calls in flight, and calls whose intent is being written.
    pub(super) slots: usize,
    /// Steps that wait, without a slot and without a call, and until when.
    pub(super) asleep: BinaryHeap<Reverse<(Instant, StepId)>>,
    /// Steps that have the right to call again, in the order they woke.
    pub(super) awake: VecDeque<StepId>,
    pub(super) calls: FuturesUnordered<Pending>,

    pub(super) batch: Vec<Change>,
    pub(super) after: Vec<Then>,
    pub(super) committing: Option<Commit<'r>>,

    pub(super) stage: Cancelling,
    pub(super) broken: Option<(StateError, Vec<Change>)>,
    pub(super) report: Report,
}

impl<'r> Executor<'r> {
    pub(super) fn new(
        settings: &'r Settings,
        (lease, asked): (&'r Lease, Instant),
        plan: &'r Plan,
        events: &'r mut dyn EventSink,
        how: How<'r>,
        snapshot: Snapshot,
        outputs: Vec<Value>,
    ) -> Self {
        let steps = &plan.data.steps;
        let mut next = vec![Vec::new(); steps.len()];
        let mut missing = vec![0; steps.len()];
        for (i, step) in (0u32..).zip(steps) {
            missing[i as usize] = u32::try_from(step.after.len()).unwrap_or(u32::MAX);
            for before in &step.after {
                next[before.index()].push(StepId(i));
            }
        }
        let program: &Program = &plan.program;
        let declared = |step: &Step| {
            let forward = !matches!(step.action, Action::Delete | Action::Forget | Action::Join);
            program.by_address.get(&step.address).copied().filter(|_| forward)
        };
        let mut removed_at: HashMap<Address, Vec<ResourceId>> = HashMap::new();
        for step in steps.iter().filter(|s| matches!(s.action, Action::Delete | Action::Forget)) {
            for row in step.takes_along.iter().chain([&step.id]) {
                let address = snapshot.records.get(row).map_or(&step.address, |row| &row.address);
                removed_at.entry(address.clone()).or_default().push(*row);
            }
        }
        let ready = (0u32..).map(StepId).zip(steps).filter(|(_, step)| step.after.is_empty());
        let ready: BinaryHeap<_> = ready.map(|(i, step)| (step.priority, Reverse(i))).collect();
        let mut progress = vec![Progress::Waiting; steps.len()];
        for (_, Reverse(step)) in &ready {
            progress[step.index()] = Progress::Open;
        }
        let mut remedied: HashMap<&Address, Vec<&Remediation>> = HashMap::new();
        for remediation in &plan.data.policy.remediations {
            remedied.entry(&remediation.address).or_default().push(remediation);
        }
        let rows = snapshot.records.values();
        let policy = AtApply::of(&settings.policies, program, &plan.data, rows);
        Self {
            settings,
            lease,
            heartbeat: Heartbeat::new(&*settings.store, lease, asked),
            plan,
            program,
            events,
            cancel: how.cancel,
            goes_on: how.goes_on,
            open: snapshot.intents.keys().copied().collect(),
            records: snapshot.records.into_iter().collect(),
            lineage: snapshot.lineage,
            pins: snapshot.pins,
            version: snapshot.version,
            outputs,
            node_of: steps.iter().map(declared).collect(),
            feeds: program.feeds(),
            policy,
            remedied,
            removed_at,
            made: HashSet::new(),
            progress,
            missing,
            next,
            ready,
            running: HashMap::new(),
            slots: 0,
            asleep: BinaryHeap::new(),
            awake: VecDeque::new(),
            calls: FuturesUnordered::new(),
            batch: Vec::new(),
            after: Vec::new(),
            committing: None,
            stage: Cancelling::No,
            broken: None,
            report: Report::default(),
        }
    }

    pub(super) fn step(&self, id: StepId) -> &'r Step {
        &self.plan.data.steps[id.index()]
    }

    pub(super) fn info(&self, id: StepId) -> StepInfo {
        StepInfo::new(id, self.step(id))
    }

    /// Goes on until nothing is in flight, nothing can start and everything is written.
    pub(super) async fn drive(&mut self) {
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            if self.stage == Cancelling::Abort {
                self.calls.clear();
            }
            self.wake();
            if let Err(error) = self.heartbeat.beat() {
                self.lost_lease(error);
            }
            self.start_ready();
            // What is done without a write may release more.
            while self.start_commit() {
                self.start_ready();
            }
            if !self.is_busy() {
                return;
            }
            let due = self.next_waking().into_iter().chain(self.heartbeat.next()).min();
            if let Some(at) = due.filter(|at| *at != alarm.deadline()) {
                alarm.as_mut().reset(at);
            }
            let stage = self.stage;
            tokio::select! {
                // Durability first: it releases more work than anything else. Calls come last, for
                // with many of them there is always one that has ended.
                biased;
                kept = self.heartbeat.answered() => {
                    if let Err(error) = kept {
                        self.lost_lease(error);
                    }
                }
                answer = async {
                    match &mut self.committing {
                        Some(commit) => commit.answered().await,
                        None => std::future::pending().await,
                    }
                } => self.committed(answer),
                stage = self.cancel.past(stage), if stage < Cancelling::Abort => self.cancelled(stage),
                () = &mut alarm, if due.is_some() => {}
                Some(message) = self.calls.next(), if !self.calls.is_empty() => self.received(message),
            }
        }
    }

    /// Whether something is on its way that will say so when it is there. Nothing that could start
    /// is left behind when not: with no call in flight every slot is free, and what finished
    /// without a write was followed up before.
    fn is_busy(&self) -> bool {
        !self.calls.is_empty() || !self.asleep.is_empty() || self.committing.is_some()
    }

    pub(super) fn halted(&self) -> bool {
        self.stage != Cancelling::No || self.broken.is_some()
    }

    pub(super) fn start_ready(&mut self) {
        while !self.halted() && !self.is_stalled() {
            // What takes no call takes no slot.
            let full = self.slots >= self.settings.parallelism;
            if !full && let Some(step) = self.awake.pop_front() {
                self.call_again(step);
                continue;
            }
            if !self.goes_on && !self.report.failures.is_empty() {
                break;
            }
            let Some(&(_, Reverse(step))) = self.ready.peek() else { break };
            let free =
                matches!(self.step(step).action, Action::Join | Action::Record | Action::Forget);
            if full && !free {
                break;
            }
            self.ready.pop();
            self.start(step);
        }
    }

    pub(super) fn running(&mut self, id: StepId) -> &mut Running {
        self.running.entry(id).or_insert_with(|| Running {
            started: Instant::now(),
            deadline: None,
            attempt: 0,
            again: None,
            hooked: Hooked::default(),
            judged: false,
        })
    }

    pub(super) fn elapsed_ms(&mut self, id: StepId) -> u64 {
        let took = self.running(id).started.elapsed();
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn cancelled(&mut self, stage: Cancelling) {
        self.stage = stage;
        self.events.event(Event::Cancelling { abort: stage == Cancelling::Abort });
        self.abandon_waiting();
        if stage == Cancelling::Abort {
            // Until now the calls that are dropped may have taken effect.
            let mut dropped: Vec<StepId> = self.running.keys().copied().collect();
            dropped.sort_unstable();
            for id in dropped {
                self.restamp(id);
            }
        }
    }

    /// Says what was not tried, records the exports, and ends the run.
    pub(super) async fn finish(
        mut self,
        started: Instant,
        recorded: &Value,
    ) -> Result<Live, ApplyError> {
        for i in 0..self.progress.len() {
            if matches!(self.progress[i], Progress::Waiting | Progress::Open) {
                self.progress[i] = Progress::Skipped;
                self.skipped(StepId(u32::try_from(i).unwrap_or(u32::MAX)), None);
            }
        }
        let well = self.report.failures.is_empty()
            && self.report.skipped.is_empty()
            && self.broken.is_none();
        let mut exports = recorded.clone();
        if well {
            match self.resolved_exports() {
                Ok(resolved) if resolved != *recorded => {
                    self.batch.push(Change::Exports(resolved.clone()));
                    exports = resolved;
                }
                Ok(_) => {}
                Err(failure) => self.report.failures.push(failure),
            }
        }
        self.drive().await;
        let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.events.event(Event::RunFinished {
            done: self.report.done,
            failed: self.report.failures.len(),
            skipped: self.report.skipped.len(),
            elapsed_ms: elapsed,
        });
        if let Some((source, mut changes)) = self.broken {
            changes.append(&mut self.batch);
            let (stack, lineage) = (self.plan.data.stack.clone(), self.lineage);
            let unsaved = Box::new(Unsaved { stack, lineage, version: self.version, changes });
            return Err(ApplyError::Unsaved { source, unsaved, report: self.report });
        }
        if self.stage != Cancelling::No && !self.report.skipped.is_empty() {
            return Err(ApplyError::Cancelled(self.report));
        }
        if !self.report.failures.is_empty() {
            return Err(ApplyError::Failed(self.report));
        }
        Ok(Live {
            undecided: self.plan.data.undecided.clone(),
            program: self.plan.program.clone(),
            outputs: self.outputs,
            exports,
        })
    }

    pub(super) fn resolved_exports(&self) -> Result<Value, Failure> {
        if self.plan.data.exports.is_null() {
            return Ok(Value::Null);
        }
        if self.plan.data.refresh_only {
            return Ok(self.plan.data.exports.clone());
        }
        let mut map = Map::new();
        let kept = self.plan.data.narrowed.as_ref();
        let kept: HashSet<&str> = kept
            .into_iter()
            .flat_map(|of| &of.kept_outputs)
            .chain(&self.plan.data.kept_outputs)
            .map(String::as_str)
            .collect();
        for name in &kept {
            if let Some(value) = self.plan.data.exports.get(name) {
                map.insert((*name).to_owned(), value.clone());
            }
        }
        // One that comes from what is destroyed stands no more in the plan.
        let planned = |name: &str| self.plan.data.exports.get(name).is_some();
        let declared = self.program.exports.iter();
        for (name, expr) in declared.filter(|(name, _)| !kept.contains(&**name) && planned(name)) {
            let value = expr.resolve(&|node: NodeId| self.outputs.get(node.0 as usize)).map_err(
                |error| Failure {
                    address: Address::new(name.as_str()),
                    kind: "output".to_owned(),
                    action: Action::Record,
                    declared_at: "its export".to_owned(),
                    error: ProviderError::new(ErrorKind::Invalid, "outputs", error.to_string()),
                },
            )?;
            map.insert(name.clone(), value);
        }
        Ok(Value::Map(map))
    }
}
