//! Starting steps: what is sent, and the intent that is durable before it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{
    Event,
    call::{Ask, call},
    commit::Then,
    executor::Executor,
};
use crate::{
    expr::NodeId,
    hook::HookPoint,
    identity::{Address, Identity, ResourceId},
    plan::{
        Action, Cause, FieldChange, Step, StepId, ignored, remark_outputs, remark_seen, same_value,
        unsent_changes,
    },
    policy,
    provider::{ErrorKind, Handler, ProviderError, Seen, physical_id},
    resource::Changes,
    schema::ResourceType,
    state::{Change, Intent, Record, Status, Verb},
    value::{Map, Path, Value},
};

/// What a verb may take when its declaration does not say.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The end of a timeout that the clock can not count to.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Executor<'_> {
    pub(super) fn start(&mut self, id: StepId) {
        let step = self.step(id);
        if step.action != Action::Join {
            let info = self.info(id);
            if step.action.is_shown() {
                self.events.event(Event::StepStarted(info));
            }
        }
        // From now on it counts as running.
        self.running(id);
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
            Action::Import => self.import(id),
            Action::Settle => self.settle_recorded(id),
            Action::Create | Action::Update => self.send(id),
            Action::Delete => self.delete(id),
            Action::Ask => self.ask(id),
        };
        if let Err(error) = started {
            self.failed(id, error, None);
        }
    }

    pub(super) fn timeout(&self, id: StepId) -> Duration {
        let timeouts = self.node_of[id.index()]
            .map(|node| self.program.graph[node].options.timeouts)
            .unwrap_or_default();
        let step = self.step(id);
        let asked = match step.action {
            Action::Update => timeouts.update,
            // What goes may be declared no longer: the plan knows what was asked for it.
            Action::Delete => step.options.delete_timeout,
            _ => timeouts.create,
        };
        asked.unwrap_or(TIMEOUT)
    }

    /// When the step's time is over; counted from its first call, which is now if there was none.
    pub(super) fn deadline(&mut self, id: StepId) -> Instant {
        let timeout = self.timeout(id);
        *self.running(id).deadline.get_or_insert_with(|| {
            let now = Instant::now();
            now.checked_add(timeout).unwrap_or(now + FOREVER)
        })
    }

    pub(super) fn forget(&mut self, id: StepId) {
        let step = self.step(id);
        self.remove_rows(step);
        self.after.push(Then::Finish(id));
    }

    pub(super) fn remove_rows(&mut self, step: &Step) {
        for row in step.takes_along.iter().chain([&step.id]) {
            self.remove(*row);
        }
    }

    /// The inputs of a step, now that everything they come from is there.
    pub(super) fn resolve(&self, id: StepId) -> Result<Value, ProviderError> {
        let step = self.step(id);
        let invalid = |message: String| ProviderError::new(ErrorKind::Invalid, "inputs", message);
        let Some(node) = self.node_of[id.index()] else {
            return Err(invalid("the program does not declare it".to_owned()));
        };
        let outputs = &self.outputs;
        let mut resolved = self.program.graph[node]
            .inputs
            .resolve(&|node: NodeId| outputs.get(node.0 as usize))
            .map_err(|error| invalid(error.to_string()))?;
        if let Some(remedied) = self.remedied.get(&step.address) {
            policy::overlay(&mut resolved, remedied.iter().copied());
        }
        let inputs = match step.inputs.is_known() {
            true if step.inputs == resolved => return Ok(resolved),
            true => step.inputs.clone(),
            false => fill(&step.inputs, &resolved),
        };
        if !inputs.is_known() {
            let message = "a value it needs was not reported by what it comes from";
            return Err(invalid(message.to_owned()));
        }
        // Only where changes are ignored the plan may have another word than the program.
        let ignored = ignored(&self.program.graph[node]);
        let fields = step.inputs.as_map().into_iter().flat_map(Map::iter);
        let mut broken = fields.filter(|(name, planned)| {
            let there = resolved.get(name).unwrap_or(&Value::Null);
            let listens = !ignored.iter().any(|path| path.top() == name.as_ref());
            listens && !agrees(planned, there)
        });
        match broken.next() {
            None => Ok(inputs),
            Some((name, _)) => Err(invalid(format!(
                "`{name}` comes from another resource, which reported something else in this run \
                 than was planned with: plan again"
            ))),
        }
    }

    /// Refuses what violates a mandatory policy by what is known only now.
    pub(super) fn judge(&mut self, id: StepId, inputs: &Value) -> Result<(), ProviderError> {
        let step = self.step(id);
        // What is changed behind its import was judged before that.
        let own = |before: &&StepId| self.step(**before).id == step.id;
        let imported = step.action == Action::Update && step.after.iter().any(|s| own(&s));
        if imported || self.running(id).judged {
            return Ok(());
        }
        self.running(id).judged = true;
        let Some(policy) = &mut self.policy else { return Ok(()) };
        let violations = policy.judge(step, inputs);
        for violation in &violations {
            let (of, violation) = (self.info(id), violation.clone());
            self.events.event(Event::PolicyViolated { of, violation });
        }
        let refusals = violations.iter().filter(|violation| violation.refuses());
        let refusals: Vec<String> = refusals.map(ToString::to_string).collect();
        match refusals.is_empty() {
            true => Ok(()),
            false => Err(ProviderError::new(ErrorKind::Invalid, "policy", refusals.join("; "))),
        }
    }

    pub(super) fn row(&self, id: StepId) -> Result<Record, ProviderError> {
        let step = self.step(id);
        self.records.get(&step.id).cloned().ok_or_else(|| {
            ProviderError::new(ErrorKind::Provider, "state", "its row is missing from the state")
        })
    }

    pub(super) fn resource_type(&self, step: &Step) -> Option<&'static ResourceType> {
        self.handler(step).map(Handler::resource_type)
    }

    pub(super) fn handler(&self, step: &Step) -> Option<&dyn Handler> {
        let named = self.settings.providers.iter().filter(|p| p.name() == step.provider);
        named.chain(&self.settings.providers).find_map(|p| p.handler(&step.kind))
    }

    pub(super) fn record(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let inputs = self.resolve(id)?;
        let mut row = self.row(id)?;
        if let Some(observed) = &step.observed {
            row.outputs = observed.outputs.clone();
            // Nothing had to change, so what is there is accepted.
            row.seen = Some(observed.inputs.clone());
            row.changing.clear();
        }
        // What is secret now must not stay in clear beside it.
        if let Some(of) = self.resource_type(step) {
            row.outputs = remark_outputs(of, &inputs, &row.outputs);
        }
        row.seen = row.seen.map(|seen| remark_seen(&inputs, seen));
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
    pub(super) fn describe(&self, row: &mut Record, step: &Step) {
        row.address = step.address.clone();
        row.provider.clone_from(&step.provider);
        row.depends_on.clone_from(&step.depends_on);
        row.options = step.options.clone();
        row.declared_at.clone_from(&step.declared_at);
        row.version = self.resource_type(step).map_or(row.version, |of| of.version);
    }

    pub(super) fn settle_recorded(&mut self, id: StepId) -> Result<(), ProviderError> {
        let row = self.row(id)?;
        let known = Seen { inputs: row.inputs, outputs: row.outputs };
        self.slots += 1;
        self.call(id, Ask::Settle { known });
        Ok(())
    }

    /// Opens the intent of a create or an update; the call follows when it is durable.
    pub(super) fn send(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let inputs = self.resolve(id)?;
        self.judge(id, &inputs)?;
        let (verb, record, ask) = if step.action == Action::Create {
            let record = self.new_row(step, inputs.clone(), Value::Null, Status::Settling);
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
            record.inputs = inputs.clone();
            self.describe(&mut record, step);
            (Verb::Update, record, Ask::Update { known, inputs, changes: Changes::new(paths) })
        };
        let point = match verb {
            Verb::Create => HookPoint::BeforeCreate,
            _ => HookPoint::BeforeUpdate,
        };
        if self.hook(id, point, &record.inputs, &record.outputs) {
            return Ok(());
        }
        self.open_intent(step.id, verb, Some(record));
        self.slots += 1;
        self.after.push(Then::Call(id, ask));
        Ok(())
    }

    /// The fields that an update is about, now that no value is unknown any more.
    pub(super) fn changed_paths(&self, step: &Step, record: &Record, inputs: &Value) -> Vec<Path> {
        let certain = |change: &&FieldChange| change.cause == Cause::Drift || change.new.is_known();
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

    pub(super) fn open_intent(&mut self, id: ResourceId, verb: Verb, record: Option<Record>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let record = record.map(Box::new);
        self.batch.push(Change::Open(Intent { id, verb, record, started_ms }));
        self.open.insert(id);
    }

    pub(super) fn delete(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        if step.is_of_unmanaged() {
            return self.delete_unmanaged(id);
        }
        let row = self.row(id)?;
        if row.status == Status::Absent || self.is_made_again(step, &row) {
            // Its create in this run took the object over: there is nothing to delete any more.
            self.forget(id);
            return Ok(());
        }
        if self.hook(id, HookPoint::BeforeDelete, &row.inputs, &row.outputs) {
            return Ok(());
        }
        let known = Seen { inputs: row.last_known().clone(), outputs: row.outputs };
        self.open_intent(step.id, Verb::Delete, None);
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Delete { known }));
        Ok(())
    }

    /// Deletes what no row has. Its intent is all that a crash leaves of it, so it says what it is,
    /// and to whom it belongs.
    fn delete_unmanaged(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let Some(known) = step.observed.clone() else {
            let message = "the plan does not say what it is";
            return Err(ProviderError::new(ErrorKind::Provider, "formwork", message));
        };
        let Seen { inputs, outputs } = known.clone();
        let mut record = self.new_row(step, inputs, outputs, Status::Ready);
        // So it is in a narrowed plan, or left out, as its parent is.
        let of = self.resource_type(step).and_then(|of| physical_id(of, &record.outputs));
        let own = of.map(|id| format!("[{id}]")).unwrap_or_default();
        if let Some(parent) = step.address.as_str().strip_suffix(own.as_str()) {
            record.address = Address::new(parent);
        }
        self.open_intent(step.id, Verb::Delete, Some(record));
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Delete { known }));
        Ok(())
    }

    /// Makes a call; its slot is taken already.
    pub(super) fn call(&mut self, id: StepId, ask: Ask) {
        let step = self.step(id);
        self.running(id).again = Some(ask.clone());
        self.starts_call(id);
        let identity = Identity {
            id: step.id,
            stack: self.program.stack.clone(),
            address: step.address.clone(),
        };
        let provider = self.settings.providers.iter().find(|p| p.name() == step.provider);
        match provider {
            Some(provider) => {
                let (provider, kind) = (provider.clone(), step.kind.clone());
                let deadline = self.deadline(id);
                self.calls.push(call(id, provider, kind, identity, ask, deadline));
            }
            None => {
                self.slots -= 1;
                let message = format!("no provider is there for `{}`", step.kind);
                self.failed(id, ProviderError::new(ErrorKind::Provider, "formwork", message), None);
            }
        }
    }

    pub(super) fn call_again(&mut self, id: StepId) {
        if Instant::now() >= self.deadline(id) {
            // It woke in time, and no slot was free for it.
            let error = self.out_of_time(id);
            self.failed(id, error, None);
            return;
        }
        let Some(ask) = self.running(id).again.clone() else { return };
        self.slots += 1;
        if self.restamp(id) {
            self.after.push(Then::Call(id, ask));
        } else {
            self.call(id, ask);
        }
    }

    /// Opens the intent of a create anew, as of now. That an object is absent is believed only a
    /// while after its last call, so each call after the first needs the time written before it,
    /// and one that ended without an answer the time until which it may have taken effect.
    /// Returns whether there is such an intent.
    pub(super) fn restamp(&mut self, id: StepId) -> bool {
        let step = self.step(id);
        let asked = self.running.get(&id).and_then(|running| running.again.as_ref());
        let Some(Ask::Create { inputs }) = asked else { return false };
        if !self.open.contains(&step.id) {
            return false;
        }
        let record = self.new_row(step, inputs.clone(), Value::Null, Status::Settling);
        self.open_intent(step.id, Verb::Create, Some(record));
        true
    }
}

/// Whether what was resolved is what was planned, as far as that was known.
pub(crate) fn agrees(planned: &Value, resolved: &Value) -> bool {
    match (planned.open(), resolved.open()) {
        (Value::Unknown, _) => true,
        (Value::Map(planned), Value::Map(resolved)) => planned
            .iter()
            .all(|(key, value)| agrees(value, resolved.get(key).unwrap_or(&Value::Null))),
        (Value::List(planned), Value::List(resolved)) => {
            planned.len() == resolved.len()
                && planned.iter().zip(resolved).all(|(p, r)| agrees(p, r))
        }
        (planned, resolved) => same_value(planned, resolved),
    }
}

/// What was planned, with its unknowns filled from what was resolved.
fn fill(planned: &Value, resolved: &Value) -> Value {
    match (planned, resolved) {
        (Value::Unknown, resolved) => resolved.clone(),
        (Value::Map(planned), resolved) => {
            let mut filled = Map::with_capacity(planned.len());
            for (key, value) in planned.iter() {
                match (value, resolved.get(key)) {
                    (Value::Unknown, None) => {}
                    (value, resolved) => {
                        filled.insert(key.clone(), fill(value, resolved.unwrap_or(&Value::Null)));
                    }
                }
            }
            Value::Map(filled)
        }
        (Value::List(planned), resolved) => match resolved.open() {
            Value::List(resolved) if planned.len() == resolved.len() => {
                Value::List(planned.iter().zip(resolved).map(|(p, r)| fill(p, r)).collect())
            }
            _ => Value::List(planned.clone()),
        },
        (Value::Secret(planned), resolved) => fill(planned, resolved.open()).into_secret(),
        (planned, _) => planned.clone(),
    }
}
