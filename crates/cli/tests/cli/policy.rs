//! Policies on the command line: listed, judged, and in the way of what violates them.

use formwork_cli::Program;
use formwork_core::{Found, Policy};
use insta::assert_snapshot;

use crate::{
    harness::Desk,
    world::{Network, Node},
};

/// Networks resolve names, which is seen to; nodes are small, and there are few of them.
fn policies() -> [Policy; 3] {
    let resolves = Policy::advisory("resolves")
        .about("networks resolve names")
        .check::<Network>(|network, report| {
            if network.get::<bool>("dns") != Found::Known(true) {
                report.violation("dns", "names do not resolve");
            }
        })
        .remediate::<Network>(|_, fix| fix.set("dns", true));
    let small = Policy::mandatory("small")
        .about("nodes are small")
        .remedy("take small ones")
        .source("the house rules")
        .check::<Node>(|node, report| {
            if let Found::Known(size) = node.get::<String>("size")
                && size != "small"
            {
                report.violation("size", format!("it is {size}"));
            }
        });
    let few = Policy::advisory("few").strict().check_stack(|stack, report| {
        let nodes = stack.of::<Node>().count();
        if nodes > 2 {
            report.violation("", format!("there are {nodes} nodes"));
        }
    });
    [resolves, small, few]
}

fn judged(desk: &Desk) -> Program {
    desk.program().engine(|engine| engine.policies(policies()))
}

#[tokio::test]
async fn the_policies_of_a_program_are_listed_and_judge_it() {
    let desk = Desk::new();
    let printed = desk.run_program(&judged(&desk), "policy --count 3 --size large").await;
    assert_snapshot!(printed.both(), @r#"
    few  advisory, allows no exemption
        of everything
    resolves  advisory, puts right what it can
        networks resolve names
        of demo:net/network
    small  mandatory
        nodes are small
        of demo:compute/node
        from the house rules

      × node-0.size
        it is large
        mandatory policy small
        take small ones
        declared at crates/cli/tests/cli/harness.rs:NN

      × node-1.size
        it is large
        mandatory policy small
        take small ones
        declared at crates/cli/tests/cli/harness.rs:NN

      × node-2.size
        it is large
        mandatory policy small
        take small ones
        declared at crates/cli/tests/cli/harness.rs:NN

    put right by policies
      network.dns false -> true (resolves)
    warning: the stack: there are 3 nodes (advisory policy few)
    3 policies judged: 3 violations refuse the plan, 1 warning, 1 input put right.
    --- 1
    demo on fake
    "#);
    let printed = desk.run_program(&judged(&desk), "policy --dns").await;
    assert_snapshot!(printed.both(), @r#"
    few  advisory, allows no exemption
        of everything
    resolves  advisory, puts right what it can
        networks resolve names
        of demo:net/network
    small  mandatory
        nodes are small
        of demo:compute/node
        from the house rules

    3 policies judged, and nothing violates them.
    --- 0
    demo on fake
    "#);
    let printed = desk.run_program(&judged(&desk), "policy --size large --json").await;
    assert_eq!(printed.exit.code(), 1);
    let document: serde_json::Value = serde_json::from_str(&printed.out).expect("it is JSON");
    assert_eq!(document["refused"], true);
    assert_eq!(document["policies"][2]["name"], "small");
    assert_eq!(document["verdict"]["violations"][0]["field"], "size");
    assert_snapshot!(desk.run("policy").await.both(), @r#"
    This program has no policies.
    --- 0
    demo on fake
    "#);
    assert!(desk.store.snapshot("demo").records.is_empty());
}

#[tokio::test]
async fn what_violates_a_policy_is_not_planned_and_what_is_put_right_is_shown() {
    let desk = Desk::new();
    let program = judged(&desk);
    let printed = desk.run_program(&program, "up --count 1 --size large").await;
    assert_snapshot!(printed.both(), @r#"
    --- 1
    demo on fake
    error: 1 violation of mandatory policies in `demo`

      × node-0.size
        it is large
        mandatory policy small
        take small ones
        declared at crates/cli/tests/cli/harness.rs:NN

    help: nothing was changed; correct the program, or exempt what is meant so with `.exempt(policy, reason)`
    "#);
    let printed = desk.run_program(&program, "plan --count 1").await;
    assert_snapshot!(printed.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    compute
      + node-0  demo:compute/node  size "small"
    outputs
        login    (known after apply)
        network  (known after apply)
    put right by policies
      network.dns false -> true (resolves)

    Plan: 2 to create, 0 unchanged.
    --- 0
    demo on fake
    next: demo up   to make it so
    "#);
    assert_eq!(desk.run_program(&program, "up --count 1").await.exit.code(), 0);
    assert_snapshot!(desk.run_program(&program, "up --count 1").await.out, @r#"
    put right by policies
      network.dns false -> true (resolves)
    Nothing changed: 2 resources are as declared (0.0 s).
    "#);
    // What differs is worth knowing all the same.
    let printed = desk.run_program(&program, "drift --count 1 --size large").await;
    assert_snapshot!(printed.both(), @r#"
    No drift.
    --- 0
    demo on fake
    "#);
    let printed = desk.run_program(&program, "up --count 1 --size large --json").await;
    let last = printed.out.lines().last().expect("an error is told");
    let error: serde_json::Value = serde_json::from_str(last).expect("it is JSON");
    assert_eq!(error["verdict"]["violations"][0]["policy"], "small");
}

#[tokio::test]
async fn a_saved_plan_is_judged_by_the_policies_of_the_program_that_applies_it() {
    let desk = Desk::new().env("FORMWORK_PASSPHRASE", "open sesame");
    let printed = desk.run("plan --count 1 --size large --dns --out plan.json").await;
    assert_eq!(printed.exit.code(), 0, "{}", printed.both());
    let printed =
        desk.run_program(&judged(&desk), "up --count 1 --size large --dns plan.json").await;
    assert_snapshot!(printed.both(), @r#"
    --- 1
    demo on fake
    a plan of demo, made just now where there was no state, by formwork 0.1.0
    error: 1 violation of mandatory policies in `demo`

      × node-0.size
        it is large
        mandatory policy small
        take small ones
        declared at crates/cli/tests/cli/harness.rs:NN

    help: nothing was changed; correct the program, or exempt what is meant so with `.exempt(policy, reason)`
    "#);
}
