//! What came of a call: rows, failures, and who may go on.

use std::cmp::Reverse;

use super::{
    Event, Failure, Skipped,
    call::{Answer, Ask, Message},
    commit::Then,
    executor::{Executor, Progress},
};
use crate::{
    identity::{Address, ResourceId},
    panics::provider_bug,
    plan::{Action, Step, StepId, mark_outputs, mark_secrets, same_value, settled},
    provider::{ErrorKind, ProviderError, Seen, Settling, object_of, physical_id},
    resource::{Changes, Deletion},
    state::{Record, Role, Status},
    value::Value,
};

impl Executor<'_> {
    pub(super) fn received(&mut self, message: Message) {
        let id = message.step;
        self.slots -= 1;
        match message.answer {
            Answer::Created(Ok(outputs)) => self.created(id, outputs),
            Answer::Created(Err(failure)) => {
                if let Some(outputs) = failure.partial {
                    match self.unusable(self.step(id), &outputs) {
                        // What it made is found by the next run.
                        Some(_) => {
                            let error =
                                ProviderError { kind: ErrorKind::Ambiguous, ..failure.error };
                            self.failed(id, error, None);
                        }
                        None => self.failed(id, failure.error, Some(outputs)),
                    }
                } else if !self.retries(id, &failure.error) {
                    self.give_up(id, failure.error);
                }
            }
            Answer::Updated(Ok(outputs)) => self.updated(id, outputs),
            Answer::Updated(Err(error)) => {
                if !self.retries(id, &error) {
                    self.give_up(id, error);
                }
            }
            Answer::Settled(Ok(Settling::Pending(after))) => {
                self.running(id).attempt = 0;
                self.wait(id, after);
            }
            Answer::Settled(Ok(Settling::Ready(seen))) => self.settled(id, seen),
            Answer::Settled(Err(error)) => {
                // A look changes nothing, so one without an answer is simply taken again.
                let mut passing = error.clone();
                if error.kind == ErrorKind::Ambiguous {
                    passing.kind = ErrorKind::Transient;
                }
                if !self.retries(id, &passing) {
                    self.give_up(id, error);
                }
            }
            Answer::Deleted(Ok(Deletion::Pending(after))) => {
                self.running(id).attempt = 0;
                self.wait(id, after);
            }
            Answer::Deleted(Ok(Deletion::Done)) => self.deleted(id),
            Answer::Deleted(Err(error)) if error.kind == ErrorKind::NotFound => self.deleted(id),
            Answer::Deleted(Err(error)) => {
                if !self.retries(id, &error) {
                    self.give_up(id, error);
                }
            }
            Answer::LookedUp(answer) => self.looked_up(id, answer),
            Answer::Hooked(point, answer) => self.hooked(id, point, answer),
            Answer::OutOfTime => {
                let error = self.out_of_time(id);
                self.failed(id, error, None);
            }
            Answer::Panicked(panic) => {
                // It may have panicked after the effect.
                let operation = &self.step(id).kind;
                let error = provider_bug(ErrorKind::Ambiguous, operation, &panic);
                self.failed(id, error, None);
            }
        }
    }

    /// The outputs as they are kept: secrets marked.
    pub(super) fn outputs_of(&self, step: &Step, inputs: &Value, outputs: Value) -> Value {
        self.resource_type(step).map_or(Value::Null, |of| mark_outputs(of, inputs, outputs))
    }

    /// The inputs of the intent that is open for this step.
    pub(super) fn intended(&self, id: StepId) -> Value {
        match self.running.get(&id).and_then(|running| running.again.as_ref()) {
            Some(Ask::Create { inputs } | Ask::Update { inputs, .. }) => inputs.clone(),
            _ => Value::Null,
        }
    }

    /// The changes of the update that was called for this step.
    fn changes(&self, id: StepId) -> Option<&Changes> {
        match self.running.get(&id)?.again.as_ref()? {
            Ask::Update { changes, .. } => Some(changes),
            _ => None,
        }
    }

    pub(super) fn created(&mut self, id: StepId, outputs: Value) {
        let step = self.step(id);
        let inputs = self.intended(id);
        let outputs = self.outputs_of(step, &inputs, outputs);
        if let Some(error) = self.unusable(step, &outputs) {
            // There is no row to write of it; the intent stays open, and the next run looks.
            self.failed(id, error, None);
            return;
        }
        let row = self.new_row(step, inputs, outputs, Status::Settling);
        self.depose_others(step, &row);
        let known = Seen { inputs: row.inputs.clone(), outputs: row.outputs.clone() };
        self.put(row);
        self.close(step.id);
        self.running(id).attempt = 0;
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Settle { known }));
    }

    /// What is wrong with outputs of which no record can be kept: there is no id, or the next run
    /// could not read them. The provider is to blame, and what became of its call is not known.
    fn unusable(&self, step: &Step, outputs: &Value) -> Option<ProviderError> {
        let handler = self.handler(step)?;
        let message = match handler.check_outputs(outputs) {
            _ if physical_id(handler.resource_type(), outputs).is_none() => {
                "the provider reported an object without an id".to_owned()
            }
            Err(message) => {
                format!("what the provider reported is not what this type reports: {message}")
            }
            Ok(()) => return None,
        };
        Some(ProviderError::new(ErrorKind::Ambiguous, "formwork", message))
    }

    pub(super) fn new_row(
        &self,
        step: &Step,
        inputs: Value,
        outputs: Value,
        status: Status,
    ) -> Record {
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
            unsure: Vec::new(),
            changing: Vec::new(),
            outputs,
            depends_on: step.depends_on.clone(),
            options: step.options.clone(),
            declared_at: step.declared_at.clone(),
        }
    }

    /// One address has one current object: the new one.
    pub(super) fn depose_others(&mut self, step: &Step, made: &Record) {
        if !self.removed_at.is_empty()
            && let Some(object) = self.object(step, made)
        {
            self.made.insert(object);
        }
        let removed = self.removed_at.get(&step.address).into_iter().flatten();
        let mut others: Vec<ResourceId> = step.replaces.iter().chain(removed).copied().collect();
        if self.program.undecided().next().is_some() {
            // What is gone may have its row kept for those who are undecided.
            let here = |row: &&Record| row.address == step.address && row.kind == step.kind;
            others.extend(self.records.values().filter(here).map(|row| row.id));
        }
        for other in others {
            let row = self.records.get(&other).filter(|row| row.role == Role::Current).cloned();
            if let Some(row) = row.filter(|row| row.id != step.id) {
                let same = self.is_made_again(step, &row);
                let replaced = step.replaces == Some(other);
                let retain = if replaced { step.options.retain } else { row.options.retain };
                let row = row.into_deposed(retain);
                self.put(if same { row.into_absent() } else { row });
            }
        }
    }

    fn object(&self, step: &Step, row: &Record) -> Option<(String, String, String)> {
        let (provider, kind, id) = object_of(self.resource_type(step)?, row)?;
        Some((provider.to_owned(), kind.to_owned(), id.to_owned()))
    }

    /// Whether a create of this run took over the very object of this row.
    pub(super) fn is_made_again(&self, step: &Step, row: &Record) -> bool {
        !self.made.is_empty()
            && self.object(step, row).is_some_and(|object| self.made.contains(&object))
    }

    pub(super) fn updated(&mut self, id: StepId, outputs: Value) {
        let step = self.step(id);
        let inputs = self.intended(id);
        let outputs = self.outputs_of(step, &inputs, outputs);
        if let Some(error) = self.unusable(step, &outputs) {
            self.failed(id, error, None);
            return;
        }
        let Ok(mut row) = self.row(id) else {
            let message = "its row is missing from the state";
            self.failed(id, ProviderError::new(ErrorKind::Provider, "state", message), None);
            return;
        };
        row.inputs = inputs;
        row.outputs = outputs;
        row.status = Status::Settling;
        row.unsure.clear();
        // Beside those of an earlier update that was not seen to settle.
        let changed = self.changes(id).map(Changes::paths).unwrap_or_default().to_vec();
        row.changing.extend(changed);
        row.changing.sort_unstable();
        row.changing.dedup();
        self.describe(&mut row, step);
        let known = Seen { inputs: row.inputs.clone(), outputs: row.outputs.clone() };
        self.put(row);
        self.close(step.id);
        self.running(id).attempt = 0;
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Settle { known }));
    }

    pub(super) fn settled(&mut self, id: StepId, seen: Seen) {
        let step = self.step(id);
        let Ok(mut row) = self.row(id) else {
            let message = "its row is missing from the state";
            self.failed(id, ProviderError::new(ErrorKind::Provider, "state", message), None);
            return;
        };
        let first = row.seen.is_none();
        self.running(id).hooked.first = first;
        let outputs = self.outputs_of(step, &row.inputs, seen.outputs);
        if let Some(error) = self.unusable(step, &outputs) {
            self.failed(id, error, None);
            return;
        }
        row.outputs = outputs;
        let after = mark_secrets(&row.inputs, seen.inputs);
        row.seen = Some(settled(&row, step.observed.as_ref(), after));
        row.changing.clear();
        row.status = Status::Ready;
        self.describe(&mut row, step);
        let broken = self.broken_echo(step, &row);
        if let Some(error) = broken.as_ref().filter(|_| first) {
            row.status = Status::Incomplete { reason: error.to_string() };
        }
        self.report_outputs(id, &row.outputs);
        self.put(row);
        self.close(step.id);
        match broken {
            // What came back is saved before the provider is blamed for it.
            Some(error) => self.failed(id, error, None),
            None => self.after.push(Then::Finish(id)),
        }
    }

    /// A value that was known beforehand may not come back different.
    pub(super) fn broken_echo(&self, step: &Step, row: &Record) -> Option<ProviderError> {
        let of = self.resource_type(step)?;
        let wrong = of.outputs.fields.iter().filter(|field| field.echo).find(|field| {
            let sent = row.inputs.get(field.name).filter(|value| !value.is_null());
            let got = row.outputs.get(field.name);
            sent.is_some_and(|sent| got.is_none_or(|got| !same_value(got, sent)))
        })?;
        let message = format!(
            "the provider promised that `{}` comes back as it was sent, and it came back different",
            wrong.name
        );
        Some(ProviderError::new(ErrorKind::Provider, "formwork", message))
    }

    pub(super) fn report_outputs(&mut self, id: StepId, outputs: &Value) {
        if let Some(node) = self.node_of[id.index()] {
            self.outputs[node.index()] = outputs.clone();
            let mut changed = vec![node];
            while let Some(at) = changed.pop() {
                for fed in self.feeds.get(&at).into_iter().flatten() {
                    let result = self.program.result(*fed, &self.outputs);
                    self.outputs[fed.index()] = result.unwrap_or(Value::Unknown);
                    changed.push(*fed);
                }
            }
        }
    }

    pub(super) fn deleted(&mut self, id: StepId) {
        let step = self.step(id);
        if step.leaves_row {
            for row in step.takes_along.iter().chain([&step.id]) {
                if let Some(row) = self.records.get(row).cloned() {
                    self.put(row.into_absent());
                }
                self.close(*row);
            }
        } else {
            self.remove_rows(step);
        }
        self.after.push(Then::Finish(id));
    }

    pub(super) fn failed(&mut self, id: StepId, error: ProviderError, partial: Option<Value>) {
        let step = self.step(id);
        let elapsed_ms = self.elapsed_ms(id);
        match (step.action, partial) {
            (Action::Create, Some(outputs)) => {
                let inputs = self.intended(id);
                let outputs = self.outputs_of(step, &inputs, outputs);
                let status = Status::Incomplete { reason: error.to_string() };
                let row = self.new_row(step, inputs, outputs, status);
                self.depose_others(step, &row);
                self.put(row);
                self.close(step.id);
            }
            (Action::Create | Action::Settle | Action::Update, None)
                if self.will_never_be_ready(id, &error) =>
            {
                if let Ok(mut row) = self.row(id) {
                    row.status = Status::Incomplete { reason: error.to_string() };
                    self.put(row);
                }
            }
            // No definite answer: the intent stays open, and the next run looks what became of it.
            _ if matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Timeout) => {
                self.restamp(id);
            }
            (Action::Update | Action::Settle, _) => {
                // Part of it may have been done; the next plan compares with what is there, and
                // looks again whether it is ready.
            }
            // Without a call of this run, what is open is of an earlier one, and as it was.
            _ if self.running(id).again.is_some() => self.close(step.id),
            _ => {}
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

    /// Whether an error is the verdict that an object came to be and will not be ready. One that
    /// was ready before an update is not given up for what became of the update.
    fn will_never_be_ready(&self, id: StepId, error: &ProviderError) -> bool {
        let asked = self.running.get(&id).and_then(|running| running.again.as_ref());
        let looked = matches!(asked, Some(Ask::Settle { .. }));
        let row = self.records.get(&self.step(id).id);
        let verdict = !matches!(
            error.kind,
            // These are of the way to it, and not of the object itself.
            ErrorKind::Timeout
                | ErrorKind::Ambiguous
                | ErrorKind::Transient
                | ErrorKind::Throttled
                | ErrorKind::Denied
                | ErrorKind::Provider
        );
        looked && verdict && row.is_some_and(|row| row.seen.is_none())
    }

    pub(super) fn skip_dependents(&mut self, id: StepId) {
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

    pub(super) fn skipped(&mut self, id: StepId, because: Option<Address>) {
        let step = self.step(id);
        if step.action.is_shown() {
            let of = self.info(id);
            self.events.event(Event::StepSkipped { of, because: because.clone() });
            let skipped = Skipped { address: step.address.clone(), action: step.action, because };
            self.report.skipped.push(skipped);
        }
    }

    /// A step that was waiting when the run ended: neither done nor failed.
    pub(super) fn abandoned(&mut self, id: StepId) {
        self.running.remove(&id);
        if self.progress[id.index()] == Progress::Open {
            self.progress[id.index()] = Progress::Skipped;
            self.skipped(id, None);
        }
    }

    pub(super) fn finished(&mut self, id: StepId) {
        if self.hook_after(id) {
            return;
        }
        let step = self.step(id);
        if step.action.is_shown() {
            let elapsed_ms = self.elapsed_ms(id);
            let row = self.records.get(&step.id);
            let physical_id = row
                .and_then(|row| physical_id(self.resource_type(step)?, &row.outputs))
                .map(str::to_owned);
            let of = self.info(id);
            self.events.event(Event::StepFinished { of, elapsed_ms, physical_id });
            self.report.done += usize::from(!step.is_bookkeeping());
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
}
