//! Power cuts, simulated: what is left is what was synced, and perhaps some of what was not.
//!
//! [`Disk`] watches every sync. Of a synced file it keeps the content, of a synced directory the
//! names; from these it makes the folder that a power cut would leave. Of what was written since the
//! last sync a real disk keeps any part, in any order: so the suite also opens folders that have a
//! random choice of the newer blocks.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use formwork_core::{
    state::{Snapshot, StackCommit, StateError, StateStore},
    testing::{Random, changes},
};
use formwork_state::{SledOptions, SyncObserver};

use crate::{acquire, load, options};

const BLOCK: usize = 512;

/// What a disk holds for certain.
#[derive(Default)]
struct Disk {
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    /// The synced content of files, by inode.
    files: HashMap<u64, Vec<u8>>,
    /// The synced names in directories.
    names: HashMap<PathBuf, Vec<(PathBuf, u64)>>,
    /// The log as it was right before each sync, with the number of the sync.
    unsynced: Option<(u64, Vec<u8>)>,
    syncs: u64,
}

impl SyncObserver for Disk {
    fn syncing(&self, path: &Path) {
        if path.ends_with("rows/db") {
            let inode = std::fs::metadata(path).unwrap().ino();
            let content = std::fs::read(path).unwrap();
            self.state.lock().unwrap().unsynced = Some((inode, content));
        }
    }

    fn synced(&self, path: &Path) {
        let mut state = self.state.lock().unwrap();
        state.syncs += 1;
        if path.is_dir() {
            let names = std::fs::read_dir(path).unwrap().map(|entry| {
                let entry = entry.unwrap();
                (entry.path(), entry.metadata().unwrap().ino())
            });
            let names = names.collect();
            state.names.insert(path.to_owned(), names);
        } else {
            let inode = std::fs::metadata(path).unwrap().ino();
            state.files.insert(inode, std::fs::read(path).unwrap());
        }
    }
}

impl Disk {
    fn state(&self) -> State {
        let mut state = self.state.lock().unwrap().clone();
        // The witness is never synced; the newest one is the strictest that a cut can leave.
        let witness = state.names.values().flatten().find(|(path, _)| path.ends_with("witness"));
        if let Some((path, inode)) = witness.cloned() {
            state.files.insert(inode, std::fs::read(path).unwrap());
        }
        state
    }
}

impl State {
    /// The folder `root` after a power cut, in `to`. A file whose name was synced and whose
    /// content was not is empty.
    fn restore(&self, root: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for (path, inode) in self.names.get(root).into_iter().flatten() {
            let target = to.join(path.file_name().unwrap());
            if self.names.contains_key(path) || path.is_dir() {
                self.restore(path, &target);
            } else {
                let content = self.files.get(inode).cloned().unwrap_or_default();
                std::fs::write(target, content).unwrap();
            }
        }
    }

    /// The same disk, with some of the blocks that were written and not synced.
    fn torn(&self, newer: &(u64, Vec<u8>), random: &mut Random) -> Self {
        let (inode, newer) = newer;
        let mut torn = self.clone();
        let file = torn.files.entry(*inode).or_default();
        let keep = random.below(101);
        if file.len() < newer.len() {
            // The length may be older than the content, but not the other way round.
            let blocks = (newer.len() - file.len()).div_ceil(BLOCK) as u64;
            let len = file.len() + BLOCK * random.below(blocks + 1) as usize;
            file.resize(len.min(newer.len()), 0);
        }
        for (block, content) in file.chunks_mut(BLOCK).zip(newer.chunks(BLOCK)) {
            if random.below(100) < keep {
                let len = block.len().min(content.len());
                block[..len].copy_from_slice(&content[..len]);
            }
        }
        torn
    }
}

/// Opens what a power cut left. The store must open by itself.
async fn reopen(state: &State, dir: &Path) -> Result<Snapshot, StateError> {
    let left = tempfile::tempdir().unwrap();
    let folder = left.path().join("left");
    state.restore(dir, &folder);
    options(&folder).open()?.load("shop").await
}

/// Commits, and returns the first violation: a commit that was answered and is lost, or a state
/// that never was.
async fn crash_suite(
    seed: u64,
    commits: u64,
    torn: u64,
    configure: impl FnOnce(SledOptions) -> SledOptions,
) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let store = configure(options(dir.path()).observer(disk.clone())).open().unwrap();
    let mut random = Random::new(seed);
    let lease = acquire(&store).await;
    let mut model = load(&store).await;
    for version in 0..commits {
        let before = disk.state();
        let old = model.clone();
        let changes = changes(&mut random);
        changes.iter().cloned().for_each(|change| model.apply(change));
        model.version = store.commit(&lease, version, changes).await.unwrap();
        let after = disk.state();
        if after.names.is_empty() {
            return Err("nothing was ever synced".to_owned());
        }
        let left = reopen(&after, dir.path()).await.map_err(|error| error.to_string())?;
        if left != model {
            return Err(format!(
                "version {} was answered, {} is left",
                model.version, left.version
            ));
        }
        if after.syncs == before.syncs {
            return Err(format!("version {} was answered without a sync", model.version));
        }
        for _ in 0..torn {
            let torn = before.torn(after.unsynced.as_ref().unwrap(), &mut random);
            let left = reopen(&torn, dir.path()).await.map_err(|error| error.to_string())?;
            if left != old && left != model {
                return Err(format!("a torn write left version {}", left.version));
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_power_cut_after_any_sync_loses_nothing_that_was_answered() {
    crash_suite(1, 60, 0, |options| options).await.unwrap();
}

#[tokio::test]
async fn a_power_cut_inside_a_write_leaves_all_or_nothing_of_it() {
    crash_suite(2, 25, 4, |options| options).await.unwrap();
}

/// Opens what a power cut left, and loads two stacks of it.
async fn reopen_both(state: &State, dir: &Path) -> [Snapshot; 2] {
    let left = tempfile::tempdir().unwrap();
    let folder = left.path().join("left");
    state.restore(dir, &folder);
    let store = options(&folder).open().unwrap();
    [store.load("shop").await.unwrap(), store.load("other").await.unwrap()]
}

#[tokio::test]
async fn a_power_cut_leaves_a_commit_of_two_stacks_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let store = options(dir.path()).observer(disk.clone()).open().unwrap();
    let mut random = Random::new(3);
    let ttl = std::time::Duration::from_secs(600);
    let leases = [acquire(&store).await, store.acquire("other", "test", ttl).await.unwrap()];
    let mut models = [load(&store).await, store.load("other").await.unwrap()];
    for version in 0..20 {
        let (before, old) = (disk.state(), models.clone());
        let commits = leases.iter().zip(&mut models).map(|(lease, model)| {
            let changes = changes(&mut random);
            changes.iter().cloned().for_each(|change| model.apply(change));
            model.version += 1;
            StackCommit { lease: lease.clone(), expected: version, changes }
        });
        store.commit_all(commits.collect()).await.unwrap();
        let after = disk.state();
        assert!(reopen_both(&after, dir.path()).await == models, "version {version} was answered");
        for _ in 0..3 {
            let torn = before.torn(after.unsynced.as_ref().unwrap(), &mut random);
            let left = reopen_both(&torn, dir.path()).await;
            assert!(left == old || left == models, "a torn write left a part of version {version}");
        }
    }
}

#[tokio::test]
async fn the_crash_suite_notices_a_store_that_does_not_sync() {
    crash_suite(1, 5, 0, SledOptions::without_sync).await.unwrap_err();
}

/// Syncs of the log are forgotten after the first few, as if that one line were missing.
struct Forgetful {
    disk: Arc<Disk>,
    after: u64,
    seen: Mutex<u64>,
}

impl SyncObserver for Forgetful {
    fn synced(&self, path: &Path) {
        let mut seen = self.seen.lock().unwrap();
        *seen += 1;
        if *seen <= self.after || !path.ends_with("rows/db") {
            self.disk.synced(path);
        }
    }
}

#[tokio::test]
async fn the_crash_suite_notices_one_sync_that_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let opening = Arc::new(Forgetful { disk: disk.clone(), after: u64::MAX, seen: Mutex::new(0) });
    drop(options(dir.path()).observer(opening.clone()).open().unwrap());
    let syncs = *opening.seen.lock().unwrap();

    // All syncs of an opening happen, the one of the lease too, and then one is missing.
    let forgetful = Arc::new(Forgetful { disk: disk.clone(), after: syncs, seen: Mutex::new(0) });
    let store = options(dir.path()).observer(forgetful).open().unwrap();
    let lease = acquire(&store).await;
    let mut random = Random::new(1);
    let mut lost = false;
    for version in 0..20 {
        store.commit(&lease, version, changes(&mut random)).await.unwrap();
        // Where the witness outlived the cut the store itself says so, elsewhere the suite does.
        let left = reopen(&disk.state(), dir.path()).await;
        lost |= left.map_or(true, |left| left.version <= version);
    }
    assert!(lost, "a log that is not synced any more loses commits that were answered");
}

#[tokio::test]
async fn a_store_whose_making_was_cut_short_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    let states = Arc::new(Mutex::new(Vec::new()));
    struct Every(Disk, Arc<Mutex<Vec<State>>>);
    impl SyncObserver for Every {
        fn synced(&self, path: &Path) {
            self.0.synced(path);
            self.1.lock().unwrap().push(self.0.state());
        }
    }
    drop(
        options(&folder).observer(Arc::new(Every(Disk::default(), states.clone()))).open().unwrap(),
    );
    let states = std::mem::take(&mut *states.lock().unwrap());
    assert!(states.len() > 5);
    for state in &states {
        assert_eq!(reopen(state, &folder).await.unwrap(), Snapshot::default());
    }
}
