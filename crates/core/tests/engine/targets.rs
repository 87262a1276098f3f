//! Plans that are about a part of the stack: what is in them, what they refuse, and that the rest
//! is left alone.

use formwork_core::{
    ApplyError, Component, Plan, PlanError, PlanRequest, Scope,
    testing::{Fault, Net, Op, Thing},
    value::Value,
};

use crate::{basics::thing, replacement::fixed, world::World};

impl World {
    /// Plans with something asked for, such as a target.
    pub(crate) async fn plan_with(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
    ) -> Result<Plan, PlanError> {
        let engine = self.engine();
        ask(engine.plan(&Self::stack(declare)).seed(self.seed())).await
    }

    pub(crate) async fn up_with(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
    ) -> Result<Vec<String>, ApplyError> {
        let plan = self.plan_with(declare, ask).await.unwrap();
        self.apply(plan).await
    }

    /// Why there is no plan.
    pub(crate) async fn refused(
        &self,
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl FnOnce(PlanRequest<'_>) -> PlanRequest<'_>,
    ) -> String {
        let before = (self.state(), self.cloud.objects());
        let refused = self.plan_with(declare, ask).await.map(|plan| plan.to_string()).unwrap_err();
        assert_eq!((self.state(), self.cloud.objects()), before);
        refused.to_string()
    }
}

/// What is asked for, for several plans.
pub(crate) fn asking<F: Fn(PlanRequest<'_>) -> PlanRequest<'_>>(ask: F) -> F {
    ask
}

pub(crate) fn label(text: &'static str) -> formwork_core::Declaration<Thing> {
    Thing::builder().label(text).build()
}

/// Two, of which one uses the other.
struct Pair(&'static str);

impl Component for Pair {
    type Handle = ();
    fn declare(self, scope: &mut Scope<'_>) {
        let x = scope.add("x", label(self.0));
        scope.add("y", Thing::builder().label(self.0).refs([&x.id]).build());
    }
}

/// Three that are independent of each other, and two inside a component.
fn five(text: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        for name in ["a", "b", "c"] {
            scope.add(name, label(text));
        }
        scope.add("net", Pair(text));
    }
}

#[tokio::test]
async fn a_target_alone_is_planned_and_the_rest_is_as_it_was() {
    let world = World::new();
    world.settle(five("1")).await;
    let before = world.state();
    let plan = world.plan_with(five("2"), |p| p.target("net").target("b")).await.unwrap();
    let expected = r#"narrowed to net, b: 2 resources are left out
other
  ~ b                                        model:test/thing
      label: "1" -> "2"
  ~ net/x                                    model:test/thing
      label: "1" -> "2"
  ~ net/y                                    model:test/thing
      label: "1" -> "2"
3 to update, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    let narrowed = plan.data().narrowed.clone().unwrap();
    assert_eq!(format!("{:?}", narrowed.left_out), "[a, c]");
    world.apply(plan).await.unwrap();
    for (id, row) in &before.records {
        let left_out = ["a", "c"].contains(&row.address.as_str());
        assert_eq!(world.state().records[id] == *row, left_out, "{}", row.address);
    }
    assert_eq!(world.settle(five("2")).await, ["update a", "update c"]);
}

#[tokio::test]
async fn what_is_excluded_is_left_out_with_all_that_needs_it() {
    let world = World::new();
    world.settle(five("1")).await;
    let plan = world.plan_with(five("2"), |p| p.exclude("net/x").exclude("a")).await.unwrap();
    assert!(plan.to_string().starts_with("narrowed without net/x, a: 3 resources are left out\n"));
    assert_eq!(world.apply(plan).await.unwrap(), ["update b", "update c"]);
    let mut log = world.settle(five("2")).await;
    log.sort();
    assert_eq!(log, ["update a", "update net/x", "update net/y"]);
}

#[tokio::test]
async fn what_is_left_out_is_no_orphan() {
    let world = World::new();
    world.settle(five("1")).await;
    let only_b = |scope: &mut Scope<'_>| {
        scope.add("b", label("2"));
    };
    assert_eq!(world.up_with(only_b, |p| p.target("b")).await.unwrap(), ["update b"]);
    assert_eq!(
        world.up_with(only_b, |p| p.exclude("net").exclude("a")).await.unwrap(),
        ["delete c"]
    );
    assert_eq!(world.up_with(only_b, |p| p.target("a")).await.unwrap(), ["delete a"]);
    assert_eq!(world.settle(only_b).await, ["delete net/y", "delete net/x"]);
}

#[tokio::test]
async fn a_target_that_needs_what_is_not_there_yet_is_refused_naming_all_of_it() {
    let world = World::new();
    let old = |scope: &mut Scope<'_>| {
        scope.add("b", thing(&[]));
        scope.add("free", thing(&[]));
    };
    world.settle(old).await;
    let program = |scope: &mut Scope<'_>| {
        let deep = scope.add("deep", thing(&[]));
        let value = scope.add("value", thing(&[&deep]));
        let after = scope.add("after", thing(&[]));
        let host = scope.add("host", thing(&[]));
        scope.add("b", thing(&[&value]).after(&after).deleted_with(&host));
        let other = scope.add("other", thing(&[]));
        scope.add("user", thing(&[&other]));
        scope.add("free", label("2"));
    };
    assert_eq!(
        world.refused(program, |p| p.target("b")).await,
        "the plan is narrowed, and leaves out 4 resource(s) that it can not do without:
  - after: b needs it, and it is not there yet
  - deep: value needs it, and it is not there yet
  - host: b needs it, and it is not there yet
  - value: b needs it, and it is not there yet"
    );
    // What only others need is nothing to a target.
    assert_eq!(world.up_with(program, |p| p.target("free")).await.unwrap(), ["update free"]);
    let plan = world.plan_with(program, |p| p.target("b").target_dependencies()).await.unwrap();
    let said = "narrowed to b and with it after, deep, host, value: 3 resources are left out";
    assert!(plan.to_string().starts_with(said), "{plan}");
    world.apply(plan).await.unwrap();
    assert_eq!(world.settle(program).await, ["create other", "create user"]);
}

#[tokio::test]
async fn what_is_left_out_serves_those_who_use_it_with_what_is_recorded() {
    let world = World::new();
    let program = |text: &'static str, user: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", label(text));
            if user {
                let text = a.label.map(Option::unwrap_or_default);
                scope.add("user", Thing::builder().label(text).refs([&a.id]).build());
            }
        }
    };
    world.settle(program("1", false)).await;
    let log = world.up_with(program("2", true), |p| p.target("user")).await.unwrap();
    assert_eq!(log, ["create user"]);
    let user = world.cloud.object("user#1").unwrap();
    assert_eq!(user.inputs.get("label").and_then(Value::as_str), Some("1"));
    assert_eq!(world.settle(program("2", true)).await, ["update a", "update user"]);
}

#[tokio::test]
async fn an_address_that_nothing_has_is_refused_with_the_one_that_was_meant() {
    let world = World::new();
    world.settle(five("1")).await;
    let ask = asking(|p| p.target("net/z").exclude("nett").target("zebra").replace("net/yy"));
    assert_eq!(
        world.refused(five("1"), ask).await,
        "there is nothing of 4 address(es):
  - net/z: did you mean net/y?
  - zebra
  - nett: did you mean net?
  - net/yy: did you mean net/y?"
    );
    // A component has no object that could be replaced.
    let refused = world.refused(five("1"), |p| p.replace("net")).await;
    assert!(refused.contains("1 address(es)"), "{refused}");
}

#[tokio::test]
async fn a_target_that_is_excluded_or_needs_what_is_excluded_is_refused() {
    let world = World::new();
    world.settle(five("1")).await;
    let ask = asking(|p| p.target("net/y").target("b").replace("a").exclude("net/x").exclude("a"));
    assert_eq!(
        world.refused(five("2"), ask).await,
        "nothing is left of 2 address(es) without net/x, a, which they are or need:
  - a
  - net/y"
    );
    let log = world.up_with(five("2"), |p| p.target("net").target("b").exclude("net/y")).await;
    assert_eq!(log.unwrap(), ["update b", "update net/x"]);
}

#[tokio::test]
async fn a_replacement_is_asked_for_alone_or_with_targets() {
    let world = World::new();
    world.settle(five("1")).await;
    let log = world.up_with(five("2"), |p| p.replace("a").target("b")).await.unwrap();
    assert_eq!(log, ["create a", "update b", "delete a"]);
    let mut log = world.up_with(five("2"), |p| p.replace("a")).await.unwrap();
    log.sort();
    assert_eq!(log, ["create a", "delete a", "update c", "update net/x", "update net/y"]);
    world.assert_settled(five("2")).await;
}

/// `a` is used by `b` and `c`, which can follow a new one and can not, and `d` uses `c`.
fn cascade(x: &'static str) -> impl Fn(&mut Scope<'_>) {
    move |scope: &mut Scope<'_>| {
        let a = scope.add("a", fixed(x, None));
        scope.add("b", thing(&[&a]));
        let c = scope.add("c", fixed("c", Some(&a)));
        let d = scope.add("d", thing(&[&c]));
        scope.add("e", thing(&[&d]));
    }
}

#[tokio::test]
async fn a_replacement_whose_users_are_left_out_is_refused_naming_the_whole_cascade() {
    let world = World::new();
    world.settle(cascade("1")).await;
    // `d` follows in place, so that `e` has nothing to do with it.
    assert_eq!(
        world.refused(cascade("2"), |p| p.target("a")).await,
        "the plan is narrowed, and leaves out 3 resource(s) that it can not do without:
  - b: it uses the object of a that goes
  - c: it uses the object of a that goes
  - d: it uses the object of c that goes"
    );
    let ask = asking(|p| p.target("a").target("b").target("c").target("d"));
    let log = world.up_with(cascade("2"), ask).await.unwrap();
    let expected = ["create a", "create c", "update b", "update d", "delete c", "delete a"];
    assert_eq!(log, expected);
    world.assert_settled(cascade("2")).await;
    let log = world.up_with(cascade("3"), |p| p.target("a").target_dependents()).await.unwrap();
    assert_eq!(log.len(), 6);
    world.assert_settled(cascade("3")).await;
}

#[tokio::test]
async fn a_destroyed_target_takes_its_dependents_or_is_refused_naming_them_all() {
    let world = World::new();
    world.settle(cascade("1")).await;
    assert_eq!(
        world.refused(cascade("1"), |p| p.destroy().target("c")).await,
        "the plan is narrowed, and leaves out 2 resource(s) that it can not do without:
  - d: it uses the object of c that goes
  - e: it uses the object of d that goes"
    );
    world.cloud.fail(Op::Delete, "d", 1, Fault::Refuse);
    let ask = asking(|p| p.destroy().target("c").target_dependents());
    assert!(world.up_with(cascade("1"), ask).await.is_err());
    assert_eq!(world.cloud.ids(), ["a#1", "b#1", "c#1", "d#1"]);
    assert_eq!(world.up_with(cascade("1"), ask).await.unwrap(), ["delete d", "delete c"]);
    assert_eq!(world.settle(cascade("1")).await, ["create c", "create d", "create e"]);
}

#[tokio::test]
async fn what_is_not_destroyed_keeps_what_it_needs_and_what_lives_on_it() {
    let mut world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let net = scope.add("net", thing(&[]));
        let key = scope.add("key", thing(&[]));
        let host = scope.add("host", thing(&[&net]));
        let guest = scope.add("guest", thing(&[&host, &key]).deleted_with(&host));
        scope.add("user", thing(&[&guest]));
        let other = scope.add("other", thing(&[&net]));
        scope.add("more", thing(&[]).deleted_with(&other));
    };
    world.settle(program).await;
    world.kept.push("more#1".into());
    let log = world.up_with(program, |p| p.destroy().exclude("host")).await.unwrap();
    assert_eq!(log, ["delete user", "delete other"]);
    let left: Vec<_> = world.state().records.values().map(|r| r.address.to_string()).collect();
    assert_eq!(left, ["net", "key", "host", "guest"]);
}

#[tokio::test]
async fn guests_of_a_destroyed_target_go_with_it_and_their_users_do_not() {
    let mut world = World::new();
    let program = |user: bool, protect: bool| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", thing(&[]));
            let guest = scope.add("guest", thing(&[]).deleted_with(&host));
            let inner = thing(&[]).deleted_with(&guest);
            let inner = scope.add("inner", if protect { inner.protect() } else { inner });
            if user {
                scope.add("user", thing(&[&inner]));
            }
            scope.add("other", thing(&[]));
        }
    };
    world.settle(program(true, true)).await;
    let ask = asking(|p| p.destroy().target("host"));
    let refused = world.refused(program(true, true), ask).await;
    assert!(refused.ends_with("\n  - user: it uses the object of inner that goes"), "{refused}");
    world.settle(program(false, true)).await;
    let refused = world.refused(program(false, true), ask).await;
    assert!(refused.ends_with("\n  - inner: the stack is destroyed"), "{refused}");
    world.kept.extend(["guest#1".into(), "inner#1".into()]);
    let plan = world.plan_with(program(false, false), ask).await.unwrap();
    assert!(plan.to_string().contains("narrowed to host and with it guest, inner: 1 resource"));
    assert_eq!(world.apply(plan).await.unwrap(), ["delete host"]);
    assert_eq!(world.state().records.len(), 1);
}

#[tokio::test]
async fn guests_of_a_replaced_target_are_made_again_with_it() {
    let world = World::new();
    let program = |x: &'static str, declared: bool| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None));
            scope.add("guest", thing(&[&host]).deleted_with(&host));
            if declared {
                scope.add("more", thing(&[&host]).deleted_with(&host));
            }
            scope.add("other", label(x));
        }
    };
    world.cloud.lenient();
    world.settle(program("1", true)).await;
    let log = world.up_with(program("2", false), |p| p.target("host")).await.unwrap();
    assert_eq!(log, ["create host", "create guest", "delete host"]);
    assert_eq!(world.settle(program("2", false)).await, ["update other"]);
}

#[tokio::test]
async fn a_name_that_a_target_takes_is_freed_by_a_target_or_the_plan_is_refused() {
    let world = World::new();
    let one = |address: &'static str, name: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add(address, Thing::builder().name(name).build());
        }
    };
    world.settle(one("old", "k")).await;
    let refused = world.refused(one("new", "k"), |p| p.target("new")).await;
    assert!(refused.ends_with("\n  - old: it has the `name` that new takes"), "{refused}");
    let log = world.up_with(one("new", "k"), |p| p.target("new").target("old")).await.unwrap();
    assert_eq!(log, ["delete old", "create new"]);

    let nets = |one: &'static str, other: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("one", Net::builder().name(one).build());
            scope.add("other", Net::builder().name(other).build());
        }
    };
    let world = World::new();
    world.settle(nets("10.0.0.0/16", "10.1.0.0/16")).await;
    let moved = nets("10.1.0.0/24", "10.2.0.0/16");
    let refused = world.refused(&moved, |p| p.target("one")).await;
    assert!(refused.ends_with("\n  - other: it has the `name` that one takes"), "{refused}");
    let log = world.up_with(&moved, |p| p.target("other")).await.unwrap();
    assert_eq!(log, ["update other"]);
    assert_eq!(world.settle(&moved).await, ["update one"]);
}

#[tokio::test]
async fn a_saved_plan_of_a_part_does_that_part_and_no_more() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", crate::replacement::fixed(x, None));
            scope.add("b", crate::replacement::fixed(x, None));
        }
    };
    world.settle(program("1")).await;
    let stack = World::stack(program("2"));
    for refresh_only in [false, true] {
        let request = world.engine();
        let request = request.plan(&stack).target("a");
        let request = if refresh_only { request.refresh_only() } else { request };
        let plan = request.await.unwrap();
        let saved = formwork_core::SavedPlan::new(&plan).to_bytes(None).unwrap();
        let saved = formwork_core::SavedPlan::from_bytes(&saved).unwrap();
        assert_eq!(saved.asked().targets, [formwork_core::Address::from("a")]);
        assert_eq!(saved.asked().refresh_only, refresh_only);
        let loaded = world.engine().load(&stack, saved.clone()).await.unwrap();
        assert_eq!(loaded.data(), plan.data());
        let log = world.apply(loaded).await.unwrap();
        match refresh_only {
            true => assert_eq!(log, Vec::<String>::new()),
            false => {
                assert_eq!(log, ["create a", "delete a"]);
                // The state has moved on: what is left of the part is nothing.
                let late = world.engine();
                let late = late.load(&stack, saved).allow_stale().await.unwrap();
                assert!(late.is_empty(), "{late}");
                assert!(late.data().narrowed.is_some());
            }
        }
    }
    assert!(world.cloud.object("b#1").is_some());
}

#[tokio::test]
async fn a_guest_that_was_excluded_keeps_its_host_from_being_replaced() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None));
            scope.add("guest", thing(&[&host]).deleted_with(&host));
        }
    };
    world.settle(program("1")).await;
    let error = world.refused(program("2"), |plan| plan.exclude("guest")).await;
    assert!(error.contains("guest"), "{error}");
}

#[tokio::test]
async fn a_saved_plan_of_a_part_does_not_ask_what_is_left_out() {
    use crate::moves::{Census, provider_with_census};
    let world = World::new();
    let engine = formwork_core::Engine::builder()
        .provider(provider_with_census(&world.cloud))
        .state(world.store.clone())
        .try_build()
        .unwrap();
    let stack = World::stack(|scope| {
        let census = scope.lookup("census", Census::builder().of("all").build());
        scope.add("node", Thing::builder().label(&census.count).build());
        scope.add("network", thing(&[]));
    });
    let plan = engine.plan(&stack).target("network").await.unwrap();
    let saved = formwork_core::SavedPlan::new(&plan).to_bytes(None).unwrap();
    let saved = formwork_core::SavedPlan::from_bytes(&saved).unwrap();
    let plan = engine.load(&stack, saved).await.unwrap();
    engine.apply(plan).await.unwrap();
    assert_eq!(world.cloud.ids(), ["network#1"]);
}
