//! The place of a field inside a resource: `network_interfaces[3].subnet_id`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Key, Value};

/// One step into a [`Value`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    /// A list's element.
    Index(usize),
    /// A map's member.
    Key(Key),
}

/// A way from a resource's inputs to one field, at any depth.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The path of a top-level field.
    #[must_use]
    pub fn field(name: impl Into<Key>) -> Self {
        Self(vec![Segment::Key(name.into())])
    }

    /// This path, one step longer.
    #[must_use]
    pub fn join(&self, segment: Segment) -> Self {
        let mut longer = Vec::with_capacity(self.0.len() + 1);
        longer.extend_from_slice(&self.0);
        longer.push(segment);
        Self(longer)
    }

    /// The top-level field this path is in; empty for the root.
    #[must_use]
    pub fn top(&self) -> &str {
        match self.0.first() {
            Some(Segment::Key(key)) => key,
            _ => "",
        }
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether `self` is `other` or lies inside it.
    #[must_use]
    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The largest place on the way that has a place of its own: the list, of an element in one.
    #[must_use]
    pub(crate) fn unit(&self) -> Path {
        let keys = self.0.iter().take_while(|segment| matches!(segment, Segment::Key(_)));
        Self(keys.cloned().collect())
    }

    /// The value at this path.
    #[must_use]
    pub fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |at, segment| match (segment, at.open()) {
            (Segment::Index(i), Value::List(items)) => items.get(*i),
            (Segment::Key(key), Value::Map(map)) => map.get(key),
            _ => None,
        })
    }

    /// Reads `a.b[2].c`.
    ///
    /// # Errors
    /// When an index is not a number or a bracket is not closed.
    pub fn parse(text: &str) -> Result<Self, super::ValueError> {
        let bad = || super::ValueError::new(format!("`{text}` is not a field path like `a.b[2]`"));
        let mut segments = Vec::new();
        for part in text.split('.') {
            let (key, indexes) = part.split_once('[').map_or((part, None), |(k, i)| (k, Some(i)));
            if key.is_empty() {
                return Err(bad());
            }
            segments.push(Segment::Key(key.to_owned().into()));
            if let Some(indexes) = indexes {
                for index in indexes.strip_suffix(']').ok_or_else(bad)?.split("][") {
                    segments.push(Segment::Index(index.parse().map_err(|_| bad())?));
                }
            }
        }
        Ok(Self(segments))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_what_it_prints() {
        for text in ["a", "a.b", "a[0]", "a[0][12].b", "tags.Name"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "a[", "a[x]", ".a", "a..b"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
