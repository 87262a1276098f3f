//! Rows of the store into a state, opened.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    thread::{available_parallelism, scope},
};

use formwork_core::{
    state::{Change, Departed, Intent, Pin, ProviderTarget, Record, Snapshot, StateError},
    value::Value,
};
use serde::de::DeserializeOwned;

use crate::{
    command::RawStack,
    inspect::{self, Entry},
    layout::{self, Row},
    medium::Medium,
    seal::{Vault, bound_to, row_of},
};

/// Below this many rows a thread costs more than it saves.
const WORTH_A_THREAD: usize = 1024;

enum Parsed {
    Record(Box<Record>),
    Intent(Intent),
    Pin(Pin),
    Target(ProviderTarget),
    Departed(Departed),
    Exports(Value),
}

/// The rows of one stack as they lie, one slice of entries per row.
pub(crate) type Lying<'a> = &'a [Entry];

/// Opens and parses a stack, and checks that it is all there.
pub(crate) fn decode(
    vault: &Vault,
    medium: &Medium,
    raw: &RawStack,
) -> Result<Snapshot, StateError> {
    let rows = split(medium, &raw.entries)?;
    let parser = Parser { vault, medium, stack: &raw.row.stack };
    let threads = available_parallelism().map_or(1, usize::from).min(8);
    let share = rows.len().div_ceil(threads).max(WORTH_A_THREAD);
    let parsed: Vec<Result<Vec<Parsed>, StateError>> = scope(|threads| {
        let running: Vec<_> = rows
            .chunks(share)
            .map(|rows| threads.spawn(|| rows.iter().map(|row| parser.parse(row)).collect()))
            .collect();
        let panicked = || Err(medium.corrupt("the rows", "reading them panicked"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect()
    });
    let (mut records, mut intents) = (Vec::new(), Vec::new());
    let (mut pins, mut targets) = (Vec::new(), Vec::new());
    let mut departed = Vec::new();
    let mut exports = Value::Null;
    for share in parsed {
        for row in share? {
            match row {
                Parsed::Record(record) => records.push((record.id, *record)),
                Parsed::Intent(intent) => intents.push((intent.id, intent)),
                Parsed::Pin(pin) => pins.push((pin.address.clone(), pin)),
                Parsed::Target(target) => targets.push((target.provider.clone(), target)),
                Parsed::Departed(gone) => departed.push((gone.address.clone(), gone)),
                Parsed::Exports(value) => exports = value,
            }
        }
    }
    inspect::check(medium, &raw.row, raw.digest)?;
    Ok(Snapshot {
        lineage: raw.row.lineage.clone(),
        version: raw.row.version,
        records: BTreeMap::from_iter(records),
        intents: BTreeMap::from_iter(intents),
        pins: BTreeMap::from_iter(pins),
        targets: BTreeMap::from_iter(targets),
        departed: BTreeMap::from_iter(departed),
        exports,
    })
}

/// Groups entries into rows.
pub(crate) fn split<'a>(
    medium: &Medium,
    mut entries: &'a [Entry],
) -> Result<Vec<Lying<'a>>, StateError> {
    let mut rows = Vec::with_capacity(entries.len());
    while let Some((key, value)) = entries.first() {
        let further = layout::head(value).map(|(count, _)| count as usize);
        let (row, rest) = further
            .and_then(|further| entries.split_at_checked(further.checked_add(1)?))
            .filter(|(row, _)| row.iter().all(|(piece, _)| piece.starts_with(key)))
            .ok_or_else(|| medium.corrupt(layout::describe(key), "a piece of it is missing"))?;
        rows.push(row);
        entries = rest;
    }
    Ok(rows)
}

/// The value that lies in a row's entries.
pub(crate) fn join<'a>(row: &Lying<'a>) -> Cow<'a, [u8]> {
    let mut pieces = row.iter().map(|(_, piece)| piece.as_ref());
    let first = pieces.next().and_then(layout::head).map_or(&[][..], |(_, bytes)| bytes);
    if row.len() < 2 {
        return Cow::Borrowed(first);
    }
    let mut joined = first.to_vec();
    pieces.for_each(|piece| joined.extend_from_slice(piece));
    Cow::Owned(joined)
}

#[derive(Clone, Copy)]
struct Parser<'a> {
    vault: &'a Vault,
    medium: &'a Medium,
    stack: &'a str,
}

impl Parser<'_> {
    fn parse(&self, row: &Lying<'_>) -> Result<Parsed, StateError> {
        let Some((key, _)) = row.first() else {
            return Err(self.medium.corrupt("a row", "it is empty"));
        };
        let bytes = &join(row);
        let open = |row: Row<'_>, value: Value| match value.has_secret() {
            true => self.vault.open(&bound_to(self.stack, row), value),
            false => Ok(value),
        };
        let kind = key.strip_prefix(layout::rows(self.stack).as_slice()).and_then(<[u8]>::first);
        match kind {
            Some(b'r') => {
                let record: Record = self.json(key, bytes)?;
                let row = Row::Record(record.id);
                let record = record.try_map_values(&mut |value| open(row, value))?;
                Ok(Parsed::Record(Box::new(record)))
            }
            Some(b'i') => {
                let intent: Intent = self.json(key, bytes)?;
                let row = Row::Intent(intent.id);
                intent.try_map_values(&mut |value| open(row, value)).map(Parsed::Intent)
            }
            Some(b'p') => {
                let pin: Pin = self.json(key, bytes)?;
                let address = pin.address.clone();
                pin.try_map_values(&mut |value| open(Row::Pin(&address), value)).map(Parsed::Pin)
            }
            Some(b't') => {
                let target: ProviderTarget = self.json(key, bytes)?;
                let provider = target.provider.clone();
                let open = &mut |value| open(Row::Target(&provider), value);
                target.try_map_values(open).map(Parsed::Target)
            }
            Some(b'd') => self.json(key, bytes).map(Parsed::Departed),
            Some(b'x') => open(Row::Exports, self.json(key, bytes)?).map(Parsed::Exports),
            _ => Err(self.medium.corrupt(layout::describe(key), "it is of no known kind")),
        }
    }

    fn json<T: DeserializeOwned>(&self, key: &[u8], bytes: &[u8]) -> Result<T, StateError> {
        serde_json::from_slice(bytes)
            .map_err(|error| self.medium.corrupt(layout::describe(key), error))
    }
}

/// Parses and opens one entry of a stack's journal.
pub(crate) fn changes(
    vault: &Vault,
    medium: &Medium,
    stack: &str,
    version: u64,
    bytes: &[u8],
) -> Result<Vec<Change>, StateError> {
    let changes: Vec<Change> = serde_json::from_slice(bytes).map_err(|error| {
        medium.corrupt(format!("version {version} in the journal of `{stack}`"), error)
    })?;
    let open = |change: Change| {
        let bound = row_of(&change).map(|row| bound_to(stack, row)).unwrap_or_default();
        change.try_map_values(&mut |value| vault.open(&bound, value))
    };
    changes.into_iter().map(open).collect()
}
