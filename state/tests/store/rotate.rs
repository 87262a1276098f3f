//! Another key: everything is sealed anew, and a crash at any write leaves a store that opens.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use formwork_core::{
    Sealer, Secret,
    state::{Change, Intent, Pin, Snapshot, StateError, StateStore, Verb},
    testing::{Random, changes},
    value::Value,
};
use formwork_state::{KeySource, SledStore, SyncObserver};

use crate::{
    acquire,
    crash::{Disk, State},
    files, load,
};

fn old() -> KeySource {
    KeySource::Bytes(Secret::new([7; 32]))
}

fn new() -> KeySource {
    KeySource::Bytes(Secret::new([8; 32]))
}

fn open(dir: &Path, key: KeySource) -> Result<SledStore, StateError> {
    SledStore::options(dir).key(key).open()
}

/// Two stacks with secrets in rows, open calls, answers, outputs and the journal.
async fn fill(store: &SledStore, commits: u64) -> [Snapshot; 2] {
    let mut random = Random::new(3);
    let ttl = Duration::from_secs(600);
    let leases = [acquire(store).await, store.acquire("other", "test", ttl).await.unwrap()];
    for lease in &leases {
        for version in 0..commits {
            let mut changes = changes(&mut random);
            changes.push(Change::Exports(Value::from("x".repeat(9000)).into_secret()));
            let rows = changes.iter().filter_map(|change| match change {
                Change::Put(record) => Some(record.clone()),
                _ => None,
            });
            let open: Vec<Change> = rows
                .map(|record| {
                    let (id, verb) = (record.id, Verb::Update);
                    Change::Open(Intent { id, verb, record: Some(record), started_ms: 0 })
                })
                .collect();
            changes.extend(open);
            changes.push(Change::Pin(Pin {
                address: format!("lookup-{version}").as_str().into(),
                kind: "aws:ssm/parameter".into(),
                query: Value::Null,
                answer: Value::from("correct horse").into_secret(),
            }));
            store.commit(lease, version, changes).await.unwrap();
        }
        store.release(lease).await.unwrap();
    }
    [load(store).await, store.load("other").await.unwrap()]
}

async fn both(store: &SledStore) -> Result<[Snapshot; 2], StateError> {
    Ok([store.load("shop").await?, store.load("other").await?])
}

#[tokio::test]
async fn everything_is_sealed_anew_and_the_old_key_opens_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("keys/new"));
    let store = open(&state, old()).unwrap();
    let filled = fill(&store, 12).await;
    let journal = store.journal("shop").await.unwrap();
    let to = KeySource::File(file.clone());
    store.rotate_key(to.clone()).await.unwrap();
    assert!(!store.is_rotating() && file.exists());
    assert!(both(&store).await.unwrap() == filled);
    assert!(store.journal("shop").await.unwrap() == journal);
    drop(store);
    let refused = open(&state, old()).unwrap_err();
    assert!(matches!(refused, StateError::Key { .. }), "{refused}");
    let store = open(&state, to.clone()).unwrap();
    assert!(both(&store).await.unwrap() == filled);
    assert!(store.journal("shop").await.unwrap() == journal);
    // What is written from now on is sealed with it too, and rotating to it again is nothing to do.
    store.rotate_key(to).await.unwrap();
    let lease = acquire(&store).await;
    let secret = vec![Change::Exports(Value::from("again").into_secret())];
    store.commit(&lease, filled[0].version, secret).await.unwrap();
    drop(store);
    // As after a crash: every row and the whole journal are checked.
    std::fs::remove_file(state.join("clean")).unwrap();
    let store = open(&state, KeySource::File(file)).unwrap();
    store.journal("shop").await.unwrap();
    let clear = files(&state).iter().any(|(_, bytes)| {
        ["correct horse", "again\""]
            .iter()
            .any(|text| bytes.windows(text.len()).any(|at| at == text.as_bytes()))
    });
    assert!(!clear);
}

#[tokio::test]
async fn a_power_cut_at_any_sync_of_a_rotation_leaves_a_store_that_one_of_the_keys_opens() {
    struct Every(Disk, Arc<Mutex<Vec<State>>>);
    impl SyncObserver for Every {
        fn syncing(&self, path: &Path) {
            self.0.syncing(path);
        }
        fn synced(&self, path: &Path) {
            self.0.synced(path);
            self.1.lock().unwrap().push(self.0.state());
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let states = Arc::new(Mutex::new(Vec::new()));
    let disk = Arc::new(Every(Disk::default(), states.clone()));
    let store = SledStore::options(dir.path()).key(old()).observer(disk).open().unwrap();
    let filled = fill(&store, 8).await;
    let before = states.lock().unwrap().len() - 1;
    store.rotate_key(new()).await.unwrap();
    let states: Vec<State> = states.lock().unwrap().drain(before..).collect();
    assert!(states.len() > 5, "{} syncs", states.len());
    let mut opened = Vec::new();
    for state in &states {
        let mut with = (false, false);
        for (key, is_new) in [(old(), false), (new(), true)] {
            let left = tempfile::tempdir().unwrap();
            let folder = left.path().join("left");
            state.restore(dir.path(), &folder);
            let Ok(store) = open(&folder, key) else { continue };
            assert!(both(&store).await.unwrap() == filled, "half of it is lost");
            store.journal("shop").await.unwrap();
            match is_new {
                true => with.1 = true,
                false => with.0 = true,
            }
            // The rest is done by doing it again; to a third key only when it is done.
            if store.is_rotating() {
                let third = KeySource::Bytes(Secret::new([9; 32]));
                let refused = store.rotate_key(third).await.unwrap_err();
                assert!(refused.to_string().contains("was cut off"), "{refused}");
                store.rotate_key(new()).await.unwrap();
                assert!(both(&store).await.unwrap() == filled);
                drop(store);
                assert!(open(&folder, old()).is_err());
                assert!(both(&open(&folder, new()).unwrap()).await.unwrap() == filled);
            }
        }
        opened.push(with);
    }
    assert_eq!(opened.first(), Some(&(true, false)));
    assert!(opened.contains(&(true, true)), "in between either opens it");
    assert_eq!(opened.last(), Some(&(false, true)));
    assert!(opened.iter().all(|(old, new)| *old || *new));
}

#[tokio::test]
async fn a_key_is_not_rotated_under_a_run_nor_without_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), old()).unwrap();
    fill(&store, 1).await;
    let lease = acquire(&store).await;
    let refused = store.rotate_key(new()).await.unwrap_err();
    assert!(matches!(refused, StateError::Leased { .. }), "{refused}");
    store.release(&lease).await.unwrap();
    drop(store);
    let store = SledStore::open(dir.path()).unwrap();
    let refused = store.rotate_key(new()).await.unwrap_err();
    assert!(matches!(refused, StateError::Key { .. }), "{refused}");
    drop(store);
    let store = open(dir.path(), old()).unwrap();
    let inside = KeySource::File(dir.path().join("key"));
    assert!(store.rotate_key(inside).await.is_err(), "it would be copied with the state");
    drop(store);
    assert!(open(dir.path(), old()).is_ok(), "nothing was changed");
}

#[tokio::test]
async fn a_store_without_secrets_takes_the_new_key_for_its_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), old()).unwrap();
    store.rotate_key(new()).await.unwrap();
    fill(&store, 1).await;
    drop(store);
    assert!(open(dir.path(), old()).is_err());
    open(dir.path(), new()).unwrap();
}

#[test]
fn a_plan_from_before_says_why_it_does_not_open() {
    let sealed = old().seal(b"plan", b"hunter2").unwrap();
    let told = new().open(b"plan", &sealed).unwrap_err().to_string();
    assert!(told.contains("what was sealed before the key was rotated is to be made again"));
}
