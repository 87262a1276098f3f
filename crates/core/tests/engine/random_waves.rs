//! Random programs with subtrees that are decided, random changes of them, random faults and crashes:
//! waves end, the laws hold after each, and the end is that of a program which knew all from the start.

use std::collections::BTreeSet;

use formwork_core::{
    Input, Output, Scope, Stack,
    testing::{Fault, MemoryStore, Op, Thing},
};
use proptest::prelude::*;

use crate::{random::cases, world::World};

/// One resource, and the decisions that it lies in, by numbers that shrink well.
#[derive(Clone, Debug)]
struct Decl {
    name: u8,
    label: u8,
    fixed: u8,
    /// How far up the list the resources stand that it refers to, and those that decide it.
    refs: Vec<u8>,
    decided_by: Vec<u8>,
}

fn decl() -> impl Strategy<Value = Decl> {
    let up = || 0u8..6;
    let refs = prop::collection::vec(up(), 0..3);
    let decided_by = prop::collection::vec(up(), 0..3);
    (0u8..6, 0u8..3, 0u8..2, refs, decided_by).prop_map(|(name, label, fixed, refs, decided_by)| {
        Decl { name, label, fixed, refs, decided_by }
    })
}

#[derive(Clone, Debug)]
struct Round {
    program: Vec<Decl>,
    faults: Vec<(Op, u8, u32, Fault)>,
    cut: Option<u64>,
    /// An object to lose behind the engine's back, by position.
    lose: Option<u8>,
}

fn round() -> impl Strategy<Value = Round> {
    let op = prop_oneof![Just(Op::Create), Just(Op::Update), Just(Op::Delete)];
    let fault = prop_oneof![
        Just(Fault::Refuse),
        Just(Fault::LoseAnswer),
        Just(Fault::LoseRequest),
        Just(Fault::HangAfter),
    ];
    let faults = prop::collection::vec((op, 0u8..6, 1u32..3, fault), 0..2);
    let cut = prop::option::weighted(0.4, 0u64..14);
    let lose = prop::option::weighted(0.2, 0u8..6);
    (prop::collection::vec(decl(), 0..6), faults, cut, lose).prop_map(
        |(mut program, faults, cut, lose)| {
            let mut seen = BTreeSet::new();
            program.retain(|decl| seen.insert(decl.name));
            Round { program, faults, cut, lose }
        },
    )
}

/// The address of a resource: each decision that it lies in is a part of it.
fn address(decl: &Decl, ups: usize) -> String {
    (0..ups).map(|n| format!("d{}{n}/", decl.name)).chain([format!("r{}", decl.name)]).collect()
}

fn ups(program: &[Decl], at: usize) -> Vec<usize> {
    let up = |up: &u8| at.checked_sub(usize::from(*up) + 1);
    program[at].decided_by.iter().filter_map(up).collect()
}

/// Declares one resource inside of whatever decides it.
fn within(
    scope: &mut Scope<'_>,
    decl: &Decl,
    by: &[Output<String>],
    depth: usize,
    refs: Vec<Output<String>>,
) -> Output<String> {
    let Some((first, others)) = by.split_first() else {
        let thing = Thing::builder()
            .label(format!("l{}", decl.label))
            .fixed(format!("f{}", decl.fixed))
            .refs(refs)
            .build();
        return scope.add(format!("r{}", decl.name), thing).id;
    };
    let (decl, others) = (decl.clone(), others.to_vec());
    scope.decide(format!("d{}{depth}", decl.name), first, move |scope, id: String| {
        assert!(id.contains('#'), "decided by {id}");
        Input::from(within(scope, &decl, &others, depth + 1, refs.clone()))
    })
}

fn declare(program: &[Decl], scope: &mut Scope<'_>) {
    let mut made: Vec<Output<String>> = Vec::new();
    for (at, decl) in program.iter().enumerate() {
        let up = |up: &u8| Some(made[at.checked_sub(usize::from(*up) + 1)?].clone());
        let refs = decl.refs.iter().filter_map(up).collect();
        let by: Vec<_> = ups(program, at).into_iter().map(|up| made[up].clone()).collect();
        made.push(within(scope, decl, &by, 0, refs));
    }
}

/// What the cloud must hold in the end: one object per declared resource, as declared.
fn expect(world: &World, program: &[Decl]) -> Result<(), TestCaseError> {
    let objects = world.cloud.objects();
    prop_assert_eq!(objects.len(), program.len(), "objects: {:?}", objects.keys());
    let mut ids: Vec<&String> = Vec::new();
    for (at, decl) in program.iter().enumerate() {
        let address = address(decl, ups(program, at).len()).replace('/', ".");
        let found = objects.iter().find(|(id, _)| id.split('#').next() == Some(&address));
        let Some((id, object)) = found else {
            return Err(TestCaseError::fail(format!("no {address} in {:?}", objects.keys())));
        };
        let text =
            |field: &str| object.inputs.get(field).and_then(|v| v.as_str().map(str::to_owned));
        prop_assert_eq!(text("label"), Some(format!("l{}", decl.label)));
        prop_assert_eq!(text("fixed"), Some(format!("f{}", decl.fixed)));
        let up = |up: &u8| Some(ids[at.checked_sub(usize::from(*up) + 1)?].clone());
        let refs: Vec<String> = decl.refs.iter().filter_map(up).collect();
        prop_assert_eq!(&object.refs, &refs);
        ids.push(id);
    }
    Ok(())
}

/// Waves until nothing is undecided; each but the last must have made something.
async fn waves(world: &World, program: impl Fn(&mut Scope<'_>)) -> Result<(), TestCaseError> {
    for _ in 0..16 {
        let plan = world.engine().plan(&Stack::new("t", &program).unwrap()).await;
        let plan = plan.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let (text, done) = (plan.to_string(), plan.undecided().is_empty());
        prop_assert!(done || !plan.is_empty(), "no progress:\n{}", text);
        let before = world.state();
        let kept: Vec<_> = plan.undecided().iter().flat_map(|of| of.keeps.clone()).collect();
        world.apply(plan).await.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let after = world.state();
        for row in before.records.values().filter(|row| kept.contains(&row.address)) {
            prop_assert_eq!(after.records.get(&row.id), Some(row), "it was kept:\n{}", text);
        }
        if done {
            return Ok(());
        }
    }
    Err(TestCaseError::fail("waves without an end"))
}

async fn live(rounds: Vec<Round>) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for round in rounds {
        if let Some(id) = round.lose.and_then(|at| world.cloud.ids().get(usize::from(at)).cloned())
        {
            world.cloud.lose(&id);
            world.lost.push(id);
        }
        for (op, name, nth, fault) in &round.faults {
            world.cloud.fail(*op, &format!("r{name}"), *nth, *fault);
            world.cloud.fail(*op, &format!("d{name}0/r{name}"), *nth, *fault);
        }
        if let Some(cut) = round.cut {
            world.store.cut_after(world.store.writes() + cut);
        }
        let program = |scope: &mut Scope<'_>| declare(&round.program, scope);
        for _ in 0..3 {
            let planned = world.engine().plan(&Stack::new("t", program).unwrap()).await;
            let Ok(plan) = planned else { break };
            let again = !plan.undecided().is_empty();
            let applied = world.apply(plan).await;
            if !again || (applied.is_err() && world.store.is_cut()) {
                break;
            }
        }
        world.cloud.heal();
        if world.store.is_cut() || round.cut.is_some() {
            world.store = world.store.reopen();
            world.store.expire_leases();
        }
        waves(&world, program).await?;
        world.assert_settled(program).await;
        expect(&world, &round.program)?;
    }
    world.destroy().await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(world.cloud.ids().is_empty());
    prop_assert!(world.state().records.is_empty() && world.state().intents.is_empty());
    Ok(())
}

fn run<T>(story: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(story)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 2, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waves_end_where_a_program_that_knew_all_from_the_start_would(
        rounds in prop::collection::vec(round(), 1..4)
    ) {
        run(live(rounds))?;
    }
}

/// Lives through some versions of a program with a store that is broken in one of its steps; returns
/// whether it was.
async fn survive(at: usize, sabotage: impl Fn(&MemoryStore)) -> Result<bool, TestCaseError> {
    let version = |fixed: u8, last: u8| -> Vec<Decl> {
        let decl = |name, fixed, refs: &[u8], by: &[u8]| Decl {
            name,
            label: fixed,
            fixed,
            refs: refs.to_vec(),
            decided_by: by.to_vec(),
        };
        let all = [
            decl(0, fixed, &[], &[]),
            decl(1, 0, &[0], &[0]),
            decl(2, 0, &[0], &[1, 0]),
            decl(3, fixed, &[0, 2], &[]),
            decl(4, 0, &[], &[0]),
        ];
        all[..usize::from(last)].to_vec()
    };
    let mut world = World::new();
    let mut cut = false;
    for (step, program) in [version(0, 5), version(1, 4), version(0, 5), vec![]].iter().enumerate()
    {
        if step == at {
            sabotage(&world.store);
        }
        let program = |scope: &mut Scope<'_>| declare(program, scope);
        let lived = waves(&world, program).await;
        if world.store.is_cut() {
            cut = true;
            world.store = world.store.reopen();
            world.store.expire_leases();
            world.check();
            waves(&world, program).await?;
        } else {
            lived?;
        }
        world.assert_settled(program).await;
    }
    prop_assert!(world.cloud.ids().is_empty(), "left over: {:?}", world.cloud.ids());
    Ok(cut)
}

#[test]
fn a_crash_at_any_write_of_any_wave_leaves_what_the_next_ones_finish() {
    for step in 0..4 {
        for nth in 1.. {
            let after = run(survive(step, |store| store.cut_after(store.writes() + nth)));
            let during = run(survive(step, |store| store.cut_during(store.writes() + nth)));
            let told = |told| format!("step {step}, write {nth}: {told}");
            let cut = after.map_err(|e| told(e.to_string())).unwrap();
            during.map_err(|e| told(e.to_string())).unwrap();
            if !cut {
                assert!(nth > 1, "step {step} wrote nothing");
                break;
            }
        }
    }
}
