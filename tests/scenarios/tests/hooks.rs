//! Hooks: S56.

use std::sync::{Arc, Mutex};

use formwork::{
    ErrorAction, HookCall, HookPoint, Scope,
    testing::{Fault, Op, World},
};
use insta::assert_snapshot;

use crate::support::{NOTHING, error, thing};

/// A world whose hook `watch` writes down what it was called for, and fails where it is told to.
fn watched(fails: &'static str) -> (World, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let said = log.clone();
    let world = World::new().engine_with(move |engine| {
        let said = said.clone();
        engine.hook("watch", move |call: HookCall| {
            let text = format!("{} {}", call.address, call.point);
            said.lock().unwrap().push(text.clone());
            async move { if text == fails { Err("it said no") } else { Ok(()) } }
        })
    });
    (world, log)
}

fn program(scope: &mut Scope<'_>) {
    let hooked = thing(&[])
        .hook(HookPoint::BeforeCreate, "watch")
        .hook(HookPoint::AfterCreate, "watch")
        .hook(HookPoint::BeforeDelete, "watch")
        .hook(HookPoint::AfterDelete, "watch");
    let a = scope.add("a", hooked);
    scope.add("b", thing(&[&a]));
}

/// S56.
#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_before_a_create_keeps_it_from_happening() {
    let (world, log) = watched("a before its create");
    let run = world.up(program).await;
    assert_eq!(run.log(), NOTHING);
    assert_snapshot!(error(&run), @r#"
    1 step(s) failed, 1 skipped, 0 done:
      - could not create a (model:test/thing) [declared at ..]: the hook `watch` before its create: it said no
    "#);
    assert!(world.state().records.is_empty() && world.state().intents.is_empty());
    assert_eq!(*log.lock().unwrap(), ["a before its create"]);
}

/// S56.
#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_after_a_create_finds_it_recorded_and_stops_what_needs_it() {
    let (world, _) = watched("a after its create");
    let run = world.up(program).await;
    assert_snapshot!(run.events_text(), @r#"
    run t: 2 step(s)
    > create a
      create a runs watch before its create
      create a runs watch after its create
      create a has a hook that failed: `watch`: it said no
    ! create a: it said no
    - create b, for a
    end: 0 done, 1 failed, 1 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1"]);
    assert!(world.row("a").is_some());
}

/// S56.
#[tokio::test(start_paused = true)]
async fn hooks_around_a_delete_run_though_the_program_has_forgotten_the_resource() {
    let (world, log) = watched("a before its delete");
    world.settle(program).await;
    let run = world.up(|_| ()).await;
    assert_eq!(run.log(), ["delete b"]);
    assert_eq!(world.cloud().ids(), ["a#1"]);
    assert!(log.lock().unwrap().contains(&"a before its delete".to_owned()));

    let (world, _) = watched("a after its delete");
    world.settle(program).await;
    let run = world.up(|_| ()).await;
    assert_eq!(run.failures().len(), 1);
    assert!(world.state().records.is_empty() && world.cloud().ids().is_empty());
}

/// S56.
#[tokio::test(start_paused = true)]
async fn an_error_is_tried_again_as_often_as_the_hook_says_and_a_hundred_times_at_most() {
    for (refusals, works) in [(3, true), (200, false)] {
        let world = World::new().engine_with(|engine| {
            engine.error_hook("again", |_| async { Ok::<_, String>(ErrorAction::Retry) })
        });
        for nth in 1..=refusals {
            world.cloud().fail(Op::Create, "a", nth, Fault::Refuse);
        }
        let program = |scope: &mut Scope<'_>| {
            scope.add("a", thing(&[]).hook(HookPoint::OnError, "again"));
            scope.add("b", thing(&[]));
        };
        let run = world.up(program).await;
        let tries = run.log().iter().filter(|call| *call == "create a").count();
        assert_eq!(tries, if works { 4 } else { 101 });
        assert_eq!(run.failures().is_empty(), works);
    }
}

/// S56: no hook runs while a plan is made, and one that is not there refuses it.
#[tokio::test(start_paused = true)]
async fn a_plan_runs_no_hook_and_names_those_that_are_missing() {
    let (world, log) = watched("");
    world.plan(program).await.unwrap();
    assert!(log.lock().unwrap().is_empty());
    let world = World::new();
    assert_snapshot!(world.plan(program).await.unwrap_err(), @r#"
    2 hook(s) are not there:
      - a: `watch`, before its create
      - a: `watch`, after its create
    "#);
    let plan = world.ask(program, |request| request.skip_hooks()).await.unwrap();
    world.apply(plan).await.ok();
}
