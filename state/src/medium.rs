//! Files, directories, and making them durable.
//!
//! Every sync that the store relies on goes through here: sled's own is `sync_file_range`, which
//! flushes neither the file's length nor the drive's cache (`pagecache/iobuf.rs`, `write_to_log`;
//! sync_file_range(2), "Warning").

use std::{
    fmt,
    fs::{DirBuilder, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use formwork_core::state::StateError;

/// Told of every sync, so that a test can keep exactly what a power cut would leave.
#[doc(hidden)]
pub trait SyncObserver: Send + Sync {
    /// The file or directory `path` is about to be synced.
    fn syncing(&self, path: &Path) {
        let _ = path;
    }
    /// The file or directory `path` was synced.
    fn synced(&self, path: &Path);
}

/// How writes are made durable, and where errors say that they happened.
#[derive(Clone)]
pub(crate) struct Medium {
    pub(crate) dir: PathBuf,
    pub(crate) sync: bool,
    pub(crate) observer: Option<Arc<dyn SyncObserver>>,
}

impl fmt::Debug for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Medium").field("dir", &self.dir).field("sync", &self.sync).finish()
    }
}

impl Medium {
    pub(crate) fn place(&self) -> String {
        self.dir.display().to_string()
    }

    /// An error of the file system, as what was tried and on what.
    pub(crate) fn io(
        &self,
        verb: &'static str,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> StateError + use<> {
        let (place, path) = (self.place(), path.display().to_string());
        move |error| StateError::Io { place, verb, message: format!("{path}: {error}") }
    }

    pub(crate) fn corrupt(
        &self,
        what: impl Into<String>,
        message: impl fmt::Display,
    ) -> StateError {
        StateError::Corrupt { place: self.place(), what: what.into(), message: message.to_string() }
    }

    /// Makes what was written to `file` durable, and its length.
    pub(crate) fn sync_file(&self, path: &Path, file: &File) -> Result<(), StateError> {
        if !self.sync {
            return Ok(());
        }
        if let Some(observer) = &self.observer {
            observer.syncing(path);
        }
        file.sync_data().map_err(self.io("written", path))?;
        if let Some(observer) = &self.observer {
            observer.synced(path);
        }
        Ok(())
    }

    /// Makes the names in `dir` durable.
    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<(), StateError> {
        if !self.sync {
            return Ok(());
        }
        sync_dir(dir).map_err(self.io("written", dir))?;
        if let Some(observer) = &self.observer {
            observer.synced(dir);
        }
        Ok(())
    }

    /// Makes every file in `dir`, and their names, durable.
    pub(crate) fn sync_files_in(&self, dir: &Path) -> Result<(), StateError> {
        for path in self.files_in(dir)? {
            let file = File::open(&path).map_err(self.io("opened", &path))?;
            self.sync_file(&path, &file)?;
        }
        self.sync_dir(dir)
    }

    /// The regular files in `dir`, sorted.
    pub(crate) fn files_in(&self, dir: &Path) -> Result<Vec<PathBuf>, StateError> {
        let read = || -> io::Result<Vec<PathBuf>> {
            let mut files = Vec::new();
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    files.push(entry.path());
                }
            }
            files.sort();
            Ok(files)
        };
        read().map_err(self.io("read", dir))
    }

    /// Makes the directory and those above it, for their owner alone, and durable.
    pub(crate) fn create_dir(&self, dir: &Path) -> Result<(), StateError> {
        create_dir(dir).map_err(self.io("written", dir))?;
        match dir.parent() {
            Some(parent) if parent.starts_with(&self.dir) => self.sync_dir(parent),
            _ => Ok(()),
        }
    }

    /// Replaces the small file `path`: a crash leaves the old one or the new one.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
        let draft = path.with_extension("new");
        let mut file = File::create(&draft).map_err(self.io("written", &draft))?;
        file.write_all(bytes).map_err(self.io("written", &draft))?;
        self.sync_file(&draft, &file)?;
        std::fs::rename(&draft, path).map_err(self.io("written", path))?;
        path.parent().map_or(Ok(()), |dir| self.sync_dir(dir))
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // Only Unix opens a directory as a file, and only there is it needed.
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Makes the directory and those above it, for their owner alone, and durable.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_dir(parent)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other,
    }?;
    sync_dir(parent)
}
