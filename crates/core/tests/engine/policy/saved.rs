//! A saved plan is judged again by the policies that there are when it is loaded.

use formwork_core::{LoadPlanError, Policy, Scope, testing::Thing, value::Secret};

use super::{engine, label, labelled, plan};
use crate::{
    saved::{file, load},
    world::World,
};

fn good_label() -> Policy {
    labelled().remediate::<Thing>(|thing, fix| {
        if !thing.get::<String>("label").is_known_and(|label| label != "bad") {
            fix.set("label", "good");
        }
    })
}

#[tokio::test]
async fn a_saved_plan_that_violates_a_new_policy_is_refused() {
    let world = World::new();
    let declare = |scope: &mut Scope<'_>| drop(scope.add("a", label("bad")));
    let file = file(&plan(&world, &engine(&world, []), declare).await.unwrap());
    let refused = load(&engine(&world, [labelled()]), &file, declare).await.unwrap_err();
    assert!(refused.to_string().contains("1 violation(s) of mandatory policies in `t`"));
    assert!(matches!(refused, LoadPlanError::Plan(_)), "{refused:?}");
    load(&engine(&world, [super::named()]), &file, declare).await.unwrap();
}

#[tokio::test]
async fn a_saved_plan_keeps_what_was_put_right_and_is_refused_where_it_no_longer_is() {
    let world = World::new();
    let secret = Policy::advisory("secret").remediate::<Thing>(|thing, fix| {
        if thing.get::<String>("password").known().is_none() {
            fix.set("password", "hunter2");
        }
    });
    let strict = engine(&world, [good_label(), secret]);
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("bad"));
        let password = Secret::new("own".to_owned());
        scope.add("b", Thing::builder().name(&a.id).password(password).build());
    };
    let planned = plan(&world, &strict, declare).await.unwrap();
    let (text, file) = (planned.to_string(), file(&planned));
    assert!(text.contains("a.password: (none) -> [secret]"), "{text}");
    assert!(!String::from_utf8_lossy(&file).contains("hunter2"));
    let refused = load(&engine(&world, []), &file, declare).await.unwrap_err().to_string();
    assert!(refused.contains("the program computes \"bad\" now"), "{refused}");
    let loaded = load(&strict, &file, declare).await.unwrap();
    assert_eq!(loaded.to_string(), text);
    strict.apply(loaded).await.unwrap();
    world.check();
    assert_eq!(world.cloud.object("b#1").unwrap().inputs.get("label"), Some(&"good".into()));
    let next = plan(&world, &strict, declare).await.unwrap();
    assert!(next.is_empty(), "{next}");
}

#[tokio::test]
async fn a_saved_plan_is_judged_in_the_run_too() {
    let world = World::new();
    let declare = |scope: &mut Scope<'_>| {
        let a = scope.add("a", label("x"));
        scope.add("b", Thing::builder().label(a.id.map(|_| "bad".to_owned())).build());
    };
    let engine = engine(&world, [labelled()]);
    let file = file(&plan(&world, &engine, declare).await.unwrap());
    let loaded = load(&engine, &file, declare).await.unwrap();
    let failed = engine.apply(loaded).await.err().unwrap().to_string();
    assert!(failed.contains("b.label: it is bad (mandatory policy labelled)"), "{failed}");
    world.check();
    assert_eq!(world.cloud.ids(), ["a#1"]);
}
