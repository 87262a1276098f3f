//! Changes into rows of the store, sealed.

use formwork_core::state::{Change, StateError};

use crate::{
    layout::Row,
    medium::Medium,
    seal::{Vault, bound_to, row_of},
};

/// A commit as the writer takes it. Encoding is the caller's work, so it runs beside the syncs.
pub(crate) struct Encoded {
    /// Keys, and the values to write or nothing to remove, in order.
    pub(crate) rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The same changes as one JSON list.
    pub(crate) journal: Vec<u8>,
    /// What the store must keep of the key, when something is sealed with it.
    pub(crate) secrets: Option<Vec<u8>>,
}

/// Seals and encodes `changes` of `stack`.
pub(crate) fn encode(
    vault: &Vault,
    medium: &Medium,
    stack: &str,
    changes: Vec<Change>,
) -> Result<Encoded, StateError> {
    let mut rows = Vec::with_capacity(changes.len());
    let mut journal = Vec::with_capacity(256 * changes.len());
    let mut sealed = false;
    for change in changes {
        let bound = row_of(&change).map(|row| bound_to(stack, row)).unwrap_or_default();
        let change = change.try_map_values(&mut |value| {
            sealed |= value.has_secret();
            vault.seal(&bound, value)
        })?;
        journal.push(if journal.is_empty() { b'[' } else { b',' });
        let (name, row) = match &change {
            Change::Open(intent) => ("open", Row::Intent(intent.id)),
            Change::Close(id) => ("close", Row::Intent(*id)),
            Change::Put(record) => ("put", Row::Record(record.id)),
            Change::Remove(id) => ("remove", Row::Record(*id)),
            Change::Pin(pin) => ("pin", Row::Pin(&pin.address)),
            Change::Unpin(address) => ("unpin", Row::Pin(address)),
            Change::Target(target) => ("target", Row::Target(&target.provider)),
            Change::Depart(gone) => ("depart", Row::Departed(&gone.address)),
            Change::Return(address) => ("return", Row::Departed(address)),
            Change::Exports(_) => ("exports", Row::Exports),
        };
        let (content, removes) = match &change {
            Change::Open(intent) => (serde_json::to_vec(intent), false),
            Change::Put(record) => (serde_json::to_vec(record), false),
            Change::Pin(pin) => (serde_json::to_vec(pin), false),
            Change::Target(target) => (serde_json::to_vec(target), false),
            Change::Depart(gone) => (serde_json::to_vec(gone), false),
            Change::Exports(exports) => (serde_json::to_vec(exports), false),
            Change::Close(id) | Change::Remove(id) => (serde_json::to_vec(id), true),
            Change::Unpin(address) | Change::Return(address) => (serde_json::to_vec(address), true),
        };
        let content = content.map_err(|error| medium.corrupt(format!("{row:?}"), error))?;
        // The form that serde gives a `Change`, without serializing its content a second time.
        journal.extend(format!("{{\"{name}\":").bytes());
        journal.extend(&content);
        journal.push(b'}');
        rows.push((row.key(stack), (!removes).then_some(content)));
    }
    if journal.is_empty() {
        journal.push(b'[');
    }
    journal.push(b']');
    let secrets = match vault.row().filter(|_| sealed) {
        Some(row) => Some(
            serde_json::to_vec(&row).map_err(|error| medium.corrupt("the row `secrets`", error))?,
        ),
        None => None,
    };
    Ok(Encoded { rows, journal, secrets })
}
