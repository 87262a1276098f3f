//! The folder of a store: whose it is, whether it is whole, and who has it open.
//!
//! ```text
//! FORMAT    {"formwork":"state","format":1,"ready":true}; the first file made, the last one read wrong
//! lock      locked for as long as the store is open
//! rows/     sled's folder: db (its log), conf, snap.*, and blobs/, which stays empty
//! clean     after a clean close: the length and checksum of every file in rows/
//! witness   how many writes are known to be durable
//! check/    a copy of rows/, while it is being checked
//! kept/     rows/ as they were, while what was not closed cleanly is being opened
//! ```
//!
//! sled 0.34 repairs while it opens: what it takes for the torn end of its log it overwrites
//! (`pagecache/snapshot.rs`, `advance_snapshot`), also when it is a rotten middle. So unless the
//! folder is, byte for byte, as a clean close left it, a copy is opened and checked first, and a
//! store whose copy does not come out whole is refused and left as it is.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use formwork_core::state::StateError;

use crate::{
    format::{self, Format},
    inspect::inspect,
    medium::Medium,
};

/// How long threads of sled's that outlive its handle are waited for.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// The length and the checksum of a file.
type Print = (u64, u32);

/// A folder that is this process's alone, and sled in it.
#[derive(Debug)]
pub(crate) struct Folder {
    medium: Medium,
    witness: File,
    /// Held, never read; unlocked by being closed.
    _lock: File,
}

impl Folder {
    /// Opens the store in the medium's folder, or makes it.
    pub(crate) fn open(medium: Medium) -> Result<(Self, sled::Db), StateError> {
        if !medium.dir.is_dir() {
            medium.create_dir(&medium.dir)?;
        }
        format::read(&medium)?;
        let lock = format::lock(&medium)?;
        // Read again: another process may have made the store in between.
        let format = format::read(&medium)?;
        let path = medium.dir.join("witness");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let witness = options.open(&path).map_err(medium.io("opened", &path))?;
        let folder = Self { medium, witness, _lock: lock };
        let db = match format {
            Some(Format { ready: true, .. }) => folder.open_rows()?,
            _ => folder.make_rows()?,
        };
        Ok((folder, db))
    }

    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    fn rows(&self) -> PathBuf {
        self.medium.dir.join("rows")
    }

    /// sled's log: the one file that a commit writes.
    pub(crate) fn log(&self) -> PathBuf {
        self.rows().join("db")
    }

    fn make_rows(&self) -> Result<sled::Db, StateError> {
        let rows = self.rows();
        format::write(&self.medium, false)?;
        if rows.exists() {
            // A store that was never ready never held anything.
            std::fs::remove_dir_all(&rows).map_err(self.medium.io("written", &rows))?;
        }
        self.medium.create_dir(&rows)?;
        let db = open_sled(&self.medium, &rows, false)?;
        db.flush().map_err(|error| sled_error(&self.medium, "written", &error))?;
        self.sync_rows()?;
        self.witness(0)?;
        format::write(&self.medium, true)?;
        Ok(db)
    }

    fn open_rows(&self) -> Result<sled::Db, StateError> {
        let medium = &self.medium;
        let kept = medium.dir.join("kept");
        if kept.is_dir() && !self.rows().exists() {
            // The process that put the rows back as they were ended in between.
            std::fs::rename(&kept, self.rows()).map_err(medium.io("written", &kept))?;
        }
        for file in ["db", "conf"] {
            if !self.rows().join(file).is_file() {
                return Err(medium.corrupt(format!("file rows/{file}"), "it is not there"));
            }
        }
        let clean = medium.dir.join("clean");
        let checked = !self.is_as_it_was_closed(&clean);
        if checked {
            self.check_copy()?;
            // sled does not read a damaged log the same way each time: what came out whole of one
            // opening, the next may refuse, or lack something, after it has written. So that one
            // is checked as well, and can be undone.
            self.remove(&kept)?;
            self.copy_rows(&kept)?;
        }
        match std::fs::remove_file(&clean) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(medium.io("written", &clean)(error));
            }
            _ => {}
        }
        let opened = open_sled(medium, &self.rows(), false).and_then(|db| {
            self.expect_at_least(inspect(medium, &db, checked)?)?;
            // sled has written while it opened, and synced some of it.
            self.sync_rows()?;
            Ok(db)
        });
        match &opened {
            Err(StateError::Corrupt { .. }) if checked => {
                self.remove(&self.rows())?;
                std::fs::rename(&kept, self.rows()).map_err(medium.io("written", &kept))?;
            }
            _ => self.remove(&kept)?,
        }
        opened
    }

    /// Removes a folder of ours, if it is there.
    fn remove(&self, folder: &Path) -> Result<(), StateError> {
        let since = Instant::now();
        loop {
            match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                // Threads of a sled that panicked may still write into it.
                Err(_) if since.elapsed() < STRAGGLERS => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                done => return done.map_err(self.medium.io("written", folder)),
            }
        }
    }

    fn copy_rows(&self, copy: &Path) -> Result<(), StateError> {
        let medium = &self.medium;
        for part in ["", "blobs"] {
            let (from, to) = (self.rows().join(part), copy.join(part));
            crate::medium::create_dir(&to).map_err(medium.io("written", &to))?;
            if !from.is_dir() {
                continue;
            }
            for file in medium.files_in(&from)? {
                let to = to.join(file.file_name().unwrap_or_default());
                std::fs::copy(&file, &to).map_err(medium.io("read", &file))?;
            }
        }
        Ok(())
    }

    fn sync_rows(&self) -> Result<(), StateError> {
        self.medium.sync_dir(&self.rows().join("blobs"))?;
        self.medium.sync_files_in(&self.rows())
    }

    /// Whether every file of `rows/` is what it was when the store was closed.
    fn is_as_it_was_closed(&self, clean: &Path) -> bool {
        let left = std::fs::read(clean).ok().and_then(|text| serde_json::from_slice(&text).ok());
        left.is_some_and(|left: BTreeMap<String, Print>| self.prints().is_ok_and(|now| now == left))
    }

    fn prints(&self) -> Result<BTreeMap<String, Print>, StateError> {
        let rows = self.rows();
        let mut files = self.medium.files_in(&rows)?;
        files.extend(self.medium.files_in(&rows.join("blobs"))?);
        let print = |path: PathBuf| {
            let name = path.strip_prefix(&rows).unwrap_or(&path).display().to_string();
            let print = print_of(&path).map_err(self.medium.io("read", &path))?;
            Ok((name, print))
        };
        files.into_iter().map(print).collect()
    }

    /// Opens a copy of `rows/` and checks every row of it.
    fn check_copy(&self) -> Result<(), StateError> {
        let medium = &self.medium;
        let copy = medium.dir.join("check");
        self.remove(&copy)?;
        self.copy_rows(&copy)?;
        let checked = open_sled(medium, &copy, true).and_then(|db| inspect(medium, &db, true));
        let removed = self.remove(&copy);
        self.expect_at_least(checked?)?;
        removed
    }

    /// Refuses rows that end before the last write that is known to have been durable.
    fn expect_at_least(&self, writes: u64) -> Result<(), StateError> {
        let mut bytes = [0; 12];
        let mut file = &self.witness;
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut bytes));
        let (number, crc) = bytes.split_at(8);
        let whole = read.is_ok() && crc == crc32fast::hash(number).to_be_bytes();
        let durable = number.try_into().map_or(0, u64::from_be_bytes);
        if whole && writes < durable {
            return Err(self.medium.corrupt(
                "file rows/db",
                format!(
                    "it ends after {writes} writes, and {durable} were durable; remove the file \
                     witness to go on with what is left"
                ),
            ));
        }
        Ok(())
    }

    /// Writes down that so many writes are durable. It need not be synced itself: an older number
    /// is as true, and only says less.
    pub(crate) fn witness(&self, writes: u64) -> Result<(), StateError> {
        let mut bytes = [0; 12];
        let (number, crc) = bytes.split_at_mut(8);
        number.copy_from_slice(&writes.to_be_bytes());
        crc.copy_from_slice(&crc32fast::hash(number).to_be_bytes());
        let mut file = &self.witness;
        let written = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&bytes));
        written.map_err(self.medium.io("written", &self.medium.dir.join("witness")))
    }

    /// Closes the store so that the next opening need not check it.
    pub(crate) fn close(self, db: sled::Db) -> Result<(), StateError> {
        drop(db);
        let log = self.log();
        let file = File::open(&log).map_err(self.medium.io("opened", &log))?;
        let since = Instant::now();
        while file.try_lock().is_err() {
            if since.elapsed() > STRAGGLERS {
                return Ok(()); // Without the prints, the next opening checks.
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.sync_rows()?;
        let prints = self.prints()?;
        let prints = serde_json::to_vec(&prints)
            .map_err(|error| self.medium.corrupt("file clean", error))?;
        self.medium.replace(&self.medium.dir.join("clean"), &prints)
    }
}

fn print_of(path: &Path) -> std::io::Result<Print> {
    let mut file = File::open(path)?;
    let (mut crc, mut len, mut buffer) = (crc32fast::Hasher::new(), 0, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((len, crc.finalize())),
            n => {
                crc.update(&buffer[..n]);
                len += n as u64;
            }
        }
    }
}

/// Opens sled, which panics at some kinds of damage, in a thread that may.
fn open_sled(medium: &Medium, rows: &Path, copy: bool) -> Result<sled::Db, StateError> {
    let since = Instant::now();
    loop {
        let config = sled::Config::default()
            .path(rows)
            .temporary(copy)
            .flush_every_ms(None)
            .cache_capacity(128 << 20);
        let thread = std::thread::Builder::new().name("formwork-open".into());
        let opening = thread.spawn(move || config.open()).map_err(medium.io("opened", rows))?;
        match opening.join() {
            Ok(Ok(db)) => return Ok(db),
            // The folder is ours: this is a thread of the handle that was closed before.
            Ok(Err(sled::Error::Io(error)))
                if error.to_string().contains("could not acquire lock") =>
            {
                if since.elapsed() > STRAGGLERS {
                    return Err(StateError::InUse { place: medium.place() });
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(Err(error)) => return Err(sled_error(medium, "opened", &error)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                return Err(medium.corrupt("file rows/db", text.unwrap_or("sled panicked")));
            }
        }
    }
}

/// sled's error, as damage or as the medium's.
pub(crate) fn sled_error(medium: &Medium, verb: &'static str, error: &sled::Error) -> StateError {
    match error {
        // A log that ends before what it refers to is damage, and not a failing disk.
        sled::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            medium.corrupt("the folder rows", error)
        }
        sled::Error::Io(error) => {
            StateError::Io { place: medium.place(), verb, message: error.to_string() }
        }
        other => medium.corrupt("the folder rows", other),
    }
}
