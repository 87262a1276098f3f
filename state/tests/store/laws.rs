//! The laws of every store, and what the rows of this one must be besides.

use std::sync::Mutex;

use formwork_core::{
    state::{Change, Snapshot, StateStore},
    testing::{Random, changes, laws::store_laws},
    value::Value,
};

use crate::{acquire, load, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_sled_keeps_the_laws() {
    let dirs = Mutex::new(Vec::new());
    store_laws(async || {
        let dir = tempfile::tempdir().unwrap();
        let store = options(dir.path()).open().unwrap();
        dirs.lock().unwrap().push(dir);
        store
    })
    .await;
    for dir in &dirs.into_inner().unwrap() {
        let blobs = std::fs::read_dir(dir.path().join("rows/blobs")).unwrap().count();
        assert_eq!(blobs, 0, "sled moved a node out of its log, into a file that it does not sync");
    }
}

#[tokio::test]
async fn replaying_the_journal_yields_the_state_and_it_never_grows_beyond_its_bound() {
    for (kept, commits) in [(1024, 100), (10, 100)] {
        let dir = tempfile::tempdir().unwrap();
        let store = options(dir.path()).journal(kept).open().unwrap();
        let lease = acquire(&store).await;
        let mut random = Random::new(5);
        let mut states = vec![load(&store).await];
        for version in 0..commits {
            let changes = changes(&mut random);
            let mut state = states.last().unwrap().clone();
            changes.iter().cloned().for_each(|change| state.apply(change));
            state.version = store.commit(&lease, version, changes).await.unwrap();
            states.push(state);
        }
        let journal = store.journal("shop").await.unwrap();
        assert_eq!(journal.len() as u64, kept.min(commits));
        // From the state before its first entry; from empty, where it goes back that far.
        let mut replayed = states[journal[0].0 as usize - 1].clone();
        for (version, changes) in journal {
            changes.into_iter().for_each(|change| replayed.apply(change));
            assert_eq!(version, replayed.version + 1);
            replayed.version = version;
        }
        assert!(replayed == load(&store).await);
        if kept > commits {
            assert!(states[0].records.is_empty() && states[0].version == 0);
        }
    }
}

#[tokio::test]
async fn commits_that_wait_together_become_durable_together() {
    let dir = tempfile::tempdir().unwrap();
    let store = options(dir.path()).open().unwrap();
    let lease = acquire(&store).await;
    let commits = (0..100u32)
        .map(|n| store.commit(&lease, n.into(), vec![Change::Exports(Value::from(i64::from(n)))]));
    let versions: Vec<u64> =
        futures_util::future::join_all(commits).await.into_iter().map(Result::unwrap).collect();
    assert!(versions.into_iter().eq(1..=100));
    assert_eq!(load(&store).await.exports, Value::from(99));
}

#[tokio::test]
async fn the_state_outlives_the_store_and_a_lease_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(6);
    let mut model = Snapshot::default();
    let mut token = 0;
    for round in 0..5 {
        let store = options(dir.path()).open().unwrap();
        // The last round's lease was not given back: its holder is gone, and so is its right.
        let lease = acquire(&store).await;
        assert!(lease.token > token);
        token = lease.token;
        if round == 0 {
            model = load(&store).await;
        }
        assert!(load(&store).await == model);
        for _ in 0..20 {
            let changes = changes(&mut random);
            changes.iter().cloned().for_each(|change| model.apply(change));
            model.version = store.commit(&lease, model.version, changes).await.unwrap();
        }
    }
    assert_eq!(options(dir.path()).open().unwrap().stacks().await.unwrap(), ["shop"]);
}
