//! Programs that are decided wave by wave, on the command line.

use insta::assert_snapshot;

use crate::harness::Desk;

const PROGRAM: &str = "--count 0 --decide 2";

#[tokio::test]
async fn up_goes_on_with_what_it_decided_and_a_second_has_nothing_to_do() {
    let desk = Desk::new();
    let printed = desk.run(&format!("plan {PROGRAM}")).await;
    assert_snapshot!(printed.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    later, in a plan of its own
      ? drivers is decided after network
    outputs
        network  (known after apply)

    Plan: 1 to create, 0 unchanged.
    --- 0
    demo on fake
    next: demo up   to make it so
    "#);
    let printed = desk.run(&format!("up {PROGRAM}")).await;
    assert_snapshot!(printed.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    later, in a plan of its own
      ? drivers is decided after network
    outputs
        network  (known after apply)

    Plan: 1 to create, 0 unchanged.
    drivers
      + drivers/on-0  demo:node/driver  node "net-network.1", version "1"
      + drivers/on-1  demo:node/driver  node "net-network.1", version "1"
    outputs
        last  (known after apply)

    Plan: 2 to create, 1 unchanged.
    outputs
        last     "drv-drivers.on-1.1"
        network  "net-network.1"
    --- 0
    demo on fake
    created network net-network.1 (0.0 s)
    Done: 1 created in 0.0 s.
    created drivers/on-0 drv-drivers.on-0.1 (0.0 s)
    created drivers/on-1 drv-drivers.on-1.1 (0.0 s)
    Done: 2 created in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);
    let printed = desk.run(&format!("up {PROGRAM}")).await;
    assert!(
        printed.out.starts_with("Nothing changed: 3 resources are as declared"),
        "{}",
        printed.out
    );
    let printed = desk.run(&format!("plan {PROGRAM} --cidr 10.1.0.0/16")).await;
    assert_snapshot!(printed.out, @r#"
    network
      ± network  demo:net/network
          cidr  "10.0.0.0/16" -> "10.1.0.0/16"  (forces replacement)
    later, in a plan of its own
      ? drivers is decided after network; what is recorded in it stays as it is: 2 resources
    outputs
        network  "net-network.1" -> (known after apply)

    Plan: 1 to replace, 0 unchanged.
    "#);
    let printed = desk.run("drift --count 0 --decide 2").await;
    assert_snapshot!(printed.out, @r#"
    No drift.
    "#);
    let printed = desk.run("graph --count 0 --decide 2").await;
    assert_snapshot!(printed.out, @r#"
    digraph "demo" {
      rankdir=LR;
      node [shape=box];
      subgraph "cluster_network" {
        label="network";
        n0 [label="network\ndemo:net/network"];
      }
      subgraph "cluster_decided when known" {
        label="decided when known";
        n1 [label="drivers\ndecide"];
      }
      n0 -> n1;
    }
    "#);
    let printed = desk.run("destroy --count 0 --decide 2 --yes").await;
    assert_snapshot!(printed.both(), @r#"
    network
      - network  demo:net/network
    drivers
      - drivers/on-0  demo:node/driver
      - drivers/on-1  demo:node/driver
    outputs
        last     "drv-drivers.on-1.1" -> (none)
        network  "net-network.1" -> (none)

    Plan: 3 to delete, 0 unchanged.
    --- 0
    demo on fake
    deleted drivers/on-0 (0.0 s)
    deleted drivers/on-1 (0.0 s)
    deleted network (0.0 s)
    Done: 3 deleted in 0.0 s.
    "#);
}

#[tokio::test]
async fn a_plan_is_saved_wave_by_wave_and_what_is_left_is_said() {
    let desk = Desk::new();
    desk.run(&format!("plan {PROGRAM} --out one.plan")).await;
    let printed = desk.run(&format!("up one.plan {PROGRAM}")).await;
    assert_snapshot!(printed.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    later, in a plan of its own
      ? drivers is decided after network
    outputs
        network  (known after apply)

    Plan: 1 to create, 0 unchanged.
    later, in a plan of its own
      ? drivers is decided after network
    outputs
        network  "net-network.1"
    --- 0
    demo on fake
    a plan of demo, made just now where there was no state, by formwork 0.1.0
    created network net-network.1 (0.0 s)
    Done: 1 created in 0.0 s.
    next: demo up   to go on with what this decided
    "#);
    let printed = desk.run(&format!("up one.plan {PROGRAM} --json")).await;
    assert_eq!(printed.exit.code(), 1, "{}", printed.both());
    desk.run(&format!("plan {PROGRAM} --out two.plan")).await;
    let printed = desk.run(&format!("up two.plan {PROGRAM}")).await;
    assert_eq!(printed.exit.code(), 0, "{}", printed.both());
    assert!(printed.err.contains("Done: 2 created"), "{}", printed.both());
}

#[tokio::test]
async fn each_wave_is_an_event_and_asks_by_itself() {
    let desk = Desk::new();
    let printed = desk.run(&format!("up {PROGRAM} --json")).await;
    let events: Vec<serde_json::Value> =
        printed.out.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    let plans: Vec<&serde_json::Value> = events
        .iter()
        .filter(|event| event["event"] == "plan")
        .map(|event| &event["plan"])
        .collect();
    assert_eq!(plans.len(), 2, "{}", printed.both());
    assert_eq!(plans[0]["undecided"][0]["address"], "drivers");
    assert_eq!(plans[0]["undecided"][0]["after"], serde_json::json!(["network"]));
    assert_eq!(plans[1]["decided"][0]["address"], "drivers");
    assert_eq!(plans[1].get("undecided"), None);
    let outputs = events.iter().filter(|event| event["event"] == "outputs").count();
    assert_eq!(outputs, 1);
}
