//! What bounds a run: timeouts, signals, the store, the lease, and providers that misbehave.

use std::{
    future::{Future, IntoFuture},
    time::Duration,
};

use formwork_core::{
    ApplyError, CancelToken, Live, Scope,
    testing::{Fault, Op},
};
use futures_util::join;
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
    // `b` is ready after 13.5 s, which is written third; `a` sleeps from 12.7 s to 22.7 s.
    world.cloud.slow(675);
    (3..100).for_each(|nth| world.store.fail_commit(nth));
    let run = world.up(|scope| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    });
    let (result, took) = timed(run).await;
    assert!(matches!(result, Err(ApplyError::Unsaved { .. })));
    assert!(took > Duration::from_secs(13) && took < Duration::from_secs(20), "{took:?}");
}
