//! How plans read, at every width.

use insta::assert_snapshot;

use crate::harness::Desk;

const CHANGE: &str = "plan --cidr 10.1.0.0/16 --size large --labels team --driver 2";

/// A desk with three things on it.
async fn built(desk: Desk) -> Desk {
    let up = desk.run("up --driver 1").await;
    assert_eq!(up.exit.code(), 0, "{}", up.both());
    desk
}

#[tokio::test]
async fn a_pipe_gets_whole_lines_without_colours() {
    let desk = built(Desk::new()).await;
    assert_snapshot!(desk.run(CHANGE).await.out, @r#"
    network
      ± network  demo:net/network  (new one comes first)
          cidr       "10.0.0.0/16" -> "10.1.0.0/16"  (forces replacement)
          tags.team  (none) -> "TEAM"
    compute
      ± node-0  demo:compute/node  (new one comes first)
          network             "net-network.1" -> (known after apply)  (forces replacement)
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
      ± node-1  demo:compute/node  (new one comes first)
          network             "net-network.1" -> (known after apply)  (forces replacement)
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
    drivers
      ± node-0-driver  demo:node/driver  (new one comes first)
          node     "node-node-0.1" -> (known after apply)  (forces replacement)
          version  "1" -> "2"
      ± node-1-driver  demo:node/driver  (new one comes first)
          node     "node-node-1.1" -> (known after apply)  (forces replacement)
          version  "1" -> "2"
    outputs
        login    [secret] -> (known after apply)
        network  "net-network.1" -> (known after apply)

    Plan: 5 to replace, 0 unchanged.
    "#);
}

#[tokio::test]
async fn a_terminal_of_80_columns_keeps_values_side_by_side() {
    let desk = built(Desk::new().wide(80)).await;
    assert_snapshot!(desk.run(CHANGE).await.out, @r#"
    network
      ± network  demo:net/network  (new one comes first)
          cidr       "10.0.0.0/16" -> "10.1.0.0/16"  (forces replacement)
          tags.team  (none) -> "TEAM"
    compute
      ± node-0  demo:compute/node  (new one comes first)
          network             "net-network.1" -> (known after apply)
                              (forces replacement)
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
      ± node-1  demo:compute/node  (new one comes first)
          network             "net-network.1" -> (known after apply)
                              (forces replacement)
          size                "small" -> "large"
          interfaces[0].kind  "fast-small" -> "fast-large"
          interfaces[1].kind  "fast-small" -> "fast-large"
    drivers
      ± node-0-driver  demo:node/driver  (new one comes first)
          node     "node-node-0.1" -> (known after apply)  (forces replacement)
          version  "1" -> "2"
      ± node-1-driver  demo:node/driver  (new one comes first)
          node     "node-node-1.1" -> (known after apply)  (forces replacement)
          version  "1" -> "2"
    outputs
        login    [secret] -> (known after apply)
        network  "net-network.1" -> (known after apply)

    Plan: 5 to replace, 0 unchanged.
    "#);
}

#[tokio::test]
async fn a_terminal_of_40_columns_has_them_one_under_the_other() {
    let desk = built(Desk::new().wide(40)).await;
    let printed = desk.run(CHANGE).await;
    assert!(printed.out.lines().all(|line| line.chars().count() <= 40), "{}", printed.out);
    assert_snapshot!(printed.out, @r#"
    network
      ± network  demo:net/network
          (new one comes first)
          cidr (forces replacement)
               "10.0.0.0/16"
            -> "10.1.0.0/16"
          tags.team  (none) -> "TEAM"
    compute
      ± node-0  demo:compute/node
          (new one comes first)
          network (forces replacement)
               "net-network.1"
            -> (known after apply)
          size
               "small"
            -> "large"
          interfaces[0].kind
               "fast-small"
            -> "fast-large"
          interfaces[1].kind
               "fast-small"
            -> "fast-large"
      ± node-1  demo:compute/node
          (new one comes first)
          network (forces replacement)
               "net-network.1"
            -> (known after apply)
          size
               "small"
            -> "large"
          interfaces[0].kind
               "fast-small"
            -> "fast-large"
          interfaces[1].kind
               "fast-small"
            -> "fast-large"
    drivers
      ± node-0-driver  demo:node/driver
          (new one comes first)
          node (forces replacement)
               "node-node-0.1"
            -> (known after apply)
          version  "1" -> "2"
      ± node-1-driver  demo:node/driver
          (new one comes first)
          node (forces replacement)
               "node-node-1.1"
            -> (known after apply)
          version  "1" -> "2"
    outputs
        login
          [secret] -> (known after apply)
        network
          "net-network.1" -> (known after
          apply)

    Plan: 5 to replace, 0 unchanged.
    "#);
}

#[tokio::test]
async fn what_is_alike_is_one_line_unless_all_is_asked_for() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("plan --count 16 --driver 570").await.out, @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    compute
      + node-{0..15}  demo:compute/node  (16 alike)  size "small"
    drivers
      + node-{0..15}-driver  demo:node/driver  (16 alike)  version "570"
    outputs
        login    (known after apply)
        network  (known after apply)

    Plan: 33 to create, 0 unchanged.
    "#);
    let verbose = desk.run("plan --count 16 --driver 570 --verbose").await.out;
    assert_eq!(verbose.lines().filter(|line| line.contains("+ node-")).count(), 32);
    assert!(verbose.contains("      interfaces[{0..15}].kind   \"fast-small\"\n"), "{verbose}");
}

#[tokio::test]
async fn what_goes_is_sorted_and_what_is_recovered_or_left_alone_is_told() {
    let desk = built(Desk::new()).await;
    desk.run("up --count 12").await;
    desk.cloud.lose("node-node-9.1");
    desk.cloud.lose("net-network.1");
    assert_snapshot!(desk.run("plan --count 3").await.out, @r#"
    network
      + network  demo:net/network  (it is gone from the cloud)  cidr "10.0.0.0/16"
    compute
      ± node-0              demo:compute/node  (new one comes first)
          network              "net-network.1" -> (known after apply)  (forces replacement)
          interfaces[{3..11}]  {index: {3..11}, kind: "fast-small"} -> (none)
      ± node-1              demo:compute/node  (new one comes first)
          network              "net-network.1" -> (known after apply)  (forces replacement)
          interfaces[{3..11}]  {index: {3..11}, kind: "fast-small"} -> (none)
      ± node-2              demo:compute/node  (new one comes first)
          network              "net-network.1" -> (known after apply)  (forces replacement)
          interfaces[{3..11}]  {index: {3..11}, kind: "fast-small"} -> (none)
      - node-{3..8,10..11}  demo:compute/node  (8 alike)  (no longer declared)
      × node-9              demo:compute/node  (no longer declared; it is gone from the cloud)
    outputs
        login    [secret] -> (known after apply)
        network  "net-network.1" -> (known after apply)

    Plan: 1 to create, 3 to replace, 8 to delete, 1 to forget, 0 unchanged.
    "#);
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let desk = Desk::new();
    assert!(!desk.run("plan").await.both().contains('\u{1b}'));
    assert!(desk.run("plan --color always").await.out.contains("\u{1b}[32m+"));
    let mut desk = Desk::new();
    desk.columns = Some(80);
    assert!(desk.run("plan").await.out.contains("\u{1b}[32m+"));
    let desk = desk.env("NO_COLOR", "1");
    assert!(!desk.run("plan").await.both().contains('\u{1b}'));
}

#[tokio::test]
async fn what_differs_in_its_own_id_alone_is_one_line_too() {
    let desk = Desk::new();
    desk.run("up --count 5 --driver 1").await;
    desk.cloud.lose("node-node-2.1");
    desk.run("up --count 5 --driver 1").await;
    assert_snapshot!(desk.run("plan --count 5 --driver 1 --cidr 10.1.0.0/16").await.out, @r#"
    network
      ± network  demo:net/network  (new one comes first)
          cidr  "10.0.0.0/16" -> "10.1.0.0/16"  (forces replacement)
    compute
      ± node-{0..4}  demo:compute/node  (5 alike)  (new one comes first)
          network  "net-network.1" -> (known after apply)  (forces replacement)
    drivers
      ± node-{0..4}-driver  demo:node/driver  (5 alike)  (new one comes first)
          node  "node-node-{0..4}.{1..2}" -> (known after apply)  (forces replacement)
    outputs
        login    [secret] -> (known after apply)
        network  "net-network.1" -> (known after apply)

    Plan: 11 to replace, 0 unchanged.
    "#);
    for id in ["0.1", "1.1", "2.2", "3.1", "4.1"] {
        desk.cloud.tamper(&format!("node-node-{id}"), "size", "huge");
    }
    assert_snapshot!(desk.run("drift --count 5 --driver 1").await.out, @r#"
    ~ node-{0..4}  demo:compute/node  (5 alike)  node-node-{0..4}.{1..2}
        field  program  recorded  there
        size   "small"  "small"   "huge"  `up` puts it back
    "#);
}

#[tokio::test]
async fn control_characters_in_names_and_values_break_no_line() {
    let desk = Desk::new();
    desk.run("up --count 0").await;
    desk.file("s.json", r#"{"labels": ["new\nline\u001b[2J"]}"#);
    let plan = desk.run("plan --count 0 --config s.json").await;
    assert_snapshot!(plan.out, @r#"
    network
      ~ network  demo:net/network
          tags.new\nline\u{1b}[2J  (none) -> "NEW\nLINE\u{1b}[2J"

    Plan: 1 to update, 0 unchanged.
    "#);
    desk.run("up --count 0 --config s.json").await;
    let everything =
        ["state show network", "up -v --count 0 --replace network", "drift", "destroy"];
    for line in everything {
        let printed = desk.run(&format!("{line} --config s.json")).await.both();
        assert!(!printed.contains('\u{1b}'), "{printed:?}");
        assert!(!printed.contains("new\nline"), "{printed}");
    }
}

#[tokio::test]
async fn what_moves_is_told_and_recorded_and_changes_nothing() {
    let desk = built(Desk::new()).await;
    assert_snapshot!(desk.run("plan --driver 1 --called machine --exit-code").await.both(), @r"
    moved, and not changed by that
      node-0 -> machine-0
      node-0-driver -> machine-0-driver
      node-1 -> machine-1
      node-1-driver -> machine-1-driver

    Plan: 4 to move, 5 unchanged.
    --- 2
    demo on fake
    next: demo up   to make it so
    ");
    let up = desk.run("up --driver 1 --called machine").await.both();
    assert!(up.contains("\nDone: 4 moved in 0.0 s.\n"), "{up}");
    let again = desk.run("plan --driver 1 --called machine --exit-code").await;
    assert_eq!(again.exit.code(), 0, "{}", again.both());
    let list = desk.run("state list").await.out;
    let addresses: Vec<&str> = list.lines().skip(1).filter_map(|l| l.split(' ').next()).collect();
    let moved = ["machine-0", "machine-0-driver", "machine-1", "machine-1-driver", "network"];
    assert_eq!(addresses, moved);
}
