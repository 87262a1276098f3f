//! The store over sled.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use formwork_core::{
    BoxFuture,
    state::{Change, Lease, Snapshot, StackCommit, StateError, StateStore},
};
use tokio::sync::oneshot;

use crate::{
    command::{Command, Read, Reply, Sealed, Write},
    decode,
    encode::{Encoded, encode},
    medium::Medium,
    options::SledOptions,
    seal::Vault,
};

/// The state of stacks in a folder of this machine, which one process has open at a time.
///
/// A commit that was answered is on the medium: synced, not only written. A crash, of the process
/// or the machine, loses none of it, and leaves all or nothing of one that was not answered. The
/// lease of a process that crashed binds nobody, for the folder was locked by that process alone.
///
/// The store reads no environment and needs no runtime: one thread of its own does all writing,
/// and stops when the store is dropped.
#[derive(Debug)]
pub struct SledStore {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    vault: Arc<Vault>,
    medium: Medium,
}

impl SledStore {
    /// Opens the store in `dir`, or makes it there, without a key for secrets.
    ///
    /// # Errors
    /// As [`SledOptions::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StateError> {
        Self::options(dir).open()
    }

    /// The options of the store in `dir`.
    pub fn options(dir: impl AsRef<Path>) -> SledOptions {
        SledOptions::new(dir.as_ref())
    }

    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        thread: JoinHandle<()>,
        vault: Arc<Vault>,
        medium: Medium,
    ) -> Self {
        Self { commands: Some(commands), thread: Some(thread), vault, medium }
    }

    /// The last commits of `stack`, oldest first, as the version each made and its changes: for
    /// diagnosis. How many are kept is an option of the store.
    ///
    /// # Errors
    /// When an entry is damaged, or holds a secret and there is no key.
    pub async fn journal(&self, stack: &str) -> Result<Vec<(u64, Vec<Change>)>, StateError> {
        let name = stack.to_owned();
        let entries = self.read(|reply| Read::Journal { stack: name, reply }).await?;
        let open = |(version, bytes): (u64, Vec<u8>)| {
            let changes = decode::changes(&self.vault, &self.medium, stack, version, &bytes)?;
            Ok((version, changes))
        };
        entries.into_iter().map(open).collect()
    }

    pub(crate) fn encode(&self, stack: &str, changes: Vec<Change>) -> Result<Encoded, StateError> {
        encode(&self.vault, &self.medium, stack, changes)
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    pub(crate) async fn read<T>(
        &self,
        read: impl FnOnce(Reply<T>) -> Read,
    ) -> Result<T, StateError> {
        self.ask(|reply| Command::Read(read(reply)), "read").await
    }

    pub(crate) async fn write<T>(
        &self,
        write: impl FnOnce(Reply<T>) -> Write,
    ) -> Result<T, StateError> {
        self.ask(|reply| Command::Write(write(reply)), "written").await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
        verb: &'static str,
    ) -> Result<T, StateError> {
        let ended = || StateError::Io {
            place: self.medium.place(),
            verb,
            message: "the thread of the store has ended".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(ended)?;
        commands.send(command(reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for SledStore {
    /// Waits until what was asked for is durable, and the folder is free.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl StateStore for SledStore {
    fn load<'a>(&'a self, stack: &'a str) -> BoxFuture<'a, Result<Snapshot, StateError>> {
        Box::pin(async move {
            let raw = self.read(|reply| Read::Stack { stack: stack.to_owned(), reply }).await?;
            // Parsing ten thousand rows takes long enough to be in the way of other futures.
            let (reply, parsed) = oneshot::channel();
            let (vault, medium) = (Arc::clone(&self.vault), self.medium.clone());
            let thread = std::thread::Builder::new().name("formwork-load".into());
            let spawned = thread.spawn(move || {
                let _ = reply.send(decode::decode(&vault, &medium, &raw));
            });
            spawned.map_err(self.medium.io("read", &self.medium.dir))?;
            parsed.await.unwrap_or_else(|_| {
                Err(self.medium.corrupt(format!("stack `{stack}`"), "reading it panicked"))
            })
        })
    }

    fn stacks(&self) -> BoxFuture<'_, Result<Vec<String>, StateError>> {
        Box::pin(self.read(|reply| Read::Stacks { reply }))
    }

    fn acquire<'a>(
        &'a self,
        stack: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, StateError>> {
        let (stack, holder) = (stack.to_owned(), holder.to_owned());
        Box::pin(self.write(move |reply| Write::Acquire { stack, holder, ttl, reply }))
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>> {
        Box::pin(self.write(|reply| Write::Renew { lease: lease.clone(), reply }))
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>> {
        Box::pin(self.write(|reply| Write::Release { lease: lease.clone(), reply }))
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        Box::pin(async move {
            let commit = StackCommit { lease: lease.clone(), expected, changes };
            let versions = self.commit_all(vec![commit]).await?;
            Ok(versions.into_iter().sum())
        })
    }

    fn commit_all(&self, commits: Vec<StackCommit>) -> BoxFuture<'_, Result<Vec<u64>, StateError>> {
        Box::pin(async move {
            let seal = |StackCommit { lease, expected, changes }: StackCommit| {
                let encoded = self.encode(&lease.stack, changes)?;
                Ok(Sealed { lease, expected, encoded })
            };
            let commits = commits.into_iter().map(seal).collect::<Result<_, StateError>>()?;
            self.write(move |reply| Write::Commit { commits, reply }).await
        })
    }
}
