//! Replacement: S10 to S35.

use formwork::{
    Component, Scope,
    testing::{Fault, Op, Single, Thing, World, expect},
};
use insta::assert_snapshot;

use crate::support::{NOTHING, fixed, masked, single, thing};

/// `a` is replaced when `x` changes; `b` uses it and can let go of it.
fn pair(x: &'static str) -> impl Fn(&mut Scope<'_>) + Copy {
    move |scope| {
        let a = scope.add("a", fixed(x, None));
        scope.add("b", thing(&[&a]));
    }
}

/// S10.
#[tokio::test(start_paused = true)]
async fn the_new_one_is_made_before_the_old_one_goes() {
    let world = World::new();
    world.settle(pair("1")).await;
    // In between both are recorded.
    world.cloud().fail(Op::Update, "b", 1, Fault::Refuse);
    let _ = world.up(pair("2")).await;
    let of_a = |row: &&formwork::state::Record| row.address.as_str() == "a";
    assert_eq!(world.state().records.values().filter(of_a).count(), 2);

    let world = World::new();
    world.settle(pair("1")).await;
    let run = world.settle(pair("2")).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing
          fixed: "1" -> "2" (forces replacement)
      ~ b                                        model:test/thing
          refs[0]: "a#1" -> (known after apply)
      - a                                        model:test/thing  (replaced)
    1 to update, 1 to replace, 0 unchanged
    run t: 3 step(s)
    > create a
    < create a: a#2
    > update b
    < update b: b#1
    > delete a
    < delete a
    end: 3 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#2", "b#1"]);
}

/// S11.
#[tokio::test(start_paused = true)]
async fn a_chain_of_replacements_goes_forward_and_then_back() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None));
            scope.add("b", fixed("b", Some(&a)));
        }
    };
    world.settle(program("1")).await;
    let run = world.settle(program("2")).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing
          fixed: "1" -> "2" (forces replacement)
      ± b                                        model:test/thing
          fixed_ref: "a#1" -> (known after apply) (forces replacement)
      - b                                        model:test/thing  (replaced)
      - a                                        model:test/thing  (replaced)
    2 to replace, 0 unchanged
    run t: 4 step(s)
    > create a
    < create a: a#2
    > create b
    < create b: b#2
    > delete b
    < delete b
    > delete a
    < delete a
    end: 4 done, 0 failed, 0 skipped
    "#);
}

/// S13: of each three, the first goes with its parent (as what was made through it would), the
/// second has a field from it that can not change, the third one that can.
#[tokio::test(start_paused = true)]
async fn a_delete_first_replacement_takes_exactly_those_along_that_must_be_replaced() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            let b = scope.add("b", thing(&[&a]).replace_with(&a));
            let c = scope.add("c", fixed("c", Some(&a)));
            let d = scope.add("d", thing(&[&a]));
            scope.add("e", thing(&[&c]).replace_with(&c));
            let f = scope.add("f", fixed("f", Some(&c)));
            let g = scope.add("g", thing(&[&c]));
            scope.add("h", thing(&[&d]).replace_with(&d));
            scope.add("i", fixed("i", Some(&d)));
            scope.add("j", thing(&[&d]));
            let both = Thing::builder().fixed_ref(&f.id).held(&g.id).build();
            scope.add("k", both);
            scope.add("l", thing(&[&f, &g]));
            let _ = b;
        }
    };
    let world = World::new().lenient();
    world.settle(program("1")).await;
    let run = world.settle(program("2")).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing
          fixed: "1" -> "2" (forces replacement)
      ± b                                        model:test/thing  (replaced with a)
          refs[0]: "a#1" -> (known after apply)
      ± c                                        model:test/thing
          fixed_ref: "a#1" -> (known after apply) (forces replacement)
      ~ d                                        model:test/thing
          refs[0]: "a#1" -> (known after apply)
      ± e                                        model:test/thing  (replaced with c)
          refs[0]: "c#1" -> (known after apply)
      ± f                                        model:test/thing
          fixed_ref: "c#1" -> (known after apply) (forces replacement)
      ~ g                                        model:test/thing
          refs[0]: "c#1" -> (known after apply)
      ± k                                        model:test/thing
          fixed_ref: "f#1" -> (known after apply) (forces replacement)
      ~ l                                        model:test/thing
          refs[0]: "f#1" -> (known after apply)
      - b                                        model:test/thing  (replaced)
      - e                                        model:test/thing  (replaced)
      - k                                        model:test/thing  (replaced)
      - f                                        model:test/thing  (replaced)
      - c                                        model:test/thing  (replaced)
      - a                                        model:test/thing  (replaced)
    3 to update, 6 to replace, 3 unchanged
    run t: 21 step(s)
    > delete k
    > delete e
    > delete b
    < delete b: b#1
    < delete e: e#1
    < delete k: k#1
    > delete f
    < delete f: f#1
    > delete c
    < delete c: c#1
    > delete a
    < delete a: a#1
    > create a
    < create a: a#2
    > create c
    > create b
    > update d
    < update d: d#1
    > forget a
    < create c: c#2
    < forget a
    > create f
    > update g
    > create e
    < create b: b#2
    > forget b
    < forget b
    < create e: e#2
    > forget e
    < create f: f#2
    < forget e
    < update g: g#1
    > create k
    > update l
    > forget c
    < forget c
    < update l: l#1
    > forget f
    < create k: k#2
    < forget f
    > forget k
    < forget k
    end: 15 done, 0 failed, 0 skipped
    "#);
    let log = run.log();
    let mut replaced: Vec<&str> =
        log.iter().filter_map(|call| call.strip_prefix("delete ")).collect();
    replaced.sort_unstable();
    assert_eq!(replaced, ["a", "b", "c", "e", "f", "k"]);
    let last_delete = log.iter().rposition(|call| call.starts_with("delete")).unwrap();
    let first_create = log.iter().position(|call| call.starts_with("create")).unwrap();
    assert!(last_delete < first_create, "all that goes is gone before anything is made");
}

/// S14.
#[tokio::test(start_paused = true)]
async fn the_program_says_which_comes_first_or_else_the_type_does() {
    // The option is not set, and the type creates first: only `a` is replaced, then `b`.
    let ordinary = |x: &'static str, first: Option<bool>| {
        move |scope: &mut Scope<'_>| {
            let a = fixed(x, None);
            let a = match first {
                Some(true) => a.delete_first(),
                Some(false) => a.create_first(),
                None => a,
            };
            let a = scope.add("a", a);
            scope.add("b", fixed("b", Some(&a)));
        }
    };
    let deletes_first = |x: &'static str, first: Option<bool>| {
        move |scope: &mut Scope<'_>| {
            let a = single(x);
            scope.add("a", if first == Some(false) { a.create_first() } else { a });
        }
    };
    for (first, expected) in [
        (None, ["create a", "create b", "delete b", "delete a"]),
        (Some(true), ["delete b", "delete a", "create a", "create b"]),
        (Some(false), ["create a", "create b", "delete b", "delete a"]),
    ] {
        let world = World::new();
        world.settle(ordinary("1", first)).await;
        assert_eq!(world.settle(ordinary("2", first)).await.log(), expected);
    }
    for (first, expected) in
        [(None, ["delete a", "create a"]), (Some(false), ["create a", "delete a"])]
    {
        let world = World::new();
        world.settle(deletes_first("1", first)).await;
        assert_eq!(world.settle(deletes_first("2", first)).await.log(), expected);
    }
}

/// S16.
#[tokio::test(start_paused = true)]
async fn a_protected_dependent_of_a_delete_first_replacement_refuses_it_by_name() {
    let program = |x: &'static str, protect: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            let b = fixed("b", Some(&a));
            scope.add("b", if protect { b.protect() } else { b });
        }
    };
    let world = World::new();
    world.settle(program("1", true)).await;
    let refused = world.plan(program("2", true)).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    1 protected resource(s) would be deleted:
      - b: replaced
    "#);
    let run = world.settle(program("2", false)).await;
    assert_eq!(run.log(), ["delete b", "delete a", "create a", "create b"]);
}

/// S17.
#[tokio::test(start_paused = true)]
async fn a_field_that_replaces_by_option_takes_its_resource_into_the_cascade() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            let b = Thing::builder().label(&a.id).refs([&a.id]).build();
            scope.add("b", b.replace_on(["label"]));
        }
    };
    let world = World::new();
    world.settle(program("1")).await;
    let run = world.settle(program("2")).await;
    assert_eq!(run.log(), ["delete b", "delete a", "create a", "create b"]);
}

/// S19, S20, S22.
#[tokio::test(start_paused = true)]
async fn a_delete_first_create_that_fails_is_tried_again_without_a_second_delete() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None).delete_first());
            scope.add("b", thing(&[&a]));
        }
    };
    let world = World::new().lenient();
    world.settle(program("1")).await;
    for _ in 0..2 {
        world.cloud().fail(Op::Create, "a", 1, Fault::Refuse);
        let run = world.up(program("2")).await;
        assert_eq!(run.failures(), ["create a: refused on purpose"]);
        assert!(!run.log().contains(&"update b".to_owned()));
        assert_eq!(world.cloud().ids(), ["b#1"]);
    }
    let run = world.settle(program("2")).await;
    assert_eq!(run.log(), ["create a", "update b"]);
    assert_eq!(world.state().records.len(), 2);
}

/// S20.
#[tokio::test(start_paused = true)]
async fn a_delete_first_create_that_failed_is_dropped_with_the_program_without_a_call() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| drop(scope.add("a", fixed(x, None).delete_first()))
    };
    world.settle(program("1")).await;
    world.cloud().fail(Op::Create, "a", 1, Fault::Refuse);
    let run = world.up(program("2")).await;
    assert_eq!(run.log(), ["delete a", "create a"]);
    assert_eq!(world.settle(|_| ()).await.log(), NOTHING);
    assert!(world.state().records.is_empty());
}

/// S23.
#[tokio::test(start_paused = true)]
async fn a_create_first_create_that_fails_leaves_the_old_one_as_it_was() {
    let world = World::new();
    world.settle(pair("1")).await;
    let before = world.state().records;
    world.cloud().fail(Op::Create, "a", 1, Fault::Refuse);
    let run = world.up(pair("2")).await;
    assert_snapshot!(run.events_text(), @r#"
    run t: 3 step(s)
    > create a
    ! create a: refused on purpose
    - delete a, for a
    - update b, for a
    end: 0 done, 1 failed, 2 skipped
    "#);
    assert_eq!(world.state().records, before);
}

/// S25.
#[tokio::test(start_paused = true)]
async fn copies_that_could_not_be_deleted_pile_up_and_are_deleted_once_each_in_the_end() {
    let world = World::new();
    let program =
        |x: &'static str| move |scope: &mut Scope<'_>| drop(scope.add("a", fixed(x, None)));
    world.settle(program("0")).await;
    for x in ["1", "2", "3"] {
        for nth in 1..4 {
            world.cloud().fail(Op::Delete, "a", nth, Fault::Refuse);
        }
        assert!(!world.up(program(x)).await.failures().is_empty());
        world.cloud().heal();
    }
    assert_eq!(world.cloud().ids(), ["a#1", "a#2", "a#3", "a#4"]);
    let keys = |world: &World| world.state().records.keys().copied().collect::<Vec<_>>();
    let before = keys(&world);
    assert_eq!(before.len(), 4);

    world.cloud().fail(Op::Delete, "a", 3, Fault::Refuse);
    let run = world.up(program("3")).await;
    assert_eq!(run.failures(), ["delete a: refused on purpose"]);
    assert_eq!(world.cloud().ids().len(), 2);
    assert!(keys(&world).iter().all(|key| before.contains(key)), "each copy keeps its key");

    assert_eq!(world.settle(program("3")).await.log(), ["delete a"]);
    assert_eq!(world.cloud().ids(), ["a#4"]);
}

/// S26.
#[tokio::test(start_paused = true)]
async fn destroy_deletes_the_object_and_its_old_copies_once_each() {
    let world = World::new();
    world.settle(pair("1")).await;
    world.cloud().fail(Op::Delete, "a", 1, Fault::Refuse);
    assert_eq!(world.up(pair("2")).await.failures(), ["delete a: refused on purpose"]);
    let run = world.destroy().await.ok();
    assert_snapshot!(run.story(), @r#"
    other
      - a                                        model:test/thing  (left over from an earlier replacement)
      - b                                        model:test/thing  (the stack is destroyed)
      - a                                        model:test/thing  (the stack is destroyed)
    3 to delete, 0 unchanged
    run t: 3 step(s)
    > delete b
    > delete a
    < delete a
    < delete b
    > delete a
    < delete a
    end: 3 done, 0 failed, 0 skipped
    "#);
    assert!(world.cloud().ids().is_empty() && world.state().records.is_empty());
}

/// S28.
#[tokio::test(start_paused = true)]
async fn a_trigger_replaces_when_one_value_becomes_another_and_not_when_it_comes_or_goes() {
    use formwork::Secret;
    use std::collections::BTreeMap;
    let plain = |text: &'static str| {
        move |scope: &mut Scope<'_>| drop(scope.add("a", thing(&[]).trigger(text)))
    };
    let none = |scope: &mut Scope<'_>| drop(scope.add("a", thing(&[])));
    let secret = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).trigger(Secret::new("2")));
    };
    let world = World::new();
    world.settle(plain("1")).await;
    let run = world.settle(plain("2")).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing  (its trigger changed)
      - a                                        model:test/thing  (replaced)
    1 to replace, 0 unchanged
    run t: 2 step(s)
    > create a
    < create a: a#2
    > delete a
    < delete a
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.settle(secret).await.log(), NOTHING);
    assert_eq!(world.settle(none).await.log(), NOTHING);
    assert_eq!(world.settle(plain("x")).await.log(), NOTHING);

    let deep = |text: &'static str| {
        move |scope: &mut Scope<'_>| {
            let value = BTreeMap::from([("list", vec![text])]);
            scope.add("a", thing(&[]).trigger(value));
        }
    };
    let deep_secret = |scope: &mut Scope<'_>| {
        let value = BTreeMap::from([("list", vec![Secret::new("y")])]);
        scope.add("a", thing(&[]).trigger(value));
    };
    world.settle(deep("y")).await;
    assert_eq!(world.settle(deep_secret).await.log(), NOTHING);
    assert_eq!(world.settle(deep("z")).await.log(), ["create a", "delete a"]);
}

/// S29.
#[tokio::test(start_paused = true)]
async fn what_is_deleted_with_another_goes_and_comes_with_it_and_has_no_delete_of_its_own() {
    for first in [true, false] {
        let program = |x: &'static str, protect: bool| {
            move |scope: &mut Scope<'_>| {
                let t = fixed(x, None);
                let t = scope.add("t", if first { t.delete_first() } else { t.create_first() });
                let d = thing(&[]).deleted_with(&t);
                let d = scope.add("d", if protect { d.protect() } else { d });
                scope.add("d2", thing(&[]).deleted_with(&d));
            }
        };
        let world = World::new();
        world.settle(program("1", true)).await;
        let refused = world.plan(program("2", true)).await.unwrap_err();
        assert!(refused.to_string().contains("- d: "), "{refused}");

        let mut log = world.settle(program("2", false)).await.log();
        let deletes: Vec<_> = log.iter().filter(|call| call.starts_with("delete")).collect();
        assert_eq!(deletes, ["delete t"]);
        log.sort();
        assert_eq!(log, ["create d", "create d2", "create t", "delete t"]);
        assert_eq!(world.cloud().ids(), ["d#2", "d2#2", "t#2"]);

        let run =
            world.up_with(program("2", false), |request| request.destroy().target("t")).await.ok();
        assert_eq!(run.log(), ["delete t"]);
        assert!(world.state().records.is_empty());
    }
}

/// S29: replaced with another, without living on it.
#[tokio::test(start_paused = true)]
async fn what_is_replaced_with_another_is_replaced_although_it_did_not_change() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let t = scope.add("t", fixed(x, None));
            scope.add("d", thing(&[]).replace_with(&t));
        }
    };
    world.settle(program("1")).await;
    let plan = world.plan(program("2")).await.unwrap();
    expect(&plan).replaces("t").replaces("d").reason("d", "replaced with t");
    world.apply(plan).await.ok();
    assert_eq!(world.cloud().ids(), ["d#2", "t#2"]);
}

/// S31.
#[tokio::test(start_paused = true)]
async fn all_protected_resources_that_would_go_are_named_in_one_run() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).protect());
        scope.add("b", thing(&[]).protect());
        scope.add("c", thing(&[]));
    };
    world.settle(program).await;
    let refused = world.plan(|_| ()).await.unwrap_err();
    assert_snapshot!(masked(&refused), @r#"
    2 protected resource(s) would be deleted:
      - a: no longer declared
      - b: no longer declared
    "#);
    let refused = world.ask(|_| (), |request| request.destroy()).await.unwrap_err();
    assert!(["- a: ", "- b: "].iter().all(|name| refused.to_string().contains(name)), "{refused}");
}

/// S32.
#[tokio::test(start_paused = true)]
async fn what_is_retained_stays_in_the_cloud_and_leaves_the_state() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None).retain());
            scope.add("b", thing(&[]));
        }
    };
    world.settle(program("1")).await;
    let run = world.settle(program("2")).await;
    assert_snapshot!(run.story(), @r#"
    other
      ± a                                        model:test/thing
          fixed: "1" -> "2" (forces replacement)
      × a                                        model:test/thing  (replaced; retained in the cloud)
    1 to replace, 1 to forget, 1 unchanged
    run t: 2 step(s)
    > create a
    < create a: a#2
    > forget a
    < forget a
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1", "a#2", "b#1"]);
    let run = world.destroy().await.ok();
    assert_snapshot!(run.story(), @r#"
    other
      - b                                        model:test/thing  (the stack is destroyed)
      × a                                        model:test/thing  (the stack is destroyed; retained in the cloud)
    1 to delete, 1 to forget, 0 unchanged
    run t: 2 step(s)
    > delete b
    > forget a
    < forget a
    < delete b
    end: 2 done, 0 failed, 0 skipped
    "#);
    assert_eq!(world.cloud().ids(), ["a#1", "a#2"]);
    assert!(world.state().records.is_empty());
}

/// S34.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_asked_for_comes_beside_the_rest_or_with_targets_alone() {
    let world = World::new();
    let program = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", thing(&[]));
            scope.add("b", Thing::builder().label(label).build());
            scope.add("c", Thing::builder().label(label).build());
        }
    };
    world.settle(program("1")).await;
    let all = world.ask(program("2"), |request| request.replace("a")).await.unwrap();
    expect(&all).replaces("a").reason("a", "asked for").updates("b").updates("c").count(3);
    let part = world.ask(program("2"), |request| request.replace("a").target("b")).await.unwrap();
    expect(&part).replaces("a").updates("b").leaves("c").count(2);
    world.apply(part).await.ok();
    assert_eq!(world.settle(program("2")).await.log(), ["update c"]);
}

/// S35.
#[tokio::test(start_paused = true)]
async fn a_fixed_name_that_stays_makes_the_replacement_delete_first() {
    let world = World::new();
    let program = |name: &'static str, x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().name(name).fixed(x).build());
        }
    };
    world.settle(program("fixed", "1")).await;
    assert_eq!(world.settle(program("fixed", "2")).await.log(), ["delete a", "create a"]);
    assert_eq!(world.settle(program("other", "3")).await.log(), ["create a", "delete a"]);
    // Also where a component says that its children create first.
    struct Child(&'static str);
    impl Component for Child {
        type Handle = ();
        fn declare(self, scope: &mut Scope<'_>) {
            scope.add("child", Single::builder().fixed(self.0).build());
        }
    }
    let component = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("part", Child(x).with_options().create_first());
        }
    };
    let world = World::new();
    world.settle(component("1")).await;
    assert_eq!(
        world.settle(component("2")).await.log(),
        ["create part/child", "delete part/child"]
    );
}
