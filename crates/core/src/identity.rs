//! Who a resource is: a random id that no rename changes, and the address it has today.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The path of a resource from the root of its stack, such as `network/subnet-0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(Arc<str>);

impl Address {
    /// The address `path`, taken as it is.
    pub fn new(path: impl Into<Arc<str>>) -> Self {
        Self(path.into())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this lies inside the component `parent`.
    #[must_use]
    pub fn is_inside(&self, parent: &str) -> bool {
        self.0.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for Address {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

/// The immutable id of one object of ours, as 20 letters and digits: 20 bits that count up within a
/// run, from a random start, and 80 random bits.
///
/// The count makes what is written one after the other lie side by side in a store that sorts by id:
/// with ids that are random from the first letter on, each write of a large state is into another
/// page, which costs the more the larger the state is.
///
/// It is planned from the run's seed and made durable with the intent, before the first API call,
/// so that after a crash the object can be looked up by it. A replacement is a new object with a new id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId([u8; 20]);

/// Digits and lower-case letters without i, l, o and u: nothing to misread, legal in every AWS name.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many letters of an id count; all others are random.
const COUNTED: u32 = 4;

/// Which bytes are letters of the alphabet: ids are read by the ten thousand.
const LETTERS: [bool; 256] = {
    let mut letters = [false; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        letters[ALPHABET[i] as usize] = true;
        i += 1;
    }
    letters
};

impl ResourceId {
    /// The `n`th id of the run with this seed.
    #[must_use]
    pub fn derive(seed: &Seed, n: u64) -> Self {
        let start = Sha256::digest(seed.0);
        let start = u64::from(start[0]) << 16 | u64::from(start[1]) << 8 | u64::from(start[2]);
        let count = start.wrapping_add(n);
        let digest = Sha256::new().chain_update(seed.0).chain_update(n.to_le_bytes()).finalize();
        let random = digest.iter().map(|byte| usize::from(byte % 32));
        let counted = (0..COUNTED).rev().map(|i| (count >> (5 * i)) as usize % 32);
        let mut id = [0; 20];
        for (letter, value) in id.iter_mut().zip(counted.chain(random)) {
            *letter = ALPHABET[value];
        }
        Self(id)
    }

    /// The last letters of the id: 40 random bits.
    fn suffix(&self) -> &str {
        &self.as_str()[12..]
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this never is the empty text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A text that is no [`ResourceId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a resource id: expected 20 digits and lower-case letters")]
pub struct ParseIdError(String);

impl FromStr for ResourceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes: [u8; 20] =
            text.as_bytes().try_into().map_err(|_| ParseIdError(text.to_owned()))?;
        if bytes.iter().all(|b| LETTERS[usize::from(*b)]) {
            Ok(Self(bytes))
        } else {
            Err(ParseIdError(text.to_owned()))
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ResourceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where all that is random in a run comes from; it travels in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed of the system's randomness.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The same seed every time, for tests.
    #[must_use]
    pub fn fixed(n: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        Self(bytes)
    }
}

/// Who an object is, for the provider that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The immutable id.
    pub id: ResourceId,
    /// The stack it belongs to.
    pub stack: Arc<str>,
    /// The address it has now.
    pub address: Address,
}

impl Identity {
    /// The tag key that marks an object as this stack's: its value is the [`ResourceId`].
    pub const TAG: &'static str = "formwork:id";

    /// A client token: the same for every attempt to create this object, and for no other.
    #[must_use]
    pub fn token(&self) -> String {
        format!("formwork-{}", self.id)
    }

    /// A physical name for a type that needs one and was not given it: readable, unique, stable,
    /// and at most `max` characters of `[a-zA-Z0-9-]`.
    #[must_use]
    pub fn name(&self, max: usize) -> String {
        let unique = self.id.suffix();
        let readable: String = format!("{}-{}", self.stack, self.address)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(max.saturating_sub(unique.len() + 1))
            .collect();
        format!("{}-{unique}", readable.trim_end_matches('-'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_seed_differ_and_read_back() {
        let ids: Vec<_> = (0..1000).map(|n| ResourceId::derive(&Seed::fixed(7), n)).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids.iter().all(|id| id.to_string().parse() == Ok(*id)));
        assert!("0".parse::<ResourceId>().is_err());
    }

    #[test]
    fn ids_of_one_run_ascend_until_the_count_starts_over_and_those_of_two_runs_differ() {
        for run in 0..50 {
            let id = |n: u64| ResourceId::derive(&Seed::fixed(run), n);
            let descents = (0..2000).filter(|n| id(*n) > id(n + 1)).count();
            assert!(descents <= 1, "{descents} in run {run}");
            let suffixes: std::collections::BTreeSet<_> =
                (0..1000).map(|n| id(n).suffix().to_owned()).collect();
            assert_eq!(suffixes.len(), 1000);
        }
        let starts: std::collections::BTreeSet<_> =
            (0..50).map(|run| ResourceId::derive(&Seed::fixed(run), 0)).collect();
        let first = starts.iter().map(|id| id.as_str()[..2].to_owned());
        assert!(first.collect::<std::collections::BTreeSet<_>>().len() > 25, "starts are random");
    }

    #[test]
    fn a_generated_name_fits_and_keeps_its_unique_part() {
        let identity = Identity {
            id: ResourceId::derive(&Seed::fixed(1), 0),
            stack: "shop".into(),
            address: "network/a very long/name".into(),
        };
        for max in 9..64 {
            let name = identity.name(max);
            assert!(name.len() <= max, "{name}");
            assert!(name.ends_with(identity.id.suffix()));
        }
    }
}
