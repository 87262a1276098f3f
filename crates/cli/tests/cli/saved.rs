//! Plans that are saved by one run and applied by another.

use std::path::PathBuf;

use formwork_cli::clap;
use insta::assert_snapshot;

use crate::harness::Desk;

fn desk() -> Desk {
    Desk::new().env("FORMWORK_PASSPHRASE", "correct horse")
}

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("the file is there")
    }
}

#[tokio::test]
async fn a_plan_is_saved_shown_and_applied_as_it_was() {
    let desk = desk();
    assert_snapshot!(desk.run("plan --count 1 --out p.json").await.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    compute
      + node-0  demo:compute/node  size "small"
    outputs
        login    (known after apply)
        network  (known after apply)

    Plan: 2 to create, 0 unchanged.
    --- 0
    demo on fake
    saved as p.json
    next: demo up p.json   to do exactly this
    "#);
    assert_eq!(desk.cloud.count(), 0);
    assert_snapshot!(desk.run("show p.json").await.both(), @r#"
    a plan of demo, made just now where there was no state, by formwork 0.1.0
    network
      + network  demo:net/network
    compute
      + node-0  demo:compute/node
    outputs
        login    (known after apply)
        network  (known after apply)

    Plan: 2 to create, 0 unchanged.
    --- 0
    "#);
    assert_snapshot!(desk.run("up p.json --count 1").await.both(), @r#"
    network
      + network  demo:net/network  cidr "10.0.0.0/16"
    compute
      + node-0  demo:compute/node  size "small"
    outputs
        login    (known after apply)
        network  (known after apply)

    Plan: 2 to create, 0 unchanged.
    outputs
        login    [secret]
        network  "net-network.1"
    --- 0
    demo on fake
    a plan of demo, made just now where there was no state, by formwork 0.1.0
    created network net-network.1 (0.0 s)
    created node-0 node-node-0.1 (0.0 s)
    Done: 2 created in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);
    assert_eq!(desk.cloud.count(), 2);
    assert_snapshot!(desk.run("up p.json --count 1").await.both(), @r#"
    --- 1
    demo on fake
    a plan of demo, made just now where there was no state, by formwork 0.1.0
    error: the plan was made from version 0 of the state of `demo`, which has version 7 now: plan again

    help: nothing was changed; --allow-stale goes on where there is only less left to do
    "#);
    let again = desk.run("up p.json --count 1 --allow-stale").await;
    assert_snapshot!(again.both(), @r#"
    Nothing changed: 2 resources are as declared (0.0 s).
    --- 0
    demo on fake
    a plan of demo, made just now where there was no state, by formwork 0.1.0
    "#);
}

#[tokio::test]
async fn a_saved_plan_is_for_its_owner_alone_and_holds_no_secret() {
    let desk = desk();
    desk.run("plan --out p.json").await;
    let bytes = desk.bytes("p.json");
    let text = String::from_utf8(bytes).expect("it is text");
    assert!(!text.contains("hunter2") && text.contains("node-0"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(desk.path("p.json")).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    let left: Vec<_> = std::fs::read_dir(desk.dir.path())
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").file_name())
        .collect();
    assert_eq!(left, ["p.json"]);
    let shown = desk.run("show p.json --json").await;
    let json: serde_json::Value = serde_json::from_str(&shown.out).expect("it is JSON");
    assert_eq!(json["made_with"]["settings"]["count"], 2);
    assert!(!shown.out.contains("hunter2"));
    // With another key, or none, nothing is opened, and nothing is done.
    let mut desk = desk.env("FORMWORK_PASSPHRASE", "battery staple");
    assert_snapshot!(desk.run("up p.json").await.both(), @r#"
    --- 1
    error: p.json: the secrets of the plan can not be opened: this is not their key; what was sealed before the key was rotated is to be made again

    help: nothing was changed; set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE to what the plan was saved with
    "#);
    desk.env.clear();
    assert_snapshot!(desk.run("up p.json").await.both(), @r#"
    --- 1
    error: p.json: the plan holds sealed secrets, and there is no key to open them with

    help: nothing was changed; set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE to what the plan was saved with
    "#);
    assert_snapshot!(desk.run("plan --out q.json").await.err, @r#"
    demo on fake
    error: the plan holds secrets, and there is no key to seal them with

    help: set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE; a plan without secrets needs none
    "#);
    assert_eq!(desk.cloud.count(), 0);
    assert!(!desk.path("q.json").exists());
    // What holds no secret needs none.
    assert_eq!(desk.run("plan --count 0 --out q.json").await.exit.code(), 0);
    assert_eq!(desk.run("up q.json --count 0").await.exit.code(), 0);
    assert_eq!(desk.cloud.count(), 1);
}

#[tokio::test]
async fn other_settings_another_cloud_and_another_version_are_named_all_at_once() {
    let desk = desk();
    desk.run("plan --out p.json").await;
    desk.file("s.json", r#"{"extra": {"a": 1}}"#);
    let line = "up p.json --cloud real --count 3 --labels x --config s.json";
    let other = desk.run_program(&desk.program().version("2.0"), line).await;
    assert_snapshot!(other.both(), @r#"
    --- 1
    error: 5 differences to what the plan of `demo` was made with

      × cloud
        it is "real" now, and was "fake" when the plan was made
        given with --cloud

      × version of the program
        it is "2.0" now, and was not set when the plan was made
        declared at `Program::version`

      × count
        it is 3 now, and was 2 when the plan was made
        given with --count

      × extra
        it is {a: 1} now, and was {} when the plan was made
        given with --config, in its file

      × labels
        it is ["x"] now, and was [] when the plan was made
        given with --labels

    help: nothing was changed; apply it with the program and the settings that it was made with, or plan again
    "#);
    let json = desk.run("up p.json --count 3 --json").await;
    assert!(json.out.contains(r#""code":"formwork::saved_plan""#), "{}", json.out);
    assert!(json.out.contains(r#""field":"count""#), "{}", json.out);
    assert_snapshot!(desk.run("up p.json --stack other").await.err, @r#"
    error: the plan is of the stack `demo`, and the program declares `other`

    help: nothing was changed; name its stack with --stack
    "#);
    assert_eq!(desk.cloud.count(), 0);
}

#[tokio::test]
async fn flags_that_would_make_another_plan_are_refused_with_a_saved_one() {
    let desk = desk();
    desk.run("up").await;
    let saved = desk.run("plan --refresh none --replace network --out p.json").await;
    assert_eq!(saved.exit.code(), 0, "{}", saved.both());
    let line = "up p.json --refresh list --refresh-lookups --replace node-0";
    assert_snapshot!(desk.run(line).await.both(), @r#"
    --- 1
    error: --refresh, --refresh-lookups, --replace would make another plan than the one in p.json; nothing was changed

    help: plan again with these flags, or apply the file without them
    "#);
    let shown = desk.run("show p.json").await.out;
    assert!(shown.contains("\n  asked for: --refresh none, --replace network\n"), "{shown}");
    assert_eq!(desk.run("up p.json").await.exit.code(), 0);
    assert_eq!(desk.run("up --allow-stale").await.exit.code(), 1);
}

#[tokio::test]
async fn a_state_that_changed_is_told_and_less_work_can_be_allowed() {
    let desk = desk();
    desk.run("up --count 1").await;
    desk.run("plan --count 3 --out p.json").await;
    desk.cloud.world().broken.insert("node-2".to_owned());
    assert_eq!(desk.run("up --count 3").await.exit.code(), 1);
    desk.cloud.world().broken.clear();
    assert_snapshot!(desk.run("up p.json --count 3").await.err, @r#"
    demo on fake
    a plan of demo, made just now of version 7 of the state, by formwork 0.1.0
    error: the plan was made from version 7 of the state of `demo`, which has version 12 now: plan again

    help: nothing was changed; --allow-stale goes on where there is only less left to do
    "#);
    let less = desk.run("up p.json --count 3 --allow-stale").await;
    assert_snapshot!(less.both(), @r#"
    compute
      + node-2  demo:compute/node  network "net-network.1", size "small"
    outputs
        login  [secret] -> (known after apply)

    Plan: 1 to create, 3 unchanged.
    outputs
        login    [secret]
        network  "net-network.1"
    --- 0
    demo on fake
    a plan of demo, made just now of version 7 of the state, by formwork 0.1.0
    created node-2 node-node-2.1 (0.0 s)
    Done: 1 created in 0.0 s.
    next: demo drift   to compare the cloud with this
    next: demo destroy   to remove all of it
    "#);
    desk.run("plan --count 4 --out q.json").await;
    desk.run("up --count 4 --size large").await;
    assert_snapshot!(desk.run("up q.json --count 4 --allow-stale").await.err, @r#"
    demo on fake
    a plan of demo, made just now of version 16 of the state, by formwork 0.1.0
    error: the state of `demo` changed since, and it takes more now than the plan says

      × node-0
        it would now take to change `size` to "small", which the plan does not say
        declared at crates/cli/tests/cli/harness.rs:NN

      × node-1
        it would now take to change `size` to "small", which the plan does not say
        declared at crates/cli/tests/cli/harness.rs:NN

      × node-2
        it would now take to change `size` to "small", which the plan does not say
        declared at crates/cli/tests/cli/harness.rs:NN

      × node-3
        it would now take to update it, which the plan does not say
        declared at crates/cli/tests/cli/harness.rs:NN

    help: nothing was changed; plan again
    "#);
}

#[tokio::test]
async fn a_real_cloud_is_asked_about_as_for_a_fresh_plan() {
    let desk = desk();
    desk.run("plan --cloud real --count 9 --out p.json").await;
    let dear = desk.run("up p.json --cloud real --count 9 --yes").await;
    assert!(dear.err.contains("this costs about $180.00 per hour"), "{}", dear.err);
    assert_eq!((dear.exit.code(), desk.cloud.count()), (1, 0));
    let desk = desk.typing("no\n");
    assert_eq!(desk.run("up p.json --cloud real --count 9 --max-hourly 200").await.exit.code(), 1);
    assert_eq!(desk.cloud.count(), 0);
    let desk = desk.typing("y\n");
    let up = desk.run("up p.json --cloud real --count 9 --max-hourly 200").await;
    assert_eq!((up.exit.code(), desk.cloud.count()), (0, 10), "{}", up.err);
}

#[tokio::test]
async fn a_file_that_is_no_plan_is_neither_read_nor_overwritten() {
    let desk = desk();
    desk.file("main.rs", "fn main() {}");
    std::fs::create_dir(desk.path("folder")).expect("a folder");
    for out in ["main.rs", "folder", "nowhere/p.json"] {
        let refused = desk.run(&format!("plan --out {out}")).await;
        assert_eq!(refused.exit.code(), 1, "{}", refused.both());
    }
    assert_eq!(desk.bytes("main.rs"), b"fn main() {}");
    assert_snapshot!(desk.run("plan --out main.rs").await.both(), @r#"
    --- 1
    error: main.rs is there already, and it is no plan

    help: nothing was written; name another file, or remove this one
    "#);
    assert_snapshot!(desk.run("plan --out nowhere/p.json").await.both(), @r#"
    --- 1
    error: the plan can not be saved as nowhere/p.json: its folder is not there
    "#);
    assert_snapshot!(desk.run("up main.rs").await.both(), @r#"
    --- 1
    error: main.rs: this is no plan: it does not begin as one

    help: nothing was changed; make it anew with `plan --out`
    "#);
    assert_snapshot!(desk.run("show nothing.json").await.both(), @r#"
    --- 1
    error: the plan can not be read from nothing.json: No such file or directory (os error 2)
    "#);
    desk.run("plan --out p.json").await;
    let mut bytes = desk.bytes("p.json");
    bytes.truncate(bytes.len() / 2);
    std::fs::write(desk.path("cut.json"), &bytes).expect("a file");
    let cut = desk.run("up cut.json").await.err;
    assert!(cut.contains("cut.json: the plan ends too early, in line "), "{cut}");
    // One that is a plan is replaced.
    assert_eq!(desk.run("plan --count 0 --out cut.json").await.exit.code(), 0);
    assert!(desk.run("show cut.json").await.out.contains("1 to create"));
    assert_eq!(desk.cloud.count(), 0);
}

#[tokio::test]
async fn a_setting_that_is_named_like_a_flag_of_a_command_is_refused() {
    #[derive(clap::Args, serde::Serialize, serde::Deserialize)]
    struct Settings {
        #[arg(long, default_value = "x")]
        out: String,
    }
    let declare = |_: &Settings, _: &mut formwork_core::Scope<'_>| Ok::<_, String>(());
    let desk = desk();
    let program = formwork_cli::Program::new("demo").declare(declare);
    assert_snapshot!(desk.run_program(&program, "graph").await.err, @r#"
    error: this program can not run: the setting `out` has the name of `plan --out`: rename it, or give it another `id` and `long`
    "#);
}

#[tokio::test]
async fn a_plan_of_nothing_is_a_plan_too() {
    let desk = desk();
    desk.run("up").await;
    let saved = desk.run("plan --out p.json --exit-code").await;
    assert!(saved.err.contains("saved as p.json"), "{}", saved.err);
    assert_eq!(saved.exit.code(), 0);
    let up = desk.run("up p.json").await;
    assert!(up.out.contains("Nothing changed"), "{}", up.both());
}
