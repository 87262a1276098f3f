//! What belongs to managed objects and nobody declares: told by every plan that looks at everything,
//! and never touched unless its parent is exclusive.

use formwork_core::{
    Component, Engine, Plan, RefreshMode, Scope, Stack,
    testing::{Fault, Leaf, MemoryStore, Op, Part, Thing, ThingHandle, provider_with_children},
    value::{Map, Value},
};

use crate::{basics::thing, world::World};

pub(crate) const PART: &str = "model:test/part";
pub(crate) const LEAF: &str = "model:test/leaf";

/// The inputs of a child of `parent`, as the cloud keeps them.
pub(crate) fn of(parent: &str) -> Value {
    let mut map = Map::with_capacity(1);
    map.insert("fixed_ref", parent);
    Value::Map(map)
}

pub(crate) fn part(parent: &ThingHandle) -> formwork_core::Declaration<Part> {
    Part::builder().fixed_ref(&parent.id).build()
}

fn family(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    scope.add("b", thing(&[&a]));
    scope.add("part", part(&a));
}

/// What a plan says is there: address, type and fate.
pub(crate) fn told(plan: &Plan) -> Vec<String> {
    let unmanaged = plan.data().unmanaged.as_ref().expect("the plan looked");
    unmanaged.iter().map(|child| format!("{} {:?}", child.address(), child.fate)).collect()
}

#[tokio::test]
async fn a_child_that_nobody_declares_is_told_and_left_alone() {
    let world = World::of_families();
    world.settle(family).await;
    assert!(told(&world.plan(family).await).is_empty(), "our own child is no stranger");
    world.cloud.add(PART, of("a#1"));
    world.cloud.add(LEAF, of("b#1"));
    world.cloud.clear_log();
    let plan = world.plan(family).await;
    let expected = "there, and declared by nobody
  ! a[by-hand#1]                             model:test/part  (stays)
  ! b[by-hand#2]                             model:test/leaf  (stays)
nothing to do, 3 unchanged
";
    assert_eq!(plan.to_string(), expected);
    let child = &plan.data().unmanaged.as_ref().unwrap()[0];
    assert_eq!((child.parent.as_str(), child.kind.as_str()), ("a", PART));
    assert_eq!(child.inputs.get("fixed_ref").and_then(Value::as_str), Some("a#1"));
    let lists = world.cloud.log().iter().filter(|call| call.op == Op::List).count();
    assert_eq!(lists, 4, "one for each type, and one for each child type, of however many parents");
    assert!(plan.is_empty());
    assert!(world.apply(plan).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_plan_that_does_not_look_at_everything_says_so() {
    let world = World::of_families();
    world.settle(family).await;
    world.cloud.add(PART, of("a#1"));
    for mode in [RefreshMode::Minimal, RefreshMode::None] {
        let plan = world.engine().plan(&World::stack(family)).refresh(mode).await.unwrap();
        assert!(plan.data().unmanaged.is_none());
        let expected =
            "what nobody declares was not looked for: only a plan does that looks at everything
nothing to do, 3 unchanged
";
        assert_eq!(plan.to_string(), expected);
    }
    // Where nothing is that could have children, there was nothing to look for.
    let program = |_: &mut Scope<'_>| ();
    let plan = World::of_families();
    let plan = plan.engine().plan(&World::stack(program)).refresh(RefreshMode::None).await.unwrap();
    assert_eq!(plan.data().unmanaged, Some(Vec::new()));
}

#[tokio::test]
async fn what_any_row_has_is_no_strangers_be_it_old_or_at_another_address() {
    let mut world = World::of_families();
    let program = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            scope.add("part", Part::builder().fixed_ref(&a.id).fixed(fixed).build());
            scope.add("leaf", Leaf::builder().fixed_ref(&a.id).fixed(fixed).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Delete, "part", 1, Fault::Refuse);
    world.cloud.fail(Op::Delete, "leaf", 1, Fault::Refuse);
    assert!(world.up(program("2")).await.is_err());
    assert_eq!(world.state().records.len(), 5, "two are deposed");
    assert!(told(&world.plan(program("2")).await).is_empty());
    // A create that a narrowed plan leaves open may be done, tag or not.
    world.up(program("2")).await.unwrap();
    let more = |scope: &mut Scope<'_>| {
        program("2")(scope);
        let a = scope.add("c", thing(&[]));
        scope.add("new-part", part(&a));
        scope.add("new-leaf", Leaf::builder().fixed_ref(&a.id).build());
    };
    world.cloud.fail(Op::Create, "new-part", 1, Fault::LoseAnswer);
    world.cloud.fail(Op::Create, "new-leaf", 1, Fault::LoseAnswer);
    assert!(world.up(more).await.is_err());
    assert_eq!(world.state().intents.len(), 2);
    let plan = world.engine().plan(&World::stack(more)).target("c").await.unwrap();
    assert!(told(&plan).is_empty(), "{plan}");
    world.store = world.store.reopen();
    world.store.expire_leases();
    world.settle(more).await;
}

#[tokio::test]
async fn what_another_stack_owns_by_its_tag_is_told_as_such_and_never_deleted() {
    let world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).exclusive());
    };
    world.settle(program).await;
    let other = Engine::builder()
        .provider(provider_with_children(&world.cloud))
        .state(MemoryStore::new())
        .try_build()
        .unwrap();
    let stack = Stack::new("other", |scope| {
        scope.add("theirs", Part::builder().fixed_ref("a#1".to_owned()).build());
    });
    let plan = other.plan(&stack.unwrap()).await.unwrap();
    let owner = plan.steps().next().unwrap().id.to_string();
    other.apply(plan).await.unwrap();
    let plan = world.plan(program).await;
    assert_eq!(told(&plan), ["a[theirs#1] Stays"]);
    assert_eq!(plan.data().unmanaged.as_ref().unwrap()[0].owner.as_ref(), Some(&owner));
    assert!(plan.to_string().contains("of another stack"), "{plan}");
    assert!(plan.is_empty());
    let plan = world.plan_destroy(program).await;
    assert_eq!(told(&plan), ["a[theirs#1] Blocks"]);
}

#[tokio::test]
async fn a_destroy_says_beforehand_what_will_be_in_its_way() {
    let world = World::of_families();
    world.settle(family).await;
    world.cloud.add(PART, of("a#1"));
    world.cloud.add(PART, of("a#1"));
    world.cloud.add(LEAF, of("b#1"));
    let plan = world.plan_destroy(family).await;
    let told = told(&plan);
    assert_eq!(told, ["a[by-hand#1] Blocks", "a[by-hand#2] Blocks", "b[by-hand#3] GoesAlong"]);
    assert_eq!(plan.data().warnings.len(), 1, "one for each parent: {plan}");
    let warning = plan.data().warnings[0].to_string();
    assert!(warning.starts_with("a: its delete will fail while these are there"), "{warning}");
    assert!(warning.contains("\n    - by-hand#2 (model:test/part)"), "{warning}");
    assert!(world.apply(plan).await.is_err());
    assert_eq!(world.cloud.ids(), ["a#1", "by-hand#1", "by-hand#2"]);
}

#[tokio::test]
async fn an_exclusive_parent_loses_what_nobody_declares_in_a_step_like_others() {
    let world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]).exclusive());
        scope.add("part", part(&a));
        scope.add("b", thing(&[]));
    };
    world.settle(program).await;
    for parent in ["a#1", "b#1"] {
        world.cloud.add(PART, of(parent));
        world.cloud.add(LEAF, of(parent));
    }
    let plan = world.plan(program).await;
    let expected = "other
  - a[by-hand#2]                             model:test/leaf  (not declared, and a is exclusive)
  - a[by-hand#1]                             model:test/part  (not declared, and a is exclusive)
there, and declared by nobody
  ! b[by-hand#4]                             model:test/leaf  (stays)
  ! b[by-hand#3]                             model:test/part  (stays)
2 to delete, 3 unchanged
";
    assert_eq!(plan.to_string(), expected);
    let mut deleted = world.apply(plan).await.unwrap();
    deleted.sort();
    assert_eq!(deleted, ["delete a[by-hand#1]", "delete a[by-hand#2]"]);
    assert!(world.state().intents.is_empty());
    let plan = world.plan(program).await;
    assert!(plan.is_empty());
    assert_eq!(told(&plan), ["b[by-hand#4] Stays", "b[by-hand#3] Stays"]);
}

#[tokio::test]
async fn to_become_exclusive_is_recorded_and_holds_for_an_orphan() {
    let world = World::of_families();
    let program = |exclusive: bool| {
        move |scope: &mut Scope<'_>| {
            let a = thing(&[]);
            scope.add("a", if exclusive { a.exclusive() } else { a });
        }
    };
    world.settle(program(false)).await;
    world.settle(program(true)).await;
    world.cloud.add(PART, of("a#1"));
    // The program does not name it any more; the record does.
    let plan = world.plan(|_| ()).await;
    assert_eq!(world.apply(plan).await.unwrap(), ["delete a[by-hand#1]", "delete a"]);
    assert!(world.cloud.ids().is_empty());
    // What goes with its parent costs no call of its own, and what stays keeps all it has.
    world.settle(program(true)).await;
    world.cloud.add(LEAF, of("a#2"));
    let plan = world.plan_destroy(program(true)).await;
    assert_eq!(told(&plan), ["a[by-hand#2] GoesAlong"]);
    assert_eq!(world.apply(plan).await.unwrap(), ["delete a"]);
    let kept = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).exclusive().retain());
    };
    world.settle(kept).await;
    world.cloud.add(PART, of("a#3"));
    let plan = world.plan_destroy(kept).await;
    assert_eq!(told(&plan), ["a[by-hand#3] Stays"], "a retained object keeps what it has");
}

#[tokio::test]
async fn what_is_deleted_goes_before_what_it_uses_and_before_what_takes_its_place() {
    let world = World::of_families();
    let program = |taken: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]).exclusive());
            if taken {
                scope.add("mine", Part::builder().fixed_ref(&a.id).name("n").build());
            } else {
                scope.add("used", thing(&[]));
            }
        }
    };
    world.settle(program(false)).await;
    let mut inputs = of("a#1");
    if let Value::Map(map) = &mut inputs {
        map.insert("name", "n");
        map.insert("refs", Value::List(vec!["used#1".into()]));
    }
    let first = world.cloud.add(PART, inputs);
    // One that uses another goes before it, whatever they are called.
    let mut inputs = of("a#1");
    if let Value::Map(map) = &mut inputs {
        map.insert("refs", Value::List(vec![first.as_str().into()]));
    }
    world.cloud.add(PART, inputs);
    let done = world.settle(program(true)).await;
    assert_eq!(
        done,
        ["delete a[by-hand#2]", "delete a[by-hand#1]", "create mine", "delete used"],
        "with strict references and unique names any other order fails"
    );
}

struct Net;

impl Component for Net {
    type Handle = ();

    fn declare(self, scope: &mut Scope<'_>) {
        scope.add("a", thing(&[]));
    }
}

#[tokio::test]
async fn a_component_hands_it_down_and_a_narrowed_plan_keeps_to_its_parents() {
    let world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        scope.add("net", Net.with_options().exclusive());
        scope.add("b", thing(&[]).exclusive());
    };
    world.settle(program).await;
    world.cloud.add(PART, of("net.a#1"));
    world.cloud.add(PART, of("b#1"));
    let stack = World::stack(program);
    let plan = world.engine().plan(&stack).target("net").seed(world.seed()).await.unwrap();
    assert_eq!(told(&plan), ["net/a[by-hand#1] Deleted"]);
    world.apply(plan).await.unwrap();
    let plan = world.engine().plan(&stack).exclude("b").seed(world.seed()).await.unwrap();
    assert!(told(&plan).is_empty() && plan.is_empty());
    assert_eq!(world.settle(program).await, ["delete b[by-hand#2]"]);
}

#[tokio::test]
async fn a_refresh_of_the_records_tells_and_deletes_nothing() {
    let world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).exclusive());
    };
    world.settle(program).await;
    world.cloud.add(PART, of("a#1"));
    let plan = world.engine().plan(&World::stack(program)).refresh_only().await.unwrap();
    assert_eq!(told(&plan), ["a[by-hand#1] Stays"]);
    assert!(world.apply(plan).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_was_cut_off_is_looked_after_whatever_became_of_it() {
    let program = |exclusive: bool| {
        move |scope: &mut Scope<'_>| {
            let a = thing(&[]);
            scope.add("a", if exclusive { a.exclusive() } else { a });
            scope.add("b", thing(&[]));
        }
    };
    for during in [false, true] {
        for cut in 1..=2 {
            for still in [false, true] {
                let mut world = World::of_families();
                world.settle(program(true)).await;
                world.cloud.add(PART, of("a#1"));
                let before = world.store.writes();
                match during {
                    true => world.store.cut_during(before + cut),
                    false => world.store.cut_after(before + cut),
                }
                let _ = world.up(program(true)).await;
                world.store = world.store.reopen();
                world.store.expire_leases();
                let case = format!("{cut} {during} {still}");
                // A plan of another part does not touch it.
                let stack = World::stack(program(still));
                let open = world.state().intents.len();
                let plan =
                    world.engine().plan(&stack).target("b").seed(world.seed()).await.unwrap();
                world.apply(plan).await.unwrap();
                assert_eq!(world.state().intents.len(), open, "{case}");
                world.up(program(still)).await.unwrap();
                assert!(world.state().intents.is_empty(), "{case}");
                let there = world.cloud.object("by-hand#1").is_some();
                assert!(!still || !there, "{case}");
                world.assert_settled(program(still)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_is_lost_is_called_again_by_the_next_run() {
    let world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).exclusive());
    };
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        world.settle(program).await;
        let id = world.cloud.add(PART, of("a#1"));
        world.cloud.fail(Op::Delete, &format!("a[{id}]"), 1, fault);
        assert!(world.up(program).await.is_err());
        assert_eq!(world.state().intents.len(), 1);
        let plan = world.plan(program).await;
        assert!(plan.to_string().contains(&format!("recovered a: the delete of {id} (")), "{plan}");
        world.apply(plan).await.unwrap();
        world.assert_settled(program).await;
        assert!(world.cloud.object(&id).is_none() && world.state().intents.is_empty());
    }
    // A definite refusal leaves nothing open.
    let id = world.cloud.add(PART, of("a#1"));
    world.cloud.fail(Op::Delete, &format!("a[{id}]"), 1, Fault::Refuse);
    assert!(world.up(program).await.is_err());
    assert!(world.state().intents.is_empty());
}

#[tokio::test]
async fn a_saved_plan_deletes_what_it_says_and_nothing_that_came_later() {
    use crate::saved::{file, opened};
    let world = World::of_families();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).exclusive());
        scope.add("b", Thing::builder().label("1").build());
    };
    world.settle(program).await;
    world.cloud.add(PART, of("a#1"));
    let saved = file(&world.plan(program).await);
    world.cloud.add(PART, of("a#1"));
    let stack = World::stack(program);
    let plan = world.engine().load(&stack, opened(&saved)).await.unwrap();
    assert_eq!(world.apply(plan).await.unwrap(), ["delete a[by-hand#1]"]);
    // Of what came later a stale plan says nothing.
    let refused = world.engine().load(&stack, opened(&saved)).allow_stale().await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("a[by-hand#2]: it would now take to delete it"), "{refused}");
    let fresh = file(&world.plan(program).await);
    world.cloud.add(LEAF, of("b#1"));
    world
        .up(|scope| {
            program(scope);
            scope.add("c", thing(&[]));
        })
        .await
        .unwrap();
    let not_exclusive = World::stack(|scope| {
        scope.add("a", thing(&[]));
        scope.add("b", Thing::builder().label("1").build());
    });
    let refused = world.engine().load(&not_exclusive, opened(&fresh)).allow_stale().await;
    assert!(refused.err().unwrap().to_string().contains("exclusive"));
}
