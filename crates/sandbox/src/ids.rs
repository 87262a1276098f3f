//! Ids as AWS makes them, from a seed and a counter that the world keeps.
//!
//! The same seed and the same calls give the same ids, and no id is ever given twice: the mixing
//! function is a bijection on 64 bits.

use serde::{Deserialize, Serialize};

use crate::row::Row;

/// The source of all that is random in a world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entropy {
    pub(crate) seed: u64,
    pub(crate) next: u64,
}

impl Entropy {
    /// The id under which the one row of this kind is kept.
    pub(crate) const ID: &'static str = "entropy";

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.next += 1;
        mix(self.seed.wrapping_add(self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

impl Row for Entropy {
    const KIND: &'static str = "entropy";
    const GLOBAL: bool = true;

    fn id(&self) -> &str {
        Self::ID
    }
}

/// `SplitMix64`'s output function (Steele, Lea, Flood, 2014).
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Formats two random words as a version 4 UUID.
pub(crate) fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

/// Writes `length` characters of IAM's id alphabet, such as the rest of `AROA..`.
pub(crate) fn base32(mut high: u64, mut low: u64, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..length)
        .map(|place| {
            let word = if place < 12 { &mut high } else { &mut low };
            let letter = ALPHABET[(*word & 31) as usize];
            *word >>= 5;
            char::from(letter)
        })
        .collect()
}
