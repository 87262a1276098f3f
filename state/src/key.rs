//! The key that secrets are sealed with: where it comes from, and how a wrong one is told.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use formwork_core::{Secret, state::StateError};
use serde::{Deserialize, Serialize};

use crate::seal::Key;

/// Where the key comes from that a store seals its secrets with.
///
/// It is asked for when there is a secret to seal, or when the store holds sealed ones.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeySource {
    /// A file outside the state folder, by convention `${XDG_CONFIG_HOME:-~/.config}/formwork/key`.
    /// It is made, with a random key and readable by its owner alone, when the first secret is
    /// sealed. A store that has secrets and whose file is gone can not be read.
    File(PathBuf),
    /// A passphrase, stretched with Argon2id; the salt lies in the store.
    Passphrase(Secret<String>),
    /// The key itself.
    Bytes(Secret<[u8; 32]>),
}

/// How the key of a store is derived and checked, as a row of the store. It holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// A known text, sealed.
    pub(crate) check: String,
    /// What a passphrase is stretched with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stretch: Option<Stretch>,
    /// The key before, while not everything is sealed with this one yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former: Option<Box<Former>>,
}

/// A rotation under way: each of two keys leads to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Former {
    /// How the former key is derived and checked.
    pub(crate) row: KeyRow,
    /// The former key, sealed with the new one.
    pub(crate) old: String,
    /// The new key, sealed with the former one.
    pub(crate) new: String,
}

/// What the keys of a rotation are bound to.
const ROTATION: &[u8] = b"formwork: the other key of a rotation";

impl Former {
    /// The way from either key to the other.
    pub(crate) fn new(row: KeyRow, old: &Key, new: &Key) -> Result<Self, String> {
        let seal = |with: &Key, key: &Key| with.seal(ROTATION, key.bytes());
        Ok(Self { row, old: seal(new, old)?, new: seal(old, new)? })
    }
}

fn other_key(known: &Key, sealed: &str) -> Result<Key, String> {
    let bytes = known.open(ROTATION, sealed).and_then(|bytes| bytes.try_into().ok());
    bytes.map(Key::new).ok_or_else(|| "the other key of a rotation does not open".to_owned())
}

/// Argon2id and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    salt: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Stretch {
    /// The first choice of the OWASP Password Storage Cheat Sheet for Argon2id: 19 MiB, 2 passes.
    fn new() -> Result<Self, String> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
        Ok(Self { salt: STANDARD.encode(salt), memory_kib: 19 * 1024, passes: 2, lanes: 1 })
    }

    fn apply(&self, passphrase: &str) -> Result<Key, String> {
        let salt = STANDARD.decode(&self.salt).map_err(|error| format!("its salt: {error}"))?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|error| error.to_string())?;
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &salt, &mut key)
            .map_err(|error| error.to_string())?;
        Ok(Key::new(key))
    }
}

impl KeySource {
    /// Refuses a key file inside `dir`: whoever copies the state would copy its key.
    pub(crate) fn check_place(&self, dir: &Path) -> Result<(), StateError> {
        let KeySource::File(file) = self else { return Ok(()) };
        if real(file).starts_with(real(dir)) {
            return Err(StateError::Key {
                place: dir.display().to_string(),
                message: format!(
                    "the key file {} lies inside the state folder; keep it elsewhere",
                    file.display()
                ),
            });
        }
        Ok(())
    }

    /// The keys of a store that already has sealed secrets: what it seals with, and the one before
    /// while a rotation is under way. Either of them is enough to get both.
    pub(crate) fn both(&self, row: &KeyRow) -> Result<(Key, Option<Key>), String> {
        let Some(former) = &row.former else { return Ok((self.existing(row)?, None)) };
        match self.existing(row) {
            Ok(new) => {
                let old = other_key(&new, &former.old)?;
                Ok((new, Some(old)))
            }
            Err(why) => {
                let old = self.existing(&former.row).map_err(|_| why)?;
                let new = other_key(&old, &former.new)?;
                Ok((new, Some(old)))
            }
        }
    }

    /// The key of a store that already has sealed secrets.
    pub(crate) fn existing(&self, row: &KeyRow) -> Result<Key, String> {
        let key = match (self, &row.stretch) {
            (KeySource::File(file), _) => read(file)?.ok_or_else(|| {
                format!("the key file {} is not there; restore it", file.display())
            })?,
            (KeySource::Passphrase(passphrase), Some(stretch)) => {
                stretch.apply(passphrase.expose())?
            }
            (KeySource::Passphrase(_), None) => {
                return Err("they were sealed with a key, not with a passphrase".to_owned());
            }
            (KeySource::Bytes(bytes), _) => Key::new(*bytes.expose()),
        };
        if key.passes(&row.check) { Ok(key) } else { Err("this is not their key".to_owned()) }
    }

    /// The key of a store that has no secret yet, and the row to keep of it. Makes the key file.
    pub(crate) fn first(&self) -> Result<(Key, KeyRow), String> {
        let (key, stretch) = match self {
            KeySource::File(file) => (read(file)?.map_or_else(|| make(file), Ok)?, None),
            KeySource::Passphrase(passphrase) => {
                let stretch = Stretch::new()?;
                (stretch.apply(passphrase.expose())?, Some(stretch))
            }
            KeySource::Bytes(bytes) => (Key::new(*bytes.expose()), None),
        };
        let check = key.check()?;
        Ok((key, KeyRow { check, stretch, former: None }))
    }
}

/// The path with what exists of it resolved.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors()
        .find_map(|ancestor| {
            let rest = path.strip_prefix(ancestor).ok()?;
            Some(ancestor.canonicalize().ok()?.join(rest))
        })
        .unwrap_or_else(|| path.clone())
}

fn read(file: &Path) -> Result<Option<Key>, String> {
    let say = |error: &dyn std::fmt::Display| format!("the key file {}: {error}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(say(&error)),
    };
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Key::new).map(Some).ok_or_else(|| say(&"it does not hold 32 bytes as base64"))
}

/// Makes the key file, whole or not at all, and durable before anything is sealed with it.
fn make(file: &Path) -> Result<Key, String> {
    let say = |error: std::io::Error| format!("the key file {}: {error}", file.display());
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    crate::medium::create_dir(dir).map_err(say)?;
    let draft = dir.join(format!(".key-{}", std::process::id()));
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut to = options.open(&draft)?;
        writeln!(to, "{}", STANDARD.encode(bytes))?;
        to.sync_all()?;
        // A link, unlike a rename, does not replace the file of someone who was faster.
        std::fs::hard_link(&draft, file)
    })();
    let removed = std::fs::remove_file(&draft);
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            read(file)?.ok_or_else(|| format!("the key file {} comes and goes", file.display()))
        }
        Err(error) => Err(say(error)),
        Ok(()) => {
            removed.and_then(|()| crate::medium::sync_dir(dir)).map_err(say)?;
            Ok(Key::new(bytes))
        }
    }
}
