//! What a saved plan knows stays so: values, answers, secrets, and what a run does.

use std::sync::Arc;

use formwork_core::{
    Engine, Event, Inputs, LoadPlanError, Lookup, Outputs, Plan, ProviderError, ReadPlanError,
    Registry, SavePlanError, SavedPlan, Scope, Seed, Stack,
    state::{Change, StateStore},
    testing::{Cloud, Fault, MemoryStore, Op, Thing},
    text,
    value::{Secret, Value},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Strongbox, file, load, opened, pair};
use crate::{
    document::{Document, Office},
    random::{Round, declare, round},
    world::World,
};

#[tokio::test]
async fn a_value_that_was_known_may_not_change_and_one_that_was_not_may_be_anything() {
    let office = Office::new();
    let program = |text: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Document::new("a").text(text));
            let port = a.port.map(|port| format!("port {port}"));
            scope.add("b", Document::builder().key("b").text(port).build());
        }
    };
    office.up(|s| drop(s.add("a", Document::new("a").text("1")))).await.unwrap();
    let stack = World::stack(program("2"));
    let plan = office.engine().plan(&stack).await.unwrap();
    let known = plan.steps().find(|step| step.address.as_str() == "b").unwrap();
    assert_eq!(known.inputs.get("text").and_then(Value::as_str), Some("port 1"));
    let bytes = file(&plan);
    office.report_port(2);
    let loaded = office.engine().load(&stack, opened(&bytes)).await.unwrap();
    let error = office.engine().apply(loaded).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("reported something else in this run than was planned with"), "{error}");
    assert_eq!(office.keys(), ["a"]);
    // What was not known is taken as it comes: another port, and no text at all.
    let office = Office::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Document::new("a").text("1"));
        let some = a.port.map(|port| (port == 1).then(|| "one".to_owned()));
        scope.add("b", Document::builder().key("b").text(some.cast::<String>()).build());
    };
    let stack = World::stack(program);
    let bytes = file(&office.engine().plan(&stack).await.unwrap());
    office.report_port(2);
    let loaded = office.engine().load(&stack, opened(&bytes)).await.unwrap();
    office.engine().apply(loaded).await.map(drop).unwrap();
    assert_eq!(office.get("b").unwrap().text, None);
}

/// What image is the newest: the label of an object that others keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
struct Newest {
    of: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub(crate) struct Image {
    #[output(id)]
    id: String,
}

impl Lookup for Newest {
    const KIND: &'static str = "model:test/newest";
    type Answer = Image;
    type Client = Cloud;

    async fn look_up(client: &Cloud, query: &Self) -> Result<Image, ProviderError> {
        let object = client.object(&query.of);
        let label =
            object.and_then(|object| Some(object.inputs.get("label")?.as_str()?.to_owned()));
        Ok(Image { id: label.unwrap_or_default() })
    }
}

pub(crate) struct Images {
    pub(crate) cloud: Cloud,
    pub(crate) store: MemoryStore,
}

impl Images {
    pub(crate) async fn new() -> Self {
        let this = Self { cloud: Cloud::new(), store: MemoryStore::new() };
        let add = |scope: &mut Scope<'_>| {
            scope.add("image", Thing::builder().label("one").build());
        };
        let stack = Stack::new("images", add).unwrap();
        let plan = this.engine().plan(&stack).await.unwrap();
        this.engine().apply(plan).await.unwrap();
        this
    }

    pub(crate) fn engine(&self) -> Engine {
        let registry = Registry::new("model", Arc::new(self.cloud.clone()));
        let registry = registry.with::<Thing>().with_lookup::<Newest>();
        Engine::builder().provider(registry).state(self.store.clone()).try_build().unwrap()
    }

    pub(crate) fn program(scope: &mut Scope<'_>) {
        let image = scope.lookup("newest", Newest { of: "image#1".into() });
        scope.add("a", Thing::builder().label(&image.id).build());
    }

    pub(crate) fn stack() -> Stack {
        World::stack(Self::program)
    }
}

#[tokio::test]
async fn the_answers_that_a_plan_was_made_with_are_those_that_apply_uses() {
    let images = Images::new().await;
    let plan = images.engine().plan(&Images::stack()).await.unwrap();
    let saved = file(&plan);
    images.cloud.edit("image#1", "label", "two".into());
    let loaded = images.engine().load(&Images::stack(), opened(&saved)).await.unwrap();
    images.engine().apply(loaded).await.unwrap();
    let made = images.cloud.object("a#1").unwrap();
    assert_eq!(made.inputs.get("label").and_then(Value::as_str), Some("one"));
    let pin = images.store.load("t").await.unwrap().pins.into_values().next().unwrap();
    assert_eq!(pin.answer.get("id").and_then(Value::as_str), Some("one"));
    // A question that another one was made of has no answer here.
    let plan = images.engine().plan(&Images::stack()).refresh_lookups().await.unwrap();
    let other = World::stack(|scope| {
        let image = scope.lookup("newest", Newest { of: "image#2".into() });
        scope.add("a", Thing::builder().label(&image.id).build());
    });
    let error = images.engine().load(&other, opened(&file(&plan))).await.unwrap_err().to_string();
    assert!(error.contains("newest.of: it is \"image#2\" now, and was \"image#1\""), "{error}");
}

fn secretive(password: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope| {
        let a = scope.add(
            "a",
            Thing::builder()
                .password(password)
                .label("open")
                .build()
                .trigger(Secret::new(password)),
        );
        let login = text!("{}:{}", a.id, formwork_core::Output::known(password).secret());
        scope.add("b", Thing::builder().password(login.secret().cast()).build());
        scope.export("login", login);
    }
}

#[tokio::test]
async fn no_secret_is_in_the_file_and_without_its_key_nothing_is_read() {
    const PLANTED: &str = "hunter2-in-the-garden";
    let world = World::new();
    for round in 0..2 {
        let plan = world.plan(secretive(PLANTED)).await;
        let saved = SavedPlan::new(&plan).with(Value::from(PLANTED).into_secret());
        assert!(matches!(saved.to_bytes(None), Err(SavePlanError::NoKey)));
        let bytes = saved.to_bytes(Some(&Strongbox(1))).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let half = &PLANTED[..PLANTED.len() / 2];
        assert!(!text.contains(half) && text.contains("open"), "{text}");
        let sealed = SavedPlan::from_bytes(&bytes).unwrap();
        assert!(sealed.is_sealed());
        assert!(!format!("{sealed:?} {}", sealed.data()).contains(half));
        let refused = world.engine().load(&World::stack(secretive(PLANTED)), sealed.clone()).await;
        assert!(matches!(refused, Err(LoadPlanError::Sealed)));
        assert!(matches!(sealed.to_bytes(Some(&Strongbox(1))), Err(SavePlanError::Sealed)));
        assert!(matches!(sealed.clone().open(None), Err(ReadPlanError::NoKey)));
        let wrong = sealed.clone().open(Some(&Strongbox(2)));
        assert!(matches!(wrong, Err(ReadPlanError::Secrets(_))));
        let right = sealed.open(Some(&Strongbox(1))).unwrap();
        assert_eq!((right.data(), right.made_with().has_secret()), (plan.data(), true));
        assert!(!format!("{right:?} {}", right.data()).contains(half));
        // Another secret is another program, and neither is shown.
        let stack = World::stack(secretive("hunter2-in-the-house"));
        let refused = world.engine().load(&stack, right.clone()).await.unwrap_err().to_string();
        assert!(
            refused.contains("a.password: it is another one that reads the same now"),
            "{refused}"
        );
        assert!(refused.contains("a: its option `trigger`") && refused.contains(".login: "));
        assert!(!refused.contains("hunter2"), "{refused}");
        let loaded = world.engine().load(&World::stack(secretive(PLANTED)), right).await.unwrap();
        let log = world.apply(loaded).await.unwrap();
        assert_eq!(log.len(), if round == 0 { 2 } else { 0 });
    }
    let kept = world.cloud.object("b#1").unwrap();
    let password = kept.inputs.get("password").and_then(Value::as_str);
    assert_eq!(password, Some("a#1:hunter2-in-the-garden"));
}

/// What happened in a run, and what is left after it.
async fn outcome(world: &World, plan: Plan) -> (Vec<String>, Value, Value) {
    let mut told: Vec<String> = Vec::new();
    world.cloud.clear_log();
    let events = |event: Event| told.push(format!("{event:?}"));
    let _ = world.engine().apply(plan).events(events).await;
    world.check();
    told.extend(world.cloud.log().iter().map(|call| format!("{call:?}")));
    let mut state = world.state();
    state.lineage.clear();
    // Intents are stamped with the time of the day.
    state.intents.values_mut().for_each(|intent| intent.started_ms = 0);
    let state = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    (told, state, format!("{:?}", world.cloud.objects()).into())
}

async fn alike(rounds: Vec<Round>) -> Result<(), TestCaseError> {
    let worlds = [World::new(), World::new()];
    for (n, round) in (0u64..).zip(&rounds) {
        let program = |scope: &mut Scope<'_>| declare(&round.program, scope);
        for world in &worlds {
            world.cloud.lenient();
            for (op, name, nth, fault) in &round.faults {
                world.cloud.fail(*op, &format!("r{name}"), *nth, *fault);
            }
            for (position, _) in &round.edits {
                if let Some(id) = world.cloud.ids().get(usize::from(*position)) {
                    world.cloud.edit(id, "label", "edited".into());
                }
            }
        }
        let mut plans = Vec::new();
        for world in &worlds {
            let stack = Stack::new("t", program).unwrap();
            plans.push(world.engine().plan(&stack).seed(Seed::fixed(n)).await);
        }
        let (Ok(second), Ok(first)) = (plans.pop().unwrap(), plans.pop().unwrap()) else {
            continue;
        };
        let bytes = SavedPlan::new(&second).to_bytes(None).unwrap();
        let data = second.data().clone();
        drop(second);
        let read = SavedPlan::from_bytes(&bytes).unwrap();
        prop_assert_eq!(read.data(), &data);
        let loaded = worlds[1].engine().load(&Stack::new("t", program).unwrap(), read).await;
        let loaded = loaded.map_err(|error| TestCaseError::fail(format!("{error}\n{first}")))?;
        let (one, other) = (outcome(&worlds[0], first).await, outcome(&worlds[1], loaded).await);
        prop_assert_eq!(one, other);
        worlds.iter().for_each(|world| world.cloud.heal());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::random::cases(), max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_does_the_same_whether_it_was_saved_or_not(
        rounds in prop::collection::vec(round(), 1..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(alike(rounds))?;
    }
}

#[tokio::test]
async fn what_a_run_left_unfinished_is_in_a_saved_plan_too() {
    let mut world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseAnswer);
    world.up(pair("one")).await.unwrap_err();
    let plan = world.plan(pair("one")).await;
    let repairs = plan.data().repairs.iter().filter(|change| matches!(change, Change::Put(_)));
    assert_eq!(repairs.count(), 1);
    let loaded = load(&world.engine(), &file(&plan), pair("one")).await.unwrap();
    world.store.cut_after(world.store.writes() + 2);
    world.apply(loaded).await.unwrap_err();
    world.store = world.store.reopen();
    world.store.expire_leases();
    world.settle(pair("one")).await;
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
}
