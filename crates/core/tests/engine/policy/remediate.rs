//! What policies put right before anything is planned.

use formwork_core::{Found, Policy, Scope, testing::Thing};

use super::{engine, label, masked, plan, refusal};
use crate::world::World;

/// Whatever has no label, or a bad one, gets a good one.
fn good_label() -> Policy {
    super::labelled().remediate::<Thing>(|thing, fix| {
        let good = |label: String| label != "bad";
        if !thing.get("label").is_known_and(good) {
            fix.set("label", "good");
        }
    })
}

/// Everything is fixed, which can only be said at creation.
fn fixed() -> Policy {
    Policy::mandatory("fixed")
        .check::<Thing>(|thing, report| {
            if thing.get::<String>("fixed") == Found::Absent {
                report.violation("fixed", "it is loose");
            }
        })
        .remediate::<Thing>(|thing, fix| {
            if thing.get::<String>("fixed") == Found::Absent {
                fix.set("fixed", "yes");
            }
        })
}

#[tokio::test]
async fn what_is_put_right_is_shown_sent_and_settled() {
    let world = World::new();
    let engine = engine(&world, [good_label(), fixed()]);
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("bad"));
        scope.add("b", Thing::builder().name(&a.id).label("x").build());
        scope.export("label", &a.label);
    };
    let first = plan(&world, &engine, declare).await.unwrap();
    let text = first.to_string();
    assert!(
        text.starts_with(
            "remediated a.fixed: (none) -> \"yes\" (policy fixed)\n\
             remediated a.label: \"bad\" -> \"good\" (policy labelled)\n\
             remediated b.fixed: (none) -> \"yes\" (policy fixed)\n"
        ),
        "{text}"
    );
    assert!(text.contains("label: (none) -> \"good\""), "{text}");
    engine.apply(first).await.unwrap();
    world.check();
    let made = world.cloud.object("b#1").unwrap().inputs;
    assert_eq!(made.get("fixed"), Some(&"yes".into()));
    // The program still says otherwise, and nothing is to do: the same is put right each time.
    let writes = world.store.writes();
    let second = plan(&world, &engine, declare).await.unwrap();
    assert!(second.is_empty() && second.data().steps.is_empty(), "{second}");
    assert!(second.to_string().contains("remediated a.label"));
    engine.apply(second).await.unwrap();
    assert_eq!(world.store.writes(), writes);
}

#[tokio::test]
async fn what_would_replace_an_object_is_not_put_right_but_judged() {
    let world = World::new();
    let declare = |scope: &mut Scope<'_>| drop(scope.add("a", label("x")));
    world.up(declare).await.unwrap();
    let engine = engine(&world, [fixed()]);
    let refused = refusal(&world, &engine, declare).await;
    assert!(refused.contains("a.fixed: it is loose (mandatory policy fixed)"), "{refused}");
    // Asked to replace it, or where the program does so itself, the new one is as it should be.
    let stack = World::stack(declare);
    let plan = engine.plan(&stack).replace("a").await.unwrap();
    assert!(plan.to_string().contains("remediated a.fixed"), "{plan}");
    let declare = |scope: &mut Scope<'_>| {
        drop(scope.add("a", Thing::builder().label("x").fixed_ref("").build()));
    };
    let plan = engine.plan(&World::stack(declare)).await.unwrap();
    assert!(plan.to_string().contains("remediated a.fixed"), "{plan}");
}

#[tokio::test]
async fn what_is_held_back_is_shown() {
    let world = World::new();
    let advisory = |policy: Policy| policy.level(formwork_core::Level::Advisory);
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("x").ignore_changes(["label"]));
        scope.add("b", Thing::builder().label(&a.id).fixed("x").build());
    };
    world.up(declare).await.unwrap();
    let better = Policy::advisory("better").remediate::<Thing>(|thing, fix| {
        if !thing.get::<String>("label").is_known_and(|label| label == "better") {
            fix.set("label", "better");
        }
    });
    let engine = engine(&world, [advisory(fixed()), better]);
    let stack = World::stack(|scope| {
        let a = scope.add("a", label("x").ignore_changes(["label"]));
        let new = scope.add("new", Thing::builder().fixed("x").build());
        scope.add("b", Thing::builder().label(&new.id).name(&a.id).fixed("x").build());
    });
    let plan = engine.plan(&stack).seed(world.seed()).await.unwrap();
    let text = masked(&plan.to_string());
    let told: Vec<&str> = text.lines().take_while(|line| !line.starts_with("other")).collect();
    assert_eq!(
        told[..5],
        [
            "not remediated a.fixed: (none) stays, not \"yes\": it would replace what is there (policy fixed)",
            "not remediated a.label: \"x\" stays, not \"better\": its changes are ignored (policy better)",
            "remediated new.label: (none) -> \"better\" (policy better)",
            "not remediated b.label: (known after apply) stays, not \"better\": it is known only after apply (policy better)",
            "warning: a.fixed: it is loose (advisory policy fixed) [at]",
        ]
    );
    engine.apply(plan).await.unwrap();
    world.check();
}

#[tokio::test]
async fn a_remediation_that_is_wrong_refuses_the_plan() {
    let world = World::new();
    let grows = Policy::advisory("grows").remediate::<Thing>(|thing, fix| {
        let label = thing.get::<String>("label").known().unwrap_or_default();
        fix.set("label", format!("{label}+"));
    });
    let fails = super::labelled().remediate::<Thing>(|_, fix| fix.set("label", "bad"));
    let panics = Policy::advisory("panics").remediate::<Thing>(|_, _| panic!("oh"));
    let stray = Policy::advisory("stray").remediate::<Thing>(|_, fix| fix.set("labl", 1));
    let shape = Policy::advisory("shape").remediate::<Thing>(|_, fix| fix.set("zone", 5));
    let list = Policy::advisory("list").remediate::<Thing>(|_, fix| fix.set("refs[3]", "x"));
    let cases = [
        (
            grows,
            "a.label: its remediation is not idempotent: on the result it wants `label` to be \"++\" (mandatory policy grows); mend the policy [at]",
        ),
        (
            fails,
            "a.label: its remediation does not satisfy it: it is bad (mandatory policy labelled); mend the policy [at]",
        ),
        (
            panics,
            "a: its remediation is wrong: it panicked, which is a bug in the policy: oh (mandatory policy panics); mend the policy [at]",
        ),
        (
            stray,
            "a.labl: its remediation is wrong: it sets a field that model:test/thing has not got (mandatory policy stray); mend the policy [at]",
        ),
        (
            shape,
            "a: its remediation sets what its type does not take: zone: invalid type: integer `5`, expected a string (mandatory policy shape); mend the policy [at]",
        ),
        (
            list,
            "a.refs[3]: its remediation sets an element that is not there (mandatory policy list); mend the policy [at]",
        ),
    ];
    for (policy, expected) in cases {
        let engine = engine(&world, [policy]);
        let declare = |scope: &mut Scope<'_>| drop(scope.add("a", Thing::builder().build()));
        let refused = refusal(&world, &engine, declare).await;
        assert!(refused.contains(expected), "{refused}\n{expected}");
    }
}

#[tokio::test]
async fn policies_that_want_different_things_refuse_the_plan_in_any_order() {
    let world = World::new();
    let wants = |name: &'static str, label: &'static str| {
        Policy::advisory(name).remediate::<Thing>(move |_, fix| fix.set("label", label))
    };
    let declare = |scope: &mut Scope<'_>| drop(scope.add("a", Thing::builder().build()));
    let one = refusal(&world, &engine(&world, [wants("x", "1"), wants("y", "2")]), declare).await;
    let two = refusal(&world, &engine(&world, [wants("y", "2"), wants("x", "1")]), declare).await;
    assert_eq!(one, two);
    assert!(one.contains("wants \"2\" where that of policy x wants \"1\" in `label`"), "{one}");
    let agreed = engine(&world, [wants("x", "1"), wants("y", "1")]);
    let plan = plan(&world, &agreed, declare).await.unwrap();
    assert!(plan.to_string().contains("a.label: (none) -> \"1\" (policy x, y)"), "{plan}");
}

#[tokio::test]
async fn what_is_exempt_is_not_put_right() {
    let world = World::new();
    let engine = engine(&world, [good_label()]);
    let declare = |scope: &mut Scope<'_>| {
        drop(scope.add("a", label("bad").exempt("labelled", "it is meant so")));
    };
    let plan = plan(&world, &engine, declare).await.unwrap();
    assert!(!plan.to_string().contains("remediated") && plan.to_string().contains("exempt: a"));
    engine.apply(plan).await.unwrap();
    assert_eq!(world.cloud.object("a#1").unwrap().inputs.get("label"), Some(&"bad".into()));
}
