//! Secrets: never in clear in any file, and never opened with a wrong key.

use std::{os::unix::fs::PermissionsExt, path::Path};

use formwork_core::{
    Secret,
    state::{Change, Pin, StateError, StateStore},
    value::{Map, Value},
};
use formwork_state::{KeySource, SledOptions, SledStore};

use crate::{acquire, files, load};

const CLEAR: &str = "correct horse battery staple";

fn changes() -> Vec<Change> {
    let mut map = Map::new();
    map.insert("password", Value::from(CLEAR).into_secret());
    map.insert("user", Value::from("plainly visible"));
    let secret = Value::List(vec![Value::Map(map)]);
    let pin = Pin {
        address: "lookup".into(),
        kind: "aws:ssm/parameter".into(),
        query: secret.clone(),
        answer: Value::Secret(Box::new(secret.clone())),
    };
    vec![Change::Exports(secret), Change::Pin(pin)]
}

fn finds(dir: &Path, text: &str) -> bool {
    files(dir).iter().any(|(_, bytes)| bytes.windows(text.len()).any(|at| at == text.as_bytes()))
}

fn passphrase(text: &str) -> KeySource {
    KeySource::Passphrase(Secret::new(text.to_owned()))
}

/// Writes secrets, closes, reads them back.
async fn keeps_secrets(options: impl Fn() -> SledOptions, dir: &Path) {
    let store = options().open().unwrap();
    let lease = acquire(&store).await;
    store.commit(&lease, 0, changes()).await.unwrap();
    let state = load(&store).await;
    assert_eq!(state.exports.to_data::<serde_json::Value>().unwrap()[0]["password"], CLEAR);
    assert!(!finds(dir, CLEAR) && finds(dir, "plainly visible"));
    drop(store);
    assert!(!finds(dir, CLEAR) && finds(dir, "plainly visible"));
    let store = options().open().unwrap();
    assert!(load(&store).await == state);
    assert_eq!(store.journal("shop").await.unwrap(), [(1, changes())]);
}

/// Opens with `source`, and returns what it refuses with.
fn refused(dir: &Path, source: KeySource) -> String {
    match SledStore::options(dir).key(source).open().unwrap_err() {
        error @ StateError::Key { .. } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_file_is_made_for_its_owner_when_the_first_secret_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("config/formwork/key"));
    let options = || SledStore::options(&state).key(KeySource::File(file.clone()));
    drop(options().open().unwrap());
    assert!(!file.exists(), "no secret, no key");
    keeps_secrets(options, &state).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let key = std::fs::read(&file).unwrap();
    std::fs::write(&file, "no key").unwrap();
    assert!(refused(&state, KeySource::File(file.clone())).contains("base64"));
    std::fs::remove_file(&file).unwrap();
    assert!(refused(&state, KeySource::File(file.clone())).contains("restore it"));
    assert!(!file.exists(), "a lost key is not replaced by one that opens nothing");
    std::fs::write(&file, key).unwrap();
    options().open().unwrap();
}

#[tokio::test]
async fn a_passphrase_is_stretched_and_a_wrong_one_is_refused_when_the_store_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let options = || SledStore::options(dir.path()).key(passphrase("tr0ub4dor"));
    keeps_secrets(options, dir.path()).await;
    assert!(!finds(dir.path(), "tr0ub4dor"));
    refused(dir.path(), passphrase("tr0ub4dor "));
    refused(dir.path(), KeySource::Bytes(Secret::new([0; 32])));
}

#[tokio::test]
async fn without_a_key_secrets_are_neither_written_nor_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let lease = acquire(&store).await;
    let error = store.commit(&lease, 0, changes()).await.unwrap_err();
    assert!(matches!(error, StateError::Key { .. }), "{error:?}");
    store.commit(&lease, 0, vec![Change::Exports(Value::from(1))]).await.unwrap();
    drop(store);

    let key = || KeySource::Bytes(Secret::new([7; 32]));
    let store = SledStore::options(dir.path()).key(key()).open().unwrap();
    let lease = acquire(&store).await;
    store.commit(&lease, 1, changes()).await.unwrap();
    drop(store);
    let store = SledStore::open(dir.path()).unwrap();
    let error = store.load("shop").await.unwrap_err();
    assert!(matches!(error, StateError::Key { .. }), "{error:?}");
    drop(store);
    refused(dir.path(), KeySource::Bytes(Secret::new([8; 32])));
    let store = SledStore::options(dir.path()).key(key()).open().unwrap();
    assert_eq!(load(&store).await.version, 2);
}

#[test]
fn a_key_file_inside_the_state_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let through = dir.path().join("link");
    for made in [false, true] {
        let error = refused(&state, KeySource::File(state.join("keys/key")));
        assert!(error.contains("keep it elsewhere"), "{error}");
        assert!(!state.join("keys").exists());
        if made {
            std::os::unix::fs::symlink(&state, &through).unwrap();
            refused(&state, KeySource::File(through.join("key")));
        } else {
            drop(SledStore::open(&state).unwrap());
        }
    }
}
