//! What is true of each of them stays true where they meet: exclusive parents, what is taken over,
//! and what is undecided.

use formwork_core::{
    PlanRequest, SavedPlan, Scope, Stack, Unsaved,
    testing::{Fault, Op, Part, Thing},
    value::Value,
};

use crate::{
    basics::thing,
    saved::{self, Strongbox},
    unmanaged::{LEAF, PART, of, part, told},
    world::World,
};

/// The engine loads what was saved, and applies it.
async fn through_a_file(
    world: &World,
    declare: impl Fn(&mut Scope<'_>),
    ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
) -> Vec<String> {
    let plan = world.plan_with(&declare, ask).await.unwrap();
    let saved = SavedPlan::from_bytes(&saved::file(&plan)).unwrap().open(Some(&Strongbox(1)));
    let loaded = world.engine().load(&World::stack(&declare), saved.unwrap()).await;
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{plan}"));
    world.apply(loaded).await.unwrap()
}

/// An exclusive parent, and a subtree that takes over what somebody made for it.
fn later(fixed: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]).exclusive());
        let x = scope.add("x", Thing::builder().fixed(fixed).build());
        scope.decide("later", &x.id, move |scope, _: String| {
            if fixed == "2" {
                scope.add("part", part(&a).import("by-hand#1"));
            }
        });
    }
}

fn records_only(request: formwork_core::PlanRequest<'_>) -> formwork_core::PlanRequest<'_> {
    request.refresh_only()
}

#[tokio::test]
async fn what_is_undecided_may_take_over_what_an_exclusive_parent_has() {
    let world = World::of_families();
    world.waves(later("1")).await;
    world.cloud.add(PART, of("a#1"));
    let plan = world.plan(later("2")).await;
    assert_eq!(told(&plan), ["a[by-hand#1] Stays"], "{plan}");
    world.apply(plan).await.unwrap();
    let plan = world.plan(later("2")).await;
    assert!(told(&plan).is_empty(), "{plan}");
    world.apply(plan).await.unwrap();
    world.assert_settled(later("2")).await;
    assert!(world.cloud.object("by-hand#1").is_some());
}

/// An exclusive parent in a subtree that may be undecided.
fn within(fixed: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().fixed(fixed).build());
        scope.decide("later", &x.id, move |scope, _: String| {
            let a = thing(&[]);
            scope.add("a", if fixed == "1" { a.exclusive() } else { a });
        });
    }
}

#[tokio::test]
async fn an_undecided_parent_keeps_what_it_has_exclusive_or_not() {
    let world = World::of_families();
    world.waves(within("1")).await;
    world.cloud.add(PART, of("later.a#1"));
    let plan = world.plan(within("2")).await;
    assert_eq!(told(&plan), ["later/a[by-hand#1] Stays"], "{plan}");
    world.apply(plan).await.unwrap();
    world.up(within("2")).await.unwrap();
    world.assert_settled(within("2")).await;
    assert!(world.cloud.object("by-hand#1").is_some());
}

#[tokio::test]
async fn what_is_held_back_keeps_what_it_has() {
    let world = World::of_families();
    let program = |fixed: &'static str, orphan: bool| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", Thing::builder().fixed(fixed).build());
            if orphan {
                scope.add("o", thing(&[]).exclusive());
            }
            scope.decide("later", &x.id, move |scope, _: String| {
                if !orphan {
                    scope.add("a", thing(&[]).moved_from("/o"));
                }
            });
        }
    };
    world.waves(program("1", true)).await;
    world.cloud.add(PART, of("o#1"));
    let plan = world.plan(program("2", false)).await;
    assert_eq!(told(&plan), ["o[by-hand#1] Stays"], "{plan}");
}

#[tokio::test]
async fn a_narrowed_plan_leaves_alone_what_the_program_takes_over() {
    for adopt in [false, true] {
        let world = World::of_families();
        world.settle(|scope| drop(scope.add("a", thing(&[]).exclusive()))).await;
        let mut inputs = of("a#1");
        if let Value::Map(map) = &mut inputs {
            map.insert("name", "n");
        }
        world.cloud.add(PART, inputs);
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]).exclusive());
            let part = Part::builder().fixed_ref(&a.id).name("n").build();
            scope.add("part", if adopt { part.adopt() } else { part.import("by-hand#1") });
        };
        let plan = world.plan_with(program, |p| p.target("a")).await.unwrap();
        assert!(!plan.to_string().contains("to delete"), "{adopt} {plan}");
        let plan = world.plan_with(program, |p| p.exclude("part")).await.unwrap();
        assert!(!plan.to_string().contains("to delete"), "{adopt} {plan}");
        world.settle(program).await;
        assert!(world.cloud.object("by-hand#1").is_some());
    }
}

#[tokio::test]
async fn what_waits_is_taken_over_when_it_is_decided() {
    for saved in [false, true] {
        let mut world = World::of_families();
        world.foreign("old-1", r#"{"label": "old", "zone": "zone-a"}"#);
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]).exclusive());
            let x = scope.add("x", Thing::builder().build());
            let y = scope.decide("later", &x.id, move |scope, _: String| {
                scope.add("y", Thing::builder().build()).id
            });
            scope.add(
                "old",
                Thing::builder().label("new").refs([y.clone()]).build().import("old-1"),
            );
            scope.add(
                "part",
                Part::builder().fixed_ref(&a.id).refs([y]).build().import("by-hand#1"),
            );
        };
        world.up(|scope| drop(scope.add("a", thing(&[]).exclusive()))).await.unwrap();
        world.cloud.add(PART, of("a#1"));
        match saved {
            false => drop(world.waves(program).await),
            true => {
                through_a_file(&world, program, |p| p).await;
                through_a_file(&world, program, |p| p).await;
            }
        }
        world.assert_settled(program).await;
        assert!(world.is_ours("old-1", "old") && world.is_ours("by-hand#1", "part"));
    }
}

#[tokio::test]
async fn a_mark_of_what_went_stays_while_it_may_be_declared_later() {
    let world = World::new();
    let declare = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", Thing::builder().fixed(fixed).build());
            scope.decide("later", &x.id, |scope, _: String| {
                scope.add("b", thing(&[]));
            });
        }
    };
    for _ in 0..2 {
        world.up(declare("1")).await.unwrap();
    }
    let stack = Stack::new("u", |scope| {
        scope.add("y", thing(&[]).moved_from_stack("t", "later/b"));
    });
    let plan = world.engine().plan(&stack.unwrap()).seed(world.seed()).await.unwrap();
    world.engine().apply(plan).await.unwrap();
    assert_eq!(world.state().departed.len(), 1);
    // `x` is replaced, so nobody knows whether `later/b` is still declared.
    let plan = world.engine().plan(&World::stack(declare("2"))).await.unwrap();
    assert_eq!(plan.undecided().len(), 1);
    world.engine().apply(plan).await.unwrap();
    assert_eq!(world.state().departed.len(), 1, "the mark is gone");
    let error = world.engine().plan(&World::stack(declare("2"))).await.unwrap_err();
    assert!(error.to_string().contains("gave away"), "{error}");
}

/// Takes over two, one with a change, under an exclusive parent.
fn taking(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]).exclusive());
    let part = Part::builder().fixed_ref(&a.id).label("new").build();
    scope.add("part", part.import("by-hand#1"));
}

#[tokio::test]
async fn an_import_through_a_file_is_the_import() {
    let world = World::of_families();
    world.settle(|scope| drop(scope.add("a", thing(&[]).exclusive()))).await;
    world.cloud.add(PART, of("a#1"));
    world.cloud.add(PART, of("a#1"));
    let done = through_a_file(&world, taking, |p| p).await;
    assert_eq!(done.len(), 2, "{done:?}");
    world.assert_settled(taking).await;
}

#[tokio::test(start_paused = true)]
async fn an_import_that_the_store_did_not_record_is_recorded_later() {
    for n in 1..8 {
        let mut world = World::of_families();
        world.settle(|scope| drop(scope.add("a", thing(&[]).exclusive()))).await;
        world.cloud.add(PART, of("a#1"));
        world.cloud.add(PART, of("a#1"));
        let before = world.store.writes();
        (before + n..before + n + 100).for_each(|nth| world.store.fail_commit(nth));
        let plan = world.plan(taking).await;
        let result = world.engine().apply(plan).await;
        world.store = world.store.reopen();
        world.store.expire_leases();
        if let Err(formwork_core::ApplyError::Unsaved { unsaved, .. }) = result {
            let bytes = unsaved.to_bytes(Some(&Strongbox(1))).unwrap();
            let read = Unsaved::from_bytes(&bytes, Some(&Strongbox(1))).unwrap();
            world.engine().record(&read).await.unwrap();
        }
        world.check();
        let _ = world.plan_with(taking, records_only).await.unwrap();
        world.settle(taking).await;
        assert!(world.is_ours("by-hand#1", "part"), "{n}");
        world.destroy().await.unwrap();
        assert!(world.cloud.ids().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_of_an_import_and_then_a_refresh_or_a_destroy() {
    for (n, during) in (1..=7).flat_map(|n| [(n, false), (n, true)]) {
        for then in 0..4 {
            let mut world = World::of_families();
            world.settle(|scope| drop(scope.add("a", thing(&[]).exclusive()))).await;
            world.cloud.add(PART, of("a#1"));
            world.kept.push("by-hand#1".to_owned());
            let writes = world.store.writes();
            match during {
                false => world.store.cut_after(writes + n),
                true => world.store.cut_during(writes + n),
            }
            let _ = world.up(taking).await;
            world.store = world.store.reopen();
            world.store.expire_leases();
            world.check();
            let case = format!("{n} {during} {then}");
            match then {
                0 => {
                    let plan = world.plan_with(taking, records_only).await.unwrap();
                    world.apply(plan).await.unwrap();
                    world.settle(taking).await;
                }
                1 => {
                    let plan = world.plan_destroy(taking).await;
                    let _ = world.apply(plan).await;
                    continue;
                }
                2 => {
                    let plan = world.plan_with(taking, |p| p.target("a")).await.unwrap();
                    assert!(!plan.to_string().contains("to delete"), "{case} {plan}");
                    world.apply(plan).await.unwrap();
                    world.settle(taking).await;
                }
                _ => {
                    through_a_file(&world, taking, |p| p).await;
                    world.assert_settled(taking).await;
                }
            }
            assert!(world.is_ours("by-hand#1", "part"), "{case}");
        }
    }
}

#[tokio::test]
async fn moved_and_taken_over_at_once() {
    let mut world = World::of_families();
    world.foreign("old-1", r#"{"label": "old", "zone": "zone-a"}"#);
    world.settle(|scope| drop(scope.add("a", thing(&[]).exclusive()))).await;
    world.cloud.add(PART, of("a#1"));
    let program = |scope: &mut Scope<'_>| {
        let b = scope.add("b", thing(&[]).exclusive().moved_from("a"));
        scope.add("c", Thing::builder().label("new").build().import("old-1").protect());
        scope.add("part", part(&b).import("by-hand#1"));
    };
    through_a_file(&world, program, |p| p).await;
    world.assert_settled(program).await;
    assert!(world.is_ours("old-1", "c") && world.is_ours("by-hand#1", "part"));
    let program = |scope: &mut Scope<'_>| {
        let b = scope.add("b", thing(&[]).exclusive());
        scope.add("d", Thing::builder().label("new").build().moved_from("c").import("old-1"));
        scope.add("part", part(&b).import("by-hand#1"));
    };
    world.up(program).await.unwrap();
    world.assert_settled(program).await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_of_half_made_parents_tells_what_they_have() {
    let mut world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).exclusive());
        scope.add("b", thing(&[]).exclusive());
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    let _ = world.up(program).await;
    world.cloud.add(PART, of("a#1"));
    world.cloud.add(LEAF, of("b#1"));
    let plan = world.plan_with(program, records_only).await.unwrap();
    assert_eq!(told(&plan).len(), 2, "{plan}");
    world.apply(plan).await.unwrap();
    world.kept.push("by-hand#1".into());
    world.up(program).await.unwrap();
    world.assert_settled(program).await;
}

/// As many things as a label says, which is known before it is sent.
fn labelled(label: usize) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().label(label.to_string()).build());
        scope.decide("nodes", &x.label, |scope, label: Option<String>| {
            for n in 0..label.unwrap().parse().unwrap() {
                scope.add(format!("n{n}"), Thing::builder().build());
            }
        });
    }
}

#[tokio::test]
async fn what_will_be_declared_can_be_named() {
    let mut world = World::new();
    world.waves(labelled(2)).await;
    let plan = world.plan_with(labelled(3), |p| p.target("x").target("nodes/n2")).await;
    let plan = plan.unwrap_or_else(|e| panic!("{e}"));
    assert!(plan.to_string().contains("+ nodes/n2"), "{plan}");
    let plan = world.plan_with(labelled(3), |p| p.exclude("nodes/n2")).await;
    let plan = plan.unwrap_or_else(|e| panic!("exclude {e}"));
    assert!(!plan.to_string().contains("+ nodes/n2"), "{plan}");
    world.foreign("old-1", r#"{"zone": "zone-a"}"#);
    let plan = world.plan_with(labelled(3), |p| p.import("nodes/n2", "old-1")).await;
    let plan = plan.unwrap_or_else(|e| panic!("import {e}"));
    world.apply(plan).await.unwrap();
    assert!(world.is_ours("old-1", "nodes/n2"));
    world.assert_settled(labelled(3)).await;
}

/// Reads what a label names.
fn reading(label: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().label(label).build());
        scope.decide("in", &x.label, |scope, label: Option<String>| {
            let e = scope.existing::<Thing>("e", label.unwrap());
            scope.add("b", thing(&[]));
            scope.export("e", &e.id);
        });
    }
}

#[tokio::test]
async fn what_is_not_read_any_more_may_be_gone() {
    let mut world = World::new();
    world.foreign("old", r#"{"zone": "zone-a"}"#);
    world.foreign("new", r#"{"zone": "zone-a"}"#);
    world.waves(reading("old")).await;
    world.cloud.lose("old");
    world.kept.retain(|id| id != "old");
    let plan = world.plan_with(reading("new"), |p| p).await;
    let plan = plan.unwrap_or_else(|e| panic!("{e}"));
    world.apply(plan).await.unwrap();
    world.assert_settled(reading("new")).await;
}

#[tokio::test(start_paused = true)]
async fn an_import_that_stopped_half_way_and_is_not_wanted_any_more_deletes_nothing() {
    for destroys in [false, true] {
        let mut world = World::new();
        world.foreign("old-1", r#"{"zone": "zone-a"}"#);
        world.cloud.fail(Op::Claim, "a", 1, Fault::Refuse);
        assert!(world.up(|scope| drop(scope.add("a", thing(&[]).import("old-1")))).await.is_err());
        assert_eq!(world.state().records.len(), 1);
        let done = match destroys {
            false => world.settle(|_| ()).await,
            true => world.destroy().await.unwrap(),
        };
        assert!(done.is_empty(), "{done:?}");
        assert!(world.state().records.is_empty());
        assert_eq!(world.cloud.ids(), ["old-1"]);
    }
}
