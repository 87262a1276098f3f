//! A crash at every durable write, exhaustively; and what a store that forgets a single one leads to.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    explore::{blocking, budget, caught},
    live::{heal, world},
    model::{Program, expect},
    story::{Many, Story, story},
};

/// What is done to the store when the run of the last program begins, after so many writes.
#[derive(Clone, Copy, Debug)]
enum Sabotage {
    None,
    /// The power is cut after this write, and its caller knows that it is durable.
    After(u64),
    /// The power is cut in this write, which is durable.
    During(u64),
    /// This write is said to be durable and is not; then the power is cut.
    Forgotten(u64),
}

/// Applies all programs of a story but the last in peace, and that one under sabotage. Returns how
/// many writes it took.
async fn survive(story: &Story, last: usize, sabotage: Sabotage) -> u64 {
    let world = world();
    let mut program = Program::default();
    for (i, round) in story.0.iter().take(last + 1).enumerate() {
        program.edit(&round.edits);
        if i < last {
            heal(&world, &program).await;
        }
    }
    let before = world.store().writes();
    match sabotage {
        Sabotage::None => {}
        Sabotage::After(n) => world.store().cut_after(before + n),
        Sabotage::During(n) => world.store().cut_during(before + n),
        Sabotage::Forgotten(n) => {
            world.store().forget_sync(world.store().tried() + n);
            world.store().cut_after(before + n);
        }
    }
    let declare = |scope: &mut formwork::Scope<'_>| program.declare(scope);
    // Names that can not be exchanged in place make no plan.
    let Ok(plan) = world.plan(declare).await else { return 0 };
    let _ = world.apply(plan).await;
    let writes = world.store().writes() - before;
    heal(&world, &program).await;
    world.destroy().await.ok();
    expect(&world, &Program::default(), world.kept().len()).unwrap();
    writes
}

/// Stories by number, always the same ones.
fn nth(n: u64) -> Story {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = story(2..4).new_tree(&mut runner).unwrap();
    let Story(mut rounds) = tree.current();
    for round in &mut rounds.0 {
        round.cut = None;
        round.faults = Many(Vec::new());
    }
    Story(rounds)
}

#[test]
fn a_crash_at_any_durable_write_of_any_run_leaves_what_the_next_run_finishes() {
    let (began, mut n, mut cuts) = (std::time::Instant::now(), 0, 0u64);
    let goes_on = |n: u64| match budget() {
        Some(budget) => began.elapsed() < budget,
        None => n < 12,
    };
    while goes_on(n) {
        let story = nth(n);
        for last in 0..story.0.len() {
            let writes = blocking(survive(&story, last, Sabotage::None));
            for write in 1..=writes {
                for sabotage in [Sabotage::After(write), Sabotage::During(write)] {
                    let survived = caught(|| blocking(survive(&story, last, sabotage)));
                    if let Err(why) = survived {
                        panic!("story {n}, version {last}, {sabotage:?} of {writes}: {why}");
                    }
                    cuts += 1;
                }
            }
        }
        n += 1;
    }
    println!("{cuts} power cuts in {n} stories survived");
}

/// A suite that can not fail shows nothing: without any one of the syncs it must.
#[test]
fn the_suite_notices_every_single_sync_that_is_missing() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let (mut unnoticed, mut syncs) = (Vec::new(), 0);
    for n in 0..6 {
        let story = nth(n);
        for last in 0..story.0.len() {
            let writes = blocking(survive(&story, last, Sabotage::None));
            for write in 1..=writes {
                syncs += 1;
                let sabotage = Sabotage::Forgotten(write);
                if caught(|| blocking(survive(&story, last, sabotage))).is_ok() {
                    unnoticed.push((n, last, write, writes));
                }
            }
        }
    }
    std::panic::set_hook(hook);
    assert!(syncs > 40, "only {syncs} syncs were tried");
    assert!(unnoticed.is_empty(), "of {syncs} missing syncs these were not noticed: {unnoticed:?}");
}
