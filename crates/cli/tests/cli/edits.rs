//! Edits of the state from the command line.

use formwork_core::state::StateStore;
use insta::assert_snapshot;

use crate::harness::Desk;

/// A desk with a network and two nodes.
async fn built() -> Desk {
    let desk = Desk::new();
    let up = desk.run("up").await;
    assert_eq!(up.exit.code(), 0, "{}", up.both());
    desk
}

#[tokio::test]
async fn what_is_removed_is_shown_and_approved_first() {
    let mut desk = built().await;
    assert_snapshot!(desk.run("state rm node-0 --dry-run").await.both(), @r"
    remove node-0 (demo:compute/node): `node-node-0.1` stays in the cloud
    --- 0
    nothing was changed: --dry-run
    ");
    assert_snapshot!(desk.run("state rm node-0").await.both(), @r"
    remove node-0 (demo:compute/node): `node-node-0.1` stays in the cloud
    --- 1
    error: this edits the state, and there is nobody to ask; nothing was changed

    help: run it on a terminal, or with --yes; --dry-run only shows it
    ");
    assert_snapshot!(desk.run("state rm network").await.both(), @r"
    --- 1
    error: the state can not be edited so, for 1 reason(s):
      - network: `node-0`, `node-1` refer to it

    help: nothing was changed; --force does it all the same
    ");
    assert_snapshot!(desk.run("state rm node-7 --yes").await.both(), @r"
    --- 1
    error: the state can not be edited so, for 1 reason(s):
      - node-7: nothing is recorded there

    help: nothing was changed; `state list` shows what is recorded
    ");
    let before = desk.store.snapshot("demo");
    desk.typed = Some("n\n".to_owned());
    assert_snapshot!(desk.run("state rm node-0").await.both(), @r"
    remove node-0 (demo:compute/node): `node-node-0.1` stays in the cloud
    --- 1
    Edit the state so? [y/N] error: not approved; nothing was changed
    ");
    assert_eq!(desk.store.snapshot("demo"), before);
    desk.typed = Some("y\n".to_owned());
    assert_eq!(desk.run("state rm node-0").await.exit.code(), 0);
    assert_eq!(desk.store.snapshot("demo").records.len(), before.records.len() - 1);
    let forced = desk.run("state rm network --force --yes --json").await;
    assert!(forced.out.contains("\"action\": \"remove\""), "{}", forced.both());
}

#[tokio::test]
async fn an_address_is_given_here_or_in_another_stack() {
    let desk = built().await;
    assert_snapshot!(desk.run("state mv node-0 machine-0 --yes").await.both(), @r"
    move node-0 -> machine-0 (demo:compute/node)
    --- 0
    done
    ");
    assert_snapshot!(desk.run("state mv node-1 --to-stack other --yes").await.both(), @r"
    move node-1 of stack demo -> node-1 (demo:compute/node)
    --- 0
    done
    ");
    let stacks = desk.store.stacks().await.expect("a store in memory");
    assert_eq!(stacks, ["demo", "other"]);
    assert_snapshot!(desk.run("state mv node-1 node-2").await.both(), @r"
    --- 1
    error: the state can not be edited so, for 1 reason(s):
      - node-1: nothing is recorded there

    help: nothing was changed; `state list` shows what is recorded
    ");
}

#[tokio::test]
async fn what_is_exported_is_imported_elsewhere_with_its_secrets_sealed() {
    let desk = built().await.env("FORMWORK_EXPORT_PASSPHRASE", "tr0ub4dor");
    assert_snapshot!(desk.run("state export node-0 --out part.json").await.both(), @r"
    --- 0
    1 resource(s) and 0 lookup(s) were written to part.json
    ");
    let text = std::fs::read_to_string(desk.dir.path().join("part.json")).expect("it is there");
    assert!(text.contains("$sealed") && !text.contains("hunter2"), "{text}");
    let there = Desk::new().env("FORMWORK_EXPORT_PASSPHRASE", "tr0ub4dor");
    there.file("part.json", &text);
    assert_snapshot!(there.run("state import part.json --yes").await.both(), @r"
    take node-0 (demo:compute/node) of stack demo
    --- 0
    done
    ");
    let row = there.store.snapshot("demo").records.into_values().next().expect("a row");
    let password = row.inputs.get("password").expect("it has one");
    assert!(password.has_secret() && !format!("{password:?}").contains("hunter2"));
    assert_snapshot!(there.run("state import part.json --yes").await.both(), @r"
    --- 1
    error: the state can not be edited so, for 2 reason(s):
      - node-0: something is recorded there already: move or remove that first
      - node-0: it is recorded already, at `node-0`

    help: nothing was changed; `state list` shows what is recorded
    ");
    let wrong = Desk::new().env("FORMWORK_EXPORT_PASSPHRASE", "wrong");
    wrong.file("part.json", &text);
    assert_snapshot!(wrong.run("state import part.json --yes").await.both(), @r"
    --- 1
    error: the secrets in the document can not be opened: this is not their key

    help: set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE to what the state was written with
    ");
    let again = desk.run("state export node-0 --out part.json").await;
    assert_eq!(again.exit.code(), 1, "{}", again.both());
}

#[tokio::test]
async fn a_state_that_is_whole_has_nothing_to_repair() {
    let desk = built().await;
    assert_snapshot!(desk.run("state repair").await.both(), @r"
    --- 0
    there is nothing to do
    ");
    assert_snapshot!(desk.run("state repair --json").await.both(), @r#"
    {
      "done": false,
      "edits": [],
      "stack": "demo"
    }
    --- 0
    there is nothing to do
    "#);
}
