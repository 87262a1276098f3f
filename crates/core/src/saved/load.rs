//! The way back: from what lies in a file to a plan that can be applied.

use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
};

use super::{
    Document, LoadPlanError, Made, MovedProvider, SavedPlan, VERSION, stale, steps, values,
};
use crate::{
    declare::{Problem, Program},
    engine::Engine,
    engine::check_hooks,
    gather::Gatherer,
    plan::{Narrow, Plan, Want},
    policy::judge,
    provider::{BoxFuture, Provider},
    stack::Stack,
    state::Snapshot,
};

/// A saved plan that is about to be loaded.
#[must_use = "a plan is loaded when it is awaited"]
pub struct LoadRequest<'e> {
    engine: &'e Engine,
    program: Arc<Program>,
    saved: SavedPlan,
    allow_stale: bool,
}

impl Engine {
    /// Makes a plan of a saved one, with the expressions of `stack`, which is the same program
    /// declared again. Reads, and writes nothing; `.await` it.
    ///
    /// Everything that must be as it was is compared: the version of formwork, the state, where the
    /// providers point, the types, what the program declares, and what it computes of known values.
    /// Whatever differs is refused. [`Engine::apply`] then does those steps, or refuses them
    /// if the state changes meanwhile.
    pub fn load<T>(&self, stack: &Stack<T>, saved: SavedPlan) -> LoadRequest<'_> {
        LoadRequest { engine: self, program: stack.program.clone(), saved, allow_stale: false }
    }
}

impl LoadRequest<'_> {
    /// Accepts a state that was written since the plan was made, where that only left less to do.
    ///
    /// A new plan is made, of the same program and asked for the same, and it is what is returned:
    /// look at it before it is applied. Each of its steps must be in the saved plan, with the same
    /// values where those were known. What is there already, or gone already, is done no second
    /// time; anything else is refused. A state of another lineage is refused all the same.
    pub fn allow_stale(mut self) -> Self {
        self.allow_stale = true;
        self
    }

    async fn run(self) -> Result<Plan, LoadPlanError> {
        let Self { engine, program: base, saved, allow_stale } = self;
        let SavedPlan { document, sealed } = saved;
        if sealed.is_some() {
            return Err(LoadPlanError::Sealed);
        }
        let stack = base.stack.to_string();
        if document.plan.stack != stack {
            return Err(LoadPlanError::OtherStack {
                planned: document.plan.stack,
                declared: stack,
            });
        }
        if document.written_by != VERSION {
            let (wrote, reads) = (document.written_by, VERSION.to_owned());
            return Err(LoadPlanError::OtherVersion { wrote, reads });
        }
        let snapshot = engine.settings.store.load(&stack).await?;
        check_lineage(&document, &snapshot)?;
        let mut stale = document.plan.version != snapshot.version;
        stale |= check_sources(engine, &document, allow_stale).await?;
        // What is recorded instead is what nobody has looked at.
        if stale && (!allow_stale || document.plan.refresh_only) {
            let (was, now) = (document.plan.version, snapshot.version);
            return Err(LoadPlanError::Stale { stack, was, now });
        }
        let decided = document.plan.decided.iter();
        let decided = decided.map(|by| (by.address.clone(), by.value.clone())).collect();
        let program = base.decided(&decided, &[]);
        let program = Arc::new(
            program
                .map_err(|problems| LoadPlanError::Differs { stack: stack.clone(), problems })?,
        );
        let providers = &engine.settings.providers;
        let answers = document.answers.clone();
        let made = Made::of(providers, &program, &document.plan, document.asked.clone(), answers);
        check_targets(engine, &document)?;
        let gatherer = Gatherer {
            providers,
            stack: program.stack.clone(),
            parallelism: engine.settings.parallelism,
            heard: Mutex::default(),
        };
        gatherer.check_targets(&snapshot)?;
        let mut problems = types(&document, &made, &program);
        problems.extend(document.declared.differences(&program));
        refuse(&stack, problems)?;
        if stale {
            return anew(engine, base, &document).await;
        }
        let mut repaired = snapshot;
        for change in document.plan.repairs.clone() {
            repaired.apply(change);
        }
        let mut problems = steps::strangers(providers, &program, &document.plan, &repaired);
        let policies = &engine.settings.policies;
        problems.extend(values::differences(&program, &document, &repaired, policies));
        refuse(&stack, problems)?;
        check_hooks(&engine.settings, &document.plan)?;
        let (mut data, destroys) = (document.plan, document.asked.destroy);
        // What was put right is compared above, and stays as it was planned.
        data.policy.violations.clear();
        judge(policies, &program, &mut data, &repaired, destroys)?;
        Ok(Plan { data, program, made: Arc::new(made) })
    }
}

fn refuse(stack: &str, problems: Vec<Problem>) -> Result<(), LoadPlanError> {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(LoadPlanError::Differs { stack: stack.to_owned(), problems }),
    }
}

/// A plan that was made where there was no state yet has no lineage to compare.
fn check_lineage(document: &Document, snapshot: &Snapshot) -> Result<(), LoadPlanError> {
    let (was, now) = (&document.plan.lineage, &snapshot.lineage);
    if was.is_empty() || was == now {
        return Ok(());
    }
    Err(LoadPlanError::Lineage {
        stack: document.plan.stack.clone(),
        was: was.clone(),
        now: if now.is_empty() { "none yet".to_owned() } else { now.clone() },
    })
}

/// Whether one of the stacks that objects come from was written since.
async fn check_sources(
    engine: &Engine,
    document: &Document,
    allow_stale: bool,
) -> Result<bool, LoadPlanError> {
    let mut stale = false;
    for source in &document.plan.sources {
        let stack = source.stack.clone();
        let now = engine.settings.store.load(&stack).await?;
        if now.lineage != source.lineage {
            let (was, now) = (source.lineage.clone(), now.lineage);
            return Err(LoadPlanError::Lineage { stack, was, now });
        }
        if now.version != source.version {
            if !allow_stale {
                let (was, now) = (source.version, now.version);
                return Err(LoadPlanError::Stale { stack, was, now });
            }
            stale = true;
        }
    }
    Ok(stale)
}

fn check_targets(engine: &Engine, document: &Document) -> Result<(), LoadPlanError> {
    let moved = document.targets.iter().filter_map(|was| {
        let now = engine.providers().find(|provider| provider.name() == was.provider);
        let now = now.map(Provider::target);
        (now.as_ref() != Some(&was.target)).then(|| MovedProvider {
            provider: was.provider.clone(),
            was: was.target.clone(),
            now,
        })
    });
    let moved: Vec<MovedProvider> = moved.collect();
    match moved.is_empty() {
        true => Ok(()),
        false => {
            let stack = document.plan.stack.clone();
            Err(LoadPlanError::OtherTargets { stack, moved })
        }
    }
}

/// Every type that is not as it was.
fn types(document: &Document, made: &Made, program: &Program) -> Vec<Problem> {
    let now = made.shapes(program);
    let mut problems = Vec::new();
    for (kind, was) in &document.types {
        let differ = match now.get(kind) {
            Some(now) => was.differ(now),
            // What is no longer declared at all is told by its address.
            None if document.plan.steps.iter().any(|step| step.kind == *kind) => {
                vec!["no provider has it any more".to_owned()]
            }
            None => Vec::new(),
        };
        let step = document.plan.steps.iter().find(|step| step.kind == *kind);
        let first = document.declared.of_kind(kind).next().or(step.map(|step| &step.address));
        let line = first.and_then(|address| program.by_address.get(address));
        let line = line.map(|at| program.graph[*at].declared_at.to_string());
        problems.extend(differ.into_iter().map(|message| Problem {
            address: first.cloned().unwrap_or_else(|| "".into()),
            field: None,
            message: format!("its type `{kind}`: {message}"),
            declared_at: line.clone().unwrap_or_else(|| "nowhere any more".to_owned()),
        }));
    }
    problems
}

/// A plan of the present state, if it goes nowhere beyond the saved one.
async fn anew(
    engine: &Engine,
    program: Arc<Program>,
    document: &Document,
) -> Result<Plan, LoadPlanError> {
    let stack = document.plan.stack.clone();
    let mut request = engine.plan_of(program);
    // What the plan could not decide is decided in another, and not in what is left of this one.
    request.waits = document.plan.undecided.iter().map(|of| of.address.clone()).collect();
    let asked = &document.asked;
    if asked.destroy {
        request.want = Want::Nothing;
    }
    request.refresh = asked.refresh;
    request.replace = asked.replace.iter().cloned().collect();
    request.skip_hooks = asked.skip_hooks;
    if asked.refresh_only {
        request.want = Want::Records;
    }
    request.narrow = Narrow {
        targets: asked.targets.clone(),
        excludes: asked.excludes.clone(),
        dependencies: asked.target_dependencies,
        dependents: asked.target_dependents,
    };
    let plan = request.await?;
    let problems = stale::beyond(document, &plan);
    match problems.is_empty() {
        true => Ok(plan),
        false => Err(LoadPlanError::Beyond { stack, problems }),
    }
}

impl<'e> IntoFuture for LoadRequest<'e> {
    type Output = Result<Plan, LoadPlanError>;
    type IntoFuture = BoxFuture<'e, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
