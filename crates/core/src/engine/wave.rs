//! Programs that are decided by values: planned again until the values that decide them are those that
//! the plan comes to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::{PlanRequest, Wave};
use crate::{
    declare::{Decisions, NodeKind, Problem, Program},
    gather::Gatherer,
    identity::Seed,
    plan::{Plan, PlanError, Want, follow},
    state::{Record, Role, Snapshot, Status},
    value::Value,
};

/// How often a program is decided anew. Each time more is known, or it was a wrong guess, so this is
/// far more than there are decisions in each other.
const ROUNDS: usize = 100;

impl PlanRequest<'_> {
    pub(super) async fn run(self) -> Result<Plan, PlanError> {
        let settings = &self.engine.settings;
        let heard = Mutex::default();
        let seed = match self.seed {
            Some(seed) => seed,
            None => Seed::random().map_err(|error| PlanError::Seed(error.to_string()))?,
        };
        let snapshot = settings.store.load(&self.program.stack).await?;
        if self.program.deciders.is_empty() {
            // Nothing to guess, so nothing to copy.
            let planned = self.plan_decided(self.program.clone(), snapshot, &heard, seed).await?;
            if let Wave::Plan(plan) = planned {
                return Ok(*plan);
            }
            return Err(self.undecidable());
        }
        let mut renamed = snapshot.clone();
        let gatherer = Gatherer {
            providers: &settings.with(&self.program).providers,
            defaults: settings.providers.len(),
            stack: self.program.stack.clone(),
            parallelism: settings.parallelism,
            heard: &heard,
        };
        gatherer.rename(&self.program, &mut renamed, |_| self.narrow.is_whole());
        let mut program = self.recorded(&renamed)?;
        let mut guessed = self.want == Want::Program && !program.decisions().is_empty();
        for _ in 0..ROUNDS {
            match self.plan_decided(program, snapshot.clone(), &heard, seed).await {
                Ok(Wave::Plan(plan)) => return Ok(*plan),
                Ok(Wave::By(decisions)) => program = self.decided(&decisions)?,
                Err(error) if guessed && may_be_of_a_guess(&error) => {
                    program = self.decided(&Decisions::new())?;
                }
                Err(error) => return Err(error),
            }
            guessed = false;
        }
        Err(self.undecidable())
    }

    fn undecidable(&self) -> PlanError {
        let message = "what decides its subtrees is another value each time that they are declared";
        self.invalid(vec![Problem {
            address: "".into(),
            field: None,
            message: message.to_owned(),
            declared_at: "its calls of `decide`".to_owned(),
        }])
    }

    /// Refuses providers of the program that the engine has too: records could not tell them apart.
    pub(super) fn check_brought(&self, program: &Program) -> Result<(), PlanError> {
        let known = |name: &str| self.engine.settings.providers.iter().any(|p| p.name() == name);
        let twice = program.providers.iter().filter(|provider| known(provider.name()));
        let problems: Vec<Problem> = twice
            .map(|provider| Problem {
                address: "".into(),
                field: None,
                message: format!("the engine has a provider `{}` already", provider.name()),
                declared_at: "its call of `provider`".to_owned(),
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(self.invalid(problems)) }
    }

    fn invalid(&self, problems: Vec<Problem>) -> PlanError {
        PlanError::Invalid { stack: self.program.stack.to_string(), problems }
    }

    fn decided(&self, decisions: &Decisions) -> Result<Arc<Program>, PlanError> {
        let decided = self.program.decided(decisions, &self.waits);
        decided.map(Arc::new).map_err(|problems| self.invalid(problems))
    }

    /// The program as it is decided by what is recorded: all there is to go by where nothing is to be
    /// made, and the best guess elsewhere.
    fn recorded(&self, snapshot: &Snapshot) -> Result<Arc<Program>, PlanError> {
        if self.program.deciders.is_empty() {
            return Ok(self.program.clone());
        }
        let mut decisions = Decisions::new();
        for _ in 0..ROUNDS {
            let program = match self.decided(&decisions) {
                Ok(program) => program,
                // A guess that can not be declared may be a wrong one.
                Err(_) if self.want == Want::Program => break,
                Err(error) => return Err(error),
            };
            let found = program.recorded_decisions(snapshot)?;
            if found == decisions {
                return Ok(program);
            }
            decisions = found;
        }
        self.decided(&Decisions::new())
    }
}

/// Whether a wrong guess may be all that is wrong: what is not there may be declared, and what was asked
/// may not be, once it is known.
fn may_be_of_a_guess(error: &PlanError) -> bool {
    matches!(
        error,
        PlanError::UnknownAddresses { .. }
            | PlanError::Lookup { .. }
            | PlanError::NoProvider { .. }
            | PlanError::Invalid { .. }
    )
}

impl Program {
    /// The values that decide its subtrees, by what is recorded.
    fn recorded_decisions(&self, snapshot: &Snapshot) -> Result<Decisions, PlanError> {
        let mut moved = snapshot.clone();
        for change in follow(self, snapshot)?.changes {
            moved.apply(change);
        }
        let current = |row: &&Record| row.role == Role::Current && row.status != Status::Absent;
        let rows: HashMap<(&str, &str), &Value> = moved
            .records
            .values()
            .filter(current)
            .map(|row| ((row.address.as_str(), row.kind.as_str()), &row.outputs))
            .collect();
        let mut outputs = vec![Value::Unknown; self.graph.node_count()];
        let mut decisions = Decisions::new();
        for at in self.order.iter().copied() {
            let node = &self.graph[at];
            let reported = match node.kind {
                NodeKind::Resource(of) => {
                    rows.get(&(node.address.as_str(), of.kind)).map(|outputs| (*outputs).clone())
                }
                NodeKind::Lookup { .. } => {
                    moved.pins.get(&node.address).map(|pin| pin.answer.clone())
                }
                NodeKind::Decide => {
                    let value = node.inputs.resolve(&|id| outputs.get(id.0 as usize));
                    if let Some(value) = value.ok().filter(Value::is_known) {
                        decisions.insert(node.address.clone(), value);
                    }
                    self.result(at, &outputs)
                }
            };
            outputs[at.index()] = reported.unwrap_or(Value::Unknown);
        }
        Ok(decisions)
    }
}
