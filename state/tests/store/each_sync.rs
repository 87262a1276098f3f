//! Without any one of its syncs the store does not keep what it promises, and that is noticed.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use formwork_core::{
    state::StateStore,
    testing::{Random, changes},
};
use formwork_state::SyncObserver;

use crate::{
    acquire,
    crash::{Disk, reopen},
    options,
};

/// A disk that does not hear one of the syncs of the log, by number.
struct Deaf {
    disk: Arc<Disk>,
    to: u64,
    seen: Mutex<u64>,
}

impl SyncObserver for Deaf {
    fn syncing(&self, path: &Path) {
        self.disk.syncing(path);
    }

    fn synced(&self, path: &Path) {
        if path.ends_with("rows/db") {
            let mut seen = self.seen.lock().unwrap();
            *seen += 1;
            if *seen == self.to {
                return;
            }
        }
        self.disk.synced(path);
    }
}

const COMMITS: u64 = 6;

/// Commits, cuts the power after each answer in turn, and returns the commits that were answered and
/// are lost, with the number of syncs that there were.
async fn lost_without(to: u64) -> (Vec<u64>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    drop(options(dir.path()).observer(disk.clone()).open().unwrap());
    let deaf = Arc::new(Deaf { disk: disk.clone(), to, seen: Mutex::new(0) });
    let store = options(dir.path()).observer(deaf.clone()).open().unwrap();
    let lease = acquire(&store).await;
    // What opening and the lease synced is of no commit.
    let opened = *deaf.seen.lock().unwrap();
    let mut random = Random::new(5);
    let mut lost = Vec::new();
    for version in 0..COMMITS {
        // A commit that changes nothing would be lost unnoticed.
        let mut all = changes(&mut random);
        while all.is_empty() {
            all = changes(&mut random);
        }
        store.commit(&lease, version, all).await.unwrap();
        // Where the witness outlived the cut the store itself says so.
        let left = reopen(&disk.state(), dir.path()).await;
        if left.map_or(true, |left| left.version <= version) {
            lost.push(version);
        }
    }
    let syncs = *deaf.seen.lock().unwrap() - opened;
    (lost, if to == 0 { syncs } else { opened })
}

#[tokio::test]
async fn each_sync_of_a_commit_that_is_missing_loses_it_and_that_is_noticed() {
    let (lost, syncs) = lost_without(0).await;
    assert_eq!(lost, Vec::<u64>::new(), "with all syncs nothing is lost");
    assert!(syncs >= COMMITS, "each commit is synced");
    let (_, opened) = lost_without(u64::MAX).await;
    for sync in 1..=syncs {
        let (lost, _) = lost_without(opened + sync).await;
        assert!(!lost.is_empty(), "sync {sync} of {syncs} is missing, and nobody noticed");
    }
}
