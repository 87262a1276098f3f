//! The file `.env` of the current folder.

use std::{io, path::Path};

use crate::error::CliError;

const NAME: &str = ".env";

/// What `.env` in `dir` sets; nothing if it is not there.
pub(crate) fn read(dir: &Path) -> Result<Vec<(String, String)>, CliError> {
    let path = dir.join(NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let all = dotenvy::from_path_iter(&path).and_then(Iterator::collect);
    all.map_err(|error| {
        CliError::settings(match error {
            dotenvy::Error::LineParse(line, _) => {
                // The line itself may hold a secret.
                let name = line.split(['=', ' ']).next().unwrap_or_default();
                format!("{NAME}: the line that starts with `{name}` can not be read")
            }
            error => format!("{NAME} can not be read: {error}"),
        })
    })
}

/// Puts it into this process's environment too, for libraries that look there; what is set stays.
/// Must be called while the process has one thread.
pub(crate) fn load(dir: &Path) -> io::Result<()> {
    match dotenvy::from_path(dir.join(NAME)) {
        Err(error) if !error.not_found() => Err(io::Error::other(error.to_string())),
        _ => Ok(()),
    }
}
