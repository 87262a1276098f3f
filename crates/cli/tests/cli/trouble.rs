//! What a user is told when something goes wrong, and what is left then.

use std::{
    io::{BufReader, ErrorKind},
    sync::Arc,
    time::Duration,
};

use formwork_cli::{Input, Interrupts};
use insta::assert_snapshot;

use crate::harness::Desk;

#[tokio::test]
async fn a_declaration_that_is_wrong_is_shown_with_its_lines() {
    let desk = Desk::new().wide(80);
    assert_snapshot!(desk.run("up --mistake panic").await.both(), @r"
    --- 1
    error: the declaration of `demo` panicked: the author's own mistake
      at crates/cli/tests/cli/harness.rs:NN

    help: nothing was changed; correct the program and run it again
    ");
    assert_snapshot!(desk.run("up --mistake error").await.both(), @r"
    --- 1
    error: the declaration of `demo` failed: the author's own error

    help: nothing was changed; correct the program and run it again
    ");
    assert_snapshot!(desk.run("up --mistake twice").await.both(), @r"
    --- 1
    error: the declaration of `demo` has 1 problem

      × network
        the name is taken: it was declared at crates/cli/tests/cli/harness.rs:NN
        before
        declared at crates/cli/tests/cli/harness.rs:NN

    help: nothing was changed; correct the program and run it again
    ");
    assert_snapshot!(desk.run("up --cidr 10").await.both(), @r#"
    --- 1
    demo on fake
    error: the declaration of `demo` has 1 problem

      × network.cidr
        "10" is no range: expected like "10.0.0.0/16"
        declared at crates/cli/tests/cli/harness.rs:NN

    help: nothing was changed; correct the program and run it again
    "#);
    assert_snapshot!(desk.run("up --stack a/b").await.both(), @r#"
    --- 1
    error: the declaration of `a/b` has 1 problem

      × stack `a/b`
        "a/b" is no stack name: expected 1 to 64 letters, digits, `-`, `_` or `.`
        given with --stack, or FORMWORK_STACK

    help: nothing was changed; correct the program and run it again
    "#);
}

#[tokio::test]
async fn names_that_are_not_there_are_answered_with_those_that_are() {
    let desk = Desk::new();
    desk.run("up").await;
    for line in [
        "output netwrk",
        "state show node-11",
        "plan --replace node-7",
        "pln",
        "up --cuont 3",
        "plan --region nowhere",
        "plan --cloud moon",
    ] {
        assert_eq!(desk.run(line).await.exit.code(), 1, "{line}");
    }
    assert_snapshot!(desk.run("output netwrk").await.err, @r"
    error: there is no output `netwrk`

    help: did you mean `network`?
    ");
    assert_snapshot!(desk.run("plan --replace xyz").await.err, @r"
    error: there is no declared resource `xyz`

    help: there is network, node-0, node-1
    ");
    assert_snapshot!(desk.run("plan --region nowhere").await.err, @r"
    error: the cloud `fake` can not be used: there is no such region

    help: regions are eu-1 and us-1
    ");
    assert_snapshot!(desk.run("state show ode").await.err, @r"
    error: there is no recorded resource `ode`

    help: did you mean node-0, node-1?
    ");
    let asked = desk.run("plan --replace node-1").await.out;
    assert!(asked.contains("(asked for; new one comes first)"), "{asked}");
}

#[tokio::test]
async fn failures_are_told_all_at_once_and_the_next_run_goes_on() {
    let desk = Desk::new().wide(80);
    desk.cloud.world().broken.extend(["node-1".to_owned(), "node-2".to_owned()]);
    let failed = desk.run("up --count 4 --driver 1").await;
    assert_eq!(failed.exit.code(), 1);
    let told = failed.err.split_once("error:").map_or("", |(_, told)| told);
    assert_snapshot!(told, @r"
     2 steps failed; 5 done, 2 not tried

      × node-1, node-2 (demo:compute/node) could not be created
        demo:Create: there is no room for this (InsufficientCapacity)
        declared at crates/cli/tests/cli/harness.rs:NN
        request 7f3a-01, 7f3a-01
        try: another zone or type may have room; or ask for a higher quota or a
        reservation

      not tried, because of node-1: node-1-driver
      not tried, because of node-2: node-2-driver

    help: what was done is recorded; the next run goes on from there
    ");
    desk.cloud.world().broken.clear();
    let up = desk.run("up --count 4 --driver 1").await;
    assert!(up.out.contains("Plan: 4 to create, 5 unchanged."), "{}", up.out);
}

#[tokio::test]
async fn a_second_interrupt_aborts_and_the_next_run_recovers() {
    let mut desk = Desk::new();
    let (interrupter, interrupts) = Interrupts::channel();
    desk.interrupts = interrupts;
    desk.cloud.world().stuck.insert("node-1".to_owned());
    let started = Arc::clone(&desk.cloud.world().started);
    let twice = async {
        started.notified().await;
        interrupter.interrupt();
        tokio::time::sleep(Duration::from_millis(200)).await;
        interrupter.interrupt();
    };
    let (printed, ()) = tokio::join!(desk.run("up --count 3"), twice);
    assert_eq!(printed.exit.code(), 130);
    assert!(printed.err.contains("stopping: calls in flight are waited for"), "{}", printed.err);
    assert!(printed.err.contains("aborting: "), "{}", printed.err);

    desk.interrupts = Interrupts::never();
    desk.cloud.world().stuck.clear();
    let up = desk.run("up --count 3").await;
    assert_eq!(up.exit.code(), 0, "{}", up.both());
    assert!(
        up.out
            .starts_with("recovered from an earlier run\n  node-1: its create had not happened\n"),
        "{}",
        up.out
    );
    assert_eq!(desk.cloud.count(), 4);
}

#[tokio::test]
async fn an_interrupt_before_the_first_change_changes_nothing() {
    let mut desk = Desk::new();
    let (interrupter, interrupts) = Interrupts::channel();
    desk.interrupts = interrupts;
    // Somebody is there, and types nothing.
    let (reader, _writer) = std::io::pipe().expect("a pipe for a test");
    desk.input = Some(Input::new(BufReader::new(reader), true));
    let once = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        interrupter.interrupt();
    };
    let (printed, ()) = tokio::join!(desk.run("up --cloud real"), once);
    assert_eq!((printed.exit.code(), desk.cloud.count()), (130, 0));
    assert!(
        printed.err.ends_with("[y/N] \nerror: cancelled; nothing was changed\n"),
        "{}",
        printed.err
    );
}

#[tokio::test]
async fn what_can_not_be_printed_is_an_error_unless_nobody_reads_it() {
    let mut desk = Desk::new();
    desk.run("up").await;
    desk.fault = Some(ErrorKind::StorageFull);
    assert_snapshot!(desk.run("output network").await.both(), @r"
    --- 1
    error: standard output could not be written
      because: no storage space
    ");
    for line in ["plan", "plan --json", "state list", "graph", "--help", "up --count 3"] {
        assert_eq!(desk.run(line).await.exit.code(), 1, "{line}");
    }
    assert_eq!(desk.cloud.count(), 4, "what was asked is done");
    desk.fault = Some(ErrorKind::BrokenPipe);
    assert_eq!(desk.run("output network").await.both(), "--- 0\n");
}

#[tokio::test]
async fn a_type_that_no_provider_has_is_told_with_the_providers_and_a_way_out() {
    let desk = Desk::new();
    assert_snapshot!(desk.run("plan --driver 1 --region bare").await.err, @r"
    demo on fake
    error: node-0-driver is of the type `demo:node/driver`, which no provider here has

    help: nothing was changed; there is the provider demo alone: choose a cloud that has this type with --cloud, or give the cloud another provider
    ");
    desk.run("up --count 1 --driver 1").await;
    assert_snapshot!(desk.run("plan --region bare").await.err, @r"
    demo on fake
    error: node-0-driver is recorded, not declared, and of the type `demo:node/driver`, which no provider here has

    help: nothing was changed; there is the provider demo alone: run it with the cloud and the settings that it was applied with, so that what is recorded can be looked at and removed
    ");
}

#[tokio::test]
async fn what_is_not_tried_is_named_once_and_without_its_own_cause() {
    let desk = Desk::new();
    desk.run("up --driver 1").await;
    desk.cloud.world().broken.insert("network".to_owned());
    let failed = desk.run("up --driver 1 --cidr 10.1.0.0/16").await;
    assert_eq!(failed.exit.code(), 1);
    let told: Vec<&str> =
        failed.err.lines().filter(|line| line.contains("not tried, because")).collect();
    assert_snapshot!(told.join("\n"), @r"  not tried, because of network: node-0, node-0-driver, node-1, node-1-driver");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_good_leaves_a_file_that_is_recorded_later() {
    let desk = Desk::new().env("FORMWORK_PASSPHRASE", "a passphrase of a test");
    (3..60).for_each(|nth| desk.store.fail_commit(nth));
    let up = desk.run("up --count 1").await;
    assert_eq!(up.exit.code(), 3, "{up:?}");
    let files = || -> Vec<String> {
        let files = std::fs::read_dir(desk.dir.path()).expect("a folder");
        let names =
            files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("formwork-unsaved")).collect()
    };
    let [file] = &files()[..] else { panic!("{:?}", files()) };
    let here = desk.dir.path().display().to_string();
    assert_snapshot!(up.err.replace(&here, "DIR"), @r"
    demo on fake
    error: the state could not be written, and the run stopped; 1 change(s) are not recorded: the state in memory could not be written: commit 7 was told to fail
      what is not recorded is in DIR/formwork-unsaved-demo-2.json
      network: its record, as ready

    help: make room or repair the disk, then run `state recover DIR/formwork-unsaved-demo-2.json`, and `up`; without the file `up` looks up by itself what the cloud has
    ");
    let text = std::fs::read_to_string(desk.dir.path().join(file));
    let text = text.expect("it is there");
    assert!(text.starts_with("{\"formwork\":\"unsaved\",\n") && !text.contains("hunter2"));
    // Nothing was heard of these commits, so there is something to record.
    let store = desk.store.reopen();
    store.expire_leases();
    let desk = Desk { store, ..desk };
    let other = desk.run(&format!("state recover {file} --stack other")).await;
    assert_snapshot!(other.both().replace(file, "FILE"), @r"
    --- 1
    error: FILE can not be recorded: it is of the stack `demo`, and this is `other`: see --stack
    ");
    let recovered = desk.run(&format!("state recover {file}")).await;
    assert_snapshot!(recovered.both().replace(file, "FILE"), @r"
    1 change(s) are recorded now; FILE can go
    --- 0
    ");
    let again = desk.run(&format!("state recover {file} --json")).await;
    assert_snapshot!(again.both().replace(file, "FILE"), @r#"
    {
      "changes": 1,
      "recorded": false,
      "stack": "demo"
    }
    --- 0
    "#);
    assert_eq!(desk.run("up --count 1").await.exit.code(), 0);
    assert_eq!(desk.run("plan --count 1 --exit-code").await.exit.code(), 0);
    let late = desk.run(&format!("state recover {file}")).await;
    assert_snapshot!(late.both().replace(file, "FILE"), @r"
    all of it was recorded already; FILE can go
    --- 0
    ");
    let absent = desk.run("state recover nothing.json").await;
    assert_snapshot!(absent.both(), @r"
    --- 1
    error: nothing.json can not be recorded: No such file or directory (os error 2)
    ");
}
