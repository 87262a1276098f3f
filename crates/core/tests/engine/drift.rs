//! What is told apart: the program's changes, drift, what is ignored, and what the cloud merely
//! writes in its own way.

use formwork_core::{
    RefreshMode, Scope,
    testing::{Fault, Op, Thing},
    value::{Secret, Value},
};

use crate::{
    basics::thing,
    document::{Document, Office},
    world::World,
};

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

#[tokio::test]
async fn drift_in_another_element_of_a_field_that_the_program_changes_is_planned_too() {
    let world = World::new();
    world
        .settle(|s| {
            s.add("a", Thing::builder().set(["a", "b"]).build());
        })
        .await;
    let hacked = ["a", "b", "hacked"].map(Value::from).to_vec();
    world.cloud.edit("a#1", "set", Value::List(hacked));
    let program = |s: &mut Scope<'_>| {
        s.add("a", Thing::builder().set(["a", "c"]).build());
    };
    let plan = world.plan(program).await.to_string();
    assert!(plan.contains("hacked") && plan.contains(r#""c""#), "{plan}");

    let office = Office::new();
    let tags = |x: &'static str| {
        move |s: &mut Scope<'_>| {
            s.add("a", Document::new("k").tag("x", x).tag("y", "1"));
        }
    };
    office.up(tags("1")).await.unwrap();
    office.edit("k", |document| {
        document.tags.insert("y".into(), "hacked".into());
    });
    office.up(tags("2")).await.unwrap();
    assert_eq!(office.get("k").unwrap().tags, Document::new("k").tag("x", "2").tag("y", "1").tags);
}

#[tokio::test]
async fn an_update_does_not_make_drift_that_nobody_saw_the_new_truth() {
    let office = Office::new();
    office
        .up(|s| {
            s.add("a", Document::new("k").text("t").tag("y", "1"));
        })
        .await
        .unwrap();
    office.edit("k", |document| {
        document.text = Some("hacked".into());
        document.tags.insert("y".into(), "hacked".into());
    });
    let program = |s: &mut Scope<'_>| {
        s.add("a", Document::new("k").text("t").tag("x", "1").tag("y", "1"));
    };
    office.up_with(program, RefreshMode::None).await.unwrap();
    assert_eq!(office.get("k").unwrap().text.as_deref(), Some("hacked"));
    office.up(program).await.unwrap();
    let now = office.get("k").unwrap();
    assert_eq!((now.text.as_deref(), now.tags["y"].as_str()), (Some("t"), "1"));
}

#[tokio::test(start_paused = true)]
async fn what_a_cut_off_update_left_is_not_taken_for_drift() {
    // The type writes shapes in lower case, and a change of shape replaces.
    for n in 1..=6 {
        let mut office = Office::new();
        let program = |text: &'static str| {
            move |s: &mut Scope<'_>| {
                s.add("a", Document::new("k").shape("BIG").text(text));
            }
        };
        office.cut_after(n);
        let _ = office.up(program("1")).await;
        office.reopen();
        let plan = office.up(program("2")).await.unwrap();
        assert!(!plan.contains('±'), "crash after write {n}:\n{plan}");
        let plan = office.up(program("2")).await.unwrap();
        assert!(plan.contains("nothing to do"), "crash after write {n}:\n{plan}");
    }
}

#[tokio::test]
async fn an_ignored_field_stays_as_it_is_whoever_changed_it() {
    let world = World::new();
    let program = |label: &'static str, set: &'static str| {
        move |s: &mut Scope<'_>| {
            let declared = Thing::builder().label(label).set([set]).build();
            s.add("a", declared.ignore_changes(["label"]));
        }
    };
    world.settle(program("one", "x")).await;
    world.cloud.edit("a#1", "label", Value::from("by autoscaling"));
    let plan = world.plan(program("two", "x")).await;
    assert!(plan.is_empty() && plan.data().drift.is_empty(), "{plan}");
    // An update of another field does not touch it either.
    assert_eq!(world.settle(program("two", "y")).await, ["update a"]);
    let label = text(world.cloud.object("a#1").unwrap().inputs.get("label"));
    assert_eq!(label.as_deref(), Some("by autoscaling"));
}

#[tokio::test]
async fn an_ignored_field_that_the_program_no_longer_sets_is_kept() {
    let world = World::new();
    world
        .settle(|s| {
            s.add("a", Thing::builder().label("keep").build());
        })
        .await;
    let program = |s: &mut Scope<'_>| {
        s.add("a", Thing::builder().set(["x"]).build().ignore_changes(["label"]));
    };
    world.settle(program).await;
    let label = text(world.cloud.object("a#1").unwrap().inputs.get("label"));
    assert_eq!(label.as_deref(), Some("keep"));

    let office = Office::new();
    office
        .up(|s| {
            s.add("a", Document::new("k").tag("x", "1"));
        })
        .await
        .unwrap();
    let program = |s: &mut Scope<'_>| {
        s.add("a", Document::new("k").text("new").declared().ignore_changes(["tags.x"]));
    };
    office.up(program).await.unwrap();
    assert_eq!(office.get("k").unwrap().tags["x"], "1");
}

#[tokio::test]
async fn what_is_made_again_takes_the_programs_word_for_ignored_fields() {
    let mut world = World::new();
    let program = |label: &'static str| {
        move |s: &mut Scope<'_>| {
            s.add("a", Thing::builder().label(label).build().ignore_changes(["label"]));
        }
    };
    world.settle(program("old")).await;
    world.cloud.lose("a#1");
    world.lost.push("a#1".into());
    world.settle(program("new")).await;
    let label = text(world.cloud.object("a#2").unwrap().inputs.get("label"));
    assert_eq!(label.as_deref(), Some("new"));
}

#[tokio::test]
async fn a_choice_of_the_cloud_that_changes_is_told_once_and_accepted() {
    let world = World::new();
    let program = |s: &mut Scope<'_>| {
        s.add("a", thing(&[]));
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "zone", Value::from("zone-b"));
    let plan = world.plan(program).await;
    assert_eq!(plan.data().drift.len(), 1);
    assert_eq!(world.apply(plan).await.unwrap(), Vec::<String>::new());
    world.assert_settled(program).await;
}

#[tokio::test]
async fn a_write_only_value_is_sent_again_until_an_update_of_it_was_seen_to_end() {
    let program = |hidden: &'static str| {
        move |s: &mut Scope<'_>| {
            s.add("a", Thing::builder().hidden(hidden).build());
        }
    };
    for verb in [Op::Delete, Op::Update] {
        let world = World::new();
        world.settle(program("1")).await;
        world.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
        assert!(world.up(program("2")).await.is_err());
        // Another run comes between, and closes its own intent.
        world.cloud.fail(verb, "a", 1, Fault::Refuse);
        let between = match verb {
            Op::Delete => world.up(|_: &mut Scope<'_>| ()).await,
            _ => world.up(program("1")).await,
        };
        assert!(between.is_err());
        assert_eq!(world.settle(program("1")).await, ["update a"], "{verb:?}");
    }
}

#[tokio::test]
async fn a_value_that_comes_back_other_than_planned_reaches_nobody() {
    let office = Office::new();
    let program = |x: &'static str| {
        move |s: &mut Scope<'_>| {
            let a = s.add("a", Document::new("k").text(x));
            let text = a.port.map(move |port| format!("{x}:{port}"));
            s.add("b", Document::builder().key("b").text(text).build());
        }
    };
    office.up(program("1")).await.unwrap();
    office.report_port(2);
    let error = office.up_with(program("2"), RefreshMode::None).await.unwrap_err();
    assert!(error.contains("`text` comes from another resource"), "{error}");
    office.up(program("2")).await.unwrap();
    assert_eq!(office.get("b").unwrap().text.as_deref(), Some("2:2"));
}

#[tokio::test]
async fn a_trigger_replaces_by_its_value_alone() {
    fn program(trigger: impl serde::Serialize) -> impl Fn(&mut Scope<'_>) {
        move |s| drop(s.add("a", thing(&[]).trigger(&trigger)))
    }
    let world = World::new();
    assert_eq!(world.settle(program(None::<u8>)).await, ["create a"]);
    let none: [&str; 0] = [];
    assert_eq!(world.settle(program(["1"])).await, none);
    assert_eq!(world.settle(program([Secret::new("1")])).await, none);
    assert_eq!(world.settle(program("2")).await, ["create a", "delete a"]);
}

#[tokio::test]
async fn what_a_recovered_create_echoes_of_a_secret_is_secret() {
    let world = World::new();
    let program = |s: &mut Scope<'_>| {
        let secret = formwork_core::Output::known("hunter2".to_owned()).secret();
        s.add("a", Thing::builder().label(secret).build());
    };
    world.cloud.fail(Op::Create, "a", 1, Fault::LoseAnswer);
    assert!(world.up(program).await.is_err());
    let plan = world.plan(program).await;
    assert!(!serde_json::to_string(plan.data()).unwrap().contains("hunter2"));
    world.apply(plan).await.unwrap();
    assert!(!world.store.dump().to_string().contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn what_a_cut_off_create_left_undone_is_done_in_place() {
    for refresh in [RefreshMode::List, RefreshMode::Minimal, RefreshMode::None] {
        let mut office = Office::new();
        let program = |s: &mut Scope<'_>| {
            s.add("a", Document::new("k").shape("BIG").text("t").tag("x", "1"));
        };
        office.cut_after(1);
        let _ = office.up(program).await;
        office.reopen();
        // The first of its calls had made it, and the others were never made.
        office.edit("k", |document| document.text = None);
        let plan = office.up_with(program, refresh).await.unwrap();
        assert!(plan.contains("an earlier run did not see it ready"), "{plan}");
        assert!(!plan.contains('±'), "{plan}");
        assert_eq!(office.get("k").unwrap().text.as_deref(), Some("t"));
        let plan = office.up_with(program, refresh).await.unwrap();
        assert!(plan.contains("nothing to do"), "{plan}");
    }
}

#[tokio::test]
async fn a_value_that_is_taken_away_is_drift_also_where_the_cloud_could_choose() {
    let world = World::new();
    let program = |s: &mut Scope<'_>| {
        s.add("a", Thing::builder().zone("zone-b").build());
    };
    world.settle(program).await;
    world.cloud.edit("a#1", "zone", Value::Null);
    assert_eq!(world.settle(program).await, ["update a"]);
    assert_eq!(
        text(world.cloud.object("a#1").unwrap().inputs.get("zone")).as_deref(),
        Some("zone-b")
    );
}

#[tokio::test]
async fn a_choice_of_the_cloud_is_accepted_by_an_update_of_something_else_too() {
    let world = World::new();
    let program = |label: &'static str| {
        move |s: &mut Scope<'_>| {
            s.add("a", Thing::builder().label(label).build());
        }
    };
    world.settle(program("1")).await;
    world.cloud.edit("a#1", "zone", Value::from("zone-b"));
    assert_eq!(world.settle(program("2")).await, ["update a"]);
    assert!(world.plan(program("2")).await.data().drift.is_empty());
}

#[tokio::test]
async fn an_update_after_one_whose_answer_was_lost_leaves_no_drift() {
    let world = World::new();
    let program = |label: &'static str, set: &'static str| {
        move |s: &mut Scope<'_>| {
            s.add("a", Thing::builder().label(label).set([set]).build());
        }
    };
    world.settle(program("1", "x")).await;
    world.cloud.fail(Op::Update, "a", 1, Fault::LoseAnswer);
    assert!(world.up(program("2", "x")).await.is_err());
    assert_eq!(world.settle(program("2", "y")).await, ["update a"]);
    assert!(world.plan(program("2", "y")).await.data().drift.is_empty());
}
