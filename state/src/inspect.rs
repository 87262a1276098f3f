//! Whether what sled gives back is what was written.

use formwork_core::state::StateError;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{decode, digest::Digest, folder::sled_error, layout, medium::Medium};

/// The row of a stack itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StackRow {
    pub(crate) stack: String,
    pub(crate) lineage: String,
    pub(crate) version: u64,
    /// The token of the last lease.
    pub(crate) token: u64,
    /// Who has or had that lease, until it was given back.
    pub(crate) holder: Option<String>,
    /// The version that the journal's first entry made.
    pub(crate) journal_from: u64,
    /// Of all entries below the stack's rows.
    pub(crate) digest: Digest,
}

/// How many commits and leases the stacks have seen: a number that every write of weight moves on.
pub(crate) fn writes<'a>(stacks: impl IntoIterator<Item = &'a StackRow>) -> u64 {
    stacks.into_iter().map(|row| row.version.wrapping_add(row.token)).fold(0, u64::wrapping_add)
}

/// Reads whatever an opening reads; with `deep`, every entry, and checks all rows against their
/// stack's own. Returns how many [`writes`] there were.
pub(crate) fn inspect(medium: &Medium, db: &sled::Db, deep: bool) -> Result<u64, StateError> {
    db.get(layout::SECRETS).map_err(|error| sled_error(medium, "read", &error))?;
    let stacks = stacks(medium, db)?;
    for row in stacks.iter().filter(|_| deep) {
        let (digest, entries) = scan(medium, db, &row.stack)?;
        check(medium, row, digest)
            .map_err(|error| first_damaged(medium, &entries).unwrap_or(error))?;
        journal(medium, db, &row.stack)?;
    }
    Ok(writes(&stacks))
}

/// The first row that is not whole, by name.
fn first_damaged(medium: &Medium, entries: &[Entry]) -> Option<StateError> {
    let rows = match decode::split(medium, entries) {
        Ok(rows) => rows,
        Err(error) => return Some(error),
    };
    rows.iter().find_map(|row| {
        let (key, _) = row.first()?;
        let error = serde_json::from_slice::<IgnoredAny>(&decode::join(row)).err()?;
        Some(medium.corrupt(layout::describe(key), error))
    })
}

/// The own rows of all stacks.
pub(crate) fn stacks(medium: &Medium, db: &sled::Db) -> Result<Vec<StackRow>, StateError> {
    let rows = db.scan_prefix(layout::STACKS).map(|entry| {
        let (key, value) = entry.map_err(|error| sled_error(medium, "read", &error))?;
        serde_json::from_slice(&value)
            .map_err(|error| medium.corrupt(layout::describe(&key), error))
    });
    rows.collect()
}

/// An entry of sled's.
pub(crate) type Entry = (sled::IVec, sled::IVec);

/// The entries of a stack's rows, in order, and what they sum up to.
pub(crate) fn scan(
    medium: &Medium,
    db: &sled::Db,
    stack: &str,
) -> Result<(Digest, Vec<Entry>), StateError> {
    let (mut digest, mut entries) = (Digest::default(), Vec::new());
    for entry in db.scan_prefix(layout::rows(stack)) {
        let (key, value) = entry.map_err(|error| sled_error(medium, "read", &error))?;
        digest.add(&key, &value);
        entries.push((key, value));
    }
    Ok((digest, entries))
}

/// Refuses rows that are not those that the stack's own row sums up.
pub(crate) fn check(medium: &Medium, row: &StackRow, digest: Digest) -> Result<(), StateError> {
    if digest == row.digest {
        return Ok(());
    }
    Err(medium.corrupt(
        format!("the rows of stack `{}`", row.stack),
        format!("some are missing, or older than version {}", row.version),
    ))
}

/// A stack's journal: the version that each commit made, and its changes as they lie.
pub(crate) fn journal(
    medium: &Medium,
    db: &sled::Db,
    stack: &str,
) -> Result<Vec<(u64, Vec<u8>)>, StateError> {
    let prefix = layout::journal(stack);
    let mut entries: Vec<(u64, Vec<u8>)> = Vec::new();
    for entry in db.scan_prefix(&prefix) {
        let (key, value) = entry.map_err(|error| sled_error(medium, "read", &error))?;
        let damaged = || medium.corrupt(layout::describe(&key), "the journal");
        let (version, piece) = key
            .strip_prefix(prefix.as_slice())
            .and_then(|rest| rest.split_first_chunk())
            .ok_or_else(damaged)?;
        if piece.is_empty() {
            let (_, bytes) = layout::head(&value).ok_or_else(damaged)?;
            entries.push((u64::from_be_bytes(*version), bytes.to_vec()));
        } else {
            entries.last_mut().ok_or_else(damaged)?.1.extend_from_slice(&value);
        }
    }
    Ok(entries)
}
