//! Values in a line, and inputs as lines.

use formwork_core::value::{Map, Path, Segment, Value};

use super::text::{plain, truncated, width};

/// The value in one line, without what is not set in it; nothing is `(none)`.
pub(super) fn shown(value: &Value) -> String {
    if value.is_null() {
        return "(none)".to_owned();
    }
    // Texts are escaped already, keys are not.
    plain(&set(value).to_string()).into_owned()
}

/// Two values that differ, each in one line; of two maps only the members that differ.
pub(super) fn both_shown(old: &Value, new: &Value) -> (String, String) {
    let (old, new) = differing(old, new);
    (shown(&old), shown(&new))
}

/// The value without members that are null.
fn set(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(set).collect()),
        Value::Map(map) => {
            let members = map.iter().filter(|(_, value)| !value.is_null());
            Value::Map(members.map(|(key, value)| (key.clone(), set(value))).collect())
        }
        other => other.clone(),
    }
}

/// What of two values differs.
fn differing(old: &Value, new: &Value) -> (Value, Value) {
    let (Value::Map(was), Value::Map(is)) = (old, new) else { return (old.clone(), new.clone()) };
    let (mut left, mut right) = (Map::default(), Map::default());
    for key in was.keys().chain(is.keys().filter(|key| was.get(key).is_none())) {
        let side = |map: &Map| map.get(key).cloned().unwrap_or_default();
        let (old, new) = (side(was), side(is));
        if old != new {
            let (old, new) = differing(&old, &new);
            left.insert(key.clone(), old);
            right.insert(key.clone(), new);
        }
    }
    (left.into(), right.into())
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
    let single = |value: &Value| !matches!(value, Value::Map(_) | Value::List(_));
    match value {
        Value::Null => {}
        Value::Map(map) if map.is_empty() => {}
        Value::List(items) if items.is_empty() => {}
        Value::Map(map) => {
            for (key, value) in map.iter() {
                collect(value, &at.join(Segment::Key(key.clone())), found);
            }
        }
        Value::List(items) if !items.iter().all(single) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, &at.join(Segment::Index(index)), found);
            }
        }
        leaf => found.push((plain(&at.to_string()).into_owned(), shown(leaf))),
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

    fn value(json: &str) -> Value {
        serde_json::from_str(json).expect("a test writes JSON")
    }

    #[test]
    fn what_is_not_set_is_not_shown_and_of_two_maps_what_differs_is() {
        let disk =
            value(r#"{"iops": null, "size": 600, "tags": [{"a": null, "b": 1}], "kind": "x"}"#);
        assert_eq!(shown(&disk), r#"{kind: "x", size: 600, tags: [{b: 1}]}"#);
        let other =
            value(r#"{"iops": 9, "size": 600, "tags": [{"a": null, "b": 1}], "kind": "x"}"#);
        let (old, new) = both_shown(&disk, &other);
        assert_eq!((old.as_str(), new.as_str()), ("{}", "{iops: 9}"));
        assert_eq!(shown(&value(r#"{"a\nb": "c\nd"}"#)), r#"{a\nb: "c\nd"}"#);
    }
}
