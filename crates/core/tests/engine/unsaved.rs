//! A store that fails for good: what was done is handed out, kept in a file, and recorded later.

use formwork_core::{
    ApplyError, RecordError, Recorded, Scope, Secret, Unsaved,
    testing::{Fault, Op, Thing},
};

use crate::{basics::thing, saved::Strongbox, world::World};

const PASSWORD: &str = "correct horse battery";

fn version(fixed: &'static str) -> impl Fn(&mut Scope<'_>) + Clone {
    move |scope| {
        let a = Thing::builder().fixed(fixed).password(Secret::new(PASSWORD.to_owned())).build();
        let a = scope.add("a", a);
        scope.add("b", Thing::builder().label("b").refs([&a.id]).build());
        scope.add("c", thing(&[]));
    }
}

/// Goes from version 1 to 2 with a store that takes no commit any more from its `n`th on.
async fn broken_off(world: &World, n: u64) -> Option<Unsaved> {
    world.settle(version("1")).await;
    let before = world.store.writes();
    (before + n..before + n + 100).for_each(|nth| world.store.fail_commit(nth));
    let plan = world.plan(version("2")).await;
    match world.engine().apply(plan).await {
        Ok(_) => None,
        // The very first write failed: nothing was done, and there is nothing to keep.
        Err(ApplyError::State(_)) => Some(Unsaved {
            stack: "t".into(),
            lineage: world.state().lineage,
            version: world.state().version,
            changes: Vec::new(),
        }),
        Err(ApplyError::Unsaved { unsaved, .. }) => Some(*unsaved),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_run_could_not_record_is_recorded_later_wherever_the_store_failed() {
    for n in 1.. {
        let world = World::new();
        let Some(unsaved) = broken_off(&world, n).await else {
            assert!(n > 4, "the run took {n} writes");
            return;
        };
        let bytes = unsaved.to_bytes(Some(&Strongbox(1))).unwrap();
        let read = Unsaved::from_bytes(&bytes, Some(&Strongbox(1))).unwrap();
        assert_eq!(read, unsaved);
        assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD));
        // It makes no difference whether it is recorded, or the next run looks by itself.
        let mut world = world;
        world.store = world.store.reopen();
        world.store.expire_leases();
        let expected = if read.changes.is_empty() { Recorded::Already } else { Recorded::Now };
        assert_eq!(world.engine().record(&read).await.unwrap(), expected);
        world.check();
        assert_eq!(world.engine().record(&read).await.unwrap(), Recorded::Already);
        world.settle(version("2")).await;
        assert_eq!(world.cloud.ids().len(), 3, "after write {n}: {:?}", world.cloud.ids());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_recorded_is_refused_once_somebody_else_wrote() {
    let mut world = World::new();
    let unsaved = broken_off(&world, 3).await.unwrap();
    world.store = world.store.reopen();
    world.store.expire_leases();
    world.settle(version("3")).await;
    let (before, writes) = (world.state(), world.store.writes());
    let error = world.engine().record(&unsaved).await.unwrap_err();
    assert!(matches!(error, RecordError::Written { .. }), "{error}");
    let other = World::new();
    let error = other.engine().record(&unsaved).await.unwrap_err();
    assert!(error.to_string().ends_with("and the one here is empty. Nothing was written"));
    assert_eq!((world.state(), world.store.writes()), (before, writes));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_unrecorded_changes_that_was_touched_or_cut_off_is_not_used() {
    let world = World::new();
    let unsaved = broken_off(&world, 3).await.unwrap();
    let bytes = unsaved.to_bytes(Some(&Strongbox(1))).unwrap();
    for end in 0..bytes.len() {
        assert!(Unsaved::from_bytes(&bytes[..end], Some(&Strongbox(1))).is_err(), "{end}");
    }
    for at in (0..bytes.len()).step_by(7) {
        let mut touched = bytes.clone();
        touched[at] ^= 1;
        assert!(Unsaved::from_bytes(&touched, Some(&Strongbox(1))).is_err(), "{at}");
    }
    let message = |read: Result<Unsaved, _>| match read {
        Err(error) => formwork_core::UnsavedError::to_string(&error),
        Ok(_) => panic!("it was read"),
    };
    let other_key = message(Unsaved::from_bytes(&bytes, Some(&Strongbox(2))));
    assert_eq!(other_key, "its secrets can not be opened: this is not their key");
    let no_key = message(Unsaved::from_bytes(&bytes, None));
    assert_eq!(no_key, "it holds sealed secrets, and there is no key to open them with");
    let plan = crate::saved::file(&world.plan(version("2")).await);
    let other = message(Unsaved::from_bytes(&plan, Some(&Strongbox(1))));
    assert_eq!(other, "this is no file of unrecorded changes: it is a \"plan\" of formwork");
    let error = unsaved.to_bytes(None).unwrap_err().to_string();
    assert_eq!(error, "they hold secrets, and there is no key to seal them with");
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_id_was_lost_with_the_store_is_never_made_twice() {
    let world = World::new();
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    (2..100).for_each(|nth| world.store.fail_commit(nth));
    let plan = world.plan(version("1")).await;
    let result = world.engine().apply(plan).await;
    let Err(ApplyError::Unsaved { unsaved, .. }) = result else { panic!("not broken off") };
    assert!(unsaved.changes.iter().any(|change| format!("{change:?}").contains("a#1")));
    let mut world = world;
    world.store = world.store.reopen();
    world.store.expire_leases();
    world.engine().record(&unsaved).await.unwrap();
    world.check();
    world.settle(version("1")).await;
    let a = world.cloud.ids().into_iter().filter(|id| id.starts_with("a#")).count();
    assert_eq!(a, 1);
}
