//! Renames, moves, and what is ignored: S71 to S77.

use formwork::{
    Component, Scope, Stack,
    testing::{Single, Thing, World, expect},
};
use insta::assert_snapshot;

use crate::support::{NOTHING, fixed, masked, thing};

/// S71: each kind of reference follows: by value, `after`, `deleted_with`, `replace_with`.
#[tokio::test(start_paused = true)]
async fn a_resource_that_moves_into_a_component_keeps_its_object() {
    struct Part(Option<&'static str>, &'static str);
    impl Component for Part {
        type Handle = formwork::testing::ThingHandle;
        fn declare(self, scope: &mut Scope<'_>) -> Self::Handle {
            let inner = fixed(self.1, None);
            scope.add("inner", self.0.into_iter().fold(inner, |one, from| one.moved_from(from)))
        }
    }
    fn users(scope: &mut Scope<'_>, a: &formwork::testing::ThingHandle) {
        scope.add("value", thing(&[a]));
        scope.add("order", thing(&[]).after(a));
        scope.add("guest", thing(&[]).deleted_with(a));
        scope.add("twin", thing(&[]).replace_with(a));
    }
    let world = World::new();
    world
        .settle(|scope| {
            let a = scope.add("a", fixed("1", None));
            users(scope, &a);
        })
        .await;
    let id = world.row("a").unwrap().id;
    let inside = |from: Option<&'static str>, x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("part", Part(from, x));
            users(scope, &a);
        }
    };
    let run = world.settle(inside(Some("a"), "1")).await;
    assert_snapshot!(run.story(), @r#"
    moved a -> part/inner
    1 to move, 5 unchanged
    run t: 0 step(s)
    end: 0 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.row("part/inner").unwrap().id, id);
    assert_eq!(world.row("value").unwrap().depends_on, [id]);
    // The references still mean what they meant.
    let plan = world.plan(inside(None, "2")).await.unwrap();
    expect(&plan)
        .replaces("part/inner")
        .replaces("guest")
        .replaces("twin")
        .updates("value")
        .reason("twin", "replaced with part/inner");
    world.apply(plan).await.ok();
    world.settled(inside(None, "2")).await;
}

/// S73.
#[tokio::test(start_paused = true)]
async fn one_moves_on_while_another_takes_its_place_and_an_exchange_is_refused() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", Thing::builder().label("first").build());
            scope.add("b", Thing::builder().label("second").build());
        })
        .await;
    let shifted = |scope: &mut Scope<'_>| {
        scope.add("b", Thing::builder().label("first").build().moved_from("a"));
        scope.add("c", Thing::builder().label("second").build().moved_from("b"));
    };
    // Interrupted by a crash at its only write: all of it is done, or none.
    for cut in [0, 1] {
        let writes = world.store().writes();
        world.store().cut_after(writes + cut);
        let plan = world.plan(shifted).await;
        if let Ok(plan) = plan {
            let _ = world.apply(plan).await;
        }
        world.crash();
        world.check();
    }
    assert_eq!(world.settle(shifted).await.log(), NOTHING);
    let label = |at: &str| world.row(at).unwrap().outputs.get("label").cloned().unwrap();
    assert_eq!((label("b").as_str(), label("c").as_str()), (Some("first"), Some("second")));

    let exchanged = Stack::new("t", |scope| {
        scope.add("b", thing(&[]).moved_from("c"));
        scope.add("c", thing(&[]).moved_from("b"));
    });
    assert_snapshot!(masked(&exchanged.unwrap_err()), @r#"
    the declaration of `t` has 1 problem(s):
      - b.moved_from: addresses can not be exchanged in one run: `c` to `b`, `b` to `c`; move one of them out of the way first [declared at ..]
    "#);
}

/// S74.
#[tokio::test(start_paused = true)]
async fn a_component_that_is_renamed_takes_its_children_along_at_every_depth() {
    struct Outer(bool);
    struct Inner(bool);
    impl Component for Inner {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            scope.add("deep", thing(&[]));
            if self.0 {
                scope.add("lost", thing(&[]));
            }
        }
    }
    impl Component for Outer {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            scope.add("child", thing(&[]));
            scope.add("inner", Inner(self.0));
        }
    }
    let world = World::new();
    world.settle(|scope| scope.add("old", Outer(true))).await;
    let ids = world.cloud().ids();
    let before = world.state();
    // A declaration that fails moves nothing.
    assert!(
        Stack::try_new("t", |scope| {
            scope.add("new", Outer(true).with_options().moved_from("old"));
            Err::<(), _>("no")
        })
        .is_err()
    );
    assert_eq!(world.state(), before);
    let renamed = |all: bool| {
        move |scope: &mut Scope<'_>| {
            scope.add("new", Outer(all).with_options().moved_from("old"));
        }
    };
    let run = world.settle(renamed(true)).await;
    assert_snapshot!(run.plan(), @r#"
    moved old/child -> new/child
    moved old/inner/deep -> new/inner/deep
    moved old/inner/lost -> new/inner/lost
    3 to move, 3 unchanged
    "#);
    assert_eq!(world.cloud().ids(), ids);
    let run = world.settle(renamed(false)).await;
    assert_eq!(run.log(), ["delete new/inner/lost"]);

    // Renamed again, and a child gone in the same run.
    let again = |scope: &mut Scope<'_>| {
        struct Lone;
        impl Component for Lone {
            type Handle = ();
            fn declare(self, scope: &mut Scope<'_>) {
                scope.add("child", thing(&[]));
            }
        }
        scope.add("newest", Lone.with_options().moved_from("new"));
    };
    let run = world.settle(again).await;
    assert_snapshot!(run.plan(), @r#"
    moved new/child -> newest/child
    moved new/inner/deep -> newest/inner/deep
    other
      - newest/inner/deep                        model:test/thing  (no longer declared)
    1 to delete, 2 to move, 1 unchanged
    "#);
}

/// S71: an address that means another type is another object.
#[tokio::test(start_paused = true)]
async fn another_type_at_the_same_address_is_a_new_object() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("a", Thing::builder().build()))).await;
    let run = world.settle(|scope| drop(scope.add("a", Single::builder().build()))).await;
    assert_snapshot!(run.story(), @r#"
    other
      + a                                        model:test/single
      - a                                        model:test/thing  (no longer declared)
    1 to create, 1 to delete, 0 unchanged
    run t: 2 step(s)
    > create a
    > delete a
    < delete a
    < create a: a#2
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#2"]);
}

/// S77.
#[tokio::test(start_paused = true)]
async fn what_is_ignored_keeps_its_value_and_is_sent_where_the_object_is_made() {
    let program = |label: &'static str, path: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = Thing::builder().label(label).fixed(label).build();
            scope.add("a", a.ignore_changes([path, "fixed"]));
        }
    };
    let world = World::new();
    world.settle(program("made", "label")).await;
    let label = |world: &World, id: &str| {
        let object = world.cloud().object(id).unwrap();
        object.inputs.get("label").and_then(|label| label.as_str().map(str::to_owned))
    };
    assert_eq!(label(&world, "a#1").as_deref(), Some("made"));
    assert_eq!(world.settle(program("other", "label")).await.log(), NOTHING);
    world.cloud().edit("a#1", "label", "by hand".into());
    assert_eq!(world.settle(program("other", "label")).await.log(), NOTHING);
    assert_eq!(label(&world, "a#1").as_deref(), Some("by hand"));

    let refused = world.plan(program("other", "lable")).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the declaration of `t` has 1 problem(s):
      - a.lable: ignore_changes names `lable`, which is no field of model:test/thing [declared at ..]
    "#);
}

/// S77: what is ignored is no reason to be replaced in a cascade either.
#[tokio::test(start_paused = true)]
async fn an_ignored_field_takes_nobody_into_a_cascade() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            scope.add("b", fixed("b", Some(&a)).ignore_changes(["fixed_ref"]));
        }
    };
    let world = World::new().lenient();
    world.settle(program("1")).await;
    assert_eq!(world.settle(program("2")).await.log(), ["delete a", "create a"]);
}
