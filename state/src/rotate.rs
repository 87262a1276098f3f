//! Another key for everything that is sealed.
//!
//! A store is far larger than one batch may be (see the writer), so its rows are sealed anew piece by
//! piece. Before the first piece both keys are known to the store, each sealed with the other, and the
//! old one is forgotten after the last: at every moment between, either of them opens everything.

use std::time::Instant;

use formwork_core::state::StateError;

use crate::{
    batch::{Batch, Rows},
    decode::{self, Parser},
    digest::Digest,
    encode::encode,
    inspect,
    key::{KeyRow, KeySource},
    layout,
    seal::Vault,
    writer::Writer,
};

/// How many bytes are written before they are made durable.
const PIECE: usize = 64 * 1024;

/// Whether there is something sealed in a row or an entry of the journal as it lies.
fn is_sealed(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"$sealed";
    bytes.windows(MARK.len()).any(|at| at == MARK)
}

impl Writer {
    /// Seals everything anew. It is one command of the writer, so nobody writes meanwhile; leases
    /// are refused, for what a run has sealed already would come after it.
    pub(crate) fn rotate(&mut self, vault: &Vault, to: &KeySource) -> Result<(), StateError> {
        self.broken.clone().map_or(Ok(()), Err)?;
        let now = Instant::now();
        let mut stacks: Vec<String> = self.stacks.keys().cloned().collect();
        stacks.sort();
        for stack in &stacks {
            self.refuse_if_leased(stack, now)?;
        }
        let Some(both) = vault.begin_rotation(to)? else { return Ok(()) };
        let done = self.write_key(&both).and_then(|()| {
            for stack in &stacks {
                self.reseal(vault, stack)?;
            }
            vault.end_rotation().map_or(Ok(()), |row| self.write_key(&row))
        });
        if let Err(error) = &done {
            // The vault may be ahead of what is durable: opened again, it is not.
            self.broken = Some(error.clone());
        }
        done
    }

    fn write_key(&self, row: &KeyRow) -> Result<(), StateError> {
        let medium = self.folder.medium();
        let row = serde_json::to_vec(row)
            .map_err(|error| medium.corrupt(layout::describe(layout::SECRETS), error))?;
        let mut batch = Batch::default();
        batch.set_entry(layout::SECRETS.to_vec(), Some(row));
        self.make_durable(batch)
    }

    /// Seals the rows and the journal of one stack anew.
    fn reseal(&mut self, vault: &Vault, stack: &str) -> Result<(), StateError> {
        let medium = self.folder.medium().clone();
        let Some(mut own) = self.stacks.get(stack).cloned() else { return Ok(()) };
        let (digest, entries) = inspect::scan(&medium, &self.db, stack)?;
        inspect::check(&medium, &own, digest)?;
        let parser = Parser { vault, medium: &medium, stack };
        let mut batch = Batch::default();
        for row in decode::split(&medium, &entries)? {
            if !is_sealed(&decode::join(&row)) {
                continue;
            }
            let encoded = encode(vault, &medium, stack, vec![parser.change(&row)?])?;
            let rows = Rows { db: &self.db, medium: &medium };
            for (key, value) in &encoded.rows {
                batch.set(&rows, key, value.as_deref(), &mut own.digest)?;
            }
            if batch.bytes() >= PIECE {
                self.keep(own.clone(), &mut batch)?;
                self.make_durable(std::mem::take(&mut batch))?;
            }
        }
        self.keep(own, &mut batch)?;
        let unsummed = &mut Digest::default();
        for (version, bytes) in inspect::journal(&medium, &self.db, stack)? {
            if !is_sealed(&bytes) {
                continue;
            }
            let changes = decode::changes(vault, &medium, stack, version, &bytes)?;
            let encoded = encode(vault, &medium, stack, changes)?;
            let rows = Rows { db: &self.db, medium: &medium };
            let key = layout::entry(stack, version);
            batch.set(&rows, &key, Some(&encoded.journal), unsummed)?;
            if batch.bytes() >= PIECE {
                self.make_durable(std::mem::take(&mut batch))?;
            }
        }
        self.make_durable(batch)
    }
}
