//! Which step waits for which: what is kept where not everything can be, keys that change hands,
//! and rows that outlive what refers to them.

use std::time::{Duration, Instant};

use formwork_core::{
    RefreshMode, Scope,
    testing::{Fault, Op, Thing, ThingHandle},
};

use crate::{
    basics::thing,
    replacement::fixed,
    world::{World, at},
};

#[tokio::test]
async fn what_a_cut_off_update_may_have_referred_to_goes_after_it() {
    let world = World::new();
    let program = |second: bool| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", thing(&[]));
            let y = scope.add("y", thing(&[]));
            scope.add("user", thing(&[if second { &y } else { &x }]));
        }
    };
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        world.settle(program(false)).await;
        world.cloud.fail(Op::Update, "user", 1, fault);
        assert!(world.up(program(true)).await.is_err());
        let log = world.destroy().await.unwrap();
        assert!(at(&log, "delete user") < at(&log, "delete x"), "{log:?}");
        assert!(at(&log, "delete user") < at(&log, "delete y"), "{log:?}");
    }
}

/// `a` goes before it comes anew and `user` comes after it, so `user` can not let go of it first.
#[tokio::test]
async fn a_key_is_free_before_it_is_taken_beside_a_replacement_that_deletes_first() {
    let world = World::new();
    world
        .settle(|scope| {
            let old = scope.add("old", Thing::builder().name("k").build());
            let a = Thing::builder().fixed("1").refs([&old.id]).build().delete_first();
            let a = scope.add("a", a);
            scope.add("user", thing(&[]).after(&a));
        })
        .await;
    let log = world
        .settle(|scope| {
            let new = scope.add("new", Thing::builder().name("k").build());
            let a = scope.add("a", fixed("2", None).delete_first());
            scope.add("user", thing(&[&new]).after(&a));
        })
        .await;
    assert_eq!(log, ["delete a", "delete old", "create a", "create new", "update user"]);
}

#[tokio::test]
async fn an_orphan_lets_go_before_a_change_beside_a_replacement_that_deletes_first() {
    let world = World::new();
    world
        .settle(|scope| {
            let a = scope.add("a", fixed("1", None).delete_first());
            let y = scope.add("y", Thing::builder().label("1").build().after(&a));
            let orphan = scope.add("orphan", thing(&[&y]));
            scope.add("x", thing(&[&orphan]).after(&a));
        })
        .await;
    let log = world
        .settle(|scope| {
            let a = scope.add("a", fixed("2", None).delete_first());
            scope.add("y", Thing::builder().label("2").build().after(&a));
            scope.add("x", thing(&[]).after(&a));
        })
        .await;
    assert_eq!(log, ["delete a", "create a", "update x", "delete orphan", "update y"]);
}

#[tokio::test]
async fn the_row_of_a_guest_outlives_its_host_while_another_refers_to_it() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None).delete_first());
            let guest = scope.add("guest", thing(&[&host]).deleted_with(&host));
            scope.add("user", thing(&[&guest]));
        }
    };
    for cut in 1.. {
        let mut world = World::new();
        world.cloud.lenient();
        world.settle(program("1")).await;
        world.store.cut_after(world.store.writes() + cut);
        if world.up(program("2")).await.is_ok() {
            assert!(cut > 5, "there are not so few writes");
            break;
        }
        world.store = world.store.reopen();
        world.store.expire_leases();
        world.settle(program("2")).await;
        assert_eq!(world.state().records.len(), 3);
    }
}

#[tokio::test]
async fn the_row_of_what_frees_its_key_early_outlives_it_while_another_refers_to_it() {
    let program = |address: &'static str| {
        move |scope: &mut Scope<'_>| {
            let named = scope.add(address, Thing::builder().name("k").build());
            scope.add("user", thing(&[&named]));
        }
    };
    for refused in ["new", "user", "nothing"] {
        let world = World::new();
        world.cloud.lenient();
        world.settle(program("old")).await;
        for op in [Op::Create, Op::Update] {
            world.cloud.fail(op, refused, 1, Fault::Refuse);
        }
        let log = world.up(program("new")).await;
        assert_eq!(log.is_ok(), refused == "nothing");
        world.cloud.heal();
        world.settle(program("new")).await;
        assert_eq!(world.cloud.ids(), ["new#1", "user#1"]);
        assert_eq!(world.state().records.len(), 2);
    }
}

/// Each of `orphans` is used by a hub that stays, and the hub by as many that stay too.
#[tokio::test]
async fn a_plan_grows_with_what_goes_behind_a_hub_and_no_faster() {
    let count = 3_000;
    let world = World::new();
    world.cloud.lenient();
    let program = |orphans: usize, label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let orphans: Vec<ThingHandle> =
                (0..orphans).map(|i| scope.add(format!("orphan-{i}"), thing(&[]))).collect();
            let orphans: Vec<&ThingHandle> = orphans.iter().collect();
            let hub = scope.add("hub", thing(&orphans));
            for i in 0..count {
                let user = Thing::builder().refs([&hub.id]).label(label).build();
                scope.add(format!("user-{i}"), user);
            }
        }
    };
    let made = World::stack(program(count, "1"));
    let plan = world.engine().plan(&made).refresh(RefreshMode::None).await.unwrap();
    world.engine().apply(plan).await.unwrap();
    let stack = World::stack(program(0, "2"));
    let began = Instant::now();
    let plan = world.engine().plan(&stack).refresh(RefreshMode::None).await.unwrap();
    let took = began.elapsed();
    let edges: usize = plan.data().steps.iter().map(|step| step.after.len()).sum();
    assert!(edges < 4 * count, "{edges} edges");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
