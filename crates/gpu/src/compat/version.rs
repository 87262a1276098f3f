//! Dotted versions, compared as tuples of integers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A dotted version such as `580.95.05`, `12.2` or `6.8`.
///
/// Versions compare as tuples of integers, and a missing part counts as zero: `580` equals
/// `580.0.0`, and `525.60.13 < 525.85.12 < 580`. That is how the driver tables of
/// `data/nvidia.json` are to be read (`meta.how_to_compare`). The text is kept, because the leading
/// zero of `580.95.05` is part of package names.
///
/// ```
/// use formwork_gpu::compat::Version;
/// let driver: Version = "580.95.05".parse()?;
/// assert!(driver > "580".parse()?);
/// assert_eq!(driver.branch(), 580);
/// assert_eq!(driver.to_string(), "580.95.05");
/// # Ok::<(), formwork_gpu::compat::ParseVersionError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    text: String,
    parts: Vec<u64>,
}

/// The text is not a dotted version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a dotted version such as 580.178.04")]
pub struct ParseVersionError {
    /// The text as it was given.
    pub text: String,
}

impl Version {
    /// The first component: the branch of a driver, the major version of anything else.
    #[must_use]
    pub fn branch(&self) -> u64 {
        self.parts.first().copied().unwrap_or(0)
    }

    /// The second component, zero if there is none.
    #[must_use]
    pub fn minor(&self) -> u64 {
        self.parts.get(1).copied().unwrap_or(0)
    }

    /// The text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this version starts with all the components of `prefix`: `8.9.7` is within `8.9`.
    #[must_use]
    pub fn is_within(&self, prefix: &Version) -> bool {
        prefix.parts.iter().enumerate().all(|(at, part)| self.parts.get(at) == Some(part))
    }

    /// The leading dotted number of a longer text, such as the `6.8.0` of `6.8.0-1069-aws`.
    ///
    /// # Errors
    ///
    /// When the text does not start with a digit.
    pub fn leading(text: &str) -> Result<Self, ParseVersionError> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end]
            .trim_end_matches('.')
            .parse()
            .map_err(|_| ParseVersionError { text: text.to_owned() })
    }

    fn parts(&self) -> &[u64] {
        let zeros = self.parts.iter().rev().take_while(|part| **part == 0).count();
        &self.parts[..self.parts.len() - zeros]
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| match part.bytes().all(|b| b.is_ascii_digit()) {
            true => part.parse().ok(),
            false => None,
        };
        let parts = text.split('.').map(number).collect::<Option<Vec<u64>>>();
        match parts {
            Some(parts) => Ok(Self { text: text.to_owned(), parts }),
            None => Err(ParseVersionError { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = ParseVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Version {}

impl std::hash::Hash for Version {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(other.parts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_as_integers_and_not_as_text() {
        assert!(version("525.60.13") < version("525.105.17"));
        assert!(version("450.80.02") < version("525"));
        assert_eq!(version("580"), version("580.00.0"));
        assert!(version("6.8") < version("6.12"));
    }

    #[test]
    fn what_is_not_a_dotted_number_is_refused_and_never_panics() {
        for text in
            ["", ".", "580.", "v580", "580.x", "-1", "+5", "1..2", "99999999999999999999999"]
        {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert_eq!(Version::leading("6.8.0-1069-aws").unwrap(), version("6.8"));
        assert!(Version::leading("aws").is_err());
    }
}
