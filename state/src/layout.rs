//! Where a row lies: the keys of sled's one tree, and rows that are longer than one entry.
//!
//! ```text
//! g | secrets                       how the key is derived and how a wrong one is told
//! m | stack                         the stack's lineage, version, token, holder and digest
//! s | stack | r | id                a record          s | stack | i | id   an intent
//! s | stack | p | address           a pin             s | stack | x |      the exports
//! s | stack | t | provider          where it points      s | stack | d | address   what left
//! j | stack | version               the changes that made this version
//! ```
//!
//! A name is ended by the bytes 0 1 and a 0 inside it is written 0 255, so no name is the beginning
//! of another. A long name is cut and hashed, for sled keeps 256 keys in one inner node.
//!
//! A long value is cut into pieces of [`PIECE`] bytes, under the row's key and that key with a
//! number after it. sled 0.34 moves a node of more than a quarter of a segment (128 KiB) into a file
//! of its own (`pagecache/constants.rs`, `MINIMUM_ITEMS_PER_SEGMENT`), which it neither syncs
//! (`pagecache/blob_io.rs`, `write_blob`) nor keeps until the node that takes its place is durable
//! (`pagecache/segment.rs`, `remove_blob`). A leaf splits at 16 entries (`node.rs`, `should_split`),
//! so with short keys and pieces no node gets there, and all that sled writes is its log.

use formwork_core::{Address, ResourceId};
use sha2::{Digest, Sha256};

/// The longest entry of sled's tree, in bytes.
pub(crate) const PIECE: usize = 4096;

/// The longest name that a key holds as it is.
const LONGEST_NAME: usize = 64;

pub(crate) const SECRETS: &[u8] = b"g\0secrets";
pub(crate) const STACKS: &[u8] = b"m\0";

fn push_name(key: &mut Vec<u8>, name: &[u8]) {
    if name.len() <= LONGEST_NAME {
        for byte in name {
            key.push(*byte);
            if *byte == 0 {
                key.push(255);
            }
        }
        key.extend([0, 1]);
    } else {
        key.extend([0, 2]);
        key.extend(Sha256::digest(name));
    }
}

fn of_stack(space: u8, stack: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(stack.len() + 32);
    key.extend([space, 0]);
    push_name(&mut key, stack.as_bytes());
    key
}

/// The row of the stack itself.
pub(crate) fn stack(name: &str) -> Vec<u8> {
    of_stack(b'm', name)
}

/// The beginning of all keys of a stack's rows.
pub(crate) fn rows(stack: &str) -> Vec<u8> {
    of_stack(b's', stack)
}

/// The beginning of all keys of a stack's journal.
pub(crate) fn journal(stack: &str) -> Vec<u8> {
    of_stack(b'j', stack)
}

/// The journal's entry that made `version`.
pub(crate) fn entry(stack: &str, version: u64) -> Vec<u8> {
    let mut key = journal(stack);
    key.extend(version.to_be_bytes());
    key
}

/// One row of a stack, by what it is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    Record(ResourceId),
    Intent(ResourceId),
    Pin(&'a Address),
    Target(&'a str),
    Departed(&'a Address),
    Exports,
}

impl Row<'_> {
    pub(crate) fn key(self, stack: &str) -> Vec<u8> {
        let mut key = rows(stack);
        let (kind, name) = match &self {
            Row::Record(id) => (b'r', id.as_str()),
            Row::Intent(id) => (b'i', id.as_str()),
            Row::Pin(address) => (b'p', address.as_str()),
            Row::Target(provider) => (b't', *provider),
            Row::Departed(address) => (b'd', address.as_str()),
            Row::Exports => (b'x', ""),
        };
        key.push(kind);
        push_name(&mut key, name.as_bytes());
        key
    }
}

/// The key of a value's `n`th further piece.
pub(crate) fn piece(key: &[u8], n: u32) -> Vec<u8> {
    let mut longer = Vec::with_capacity(key.len() + 4);
    longer.extend_from_slice(key);
    longer.extend(n.to_be_bytes());
    longer
}

/// The entries that hold `value` under `key`: the first says how many follow.
pub(crate) fn pieces(key: &[u8], value: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut chunks = value.chunks(PIECE);
    let first = chunks.next().unwrap_or_default();
    let mut head = Vec::with_capacity(first.len() + 4);
    head.extend(u32::try_from(chunks.len()).unwrap_or(u32::MAX).to_be_bytes());
    head.extend_from_slice(first);
    let mut entries = vec![(key.to_vec(), head)];
    for (n, chunk) in (1..).zip(chunks) {
        entries.push((piece(key, n), chunk.to_vec()));
    }
    entries
}

/// How many pieces follow a value's first entry, and the bytes that it has itself.
pub(crate) fn head(entry: &[u8]) -> Option<(u32, &[u8])> {
    let (count, bytes) = entry.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*count), bytes))
}

/// A key in words, for an error that names it.
pub(crate) fn describe(key: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = key;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail.first()) {
            (0, Some(1)) => {
                text.push(' ');
                rest = &tail[1..];
            }
            (0, _) => text.push(' '),
            (byte, _) => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    format!("row `{}`", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stacks_rows_are_among_those_of_another() {
        let long = "x".repeat(LONGEST_NAME + 1);
        let longer = "x".repeat(LONGEST_NAME + 2);
        let names = ["", "a", "a/b", "a\0", "a\0b", "a\0\u{1}", "shop", "shop2", &long, &longer];
        for one in names {
            for other in names.iter().filter(|other| **other != one) {
                assert!(!rows(one).starts_with(&rows(other)), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn no_value_is_longer_than_a_piece_and_its_head() {
        let value = vec![7; 3 * PIECE + 1];
        let entries = pieces(b"k", &value);
        assert_eq!(entries.len(), 4);
        assert!(entries.iter().all(|(_, bytes)| bytes.len() <= PIECE + 4));
        assert_eq!(head(&entries[0].1).unwrap().0, 3);
        assert!(entries.is_sorted());
        assert_eq!(head(&pieces(b"k", b"")[0].1).unwrap(), (0, &b""[..]));
    }
}
