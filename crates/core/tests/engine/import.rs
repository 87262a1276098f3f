//! Objects that exist already and are taken over: by their id, or because they have the name.

use formwork_core::{
    Action, Declaration, Plan, PlanError, PlanRequest, RefreshMode, Scope, Secret, Stack,
    testing::{Fault, Op, Thing},
    text,
    value::Value,
};

use crate::{
    basics::thing,
    document::{Document, Office},
    saved,
    world::World,
};

const KIND: &str = "model:test/thing";

impl World {
    /// Puts an object of somebody else there.
    pub(crate) fn foreign(&mut self, id: &str, inputs: &str) {
        self.cloud.put(id, KIND, serde_json::from_str(inputs).unwrap());
        self.kept.push(id.to_owned());
    }

    /// Whether the object is marked as the one of the row at this address.
    pub(crate) fn is_ours(&self, id: &str, address: &str) -> bool {
        let state = self.state();
        let row = state.records.values().find(|row| row.address.as_str() == address).unwrap();
        self.cloud.object(id).unwrap().made_by == row.id && !row.is_unclaimed()
    }

    async fn refused_import(&self, declare: impl Fn(&mut Scope<'_>)) -> Vec<String> {
        let before = (self.state(), self.cloud.objects());
        let error = self.plan_with(&declare, |p| p).await.unwrap_err();
        assert_eq!((self.state(), self.cloud.objects()), before);
        told(error)
    }
}

fn only(p: PlanRequest<'_>) -> PlanRequest<'_> {
    p.refresh_only()
}

/// The problems of a refusal, without their lines.
fn told(error: PlanError) -> Vec<String> {
    let PlanError::Invalid { problems, .. } = error else { panic!("{error}") };
    assert!(problems.iter().all(|problem| problem.declared_at.contains("import.rs:")));
    let line = |p: &formwork_core::Problem| {
        format!("{}.{}: {}", p.address, p.field.as_deref().unwrap_or_default(), p.message)
    };
    problems.iter().map(line).collect()
}

fn labelled(label: &str) -> Declaration<Thing> {
    Thing::builder().label(label).zone("zone-a").build()
}

fn calls(world: &World) -> Vec<String> {
    let log = world.cloud.log();
    let looks = |op: &Op| !matches!(op, Op::List | Op::Settle);
    log.iter()
        .filter(|call| looks(&call.op))
        .map(|call| format!("{:?} {}", call.op, call.address).to_lowercase())
        .collect()
}

const OLD: &str = r#"{"label": "old", "zone": "zone-a", "fixed": "x"}"#;

#[tokio::test]
async fn an_object_that_exists_is_recorded_marked_as_ours_and_changed_in_place() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        let old = Thing::builder().label("new").fixed("x").build().import("old-1");
        let a = scope.add("a", old);
        scope.add("b", thing(&[&a]));
    };
    let plan = world.plan(program).await;
    let expected = r#"other
  ← a                                        model:test/thing  (it is old-1)
  ~ a                                        model:test/thing
      label: "old" -> "new"
  + b                                        model:test/thing
1 to import, 1 to create, 1 to update, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    assert!(world.state().records.is_empty());
    assert_eq!(world.apply(plan).await.unwrap(), ["update a", "create b"]);
    assert_eq!(calls(&world), ["read a", "claim a", "update a", "create b"]);
    assert!(world.is_ours("old-1", "a"));
    // It can stay in the program, and be taken away.
    world.assert_settled(program).await;
    world
        .assert_settled(|scope| {
            let a = scope.add("a", Thing::builder().label("new").fixed("x").build());
            scope.add("b", thing(&[&a]));
        })
        .await;
    assert_eq!(world.destroy().await.unwrap(), ["delete b", "delete a"]);
}

#[tokio::test]
async fn what_is_as_the_program_says_is_taken_over_without_a_change() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        let a = Thing::builder().label("old").fixed("x").build().import("old-1").protect();
        let a = scope.add("a", a);
        scope.export("id", &a.id);
    };
    let plan = world.plan(program).await;
    let expected = r#"other
  ← a                                        model:test/thing  (it is old-1)
outputs
    id: (none) -> "old-1"
1 to import, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    assert_eq!(world.apply(plan).await.unwrap(), Vec::<String>::new());
    assert!(world.is_ours("old-1", "a"));
    world.assert_settled(program).await;
    // Drift is told from what was seen then.
    world.cloud.edit("old-1", "label", "by hand".into());
    assert_eq!(world.up(program).await.unwrap(), ["update a"]);
    let error = world.plan_with(|_| (), |p| p).await.unwrap_err();
    assert!(matches!(error, PlanError::Protected { .. }));
}

#[tokio::test]
async fn what_can_not_be_imported_is_refused_all_at_once() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    world
        .settle(|scope| {
            scope.add("mine", thing(&[]));
            scope.add("other", thing(&[]));
        })
        .await;
    let told = world
        .refused_import(|scope| {
            scope.add("mine", thing(&[]));
            scope.add("other", thing(&[]).import("old-1"));
            scope.add("none", thing(&[]).import("old-2"));
            scope.add("twice", thing(&[]).import("mine#1"));
            let new = scope.add("new", thing(&[]));
            let made = Thing::builder().fixed("y").fixed_ref(&new.id).build();
            scope.add("made", made.import("old-1"));
            scope.add("again", labelled("old").import("old-1"));
            scope.add("bad", Thing::builder().label("").build());
        })
        .await;
    let only = "and only a new object could have that. Let the program say what is there, or name it \
                in ignore_changes";
    assert_eq!(
        told,
        [
            "other.import: old-1 can not be imported here, for the address has an object already: \
             other#1"
                .to_owned(),
            "none.import: there is no `model:test/thing` with the id \"old-2\" at the provider `model`"
                .to_owned(),
            "twice.import: mine#1 belongs to this stack already, at mine: no object can have two \
             addresses. To move it here, use moved_from"
                .to_owned(),
            format!(
                "made.fixed: it can not be imported as it is: this is \"x\" there and \"y\" in the \
                 program, {only}"
            ),
            format!(
                "made.fixed_ref: it can not be imported as it is: this is not set there and (known \
                 after apply) in the program, {only}"
            ),
            "again.import: old-1 belongs to this stack already, at made: no object can have two \
             addresses. To move it here, use moved_from"
                .to_owned(),
            "bad.label: it is empty; expected text, or no label at all".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_type_that_can_not_be_found_can_be_neither_imported_nor_adopted() {
    let office = Office::new();
    let stack = Stack::new("t", |scope| {
        scope.add("a", Document::new("a").declared().import("a"));
        scope.add("b", Document::new("b").declared().adopt());
    });
    let error = office.engine().plan(&stack.unwrap()).await.unwrap_err();
    assert_eq!(
        told(error),
        ["a.import: office:files/document: objects of this type can not be found by an id, nor \
             imported",]
    );
    let stack = Stack::new("t", |scope| {
        scope.add("b", Document::new("b").declared().adopt());
    });
    let error = office.engine().plan(&stack.unwrap()).await.unwrap_err();
    assert_eq!(
        told(error),
        ["b.adopt: office:files/document: objects of this type can not be found by their inputs, \
             nor adopted",]
    );
}

#[tokio::test]
async fn what_is_ignored_stays_as_it_was_found() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        let old = Thing::builder().label("new").fixed("y").set(["s"]).build().import("old-1");
        scope.add("a", old.ignore_changes(["fixed", "label"]));
    };
    assert_eq!(world.settle(program).await, ["update a"]);
    let is = world.cloud.object("old-1").unwrap().inputs;
    let text = |field: &str| is.get(field).and_then(Value::as_str).unwrap_or_default();
    assert_eq!((text("fixed"), text("label")), ("x", "old"));
    assert_eq!(is.get("set"), Some(&Value::List(vec!["s".into()])));
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_write_of_an_import_leaves_what_the_next_run_finishes() {
    let program = |scope: &mut Scope<'_>| {
        let old = Thing::builder().label("new").fixed("x").hidden("h").build().import("old-1");
        let a = scope.add("a", old);
        scope.add("b", Thing::builder().refs([&a.id]).build().adopt());
        scope.add("c", Thing::builder().name("c").zone("zone-a").build().adopt());
    };
    let world = || {
        let mut world = World::new();
        world.foreign("old-1", OLD);
        world.foreign("old-c", r#"{"name": "c", "zone": "zone-a"}"#);
        world
    };
    let whole = world();
    whole.up(program).await.unwrap();
    let writes = whole.store.writes();
    assert!(writes > 5);
    for (n, during) in (1..=writes).flat_map(|n| [(n, false), (n, true)]) {
        let mut world = world();
        match during {
            false => world.store.cut_after(n),
            true => world.store.cut_during(n),
        }
        let _ = world.up(program).await;
        world.store = world.store.reopen();
        world.store.expire_leases();
        world.check();
        world.up(program).await.unwrap();
        world.assert_settled(program).await;
        assert_eq!(world.cloud.ids(), ["b#1", "old-1", "old-c"]);
        assert!(world.is_ours("old-1", "a") && world.is_ours("old-c", "c"));
        assert_eq!(world.destroy().await.unwrap().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_fails_is_taken_up_by_the_next_run_and_nobody_sees_it_unfinished() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        let a = Thing::builder().label("new").fixed("x").build().import("old-1");
        let a = scope.add("a", a);
        scope.add("b", thing(&[&a]));
    };
    world.cloud.fail(Op::Claim, "a", 1, Fault::LoseAnswer);
    world.cloud.fail(Op::Claim, "a", 2, Fault::Refuse);
    let error = world.up(program).await.unwrap_err().to_string();
    assert!(error.contains("could not import a") || error.contains("refused"), "{error}");
    assert_eq!(calls(&world), ["read a", "claim a", "claim a"]);
    let plan = world.plan(program).await;
    let expected = r#"other
  ← a                                        model:test/thing  (it is old-1)
  ~ a                                        model:test/thing
      label: "old" -> "new"
  + b                                        model:test/thing
1 to import, 1 to create, 1 to update, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    // Also where nothing is to be looked at.
    let plan = world.plan_with(program, |p| p.refresh(RefreshMode::None)).await.unwrap();
    assert_eq!(plan.to_string(), expected);
    world.apply(plan).await.unwrap();
    assert!(world.is_ours("old-1", "a"));
    world.assert_settled(program).await;
}

#[tokio::test]
async fn what_is_not_any_more_what_was_planned_is_not_taken_over() {
    for gone in [true, false] {
        let mut world = World::new();
        world.foreign("old-1", OLD);
        let program = |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label("new").fixed("x").build().import("old-1"));
        };
        let plan = world.plan(program).await;
        match gone {
            true => world.cloud.lose("old-1"),
            false => world.cloud.edit("old-1", "set", Value::List(vec!["by hand".into()])),
        }
        let error = world.apply(plan).await.unwrap_err();
        let formwork_core::ApplyError::Failed(report) = error else { panic!("{error}") };
        let why = &report.failures[0].error.message;
        match gone {
            true => assert!(why.contains("gone"), "{why}"),
            false => assert!(why.contains("`set[0]`"), "{why}"),
        }
        assert!(world.state().records.is_empty() && world.cloud.mutations().is_empty());
    }
}

#[tokio::test]
async fn what_was_imported_stays_said_when_it_is_replaced_or_gone() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |fixed: &'static str| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().label("old").fixed(fixed).build().import("old-1"));
        }
    };
    world.settle(program("x")).await;
    assert_eq!(world.settle(program("y")).await, ["create a", "delete a"]);
    assert_eq!(world.cloud.ids(), ["a#1"]);
    world.cloud.lose("a#1");
    world.lost.push("a#1".to_owned());
    assert_eq!(world.settle(program("y")).await, ["create a"]);
    // Destroyed and declared anew, it names what is not there any more.
    world.destroy().await.unwrap();
    assert_eq!(world.refused_import(program("y")).await.len(), 1);
}

#[tokio::test]
async fn an_import_that_never_happened_leaves_nothing() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", labelled("new").import("old-1").ignore_changes(["fixed"]));
    };
    let plan = world.plan(program).await;
    assert!(!plan.is_empty());
    assert!(world.plan_destroy(program).await.is_empty());
    // An apply of something else does not know what was planned.
    world
        .settle(|scope| {
            scope.add("b", thing(&[]));
        })
        .await;
    assert_eq!(world.cloud.ids(), ["b#1", "old-1"]);
    assert!(world.apply(plan).await.is_err());
    let refreshed = world.plan_with(program, only).await.unwrap();
    assert!(refreshed.is_empty());
}

#[tokio::test]
async fn what_is_retained_is_left_where_it_was_found() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("old").fixed("x").build().import("old-1").retain());
    };
    world.settle(program).await;
    assert_eq!(world.settle(|_| ()).await, Vec::<String>::new());
    assert_eq!(world.cloud.ids(), ["old-1"]);
    assert!(world.state().records.is_empty());
    // It can come back.
    world.settle(program).await;
}

#[tokio::test]
async fn a_secret_that_is_there_already_is_no_change_and_stands_nowhere_in_clear() {
    let mut world = World::new();
    world.foreign("old-2", r#"{"fixed": "psst"}"#);
    world.foreign("old-1", r#"{"label": "hush", "password": "sesame", "zone": "zone-a"}"#);
    let program = |scope: &mut Scope<'_>| {
        let word = scope.add("word", labelled("hush"));
        let a = Thing::builder().label(word.label.map(Option::unwrap_or_default).secret());
        let a = a.password(Secret::new("sesame".to_owned())).build();
        scope.add("a", a.import("old-1"));
    };
    let plan = world.plan(program).await;
    assert_eq!(plan.summary().import, 1);
    assert_eq!(plan.summary().update, 0, "{plan}");
    let import = |step: &&formwork_core::Step| step.action == Action::Import;
    let step = plan.steps().find(import).unwrap();
    for text in [format!("{plan}"), format!("{step:?}")] {
        assert!(!text.contains("hush") && !text.contains("sesame"), "{text}");
    }
    assert!(!String::from_utf8_lossy(&saved::file(&plan)).contains("sesame"));
    world.apply(plan).await.unwrap();
    let state = world.state();
    let row = state.records.values().find(|row| row.address.as_str() == "a").unwrap();
    assert!(!format!("{row:?}").contains("hush") && !format!("{row:?}").contains("sesame"));
    world.assert_settled(program).await;
    let told = world
        .plan_with(
            |scope| {
                let word = scope.add("word", labelled("hush"));
                let b = Thing::builder()
                    .fixed(word.label.map(Option::unwrap_or_default).secret())
                    .build();
                scope.add("b", b.import("old-2"));
            },
            |p| p,
        )
        .await;
    let told = told.unwrap_err().to_string();
    assert!(told.contains("b.fixed") && told.contains("[secret]"), "{told}");
    assert!(!told.contains("hush") && !told.contains("psst"), "{told}");
}

#[tokio::test]
async fn what_can_not_be_read_back_is_sent() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        let a = Thing::builder().label("old").fixed("x").hidden("h");
        scope.add("a", a.build().import("old-1"));
    };
    assert_eq!(world.settle(program).await, ["update a"]);
}

#[tokio::test]
async fn a_request_may_name_what_the_program_does_not() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().label("old").fixed("x").build());
        scope.add("b", thing(&[&a]));
    };
    let plan = world.plan_with(program, |p| p.target("a").import("a", "old-1")).await.unwrap();
    let expected = r#"narrowed to a: 1 resource is left out
other
  ← a                                        model:test/thing  (it is old-1)
1 to import, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    let plan = saved::load(&world.engine(), &saved::file(&plan), program).await.unwrap();
    world.apply(plan).await.unwrap();
    assert_eq!(world.settle(program).await, ["create b"]);
    let error = world.plan_with(program, |p| p.import("aa", "old-1")).await.unwrap_err();
    assert!(matches!(error, PlanError::UnknownAddresses { .. }), "{error}");
}

#[tokio::test]
async fn what_is_left_out_is_not_looked_at() {
    let world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", thing(&[]).import("old-1"));
        scope.add("b", Thing::builder().name("b").build().adopt());
        scope.add("c", thing(&[]));
    };
    world.cloud.clear_log();
    let plan = world.plan_with(program, |p| p.target("c")).await.unwrap();
    assert_eq!(calls(&world), Vec::<String>::new());
    assert_eq!(world.apply(plan).await.unwrap(), ["create c"]);
}

fn saves_as(plan: &Plan) -> Vec<u8> {
    saved::file(plan)
}

#[tokio::test]
async fn a_saved_plan_takes_over_what_it_says_and_nothing_else() {
    let mut world = World::new();
    world.foreign("old-1", OLD);
    world.foreign("old-2", OLD);
    let program = |id: &'static str| {
        move |scope: &mut Scope<'_>| {
            let a = Thing::builder().label("new").fixed("x").build().import(id);
            scope.add("a", a);
            scope.add("b", thing(&[]));
        }
    };
    let file = saves_as(&world.plan(program("old-1")).await);
    let error = saved::load(&world.engine(), &file, program("old-2")).await.unwrap_err();
    assert!(error.to_string().contains("import"), "{error}");
    let plan = saved::load(&world.engine(), &file, program("old-1")).await.unwrap();
    // Cut off after the object was recorded, the rest of it is still what the plan says.
    world.store.cut_after(1);
    world.apply(plan).await.unwrap_err();
    world.store = world.store.reopen();
    world.store.expire_leases();
    let stack = World::stack(program("old-1"));
    let engine = world.engine();
    let again = engine.load(&stack, saved::opened(&file)).allow_stale().await.unwrap();
    assert_eq!(again.summary().import, 1);
    world.apply(again).await.unwrap();
    world.assert_settled(program("old-1")).await;
}

#[tokio::test]
async fn what_has_the_name_already_is_adopted() {
    let mut world = World::new();
    world.foreign("old-1", r#"{"name": "n", "label": "old", "zone": "zone-a"}"#);
    world.foreign("old-2", r#"{"name": "n-old-1", "zone": "zone-a"}"#);
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Thing::builder().name("n").label("new").build().adopt());
        let name = text!("n-{}", a.id);
        scope.add("b", Thing::builder().name(name).build().adopt());
        scope.add("c", Thing::builder().name("free").build().adopt());
        scope.add("d", Thing::builder().build().adopt());
    };
    let plan = world.plan(program).await;
    let expected = r#"other
  ← a                                        model:test/thing  (it is there already: old-1)
  ~ a                                        model:test/thing
      label: "old" -> "new"
  ← b                                        model:test/thing  (it is there already: old-2)
  + c                                        model:test/thing
  + d                                        model:test/thing
2 to import, 2 to create, 1 to update, 0 unchanged
"#;
    assert_eq!(plan.to_string(), expected);
    assert!(world.state().records.is_empty());
    assert_eq!(world.apply(plan).await.unwrap(), ["create c", "create d", "update a"]);
    assert!(world.is_ours("old-1", "a") && world.is_ours("old-2", "b"));
    world.cloud.clear_log();
    world.assert_settled(program).await;
    let log = world.cloud.log();
    assert!(!log.iter().any(|call| call.op == Op::Locate), "what is recorded is not looked for");
}

#[tokio::test]
async fn what_came_in_between_is_not_adopted_unseen() {
    let mut world = World::new();
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().name("n").build().adopt());
    };
    let plan = world.plan(program).await;
    world.foreign("old-1", r#"{"name": "n", "zone": "zone-a"}"#);
    assert!(world.apply(plan).await.unwrap_err().to_string().contains("taken"));
    assert!(world.state().records.is_empty());
    world.settle(program).await;
    assert_eq!(world.cloud.ids(), ["old-1"]);
}

#[tokio::test]
async fn what_another_address_has_is_handed_over_and_not_adopted() {
    let world = World::new();
    let version = |a: &'static str, b: Option<&'static str>| {
        move |scope: &mut Scope<'_>| {
            scope.add("a", Thing::builder().name(a).build().adopt());
            if let Some(b) = b {
                scope.add("b", Thing::builder().name(b).build().adopt());
            }
        }
    };
    world.settle(version("n", None)).await;
    let done = world.settle(version("m", Some("n"))).await;
    assert_eq!(done, ["update a", "create b"]);
}

#[tokio::test]
async fn an_object_that_came_back_under_another_id_is_adopted_or_imported() {
    for adopt in [true, false] {
        let mut world = World::new();
        let program = |import: Option<&'static str>| {
            move |scope: &mut Scope<'_>| {
                let a = Thing::builder().name("n").build();
                let a = match import {
                    Some(id) => a.import(id),
                    None => a.adopt(),
                };
                let a = scope.add("a", a);
                scope.add("b", thing(&[&a]));
            }
        };
        world.settle(program(None)).await;
        world.cloud.lose("a#1");
        world.lost.push("a#1".to_owned());
        world.foreign("old-1", r#"{"name": "n", "zone": "zone-a"}"#);
        let program = program((!adopt).then_some("old-1"));
        assert_eq!(world.settle(&program).await, ["update b"]);
        assert_eq!(world.cloud.ids(), ["b#1", "old-1"]);
        assert_eq!(world.state().records.len(), 2);
    }
}

#[tokio::test]
async fn what_would_have_to_be_replaced_is_not_adopted() {
    let mut world = World::new();
    world.foreign("old-1", r#"{"name": "n", "fixed": "x", "zone": "zone-a"}"#);
    let told = world
        .refused_import(|scope| {
            scope.add("a", Thing::builder().name("n").fixed("y").build().adopt());
        })
        .await;
    assert!(
        told[0].starts_with("a.fixed: it can not be adopted as it is: this is \"x\""),
        "{told:?}"
    );
    let program = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().name("n").fixed("x").build().import("old-1"));
    };
    let error = world.plan_with(program, |p| p.replace("a")).await.unwrap_err().to_string();
    assert!(error.contains("imported and replaced in one run (asked for)"), "{error}");
}
