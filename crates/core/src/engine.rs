//! The engine: plan a stack, apply a plan.

mod dry_run;
mod import;
mod late;
mod narrow;
mod policies;
mod record;
mod wave;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    future::IntoFuture,
    sync::{Arc, Mutex},
    time::Duration,
};

pub use record::{RecordError, Recorded};

use crate::{
    apply::{self, ApplyError, CancelToken, EventSink, Live, Settings},
    declare::{Decisions, Options, Program},
    gather::{Anew, Gatherer, Readiness, Recovery},
    hook::{ErrorAction, HookCall, Hooks, MissingHook},
    identity::{Address, ResourceId, Seed},
    panics::{bug, caught_now},
    plan::{
        Action, Arrivals, Children, Facts, Imports, Move, Moves, Narrow, Observation, Plan,
        PlanData, PlanError, RefreshMode, Selection, Want, arrive, compute, departed, follow,
    },
    policy::{Exemption, Policy, judge},
    provider::{BoxFuture, Provider},
    saved::{Asked, Made},
    schema::ResourceType,
    stack::Stack,
    state::{Change, Pin, ProviderTarget, Record, Snapshot, StateStore},
};

/// Plans stacks and applies plans, with the given providers and store.
///
/// It starts no runtime, installs no signal handler, and prints nothing; its futures run wherever
/// they are polled.
#[derive(Clone)]
pub struct Engine {
    pub(crate) settings: Settings,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: Vec<&str> = self.settings.providers.iter().map(|p| p.name()).collect();
        f.debug_struct("Engine")
            .field("providers", &providers)
            .field("parallelism", &self.settings.parallelism)
            .finish_non_exhaustive()
    }
}

/// Makes an [`Engine`].
#[derive(Default)]
pub struct EngineBuilder {
    providers: Vec<Arc<dyn Provider>>,
    hooks: Hooks,
    same_hook: Option<String>,
    policies: Vec<Policy>,
    exemptions: Vec<Exemption>,
    store: Option<Arc<dyn StateStore>>,
    parallelism: Option<usize>,
    holder: Option<String>,
    lease_ttl: Option<Duration>,
}

/// An engine without a store can not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No store was given.
    #[error("an engine needs a state store: call `.state(..)`")]
    NoStore,
    /// Two providers have one name.
    #[error("two providers have the same name: records could not tell them apart")]
    SameName,
    /// A hook is to run while a plan is made, and there is none of that name.
    #[error("there is no hook `{0}` to run while a plan is made")]
    NoHook(String),
    /// Two hooks have one name.
    #[error("two hooks are called `{0}`: a resource names its hooks")]
    SameHook(String),
    /// Two policies have one name.
    #[error("two policies are called `{0}`: an exemption names its policy")]
    SamePolicy(String),
    /// Something is exempt from a policy that is not there.
    #[error("{address} is exempt from the policy `{policy}`, which is not there")]
    UnknownPolicy {
        /// What is exempt.
        address: Address,
        /// The policy's name.
        policy: String,
    },
    /// Something is exempt from a policy, and nobody says why.
    #[error("{address} is exempt from the policy `{policy}` without a reason")]
    NoReason {
        /// What is exempt.
        address: Address,
        /// The policy's name.
        policy: String,
    },
}

impl EngineBuilder {
    /// Adds a provider. The first that has a type is that type's default one.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider + 'static) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Adds a provider that is shared.
    #[must_use]
    pub fn shared_provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// Adds a hook, for resources that name it: see [`HookPoint`](crate::HookPoint) for when it runs and what its
    /// failure means.
    #[must_use]
    pub fn hook<F, E>(
        self,
        name: impl Into<String>,
        hook: impl Fn(HookCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.error_hook(name, move |call| {
            let done = hook(call);
            async move { done.await.map(|()| ErrorAction::Fail) }
        })
    }

    /// Adds a hook that says what is done about an error, for [`HookPoint::OnError`](crate::HookPoint::OnError).
    #[must_use]
    pub fn error_hook<F, E>(
        mut self,
        name: impl Into<String>,
        hook: impl Fn(HookCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<ErrorAction, E>> + Send + 'static,
        E: fmt::Display,
    {
        let name = name.into();
        if !self.hooks.add(name.clone(), hook) {
            self.same_hook.get_or_insert(name);
        }
        self
    }

    /// Lets the hook of this name run while a plan is made, too, with
    /// [`HookCall::dry_run`](crate::HookCall::dry_run) set: around each step that would run it, in the order of the
    /// steps. If it fails there is no plan.
    ///
    /// A plan changes nothing, and such a hook must not either. It does not run where the plan is
    /// made with [`PlanRequest::skip_hooks`], nor for a plan that is loaded from a file.
    #[must_use]
    pub fn dry_run(mut self, name: impl Into<String>) -> Self {
        self.hooks.dry_run(name.into());
        self
    }

    /// Sets the store.
    #[must_use]
    pub fn state(mut self, store: impl StateStore + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets a store that is shared.
    #[must_use]
    pub fn shared_state(mut self, store: Arc<dyn StateStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets how many calls may be in flight at a time; at least one. Default 16.
    #[must_use]
    pub fn parallelism(mut self, calls: usize) -> Self {
        self.parallelism = Some(calls.max(1));
        self
    }

    /// Says who holds the lease, in words a person can act on.
    #[must_use]
    pub fn holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = Some(holder.into());
        self
    }

    /// Sets how long a lease lasts without a heartbeat. Default 30 s.
    #[must_use]
    pub fn lease_ttl(mut self, ttl: Duration) -> Self {
        self.lease_ttl = Some(ttl.max(Duration::from_millis(10)));
        self
    }

    /// Makes the engine.
    ///
    /// # Errors
    /// When there is no store, when two providers, hooks or policies share a name, when a hook is to
    /// run while a plan is made that is not there, or an exemption is from no policy or without a
    /// reason.
    pub fn try_build(self) -> Result<Engine, BuildError> {
        let mut names = HashSet::new();
        if !self.providers.iter().all(|provider| names.insert(provider.name())) {
            return Err(BuildError::SameName);
        }
        drop(names);
        if let Some(name) = self.same_hook {
            return Err(BuildError::SameHook(name));
        }
        if let Some(name) = self.hooks.unknown() {
            return Err(BuildError::NoHook(name.to_owned()));
        }
        let policies = policies::checked(self.policies, self.exemptions)?;
        Ok(Engine {
            settings: Settings {
                providers: self.providers,
                hooks: Arc::new(self.hooks),
                policies: Arc::new(policies),
                store: self.store.ok_or(BuildError::NoStore)?,
                parallelism: self.parallelism.unwrap_or(16),
                holder: self.holder.unwrap_or_else(|| "formwork".to_owned()),
                lease_ttl: self.lease_ttl.unwrap_or(Duration::from_secs(30)),
            },
        })
    }
}

impl Engine {
    /// Starts an engine.
    #[must_use]
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Plans what it takes to make `stack` so. Reads, and writes nothing; `.await` it, or ask for
    /// something special first.
    pub fn plan<T>(&self, stack: &Stack<T>) -> PlanRequest<'_> {
        self.plan_of(stack.program.clone())
    }

    pub(crate) fn plan_of(&self, program: Arc<Program>) -> PlanRequest<'_> {
        PlanRequest {
            engine: self,
            program,
            want: Want::Program,
            narrow: Narrow::default(),
            refresh: RefreshMode::default(),
            again: false,
            replace: HashSet::new(),
            import: BTreeMap::new(),
            skip_hooks: false,
            waits: Vec::new(),
            seed: None,
        }
    }

    /// Does what `plan` says; `.await` it, or add events and cancellation first.
    pub fn apply(&self, plan: Plan) -> ApplyRequest<'_> {
        let cancel = CancelToken::default();
        ApplyRequest { engine: self, plan, events: None, cancel, goes_on: true }
    }

    /// The recorded state of a stack.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn state(&self, stack: &str) -> Result<Snapshot, crate::state::StateError> {
        self.settings.store.load(stack).await
    }

    /// The providers, in the order they were added.
    pub fn providers(&self) -> impl Iterator<Item = &dyn Provider> {
        self.settings.providers.iter().map(AsRef::as_ref)
    }

    /// The type `kind`, if a provider has it.
    #[must_use]
    pub fn resource_type(&self, kind: &str) -> Option<&'static ResourceType> {
        self.settings.providers.iter().find_map(|p| Some(p.handler(kind)?.resource_type()))
    }
}

/// What came of planning by some values.
enum Wave {
    Plan(Box<Plan>),
    /// It is these that are known.
    By(Decisions),
}

/// What was gathered for one computation of a plan.
#[derive(Clone)]
struct Gathered {
    selection: Selection,
    snapshot: Snapshot,
    recovery: Recovery,
    observed: HashMap<ResourceId, Observation>,
    readiness: HashMap<ResourceId, Readiness>,
    children: Children,
    answers: HashMap<Address, Pin>,
    moves: Moves,
    imports: Imports,
    seed: Seed,
}

/// A plan that is about to be made.
#[must_use = "a plan is made when it is awaited"]
pub struct PlanRequest<'e> {
    engine: &'e Engine,
    program: Arc<Program>,
    pub(crate) want: Want,
    pub(crate) narrow: Narrow,
    pub(crate) refresh: RefreshMode,
    again: bool,
    pub(crate) replace: HashSet<Address>,
    /// What is to be taken over, beside what the program says.
    pub(crate) import: BTreeMap<Address, String>,
    pub(crate) skip_hooks: bool,
    /// The subtrees that are not decided, whatever is known.
    pub(crate) waits: Vec<Address>,
    seed: Option<Seed>,
}

impl PlanRequest<'_> {
    /// Plans the removal of everything instead. The program is declared all the same, for its
    /// options.
    pub fn destroy(mut self) -> Self {
        self.want = Want::Nothing;
        self
    }

    /// Sets how much of the cloud is looked at.
    pub fn refresh(mut self, mode: RefreshMode) -> Self {
        self.refresh = mode;
        self
    }

    /// Asks the lookups again instead of using their recorded answers.
    pub fn refresh_lookups(mut self) -> Self {
        self.again = true;
        self
    }

    /// Replaces the resource at this address, changed or not. Where the plan is narrowed to targets,
    /// it is one of them. Means nothing where all is destroyed, or records are refreshed.
    ///
    /// # Errors
    /// When the program declares no resource there: [`PlanError::UnknownAddresses`].
    pub fn replace(mut self, address: impl Into<Address>) -> Self {
        self.replace.insert(address.into());
        self
    }

    /// Runs no hook in this run, and so needs none to be there.
    pub fn skip_hooks(mut self) -> Self {
        self.skip_hooks = true;
        self
    }

    /// Takes ids and names from this seed instead of the system's randomness.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The plan of `program`, which `self.program` is when it is decided by some values; or by which
    /// other values it has to be decided.
    async fn plan_decided(
        &self,
        program: Arc<Program>,
        mut snapshot: Snapshot,
        heard: &Mutex<Vec<Pin>>,
        seed: Seed,
    ) -> Result<Wave, PlanError> {
        let settings = &self.engine.settings.with(&program);
        self.check_brought(&program)?;
        let gatherer = &Gatherer {
            providers: &settings.providers,
            defaults: self.engine.settings.providers.len(),
            stack: program.stack.clone(),
            parallelism: settings.parallelism,
            heard,
        };
        let chosen = match self.narrow.is_whole() || gatherer.providers.len() == gatherer.defaults {
            true => None,
            false => {
                let replace = self.replace.iter().chain(self.import.keys());
                Some(self.narrow.select(&program, &snapshot, self.want, replace)?)
            }
        };
        let renamed = gatherer.rename(&program, &mut snapshot, |record| {
            chosen.as_ref().is_none_or(|chosen| chosen.contains(&record.address))
        });
        // What went through a provider that is undecided itself can not be looked at.
        let out_of_sight = |record: &Record| {
            self.want != Want::Nothing
                && program.is_undecided(&record.address)
                && gatherer.provider(&record.provider, &record.kind).is_none()
        };
        let replace = self.replace.iter().chain(self.import.keys());
        let mut arrivals = self.arrivals(&program, &mut snapshot).await?;
        self.refuse_moving(&program, &snapshot, &arrivals)?;
        let selection = self.narrow.select(&program, &snapshot, self.want, replace)?;
        gatherer.check_targets(&selection.view(&snapshot))?;
        let upgraded = gatherer.upgrade(&selection.read(&snapshot))?;
        let upgraded = renamed.written(&snapshot, &selection, upgraded);
        for change in upgraded.clone() {
            snapshot.apply(change);
        }
        let mut view = selection.view(&snapshot);
        if program.undecided().next().is_some() {
            let records = snapshot.records.clone();
            view.to_mut().intents.retain(|id, intent| {
                let record = intent.record.as_deref().or_else(|| records.get(id));
                !record.is_some_and(out_of_sight)
            });
        }
        let mut recovery = gatherer.recover(&view).await?;
        drop(view);
        for change in recovery.repairs.clone() {
            snapshot.apply(change);
        }
        recovery.repairs.splice(..0, upgraded);
        recovery.repairs.splice(..0, std::mem::take(&mut arrivals.changes));
        let mut moves = follow(&program, &snapshot)?;
        for change in moves.changes.clone() {
            snapshot.apply(change);
        }
        recovery.repairs.extend(moves.changes.clone());
        moves.arrive(&mut arrivals);
        // By a wrong guess it may declare what it does not: that is refused once it is known.
        let over = departed(&program, &snapshot, self.want, &selection);
        recovery.repairs.extend(over.iter().flatten().cloned());
        let late = program.late_lookups();
        let (mut answers, mut pins) = (HashMap::new(), Vec::new());
        match self.want {
            Want::Nothing if selection.is_whole() => {
                pins.extend(snapshot.pins.keys().cloned().map(Change::Unpin));
            }
            // Of what is left, some may have been told by them.
            Want::Nothing => {}
            Want::Program | Want::Records => {
                let anew = self.asks_anew();
                (answers, pins) =
                    gatherer.answers(&program, &snapshot, &selection, &late, anew).await?;
            }
        }
        if self.want == Want::Records {
            let (recorded, late, anew) = (&snapshot, &late, self.asks_anew());
            gatherer
                .recorded_answers(&program, recorded, &selection, late, anew, &mut answers)
                .await?;
            let new = answers.values().filter(|pin| snapshot.pins.get(&pin.address) != Some(pin));
            let known = |pin: &&Pin| !pins.contains(&Change::Pin((*pin).clone()));
            pins.extend(new.filter(known).cloned().map(Change::Pin).collect::<Vec<_>>());
        }
        for change in pins.clone() {
            snapshot.apply(change);
        }
        recovery.repairs.extend(pins);
        // Whatever is believed, these have to be looked at.
        let unseen = |record: &Record| {
            recovery.uncertain.contains_key(&record.id)
                || record.is_unfinished()
                || record.is_unclaimed()
        };
        let destroys = self.want == Want::Nothing;
        let chosen = |record: &Record| selection.contains(&record.address) && !out_of_sight(record);
        let refresh = match self.want {
            Want::Records => RefreshMode::List,
            Want::Program | Want::Nothing => self.refresh,
        };
        let mut observed = match refresh {
            // What is destroyed with its host is not looked at: the host goes anyway.
            RefreshMode::List => {
                let wanted = |record: &Record| {
                    chosen(record) && (!destroys || record.options.deleted_with.is_none())
                };
                gatherer.observe(&snapshot, &wanted).await?
            }
            RefreshMode::Minimal => {
                let mut facts = Gathered {
                    selection: selection.clone(),
                    snapshot: snapshot.clone(),
                    recovery: recovery.clone(),
                    observed: HashMap::new(),
                    readiness: HashMap::new(),
                    children: Children::default(),
                    answers: answers.clone(),
                    moves: moves.clone(),
                    imports: Imports::default(),
                    seed,
                };
                let decided = self.ask_late(gatherer, &program, &late, &mut facts).await?;
                if decided.is_some_and(|decided| decided != program.decisions()) {
                    // With all of it observed it may well be this, so it is found out then.
                    gatherer.observe(&snapshot, &|record| chosen(record)).await?
                } else {
                    let blind = self.compute(gatherer, &program, facts)?;
                    let touched: HashSet<_> = blind
                        .steps
                        .iter()
                        .filter(|step| matches!(step.action, Action::Update | Action::Delete))
                        .map(|step| step.id)
                        .collect();
                    let wanted = |record: &Record| {
                        chosen(record) && (touched.contains(&record.id) || unseen(record))
                    };
                    gatherer.observe(&snapshot, &wanted).await?
                }
            }
            RefreshMode::None => {
                gatherer.observe(&snapshot, &|record| chosen(record) && unseen(record)).await?
            }
        };
        let there = |record: &Record| match refresh {
            RefreshMode::List => {
                matches!(observed.get(&record.id), Some(Observation::There(_)))
            }
            RefreshMode::Minimal | RefreshMode::None => chosen(record),
        };
        let looks = refresh == RefreshMode::List;
        let mut children = gatherer.children(&snapshot, &there, looks).await?;
        gatherer.going_children(&snapshot, &recovery.going, &mut children);
        for id in &recovery.deleting {
            observed.insert(*id, Observation::Gone);
        }
        let readiness = match self.want {
            Want::Records => {
                let told = |record: &Record| {
                    let open = snapshot.intents.contains_key(&record.id);
                    chosen(record) && !open && !recovery.uncertain.contains_key(&record.id)
                };
                gatherer.readiness(&snapshot, &observed, &told).await?
            }
            Want::Program | Want::Nothing => HashMap::new(),
        };
        let asked = Asked {
            destroy: destroys,
            refresh: self.refresh,
            refresh_lookups: self.again,
            replace: self.replace.iter().cloned().collect(),
            import: self.import.clone(),
            skip_hooks: self.skip_hooks,
            targets: self.narrow.targets.clone(),
            excludes: self.narrow.excludes.clone(),
            target_dependencies: self.narrow.dependencies,
            target_dependents: self.narrow.dependents,
            refresh_only: self.want == Want::Records,
        };
        let imports = Imports::new(self.import.clone());
        let mut facts = Gathered {
            selection,
            snapshot,
            recovery,
            observed,
            readiness,
            children,
            answers,
            moves,
            imports,
            seed,
        };
        self.import_named(gatherer, &program, &mut facts).await?;
        let decided = self.ask_late(gatherer, &program, &late, &mut facts).await?;
        if let Some(decided) = decided.filter(|decided| *decided != program.decisions()) {
            return Ok(Wave::By(decided));
        }
        over?;
        let pins = facts.answers.values().cloned().collect();
        let recorded = facts.snapshot.targets.clone();
        let rows = dry_run::rows(settings, &facts.snapshot);
        let judged = policies::judged(&settings.policies, &facts.snapshot);
        let mut data = self.adopting(gatherer, &program, facts).await?;
        judge(&settings.policies, &program, &mut data, &judged, destroys)?;
        data.repairs.extend(targets(settings, &data, &recorded));
        data.skip_hooks = self.skip_hooks;
        data.sources = arrivals.sources;
        check_hooks(settings, &data)?;
        dry_run::run(settings, &data, &rows).await?;
        let made = Made::of(&settings.providers, &program, &data, asked, pins);
        Ok(Wave::Plan(Box::new(Plan { data, program, made: Arc::new(made) })))
    }

    /// What comes from other stacks. What is to be destroyed takes nothing in.
    async fn arrivals(
        &self,
        program: &Program,
        snapshot: &mut Snapshot,
    ) -> Result<Arrivals, PlanError> {
        if self.want == Want::Nothing {
            return Ok(Arrivals::default());
        }
        let mut sources = BTreeMap::new();
        for stack in program.arrivals.keys() {
            let source = self.engine.settings.store.load(stack).await?;
            sources.insert(stack.clone(), source);
        }
        arrive(program, snapshot, &sources)
    }

    /// Refuses to plan a part of what has moved: addresses say what is in the part, and old ones would
    /// not. A call that was cut off may have left an object at one.
    fn refuse_moving(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        arrivals: &Arrivals,
    ) -> Result<(), PlanError> {
        if self.narrow.is_whole() || (program.moves.is_empty() && arrivals.moves.is_empty()) {
            return Ok(());
        }
        let mut moves = arrivals.moves.clone();
        moves.extend(follow(program, snapshot)?.moves);
        for record in snapshot.intents.values().filter_map(|intent| intent.record.as_deref()) {
            let known = snapshot.records.contains_key(&record.id);
            if let (false, Some((to, _))) = (known, program.moved(&record.address, &record.kind)) {
                let (from, kind) = (record.address.clone(), record.kind.clone());
                moves.push(Move { from, to, kind, id: record.id, from_stack: None });
            }
        }
        if moves.is_empty() { Ok(()) } else { Err(PlanError::Moving { moves }) }
    }

    /// What is asked although an answer is recorded.
    fn asks_anew(&self) -> Anew {
        let looks = self.want == Want::Records || self.refresh == RefreshMode::List;
        Anew { lookups: self.again, existing: self.again || looks }
    }

    fn compute(
        &self,
        gatherer: &Gatherer<'_>,
        program: &Program,
        gathered: Gathered,
    ) -> Result<PlanData, PlanError> {
        self.with_facts(gatherer, gathered, |facts| compute(program, facts))
    }

    /// Hands what was gathered to a pure function.
    fn with_facts<T>(
        &self,
        gatherer: &Gatherer<'_>,
        gathered: Gathered,
        f: impl FnOnce(Facts<'_>) -> T,
    ) -> T {
        let types = |provider: &str, kind: &str| {
            Some(gatherer.provider(provider, kind)?.handler(kind)?.resource_type())
        };
        let provider_of = |kind: &str, options: &Options, row: Option<&Record>| {
            Some(gatherer.provider_for(kind, options, row)?.name().to_owned())
        };
        let same_place = |one: &str, other: &str| gatherer.same_place(one, other);
        let validate = |check: &mut crate::check::Check<'_>, provider: &str, kind: &str| {
            if let Some(handler) = gatherer.provider(provider, kind).and_then(|p| p.handler(kind))
                && let Err(panic) = caught_now(|| handler.validate(check))
            {
                check.problem("", bug(&panic));
            }
        };
        let asked_of = |kind: &str, options: &Options| {
            Some(gatherer.asked_of(kind, options)?.name().to_owned())
        };
        f(Facts {
            want: self.want,
            selection: gathered.selection,
            snapshot: gathered.snapshot,
            repairs: gathered.recovery.repairs,
            recovered: gathered.recovery.recovered,
            moves: gathered.moves,
            imports: gathered.imports,
            observed: gathered.observed,
            readiness: gathered.readiness,
            uncertain: gathered.recovery.uncertain,
            retried: gathered.recovery.retried,
            deleting: gathered.recovery.deleting,
            children: gathered.children,
            answers: gathered.answers,
            ask_again: self.again,
            ask_existing: self.asks_anew().existing,
            replace: self.replace.clone(),
            seed: gathered.seed,
            policies: &self.engine.settings.policies,
            types: &types,
            provider_of: &provider_of,
            asked_of: &asked_of,
            same_place: &same_place,
            validate: &validate,
        })
    }
}

/// Refuses steps with hooks that are not there: nobody else can know what they would have done.
pub(crate) fn check_hooks(settings: &Settings, data: &PlanData) -> Result<(), PlanError> {
    let mut missing = Vec::new();
    for step in data.steps.iter().filter(|_| !data.skip_hooks) {
        let runs = apply::points(step.action);
        let hooks = step.options.hooks.iter().filter(|(point, _)| runs.contains(point));
        missing.extend(hooks.filter(|(_, name)| !settings.hooks.knows(name)).map(
            |(point, name)| MissingHook {
                address: step.address.clone(),
                point: *point,
                name: name.clone(),
            },
        ));
    }
    if missing.is_empty() { Ok(()) } else { Err(PlanError::MissingHooks { missing }) }
}

/// Where the providers point that the plan's steps go through, if that is not recorded.
fn targets(
    settings: &Settings,
    data: &PlanData,
    recorded: &BTreeMap<String, ProviderTarget>,
) -> Vec<Change> {
    let made = data.steps.iter().filter(|step| step.action != Action::Ask);
    let used: HashSet<&str> = made.map(|step| step.provider.as_str()).collect();
    let used = settings.providers.iter().filter(|provider| used.contains(provider.name()));
    used.map(|p| ProviderTarget { provider: p.name().to_owned(), target: p.target() })
        .filter(|at| match recorded.get(&at.provider) {
            Some(known) => known != at,
            None => !at.target.is_null(),
        })
        .map(Change::Target)
        .collect()
}

impl<'e> IntoFuture for PlanRequest<'e> {
    type Output = Result<Plan, PlanError>;
    type IntoFuture = BoxFuture<'e, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A plan that is about to be applied.
#[must_use = "a plan is applied when it is awaited"]
pub struct ApplyRequest<'e> {
    engine: &'e Engine,
    plan: Plan,
    events: Option<Box<dyn EventSink + 'e>>,
    cancel: CancelToken,
    goes_on: bool,
}

impl<'e> ApplyRequest<'e> {
    /// Sends the run's events here.
    pub fn events(mut self, sink: impl EventSink + 'e) -> Self {
        self.events = Some(Box::new(sink));
        self
    }

    /// Whether the run goes on after a failure, which it does unless told otherwise: whatever does not
    /// depend on what failed is done, deletes included, and what does is skipped.
    ///
    /// With `false` nothing is started any more after the first failure. What has started is finished
    /// all the same, and the next run goes on from there. Either way the run fails, with a report of
    /// every failure and of all that was not tried.
    pub fn continue_on_error(mut self, goes_on: bool) -> Self {
        self.goes_on = goes_on;
        self
    }

    /// Lets this token end the run.
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = token;
        self
    }
}

impl<'e> IntoFuture for ApplyRequest<'e> {
    type Output = Result<Live, ApplyError>;
    type IntoFuture = BoxFuture<'e, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut nobody = |_| {};
            let events: &mut dyn EventSink = match &mut self.events {
                Some(sink) => sink.as_mut(),
                None => &mut nobody,
            };
            let how = apply::How { cancel: &self.cancel, goes_on: self.goes_on };
            apply::run(&self.engine.settings, &self.plan, events, how).await
        })
    }
}
