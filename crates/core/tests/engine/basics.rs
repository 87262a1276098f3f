//! Create, update, delete, order, drift.

use formwork_core::{
    Component, Declaration, Scope,
    testing::{Thing, ThingHandle},
    text,
    value::Value,
};

use crate::world::{World, at};

pub(crate) fn thing(refs: &[&ThingHandle]) -> Declaration<Thing> {
    let refs: Vec<_> = refs.iter().map(|handle| handle.id.clone()).collect();
    Thing::builder().refs(refs).build()
}

fn chain(scope: &mut Scope<'_>) {
    let a = scope.add("a", thing(&[]));
    let b = scope.add("b", thing(&[&a]));
    scope.add("c", thing(&[&b]));
}

#[tokio::test]
async fn a_chain_is_made_in_order_and_destroyed_in_reverse() {
    let world = World::new();
    assert_eq!(world.settle(chain).await, ["create a", "create b", "create c"]);
    assert_eq!(world.destroy().await.unwrap(), ["delete c", "delete b", "delete a"]);
    assert!(world.state().records.is_empty() && world.cloud.ids().is_empty());
}

#[tokio::test]
async fn a_plan_reads_as_a_story_and_changes_nothing() {
    let world = World::new();
    let v1 = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("one").fixed("x").build());
        scope.add(
            "b",
            Thing::builder()
                .label(text!("{}!", a.label.map(Option::unwrap_or_default)))
                .refs([&a.id])
                .build(),
        );
        scope.add("gone", thing(&[&a]));
    };
    world.settle(v1).await;
    let before = (world.state(), world.cloud.objects());
    let plan = world
        .plan(|scope| {
            let a = scope.add("a", Thing::builder().label("one").fixed("y").build());
            scope.add("b", Thing::builder().label("two").refs([&a.id]).build());
            scope.add("new", Thing::builder().build());
        })
        .await;
    assert_eq!((world.state(), world.cloud.objects()), before);
    let expected = r#"other
  ± a                                        model:test/thing
      fixed: "x" -> "y" (forces replacement)
  ~ b                                        model:test/thing
      label: "one!" -> "two"
      refs[0]: "a#1" -> (known after apply)
  + new                                      model:test/thing
  - gone                                     model:test/thing  (no longer declared)
  - a                                        model:test/thing  (replaced)
1 to create, 1 to update, 1 to replace, 1 to delete, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn independent_resources_run_together_but_never_more_than_the_limit() {
    let world = World::new();
    world.cloud.latency(std::time::Duration::from_millis(10));
    let hundred = |scope: &mut Scope<'_>| {
        for i in 0..100 {
            scope.add(format!("r{i}"), thing(&[]));
        }
    };
    world.settle(hundred).await;
    assert_eq!(world.cloud.most_in_flight(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_resource_holds_no_slot() {
    let mut world = World::new();
    world.parallelism = 1;
    world.cloud.slow(3);
    let two = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    };
    world.up(two).await.unwrap();
    let log = world.cloud.log();
    let ready = log.iter().rposition(|c| c.address == "a").unwrap();
    let second = log.iter().position(|c| c.address == "b").unwrap();
    assert!(second < ready, "b waited for a although a only waited for the cloud");
}

#[tokio::test(start_paused = true)]
async fn the_longest_remaining_path_goes_first() {
    let mut world = World::new();
    world.parallelism = 1;
    let program = |scope: &mut Scope<'_>| {
        scope.add("short", thing(&[]));
        chain(scope);
    };
    let log = world.up(program).await.unwrap();
    assert!(at(&log, "create a") < at(&log, "create short"));
}

#[tokio::test]
async fn a_moved_dependency_is_remembered_for_the_next_destroy() {
    let world = World::new();
    let program = |y: bool| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", thing(&[]));
            let other = scope.add("y", thing(&[]));
            scope.add("l", thing(&[if y { &other } else { &x }]));
        }
    };
    world.settle(program(false)).await;
    world.settle(program(true)).await;
    let log = world.destroy().await.unwrap();
    assert!(at(&log, "delete l") < at(&log, "delete x"));
    assert!(at(&log, "delete l") < at(&log, "delete y"));
}

#[tokio::test]
async fn an_edge_alone_is_recorded_without_a_call() {
    let world = World::new();
    let program = |after: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            let b = thing(&[]);
            scope.add("b", if after { b.after(&a) } else { b });
        }
    };
    world.settle(program(false)).await;
    assert!(world.settle(program(true)).await.is_empty());
    let log = world.destroy().await.unwrap();
    assert_eq!(log, ["delete b", "delete a"]);
}

#[tokio::test]
async fn what_drifted_is_shown_field_by_field_and_put_back() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("one").set(["x", "y"]).build());
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "label", Value::from("two"));
    world.cloud.edit("a#1", "zone", Value::from("zone-b"));
    let plan = world.plan(program).await;
    let drift: Vec<_> = plan.data().drift[0].fields.iter().map(|f| f.path.to_string()).collect();
    assert_eq!(drift, ["label", "zone"]);
    // What the program leaves to the cloud is shown, and left to the cloud.
    let changes: Vec<_> =
        plan.steps().flat_map(|s| &s.changes).map(|c| c.path.to_string()).collect();
    assert_eq!(changes, ["label"]);
    assert_eq!(world.apply(plan).await.unwrap(), ["update a"]);
    world.assert_settled(program).await;
}

#[tokio::test]
async fn what_is_gone_is_made_again_and_forgotten_when_not_wanted() {
    let mut world = World::new();
    world.settle(chain).await;
    world.lost.extend(["a#1".to_owned(), "c#1".to_owned()]);
    world.cloud.lose("a#1");
    world.cloud.lose("c#1");
    let two = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("b", thing(&[&a]));
    };
    // No delete call for c, which nobody wants and which is gone already.
    assert_eq!(world.settle(two).await, ["create a", "update b"]);
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_with_their_lines() {
    let world = World::new();
    let line = line!() + 2;
    let stack = World::stack(|scope| {
        scope.add("a", Thing::builder().label("").build());
        scope.add("b", Thing::builder().label("").build().ignore_changes(["nonsense"]));
    });
    let error = world.engine().plan(&stack).await.err().unwrap().to_string();
    for expected in [
        format!(
            "a.label: it is empty; expected text, or no label at all [declared at crates/core/tests/engine/basics.rs:{line}]"
        ),
        "b.label: it is empty".to_owned(),
        "b.nonsense: ignore_changes names `nonsense`, which is no field of model:test/thing"
            .to_owned(),
    ] {
        assert!(error.contains(&expected), "{expected}\nnot in\n{error}");
    }
}

struct Pair;
impl Component for Pair {
    type Handle = ThingHandle;
    fn declare(self, scope: &mut Scope<'_>) -> ThingHandle {
        let first = scope.add("first", thing(&[]));
        scope.add("second", thing(&[&first]))
    }
}

#[tokio::test]
async fn a_component_hands_its_options_to_its_children() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("pair", Pair.with_options().protect());
        })
        .await;
    let stack = World::stack(|_| ());
    let error = world.engine().plan(&stack).await.err().unwrap().to_string();
    assert!(error.contains("pair/first") && error.contains("pair/second"), "{error}");
    // The program's word counts where it still declares them.
    world
        .settle(|scope| {
            scope.add("pair", Pair);
        })
        .await;
    assert_eq!(world.destroy().await.unwrap(), ["delete pair/second", "delete pair/first"]);
}

#[tokio::test]
async fn a_retained_resource_is_forgotten_and_left_alone() {
    let mut world = World::new();
    world
        .settle(|scope| {
            scope.add("a", thing(&[]).retain());
        })
        .await;
    world.kept.push("a#1".to_owned());
    assert!(world.settle(|_| ()).await.is_empty());
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

#[tokio::test]
async fn exports_are_recorded_and_read() {
    let world = World::new();
    let stack = formwork_core::Stack::new("t", |scope| {
        let a = scope.add("a", thing(&[]));
        scope.export("id", &a.id);
        a.id
    })
    .unwrap();
    let plan = world.engine().plan(&stack).await.unwrap();
    let live = world.engine().apply(plan).await.unwrap();
    assert_eq!(live.get(&stack.outputs).unwrap(), "a#1");
    assert_eq!(world.state().exports.to_string(), r#"{id: "a#1"}"#);
}

#[tokio::test]
async fn a_text_may_have_braces_beside_its_placeholders() {
    let world = World::new();
    let text = |s: &mut Scope<'_>| {
        let a = s.add("a", thing(&[]));
        s.add("b", Thing::builder().label(text!("{{{}}} }}{{{{", a.id)).build());
    };
    world.settle(text).await;
    let b = world.cloud.object("b#1").unwrap();
    assert_eq!(b.inputs.get("label").unwrap().as_str(), Some("{a#1} }{{"));
    let wrong = World::stack(|s| drop(s.add("a", Thing::builder().label(text!("{x}")).build())));
    let error = world.engine().plan(&wrong).await.err().unwrap().to_string();
    assert!(error.contains("a single brace"), "{error}");
}
