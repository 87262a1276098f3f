//! A plan of a part asks nobody whom it does not need: no list, no read, no lookup, not even where
//! a provider points.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use formwork_core::{
    Engine, Handler, Inputs, Lookup, LookupHandler, Outputs, PlanRequest, Provider, ProviderError,
    RefreshMode, Registry, Scope, Stack,
    testing::{Cloud, Fault, MemoryStore, Op, Single, Thing},
    value::Value,
};
use serde::{Deserialize, Serialize};

/// Which image is the newest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub(crate) struct Newest {
    pub(crate) family: String,
}

/// The image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct Image {
    #[output(id)]
    pub(crate) id: String,
}

/// What a catalogue was asked, and how often its answers changed.
#[derive(Default)]
pub(crate) struct Catalogue {
    asked: Mutex<Vec<String>>,
    edition: AtomicUsize,
}

impl Lookup for Newest {
    const KIND: &'static str = "model:test/newest";
    type Answer = Image;
    type Client = Catalogue;

    async fn look_up(client: &Catalogue, query: &Self) -> Result<Image, ProviderError> {
        client.asked.lock().unwrap().push(query.family.clone());
        Ok(Image { id: format!("{}-{}", query.family, client.edition.load(Ordering::Relaxed)) })
    }
}

/// A provider that counts how often it is asked where it points, for which a real one needs its
/// credentials.
struct Counting {
    inner: Registry<Cloud>,
    configured: Arc<AtomicUsize>,
}

impl Provider for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn handler(&self, kind: &str) -> Option<&dyn Handler> {
        self.inner.handler(kind)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler> {
        self.inner.lookup(kind)
    }
    fn target(&self) -> Value {
        self.configured.fetch_add(1, Ordering::Relaxed);
        Provider::target(&self.inner)
    }
    fn consistency_window(&self) -> std::time::Duration {
        Provider::consistency_window(&self.inner)
    }
}

/// Two clouds and a catalogue.
struct Three {
    here: Cloud,
    there: Cloud,
    configured: Arc<AtomicUsize>,
    catalogue: Arc<Catalogue>,
    store: MemoryStore,
}

impl Three {
    fn new() -> Self {
        Self {
            here: Cloud::new(),
            there: Cloud::new(),
            configured: Arc::default(),
            catalogue: Arc::default(),
            store: MemoryStore::new(),
        }
    }

    fn engine(&self) -> Engine {
        let registry = |name: &str, cloud: &Cloud| {
            let registry = Registry::new(name, Arc::new(cloud.clone()));
            registry.with::<Thing>().with::<Single>().target(name.into())
        };
        let configured = Arc::clone(&self.configured);
        let catalogue = Registry::new("catalogue", Arc::clone(&self.catalogue));
        Engine::builder()
            .provider(registry("here", &self.here))
            .provider(Counting { inner: registry("there", &self.there), configured })
            .provider(catalogue.with_lookup::<Newest>())
            .state(self.store.clone())
            .try_build()
            .unwrap()
    }

    async fn up(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
    ) -> String {
        let (engine, stack) = (self.engine(), Stack::new("t", declare).unwrap());
        let plan = ask(engine.plan(&stack)).await.unwrap_or_else(|error| panic!("{error}"));
        let text = plan.to_string();
        engine.apply(plan).await.unwrap();
        text
    }

    /// Forgets who was asked so far.
    fn quiet(&self) {
        self.there.clear_log();
        self.configured.store(0, Ordering::Relaxed);
        self.catalogue.asked.lock().unwrap().clear();
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.catalogue.asked.lock().unwrap())
    }
}

fn two(label: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let there = Thing::builder().label(label).build().provider("there");
        let there = scope.add("there", there);
        let used = there.label.map(Option::unwrap_or_default);
        scope.add("here", Thing::builder().label(used).build());
        scope.add("alone", Thing::builder().label(label).build());
        scope.add("single", Single::builder().label(label).build().provider("there"));
    }
}

#[tokio::test]
async fn a_provider_that_no_target_goes_through_is_not_even_asked_where_it_points() {
    let three = Three::new();
    three.up(two("1"), |p| p).await;
    // Its credentials have expired.
    for op in [Op::List, Op::Read, Op::Find] {
        for nth in 1..100 {
            three.there.fail(op, "model:test/thing", nth, Fault::Refuse);
        }
    }
    three.quiet();
    three.up(two("2"), |p| p.target("here").target("alone")).await;
    three.up(two("3"), |p| p.exclude("there").exclude("single")).await;
    three.up(two("3"), |p| p.target("alone").refresh_only()).await;
    three.up(two("3"), |p| p.target("alone").replace("alone")).await;
    three.up(two("3"), |p| p.target("here").destroy()).await;
    three.up(two("4"), |p| p.target("here")).await;
    assert_eq!((three.there.log(), three.configured.load(Ordering::Relaxed)), (vec![], 0));
    let label = |id: &str| three.here.object(id).unwrap().inputs.get("label").cloned().unwrap();
    assert_eq!((label("here#2").as_str(), label("alone#2").as_str()), (Some("1"), Some("3")));
    three.there.heal();
    three.up(two("4"), |p| p).await;
    assert!(three.up(two("4"), |p| p).await.contains("nothing to do, 4 unchanged"));
}

#[tokio::test]
async fn a_call_that_was_cut_off_at_an_unrelated_provider_is_not_looked_up() {
    let three = Three::new();
    three.there.fail(Op::Create, "single", 1, Fault::LoseAnswer);
    let (engine, stack) = (three.engine(), Stack::new("t", two("1")).unwrap());
    let plan = engine.plan(&stack).await.unwrap();
    assert!(engine.apply(plan).await.is_err());
    three.quiet();
    three.up(two("2"), |p| p.target("alone")).await;
    assert_eq!((three.there.log(), three.configured.load(Ordering::Relaxed)), (vec![], 0));
    assert!(three.up(two("2"), |p| p).await.contains("recovered single"));
    assert_eq!(three.there.ids().len(), 2);
}

#[tokio::test]
async fn a_part_is_planned_where_the_provider_of_the_rest_is_not_even_there() {
    let three = Three::new();
    three.up(two("1"), |p| p).await;
    let here = Registry::new("here", Arc::new(three.here.clone())).target("here".into());
    let engine = Engine::builder()
        .provider(here.with::<Thing>())
        .state(three.store.clone())
        .try_build()
        .unwrap();
    let stack = Stack::new("t", two("2")).unwrap();
    assert!(engine.plan(&stack).await.is_err());
    let before = three.store.snapshot("t").records;
    let plan = engine.plan(&stack).target("alone").target("here").await.unwrap();
    assert!(plan.to_string().contains("1 to update, 1 unchanged"), "{plan}");
    engine.apply(plan).await.unwrap();
    let after = three.store.snapshot("t").records;
    assert_eq!(before.values().filter(|row| after[&row.id] != **row).count(), 1);
}

/// Two machines, each of the newest image of a family.
fn machines(family: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        for name in ["a", "b"] {
            let image = scope
                .lookup(format!("image-{name}"), Newest { family: format!("{family}-{name}") });
            scope.add(name, Thing::builder().fixed(&image.id).build());
            scope.export(name, &image.id);
        }
        scope.lookup("image-unused", Newest { family: "unused".to_owned() });
    }
}

#[tokio::test]
async fn a_lookup_that_no_target_needs_is_not_asked_and_keeps_its_answer() {
    let three = Three::new();
    three.up(machines("x"), |p| p.target("a")).await;
    assert_eq!(three.asked(), ["x-a"]);
    three.up(machines("x"), |p| p).await;
    assert_eq!(three.asked(), ["x-b", "unused"]);
    three.catalogue.edition.store(1, Ordering::Relaxed);
    three.up(machines("x"), |p| p.target("a").refresh_lookups()).await;
    assert_eq!(three.asked(), ["x-a"]);
    assert_eq!(three.store.snapshot("t").exports.to_string(), r#"{a: "x-a-1", b: "x-b-0"}"#);
    // A question that changed is asked when a plan is about it, and an answer stays that is used.
    three.up(machines("y"), |p| p.exclude("image-b")).await;
    assert_eq!(three.asked(), ["y-a"]);
    three.up(machines("y"), |p| p.destroy().target("a")).await;
    let pins: Vec<_> = three.store.snapshot("t").pins.into_values().map(|p| p.answer).collect();
    let pins: Vec<_> = pins.iter().filter_map(|answer| answer.get("id")?.as_str()).collect();
    assert_eq!(pins, ["y-a-1", "x-b-0", "unused-0"]);
    assert_eq!(three.asked(), [""; 0]);
    three.up(machines("y"), |p| p).await;
    assert_eq!(three.asked(), ["y-b"]);
    assert_eq!(three.store.snapshot("t").exports.to_string(), r#"{a: "y-a-1", b: "y-b-1"}"#);
}

#[tokio::test]
async fn a_lookup_that_could_not_be_answered_keeps_nobody_from_what_does_not_need_it() {
    let three = Three::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("1").build());
        let family = a.label.map(Option::unwrap_or_default);
        let image = scope.lookup("image", Newest::builder().family(family).build());
        scope.add("user", Thing::builder().fixed(&image.id).build());
        scope.export("image", &image.id);
    };
    three.up(program, |p| p.target("a")).await;
    assert_eq!((three.asked(), three.here.ids()), (vec![], vec!["a#1".to_owned()]));
    assert_eq!(three.store.snapshot("t").exports.to_string(), "{}");
}

#[tokio::test]
async fn refreshing_the_records_asks_lookups_only_when_told_to() {
    let three = Three::new();
    three.up(machines("x"), |p| p).await;
    three.quiet();
    three.catalogue.edition.store(1, Ordering::Relaxed);
    three.up(machines("x"), |p| p.refresh(RefreshMode::None).refresh_only()).await;
    assert_eq!(three.asked(), [""; 0]);
    three.up(machines("x"), |p| p.refresh_only().refresh_lookups().target("image-a")).await;
    assert_eq!(three.asked(), ["x-a"]);
    assert_eq!(three.store.snapshot("t").exports.to_string(), r#"{a: "x-a-1", b: "x-b-0"}"#);
    let plan = three.up(machines("x"), |p| p).await;
    assert!(plan.contains(r#"fixed: "x-a-0" -> "x-a-1""#), "{plan}");
}
