//! Runs that are about a part of the stack, or about the records alone.

use insta::assert_snapshot;

use crate::harness::{Desk, Printed};

/// A desk with a network, three nodes and their drivers.
async fn built() -> Desk {
    let desk = Desk::new();
    let up = desk.run("up --count 3 --driver 1").await;
    assert_eq!(up.exit.code(), 0, "{}", up.both());
    desk
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("what is printed is JSON")
}

fn refused(printed: &Printed) -> &str {
    assert_eq!(printed.exit.code(), 1, "{}", printed.both());
    &printed.err
}

const CHANGE: &str = "--count 3 --size large --driver 2";

#[tokio::test]
async fn a_plan_says_what_it_is_narrowed_to() {
    let desk = built().await;
    let printed = desk.run(&format!("plan {CHANGE} --target node-1 --target node-2-driver")).await;
    assert_snapshot!(printed.both(), @r#"
    Narrowed to node-1, node-2-driver; 5 resources are left out: network, node-0, node-0-driver, node-1-driver, node-2.
    compute
      ~ node-1  demo:compute/node
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
          interfaces[2].kind  "fast-small" -> "fast-large"
    drivers
      ~ node-2-driver  demo:node/driver
          version  "1" -> "2"

    Plan: 2 to update, 0 unchanged.
    --- 0
    demo on fake
    next: demo up --target node-1 --target node-2-driver   to make it so
    "#);
    let printed = desk.run(&format!("plan {CHANGE} --exclude node-1 --exclude node-2")).await;
    assert_snapshot!(printed.out, @r#"
    Narrowed without node-1, node-2; 4 resources are left out: node-1, node-1-driver, node-2, node-2-driver.
    compute
      ~ node-0  demo:compute/node
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
          interfaces[2].kind  "fast-small" -> "fast-large"
    drivers
      ~ node-0-driver  demo:node/driver
          version  "1" -> "2"

    Plan: 2 to update, 1 unchanged.
    "#);
    let plan = json(&desk.run(&format!("plan {CHANGE} --exclude network --json")).await.out);
    assert_eq!(plan["narrowed"]["excludes"], serde_json::json!(["network"]));
    assert_eq!(plan["narrowed"]["left_out"].as_array().map(Vec::len), Some(7));
    assert_eq!(plan["steps"], serde_json::json!([]));
}

#[tokio::test]
async fn a_run_of_a_part_leaves_the_rest() {
    let desk = built().await;
    let printed = desk.run(&format!("up {CHANGE} --target node-1 --target-dependents")).await;
    assert_snapshot!(printed.both(), @r#"
    Narrowed to node-1 and with it node-1-driver; 5 resources are left out: network, node-0, node-0-driver, node-2, node-2-driver.
    compute
      ~ node-1  demo:compute/node
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
          interfaces[2].kind  "fast-small" -> "fast-large"
    drivers
      ~ node-1-driver  demo:node/driver
          version  "1" -> "2"

    Plan: 2 to update, 0 unchanged.
    outputs
        login    [secret]
        network  "net-network.1"
    --- 0
    demo on fake
    updated node-1 node-node-1.1 (0.0 s)
    updated node-1-driver drv-node-1-driver.1 (0.0 s)
    Done: 2 updated in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);
    let plan = desk.run(&format!("plan {CHANGE}")).await.out;
    assert!(plan.contains("Plan: 4 to update, 3 unchanged."), "{plan}");
}

#[tokio::test]
async fn what_a_part_can_not_do_without_is_told_with_what_to_try() {
    let desk = built().await;
    let printed = desk.run("plan --count 4 --driver 1 --target node-3-driver").await;
    assert_snapshot!(refused(&printed), @"
    demo on fake
    error: the plan is narrowed, and leaves out 1 resource that it can not do without

      × node-3
        node-3-driver needs it, and it is not there yet

    help: nothing was changed; name them with --target too, or take in what the targets need with --target-dependencies
    ");
    let printed = desk.run("destroy --count 3 --driver 1 --target network").await;
    assert_snapshot!(refused(&printed), @"
    demo on fake
    error: the plan is narrowed, and leaves out 6 resources that it can not do without

      × node-0
        it uses the object of network that goes

      × node-0-driver
        it uses the object of node-0 that goes

      × node-1
        it uses the object of network that goes

      × node-1-driver
        it uses the object of node-1 that goes

      × node-2
        it uses the object of network that goes

      × node-2-driver
        it uses the object of node-2 that goes

    help: nothing was changed; name them with --target too, or take in what needs the targets with --target-dependents
    ");
    let printed = desk.run("plan --count 3 --target nod --target node-9 --exclude driver").await;
    assert_snapshot!(refused(&printed), @"
    demo on fake
    error: nothing that is declared or recorded has these 3 addresses

      × nod
        did you mean node-2?

      × node-9
        did you mean node-2?

      × driver

    help: nothing was changed; an address is the path of a resource or component, as `state list` and `graph` show it
    ");
    let printed = desk.run("plan --count 3 --driver 1 --target node-1 --exclude network").await;
    assert_snapshot!(refused(&printed), @"
    demo on fake
    error: nothing is left of what was asked for without network

      × node-1

    help: nothing was changed; what needs something that is left out is left out too (of `destroy`, what that needs)
    ");
    let printed = desk.run("plan --count 4 --driver 1 --target node-3-driver --json").await;
    let error = json(printed.out.lines().last().unwrap_or_default());
    assert_eq!(error["missing"][0]["address"], "node-3");
    let printed = desk.run("plan --target nod --json").await;
    let error = json(printed.out.lines().last().unwrap_or_default());
    assert_eq!(error["unknown"][0]["address"], "nod");
}

#[tokio::test]
async fn a_part_is_destroyed_with_what_needs_it() {
    let desk = built().await;
    let line =
        "destroy --count 3 --driver 1 --target node-1 --target-dependents --cloud real --yes";
    let printed = desk.run(line).await;
    assert_snapshot!(printed.both(), @"
    Narrowed to node-1 and with it node-1-driver; 5 resources are left out: network, node-0, node-0-driver, node-2, node-2-driver.
    compute
      - node-1  demo:compute/node
    drivers
      - node-1-driver  demo:node/driver

    Plan: 2 to delete, 0 unchanged.
    --- 0
    demo on real (1234, eu-1)
    deleted node-1 (0.0 s)
    deleted node-1-driver (0.0 s)
    Done: 2 deleted in 0.0 s.
    ");
    assert_eq!(desk.cloud.count(), 5);
    let kept = desk.run("destroy --count 3 --driver 1 --exclude node-0").await;
    assert_eq!(kept.exit.code(), 0, "{}", kept.both());
    assert_eq!(desk.cloud.count(), 2);
}

#[tokio::test]
async fn what_is_there_is_recorded_and_put_back_by_the_next_run() {
    let desk = built().await;
    desk.cloud.tamper("node-node-0.1", "size", "huge");
    desk.cloud.lose("drv-node-1-driver.1");
    let plan = desk.run("plan --refresh-only --count 3 --driver 1").await;
    assert_snapshot!(plan.both(), @r#"
    recorded as it is in the cloud, which stays so
      ~ node-0         demo:compute/node  node-node-0.1
          size  "small" -> "huge"
      - node-1-driver  demo:node/driver   (gone)  drv-node-1-driver.1

    Plan: 1 to record, 1 to drop, 5 unchanged.
    --- 0
    demo on fake
    next: demo up --refresh-only   to record it
    "#);
    let up = desk.run("up --refresh-only --count 3 --driver 1").await;
    assert_snapshot!(up.both(), @r#"
    recorded as it is in the cloud, which stays so
      ~ node-0         demo:compute/node  node-node-0.1
          size  "small" -> "huge"
      - node-1-driver  demo:node/driver   (gone)  drv-node-1-driver.1

    Plan: 1 to record, 1 to drop, 5 unchanged.
    Recorded.
    --- 0
    demo on fake
    "#);
    let again = desk.run("up --refresh-only --count 3 --driver 1").await;
    assert_snapshot!(again.out, @"
    Nothing to record: 6 resources are as recorded (0.0 s).
    ");
    assert_eq!(desk.run("drift --count 3 --driver 1").await.out, "No drift.\n");
    let plan = desk.run("plan --count 3 --driver 1").await;
    assert_snapshot!(plan.out, @r#"
    compute
      ~ node-0  demo:compute/node
          size  "huge" -> "small"
    drivers
      + node-1-driver  demo:node/driver  node "node-node-1.1", version "1"

    Plan: 1 to create, 1 to update, 5 unchanged.
    "#);
}

#[tokio::test]
async fn drift_of_a_part_is_told_also_where_that_part_could_not_be_planned_alone() {
    let desk = built().await;
    desk.cloud.tamper("node-node-0.1", "size", "huge");
    desk.cloud.tamper("node-node-1.1", "size", "huge");
    assert_snapshot!(desk.run("drift --count 3 --driver 1 --target node-0").await.both(), @r#"
      ~ node-0  demo:compute/node  node-node-0.1
          field  program  recorded  there
          size   "small"  "small"   "huge"  `up` puts it back
    --- 0
    demo on fake
    next: demo up --target node-0   to put it back
    "#);
    desk.cloud.lose("net-network.1");
    assert_snapshot!(desk.run("drift --count 3 --driver 1 --target network").await.both(), @"
      - network  demo:net/network  (gone)  net-network.1
    --- 0
    demo on fake
    next: demo up   to put it back
    ");
}

#[tokio::test]
async fn flags_that_mean_nothing_here_are_refused() {
    let desk = built().await;
    for line in [
        "output --target node-0",
        "state list --exclude node-0",
        "graph --target-dependents",
        "drift --refresh-only",
        "destroy --refresh-only",
        "plan --target-dependencies",
        "up --target-dependents",
        "destroy --target node-0 --target-dependencies",
        "plan --refresh-only --replace node-0",
        "plan --refresh-only --refresh none",
    ] {
        let printed = desk.run(line).await;
        assert!(refused(&printed).contains("help: "), "{line}: {}", printed.err);
    }
    desk.file("s.json", r#"{"target": ["node-0"]}"#);
    assert!(refused(&desk.run("plan --config s.json").await).contains("pass it as --target"));
}

#[tokio::test]
async fn a_run_goes_on_after_a_failure_unless_it_is_told_not_to() {
    for (flag, made) in [("", 3), ("--continue-on-error", 3), ("--continue-on-error=false", 1)] {
        let desk = Desk::new();
        desk.cloud.world().broken.insert("node-0".to_owned());
        let printed = desk.run(&format!("up --count 3 --parallel 1 {flag}")).await;
        assert_eq!((printed.exit.code(), desk.cloud.count()), (1, made), "{}", printed.both());
    }
    let desk = Desk::new().env("FORMWORK_CONTINUE_ON_ERROR", "false");
    desk.cloud.world().broken.insert("node-0".to_owned());
    let printed = desk.run("up --count 3 --parallel 1").await;
    assert_eq!(desk.cloud.count(), 1);
    assert_snapshot!(refused(&printed), @"
    demo on fake
    created network net-network.1 (0.0 s)
    failed creating node-0 (0.0 s): demo:Create: there is no room for this (InsufficientCapacity) [request 7f3a-01]
    error: 1 step failed; 1 done, 2 not tried

      × node-0 (demo:compute/node) could not be created
        demo:Create: there is no room for this (InsufficientCapacity)
        declared at crates/cli/tests/cli/harness.rs:NN
        request 7f3a-01
        try: another zone or type may have room; or ask for a higher quota or a reservation

    help: what was done is recorded; the next run goes on from there
    ");
}
