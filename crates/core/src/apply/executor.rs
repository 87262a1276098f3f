//! The dispatcher: which step runs when, what is written when, and what a failure takes with it.
//!
//! All state is here and one task changes it; calls and timers only send messages. Per created
//! object three rows are written: the intent before the call, the object as soon as it has an id,
//! and the object once it is ready. Whatever is due at the same moment shares one durable write.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use petgraph::graph::NodeIndex;
use tokio::time::Instant;

use super::{
    ApplyError, CancelToken, Cancelling, Event, EventSink, Failure, Live, Report, Skipped,
    StepInfo,
    call::{Answer, Ask, Message, Pending, backoff, call, sleep},
};
use crate::{
    declare::{NodeKind, Program},
    expr::NodeId,
    identity::{Address, Identity, ResourceId},
    plan::{Action, Cause, Plan, Step, StepId, mark_secrets, unsent_changes},
    provider::{BoxFuture, ErrorKind, Provider, ProviderError, Seen, Settling, physical_id},
    resource::{Changes, Deletion},
    schema::ResourceType,
    state::{Change, Intent, Lease, Record, Role, Snapshot, StateError, StateStore, Status, Verb},
    value::{Map, Value},
};

/// How often a call that failed in a way that passes is made again.
const ATTEMPTS: u32 = 10;

/// What a verb may take when its declaration does not say.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// What the engine lends a run.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) providers: Vec<Arc<dyn Provider>>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) parallelism: usize,
    pub(crate) holder: String,
    pub(crate) lease_ttl: Duration,
}

/// What is done when a batch is durable.
enum Then {
    Call(StepId, Ask),
    Finish(StepId),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    /// In the ready queue, or in flight.
    Open,
    Done,
    Failed,
    Skipped,
}

struct Running {
    started: Instant,
    deadline: Instant,
    attempt: u32,
    /// What to ask when it wakes.
    again: Option<Ask>,
    /// Whether the object of a create exists, so that a failure leaves a row.
    exists: bool,
}

struct Executor<'r> {
    settings: &'r Settings,
    lease: &'r Lease,
    plan: &'r Plan,
    program: &'r Program,
    events: &'r mut dyn EventSink,
    cancel: &'r CancelToken,

    records: HashMap<ResourceId, Record>,
    open: HashSet<ResourceId>,
    version: u64,
    /// Per node, what it reports.
    outputs: Vec<Value>,
    node_of: Vec<Option<NodeIndex>>,
    /// The rows that are removed, by their address.
    removed_at: HashMap<Address, Vec<ResourceId>>,

    progress: Vec<Progress>,
    missing: Vec<u32>,
    next: Vec<Vec<StepId>>,
    ready: BinaryHeap<(u64, Reverse<StepId>)>,
    running: HashMap<StepId, Running>,
    /// Calls in flight, and calls whose intent is being written.
    slots: usize,
    /// Steps that have the right to call again, in the order they woke.
    awake: std::collections::VecDeque<StepId>,
    calls: FuturesUnordered<Pending>,

    batch: Vec<Change>,
    after: Vec<Then>,
    committing: Option<(BoxFuture<'r, Result<u64, StateError>>, Vec<Change>, Vec<Then>)>,

    stage: Cancelling,
    broken: Option<(StateError, Vec<Change>)>,
    report: Report,
}

/// Applies a plan.
pub(crate) async fn run(
    settings: &Settings,
    plan: &Plan,
    events: &mut dyn EventSink,
    cancel: &CancelToken,
) -> Result<Live, ApplyError> {
    let stack = plan.data.stack.as_str();
    let idle =
        plan.data.steps.is_empty() && plan.data.repairs.is_empty() && !plan.data.exports_change();
    if idle {
        // Nothing to write, so nothing to lock; but the plan must still be true.
        let snapshot = settings.store.load(stack).await?;
        check_fresh(plan, &snapshot)?;
        let outputs = known_outputs(plan, &snapshot);
        let exports = snapshot.exports;
        return Ok(Live { program: plan.program.clone(), outputs, exports });
    }
    let lease = settings.store.acquire(stack, &settings.holder, settings.lease_ttl).await?;
    let result = run_leased(settings, &lease, plan, events, cancel).await;
    // A lease that can not be given back runs out by itself.
    let _ = settings.store.release(&lease).await;
    result
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
    let graph = &plan.program.graph;
    graph
        .node_weights()
        .map(|node| match node.kind {
            NodeKind::Lookup { .. } => {
                snapshot.pins.get(&node.address).map_or(Value::Unknown, |pin| pin.answer.clone())
            }
            NodeKind::Resource(of) => current
                .get(&(node.address.as_str(), of.kind))
                .map_or(Value::Unknown, |record| record.outputs.clone()),
        })
        .collect()
}

async fn run_leased(
    settings: &Settings,
    lease: &Lease,
    plan: &Plan,
    events: &mut dyn EventSink,
    cancel: &CancelToken,
) -> Result<Live, ApplyError> {
    let started = Instant::now();
    let mut snapshot = settings.store.load(&plan.data.stack).await?;
    check_fresh(plan, &snapshot)?;
    let mut version = snapshot.version;
    if !plan.data.repairs.is_empty() {
        version = settings.store.commit(lease, version, plan.data.repairs.clone()).await?;
        for change in plan.data.repairs.clone() {
            snapshot.apply(change);
        }
    }
    let outputs = known_outputs(plan, &snapshot);
    let recorded = snapshot.exports.clone();
    let mut executor = Executor::new(settings, lease, plan, events, cancel, snapshot, outputs);
    executor.version = version;
    let shown = plan.steps().count();
    executor.events.event(Event::RunStarted { stack: plan.data.stack.clone(), steps: shown });
    executor.drive().await;
    executor.finish(started, &recorded).await
}

impl<'r> Executor<'r> {
    fn new(
        settings: &'r Settings,
        lease: &'r Lease,
        plan: &'r Plan,
        events: &'r mut dyn EventSink,
        cancel: &'r CancelToken,
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
            removed_at.entry(step.address.clone()).or_default().push(step.id);
        }
        let ready = (0u32..).map(StepId).zip(steps).filter(|(_, step)| step.after.is_empty());
        let ready: BinaryHeap<_> = ready.map(|(i, step)| (step.priority, Reverse(i))).collect();
        let mut progress = vec![Progress::Waiting; steps.len()];
        for (_, Reverse(step)) in &ready {
            progress[step.index()] = Progress::Open;
        }
        Self {
            settings,
            lease,
            plan,
            program,
            events,
            cancel,
            open: snapshot.intents.keys().copied().collect(),
            records: snapshot.records.into_iter().collect(),
            version: snapshot.version,
            outputs,
            node_of: steps.iter().map(declared).collect(),
            removed_at,
            progress,
            missing,
            next,
            ready,
            running: HashMap::new(),
            slots: 0,
            awake: std::collections::VecDeque::new(),
            calls: FuturesUnordered::new(),
            batch: Vec::new(),
            after: Vec::new(),
            committing: None,
            stage: Cancelling::No,
            broken: None,
            report: Report::default(),
        }
    }

    fn step(&self, id: StepId) -> &'r Step {
        &self.plan.data.steps[id.index()]
    }

    fn info(&self, id: StepId) -> StepInfo {
        StepInfo::new(id, self.step(id))
    }

    /// Goes on until nothing is in flight and nothing can start.
    async fn drive(&mut self) {
        let mut heartbeat = tokio::time::interval(self.settings.lease_ttl / 3);
        heartbeat.reset();
        loop {
            self.start_ready();
            self.start_commit();
            let busy = !self.calls.is_empty() || self.committing.is_some();
            if !busy || self.stage == Cancelling::Abort {
                return;
            }
            let stage = self.stage;
            tokio::select! {
                // Durability first: it releases more work than anything else.
                biased;
                committed = async {
                    match &mut self.committing {
                        Some((commit, ..)) => commit.await,
                        None => std::future::pending().await,
                    }
                } => self.committed(committed),
                stage = self.cancel.past(stage), if stage < Cancelling::Abort => self.cancelled(stage),
                Some(message) = self.calls.next(), if !self.calls.is_empty() => self.received(message),
                _ = heartbeat.tick() => {
                    if let Err(error) = self.settings.store.renew(self.lease).await {
                        self.break_off(error, Vec::new());
                    }
                }
            }
        }
    }

    fn halted(&self) -> bool {
        self.stage != Cancelling::No || self.broken.is_some()
    }

    fn start_ready(&mut self) {
        while !self.halted() {
            // What takes no call takes no slot.
            let full = self.slots >= self.settings.parallelism;
            if !full && let Some(step) = self.awake.pop_front() {
                self.call_again(step);
                continue;
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

    fn start(&mut self, id: StepId) {
        let step = self.step(id);
        if step.action != Action::Join {
            let info = self.info(id);
            if step.action.is_shown() {
                self.events.event(Event::StepStarted(info));
            }
        }
        let now = Instant::now();
        let timeout = self.timeout(id);
        self.running.insert(
            id,
            Running {
                started: now,
                deadline: now + timeout,
                attempt: 0,
                again: None,
                exists: false,
            },
        );
        let started = match step.action {
            Action::Join => {
                self.finished(id);
                return;
            }
            Action::Forget => {
                self.forget(id);
                return;
            }
            Action::Record => self.record(id),
            Action::Settle => self.settle_recorded(id),
            Action::Create | Action::Update => self.send(id),
            Action::Delete => self.delete(id),
        };
        if let Err(error) = started {
            self.failed(id, error, None);
        }
    }

    fn timeout(&self, id: StepId) -> Duration {
        let timeouts = self.node_of[id.index()]
            .map(|node| self.program.graph[node].options.timeouts)
            .unwrap_or_default();
        let asked = match self.step(id).action {
            Action::Update => timeouts.update,
            Action::Delete => timeouts.delete,
            _ => timeouts.create,
        };
        asked.unwrap_or(TIMEOUT)
    }

    fn forget(&mut self, id: StepId) {
        let step = self.step(id);
        self.remove_rows(step);
        self.after.push(Then::Finish(id));
    }

    fn remove_rows(&mut self, step: &Step) {
        for row in step.takes_along.iter().chain([&step.id]) {
            self.remove(*row);
        }
    }

    fn remove(&mut self, row: ResourceId) {
        if self.records.remove(&row).is_some() {
            self.batch.push(Change::Remove(row));
        }
        self.close(row);
    }

    fn close(&mut self, row: ResourceId) {
        if self.open.remove(&row) {
            self.batch.push(Change::Close(row));
        }
    }

    fn put(&mut self, record: Record) {
        self.batch.push(Change::Put(Box::new(record.clone())));
        self.records.insert(record.id, record);
    }

    /// The inputs of a step, now that everything they come from is there.
    fn resolve(&self, id: StepId) -> Result<Value, ProviderError> {
        let step = self.step(id);
        let invalid = |message: String| ProviderError::new(ErrorKind::Invalid, "inputs", message);
        let Some(node) = self.node_of[id.index()] else {
            return Err(invalid("the program does not declare it".to_owned()));
        };
        let outputs = &self.outputs;
        let resolved = self.program.graph[node]
            .inputs
            .resolve(&|node: NodeId| outputs.get(node.0 as usize))
            .map_err(|error| invalid(error.to_string()))?;
        // Where the plan kept a recorded value (ignored changes), the plan's word counts.
        let resolved = fill(&step.inputs, resolved);
        if resolved.is_known() {
            Ok(resolved)
        } else {
            Err(invalid("a value it needs was not reported by what it comes from".to_owned()))
        }
    }

    fn row(&self, id: StepId) -> Result<Record, ProviderError> {
        let step = self.step(id);
        self.records.get(&step.id).cloned().ok_or_else(|| {
            ProviderError::new(ErrorKind::Provider, "state", "its row is missing from the state")
        })
    }

    fn resource_type(&self, step: &Step) -> Option<&'static ResourceType> {
        let named = self.settings.providers.iter().filter(|p| p.name() == step.provider);
        named
            .chain(&self.settings.providers)
            .find_map(|p| Some(p.handler(&step.kind)?.resource_type()))
    }

    fn record(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let inputs = self.resolve(id)?;
        let mut row = self.row(id)?;
        if let Some(observed) = &step.observed {
            row.outputs = observed.outputs.clone();
            if row.inputs != inputs || self.open.contains(&row.id) {
                row.seen = Some(observed.inputs.clone());
            }
        }
        row.inputs = inputs;
        self.describe(&mut row, step);
        row.status = Status::Ready;
        self.report_outputs(id, &row.outputs);
        self.put(row);
        self.close(step.id);
        self.after.push(Then::Finish(id));
        Ok(())
    }

    /// Brings what a row says of its declaration up to date.
    fn describe(&self, row: &mut Record, step: &Step) {
        row.address = step.address.clone();
        row.depends_on.clone_from(&step.depends_on);
        row.options = step.options.clone();
        row.declared_at.clone_from(&step.declared_at);
        row.version = self.resource_type(step).map_or(row.version, |of| of.version);
    }

    fn settle_recorded(&mut self, id: StepId) -> Result<(), ProviderError> {
        let row = self.row(id)?;
        let known = Seen { inputs: row.inputs, outputs: row.outputs };
        self.running(id).exists = true;
        self.slots += 1;
        self.call(id, Ask::Settle { known });
        Ok(())
    }

    /// Opens the intent of a create or an update; the call follows when it is durable.
    fn send(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let inputs = self.resolve(id)?;
        let (verb, record, ask) = if step.action == Action::Create {
            let version = self.resource_type(step).map_or(1, |of| of.version);
            let record = Record {
                id: step.id,
                address: step.address.clone(),
                kind: step.kind.clone(),
                provider: step.provider.clone(),
                version,
                role: Role::Current,
                status: Status::Settling,
                inputs: inputs.clone(),
                seen: None,
                outputs: Value::Null,
                depends_on: step.depends_on.clone(),
                options: step.options.clone(),
                declared_at: step.declared_at.clone(),
            };
            (Verb::Create, record, Ask::Create { inputs })
        } else {
            let mut record = self.row(id)?;
            let known = step.observed.clone().unwrap_or_else(|| Seen {
                inputs: record.inputs.clone(),
                outputs: record.outputs.clone(),
            });
            let paths = self.changed_paths(step, &record, &inputs);
            if paths.is_empty() && record.status == Status::Ready {
                // What was unknown turned out to be what it was.
                record.inputs = inputs;
                record.outputs = known.outputs;
                self.describe(&mut record, step);
                self.report_outputs(id, &record.outputs);
                self.put(record);
                self.close(step.id);
                self.after.push(Then::Finish(id));
                return Ok(());
            }
            self.running(id).exists = true;
            record.inputs = inputs.clone();
            self.describe(&mut record, step);
            (Verb::Update, record, Ask::Update { known, inputs, changes: Changes::new(paths) })
        };
        self.open_intent(step.id, verb, Some(record));
        self.slots += 1;
        self.after.push(Then::Call(id, ask));
        Ok(())
    }

    /// The fields that an update is about, now that no value is unknown any more.
    fn changed_paths(
        &self,
        step: &Step,
        record: &Record,
        inputs: &Value,
    ) -> Vec<crate::value::Path> {
        let certain = |change: &&crate::plan::FieldChange| {
            change.cause == Cause::Drift || change.new.is_known()
        };
        let mut paths: Vec<_> =
            step.changes.iter().filter(certain).map(|change| change.path.clone()).collect();
        if let Some(of) = self.resource_type(step) {
            for path in unsent_changes(of.inputs, &record.inputs, inputs) {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        paths
    }

    fn open_intent(&mut self, id: ResourceId, verb: Verb, record: Option<Record>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let record = record.map(Box::new);
        self.batch.push(Change::Open(Intent { id, verb, record, started_ms }));
        self.open.insert(id);
    }

    fn delete(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let row = self.row(id)?;
        let known = Seen { inputs: row.seen.unwrap_or(row.inputs), outputs: row.outputs };
        self.open_intent(step.id, Verb::Delete, None);
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Delete { known }));
        Ok(())
    }

    fn running(&mut self, id: StepId) -> &mut Running {
        let now = Instant::now();
        self.running.entry(id).or_insert(Running {
            started: now,
            deadline: now + TIMEOUT,
            attempt: 0,
            again: None,
            exists: false,
        })
    }

    /// Makes a call; its slot is taken already.
    fn call(&mut self, id: StepId, ask: Ask) {
        let step = self.step(id);
        self.running(id).again = Some(ask.clone());
        let identity = Identity {
            id: step.id,
            stack: self.program.stack.clone(),
            address: step.address.clone(),
        };
        let provider = self.settings.providers.iter().find(|p| p.name() == step.provider);
        let any = || self.settings.providers.iter().find(|p| p.handler(&step.kind).is_some());
        match provider.or_else(any) {
            Some(provider) => {
                self.calls.push(call(id, provider.clone(), step.kind.clone(), identity, ask));
            }
            None => {
                self.slots -= 1;
                let message = format!("no provider is there for `{}`", step.kind);
                self.failed(id, ProviderError::new(ErrorKind::Provider, "formwork", message), None);
            }
        }
    }

    fn call_again(&mut self, id: StepId) {
        if let Some(ask) = self.running(id).again.clone() {
            self.slots += 1;
            self.call(id, ask);
        }
    }

    /// Waits without a slot, then asks again.
    fn wait(&mut self, id: StepId, duration: Duration) {
        let deadline = self.running(id).deadline;
        if Instant::now() + duration > deadline {
            let took = Instant::now() - self.running(id).started;
            let message = format!("it was not done after {} s", took.as_secs());
            self.failed(id, ProviderError::new(ErrorKind::Timeout, "formwork", message), None);
            return;
        }
        if self.halted() {
            // The row says how far it is; the next run goes on waiting.
            self.abandoned(id);
            return;
        }
        let for_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let of = self.info(id);
        self.events.event(Event::StepWaiting { of, for_ms });
        self.calls.push(sleep(id, duration));
    }

    /// Whether the call is made again after this error.
    fn retries(&mut self, id: StepId, error: &ProviderError) -> bool {
        let passes = matches!(error.kind, ErrorKind::Throttled | ErrorKind::Transient);
        let attempt = self.running(id).attempt;
        if !passes || attempt >= ATTEMPTS || self.halted() {
            return false;
        }
        self.running(id).attempt += 1;
        let pause = backoff(id, attempt);
        let in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let of = self.info(id);
        self.events.event(Event::StepRetrying { of, in_ms, error: error.clone() });
        self.calls.push(sleep(id, pause));
        true
    }

    fn received(&mut self, message: Message) {
        let id = message.step;
        if matches!(message.answer, Answer::Awake) {
            if self.halted() {
                self.abandoned(id);
            } else {
                self.awake.push_back(id);
            }
            return;
        }
        self.slots -= 1;
        match message.answer {
            Answer::Created(Ok(outputs)) => self.created(id, outputs),
            Answer::Created(Err(failure)) => {
                if failure.partial.is_some() || !self.retries(id, &failure.error) {
                    self.failed(id, failure.error, failure.partial);
                }
            }
            Answer::Updated(Ok(outputs)) => self.updated(id, outputs),
            Answer::Updated(Err(error)) => {
                if !self.retries(id, &error) {
                    self.failed(id, error, None);
                }
            }
            Answer::Settled(Ok(Settling::Pending(after))) => self.wait(id, after),
            Answer::Settled(Ok(Settling::Ready(seen))) => self.settled(id, seen),
            Answer::Settled(Err(error)) => {
                // A look changes nothing, so one without an answer is simply taken again.
                let mut passing = error.clone();
                if error.kind == ErrorKind::Ambiguous {
                    passing.kind = ErrorKind::Transient;
                }
                if !self.retries(id, &passing) {
                    self.failed(id, error, None);
                }
            }
            Answer::Deleted(Ok(Deletion::Pending(after))) => self.wait(id, after),
            Answer::Deleted(Ok(Deletion::Done)) => self.deleted(id),
            Answer::Deleted(Err(error)) if error.kind == ErrorKind::NotFound => self.deleted(id),
            Answer::Deleted(Err(error)) => {
                if !self.retries(id, &error) {
                    self.failed(id, error, None);
                }
            }
            Answer::Awake => {}
        }
    }

    /// The outputs as they are kept: secrets marked, by the schema and by the inputs they echo.
    fn outputs_of(&self, step: &Step, inputs: &Value, outputs: Value) -> Value {
        let (Some(of), Value::Map(map)) = (self.resource_type(step), outputs) else {
            return Value::Null;
        };
        let mut marked = Map::with_capacity(map.len());
        for (key, value) in map {
            let field = of.outputs.fields.iter().find(|field| field.name == key);
            let echoes = inputs.get(&key).is_some_and(Value::has_secret);
            let secret = field.is_some_and(|field| field.secret || (field.echo && echoes));
            marked.insert(key, if secret { value.into_secret() } else { value });
        }
        Value::Map(marked)
    }

    /// The inputs of the intent that is open for this step.
    fn intended(&self, id: StepId) -> Value {
        match self.running.get(&id).and_then(|running| running.again.as_ref()) {
            Some(Ask::Create { inputs } | Ask::Update { inputs, .. }) => inputs.clone(),
            _ => Value::Null,
        }
    }

    fn created(&mut self, id: StepId, outputs: Value) {
        let step = self.step(id);
        let inputs = self.intended(id);
        let outputs = self.outputs_of(step, &inputs, outputs);
        let named = self.resource_type(step).and_then(|of| physical_id(of, &outputs)).is_some();
        if !named {
            // Without an id there is no row to write; the intent stays open, and the next run looks.
            let message = "the provider reported a created object without an id".to_owned();
            self.failed(id, ProviderError::new(ErrorKind::Ambiguous, "formwork", message), None);
            return;
        }
        let row = self.new_row(step, inputs, outputs, Status::Settling);
        self.depose_others(step);
        let known = Seen { inputs: row.inputs.clone(), outputs: row.outputs.clone() };
        self.put(row);
        self.close(step.id);
        let running = self.running(id);
        running.exists = true;
        running.attempt = 0;
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Settle { known }));
    }

    fn new_row(&self, step: &Step, inputs: Value, outputs: Value, status: Status) -> Record {
        Record {
            id: step.id,
            address: step.address.clone(),
            kind: step.kind.clone(),
            provider: step.provider.clone(),
            version: self.resource_type(step).map_or(1, |of| of.version),
            role: Role::Current,
            status,
            inputs,
            seen: None,
            outputs,
            depends_on: step.depends_on.clone(),
            options: step.options.clone(),
            declared_at: step.declared_at.clone(),
        }
    }

    /// One address has one current object: the new one.
    fn depose_others(&mut self, step: &Step) {
        let removed = self.removed_at.get(&step.address).into_iter().flatten();
        let others: Vec<ResourceId> = step.replaces.iter().chain(removed).copied().collect();
        for other in others {
            let row = self.records.get(&other).filter(|row| row.role == Role::Current).cloned();
            if let Some(mut row) = row.filter(|row| row.id != step.id) {
                row.role = Role::Deposed;
                self.put(row);
            }
        }
    }

    fn updated(&mut self, id: StepId, outputs: Value) {
        let step = self.step(id);
        let inputs = self.intended(id);
        let outputs = self.outputs_of(step, &inputs, outputs);
        let Ok(mut row) = self.row(id) else {
            let message = "its row is missing from the state";
            self.failed(id, ProviderError::new(ErrorKind::Provider, "state", message), None);
            return;
        };
        row.inputs = inputs;
        row.outputs = outputs;
        row.status = Status::Settling;
        self.describe(&mut row, step);
        let known = Seen { inputs: row.inputs.clone(), outputs: row.outputs.clone() };
        self.put(row);
        self.close(step.id);
        self.running(id).attempt = 0;
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Settle { known }));
    }

    fn settled(&mut self, id: StepId, seen: Seen) {
        let step = self.step(id);
        let Ok(mut row) = self.row(id) else {
            let message = "its row is missing from the state";
            self.failed(id, ProviderError::new(ErrorKind::Provider, "state", message), None);
            return;
        };
        row.outputs = self.outputs_of(step, &row.inputs, seen.outputs);
        row.seen = Some(mark_secrets(&row.inputs, seen.inputs));
        row.status = Status::Ready;
        self.describe(&mut row, step);
        let broken = self.broken_echo(step, &row);
        self.report_outputs(id, &row.outputs);
        self.put(row);
        match broken {
            // What came back is saved before the provider is blamed for it.
            Some(error) => self.failed(id, error, None),
            None => self.after.push(Then::Finish(id)),
        }
    }

    /// A value that was known beforehand may not come back different.
    fn broken_echo(&self, step: &Step, row: &Record) -> Option<ProviderError> {
        let of = self.resource_type(step)?;
        let wrong = of.outputs.fields.iter().filter(|field| field.echo).find(|field| {
            let sent = row.inputs.get(field.name).filter(|value| !value.is_null());
            let got = row.outputs.get(field.name);
            sent.is_some_and(|sent| got.is_none_or(|got| got.open() != sent.open()))
        })?;
        let message = format!(
            "the provider promised that `{}` comes back as it was sent, and it came back different",
            wrong.name
        );
        Some(ProviderError::new(ErrorKind::Provider, "formwork", message))
    }

    fn report_outputs(&mut self, id: StepId, outputs: &Value) {
        if let Some(node) = self.node_of[id.index()] {
            self.outputs[node.index()] = outputs.clone();
        }
    }

    fn deleted(&mut self, id: StepId) {
        let step = self.step(id);
        for row in &step.takes_along {
            self.remove(*row);
        }
        if step.leaves_row {
            if let Ok(row) = self.row(id) {
                self.put(row.into_absent());
            }
            self.close(step.id);
        } else {
            self.remove(step.id);
        }
        self.after.push(Then::Finish(id));
    }

    fn failed(&mut self, id: StepId, error: ProviderError, partial: Option<Value>) {
        let step = self.step(id);
        let elapsed_ms = self.elapsed_ms(id);
        match (step.action, partial) {
            (Action::Create, Some(outputs)) => {
                let inputs = self.intended(id);
                let outputs = self.outputs_of(step, &inputs, outputs);
                let status = Status::Incomplete { reason: error.to_string() };
                let row = self.new_row(step, inputs, outputs, status);
                self.depose_others(step);
                self.put(row);
                self.close(step.id);
            }
            (Action::Create, None)
                if self.running(id).exists && error.kind != ErrorKind::Timeout =>
            {
                // It came to be, and then said that it will never be ready.
                if let Ok(mut row) = self.row(id) {
                    row.status = Status::Incomplete { reason: error.to_string() };
                    self.put(row);
                }
            }
            // No definite answer: the intent stays open, and the next run looks what became of it.
            _ if matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Timeout) => {}
            (Action::Update, _) => {
                // Part of it may have been done; the next plan compares with what is there.
            }
            _ => self.close(step.id),
        }
        self.progress[id.index()] = Progress::Failed;
        self.running.remove(&id);
        let of = self.info(id);
        self.events.event(Event::StepFailed { of, elapsed_ms, error: error.clone() });
        self.report.failures.push(Failure {
            address: step.address.clone(),
            kind: step.kind.clone(),
            action: step.action,
            declared_at: step.declared_at.clone(),
            error,
        });
        self.skip_dependents(id);
    }

    fn skip_dependents(&mut self, id: StepId) {
        let because = self.step(id).address.clone();
        let mut stack = self.next[id.index()].clone();
        while let Some(step) = stack.pop() {
            if self.progress[step.index()] == Progress::Waiting {
                self.progress[step.index()] = Progress::Skipped;
                self.skipped(step, Some(because.clone()));
                stack.extend_from_slice(&self.next[step.index()]);
            }
        }
    }

    fn skipped(&mut self, id: StepId, because: Option<Address>) {
        let step = self.step(id);
        if step.action.is_shown() {
            let of = self.info(id);
            self.events.event(Event::StepSkipped { of, because: because.clone() });
            let skipped = Skipped { address: step.address.clone(), action: step.action, because };
            self.report.skipped.push(skipped);
        }
    }

    /// A step that was waiting when the run ended: neither done nor failed.
    fn abandoned(&mut self, id: StepId) {
        self.running.remove(&id);
        if self.progress[id.index()] == Progress::Open {
            self.progress[id.index()] = Progress::Skipped;
            self.skipped(id, None);
        }
    }

    fn finished(&mut self, id: StepId) {
        let step = self.step(id);
        if step.action.is_shown() {
            let elapsed_ms = self.elapsed_ms(id);
            let row = self.records.get(&step.id);
            let physical_id = row
                .and_then(|row| physical_id(self.resource_type(step)?, &row.outputs))
                .map(str::to_owned);
            let of = self.info(id);
            self.events.event(Event::StepFinished { of, elapsed_ms, physical_id });
            self.report.done += 1;
        }
        self.running.remove(&id);
        self.progress[id.index()] = Progress::Done;
        for i in 0..self.next[id.index()].len() {
            let next = self.next[id.index()][i];
            self.missing[next.index()] -= 1;
            if self.missing[next.index()] == 0 && self.progress[next.index()] == Progress::Waiting {
                self.progress[next.index()] = Progress::Open;
                self.ready.push((self.step(next).priority, Reverse(next)));
            }
        }
    }

    fn elapsed_ms(&mut self, id: StepId) -> u64 {
        let took = self.running(id).started.elapsed();
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes what has gathered, if nothing is being written.
    fn start_commit(&mut self) {
        if self.committing.is_some() || self.broken.is_some() {
            return;
        }
        if self.batch.is_empty() {
            // Nothing to make durable: what waits on it may go on at once.
            for then in std::mem::take(&mut self.after) {
                self.then(then);
            }
            if self.batch.is_empty() {
                return;
            }
        }
        let batch = std::mem::take(&mut self.batch);
        let after = std::mem::take(&mut self.after);
        let commit = self.settings.store.commit(self.lease, self.version, batch.clone());
        self.committing = Some((commit, batch, after));
    }

    fn committed(&mut self, result: Result<u64, StateError>) {
        let Some((_, batch, after)) = self.committing.take() else { return };
        match result {
            Ok(version) => {
                self.version = version;
                for then in after {
                    self.then(then);
                }
            }
            Err(error) => self.break_off(error, batch),
        }
    }

    fn then(&mut self, then: Then) {
        match then {
            Then::Finish(step) => self.finished(step),
            Then::Call(step, ask) => {
                let first =
                    matches!(ask, Ask::Create { .. } | Ask::Update { .. } | Ask::Delete { .. });
                if self.halted() {
                    // An intent whose call never started says so by being closed again; a waiting
                    // object's row says how far it is.
                    self.slots -= 1;
                    if first {
                        self.close(self.step(step).id);
                    }
                    self.abandoned(step);
                } else {
                    self.call(step, ask);
                }
            }
        }
    }

    fn break_off(&mut self, error: StateError, unsaved: Vec<Change>) {
        match &mut self.broken {
            Some((_, all)) => all.extend(unsaved),
            None => self.broken = Some((error, unsaved)),
        }
    }

    fn cancelled(&mut self, stage: Cancelling) {
        self.stage = stage;
        self.events.event(Event::Cancelling { abort: stage == Cancelling::Abort });
    }

    /// Records what is left to record, says what was not tried, and ends the run.
    async fn finish(mut self, started: Instant, recorded: &Value) -> Result<Live, ApplyError> {
        if let Some((commit, batch, _)) = self.committing.take() {
            match commit.await {
                Ok(version) => self.version = version,
                Err(error) => self.break_off(error, batch),
            }
        }
        for i in 0..self.progress.len() {
            if matches!(self.progress[i], Progress::Waiting | Progress::Open) {
                self.progress[i] = Progress::Skipped;
                self.skipped(StepId(u32::try_from(i).unwrap_or(u32::MAX)), None);
            }
        }
        let well = self.report.failures.is_empty() && !self.halted();
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
        if !self.batch.is_empty() && self.broken.is_none() {
            let batch = std::mem::take(&mut self.batch);
            let commit = self.settings.store.commit(self.lease, self.version, batch.clone()).await;
            if let Err(error) = commit {
                self.break_off(error, batch);
            }
        }
        let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.events.event(Event::RunFinished {
            done: self.report.done,
            failed: self.report.failures.len(),
            skipped: self.report.skipped.len(),
            elapsed_ms: elapsed,
        });
        if let Some((source, mut unsaved)) = self.broken {
            unsaved.append(&mut self.batch);
            return Err(ApplyError::Unsaved { source, unsaved, report: self.report });
        }
        if self.stage != Cancelling::No && !self.report.skipped.is_empty() {
            return Err(ApplyError::Cancelled(self.report));
        }
        if !self.report.failures.is_empty() {
            return Err(ApplyError::Failed(self.report));
        }
        Ok(Live { program: self.plan.program.clone(), outputs: self.outputs, exports })
    }

    fn resolved_exports(&self) -> Result<Value, Failure> {
        if self.plan.data.exports.is_null() {
            return Ok(Value::Null);
        }
        let mut map = Map::new();
        for (name, expr) in &self.program.exports {
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

/// What was planned, with its unknowns filled from what was resolved.
fn fill(planned: &Value, resolved: Value) -> Value {
    match (planned, resolved) {
        (Value::Unknown, resolved) => resolved,
        (Value::Map(planned), Value::Map(resolved)) => {
            let mut filled = Map::with_capacity(planned.len());
            for (key, value) in resolved {
                let value = match planned.get(&key) {
                    Some(planned) => fill(planned, value),
                    None => value,
                };
                filled.insert(key, value);
            }
            Value::Map(filled)
        }
        (Value::List(planned), Value::List(resolved)) if planned.len() == resolved.len() => {
            Value::List(planned.iter().zip(resolved).map(|(p, r)| fill(p, r)).collect())
        }
        (Value::Secret(planned), resolved) => {
            let inner = match resolved {
                Value::Secret(inner) => *inner,
                plain => plain,
            };
            fill(planned, inner).into_secret()
        }
        (planned, _) => planned.clone(),
    }
}
