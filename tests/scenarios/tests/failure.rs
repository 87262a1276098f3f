//! Failures, cancellation and crashes: S37 to S55.

use std::time::Duration;

use formwork::{
    ApplyError, CancelToken, Engine, Scope, Stack,
    state::{StateError, StateStore, Status},
    testing::{Cloud, Fault, MemoryStore, Op, Resumable, Thing, World, expect, provider},
};
use insta::assert_snapshot;

use crate::support::{NOTHING, error, fixed, thing};

fn two(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    scope.add("b", thing(&[&a]));
}

/// S37.
#[tokio::test(start_paused = true)]
async fn a_create_that_half_happened_keeps_its_id_and_is_finished_or_replaced() {
    let resumable = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Resumable::builder().label("x").build());
        scope.add("b", Thing::builder().refs([&a.id]).build());
    };
    let world = World::new();
    world.cloud().fail(Op::Create, "a", 1, Fault::Partial);
    let run = world.up(resumable).await;
    assert_snapshot!(run.events_text(), @r#"
    run t: 2 step(s)
    > create a
    ! create a: made, and failed
    - create b, for a
    end: 0 done, 1 failed, 1 skipped
    "#);
    let reason = "model:Create: made, and failed".to_owned();
    assert_eq!(world.row("a").unwrap().status, Status::Incomplete { reason });
    let run = world.settle(resumable).await;
    assert_snapshot!(run.story(), @r#"
    other
      ~ a                                        model:test/resumable  (its create did not finish: model:Create: made, and failed)
      + b                                        model:test/thing
    1 to create, 1 to update, 0 unchanged
    run t: 2 step(s)
    > update a
    < update a: a#1
    > create b
    < create b: b#1
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1", "b#1"]);

    let world = World::new();
    world.cloud().fail(Op::Create, "a", 1, Fault::Partial);
    let _ = world.up(two).await;
    let run = world.settle(two).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing  (its create did not finish: model:Create: made, and failed)
      + b                                        model:test/thing
      - a                                        model:test/thing  (replaced)
    1 to create, 1 to replace, 0 unchanged
    run t: 3 step(s)
    > create a
    < create a: a#2
    > create b
    > delete a
    < delete a
    < create b: b#1
    end: 3 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#2", "b#1"]);
}

/// S38.
#[tokio::test(start_paused = true)]
async fn a_create_that_fails_leaves_nothing_and_is_tried_by_the_next_run() {
    let world = World::new();
    world.cloud().fail(Op::Create, "a", 1, Fault::Refuse);
    let run = world.up(two).await;
    assert_snapshot!(run.story(), @r#"
    other
      + a                                        model:test/thing
      + b                                        model:test/thing
    2 to create, 0 unchanged
    run t: 2 step(s)
    > create a
    ! create a: refused on purpose
    - create b, for a
    end: 0 done, 1 failed, 1 skipped
    "#);
    assert_snapshot!(error(&run), @r#"
    1 step(s) failed, 1 skipped, 0 done:
      - could not create a (model:test/thing) [declared at ..]: model:Create: refused on purpose
    "#);
    assert!(world.state().records.is_empty() && world.state().intents.is_empty());
    assert_eq!(world.settle(two).await.log(), ["create a", "create b"]);
}

/// S40.
#[tokio::test(start_paused = true)]
async fn an_update_that_fails_leaves_the_record_as_it_was() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", thing(&[]));
            let y = scope.add("y", thing(&[]));
            let on = if label == "1" { &x } else { &y };
            scope.add("a", Thing::builder().label(label).refs([&on.id]).build());
        }
    };
    world.settle(program("1")).await;
    let before = world.state().records;
    world.cloud().fail(Op::Update, "a", 1, Fault::Refuse);
    let run = world.up(program("2")).await;
    assert_eq!(run.failures(), ["update a: refused on purpose"]);
    assert_eq!(world.state().records, before);
    assert_eq!(world.settle(program("2")).await.log(), ["update a"]);
}

/// S41.
#[tokio::test(start_paused = true)]
async fn a_provider_that_answers_nonsense_is_blamed_and_what_it_made_is_not_lost() {
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("x").build());
        let label = a.label.map(Option::unwrap_or_default);
        scope.add("b", Thing::builder().label(label).build());
    };
    let mut told = Vec::new();
    for fault in [Fault::EmptyId, Fault::NoAnswer, Fault::Nonsense] {
        let world = World::new();
        world.cloud().fail(Op::Create, "a", 1, fault);
        let run = world.up(program).await;
        told.push(format!("{fault:?}: {}", run.failures().join("; ")));
        assert!(!run.log().contains(&"create b".to_owned()), "{fault:?}: {run:?}");
        // Whatever it was, the object is known by its row or by its intent: `World` checks that.
        world.settle(program).await;
        assert_eq!(world.cloud().ids().len(), 2, "{fault:?}: {:?}", world.cloud().ids());
    }
    assert_snapshot!(told.join("\n"), @r#"
    EmptyId: create a: the provider reported an object without an id
    NoAnswer: create a: the provider reported an object without an id
    Nonsense: create a: what the provider reported is not what this type reports: label: invalid type: sequence, expected a string
    "#);
}

/// S43.
#[tokio::test(start_paused = true)]
async fn deletes_go_on_past_one_that_fails_and_keep_what_it_still_needs() {
    let world = World::new();
    world
        .settle(|scope| {
            let dep = scope.add("dep", thing(&[]));
            scope.add("failing", thing(&[&dep]));
            let x = scope.add("x", thing(&[]));
            scope.add("y", thing(&[&x]));
            scope.add("z", thing(&[]));
        })
        .await;
    world.cloud().fail(Op::Delete, "failing", 1, Fault::Refuse);
    let run = world.destroy().await;
    assert_eq!(run.failures(), ["delete failing: refused on purpose"]);
    assert_eq!(run.skipped(), ["delete dep, for failing"]);
    assert_eq!(world.cloud().ids(), ["dep#1", "failing#1"]);
    assert_eq!(world.destroy().await.ok().log(), ["delete failing", "delete dep"]);
}

/// S44.
#[tokio::test(start_paused = true)]
async fn what_nobody_wants_is_deleted_although_something_else_fails() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("w", thing(&[])))).await;
    world.cloud().fail(Op::Create, "f", 1, Fault::Refuse);
    let run = world.up(|scope| drop(scope.add("f", thing(&[])))).await;
    assert_eq!(run.failures(), ["create f: refused on purpose"]);
    assert!(world.cloud().ids().is_empty());
    // Unless it was told to stop at the first failure.
    world.settle(|scope| drop(scope.add("w", thing(&[])))).await;
    world.cloud().fail(Op::Create, "f", 1, Fault::Refuse);
    let w_after_f = |scope: &mut Scope<'_>| drop(scope.add("f", thing(&[])));
    let plan = world.plan(w_after_f).await.unwrap();
    let run = world.apply_with(plan, |request| request.continue_on_error(false)).await;
    assert_eq!(run.failures(), ["create f: refused on purpose"]);
    world.settle(|_| ()).await;
}

/// S46.
#[tokio::test(start_paused = true)]
async fn a_program_that_fails_half_way_changes_nothing_and_outputs_go_when_they_are_not_set() {
    let world = World::new();
    let whole = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("1").build());
        scope.add("b", thing(&[]));
        scope.export("label", &a.label);
        scope.export("id", &a.id);
    };
    world.settle(whole).await;
    let before = world.state();
    let fails = Stack::try_new("t", |scope| {
        scope.add("a", Thing::builder().label("2").build());
        Err::<(), _>("the settings can not be read")
    });
    assert_snapshot!(fails.unwrap_err(), @"the declaration of `t` failed: the settings can not be read");
    let panics = Stack::new("t", |scope| {
        scope.add("a", Thing::builder().label("2").build());
        panic!("there is no region of that name");
    });
    assert_snapshot!(panics.unwrap_err(), @"the declaration of `t` panicked: there is no region of that name");
    assert_eq!(world.state(), before);

    let fewer = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("1").build());
        scope.add("b", thing(&[]));
        scope.export("id", &a.id);
    };
    let run = world.settle(fewer).await;
    assert_snapshot!(run.plan(), @r#"
    outputs
        label: "1" -> (none)
    nothing to do, 2 unchanged
    "#);
    assert_eq!(world.state().exports.get("label"), None);
    assert_eq!(world.state().exports.get("id").and_then(|id| id.as_str()), Some("a#1"));
}

/// S47.
#[tokio::test(start_paused = true)]
async fn the_first_signal_lets_calls_finish_and_starts_nothing_more() {
    let world = World::new().parallelism(1);
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    };
    world.cloud().fail(Op::Create, "a", 1, Fault::Hold);
    let token = CancelToken::new();
    let plan = world.plan(program).await.unwrap();
    let signal = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.cloud().release();
    };
    let (run, ()) =
        tokio::join!(world.apply_with(plan, |request| request.cancel(token.clone())), signal);
    assert!(matches!(run.error(), ApplyError::Cancelled(_)), "{run:?}");
    assert_snapshot!(run.events_text(), @r#"
    run t: 2 step(s)
    > create a
    cancelling
    - create a
    - create b
    end: 0 done, 0 failed, 2 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1"]);
    // The lock is released: the next run begins at once.
    assert_eq!(world.settle(program).await.log(), ["create b"]);
}

/// S47: the second signal drops what hangs, and the next run finds out what became of it.
#[tokio::test(start_paused = true)]
async fn the_second_signal_drops_what_hangs_and_the_next_run_looks() {
    let world = World::new().parallelism(1);
    world.cloud().fail(Op::Create, "a", 1, Fault::HangAfter);
    let token = CancelToken::new();
    let plan = world.plan(two).await.unwrap();
    let signal = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
        token.cancel();
    };
    let (run, ()) =
        tokio::join!(world.apply_with(plan, |request| request.cancel(token.clone())), signal);
    assert!(matches!(run.error(), ApplyError::Cancelled(_)), "{run:?}");
    let run = world.settle(two).await;
    assert_snapshot!(run.story(), @r#"
    recovered a: its create had happened: a#1
    other
      … a                                        model:test/thing  (an earlier run did not see it ready)
      + b                                        model:test/thing
    1 to create, 1 to wait for, 0 unchanged
    run t: 2 step(s)
    > settle a
    < settle a: a#1
    > create b
    < create b: b#1
    end: 2 done, 0 failed, 0 skipped
    "#);
}

/// S49.
#[tokio::test(start_paused = true)]
async fn a_crash_before_the_effect_of_a_create_leaves_an_intent_and_one_create_follows() {
    let world = World::new();
    world.cloud().fail(Op::Create, "a", 1, Fault::Crash);
    assert!(world.up(two).await.crashed());
    let intents = world.state().intents;
    let intent = intents.values().next().unwrap();
    let row = intent.record.as_ref().unwrap();
    assert_eq!((row.address.as_str(), intent.id), ("a", row.id));
    assert!(row.inputs.get("refs").is_some(), "what was going to be sent is there");
    let run = world.settle(two).await;
    assert_snapshot!(run.story(), @r#"
    recovered a: its create had not happened
    other
      + a                                        model:test/thing
      + b                                        model:test/thing
    2 to create, 0 unchanged
    run t: 2 step(s)
    > create a
    < create a: a#1
    > create b
    < create b: b#1
    end: 2 done, 0 failed, 0 skipped
    "#);
    let finds = run.calls().iter().filter(|call| call.op == Op::Create).count();
    assert_eq!((finds, world.cloud().ids().len()), (2, 2));
    assert_eq!(world.row("a").unwrap().id, intent.id, "it is made under the id it was to have");
}

/// S48, S49: and after the effect.
#[tokio::test(start_paused = true)]
async fn a_crash_after_the_effect_of_a_create_is_found_and_not_made_again() {
    let world = World::new();
    world.cloud().fail(Op::Create, "a", 1, Fault::CrashAfter);
    assert!(world.up(two).await.crashed());
    let run = world.settle(two).await;
    assert_snapshot!(run.story(), @r#"
    recovered a: its create had happened: a#1
    other
      … a                                        model:test/thing  (an earlier run did not see it ready)
      + b                                        model:test/thing
    1 to create, 1 to wait for, 0 unchanged
    run t: 2 step(s)
    > settle a
    < settle a: a#1
    > create b
    < create b: b#1
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1", "b#1"]);
}

/// S50.
#[tokio::test(start_paused = true)]
async fn a_crash_during_an_update_or_a_delete_is_looked_at_before_anything_else() {
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| drop(scope.add("a", Thing::builder().label(label).build()))
    };
    let mut told = Vec::new();
    for fault in [Fault::Crash, Fault::CrashAfter] {
        let world = World::new();
        world.settle(program("1")).await;
        world.cloud().fail(Op::Update, "a", 1, fault);
        assert!(world.up(program("2")).await.crashed());
        let run = world.settle(program("2")).await;
        told.push(format!("update, {fault:?}: {:?}", run.log()));

        let world = World::new();
        world.settle(program("1")).await;
        world.cloud().fail(Op::Delete, "a", 1, fault);
        assert!(world.up(|_| ()).await.crashed());
        // Another look alone drops no intent of what is still there.
        world.refresh(|_| ()).await.ok();
        let run = world.settle(|_| ()).await;
        told.push(format!("delete, {fault:?}: {:?}", run.log()));
        assert!(world.state().intents.is_empty() && world.cloud().ids().is_empty());
    }
    assert_snapshot!(told.join("\n"), @r#"
    update, Crash: ["update a"]
    delete, Crash: ["delete a"]
    update, CrashAfter: []
    delete, CrashAfter: ["delete a"]
    "#);
}

/// S52.
#[tokio::test(start_paused = true)]
async fn a_first_deploy_that_was_cut_off_anywhere_is_planned_finished_and_destroyed() {
    let program = |scope: &mut Scope<'_>| {
        let parent = scope.add("parent", thing(&[]));
        let label = parent.id.map(|id| format!("on {id}"));
        scope.add("child", Thing::builder().label(label).refs([&parent.id]).build());
    };
    let writes = {
        let world = World::new();
        world.settle(program).await;
        world.store().writes()
    };
    for cut in 1..=writes {
        for destroys in [false, true] {
            let world = World::new();
            world.store().cut_after(cut);
            let _ = world.up(program).await;
            let there = world.cloud().ids();
            world.plan(program).await.unwrap();
            if destroys {
                let run = world.destroy().await.ok();
                let deleted = run.log().len();
                assert!(deleted <= there.len(), "nothing is called for what is not there: {run:?}");
                assert!(world.cloud().ids().is_empty() && world.state().intents.is_empty());
            } else {
                world.settle(program).await;
                assert_eq!(world.cloud().ids(), ["child#1", "parent#1"]);
            }
        }
    }
}

/// S53.
#[tokio::test(start_paused = true)]
async fn a_write_that_keeps_failing_stops_the_run_and_what_is_not_recorded_is_handed_over() {
    let world = World::new();
    let many = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        for i in 0..4 {
            scope.add(format!("r{i}"), thing(&[&a]));
        }
    };
    // The intent of `a` is the first write; what was made of it can not be recorded.
    for nth in 2..12 {
        world.store().fail_commit(nth);
    }
    let run = world.up(many).await;
    let ApplyError::Unsaved { unsaved, .. } = run.error() else { panic!("{run:?}") };
    assert!(!unsaved.changes.is_empty());
    assert_eq!(run.log(), ["create a"]);
    world.crash();
    world.settle(many).await;
    assert_eq!(world.cloud().ids(), ["a#1", "r0#1", "r1#1", "r2#1", "r3#1"]);

    // A write that fails once is tried again, and the run goes on.
    let world = World::new();
    world.store().fail_commit(2);
    world.settle(many).await;
}

/// S55.
#[tokio::test(start_paused = true)]
async fn the_lock_of_a_run_that_died_runs_out_by_itself_and_its_calls_are_resolved() {
    let (cloud, store) = (Cloud::new(), MemoryStore::new());
    let engine = || {
        let provider = provider(&cloud);
        Engine::builder().provider(provider).state(store.clone()).try_build().unwrap()
    };
    let stack = Stack::new("t", two).unwrap();
    cloud.fail(Op::Create, "a", 1, Fault::CrashAfter);
    {
        let dead = engine();
        let plan = dead.plan(&stack).await.unwrap();
        tokio::select! {
            biased;
            () = cloud.crashed() => {}
            _ = dead.apply(plan) => panic!("it was to die"),
        }
    }
    let next = engine();
    let plan = next.plan(&stack).await.unwrap();
    let refused = next.apply(plan.clone()).await.err().unwrap();
    assert!(matches!(refused, ApplyError::State(StateError::Leased { .. })), "{refused}");
    tokio::time::sleep(Duration::from_secs(31)).await;
    next.apply(plan).await.unwrap();
    assert_eq!(cloud.ids(), ["a#1", "b#1"]);
    assert!(store.load("t").await.unwrap().intents.is_empty());
}

/// A service that asks to slow down makes a run slow, and does not end it.
#[tokio::test(start_paused = true)]
async fn a_service_that_answers_few_calls_a_second_slows_the_run_down() {
    let world = World::new();
    let many = |scope: &mut Scope<'_>| {
        for i in 0..60 {
            scope.add(format!("r{i}"), thing(&[]));
        }
    };
    world.cloud().rate(5);
    let began = tokio::time::Instant::now();
    world.up(many).await.ok();
    assert!(began.elapsed() > Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(world.cloud().ids().len(), 60);
}

/// A replacement of which the object disappears in the middle.
#[tokio::test(start_paused = true)]
async fn an_object_that_goes_while_it_is_updated_is_made_again_by_the_next_run() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| drop(scope.add("a", Thing::builder().label(label).build()))
    };
    world.settle(program("1")).await;
    world.cloud().fail(Op::Update, "a", 1, Fault::Gone);
    assert_eq!(world.up(program("2")).await.failures(), ["update a: a#1 does not exist"]);
    let plan = world.plan(program("2")).await.unwrap();
    expect(&plan).reason("a", "it is gone from the cloud");
    assert_eq!(world.apply(plan).await.ok().log(), ["create a"]);
    world.settled(program("2")).await;
    assert_eq!(world.destroy().await.ok().log(), ["delete a"]);
    assert_eq!(world.settle(|_| ()).await.log(), NOTHING);
    let _ = fixed;
}
