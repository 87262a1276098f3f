//! Random children that nobody declares, of random stacks: they change nothing that is planned for
//! what is managed, and where all is exclusive a run ends with exactly what is declared.

use formwork_core::{
    Component, Plan, RefreshMode, Scope, Stack,
    testing::{Fault, Op},
    value::Value,
};
use proptest::prelude::*;

use crate::{
    random::{Decl, Round, cases, declare, round},
    unmanaged::{LEAF, PART, of},
    world::World,
};

/// A random program, all of it exclusive or not.
struct Inside<'p>(&'p [Decl]);

impl Component for Inside<'_> {
    type Handle = ();

    fn declare(self, scope: &mut Scope<'_>) {
        declare(self.0, scope);
    }
}

fn stack(program: &[Decl], exclusive: bool) -> Stack<()> {
    let declare = |scope: &mut Scope<'_>| match exclusive {
        true => scope.add("x", Inside(program).with_options().exclusive()),
        false => scope.add("x", Inside(program)),
    };
    Stack::new("t", |scope: &mut Scope<'_>| declare(scope)).unwrap()
}

/// A child of the object at this position, and of what type; what else it uses.
type Foreign = (u8, bool, Option<u8>);

fn foreign() -> impl Strategy<Value = Vec<Foreign>> {
    prop::collection::vec((0u8..8, any::<bool>(), prop::option::of(0u8..8)), 1..5)
}

/// Adds them; returns the id of each, and of what it belongs to.
fn add(world: &World, foreign: &[Foreign]) -> Vec<(String, String)> {
    let ours: Vec<String> =
        world.cloud.ids().into_iter().filter(|id| !world.cloud.is_foreign(id)).collect();
    let mut added = Vec::new();
    for (at, leaf, uses) in foreign {
        let Some(parent) = ours.get(usize::from(*at)) else { continue };
        let mut inputs = of(parent);
        if let (Some(used), Value::Map(map)) =
            (uses.and_then(|at| ours.get(usize::from(at))), &mut inputs)
        {
            map.insert("refs", Value::List(vec![used.as_str().into()]));
        }
        let kind = if *leaf { LEAF } else { PART };
        added.push((world.cloud.add(kind, inputs), parent.clone()));
    }
    added
}

fn fail(error: &dyn std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

async fn stays(rounds: Vec<(Round, Vec<Foreign>)>) -> Result<(), TestCaseError> {
    let world = World::of_families();
    world.cloud.lenient();
    for (round, foreign) in rounds {
        let (seed, stack) = (world.seed(), stack(&round.program, false));
        let engine = world.engine();
        let plan = async || engine.plan(&stack).seed(seed).await.map_err(|error| fail(&error));
        let before = plan().await?;
        let added = add(&world, &foreign);
        let after = plan().await?;
        prop_assert_eq!(&before.data().steps, &after.data().steps);
        prop_assert_eq!(&before.data().drift, &after.data().drift);
        prop_assert_eq!(&before.data().exports, &after.data().exports);
        let told = |plan: &Plan| plan.data().unmanaged.as_ref().map_or(0, Vec::len);
        prop_assert!(told(&after) <= told(&before) + added.len());
        let blind = engine.plan(&stack).refresh(RefreshMode::None).await;
        let blind = blind.map_err(|error| fail(&error))?;
        prop_assert_eq!(blind.data().unmanaged.is_none(), !world.state().records.is_empty());
        world.apply(after).await.map_err(|error| fail(&error))?;
        let now = plan().await?;
        prop_assert!(now.is_empty(), "not settled:\n{now}");
    }
    Ok(())
}

async fn goes(rounds: Vec<(Round, Vec<Foreign>)>) -> Result<(), TestCaseError> {
    let mut world = World::of_families();
    world.cloud.lenient();
    for (round, foreign) in rounds {
        let added = add(&world, &foreign);
        let stack = stack(&round.program, true);
        // The first run may fail, or be cut off, anywhere.
        for (op, name, nth, fault) in &round.faults {
            world.cloud.fail(*op, &format!("x/r{name}"), *nth, *fault);
            // Only a create can half happen.
            let fault = if *fault == Fault::Partial { Fault::Refuse } else { *fault };
            if let Some((id, _)) = added.get(usize::from(*name)) {
                for parent in 0..8 {
                    world.cloud.fail(Op::Delete, &format!("x/r{parent}[{id}]"), 1, fault);
                }
            }
        }
        if let Some(cut) = round.cut {
            world.store.cut_after(world.store.writes() + cut);
        }
        if let Ok(plan) = world.engine().plan(&stack).await {
            let _ = world.apply(plan).await;
        }
        let mut log = world.cloud.log();
        world.cloud.heal();
        if world.store.is_cut() || round.cut.is_some() {
            world.store = world.store.reopen();
            world.store.expire_leases();
        }
        let plan = world.engine().plan(&stack).await.map_err(|error| fail(&error))?;
        let text = plan.to_string();
        world.apply(plan).await.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        log.extend(world.cloud.log());
        log.retain(|call| call.op == Op::Delete && call.ended.is_some());
        let of = |id: &String| log.iter().rfind(|call| call.id.as_ref() == Some(id));
        for (child, parent) in &added {
            if let (Some(child), Some(parent)) = (of(child), of(parent)) {
                prop_assert!(
                    child.ended < Some(parent.started),
                    "{parent:?} before {child:?}\n{text}"
                );
            }
        }
        let now = world.engine().plan(&stack).await.map_err(|error| fail(&error))?;
        prop_assert!(now.is_empty(), "not settled:\n{now}");
        prop_assert_eq!(now.data().unmanaged.as_ref().map(Vec::len), Some(0));
        // What was added to an object that the cloud lost meanwhile belongs to nobody any more.
        let there = |(child, parent): &&(String, String)| {
            world.cloud.object(child).is_some() && world.cloud.object(parent).is_some()
        };
        prop_assert_eq!(added.iter().filter(there).count(), 0, "{:?}", world.cloud.ids());
        let ours = world.cloud.ids().into_iter().filter(|id| !world.cloud.is_foreign(id)).count();
        prop_assert_eq!(ours, round.program.len());
    }
    Ok(())
}

fn run(life: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(life)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 2, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_nobody_declares_changes_nothing_that_is_planned_for_the_rest(
        rounds in prop::collection::vec((round(), foreign()), 1..4)
    ) {
        run(stays(rounds))?;
    }

    #[test]
    fn where_all_is_exclusive_a_run_ends_with_exactly_what_is_declared(
        rounds in prop::collection::vec((round(), foreign()), 1..4)
    ) {
        run(goes(rounds))?;
    }
}
