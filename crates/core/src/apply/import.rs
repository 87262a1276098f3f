//! Taking an object over: it is looked at again, recorded, and marked as ours, in that order.
//!
//! A crash before the row is durable leaves nothing, for nothing was changed. One after it leaves a
//! row that says it is unclaimed, and the next plan goes on from there. What changes on the object
//! is an update like any other, in a step of its own behind this one.

use super::{call::Ask, commit::Then, executor::Executor};
use crate::{
    plan::{Action, Step, StepId, drifted_from, mark_outputs, mark_secrets},
    provider::{ErrorKind, ProviderError, Seen, physical_id},
    schema::ResourceType,
    state::{Import, Record, Status},
    value::{Map, Value},
};

impl Executor<'_> {
    /// Looks at the object once more: nothing of it is recorded yet that could be compared later.
    pub(super) fn import(&mut self, id: StepId) -> Result<(), ProviderError> {
        let known = self.planned(id)?;
        let inputs = self.resolve(id)?;
        self.judge(id, &inputs)?;
        self.slots += 1;
        self.call(id, Ask::Look { known });
        Ok(())
    }

    /// What the plan saw.
    fn planned(&self, id: StepId) -> Result<Seen, ProviderError> {
        match (&self.step(id).observed, self.row(id)) {
            (Some(seen), _) => Ok(seen.clone()),
            (None, Ok(row)) => Ok(Seen { inputs: row.last_known().clone(), outputs: row.outputs }),
            (None, Err(error)) => Err(error),
        }
    }

    pub(super) fn looked(&mut self, id: StepId, seen: Option<Seen>) {
        let taken = self.taken(id, seen);
        let row = match taken {
            Ok(row) => row,
            Err(error) => return self.failed(id, error, None),
        };
        self.depose_others(self.step(id), &row);
        let known = Seen { inputs: row.last_known().clone(), outputs: row.outputs.clone() };
        self.put(row);
        self.running(id).attempt = 0;
        self.slots += 1;
        self.after.push(Then::Call(id, Ask::Claim { known }));
    }

    /// The row of what is taken over, if it is what the plan saw.
    fn taken(&self, id: StepId, seen: Option<Seen>) -> Result<Record, ProviderError> {
        let step = self.step(id);
        let planned = self.planned(id)?;
        let other = |message| ProviderError::new(ErrorKind::Conflict, "formwork", message);
        let of = self
            .resource_type(step)
            .ok_or_else(|| other("no provider has its type any more".to_owned()))?;
        let Some(seen) = seen else {
            return Err(other("it is gone since it was planned to be taken over".to_owned()));
        };
        let desired = self.resolve(id)?;
        let seen = Seen {
            inputs: mark_secrets(&desired, seen.inputs),
            outputs: mark_outputs(of, &desired, seen.outputs),
        };
        let names: Vec<String> = drifted_from(of, &planned.inputs, &seen)
            .iter()
            .map(|change| format!("`{}`", change.path))
            .collect();
        if physical_id(of, &planned.outputs) != physical_id(of, &seen.outputs) || !names.is_empty()
        {
            let what =
                if names.is_empty() { "another object".to_owned() } else { names.join(", ") };
            return Err(other(format!(
                "it is not any more what was planned to be taken over ({what}): plan again"
            )));
        }
        let inputs = match self.changes_next(id) {
            true => believed(of, &seen.inputs, &desired),
            false => desired,
        };
        let mut row = self.new_row(step, inputs, seen.outputs, Status::Settling);
        row.seen = Some(seen.inputs);
        Ok(row)
    }

    /// Whether a step behind this one changes the object.
    fn changes_next(&self, id: StepId) -> bool {
        let own = self.step(id).id;
        let update = |step: &Step| step.id == own && step.action == Action::Update;
        self.next[id.index()].iter().any(|next| update(self.step(*next)))
    }

    pub(super) fn claimed(&mut self, id: StepId) {
        let mut row = match self.row(id) {
            Ok(row) => row,
            Err(error) => return self.failed(id, error, None),
        };
        row.import = row.import.map(|import| Import { claimed: true, ..import });
        row.status = Status::Ready;
        self.report_outputs(id, &row.outputs);
        self.put(row);
        self.after.push(Then::Finish(id));
    }
}

/// What counts as sent to an object that is taken over and changed next: what was seen of it, and of
/// what can not be read or changed what the program says.
fn believed(of: &ResourceType, seen: &Value, desired: &Value) -> Value {
    let mut inputs = seen.as_map().cloned().unwrap_or_else(Map::new);
    for field in of.inputs.fields.iter().filter(|field| field.write_only && field.replace) {
        inputs.insert(field.name, desired.get(field.name).cloned().unwrap_or(Value::Null));
    }
    Value::Map(inputs)
}
