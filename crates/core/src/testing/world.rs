//! A whole little world to tell stories in: a modelled cloud, a store that forgets what was not
//! synced, an engine, and the laws that hold after everything that is done.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Cloud, MemoryStore, TestSealer, check_invariants,
    distort::Distorted,
    laws_of_runs::{delete_order, leaks, planned},
    provider,
    run::Run,
};
use crate::{
    apply::{ApplyError, Event},
    declare::Scope,
    engine::{ApplyRequest, Engine, EngineBuilder, PlanRequest},
    identity::Seed,
    plan::{Action, Plan, PlanError, Reason},
    provider::Registry,
    saved::{LoadPlanError, LoadRequest, SavedPlan},
    stack::Stack,
    state::{Record, Snapshot, Status},
};

type Setup = dyn Fn(EngineBuilder) -> EngineBuilder + Send + Sync;
type Extend = dyn Fn(Registry<Cloud>) -> Registry<Cloud> + Send + Sync;

/// A modelled cloud, a store that forgets, and an engine over both, for a story of plans, runs and
/// crashes of one stack.
///
/// Whatever is done, the laws of the engine are asserted after it, and a test that breaks one
/// panics with all that is wrong:
///
/// 1. no object of the cloud is lost from the state;
/// 2. no object that was deleted is still recorded;
/// 3. every reference between rows resolves;
/// 4. an address has at most one current object;
/// 5. an object is deleted after everything that needs it is deleted or has let go of it;
/// 6. a second run has nothing to do and writes nothing ([`World::settle`], [`World::settled`]);
/// 7. a plan writes nothing and changes nothing;
/// 8. what a run did was planned, and no more often than planned;
/// 9. no secret ([`World::secret`]) is in a state file, a plan, a plan file, an event or an error;
/// 10. the journal of the store, replayed, gives the state.
///
/// A run that is cut off, by a crash in the cloud ([`Fault::Crash`](super::Fault::Crash)) or by a
/// power cut in the store ([`MemoryStore::cut_after`]), ends as one whose process was killed: what
/// is not durable is dropped, and the world goes on with what is, after the lease has run out.
///
/// ```
/// use formwork_core::{Scope, testing::{Fault, Op, Thing, World}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let world = World::new();
/// let program = |scope: &mut Scope<'_>| {
///     let a = scope.add("a", Thing::builder().label("one").build());
///     scope.add("b", Thing::builder().refs([&a.id]).build());
/// };
/// // The engine dies when the cloud has made `b` and has not answered yet.
/// world.cloud().fail(Op::Create, "b", 1, Fault::CrashAfter);
/// assert!(world.up(program).await.crashed());
/// // The next run finds it, and makes no second one.
/// assert_eq!(world.settle(program).await.log(), [""; 0]);
/// assert_eq!(world.cloud().ids(), ["a#1", "b#1"]);
/// assert_eq!(world.destroy().await.log(), ["delete b", "delete a"]);
/// # });
/// ```
pub struct World {
    stack: String,
    cloud: Cloud,
    store: Mutex<MemoryStore>,
    parallelism: usize,
    setup: Vec<Arc<Setup>>,
    extend: Vec<Arc<Extend>>,
    secrets: Vec<String>,
    kept: Mutex<BTreeSet<String>>,
    runs: Mutex<u64>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("stack", &self.stack).finish_non_exhaustive()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How it is made.
impl World {
    /// An empty world, with a cloud that is strict about references and eight calls at a time.
    #[must_use]
    pub fn new() -> Self {
        Self::over(Cloud::new(), MemoryStore::new())
    }

    /// A world over a cloud and a store that are there already.
    #[must_use]
    pub fn over(cloud: Cloud, store: MemoryStore) -> Self {
        let seen = store.clone();
        cloud.guests_by(move |host| guests(&seen, host));
        Self {
            stack: "t".to_owned(),
            cloud,
            store: Mutex::new(store),
            parallelism: 8,
            setup: Vec::new(),
            extend: Vec::new(),
            secrets: Vec::new(),
            kept: Mutex::default(),
            runs: Mutex::new(0),
        }
    }

    /// Another stack in the same cloud and store.
    #[must_use]
    pub fn stack(mut self, name: impl Into<String>) -> Self {
        self.stack = name.into();
        self
    }

    /// Has so many calls in flight at most.
    #[must_use]
    pub fn parallelism(mut self, calls: usize) -> Self {
        self.parallelism = calls;
        self
    }

    /// Does not check references in the cloud.
    #[must_use]
    pub fn lenient(self) -> Self {
        self.cloud.lenient();
        self
    }

    /// Adds to the engine: hooks, further providers, the time of a lease.
    #[must_use]
    pub fn engine_with(
        mut self,
        setup: impl Fn(EngineBuilder) -> EngineBuilder + Send + Sync + 'static,
    ) -> Self {
        self.setup.push(Arc::new(setup));
        self
    }

    /// Adds types and lookups over the modelled cloud to its provider, or says where it points.
    #[must_use]
    pub fn provider_with(
        mut self,
        extend: impl Fn(Registry<Cloud>) -> Registry<Cloud> + Send + Sync + 'static,
    ) -> Self {
        self.extend.push(Arc::new(extend));
        self
    }

    /// Plants a secret: a text that must not be found anywhere in clear from now on.
    #[must_use]
    pub fn secret(mut self, text: impl Into<String>) -> Self {
        self.secrets.push(text.into());
        self
    }
}

/// What it is made of.
impl World {
    /// The cloud: its faults, its log, its objects.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The store as it is now; after a crash it is another handle on what was durable.
    #[must_use]
    pub fn store(&self) -> MemoryStore {
        lock(&self.store).clone()
    }

    /// The recorded state of the stack.
    #[must_use]
    pub fn state(&self) -> Snapshot {
        self.store().snapshot(&self.stack)
    }

    /// The row of the current object at an address.
    #[must_use]
    pub fn row(&self, address: &str) -> Option<Record> {
        let state = self.state();
        let current = |row: &&Record| {
            row.address.as_str() == address && row.role == crate::state::Role::Current
        };
        state.records.values().find(current).cloned()
    }

    /// An engine over the cloud and the store.
    ///
    /// # Panics
    /// When [`World::engine_with`] asked for what can not be.
    #[must_use]
    pub fn engine(&self) -> Engine {
        let registry = self.extend.iter().fold(provider(&self.cloud), |to, extend| extend(to));
        let builder = Engine::builder()
            .provider(Distorted::new(registry, &self.cloud))
            .state(self.store())
            .parallelism(self.parallelism);
        let builder = self.setup.iter().fold(builder, |builder, setup| setup(builder));
        builder.try_build().unwrap_or_else(|error| panic!("the engine can not be made: {error}"))
    }

    /// Declares the stack.
    ///
    /// # Panics
    /// When the declaration is wrong; use [`Stack::new`] for one that is meant to be.
    pub fn declare(&self, program: impl FnOnce(&mut Scope<'_>)) -> Stack {
        let stack = Stack::new(&self.stack, program);
        stack.unwrap_or_else(|error| panic!("the program can not be declared: {error}"))
    }

    /// Says that an object was left in the cloud on purpose, where the world does not know by itself
    /// (it does of what a plan says is retained).
    pub fn keep(&self, id: impl Into<String>) {
        lock(&self.kept).insert(id.into());
    }

    /// Lets the process end at once: what is not durable is gone, and the lease runs out.
    pub fn crash(&self) {
        self.store().crash();
        self.revive();
    }

    /// Goes on with what is durable, if the power was cut.
    fn revive(&self) -> bool {
        let mut store = lock(&self.store);
        let cut = store.is_cut();
        if cut {
            *store = store.reopen();
            store.expire_leases();
        }
        cut
    }
}

/// What is done in it.
impl World {
    /// Plans the program.
    ///
    /// # Errors
    /// Whatever the engine refuses it with.
    pub async fn plan(&self, program: impl FnOnce(&mut Scope<'_>)) -> Result<Plan, PlanError> {
        self.ask(program, |request| request).await
    }

    /// Plans with options: `|request| request.target("network").replace("network/vpc")`.
    ///
    /// # Errors
    /// Whatever the engine refuses it with.
    pub async fn ask(
        &self,
        program: impl FnOnce(&mut Scope<'_>),
        how: impl for<'e> FnOnce(PlanRequest<'e>) -> PlanRequest<'e>,
    ) -> Result<Plan, PlanError> {
        let stack = self.declare(program);
        self.plan_of(&stack, how).await
    }

    /// Plans a stack that was declared already: its outputs can be read after a run.
    ///
    /// # Errors
    /// Whatever the engine refuses it with.
    pub async fn plan_of<T>(
        &self,
        stack: &Stack<T>,
        how: impl for<'e> FnOnce(PlanRequest<'e>) -> PlanRequest<'e>,
    ) -> Result<Plan, PlanError> {
        let seed = {
            let mut runs = lock(&self.runs);
            *runs += 1;
            Seed::fixed(*runs)
        };
        let before = (self.store().dump(), self.cloud.objects(), self.cloud.mutations());
        let engine = self.engine();
        let plan = how(engine.plan(stack).seed(seed)).await;
        let after = (self.store().dump(), self.cloud.objects(), self.cloud.mutations());
        assert!(before == after, "a plan wrote or changed something");
        match &plan {
            Ok(plan) => self.no_leak("a plan", &[plan.to_string(), format!("{plan:?}")]),
            Err(error) => {
                self.no_leak("the error of a plan", &[error.to_string(), format!("{error:?}")]);
            }
        }
        plan
    }

    /// Applies a plan.
    pub async fn apply(&self, plan: Plan) -> Run {
        self.apply_with(plan, |request| request).await
    }

    /// Applies a plan with options: a token to cancel it, whether it goes on after a failure.
    ///
    /// # Panics
    /// When a law is broken.
    pub async fn apply_with(
        &self,
        plan: Plan,
        how: impl for<'e> FnOnce(ApplyRequest<'e>) -> ApplyRequest<'e>,
    ) -> Run {
        self.cloud.clear_log();
        let before = self.state();
        let there = self.cloud.objects();
        let lost_before = self.cloud.lost().len();
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = events.clone();
        let engine = self.engine();
        let result = {
            let request = engine.apply(plan.clone()).events(move |event: Event| {
                lock(&sink).push(event);
            });
            let run = how(request).into_future();
            tokio::select! {
                biased;
                () = self.cloud.crashed() => None,
                result = run => Some(result),
            }
        };
        if result.is_none() {
            self.store().crash();
        }
        let cut = self.revive();
        let calls = self.cloud.log();
        let events = std::mem::take(&mut *lock(&events));
        let crashed = cut || result.is_none();
        let run = Run { plan, result, events, calls, crashed };
        self.note_kept(&run, &before);
        self.check();
        let mut broken = planned(run.plan.data(), &run.calls);
        if self.cloud.lost().len() == lost_before {
            broken.extend(delete_order(run.plan.data(), &before, &there, &run.calls));
        }
        assert!(
            broken.is_empty(),
            "broken:\n  {}\n{}{}",
            broken.join("\n  "),
            run.plan,
            run.events_text()
        );
        let mut told = vec![run.events_text(), format!("{:?}", run.events)];
        told.extend(run.events.iter().filter_map(|event| serde_json::to_string(event).ok()));
        if let Some(Err(error)) = &run.result {
            told.extend([error.to_string(), format!("{error:?}")]);
        }
        self.no_leak("what a run tells", &told);
        run
    }

    /// Plans and applies.
    ///
    /// # Panics
    /// When there is no plan, or a law is broken.
    pub async fn up(&self, program: impl FnOnce(&mut Scope<'_>)) -> Run {
        self.up_with(program, |request| request).await
    }

    /// Plans with options, and applies.
    ///
    /// # Panics
    /// When there is no plan, or a law is broken.
    pub async fn up_with(
        &self,
        program: impl FnOnce(&mut Scope<'_>),
        how: impl for<'e> FnOnce(PlanRequest<'e>) -> PlanRequest<'e>,
    ) -> Run {
        let plan = self.ask(program, how).await;
        self.apply(plan.unwrap_or_else(|error| panic!("no plan: {error}"))).await
    }

    /// Brings the records up to what is there.
    ///
    /// # Panics
    /// When there is no plan, or a law is broken.
    pub async fn refresh(&self, program: impl FnOnce(&mut Scope<'_>)) -> Run {
        self.up_with(program, refreshing).await
    }

    /// Destroys everything, with a program that declares nothing.
    ///
    /// # Panics
    /// When there is no plan, or a law is broken.
    pub async fn destroy(&self) -> Run {
        self.up_with(|_| (), destroying).await
    }

    /// Plans, applies what must succeed, and shows that a second run has nothing to do.
    ///
    /// # Panics
    /// When anything goes wrong.
    pub async fn settle(&self, program: impl Fn(&mut Scope<'_>)) -> Run {
        let run = self.up(&program).await.ok();
        self.settled(program).await;
        run
    }

    /// Shows that a run has nothing to do, changes nothing, and writes nothing.
    ///
    /// # Panics
    /// When it does.
    pub async fn settled(&self, program: impl Fn(&mut Scope<'_>)) {
        let writes = self.store().writes();
        let plan = self.plan(&program).await.unwrap_or_else(|error| panic!("no plan: {error}"));
        assert!(plan.is_empty() && plan.data().steps.is_empty(), "not settled:\n{plan}");
        let run = self.apply(plan).await.ok();
        assert_eq!(run.log(), Vec::<String>::new(), "a run with nothing to do changed something");
        assert_eq!(self.store().writes(), writes, "a run with nothing to do wrote to the state");
    }

    /// Saves a plan as a file, sealed by [`TestSealer`].
    ///
    /// # Panics
    /// When it can not be saved, or a secret is in it.
    #[must_use]
    pub fn save(&self, plan: &Plan) -> Vec<u8> {
        let bytes = SavedPlan::new(plan).to_bytes(Some(&TestSealer(1)));
        let bytes = bytes.unwrap_or_else(|error| panic!("the plan can not be saved: {error}"));
        self.no_leak("a plan file", &[String::from_utf8_lossy(&bytes).into_owned()]);
        bytes
    }

    /// Loads a plan from the file that [`World::save`] made, for the program as it is now.
    ///
    /// # Errors
    /// Whatever the engine refuses it with; nothing was changed then.
    ///
    /// # Panics
    /// When the file can not be read.
    pub async fn load(
        &self,
        file: &[u8],
        program: impl FnOnce(&mut Scope<'_>),
        how: impl for<'e> FnOnce(LoadRequest<'e>) -> LoadRequest<'e>,
    ) -> Result<Plan, LoadPlanError> {
        let saved = SavedPlan::from_bytes(file).and_then(|saved| saved.open(Some(&TestSealer(1))));
        let saved = saved.unwrap_or_else(|error| panic!("the file can not be read: {error}"));
        let stack = self.declare(program);
        let engine = self.engine();
        let before = (self.store().dump(), self.cloud.objects(), self.cloud.mutations());
        let loaded = how(engine.load(&stack, saved)).await;
        let after = (self.store().dump(), self.cloud.objects(), self.cloud.mutations());
        assert!(before == after, "loading a plan wrote or changed something");
        if let Err(error) = &loaded {
            self.no_leak("the error of a load", &[error.to_string(), format!("{error:?}")]);
        }
        loaded
    }

    /// Asserts the laws of state and cloud.
    ///
    /// # Panics
    /// When one is broken.
    pub fn check(&self) {
        let store = self.store();
        let (lost, kept) = (self.cloud.lost(), lock(&self.kept).clone());
        let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        check_invariants(&self.state(), &self.cloud, &lost, &kept);
        store.check_replay();
        self.no_leak("the state", &[store.dump().to_string()]);
    }

    fn no_leak(&self, place: &str, texts: &[String]) {
        let found = leaks(&self.secrets, texts);
        assert!(found.is_empty(), "a secret is in {place}: {found:?}");
    }

    /// What a plan retains is left in the cloud on purpose.
    fn note_kept(&self, run: &Run, before: &Snapshot) {
        let mut kept = lock(&self.kept);
        for step in &run.plan.data().steps {
            let forgets = step.action == Action::Forget;
            if forgets && step.reasons.contains(&Reason::Retained) {
                let ids = step.takes_along.iter().chain([&step.id]);
                let rows = ids.filter_map(|id| before.records.get(id));
                kept.extend(rows.filter_map(physical).map(str::to_owned));
            }
        }
    }
}

fn refreshing(request: PlanRequest<'_>) -> PlanRequest<'_> {
    request.refresh_only()
}

fn destroying(request: PlanRequest<'_>) -> PlanRequest<'_> {
    request.destroy()
}

/// The id of a row's object in the modelled cloud.
pub(super) fn physical(row: &Record) -> Option<&str> {
    row.outputs.get("id").and_then(|id| id.as_str())
}

/// What lives on an object, as the state says now.
fn guests(store: &MemoryStore, host: &str) -> Vec<String> {
    let mut found = Vec::new();
    for stack in store.names() {
        let state = store.snapshot(&stack);
        let there = |row: &&Record| row.status != Status::Absent;
        let hosts = state.records.values().filter(there).filter(|row| physical(row) == Some(host));
        for host in hosts.map(|row| row.id) {
            let on = state.records.values().filter(|row| row.options.deleted_with == Some(host));
            found.extend(on.filter_map(physical).map(str::to_owned));
        }
    }
    found
}

/// What a run ended with, if its process lived to see it.
pub(super) type Ended = Option<Result<crate::apply::Live, ApplyError>>;
