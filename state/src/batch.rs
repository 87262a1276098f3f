//! What one durable write consists of, collected before any of it is written.

use std::collections::HashMap;

use formwork_core::state::StateError;

use crate::{digest::Digest, folder::sled_error, layout, medium::Medium};

/// Writes that are applied together, and seen by those that are collected after them.
#[derive(Default)]
pub(crate) struct Batch {
    entries: HashMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes it writes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes one entry as it is.
    pub(crate) fn set_entry(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        self.entries.insert(key, value);
    }

    fn entry(&self, rows: &Rows<'_>, key: &[u8]) -> Result<Option<sled::IVec>, StateError> {
        match self.entries.get(key) {
            Some(pending) => Ok(pending.as_deref().map(sled::IVec::from)),
            None => rows.db.get(key).map_err(|error| sled_error(rows.medium, "read", &error)),
        }
    }

    /// Writes or removes a value of any length, and moves `digest` along.
    ///
    /// It costs as much as the old value and the new one are long, whatever else the store holds.
    pub(crate) fn set(
        &mut self,
        rows: &Rows<'_>,
        key: &[u8],
        value: Option<&[u8]>,
        digest: &mut Digest,
    ) -> Result<(), StateError> {
        let new = value.map(|value| layout::pieces(key, value)).unwrap_or_default();
        if let Some(old) = self.entry(rows, key)? {
            let (count, _) = layout::head(&old)
                .ok_or_else(|| rows.medium.corrupt(layout::describe(key), "it has no length"))?;
            digest.remove(key, &old);
            if new.is_empty() {
                self.set_entry(key.to_vec(), None);
            }
            for n in 1..=count {
                let piece = layout::piece(key, n);
                let old = self.entry(rows, &piece)?.ok_or_else(|| {
                    rows.medium.corrupt(layout::describe(key), "a piece of it is missing")
                })?;
                digest.remove(&piece, &old);
                if n as usize >= new.len() {
                    self.set_entry(piece, None);
                }
            }
        }
        for (key, value) in new {
            digest.add(&key, &value);
            self.set_entry(key, Some(value));
        }
        Ok(())
    }

    /// Hands all of it to sled, which applies it as one: a crash leaves all or none of it.
    pub(crate) fn apply(self, rows: &Rows<'_>) -> Result<(), StateError> {
        let mut batch = sled::Batch::default();
        for (key, value) in self.entries {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        rows.db.apply_batch(batch).map_err(|error| sled_error(rows.medium, "written", &error))
    }
}

/// What a batch reads and writes.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) db: &'a sled::Db,
    pub(crate) medium: &'a Medium,
}
