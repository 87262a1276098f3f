//! Taking over what exists already.

use insta::assert_snapshot;

use crate::harness::Desk;

const NET: &str = r#"{"cidr": "10.0.0.0/16", "dns": false, "tags": {"by": "hand"}}"#;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("what is printed is JSON")
}

#[tokio::test]
async fn an_object_is_taken_over_by_its_id_and_nothing_else_is_done() {
    let desk = Desk::new();
    desk.cloud.put("net-old", NET);
    let printed = desk.run("import network net-old --count 2").await;
    assert_snapshot!(printed.both(), @r#"
    Narrowed to network; 2 resources are left out: node-0, node-1.
    network
      ← network  demo:net/network  (it is net-old)
      ~ network  demo:net/network
          tags.by  "hand" -> (none)
    outputs
        network  "net-old"

    Plan: 1 to import, 1 to update, 0 unchanged.
    --- 0
    demo on fake
    imported network net-old (0.0 s)
    updated network net-old (0.0 s)
    Done: 1 imported, 1 updated in 0.0 s.
    next: demo plan   to compare all of it
    "#);
    assert_eq!(desk.cloud.count(), 1);
    let again = desk.run("import network net-old --count 2").await;
    assert_snapshot!(again.out, @"
    Narrowed to network; 2 resources are left out: node-0, node-1.
    Nothing changed: 1 resource is as declared (0.0 s).
    ");
    let up = desk.run("up --count 2").await;
    assert_eq!(up.exit.code(), 0, "{}", up.both());
    assert!(up.out.contains("net-old"), "{}", up.out);
}

#[tokio::test]
async fn what_can_not_be_taken_over_is_told() {
    let desk = Desk::new();
    desk.cloud.put("net-old", r#"{"cidr": "10.9.0.0/16"}"#);
    for (args, expected) in [
        ("import netwrk net-old", "did you mean"),
        ("import network net-none", "there is no `demo:net/network` with the id"),
        ("import network net-old", "10.9.0.0/16"),
        ("import network net-old --target node-0", "takes no --target"),
        ("import network", "ID"),
    ] {
        let printed = desk.run(args).await;
        assert_eq!(printed.exit.code(), 1, "{}", printed.both());
        assert!(printed.err.contains(expected), "{args}: {}", printed.err);
    }
    let printed = desk.run("import network net-none --json").await;
    let error: serde_json::Value = json(printed.out.lines().last().expect("something is printed"));
    assert!(error.to_string().contains("net-none"), "{error}");
}

#[tokio::test]
async fn a_real_cloud_asks_first() {
    let desk = Desk::new();
    desk.cloud.put("net-old", NET);
    let printed = desk.run("import network net-old --cloud real").await;
    assert_eq!(printed.exit.code(), 1, "{}", printed.both());
    assert!(printed.err.contains("nobody to ask"), "{}", printed.err);
    let printed = desk.run("plan").await;
    assert!(printed.out.contains("+ network"), "{}", printed.out);
}

#[tokio::test]
async fn a_run_tells_its_events_as_json() {
    let desk = Desk::new();
    desk.cloud.put("net-old", NET);
    let printed = desk.run("import network net-old --json").await;
    let lines: Vec<serde_json::Value> = printed.out.lines().map(json).collect();
    assert_eq!(lines[0]["plan"]["steps"][0]["action"], "import");
    assert_eq!(lines[0]["plan"]["steps"][0]["import"]["id"], "net-old");
    let done = lines.iter().find(|line| line["event"] == "step_finished").expect("it is done");
    assert_eq!((&done["action"], &done["physical_id"]), (&"import".into(), &"net-old".into()));
}
