//! What a [`MemoryStore`](super::MemoryStore) is a handle on: what is written, and what of it is synced.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    identity::{ResourceId, Seed},
    state::{Change, Lease, Snapshot, StackCommit, StateError},
};

const PLACE: &str = "memory";

/// The machine that the store is on.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) boot: u64,
    pub(super) stacks: BTreeMap<String, Stack>,
    /// Commits that were tried and were not refused for lease or version.
    pub(super) tried: u64,
    /// Commits that were said to be durable.
    pub(super) writes: u64,
    pub(super) fail: BTreeSet<u64>,
    pub(super) forget: BTreeSet<u64>,
    pub(super) cut: Option<Cut>,
}

/// One stack, as written and as it would be after a power cut.
#[derive(Debug, Default)]
pub(super) struct Stack {
    /// What is written, synced or not.
    pub(super) written: Snapshot,
    pub(super) log: Vec<Vec<Change>>,
    /// How many entries of `log` a power cut leaves.
    pub(super) synced: usize,
    pub(super) token: u64,
    pub(super) held: Option<Held>,
}

/// A lease that was given, until it is given back or runs out.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) holder: String,
    pub(super) token: u64,
    pub(super) until: Instant,
}

/// When the power is to be cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// The write is durable, and its caller knows.
    After(u64),
    /// The write is durable, and its caller never learns of it.
    During(u64),
}

/// The state that the commits in `log` make, one after another, from nothing.
pub(super) fn replay(lineage: &str, log: &[Vec<Change>]) -> Snapshot {
    let mut state = Snapshot { lineage: lineage.to_owned(), ..Snapshot::default() };
    for changes in log {
        changes.iter().cloned().for_each(|change| state.apply(change));
        state.version += 1;
    }
    state
}

/// What every call gets after a power cut.
pub(super) fn power_cut(verb: &'static str) -> StateError {
    StateError::Io { place: PLACE.into(), verb, message: "power cut".into() }
}

impl World {
    /// Drops what was not synced, and ends every handle.
    pub(super) fn cut_power(&mut self) {
        self.boot += 1;
        for stack in self.stacks.values_mut() {
            if stack.log.len() > stack.synced {
                stack.log.truncate(stack.synced);
                stack.written = replay(&stack.written.lineage, &stack.log);
            }
        }
    }

    /// Writes and syncs all of it or nothing, or does as it was told to fail.
    pub(super) fn commit(&mut self, commits: Vec<StackCommit>) -> Result<Vec<u64>, StateError> {
        let mut names = BTreeSet::new();
        for StackCommit { lease, .. } in &commits {
            if !names.insert(lease.stack.clone()) {
                return Err(StateError::Twice { stack: lease.stack.clone() });
            }
            let held = self.stacks.get(&lease.stack).and_then(|stack| stack.held.as_ref());
            let held = held.filter(|held| held.token == lease.token);
            if held.is_none_or(|held| held.until <= Instant::now()) {
                return Err(StateError::Fenced { stack: lease.stack.clone() });
            }
        }
        for StackCommit { lease, expected, .. } in &commits {
            let found = self.stacks.get(&lease.stack).map_or(0, |stack| stack.written.version);
            if found != *expected {
                let (stack, expected) = (lease.stack.clone(), *expected);
                return Err(StateError::Stale { stack, expected, found });
            }
        }
        self.tried += 1;
        if self.fail.contains(&self.tried) {
            return Err(StateError::Io {
                place: PLACE.into(),
                verb: "written",
                message: format!("commit {} was told to fail", self.tried),
            });
        }
        let mut versions = Vec::with_capacity(commits.len());
        for StackCommit { lease, changes, .. } in commits {
            let stack = self.stacks.entry(lease.stack).or_default();
            changes.iter().cloned().for_each(|change| stack.written.apply(change));
            stack.written.version += 1;
            stack.log.push(changes);
            versions.push(stack.written.version);
        }
        if !self.forget.contains(&self.tried) {
            // A sync is of the whole medium: it makes an earlier, forgotten one good.
            self.stacks.values_mut().for_each(|stack| stack.synced = stack.log.len());
        }
        self.writes += 1;
        match self.cut {
            Some(Cut::After(n)) if self.writes >= n => self.cut_power(),
            Some(Cut::During(n)) if self.writes >= n => {
                self.cut_power();
                return Err(power_cut("written"));
            }
            _ => {}
        }
        Ok(versions)
    }
}

impl Stack {
    /// Gives the lease to `holder`, if it is free.
    pub(super) fn acquire(
        &mut self,
        stack: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Lease, StateError> {
        let now = Instant::now();
        if let Some(held) = self.held.as_ref().filter(|held| held.until > now) {
            return Err(StateError::Leased {
                stack: stack.to_owned(),
                holder: held.holder.clone(),
                expires: held.until - now,
            });
        }
        if self.written.lineage.is_empty() {
            let seed = Seed::random().map_err(|error| StateError::Io {
                place: PLACE.into(),
                verb: "written",
                message: error.to_string(),
            })?;
            self.written.lineage = ResourceId::derive(&seed, 0).to_string();
        }
        self.token += 1;
        let token = self.token;
        self.held = Some(Held { holder: holder.to_owned(), token, until: now + ttl });
        Ok(Lease { stack: stack.to_owned(), holder: holder.to_owned(), token, ttl })
    }
}
