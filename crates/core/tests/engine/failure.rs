//! Failures: what goes on, what is skipped, what is never lost.

use formwork_core::{
    Address, ApplyError, CancelToken, Event, Scope,
    state::Status,
    testing::{Fault, Op, Resumable, Thing},
};

use crate::{
    basics::thing,
    world::{World, at},
};

#[tokio::test]
async fn independent_work_goes_on_and_dependents_are_skipped() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("orphan", thing(&[]));
        })
        .await;
    world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
    let line = line!() + 2;
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        let b = scope.add("b", thing(&[&a]));
        scope.add("c", thing(&[&b]));
        scope.add("free", thing(&[]));
    };
    let Err(ApplyError::Failed(report)) = world.up(program).await else { panic!("no failure") };
    let skipped: Vec<_> = report.skipped.iter().map(|s| s.address.to_string()).collect();
    assert_eq!((report.done, skipped), (2, vec!["b".to_owned(), "c".to_owned()]));
    let told = report.failures[0].to_string();
    assert!(told.starts_with(&format!("could not create a (model:test/thing) [declared at crates/core/tests/engine/failure.rs:{line}]")), "{told}");
    assert!(told.contains("refused on purpose"));
    // A failed create still prunes what nobody wants.
    assert_eq!(world.cloud.ids(), ["free#1"]);
    assert_eq!(world.settle(program).await, ["create a", "create b", "create c"]);
}

#[tokio::test]
async fn a_delete_that_fails_keeps_what_it_needs_and_nothing_else() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let dep = scope.add("dep", thing(&[]));
        scope.add("failing", thing(&[&dep]));
        let x = scope.add("x", thing(&[]));
        scope.add("y", thing(&[&x]));
        scope.add("z", thing(&[]));
    };
    world.settle(program).await;
    world.cloud.fail(Op::Delete, "failing", 1, Fault::Refuse);
    assert!(world.destroy().await.is_err());
    assert_eq!(world.cloud.ids(), ["dep#1", "failing#1"]);
    assert_eq!(world.destroy().await.unwrap(), ["delete failing", "delete dep"]);
}

/// With one call at a time, so that what comes after the failure was not started before it.
#[tokio::test]
async fn a_run_that_is_to_stop_at_an_error_starts_nothing_after_it() {
    for goes_on in [false, true] {
        let mut world = World::new();
        world.parallelism = 1;
        world
            .settle(|scope| {
                scope.add("orphan", thing(&[]));
            })
            .await;
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            scope.add("user", thing(&[&a]));
            scope.add("free", thing(&[]));
        };
        world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
        let plan = world.plan(program).await;
        let run = world.engine().apply(plan).continue_on_error(goes_on).await;
        let Err(ApplyError::Failed(report)) = run.map(|_| ()) else { panic!("no failure") };
        world.check();
        let skipped: Vec<_> = report
            .skipped
            .iter()
            .map(|skip| (skip.address.as_str(), skip.because.as_ref().map(Address::as_str)))
            .collect();
        if goes_on {
            assert_eq!((report.done, skipped), (2, vec![("user", Some("a"))]));
            assert_eq!(world.cloud.ids(), ["free#1"]);
        } else {
            let expected = vec![("user", Some("a")), ("free", None), ("orphan", None)];
            assert_eq!((report.done, skipped), (0, expected));
            assert_eq!(world.cloud.ids(), ["orphan#1"]);
        }
        world.settle(program).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_started_is_finished_when_a_run_stops_at_an_error() {
    let world = World::new();
    world.cloud.slow(3);
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("slow", thing(&[]));
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
    let plan = world.plan(program).await;
    assert!(world.engine().apply(plan).continue_on_error(false).await.is_err());
    world.check();
    let rows: Vec<_> = world.state().records.into_values().map(|row| row.status).collect();
    assert_eq!(rows, [Status::Ready]);
    assert_eq!(world.settle(program).await, ["create a"]);
}

#[tokio::test]
async fn a_create_that_made_something_and_failed_never_makes_a_second() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("b", thing(&[&a]));
        let r = scope.add("r", Resumable::builder().build());
        scope.add("s", thing(&[]).after(&r));
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    world.cloud.fail(Op::Create, "r", 1, Fault::Partial);
    assert!(world.up(program).await.is_err());
    assert_eq!(world.cloud.ids(), ["a#1", "r#1"]);
    let log = world.settle(program).await;
    // What can be resumed is updated; what can not is replaced.
    assert!(log.contains(&"update r".to_owned()) && !log.contains(&"create r".to_owned()));
    assert!(at(&log, "create a") < at(&log, "delete a"));
    assert_eq!(world.cloud.ids(), ["a#2", "b#1", "r#1", "s#1"]);
}

#[tokio::test]
async fn a_failed_update_keeps_the_old_inputs_and_is_tried_again() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label(label.to_owned()).build());
        }
    };
    world.settle(program("1")).await;
    for fault in [Fault::Refuse, Fault::LoseRequest, Fault::LoseAnswer] {
        world.cloud.fail(Op::Update, "a", 1, fault);
        assert!(world.up(program("2")).await.is_err());
        let inputs = &world.state().records.values().next().unwrap().inputs.clone();
        assert_eq!(inputs.get("label").unwrap().as_str(), Some("1"));
    }
    // The last one had happened: the record is put right without a call.
    assert!(world.settle(program("2")).await.is_empty());
    // And back again: an update that may have happened is compared with what is there.
    world.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
    assert!(world.up(program("3")).await.is_err());
    assert_eq!(world.settle(program("2")).await, ["update a"]);
}

#[tokio::test]
async fn a_write_only_field_is_sent_again_when_nobody_knows_whether_it_arrived() {
    let world = World::new();
    let program = |hidden: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().hidden(hidden.to_owned()).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
    assert!(world.up(program("2")).await.is_err());
    assert_eq!(world.settle(program("1")).await, ["update a"]);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_never_guessed() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let world = World::new();
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            scope.add("b", thing(&[&a]));
        };
        world.cloud.fail(Op::Create, "a", 1, fault);
        assert!(world.up(program).await.is_err());
        let plan = world.plan(program).await;
        assert_eq!(plan.data().recovered.len(), 1);
        world.apply(plan).await.unwrap();
        assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
        world.assert_settled(program).await;
        world.cloud.fail(Op::Delete, "b", 1, fault);
        assert!(world.destroy().await.is_err());
        world.destroy().await.unwrap();
        assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
    }
}

#[tokio::test]
async fn an_open_intent_for_what_nobody_wants_any_more_leaves_nothing_behind() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let world = World::new();
        world.cloud.fail(Op::Create, "a", 1, fault);
        assert!(
            world
                .up(|scope| {
                    scope.add("a", thing(&[]));
                })
                .await
                .is_err()
        );
        world.settle(|_| ()).await;
        assert!(world.cloud.ids().is_empty());
        assert!(world.state().records.is_empty() && world.state().intents.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_slows_down_and_does_not_fail() {
    let world = World::new();
    for nth in 1..=6 {
        world.cloud.fail(Op::Create, "a", nth, Fault::Throttle);
    }
    let log = world
        .settle(|scope| {
            scope.add("a", thing(&[]));
        })
        .await;
    assert_eq!(log.len(), 7);
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

#[tokio::test]
async fn deletes_that_do_not_depend_on_a_failed_one_go_on() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let dep = scope.add("dep", thing(&[]));
        scope.add("failing", thing(&[&dep]));
        let x = scope.add("x", thing(&[]));
        scope.add("y", thing(&[&x]));
        scope.add("z", thing(&[]));
    };
    world.settle(program).await;
    world.cloud.fail(Op::Delete, "failing", 1, Fault::Refuse);
    assert!(world.destroy().await.is_err());
    assert_eq!(world.cloud.ids(), ["dep#1", "failing#1"]);
    world.destroy().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_signal_stops_starting_and_the_next_drops_what_hangs() {
    let world = World::new();
    world.cloud.latency(std::time::Duration::from_secs(1));
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("b", thing(&[&a]));
    };
    let token = CancelToken::new();
    let plan = world.plan(program).await;
    let stop = token.clone();
    let result = world
        .engine()
        .apply(plan)
        .cancel(token)
        .events(move |event: Event| {
            if matches!(event, Event::StepStarted(_)) {
                stop.cancel();
            }
        })
        .await;
    // The intent was not durable yet, so nothing was called at all; or the call ended and is recorded.
    assert!(matches!(result, Err(ApplyError::Cancelled(_))));
    world.check();
    world.cloud.fail(Op::Create, "b", 1, Fault::HangAfter);
    let token = CancelToken::new();
    let plan = world.plan(program).await;
    let (engine, cancel) = (world.engine(), token.clone());
    let run = engine.apply(plan).cancel(token);
    let signals = async {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        cancel.cancel();
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        cancel.cancel();
    };
    let (result, ()) = futures_util::join!(std::future::IntoFuture::into_future(run), signals);
    assert!(matches!(result, Err(ApplyError::Cancelled(_))));
    world.check();
    world.settle(program).await;
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_keeps_failing_stops_the_run_and_the_next_one_finds_what_was_made() {
    for nth in 1..=8 {
        let world = World::new();
        // It is tried five times in all.
        (nth..nth + 5).for_each(|attempt| world.store.fail_commit(attempt));
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            scope.add("b", thing(&[&a]));
        };
        match world.up(program).await {
            Err(ApplyError::Unsaved { .. }) => {}
            Ok(_) => assert!(nth > 6, "write {nth} failed and nobody noticed"),
            Err(other) => panic!("{other}"),
        }
        world.settle(program).await;
        assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
    }
}

#[tokio::test]
async fn a_stale_plan_is_refused_before_anything_is_done() {
    let world = World::new();
    let old = world
        .plan(|scope| {
            scope.add("a", thing(&[]));
        })
        .await;
    world
        .settle(|scope| {
            scope.add("b", thing(&[]));
        })
        .await;
    let error = world.engine().apply(old).await.err().unwrap();
    assert!(error.to_string().contains("plan again"), "{error}");
    assert_eq!(world.cloud.ids(), ["b#1"]);
}

#[tokio::test]
async fn a_program_that_fails_or_panics_changes_nothing() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]));
        })
        .await;
    let failed = formwork_core::Stack::try_new("t", |_| Err::<(), _>("no such file"));
    assert!(failed.err().unwrap().to_string().contains("no such file"));
    let panicked = formwork_core::Stack::new("t", |scope| {
        scope.add("x", thing(&[]));
        panic!("oh no")
    });
    assert!(
        panicked.map(|_: formwork_core::Stack<()>| ()).err().unwrap().to_string().contains("oh no")
    );
    assert_eq!(world.cloud.ids(), ["a#1"]);
}
