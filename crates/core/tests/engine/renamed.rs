//! Types that are called otherwise than before: what is recorded follows, and no object does.

use std::sync::Arc;

use formwork_core::{
    Declaration, Engine, Plan, PlanRequest, RefreshMode, Registry, Scope,
    testing::{Fault, Op, Renamed, Thing, provider},
};

use crate::{saved, world::World};

impl World {
    /// An engine that knows the type by its new name only.
    fn renamed(&self) -> Engine {
        let model = Registry::new("model", Arc::new(self.cloud.clone())).with::<Renamed>();
        Engine::builder().provider(model).state(self.store.clone()).try_build().unwrap()
    }

    async fn plan_renamed(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
    ) -> Plan {
        let engine = self.renamed();
        ask(engine.plan(&Self::stack(declare)).seed(self.seed())).await.unwrap()
    }

    async fn up_renamed(&self, declare: impl FnOnce(&mut Scope<'_>)) -> Vec<String> {
        let plan = self.plan_renamed(declare, |p| p).await;
        self.cloud.clear_log();
        self.renamed().apply(plan).await.unwrap();
        self.check();
        self.cloud.mutations()
    }

    fn kinds(&self) -> Vec<(String, String, u32)> {
        let state = self.state();
        let rows = state.records.values();
        let mut kinds: Vec<_> =
            rows.map(|row| (row.address.to_string(), row.kind.clone(), row.version)).collect();
        kinds.sort();
        kinds
    }
}

fn things(scope: &mut Scope<'_>) {
    let a = scope.add("a", Thing::builder().label("a").build());
    scope.add("b", Thing::builder().refs([&a.id]).build());
}

fn quiet(p: PlanRequest<'_>) -> PlanRequest<'_> {
    p.refresh(RefreshMode::None)
}

fn part(p: PlanRequest<'_>) -> PlanRequest<'_> {
    p.target("b")
}

fn renamed(label: &str) -> Declaration<Renamed> {
    Renamed::builder().label(label).build()
}

fn anew(scope: &mut Scope<'_>) {
    let a = scope.add("a", renamed("a"));
    scope.add("b", Renamed::builder().refs([&a.id]).build());
}

#[tokio::test]
async fn rows_follow_the_name_of_their_type_and_its_version_and_nothing_is_called() {
    let world = World::new();
    world.settle(things).await;
    let plan = world.plan_renamed(anew, |p| p).await;
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(world.up_renamed(anew).await, Vec::<String>::new());
    let kind = "model:test/renamed".to_owned();
    assert_eq!(world.kinds(), [("a".into(), kind.clone(), 2), ("b".into(), kind, 2)]);
    let writes = world.store.writes();
    assert_eq!(world.up_renamed(anew).await, Vec::<String>::new());
    assert_eq!(world.store.writes(), writes);
    // What is not declared any more goes by its new name too.
    assert_eq!(world.up_renamed(|_| ()).await, ["delete b", "delete a"]);
}

#[tokio::test]
async fn a_type_may_be_renamed_and_its_resource_moved_and_changed_at_once() {
    let world = World::new();
    world.settle(things).await;
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("new", renamed("new").moved_from("a"));
        scope.add("b", Renamed::builder().refs([&a.id]).build());
    };
    let plan = world.plan_renamed(program, |p| p).await;
    let expected = r#"moved a -> new
other
  ~ new                                      model:test/renamed
      label: "a" -> "new"
1 to update, 1 to move, 1 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    let file = saved::file(&plan);
    let plan = saved::load(&world.renamed(), &file, program).await.unwrap();
    world.renamed().apply(plan).await.unwrap();
    world.check();
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
    assert!(world.plan_renamed(program, |p| p).await.is_empty());
}

#[tokio::test]
async fn calls_that_were_cut_off_are_followed_up_under_the_new_name() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let world = World::new();
        world.cloud.fail(Op::Create, "a", 1, fault);
        world.up(things).await.unwrap_err();
        world.up_renamed(anew).await;
        assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
        assert!(world.state().intents.is_empty());
        assert!(world.plan_renamed(anew, |p| p).await.is_empty());
    }
}

#[tokio::test]
async fn the_answers_for_what_others_own_follow_too() {
    let mut world = World::new();
    world.foreign("x", r#"{"label": "x"}"#);
    world
        .settle(|scope| {
            scope.existing::<Thing>("x", "x");
        })
        .await;
    let program = |scope: &mut Scope<'_>| {
        scope.existing::<Renamed>("x", "x");
    };
    world.cloud.clear_log();
    let plan = world.plan_renamed(program, quiet).await;
    assert!(world.cloud.log().is_empty(), "the recorded answer serves");
    world.renamed().apply(plan).await.unwrap();
    assert_eq!(world.state().pins.values().next().unwrap().kind, "existing model:test/renamed");
}

#[tokio::test]
async fn a_plan_of_a_part_renames_what_it_reads_and_leaves_the_rest() {
    let world = World::new();
    world
        .settle(|scope| {
            things(scope);
            scope.add("c", Thing::builder().build());
        })
        .await;
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", renamed("a"));
        scope.add("b", Renamed::builder().refs([&a.id]).label("b").build());
        scope.add("c", Renamed::builder().build());
    };
    let plan = world.plan_renamed(program, part).await;
    assert_eq!(plan.summary().update, 1, "{plan}");
    world.renamed().apply(plan).await.unwrap();
    world.check();
    let kinds: Vec<_> = world.kinds().into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["model:test/renamed", "model:test/renamed", "model:test/thing"]);
    assert!(world.up_renamed(program).await.is_empty());
}

#[tokio::test]
async fn a_name_that_another_type_has_now_is_not_taken_from_it() {
    let world = World::new();
    world.settle(things).await;
    let both = provider(&world.cloud).with::<Renamed>();
    let engine = Engine::builder().provider(both).state(world.store.clone()).try_build().unwrap();
    let plan = engine.plan(&World::stack(things)).await.unwrap();
    assert!(plan.is_empty() && plan.data().repairs.is_empty());
    // There it is another type, and so another object.
    let plan = engine.plan(&World::stack(anew)).await.unwrap();
    let summary = plan.summary();
    assert_eq!((summary.create, summary.delete), (2, 2), "{plan}");
    engine.apply(plan).await.unwrap();
    world.check();
}
