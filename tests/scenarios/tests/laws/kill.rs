//! A process that is killed, in earnest: a store on disk, a cloud on disk, and an engine between
//! them that ends at a random moment.
//!
//! `FORMWORK_KILLS=1000` kills so often.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use formwork::{
    Engine, Scope, Stack,
    state::{SledStore, StateStore},
    testing::{Cloud, Random, SavedCloud, Thing, ThingHandle, World, check_invariants, provider},
};
use proptest::prelude::any;

use super::explore::{blocking, caught, explore};

const FOLDER: &str = "FORMWORK_SCENARIO_FOLDER";
const VERSION: &str = "FORMWORK_SCENARIO_VERSION";

/// The program of a version: some resources come and go, some are replaced in either order, some
/// have another address.
fn program(version: u64, scope: &mut Scope<'_>) {
    let mut made: Vec<ThingHandle> = Vec::new();
    for n in 0..8 {
        let random = |salt: u64| Random::new(version * 131 + n * 17 + salt).next();
        // What is replaced now and then, and what is never declared twice in a row.
        if random(1) % 4 == 0 {
            continue;
        }
        let refs: Vec<_> = made.iter().rev().take(2).map(|on| on.id.clone()).collect();
        let thing = Thing::builder()
            .label(format!("l{}", random(2) % 3))
            .fixed(format!("f{}", random(3) % 2))
            .refs(refs)
            .password("hunter2-planted")
            .build();
        made.push(
            scope.add(format!("r{n}"), if n % 3 == 0 { thing.delete_first() } else { thing }),
        );
    }
}

fn stack(version: u64) -> Stack {
    Stack::new("t", |scope| program(version, scope)).unwrap()
}

/// The cloud as it lies on disk; each change is synced before it is answered.
fn cloud(folder: &Path) -> Cloud {
    let file = folder.join("cloud.json");
    let saved = std::fs::read(&file).ok().map(|bytes| serde_json::from_slice(&bytes).unwrap());
    let cloud = Cloud::restored(saved.unwrap_or_default());
    cloud.lenient();
    let folder = folder.to_owned();
    cloud.kept_by(move |saved: &SavedCloud| {
        let next = folder.join("cloud.next");
        let mut out = std::fs::File::create(&next).unwrap();
        out.write_all(&serde_json::to_vec(saved).unwrap()).unwrap();
        out.sync_all().unwrap();
        std::fs::rename(&next, &file).unwrap();
        std::fs::File::open(&folder).unwrap().sync_all().unwrap();
    });
    cloud
}

fn store(folder: &Path) -> SledStore {
    let key = formwork::state::KeySource::Bytes(formwork::Secret::new([7; 32]));
    // The process that was killed before may not be gone entirely.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match SledStore::options(folder.join("state")).key(key.clone()).open() {
            Ok(store) => return store,
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn engine(folder: &Path, cloud: &Cloud) -> Engine {
    Engine::builder()
        .provider(provider(cloud))
        .state(store(folder))
        .parallelism(4)
        // A killed run's lease is over soon.
        .lease_ttl(Duration::from_millis(150))
        .try_build()
        .unwrap()
}

/// Plans and applies a version, waiting for the lease of a run that was killed.
async fn up(engine: &Engine, stack: &Stack) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let plan = engine.plan(stack).await.unwrap();
        match engine.apply(plan).await {
            Ok(_) => return,
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The child: it applies one version after another until it is killed. As a test of its own it does
/// nothing.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut version: u64 = std::env::var(VERSION).unwrap().parse().unwrap();
    let cloud = cloud(&folder);
    let engine = engine(&folder, &cloud);
    loop {
        up(&engine, &stack(version)).await;
        version += 1;
    }
}

fn spawn(folder: &Path, version: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["laws::kill::child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(VERSION, version.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let rounds: u64 =
        std::env::var("FORMWORK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(30);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let mut random = Random::new(std::process::id().into());
    let (mut open_calls, mut calls) = (0, 0);
    let began = Instant::now();
    for round in 0..rounds {
        let mut child = spawn(folder, round * 1_000);
        std::thread::sleep(
            Duration::from_millis(20) + Duration::from_micros(random.below(250_000)),
        );
        child.kill().unwrap();
        child.wait().unwrap();

        // What the killed process left agrees with the cloud.
        let there = cloud(folder);
        let left = engine(folder, &there);
        let state = left.state("t").await.unwrap();
        check_invariants(&state, &there, &[], &[]);
        open_calls += usize::from(!state.intents.is_empty());
        calls += there.objects().len();
        // And the next run ends where its program says, whatever was under way. This one is not
        // killed every time, so that the state of many runs is built on.
        if round % 5 == 4 || round + 1 == rounds {
            let stack = stack(round);
            up(&left, &stack).await;
            let state = left.state("t").await.unwrap();
            check_invariants(&state, &there, &[], &[]);
            assert!(state.intents.is_empty());
            assert_eq!(there.ids().len(), stack.len(), "round {round}: {:?}", there.ids());
            assert!(left.plan(&stack).await.unwrap().is_empty(), "round {round}");
        }
    }
    let there = cloud(folder);
    let left = engine(folder, &there);
    up_destroy(&left).await;
    assert_eq!(there.ids(), Vec::<String>::new());
    println!(
        "{rounds} kills in {:?}: {open_calls} left calls open, {calls} objects were there in all",
        began.elapsed()
    );
    drop(left);
    for entry in walk(folder) {
        let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
        let own = entry.ends_with("cloud.json");
        assert!(own || !text.contains("hunter2-planted"), "a secret is in {}", entry.display());
    }
    let _ = store(folder).load("t").await.unwrap();
}

async fn up_destroy(engine: &Engine) {
    let stack = Stack::empty("t").unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let plan = engine.plan(&stack).destroy().await.unwrap();
        match engine.apply(plan).await {
            Ok(_) => return,
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// The same programs on a store in memory, cut off at any write: far more often than a process can be
/// killed.
#[test]
fn programs_that_are_cut_off_one_after_the_other_can_always_be_planned() {
    let law = "programs that are cut off";
    explore(law, 60, &any::<u64>(), |seed| {
        caught(|| {
            blocking(async {
                let mut random = Random::new(seed);
                let world = World::new().lenient();
                for _ in 0..4 {
                    let version = random.below(100_000);
                    if random.below(2) == 0 {
                        world.store().cut_after(world.store().writes() + 1 + random.below(20));
                    }
                    let plan = world.plan(|scope| program(version, scope)).await;
                    let _ = world.apply(plan.unwrap_or_else(|error| panic!("{error}"))).await;
                    if world.store().is_cut() {
                        world.crash();
                    }
                }
                world.crash();
                world.destroy().await.ok();
                assert!(world.cloud().ids().is_empty());
            });
        })
    });
}
