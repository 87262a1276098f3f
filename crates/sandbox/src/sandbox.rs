//! The handle on a sandbox: opening, clients, and a back door for tests.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use crate::{
    calls::{CallLog, CallRecord},
    client::SandboxHttpClient,
    ids::Entropy,
    knobs::Knobs,
    row::Row,
    store::{self, Durable, Store},
    world::{World, Write},
};

/// An AWS of its own, in memory or in a folder. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

/// Why a sandbox folder can not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has the folder open.
    #[error("the sandbox in {} is in use by process {process}", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The number of the process that has it open.
        process: String,
    },
    /// The folder belongs to another account than the one asked for.
    #[error("the sandbox in {} belongs to account {found}, not {wanted}", dir.display())]
    Account {
        /// The folder.
        dir: PathBuf,
        /// The account of the folder.
        found: String,
        /// The account asked for.
        wanted: String,
    },
    /// The folder or a file in it can not be used.
    #[error("can not use the sandbox folder {}", dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The database in the folder can not be opened or read.
    #[error("can not read the sandbox database in {}", dir.display())]
    Database {
        /// The folder.
        dir: PathBuf,
        /// What the database says.
        source: redb::Error,
    },
    /// A row of the database is not what it should be.
    #[error("the sandbox database in {} has a broken row: {kind} {id}", dir.display())]
    Row {
        /// The folder.
        dir: PathBuf,
        /// The kind of the row.
        kind: String,
        /// The id of the row.
        id: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Why an object can not be edited behind the engine's back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such object.
    #[error("there is no {kind} {id} in {region}")]
    NoObject {
        /// The region, or `global`.
        region: String,
        /// The kind.
        kind: String,
        /// The id.
        id: String,
    },
    /// The patch names a field that the object does not have.
    #[error("a {kind} has no field '{field}'")]
    NoField {
        /// The kind.
        kind: String,
        /// The field.
        field: String,
    },
    /// The change could not be persisted.
    #[error("the change could not be persisted: {0}")]
    NotPersisted(String),
}

/// Builds a [`Sandbox`].
#[derive(Clone, Debug, Default)]
pub struct SandboxBuilder {
    account: Option<String>,
    region: Option<String>,
    seed: Option<u64>,
}

/// What all handles on one sandbox share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) account: String,
    pub(crate) calls: CallLog,
    pub(crate) knobs: Knobs,
    pub(crate) request_ids: Mutex<Entropy>,
    region: String,
    world: Mutex<World>,
    store: Option<Store>,
}

/// The account that a sandbox is, unless it is told otherwise.
const DEFAULT_ACCOUNT: &str = "123456789012";
/// The row that holds the account; it is in the one scope that exists before the account is known.
const ORIGIN: (&str, &str, &str) = ("", "origin", "account");

impl SandboxBuilder {
    /// Sets the account, twelve digits. 123456789012 by default, or what the folder says.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Sets the region of the few requests that are not signed for one. us-east-1 by default.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the seed of ids in a new sandbox: same seed and same calls, same ids. Random by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Makes a sandbox that lives as long as its last handle.
    pub fn in_memory(self) -> Sandbox {
        let account = self.account.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
        Sandbox { inner: Arc::new(self.build(account, World::default(), None)) }
    }

    /// Opens the sandbox in a folder, or makes one there.
    ///
    /// # Errors
    ///
    /// Fails if the folder is in use by another process, or can not be read or written.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Sandbox, OpenError> {
        let (store, mut world) = Store::open(dir.as_ref())?;
        let found = world
            .begin()
            .stored(ORIGIN.0, ORIGIN.1, ORIGIN.2)
            .and_then(|stored| stored.value.as_str().map(str::to_owned));
        let account = match (found, self.account.clone()) {
            (Some(found), Some(wanted)) if found != wanted => {
                return Err(OpenError::Account { dir: dir.as_ref().to_owned(), found, wanted });
            }
            (Some(account), _) | (None, Some(account)) => account,
            (None, None) => DEFAULT_ACCOUNT.to_owned(),
        };
        Ok(Sandbox { inner: Arc::new(self.build(account, world, Some(store))) })
    }

    fn build(self, account: String, mut world: World, store: Option<Store>) -> Inner {
        let global = format!("{account}/global");
        let mut transaction = world.begin();
        let now = crate::time::now();
        if transaction.stored(&global, Entropy::KIND, Entropy::ID).is_none() {
            let entropy = Entropy { seed: self.seed.unwrap_or_else(random), next: 0 };
            transaction.put(&global, &entropy, now);
            transaction.put_value(
                ORIGIN.0,
                ORIGIN.1,
                ORIGIN.2,
                Value::String(account.clone()),
                now,
            );
        }
        let writes = transaction.commit();
        if let (Some(store), false) = (&store, writes.is_empty()) {
            // Nothing waits: the first answered call is written after these rows.
            drop(store.write(writes));
        }
        Inner {
            account,
            calls: CallLog::default(),
            knobs: Knobs::default(),
            request_ids: Mutex::new(Entropy { seed: random(), next: 0 }),
            region: self.region.unwrap_or_else(|| "us-east-1".to_owned()),
            world: Mutex::new(world),
            store,
        }
    }
}

impl Sandbox {
    /// Starts to build a sandbox.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Opens the sandbox in a folder, or makes one there.
    ///
    /// # Errors
    ///
    /// Fails if the folder is in use by another process, or can not be read or written.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(dir)
    }

    /// Makes a sandbox that lives as long as its last handle.
    pub fn in_memory() -> Self {
        Self::builder().in_memory()
    }

    /// A client for the AWS SDK: give it to `aws_config`'s loader or to a service's config.
    pub fn http_client(&self) -> SandboxHttpClient {
        SandboxHttpClient { sandbox: Arc::clone(&self.inner) }
    }

    /// The account, twelve digits.
    pub fn account(&self) -> &str {
        &self.inner.account
    }

    /// The folder, if there is one.
    pub fn dir(&self) -> Option<&Path> {
        self.inner.store.as_ref().map(Store::dir)
    }

    /// The knobs.
    pub fn knobs(&self) -> Knobs {
        self.inner.knobs.clone()
    }

    /// All calls so far, in the order of arrival.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.inner.calls.all()
    }

    /// Reads an object as the sandbox keeps it. `region` is `global` for IAM.
    ///
    /// Kinds are EC2's resource types (`vpc`, `natgateway`); an object's tags are `tags` by its id.
    pub fn object(&self, region: &str, kind: &str, id: &str) -> Option<Value> {
        let mut world = self.inner.world();
        world.begin().stored(&self.scope(region), kind, id).map(|stored| stored.value.clone())
    }

    /// Lists the ids of a kind in a region.
    pub fn ids(&self, region: &str, kind: &str) -> Vec<String> {
        self.inner.world().begin().ids(&self.scope(region), kind)
    }

    /// Changes an object behind everybody's back, by a JSON merge patch (RFC 7396).
    ///
    /// # Errors
    ///
    /// Fails if there is no such object or it has no such field, or if it can not be persisted.
    pub async fn edit(
        &self,
        region: &str,
        kind: &str,
        id: &str,
        patch: Value,
    ) -> Result<(), EditError> {
        self.change(region, kind, id, |value| {
            if let (Value::Object(fields), Value::Object(patch)) = (&value, &patch)
                && let Some(field) = patch.keys().find(|field| !fields.contains_key(*field))
            {
                return Err(EditError::NoField { kind: kind.to_owned(), field: field.clone() });
            }
            Ok(Some(merge(value, patch)))
        })
        .await
    }

    /// Removes an object behind everybody's back, without asking what depends on it and without
    /// freeing what it holds. What somebody else would do is rather sent as a call of another client.
    ///
    /// # Errors
    ///
    /// Fails if there is no such object, or if it can not be persisted.
    pub async fn vanish(&self, region: &str, kind: &str, id: &str) -> Result<(), EditError> {
        self.change(region, kind, id, |_| Ok(None)).await
    }

    async fn change(
        &self,
        region: &str,
        kind: &str,
        id: &str,
        change: impl FnOnce(Value) -> Result<Option<Value>, EditError>,
    ) -> Result<(), EditError> {
        let durable = {
            let scope = self.scope(region);
            let mut world = self.inner.world();
            let mut transaction = world.begin();
            let stored = transaction.stored(&scope, kind, id).cloned().ok_or_else(|| {
                EditError::NoObject { region: region.into(), kind: kind.into(), id: id.into() }
            })?;
            match change(stored.value)? {
                Some(value) => transaction.put_value(&scope, kind, id, value, stored.born),
                None => transaction.remove(&scope, kind, id),
            }
            let writes = transaction.commit();
            self.inner.persist(writes)
        };
        match durable {
            None => Ok(()),
            Some(durable) => durable
                .await
                .unwrap_or_else(|_| Err("the store is gone".into()))
                .map_err(EditError::NotPersisted),
        }
    }

    fn scope(&self, region: &str) -> String {
        format!("{}/{region}", self.inner.account)
    }
}

impl Inner {
    /// The region of requests that are not signed for one.
    pub(crate) fn default_region(&self) -> &str {
        &self.region
    }

    /// The world, for one transaction.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A transaction that panicked has undone itself; what the mutex guards is sound.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues rows for the disk, while the world is still locked; `None` if nothing is to be awaited.
    pub(crate) fn persist(&self, writes: Vec<Write>) -> Option<Durable> {
        let store = self.store.as_ref().filter(|_| !writes.is_empty())?;
        Some(store.write(writes))
    }
}

/// Finds the endpoint at which the sandbox of a folder is being served by a live process.
///
/// # Errors
///
/// Fails if the folder's files can not be read.
pub fn find_endpoint(dir: impl AsRef<Path>) -> io::Result<Option<String>> {
    store::live_endpoint(dir.as_ref())
}

/// Merges by RFC 7396: null removes. (An optional field of a row that is absent reads as `None`.)
fn merge(value: Value, patch: Value) -> Value {
    match (value, patch) {
        (Value::Object(mut fields), Value::Object(patch)) => {
            for (name, change) in patch {
                let before = fields.remove(&name).unwrap_or(Value::Null);
                if !change.is_null() {
                    fields.insert(name, merge(before, change));
                }
            }
            Value::Object(fields)
        }
        (_, patch) => patch,
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
