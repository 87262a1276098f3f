//! Hooks that run while a plan is made, because their program wants them to.

use std::collections::HashMap;

use crate::{
    apply::{self, Settings},
    hook::{FailedHook, HookCall, HookPoint},
    identity::ResourceId,
    panics::caught,
    plan::{Action, PlanData, PlanError},
    state::{Record, Snapshot},
    value::Value,
};

/// The rows that such hooks are told of; none where there are no such hooks.
pub(super) fn rows(settings: &Settings, snapshot: &Snapshot) -> HashMap<ResourceId, Record> {
    let rows = snapshot.records.values().filter(|_| settings.hooks.any_dry());
    rows.map(|record| (record.id, record.clone())).collect()
}

/// Runs them, in the order of the steps; all that fail are told.
pub(super) async fn run(
    settings: &Settings,
    data: &PlanData,
    rows: &HashMap<ResourceId, Record>,
) -> Result<(), PlanError> {
    let mut failures = Vec::new();
    for step in data.steps.iter().filter(|_| !data.skip_hooks) {
        let row = rows.get(&step.id);
        for point in apply::points(step.action) {
            // Whether there will be an error is not known, and an update is not the end of a create.
            let of_update = step.action == Action::Update && *point == HookPoint::AfterCreate;
            if *point == HookPoint::OnError || of_update {
                continue;
            }
            let names = step.options.hooks.iter().filter(|(at, _)| at == point);
            for (_, name) in names.filter(|(_, name)| settings.hooks.runs_dry(name)) {
                let Some(hook) = settings.hooks.get(name) else { continue };
                let outputs = match (step.action, point) {
                    (Action::Create, HookPoint::BeforeCreate) => Value::Null,
                    (Action::Create, _) => Value::Unknown,
                    _ => row.map_or(Value::Null, |row| row.outputs.clone()),
                };
                let inputs = match (step.action, row) {
                    (Action::Delete | Action::Settle, Some(row)) => row.inputs.clone(),
                    _ => step.inputs.clone(),
                };
                let call = HookCall {
                    stack: data.stack.as_str().into(),
                    address: step.address.clone(),
                    kind: step.kind.clone(),
                    id: step.id,
                    point: *point,
                    inputs,
                    outputs,
                    error: None,
                    retries: 0,
                    dry_run: true,
                };
                // It may panic before it returns a future, too.
                let why = match caught(async { hook(call).await }).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(why)) => why,
                    Err(panic) => format!("it panicked: {panic}"),
                };
                failures.push(FailedHook {
                    address: step.address.clone(),
                    point: *point,
                    name: name.clone(),
                    why,
                });
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(PlanError::HooksFailed { failures }) }
}
