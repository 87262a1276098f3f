//! Lookups that the run asks: the answer is durable before what uses it starts.

use super::{call::Ask, commit::Then, executor::Executor};
use crate::{
    plan::{Reason, StepId, pinned},
    provider::{ErrorKind, ProviderError},
    state::{Change, Pin},
    value::Value,
};

impl Executor<'_> {
    pub(super) fn ask(&mut self, id: StepId) -> Result<(), ProviderError> {
        let step = self.step(id);
        let query = self.resolve(id)?;
        let anew = step.reasons.contains(&Reason::AskedAnew);
        let known = pinned(&self.pins, &step.address, &step.kind, &query).filter(|_| !anew);
        if let Some(pin) = known {
            // What was unknown turned out to be what was asked before.
            let answer = pin.answer.clone();
            self.report_outputs(id, &answer);
            self.after.push(Then::Finish(id));
            return Ok(());
        }
        self.slots += 1;
        self.call(id, Ask::LookUp { query });
        Ok(())
    }

    pub(super) fn looked_up(&mut self, id: StepId, answer: Result<Value, ProviderError>) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // It changes nothing, so one without an answer is simply asked again.
                let mut passing = error.clone();
                if error.kind == ErrorKind::Ambiguous {
                    passing.kind = ErrorKind::Transient;
                }
                if !self.retries(id, &passing) {
                    self.failed(id, error, None);
                }
                return;
            }
        };
        let step = self.step(id);
        let asked = self.running.get(&id).and_then(|running| running.again.as_ref());
        let Some(Ask::LookUp { query }) = asked else { return };
        let (address, kind) = (step.address.clone(), step.kind.clone());
        let pin = Pin { address, kind, query: query.clone(), answer };
        self.report_outputs(id, &pin.answer);
        if self.pins.get(&pin.address) != Some(&pin) {
            self.pins.insert(pin.address.clone(), pin.clone());
            self.batch.push(Change::Pin(pin));
        }
        self.after.push(Then::Finish(id));
    }
}
