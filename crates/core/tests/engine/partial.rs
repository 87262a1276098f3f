//! What a run that did not get to its end must not make the next one forget.

use formwork_core::{
    Scope,
    testing::{Fault, Op, Single, Thing},
};

use crate::{
    basics::thing,
    document::{Document, Office},
    replacement::fixed,
    world::World,
};

#[tokio::test(start_paused = true)]
async fn what_the_replacing_program_retains_is_retained_after_a_crash() {
    for n in 1..=6 {
        let mut world = World::new();
        world
            .settle(|s| {
                s.add("a", fixed("1", None));
            })
            .await;
        let program = |s: &mut Scope<'_>| {
            s.add("a", fixed("2", None).retain());
        };
        world.kept.push("a#1".into());
        world.store.cut_after(world.store.writes() + n);
        let _ = world.up(program).await;
        world.store = world.store.reopen();
        world.store.expire_leases();
        world.up(program).await.unwrap();
        assert!(world.cloud.object("a#1").is_some(), "deleted after a crash after write {n}");
    }
}

#[tokio::test]
async fn what_lives_on_a_replaced_host_is_made_again_also_by_a_later_run() {
    let mut world = World::new();
    let program = |x: &'static str| {
        move |s: &mut Scope<'_>| {
            let host = s.add("host", fixed(x, None));
            s.add("guest", thing(&[]).deleted_with(&host));
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Create, "guest", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    world.kept.push("guest#1".into());
    assert!(world.settle(program("2")).await.contains(&"create guest".to_owned()));
}

#[tokio::test]
async fn what_is_replaced_with_another_is_replaced_also_by_a_later_run() {
    let world = World::new();
    let program = |x: &'static str| {
        move |s: &mut Scope<'_>| {
            let host = s.add("host", fixed(x, None));
            s.add("twin", thing(&[]).replace_with(&host));
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Create, "twin", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    assert!(world.settle(program("2")).await.contains(&"create twin".to_owned()));
}

#[tokio::test]
async fn a_new_partner_to_be_replaced_with_replaces_nothing() {
    let world = World::new();
    world
        .settle(|s| {
            s.add("a", thing(&[]));
        })
        .await;
    let program = |s: &mut Scope<'_>| {
        let x = s.add("x", thing(&[]));
        s.add("a", thing(&[]).replace_with(&x));
    };
    assert_eq!(world.settle(program).await, ["create x"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_its_replacement_took_over_is_not_deleted() {
    for cut in 1..=8 {
        let mut office = Office::new();
        let program = |shape: &'static str| {
            move |s: &mut Scope<'_>| {
                s.add("a", Document::new("k").shape(shape));
            }
        };
        office.up(program("a")).await.unwrap();
        office.cut_after(cut);
        let _ = office.up(program("b")).await;
        office.reopen();
        office.up(program("b")).await.unwrap();
        assert_eq!(office.get("k").and_then(|k| k.shape).as_deref(), Some("b"), "cut after {cut}");
        let plan = office.up(program("b")).await.unwrap();
        assert!(plan.contains("nothing to do"), "{plan}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_another_address_took_over_is_not_deleted() {
    for cut in 1..=8 {
        let mut office = Office::new();
        let program = |name: &'static str| {
            move |s: &mut Scope<'_>| {
                s.add(name, Document::new("k"));
            }
        };
        office.up(program("a")).await.unwrap();
        office.cut_after(cut);
        let _ = office.up(program("b")).await;
        office.reopen();
        for _ in 0..2 {
            office.up(program("b")).await.unwrap();
        }
        assert!(office.get("k").is_some(), "cut after {cut}");
    }
}

#[tokio::test]
async fn a_guest_whose_address_gets_another_type_while_it_goes_leaves_one_current_row() {
    let mut world = World::new();
    world
        .settle(|s| {
            let host = s.add("host", thing(&[]));
            s.add("guest", Thing::builder().build().deleted_with(&host));
        })
        .await;
    world.kept.push("guest#1".into());
    world
        .settle(|s| {
            s.add("guest", Single::builder().build());
        })
        .await;
}

#[tokio::test]
async fn a_guest_that_a_cut_off_update_may_have_moved_off_its_host_is_deleted_by_itself() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let world = World::new();
        world
            .settle(|s| {
                let host = s.add("host", thing(&[]));
                s.add("guest", thing(&[&host]).deleted_with(&host));
            })
            .await;
        world.cloud.fail(Op::Update, "guest", 1, fault);
        let moved = world.up(|s| drop(s.add("guest", thing(&[])))).await;
        assert!(moved.is_err());
        assert_eq!(world.destroy().await.unwrap(), ["delete guest", "delete host"]);
    }
}
