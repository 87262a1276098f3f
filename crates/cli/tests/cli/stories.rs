//! A stack's life, as a user sees it.

use formwork_cli::{CliError, Cloud, CloudContext, OpenCloud, Program};
use formwork_core::{BoxFuture, PlanData};
use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::Desk;

#[tokio::test]
async fn a_stack_comes_stays_drifts_and_goes() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("").await.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    compute
      + node-0  demo:compute/node  size "small"
      + node-1  demo:compute/node  size "small"
    outputs
        login    (known after apply)
        network  (known after apply)

    Plan: 3 to create, 0 unchanged.
    outputs
        login    [secret]
        network  "net-network.1"
    --- 0
    demo on fake
    created network net-network.1 (0.0 s)
    created node-0 node-node-0.1 (0.0 s)
    created node-1 node-node-1.1 (0.0 s)
    Done: 3 created in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);
    assert_snapshot!(desk.run("up").await.both(), @r"
    Nothing changed: 3 resources are as declared (0.0 s).
    --- 0
    demo on fake
    ");
    assert_snapshot!(desk.run("drift --exit-code").await.both(), @r"
    No drift.
    --- 0
    demo on fake
    ");

    desk.cloud.tamper("net-network.1", "dns", true);
    desk.cloud.lose("node-node-1.1");
    assert_snapshot!(desk.run("drift").await.both(), @r"
      ~ network  demo:net/network   net-network.1
          field  program  recorded  there
          dns    false    false     true   `up` puts it back
      - node-1   demo:compute/node  (gone)  node-node-1.1
    --- 0
    demo on fake
    next: demo up   to put it back
    ");
    assert_eq!(desk.run("drift --exit-code").await.exit.code(), 2);
    assert_eq!(desk.run("plan --exit-code").await.exit.code(), 2);
    assert_snapshot!(desk.run("up").await.both(), @r#"
    network
      ~ network  demo:net/network
          dns  true -> false  (drifted)
    compute
      + node-1  demo:compute/node  (it is gone from the cloud)  network "net-network.1", size "small"
    outputs
        login  [secret] -> (known after apply)

    Plan: 1 to create, 1 to update, 1 unchanged.
    outputs
        login    [secret]
        network  "net-network.1"
    --- 0
    demo on fake
    updated network net-network.1 (0.0 s)
    created node-1 node-node-1.2 (0.0 s)
    Done: 1 created, 1 updated in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);

    assert_snapshot!(desk.run("destroy").await.both(), @r#"
    network
      - network  demo:net/network
    compute
      - node-0  demo:compute/node
      - node-1  demo:compute/node
    outputs
        login    [secret] -> (none)
        network  "net-network.1" -> (none)

    Plan: 3 to delete, 0 unchanged.
    --- 0
    demo on fake
    deleted network (0.0 s)
    deleted node-0 (0.0 s)
    deleted node-1 (0.0 s)
    Done: 3 deleted in 0.0 s.
    "#);
    assert_eq!(desk.cloud.count(), 0);
    assert_snapshot!(desk.run("destroy").await.both(), @r"
    Nothing to destroy.
    --- 0
    demo on fake
    ");
}

#[tokio::test]
async fn outputs_and_state_are_read_without_a_cloud_and_secrets_stay_masked() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("output").await.both(), @r"
    --- 0
    there is no state of `demo`: nothing was ever applied
    ");
    assert_snapshot!(desk.run("state list").await.both(), @r"
    --- 0
    there is no state of `demo`: nothing was ever applied
    ");
    desk.run("up").await;
    assert_snapshot!(desk.run("output").await.both(), @r#"
    login    [secret]
    network  "net-network.1"
    --- 0
    "#);
    assert_snapshot!(desk.run("output network").await.both(), @r"
    net-network.1
    --- 0
    ");
    assert_snapshot!(desk.run("output login").await.both(), @r"
    [secret]
    --- 0
    next: demo output login --reveal   to see what is secret
    ");
    assert_snapshot!(desk.run("output login --reveal").await.both(), @r"
    admin:node-node-1.1
    --- 0
    ");
    assert_snapshot!(desk.run("output --json").await.both(), @r#"
    {
      "login": "[secret]",
      "network": "net-network.1"
    }
    --- 0
    "#);
    assert_eq!(desk.run("output --reveal").await.exit.code(), 1);

    let list = desk.run("state list").await.out;
    assert!(list.lines().nth(2).is_some_and(|line| {
        line.starts_with("node-0   demo:compute/node  ") && line.ends_with("  node-node-0.1  ready")
    }));
    let show = desk.run("state show node-0").await.out;
    let told: Vec<&str> = show.lines().filter(|line| !line.starts_with("  id ")).collect();
    assert_snapshot!(told.join("\n"), @r#"
    node-0
      type         demo:compute/node (version 1)
      provider     demo
      physical id  node-node-0.1
      status       ready
      declared at  crates/cli/tests/cli/harness.rs:NN
      depends on   network
      inputs
        interfaces[0].index  0
        interfaces[0].kind   "fast-small"
        interfaces[1].index  1
        interfaces[1].kind   "fast-small"
        network              "net-network.1"
        password             [secret]
        size                 "small"
      outputs
        id  "node-node-0.1"
    "#);

    let everything = [
        "plan -v",
        "plan --json",
        "up --json -v",
        "state show node-0 --json",
        "state list --json",
        "drift --json",
        "output login",
        "graph --json",
    ];
    for line in everything {
        let printed = desk.run(line).await;
        assert_eq!(printed.exit.code(), 0, "{}", printed.both());
        assert!(!printed.both().contains("hunter2"), "{line} leaks");
        assert!(!printed.both().contains("admin:"), "{line} leaks");
    }
}

#[tokio::test]
async fn json_is_one_document_or_one_event_a_line_and_people_read_the_other_stream() {
    let desk = Desk::new();
    let plan = desk.run("plan --json").await;
    let plan: PlanData = serde_json::from_str(&plan.out).expect("a plan is one document");
    assert_eq!(plan.summary().create, 3);

    let up = desk.run("up --json").await;
    let events: Vec<Value> =
        up.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names.first(), Some(&"plan"));
    assert_eq!(names.last(), Some(&"outputs"));
    assert_eq!(names.iter().filter(|name| **name == "step_finished").count(), 3);
    assert!(up.err.contains("Done: 3 created"), "{}", up.err);
    assert!(!up.err.contains("Plan: 3 to create"), "the plan is an event: {}", up.err);

    let wrong = desk.run("plan --json --cidr 10").await;
    let error: Value = serde_json::from_str(&wrong.out).expect("an error is JSON too");
    assert_eq!(error["code"], "formwork::plan");
    assert_eq!(error["message"], "the declaration of `demo` has 1 problem");
    assert_eq!(error["problems"][0]["address"], "network");

    desk.file("s.toml", "conut = 3");
    for (line, code, message) in [
        ("plan --json --bogus", "formwork::usage", "unexpected argument '--bogus' found"),
        ("pln --json", "formwork::usage", "unrecognized subcommand 'pln'"),
        (
            "plan --json --config s.toml",
            "formwork::settings",
            "s.toml:1: there is no setting `conut`",
        ),
    ] {
        let wrong = desk.run(line).await;
        let error: Value = serde_json::from_str(&wrong.out).expect("every error is JSON");
        assert_eq!((&error["code"], &error["message"]), (&code.into(), &message.into()));
        assert!(!wrong.err.is_empty(), "people are told too");
    }
}

#[tokio::test]
async fn who_is_asked_sees_the_plan_even_where_json_is_wanted() {
    let desk = Desk::new().typing("y\n");
    let up = desk.run("up --json --cloud real").await;
    let shown = up.err.find("Plan: 3 to create");
    assert!(shown.is_some() && shown < up.err.find("Make these changes?"), "{}", up.err);
}

#[tokio::test]
async fn the_graph_is_drawn_with_a_cluster_per_group() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("graph --count 1").await.out, @r#"
    digraph "demo" {
      rankdir=LR;
      node [shape=box];
      subgraph "cluster_network" {
        label="network";
        n0 [label="network\ndemo:net/network"];
      }
      subgraph "cluster_compute" {
        label="compute";
        n1 [label="node-0\ndemo:compute/node"];
      }
      n0 -> n1;
    }
    "#);
    assert_snapshot!(desk.run("graph --count 1 --format mermaid").await.out, @r#"
    flowchart LR
      subgraph network
        n0["network<br/>demo:net/network"]
      end
      subgraph compute
        n1["node-0<br/>demo:compute/node"]
      end
      n0 --> n1
    "#);
}

#[tokio::test]
async fn further_commands_join_in() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("greet loudly --stack other").await.both(), @r"
    hello, other!
    --- 0
    ");
    assert!(desk.run("--help").await.out.contains("greet"));
}

/// A program on the default store and a cloud of its own, which makes a folder unless it must not.
pub(crate) fn with_default_store() -> Program {
    struct Empty(Desk);
    impl Cloud for Empty {
        fn name(&self) -> &str {
            "empty"
        }
        fn open<'a>(
            &'a self,
            cx: &'a CloudContext<'a>,
        ) -> BoxFuture<'a, Result<OpenCloud, CliError>> {
            Box::pin(async move {
                if !cx.only_looks {
                    let folder = cx.state_dir.join("empty");
                    std::fs::create_dir_all(folder).map_err(|e| CliError::cloud("empty", e))?;
                }
                Ok(OpenCloud::harmless(vec![crate::world::provider(&self.0.cloud)]))
            })
        }
    }
    Program::new("demo").declare(crate::harness::declare).cloud(Empty(Desk::new()))
}

/// A desk whose key is not that of the user who runs the tests.
pub(crate) fn with_own_key() -> Desk {
    let desk = Desk::new();
    let key = desk.dir.path().join("key").display().to_string();
    desk.env("FORMWORK_KEY_FILE", &key)
}

#[tokio::test]
async fn the_default_store_is_a_folder_that_looking_does_not_make() {
    let (desk, program) = (with_own_key(), with_default_store());
    let run = |line: &'static str| desk.run_program(&program, line);
    for line in ["state list", "output", "plan", "drift --exit-code", "destroy", "graph"] {
        let looked = desk.run_program(&program, &format!("{line} --state-dir kept")).await;
        assert_eq!(looked.exit.code(), 0, "{line}");
        assert!(!desk.dir.path().join("kept").exists(), "{line}");
    }
    assert_eq!(run("up --state-dir kept").await.exit.code(), 0);
    assert!(desk.dir.path().join("kept/state").exists());
    let second = run("up --state-dir kept").await;
    assert_eq!(second.out, "Nothing changed: 3 resources are as declared (0.0 s).\n");
    assert_eq!(run("output login --reveal --state-dir kept").await.out, "admin:node-node-1.1\n");
}

#[tokio::test]
async fn a_stack_that_has_no_state_is_told_with_its_folder() {
    let (desk, program) = (with_own_key(), with_default_store());
    let run = |line: &'static str| desk.run_program(&program, line);
    assert_snapshot!(run("drift --exit-code --state-dir nowhere").await.both(), @r"
    Nothing to compare: there is no state of `demo` in nowhere: nothing was ever applied there.
    --- 0
    ");
    assert_snapshot!(run("destroy --state-dir nowhere").await.both(), @r"
    Nothing to destroy: there is no state of `demo` in nowhere: nothing was ever applied there.
    --- 0
    ");
    assert_snapshot!(run("output --state-dir nowhere").await.both(), @r"
    --- 0
    there is no state of `demo` in nowhere: nothing was ever applied there
    ");
    assert_snapshot!(run("state show network --state-dir nowhere").await.both(), @r"
    --- 1
    error: there is no recorded resource `network`

    help: there is no state of `demo` in nowhere: nothing was ever applied there
    ");
    run("up").await;
    assert_snapshot!(run("drift --stack dmeo").await.both(), @r"
    Nothing to compare: there is no state of `dmeo` in .formwork: nothing was ever applied there.
    --- 0
    dmeo on empty
    ");
    assert_snapshot!(run("destroy --stack dmeo --json").await.out, @r#"{"event":"no_state","message":"there is no state of `dmeo` in .formwork: nothing was ever applied there","stack":"dmeo"}"#);
    assert_snapshot!(run("output x --stack dmeo").await.err, @r"
    error: there is no output `x`

    help: there is no state of `dmeo` in .formwork: nothing was ever applied there
    ");
}

#[tokio::test]
async fn a_file_is_no_state_folder() {
    let (desk, program) = (Desk::new(), with_default_store());
    desk.file("afile", "");
    let run = |line: &'static str| desk.run_program(&program, line);
    assert_snapshot!(run("plan --state-dir afile").await.both(), @r"
    --- 1
    error: the state folder afile is a file, not a folder

    help: name another one with --state-dir
    ");
    assert_snapshot!(run("state list --state-dir afile/x").await.both(), @r"
    --- 1
    error: the state folder afile/x is inside of a file

    help: name another one with --state-dir
    ");
}

#[tokio::test]
async fn drift_that_the_program_has_nothing_against_is_accepted() {
    let desk = Desk::new();
    desk.run("up").await;
    desk.cloud.tamper("net-network.1", "dns", true);
    assert_snapshot!(desk.run("drift --dns").await.both(), @r"
      ~ network  demo:net/network  net-network.1
          field  program  recorded  there
          dns    true     false     true   done already: the program wants it so by now
    --- 0
    demo on fake
    next: demo up   to accept it
    ");
    assert_snapshot!(desk.run("plan --dns").await.both(), @r"
    drifted, and not set otherwise by the program: `up` accepts it
      ~ network  demo:net/network  net-network.1
          dns  false -> true

    No changes: 3 resources are as declared.
    --- 0
    demo on fake
    ");
    assert_snapshot!(desk.run("up --dns").await.both(), @r"
    drifted, and not set otherwise by the program: `up` accepts it
      ~ network  demo:net/network  net-network.1
          dns  false -> true
    Nothing changed: 3 resources are as declared (0.0 s).
    --- 0
    demo on fake
    ");
    assert_eq!(desk.run("drift --dns").await.out, "No drift.\n");
}

#[tokio::test]
async fn a_hook_that_is_not_there_refuses_a_destroy_unless_hooks_are_skipped() {
    let desk = Desk::new();
    assert_eq!(desk.run("up --count 0 --hook drane").await.exit.code(), 0);
    assert_eq!(desk.run("plan --count 0 --hook drane").await.exit.code(), 0);
    let refused = desk.run("destroy --count 0 --hook drane").await;
    assert_eq!(refused.exit.code(), 1);
    assert!(refused.both().contains("network: `drane`, before its delete"), "{}", refused.both());
    assert!(refused.both().contains("--skip-hooks"), "{}", refused.both());
    assert_eq!(desk.run("up --count 0 --hook drain").await.exit.code(), 0);
    let done = desk.run("destroy --count 0 --hook drain").await;
    assert!(done.both().contains("hook drain of network, before its delete"), "{}", done.both());
    assert_eq!(done.exit.code(), 0);
    assert_eq!(desk.run("up --count 0 --hook drane").await.exit.code(), 0);
    assert_eq!(desk.run("destroy --count 0 --hook drane --skip-hooks").await.exit.code(), 0);
}
