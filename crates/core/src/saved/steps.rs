//! Whether the steps of a plan that was read make sense: among themselves, and for a state.
//!
//! Sums tell what was damaged, not what was made up. Apply relies on all of this.

use std::{collections::HashSet, sync::Arc};

use crate::{
    declare::{Problem, Program},
    identity::ResourceId,
    plan::{Action, PlanData, Step},
    provider::Provider,
    state::Snapshot,
};

/// Whether every step waits only for steps that are there, and each can start at last.
pub(super) fn check_order(steps: &[Step]) -> Result<(), String> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut missing = vec![0usize; steps.len()];
    for (i, step) in steps.iter().enumerate() {
        missing[i] = step.after.len();
        for before in &step.after {
            let waits = next.get_mut(before.index()).ok_or_else(|| {
                format!("step {i} waits for step {}, which is not there", before.0)
            })?;
            waits.push(i);
        }
    }
    let mut ready: Vec<usize> = (0..steps.len()).filter(|step| missing[*step] == 0).collect();
    let mut done = 0;
    while let Some(step) = ready.pop() {
        done += 1;
        for after in &next[step] {
            missing[*after] -= 1;
            if missing[*after] == 0 {
                ready.push(*after);
            }
        }
    }
    match done == steps.len() {
        true => Ok(()),
        false => Err("some of its steps wait for each other".to_owned()),
    }
}

/// Every step that names an object which the state has not got, a resource which the program has not
/// got, or a type which its provider has not got; `snapshot` is the state with the plan's repairs.
pub(super) fn strangers(
    providers: &[Arc<dyn Provider>],
    program: &Program,
    plan: &PlanData,
    snapshot: &Snapshot,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let imports = plan.steps.iter().filter(|step| step.action == Action::Import);
    let imports: HashSet<ResourceId> = imports.map(|step| step.id).collect();
    for step in &plan.steps {
        let mut say = |message: &str| {
            problems.push(Problem {
                address: step.address.clone(),
                field: None,
                message: message.to_owned(),
                declared_at: step.declared_at.clone(),
            });
        };
        let recorded = snapshot.records.contains_key(&step.id);
        let imported = || imports.contains(&step.id);
        match step.action {
            Action::Join => continue,
            Action::Import
                if snapshot.records.get(&step.id).is_some_and(|row| !row.is_unclaimed()) =>
            {
                say("the plan imports an object that is recorded already");
            }
            Action::Import => {}
            Action::Update if imported() => {}
            Action::Ask => {}
            Action::Create if recorded => say("the plan makes it under an id that is taken"),
            Action::Create => {}
            Action::Delete if step.is_of_unmanaged() => match (&step.observed, recorded) {
                (Some(_), false) => {}
                _ => {
                    say("the plan deletes it as what nobody declares, and does not say what it is");
                }
            },
            _ if !recorded => say("the plan changes an object that is not recorded"),
            _ => {}
        }
        let mut named = providers.iter().filter(|provider| provider.name() == step.provider);
        let calls = !matches!(step.action, Action::Forget | Action::Record);
        let has = |provider: &Arc<dyn Provider>| match step.action {
            Action::Ask => provider.lookup(&step.kind).is_some(),
            _ => provider.handler(&step.kind).is_some(),
        };
        if calls && !named.any(has) {
            say("the provider that the plan goes through does not have its type");
        }
        if step.replaces.is_some_and(|id| !snapshot.records.contains_key(&id)) {
            say("the plan replaces an object that is not recorded");
        }
        let declared = program.declares(&step.address, &step.kind);
        if super::values::is_forward(step) && !declared {
            say("the plan makes or changes it, and the program does not declare it");
        }
    }
    problems
}
