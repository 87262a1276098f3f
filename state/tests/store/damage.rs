//! Folders that are not a store, or not a whole one: refused, by name, and left as they are.

use std::path::Path;

use formwork_core::{
    state::{StateError, StateStore},
    testing::{Random, changes},
};
use formwork_state::SledStore;

use crate::{acquire, copy, files, load, options};

/// The store's own notes, which tell nothing about its rows.
const NOTES: [&str; 3] = ["lock", "witness", "clean"];

/// A store with some state, as it is after its process was killed (`closed` is false) or ended.
///
/// The larger one has a log of several segments, of which sled skips what it can not read.
async fn store(dir: &Path, closed: bool) {
    let store = options(dir).open().unwrap();
    let lease = acquire(&store).await;
    let mut random = Random::new(3);
    for version in 0..if closed { 40 } else { 200 } {
        store.commit(&lease, version, changes(&mut random)).await.unwrap();
    }
    drop(store);
    if !closed {
        std::fs::remove_file(dir.join("clean")).unwrap();
    }
}

fn rows(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let all = files(dir).into_iter();
    // The copy that was checked is nobody's; a thread of sled's that outlives it may leave a file.
    let kept = |path: &Path| {
        !NOTES.iter().any(|note| path.ends_with(note)) && !path.starts_with(dir.join("check"))
    };
    all.filter(|(path, _)| kept(path)).collect()
}

fn refused(dir: &Path) -> String {
    let before = rows(dir);
    let error = options(dir).open().unwrap_err();
    assert!(matches!(error, StateError::Corrupt { .. }), "{error:?}");
    assert!(rows(dir) == before, "a store that is refused is left as it is: {error}");
    error.to_string()
}

#[test]
fn a_folder_of_something_else_is_refused_and_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
    let error = refused(dir.path());
    assert!(error.contains("FORMAT") && error.contains("holiday.jpg"), "{error}");
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn a_place_that_can_not_be_a_folder_is_an_error_of_the_medium() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = options(&place).open().unwrap_err();
        assert!(matches!(error, StateError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[test]
fn a_store_of_a_later_format_is_refused_by_number() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::open(dir.path()).unwrap());
    let format = r#"{"formwork":"state","format":2,"ready":true,"more":1}"#;
    std::fs::write(dir.path().join("FORMAT"), format).unwrap();
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 2, known: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_or_unreadable_file_is_named() {
    for closed in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), closed).await;
        let whole = tempfile::tempdir().unwrap();
        copy(dir.path(), &whole.path().join("whole"));
        std::fs::write(dir.path().join("FORMAT"), "{").unwrap();
        assert!(refused(dir.path()).contains("file FORMAT"));

        let missing = whole.path().join("whole");
        std::fs::remove_file(missing.join("rows/db")).unwrap();
        assert!(refused(&missing).contains("file rows/db"));
    }
}

#[tokio::test]
async fn a_log_that_was_cut_or_overwritten_is_refused_and_kept() {
    for closed in [true, false] {
        let whole = tempfile::tempdir().unwrap();
        store(whole.path(), closed).await;
        let log = std::fs::read(whole.path().join("rows/db")).unwrap();
        let used = log.iter().rposition(|byte| *byte != 0).unwrap();
        let mut random = Random::new(4);
        let control = tempfile::tempdir().unwrap();
        let control = control.path().join("copy");
        copy(whole.path(), &control);
        options(&control).open().unwrap();
        let (mut refusals, mut rounds) = (0, 0);
        for _ in 0..40 {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("copy");
            copy(whole.path(), &dir);
            let mut log = log.clone();
            let at = random.below(used as u64) as usize;
            match random.below(3) {
                0 => log.truncate(at),
                1 => log[at] ^= 1 << random.below(8),
                _ => {
                    let end = (at + 4096).min(log.len());
                    log[at..end].fill(random.next() as u8);
                }
            }
            std::fs::write(dir.join("rows/db"), &log).unwrap();
            rounds += 1;
            let before = rows(&dir);
            match options(&dir).open() {
                // The damage was in a part of the log that nothing refers to any more.
                Ok(damaged) => {
                    let undamaged = options(whole.path()).open().unwrap();
                    assert!(load(&damaged).await == load(&undamaged).await);
                    drop(undamaged);
                    if !closed {
                        std::fs::remove_file(whole.path().join("clean")).unwrap();
                    }
                }
                Err(StateError::Corrupt { place, what, message }) => {
                    eprintln!("{at} of {used}: {what}: {message}");
                    assert_eq!(place, dir.display().to_string());
                    assert!(rows(&dir) == before, "a refused store is left as it is");
                    refusals += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(refusals > 0, "{refusals} of {rounds} damages were noticed");
    }
}

#[tokio::test]
async fn a_row_that_can_not_be_read_is_named_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), true).await;
    let id = {
        let db = sled::open(dir.path().join("rows")).unwrap();
        let (key, _) = db.scan_prefix(b"s\0shop\0\x01r").next().unwrap().unwrap();
        db.insert(&key, b"\0\0\0\0{\"id\":").unwrap();
        db.flush().unwrap();
        // Behind the stack and the kind comes the id, and the two bytes that end a name.
        String::from_utf8(key[key.len() - 22..key.len() - 2].to_vec()).unwrap()
    };
    let error = refused(dir.path());
    assert!(error.contains("row `s shop r") && error.contains(&id), "{error}");
}

#[test]
fn a_second_handle_is_told_that_the_store_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let first = SledStore::open(dir.path()).unwrap();
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StateError::InUse { place } if *place == dir.path().display().to_string())
    );
    drop(first);
    SledStore::open(dir.path()).unwrap();
}

#[test]
fn a_new_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    drop(SledStore::open(&folder).unwrap());
    for folder in [dir.path().join("a"), folder] {
        assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
