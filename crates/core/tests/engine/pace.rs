//! A cloud that is asked too fast makes a run slow, and does not end it.

use std::{sync::Arc, time::Duration};

use formwork_core::{
    Engine, Registry, Scope,
    testing::{Cloud, Fault, Op, Thing, provider},
};
use tokio::time::Instant;

use crate::{basics::thing, world::World};

fn many(scope: &mut Scope<'_>) {
    for i in 0..200 {
        scope.add(format!("t{i}"), thing(&[]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_run_gets_as_slow_as_it_has_to_and_ends_well() {
    let mut world = World::new();
    world.parallelism = 64;
    world.cloud.rate(10);
    let began = Instant::now();
    let changed = world.up(many).await.unwrap();
    let took = began.elapsed();
    assert_eq!(world.cloud.ids().len(), 200);
    // 400 calls, a create and a look each, take 40 s at the rate that the cloud allows.
    assert!(took >= Duration::from_secs(39) && took < Duration::from_secs(80), "{took:?}");
    // It learns: most calls are taken, though the first 64 went out at once.
    let refused = changed.len() - 200;
    assert!(refused < 130, "{refused} creates were refused");
    world.cloud.rate(u32::MAX);
    world.assert_settled(many).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_slow_holds_up_no_other() {
    let (world, other) = (World::new(), Cloud::new());
    other.rate(1);
    let slow = Registry::new("slow", Arc::new(other.clone())).with::<Thing>();
    let engine = Engine::builder()
        .provider(provider(&world.cloud))
        .provider(slow)
        .state(world.store.clone())
        .parallelism(4)
        .try_build()
        .unwrap();
    let declare = |scope: &mut Scope<'_>| {
        for i in 0..20 {
            scope.add(format!("s{i}"), thing(&[]).provider("slow"));
            scope.add(format!("t{i}"), thing(&[]));
        }
    };
    let plan = engine.plan(&World::stack(declare)).await.unwrap();
    let began = Instant::now();
    let mut fast = Duration::ZERO;
    engine
        .apply(plan)
        .events(|event| {
            if let formwork_core::Event::StepFinished { of, .. } = event
                && of.address.as_str().starts_with('t')
            {
                fast = began.elapsed();
            }
        })
        .await
        .unwrap();
    assert_eq!((world.cloud.ids().len(), other.ids().len()), (20, 20));
    let took = began.elapsed();
    assert!(fast * 4 < took, "the fast ones were there after {fast:?}, all after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_when_to_come_back_is_believed_within_the_time_of_the_step() {
    let world = World::new();
    world.cloud.retry_after(Some(Duration::from_secs(90)));
    world.cloud.fail(Op::Create, "a", 1, Fault::Throttle);
    let began = Instant::now();
    world.settle(|scope| drop(scope.add("a", thing(&[])))).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(90) && took < Duration::from_secs(110), "{took:?}");

    // A look of a plan comes back then too.
    world.cloud.fail(Op::List, "model:test/thing", 1, Fault::Throttle);
    world.cloud.retry_after(Some(Duration::from_secs(7)));
    let began = Instant::now();
    world.assert_settled(|scope| drop(scope.add("a", thing(&[])))).await;
    assert!(began.elapsed() >= Duration::from_secs(7));

    // One that would come after the step's time is not waited for.
    world.cloud.retry_after(Some(Duration::from_secs(90)));
    world.cloud.fail(Op::Create, "b", 1, Fault::Throttle);
    let began = Instant::now();
    let failed = world.up(|scope| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]).create_timeout(Duration::from_secs(60)));
    });
    let failed = failed.await.unwrap_err().to_string();
    assert!(failed.contains("slow down") && began.elapsed() < Duration::from_secs(1), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_held_back_is_stopped_at_once() {
    let world = World::new();
    world.cloud.rate(1);
    let plan = world.plan(many).await;
    let (engine, cancel) = (world.engine(), formwork_core::CancelToken::new());
    let stop = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        cancel.cancel();
        Instant::now()
    };
    let run = engine.apply(plan).cancel(cancel.clone()).into_future();
    let (result, asked) = futures_util::future::join(run, stop).await;
    assert!(matches!(result, Err(formwork_core::ApplyError::Cancelled(_))));
    assert!(asked.elapsed() < Duration::from_secs(1));
    world.check();
    world.cloud.rate(u32::MAX);
    world.settle(many).await;
}
