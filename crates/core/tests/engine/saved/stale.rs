//! A saved plan on a state that was written since: less work is fine, more is refused.

use formwork_core::{
    LoadPlanError, Plan, SavedPlan, Scope, Stack,
    testing::{Fault, Op, Thing},
};

use proptest::prelude::*;

use super::{file, opened, values::Images};
use crate::{
    basics::thing,
    random::{Round, declare, round},
    world::World,
};

async fn stale(
    world: &World,
    file: &[u8],
    declare: impl FnOnce(&mut Scope<'_>),
) -> Result<Plan, LoadPlanError> {
    world.engine().load(&World::stack(declare), opened(file)).allow_stale().await
}

/// What went beyond the plan.
fn beyond(result: Result<Plan, LoadPlanError>) -> Vec<String> {
    match result {
        Err(LoadPlanError::Beyond { problems, .. }) => {
            problems.iter().map(|p| format!("{}: {}", p.address, p.message)).collect()
        }
        Err(other) => panic!("{other}"),
        Ok(plan) => panic!("it was loaded:\n{plan}"),
    }
}

fn v1(scope: &mut Scope<'_>) {
    let a = scope.add("a", Thing::builder().label("one").build());
    scope.add("gone", thing(&[&a]));
}

fn v2(scope: &mut Scope<'_>) {
    let a = scope.add("a", Thing::builder().label("two").build());
    scope.add("b", thing(&[&a]));
    scope.add("c", thing(&[&a]));
}

#[tokio::test]
async fn what_is_there_by_now_and_what_is_gone_by_now_is_less_work() {
    let world = World::new();
    world.settle(v1).await;
    let saved = file(&world.plan(v2).await);
    // Another run came half way: `b` is there, `gone` is gone, `a` is changed, `c` is missing.
    world.cloud.fail(Op::Create, "c", 1, Fault::Refuse);
    world.up(v2).await.unwrap_err();
    let refused = world.engine().load(&World::stack(v2), opened(&saved)).await;
    assert!(matches!(refused, Err(LoadPlanError::Stale { .. })));
    let plan = stale(&world, &saved, v2).await.unwrap();
    assert_eq!(
        plan.to_string(),
        "other\n  + c                                        model:test/thing\n1 to create, 2 unchanged\n"
    );
    assert_eq!(world.apply(plan).await.unwrap(), ["create c"]);
    world.assert_settled(v2).await;
    // And now there is nothing left.
    let plan = stale(&world, &saved, v2).await.unwrap();
    assert!(plan.is_empty());
}

#[tokio::test]
async fn a_plan_to_create_where_there_was_no_state_goes_on_after_a_crash() {
    let mut world = World::new();
    let saved = file(&world.plan(v2).await);
    let loaded = world.engine().load(&World::stack(v2), opened(&saved)).await.unwrap();
    world.store.cut_after(4);
    world.apply(loaded).await.unwrap_err();
    world.store = world.store.reopen();
    world.store.expire_leases();
    let plan = stale(&world, &saved, v2).await.unwrap();
    world.apply(plan).await.unwrap();
    world.assert_settled(v2).await;
    assert_eq!(world.cloud.ids(), ["a#1", "b#1", "c#1"]);
}

#[tokio::test]
async fn more_than_the_plan_says_is_refused_all_of_it_at_once() {
    let world = World::new();
    world.settle(v1).await;
    let saved = file(&world.plan(v2).await);
    world
        .up(|scope| {
            let a = scope.add("a", Thing::builder().label("three").zone("z").build());
            scope.add("b", Thing::builder().label("other").refs([&a.id]).build());
            scope.add("new", thing(&[&a]));
        })
        .await
        .unwrap();
    let objects = world.cloud.objects();
    assert_eq!(
        beyond(stale(&world, &saved, v2).await),
        [
            "b: it would now take to update it, which the plan does not say",
            "new: it would now take to delete it, which the plan does not say",
        ]
    );
    assert_eq!(world.cloud.objects(), objects);
}

#[tokio::test]
async fn another_object_is_not_replaced_or_deleted_in_place_of_the_planned_one() {
    let fixed = |value: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().fixed(value).build());
        }
    };
    let world = World::new();
    world.settle(fixed("1")).await;
    let replace = file(&world.plan(fixed("2")).await);
    let delete = file(&world.plan(|_| ()).await);
    world.up(fixed("3")).await.unwrap();
    assert_eq!(
        beyond(stale(&world, &replace, fixed("2")).await),
        [
            "a: it would now take to replace another object, which the plan does not say",
            "a: it would now take to delete it, which the plan does not say",
        ]
    );
    assert_eq!(
        beyond(stale(&world, &delete, |_| ()).await),
        ["a: it would now take to delete it, which the plan does not say"]
    );
    // Gone from the cloud, it is made anew, and there is nothing left to replace.
    let world = World::new();
    world.settle(fixed("1")).await;
    let replace = file(&world.plan(fixed("2")).await);
    world.up(|_| ()).await.unwrap();
    let plan = stale(&world, &replace, fixed("2")).await.unwrap();
    assert_eq!(world.apply(plan).await.unwrap(), ["create a"]);
}

#[tokio::test]
async fn a_replacement_that_was_asked_for_is_not_done_twice() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| drop(scope.add("a", thing(&[])));
    world.settle(program).await;
    let stack = World::stack(program);
    let plan = world.engine().plan(&stack).replace("a").await.unwrap();
    let saved = file(&plan);
    world.apply(plan).await.unwrap();
    let refused = beyond(stale(&world, &saved, program).await);
    assert!(refused[0].contains("replace another object"), "{refused:?}");
}

#[tokio::test]
async fn drift_that_came_since_and_a_known_value_that_changed_are_refused() {
    let world = World::new();
    world.settle(v1).await;
    world.settle(v2).await;
    let v3 = |scope: &mut Scope<'_>| {
        v2(scope);
        scope.add("d", thing(&[]));
    };
    let saved = file(&world.plan(v3).await);
    world.up(v3).await.unwrap();
    world.cloud.edit("a#1", "label", "by hand".into());
    assert_eq!(
        beyond(stale(&world, &saved, v3).await),
        ["a: it would now take to update it, which the plan does not say"]
    );
}

#[tokio::test]
async fn the_program_must_be_the_same_and_another_lineage_is_refused_whatever_is_allowed() {
    let world = World::new();
    world.settle(v1).await;
    let saved = file(&world.plan(v2).await);
    world.up(v2).await.unwrap();
    let other = stale(&world, &saved, v1).await;
    assert!(matches!(other, Err(LoadPlanError::Differs { problems, .. }) if problems.len() == 4));
    let elsewhere = World::new();
    elsewhere.settle(v1).await;
    let refused = stale(&elsewhere, &saved, v2).await;
    assert!(matches!(refused, Err(LoadPlanError::Lineage { .. })));
}

#[tokio::test]
async fn an_answer_that_was_given_anew_since_is_refused() {
    let images = Images::new().await;
    let engine = images.engine();
    engine.apply(engine.plan(&Images::stack()).await.unwrap()).await.unwrap();
    let more = |scope: &mut Scope<'_>| {
        Images::program(scope);
        scope.add("b", thing(&[]));
    };
    let saved = file(&engine.plan(&World::stack(more)).await.unwrap());
    images.cloud.edit("image#1", "label", "two".into());
    let plan = engine.plan(&Images::stack()).refresh_lookups().await.unwrap();
    engine.apply(plan).await.unwrap();
    let refused = engine.load(&World::stack(more), opened(&saved)).allow_stale().await;
    assert_eq!(
        beyond(refused),
        ["newest: the lookup has another answer now than the plan was made with"]
    );
}

/// A plan is saved, a run of the same program ends early, and the saved plan goes on.
async fn go_on(before: Round, round: Round) -> Result<(), TestCaseError> {
    let mut world = World::new();
    world.cloud.lenient();
    world.up(|scope| declare(&before.program, scope)).await.unwrap();
    let program = |scope: &mut Scope<'_>| declare(&round.program, scope);
    let stack = Stack::new("t", program).unwrap();
    let Ok(plan) = world.engine().plan(&stack).await else { return Ok(()) };
    let saved = SavedPlan::new(&plan).to_bytes(None).unwrap();
    let said: Vec<String> = plan
        .steps()
        .map(|step| format!("{:?} {}", step.action, step.address).to_lowercase())
        .collect();
    for (op, name, nth, fault) in &round.faults {
        world.cloud.fail(*op, &format!("r{name}"), *nth, *fault);
    }
    world.store.cut_after(world.store.writes() + round.cut.unwrap_or(u64::MAX / 2));
    let _ = world.apply(plan).await;
    world.cloud.heal();
    world.store = world.store.reopen();
    world.store.expire_leases();
    let read = SavedPlan::from_bytes(&saved).unwrap();
    match world.engine().load(&stack, read).allow_stale().await {
        Ok(rest) => {
            let done = world.apply(rest).await;
            let done = done.map_err(|error| TestCaseError::fail(error.to_string()))?;
            for call in done {
                prop_assert!(said.contains(&call), "{} is not in {:?}", call, said);
            }
            world.assert_settled(program).await;
        }
        // What was left half done takes more than was planned.
        Err(LoadPlanError::Beyond { .. }) => {
            prop_assert!(!round.faults.is_empty() || round.cut.is_some());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::random::cases(), max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_was_cut_off_goes_on_with_no_more_than_its_plan_says(
        before in round(), round in round()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(go_on(before, round))?;
    }
}
