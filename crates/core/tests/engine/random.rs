//! Random programs, random changes of them, random faults: the laws hold, and a healthy run ends
//! with exactly what the program says.

use std::collections::BTreeMap;

use formwork_core::{
    Scope, Stack,
    testing::{Fault, Op, Single, Thing, ThingHandle},
};
use proptest::prelude::*;

use crate::world::World;

/// One declared resource, by numbers that shrink well.
#[derive(Clone, Debug)]
pub(crate) struct Decl {
    name: u8,
    single: bool,
    label: u8,
    fixed: u8,
    /// How far up the list the referenced resources stand.
    refs: Vec<u8>,
    fixed_ref: Option<u8>,
    after: Option<u8>,
    delete_first: Option<bool>,
    trigger: u8,
}

fn decl() -> impl Strategy<Value = Decl> {
    (
        0u8..8,
        prop::bool::weighted(0.2),
        0u8..3,
        0u8..2,
        prop::collection::vec(0u8..8, 0..3),
        prop::option::weighted(0.3, 0u8..8),
        prop::option::weighted(0.2, 0u8..8),
        prop::option::weighted(0.2, any::<bool>()),
        0u8..2,
    )
        .prop_map(
            |(name, single, label, fixed, refs, fixed_ref, after, delete_first, trigger)| Decl {
                name,
                single,
                label,
                fixed,
                refs,
                fixed_ref,
                after,
                delete_first,
                trigger,
            },
        )
}

fn fault() -> impl Strategy<Value = (Op, u8, u32, Fault)> {
    let op = prop_oneof![Just(Op::Create), Just(Op::Update), Just(Op::Delete), Just(Op::Settle)];
    let fault = prop_oneof![
        Just(Fault::Refuse),
        Just(Fault::LoseAnswer),
        Just(Fault::LoseRequest),
        Just(Fault::Partial),
        Just(Fault::Throttle),
        Just(Fault::Hang),
        Just(Fault::HangAfter),
        Just(Fault::Panic),
    ];
    (op, 0u8..8, 1u32..3, fault).prop_map(|(op, name, nth, fault)| {
        // Only a create can half happen: of anything else a definite refusal means no effect.
        let fault = if fault == Fault::Partial && op != Op::Create { Fault::Refuse } else { fault };
        (op, name, nth, fault)
    })
}

#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) program: Vec<Decl>,
    pub(crate) faults: Vec<(Op, u8, u32, Fault)>,
    pub(crate) cut: Option<u64>,
    /// Objects to edit or to lose behind the engine's back, by position.
    pub(crate) edits: Vec<(u8, bool)>,
}

pub(crate) fn round() -> impl Strategy<Value = Round> {
    (
        prop::collection::vec(decl(), 0..7),
        prop::collection::vec(fault(), 0..3),
        prop::option::weighted(0.3, 0u64..12),
        prop::collection::vec((0u8..8, prop::bool::weighted(0.3)), 0..2),
    )
        .prop_map(|(mut program, faults, cut, edits)| {
            let mut seen = std::collections::BTreeSet::new();
            program.retain(|decl| seen.insert(decl.name));
            Round { program, faults, cut, edits }
        })
}

pub(crate) fn declare(program: &[Decl], scope: &mut Scope<'_>) {
    let mut made: Vec<ThingHandle> = Vec::new();
    for decl in program {
        let at = |up: u8| made.len().checked_sub(usize::from(up) + 1).map(|i| made[i].clone());
        let refs: Vec<_> = decl.refs.iter().filter_map(|up| Some(at(*up)?.id)).collect();
        let fixed_ref = decl.fixed_ref.and_then(at);
        let after = decl.after.and_then(at);
        macro_rules! add {
            ($type:ident) => {{
                let declared = $type::builder()
                    .label(format!("l{}", decl.label))
                    .fixed(format!("f{}", decl.fixed))
                    .refs(refs)
                    .maybe_fixed_ref(fixed_ref.as_ref().map(|r| &r.id))
                    .build()
                    .trigger(decl.trigger);
                let declared = match &after {
                    Some(other) => declared.after(other),
                    None => declared,
                };
                let declared = match decl.delete_first {
                    Some(true) => declared.delete_first(),
                    Some(false) => declared.create_first(),
                    None => declared,
                };
                scope.add(format!("r{}", decl.name), declared)
            }};
        }
        let handle = if decl.single { add!(Single) } else { add!(Thing) };
        made.push(handle);
    }
}

/// What the cloud must hold after a healthy run: one object per declared resource, as declared.
fn expect(world: &World, program: &[Decl]) -> Result<(), TestCaseError> {
    let objects = world.cloud.objects();
    let mut by_name: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for id in objects.keys() {
        by_name.entry(id.split('#').next().unwrap_or_default().to_owned()).or_default().push(id);
    }
    prop_assert_eq!(by_name.len(), program.len(), "objects: {:?}", objects.keys());
    let mut ids: Vec<&String> = Vec::new();
    for decl in program {
        let found = by_name.get(&format!("r{}", decl.name)).cloned().unwrap_or_default();
        prop_assert_eq!(found.len(), 1, "r{} is there as {:?}", decl.name, found);
        let object = &objects[found[0]];
        let text =
            |field: &str| object.inputs.get(field).and_then(|v| v.as_str().map(str::to_owned));
        prop_assert_eq!(text("label"), Some(format!("l{}", decl.label)));
        prop_assert_eq!(text("fixed"), Some(format!("f{}", decl.fixed)));
        let at = |up: u8| ids.len().checked_sub(usize::from(up) + 1).map(|i| ids[i].clone());
        let mut refs: Vec<_> = decl.refs.iter().filter_map(|up| at(*up)).collect();
        refs.extend(decl.fixed_ref.and_then(at));
        prop_assert_eq!(&object.refs, &refs);
        ids.push(found[0]);
    }
    Ok(())
}

async fn live(rounds: Vec<Round>) -> Result<(), TestCaseError> {
    let mut world = World::new();
    // A delete-first replacement is legal only where the cloud lets a used object go.
    world.cloud.lenient();
    for round in rounds {
        for (position, lose) in &round.edits {
            let ids = world.cloud.ids();
            if let Some(id) = ids.get(usize::from(*position)) {
                if *lose {
                    world.cloud.lose(id);
                    world.lost.push(id.clone());
                } else {
                    world.cloud.edit(id, "label", "edited".into());
                }
            }
        }
        for (op, name, nth, fault) in &round.faults {
            world.cloud.fail(*op, &format!("r{name}"), *nth, *fault);
        }
        if let Some(cut) = round.cut {
            world.store.cut_after(world.store.writes() + cut);
        }
        let program = |scope: &mut Scope<'_>| declare(&round.program, scope);
        let planned = world.engine().plan(&Stack::new("t", program).unwrap()).await;
        if let Ok(plan) = planned {
            let _ = world.apply(plan).await;
        }
        world.cloud.heal();
        if world.store.is_cut() || round.cut.is_some() {
            world.store = world.store.reopen();
            world.store.expire_leases();
        }
        let plan = world
            .engine()
            .plan(&Stack::new("t", program).unwrap())
            .await
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let text = plan.to_string();
        world.apply(plan).await.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        world.assert_settled(program).await;
        expect(&world, &round.program)?;
    }
    world.destroy().await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(world.cloud.ids().is_empty());
    prop_assert!(world.state().records.is_empty() && world.state().intents.is_empty());
    Ok(())
}

pub(crate) fn cases() -> u32 {
    std::env::var("FORMWORK_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_programs_and_faults_ends_where_the_last_program_says(
        rounds in prop::collection::vec(round(), 1..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(live(rounds))?;
    }
}
