//! A store in memory that is stricter than the real ones: it loses what was not synced.
//!
//! A commit is first *written*, then *synced*; a power cut keeps only what was synced. The knobs
//! break it on purpose, so that a test can show that the engine survives a crash at every write,
//! and would not if one sync were missing. A cut ends the handle, as it ends a process: what is
//! left is read through [`MemoryStore::reopen`].

mod world;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::{task::yield_now, time::Instant};

use world::{Cut, World, power_cut, replay};

use crate::{
    provider::BoxFuture,
    state::{Change, Lease, Snapshot, StackCommit, StateError, StateStore},
    value::Value,
};

/// A [`StateStore`] for tests. A clone is the same handle on the same store.
///
/// Time is tokio's: in a test with a paused clock, leases expire in virtual time. A commit under a
/// lease whose time ran out is refused even if nobody took over, so a missing heartbeat is noticed.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    world: Arc<Mutex<World>>,
    /// Which run of the machine this handle belongs to; a power cut starts the next.
    boot: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// The knobs. Commits are counted from 1, over all stacks, from the beginning of the store; one
/// that is refused for its lease or its version does not count.
impl MemoryStore {
    /// An empty store that works.
    #[must_use]
    pub fn new() -> Self {
        Self { world: Arc::default(), boot: 0 }
    }

    /// Refuses the `nth` commit with [`StateError::Io`]; nothing of it is written.
    pub fn fail_commit(&self, nth: u64) {
        self.world().fail.insert(nth);
    }

    /// Reports the `nth` commit as durable without syncing it: a power cut before the next sync
    /// loses it. A crash suite that passes with this set does not test what it says.
    pub fn forget_sync(&self, nth: u64) {
        self.world().forget.insert(nth);
    }

    /// Cuts the power right after `writes` commits were reported durable: every later call fails
    /// with [`StateError::Io`], "power cut". With 0 the power is cut at once.
    pub fn cut_after(&self, writes: u64) {
        let mut world = self.world();
        world.cut = Some(Cut::After(writes));
        if world.writes >= writes {
            world.cut_power();
        }
    }

    /// Cuts the power inside the commit number `write`: it is durable, but fails with the "power
    /// cut", so its caller never learns that it succeeded.
    pub fn cut_during(&self, write: u64) {
        self.world().cut = Some(Cut::During(write));
    }

    /// Cuts the power now: drops what was not synced, and ends every handle.
    pub fn crash(&self) {
        self.world().cut_power();
    }

    /// Whether the power was cut under this handle.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.world().boot != self.boot
    }

    /// A new handle on what is durable, with no fault set. Leases are as they were: their
    /// holders' time is still running.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut world = self.world();
        if world.boot == self.boot {
            world.cut_power();
        }
        world.fail.clear();
        world.forget.clear();
        world.cut = None;
        Self { world: Arc::clone(&self.world), boot: world.boot }
    }

    /// Lets the time of every lease run out.
    pub fn expire_leases(&self) {
        let now = Instant::now();
        for held in self.world().stacks.values_mut().filter_map(|stack| stack.held.as_mut()) {
            held.until = now;
        }
    }
}

/// What a test looks at; all of it works without power too.
impl MemoryStore {
    /// How many commits were reported durable.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.world().writes
    }

    /// The state of `stack` as the store has it now.
    #[must_use]
    pub fn snapshot(&self, stack: &str) -> Snapshot {
        self.world().stacks.get(stack).map(|stack| stack.written.clone()).unwrap_or_default()
    }

    /// The names of all stacks.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.world().stacks.keys().cloned().collect()
    }

    /// The commits of `stack` that the store still has, oldest first.
    #[must_use]
    pub fn log(&self, stack: &str) -> Vec<Vec<Change>> {
        self.world().stacks.get(stack).map(|stack| stack.log.clone()).unwrap_or_default()
    }

    /// Asserts that replaying each stack's log from empty yields exactly its state.
    ///
    /// # Panics
    /// When it does not; the message names the stack.
    pub fn check_replay(&self) {
        for (name, stack) in &self.world().stacks {
            assert_eq!(
                replay(&stack.written.lineage, &stack.log),
                stack.written,
                "replaying the log of `{name}` yields its state"
            );
        }
    }

    /// What a file of this store would hold: state and log of every stack as JSON, every secret
    /// sealed. A test that finds a secret's text in here has found a leak.
    #[must_use]
    pub fn dump(&self) -> serde_json::Value {
        let world = self.world();
        let stacks = world.stacks.iter().map(|(name, stack)| {
            let log: Vec<Vec<Change>> = stack
                .log
                .iter()
                .map(|changes| changes.iter().map(|c| sealed(c.clone())).collect())
                .collect();
            let Ok(state) = stack.written.clone().try_map_values(&mut seal);
            (name.clone(), json!({ "state": state, "log": log }))
        });
        serde_json::Value::Object(stacks.collect())
    }
}

fn seal(value: Value) -> Result<Value, std::convert::Infallible> {
    value.try_map_secrets(&mut |_| Ok(Value::Sealed("memory".into())))
}

fn sealed(change: Change) -> Change {
    let Ok(change) = change.try_map_values(&mut seal);
    change
}

impl MemoryStore {
    fn world(&self) -> MutexGuard<'_, World> {
        // No invariant of the world spans a panic: what panics in here is an assertion.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call. It yields before and after, as a real store would: a caller that relies on
    /// a call to be done in one poll is found out.
    fn call<'a, T: Send + 'a>(
        &'a self,
        verb: &'static str,
        f: impl FnOnce(&mut World) -> Result<T, StateError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StateError>> {
        Box::pin(async move {
            yield_now().await;
            let result = {
                let mut world = self.world();
                if world.boot != self.boot {
                    return Err(power_cut(verb));
                }
                f(&mut world)
            };
            yield_now().await;
            result
        })
    }
}

impl StateStore for MemoryStore {
    fn load<'a>(&'a self, stack: &'a str) -> BoxFuture<'a, Result<Snapshot, StateError>> {
        self.call("read", move |world| {
            Ok(world.stacks.get(stack).map(|stack| stack.written.clone()).unwrap_or_default())
        })
    }

    fn stacks(&self) -> BoxFuture<'_, Result<Vec<String>, StateError>> {
        self.call("read", |world| {
            let written = world.stacks.iter().filter(|(_, stack)| stack.written.version > 0);
            Ok(written.map(|(name, _)| name.clone()).collect())
        })
    }

    fn acquire<'a>(
        &'a self,
        stack: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, StateError>> {
        self.call("written", move |world| {
            world.stacks.entry(stack.to_owned()).or_default().acquire(stack, holder, ttl)
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>> {
        self.call("written", move |world| {
            let held = world.stacks.get_mut(&lease.stack).and_then(|stack| stack.held.as_mut());
            match held.filter(|held| held.token == lease.token) {
                Some(held) => {
                    held.until = Instant::now() + lease.ttl;
                    Ok(())
                }
                None => Err(StateError::Fenced { stack: lease.stack.clone() }),
            }
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), StateError>> {
        self.call("written", move |world| {
            if let Some(stack) = world.stacks.get_mut(&lease.stack)
                && stack.held.as_ref().is_some_and(|held| held.token == lease.token)
            {
                stack.held = None;
            }
            Ok(())
        })
    }

    fn commit<'a>(
        &'a self,
        lease: &'a Lease,
        expected: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        let commit = StackCommit { lease: lease.clone(), expected, changes };
        self.call("written", move |world| {
            world.commit(vec![commit]).map(|versions| versions.into_iter().sum())
        })
    }

    fn commit_all(&self, commits: Vec<StackCommit>) -> BoxFuture<'_, Result<Vec<u64>, StateError>> {
        self.call("written", move |world| world.commit(commits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn exports(n: i64) -> Vec<Change> {
        vec![Change::Exports(Value::from(n))]
    }

    #[tokio::test]
    async fn a_power_cut_keeps_what_was_synced_and_ends_the_handle() {
        let store = MemoryStore::new();
        store.cut_after(2);
        let lease = store.acquire("shop", "me", TTL).await.unwrap();
        assert_eq!(store.commit(&lease, 0, exports(1)).await.unwrap(), 1);
        assert_eq!(store.commit(&lease, 1, exports(2)).await.unwrap(), 2);
        assert!(store.is_cut());
        let error = store.commit(&lease, 2, exports(3)).await.unwrap_err();
        assert!(error.to_string().contains("power cut"), "{error}");
        assert!(store.load("shop").await.is_err());

        let store = store.reopen();
        assert!(matches!(store.acquire("shop", "you", TTL).await, Err(StateError::Leased { .. })));
        store.expire_leases();
        let later = store.acquire("shop", "you", TTL).await.unwrap();
        assert!(later.token > lease.token);
        assert_eq!(store.load("shop").await.unwrap().exports, Value::from(2));
        store.check_replay();
    }

    #[tokio::test]
    async fn a_forgotten_sync_is_lost_by_the_next_cut_and_made_good_by_the_next_sync() {
        for (commits, left) in [(2, 1), (3, 3)] {
            let store = MemoryStore::new();
            store.forget_sync(2);
            let lease = store.acquire("shop", "me", TTL).await.unwrap();
            for n in 0..commits {
                store.commit(&lease, n, exports(1)).await.unwrap();
            }
            let store = store.reopen();
            assert_eq!(store.load("shop").await.unwrap().version, left);
            assert_eq!(store.writes(), commits);
            store.check_replay();
        }
    }

    #[tokio::test]
    async fn a_cut_inside_a_write_leaves_it_durable_but_unreported() {
        let store = MemoryStore::new();
        store.cut_during(1);
        let lease = store.acquire("shop", "me", TTL).await.unwrap();
        assert!(store.commit(&lease, 0, exports(1)).await.is_err());
        assert_eq!(store.reopen().load("shop").await.unwrap().version, 1);
    }

    #[tokio::test]
    async fn a_commit_that_fails_writes_nothing() {
        let store = MemoryStore::new();
        store.fail_commit(1);
        let lease = store.acquire("shop", "me", TTL).await.unwrap();
        assert!(store.commit(&lease, 0, exports(1)).await.is_err());
        assert_eq!(store.snapshot("shop").version, 0);
        assert_eq!(store.commit(&lease, 0, exports(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_dump_holds_no_secret_in_clear() {
        let store = MemoryStore::new();
        let lease = store.acquire("shop", "me", TTL).await.unwrap();
        let secret = Value::from("hunter2").into_secret();
        store.commit(&lease, 0, vec![Change::Exports(secret.clone())]).await.unwrap();
        let dump = store.dump().to_string();
        assert!(dump.contains("$sealed") && !dump.contains("hunter2"), "{dump}");
        assert_eq!(store.load("shop").await.unwrap().exports, secret);
    }
}
