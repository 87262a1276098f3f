//! What only the run can tell is judged there, before anything is sent.

use std::sync::{Arc, Mutex};

use formwork_core::{ApplyError, Engine, Event, Found, Policy, Scope, testing::Thing};

use super::{engine, label, masked, plan};
use crate::world::World;

/// Applies, and returns what violated a policy and what failed.
async fn apply(
    world: &World,
    engine: &Engine,
    declare: impl FnOnce(&mut Scope<'_>),
) -> Vec<String> {
    let plan = plan(world, engine, declare).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let diary = told.clone();
    world.cloud.clear_log();
    let result = engine
        .apply(plan)
        .events(move |event| {
            if let Event::PolicyViolated { of, violation } = event {
                let line = format!("{}: {}", of.address, masked(&violation.to_string()));
                diary.lock().unwrap().push(line);
            }
        })
        .await;
    world.check();
    let mut told = told.lock().unwrap().clone();
    if let Err(ApplyError::Failed(report)) = result {
        told.extend(report.failures.iter().map(|failure| masked(&failure.error.to_string())));
        told.extend(report.skipped.iter().map(|skipped| format!("skipped {}", skipped.address)));
    }
    told.extend(world.cloud.mutations());
    told
}

/// Nobody may have the label that the cloud gives the first `a`.
fn not_first() -> Policy {
    Policy::mandatory("not-first").check::<Thing>(|thing, report| {
        if thing.get::<String>("label").is_known_and(|label| label == "a#1") {
            report.violation("label", "it is the first");
        }
    })
}

fn pair(scope: &mut Scope<'_>) {
    let a = scope.add("a", Thing::builder().build());
    let b = scope.add("b", Thing::builder().label(&a.id).build());
    scope.add("c", Thing::builder().name(&b.id).build());
}

#[tokio::test]
async fn a_mandatory_policy_is_asked_before_the_call_and_refuses_it() {
    let world = World::new();
    let told = apply(&world, &engine(&world, [not_first()]), pair).await;
    let said = "b.label: it is the first (mandatory policy not-first) [at]";
    assert_eq!(
        told,
        [format!("b: {said}"), format!("policy: {said}"), "skipped c".into(), "create a".into()]
    );
    // Nothing of it is left open, and the next run is told in the plan.
    assert!(world.state().intents.is_empty());
    let next = plan(&world, &engine(&world, [not_first()]), pair).await.unwrap_err();
    assert!(next.to_string().contains("b.label: it is the first"));
}

#[tokio::test]
async fn an_advisory_policy_tells_it_and_the_run_goes_on() {
    let world = World::new();
    let advisory = not_first().level(formwork_core::Level::Advisory);
    let told = apply(&world, &engine(&world, [advisory]), pair).await;
    let said = "b: b.label: it is the first (advisory policy not-first) [at]";
    assert_eq!(told, [said, "create a", "create b", "create c"]);
}

#[tokio::test]
async fn an_exemption_counts_in_the_run_too() {
    let world = World::new();
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("x"));
        let b = Thing::builder().label(&a.id).build();
        scope.add("b", b.exempt("not-first", "it may"));
    };
    let told = apply(&world, &engine(&world, [not_first()]), declare).await;
    let said = "b: b.label: it is the first (mandatory policy not-first; exempt: it may) [at]";
    assert_eq!(told, [said, "create a", "create b"]);
}

#[tokio::test]
async fn an_update_is_judged_before_it_is_sent() {
    let world = World::new();
    world.up(|scope| drop(scope.add("b", label("old")))).await.unwrap();
    let told = apply(&world, &engine(&world, [not_first()]), pair).await;
    assert_eq!(told.last().unwrap(), "create a");
    assert_eq!(
        world.cloud.object("b#1").unwrap().inputs.get("label").unwrap().as_str(),
        Some("old")
    );
}

#[tokio::test]
async fn a_policy_of_the_stack_is_asked_when_what_it_asked_for_is_known() {
    let world = World::new();
    let alike = Policy::mandatory("alike").check_stack(|stack, report| {
        let labels: Vec<String> =
            stack.of::<Thing>().filter_map(|it| it.get::<String>("label").known()).collect();
        if labels.iter().filter(|label| *label == "a#1").count() > 1 {
            report.violation("", "two have the same label");
        }
    });
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().build());
        let b = scope.add("b", Thing::builder().label(&a.id).build());
        scope.add("c", Thing::builder().label(&a.id).name(&b.id).build());
    };
    let told = apply(&world, &engine(&world, [alike]), declare).await;
    assert_eq!(
        told,
        [
            "c: the stack: two have the same label (mandatory policy alike)",
            "policy: the stack: two have the same label (mandatory policy alike)",
            "create a",
            "create b",
        ]
    );
}

#[tokio::test]
async fn a_rule_about_what_another_resource_has_is_asked_when_that_is_known() {
    let world = World::new();
    let friends = Policy::mandatory("friends").check::<Thing>(|thing, report| {
        let Some(friend) = thing.target("fixed_ref") else { return };
        if let Found::Known(label) = friend.get::<String>("label") {
            report.violation("fixed_ref", format!("its friend is {label}"));
        }
    });
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().build());
        let b = scope.add("b", Thing::builder().label(&a.id).build());
        scope.add("c", Thing::builder().fixed_ref(&b.id).build());
    };
    let told = apply(&world, &engine(&world, [friends]), declare).await;
    assert_eq!(told[0], "c: c.fixed_ref: its friend is a#1 (mandatory policy friends) [at]");
    assert_eq!(told[2..], ["create a", "create b"]);
}
