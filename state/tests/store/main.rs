//! What a store on sled promises: the laws, and nothing lost by a crash, a damage or a wrong key.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod crash;
mod damage;
mod each_sync;
mod export;
mod kill;
mod laws;
mod rotate;
mod secrets;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use formwork_core::{
    Secret,
    state::{Lease, Snapshot, StateStore},
};
use formwork_state::{KeySource, SledOptions, SledStore};

/// Options of a store in `dir` that can keep secrets.
fn options(dir: &Path) -> SledOptions {
    SledStore::options(dir).key(KeySource::Bytes(Secret::new([7; 32])))
}

async fn acquire(store: &SledStore) -> Lease {
    store.acquire("shop", "test", Duration::from_secs(600)).await.unwrap()
}

async fn load(store: &SledStore) -> Snapshot {
    store.load("shop").await.unwrap()
}

/// Every file below `dir`, with what is in it.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// Copies the folder `from` to `to`, which is not there yet.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
