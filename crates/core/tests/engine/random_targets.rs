//! Random programs, states and targets: a plan of a part leaves the rest alone, breaks no law, and
//! the whole plan after it ends where the whole plan alone would have ended.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use formwork_core::{
    Address, Plan, PlanError, PlanRequest, Scope, Stack,
    state::{Record, Snapshot},
    testing::{Fault, Object, Op, Single, Thing, ThingHandle},
};
use proptest::prelude::*;

use crate::{random::cases, world::World};

/// One declared resource, by numbers that shrink well.
#[derive(Clone, Debug)]
struct Decl {
    name: u8,
    single: bool,
    label: u8,
    fixed: u8,
    /// A name that no two have at a time, if it is free.
    unique: Option<u8>,
    /// How far up the list the referenced resources stand.
    refs: Vec<u8>,
    fixed_ref: Option<u8>,
    after: Option<u8>,
    host: Option<u8>,
    /// Whether its label is that of the one above it.
    fed: bool,
}

fn decl() -> impl Strategy<Value = Decl> {
    let plain = (0u8..8, prop::bool::weighted(0.15), 0u8..3, 0u8..2, prop::bool::weighted(0.2));
    let bound = (
        prop::option::weighted(0.3, 0u8..3),
        prop::collection::vec(0u8..8, 0..3),
        prop::option::weighted(0.3, 0u8..8),
        prop::option::weighted(0.1, 0u8..8),
        prop::option::weighted(0.2, 0u8..8),
    );
    (plain, bound).prop_map(
        |((name, single, label, fixed, fed), (unique, refs, fixed_ref, after, host))| Decl {
            name,
            single,
            label,
            fixed,
            unique,
            refs,
            fixed_ref,
            after,
            host,
            fed,
        },
    )
}

fn program() -> impl Strategy<Value = Vec<Decl>> {
    prop::collection::vec(decl(), 0..8).prop_map(|mut program| {
        let (mut names, mut taken) = (HashSet::new(), HashSet::new());
        program.retain(|decl| names.insert(decl.name));
        for decl in &mut program {
            // What lives on a host is gone with it, which the modelled cloud does not know.
            decl.unique = decl.unique.filter(|n| decl.host.is_none() && taken.insert(*n));
        }
        program
    })
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Ask {
    targets: Vec<u8>,
    excludes: Vec<u8>,
    replace: Option<u8>,
    dependencies: bool,
    dependents: bool,
    destroy: bool,
    refresh_only: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    let names = || prop::collection::vec(0u8..8, 0..4);
    let few = || prop::collection::vec(0u8..8, 0..2);
    let rarely = || prop::bool::weighted(0.15);
    let flags = (any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.25), rarely());
    (names(), few(), prop::option::weighted(0.15, 0u8..8), flags).prop_map(
        |(targets, excludes, replace, (dependencies, dependents, destroy, refresh_only))| Ask {
            targets,
            excludes,
            replace,
            dependencies,
            dependents,
            destroy,
            refresh_only,
        },
    )
}

#[derive(Clone, Debug)]
struct Round {
    program: Vec<Decl>,
    /// What goes wrong in a whole run before, and how much of it is durable.
    faults: Vec<(Op, u8, Fault)>,
    cut: Option<u64>,
    edits: Vec<(u8, bool)>,
    asks: Vec<Ask>,
    /// What goes wrong in the run of the part.
    later: Option<(Op, u8, Fault)>,
}

fn fault() -> impl Strategy<Value = (Op, u8, Fault)> {
    let op = prop_oneof![Just(Op::Create), Just(Op::Update), Just(Op::Delete), Just(Op::Settle)];
    let fault = prop_oneof![
        Just(Fault::Refuse),
        Just(Fault::LoseAnswer),
        Just(Fault::LoseRequest),
        Just(Fault::HangAfter),
    ];
    (op, 0u8..8, fault)
}

fn round() -> impl Strategy<Value = Round> {
    (
        program(),
        prop::collection::vec(fault(), 0..3),
        prop::option::weighted(0.2, 0u64..10),
        prop::collection::vec((0u8..8, prop::bool::weighted(0.3)), 0..2),
        prop::collection::vec(ask(), 1..3),
        prop::option::weighted(0.2, fault()),
    )
        .prop_map(|(program, faults, cut, mut edits, asks, mut later)| {
            // What is edited before an update was seen to arrive counts as the cloud's own writing.
            let broken = !faults.is_empty() || cut.is_some();
            if broken {
                edits.clear();
            }
            // What is refused twice in a row leaves a row that only the next look puts right.
            later = later.filter(|_| edits.is_empty() && !broken);
            Round { program, faults, cut, edits, asks, later }
        })
}

fn declare(program: &[Decl], scope: &mut Scope<'_>) {
    let mut made: Vec<ThingHandle> = Vec::new();
    for decl in program {
        let at = |up: u8| made.len().checked_sub(usize::from(up) + 1).map(|i| made[i].clone());
        let host = decl.host.and_then(at);
        let mut refs: Vec<_> = decl.refs.iter().filter_map(|up| Some(at(*up)?.id)).collect();
        refs.extend(host.iter().map(|host| host.id.clone()));
        let (fixed_ref, after) = (decl.fixed_ref.and_then(at), decl.after.and_then(at));
        let label = format!("l{}", decl.label);
        let label = match (decl.fed, made.last()) {
            (true, Some(above)) => above.label.map(Option::unwrap_or_default),
            _ => formwork_core::Output::known(label),
        };
        macro_rules! add {
            ($type:ident) => {{
                let mut declared = $type::builder()
                    // A key is of one type.
                    .maybe_name(decl.unique.map(|n| format!("{n} {}", stringify!($type))))
                    .label(label)
                    .fixed(format!("f{}", decl.fixed))
                    .refs(refs)
                    .maybe_fixed_ref(fixed_ref.as_ref().map(|r| &r.id))
                    .build();
                if let Some(other) = &after {
                    declared = declared.after(other);
                }
                if let Some(host) = &host {
                    declared = declared.deleted_with(host);
                }
                scope.add(format!("r{}", decl.name), declared)
            }};
        }
        let handle = if decl.single { add!(Single) } else { add!(Thing) };
        scope.export(format!("id-{}", decl.name), &handle.id);
        made.push(handle);
    }
}

/// The state of a part: rows and open calls.
fn part(state: &Snapshot, of: &BTreeSet<Address>) -> (Vec<Record>, Vec<String>) {
    let rows = state.records.values().filter(|row| of.contains(&row.address)).cloned().collect();
    let intents = state.intents.values().filter(|intent| {
        let record = intent.record.as_deref().or_else(|| state.records.get(&intent.id));
        record.is_some_and(|record| of.contains(&record.address))
    });
    (rows, intents.map(|intent| format!("{intent:?}")).collect())
}

/// The objects of a part, as the cloud has them.
fn objects(world: &World, of: &BTreeSet<Address>) -> BTreeMap<String, Object> {
    let mut objects = world.cloud.objects();
    objects.retain(|id, _| of.contains(&Address::new(id.split('#').next().unwrap_or_default())));
    objects
}

/// Takes away what lived on hosts that went: the modelled cloud does not know that it is gone.
fn bury(world: &World) {
    loop {
        let (state, objects) = (world.state(), world.cloud.objects());
        let known: HashSet<&str> =
            state.records.values().filter_map(|row| row.outputs.get("id")?.as_str()).collect();
        let open: HashSet<_> = state.intents.keys().collect();
        let dead = objects.iter().find(|(id, object)| {
            !known.contains(id.as_str())
                && !open.contains(&object.made_by)
                && object.refs.iter().any(|host| !objects.contains_key(host))
        });
        match dead {
            Some((id, _)) => world.cloud.lose(id),
            None => return,
        }
    }
}

fn name(n: u8) -> String {
    format!("r{n}")
}

fn asked<'e>(mut request: PlanRequest<'e>, ask: &Ask, more: &[Address]) -> PlanRequest<'e> {
    for n in &ask.targets {
        request = request.target(name(*n).as_str());
    }
    for address in more {
        request = request.target(address.clone());
    }
    for n in &ask.excludes {
        request = request.exclude(name(*n).as_str());
    }
    if let Some(n) = ask.replace {
        request = request.replace(name(n).as_str());
    }
    if ask.dependencies {
        request = request.target_dependencies();
    }
    if ask.dependents {
        request = request.target_dependents();
    }
    match ask {
        Ask { destroy: true, .. } => request.destroy(),
        Ask { refresh_only: true, .. } => request.refresh_only(),
        _ => request,
    }
}

/// Plans a part. Refusals are told, and hold what they say.
async fn plan_part(
    world: &World,
    program: &[Decl],
    ask: &Ask,
    drifted: bool,
) -> Result<Option<Plan>, TestCaseError> {
    let stack = Stack::new("t", |scope| declare(program, scope)).unwrap();
    let engine = world.engine();
    let state = world.state();
    let declared = |n: &u8| program.iter().any(|decl| decl.name == *n);
    let there =
        |n: &u8| declared(n) || state.records.values().any(|row| row.address.as_str() == name(*n));
    let mut ask = ask.clone();
    ask.targets.retain(there);
    ask.excludes.retain(there);
    ask.replace = ask.replace.filter(declared);
    let ask = &ask;
    let plan = async |more: &[Address]| asked(engine.plan(&stack), ask, more).await;
    match plan(&[]).await {
        Ok(plan) => Ok(Some(plan)),
        Err(PlanError::LeftOut { missing }) => {
            let more: Vec<Address> =
                missing.iter().map(|missing| missing.address.clone()).collect();
            // With what is named in the plan nothing else is missing; but for what the first look
            // at it tells, and what comes with it because that is asked for.
            let flags = ask.dependencies || ask.dependents;
            let plain = !flags && !ask.targets.is_empty() && ask.excludes.is_empty();
            if !drifted && plain {
                let again = plan(&more).await.err();
                let told = !matches!(again, Some(PlanError::LeftOut { .. }));
                prop_assert!(told, "{:?}, and then {:?}", missing, again.map(|e| e.to_string()));
            }
            Ok(None)
        }
        Err(PlanError::Excluded { .. } | PlanError::Exchange { .. }) => Ok(None),
        Err(other) => Err(TestCaseError::fail(other.to_string())),
    }
}

/// Runs a plan of a part, and shows that it leaves the rest as it was.
async fn run_part(world: &World, plan: Plan, healthy: bool) -> Result<(), TestCaseError> {
    let text = plan.to_string();
    let left_out: BTreeSet<Address> = match &plan.data().narrowed {
        Some(narrowed) => narrowed.left_out.iter().cloned().collect(),
        None => BTreeSet::new(),
    };
    for step in plan.steps() {
        prop_assert!(!left_out.contains(&step.address), "{} is left out:\n{}", step.address, text);
    }
    let before = (part(&world.state(), &left_out), objects(world, &left_out));
    let there: BTreeSet<String> = world.cloud.objects().into_keys().collect();
    let done = world.apply(plan).await;
    if healthy {
        prop_assert!(done.is_ok(), "{}\n{}", done.unwrap_err(), text);
    }
    let after = (part(&world.state(), &left_out), objects(world, &left_out));
    prop_assert_eq!(&before, &after, "what is left out changed:\n{}", text);
    let now = world.cloud.objects();
    for (id, object) in &after.1 {
        let broken = object.refs.iter().find(|r| there.contains(*r) && !now.contains_key(*r));
        prop_assert!(broken.is_none(), "{} uses {:?}, which went:\n{}", id, broken, text);
    }
    bury(world);
    Ok(())
}

fn expect(world: &World, program: &[Decl]) -> Result<(), TestCaseError> {
    let objects = world.cloud.objects();
    let stems: Vec<&str> = objects.keys().map(|id| id.split('#').next().unwrap_or("")).collect();
    let mut wanted: Vec<String> = program.iter().map(|decl| name(decl.name)).collect();
    wanted.sort();
    prop_assert_eq!(&stems, &wanted, "objects: {:?}", objects.keys());
    let exports = world.state().exports;
    for decl in program {
        let stem = format!("r{}#", decl.name);
        let (id, object) = objects.iter().find(|(id, _)| id.starts_with(&stem)).unwrap();
        let text =
            |field: &str| object.inputs.get(field).and_then(|v| v.as_str().map(str::to_owned));
        if !decl.fed {
            prop_assert_eq!(text("label"), Some(format!("l{}", decl.label)));
        }
        prop_assert_eq!(text("fixed"), Some(format!("f{}", decl.fixed)));
        prop_assert!(object.refs.iter().all(|r| objects.contains_key(r)), "{id} has a dead end");
        let export = exports.get(&format!("id-{}", decl.name)).and_then(|v| v.as_str());
        prop_assert_eq!(export, Some(id.as_str()));
    }
    prop_assert_eq!(exports.as_map().map_or(0, |map| map.iter().count()), program.len());
    prop_assert_eq!(world.state().records.len(), program.len());
    Ok(())
}

async fn live(rounds: Vec<Round>) -> Result<(), TestCaseError> {
    let mut world = World::new();
    world.cloud.lenient();
    for round in rounds {
        let program = |scope: &mut Scope<'_>| declare(&round.program, scope);
        let stack = Stack::new("t", program).unwrap();
        for (op, n, fault) in &round.faults {
            world.cloud.fail(*op, &name(*n), 1, *fault);
        }
        if !round.faults.is_empty() || round.cut.is_some() {
            if let Some(cut) = round.cut {
                world.store.cut_after(world.store.writes() + cut);
            }
            if let Ok(plan) = world.engine().plan(&stack).await {
                let _ = world.apply(plan).await;
            }
            world.cloud.heal();
            world.store = world.store.reopen();
            world.store.expire_leases();
            bury(&world);
        }
        for (position, lose) in &round.edits {
            let ids = world.cloud.ids();
            let Some(id) = ids.get(usize::from(*position)) else { continue };
            if *lose {
                world.cloud.lose(id);
                world.lost.push(id.clone());
            } else {
                world.cloud.edit(id, "label", "edited".into());
            }
        }
        for ask in &round.asks {
            let drifted = !round.edits.is_empty();
            let Some(plan) = plan_part(&world, &round.program, ask, drifted).await? else {
                continue;
            };
            let healthy = round.later.is_none() && round.edits.is_empty();
            if let Some((op, n, fault)) = round.later {
                world.cloud.fail(op, &name(n), 1, fault);
            }
            run_part(&world, plan, healthy).await?;
            world.cloud.heal();
        }
        let plan = match world.engine().plan(&stack).await {
            Ok(plan) => plan,
            // Names can not change hands in a ring.
            Err(PlanError::Exchange { .. }) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let text = plan.to_string();
        world.apply(plan).await.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        bury(&world);
        world.assert_settled(program).await;
        expect(&world, &round.program)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_of_a_part_leaves_the_rest_alone_and_the_whole_plan_ends_the_same(
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
