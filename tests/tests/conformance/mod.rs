//! Every resource type obeys the same laws on the sandbox and on moto, which another team wrote.
//!
//! A case is examples of one type; [`formwork_aws::testing`] has the laws. What moto lacks is listed
//! in [`profile`], each with a reason, and each is checked to be still so.

mod cases;
pub(crate) mod moto;
mod profile;
mod world;

use std::{collections::BTreeSet, sync::Arc};

use formwork_aws::testing::Lacking;
use formwork_sandbox::Sandbox;
use tokio::task::JoinError;

use cases::{CASES, Case};
use world::World;

#[tokio::test]
async fn every_type_has_a_case() {
    let world = World::on_the_sandbox(&Sandbox::in_memory()).await;
    let kinds: BTreeSet<&str> = world.aws().kinds().collect();
    let cases: BTreeSet<&str> = CASES.iter().filter_map(|case| case.kind).collect();
    let missing: Vec<_> = kinds.difference(&cases).collect();
    let unknown: Vec<_> = cases.difference(&kinds).collect();
    assert!(
        missing.is_empty(),
        "these types have no case, so nothing checks their laws: {missing:?}"
    );
    assert!(unknown.is_empty(), "these cases are of no type: {unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_obeys_the_laws_on_moto() {
    let Some(moto) = moto::Server::start().await else { return };
    let lacks = |case: &Case| {
        let of = case.kind;
        profile::MOTO_LACKS.iter().filter(move |lack| Some(lack.kind) == of)
    };
    let mut problems = Vec::new();
    for case in CASES {
        if !lacks(case).any(|lack| lack.what == Lacking::Type)
            && let Err(error) = run(case, World::on_moto(moto.url(), None).await).await
        {
            problems.push(format!("{}: {}", case.name, words(error)));
        }
        // What is on the list must be so, or a law is not checked for nothing.
        for lack in lacks(case) {
            match run(case, World::on_moto(moto.url(), Some(lack)).await).await {
                Ok(()) => problems.push(format!("{}: moto has {:?} now", lack.kind, lack.what)),
                Err(_) => eprintln!("moto lacks {:?} of {}: {}", lack.what, lack.kind, lack.why),
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

async fn run(case: &Case, world: World) -> Result<(), JoinError> {
    tokio::spawn((case.run)(Arc::new(world))).await
}

fn words(error: JoinError) -> String {
    /// A failed call is shown with all of its answer, which may be a page.
    const MOST: usize = 600;
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it panicked".to_owned());
    text.chars().take(MOST).collect()
}
