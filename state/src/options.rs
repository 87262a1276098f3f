//! How a store is opened.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use formwork_core::state::StateError;

use crate::{
    folder::{Folder, sled_error},
    key::{KeyRow, KeySource},
    layout,
    medium::{Medium, SyncObserver},
    seal::Vault,
    store::SledStore,
    writer::Writer,
};

/// How many commits of a stack the journal keeps: more than a run has open at once, and few
/// enough that they cost next to nothing.
const JOURNAL: u64 = 1024;

/// The options of a [`SledStore`]; made by [`SledStore::options`].
#[derive(Clone)]
#[must_use]
pub struct SledOptions {
    dir: PathBuf,
    key: Option<KeySource>,
    journal: u64,
    sync: bool,
    observer: Option<Arc<dyn SyncObserver>>,
}

impl std::fmt::Debug for SledOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("SledOptions");
        debug.field("dir", &self.dir).field("key", &self.key).field("journal", &self.journal);
        debug.finish_non_exhaustive()
    }
}

impl SledOptions {
    pub(crate) fn new(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { dir, key: None, journal: JOURNAL, sync: true, observer: None }
    }

    /// Where the key comes from that secrets are sealed with. Without one, a state that has
    /// secrets can be neither read nor written.
    pub fn key(mut self, source: KeySource) -> Self {
        self.key = Some(source);
        self
    }

    /// How many commits of each stack the journal keeps, at least one; 1024 without this. Each
    /// commit removes the entry that falls out, so the journal never grows, nor what a step writes.
    pub fn journal(mut self, commits: u64) -> Self {
        self.journal = commits.max(1);
        self
    }

    /// Tells `observer` of every sync.
    #[doc(hidden)]
    pub fn observer(mut self, observer: Arc<dyn SyncObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Breaks the store: it syncs nothing. Only to prove that the crash suite would notice.
    #[doc(hidden)]
    pub fn without_sync(mut self) -> Self {
        self.sync = false;
        self
    }

    /// Opens the store, or makes it, in a new folder for its owner alone or in an empty one. A
    /// crash while it is made leaves what the next opening makes anew.
    ///
    /// A store that was not closed, because its process crashed, is checked before anything of it
    /// is touched; that takes as long as copying it.
    ///
    /// # Errors
    /// [`StateError::InUse`] while another process has it open, or this one. [`StateError::Corrupt`]
    /// for a folder that is not a store, or a damaged one, which is left as it is.
    /// [`StateError::Newer`] for the store of a later version. [`StateError::Key`] when the key is
    /// not the one of the store's secrets, or its file lies in the folder. [`StateError::Io`] for
    /// what the file system says.
    pub fn open(self) -> Result<SledStore, StateError> {
        if let Some(source) = &self.key {
            source.check_place(&self.dir)?;
        }
        let medium = Medium { dir: self.dir, sync: self.sync, observer: self.observer };
        let (folder, db) = Folder::open(medium.clone())?;
        let row = db.get(layout::SECRETS).map_err(|error| sled_error(&medium, "read", &error))?;
        let row: Option<KeyRow> = row
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|error| medium.corrupt(layout::describe(layout::SECRETS), error))?;
        let vault = Arc::new(Vault::new(medium.dir.clone(), self.key, row)?);
        let writer = Writer::new(folder, db, self.journal)?;
        let (sender, commands) = mpsc::channel();
        let thread = std::thread::Builder::new().name("formwork-state".into());
        let thread = thread
            .spawn(move || writer.run(&commands))
            .map_err(medium.io("opened", &medium.dir))?;
        Ok(SledStore::new(sender, thread, vault, medium))
    }
}
