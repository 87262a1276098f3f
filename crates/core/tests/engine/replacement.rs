//! Replacement in both orders, its cascade, and what is left when it is interrupted.

use formwork_core::{
    Declaration, Scope,
    testing::{Fault, Op, Single, Thing, ThingHandle},
};

use crate::{
    basics::thing,
    world::{World, at},
};

/// A thing with a field that can not be updated, and a reference that can not either.
pub(crate) fn fixed(value: &str, on: Option<&ThingHandle>) -> Declaration<Thing> {
    match on {
        Some(on) => Thing::builder().fixed(value.to_owned()).fixed_ref(&on.id).build(),
        None => Thing::builder().fixed(value.to_owned()).build(),
    }
}

#[tokio::test]
async fn the_new_one_is_made_before_the_old_one_goes() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None));
            scope.add("b", thing(&[&a]));
        }
    };
    world.settle(program("1")).await;
    assert_eq!(world.settle(program("2")).await, ["create a", "update b", "delete a"]);
    assert_eq!(world.cloud.ids(), ["a#2", "b#1"]);
}

#[tokio::test]
async fn a_chain_of_replacements_goes_forward_then_back() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None));
            scope.add("b", fixed("b", Some(&a)));
        }
    };
    world.settle(program("1")).await;
    let log = world.settle(program("2")).await;
    assert_eq!(log, ["create a", "create b", "delete b", "delete a"]);
}

/// `a` is replaced, `b` uses it and is updated, `c` uses `b`'s label, which `a` feeds, and can not be.
fn transitive(x: &'static str, first: bool) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let a = fixed(x, None);
        let a = scope.add("a", if first { a.delete_first() } else { a });
        let b = Thing::builder().refs([&a.id]).label(&a.id).build();
        let b = scope.add("b", b);
        scope.add("c", Thing::builder().fixed(b.label.cast::<String>()).refs([&b.id]).build());
    }
}

#[tokio::test]
async fn a_delete_first_replacement_takes_its_replaced_dependents_along_and_no_others() {
    let world = World::new();
    world.cloud.lenient();
    world.settle(transitive("1", true)).await;
    let log = world.settle(transitive("2", true)).await;
    assert_eq!(log, ["delete c", "delete a", "create a", "update b", "create c"]);
}

#[tokio::test]
async fn without_being_asked_the_same_change_creates_first() {
    let world = World::new();
    world.settle(transitive("1", false)).await;
    let log = world.settle(transitive("2", false)).await;
    assert_eq!(log, ["create a", "update b", "create c", "delete c", "delete a"]);
}

#[tokio::test]
async fn a_type_or_a_kept_unique_name_decides_for_delete_first_and_the_program_overrules() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("single", Single::builder().fixed(x.to_owned()).build());
            scope.add("named", Thing::builder().name("n").fixed(x.to_owned()).build());
            scope.add("renamed", Thing::builder().name(x).fixed(x.to_owned()).build());
            scope.add("asked", Single::builder().fixed(x.to_owned()).build().create_first());
        }
    };
    world.settle(program("1")).await;
    let log = world.settle(program("2")).await;
    assert!(at(&log, "delete single") < at(&log, "create single"));
    assert!(at(&log, "delete named") < at(&log, "create named"));
    assert!(at(&log, "create renamed") < at(&log, "delete renamed"));
    assert!(at(&log, "create asked") < at(&log, "delete asked"));
}

#[tokio::test]
async fn a_name_that_moves_to_another_address_is_free_before_it_is_taken() {
    let world = World::new();
    let program = |address: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add(address, Thing::builder().name("n").build());
        }
    };
    world.settle(program("old")).await;
    assert_eq!(world.settle(program("new")).await, ["delete old", "create new"]);
}

#[tokio::test]
async fn an_address_that_changes_its_type_is_a_new_object() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]));
        })
        .await;
    let mut log = world
        .settle(|scope| {
            scope.add("a", Single::builder().build());
        })
        .await;
    log.sort();
    assert_eq!(log, ["create a", "delete a"]);
}

#[tokio::test]
async fn protected_resources_are_told_all_at_once_before_anything_is_done() {
    let world = World::new();
    let program = |x: &'static str, protect: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            let b = fixed("b", Some(&a));
            scope.add("b", if protect { b.protect() } else { b });
            let c = fixed(x, None);
            scope.add("c", if protect { c.protect() } else { c });
        }
    };
    world.settle(program("1", true)).await;
    let stack = World::stack(program("2", true));
    let error = world.engine().plan(&stack).await.err().unwrap().to_string();
    assert!(error.contains("- b: replaced") && error.contains("- c: replaced"), "{error}");
    let log = world.settle(program("2", false)).await;
    assert!(at(&log, "delete b") < at(&log, "delete a"));
}

#[tokio::test]
async fn a_delete_first_create_that_fails_is_retried_without_a_second_delete() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            scope.add("b", thing(&[]).after(&a));
        }
    };
    world.settle(program("1")).await;
    for _ in 0..2 {
        world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
        assert!(world.up(program("2")).await.is_err());
        assert!(world.cloud.ids() == ["b#1"]);
    }
    assert_eq!(world.settle(program("2")).await, ["create a"]);
}

#[tokio::test]
async fn a_delete_first_create_that_failed_is_forgotten_when_nobody_wants_it_any_more() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None).delete_first());
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    assert!(world.settle(|_| ()).await.is_empty());
    assert!(world.state().records.is_empty());
}

#[tokio::test]
async fn a_create_first_create_that_fails_leaves_the_old_one_as_it_was() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None));
        }
    };
    world.settle(program("1")).await;
    let before = world.state().records;
    world.cloud.fail(Op::Create, "a", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    assert_eq!(world.state().records, before);
    assert_eq!(world.settle(program("2")).await, ["create a", "delete a"]);
}

#[tokio::test]
async fn replaced_copies_that_could_not_be_deleted_pile_up_and_are_all_deleted_in_the_end() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None));
        }
    };
    world.settle(program("0")).await;
    for x in ["1", "2", "3"] {
        for nth in 1..=4 {
            world.cloud.fail(Op::Delete, "a", nth, Fault::Refuse);
        }
        assert!(world.up(program(x)).await.is_err());
        world.cloud.heal();
    }
    assert_eq!(world.cloud.ids().len(), 4);
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    assert!(world.up(program("3")).await.is_err());
    assert_eq!(world.cloud.ids().len(), 2);
    assert_eq!(world.settle(program("3")).await, ["delete a"]);
}

#[tokio::test]
async fn destroy_takes_deposed_copies_too() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None));
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    assert_eq!(world.destroy().await.unwrap(), ["delete a", "delete a"]);
    assert!(world.cloud.ids().is_empty());
}

#[tokio::test]
async fn what_lives_on_a_host_goes_and_comes_with_it() {
    let mut world = World::new();
    world.cloud.lenient();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None));
            let guest = thing(&[&host]).deleted_with(&host);
            let guest = scope.add("guest", guest);
            scope.add("inner", thing(&[&guest]).deleted_with(&guest));
        }
    };
    world.settle(program("1")).await;
    world.kept.extend(["guest#1".to_owned(), "inner#1".to_owned()]);
    let log = world.settle(program("2")).await;
    assert_eq!(log, ["create host", "create guest", "create inner", "delete host"]);
    world.kept.extend(["guest#2".to_owned(), "inner#2".to_owned()]);
    assert_eq!(world.destroy().await.unwrap(), ["delete host"]);
    assert!(world.state().records.is_empty());
}

#[tokio::test]
async fn a_host_that_is_gone_takes_its_guests_records_with_it() {
    let mut world = World::new();
    world.cloud.lenient();
    let program = |scope: &mut Scope<'_>| {
        let host = scope.add("host", thing(&[]));
        scope.add("guest", thing(&[&host]).deleted_with(&host));
    };
    world.settle(program).await;
    for id in ["host#1", "guest#1"] {
        world.cloud.lose(id);
        world.lost.push(id.to_owned());
    }
    world.cloud.clear_log();
    let plan = world.plan(program).await;
    let reads = world.cloud.log().iter().filter(|c| c.address == "guest").count();
    assert_eq!(reads, 0, "a guest of a host that is gone was asked for");
    assert_eq!(world.apply(plan).await.unwrap(), ["create host", "create guest"]);
    world.assert_settled(program).await;
}

#[tokio::test]
async fn a_trigger_replaces_only_when_one_value_becomes_another() {
    let world = World::new();
    let program = |trigger: Option<&'static str>| {
        move |scope: &mut Scope<'_>| {
            let a = thing(&[]);
            scope.add(
                "a",
                match trigger {
                    Some(t) => a.trigger(t),
                    None => a,
                },
            );
        }
    };
    world.settle(program(None)).await;
    assert!(world.settle(program(Some("1"))).await.is_empty());
    assert_eq!(world.settle(program(Some("2"))).await, ["create a", "delete a"]);
    assert!(world.settle(program(None)).await.is_empty());
}

#[tokio::test]
async fn options_on_fields_ignore_changes_or_turn_them_into_replacements() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            let thing = || Thing::builder().label(label.to_owned()).build();
            scope.add("ignored", thing().ignore_changes(["label"]));
            scope.add("replaced", thing().replace_on(["label"]));
        }
    };
    world.settle(program("1")).await;
    assert_eq!(world.settle(program("2")).await, ["create replaced", "delete replaced"]);
    assert_eq!(
        world.cloud.object("ignored#1").unwrap().inputs.get("label").unwrap().as_str(),
        Some("1")
    );
}

#[tokio::test]
async fn a_guest_that_needs_another_user_of_its_host_closes_no_cycle() {
    let world = World::new();
    world.cloud.lenient();
    let program = |scope: &mut Scope<'_>| {
        let machine = scope.add("machine", thing(&[]));
        let attachment = scope.add("attachment", thing(&[&machine]));
        let guest = thing(&[&machine, &attachment]).deleted_with(&machine);
        scope.add("guest", guest);
    };
    world.settle(program).await;
    assert_eq!(world.destroy().await.unwrap(), ["delete attachment", "delete machine"]);
}

#[tokio::test]
async fn a_host_that_is_retained_does_not_take_its_guests_along() {
    let mut world = World::new();
    world.cloud.lenient();
    world
        .settle(|scope| {
            let host = scope.add("host", thing(&[]).retain());
            scope.add("guest", thing(&[&host]).deleted_with(&host));
        })
        .await;
    world.kept.push("host#1".to_owned());
    assert_eq!(world.destroy().await.unwrap(), ["delete guest"]);
}

#[tokio::test]
async fn what_holds_an_object_that_goes_first_is_replaced_with_it() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            let b = scope.add("b", Thing::builder().held(&a.id).build());
            scope.add("c", thing(&[&b]));
        }
    };
    world.settle(program("1")).await;
    world.cloud.lenient();
    let changed = world.settle(program("2")).await;
    assert_eq!(changed, ["delete b", "delete a", "create a", "create b", "update c"]);
    // Where the new one comes first, it is moved in time.
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None));
            scope.add("b", Thing::builder().held(&a.id).build());
        }
    };
    let world = World::new();
    world.settle(program("1")).await;
    assert_eq!(world.settle(program("2")).await, ["create a", "update b", "delete a"]);
}
