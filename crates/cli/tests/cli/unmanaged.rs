//! What nobody declares, as a user sees it.

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::Desk;

#[tokio::test]
async fn a_rule_that_another_hand_added_is_told_by_every_command_that_looks() {
    let desk = Desk::new();
    desk.run("up --count 0").await;
    desk.cloud.add_rule("rule-7", "net-network.1", "0.0.0.0/0");
    assert_snapshot!(desk.run("drift --count 0").await.both(), @r#"
    there, and declared by nobody
      ! network[rule-7]  demo:net/rule
          from     "0.0.0.0/0"
          network  "net-network.1"
    --- 0
    demo on fake
    "#);
    assert_eq!(desk.run("drift --count 0 --exit-code").await.exit.code(), 2);
    assert_eq!(desk.run("plan --count 0 --exit-code").await.exit.code(), 0, "it changes nothing");
    assert_snapshot!(desk.run("plan --count 0").await.both(), @r#"
    there, and declared by nobody
      ! network[rule-7]  demo:net/rule
          from     "0.0.0.0/0"
          network  "net-network.1"

    No changes: 1 resource is as declared.
    --- 0
    demo on fake
    "#);
    assert_snapshot!(desk.run("up --count 0").await.both(), @r#"
    there, and declared by nobody
      ! network[rule-7]  demo:net/rule
          from     "0.0.0.0/0"
          network  "net-network.1"
    Nothing changed: 1 resource is as declared (0.0 s).
    --- 0
    demo on fake
    "#);
    assert_snapshot!(desk.run("plan --count 0 --refresh none").await.both(), @"
    What nobody declares was not looked for: only --refresh=list does.

    No changes: 1 resource is as declared.
    --- 0
    demo on fake
    ");
    let report: Value =
        serde_json::from_str(&desk.run("drift --count 0 --json").await.out).expect("it is JSON");
    let child = &report["unmanaged"][0];
    assert_eq!((&child["parent"], &child["kind"]), (&"network".into(), &"demo:net/rule".into()));
    assert_eq!((&child["physical_id"], &child["fate"]), (&"rule-7".into(), &"stays".into()));
    assert_eq!(child["inputs"]["from"], "0.0.0.0/0");
    let plan: Value =
        serde_json::from_str(&desk.run("plan --count 0 --refresh none --json").await.out)
            .expect("it is JSON");
    assert!(plan["unmanaged"].is_null());
}

#[tokio::test]
async fn what_an_exclusive_parent_loses_is_shown_and_asked_for() {
    let desk = Desk::new();
    desk.run("up --count 0 --exclusive").await;
    desk.cloud.add_rule("rule-7", "net-network.1", "0.0.0.0/0");
    assert_snapshot!(desk.run("up --count 0 --exclusive").await.both(), @r#"
    network
      - network[rule-7]  demo:net/rule  (not declared, and network is exclusive)
          from     "0.0.0.0/0"
          network  "net-network.1"

    Plan: 1 to delete, 1 unchanged.
    outputs
        network  "net-network.1"
    --- 0
    demo on fake
    deleted network[rule-7] (0.0 s)
    Done: 1 deleted in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);
    assert_eq!(desk.cloud.count(), 1);
    assert_eq!(desk.run("drift --count 0 --exclusive").await.out, "No drift.\n");
}
