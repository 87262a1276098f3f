//! A sum over a stack's entries that each change moves by a constant amount of work.
//!
//! sled 0.34 takes a torn or rotten part of its log for the end of it, or skips it, and says nothing
//! (`pagecache/iterator.rs`, `LogRead::Corrupted`). The sum is how a row that is gone, or is an
//! older one, is noticed. It is no defence against someone who forges rows; the AEAD is, for secrets.

use serde::{Deserialize, Serialize};

/// How many entries there are, and the sum of what they hash to, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    entries: u64,
    sum: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries = self.entries.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash(key, value));
    }

    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.entries = self.entries.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash(key, value));
    }
}

fn hash(key: &[u8], value: &[u8]) -> u64 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(value);
    // The finalizer of splitmix64: sums of plain CRCs would cancel out too easily.
    let mut x = u64::from(crc.finalize()) | (value.len() as u64) << 32;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
