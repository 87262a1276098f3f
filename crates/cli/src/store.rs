//! Opening the state: the one place that knows which store it is.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use formwork_core::{
    Secret,
    state::{StateError, StateStore},
};
use formwork_state::{KeySource, SledStore};

use crate::error::CliError;

/// Opens the store of a state folder, given the environment.
pub(crate) type Opener = dyn Fn(&Path, &BTreeMap<String, String>) -> Result<Arc<dyn StateStore>, StateError>
    + Send
    + Sync;

/// The default store: sled, in the folder `state` of the state folder.
///
/// Its key is the passphrase `FORMWORK_PASSPHRASE`, or the file `FORMWORK_KEY_FILE`, or the file
/// `formwork/key` in the user's configuration folder.
pub(crate) fn sled(
    state_dir: &Path,
    env: &BTreeMap<String, String>,
) -> Result<Arc<dyn StateStore>, StateError> {
    let mut options = SledStore::options(folder(state_dir));
    if let Some(key) = key(env) {
        options = options.key(key);
    }
    Ok(Arc::new(options.open()?))
}

/// Where the default store keeps its files.
pub(crate) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("state")
}

/// Refuses a state folder that is a file, or in one; `shown` is how the user wrote it.
pub(crate) fn refuse_file(state_dir: &Path, shown: &Path) -> Result<(), CliError> {
    let first = state_dir.ancestors().find(|path| path.exists());
    match first.filter(|path| !path.is_dir()) {
        None => Ok(()),
        Some(file) => {
            let message = match file == state_dir {
                true => format!("the state folder {} is a file, not a folder", shown.display()),
                false => format!("the state folder {} is inside of a file", shown.display()),
            };
            Err(CliError::settings(message).with_help("name another one with --state-dir"))
        }
    }
}

/// The passphrase for what goes to another state, if one is set.
pub(crate) fn export_key(env: &BTreeMap<String, String>) -> Option<KeySource> {
    let passphrase = env.get("FORMWORK_EXPORT_PASSPHRASE").filter(|value| !value.is_empty())?;
    Some(KeySource::Passphrase(Secret::new(passphrase.clone())))
}

/// Where the key of the default store comes from, which also seals saved plans.
pub(crate) fn key(env: &BTreeMap<String, String>) -> Option<KeySource> {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    if let Some(passphrase) = set("FORMWORK_PASSPHRASE") {
        return Some(KeySource::Passphrase(Secret::new(passphrase.clone())));
    }
    if let Some(file) = set("FORMWORK_KEY_FILE") {
        return Some(KeySource::File(file.into()));
    }
    let config = match set("XDG_CONFIG_HOME") {
        Some(config) => PathBuf::from(config),
        None => PathBuf::from(set("HOME")?).join(".config"),
    };
    Some(KeySource::File(config.join("formwork").join("key")))
}
