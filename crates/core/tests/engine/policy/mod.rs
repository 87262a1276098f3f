//! Policies: what refuses a plan, what is put right before it, and what is judged in the run.

mod apply;
mod order;
mod remediate;
mod saved;

use formwork_core::{
    BuildError, Component, Engine, Found, OnUnknown, Plan, PlanError, Policy, Scope,
    testing::{Single, Thing, provider},
    value::Secret,
};

use crate::world::World;

/// A label is declared, and is not `bad`.
fn labelled() -> Policy {
    Policy::mandatory("labelled").remedy("set a good `label`").check::<Thing>(|thing, report| {
        match thing.get::<String>("label") {
            Found::Absent => report.violation("label", "there is none"),
            Found::Known(label) if label == "bad" => report.violation("label", "it is bad"),
            Found::Known(_) | Found::Unknown => {}
        }
    })
}

fn named() -> Policy {
    Policy::advisory("named").check::<Thing>(|thing, report| {
        if thing.get::<String>("name") == Found::Absent {
            report.violation_with_remedy("name", "it has no name", "name it");
        }
    })
}

fn engine(world: &World, policies: impl IntoIterator<Item = Policy>) -> Engine {
    let engine = Engine::builder().provider(provider(&world.cloud)).state(world.store.clone());
    engine.policies(policies).try_build().unwrap()
}

async fn plan(
    world: &World,
    engine: &Engine,
    declare: impl FnOnce(&mut Scope<'_>),
) -> Result<Plan, PlanError> {
    engine.plan(&World::stack(declare)).seed(world.seed()).await
}

/// A text without the lines of this file, which move.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for (i, part) in text.split("[declared at ").enumerate() {
        let part = if i == 0 { part } else { part.split_once(']').map_or("", |(_, rest)| rest) };
        masked.push_str(if i == 0 { "" } else { "[at]" });
        masked.push_str(part);
    }
    masked
}

async fn refusal(world: &World, engine: &Engine, declare: impl FnOnce(&mut Scope<'_>)) -> String {
    let writes = world.store.writes();
    let refused = plan(world, engine, declare).await.unwrap_err();
    assert_eq!(world.store.writes(), writes);
    masked(&refused.to_string())
}

fn label(label: &str) -> formwork_core::Declaration<Thing> {
    Thing::builder().label(label.to_owned()).build()
}

#[tokio::test]
async fn a_mandatory_policy_refuses_the_plan_and_tells_all_of_it_at_once() {
    let world = World::new();
    let engine = engine(&world, [named(), labelled()]);
    let declare = |scope: &mut Scope<'_>| {
        scope.add("a", label("bad"));
        scope.add("b", Thing::builder().build());
        scope.add("c", label("good"));
        scope.add("s", Single::builder().build());
    };
    let refused = refusal(&world, &engine, declare).await;
    assert_eq!(
        refused,
        "2 violation(s) of mandatory policies in `t`:\
         \n  - a.label: it is bad (mandatory policy labelled); set a good `label` [at]\
         \n  - b.label: there is none (mandatory policy labelled); set a good `label` [at]"
    );
    let PlanError::Policy { verdict, .. } = plan(&world, &engine, declare).await.unwrap_err()
    else {
        panic!("another error")
    };
    assert!(verdict.violations[0].declared_at.contains("policy/mod.rs"));
    assert_eq!(verdict.warnings().count(), 3);
}

#[tokio::test]
async fn an_advisory_policy_warns_in_every_plan_also_of_what_does_not_change() {
    let world = World::new();
    let engine = engine(&world, [named()]);
    for _ in 0..2 {
        let plan = plan(&world, &engine, |scope| drop(scope.add("a", label("x")))).await.unwrap();
        assert!(masked(&plan.to_string()).starts_with(
            "warning: a.name: it has no name (advisory policy named); name it [at]\n"
        ));
        engine.apply(plan).await.unwrap();
        world.check();
    }
}

#[tokio::test]
async fn what_goes_is_not_judged_nor_what_is_left_out_or_only_recorded() {
    let world = World::new();
    world
        .up(|scope| {
            scope.add("old", label("bad"));
            scope.add("bad", label("bad"));
            scope.add("good", label("good"));
        })
        .await
        .unwrap();
    let engine = engine(&world, [labelled()]);
    let now = |scope: &mut Scope<'_>| {
        scope.add("bad", label("bad"));
        scope.add("good", label("better"));
    };
    // What is there already is judged, and what the program lets go of is not.
    let refused = refusal(&world, &engine, now).await;
    assert!(refused.contains("1 violation(s)") && refused.contains("bad.label"), "{refused}");
    let stack = World::stack(now);
    engine.plan(&stack).target("good").await.unwrap();
    engine.plan(&stack).exclude("bad").await.unwrap();
    engine.plan(&stack).refresh_only().await.unwrap();
    let plan = engine.plan(&stack).destroy().await.unwrap();
    engine.apply(plan).await.unwrap();
    world.check();
}

#[tokio::test]
async fn a_value_that_is_not_known_is_no_absent_one() {
    let world = World::new();
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("good"));
        scope.add("b", Thing::builder().label(&a.id).build());
    };
    let lax = engine(&world, [labelled().on_unknown(OnUnknown::Pass)]);
    assert!(!plan(&world, &lax, declare).await.unwrap().to_string().contains("judge"));
    let late = engine(&world, [labelled()]);
    let text = plan(&world, &late, declare).await.unwrap().to_string();
    assert!(
        text.starts_with(
            "to be judged: b.label: known only after apply, so policy labelled judges it then\n"
        ),
        "{text}"
    );
    let strict = engine(&world, [labelled().on_unknown(OnUnknown::Refuse)]);
    assert_eq!(
        refusal(&world, &strict, declare).await,
        "1 violation(s) of mandatory policies in `t`:\n  - b.label: it is known only after apply \
         (mandatory policy labelled); give it a known value [at]"
    );
}

#[tokio::test]
async fn who_is_exempt_is_shown_with_the_reason() {
    let world = World::new();
    let inside = |scope: &mut Scope<'_>| {
        scope.add("a", label("bad").exempt("labelled", "it is a test"));
        scope.add("part", Two.with_options().exempt("labelled", "all of it"));
        scope.add("rest", Two);
    };
    let builder = || Engine::builder().provider(provider(&world.cloud)).state(world.store.clone());
    let engine = builder()
        .policy(labelled())
        .exempt("labelled", "rest", "they said so")
        .try_build()
        .unwrap();
    let plan = plan(&world, &engine, inside).await.unwrap();
    let text = masked(&plan.to_string());
    let told: Vec<&str> = text.lines().filter(|line| line.starts_with("exempt")).collect();
    assert_eq!(
        told,
        [
            "exempt: a.label: it is bad (mandatory policy labelled; exempt: it is a test) [at]",
            "exempt: part/one.label: it is bad (mandatory policy labelled; exempt: all of it) [at]",
            "exempt: part/two.label: it is bad (mandatory policy labelled; exempt: all of it) [at]",
            "exempt: rest/one.label: it is bad (mandatory policy labelled; exempt: they said so) [at]",
            "exempt: rest/two.label: it is bad (mandatory policy labelled; exempt: they said so) [at]",
        ]
    );
    engine.apply(plan).await.unwrap();
    world.check();
    let strict = builder().policy(labelled().strict()).try_build().unwrap();
    assert!(refusal(&world, &strict, inside).await.contains("5 violation(s)"));
}

/// Two bad things.
struct Two;

impl Component for Two {
    type Handle = ();

    fn declare(self, scope: &mut Scope<'_>) {
        scope.add("one", label("bad"));
        scope.add("two", label("bad"));
    }
}

#[tokio::test]
async fn an_exemption_needs_a_reason_and_a_policy() {
    let world = World::new();
    let engine = engine(&world, [labelled()]);
    let declare = |scope: &mut Scope<'_>| drop(scope.add("a", label("x").exempt("labelled", " ")));
    let refused = refusal(&world, &engine, declare).await;
    assert!(refused.contains("a: it is exempt from the policy `labelled` without a reason"));
    let declare = |scope: &mut Scope<'_>| drop(scope.add("a", label("x").exempt("labeled", "why")));
    let text = plan(&world, &engine, declare).await.unwrap().to_string();
    assert!(text.contains("warning: a: it is exempt from `labeled`, which is no policy here"));

    let builder = || Engine::builder().state(world.store.clone()).policy(labelled());
    let refused = |builder: formwork_core::EngineBuilder| builder.try_build().unwrap_err();
    assert_eq!(refused(builder().policy(named()).policy(labelled())), {
        BuildError::SamePolicy("labelled".to_owned())
    });
    let unknown = refused(builder().exempt("other", "a", "why"));
    assert_eq!(unknown.to_string(), "a is exempt from the policy `other`, which is not there");
    let silent = refused(builder().exempt("labelled", "a", ""));
    assert_eq!(silent.to_string(), "a is exempt from the policy `labelled` without a reason");
}

#[tokio::test]
async fn a_policy_that_panics_or_asks_for_what_is_not_there_refuses() {
    let world = World::new();
    let panics = Policy::advisory("panics").check::<Thing>(|_, _| panic!("no"));
    let asks = Policy::advisory("asks").check::<Thing>(|thing, _| {
        let _ = (thing.get::<String>("labl"), thing.get::<u32>("label"));
    });
    let engine = engine(&world, [panics, asks]);
    assert_eq!(
        refusal(&world, &engine, |scope| drop(scope.add("a", label("x")))).await,
        "3 violation(s) of mandatory policies in `t`:\
         \n  - a.label: it is not what the policy expects: invalid type: string \"x\", expected u32 (mandatory policy asks); mend the policy [at]\
         \n  - a.labl: the policy asks for a field that model:test/thing has not got (mandatory policy asks); mend the policy [at]\
         \n  - a: it panicked, which is a bug in the policy: no (mandatory policy panics); mend the policy [at]"
    );
}

#[tokio::test]
async fn no_secret_gets_into_what_a_policy_says() {
    let world = World::new();
    let tells = Policy::mandatory("tells").check::<Thing>(|thing, report| {
        let Found::Known(password) = thing.get::<String>("password") else { return };
        report.violation_with_remedy("password", format!("it is {password:?}"), password.clone());
        let Found::Known(all) = thing.all() else { return };
        report
            .violation("", format!("{all:?} {thing:?} {}", all.password.clone().unwrap().expose()));
        panic!("{password}");
    });
    let stack = Policy::mandatory("stack").check_stack(|stack, report| {
        for thing in stack.of::<Thing>() {
            let password = thing.get::<String>("password");
            report.violation("", format!("{password:?}"));
        }
    });
    let engine = engine(&world, [tells, stack]);
    let declare = |scope: &mut Scope<'_>| {
        let thing = Thing::builder().password(Secret::new("hunter\"2".to_owned()));
        scope.add("a", thing.build());
    };
    let refused = plan(&world, &engine, declare).await.unwrap_err();
    assert!(refused.to_string().contains("it is \"[secret]\""), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hunter"));
}

#[tokio::test]
async fn a_policy_of_the_stack_sees_resources_steps_and_what_needs_what() {
    let world = World::new();
    world.up(|scope| drop(scope.add("a", label("x")))).await.unwrap();
    let few = Policy::mandatory("few").check_stack(|stack, report| {
        let all: Vec<String> = stack
            .resources()
            .map(|it| {
                let needs: Vec<&str> = it.needs().map(|it| it.address().as_str()).collect();
                format!("{} {:?} {needs:?}", it.address(), it.action())
            })
            .collect();
        let steps = stack.plan().steps.len();
        let told = format!("{} in {}, {steps} steps", all.join("; "), stack.name());
        report.violation("", told);
        for it in stack.of::<Thing>() {
            if let Some(target) = it.target("fixed_ref") {
                report.violation_of(&target, "name", format!("{} needs it", it.address()));
            }
        }
    });
    let engine = engine(&world, [few]);
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("x"));
        scope.add("b", Thing::builder().fixed_ref(&a.id).build());
    };
    assert_eq!(
        refusal(&world, &engine, declare).await,
        "2 violation(s) of mandatory policies in `t`:\
         \n  - the stack: a None []; b Some(Create) [\"a\"] in t, 1 steps (mandatory policy few)\
         \n  - a.name: b needs it (mandatory policy few) [at]"
    );
}
