//! Plans of a part: S65 to S70.

use formwork::{
    Scope,
    testing::{Cloud, Fault, MemoryStore, Op, Thing, World, expect},
};
use insta::assert_snapshot;

use crate::support::{masked, thing};

/// S65.
#[tokio::test(start_paused = true)]
async fn a_target_that_needs_what_is_not_there_is_refused_and_all_of_it_is_named() {
    let world = World::new();
    let later = |scope: &mut Scope<'_>| {
        let value = scope.add("value", thing(&[]));
        let order = scope.add("order", thing(&[]));
        let host = scope.add("host", thing(&[]));
        scope.add("unrelated", thing(&[&value]));
        let b = thing(&[&value]).after(&order).deleted_with(&host);
        scope.add("b", b);
    };
    world.settle(|scope| drop(scope.add("b", thing(&[])))).await;
    let refused = world.ask(later, |request| request.target("b")).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the plan is narrowed, and leaves out 3 resource(s) that it can not do without:
      - host: b needs it, and it is not there yet
      - order: b needs it, and it is not there yet
      - value: b needs it, and it is not there yet
    "#);
    assert_eq!(world.cloud().ids(), ["b#1"]);
    let part = world.ask(later, |request| request.target("b").target_dependencies()).await.unwrap();
    expect(&part).creates("value").creates("order").creates("host").leaves("unrelated");
    world.apply(part).await.ok();
    assert_eq!(world.settle(later).await.log(), ["create unrelated"]);
}

/// S65: a new resource that only another one needs is no matter of the target.
#[tokio::test(start_paused = true)]
async fn what_only_others_need_is_left_out_with_them() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("other", thing(&[&a]));
        scope.add("b", thing(&[]));
    };
    let run = world.up_with(program, |request| request.target("b")).await.ok();
    assert_eq!(run.log(), ["create b"]);
    assert_snapshot!(run.plan(), @r#"
    narrowed to b: 2 resources are left out
    other
      + b                                        model:test/thing
    1 to create, 0 unchanged
    "#);
}

/// S67.
#[tokio::test(start_paused = true)]
async fn a_part_needs_no_provider_that_none_of_it_goes_through() {
    let (cloud, store) = (Cloud::new(), MemoryStore::new());
    let expired = Cloud::new();
    let other = expired.clone();
    let world = World::over(cloud, store)
        .engine_with(move |engine| engine.provider(Renamed(formwork::testing::provider(&other))));
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("here", Thing::builder().label(label).build());
            scope.add("there", thing(&[]).provider("other"));
        }
    };
    let run = world.up_with(program("1"), |request| request.target("here")).await.ok();
    assert_eq!(run.log(), ["create here"]);
    assert_eq!(expired.log(), [], "the other provider was not called");
}

/// The modelled provider under the name `other`.
struct Renamed(formwork::Registry<Cloud>);

impl formwork::Provider for Renamed {
    fn name(&self) -> &str {
        "other"
    }
    fn handler(&self, kind: &str) -> Option<&dyn formwork::Handler> {
        self.0.handler(kind)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn formwork::LookupHandler> {
        self.0.lookup(kind)
    }
    fn target(&self) -> formwork::value::Value {
        panic!("its credentials have expired")
    }
    fn consistency_window(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// S68.
#[tokio::test(start_paused = true)]
async fn a_destroyed_target_takes_its_dependents_along_or_is_refused() {
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("b", thing(&[&a]));
        scope.add("c", thing(&[]));
    };
    let world = World::new();
    world.settle(program).await;
    let refused = world.ask(program, |request| request.destroy().target("a")).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the plan is narrowed, and leaves out 1 resource(s) that it can not do without:
      - b: it uses the object of a that goes
    "#);

    world.cloud().fail(Op::Delete, "b", 1, Fault::Refuse);
    let run =
        world.up_with(program, |request| request.destroy().target("a").target_dependents()).await;
    assert_eq!(run.skipped(), ["delete a, for b"]);
    assert_eq!(world.cloud().ids(), ["a#1", "b#1", "c#1"]);
    let run = world
        .up_with(program, |request| request.destroy().target("a").target_dependents())
        .await
        .ok();
    assert_eq!(run.log(), ["delete b", "delete a"]);
    assert_eq!(world.cloud().ids(), ["c#1"]);
}

/// S70.
#[tokio::test(start_paused = true)]
async fn a_move_is_made_as_a_whole_and_a_part_waits_for_it() {
    let world = World::new();
    world
        .settle(|scope| {
            let a = scope.add("a", thing(&[]));
            scope.add("user", thing(&[&a]));
        })
        .await;
    let moved = |scope: &mut Scope<'_>| {
        let a = scope.add("renamed", thing(&[]).moved_from("a"));
        scope.add("user", thing(&[&a]));
    };
    let before = world.state();
    let refused = world.ask(moved, |request| request.target("renamed")).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the plan is narrowed, and 1 object(s) have moved, which has to be recorded first:
      - moved a -> renamed
    "#);
    assert!(world.ask(moved, |request| request.exclude("renamed")).await.is_err());
    assert_eq!(world.state(), before);
    assert!(world.settle(moved).await.log().is_empty());
}
