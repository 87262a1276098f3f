//! Unit tests of a stack without any cloud: a provider that stands in for every type that a program
//! declares, and the plan of it.

mod invent;
mod stand_in;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
};

use serde::Serialize;

use super::MemoryStore;
use crate::{
    apply::{ApplyError, Live},
    declare::NodeKind,
    engine::{Engine, PlanRequest},
    hook::HookCall,
    identity::{Address, Seed},
    plan::{Plan, PlanError},
    provider::Provider,
    resource::{Lifecycle, Lookup},
    schema::ResourceType,
    stack::Stack,
    value::Value,
};
use stand_in::{Judge, Objects, StandIn, TypedJudge};

/// Plans a stack where nothing is there yet, without any cloud.
///
/// Every resource type is stood in for by its schema, so a stack of AWS resources needs no account.
/// What a type itself would find wrong ([`Lifecycle::validate`]) and what lookups answer is known
/// only to an [`Offline`] that was told.
///
/// ```
/// use formwork_core::{Stack, testing::{Thing, expect, plan_of}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stack = Stack::new("shop", |scope| {
///     let network = scope.add("network", Thing::builder().label("10.0.0.0/16").build());
///     scope.add("machine", Thing::builder().refs([&network.id]).build());
/// })?;
/// let plan = plan_of(&stack).await.unwrap();
/// expect(&plan)
///     .creates("network")
///     .input("network", "label", "10.0.0.0/16")
///     .before("create network", "create machine")
///     .nothing_goes();
/// # Ok::<(), formwork_core::DeclareError>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// Whatever the engine refuses the stack with, and a lookup that nobody answers.
pub async fn plan_of<T>(stack: &Stack<T>) -> Result<Plan, PlanError> {
    Offline::new().plan(stack).await
}

type Answer = Arc<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

/// A place for stacks that is nowhere: every resource type is stood in for by what its schema says.
///
/// Inputs are kept as they are sent; outputs that repeat an input do so, and all others are made up,
/// the same in every run. Nothing is refused that the engine itself does not refuse, for a stand-in
/// knows no rules of a cloud. Objects and records are kept in memory, so a second version of a
/// stack can be planned after a first one was applied:
///
/// ```
/// use formwork_core::{Scope, Stack, testing::{Offline, Thing, expect}};
///
/// fn shop(size: &'static str) -> impl Fn(&mut Scope<'_>) {
///     move |scope| {
///         let database = Thing::builder().fixed("eu-1").label(size).build();
///         scope.add("database", database.protect());
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let offline = Offline::new().with::<Thing>();
/// offline.up(&Stack::new("shop", shop("small")).unwrap()).await.unwrap();
/// let plan = offline.plan(&Stack::new("shop", shop("large")).unwrap()).await.unwrap();
/// expect(&plan).updates("database").input("database", "label", "large").nothing_goes();
/// # });
/// ```
///
/// A lookup is answered by the test; one that is not is an error that says so.
///
/// ```
/// use formwork_core::{Stack, testing::{ByName, ByNameAnswer, Offline, Thing, expect}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stack = Stack::new("shop", |scope| {
///     let image = scope.lookup("image", ByName { name: "newest".into() });
///     scope.add("machine", Thing::builder().label(&image.id).build());
/// }).unwrap();
/// let offline = Offline::new().answer(|query: &ByName| ByNameAnswer {
///     id: format!("image-{}", query.name),
///     label: None,
/// });
/// let plan = offline.plan(&stack).await.unwrap();
/// expect(&plan).input("machine", "label", "image-newest");
/// # });
/// ```
#[derive(Clone, Default)]
pub struct Offline {
    objects: Objects,
    store: MemoryStore,
    judges: BTreeMap<&'static str, Arc<dyn Judge>>,
    models: Vec<Arc<dyn Provider>>,
    answers: BTreeMap<&'static str, Answer>,
    outputs: BTreeMap<(Address, String), Value>,
    hooked: Arc<Mutex<Vec<String>>>,
    /// Every type that a stack had so far.
    types: Arc<Mutex<BTreeMap<&'static str, &'static ResourceType>>>,
}

impl fmt::Debug for Offline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offline").field("types", &self.judges.keys()).finish_non_exhaustive()
    }
}

impl Offline {
    /// A place where nothing is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the type `R` itself say what is wrong with a declaration, and makes up outputs of the
    /// types that it has. No call of it is made, and it needs no client.
    #[must_use]
    pub fn with<R: Lifecycle>(mut self) -> Self {
        self.judges.insert(R::TYPE.kind, Arc::new(TypedJudge::<R>::default()));
        self
    }

    /// Lets the types of a provider say what is wrong with their declarations. None of its verbs is
    /// called, so it may be one without an account: for AWS, one with made-up credentials.
    #[must_use]
    pub fn checked_by(mut self, provider: Arc<dyn Provider>) -> Self {
        self.models.push(provider);
        self
    }

    /// Answers the lookup `L`.
    #[must_use]
    pub fn answer<L: Lookup>(
        self,
        answer: impl Fn(&L) -> L::Answer + Send + Sync + 'static,
    ) -> Self {
        self.try_answer(move |query| Ok(answer(query)))
    }

    /// Answers the lookup `L`, or says why there is no answer.
    #[must_use]
    pub fn try_answer<L: Lookup>(
        mut self,
        answer: impl Fn(&L) -> Result<L::Answer, String> + Send + Sync + 'static,
    ) -> Self {
        let answer = move |query: &Value| {
            let query: L = query.to_data().map_err(|error| error.to_string())?;
            Value::from_data(&answer(&query)?).map_err(|error| error.to_string())
        };
        self.answers.insert(L::KIND, Arc::new(answer));
        self
    }

    /// Has the resource at an address report this output, instead of one that is made up: where a
    /// program computes with it, such as with the parts of an address.
    ///
    /// # Panics
    /// When `value` is nothing that can be kept.
    #[must_use]
    pub fn output(mut self, address: &str, field: &str, value: impl Serialize) -> Self {
        let value = Value::from_data(&value)
            .unwrap_or_else(|error| panic!("{address}.{field} can not be that: {error}"));
        self.outputs.insert((Address::new(address), field.to_owned()), value);
        self
    }

    /// Plans a stack, from what was applied here before.
    ///
    /// # Errors
    /// Whatever the engine refuses the stack with, and a lookup that nobody answers.
    pub async fn plan<T>(&self, stack: &Stack<T>) -> Result<Plan, PlanError> {
        self.ask(stack, |request| request).await
    }

    /// Plans with options, such as `|request| request.destroy()`.
    ///
    /// # Errors
    /// Whatever the engine refuses the stack with, and a lookup that nobody answers.
    pub async fn ask<T>(
        &self,
        stack: &Stack<T>,
        how: impl for<'e> FnOnce(PlanRequest<'e>) -> PlanRequest<'e>,
    ) -> Result<Plan, PlanError> {
        how(self.engine(stack).plan(stack).seed(Seed::fixed(1 + self.store.writes()))).await
    }

    /// Plans and applies a stack: what [`Live::get`] reads afterwards is made up, or was told.
    ///
    /// # Errors
    /// Whatever the run failed with.
    ///
    /// # Panics
    /// When the stack can not be planned; [`Offline::plan`] gives the error.
    pub async fn up<T>(&self, stack: &Stack<T>) -> Result<Live, ApplyError> {
        let plan = self.plan(stack).await;
        let plan = plan.unwrap_or_else(|error| panic!("the stack can not be planned: {error}"));
        self.engine(stack).apply(plan).await
    }

    /// The hooks that ran, as `drain before its delete of network/machine`. Hooks of a program do
    /// nothing here, and all are there.
    #[must_use]
    pub fn hooks(&self) -> Vec<String> {
        self.hooked.lock().map(|hooked| hooked.clone()).unwrap_or_default()
    }

    /// The engine, for whatever is not offered here.
    #[must_use]
    pub fn engine<T>(&self, stack: &Stack<T>) -> Engine {
        let (mut names, mut hooks) = (BTreeSet::new(), BTreeSet::new());
        let mut kinds = BTreeMap::new();
        let mut lookups = BTreeSet::new();
        for node in stack.program.graph.node_weights() {
            match node.kind {
                NodeKind::Resource(of) => {
                    kinds.insert(of.kind, of);
                }
                NodeKind::Lookup { kind, .. } => {
                    lookups.insert(kind);
                }
                NodeKind::Decide => {}
            }
            names.extend(node.options.provider.clone());
            hooks.extend(node.options.hooks.iter().map(|(_, name)| name.clone()));
        }
        for row in self.store.snapshot(stack.name()).records.values() {
            names.insert(row.provider.clone());
            hooks.extend(row.options.hooks.iter().map(|(_, name)| name.clone()));
        }
        names.remove(StandIn::NAME);
        let mut engine = Engine::builder().state(self.store.clone());
        for name in std::iter::once(StandIn::NAME.to_owned()).chain(names) {
            engine = engine.provider(self.stand_in(name, &kinds, &lookups));
        }
        for name in hooks {
            let (log, said) = (self.hooked.clone(), name.clone());
            engine = engine.hook(name, move |call: HookCall| {
                if let Ok(mut log) = log.lock() {
                    log.push(format!("{said} {} of {}", call.point, call.address));
                }
                std::future::ready(Ok::<(), String>(()))
            });
        }
        // Names are different, and there is a store.
        engine.try_build().unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn remember(&self, types: impl Iterator<Item = &'static ResourceType>) {
        if let Ok(mut known) = self.types.lock() {
            known.extend(types.map(|of| (of.kind, of)));
        }
    }

    fn types(&self) -> Vec<&'static ResourceType> {
        self.types.lock().map(|known| known.values().copied().collect()).unwrap_or_default()
    }
}
