//! Plans that only refresh: what is there becomes the record, and nothing is lost to the next plan.

use formwork_core::{
    PlanRequest, Scope,
    state::{Role, Status},
    testing::{Fault, Op, Thing},
    value::Value,
};

use crate::{
    basics::thing,
    document::{Document, Office},
    world::World,
};

fn only(p: PlanRequest<'_>) -> PlanRequest<'_> {
    p.refresh_only()
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

impl World {
    /// Refreshes, and shows that nothing else happened and that a second time has nothing to do.
    async fn refresh(&self, declare: impl Fn(&mut Scope<'_>)) -> String {
        let before = self.cloud.objects();
        let plan = self.plan_with(&declare, only).await.unwrap();
        assert!(plan.data().steps.is_empty());
        let shown = plan.to_string();
        assert_eq!(self.apply(plan).await.unwrap(), Vec::<String>::new());
        assert_eq!(self.cloud.objects(), before);
        let writes = self.store.writes();
        let plan = self.plan_with(&declare, only).await.unwrap();
        assert!(plan.is_empty(), "{plan}");
        self.apply(plan).await.unwrap();
        assert_eq!(self.store.writes(), writes);
        shown
    }
}

#[tokio::test]
async fn what_is_there_is_recorded_and_put_back_by_the_next_plan() {
    let world = World::new();
    let program = |text: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label(text).set(["x", "y"]).build());
            scope.add("b", thing(&[&a]));
            if text == "new" {
                scope.add("more", thing(&[]));
            }
            scope.export("label", a.label.map(Option::unwrap_or_default));
        }
    };
    world.settle(program("1")).await;
    world.cloud.edit("a#1", "label", "by hand".into());
    world.cloud.edit("a#1", "set", Value::List(vec!["y".into(), "z".into()]));
    world.cloud.edit("a#1", "zone", "zone-b".into());
    // Whatever the program says now.
    let shown = world.refresh(program("new")).await;
    let expected = r#"refresh only: what is there is recorded, and nothing else changes
  ~ a                                        model:test/thing
      label: "1" -> "by hand"
      zone: "zone-a" -> "zone-b"
      set[0]: "x" -> "z"
outputs
    label: "1" -> "by hand"
1 to record, 0 to drop, 1 unchanged
"#;
    assert_eq!(shown, expected);
    assert_eq!(text(world.state().exports.get("label")), "by hand");
    let plan = world.plan(program("1")).await;
    assert!(plan.data().drift.is_empty(), "it is the record now");
    let shown = plan.to_string();
    assert!(shown.contains(r#"label: "by hand" -> "1""#) && !shown.contains("zone"), "{shown}");
    assert_eq!(world.apply(plan).await.unwrap(), ["update a"]);
    world.assert_settled(program("1")).await;
    let object = world.cloud.object("a#1").unwrap().inputs;
    assert_eq!(object.get("set").unwrap().to_string(), r#"["x", "y"]"#);
}

#[tokio::test]
async fn a_program_that_takes_over_what_was_done_by_hand_changes_nothing_after_a_refresh() {
    let world = World::new();
    let program = |text: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label(text).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud.edit("a#1", "label", "2".into());
    world.refresh(program("1")).await;
    assert_eq!(world.settle(program("2")).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_an_object_had_not_before_is_taken_away_by_the_next_plan() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]));
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "label", "by hand".into());
    world.refresh(program).await;
    assert_eq!(world.settle(program).await, ["update a"]);
    assert!(world.cloud.object("a#1").unwrap().inputs.get("label").unwrap().is_null());
}

#[tokio::test]
async fn an_ignored_field_is_recorded_and_not_acted_on() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("1").build().ignore_changes(["label"]));
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "label", "by autoscaling".into());
    assert!(world.refresh(program).await.contains("by autoscaling"));
    assert_eq!(world.settle(program).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_gone_leaves_the_state_and_comes_again_with_the_next_plan() {
    let mut world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("b", thing(&[&a]));
        let host = scope.add("host", thing(&[]));
        let guest = scope.add("guest", thing(&[&host]).deleted_with(&host));
        scope.add("inner", thing(&[&a]).deleted_with(&guest));
    };
    world.settle(program).await;
    world.cloud.lose("a#1");
    world.cloud.lose("host#1");
    world.cloud.lose("guest#1");
    world.cloud.lose("inner#1");
    let shown = world.refresh(program).await;
    let expected = "refresh only: what is there is recorded, and nothing else changes
  × a                                        model:test/thing  (it is gone from the cloud)
  × guest                                    model:test/thing  (it is gone from the cloud)
  × host                                     model:test/thing  (it is gone from the cloud)
  × inner                                    model:test/thing  (it is gone from the cloud)
0 to record, 4 to drop, 1 unchanged
";
    assert_eq!(shown, expected);
    // `b` still refers to `a`, whose row says that there is no such object.
    let state = world.state();
    let rows = state.records.values().map(|row| (row.address.as_str(), &row.status));
    assert_eq!(rows.collect::<Vec<_>>(), [("a", &Status::Absent), ("b", &Status::Ready)]);
    world.lost.push("a#1".into());
    let mut log = world.settle(program).await;
    log.sort();
    let expected = ["create a", "create guest", "create host", "create inner", "update b"];
    assert_eq!(log, expected);
    assert_eq!(world.state().records.len(), 5);
}

#[tokio::test]
async fn what_is_gone_and_no_longer_declared_is_forgotten_after_a_refresh() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", thing(&[]));
        scope.add("b", thing(&[&a]));
    };
    world.settle(program).await;
    world.cloud.lose("a#1");
    world.refresh(program).await;
    assert_eq!(world.settle(|_| ()).await, ["delete b"]);
    assert!(world.state().records.is_empty());
}

#[tokio::test]
async fn calls_that_were_cut_off_are_left_to_a_plan_that_may_act() {
    let world = World::new();
    let program = |x: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("changed", Thing::builder().label(x).hidden(x).build());
            if x == "1" {
                scope.add("going", thing(&[]));
            } else {
                scope.add("made", thing(&[]));
                scope.add("half", thing(&[]));
            }
        }
    };
    world.settle(program("1")).await;
    world.cloud.fail(Op::Update, "changed", 1, Fault::LoseAnswer);
    world.cloud.fail(Op::Delete, "going", 1, Fault::LoseAnswer);
    world.cloud.fail(Op::Create, "made", 1, Fault::LoseAnswer);
    world.cloud.fail(Op::Create, "half", 1, Fault::Partial);
    assert!(world.up(program("2")).await.is_err());
    let plan = world.plan_with(program("2"), only).await.unwrap();
    world.apply(plan).await.unwrap();
    world.apply(world.plan_with(program("2"), only).await.unwrap()).await.unwrap();
    // The object that was found has a row now; that its create is done remains to be seen.
    let state = world.state();
    let made = state.records.values().find(|row| row.address.as_str() == "made").unwrap();
    assert_eq!((made.role, &made.status), (Role::Current, &Status::Settling));
    let log = world.settle(program("2")).await;
    assert!(log.contains(&"delete going".into()), "{log:?}");
    // What failed half way was seen to be ready after all.
    let made = |call: &String| call == "create made" || call == "create half";
    assert!(!log.iter().any(made), "{log:?}");
}

#[tokio::test]
async fn a_refresh_can_be_narrowed() {
    let mut world = World::new();
    let program = |scope: &mut Scope<'_>| {
        for name in ["a", "b", "c"] {
            scope.add(name, Thing::builder().label("1").build());
        }
    };
    world.settle(program).await;
    for id in ["a#1", "b#1"] {
        world.cloud.edit(id, "label", "by hand".into());
    }
    world.cloud.lose("c#1");
    world.lost.push("c#1".into());
    let plan = world.plan_with(program, |p| p.refresh_only().target("a")).await.unwrap();
    assert!(plan.to_string().starts_with("narrowed to a: 2 resources are left out\nrefresh only"));
    world.apply(plan).await.unwrap();
    let plan = world.plan(program).await;
    let drifted: Vec<_> = plan.data().drift.iter().map(|d| d.address.as_str()).collect();
    assert_eq!(drifted, ["b", "c"]);
    let mut log = world.apply(plan).await.unwrap();
    log.sort();
    assert_eq!(log, ["create c", "update a", "update b"]);
}

#[tokio::test]
async fn drift_from_how_the_cloud_writes_a_value_is_put_back_after_a_refresh() {
    let office = Office::new();
    let program = |s: &mut Scope<'_>| {
        s.add("a", Document::new("k").shape("BIG").text("t").tag("x", "1").tag("y", "1"));
    };
    office.up(program).await.unwrap();
    office.edit("k", |document| {
        document.text = Some("hacked".into());
        document.tags.insert("y".into(), "hacked".into());
        document.tags.insert("z".into(), "hacked".into());
    });
    let shown = office.refresh(program).await.unwrap();
    assert!(shown.contains("1 to record") && !shown.contains("shape"), "{shown}");
    let plan = office.up(program).await.unwrap();
    assert!(!plan.contains('±'), "{plan}");
    assert_eq!(office.get("k").unwrap().tags, Document::new("k").tag("x", "1").tag("y", "1").tags);
    assert_eq!(office.get("k").unwrap().text.as_deref(), Some("t"));
    assert!(office.up(program).await.unwrap().contains("nothing to do"));
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_the_write_of_a_refresh_leaves_the_state_as_it_was_or_as_planned() {
    for (durable, during) in [(true, false), (true, true), (false, false)] {
        let mut world = World::new();
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label("1").build());
            let b = scope.add("b", thing(&[&a]));
            scope.add("c", thing(&[&b]));
        };
        world.settle(program).await;
        world.cloud.edit("a#1", "label", "by hand".into());
        world.cloud.lose("b#1");
        world.lost.push("b#1".into());
        let plan = world.plan_with(program, only).await.unwrap();
        let before = world.state().records;
        let next = world.store.writes() + 1;
        if !durable {
            world.store.forget_sync(next);
        }
        if during {
            world.store.cut_during(next);
        } else {
            world.store.cut_after(next);
        }
        let _ = world.apply(plan).await;
        world.store = world.store.reopen();
        world.store.expire_leases();
        world.check();
        assert_eq!(world.state().records == before, !durable);
        let mut log = world.settle(program).await;
        log.sort();
        assert_eq!(log, ["create b", "update a", "update c"]);
    }
}

#[tokio::test]
async fn a_saved_refresh_is_not_gone_on_with_in_another_state() {
    let world = World::new();
    let program = |scope: &mut formwork_core::Scope<'_>| {
        scope.add("a", crate::basics::thing(&[]));
        scope.add("b", crate::basics::thing(&[]));
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "label", "by hand".into());
    let stack = World::stack(program);
    let plan = world.engine().plan(&stack).refresh_only().await.unwrap();
    let saved = formwork_core::SavedPlan::new(&plan).to_bytes(None).unwrap();
    let saved = formwork_core::SavedPlan::from_bytes(&saved).unwrap();
    world.up(program).await.unwrap();
    world.cloud.lose("b#1");
    let before = world.state();
    for allow in [false, true] {
        let engine = world.engine();
        let load = engine.load(&stack, saved.clone());
        let load = if allow { load.allow_stale() } else { load };
        let error = load.await.err().unwrap().to_string();
        assert!(error.contains("plan again"), "{error}");
    }
    assert_eq!(world.state(), before);
}

#[tokio::test]
async fn an_object_that_has_another_id_now_is_recorded_under_it() {
    for refresh in [true, false] {
        let world = World::new();
        let program = |scope: &mut Scope<'_>| {
            let a = scope.add("a", Thing::builder().label("x").build());
            scope.export("id", &a.id);
        };
        world.settle(program).await;
        world.cloud.renumber("a#1", "a#one");
        match refresh {
            true => {
                let shown = world.refresh(program).await;
                assert!(shown.contains(r#"id: "a#1" -> "a#one""#), "{shown}");
            }
            false => assert_eq!(world.up(program).await.unwrap(), Vec::<String>::new()),
        }
        let state = world.state();
        let row = state.records.values().next().unwrap();
        assert_eq!(text(row.outputs.get("id")), "a#one");
        assert_eq!(text(state.exports.get("id")), "a#one");
        world.assert_settled(program).await;
        assert_eq!(world.destroy().await.unwrap(), ["delete a"]);
    }
}

#[tokio::test]
async fn what_a_create_failed_with_is_set_kept_and_cleared_by_a_look() {
    let world = World::new();
    let status = || world.state().records.values().next().unwrap().status.clone();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("x").hidden("h").build());
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::Partial);
    world.up(program).await.unwrap_err();
    let first = status();
    assert!(matches!(&first, Status::Incomplete { reason } if reason.contains("made, and failed")));
    world.cloud.fail(Op::Settle, "a", 1, Fault::Refuse);
    let plan = world.plan_with(program, only).await.unwrap();
    assert!(plan.to_string().contains("recovered a: its create did not finish"), "{plan}");
    world.apply(plan).await.unwrap();
    let second = status();
    assert!(matches!(&second, Status::Incomplete { reason } if reason.contains("on purpose")));
    // A look that tells nothing changes nothing, and fails nothing.
    world.cloud.fail(Op::Settle, "a", 1, Fault::Throttle);
    world.cloud.slow(1);
    let shown = world.refresh(program).await;
    assert!(shown.contains("recovered a: its create is done after all"), "{shown}");
    assert_eq!(status(), Status::Ready);
    // What can not be read back may not have arrived.
    assert_eq!(world.settle(program).await, ["update a"]);
    assert_eq!(world.cloud.ids(), ["a#1"]);
}

#[tokio::test]
async fn a_create_that_will_not_be_ready_any_more_is_recorded_as_such() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("x").build());
    };
    world.cloud.fail(Op::Settle, "a", 1, Fault::Hang);
    let bounded = |scope: &mut Scope<'_>| {
        let a = Thing::builder().label("x").build();
        scope.add("a", a.create_timeout(std::time::Duration::from_millis(20)));
    };
    world.up(bounded).await.unwrap_err();
    assert_eq!(world.state().records.values().next().unwrap().status, Status::Settling);
    world.cloud.fail(Op::Settle, "a", 1, Fault::Refuse);
    let plan = world.plan_with(program, only).await.unwrap();
    world.apply(plan).await.unwrap();
    let state = world.state();
    let row = state.records.values().next().unwrap();
    assert!(matches!(row.status, Status::Incomplete { .. }));
    assert_eq!(world.settle(program).await, ["create a", "delete a"]);
}

#[tokio::test]
async fn what_a_look_does_not_show_stays_as_it_was_sent() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("x").hidden("h").set(["s"]).build());
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "label", "other".into());
    world.refresh(program).await;
    let state = world.state();
    let inputs = &state.records.values().next().unwrap().inputs;
    assert_eq!((text(inputs.get("hidden")), text(inputs.get("label"))), ("h", "other"));
    assert_eq!(inputs.get("set"), Some(&Value::List(vec!["s".into()])));
}
