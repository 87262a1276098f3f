//! Create, update, delete: S01 to S08.

use std::time::Duration;

use formwork::{
    Scope,
    testing::{Fault, Named, Op, Thing, World},
};
use insta::assert_snapshot;

use crate::support::{NOTHING, masked, thing};

fn chain(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    let b = scope.add("b", thing(&[&a]));
    scope.add("c", thing(&[&b]));
}

/// S01.
#[tokio::test(start_paused = true)]
async fn a_chain_is_made_in_order_a_second_run_does_nothing_and_destroy_goes_backwards() {
    let world = World::new();
    let run = world.settle(chain).await;
    assert_snapshot!(run.story(), @r#"
    other
      + a                                        model:test/thing
      + b                                        model:test/thing
      + c                                        model:test/thing
    3 to create, 0 unchanged
    run t: 3 step(s)
    > create a
    < create a: a#1
    > create b
    < create b: b#1
    > create c
    < create c: c#1
    end: 3 done, 0 failed, 0 skipped
    "#);
    let row = |address: &str| world.row(address).unwrap();
    assert_eq!(row("b").depends_on, [row("a").id]);
    assert_eq!(row("c").depends_on, [row("b").id]);
    assert_eq!(world.cloud().ids(), ["a#1", "b#1", "c#1"]);

    let run = world.destroy().await.ok();
    assert_snapshot!(run.story(), @r#"
    other
      - c                                        model:test/thing  (the stack is destroyed)
      - b                                        model:test/thing  (the stack is destroyed)
      - a                                        model:test/thing  (the stack is destroyed)
    3 to delete, 0 unchanged
    run t: 3 step(s)
    > delete c
    < delete c
    > delete b
    < delete b
    > delete a
    < delete a
    end: 3 done, 0 failed, 0 skipped
    "#);
    assert!(world.state().records.is_empty() && world.cloud().ids().is_empty());
}

/// S02.
#[tokio::test(start_paused = true)]
async fn independent_resources_are_made_together_and_never_more_than_the_limit() {
    let world = World::new().parallelism(8);
    world.cloud().latency(Duration::from_millis(10));
    let hundred = |scope: &mut Scope<'_>| {
        for i in 0..100 {
            scope.add(format!("r{i}"), thing(&[]));
        }
    };
    world.settle(hundred).await;
    assert_eq!(world.cloud().most_in_flight(), 8);
    // To look at more than there are workers holds no worker while it waits.
    world.refresh(hundred).await.ok();
    world.destroy().await.ok();
    assert_eq!(world.cloud().most_in_flight(), 8);
}

/// S04: the edges of a resource that nothing else is done to are recorded too, and one that may
/// still have the old edge keeps both.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_moved_is_remembered_by_the_next_destroy() {
    for by_value in [true, false] {
        let program = |to_x: bool| {
            move |scope: &mut Scope<'_>| {
                let x = scope.add("x", thing(&[]));
                let y = scope.add("y", thing(&[]));
                let on = if to_x { &x } else { &y };
                let listener = if by_value { thing(&[on]) } else { thing(&[]).after(on) };
                scope.add("listener", listener);
            }
        };
        let world = World::new();
        world.settle(program(true)).await;
        let run = world.settle(program(false)).await;
        assert_eq!(run.log().is_empty(), !by_value);
        let row = |address: &str| world.row(address).unwrap();
        assert_eq!(row("listener").depends_on, [row("y").id]);
        let run = world.destroy().await.ok();
        assert!(run.before("delete listener", "delete y"));

        // Nobody saw whether it was moved.
        let world = World::new();
        world.settle(program(true)).await;
        world.cloud().fail(Op::Update, "listener", 1, Fault::CrashAfter);
        let moved = world.up(program(false)).await;
        let run = world.destroy().await.ok();
        assert_eq!(moved.crashed(), by_value);
        assert!(run.before("delete listener", "delete y"));
        if by_value {
            assert!(run.before("delete listener", "delete x"));
        }
    }
}

/// S05.
#[tokio::test(start_paused = true)]
async fn deletes_keep_their_order_through_a_middle_that_is_only_updated() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().fixed(x).build().delete_first());
            let b = scope.add("b", Thing::builder().label(&a.id).refs([&a.id]).build());
            let fed = b.label.map(Option::unwrap_or_default);
            scope.add("c", Thing::builder().fixed(fed).refs([&b.id]).build().delete_first());
        }
    };
    let world = world.lenient();
    world.settle(program("1")).await;
    let run = world.settle(program("2")).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing
          fixed: "1" -> "2" (forces replacement)
      ~ b                                        model:test/thing
          label: "a#1" -> (known after apply)
          refs[0]: "a#1" -> (known after apply)
      ± c                                        model:test/thing
          fixed: "a#1" -> (known after apply) (forces replacement)
      - c                                        model:test/thing  (replaced)
      - a                                        model:test/thing  (replaced)
    1 to update, 2 to replace, 0 unchanged
    run t: 7 step(s)
    > delete c
    < delete c: c#1
    > delete a
    < delete a: a#1
    > create a
    < create a: a#2
    > update b
    < update b: b#1
    > create c
    > forget a
    < forget a
    < create c: c#2
    > forget c
    < forget c
    end: 5 done, 0 failed, 0 skipped
    "#);
    assert_eq!(run.log(), ["delete c", "delete a", "create a", "update b", "create c"]);
}

/// S07.
#[tokio::test(start_paused = true)]
async fn what_is_gone_and_no_longer_declared_is_forgotten_without_a_call() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("a", thing(&[])))).await;
    world.cloud().lose("a#1");
    let run = world.settle(|_| ()).await;
    assert_eq!(run.log(), NOTHING);
    assert!(world.state().records.is_empty());

    // What goes between the look and the delete counts as deleted.
    world.settle(|scope| drop(scope.add("b", thing(&[])))).await;
    world.cloud().fail(Op::Delete, "b", 1, Fault::Gone);
    assert_eq!(world.settle(|_| ()).await.log(), ["delete b"]);
    assert!(world.state().records.is_empty());
}

/// S08.
#[tokio::test(start_paused = true)]
async fn everything_wrong_with_the_inputs_is_told_at_once_and_nothing_is_made() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Named::builder().name("two words").size(0u32).build());
        scope.add("b", Named::builder().refs([&a.id]).build());
        scope.add("c", Thing::builder().label("").build());
    };
    let refused = world.plan(program).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the declaration of `t` has 3 problem(s):
      - a.name: it has a blank; expected a name without [declared at ..]
      - a.size: it is 0; expected 1 or more [declared at ..]
      - c.label: it is empty; expected text, or no label at all [declared at ..]
    "#);
    assert_eq!(world.cloud().log(), []);
}
