//! The laws of a store: what every [`StateStore`] does, whatever it is made of.
//!
//! [`store_laws`] panics at the first law that is broken, and says which it was.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    Random,
    sample::{NAMES, changes, record},
};
use crate::{
    identity::Address,
    state::{Change, Lease, Pin, Record, Snapshot, StackCommit, StateError, StateStore},
    value::{Map, Value},
};

/// Long enough that no lease ends by itself.
const LONG: Duration = Duration::from_secs(600);

/// So short that a lease ends while a law waits for it.
const SHORT: Duration = Duration::from_millis(20);

/// Asserts every law on stores that `open` makes; each must be new, empty, and able to keep
/// secrets. Takes a few seconds at most.
///
/// # Panics
/// When a law is broken.
pub async fn store_laws<S: StateStore + 'static>(open: impl AsyncFn() -> S) {
    an_empty_store_is_empty(&open().await).await;
    a_lease_excludes_a_second_until_it_is_released(&open().await).await;
    a_lease_that_ran_out_is_taken_over_and_its_holder_is_fenced(&open().await).await;
    a_renewed_lease_lasts(&open().await).await;
    a_lineage_is_given_once(&open().await).await;
    a_commit_without_lease_is_refused(&open().await).await;
    a_stale_commit_writes_nothing(&open().await).await;
    stacks_are_apart(&open().await).await;
    values_come_back_as_they_were(&open().await).await;
    changes_of_one_commit_apply_in_order(&open().await).await;
    a_commit_of_several_stacks_is_all_or_none(&open().await).await;
    for seed in 0..4 {
        a_store_agrees_with_the_model(&open().await, seed).await;
    }
    commits_of_many_tasks_keep_their_order(Arc::new(open().await)).await;
}

async fn acquire(store: &impl StateStore, stack: &str) -> Lease {
    let lease = store.acquire(stack, "laws", LONG).await.expect("law: a free lease is given");
    assert_eq!((&*lease.stack, &*lease.holder, lease.ttl), (stack, "laws", LONG));
    lease
}

async fn load(store: &impl StateStore, stack: &str) -> Snapshot {
    store.load(stack).await.expect("law: what was written can be loaded")
}

async fn an_empty_store_is_empty(store: &impl StateStore) {
    for stack in NAMES {
        let state = load(store, stack).await;
        assert_eq!(state, Snapshot::default(), "law: a stack without state is empty");
    }
    let stacks = store.stacks().await.expect("law: an empty store lists its stacks");
    assert!(stacks.is_empty(), "law: loading a stack makes none, but there is {stacks:?}");
}

async fn a_lease_excludes_a_second_until_it_is_released(store: &impl StateStore) {
    let first = acquire(store, "shop").await;
    for holder in ["laws", "another"] {
        match store.acquire("shop", holder, LONG).await {
            Err(StateError::Leased { stack, holder, expires }) => {
                assert_eq!((&*stack, &*holder), ("shop", "laws"), "law: it is said who holds it");
                assert!(expires <= LONG, "law: a lease lasts no longer than its time");
            }
            other => panic!("law: a lease excludes a second, but got {other:?}"),
        }
    }
    let state = load(store, "shop").await;
    assert_eq!(state.version, 0, "law: a lease needs no commit, and loading needs no lease");
    store.release(&first).await.expect("law: a lease can be given back");
    let second = acquire(store, "shop").await;
    assert!(second.token > first.token, "law: every token is larger than the one before");
    store.release(&first).await.expect("law: giving back a lease that was lost is no error");
    let refused = store.acquire("shop", "another", LONG).await;
    assert!(
        matches!(refused, Err(StateError::Leased { .. })),
        "law: giving back a lost lease does not free the one that holds"
    );
}

async fn a_lease_that_ran_out_is_taken_over_and_its_holder_is_fenced(store: &impl StateStore) {
    let old = store.acquire("shop", "old", SHORT).await.expect("law: a free lease is given");
    sleep(2 * SHORT).await;
    let new = acquire(store, "shop").await;
    assert!(new.token > old.token, "law: every token is larger than the one before");
    let renewed = store.renew(&old).await;
    assert!(
        matches!(renewed, Err(StateError::Fenced { .. })),
        "law: a lease that was lost can not be renewed, but got {renewed:?}"
    );
    let written = store.commit(&old, 0, vec![Change::Exports(Value::from(1))]).await;
    assert!(
        matches!(&written, Err(StateError::Fenced { stack }) if stack == "shop"),
        "law: the holder of a lost lease is fenced, but got {written:?}"
    );
    store.release(&old).await.expect("law: giving back a lease that was lost is no error");
    let state = load(store, "shop").await;
    assert_eq!(
        (state.version, state.exports),
        (0, Value::Null),
        "law: a fenced commit writes nothing"
    );
    let version = store.commit(&new, 0, vec![]).await;
    assert_eq!(version.expect("law: whoever took over may write"), 1);
}

async fn a_renewed_lease_lasts(store: &impl StateStore) {
    let ttl = 10 * SHORT;
    let lease = store.acquire("shop", "laws", ttl).await.expect("law: a free lease is given");
    for _ in 0..6 {
        sleep(2 * SHORT).await;
        store.renew(&lease).await.expect("law: a lease that holds can be renewed");
    }
    let refused = store.acquire("shop", "another", ttl).await;
    assert!(
        matches!(refused, Err(StateError::Leased { .. })),
        "law: a renewed lease still excludes a second, but got {refused:?}"
    );
}

async fn a_lineage_is_given_once(store: &impl StateStore) {
    let first = acquire(store, "shop").await;
    let lineage = load(store, "shop").await.lineage;
    assert!(!lineage.is_empty(), "law: the first lease gives a lineage");
    store.commit(&first, 0, vec![]).await.expect("law: a commit without changes is one");
    store.release(&first).await.expect("law: a lease can be given back");
    acquire(store, "shop").await;
    assert_eq!(load(store, "shop").await.lineage, lineage, "law: a lineage stays");
    acquire(store, "shop2").await;
    let other = load(store, "shop2").await.lineage;
    assert_ne!(other, lineage, "law: every stack has a lineage of its own");
}

async fn a_commit_without_lease_is_refused(store: &impl StateStore) {
    let held = acquire(store, "shop").await;
    let forged = [
        Lease { token: held.token + 1, ..held.clone() },
        Lease { stack: "shop2".into(), ..held.clone() },
    ];
    for lease in forged {
        let written = store.commit(&lease, 0, vec![Change::Exports(Value::from(1))]).await;
        assert!(
            matches!(written, Err(StateError::Fenced { .. })),
            "law: a lease that was never given writes nothing, but got {written:?}"
        );
    }
    store.release(&held).await.expect("law: a lease can be given back");
    for expected in [0, 1] {
        let written = store.commit(&held, expected, vec![]).await;
        assert!(
            matches!(written, Err(StateError::Fenced { .. })),
            "law: a lease that was given back writes nothing, and hears no version, but got {written:?}"
        );
    }
    assert_eq!(load(store, "shop").await.version, 0, "law: a refused commit writes nothing");
}

async fn a_stale_commit_writes_nothing(store: &impl StateStore) {
    let mut random = Random::new(1);
    let lease = acquire(store, "shop").await;
    let records: Vec<_> = (0..3).map(|n| record(&mut random, n)).collect();
    let put = |n: usize| Change::Put(Box::new(records[n].clone()));
    let version = store.commit(&lease, 0, vec![put(0)]).await;
    assert_eq!(version.expect("law: the holder of the lease may write"), 1);
    let before = load(store, "shop").await;
    for wrong in [0, 2, u64::MAX] {
        let changes = vec![put(1), Change::Remove(records[0].id), put(2)];
        match store.commit(&lease, wrong, changes).await {
            Err(StateError::Stale { stack, expected, found }) => {
                assert_eq!((&*stack, expected, found), ("shop", wrong, 1), "law: it is said why");
            }
            other => panic!("law: a stale commit is refused, but got {other:?}"),
        }
        assert_eq!(load(store, "shop").await, before, "law: a stale commit writes nothing at all");
    }
    let version = store.commit(&lease, 1, vec![put(1)]).await;
    assert_eq!(version.expect("law: a refused commit does not end the lease"), 2);
}

async fn stacks_are_apart(store: &impl StateStore) {
    let mut expected = BTreeMap::new();
    for (n, stack) in NAMES.into_iter().enumerate() {
        let mut random = Random::new(n as u64);
        let lease = acquire(store, stack).await;
        let mut model = load(store, stack).await;
        // The same ids in every stack.
        let changes: Vec<_> = (0..3)
            .map(|n| Change::Put(Box::new(record(&mut random, n))))
            .chain([Change::Exports(Value::from(stack))])
            .collect();
        changes.iter().cloned().for_each(|change| model.apply(change));
        model.version = store.commit(&lease, 0, changes).await.expect("law: any name is a stack");
        expected.insert(stack, model);
    }
    let lease = store.acquire("nobody", "laws", LONG).await.expect("law: a free lease is given");
    let mut stacks = store.stacks().await.expect("law: the stacks can be listed");
    stacks.sort();
    assert!(
        stacks.iter().eq(expected.keys()),
        "law: the stacks that were committed to are listed, and no others, but got {stacks:?}"
    );
    for (stack, model) in &expected {
        assert_eq!(&load(store, stack).await, model, "law: the stack `{stack}` is apart");
    }
    // Emptying one leaves the others as they are.
    let first = expected.remove("a").expect("`a` is one of the names");
    store.release(&lease).await.expect("law: a lease can be given back");
    let held = Lease { stack: "a".into(), holder: "laws".into(), token: 1, ttl: LONG };
    let changes = first.records.keys().map(|id| Change::Remove(*id)).collect();
    store.commit(&held, 1, changes).await.expect("law: the first token of a stack is 1");
    assert!(load(store, "a").await.records.is_empty(), "law: what was removed is gone");
    for (stack, model) in &expected {
        assert_eq!(&load(store, stack).await, model, "law: the stack `{stack}` is apart");
    }
}

async fn values_come_back_as_they_were(store: &impl StateStore) {
    let mut map = Map::new();
    for key in ["", "$sealed", "$$", "$unknown", "\u{1f980}", "a.b[0]", "a\0b", "\u{7f}\n\""] {
        map.insert(key.to_owned(), Value::from(key));
    }
    map.insert("secret", Value::Secret(Box::new(Value::Map(map.clone()))));
    map.insert(
        "secret of secrets",
        Value::List(vec![map.clone().into(), Value::Null]).into_secret(),
    );
    map.insert("unknown", Value::Unknown);
    let floats = [0.1, -0.0, 1e300, f64::MIN_POSITIVE, 1.0, 123_456_789.123_456_79, 5e-324];
    let numbers = [i64::MIN, -1, 0, 1, i64::MAX].map(serde_json::Number::from);
    let floats = floats.into_iter().filter_map(serde_json::Number::from_f64);
    let numbers = numbers.into_iter().chain(floats).chain([u64::MAX.into()]).map(Value::Number);
    map.insert("numbers", Value::List(numbers.collect()));
    map.insert("big", Value::from("\u{fc}".repeat(512 * 1024)));
    map.insert("big secret", Value::from("x".repeat(1024 * 1024)).into_secret());
    let value = Value::Map(map);

    let lease = acquire(store, "shop").await;
    let mut model = load(store, "shop").await;
    let mut random = Random::new(2);
    for (version, address) in NAMES.into_iter().enumerate() {
        let record = Record {
            address: Address::new(address.repeat(1 + 100 * (version % 2))),
            inputs: value.clone(),
            ..record(&mut random, version as u64)
        };
        let pin = Pin {
            address: record.address.clone(),
            kind: "aws:ec2/vpc".into(),
            query: Value::from(address),
            answer: Value::from(address).into_secret(),
        };
        let changes = vec![Change::Put(Box::new(record)), Change::Pin(pin)];
        changes.iter().cloned().for_each(|change| model.apply(change));
        let version = store.commit(&lease, model.version, changes).await;
        model.version = version.expect("law: any value and any address can be written");
    }
    // Secrets are masked when shown, so the comparison is of values, not of texts.
    assert!(load(store, "shop").await == model, "law: values come back as they were, secrets too");
    for (id, record) in &mut model.records {
        record.inputs = Value::Null;
        let put = Change::Put(Box::new(record.clone()));
        let version = store.commit(&lease, model.version, vec![put]).await;
        model.version = version.unwrap_or_else(|error| panic!("law: {id} can shrink: {error}"));
    }
    assert_eq!(load(store, "shop").await, model, "law: nothing is left of a value that shrank");
}

async fn changes_of_one_commit_apply_in_order(store: &impl StateStore) {
    let mut random = Random::new(3);
    let lease = acquire(store, "shop").await;
    let (one, two) = (record(&mut random, 1), record(&mut random, 1));
    let put = |record: &Record| Change::Put(Box::new(record.clone()));
    let cases = [
        (vec![put(&one), put(&two)], Some(&two)),
        (vec![Change::Remove(one.id), put(&one)], Some(&one)),
        (vec![put(&two), Change::Remove(one.id)], None),
        (vec![put(&one), Change::Remove(one.id), put(&two)], Some(&two)),
    ];
    for (version, (changes, left)) in (0..).zip(cases) {
        let result = store.commit(&lease, version, changes).await;
        assert_eq!(
            result.expect("law: a row may change twice in one commit"),
            version + 1,
            "law: the version goes up by one"
        );
        let state = load(store, "shop").await;
        assert_eq!(state.records.get(&one.id), left, "law: changes apply in order");
    }
}

async fn a_commit_of_several_stacks_is_all_or_none(store: &impl StateStore) {
    let names = ["shop", "a/b", "a"];
    let mut random = Random::new(7);
    let mut leases = Vec::new();
    let mut models = Vec::new();
    for stack in names {
        leases.push(acquire(store, stack).await);
        models.push(load(store, stack).await);
    }
    for round in 0..20 {
        let mut commits = Vec::new();
        for (lease, model) in leases.iter().zip(&mut models) {
            let changes = changes(&mut random);
            commits.push(StackCommit {
                lease: lease.clone(),
                expected: model.version,
                changes: changes.clone(),
            });
            changes.into_iter().for_each(|change| model.apply(change));
            model.version += 1;
        }
        // In whatever order they stand.
        commits.rotate_left(round % names.len());
        let expected: Vec<u64> = commits.iter().map(|commit| commit.expected + 1).collect();
        let versions = store.commit_all(commits).await;
        let versions = versions.unwrap_or_else(|e| panic!("law: several stacks are written: {e}"));
        assert_eq!(versions, expected, "law: each version goes up by one, and stands in order");
        for (stack, model) in names.iter().zip(&models) {
            assert!(load(store, stack).await == *model, "law: `{stack}` agrees with the model");
        }
    }
    assert_eq!(store.commit_all(Vec::new()).await.ok(), Some(Vec::new()), "law: none is no error");
    let commit = |i: usize, token: u64, expected: u64| StackCommit {
        lease: Lease { token, ..leases[i].clone() },
        expected,
        changes: vec![Change::Exports(Value::from("refused"))],
    };
    let (held, version) = (|i: usize| leases[i].token, models[0].version);
    let stale = vec![commit(0, held(0), version), commit(1, held(1), version + 1)];
    let fenced = vec![commit(0, held(0), version + 1), commit(1, held(1) + 1, version)];
    let twice = vec![commit(0, held(0), version), commit(0, held(0), version)];
    for (commits, why) in [(stale, "Stale"), (fenced, "Fenced"), (twice, "Twice")] {
        let refused = store.commit_all(commits).await;
        let told = match &refused {
            Err(StateError::Stale { stack, .. }) if stack == names[1] => "Stale",
            Err(StateError::Fenced { stack }) if stack == names[1] => "Fenced",
            Err(StateError::Twice { stack }) if stack == names[0] => "Twice",
            _ => "something else",
        };
        assert_eq!(told, why, "law: leases come before versions, but got {refused:?}");
        for (stack, model) in names.iter().zip(&models) {
            let state = load(store, stack).await;
            assert!(state == *model, "law: a refused commit writes nothing of any stack");
        }
    }
    let version = store.commit(&leases[0], version, vec![]).await;
    assert!(version.is_ok(), "law: a refused commit ends no lease, but got {version:?}");
}

async fn a_store_agrees_with_the_model(store: &impl StateStore, seed: u64) {
    let mut random = Random::new(seed);
    let lease = acquire(store, "shop").await;
    let mut model = load(store, "shop").await;
    for _ in 0..60 {
        let changes = changes(&mut random);
        changes.iter().cloned().for_each(|change| model.apply(change));
        let version = store.commit(&lease, model.version, changes).await;
        let version = version.unwrap_or_else(|error| panic!("law: a commit is taken: {error}"));
        assert_eq!(version, model.version + 1, "law: the version goes up by one");
        model.version = version;
        if random.below(4) == 0 {
            let state = load(store, "shop").await;
            assert!(state == model, "law: a store agrees with the model\n{state:#?}\n{model:#?}");
        }
    }
    assert!(load(store, "shop").await == model, "law: a store agrees with the model");
}

async fn commits_of_many_tasks_keep_their_order<S: StateStore + 'static>(store: Arc<S>) {
    const TASKS: u64 = 50;
    let lease = acquire(&*store, "shop").await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let (store, lease) = (Arc::clone(&store), lease.clone());
            tokio::spawn(async move {
                let mut random = Random::new(n);
                let change = Change::Put(Box::new(record(&mut random, n)));
                let mut tries = 0;
                // One writer at a time: whoever comes too early comes again.
                loop {
                    match store.commit(&lease, n, vec![change.clone()]).await {
                        Ok(version) => return assert_eq!(version, n + 1),
                        Err(StateError::Stale { found, .. }) if found < n => tries += 1,
                        Err(error) => panic!("law: a commit in its turn is taken: {error}"),
                    }
                    assert!(tries < 100_000, "law: every commit's turn comes");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("law: commits of many tasks are taken one after another");
    }
    let state = load(&*store, "shop").await;
    assert_eq!((state.version, state.records.len() as u64), (TASKS, TASKS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryStore;

    #[tokio::test]
    async fn the_store_in_memory_keeps_the_laws() {
        store_laws(async || MemoryStore::new()).await;
    }
}
