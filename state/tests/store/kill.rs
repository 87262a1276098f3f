//! A process that is killed, in earnest.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use formwork_core::{
    state::{StateError, StateStore},
    testing::{Random, changes},
};

use crate::{acquire, load, options};

const FOLDER: &str = "FORMWORK_TEST_FOLDER";

/// The child: this test binary, running only [`child`].
fn spawn(folder: &std::path::Path) -> (Child, impl Iterator<Item = u64> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let versions =
        lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("durable ")?.parse().ok());
    (child, versions)
}

/// Commits until it is killed, and prints each version once it is durable. As a test of its own
/// it does nothing.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let store = options(&folder).open().unwrap();
    let lease = acquire(&store).await;
    let mut version = load(&store).await.version;
    loop {
        // What a version changes follows from its number, so the parent can tell what it is.
        let changes = changes(&mut Random::new(version));
        version = store.commit(&lease, version, changes).await.unwrap();
        println!("durable {version}");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_was_told_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(9);
    for round in 0..8 {
        let (mut child, mut versions) = spawn(dir.path());
        let mut last = 0;
        for _ in 0..1 + random.below(40) {
            last = versions.next().unwrap_or(last);
        }
        // A second process is told who is in the way, and disturbs nothing.
        assert!(matches!(options(dir.path()).open(), Err(StateError::InUse { .. })));
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // It may have printed more before it died.
        let last = versions.last().unwrap_or(last);

        let store = options(dir.path()).open().unwrap();
        let state = load(&store).await;
        assert!(
            state.version >= last,
            "round {round}: {last} was durable, {} is left",
            state.version
        );
        let mut model = formwork_core::state::Snapshot::default();
        for version in 0..state.version {
            changes(&mut Random::new(version)).into_iter().for_each(|change| model.apply(change));
        }
        (model.lineage, model.version) = (state.lineage.clone(), state.version);
        assert!(state == model, "round {round}: version {} is whole", state.version);
    }
}
