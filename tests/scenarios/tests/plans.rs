//! Saved plans: S79 to S82.

use formwork::{
    Output, Scope,
    testing::{Cloud, Fault, MemoryStore, Named, Op, Thing, World, expect},
};
use insta::assert_snapshot;

use crate::support::{masked, thing};

fn one(label: &'static str) -> impl Fn(&mut Scope<'_>) + Copy {
    move |scope| drop(scope.add("a", Thing::builder().label(label).build()))
}

/// S79.
#[tokio::test(start_paused = true)]
async fn a_plan_of_another_version_or_lineage_of_the_state_is_refused() {
    let world = World::new();
    world.settle(one("1")).await;
    let plan = world.plan(one("2")).await.unwrap();
    let file = world.save(&plan);
    // Another run comes between.
    world
        .settle(|scope| {
            scope.add("a", Thing::builder().label("1").build());
            scope.add("b", thing(&[]));
        })
        .await;
    let refused = world.load(&file, one("2"), |request| request).await.unwrap_err();
    assert_snapshot!(refused, @"the plan was made from version 4 of the state of `t`, which has version 7 now: plan again");
    let run = world.apply(plan).await;
    assert_snapshot!(run.error(), @"the state of `t` changed since it was planned (version 4, now 7): plan again. Nothing was written");
    assert_eq!(run.calls().len(), 0);

    let elsewhere = World::over(Cloud::new(), MemoryStore::new());
    elsewhere.settle(one("1")).await;
    let refused = elsewhere.load(&file, one("2"), |request| request).await.unwrap_err();
    assert!(refused.to_string().contains("of lineage"), "{refused}");
}

/// A saved plan does those steps, and another program is refused by all of its differences.
#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_applied_as_it_is_or_refused_by_another_program() {
    let world = World::new();
    world.settle(one("1")).await;
    let file = world.save(&world.plan(one("2")).await.unwrap());
    let other = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("3").build().protect());
        scope.add("b", thing(&[]));
    };
    let refused = world.load(&file, other, |request| request).await.unwrap_err();
    let text = masked(&refused);
    assert!(["a.label", "a", "b"].iter().all(|part| text.contains(part)), "{text}");
    let plan = world.load(&file, one("2"), |request| request).await.unwrap();
    let run = world.apply(plan).await.ok();
    assert_eq!(run.log(), ["update a"]);
    world.settled(one("2")).await;
}

/// S80.
#[tokio::test(start_paused = true)]
async fn what_was_known_may_not_become_another_value_and_what_was_unknown_may_become_any() {
    // Known: the label is said to be what was sent, and turns out otherwise.
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("known").build());
        let label = a.label.map(Option::unwrap_or_default);
        scope.add("b", Thing::builder().label(label).build());
    };
    world.cloud().fail(Op::Settle, "a", 1, Fault::OtherValue);
    let run = world.up(program).await;
    assert_snapshot!(masked(run.error()), @r#"
    1 step(s) failed, 1 skipped, 0 done:
      - could not create a (model:test/thing) [declared at ..]: formwork: the provider promised that `label` comes back as it was sent, and it came back different
    "#);
    assert!(world.row("b").is_none());

    // Unknown: a value, or none at all.
    for absent in [true, false] {
        let world = World::new();
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", Named::builder().build());
            let label: Output<Option<String>> = a.name.map(move |name| (!absent).then_some(name));
            scope.add("b", Thing { label: None, ..Thing::default() });
            scope.export("label", &label);
        };
        let plan = world.plan(program).await.unwrap();
        expect(&plan).output_unknown("label");
        world.apply(plan).await.ok();
        let label = world.state().exports.get("label").cloned().unwrap();
        assert_eq!(label.is_null(), absent);
        world.settled(program).await;
    }
}

/// S82.
#[tokio::test(start_paused = true)]
async fn a_plan_whose_work_is_partly_done_is_refused_unless_stale_ones_are_allowed() {
    let world = World::new();
    let all = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    };
    world.settle(|scope| drop(scope.add("old", thing(&[])))).await;
    let file = world.save(&world.plan(all).await.unwrap());
    // Somebody else makes `a` and deletes `old`.
    world.settle(|scope| drop(scope.add("a", thing(&[])))).await;
    assert!(world.load(&file, all, |request| request).await.is_err());
    let plan = world.load(&file, all, |request| request.allow_stale()).await.unwrap();
    assert_eq!(world.apply(plan).await.ok().log(), ["create b"]);
    world.settled(all).await;

    // More than the plan says is refused all the same.
    let file = world.save(&world.plan(|scope| drop(scope.add("a", thing(&[])))).await.unwrap());
    world
        .settle(|scope| {
            scope.add("a", Thing::builder().label("other").build());
            scope.add("b", thing(&[]));
        })
        .await;
    let refused = world
        .load(&file, |scope| drop(scope.add("a", thing(&[]))), |request| request.allow_stale())
        .await
        .unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    the state of `t` changed since the plan was made, and it takes more now than the plan says; 1 thing(s):
      - a: it would now take to update it, which the plan does not say [declared at ..]
    "#);
}

/// A plan file is bound to where its providers point, and is applied once.
#[tokio::test(start_paused = true)]
async fn a_saved_plan_is_applied_once() {
    let world = World::new();
    let file = world.save(&world.plan(one("1")).await.unwrap());
    let plan = world.load(&file, one("1"), |request| request).await.unwrap();
    world.apply(plan).await.ok();
    assert!(world.load(&file, one("1"), |request| request).await.is_err());
    let text = String::from_utf8(file).unwrap();
    assert!(text.contains("\"create\""), "the file says what it does");
}
