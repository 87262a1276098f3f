//! Subtrees that are declared from a value: in the plan where the value is known, and in a wave of
//! their own where it is not. While they are undecided nothing in them is touched.

use formwork_core::{
    Component, Output, Plan, SavedPlan, Scope, Secret, Stack,
    testing::{Single, Thing},
    text, zip,
};

use crate::world::World;

/// The number behind an id: how often the object was made.
fn edition(id: &str) -> usize {
    id.rsplit('#').next().unwrap().parse().unwrap()
}

impl World {
    /// Plans and applies until nothing is undecided; returns the plans, as text.
    pub(crate) async fn waves(&self, program: impl Fn(&mut Scope<'_>)) -> Vec<String> {
        let mut plans = Vec::new();
        while plans.len() < 10 {
            let plan = self.plan(&program).await;
            let (text, done) = (plan.to_string(), plan.undecided().is_empty());
            self.apply(plan).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
            plans.push(text);
            if done {
                break;
            }
        }
        self.assert_settled(&program).await;
        plans
    }

    async fn refusal(&self, program: impl Fn(&mut Scope<'_>)) -> String {
        let stack = Stack::new("t", program).unwrap();
        self.engine().plan(&stack).await.unwrap_err().to_string()
    }
}

/// A thing, and as many others that use it as often as it was made.
fn counted(fixed: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().fixed(fixed).build());
        let id = x.id.clone();
        scope.decide("nodes", &x.id, move |scope, value: String| {
            for n in 0..edition(&value) {
                let node = Thing::builder().label(&value).refs(vec![id.clone()]);
                scope.add(format!("n{n}"), node.build());
            }
        });
    }
}

#[tokio::test]
async fn what_can_not_be_known_yet_is_decided_in_a_plan_of_its_own() {
    let world = World::new();
    let plans = world.waves(counted("1")).await;
    assert_eq!(
        plans[0],
        "other\n  + x                                        model:test/thing\nlater\n  ? nodes is \
         decided after x\n1 to create, 0 unchanged\n"
    );
    assert_eq!(
        plans[1],
        "other\n  + nodes/n0                                 model:test/thing\n1 to create, 1 \
         unchanged\n"
    );
    assert_eq!((plans.len(), world.cloud.ids()), (2, vec!["nodes.n0#1".into(), "x#1".into()]));
}

#[tokio::test]
async fn what_is_recorded_in_an_undecided_subtree_stays_until_it_is_decided() {
    let world = World::new();
    world.waves(counted("1")).await;
    let before = world.state();
    let plan = world.plan(counted("2")).await;
    assert_eq!(
        plan.to_string(),
        "other\n  ± x                                        model:test/thing\n      fixed: \"1\" -> \
         \"2\" (forces replacement)\nlater\n  ? nodes is decided after x; what is recorded in it \
         stays as it is: 1 resource\n1 to replace, 0 unchanged\n"
    );
    let undecided = &plan.undecided()[0];
    assert_eq!((undecided.address.as_str(), undecided.after[0].as_str()), ("nodes", "x"));
    assert!(undecided.declared_at.contains("waves.rs"), "{}", undecided.declared_at);
    assert_eq!(world.apply(plan).await.unwrap(), ["create x"]);
    // The old one is still used, so it is there.
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "x#1", "x#2"]);
    let node = before.records.values().find(|row| row.address.as_str() == "nodes/n0").unwrap();
    assert_eq!(world.state().records.get(&node.id), Some(node));
    let plan = world.plan(counted("2")).await;
    assert_eq!(
        world.apply(plan).await.unwrap(),
        ["update nodes/n0", "create nodes/n1", "delete x"]
    );
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "nodes.n1#1", "x#2"]);
    world.assert_settled(counted("2")).await;
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
async fn a_value_that_is_known_decides_in_the_same_plan_and_may_change() {
    let world = World::new();
    assert_eq!(world.waves(labelled(2)).await.len(), 1);
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "nodes.n1#1", "x#1"]);
    assert_eq!(world.waves(labelled(3)).await.len(), 1);
    world.cloud.clear_log();
    assert_eq!(world.waves(labelled(1)).await.len(), 1);
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "x#1"]);
    // What was declared goes with the call that declared it.
    world.settle(|scope| drop(scope.add("x", Thing::builder().label("1").build()))).await;
    assert_eq!(world.cloud.ids(), ["x#1"]);
}

#[tokio::test]
async fn what_is_decided_depends_on_what_decided_it() {
    let world = World::new();
    world.waves(labelled(2)).await;
    assert_eq!(world.destroy().await.unwrap()[2], "delete x");
    let program = |scope: &mut Scope<'_>| {
        scope.decide(
            "literal",
            &Output::known(vec!["a", "b"]).cast(),
            |scope, names: Vec<String>| {
                for name in names {
                    scope.add(name, Thing::builder().build());
                }
            },
        );
    };
    assert_eq!(world.waves(program).await.len(), 1);
    assert_eq!(world.cloud.ids(), ["literal.a#1", "literal.b#1"]);
}

/// A subtree whose output others use, and an output of the stack.
fn used(fixed: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().fixed(fixed).build());
        let last = scope.decide("inner", &x.id, |scope, id: String| {
            let a = scope.add("a", Thing::builder().label(&id).build());
            let b = scope.add("b", Thing::builder().refs(vec![a.id]).build());
            scope.export("inside", &b.id);
            b.id
        });
        let user = scope.add("user", Thing::builder().refs(vec![last.clone()]).build());
        scope.add("behind", Thing::builder().label(text!("{}!", user.id)).build());
        scope.add("beside", Thing::builder().build());
        scope.export("last", &last);
    }
}

#[tokio::test]
async fn what_uses_an_undecided_output_waits_and_outputs_of_the_stack_keep_their_value() {
    let world = World::new();
    let plans = world.waves(used("1")).await;
    assert_eq!(plans.len(), 2);
    assert!(
        plans[0].contains(
            "  ? inner is decided after x\n  ? user waits for what is undecided\n  ? behind waits"
        ) && plans[0].contains("+ beside"),
        "{}",
        plans[0]
    );
    let exports = r#"{inside: "inner.b#1", last: "inner.b#1"}"#;
    assert_eq!(world.state().exports.to_string(), exports);
    let plan = world.plan(used("2")).await;
    world.apply(plan).await.unwrap();
    assert_eq!(world.state().exports.to_string(), exports);
    assert_eq!(world.waves(used("2")).await.len(), 1);
    let user = world.cloud.object("user#1").unwrap();
    assert_eq!(user.refs, ["inner.b#1"]);
    world.destroy().await.unwrap();
    assert!(world.cloud.ids().is_empty());
}

#[tokio::test]
async fn decisions_lie_in_each_other_and_in_components_and_each_is_a_wave() {
    struct Inside {
        of: Output<String>,
    }
    impl Component for Inside {
        type Handle = Output<String>;
        fn declare(self, scope: &mut Scope<'_>) -> Output<String> {
            scope.decide("second", &self.of, |scope, id: String| {
                scope.add("c", Thing::builder().label(id).build()).id
            })
        }
    }
    let program = |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().build());
        let y = scope.add("y", Thing::builder().build());
        scope.decide("first", &x.id, |scope, id: String| {
            let b = scope.add("b", Thing::builder().label(id).build());
            scope.add("within", Inside { of: b.id.clone() }.with_options().protect())
        });
        scope.decide("both", &zip(&x.id, &y.id), |scope, (x, y): (String, String)| {
            scope.add("d", Thing::builder().label(format!("{x} {y}")).build());
        });
    };
    let world = World::new();
    let plans = world.waves(program).await;
    assert_eq!(plans.len(), 3, "{plans:#?}");
    assert!(plans[0].contains("first is decided after x\n  ? both is decided after x, y"));
    assert!(plans[1].contains("? first/within/second is decided after first/b"), "{}", plans[1]);
    let c = world
        .state()
        .records
        .into_values()
        .find(|row| row.address.as_str() == "first/within/second/c");
    assert!(c.unwrap().options.protect);
}

#[tokio::test]
async fn what_nobody_declares_waits_for_it_may_have_moved_into_what_is_undecided() {
    let world = World::new();
    world
        .settle(|scope| {
            scope.add("old", Thing::builder().build());
            scope.add("orphan", Thing::builder().build());
        })
        .await;
    let program = |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().build());
        scope.decide("inner", &x.id, |scope, _: String| {
            scope.add("new", Thing::builder().build().moved_from("old"));
        });
    };
    let plans = world.waves(program).await;
    assert_eq!(plans.len(), 2);
    assert!(plans[0].contains("1 to create, 0 unchanged"), "{}", plans[0]);
    assert!(
        plans[1].contains("moved old -> inner/new") && plans[1].contains("- orphan"),
        "{}",
        plans[1]
    );
    assert_eq!(world.cloud.ids(), ["old#1", "x#1"]);
}

#[tokio::test]
async fn what_nobody_declares_does_not_wait_where_it_is_in_the_way() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("old", Thing::builder().name("n").build()))).await;
    let program = |scope: &mut Scope<'_>| {
        let x = scope.add("x", Thing::builder().name("n").build());
        scope.decide("inner", &x.id, |_, _: String| ());
    };
    let plan = world.plan(program).await;
    assert_eq!(world.apply(plan).await.unwrap(), ["delete old", "create x"]);
    world.assert_settled(program).await;
}

#[tokio::test]
async fn what_must_go_first_is_refused_while_something_undecided_uses_it() {
    let program = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            let x = scope.add("x", Single::builder().fixed(fixed).build());
            let id = x.id.clone();
            scope.decide("inner", &x.id, move |scope, _: String| {
                scope.add("a", Thing::builder().refs(vec![id.clone()]).build());
            });
        }
    };
    let world = World::new();
    world.waves(program("1")).await;
    let error = world.refusal(program("2")).await;
    assert!(
        error.contains("x goes before its replacement comes, and inner/a, which can be decided"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_wrong_in_a_subtree_is_told_with_its_line_and_nothing_is_planned() {
    let world = World::new();
    let known = || Output::known("7".to_owned());
    let error = world
        .refusal(|scope| {
            scope.decide("a", &known(), |_, _: String| -> Output<String> { panic!("oh no") });
            scope.decide("b", &known(), |scope, _: String| scope.problem(None, "not like this"));
            scope.decide("c", &known().cast(), |_, _: u32| ());
            scope.decide("d", &known().secret(), |_, _: String| ());
            scope.decide("e", &known().secret().cast(), |_, _: Secret<String>| ());
            scope.decide("f", &known(), |scope, _: String| {
                scope.add("g", Thing::builder().build());
                scope.add("g", Thing::builder().build());
            });
        })
        .await;
    for part in [
        "a: its closure panicked: oh no [declared at",
        "b: not like this",
        "c: what it is decided by is of another type",
        "d: what it is decided by is of another type: it is secret",
        "f/g: the name is taken",
        "waves.rs",
    ] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    assert!(!error.contains("- e:"), "{error}");
    fn again(scope: &mut Scope<'_>) {
        scope.decide("again", &Output::known(1), |scope, _: u32| again(scope));
    }
    assert!(world.refusal(again).await.contains("more than 32 deep"));
}

#[tokio::test]
async fn a_stack_is_destroyed_by_what_is_recorded() {
    let world = World::new();
    world.waves(counted("1")).await;
    let plan = world.plan_destroy(counted("1")).await;
    assert_eq!(world.apply(plan).await.unwrap(), ["delete nodes/n0", "delete x"]);
    // A wave, and no more.
    world.waves(counted("1")).await;
    let plan = world.plan(counted("2")).await;
    world.apply(plan).await.unwrap();
    let plan = world.plan_destroy(counted("2")).await;
    world.apply(plan).await.unwrap();
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}

#[tokio::test]
async fn an_object_that_is_gone_is_made_again_before_what_it_decides() {
    let world = World::new();
    world.waves(counted("1")).await;
    world.cloud.lose("x#1");
    let mut world = world;
    world.lost.push("x#1".to_owned());
    let plans = world.waves(counted("1")).await;
    assert_eq!(plans.len(), 2, "{plans:#?}");
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "nodes.n1#1", "x#2"]);
}

#[tokio::test]
async fn a_plan_of_a_part_leaves_out_what_lies_in_a_subtree_and_takes_it_in_by_name() {
    let world = World::new();
    let plan = world.plan_with(counted("1"), |plan| plan.target("nodes/n0")).await;
    let error = plan.unwrap_err().to_string();
    assert!(error.contains("x: nodes needs it, and it is not there yet"), "{error}");
    let part = |plan: Plan| (plan.to_string(), plan);
    let plan = world.plan_with(counted("1"), |p| p.target("nodes/n0").target_dependencies()).await;
    let (text, plan) = part(plan.unwrap());
    assert!(text.contains("+ x") && text.contains("? nodes is decided after x"), "{text}");
    world.apply(plan).await.unwrap();
    let plan = world.plan_with(counted("1"), |plan| plan.exclude("nodes/n0")).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let plan = world.plan_with(counted("1"), |plan| plan.target("nodes/n0")).await.unwrap();
    assert_eq!(world.apply(plan).await.unwrap(), ["create nodes/n0"]);
    // Another object is what decides, which this plan is not about.
    let plan = world.plan_with(counted("2"), |plan| plan.target("nodes")).await.unwrap();
    assert!(plan.is_empty() && plan.undecided().is_empty(), "{plan}");
    // Nor is it about what the object decides, so the old one stays for those who use it.
    let plan = world.plan_with(counted("2"), |plan| plan.target("x")).await.unwrap();
    assert_eq!(world.apply(plan).await.unwrap(), ["create x"]);
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "x#1", "x#2"]);
    assert_eq!(world.waves(counted("2")).await.len(), 1);
    assert_eq!(world.cloud.ids(), ["nodes.n0#1", "nodes.n1#1", "x#2"]);
}

#[tokio::test]
async fn a_saved_plan_is_a_wave_and_the_next_is_another() {
    let world = World::new();
    let stack = |fixed| World::stack(counted(fixed));
    let saved = |plan: &Plan| {
        let bytes = SavedPlan::new(plan).to_bytes(None).unwrap();
        SavedPlan::from_bytes(&bytes).unwrap()
    };
    let first = saved(&world.plan(counted("1")).await);
    let engine = world.engine();
    let plan = engine.load(&stack("1"), first.clone()).await.unwrap();
    assert_eq!(plan.undecided().len(), 1);
    let live = engine.apply(plan).await.unwrap();
    assert_eq!(live.undecided()[0].address.as_str(), "nodes");
    // Loaded again it has nothing left to do, though what it could not decide is known by now.
    let plan = engine.load(&stack("1"), first).allow_stale().await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let second = saved(&world.plan(counted("1")).await);
    let plan = engine.load(&stack("1"), second.clone()).await.unwrap();
    assert_eq!(world.apply(plan).await.unwrap(), ["create nodes/n0"]);
    let other = World::stack(|scope| {
        let x = scope.add("x", Thing::builder().fixed("1").build());
        scope.decide("nodes", &x.id, |scope, _: String| {
            scope.add("n1", Thing::builder().build());
        });
    });
    let error = engine.load(&other, second).allow_stale().await.unwrap_err().to_string();
    assert!(
        error.contains("nodes/n0: the program declared it") && error.contains("nodes/n1"),
        "{error}"
    );
}
