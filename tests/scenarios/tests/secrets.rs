//! Secrets: S85 and S86. What is planted is searched for in everything that is written or told.

use std::collections::BTreeMap;

use formwork::{
    Output, Scope, Secret, Stack,
    state::{KeySource, SledStore, StateError, StateStore},
    testing::{Cloud, Fault, Named, Op, Thing, World, provider},
    text,
};
use insta::assert_snapshot;

use crate::support::NOTHING;

/// S85.
#[tokio::test(start_paused = true)]
async fn a_secret_stays_one_through_every_combinator_and_through_the_cloud() {
    let world = World::new().secret("hunter2").secret("token-of-");
    let program = |scope: &mut Scope<'_>| {
        let a = scope.add("a", Named::builder().secret("hunter2").build());
        let secret = Output::known("hunter2".to_owned()).secret();
        let longer = secret.map(|secret| format!("{secret}!"));
        let list = formwork::all([&secret, &longer]);
        let pair = formwork::zip(&secret, &longer);
        let inside = formwork::json(pair.map(|(one, _)| BTreeMap::from([("key", one)])));
        scope.add(
            "b",
            Thing::builder()
                .label(text!("{}-{}", &longer, "x"))
                .hidden(&inside)
                .set(&list)
                .refs([&a.id])
                .build(),
        );
        let open = a.token.map(|token: Secret<String>| token.expose().clone());
        scope.add("c", Thing::builder().label(open).build());
        scope.export("token", &a.token);
        scope.export("label", &secret);
    };
    let run = world.settle(program).await;
    assert_snapshot!(run.plan(), @r#"
    other
      + a                                        model:test/named
      + b                                        model:test/thing
      + c                                        model:test/thing
    outputs
        label: (none) -> [secret]
        token: (none) -> (known after apply)
    3 to create, 0 unchanged
    "#);
    let _ = world.save(run.plan());
    // What the cloud gives back in clear, and what is wrong with it, is told without it.
    world.cloud().edit("a#1", "secret", "hunter2-by-hand".into());
    world.cloud().fail(Op::Update, "a", 1, Fault::Refuse);
    let run = world.up(program).await;
    assert_snapshot!(run.story(), @r#"
    other
      ~ a                                        model:test/named  (drifted)
          secret: [secret] -> [secret] (drifted)
    1 to update, 2 unchanged
    run t: 1 step(s)
    > update a
    ! update a: refused on purpose
    end: 0 done, 1 failed, 0 skipped
    "#);
    world.settle(program).await;
}

/// S85.
#[tokio::test(start_paused = true)]
async fn a_value_that_becomes_secret_is_sealed_in_the_state_without_a_call() {
    let plain = |scope: &mut Scope<'_>| {
        scope.add("a", Thing::builder().label("hunter2").set(["x", "hunter2"]).build());
    };
    let secret = |scope: &mut Scope<'_>| {
        let label = Output::known("hunter2".to_owned()).secret();
        let x = Output::known("x".to_owned());
        let set = formwork::all([&x, &label]);
        scope.add("a", Thing::builder().label(&label).set(&set).build());
    };
    let world = World::new();
    world.settle(plain).await;
    assert!(world.store().dump()["t"]["state"].to_string().contains("hunter2"));
    assert_eq!(world.settle(secret).await.log(), NOTHING);
    let state = world.store().dump()["t"]["state"].to_string();
    assert!(!state.contains("hunter2"), "{state}");
    // And back.
    assert_eq!(world.settle(plain).await.log(), NOTHING);
}

/// S85: only the leaf.
#[tokio::test(start_paused = true)]
async fn a_secret_in_a_list_hides_itself_and_not_its_neighbours() {
    let world = World::new().secret("hunter2");
    let program = |scope: &mut Scope<'_>| {
        let secret = Output::known("hunter2".to_owned()).secret();
        let set = [formwork::Input::from("open"), formwork::Input::from(&secret)];
        scope.add("a", Thing::builder().set(set).build());
    };
    world.settle(program).await;
    let row = world.row("a").unwrap();
    assert_snapshot!(row.inputs.get("set").unwrap(), @r#"["open", [secret]]"#);
}

/// S86.
#[tokio::test]
async fn a_wrong_key_fails_before_anything_is_done_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::new();
    let open = |key: u8| {
        SledStore::options(folder.path()).key(KeySource::Bytes(Secret::new([key; 32]))).open()
    };
    let program = |label: &'static str| {
        Stack::new("t", move |scope| {
            scope.add("a", Thing::builder().password("hunter2").label(label).build());
        })
        .unwrap()
    };
    let engine = |store: SledStore| {
        formwork::Engine::builder().provider(provider(&cloud)).state(store).try_build().unwrap()
    };
    let right = engine(open(1).unwrap());
    let stack = program("1");
    right.apply(right.plan(&stack).await.unwrap()).await.unwrap();
    let before = right.state("t").await.unwrap();
    drop(right);
    let calls = cloud.log().len();
    // The store is refused, or else every look at the state.
    let refused = match open(2) {
        Err(error) => error,
        Ok(store) => {
            let error = store.load("t").await.unwrap_err();
            assert!(engine(store).plan(&program("2")).await.is_err());
            error
        }
    };
    assert!(matches!(refused, StateError::Key { .. }), "{refused}");
    assert_eq!(cloud.log().len(), calls);
    let right = engine(open(1).unwrap());
    assert_eq!(right.state("t").await.unwrap(), before);
    for (path, bytes) in files(folder.path()) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter2"), "{path}");
    }
}

fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    found
}
