//! Hooks of a step: before its call, after it is done, and about an error.
//!
//! A hook takes a slot as a call does, and its step's time. What it comes before is not begun, so
//! nothing is open for it; what it comes after is durable.

use tokio::time::timeout_at;

use super::{
    Event,
    call::{Answer, Ask, Message},
    executor::Executor,
};
use crate::{
    hook::{ErrorAction, HookCall, HookPoint},
    panics::caught,
    plan::{Action, StepId},
    provider::{ErrorKind, ProviderError},
    value::Value,
};

/// How often a hook may ask for another try of one step.
const RETRIES: u32 = 100;

/// How far a step is with its hooks.
#[derive(Default)]
pub(super) struct Hooked {
    /// Those that ran.
    done: Vec<HookPoint>,
    /// What the step fails with, unless it is tried again.
    held: Option<ProviderError>,
    /// How often it was.
    retries: u32,
    /// Whether the object became ready for the first time.
    pub(super) first: bool,
}

/// The hooks that an action may run.
pub(crate) fn points(action: Action) -> &'static [HookPoint] {
    use HookPoint::{
        AfterCreate, AfterDelete, AfterUpdate, BeforeCreate, BeforeDelete, BeforeUpdate, OnError,
    };
    match action {
        Action::Create => &[BeforeCreate, AfterCreate, OnError],
        // An update may finish a create.
        Action::Update => &[BeforeUpdate, AfterUpdate, AfterCreate, OnError],
        Action::Settle => &[AfterCreate, AfterUpdate, OnError],
        Action::Delete => &[BeforeDelete, AfterDelete, OnError],
        Action::Record | Action::Forget | Action::Ask | Action::Join => &[],
    }
}

impl Executor<'_> {
    /// Starts what the step has at this point, and once only; returns whether there is something.
    pub(super) fn hook(
        &mut self,
        id: StepId,
        point: HookPoint,
        inputs: &Value,
        outputs: &Value,
    ) -> bool {
        let step = self.step(id);
        let named = step.options.hooks.iter().filter(|(at, _)| *at == point);
        let names: Vec<&str> = named.map(|(_, name)| name.as_str()).collect();
        let ran = self.running(id).hooked.done.contains(&point) && point != HookPoint::OnError;
        if names.is_empty() || ran || self.plan.data.skip_hooks {
            return false;
        }
        let mut hooks = Vec::with_capacity(names.len());
        for name in names {
            hooks.push((name.to_owned(), self.settings.hooks.get(name)));
        }
        let deadline = self.deadline(id);
        let hooked = &self.running(id).hooked;
        let (error, retries) = (hooked.held.clone(), hooked.retries);
        let call = HookCall {
            stack: self.program.stack.clone(),
            address: step.address.clone(),
            kind: step.kind.clone(),
            id: step.id,
            point,
            inputs: inputs.clone(),
            outputs: outputs.clone(),
            error,
            retries,
            dry_run: false,
        };
        let of = self.info(id);
        let names = hooks.iter().map(|(name, _)| name.clone()).collect();
        self.events.event(Event::HooksStarted { of, point, names });
        self.slots += 1;
        self.calls.push(Box::pin(async move {
            let mut action = ErrorAction::Fail;
            for (name, hook) in hooks {
                let failed = |why: String| (name.clone(), why);
                let answer = match hook {
                    None => Err("the engine has no hook of that name".to_owned()),
                    Some(hook) => {
                        // It may panic before it returns a future, too.
                        let run = caught(async { hook(call.clone()).await });
                        match timeout_at(deadline, run).await {
                            Ok(Ok(answer)) => answer,
                            Ok(Err(panic)) => Err(format!("it panicked: {panic}")),
                            Err(_) => Err("it did not end within the step's timeout".to_owned()),
                        }
                    }
                };
                match answer.map_err(failed) {
                    // One that wants another try is enough.
                    Ok(ErrorAction::Retry) => action = ErrorAction::Retry,
                    Ok(ErrorAction::Fail) => {}
                    Err(error) => {
                        return Message { step: id, answer: Answer::Hooked(point, Err(error)) };
                    }
                }
            }
            Message { step: id, answer: Answer::Hooked(point, Ok(action)) }
        }));
        true
    }

    /// Goes on from where a hook was started.
    pub(super) fn hooked(
        &mut self,
        id: StepId,
        point: HookPoint,
        answer: Result<ErrorAction, (String, String)>,
    ) {
        let of = self.info(id);
        let error = answer.as_ref().err().map(|(name, why)| format!("`{name}`: {why}"));
        self.events.event(Event::HooksFinished { of, point, error });
        if let Some(held) = self.running(id).hooked.held.take() {
            let again = answer == Ok(ErrorAction::Retry) && !self.halted();
            if again && self.running(id).hooked.retries < RETRIES {
                let running = self.running(id);
                running.hooked.retries += 1;
                running.attempt = 0;
                self.awake.push_back(id);
            } else {
                self.failed(id, held, None);
            }
            return;
        }
        if let Err((name, why)) = answer {
            let operation = format!("the hook `{name}` {point}");
            self.failed(id, ProviderError::new(ErrorKind::Other, operation, why), None);
            return;
        }
        self.running(id).hooked.done.push(point);
        match point {
            HookPoint::BeforeCreate | HookPoint::BeforeUpdate | HookPoint::BeforeDelete => {
                if self.halted() {
                    self.abandoned(id);
                    return;
                }
                let begun = match self.step(id).action {
                    Action::Delete => self.delete(id),
                    _ => self.send(id),
                };
                if let Err(error) = begun {
                    self.failed(id, error, None);
                }
            }
            _ => self.finished(id),
        }
    }

    /// Starts the hooks of a step that is done; returns whether there are some.
    pub(super) fn hook_after(&mut self, id: StepId) -> bool {
        let step = self.step(id);
        if step.options.hooks.is_empty() || self.broken.is_some() {
            return false;
        }
        let running = self.running(id);
        let (called, first) = (running.again.is_some(), running.hooked.first);
        let point = match step.action {
            // What turned out to need no call has nothing that came after it.
            _ if !called => return false,
            Action::Create => HookPoint::AfterCreate,
            Action::Settle | Action::Update if first => HookPoint::AfterCreate,
            Action::Update | Action::Settle => HookPoint::AfterUpdate,
            Action::Delete => HookPoint::AfterDelete,
            Action::Record | Action::Forget | Action::Ask | Action::Join => return false,
        };
        let (inputs, outputs) = match self.records.get(&step.id) {
            Some(row) => (row.inputs.clone(), row.outputs.clone()),
            None => match &self.running(id).again {
                Some(Ask::Delete { known }) => (known.inputs.clone(), known.outputs.clone()),
                _ => (Value::Null, Value::Null),
            },
        };
        self.hook(id, point, &inputs, &outputs)
    }

    /// Fails a step, unless a hook of it wants another try.
    pub(super) fn give_up(&mut self, id: StepId, error: ProviderError) {
        let definite = !matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Timeout);
        let step = self.step(id);
        if definite && !self.halted() && !step.options.hooks.is_empty() {
            let (inputs, outputs) = match &self.running(id).again {
                Some(Ask::Create { inputs }) => (inputs.clone(), Value::Null),
                Some(Ask::Update { known, inputs, .. }) => (inputs.clone(), known.outputs.clone()),
                Some(Ask::Settle { known } | Ask::Delete { known }) => {
                    (known.inputs.clone(), known.outputs.clone())
                }
                Some(Ask::LookUp { .. }) | None => (Value::Null, Value::Null),
            };
            self.running(id).hooked.held = Some(error.clone());
            if self.hook(id, HookPoint::OnError, &inputs, &outputs) {
                return;
            }
            self.running(id).hooked.held = None;
        }
        self.failed(id, error, None);
    }
}
