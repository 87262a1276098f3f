//! Providers that a program brings along, made of what a resource of the same run reports.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use formwork_core::{
    Registry, Scope, Stack,
    testing::{Cloud, Fault, Op, Thing},
};

use crate::world::World;

/// A cloud for each cluster, by the cluster's id.
#[derive(Clone, Default)]
struct Inside {
    cloud: Cloud,
    made: Arc<AtomicUsize>,
}

impl Inside {
    fn made(&self) -> usize {
        self.made.swap(0, Ordering::Relaxed)
    }

    /// A cluster, and some things that run on it.
    fn program(&self, fixed: &'static str, apps: usize) -> impl Fn(&mut Scope<'_>) + use<> {
        let this = self.clone();
        move |scope: &mut Scope<'_>| {
            let cluster = scope.add("cluster", Thing::builder().fixed(fixed).build());
            let (this, host) = (this.clone(), cluster.clone());
            scope.decide("apps", &cluster.id, move |scope, id: String| {
                let this = this.clone();
                scope.provider("inside", move || {
                    assert!(id.contains('#'), "made of {id}");
                    this.made.fetch_add(1, Ordering::Relaxed);
                    Registry::new("other", Arc::new(this.cloud.clone())).with::<Thing>()
                });
                for n in 0..apps {
                    let app = Thing::builder().label(format!("{n}")).build();
                    scope.add(format!("app-{n}"), app.provider("inside").deleted_with(&host));
                }
            });
            scope.add("beside", Thing::builder().build());
        }
    }
}

#[tokio::test]
async fn a_provider_is_made_of_what_a_resource_of_the_run_before_reports() {
    let (mut world, inside) = (World::new(), Inside::default());
    // What is inside lives in another cloud than the one that the laws are checked with.
    world.lost = ["apps.app-0#1", "apps.app-1#1", "apps.app-0#2", "apps.app-1#2"]
        .map(str::to_owned)
        .to_vec();
    let engine = world.engine();
    let stack = |fixed, apps| Stack::new("t", inside.program(fixed, apps)).unwrap();
    let first = engine.plan(&stack("1", 2)).await.unwrap();
    assert_eq!((first.undecided().len(), inside.made()), (1, 0));
    engine.apply(first).await.unwrap();
    assert_eq!(inside.made(), 0);
    let second = engine.plan(&stack("1", 2)).await.unwrap();
    assert!(second.to_string().contains("2 to create, 2 unchanged"), "{second}");
    engine.apply(second).await.unwrap();
    assert_eq!(inside.cloud.ids(), ["apps.app-0#1", "apps.app-1#1"]);
    let rows = world.state().records.into_values();
    let through = rows.filter(|row| row.provider == "inside").count();
    assert_eq!(through, 2);
    world.assert_settled(inside.program("1", 2)).await;
    // What a plan does not need is not made.
    inside.made();
    let part = engine.plan(&stack("1", 2)).target("beside").await.unwrap();
    engine.apply(part).await.unwrap();
    assert_eq!(inside.made(), 0);
    // The new cluster comes, and what is on the old one is left alone, whatever was cut off there.
    inside.cloud.fail(Op::Create, "apps/app-2", 1, Fault::LoseAnswer);
    assert!(engine.apply(engine.plan(&stack("1", 3)).await.unwrap()).await.is_err());
    let before = inside.cloud.ids();
    inside.made();
    let wave = engine.plan(&stack("2", 3)).await.unwrap();
    assert_eq!((wave.undecided()[0].keeps.len(), wave.summary().replace), (2, 1), "{wave}");
    engine.apply(wave).await.unwrap();
    assert_eq!((inside.cloud.ids(), world.cloud.ids().len()), (before, 3));
    let next = engine.plan(&stack("2", 3)).await.unwrap();
    assert!(next.undecided().is_empty(), "{next}");
    engine.apply(next).await.unwrap();
    assert_eq!(world.cloud.ids(), ["beside#1", "cluster#2"]);
    let again = engine.plan(&stack("2", 3)).await.unwrap();
    assert!(again.is_empty(), "{again}");
    // Destroyed by what is recorded, and the guests go with their host.
    engine.apply(engine.plan(&stack("2", 3)).destroy().await.unwrap()).await.unwrap();
    assert!(world.state().records.is_empty() && world.cloud.ids().is_empty());
}

#[tokio::test]
async fn a_provider_has_a_name_of_its_own() {
    let world = World::new();
    let other = || Registry::new("x", Arc::new(Cloud::new())).with::<Thing>();
    let twice = Stack::new("t", |scope| {
        scope.provider("one", other);
        scope.provider("one", other);
    });
    assert!(twice.unwrap_err().to_string().contains("a provider `one` is there already"));
    let known = World::stack(|scope| scope.provider("model", other));
    let error = world.engine().plan(&known).await.unwrap_err().to_string();
    assert!(error.contains("the engine has a provider `model` already"), "{error}");
}
