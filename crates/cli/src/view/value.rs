//! Values in a line, and inputs as lines.

use formwork_core::value::{Path, Segment, Value};

use super::text::{truncated, width};

/// The value in one line; nothing is `(none)`.
pub(super) fn shown(value: &Value) -> String {
    if value.is_null() { "(none)".to_owned() } else { value.to_string() }
}

/// Two values that differ, cut so that both fit into `room`: where a long beginning is the same, it
/// is the beginning that goes.
pub(super) fn pair(old: &str, new: &str, room: usize) -> (String, String) {
    if room == usize::MAX || width(old) + width(new) <= room {
        return (old.to_owned(), new.to_owned());
    }
    let half = room / 2;
    let (for_old, for_new) = match (width(old) <= half, width(new) <= half) {
        (true, _) => (half, room - width(old)),
        (_, true) => (room - width(new), half),
        _ => (half, half),
    };
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    // Something before the difference stays, to be recognised.
    let skip = if same > half / 2 { same - half / 4 } else { 0 };
    let cut = |text: &str, room| {
        let tail: String = text.chars().skip(skip).collect();
        truncated(&if skip > 0 { format!("…{tail}") } else { tail }, room)
    };
    (cut(old, for_old), cut(new, for_new))
}

/// Every set leaf of a map of inputs or outputs, as path and value. Lists of plain values are one.
pub(super) fn leaves(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(value, &Path::default(), &mut found);
    found
}

fn collect(value: &Value, at: &Path, found: &mut Vec<(String, String)>) {
    let plain = |value: &Value| !matches!(value, Value::Map(_) | Value::List(_));
    match value {
        Value::Null => {}
        Value::Map(map) if map.is_empty() => {}
        Value::List(items) if items.is_empty() => {}
        Value::Map(map) => {
            for (key, value) in map.iter() {
                collect(value, &at.join(Segment::Key(key.clone())), found);
            }
        }
        Value::List(items) if !items.iter().all(plain) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, &at.join(Segment::Index(index)), found);
            }
        }
        leaf => found.push((at.to_string(), leaf.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pair_shows_where_it_differs() {
        let (old, new) = (format!("{}old", "x".repeat(80)), format!("{}new!", "x".repeat(80)));
        let (old, new) = pair(&old, &new, 40);
        assert_eq!((old.as_str(), new.as_str()), ("…xxxxxold", "…xxxxxnew!"));
    }
}
