//! Whatever ends first: a run ends in the same state.

use formwork::{
    state::Record,
    testing::{Random, World},
};

use super::{
    explore::{blocking, caught, explore},
    live::{heal, world},
    model::Program,
    story::{Story, story},
};

/// All that a run leaves, without what it was called in.
async fn left(rounds: &Story, seed: u64) -> Vec<String> {
    let world: World = world();
    let mut program = Program::default();
    let mut seeds = Random::new(seed);
    let mut left = Vec::new();
    for round in rounds.0.iter() {
        program.edit(&round.edits);
        if seed > 0 {
            world.cloud().permute(seeds.next());
        }
        heal(&world, &program).await;
        let rows: Vec<Record> = world.state().records.into_values().collect();
        left.push(format!("{rows:#?}\n{:#?}", world.cloud().objects()));
    }
    left
}

#[test]
fn the_order_in_which_calls_end_changes_nothing_of_what_a_run_leaves() {
    explore("any order", 15, &story(1..3), |story| {
        caught(|| {
            let usual = blocking(left(&story, 0));
            for seed in 1..8 {
                let other = blocking(left(&story, seed));
                assert!(other == usual, "with order {seed} this is left:\n{other:?}\n{usual:?}");
            }
        })
    });
}
