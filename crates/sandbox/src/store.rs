//! The world on disk: one redb table, one writer thread, one lock file per folder.
//!
//! Writes reach the disk in the order in which the world saw them. Those that wait while one is
//! being synced are committed together, so durability costs one sync per batch and not per call. A
//! caller is answered only after its batch is committed with `Durability::Immediate`; a process
//! killed at any moment has therefore lost nothing that it answered.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::oneshot;

use crate::{
    sandbox::OpenError,
    world::{Key, Stored, World, Write},
};

const ROWS: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("rows");

/// What a caller waits on until its rows are durable.
pub(crate) type Durable = oneshot::Receiver<Result<(), String>>;

struct Batch {
    writes: Vec<Write>,
    done: oneshot::Sender<Result<(), String>>,
}

/// An open sandbox folder.
#[derive(Debug)]
pub(crate) struct Store {
    queue: Option<mpsc::Sender<Batch>>,
    writer: Option<JoinHandle<()>>,
    dir: PathBuf,
    // Held for as long as the store is open; the operating system drops it with the process.
    _lock: File,
}

impl Store {
    /// Locks the folder, reads all rows and starts the writer.
    pub(crate) fn open(dir: &Path) -> Result<(Self, World), OpenError> {
        let at = |source| OpenError::Io { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(at)?;
        let lock = lock(dir)?;
        // Whoever wrote this is dead, or we would not have the lock.
        remove_endpoint(dir).map_err(at)?;
        let database = database(dir)?;
        let world = load(&database, dir)?;
        let (queue, batches) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("sandbox-store".into())
            .spawn(move || write_batches(&database, &batches))
            .map_err(at)?;
        let store =
            Self { queue: Some(queue), writer: Some(writer), dir: dir.to_owned(), _lock: lock };
        Ok((store, world))
    }

    /// Queues rows. Call it while the world is locked: the order of calls is the order on disk.
    pub(crate) fn write(&self, writes: Vec<Write>) -> Durable {
        let (done, durable) = oneshot::channel();
        if let Some(queue) = &self.queue {
            // If the writer is gone, `done` is dropped here and the waiter learns of it.
            let _ = queue.send(Batch { writes, done });
        }
        durable
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Closing the queue ends the writer, which must be gone before the lock is: the next
        // opener would find the database still open.
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Opens the database, or makes an empty one. A new one is made under another name first: a process
/// killed while redb lays out its file would leave one that redb refuses.
fn database(dir: &Path) -> Result<Database, OpenError> {
    let at = |source| OpenError::Io { dir: dir.to_owned(), source };
    let broken = |error: redb::DatabaseError| OpenError::Database {
        dir: dir.to_owned(),
        source: error.into(),
    };
    let (file, unfinished) = (dir.join("world.redb"), dir.join("world.new"));
    if !file.try_exists().map_err(at)? {
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
            _ => {}
        }
        drop(Database::create(&unfinished).map_err(broken)?);
        std::fs::rename(&unfinished, &file).map_err(at)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(at)?;
    }
    Database::open(&file).map_err(broken)
}

/// Writes down where the sandbox in this folder is served.
pub(crate) fn write_endpoint(dir: &Path, endpoint: &str) -> io::Result<()> {
    let temporary = dir.join("endpoint.new");
    std::fs::write(&temporary, endpoint)?;
    std::fs::rename(temporary, dir.join("endpoint"))
}

/// Removes the endpoint file, if there is one.
pub(crate) fn remove_endpoint(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join("endpoint")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads the endpoint of a live sandbox; a file left by a dead process is recognised by the lock
/// being free.
pub(crate) fn live_endpoint(dir: &Path) -> io::Result<Option<String>> {
    let lock = match File::open(dir.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        lock => lock?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => match std::fs::read_to_string(dir.join("endpoint")) {
            Ok(endpoint) => Ok(Some(endpoint.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let at = |source| OpenError::Io { dir: dir.to_owned(), source };
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(dir.join("lock"))
        .map_err(at)?;
    // A process that only asks whether the lock is free holds it for a moment; wait that out.
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(at)?;
                write!(file, "{}", std::process::id()).map_err(at)?;
                return Ok(file);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
    }
    let mut owner = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut owner));
    Err(OpenError::InUse { dir: dir.to_owned(), process: owner.trim().to_owned() })
}

fn load(database: &Database, dir: &Path) -> Result<World, OpenError> {
    let broken = |source: redb::Error| OpenError::Database { dir: dir.to_owned(), source };
    let mut world = World::default();
    let reading = database.begin_read().map_err(|error| broken(error.into()))?;
    let table = match reading.open_table(ROWS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(world),
        table => table.map_err(|error| broken(error.into()))?,
    };
    for entry in table.iter().map_err(|error| broken(error.into()))? {
        let (key, value) = entry.map_err(|error| broken(error.into()))?;
        let (scope, kind, id) = key.value();
        let key = Key { scope: scope.into(), kind: kind.into(), id: id.into() };
        let stored: Stored = serde_json::from_slice(value.value()).map_err(|source| {
            OpenError::Row { dir: dir.to_owned(), kind: kind.into(), id: id.into(), source }
        })?;
        world.load(key, stored);
    }
    Ok(world)
}

fn write_batches(database: &Database, batches: &mpsc::Receiver<Batch>) {
    let mut failed: Option<String> = None;
    while let Ok(first) = batches.recv() {
        let waiting: Vec<Batch> = std::iter::once(first).chain(batches.try_iter()).collect();
        // After one failure the disk is behind the world for good; nothing later may be confirmed.
        if failed.is_none() {
            failed = commit(database, &waiting).err();
        }
        for batch in waiting {
            let result = failed.clone().map_or(Ok(()), Err);
            // A caller that has gone away needs no answer.
            let _ = batch.done.send(result);
        }
    }
}

fn commit(database: &Database, batches: &[Batch]) -> Result<(), String> {
    let run = || -> Result<(), redb::Error> {
        let writing = database.begin_write()?;
        {
            let mut table = writing.open_table(ROWS)?;
            for (key, stored) in batches.iter().flat_map(|batch| &batch.writes) {
                let place = (key.scope.as_str(), key.kind.as_str(), key.id.as_str());
                match stored {
                    Some(stored) => {
                        let bytes = serde_json::to_vec(stored).map_err(io::Error::from)?;
                        table.insert(place, bytes.as_slice())?;
                    }
                    None => {
                        table.remove(place)?;
                    }
                }
            }
        }
        writing.commit()?;
        Ok(())
    };
    run().map_err(|error| format!("the sandbox could not write its database: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_first_process_was_killed_while_it_made_the_database_opens() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("world.new"), [0; 100]).unwrap();
        for _ in 0..2 {
            drop(Store::open(dir.path()).unwrap());
        }
        assert!(!dir.path().join("world.new").exists());
    }
}
