//! Whatever happens to whatever stack: no law is broken, and a healthy run ends where the program
//! says.

use formwork::{
    HookCall, PlanError,
    testing::{Fault, World},
};

use super::{
    explore::{blocking, caught, explore},
    model::{Program, expect},
    story::{Ask, Round, Story, story},
};

/// A world for stories.
pub(super) fn world() -> World {
    // A delete-first replacement is legal only where the cloud lets a used object go.
    World::new().lenient().engine_with(|engine| {
        engine.hook("watch", |_: HookCall| std::future::ready(Ok::<(), String>(())))
    })
}

/// Lives through a story; panics where a law is broken.
pub(super) async fn live(Story(rounds): Story) {
    let world = world();
    let mut program = Program::default();
    for round in rounds.iter() {
        program.edit(&round.edits);
        go_wrong(&world, &program, round).await;
        heal(&world, &program).await;
    }
    let run = world.destroy().await.ok();
    let kept = world.kept();
    let there = world.cloud().ids();
    assert!(there.iter().all(|id| kept.contains(id)), "left over: {there:?}, {run:?}");
    let state = world.state();
    assert!(state.records.is_empty() && state.intents.is_empty(), "left over: {state:?}");
}

/// One run, or what becomes of it.
async fn go_wrong(world: &World, program: &Program, round: &Round) {
    let cloud = world.cloud();
    for (place, lose) in round.by_hand.iter() {
        let ids = cloud.ids();
        let Some(id) = ids.get(usize::from(*place)) else { continue };
        match lose {
            true => cloud.lose(id),
            false => cloud.edit(id, "label", "by hand".into()),
        }
    }
    for (op, at, nth, fault) in round.faults.iter() {
        if let Some(address) = program.address(*at) {
            cloud.fail(*op, &address, *nth, *fault);
        }
    }
    if round.order > 0 {
        cloud.permute(round.order);
    }
    if let Some(cut) = round.cut {
        world.store().cut_after(world.store().writes() + cut);
    }
    let name = |at: &u8| {
        let name = program.address(*at).unwrap_or_else(|| "nothing".to_owned());
        formwork::Address::new(name)
    };
    let ask = &round.ask;
    let plan = world
        .ask(
            |scope| program.declare(scope),
            |mut request| match ask {
                Ask::Up => request,
                Ask::Destroy => request.destroy(),
                Ask::Refresh => request.refresh_only(),
                Ask::Replace(of) => request.replace(name(of)),
                Ask::Exclude(of) => {
                    for of in of.iter() {
                        request = request.exclude(name(of));
                    }
                    request
                }
                Ask::Target(of, down, up) => {
                    for of in of.iter() {
                        request = request.target(name(of));
                    }
                    request = if *down { request.target_dependencies() } else { request };
                    if *up { request.target_dependents() } else { request }
                }
                Ask::DestroyTarget(of, up) => {
                    request = request.destroy();
                    for of in of.iter() {
                        request = request.target(name(of));
                    }
                    if *up { request.target_dependents() } else { request }
                }
            },
        )
        .await;
    match plan {
        Ok(plan) => drop(world.apply(plan).await),
        Err(PlanError::Cycle { members }) => panic!("the steps wait for each other: {members:?}"),
        Err(_) => {}
    }
    cloud.heal();
    if round.cut.is_some() {
        world.crash();
    }
}

/// A run in which nothing goes wrong.
pub(super) async fn heal(world: &World, program: &Program) {
    let declare = |scope: &mut formwork::Scope<'_>| program.declare(scope);
    let plan = match world.plan(declare).await {
        // Names can not be exchanged in place: that is told, and it is for the user to decide.
        Err(PlanError::Exchange { .. }) => return,
        plan => plan.unwrap_or_else(|error| panic!("no plan: {error}")),
    };
    world.apply(plan).await.ok();
    world.settled(declare).await;
    expect(world, program, world.kept().len()).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn any_story_breaks_no_law_and_ends_where_its_last_program_says() {
    explore("any story", 120, &story(1..4), |story| caught(|| blocking(live(story))));
}

/// What a fault that nobody meets does to a story: nothing.
#[test]
fn a_quiet_story_does_what_it_says() {
    let quiet = story(1..4);
    explore("a quiet story", 40, &quiet, |Story(mut rounds)| {
        for round in &mut rounds.0 {
            round.faults.0.clear();
            round.by_hand.0.clear();
            round.cut = None;
        }
        caught(|| blocking(live(Story(rounds))))
    });
    let _ = Fault::Refuse;
}
