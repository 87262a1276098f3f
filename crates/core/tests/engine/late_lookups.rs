//! Lookups that depend on what the run changes: unknown in the plan, asked after it, and pinned
//! before anything that uses the answer starts.

use std::sync::{Arc, Mutex};

use formwork_core::{
    ApplyError, Engine, ErrorKind, Inputs, Lookup, Outputs, Plan, PlanError, PlanRequest,
    ProviderError, RefreshMode, Registry, SavedPlan, Scope, Stack,
    testing::{Cloud, Fault, MemoryStore, Op, Thing, provider},
};
use serde::{Deserialize, Serialize};

use crate::world::World;

/// What the label of an object is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
struct LabelOf {
    id: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
struct Label {
    #[output(id)]
    label: String,
    family: Option<String>,
}

/// The cloud, and what it was asked.
#[derive(Default)]
struct Desk {
    cloud: Cloud,
    asked: Mutex<Vec<String>>,
    refuses: Mutex<Option<ErrorKind>>,
}

impl Lookup for LabelOf {
    const KIND: &'static str = "model:test/label-of";
    type Answer = Label;
    type Client = Desk;

    async fn look_up(desk: &Desk, query: &Self) -> Result<Label, ProviderError> {
        desk.asked.lock().unwrap().push(query.id.clone());
        if let Some(kind) = *desk.refuses.lock().unwrap() {
            return Err(ProviderError::new(kind, "model:LabelOf", "not now"));
        }
        let object = desk.cloud.object(&query.id);
        let label = object.and_then(|at| Some(at.inputs.get("label")?.as_str()?.to_owned()));
        let label = label.unwrap_or_else(|| "nothing".to_owned());
        Ok(Label { label, family: None })
    }
}

struct Town {
    world: World,
    desk: Arc<Desk>,
}

impl Town {
    fn new() -> Self {
        let world = World::new();
        let desk = Desk { cloud: world.cloud.clone(), ..Desk::default() };
        Self { world, desk: Arc::new(desk) }
    }

    fn engine(&self) -> Engine {
        let desk = Registry::new("desk", Arc::clone(&self.desk));
        Engine::builder()
            .provider(provider(&self.world.cloud))
            .provider(desk.with_lookup::<LabelOf>())
            .state(self.world.store.clone())
            .try_build()
            .unwrap()
    }

    async fn plan(&self, program: impl Fn(&mut Scope<'_>)) -> Plan {
        self.plan_as(program, |plan| plan).await.unwrap()
    }

    async fn plan_as(
        &self,
        program: impl Fn(&mut Scope<'_>),
        how: impl for<'a> Fn(PlanRequest<'a>) -> PlanRequest<'a>,
    ) -> Result<Plan, PlanError> {
        let stack = Stack::new("t", program).unwrap();
        let engine = self.engine();
        how(engine.plan(&stack).seed(self.world.seed())).await
    }

    /// Plans and applies; returns the plan's text.
    async fn up(&self, program: impl Fn(&mut Scope<'_>)) -> Result<String, ApplyError> {
        let plan = self.plan(program).await;
        self.apply(plan).await
    }

    async fn apply(&self, plan: Plan) -> Result<String, ApplyError> {
        self.world.cloud.clear_log();
        let text = plan.to_string();
        let applied = self.engine().apply(plan).await;
        self.world.check();
        applied.map(|_| text)
    }

    async fn settled(&self, program: impl Fn(&mut Scope<'_>)) {
        let asked = self.asked();
        let plan = self.plan(program).await;
        assert!(plan.is_empty() && plan.data().repairs.is_empty(), "{plan}");
        assert_eq!(self.asked(), [""; 0], "beside {asked:?}");
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.desk.asked.lock().unwrap())
    }

    fn label(&self, id: &str) -> Option<String> {
        let object = self.world.cloud.object(id)?;
        Some(object.inputs.get("label")?.as_str()?.to_owned())
    }

    fn pins(&self) -> Vec<String> {
        let pins = self.world.state().pins.into_values();
        pins.map(|pin| format!("{} {} = {}", pin.address, pin.query, pin.answer)).collect()
    }
}

fn anew(plan: PlanRequest<'_>) -> PlanRequest<'_> {
    plan.refresh_lookups()
}

fn destroyed(plan: PlanRequest<'_>) -> PlanRequest<'_> {
    plan.destroy()
}

/// A resource, a lookup about it, and a user of the answer.
fn chain(label: &'static str, fixed: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().label(label).fixed(fixed).build());
        let told = scope.lookup("told", LabelOf::builder().id(&x.id).build());
        scope.add("user", Thing::builder().label(&told.label).build());
        scope.export("told", &told.label);
    }
}

#[tokio::test]
async fn a_lookup_about_what_the_plan_makes_is_asked_after_it_and_before_its_users() {
    let town = Town::new();
    let text = town.up(chain("one", "1")).await.unwrap();
    assert_eq!(
        text,
        r#"other
  + x                                        model:test/thing
  ? told                                     model:test/label-of  (asked after x)
  + user                                     model:test/thing
outputs
    told: (none) -> (known after apply)
2 to create, 1 to ask, 0 unchanged
"#
    );
    assert_eq!(town.asked(), ["x#1"]);
    assert_eq!(town.label("user#1").as_deref(), Some("one"));
    assert_eq!(town.pins(), [r#"told {id: "x#1"} = {family: null, label: "one"}"#]);
    assert_eq!(town.world.state().exports.to_string(), r#"{told: "one"}"#);
    town.settled(chain("one", "1")).await;
}

#[tokio::test]
async fn an_answer_stays_while_the_question_does_and_is_asked_again_for_a_new_object() {
    let town = Town::new();
    town.up(chain("one", "1")).await.unwrap();
    town.asked();
    // An update in place: the question is the same, so the pinned answer counts.
    let text = town.up(chain("two", "1")).await.unwrap();
    assert!(text.contains("1 to update, 1 unchanged") && !text.contains("told"), "{text}");
    assert_eq!(town.asked(), [""; 0]);
    town.settled(chain("two", "1")).await;
    // A new object is another question.
    let text = town.up(chain("two", "2")).await.unwrap();
    assert!(text.contains("? told") && text.contains("~ user"), "{text}");
    assert_eq!(town.asked(), ["x#2"]);
    assert_eq!(town.label("user#1").as_deref(), Some("two"));
    town.settled(chain("two", "2")).await;
    // On purpose it is asked again: now where nothing is about to change, later where it is.
    town.world.cloud.edit("x#2", "label", "three".into());
    let plan = town
        .plan_as(chain("two", "2"), |plan| plan.refresh(RefreshMode::None).refresh_lookups())
        .await
        .unwrap();
    assert!(plan.to_string().contains("1 to update, 1 unchanged"), "{plan}");
    assert_eq!(town.asked(), ["x#2"]);
    let plan = town.plan_as(chain("four", "2"), anew).await.unwrap();
    assert_eq!(town.asked(), [""; 0]);
    let text = town.apply(plan).await.unwrap();
    assert!(text.contains("(asked after x; its answer is asked anew)"), "{text}");
    assert_eq!(town.label("user#1").as_deref(), Some("four"));
}

/// A lookup whose question does not change, about something that does.
fn around(label: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().label(label).build());
        let told = scope.lookup_after("told", LabelOf { id: "x#1".into() }, &x);
        scope.add("user", Thing::builder().label(&told.label).build());
    }
}

#[tokio::test]
async fn a_lookup_after_a_resource_is_asked_anew_whenever_that_changes() {
    let town = Town::new();
    town.up(around("one")).await.unwrap();
    assert_eq!((town.asked(), town.label("user#1")), (vec!["x#1".into()], Some("one".into())));
    town.settled(around("one")).await;
    let text = town.up(around("two")).await.unwrap();
    assert_eq!(
        text,
        r#"other
  ~ x                                        model:test/thing
      label: "one" -> "two"
  ? told                                     model:test/label-of  (asked after x; its answer is asked anew)
  ~ user                                     model:test/thing
      label: "one" -> (known after apply)
2 to update, 1 to ask, 0 unchanged
"#
    );
    assert_eq!((town.asked(), town.label("user#1")), (vec!["x#1".into()], Some("two".into())));
    town.settled(around("two")).await;
}

#[tokio::test]
async fn what_needs_an_answer_is_skipped_when_a_lookup_fails_and_the_next_run_asks_again() {
    let town = Town::new();
    *town.desk.refuses.lock().unwrap() = Some(ErrorKind::Denied);
    let error = town.up(chain("one", "1")).await.unwrap_err();
    let ApplyError::Failed(report) = error else { panic!("{error}") };
    let failure = &report.failures[0];
    assert_eq!(failure.address.as_str(), "told");
    assert!(failure.declared_at.contains("late_lookups.rs"), "{}", failure.declared_at);
    assert_eq!(report.skipped[0].address.as_str(), "user");
    assert_eq!((town.world.cloud.ids(), town.pins()), (vec!["x#1".to_owned()], vec![]));
    *town.desk.refuses.lock().unwrap() = None;
    town.asked();
    let text = town.up(chain("one", "1")).await.unwrap();
    // The object is there by now, so this time the answer is part of the plan.
    assert!(text.contains("1 to create, 1 unchanged") && !text.contains('?'), "{text}");
    assert_eq!(town.label("user#1").as_deref(), Some("one"));
    town.settled(chain("one", "1")).await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_in_a_passing_way_is_taken_again() {
    let town = Town::new();
    *town.desk.refuses.lock().unwrap() = Some(ErrorKind::Ambiguous);
    let desk = Arc::clone(&town.desk);
    let heal = async move {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        *desk.refuses.lock().unwrap() = None;
    };
    let (done, ()) = tokio::join!(town.up(chain("one", "1")), heal);
    done.unwrap();
    assert!(town.asked().len() > 2);
    assert_eq!(town.label("user#1").as_deref(), Some("one"));
}

/// Lookups about lookups: the answers make a chain.
fn twice(scope: &mut Scope<'_>) {
    let x = scope.add("x", Thing::builder().label("y#1").build());
    scope.add("y", Thing::builder().label("end").build());
    let first = scope.lookup("first", LabelOf::builder().id(&x.id).build());
    let second = scope.lookup("second", LabelOf::builder().id(&first.label).build());
    let middle = scope.add("middle", Thing::builder().label(&second.label).build());
    let third = scope.lookup("third", LabelOf::builder().id(&middle.id).build());
    scope.add("last", Thing::builder().label(&third.label).build());
}

#[tokio::test]
async fn lookups_about_what_lookups_tell_are_asked_one_after_the_other_in_plan_and_run() {
    let town = Town::new();
    let text = town.up(twice).await.unwrap();
    assert!(
        text.contains("(asked after first)") && text.contains("(asked after middle)"),
        "{text}"
    );
    assert_eq!(town.asked(), ["x#1", "y#1", "middle#1"]);
    assert_eq!(town.label("last#1").as_deref(), Some("end"));
    town.settled(twice).await;
    // Without their pins all of it can be asked before the run, each answer after the other.
    let plan = town.plan_as(twice, anew).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(town.asked(), ["x#1", "y#1", "middle#1"]);
    for mode in [RefreshMode::None, RefreshMode::Minimal, RefreshMode::List] {
        let plan = town.plan_as(twice, |plan| plan.refresh(mode).refresh_lookups()).await.unwrap();
        assert!(plan.is_empty(), "{plan}");
        assert_eq!(town.asked(), ["x#1", "y#1", "middle#1"], "{mode:?}");
    }
}

#[tokio::test]
async fn in_a_plan_of_a_part_a_lookup_stays_as_it_is_when_what_it_is_about_is_left_out() {
    let town = Town::new();
    // Nothing is there: nobody can be told, and whoever needs it is refused.
    let plan = town.plan_as(chain("one", "1"), |plan| plan.target("told")).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let error = town.plan_as(chain("one", "1"), |plan| plan.target("user")).await.unwrap_err();
    assert!(
        error.to_string().contains("x: user needs it")
            || error.to_string().contains("x: told needs it"),
        "{error}"
    );
    let plan =
        town.plan_as(chain("one", "1"), |plan| plan.target("user").target("x")).await.unwrap();
    assert!(plan.to_string().contains("? told"), "{plan}");
    town.up(chain("one", "1")).await.unwrap();
    town.asked();
    // The object stays as it is recorded, and so does the answer about it.
    let plan = town.plan_as(chain("two", "2"), |plan| plan.target("user")).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let plan = town.plan_as(chain("two", "2"), |plan| plan.exclude("x")).await.unwrap();
    assert!(plan.is_empty() && plan.data().repairs.is_empty(), "{plan}");
    assert_eq!((town.asked(), town.pins().len()), (vec![], 1));
}

#[tokio::test]
async fn refreshing_the_records_asks_about_what_is_recorded() {
    let town = Town::new();
    fn refresh(plan: PlanRequest<'_>) -> PlanRequest<'_> {
        plan.refresh_only().refresh_lookups()
    }
    let plan = town.plan_as(chain("one", "1"), refresh).await.unwrap();
    assert!(plan.is_empty() && town.asked().is_empty(), "{plan}");
    town.up(chain("one", "1")).await.unwrap();
    town.world.cloud.edit("x#1", "label", "two".into());
    town.asked();
    let plan = town.plan_as(chain("one", "1"), refresh).await.unwrap();
    town.apply(plan).await.unwrap();
    assert_eq!(town.asked(), ["x#1"]);
    assert_eq!(town.pins(), [r#"told {id: "x#1"} = {family: null, label: "two"}"#]);
    let plan = town.plan(chain("two", "1")).await;
    assert!(plan.to_string().contains(r#"label: "one" -> "two""#), "{plan}");
}

#[tokio::test]
async fn a_destroy_asks_nobody_and_forgets_the_answers() {
    let town = Town::new();
    town.up(chain("one", "1")).await.unwrap();
    town.asked();
    let plan = town.plan_as(chain("one", "1"), destroyed).await.unwrap();
    town.apply(plan).await.unwrap();
    assert_eq!((town.asked(), town.pins(), town.world.cloud.ids()), (vec![], vec![], vec![]));
}

#[tokio::test]
async fn a_saved_plan_asks_what_it_says_it_will_ask() {
    let town = Town::new();
    let plan = town.plan(chain("one", "1")).await;
    let file = SavedPlan::new(&plan).to_bytes(None).unwrap();
    let open = || SavedPlan::from_bytes(&file).unwrap();
    let stack = |label, fixed| Stack::new("t", chain(label, fixed)).unwrap();
    let engine = town.engine();
    let error = engine.load(&stack("two", "1"), open()).await.unwrap_err();
    assert!(error.to_string().contains("x.label"), "{error}");
    let loaded = engine.load(&stack("one", "1"), open()).await.unwrap();
    assert_eq!(loaded.to_string(), plan.to_string());
    // Cut off before the lookup: what is left of the plan is less work, though the answer is new.
    town.world.cloud.fail(Op::Create, "user", 1, Fault::Refuse);
    town.apply(loaded).await.unwrap_err();
    let rest = engine.load(&stack("one", "1"), open()).allow_stale().await.unwrap();
    town.apply(rest).await.unwrap();
    assert_eq!(town.label("user#1").as_deref(), Some("one"));
    town.settled(chain("one", "1")).await;
}

/// One version of a program.
type Version = Box<dyn Fn(&mut Scope<'_>)>;

/// A program that goes through all of it: a first life, a replacement, an update, and no more.
fn life() -> Vec<Version> {
    vec![
        Box::new(chain("one", "1")),
        Box::new(chain("two", "2")),
        Box::new(around("three")),
        Box::new(|_| ()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_around_a_lookup_ends_as_if_there_had_been_none() {
    for step in 0..life().len() {
        for cut in 1.. {
            for during in [false, true] {
                let mut town = Town::new();
                let mut was_cut = false;
                for (i, program) in life().iter().enumerate() {
                    let before = town.world.store.writes();
                    if i == step {
                        let sabotage = |store: &MemoryStore| match during {
                            true => store.cut_during(before + cut),
                            false => store.cut_after(before + cut),
                        };
                        sabotage(&town.world.store);
                    }
                    let first = town.up(program).await;
                    if town.world.store.is_cut() {
                        was_cut = true;
                        town.world.store = town.world.store.reopen();
                        town.world.store.expire_leases();
                        town.world.check();
                        town.up(program).await.unwrap();
                    } else {
                        first.unwrap();
                    }
                    town.asked();
                    town.settled(program).await;
                }
                assert!(town.world.cloud.ids().is_empty() && town.pins().is_empty());
                if !was_cut {
                    assert!(cut > 1, "step {step} wrote nothing");
                    break;
                }
            }
            let writes_of_a_step = 40;
            if cut > writes_of_a_step {
                break;
            }
        }
    }
}
