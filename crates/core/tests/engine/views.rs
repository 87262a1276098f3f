//! Drift from all sides: what the program wants, what is recorded, and what is there.

use formwork_core::{
    DriftView, Plan, Scope,
    state::Role,
    testing::{Fault, Op, Thing},
    value::Value,
};

use crate::{basics::thing, world::World};

fn labelled(label: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope| {
        scope.add("a", Thing::builder().label(label).set(["x"]).build());
    }
}

/// Each place as: path, wanted, recorded, there, and the standing.
fn told(plan: &Plan) -> Vec<String> {
    let view = |view: &DriftView| {
        let wanted = view.wanted.as_ref().map_or("-".to_owned(), ToString::to_string);
        let DriftView { path, left, found, standing, .. } = view;
        format!("{path}: {wanted} {left} {found} {standing:?}")
    };
    plan.data().drift.iter().flat_map(|drift| drift.views.iter().map(view)).collect()
}

#[tokio::test]
async fn drift_is_told_with_what_the_program_wants_and_what_becomes_of_it() {
    let world = World::new();
    world.settle(labelled("one")).await;
    world.cloud.edit("a#1", "label", "two".into());
    world.cloud.edit("a#1", "zone", "zone-b".into());
    world.cloud.edit("a#1", "set", Value::List(vec!["x".into(), "hacked".into()]));
    assert_eq!(
        told(&world.plan(labelled("one")).await),
        [
            r#"label: "one" "one" "two" PutBack"#,
            r#"set: ["x"] ["x"] ["x", "hacked"] PutBack"#,
            r#"zone: null "zone-a" "zone-b" Accepted"#,
        ]
    );
    // Another hand did what the program is about to do; or what nobody wants.
    let plan = world.plan(labelled("two")).await;
    assert_eq!(told(&plan)[0], r#"label: "two" "one" "two" DoneAlready"#);
    let third = world.plan(labelled("three")).await;
    assert_eq!(told(&third)[0], r#"label: "three" "one" "two" PutBack"#);
    assert_eq!(told(&world.plan(|_| ()).await)[0], r#"label: - "one" "two" Goes"#);
    assert!(!world.plan(|_| ()).await.data().drift[0].declared);
    assert_eq!(told(&world.plan_destroy(labelled("one")).await)[0], r#"label: - "one" "two" Goes"#);
    world.apply(plan).await.unwrap();
    let sent = world.state().records.values().next().unwrap().inputs.get("label").cloned();
    assert_eq!(sent, Some("two".into()), "the record follows");
    world.assert_settled(labelled("two")).await;
}

#[tokio::test]
async fn a_plan_that_asks_the_program_nothing_says_so() {
    let world = World::new();
    world.settle(labelled("one")).await;
    world.cloud.edit("a#1", "label", "two".into());
    let stack = World::stack(labelled("one"));
    let plan = world.engine().plan(&stack).refresh_only().await.unwrap();
    assert_eq!(told(&plan), [r#"label: - "one" "two" Stays"#]);
    let more = |scope: &mut Scope<'_>| {
        labelled("one")(scope);
        scope.add("b", thing(&[]));
    };
    let plan = world.engine().plan(&World::stack(more)).target("b").await.unwrap();
    assert!(plan.data().drift.is_empty(), "what is left out is not looked at");
}

#[tokio::test]
async fn what_is_known_only_after_apply_and_what_is_replaced_are_no_promise() {
    let world = World::new();
    let program = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().fixed(fixed).build());
            scope.add("b", Thing::builder().refs([&a.id]).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud.edit("b#1", "refs", Value::List(Vec::new()));
    world.cloud.edit("a#1", "label", "by hand".into());
    let told = told(&world.plan(program("2")).await);
    assert_eq!(told[0], r#"label: null null "by hand" Goes"#);
    assert!(told[1].ends_with("Open"), "{told:?}");
}

#[tokio::test]
async fn an_old_object_and_one_that_is_gone_are_told_too() {
    let mut world = World::new();
    let program = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().fixed(fixed).build());
            scope.add("b", thing(&[]));
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    world.cloud.edit("a#1", "label", "by hand".into());
    world.cloud.lose("b#1");
    world.lost.push("b#1".into());
    let plan = world.plan(program("2")).await;
    let drift = &plan.data().drift;
    assert_eq!(drift.len(), 2, "{plan}");
    assert_eq!((drift[0].role, drift[0].physical_id.as_str()), (Role::Deposed, "a#1"));
    assert_eq!(told(&plan), [r#"label: - null "by hand" Goes"#]);
    assert!(drift[1].gone && drift[1].views.is_empty() && drift[1].declared);
    world.settle(program("2")).await;
}

#[tokio::test]
async fn a_secret_is_seen_from_no_side() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let label = formwork_core::Output::known(label.to_owned()).secret();
            scope.add("a", Thing::builder().label(label).build());
        }
    };
    world.settle(program("hunter1")).await;
    world.cloud.edit("a#1", "label", "hunter2".into());
    let plan = world.plan(program("hunter3")).await;
    assert_eq!(plan.data().drift[0].views.len(), 1);
    let shown = format!("{plan} {:?}", plan.data());
    let json = serde_json::to_string(plan.data()).unwrap();
    assert!(!shown.contains("hunter") && !json.contains("hunter"), "{shown}");
    let file = crate::saved::file(&plan);
    assert!(!String::from_utf8(file).unwrap().contains("hunter"));
}
