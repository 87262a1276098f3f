//! Where providers point, and what becomes of objects when that changes.

use std::sync::Arc;

use formwork_core::{
    Engine, EngineBuilder, PlanError, Registry, Stack,
    testing::{Cloud, MemoryStore, Single, Thing},
};

use crate::basics::thing;

fn registry(cloud: &Cloud, name: &str, target: &str) -> Registry<Cloud> {
    Registry::new(name, Arc::new(cloud.clone()))
        .with::<Thing>()
        .with::<Single>()
        .target(target.into())
}

struct Two {
    us: Cloud,
    eu: Cloud,
    store: MemoryStore,
}

impl Two {
    fn new() -> Self {
        Self { us: Cloud::new(), eu: Cloud::new(), store: MemoryStore::new() }
    }

    fn engine(&self, providers: Vec<Registry<Cloud>>) -> Engine {
        let builder = Engine::builder().state(self.store.clone());
        providers.into_iter().fold(builder, EngineBuilder::provider).try_build().unwrap()
    }

    fn both(&self) -> Engine {
        self.engine(vec![registry(&self.us, "us", "us"), registry(&self.eu, "eu", "eu")])
    }
}

fn program(provider: Option<&'static str>, label: &'static str) -> Stack {
    Stack::new("t", |s| {
        let declared = Thing::builder().label(label).build();
        s.add(
            "a",
            match provider {
                Some(name) => declared.provider(name),
                None => declared,
            },
        );
    })
    .unwrap()
}

async fn up(engine: &Engine, stack: &Stack) -> String {
    let plan = engine.plan(stack).await.unwrap();
    let text = plan.to_string();
    engine.apply(plan).await.unwrap();
    text
}

#[tokio::test]
async fn objects_are_not_looked_for_in_another_account_than_they_were_made_in() {
    let two = Two::new();
    let one = two.engine(vec![registry(&two.us, "cloud", "account 1")]);
    up(&one, &program(None, "1")).await;
    let other = two.engine(vec![registry(&two.eu, "cloud", "account 2")]);
    for refused in [other.plan(&program(None, "1")).await, {
        other.plan(&Stack::empty("t").unwrap()).destroy().await
    }] {
        let Err(PlanError::OtherTarget { was, now, .. }) = refused else {
            panic!("it was planned")
        };
        assert_eq!((was.as_str(), now.as_str()), (Some("account 1"), Some("account 2")));
    }
    // What is destroyed leaves the stack free to go elsewhere.
    one.apply(one.plan(&Stack::empty("t").unwrap()).destroy().await.unwrap()).await.unwrap();
    up(&other, &program(None, "1")).await;
    assert_eq!((two.us.ids().len(), two.eu.ids().len()), (0, 1));
}

#[tokio::test]
async fn a_resource_that_goes_through_another_provider_is_replaced() {
    let two = Two::new();
    up(&two.both(), &program(Some("us"), "1")).await;
    let plan = up(&two.both(), &program(Some("eu"), "1")).await;
    assert!(plan.contains("it was made through the provider us"), "{plan}");
    assert_eq!((two.us.ids(), two.eu.ids()), (vec![], vec!["a#1".to_owned()]));
    up(&two.both(), &program(Some("eu"), "2")).await;
}

#[tokio::test]
async fn a_provider_of_another_name_that_points_to_the_same_place_replaces_nothing() {
    let two = Two::new();
    let engine = two.engine(vec![registry(&two.us, "us", "us"), registry(&two.us, "west", "us")]);
    up(&engine, &program(Some("us"), "1")).await;
    up(&engine, &program(Some("west"), "1")).await;
    assert_eq!(two.us.ids(), ["a#1"]);
    let row = two.store.snapshot("t").records.into_values().next().unwrap();
    assert_eq!(row.provider, "west");
}

#[tokio::test]
async fn another_default_provider_moves_nothing_that_exists() {
    let two = Two::new();
    up(&two.both(), &program(None, "1")).await;
    let turned = two.engine(vec![registry(&two.eu, "eu", "eu"), registry(&two.us, "us", "us")]);
    up(&turned, &program(None, "2")).await;
    assert_eq!((two.us.ids().len(), two.eu.ids().len()), (1, 0));
}

#[tokio::test]
async fn an_object_whose_provider_is_missing_is_not_looked_for_through_another() {
    let two = Two::new();
    up(&two.both(), &program(Some("eu"), "1")).await;
    let only = two.engine(vec![registry(&two.us, "us", "us")]);
    let refused = only.plan(&Stack::new("t", |s| drop(s.add("b", thing(&[])))).unwrap()).await;
    assert!(matches!(refused, Err(PlanError::NoProvider { .. })));
    assert_eq!(two.eu.ids(), ["a#1"]);
}
