//! Objects that others own: read, recorded, and never changed or deleted.

use formwork_core::{
    PlanError, PlanRequest, RefreshMode, Scope,
    testing::{Op, Thing},
    text,
    value::Value,
};

use crate::{basics::thing, saved, world::World};

const THEIRS: &str = r#"{"label": "theirs", "zone": "zone-a"}"#;

fn only(p: PlanRequest<'_>) -> PlanRequest<'_> {
    p.refresh_only()
}

fn unseen(p: PlanRequest<'_>) -> PlanRequest<'_> {
    p.refresh(RefreshMode::None)
}

/// Reads `id` at `a`, and has something that uses it.
fn reads(id: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let a = scope.existing::<Thing>("a", id);
        let label = text!("{}!", a.label.map(Option::unwrap_or_default));
        scope.add("b", Thing::builder().label(label).refs([&a.id]).build());
    }
}

/// Has an object of its own at `a`.
fn manages(scope: &mut Scope<'_>) {
    let a = scope.add("a", Thing::builder().label("mine").build());
    scope.add("b", thing(&[&a]));
}

#[tokio::test]
async fn what_others_own_is_read_by_each_plan_and_never_touched() {
    let mut world = World::new();
    world.foreign("x", THEIRS);
    let plan = world.plan(reads("x")).await;
    let expected = r#"other
  + b                                        model:test/thing
1 to create, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    assert!(world.state().pins.is_empty());
    assert_eq!(world.apply(plan).await.unwrap(), ["create b"]);
    world.assert_settled(reads("x")).await;
    world.cloud.edit("x", "label", "other".into());
    // Nobody looks: what is recorded counts.
    assert!(world.plan_with(reads("x"), unseen).await.unwrap().is_empty());
    assert_eq!(world.settle(reads("x")).await, ["update b"]);
    assert_eq!(world.cloud.object("b#1").unwrap().inputs.get("label"), Some(&"other!".into()));
    assert_eq!(world.destroy().await.unwrap(), ["delete b"]);
    assert_eq!(world.cloud.ids(), ["x"]);
    assert!(world.state().pins.is_empty() && world.state().records.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_an_error_that_names_it() {
    let mut world = World::new();
    world.foreign("x", THEIRS);
    world.settle(reads("x")).await;
    world.cloud.lose("x");
    let errors = [
        world.plan_with(reads("x"), |p| p).await.unwrap_err(),
        world.plan_with(reads("x"), only).await.unwrap_err(),
    ];
    for error in errors {
        let PlanError::Lookup { address, source, declared_at } = error else { panic!("{error}") };
        assert_eq!(address.as_str(), "a");
        assert!(declared_at.contains("existing.rs:"));
        assert_eq!(source.message, "there is no object with the id \"x\"");
    }
    world.plan_with(reads("x"), unseen).await.unwrap();
}

#[tokio::test]
async fn a_plan_that_only_refreshes_records_what_others_own_as_it_is() {
    let mut world = World::new();
    world.foreign("x", THEIRS);
    world.settle(reads("x")).await;
    world.cloud.edit("x", "label", "other".into());
    let plan = world.plan_with(reads("x"), only).await.unwrap();
    assert!(plan.data().steps.is_empty() && !plan.is_empty());
    world.apply(plan).await.unwrap();
    assert!(world.plan_with(reads("x"), only).await.unwrap().is_empty());
    let plan = world.plan_with(reads("x"), unseen).await.unwrap();
    assert_eq!(plan.summary().update, 1);
}

#[tokio::test]
async fn an_object_that_is_only_read_from_now_on_is_let_go_without_a_delete() {
    for protect in [false, true] {
        let mut world = World::new();
        world
            .settle(|scope| {
                let a = Thing::builder().label("mine").build();
                let a = scope.add("a", if protect { a.protect() } else { a });
                scope.add("b", thing(&[&a]));
                scope.add("guest", thing(&[&a]).deleted_with(&a));
            })
            .await;
        let program = |scope: &mut Scope<'_>| {
            reads("a#1")(scope);
            let a = scope.existing::<Thing>("again", "a#1");
            scope.add("guest", Thing::builder().refs([&a.id]).build());
        };
        world.kept.push("a#1".to_owned());
        let plan = world.plan(program).await;
        let expected = r#"other
  ~ b                                        model:test/thing
      label: (none) -> "mine!"
  × a                                        model:test/thing  (no longer declared; a only reads it from now on, so it stays in the cloud)
1 to update, 1 to forget, 1 unchanged
"#;
        assert_eq!(plan.to_string(), expected);
        assert_eq!(world.apply(plan).await.unwrap(), ["update b"]);
        world.assert_settled(program).await;
        assert_eq!(world.destroy().await.unwrap(), ["delete b", "delete guest"]);
        assert_eq!(world.cloud.ids(), ["a#1"]);
    }
}

#[tokio::test]
async fn a_destroy_lets_go_of_what_the_program_only_reads() {
    let mut world = World::new();
    world.settle(manages).await;
    world.kept.push("a#1".to_owned());
    let plan = world.plan_destroy(reads("a#1")).await;
    assert_eq!(world.apply(plan).await.unwrap(), ["delete b"]);
    assert_eq!(world.cloud.ids(), ["a#1"]);
    // What is declared all the same is ours.
    let world = World::new();
    let both = |scope: &mut Scope<'_>| {
        manages(scope);
        scope.existing::<Thing>("view", "a#1");
    };
    world.settle(manages).await;
    world.settle(both).await;
    let plan = world.plan_destroy(both).await;
    assert_eq!(world.apply(plan).await.unwrap(), ["delete b", "delete a"]);
}

#[tokio::test]
async fn an_object_that_gives_way_to_another_that_is_read_is_deleted_at_the_end() {
    let mut world = World::new();
    world.foreign("x", THEIRS);
    world.settle(manages).await;
    assert_eq!(world.settle(reads("x")).await, ["update b", "delete a"]);
    assert_eq!(world.cloud.ids(), ["b#1", "x"]);
    // And another one to read is another answer, and nothing more.
    world.foreign("y", r#"{"label": "y"}"#);
    assert_eq!(world.settle(reads("y")).await, ["update b"]);
    assert_eq!(world.cloud.ids(), ["b#1", "x", "y"]);
}

#[tokio::test]
async fn what_was_read_and_is_managed_now_is_made_anew_and_the_other_left_alone() {
    let mut world = World::new();
    world.foreign("x", THEIRS);
    world.settle(reads("x")).await;
    assert_eq!(world.settle(manages).await, ["create a", "update b"]);
    assert_eq!(world.cloud.ids(), ["a#1", "b#1", "x"]);
    assert!(world.state().pins.is_empty());
}

#[tokio::test]
async fn what_was_read_can_be_taken_over() {
    let mut world = World::new();
    world.foreign("x", THEIRS);
    world.settle(reads("x")).await;
    let program = |scope: &mut Scope<'_>| {
        let a = Thing::builder().label("theirs").build().import("x");
        let a = scope.add("a", a);
        let label = text!("{}!", a.label.map(Option::unwrap_or_default));
        scope.add("b", Thing::builder().label(label).refs([&a.id]).build());
    };
    assert_eq!(world.settle(program).await, Vec::<String>::new());
    assert!(world.state().pins.is_empty() && world.is_ours("x", "a"));
}

#[tokio::test]
async fn an_id_that_is_known_only_after_apply_is_read_in_the_run() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label(label).build());
            let b = scope.existing::<Thing>("b", &a.id);
            let label = text!("{}!", b.label.map(Option::unwrap_or_default));
            scope.add("c", Thing::builder().label(label).build());
        }
    };
    assert_eq!(world.settle(program("x")).await, ["create a", "create c"]);
    let label = || world.cloud.object("c#1").unwrap().inputs.get("label").cloned();
    assert_eq!(label(), Some("x!".into()));
    // It is looked at before the run changes it; the next plan sees what became of it.
    assert_eq!(world.up(program("y")).await.unwrap(), ["update a"]);
    assert_eq!(world.settle(program("y")).await, ["update c"]);
    assert_eq!(label(), Some("y!".into()));
}

#[tokio::test]
async fn one_that_is_read_may_say_which_is_read_next_and_a_saved_plan_keeps_both() {
    let mut world = World::new();
    world.foreign("x", r#"{"label": "y"}"#);
    world.foreign("y", THEIRS);
    let program = |scope: &mut Scope<'_>| {
        let x = scope.existing::<Thing>("x", "x");
        let y = scope.existing::<Thing>("y", x.label.map(Option::unwrap_or_default));
        scope.add("b", Thing::builder().refs([&y.id]).build());
    };
    let file = saved::file(&world.plan(program).await);
    let plan = saved::load(&world.engine(), &file, program).await.unwrap();
    world.apply(plan).await.unwrap();
    world.assert_settled(program).await;
    let object = world.cloud.object("b#1").unwrap();
    assert_eq!(object.refs, ["y"]);
    assert_eq!(world.state().pins.len(), 2);
    // A plan of a part does not look at what it does not need.
    world.cloud.clear_log();
    world.cloud.lose("x");
    let more = |scope: &mut Scope<'_>| {
        program(scope);
        scope.add("c", thing(&[]));
    };
    let plan = world.plan_with(more, |p| p.target("c")).await.unwrap();
    assert!(world.cloud.log().iter().all(|call| call.op != Op::Locate));
    assert_eq!(world.apply(plan).await.unwrap(), ["create c"]);
    assert_eq!(object.inputs.get("label").unwrap_or(&Value::Null), &Value::Null);
}
