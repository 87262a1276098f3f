//! Where machines are kept: in memory, or one JSON file each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::machine::Machine;

pub(super) enum Store {
    Memory(BTreeMap<String, Machine>),
    Folder(PathBuf),
}

impl Store {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self::Folder(folder.to_owned()))
    }

    pub(super) fn load(&self, id: &str) -> io::Result<Option<Machine>> {
        match self {
            Self::Memory(machines) => Ok(machines.get(id).cloned()),
            Self::Folder(folder) => match fs::read(path(folder, id)) {
                Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                    let file = path(folder, id);
                    io::Error::other(format!(
                        "the file {} of the simulated machine is damaged ({error}); delete it to \
                         begin with a new one",
                        file.display()
                    ))
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Saves a machine; after a crash there is the old file or the new one.
    pub(super) fn save(&mut self, machine: &Machine) -> io::Result<()> {
        match self {
            Self::Memory(machines) => {
                machines.insert(machine.id.clone(), machine.clone());
                Ok(())
            }
            Self::Folder(folder) => {
                let target = path(folder, &machine.id);
                let beside = target.with_extension("new");
                let bytes = serde_json::to_vec(machine).map_err(io::Error::other)?;
                let mut file = fs::File::create(&beside)?;
                io::Write::write_all(&mut file, &bytes)?;
                file.sync_all()?;
                fs::rename(beside, target)
            }
        }
    }

    pub(super) fn remove(&mut self, id: &str) -> io::Result<bool> {
        match self {
            Self::Memory(machines) => Ok(machines.remove(id).is_some()),
            Self::Folder(folder) => match fs::remove_file(path(folder, id)) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    pub(super) fn ids(&self) -> io::Result<Vec<String>> {
        match self {
            Self::Memory(machines) => Ok(machines.keys().cloned().collect()),
            Self::Folder(folder) => {
                let mut ids = Vec::new();
                for entry in fs::read_dir(folder)? {
                    let name = entry?.file_name();
                    let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
                    ids.extend(stem.and_then(id_of));
                }
                ids.sort();
                Ok(ids)
            }
        }
    }
}

/// The file of a host: its id, with everything unusual in a file name as `%` and two hex digits.
fn path(folder: &Path, id: &str) -> PathBuf {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let name = id.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    });
    folder.join(name.collect::<String>() + ".json")
}

fn id_of(stem: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = stem.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let hex = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}
