//! Whose a folder is: its file FORMAT, and its lock.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
};

use formwork_core::state::StateError;
use serde::{Deserialize, Serialize};

use crate::medium::Medium;

/// The format of the folder and its rows that this version writes.
pub(crate) const FORMAT: u32 = 1;

/// What the file FORMAT says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Format {
    formwork: String,
    format: u32,
    /// Whether the store was made completely; before that nothing was ever written to it.
    #[serde(default)]
    pub(crate) ready: bool,
}

/// Reads FORMAT; none in an empty folder. Writes nothing.
pub(crate) fn read(medium: &Medium) -> Result<Option<Format>, StateError> {
    let path = medium.dir.join("FORMAT");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let entries = std::fs::read_dir(&medium.dir).map_err(medium.io("read", &medium.dir))?;
            let ours = ["lock", "witness", "FORMAT.new", "FORMAT"];
            for entry in entries {
                let name = entry.map_err(medium.io("read", &medium.dir))?.file_name();
                if !ours.iter().any(|ours| name == *ours) {
                    return Err(medium.corrupt(
                        "the folder",
                        format!("it has no file FORMAT, so `{}` is not ours", name.display()),
                    ));
                }
            }
            return Ok(None);
        }
        Err(error) => return Err(medium.io("read", &path)(error)),
    };
    let format: Format =
        serde_json::from_slice(&text).map_err(|error| medium.corrupt("file FORMAT", error))?;
    if format.formwork != "state" {
        return Err(medium.corrupt("file FORMAT", "it is of something else than state"));
    }
    if format.format > FORMAT {
        let (found, known) = (format.format, FORMAT);
        return Err(StateError::Newer { place: medium.place(), found, known });
    }
    Ok(Some(format))
}

/// Writes FORMAT, whole or not at all.
pub(crate) fn write(medium: &Medium, ready: bool) -> Result<(), StateError> {
    let format = Format { formwork: "state".into(), format: FORMAT, ready };
    let text = serde_json::to_vec(&format).map_err(|error| medium.corrupt("file FORMAT", error))?;
    medium.replace(&medium.dir.join("FORMAT"), &text)
}

/// Takes the folder for this process alone.
pub(crate) fn lock(medium: &Medium) -> Result<File, StateError> {
    let path = medium.dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(medium.io("opened", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse { place: medium.place() }),
        Err(TryLockError::Error(error)) => Err(medium.io("opened", &path)(error)),
    }
}
