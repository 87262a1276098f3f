//! What a plan of a part leaves out: old copies, open calls, outputs, mistakes, and crashes.

use formwork_core::{
    PlanError, PlanRequest, Scope,
    testing::{Fault, Op, Single, Thing},
};

use crate::{
    basics::thing,
    replacement::fixed,
    targets::{asking, label},
    world::{World, at},
};

#[tokio::test]
async fn old_copies_and_open_calls_of_what_is_left_out_are_left_alone() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None));
            scope.add("b", label(x));
            scope.add("c", label(x));
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    world.cloud.fail(Op::Update, "b", 1, Fault::LoseAnswer);
    assert!(world.up(program("2")).await.is_err());
    let before = world.state();
    assert_eq!(world.up_with(program("3"), |p| p.target("c")).await.unwrap(), ["update c"]);
    let after = world.state();
    let of = |state: &formwork_core::state::Snapshot| {
        let rows = state.records.values().filter(|row| row.address.as_str() != "c").cloned();
        (rows.collect::<Vec<_>>(), state.intents.clone())
    };
    assert_eq!(of(&before), of(&after));
    assert_eq!(after.intents.len(), 1);
    let log = world.up_with(program("3"), |p| p.target("a")).await.unwrap();
    assert_eq!(log.iter().filter(|call| *call == "delete a").count(), 2, "{log:?}");
    assert_eq!(world.settle(program("3")).await, ["update b"]);
}

#[tokio::test]
async fn a_create_that_was_cut_off_is_left_to_a_plan_that_is_about_it() {
    let world = World::new();
    let program = |user: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            let b = scope.add("b", thing(&[&a]));
            if user {
                scope.add("user", thing(&[&b]));
            }
            scope.add("c", thing(&[]));
        }
    };
    world.cloud.fail(Op::Create, "b", 1, Fault::LoseAnswer);
    assert!(world.up(program(false)).await.is_err());
    // It may have made something that uses `a`, and is not there for those who use it.
    let refused = world.refused(program(false), |p| p.destroy().target("a")).await;
    assert!(refused.ends_with("\n  - b: it uses the object of a that goes"), "{refused}");
    let refused = world.refused(program(true), |p| p.target("user")).await;
    assert!(refused.ends_with("\n  - b: user needs it, and it is not there yet"), "{refused}");
    world.cloud.clear_log();
    world.up_with(program(true), |p| p.target("c")).await.unwrap();
    assert!(world.cloud.log().iter().all(|call| call.address != "b"));
    let ask = asking(|p| p.target("user").target("b"));
    assert_eq!(world.up_with(program(true), ask).await.unwrap(), ["create user"]);
    world.assert_settled(program(true)).await;
}

#[tokio::test]
async fn what_was_never_seen_ready_serves_nobody() {
    let world = World::new();
    let program = |user: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            if user {
                scope.add("user", thing(&[&a]));
            }
        }
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    assert!(world.up(program(false)).await.is_err());
    let refused = world.refused(program(true), |p| p.target("user")).await;
    assert!(
        refused.ends_with("\n  - a: user needs it, and no run has seen it ready yet"),
        "{refused}"
    );
}

#[tokio::test]
async fn outputs_that_come_from_what_is_left_out_keep_their_recorded_value() {
    let world = World::new();
    let program = |x: &'static str, more: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", label(x));
            let b = scope.add("b", label(x));
            scope.export("a", a.label.map(Option::unwrap_or_default));
            scope.export("b", b.label.map(Option::unwrap_or_default));
            if more {
                scope.export("old", &a.id);
            }
        }
    };
    world.settle(program("1", true)).await;
    let plan = world.plan_with(program("2", false), |p| p.target("b")).await.unwrap();
    assert_eq!(plan.data().narrowed.clone().unwrap().kept_outputs, ["old", "a"]);
    world.apply(plan).await.unwrap();
    assert_eq!(world.state().exports.to_string(), r#"{a: "1", b: "2", old: "a#1"}"#);
    world.settle(program("2", false)).await;
    assert_eq!(world.state().exports.to_string(), r#"{a: "2", b: "2"}"#);
    world.up_with(program("2", false), |p| p.destroy().target("b")).await.unwrap();
    assert_eq!(world.state().exports.to_string(), r#"{a: "2"}"#);
    world.up_with(program("2", false), |p| p.destroy().target("a")).await.unwrap();
    assert!(world.state().records.is_empty());
    assert_eq!(world.state().exports.to_string(), "{}");
}

#[tokio::test]
async fn what_is_wrong_with_something_else_keeps_nobody_from_a_target() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", label("1"));
        scope.add("wrong", label(""));
    };
    assert!(world.refused(program, |p| p).await.contains("it is empty"));
    assert_eq!(world.up_with(program, |p| p.target("a")).await.unwrap(), ["create a"]);
}

#[tokio::test]
async fn a_protected_part_of_the_cascade_is_told_when_the_cascade_is_in_the_plan() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Single::builder().fixed(x).build());
            scope.add("b", fixed("b", Some(&a)).protect());
        }
    };
    world.cloud.lenient();
    world.settle(program("1")).await;
    let refused = world.refused(program("2"), |p| p.target("a")).await;
    assert!(refused.ends_with("\n  - b: it uses the object of a that goes"), "{refused}");
    let refused = world.refused(program("2"), |p| p.target("a").target("b")).await;
    assert!(refused.ends_with("\n  - b: replaced"), "{refused}");
}

#[tokio::test]
async fn another_type_at_an_address_is_in_the_plan_with_the_address() {
    let world = World::new();
    let old = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    };
    let new = |scope: &mut Scope<'_>| {
        scope.add("a", Single::builder().build());
        scope.add("b", Single::builder().build());
    };
    world.settle(old).await;
    let log = world.up_with(new, |p| p.target("a")).await.unwrap();
    assert!(log.contains(&"create a".into()) && log.contains(&"delete a".into()), "{log:?}");
    assert_eq!(log.len(), 2);
    assert!(at(&world.settle(new).await, "create b") < 2);
}

#[tokio::test]
async fn a_replacement_asked_for_knows_the_name_that_a_cut_off_update_gave() {
    let world = World::new();
    let program = |name: Option<&'static str>| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().maybe_name(name).build());
        }
    };
    world.settle(program(None)).await;
    world.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
    assert!(world.up(program(Some("k"))).await.is_err());
    let log = world.up_with(program(Some("k")), |p| p.replace("a")).await.unwrap();
    assert_eq!(log, ["delete a", "create a"]);
}

#[tokio::test]
async fn a_guest_with_a_call_that_was_cut_off_does_not_come_along_unseen() {
    let mut world = World::new();
    let program = |x: &'static str, guest: bool| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None));
            if guest {
                scope.add("guest", fixed(x, Some(&host)).deleted_with(&host));
            }
        }
    };
    world.cloud.lenient();
    world.settle(program("1", true)).await;
    world.cloud.fail(Op::Create, "guest", 1, Fault::LoseAnswer);
    assert!(world.up(program("2", true)).await.is_err());
    for guest in [true, false] {
        let refused = world.refused(program("3", guest), |p| p.target("host")).await;
        let lacks = "\n  - guest: it lives on the object of host that goes";
        assert!(refused.ends_with(lacks), "{refused}");
    }
    world.kept.extend(["guest#1", "guest#2"].map(String::from));
    let ask = asking(|p| p.target("host").target("guest"));
    let mut log = world.up_with(program("3", true), ask).await.unwrap();
    log.sort();
    assert_eq!(log, ["create guest", "create host", "delete host", "delete host"]);
    world.assert_settled(program("3", true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_durable_write_of_a_narrowed_run_leaves_the_rest_as_it_was() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None));
            scope.add("b", thing(&[&a]));
            scope.add("guest", thing(&[&a]).deleted_with(&a));
            scope.add("left", label(x));
            scope.export("a", &a.id);
        }
    };
    let asks: [fn(PlanRequest<'_>) -> PlanRequest<'_>; 2] =
        [|p| p.target("a").target("b"), |p| p.destroy().target("a").target("b")];
    for ask in asks {
        for (cut, during) in (1..).flat_map(|cut| [(cut, false), (cut, true)]) {
            let mut world = World::new();
            world.cloud.lenient();
            world.settle(program("1")).await;
            let left = |world: &World| {
                let rows = world.state().records.into_values();
                rows.filter(|row| row.address.as_str() == "left").collect::<Vec<_>>()
            };
            let before = left(&world);
            let plan = world.plan_with(program("2"), ask).await.unwrap();
            let write = world.store.writes() + cut;
            if during {
                world.store.cut_during(write);
            } else {
                world.store.cut_after(write);
            }
            let done = world.apply(plan).await;
            if !world.store.is_cut() {
                done.unwrap();
                assert!(cut > 4, "there are not so few writes");
                break;
            }
            world.store = world.store.reopen();
            world.store.expire_leases();
            world.check();
            assert_eq!(left(&world), before);
            world.settle(program("2")).await;
            let recorded = world.state().records.len();
            assert_eq!(recorded, 4, "cut at write {cut}");
        }
    }
}

#[tokio::test]
async fn a_long_cascade_is_named_as_a_whole_and_in_time() {
    const LONG: usize = 1500;
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let mut last = scope.add("r0", fixed(x, None));
            for n in 1..LONG {
                last = scope.add(format!("r{n}"), fixed("f", Some(&last)));
            }
        }
    };
    world.up(program("1")).await.unwrap();
    let asks: [fn(PlanRequest<'_>) -> PlanRequest<'_>; 2] =
        [|p| p.target("r0"), |p| p.destroy().target("r0")];
    for ask in asks {
        let began = std::time::Instant::now();
        let Err(PlanError::LeftOut { missing }) = world.plan_with(program("2"), ask).await else {
            panic!("it was planned")
        };
        assert_eq!(missing.len(), LONG - 1);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
