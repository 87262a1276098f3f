//! The one thread that owns the store.
//!
//! It takes all writes that wait as one batch, applies it, syncs it, and answers then. A caller
//! that was answered can lose nothing any more, whatever crashes; one that was not has all or
//! nothing of its commit in the store. After an error of sled's or of a sync nobody knows what the
//! medium has, so every later call gets that error until the store is opened again.

use std::{
    collections::HashMap,
    fs::File,
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

use formwork_core::{
    ResourceId, Seed,
    state::{Lease, StateError},
};

use crate::{
    batch::{Batch, Rows},
    command::{Command, RawStack, Read, Reply, Sealed, Write},
    digest::Digest,
    encode::Encoded,
    folder::{Folder, sled_error},
    inspect::{self, StackRow},
    layout,
};

/// How many bytes one batch writes before the next is begun. sled may give a segment away that
/// was written anew in the same batch, before that is synced; batches below a segment rule it out.
const BATCH: usize = 256 * 1024;

/// A lease of this opening of the store. One of an earlier opening is nobody's: the process that
/// held it held the folder too.
struct Live {
    holder: String,
    token: u64,
    until: Instant,
}

pub(crate) struct Writer {
    folder: Folder,
    db: sled::Db,
    log: File,
    journal: u64,
    stacks: HashMap<String, StackRow>,
    live: HashMap<String, Live>,
    broken: Option<StateError>,
}

/// Answers a write, once it is known whether its batch is durable.
type Answer = Box<dyn FnOnce(&Result<(), StateError>)>;

fn answer<T: 'static>(reply: Reply<T>, result: Result<T, StateError>) -> Answer {
    Box::new(move |durable| {
        // A caller that has gone away does not want to know.
        let _ = reply.send(durable.clone().and(result));
    })
}

impl Writer {
    /// The writer of an open folder; its journal keeps `journal` commits per stack.
    pub(crate) fn new(folder: Folder, db: sled::Db, journal: u64) -> Result<Self, StateError> {
        let path = folder.log();
        let log = File::open(&path).map_err(folder.medium().io("opened", &path))?;
        let rows = inspect::stacks(folder.medium(), &db)?;
        let stacks = rows.into_iter().map(|row| (row.stack.clone(), row)).collect();
        Ok(Self { folder, db, log, journal, stacks, live: HashMap::new(), broken: None })
    }

    /// Works until every sender is gone, then closes the store.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let mut next = None;
        while let Some(command) = next.take().or_else(|| commands.recv().ok()) {
            match command {
                Command::Read(read) => self.read(read),
                Command::Write(write) => next = self.write(write, commands),
            }
        }
        if self.broken.is_none() {
            // Not closed cleanly, it is checked when it is opened: nothing is lost by that.
            let _ = self.folder.close(self.db);
        }
    }

    /// Makes `first` and the writes that wait behind it durable together; returns the command
    /// that came next and is none of them.
    fn write(&mut self, first: Write, commands: &Receiver<Command>) -> Option<Command> {
        let mut batch = Batch::default();
        let mut answers = vec![self.stage(first, &mut batch)];
        let mut next = None;
        while batch.bytes() < BATCH && next.is_none() {
            match commands.try_recv() {
                Ok(Command::Write(write)) => answers.push(self.stage(write, &mut batch)),
                Ok(other) => next = Some(other),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let durable = match &self.broken {
            Some(error) => Err(error.clone()),
            None if batch.is_empty() => Ok(()),
            None => self.make_durable(batch),
        };
        if let Err(error) = &durable {
            self.broken = Some(error.clone());
        }
        answers.into_iter().for_each(|answer| answer(&durable));
        next
    }

    fn make_durable(&self, batch: Batch) -> Result<(), StateError> {
        let medium = self.folder.medium();
        batch.apply(&Rows { db: &self.db, medium })?;
        self.db.flush().map_err(|error| sled_error(medium, "written", &error))?;
        medium.sync_file(&self.folder.log(), &self.log)?;
        self.folder.witness(inspect::writes(self.stacks.values()))
    }

    /// Checks a write and adds it to the batch. One that is refused adds nothing.
    fn stage(&mut self, write: Write, batch: &mut Batch) -> Answer {
        match write {
            Write::Acquire { stack, holder, ttl, reply } => {
                answer(reply, self.acquire(stack, holder, ttl, batch))
            }
            Write::Renew { lease, reply } => answer(reply, self.renew(&lease)),
            Write::Release { lease, reply } => answer(reply, self.release(&lease, batch)),
            Write::Commit { commits, reply } => answer(reply, self.commit(commits, batch)),
            Write::Import { row, encoded, reply } => {
                answer(reply, self.import(row, encoded, batch))
            }
        }
    }

    fn acquire(
        &mut self,
        stack: String,
        holder: String,
        ttl: Duration,
        batch: &mut Batch,
    ) -> Result<Lease, StateError> {
        let now = Instant::now();
        self.refuse_if_leased(&stack, now)?;
        let mut row = self.stacks.get(&stack).cloned().unwrap_or_default();
        if row.lineage.is_empty() {
            row.stack.clone_from(&stack);
            row.lineage = new_lineage(&self.folder)?;
            row.journal_from = 1;
        }
        row.token += 1;
        row.holder = Some(holder.clone());
        let token = row.token;
        self.keep(row, batch)?;
        let live = Live { holder: holder.clone(), token, until: now + ttl };
        self.live.insert(stack.clone(), live);
        Ok(Lease { stack, holder, token, ttl })
    }

    fn refuse_if_leased(&self, stack: &str, now: Instant) -> Result<(), StateError> {
        match self.live.get(stack).filter(|live| live.until > now) {
            Some(live) => Err(StateError::Leased {
                stack: stack.to_owned(),
                holder: live.holder.clone(),
                expires: live.until - now,
            }),
            None => Ok(()),
        }
    }

    fn held(&mut self, lease: &Lease) -> Option<&mut Live> {
        self.live.get_mut(&lease.stack).filter(|live| live.token == lease.token)
    }

    /// Writes nothing: leases live as long as this opening of the store.
    fn renew(&mut self, lease: &Lease) -> Result<(), StateError> {
        let until = Instant::now() + lease.ttl;
        let live = self.held(lease);
        let live = live.ok_or_else(|| StateError::Fenced { stack: lease.stack.clone() })?;
        live.until = until;
        Ok(())
    }

    fn release(&mut self, lease: &Lease, batch: &mut Batch) -> Result<(), StateError> {
        if self.held(lease).is_none() {
            return Ok(());
        }
        self.live.remove(&lease.stack);
        let mut row = self.stacks.get(&lease.stack).cloned().unwrap_or_default();
        row.holder = None;
        self.keep(row, batch)
    }

    /// Checks all of it before any is staged: a batch is written as a whole, so that several stacks
    /// change as one.
    fn commit(&mut self, commits: Vec<Sealed>, batch: &mut Batch) -> Result<Vec<u64>, StateError> {
        let mut rows: Vec<StackRow> = Vec::with_capacity(commits.len());
        for Sealed { lease, .. } in &commits {
            let fenced = || StateError::Fenced { stack: lease.stack.clone() };
            if rows.iter().any(|row| row.stack == lease.stack) {
                return Err(StateError::Twice { stack: lease.stack.clone() });
            }
            self.held(lease).ok_or_else(fenced)?;
            rows.push(self.stacks.get(&lease.stack).cloned().ok_or_else(fenced)?);
        }
        for (Sealed { lease, expected, .. }, row) in commits.iter().zip(&rows) {
            if row.version != *expected {
                let (stack, expected, found) = (lease.stack.clone(), *expected, row.version);
                return Err(StateError::Stale { stack, expected, found });
            }
        }
        let mut versions = Vec::with_capacity(rows.len());
        for (commit, mut row) in commits.into_iter().zip(rows) {
            row.version += 1;
            versions.push(row.version);
            let staged = self.stage_rows(&mut row, commit.encoded, batch);
            let staged = staged.and_then(|()| self.keep(row, batch));
            if let Err(error) = &staged {
                // Half of it may be in the batch already, so none of the batch is written.
                self.broken = Some(error.clone());
            }
            staged?;
        }
        Ok(versions)
    }

    fn stage_rows(
        &self,
        row: &mut StackRow,
        encoded: Encoded,
        batch: &mut Batch,
    ) -> Result<(), StateError> {
        let rows = Rows { db: &self.db, medium: self.folder.medium() };
        for (key, value) in &encoded.rows {
            batch.set(&rows, key, value.as_deref(), &mut row.digest)?;
        }
        if let Some(secrets) = encoded.secrets {
            batch.set_entry(layout::SECRETS.to_vec(), Some(secrets));
        }
        let unsummed = &mut Digest::default();
        let entry = layout::entry(&row.stack, row.version);
        batch.set(&rows, &entry, Some(&encoded.journal), unsummed)?;
        // Two at most, so that a commit stays cheap when a store is opened with a shorter journal.
        for _ in 0..2 {
            if row.version - row.journal_from >= self.journal {
                let entry = layout::entry(&row.stack, row.journal_from);
                batch.set(&rows, &entry, None, unsummed)?;
                row.journal_from += 1;
            }
        }
        Ok(())
    }

    /// Takes a stack from elsewhere, as the version it had there.
    fn import(
        &mut self,
        mut row: StackRow,
        encoded: Encoded,
        batch: &mut Batch,
    ) -> Result<(), StateError> {
        self.refuse_if_leased(&row.stack, Instant::now())?;
        if let Some(here) = self.stacks.get(&row.stack) {
            if here.version > 0 {
                return Err(StateError::Io {
                    place: self.folder.medium().place(),
                    verb: "imported",
                    message: format!("stack `{}` has state here already", row.stack),
                });
            }
            row.token = here.token;
        }
        row.journal_from = row.version;
        let staged = self.stage_rows(&mut row, encoded, batch);
        if let Err(error) = &staged {
            self.broken = Some(error.clone());
        }
        staged?;
        self.keep(row, batch)
    }

    fn keep(&mut self, row: StackRow, batch: &mut Batch) -> Result<(), StateError> {
        let medium = self.folder.medium();
        let value = serde_json::to_vec(&row)
            .map_err(|error| medium.corrupt(format!("stack `{}`", row.stack), error))?;
        batch.set_entry(layout::stack(&row.stack), Some(value));
        self.stacks.insert(row.stack.clone(), row);
        Ok(())
    }

    fn read(&self, read: Read) {
        let broken = self.broken.clone().map_or(Ok(()), Err);
        let medium = self.folder.medium();
        match read {
            Read::Stacks { reply } => {
                let written = self.stacks.values().filter(|row| row.version > 0);
                let mut names: Vec<_> = written.map(|row| row.stack.clone()).collect();
                names.sort();
                let _ = reply.send(broken.map(|()| names));
            }
            Read::Stack { stack, reply } => {
                let row = self.stacks.get(&stack).cloned().unwrap_or_default();
                let result = broken.and_then(|()| {
                    let (digest, entries) = inspect::scan(medium, &self.db, &stack)?;
                    Ok(RawStack { row, digest, entries })
                });
                let _ = reply.send(result);
            }
            Read::Journal { stack, reply } => {
                let _ =
                    reply.send(broken.and_then(|()| inspect::journal(medium, &self.db, &stack)));
            }
        }
    }
}

fn new_lineage(folder: &Folder) -> Result<String, StateError> {
    let seed = Seed::random().map_err(|error| StateError::Io {
        place: folder.medium().place(),
        verb: "written",
        message: error.to_string(),
    })?;
    Ok(ResourceId::derive(&seed, 0).to_string())
}
