//! Rows that an older version of a type wrote.

use formwork_core::{Declaration, RefreshMode, Scope};

use crate::document::{Document, Newer, Office};

fn old(s: &mut Scope<'_>) {
    s.add("a", Document::new("k").text("x"));
}

fn new(s: &mut Scope<'_>) {
    s.add("a", Newer { key: "k".into(), body: "x".into() });
}

fn replacing(s: &mut Scope<'_>) {
    let declared = Declaration::from(Newer { key: "k2".into(), body: "x".into() });
    s.add("a", declared.replace_on(["key"]));
}

#[tokio::test]
async fn what_an_older_version_made_can_be_deleted() {
    let mut office = Office::new();
    office.up(old).await.unwrap();
    office.newer = true;
    office.up(|_| ()).await.unwrap();
    assert!(office.get("k").is_none());
}

#[tokio::test]
async fn a_row_is_upgraded_as_a_whole_and_once_whatever_is_looked_at() {
    for refresh in [RefreshMode::List, RefreshMode::Minimal, RefreshMode::None] {
        let mut office = Office::new();
        office.up(old).await.unwrap();
        office.newer = true;
        let plan = office.up_with(new, refresh).await.unwrap();
        assert!(plan.contains("nothing to do"), "{plan}");
        let row = office.store.snapshot("t").records.into_values().next().unwrap();
        assert_eq!((row.version, row.inputs.get("text")), (2, None));
        assert!(row.outputs.get("door").is_some() && row.seen.unwrap().get("body").is_some());
        office.up(new).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_under_the_newer_version_survives_crashes() {
    for cuts in [vec![1], vec![2], vec![3], vec![1, 1], vec![2, 1], vec![2, 2]] {
        let mut office = Office::new();
        office.up(old).await.unwrap();
        office.newer = true;
        for cut in &cuts {
            office.cut_after(*cut);
            let _ = office.up(replacing).await;
            office.reopen();
        }
        for _ in 0..2 {
            office.up(replacing).await.unwrap();
        }
        assert_eq!(office.keys(), ["k2"], "{cuts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_of_an_older_version_is_understood() {
    let mut office = Office::new();
    office.cut_after(1);
    let _ = office.up(old).await;
    office.reopen();
    office.newer = true;
    for _ in 0..2 {
        office.up(new).await.unwrap();
    }
    assert_eq!(office.keys(), ["k"]);
}

#[tokio::test]
async fn the_row_of_a_newer_version_is_refused() {
    let mut office = Office::new();
    office.newer = true;
    office.up(new).await.unwrap();
    office.newer = false;
    let error = office.up(old).await.unwrap_err();
    assert!(error.contains("newer program: version 2"), "{error}");
}

#[tokio::test]
async fn a_part_upgrades_its_own_rows_and_those_that_it_reads() {
    let mut office = Office::new();
    office
        .up(|s| {
            for name in ["read", "own", "other"] {
                s.add(name, Document::new(name).text("x"));
            }
        })
        .await
        .unwrap();
    office.newer = true;
    let program = |s: &mut Scope<'_>| {
        let newer = |name: &str| Newer { key: name.into(), body: "x".into() };
        let read = s.add("read", newer("read"));
        let body = read.door.map(|door| format!("door {door}"));
        s.add("own", Newer::builder().key("own").body(body).build());
        s.add("other", newer("other"));
    };
    office.up_asking(program, |p| p.target("own")).await.unwrap();
    let rows = office.store.snapshot("t").records.into_values();
    let mut versions: Vec<_> = rows.map(|row| (row.address.to_string(), row.version)).collect();
    versions.sort();
    assert_eq!(versions, [("other".into(), 1), ("own".into(), 2), ("read".into(), 2)]);
    assert!(office.get("own").unwrap().text.unwrap().starts_with("door "));
    office.up(program).await.unwrap();
    assert!(office.up(program).await.unwrap().contains("nothing to do, 3 unchanged"));
}
