//! A crash at every durable write, exhaustively: before it is durable, and after it.

use formwork_core::{Scope, testing::MemoryStore};

use crate::{basics::thing, replacement::fixed, world::World};

/// One version of a program.
type Version = Box<dyn Fn(&mut Scope<'_>)>;

/// One life of a stack, step by step; the last one destroys it.
fn life() -> Vec<Version> {
    let version = |x: &'static str, first: bool, extra: bool| -> Version {
        Box::new(move |scope: &mut Scope<'_>| {
            let a = fixed(x, None);
            let a = scope.add("a", if first { a.delete_first() } else { a });
            let b = scope.add("b", fixed("b", Some(&a)));
            let host = scope.add("host", fixed(x, None));
            scope.add("guest", thing(&[&host]).deleted_with(&host));
            if extra {
                scope.add("extra", thing(&[&b]));
            }
        })
    };
    vec![
        version("1", false, true),
        version("2", false, false),
        version("3", true, true),
        Box::new(|_| ()),
    ]
}

/// Lives through it with a store that is broken by `sabotage` when step `at` begins; returns how
/// many writes that step took.
async fn survive(at: usize, sabotage: impl Fn(&MemoryStore, u64)) -> Result<u64, String> {
    let mut world = World::new();
    world.cloud.lenient();
    for (i, program) in life().iter().enumerate() {
        let before = world.store.writes();
        if i == at {
            sabotage(&world.store, before);
        }
        let first = world.up(program).await;
        let cut = world.store.is_cut();
        if cut {
            world.store = world.store.reopen();
            world.store.expire_leases();
            world.check();
            world.up(program).await.map_err(|error| error.to_string())?;
        } else {
            first.map_err(|error| error.to_string())?;
        }
        world.assert_settled(program).await;
        let mut stems: Vec<String> = world
            .cloud
            .ids()
            .iter()
            .filter(|id| !id.starts_with("guest"))
            .map(|id| id.split('#').next().unwrap_or_default().to_owned())
            .collect();
        let all = stems.len();
        stems.sort();
        stems.dedup();
        if stems.len() != all {
            return Err(format!("duplicates: {:?}", world.cloud.ids()));
        }
        if i == at && !cut {
            return Ok(world.store.writes() - before);
        }
    }
    let rest: Vec<_> =
        world.cloud.ids().into_iter().filter(|id| !id.starts_with("guest")).collect();
    if rest.is_empty() { Ok(0) } else { Err(format!("left over: {rest:?}")) }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_durable_write_of_any_run_leaves_what_the_next_run_finishes() {
    for step in 0..life().len() {
        let writes = survive(step, |_, _| ()).await.unwrap();
        assert!(writes > 0);
        for n in 1..=writes {
            survive(step, |store, before| store.cut_after(before + n)).await.unwrap_or_else(
                |error| panic!("step {step}, power cut after write {n} of {writes}: {error}"),
            );
            survive(step, |store, before| store.cut_during(before + n)).await.unwrap_or_else(
                |error| panic!("step {step}, power cut during write {n} of {writes}: {error}"),
            );
        }
    }
}

/// A suite that can not fail shows nothing: with one sync left out it must.
#[test]
fn the_suite_notices_a_store_that_says_durable_and_is_not() {
    let survives = |n: u64| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let lived = std::panic::catch_unwind(|| {
            runtime.block_on(survive(0, |store, before| {
                store.forget_sync(before + n);
                store.cut_after(before + n);
            }))
        });
        matches!(lived, Ok(Ok(_)))
    };
    std::panic::set_hook(Box::new(|_| ()));
    let noticed = (1..=6).any(|n| !survives(n));
    let _ = std::panic::take_hook();
    assert!(noticed);
}
