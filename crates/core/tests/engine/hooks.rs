//! Hooks: when they run, what their failure means, and what is refused without them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use futures_util::future::join_all;

use formwork_core::{
    ApplyError, CancelToken, Component, Engine, EngineBuilder, ErrorAction, Event, HookCall,
    HookPoint, Plan, SavedPlan, Scope, Stack,
    state::Status,
    testing::{Fault, Op, provider},
};

use crate::{basics::thing, world::World};

/// What hooks and calls did, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn builder(world: &World) -> EngineBuilder {
    Engine::builder().provider(provider(&world.cloud)).state(world.store.clone())
}

/// An engine whose hook `note` writes down what it is told, and fails where it is asked to.
fn engine(world: &World, diary: &Diary, fails: Option<HookPoint>) -> Engine {
    let diary = diary.clone();
    let note = move |call: HookCall| {
        let label = call.inputs.get("fixed").map(ToString::to_string).unwrap_or_default();
        let id = call.outputs.get("id").map(ToString::to_string).unwrap_or_default();
        diary.write(format!("{} {} {label} {id}", call.address, call.point));
        async move { if fails == Some(call.point) { Err("not today") } else { Ok(()) } }
    };
    builder(world).hook("note", note).try_build().unwrap()
}

const ALL: [HookPoint; 7] = [
    HookPoint::BeforeCreate,
    HookPoint::AfterCreate,
    HookPoint::BeforeUpdate,
    HookPoint::AfterUpdate,
    HookPoint::BeforeDelete,
    HookPoint::AfterDelete,
    HookPoint::OnError,
];

/// `a` with every hook, and `b` that needs it.
fn program(fixed_to: &'static str, label: &'static str) -> impl Fn(&mut Scope<'_>) + Clone {
    move |scope| {
        let a = formwork_core::testing::Thing::builder().fixed(fixed_to).label(label).build();
        let a = ALL.into_iter().fold(a, |a, point| a.hook(point, "note"));
        let a = scope.add("a", a);
        scope.add("b", thing(&[&a]));
    }
}

async fn up(engine: &Engine, declare: impl FnOnce(&mut Scope<'_>)) -> Result<(), ApplyError> {
    let plan = engine.plan(&World::stack(declare)).await.unwrap();
    engine.apply(plan).await.map(drop)
}

async fn nothing_left(engine: &Engine, declare: impl FnOnce(&mut Scope<'_>)) {
    let plan = engine.plan(&World::stack(declare)).await.unwrap();
    assert!(plan.data().steps.is_empty(), "{plan}");
}

#[tokio::test]
async fn each_verb_has_its_hooks_around_it_and_a_plan_runs_none() {
    let (world, diary) = (World::new(), Diary::default());
    let engine = engine(&world, &diary, None);
    up(&engine, program("1", "x")).await.unwrap();
    assert_eq!(diary.take(), ["a before its create \"1\" ", "a after its create \"1\" \"a#1\""]);
    nothing_left(&engine, program("1", "x")).await;
    up(&engine, program("1", "y")).await.unwrap();
    assert_eq!(
        diary.take(),
        ["a before its update \"1\" \"a#1\"", "a after its update \"1\" \"a#1\""]
    );
    up(&engine, program("2", "y")).await.unwrap();
    assert_eq!(
        diary.take(),
        [
            "a before its create \"2\" ",
            "a after its create \"2\" \"a#2\"",
            "a before its delete \"1\" \"a#1\"",
            "a after its delete \"1\" \"a#1\"",
        ]
    );
    // The program has forgotten it, and the state has not.
    up(&engine, |_| ()).await.unwrap();
    assert_eq!(
        diary.take(),
        ["a before its delete \"2\" \"a#2\"", "a after its delete \"2\" \"a#2\""]
    );
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}

#[tokio::test]
async fn one_that_fails_before_a_verb_keeps_it_from_happening() {
    let (world, diary) = (World::new(), Diary::default());
    let failing = |point| engine(&world, &diary, Some(point));
    let fine = engine(&world, &diary, None);

    let error = up(&failing(HookPoint::BeforeCreate), program("1", "x")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the hook `note` before its create: not today"), "{text}");
    assert!(text.contains("hooks.rs:"), "{text}");
    assert!(world.cloud.ids().is_empty());
    assert!(world.state().records.is_empty() && world.state().intents.is_empty());
    up(&fine, program("1", "x")).await.unwrap();

    let before = world.cloud.objects();
    up(&failing(HookPoint::BeforeUpdate), program("1", "y")).await.unwrap_err();
    assert_eq!(world.cloud.objects(), before);
    up(&failing(HookPoint::BeforeDelete), |_| ()).await.unwrap_err();
    assert!(world.cloud.object("a#1").is_some() && world.state().intents.is_empty());
    world.check();
    up(&fine, |_| ()).await.unwrap();
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}

#[tokio::test]
async fn one_that_fails_after_a_verb_finds_it_recorded_and_stops_what_comes_next() {
    let (world, diary) = (World::new(), Diary::default());
    let failing = |point| engine(&world, &diary, Some(point));
    let fine = engine(&world, &diary, None);

    up(&failing(HookPoint::AfterCreate), program("1", "x")).await.unwrap_err();
    assert_eq!(world.cloud.ids(), ["a#1"]);
    assert!(world.state().records.values().all(|row| row.status == Status::Ready));
    diary.take();
    up(&fine, program("1", "x")).await.unwrap();
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
    assert_eq!(diary.take(), Vec::<String>::new(), "it is not run again");

    up(&failing(HookPoint::AfterUpdate), program("1", "y")).await.unwrap_err();
    nothing_left(&fine, program("1", "y")).await;

    up(&failing(HookPoint::AfterDelete), |_| ()).await.unwrap_err();
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}

#[tokio::test]
async fn an_error_is_tried_again_as_often_as_a_hook_wants_it_and_100_times_at_most() {
    for (wanted, refused) in [(0, 1), (2, 2), (2, 3), (u32::MAX, 100), (u32::MAX, 101)] {
        let world = World::new();
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let engine = builder(&world)
            .error_hook("again", move |call: HookCall| {
                count.fetch_add(1, Ordering::Relaxed);
                let error = call.error.map(|error| error.message).unwrap_or_default();
                async move {
                    if error.is_empty() {
                        return Err("no error was told");
                    }
                    Ok(if call.retries < wanted { ErrorAction::Retry } else { ErrorAction::Fail })
                }
            })
            .try_build()
            .unwrap();
        for n in 1..=refused {
            world.cloud.fail(Op::Create, "a", n, Fault::Refuse);
        }
        let done = up(&engine, |scope| {
            scope.add("a", thing(&[]).hook(HookPoint::OnError, "again"));
            scope.add("b", thing(&[]));
        })
        .await;
        let tries = wanted.min(100);
        assert_eq!(done.is_ok(), refused <= tries, "{wanted} {refused}");
        assert_eq!(asked.load(Ordering::Relaxed), refused.min(tries + 1));
        assert!(world.cloud.object("b#1").is_some(), "others go on");
        world.check();
    }
}

#[tokio::test]
async fn a_call_whose_effect_is_not_known_is_not_tried_again_by_a_hook() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let (world, diary) = (World::new(), Diary::default());
        let engine = engine(&world, &diary, None);
        world.cloud.fail(Op::Create, "a", 1, fault);
        up(&engine, program("1", "x")).await.unwrap_err();
        assert_eq!(diary.take(), ["a before its create \"1\" "]);
        up(&engine, program("1", "x")).await.unwrap();
        assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
        assert!(diary.take().contains(&"a after its create \"1\" \"a#1\"".to_owned()));
    }
}

#[tokio::test]
async fn hooks_that_are_not_there_refuse_the_plan_all_at_once_unless_they_are_skipped() {
    let (world, diary) = (World::new(), Diary::default());
    let knowing = engine(&world, &diary, None);
    let bare = builder(&world).try_build().unwrap();
    let declare = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).hook(HookPoint::BeforeDelete, "note"));
        scope.add("b", thing(&[]).hook(HookPoint::OnError, "note"));
    };
    let error = bare.plan(&World::stack(declare)).await.err().unwrap();
    assert_eq!(error.to_string(), "1 hook(s) are not there:\n  - b: `note`, on an error");
    up(&knowing, declare).await.unwrap();
    nothing_left(&bare, declare).await;
    let error = bare.plan(&World::stack(|_| ())).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "2 hook(s) are not there:\n  - a: `note`, before its delete\n  - b: `note`, on an error"
    );
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
    let plan: Plan = bare.plan(&World::stack(|_| ())).skip_hooks().await.unwrap();
    bare.apply(plan).await.unwrap();
    assert!(world.cloud.ids().is_empty());
    // A plan is not run by an engine that lacks what it needs, either.
    let plan = knowing.plan(&World::stack(program("1", "x"))).await.unwrap();
    let error = bare.apply(plan).await.err().unwrap().to_string();
    assert!(error.contains("the engine has no hook of that name"), "{error}");
    assert!(world.cloud.ids().is_empty());
    let saved = SavedPlan::new(&knowing.plan(&World::stack(program("1", "x"))).await.unwrap());
    let saved = SavedPlan::from_bytes(&saved.to_bytes(None).unwrap()).unwrap();
    let error = bare.load(&World::stack(program("1", "x")), saved).await.err().unwrap();
    assert!(error.to_string().contains("hook(s) are not there"), "{error}");
    let twice = builder(&world).hook("x", |_| async { Ok::<_, String>(()) });
    let twice = twice.hook("x", |_| async { Ok::<_, String>(()) }).try_build();
    assert_eq!(
        twice.err().unwrap().to_string(),
        "two hooks are called `x`: a resource names its hooks"
    );
}

#[tokio::test]
async fn a_component_hands_its_hooks_down_and_they_run_before_the_childs_own() {
    struct Two;
    impl Component for Two {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            scope.add("x", thing(&[]).hook(HookPoint::BeforeCreate, "inner"));
            scope.add("y", thing(&[]));
        }
    }
    let (world, diary) = (World::new(), Diary::default());
    let named = |name: &'static str| {
        let diary = diary.clone();
        move |call: HookCall| {
            diary.write(format!("{name} {}", call.address));
            async { Ok::<_, String>(()) }
        }
    };
    let engine = builder(&world).hook("outer", named("outer")).hook("inner", named("inner"));
    let engine = engine.parallelism(1).try_build().unwrap();
    let declare = |scope: &mut Scope<'_>| {
        scope.add("c", Two.with_options().hook(HookPoint::BeforeCreate, "outer"));
    };
    up(&engine, declare).await.unwrap();
    assert_eq!(diary.take(), ["outer c/x", "inner c/x", "outer c/y"]);
}

#[tokio::test]
async fn a_hook_that_panics_or_hangs_is_an_error_of_its_step() {
    let world = World::new();
    let engine = builder(&world)
        .hook("panics", |_| async { if true { panic!("oops") } else { Ok::<_, String>(()) } })
        .hook("panics at once", |_| -> std::future::Ready<Result<(), String>> { panic!("oh") })
        .hook("hangs", |_| async { std::future::pending::<Result<(), String>>().await })
        .try_build()
        .unwrap();
    for (name, why) in [
        ("panics", "it panicked: oops"),
        ("panics at once", "it panicked: oh"),
        ("hangs", "it did not end within the step's timeout"),
    ] {
        let timeout = std::time::Duration::from_millis(200);
        let error = up(&engine, |scope| {
            let it = thing(&[]).hook(HookPoint::BeforeCreate, name).create_timeout(timeout);
            scope.add("a", it);
        })
        .await
        .unwrap_err()
        .to_string();
        assert!(error.contains(why), "{error}");
        assert!(world.cloud.ids().is_empty() && world.state().intents.is_empty());
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_during_a_hook_begins_nothing_after_it() {
    let world = World::new();
    let token = CancelToken::new();
    let stop = token.clone();
    let stops = move |_: HookCall| {
        stop.cancel();
        async { Ok::<_, String>(()) }
    };
    let engine = builder(&world).hook("stops", stops).try_build().unwrap();
    let stack = Stack::new("t", |scope| {
        scope.add("a", thing(&[]).hook(HookPoint::BeforeCreate, "stops"));
    })
    .unwrap();
    let plan = engine.plan(&stack).await.unwrap();
    let error = engine.apply(plan).cancel(token).await.err().unwrap();
    assert!(matches!(error, ApplyError::Cancelled(_)), "{error}");
    assert!(world.cloud.ids().is_empty() && world.state().intents.is_empty());
    // What is done is followed by its hook, so that it is not lost.
    let token = CancelToken::new();
    let ran = Diary::default();
    let (stop, note) = (token.clone(), ran.clone());
    let engine = builder(&world)
        .hook("stops", move |_| {
            stop.cancel();
            note.write("ran".to_owned());
            async { Ok::<_, String>(()) }
        })
        .try_build()
        .unwrap();
    let stack = Stack::new("t", |scope| {
        let a = scope.add("a", thing(&[]).hook(HookPoint::AfterCreate, "stops"));
        scope.add("b", thing(&[&a]));
    })
    .unwrap();
    let plan = engine.plan(&stack).await.unwrap();
    engine.apply(plan).cancel(token).await.err().unwrap();
    assert_eq!((ran.take(), world.cloud.ids()), (vec!["ran".to_owned()], vec!["a#1".to_owned()]));
}

#[tokio::test]
async fn a_create_that_an_update_finishes_is_followed_by_its_own_hook() {
    let (world, diary) = (World::new(), Diary::default());
    let engine = engine(&world, &diary, None);
    let program = |scope: &mut Scope<'_>| {
        let it = formwork_core::testing::Resumable::builder().label("x").build();
        scope.add("a", it.hook(HookPoint::AfterCreate, "note"));
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    up(&engine, program).await.unwrap_err();
    assert_eq!(diary.take(), Vec::<String>::new());
    up(&engine, program).await.unwrap();
    assert_eq!(diary.take(), ["a after its create null \"a#1\""]);
}

#[tokio::test]
async fn one_that_fails_before_a_delete_leaves_an_earlier_delete_open() {
    let (world, diary) = (World::new(), Diary::default());
    let fine = engine(&world, &diary, None);
    up(&fine, program("1", "x")).await.unwrap();
    up(&fine, |scope| drop(scope.add("b", thing(&[])))).await.unwrap();
    // The delete took effect, and its end was not written.
    up(&fine, program("1", "x")).await.unwrap();
    world.cloud.fail(Op::Delete, "a", 1, Fault::LoseAnswer);
    let refused = up(&fine, |_| ()).await;
    assert!(refused.is_err() && world.state().intents.len() == 1, "{refused:?}");
    up(&engine(&world, &diary, Some(HookPoint::BeforeDelete)), |_| ()).await.unwrap_err();
    assert_eq!(world.state().intents.len(), 1, "its end was not seen yet");
    up(&fine, |_| ()).await.unwrap();
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}

/// The process dies while the hook at `point` runs, or after so many writes.
async fn survives(point: Option<HookPoint>, cut: u64) {
    let mut world = World::new();
    let first = engine(&world, &Diary::default(), None);
    up(&first, program("1", "x")).await.unwrap();
    let store = world.store.clone();
    let dies = builder(&world).hook("note", move |call: HookCall| {
        if Some(call.point) == point {
            store.crash();
        }
        async { Ok::<_, String>(()) }
    });
    let dies = dies.try_build().unwrap();
    if point.is_none() {
        world.store.cut_after(world.store.writes() + cut);
    }
    let _ = up(&dies, program("2", "y")).await;
    if world.store.is_cut() {
        world.store = world.store.reopen();
        world.store.expire_leases();
    }
    let fine = engine(&world, &Diary::default(), None);
    up(&fine, program("2", "y")).await.unwrap();
    nothing_left(&fine, program("2", "y")).await;
    world.check();
    assert_eq!(world.cloud.ids().len(), 2, "{point:?} {cut}: {:?}", world.cloud.ids());
}

#[tokio::test]
async fn a_crash_before_or_during_a_hook_loses_nothing() {
    let points = ALL.into_iter().map(|point| (Some(point), 0));
    let cases = points.chain((1..12).map(|cut| (None, cut)));
    // Side by side, for each looks for a while whether an object is really not there.
    join_all(cases.map(|(point, cut)| survives(point, cut))).await;
}

#[tokio::test]
async fn events_tell_of_hooks_and_their_failure() {
    let (world, diary) = (World::new(), Diary::default());
    let engine = engine(&world, &diary, Some(HookPoint::AfterCreate));
    let plan = engine.plan(&World::stack(program("1", "x"))).await.unwrap();
    let mut told = Vec::new();
    let sink = |event: Event| {
        told.push(serde_json::to_value(&event).unwrap());
    };
    engine.apply(plan).events(sink).await.err().unwrap();
    let hooks: Vec<String> = told
        .iter()
        .filter(|event| event["event"].as_str().is_some_and(|name| name.starts_with("hooks")))
        .map(|e| format!("{} {} {} {}", e["event"], e["point"], e["names"], e["error"]))
        .collect();
    assert_eq!(
        hooks,
        [
            r#""hooks_started" "before_create" ["note"] null"#,
            r#""hooks_finished" "before_create" null null"#,
            r#""hooks_started" "after_create" ["note"] null"#,
            r#""hooks_finished" "after_create" null "`note`: not today""#,
        ]
    );
}

#[tokio::test]
async fn a_hook_runs_while_a_plan_is_made_only_if_its_program_wants_that() {
    let (world, diary) = (World::new(), Diary::default());
    let engine = |fails: Option<HookPoint>| {
        let diary = diary.clone();
        let note = move |call: HookCall| {
            let inputs = call.inputs.get("fixed").map(ToString::to_string).unwrap_or_default();
            let dry = if call.dry_run { "dry " } else { "" };
            diary.write(format!("{dry}{} {} {inputs} {}", call.address, call.point, call.outputs));
            async move { if fails == Some(call.point) { Err("not today") } else { Ok(()) } }
        };
        builder(&world).hook("note", note).dry_run("note").try_build().unwrap()
    };
    let plan = engine(None).plan(&World::stack(program("1", "l"))).await.unwrap();
    let dry =
        ["dry a before its create \"1\" null", "dry a after its create \"1\" (known after apply)"];
    assert_eq!(diary.take(), dry);
    assert_eq!((world.cloud.log().len(), world.store.writes()), (0, 0));
    engine(None).apply(plan).await.unwrap();
    let ran = diary.take();
    assert!(ran.len() == 2 && ran.iter().all(|line| !line.starts_with("dry")), "{ran:?}");
    // Nothing changes: there is nothing to run for.
    nothing_left(&engine(None), program("1", "l")).await;
    assert!(diary.take().is_empty());
    // One that says no refuses the plan, all of them at once, unless none is to run.
    let stack = World::stack(program("2", "l"));
    let error = engine(Some(HookPoint::BeforeDelete)).plan(&stack).await.unwrap_err();
    let said = "1 hook(s) refuse the plan:\n  - a: `note`, before its delete: not today";
    assert_eq!(error.to_string(), said);
    diary.take();
    let engine_no = engine(Some(HookPoint::BeforeDelete));
    assert!(engine_no.plan(&stack).skip_hooks().await.is_ok());
    assert!(diary.take().is_empty());
    assert!(engine_no.plan(&stack).refresh_only().await.is_ok());
    assert!(diary.take().is_empty());
    // A name that no hook has is a mistake of the program.
    let unknown = builder(&world).dry_run("nobody").try_build().unwrap_err();
    assert_eq!(unknown.to_string(), "there is no hook `nobody` to run while a plan is made");
}
