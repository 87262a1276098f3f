//! The objects that exist, by scope, kind and id, and transactions over them.
//!
//! The maps here are the truth while the process lives; `store` only follows them. A transaction
//! writes into the maps at once and keeps what it replaced: dropping it undoes it, so an operation
//! that fails, or panics, leaves no trace.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{row::Row, time::Millis};

/// Where a row lives: account and region, or account and `global`.
pub(crate) type Scope = String;

/// The full key of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) scope: Scope,
    pub(crate) kind: String,
    pub(crate) id: String,
}

/// A row and when it was first written, which is what eventual consistency goes by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) born: Millis,
    pub(crate) value: Value,
}

/// A row to be written to disk, or to be removed from it.
pub(crate) type Write = (Key, Option<Stored>);

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct World {
    scopes: HashMap<Scope, HashMap<String, BTreeMap<String, Stored>>>,
}

impl World {
    /// Adds a row that was read from disk.
    pub(crate) fn load(&mut self, key: Key, stored: Stored) {
        self.set(&key, Some(stored));
    }

    /// Starts a transaction.
    pub(crate) fn begin(&mut self) -> Transaction<'_> {
        Transaction { world: self, undo: Vec::new(), damage: RefCell::default() }
    }

    fn table(&self, scope: &str, kind: &str) -> Option<&BTreeMap<String, Stored>> {
        self.scopes.get(scope)?.get(kind)
    }

    fn set(&mut self, key: &Key, stored: Option<Stored>) -> Option<Stored> {
        let kinds = self.scopes.entry(key.scope.clone()).or_default();
        let table = kinds.entry(key.kind.clone()).or_default();
        match stored {
            Some(stored) => table.insert(key.id.clone(), stored),
            None => table.remove(&key.id),
        }
    }
}

/// One operation's changes: all of them, or none.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    world: &'a mut World,
    undo: Vec<(Key, Option<Stored>)>,
    damage: RefCell<Option<String>>,
}

impl Transaction<'_> {
    /// Reads one row as stored.
    pub(crate) fn stored(&self, scope: &str, kind: &str, id: &str) -> Option<&Stored> {
        self.world.table(scope, kind)?.get(id)
    }

    /// Reads one row.
    pub(crate) fn get<T: Row>(&self, scope: &str, id: &str) -> Option<T> {
        self.decode(T::KIND, id, self.stored(scope, T::KIND, id)?)
    }

    /// Reads all rows of a kind that were born up to a time, in the order of their ids.
    pub(crate) fn rows<T: Row>(&self, scope: &str, until: Millis) -> Vec<T> {
        let Some(table) = self.world.table(scope, T::KIND) else { return Vec::new() };
        table
            .iter()
            .filter(|(_, stored)| stored.born <= until)
            .filter_map(|(id, stored)| self.decode(T::KIND, id, stored))
            .collect()
    }

    /// Lists the ids of a kind, in order.
    pub(crate) fn ids(&self, scope: &str, kind: &str) -> Vec<String> {
        self.world.table(scope, kind).map_or_else(Vec::new, |table| table.keys().cloned().collect())
    }

    /// Counts the rows of a kind.
    pub(crate) fn count(&self, scope: &str, kind: &str) -> usize {
        self.world.table(scope, kind).map_or(0, BTreeMap::len)
    }

    /// Writes a row; a row that exists keeps its birth.
    pub(crate) fn put<T: Row>(&mut self, scope: &str, row: &T, now: Millis) {
        match serde_json::to_value(row) {
            Ok(value) => self.put_value(scope, T::KIND, row.id(), value, now),
            Err(error) => self.note(format!("{} {}: {error}", T::KIND, row.id())),
        }
    }

    /// Writes a row that is already a JSON value.
    pub(crate) fn put_value(
        &mut self,
        scope: &str,
        kind: &str,
        id: &str,
        value: Value,
        now: Millis,
    ) {
        let born = self.stored(scope, kind, id).map_or(now, |stored| stored.born);
        self.replace(scope, kind, id, Some(Stored { born, value }));
    }

    /// Removes a row, if it is there.
    pub(crate) fn remove(&mut self, scope: &str, kind: &str, id: &str) {
        if self.stored(scope, kind, id).is_some() {
            self.replace(scope, kind, id, None);
        }
    }

    /// A point that [`Transaction::roll_back`] can return to.
    pub(crate) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Undoes what was changed since a mark, and keeps what was changed before.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        for (key, before) in self.undo.split_off(mark.min(self.undo.len())).into_iter().rev() {
            self.world.set(&key, before);
        }
    }

    /// What made a row unreadable or unwritable, if anything did.
    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.borrow().clone()
    }

    /// Keeps the changes and returns them, each row once, as they are to be stored.
    pub(crate) fn commit(mut self) -> Vec<Write> {
        let mut writes = HashMap::new();
        for (key, _) in std::mem::take(&mut self.undo) {
            let stored = self.stored(&key.scope, &key.kind, &key.id).cloned();
            writes.insert(key, stored);
        }
        writes.into_iter().collect()
    }

    fn replace(&mut self, scope: &str, kind: &str, id: &str, stored: Option<Stored>) {
        let key = Key { scope: scope.to_owned(), kind: kind.to_owned(), id: id.to_owned() };
        let before = self.world.set(&key, stored);
        self.undo.push((key, before));
    }

    fn decode<T: Row>(&self, kind: &str, id: &str, stored: &Stored) -> Option<T> {
        match T::deserialize(&stored.value) {
            Ok(row) => Some(row),
            Err(error) => {
                self.note(format!("{kind} {id}: {error}"));
                None
            }
        }
    }

    fn note(&self, damage: String) {
        self.damage.borrow_mut().get_or_insert(damage);
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        for (key, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.world.set(&key, before);
        }
    }
}
