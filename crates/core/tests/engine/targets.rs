//! Plans that are about a part of the stack: what is in them, what they refuse, and that the rest
//! is left alone.

use formwork_core::{
    ApplyError, Component, Plan, PlanError, PlanRequest, Scope,
    testing::{Fault, Net, Op, Single, Thing},
    value::Value,
};

use crate::{
    basics::thing,
    replacement::fixed,
    world::{World, at},
};

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
    async fn refused(
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
fn asking<F: Fn(PlanRequest<'_>) -> PlanRequest<'_>>(ask: F) -> F {
    ask
}

fn label(text: &'static str) -> formwork_core::Declaration<Thing> {
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
async fn old_copies_and_open_calls_of_what_is_left_out_are_left_alone() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", fixed(x, None));
            scope.add("b", label(x));
            scope.add("c", label(x));
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Delete, "a", 1, Fault::Refuse);
    world.cloud.fail(Op::Update, "b", 1, Fault::LoseAnswer);
    assert!(world.up(program("2")).await.is_err());
    let before = world.state();
    assert_eq!(world.up_with(program("3"), |p| p.target("c")).await.unwrap(), ["update c"]);
    let after = world.state();
    let of = |state: &formwork_core::state::Snapshot| {
        let rows = state.records.values().filter(|row| row.address.as_str() != "c").cloned();
        (rows.collect::<Vec<_>>(), state.intents.clone())
    };
    assert_eq!(of(&before), of(&after));
    assert_eq!(after.intents.len(), 1);
    let log = world.up_with(program("3"), |p| p.target("a")).await.unwrap();
    assert_eq!(log.iter().filter(|call| *call == "delete a").count(), 2, "{log:?}");
    assert_eq!(world.settle(program("3")).await, ["update b"]);
}

#[tokio::test]
async fn a_create_that_was_cut_off_is_left_to_a_plan_that_is_about_it() {
    let world = World::new();
    let program = |user: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            let b = scope.add("b", thing(&[&a]));
            if user {
                scope.add("user", thing(&[&b]));
            }
            scope.add("c", thing(&[]));
        }
    };
    world.cloud.fail(Op::Create, "b", 1, Fault::LoseAnswer);
    assert!(world.up(program(false)).await.is_err());
    // It may have made something that uses `a`, and is not there for those who use it.
    let refused = world.refused(program(false), |p| p.destroy().target("a")).await;
    assert!(refused.ends_with("\n  - b: it uses the object of a that goes"), "{refused}");
    let refused = world.refused(program(true), |p| p.target("user")).await;
    assert!(refused.ends_with("\n  - b: user needs it, and it is not there yet"), "{refused}");
    world.cloud.clear_log();
    world.up_with(program(true), |p| p.target("c")).await.unwrap();
    assert!(world.cloud.log().iter().all(|call| call.address != "b"));
    let ask = asking(|p| p.target("user").target("b"));
    assert_eq!(world.up_with(program(true), ask).await.unwrap(), ["create user"]);
    world.assert_settled(program(true)).await;
}

#[tokio::test]
async fn what_was_never_seen_ready_serves_nobody() {
    let world = World::new();
    let program = |user: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", thing(&[]));
            if user {
                scope.add("user", thing(&[&a]));
            }
        }
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    assert!(world.up(program(false)).await.is_err());
    let refused = world.refused(program(true), |p| p.target("user")).await;
    assert!(
        refused.ends_with("\n  - a: user needs it, and no run has seen it ready yet"),
        "{refused}"
    );
}

#[tokio::test]
async fn outputs_that_come_from_what_is_left_out_keep_their_recorded_value() {
    let world = World::new();
    let program = |x: &'static str, more: bool| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", label(x));
            let b = scope.add("b", label(x));
            scope.export("a", a.label.map(Option::unwrap_or_default));
            scope.export("b", b.label.map(Option::unwrap_or_default));
            if more {
                scope.export("old", &a.id);
            }
        }
    };
    world.settle(program("1", true)).await;
    let plan = world.plan_with(program("2", false), |p| p.target("b")).await.unwrap();
    assert_eq!(plan.data().narrowed.clone().unwrap().kept_outputs, ["old", "a"]);
    world.apply(plan).await.unwrap();
    assert_eq!(world.state().exports.to_string(), r#"{a: "1", b: "2", old: "a#1"}"#);
    world.settle(program("2", false)).await;
    assert_eq!(world.state().exports.to_string(), r#"{a: "2", b: "2"}"#);
    world.up_with(program("2", false), |p| p.destroy().target("b")).await.unwrap();
    assert_eq!(world.state().exports.to_string(), r#"{a: "2"}"#);
    world.up_with(program("2", false), |p| p.destroy().target("a")).await.unwrap();
    assert!(world.state().records.is_empty());
    assert_eq!(world.state().exports.to_string(), "{}");
}

#[tokio::test]
async fn what_is_wrong_with_something_else_keeps_nobody_from_a_target() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", label("1"));
        scope.add("wrong", label(""));
    };
    assert!(world.refused(program, |p| p).await.contains("it is empty"));
    assert_eq!(world.up_with(program, |p| p.target("a")).await.unwrap(), ["create a"]);
}

#[tokio::test]
async fn a_protected_part_of_the_cascade_is_told_when_the_cascade_is_in_the_plan() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Single::builder().fixed(x).build());
            scope.add("b", fixed("b", Some(&a)).protect());
        }
    };
    world.cloud.lenient();
    world.settle(program("1")).await;
    let refused = world.refused(program("2"), |p| p.target("a")).await;
    assert!(refused.ends_with("\n  - b: it uses the object of a that goes"), "{refused}");
    let refused = world.refused(program("2"), |p| p.target("a").target("b")).await;
    assert!(refused.ends_with("\n  - b: replaced"), "{refused}");
}

#[tokio::test]
async fn another_type_at_an_address_is_in_the_plan_with_the_address() {
    let world = World::new();
    let old = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
        scope.add("b", thing(&[]));
    };
    let new = |scope: &mut Scope<'_>| {
        scope.add("a", Single::builder().build());
        scope.add("b", Single::builder().build());
    };
    world.settle(old).await;
    let log = world.up_with(new, |p| p.target("a")).await.unwrap();
    assert!(log.contains(&"create a".into()) && log.contains(&"delete a".into()), "{log:?}");
    assert_eq!(log.len(), 2);
    assert!(at(&world.settle(new).await, "create b") < 2);
}

#[tokio::test]
async fn a_replacement_asked_for_knows_the_name_that_a_cut_off_update_gave() {
    let world = World::new();
    let program = |name: Option<&'static str>| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().maybe_name(name).build());
        }
    };
    world.settle(program(None)).await;
    world.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
    assert!(world.up(program(Some("k"))).await.is_err());
    let log = world.up_with(program(Some("k")), |p| p.replace("a")).await.unwrap();
    assert_eq!(log, ["delete a", "create a"]);
}

#[tokio::test]
async fn a_guest_with_a_call_that_was_cut_off_does_not_come_along_unseen() {
    let mut world = World::new();
    let program = |x: &'static str, guest: bool| {
        move |scope: &mut Scope<'_>| {
            let host = scope.add("host", fixed(x, None));
            if guest {
                scope.add("guest", fixed(x, Some(&host)).deleted_with(&host));
            }
        }
    };
    world.cloud.lenient();
    world.settle(program("1", true)).await;
    world.cloud.fail(Op::Create, "guest", 1, Fault::LoseAnswer);
    assert!(world.up(program("2", true)).await.is_err());
    for guest in [true, false] {
        let refused = world.refused(program("3", guest), |p| p.target("host")).await;
        let lacks = "\n  - guest: it lives on the object of host that goes";
        assert!(refused.ends_with(lacks), "{refused}");
    }
    world.kept.extend(["guest#1", "guest#2"].map(String::from));
    let ask = asking(|p| p.target("host").target("guest"));
    let mut log = world.up_with(program("3", true), ask).await.unwrap();
    log.sort();
    assert_eq!(log, ["create guest", "create host", "delete host", "delete host"]);
    world.assert_settled(program("3", true)).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_durable_write_of_a_narrowed_run_leaves_the_rest_as_it_was() {
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", fixed(x, None));
            scope.add("b", thing(&[&a]));
            scope.add("guest", thing(&[&a]).deleted_with(&a));
            scope.add("left", label(x));
            scope.export("a", &a.id);
        }
    };
    let asks: [fn(PlanRequest<'_>) -> PlanRequest<'_>; 2] =
        [|p| p.target("a").target("b"), |p| p.destroy().target("a").target("b")];
    for ask in asks {
        for (cut, during) in (1..).flat_map(|cut| [(cut, false), (cut, true)]) {
            let mut world = World::new();
            world.cloud.lenient();
            world.settle(program("1")).await;
            let left = |world: &World| {
                let rows = world.state().records.into_values();
                rows.filter(|row| row.address.as_str() == "left").collect::<Vec<_>>()
            };
            let before = left(&world);
            let plan = world.plan_with(program("2"), ask).await.unwrap();
            let write = world.store.writes() + cut;
            if during {
                world.store.cut_during(write);
            } else {
                world.store.cut_after(write);
            }
            let done = world.apply(plan).await;
            if !world.store.is_cut() {
                done.unwrap();
                assert!(cut > 4, "there are not so few writes");
                break;
            }
            world.store = world.store.reopen();
            world.store.expire_leases();
            world.check();
            assert_eq!(left(&world), before);
            world.settle(program("2")).await;
            let recorded = world.state().records.len();
            assert_eq!(recorded, 4, "cut at write {cut}");
        }
    }
}

#[tokio::test]
async fn a_long_cascade_is_named_as_a_whole_and_in_time() {
    const LONG: usize = 1500;
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            let mut last = scope.add("r0", fixed(x, None));
            for n in 1..LONG {
                last = scope.add(format!("r{n}"), fixed("f", Some(&last)));
            }
        }
    };
    world.up(program("1")).await.unwrap();
    let asks: [fn(PlanRequest<'_>) -> PlanRequest<'_>; 2] =
        [|p| p.target("r0"), |p| p.destroy().target("r0")];
    for ask in asks {
        let began = std::time::Instant::now();
        let Err(PlanError::LeftOut { missing }) = world.plan_with(program("2"), ask).await else {
            panic!("it was planned")
        };
        assert_eq!(missing.len(), LONG - 1);
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    }
}
