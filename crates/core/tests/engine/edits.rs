//! Edits of the recorded state: nothing happens in the cloud, and what is written is all or nothing.

use formwork_core::{
    Scope, Stack,
    state::{
        StateError, StateStore,
        edit::{Edit, EditError, Removal, excerpt, hand_over, remove, rename, repair, take},
    },
    testing::{Fault, MemoryStore, Op},
};

use crate::{basics::thing, replacement::fixed, world::World};

const FORCE: Removal = Removal { force: true, moved_to: None };

fn words(edit: &Edit) -> Vec<String> {
    edit.done.iter().map(ToString::to_string).collect()
}

fn refused(edit: Result<Edit, EditError>) -> Vec<String> {
    edit.unwrap_err().refusals.iter().map(ToString::to_string).collect()
}

fn rm(world: &World, what: &str, how: &Removal) -> Result<Edit, EditError> {
    remove("t", &world.state(), &[what.to_owned()], how)
}

fn mv(world: &World, from: &str, to: &str) -> Result<Edit, EditError> {
    rename("t", &world.state(), &[(from.to_owned(), to.to_owned())])
}

async fn write(world: &World, edit: &Edit) -> Result<Vec<u64>, StateError> {
    edit.commit(&world.store, "me").await
}

fn pair(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    scope.add("b", thing(&[&a]));
}

#[tokio::test]
async fn what_is_removed_stays_in_the_cloud_and_is_made_anew_by_who_still_declares_it() {
    let mut world = World::new();
    world.settle(pair).await;
    let edit = rm(&world, "b", &Removal::default()).unwrap();
    assert_eq!(words(&edit), ["remove b (model:test/thing): `b#1` stays in the cloud"]);
    let before = world.state();
    assert_eq!(write(&world, &edit).await.unwrap(), [before.version + 1]);
    world.kept.push("b#1".to_owned());
    world.check();
    assert_eq!(world.settle(pair).await, ["create b"]);
    assert_eq!(world.cloud.ids(), ["a#1", "b#1", "b#2"]);
    // The same edit again is of a state that is no more.
    assert!(matches!(write(&world, &edit).await, Err(StateError::Stale { .. })));
}

#[tokio::test]
async fn what_others_use_is_removed_only_by_force_and_leaves_a_mark_that_goes_by_itself() {
    let mut world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]).protect());
        scope.add("b", thing(&[&a]));
        scope.add("guest", thing(&[&a]).deleted_with(&a));
    };
    world.settle(program).await;
    assert_eq!(
        refused(rm(&world, "a", &Removal::default())),
        ["a: it is protected", "a: `b`, `guest` refer to it"]
    );
    let edit = rm(&world, "a", &FORCE).unwrap();
    assert_eq!(
        words(&edit),
        ["remove a (model:test/thing): `a#1` stays in the cloud; a mark of it stays, for `b`, \
          `guest` refer to it"]
    );
    write(&world, &edit).await.unwrap();
    world.kept.push("a#1".to_owned());
    world.check();
    let log = world.settle(program).await;
    assert_eq!(log[0], "create a");
    let addresses = world.state().records.into_values().map(|row| row.address.to_string());
    let mut addresses: Vec<String> = addresses.collect();
    addresses.sort();
    assert_eq!(addresses, ["a", "b", "guest"], "the mark is gone");
}

#[tokio::test]
async fn a_copy_that_was_replaced_is_named_by_its_id() {
    let mut world = World::new();
    world.settle(|scope| drop(scope.add("a", fixed("1", None)))).await;
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    world.up(|scope| drop(scope.add("a", fixed("2", None)))).await.unwrap_err();
    let state = world.state();
    let of = |object: &str| {
        let rows = state.records.values();
        let mut rows =
            rows.filter(|row| row.outputs.get("id").and_then(|id| id.as_str()) == Some(object));
        rows.next().unwrap().id.to_string()
    };
    let (old, new) = (of("a#1"), of("a#2"));
    // An address means what is current there.
    let edit = rm(&world, "a", &Removal::default()).unwrap();
    assert_eq!(edit.done[0].id.unwrap().to_string(), new);
    let edit = rm(&world, &old, &Removal::default()).unwrap();
    assert_eq!(
        words(&edit),
        ["remove a (model:test/thing): `a#1` was replaced, and is never deleted"]
    );
    write(&world, &edit).await.unwrap();
    world.kept.push("a#1".to_owned());
    world.assert_settled(|scope| drop(scope.add("a", fixed("2", None)))).await;
    assert_eq!(world.cloud.ids(), ["a#1", "a#2"]);
}

#[tokio::test]
async fn what_a_call_was_cut_off_of_is_removed_only_by_force() {
    let mut world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseAnswer);
    world.up(|scope| drop(scope.add("a", thing(&[])))).await.unwrap_err();
    let told = refused(rm(&world, "a", &Removal::default()));
    assert!(told[0].starts_with("a: a call on it was cut off, and it may exist"), "{told:?}");
    write(&world, &rm(&world, "a", &FORCE).unwrap()).await.unwrap();
    world.kept.push("a#1".to_owned());
    world.check();
    assert!(world.state().intents.is_empty());
}

#[tokio::test]
async fn an_address_is_given_by_hand_and_the_program_says_the_same() {
    let world = World::new();
    world.settle(pair).await;
    let edit = mv(&world, "a", "network/a").unwrap();
    assert_eq!(words(&edit), ["move a -> network/a (model:test/thing)"]);
    write(&world, &edit).await.unwrap();
    world.check();
    struct In(&'static str);
    impl formwork_core::Component for In {
        type Handle = formwork_core::testing::ThingHandle;
        fn declare(self, scope: &mut Scope<'_>) -> Self::Handle {
            scope.add(self.0, thing(&[]))
        }
    }
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("network", In("a"));
        scope.add("b", thing(&[&a]));
    };
    assert_eq!(world.settle(program).await, Vec::<String>::new());
    // A component goes with all inside it.
    write(&world, &mv(&world, "network", "net").unwrap()).await.unwrap();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("net", In("a"));
        scope.add("b", thing(&[&a]));
    };
    assert_eq!(world.settle(program).await, Vec::<String>::new());
    assert_eq!(world.cloud.ids(), ["a#1", "b#1"]);
}

#[tokio::test]
async fn an_address_that_can_not_be_meant_is_refused() {
    let world = World::new();
    world.settle(pair).await;
    assert_eq!(refused(mv(&world, "a", "b")), ["a: `b` is taken: move what is there first"]);
    assert_eq!(refused(mv(&world, "z", "y")), ["z: nothing is recorded there"]);
    assert_eq!(refused(mv(&world, "a", "a")), ["a: it is the address that it has now",]);
    assert_eq!(refused(mv(&world, "a", "a/b")), ["a: `a` and `a/b` are one inside the other"]);
    let told = refused(mv(&world, "a", "/x"));
    assert_eq!(told, ["a: \"/x\" is no address, such as `network/subnet-0`"]);
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    let told = refused(rename("t", &world.state(), &pairs(&[("a", "b"), ("b", "a")])));
    assert_eq!(
        told,
        [
            "a: addresses can not be exchanged at once: `a` to `b`, `b` to `a`; move one of them out \
          of the way first"
        ]
    );
    let told = refused(rename("t", &world.state(), &pairs(&[("a", "c"), ("b", "c")])));
    assert_eq!(told, ["a: `a`, `b` would both be `c`"]);
    // One goes on while another takes its place.
    let edit = rename("t", &world.state(), &pairs(&[("a", "b"), ("b", "c")])).unwrap();
    write(&world, &edit).await.unwrap();
    world.check();
}

#[tokio::test]
async fn the_answer_of_a_lookup_and_a_call_that_was_cut_off_have_the_new_address() {
    let world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseAnswer);
    world.up(|scope| drop(scope.add("a", thing(&[])))).await.unwrap_err();
    let edit = mv(&world, "a", "b").unwrap();
    assert_eq!(words(&edit), ["move a -> b (model:test/thing)"]);
    write(&world, &edit).await.unwrap();
    world.settle(|scope| drop(scope.add("b", thing(&[])))).await;
    assert_eq!(world.cloud.ids(), ["a#1"], "what the call had made was found");
}

#[tokio::test]
async fn an_edit_waits_for_no_run_and_for_no_other_edit() {
    let world = World::new();
    world.settle(pair).await;
    let edit = mv(&world, "a", "c").unwrap();
    let ttl = std::time::Duration::from_secs(60);
    let lease = world.store.acquire("t", "a run", ttl).await.unwrap();
    assert!(matches!(write(&world, &edit).await, Err(StateError::Leased { .. })));
    world.store.release(&lease).await.unwrap();
    let before = world.state();
    let other = mv(&world, "b", "d").unwrap();
    write(&world, &other).await.unwrap();
    assert!(matches!(write(&world, &edit).await, Err(StateError::Stale { .. })));
    assert_eq!(world.state().version, before.version + 1);
    // Nobody is kept out by what was refused.
    world.store.acquire("t", "a run", ttl).await.unwrap();
}

#[tokio::test]
async fn what_breaks_a_rule_is_mended() {
    let world = World::new();
    world.settle(pair).await;
    assert!(repair("t", &world.state()).is_empty());
    let mut state = world.state();
    let ids: Vec<_> = state.records.keys().copied().collect();
    let (a, b) = (ids[0], ids[1]);
    let mut broken = state.records.remove(&a).unwrap();
    broken.address = "b".into();
    broken.depends_on = vec![b, formwork_core::ResourceId::derive(&world.seed(), 9)];
    state.records.insert(a, broken);
    let edit = repair("t", &state);
    let told = words(&edit);
    assert_eq!(told.len(), 3, "{told:#?}");
    let edit_twice = {
        let mut mended = state.clone();
        for change in &edit.parts[0].changes {
            mended.apply(change.clone());
        }
        repair("t", &mended)
    };
    assert!(edit_twice.is_empty(), "{edit_twice:#?}");
}

/// Two stacks of one store, and the cloud that both are on.
struct Two(World);

impl Two {
    async fn up(
        &self,
        stack: &str,
        declare: impl FnOnce(&mut Scope<'_>),
    ) -> Result<Vec<String>, String> {
        let stack = Stack::new(stack, declare).unwrap();
        let engine = self.0.engine();
        let plan = engine.plan(&stack).seed(self.0.seed()).await.map_err(|e| e.to_string())?;
        self.0.cloud.clear_log();
        engine.apply(plan).await.map_err(|error| error.to_string())?;
        Ok(self.0.cloud.mutations())
    }

    fn hand(&self, from: &str, to: &str) -> Result<Edit, EditError> {
        let (s, t) = (self.0.store.snapshot("s"), self.0.store.snapshot("t"));
        hand_over(("s", &s), ("t", &t), &[(from.to_owned(), to.to_owned())])
    }
}

fn source(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    let b = scope.add("b", thing(&[&a]));
    scope.add("c", thing(&[&b]));
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_in_exactly_one_stack_whatever_crashes() {
    for cut in [None, Some(false), Some(true)] {
        let mut two = Two(World::new());
        two.up("s", source).await.unwrap();
        two.up("t", |scope| drop(scope.add("x", thing(&[])))).await.unwrap();
        let edit = two.hand("b", "y").unwrap();
        assert_eq!(words(&edit), ["move b of stack s -> y (model:test/thing)"]);
        let writes = two.0.store.writes();
        match cut {
            Some(true) => two.0.store.cut_during(writes + 1),
            Some(false) => two.0.store.cut_after(writes),
            None => {}
        }
        let done = edit.commit(&two.0.store, "me").await;
        if cut.is_some() {
            assert!(done.is_err());
            two.0.store = two.0.store.reopen();
            two.0.store.expire_leases();
        }
        two.0.store.check_replay();
        let (s, t) = (two.0.store.snapshot("s"), two.0.store.snapshot("t"));
        let moved = cut != Some(false);
        assert_eq!((s.records.len(), t.records.len()), if moved { (2, 2) } else { (3, 1) });
        assert_eq!(s.departed.len(), usize::from(moved));
        for state in [&s, &t] {
            let mut needed = state.records.values().flat_map(|row| &row.depends_on);
            assert!(needed.all(|id| state.records.contains_key(id)), "a reference crosses the cut");
        }
    }
}

#[tokio::test]
async fn what_would_be_torn_apart_or_overwritten_is_not_handed_over() {
    let two = Two(World::new());
    two.up("s", |scope| {
        let a = scope.add("a", thing(&[]));
        scope.add("guest", thing(&[&a]).deleted_with(&a));
        scope.add("b", thing(&[]));
    })
    .await
    .unwrap();
    two.up("t", |scope| drop(scope.add("x", thing(&[])))).await.unwrap();
    assert_eq!(refused(two.hand("a", "a")), ["a: `guest` goes with it: move both"]);
    assert_eq!(
        refused(two.hand("b", "x")),
        ["x: something is recorded there already: move or remove that first"]
    );
    assert_eq!(refused(two.hand("z", "y")), ["z: nothing is recorded there in `s`"]);
    let both = [("a", "a"), ("guest", "guest")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let (s, t) = (two.0.store.snapshot("s"), two.0.store.snapshot("t"));
    let edit = hand_over(("s", &s), ("t", &t), &both).unwrap();
    edit.commit(&two.0.store, "me").await.unwrap();
    let taken = two.up("t", |scope| {
        scope.add("x", thing(&[]));
        let a = scope.add("a", thing(&[]));
        scope.add("guest", thing(&[&a]).deleted_with(&a));
    });
    assert_eq!(taken.await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_excerpt_goes_to_another_store_and_overwrites_nothing() {
    let world = World::new();
    world.settle(pair).await;
    let taken = excerpt("t", &world.state(), &["b".to_owned()]).unwrap();
    assert_eq!((taken.records.len(), taken.records[0].depends_on.len()), (1, 0));
    let there = MemoryStore::new();
    let edit = take("other", &there.snapshot("other"), &taken).unwrap();
    assert_eq!(words(&edit), ["take b (model:test/thing) of stack t"]);
    edit.commit(&there, "me").await.unwrap();
    let state = there.snapshot("other");
    assert_eq!(state.records.len(), 1);
    let told = refused(take("other", &state, &taken));
    assert_eq!(
        told,
        [
            "b: something is recorded there already: move or remove that first",
            "b: it is recorded already, at `b`",
        ]
    );
    let all = excerpt("t", &world.state(), &[]).unwrap();
    assert_eq!(all.records.len(), 2);
    let missing = excerpt("t", &world.state(), &["z".to_owned()]).unwrap_err();
    assert_eq!(missing.refusals[0].to_string(), "z: nothing is recorded there");
}
