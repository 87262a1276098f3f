//! What bounds a run: timeouts, signals, the store, the lease, and providers that misbehave.

use std::{
    error::Error,
    future::{Future, IntoFuture},
    sync::Arc,
    time::Duration,
};

use formwork_core::{
    Action, ApplyError, CancelToken, Changes, Check, Context, CreateError, Deletion, Engine,
    ErrorKind, FoundBy, Known, Lifecycle, Live, Observed, PlanError, ProviderError, Registry,
    Resource, Scope, Timeouts,
    testing::{Fault, MemoryStore, Op, Resumable, Thing, ThingOutputs},
};
use futures_util::join;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{basics::thing, world::World};

/// Applies `declare` and sends a first signal after a while; returns how the run ended, and how
/// long after the signal.
async fn stopped_after(
    world: &World,
    after: Duration,
    declare: impl FnOnce(&mut Scope<'_>),
) -> (Result<Live, ApplyError>, Duration) {
    let token = CancelToken::new();
    let plan = world.plan(declare).await;
    let (engine, signal) = (world.engine(), token.clone());
    let run = async {
        let result = engine.apply(plan).cancel(token).into_future().await;
        (result, Instant::now())
    };
    let signal = async {
        sleep(after).await;
        signal.cancel();
        Instant::now()
    };
    let ((result, ended), asked) = join!(run, signal);
    world.check();
    (result, ended - asked)
}

/// How long something takes.
async fn timed<T>(what: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (what.await, began.elapsed())
}

fn one_thing(scope: &mut Scope<'_>) {
    scope.add("a", thing(&[]));
}

#[tokio::test(start_paused = true)]
async fn a_signal_does_not_wait_for_a_step_that_only_sleeps() {
    let world = World::new();
    for nth in 1..=9 {
        world.cloud.fail(Op::Create, "a", nth, Fault::Throttle);
    }
    let (result, took) = stopped_after(&world, Duration::from_secs(30), one_thing).await;
    assert!(matches!(result, Err(ApplyError::Cancelled(_))));
    assert_eq!(took, Duration::ZERO);
    world.cloud.heal();
    world.settle(one_thing).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_good_does_not_wait_for_a_step_that_only_sleeps() {
    let world = World::new();
    for nth in 1..=9 {
        world.cloud.fail(Op::Create, "a", nth, Fault::Throttle);
    }
    // `b` is ready after 13.5 s, which is the tenth write, for `a` has been called seven times more
    // by then. It sleeps from 12.7 s to 22.7 s.
    world.cloud.slow(675);
    (10..100).for_each(|nth| world.store.fail_commit(nth));
    let run = world.up(|scope| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    });
    let (result, took) = timed(run).await;
    assert!(matches!(result, Err(ApplyError::Unsaved { .. })));
    assert!(took > Duration::from_secs(13) && took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_returns_ends_at_its_timeout_and_holds_up_nothing_else() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let world = World::new();
        world.cloud.fail(Op::Create, "a", 1, fault);
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]).create_timeout(Duration::from_secs(5)));
            scope.add("b", thing(&[&a]));
            let free = scope.add("free", thing(&[]));
            scope.add("behind", thing(&[&free]));
        };
        let (result, took) = timed(world.up(program)).await;
        let Err(ApplyError::Failed(report)) = result else { panic!("no failure") };
        assert_eq!(took.as_secs(), 5);
        let error = &report.failures[0].error;
        assert_eq!(error.kind, ErrorKind::Timeout);
        assert_eq!(
            error.to_string(),
            "formwork: waited 5 s for an answer to its create; its timeout is 5 s"
        );
        assert_eq!((report.done, report.skipped.len()), (2, 1));
        // Whether it happened is not known, so the next run looks, and makes it at most once.
        assert_eq!(world.state().intents.len(), 1);
        world.settle(program).await;
        assert_eq!(world.cloud.ids(), ["a#1", "b#1", "behind#1", "free#1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_counts_from_the_first_call_through_retries_until_the_object_is_ready() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).create_timeout(Duration::from_secs(10)));
    };
    for nth in 1..=5 {
        world.cloud.fail(Op::Create, "a", nth, Fault::Throttle);
    }
    world.cloud.slow(100_000);
    let (result, took) = timed(world.up(program)).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("for it to be ready; its timeout is 10 s"), "{error}");
    assert_eq!(took.as_secs(), 9, "the look that would come too late is not waited for: {took:?}");
    assert_eq!(world.state().records.len(), 1, "its id is not lost");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_come_after_the_timeout_is_not_waited_for() {
    let world = World::new();
    for nth in 1..=9 {
        world.cloud.fail(Op::Create, "a", nth, Fault::Throttle);
    }
    let run = world.up(|scope| {
        scope.add("a", thing(&[]).create_timeout(Duration::from_secs(5)));
    });
    let (result, took) = timed(run).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("slow down"), "{error}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(world.state().intents.is_empty(), "a refused create needs no look");
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_delete_is_the_programs_word_or_else_the_records() {
    let world = World::new();
    let declared = |seconds: Option<u64>| {
        move |scope: &mut Scope<'_>| {
            let delete = seconds.map(Duration::from_secs);
            scope.add("a", thing(&[]).timeouts(Timeouts { delete, ..Timeouts::default() }));
        }
    };
    world.settle(declared(Some(15))).await;
    // No longer declared: what the record says.
    world.cloud.fail(Op::Delete, "a", 1, Fault::Hang);
    let (result, took) = timed(world.up(|_| ())).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("for it to be gone; its timeout is 15 s"), "{error}");
    assert_eq!(took.as_secs(), 15);
    // Still declared, and destroyed: what the program says, with or without a number.
    for (seconds, expected) in [(Some(3), 3), (None, 30 * 60)] {
        world.cloud.fail(Op::Delete, "a", 1, Fault::Hang);
        let plan = world.plan_destroy(declared(seconds)).await;
        let (result, took) = timed(world.apply(plan)).await;
        assert!(result.is_err());
        assert_eq!(took.as_secs(), expected);
    }
    // Another number alone is recorded without a call.
    assert!(world.settle(declared(Some(7))).await.is_empty());
    let row = world.state().records.values().next().unwrap().clone();
    assert_eq!(row.options.delete_timeout, Some(Duration::from_secs(7)));
    world.destroy().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_panics_fails_its_step_and_nothing_else() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label(label).build());
            scope.add("b", thing(&[&a]));
            scope.add("free", Thing::builder().label(label).build());
        }
    };
    for (op, label) in [(Op::Create, "1"), (Op::Update, "2")] {
        world.cloud.fail(op, "a", 1, Fault::Panic);
        let result = world.up(program(label)).await;
        let Err(ApplyError::Failed(report)) = result else { panic!("no failure") };
        let error = &report.failures[0].error;
        assert_eq!((error.kind, report.failures.len()), (ErrorKind::Ambiguous, 1));
        let told = format!("the provider panicked, which is a bug in it: {op:?} was told to panic");
        assert!(error.message == told && error.operation == "model:test/thing", "{error}");
        // It had happened, and the lease is free.
        assert_eq!(world.state().intents.len(), 1);
        world.settle(program(label)).await;
        assert_eq!(world.cloud.ids(), ["a#1", "b#1", "free#1"]);
    }
    world.cloud.fail(Op::Delete, "b", 1, Fault::Panic);
    assert!(world.destroy().await.is_err());
    world.destroy().await.unwrap();
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}

#[tokio::test]
async fn a_look_that_panics_while_it_waits_for_an_object_does_not_give_the_object_up() {
    let world = World::new();
    world.cloud.fail(Op::Settle, "a", 1, Fault::Panic);
    assert!(world.up(one_thing).await.is_err());
    assert!(world.settle(one_thing).await.is_empty());
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

#[tokio::test]
async fn a_provider_that_panics_while_a_plan_is_made_fails_the_plan() {
    let world = World::new();
    let refused = async |op, address: &str| {
        world.cloud.fail(op, address, 1, Fault::Panic);
        let plan = world.engine().plan(&World::stack(one_thing)).await;
        let error = plan.err().unwrap();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("which is a bug in it"), "{error}: {cause}");
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseRequest);
    assert!(world.up(one_thing).await.is_err());
    refused(Op::Find, "a").await;
    world.settle(one_thing).await;
    refused(Op::List, "model:test/thing").await;
    world.cloud.lose("a#1");
    refused(Op::Read, "a").await;
}

#[tokio::test(start_paused = true)]
async fn an_object_of_an_earlier_run_that_will_never_be_ready_is_replaced_or_resumed() {
    // The power is cut after the row, or after the intent: the object is known, or recovered.
    for writes in [1, 2] {
        let mut world = World::new();
        let program = |scope: &mut Scope<'_>| {
            scope.add("a", thing(&[]));
            scope.add("r", Resumable::builder().build());
        };
        world.store.cut_after(writes);
        assert!(world.up(program).await.is_err());
        world.store = world.store.reopen();
        world.store.expire_leases();
        world.cloud.fail(Op::Settle, "a", 1, Fault::Refuse);
        world.cloud.fail(Op::Settle, "r", 1, Fault::Refuse);
        assert!(world.up(program).await.is_err());
        let plan = world.plan(program).await.to_string();
        assert!(plan.contains("± a") && plan.contains("~ r"), "{plan}");
        assert!(plan.contains("its create did not finish: model:Settle: refused"), "{plan}");
        // Resumed, and found wanting again: it is tried once more.
        world.cloud.fail(Op::Settle, "r", 1, Fault::Refuse);
        assert!(world.up(program).await.is_err());
        assert_eq!(world.settle(program).await, ["update r"]);
        assert_eq!(world.cloud.ids(), ["a#2", "r#1"]);
    }
}

#[tokio::test]
async fn an_object_that_is_not_ready_after_an_update_is_kept_and_tried_again() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label(label).build());
        }
    };
    world.settle(program("1")).await;
    for _ in 0..2 {
        // The update's own look, and then the look of a run that has nothing else to do.
        world.cloud.fail(Op::Settle, "a", 1, Fault::Refuse);
        assert!(world.up(program("2")).await.is_err());
        let plan = world.plan(program("2")).await;
        let actions: Vec<_> = plan.steps().map(|step| step.action).collect();
        assert_eq!(actions, [Action::Settle], "{plan}");
    }
    // What is not there of the update is sent again.
    world.cloud.edit("a#1", "label", "1".into());
    assert_eq!(world.settle(program("2")).await, ["update a"]);
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

/// A type whose validation panics at what its author did not think of.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(kind = "touchy:test/thing", outputs = ThingOutputs)]
struct Touchy {
    label: Option<String>,
}

impl Lifecycle for Touchy {
    type Client = ();
    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(_: &Context<'_, ()>, _: &Self) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(None)
    }

    async fn read(
        _: &Context<'_, ()>,
        _: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(None)
    }

    async fn list((): &(), _: &[Known<Self>]) -> Result<Vec<Observed<Self>>, ProviderError> {
        Ok(Vec::new())
    }

    async fn create(_: &Context<'_, ()>, inputs: &Self) -> Result<ThingOutputs, CreateError<Self>> {
        Ok(ThingOutputs { id: "touchy".to_owned(), label: inputs.label.clone() })
    }

    async fn update(
        _: &Context<'_, ()>,
        known: &Known<Self>,
        _: &Self,
        _: &Changes,
    ) -> Result<ThingOutputs, ProviderError> {
        Ok(known.outputs.clone())
    }

    async fn delete(_: &Context<'_, ()>, _: &Known<Self>) -> Result<Deletion, ProviderError> {
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        let label: String = check.get("label").unwrap_or_default();
        assert!(label.is_ascii(), "{label} is too much");
    }
}

#[tokio::test]
async fn a_validation_that_panics_is_a_problem_of_its_resource() {
    let provider = Registry::new("touchy", Arc::new(())).with::<Touchy>();
    let store = MemoryStore::new();
    let engine = Engine::builder().provider(provider).state(store).try_build().unwrap();
    let stack = World::stack(|scope| {
        scope.add("plain", Touchy { label: Some("a".to_owned()) });
        scope.add("fancy", Touchy { label: Some("\u{e4}".to_owned()) });
    });
    let Err(PlanError::Invalid { problems, .. }) = engine.plan(&stack).await else {
        panic!("no problem")
    };
    assert_eq!(problems.len(), 1);
    let told = problems[0].to_string();
    assert!(told.contains("fancy") && told.contains("\u{e4} is too much"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_never_answered_ends_the_plan_and_says_so() {
    let world = World::new();
    world.settle(one_thing).await;
    world.cloud.fail(Op::List, "model:test/thing", 1, Fault::Hang);
    let stack = World::stack(one_thing);
    let (plan, took) = timed(world.engine().plan(&stack).into_future()).await;
    let Err(PlanError::Refresh { source, .. }) = plan else { panic!("it was planned") };
    assert_eq!(source.message, "no answer to a look within 300 s");
    assert!(took < Duration::from_secs(301));
}
