//! A plan that is saved and applied later: those steps, or a refusal before any change.

mod file;
mod stale;
mod values;

use std::sync::Arc;

use formwork_core::{
    Address, Asked, Engine, LoadPlanError, Plan, RefreshMode, Registry, SavedPlan, Scope,
    SealError, Sealed, Sealer, Stack,
    testing::{Cloud, MemoryStore, Single, Thing},
    text,
    value::Value,
};
use sha2::{Digest, Sha256};

use crate::{
    basics::thing,
    document::{Document, Newer, Office},
    world::World,
};

/// A sealer for tests: a key of one byte, a keystream and a sum.
pub(crate) struct Strongbox(pub(crate) u8);

impl Strongbox {
    fn crypt(&self, bytes: &[u8]) -> Vec<u8> {
        let stream = (0u64..).flat_map(|n| {
            Sha256::new().chain_update([self.0]).chain_update(n.to_le_bytes()).finalize()
        });
        bytes.iter().zip(stream).map(|(byte, key)| byte ^ key).collect()
    }

    fn sum(&self, bound_to: &[u8], plain: &[u8]) -> String {
        let sum = Sha256::new().chain_update([self.0]).chain_update(bound_to).chain_update(plain);
        sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Sealer for Strongbox {
    fn seal(&self, bound_to: &[u8], plain: &[u8]) -> Result<Sealed, SealError> {
        let text = self.crypt(plain).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Sealed { text, key: self.sum(bound_to, plain).into() })
    }

    fn open(&self, bound_to: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let digits = sealed.text.as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
        let plain = self.crypt(&bytes.collect::<Result<Vec<_>, _>>().unwrap());
        match sealed.key == self.sum(bound_to, &plain) {
            true => Ok(plain),
            false => Err(SealError::new("this is not their key")),
        }
    }
}

pub(crate) fn file(plan: &Plan) -> Vec<u8> {
    SavedPlan::new(plan).to_bytes(Some(&Strongbox(1))).unwrap()
}

pub(crate) fn opened(file: &[u8]) -> SavedPlan {
    SavedPlan::from_bytes(file).unwrap().open(Some(&Strongbox(1))).unwrap()
}

pub(crate) async fn load(
    engine: &Engine,
    file: &[u8],
    declare: impl FnOnce(&mut Scope<'_>),
) -> Result<Plan, LoadPlanError> {
    engine.load(&World::stack(declare), opened(file)).await
}

/// Why a plan of `before` can not be applied to `now`, and that nothing was written by the try.
async fn refusal(
    world: &World,
    before: impl FnOnce(&mut Scope<'_>),
    now: impl FnOnce(&mut Scope<'_>),
) -> String {
    let file = file(&world.plan(before).await);
    let (writes, objects) = (world.store.writes(), world.cloud.objects());
    let refused = load(&world.engine(), &file, now).await;
    assert_eq!((world.store.writes(), world.cloud.objects()), (writes, objects));
    let Err(refused) = refused else { panic!("it was loaded") };
    // Lines of this file would change with it.
    let text = refused.to_string();
    let mut parts = text.split("saved/mod.rs:");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("saved/mod.rs:N");
        masked.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'));
    }
    masked.replace("crates/core/tests/engine/", "")
}

fn pair(label: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope| {
        let a = scope.add("a", Thing::builder().label(label).build());
        scope.add("b", thing(&[&a]));
        scope.export("id", &a.id);
    }
}

#[tokio::test]
async fn a_saved_plan_is_applied_by_a_program_that_is_declared_again() {
    let world = World::new();
    world.settle(pair("one")).await;
    let plan = world
        .plan(|scope| {
            let a = scope.add("a", Thing::builder().label("two").fixed("x").build());
            scope.add("c", thing(&[&a]));
        })
        .await;
    let text = plan.to_string();
    let file = file(&plan);
    drop(plan);
    let loaded = load(&world.engine(), &file, |scope| {
        let a = scope.add("a", Thing::builder().label("two").fixed("x").build());
        scope.add("c", thing(&[&a]));
    })
    .await
    .unwrap();
    assert_eq!(loaded.to_string(), text);
    let expected = r#"other
  ± a                                        model:test/thing
      label: "one" -> "two"
      fixed: (none) -> "x" (forces replacement)
  + c                                        model:test/thing
  - b                                        model:test/thing  (no longer declared)
  - a                                        model:test/thing  (replaced)
outputs
    id: "a#1" -> (none)
1 to create, 1 to replace, 1 to delete, 0 unchanged
"#;
    assert_eq!(text, expected);
    let log = world.apply(loaded).await.unwrap();
    assert_eq!(log, ["create a", "delete b", "create c", "delete a"]);
}

#[tokio::test]
async fn a_plan_of_another_version_of_the_state_or_of_another_lineage_is_refused() {
    let world = World::new();
    world.settle(pair("one")).await;
    let saved = file(&world.plan(pair("two")).await);
    world.up(pair("three")).await.unwrap();
    let objects = world.cloud.objects();
    let stale = load(&world.engine(), &saved, pair("two")).await;
    let Err(error @ LoadPlanError::Stale { .. }) = stale else { panic!("it was loaded") };
    let (was, now) = (opened(&saved).data().version, world.state().version);
    assert_eq!(
        error.to_string(),
        format!(
            "the plan was made from version {was} of the state of `t`, which has version {now} now: plan again"
        )
    );
    // The same version of another lineage is another state.
    let other = World::new();
    other.settle(pair("one")).await;
    let refused = load(&other.engine(), &saved, pair("two")).await;
    let Err(LoadPlanError::Lineage { was, now, .. }) = refused else { panic!("it was loaded") };
    assert_eq!((was, now), (world.state().lineage, other.state().lineage));
    // A state that is gone altogether has none.
    let none = load(&World::new().engine(), &saved, pair("two")).await;
    assert!(matches!(none, Err(LoadPlanError::Lineage { now, .. }) if now == "none yet"));
    assert_eq!(world.cloud.objects(), objects);
}

#[tokio::test]
async fn a_state_that_changes_between_loading_and_applying_is_noticed_too() {
    let world = World::new();
    world.settle(pair("one")).await;
    let saved = file(&world.plan(pair("two")).await);
    let loaded = load(&world.engine(), &saved, pair("two")).await.unwrap();
    world.up(pair("three")).await.unwrap();
    let error = world.apply(loaded).await.unwrap_err();
    assert!(error.to_string().contains("changed since it was planned"), "{error}");
}

#[tokio::test]
async fn a_saved_plan_is_applied_once() {
    let world = World::new();
    let saved = file(&world.plan(pair("one")).await);
    let loaded = load(&world.engine(), &saved, pair("one")).await.unwrap();
    world.apply(loaded).await.unwrap();
    let again = load(&world.engine(), &saved, pair("one")).await;
    assert!(matches!(again, Err(LoadPlanError::Stale { was: 0, .. })));
}

#[tokio::test]
async fn every_difference_of_the_program_is_named_at_once() {
    let world = World::new();
    let refused = refusal(
        &world,
        |scope| {
            let a = scope.add("a", Thing::builder().label("one").set(["x", "y"]).build());
            scope.add("b", thing(&[&a]).protect());
            scope.add("kind", Thing::builder().build());
            scope.add("moved", Thing::builder().label(text!("{}!", a.id)).build().after(&a));
            scope.add("old", Thing::builder().build());
            scope.export("id", &a.id);
            scope.export::<String>("was", "here");
        },
        |scope| {
            let a = scope.add("a", Thing::builder().label("two").set(["x", "z"]).build());
            let b = scope.add("b", thing(&[&a, &a]).trigger(1));
            scope.add("kind", Single::builder().build());
            scope.add("moved", Thing::builder().label(text!("{}?", b.id)).build());
            scope.add("new", Thing::builder().build());
            scope.export("id", &b.id);
        },
    )
    .await;
    assert_eq!(
        refused,
        r#"the program is not the one that the plan of `t` was made with; 12 difference(s):
  - a.label: it is "two" now, and was "one" [declared at saved/mod.rs:N]
  - a.set[1]: it is "z" now, and was "y" [declared at saved/mod.rs:N]
  - b.refs: it is [`id` of a, `id` of a] now, and was [`id` of a] [declared at saved/mod.rs:N]
  - b: its option `protect` is not set now, and was true [declared at saved/mod.rs:N]
  - b: its option `trigger` is 1 now, and was not set [declared at saved/mod.rs:N]
  - kind: it is a `model:test/single` now, and was a `model:test/thing` [declared at saved/mod.rs:N]
  - moved.label: it is a text of `id` of b, "?" now, and was a text of `id` of a, "!" [declared at saved/mod.rs:N]
  - moved: its option `after` is not set now, and was ["a"] [declared at saved/mod.rs:N]
  - old: the program declared it when the plan was made, and does not any more [declared at saved/mod.rs:N]
  - new: the program declares it now, and did not when the plan was made [declared at saved/mod.rs:N]
  - .id: it is `id` of b now, and was `id` of a [declared at its export]
  - .was: it is not set now, and was "here" [declared at its export]"#
    );
}

#[tokio::test]
async fn what_means_the_same_may_be_written_otherwise() {
    let world = World::new();
    let plan = world
        .plan(|scope| {
            let a = Thing { label: Some("x".into()), set: vec!["1".into()], ..Thing::default() };
            let a = scope.add("a", a);
            scope.add("b", Thing::builder().refs([&a.id]).label(text!("{}-{}", "p", a.id)).build());
        })
        .await;
    let loaded = load(&world.engine(), &file(&plan), |scope| {
        let name = String::from("a");
        let a = scope.add(&name, Thing::builder().set(["1"]).label("x").build());
        let refs = vec![a.id.clone()];
        scope.add("b", Thing::builder().label(text!("{}-{}", "p", a.id)).refs(refs).build());
    })
    .await;
    loaded.unwrap();
}

#[tokio::test]
async fn a_function_that_moved_or_computes_something_else_is_another_one() {
    let world = World::new();
    world.settle(|scope| drop(scope.add("a", Thing::builder().label("one").build()))).await;
    // The same lines with another value inside, which the place in the source does not show.
    let program = |mark: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label("one").build());
            let known = a.label.map(move |label| format!("{}{mark}", label.unwrap_or_default()));
            scope.add("b", Thing::builder().label(&known).build());
            scope.export("label", known);
        }
    };
    let refused = refusal(&world, program("!"), program("?")).await;
    assert_eq!(
        refused,
        r#"the program is not the one that the plan of `t` was made with; 2 difference(s):
  - b.label: the program computes "one?" now, and the plan was made with "one!" [declared at saved/mod.rs:N]
  - .label: the program computes "one?" now, and the plan was made with "one!" [declared at its export]"#
    );
    let moved = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("one").build());
        let known = a.label.map(|label| format!("{}!", label.unwrap_or_default()));
        scope.add("b", Thing::builder().label(&known).build());
        scope.export("label", known);
    };
    let refused = refusal(&world, program("!"), moved).await;
    assert!(
        refused.contains("b.label: it is what the function at saved/mod.rs:N makes of `label` of a now, and was what the function at saved/mod.rs:N makes of `label` of a"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_resource_without_a_step_is_compared_too() {
    let world = World::new();
    world.settle(pair("one")).await;
    let program = |mark: &'static str| {
        move |scope: &mut Scope<'_>| {
            pair("one")(scope);
            scope.add("c", Thing::builder().label(mark).build());
        }
    };
    world.settle(program("x")).await;
    let later = |label: &'static str| {
        move |scope: &mut Scope<'_>| {
            program(label)(scope);
            scope.add("d", Thing::builder().build());
        }
    };
    let refused = refusal(&world, later("x"), later("y")).await;
    assert!(refused.contains("c.label: it is \"y\" now, and was \"x\""), "{refused}");
}

#[tokio::test]
async fn a_type_of_another_version_refuses_a_plan() {
    let mut office = Office::new();
    office.up(|s| drop(s.add("a", Document::new("k").text("x")))).await.unwrap();
    let stack = World::stack(|_| ());
    // Only recorded any more: to be deleted by a program that knows the type in another version.
    let plan = office.engine().plan(&stack).await.unwrap();
    let bytes = file(&plan);
    office.newer = true;
    let Err(LoadPlanError::Differs { problems, .. }) =
        office.engine().load(&stack, opened(&bytes)).await
    else {
        panic!("it was loaded")
    };
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said[0],
        "a: its type `office:files/document`: it has version 2 now, and had 1 [declared at nowhere any more]"
    );
    assert!(said.iter().any(|p| p.contains("it has no input `text` any more")), "{said:?}");
    assert!(said.iter().any(|p| p.contains("it has a new output `door`")), "{said:?}");
    // And declared.
    office.newer = false;
    let v1 = World::stack(|s| drop(s.add("a", Document::new("k").text("y"))));
    let bytes = file(&office.engine().plan(&v1).await.unwrap());
    office.newer = true;
    let v2 = World::stack(|s| drop(s.add("a", Newer { key: "k".into(), body: "y".into() })));
    let error = office.engine().load(&v2, opened(&bytes)).await.unwrap_err().to_string();
    assert!(error.contains("it has version 2 now, and had 1 [declared at crates/"), "{error}");
}

#[tokio::test]
async fn a_provider_that_points_elsewhere_or_is_not_there_refuses_a_plan() {
    let (cloud, store) = (Cloud::new(), MemoryStore::new());
    let engine = |name: &str, target: &str| {
        let registry = Registry::new(name, Arc::new(cloud.clone())).with::<Thing>();
        let builder = Engine::builder().state(store.clone());
        builder.provider(registry.target(target.into())).try_build().unwrap()
    };
    let stack = World::stack(pair("one"));
    let plan = engine("cloud", "account 1").plan(&stack).await.unwrap();
    let bytes = file(&plan);
    let moved = engine("cloud", "account 2").load(&stack, opened(&bytes)).await.unwrap_err();
    assert_eq!(
        moved.to_string(),
        "the plan of `t` was made elsewhere:\n  - the provider `cloud` points to \"account 2\", and pointed to \"account 1\""
    );
    let missing = engine("other", "account 1").load(&stack, opened(&bytes)).await.unwrap_err();
    assert!(missing.to_string().ends_with("the provider `cloud` is not there"), "{missing}");
    let registry = Registry::new("cloud", Arc::new(cloud.clone())).with::<Single>();
    let other =
        Engine::builder().state(store.clone()).provider(registry.target("account 1".into()));
    let other = other.try_build().unwrap().load(&stack, opened(&bytes)).await.unwrap_err();
    assert!(
        other
            .to_string()
            .contains("a: the provider that the plan goes through does not have its type"),
        "{other}"
    );
    // The same holds of a plan that was never saved.
    let refused = engine("cloud", "account 2").apply(plan).await.map(drop).unwrap_err();
    assert!(
        refused.to_string().contains("pointed to \"account 1\", and it points to \"account 2\"")
    );
    assert_eq!((cloud.ids().len(), store.writes()), (0, 0));
    let loaded = engine("cloud", "account 1").load(&stack, opened(&bytes)).await.unwrap();
    engine("cloud", "account 1").apply(loaded).await.unwrap();
    assert_eq!(cloud.ids().len(), 2);
}

#[tokio::test]
async fn a_plan_of_another_stack_is_refused() {
    let world = World::new();
    let saved = file(&world.plan(pair("one")).await);
    let other = Stack::new("other", pair("one")).unwrap();
    let error = world.engine().load(&other, opened(&saved)).await.unwrap_err();
    assert_eq!(error.to_string(), "the plan is of the stack `t`, and the program declares `other`");
}

#[tokio::test]
async fn a_saved_plan_says_what_it_was_asked_for_and_made_with() {
    let world = World::new();
    world.settle(pair("one")).await;
    let stack = World::stack(pair("one"));
    let request = world.engine();
    let request = request.plan(&stack).refresh(RefreshMode::None).refresh_lookups().replace("a");
    let plan = request.await.unwrap();
    let with =
        Value::from_data(&[("count", 3)].into_iter().collect::<std::collections::BTreeMap<_, _>>());
    let saved = SavedPlan::new(&plan).with(with.unwrap());
    let read = opened(&saved.to_bytes(None).unwrap());
    let Asked { destroy, refresh, refresh_lookups, replace, .. } = read.asked().clone();
    assert_eq!((destroy, refresh, refresh_lookups), (false, RefreshMode::None, true));
    assert_eq!(replace.iter().map(Address::as_str).collect::<Vec<_>>(), ["a"]);
    assert_eq!(read.made_with().get("count"), Some(&Value::from(3)));
    assert_eq!((read.written_by(), read.data()), (env!("CARGO_PKG_VERSION"), plan.data()));
    let loaded = world.engine().load(&stack, read).await.unwrap();
    assert_eq!(world.apply(loaded).await.unwrap(), ["create a", "update b", "delete a"]);
}

#[tokio::test]
async fn a_plan_to_destroy_is_saved_like_any_other() {
    let world = World::new();
    world.settle(pair("one")).await;
    let saved = file(&world.plan_destroy(pair("one")).await);
    assert!(opened(&saved).asked().destroy);
    let loaded = load(&world.engine(), &saved, pair("one")).await.unwrap();
    assert_eq!(world.apply(loaded).await.unwrap(), ["delete b", "delete a"]);
    assert!(world.cloud.ids().is_empty() && world.state().records.is_empty());
}
