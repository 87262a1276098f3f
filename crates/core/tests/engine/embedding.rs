//! The engine as part of another program: its futures, and what it does not do.

use std::time::Duration;

use formwork_core::{Scope, testing::Thing};

use crate::{basics::thing, world::World};

fn chain(scope: &mut Scope<'_>) {
    let a = scope.add("a", Thing::builder().label("x").build());
    let b = scope.add("b", thing(&[&a]));
    scope.add("c", thing(&[&b]));
    scope.export("b", &b.id);
}

#[tokio::test]
async fn plans_and_runs_are_futures_that_another_task_can_have() {
    fn sent<T: Send>(what: T) -> T {
        what
    }
    let world = World::new();
    let engine = world.engine();
    let stack = World::stack(chain);
    let planned = {
        let engine = engine.clone();
        tokio::spawn(async move { sent(engine.plan(&stack).into_future()).await })
    };
    let plan = planned.await.unwrap().unwrap();
    let applied =
        tokio::spawn(async move { sent(engine.apply(plan).into_future()).await.map(drop) });
    applied.await.unwrap().unwrap();
    world.check();
    assert_eq!(world.cloud.ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_anywhere_is_cancelled_and_the_next_one_goes_on() {
    let mut cut = 0;
    for ms in (0..70).step_by(3) {
        let world = World::new();
        world.cloud.latency(Duration::from_millis(10));
        world.cloud.slow(1);
        let plan = world.plan(chain).await;
        let (engine, at) = (world.engine(), Duration::from_millis(ms));
        let run = engine.apply(plan);
        cut += u32::from(tokio::time::timeout(at, run.into_future()).await.is_err());
        world.check();
        // Nobody gave the lease back; it runs out by itself.
        tokio::time::sleep(Duration::from_secs(31)).await;
        world.settle(chain).await;
        assert_eq!(world.cloud.ids(), ["a#1", "b#1", "c#1"], "dropped after {ms} ms");
    }
    assert!(cut > 10, "too few runs were cut off: {cut}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_dropped_leaves_nothing() {
    let world = World::new();
    world.settle(chain).await;
    world.cloud.latency(Duration::from_millis(20));
    let writes = world.store.writes();
    let (engine, stack) = (world.engine(), World::stack(chain));
    let planned = tokio::time::timeout(Duration::from_millis(1), engine.plan(&stack).into_future());
    let planned = planned.await;
    assert!(planned.is_err(), "{planned:?}");
    assert_eq!(world.store.writes(), writes);
    world.cloud.latency(Duration::ZERO);
    world.assert_settled(chain).await;
}

/// What a process has that a library could add to: its threads, and the signals that it catches.
#[cfg(target_os = "linux")]
fn threads_and_signals() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "the test looks at its own process")]
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let told =
        |line: &&str| ["Threads:", "SigCgt:", "SigIgn:"].iter().any(|name| line.starts_with(name));
    status.lines().filter(told).map(str::to_owned).collect()
}

/// Runs in a process of its own, started by the test below.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "part of another test"]
fn a_silent_run() {
    #[expect(clippy::disallowed_macros, reason = "marks what comes in between")]
    fn mark(text: &str) {
        println!("{text}");
    }
    // A runtime without I/O and without signals is all that the library needs.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let world = World::new();
        let before = threads_and_signals();
        mark("\n<<<");
        world.settle(chain).await;
        world.cloud.edit("a#1", "label", "drifted".into());
        world.up(chain).await.unwrap();
        world.destroy().await.unwrap();
        mark(">>>");
        assert_eq!(threads_and_signals(), before);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_library_prints_nothing_starts_no_thread_and_catches_no_signal() {
    #[expect(clippy::disallowed_methods, reason = "what is printed is seen from outside only")]
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child
        .args(["--exact", "embedding::a_silent_run", "--ignored", "--nocapture"])
        // It reads no environment either, so it needs none.
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let said = text.split_once("<<<\n").and_then(|(_, rest)| rest.split_once(">>>"));
    assert_eq!(said.map(|(said, _)| said), Some(""));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
