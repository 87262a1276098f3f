//! A stack as one document.

use formwork_core::{
    Secret,
    state::{Change, Pin, StateError, StateStore},
    testing::{Random, changes},
    value::Value,
};
use formwork_state::{KeySource, SledStore};

use crate::{acquire, load, options};

#[tokio::test]
async fn an_exported_stack_can_be_imported_with_its_secrets_sealed_on_the_way() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = options(here.path()).open().unwrap();
    let lease = acquire(&store).await;
    let mut random = Random::new(11);
    for version in 0..30 {
        store.commit(&lease, version, changes(&mut random)).await.unwrap();
    }
    let state = load(&store).await;
    let document = store.export("shop").await.unwrap();
    assert!(document.to_string().contains("$sealed") && !document.to_string().contains("[secret]"));

    let elsewhere = options(there.path()).open().unwrap();
    assert_eq!(elsewhere.import(&document).await.unwrap(), "shop");
    assert!(load(&elsewhere).await == state);
    let again = elsewhere.import(&document).await.unwrap_err();
    assert!(again.to_string().contains("has state here already"), "{again}");
    let lease = acquire(&elsewhere).await;
    elsewhere.commit(&lease, state.version, changes(&mut random)).await.unwrap();
    drop(elsewhere);
    options(there.path()).open().unwrap();

    let refused = store.import(&serde_json::json!({ "formwork": "plan" })).await;
    assert!(matches!(refused, Err(StateError::Corrupt { .. })), "{refused:?}");
    for key in [None, Some(KeySource::Bytes(Secret::new([1; 32])))] {
        let dir = tempfile::tempdir().unwrap();
        let options = SledStore::options(dir.path());
        let store = key.into_iter().fold(options, formwork_state::SledOptions::key).open().unwrap();
        let refused = store.import(&document).await;
        assert!(matches!(refused, Err(StateError::Key { .. })), "{refused:?}");
        assert!(store.stacks().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_stack_of_thousands_of_rows_is_imported_as_one() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = options(here.path()).open().unwrap();
    let lease = acquire(&store).await;
    let rows = |version: u32| {
        (0..100).map(move |n| {
            Change::Pin(Pin {
                address: format!("lookup-{version}-{n}").as_str().into(),
                kind: "aws:ec2/image".into(),
                query: Value::from("x".repeat(1000)),
                answer: Value::from(i64::from(n)),
            })
        })
    };
    for version in 0..30 {
        store.commit(&lease, version.into(), rows(version).collect()).await.unwrap();
    }
    let state = load(&store).await;
    assert_eq!(state.pins.len(), 3000);
    let elsewhere = options(there.path()).open().unwrap();
    elsewhere.import(&store.export("shop").await.unwrap()).await.unwrap();
    drop(elsewhere);
    // As after a crash: every row is checked when the store is opened.
    std::fs::remove_file(there.path().join("clean")).unwrap();
    assert!(load(&options(there.path()).open().unwrap()).await == state);
}
