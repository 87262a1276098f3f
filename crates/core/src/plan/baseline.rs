//! What the last apply left in the cloud: the state that drift is told from.
//!
//! It is kept per field. An update that was not seen to settle leaves the places that it changed:
//! nobody knows yet how the cloud writes them, or whether it did.

use std::borrow::Cow;

use crate::{
    provider::Seen,
    state::Record,
    value::{Map, Path, Segment, Value},
};

static NULL: Value = Value::Null;

/// What the last apply left of an object. What is not known of it counts as not drifted.
pub(super) fn left<'v>(record: &'v Record, seen: &'v Seen) -> Cow<'v, Value> {
    let left = record.last_known();
    if record.changing.is_empty() {
        return Cow::Borrowed(left);
    }
    let mut expected = left.clone();
    for place in record.changing.iter().map(Path::unit) {
        let at = |value| place.of(value).unwrap_or(&NULL);
        // What is as it was before the update did not arrive, so that what was sent counts.
        let arrived = at(left) != at(&seen.inputs);
        let from = if arrived { &seen.inputs } else { &record.inputs };
        put(&mut expected, place.segments(), place.of(from).cloned());
    }
    Cow::Owned(expected)
}

/// The baseline after an object settled as `after`.
///
/// Where an update changed nothing, drift that nobody looked at before stays drift. Where the plan
/// did look, it has put into the update whatever was to be changed: the rest is accepted.
pub(crate) fn settled(row: &Record, before: Option<&Seen>, after: Value) -> Value {
    let (Some(Value::Map(left)), Value::Map(now), None) = (&row.seen, &after, before) else {
        return after;
    };
    let mut map = Map::with_capacity(now.len());
    for (name, now) in now.iter() {
        map.insert(name.clone(), left.get(name).unwrap_or(now).clone());
    }
    let mut settled = Value::Map(map);
    for place in row.changing.iter().map(Path::unit) {
        put(&mut settled, place.segments(), place.of(&after).cloned());
    }
    settled
}

/// Sets or removes the value at `path`. Maps on the way are made where there is something to set.
pub(super) fn put(value: &mut Value, path: &[Segment], to: Option<Value>) {
    match (path, value) {
        ([], place) => *place = to.unwrap_or(Value::Null),
        ([Segment::Key(key)], Value::Map(map)) => match to {
            Some(to) => {
                map.insert(key.clone(), to);
            }
            None => {
                map.remove(key);
            }
        },
        ([Segment::Key(key), rest @ ..], Value::Map(map)) => {
            if let Some(inner) = map.get_mut(key) {
                put(inner, rest, to);
            }
        }
        ([Segment::Index(i), rest @ ..], Value::List(items)) => {
            if let Some(inner) = items.get_mut(*i) {
                put(inner, rest, to);
            }
        }
        ([Segment::Key(_), ..], place @ Value::Null) if to.is_some() => {
            *place = Value::Map(Map::new());
            put(place, path, to);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Status;
    use crate::testing::{Random, changes};

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    /// A row after an update of some places.
    fn row(seen: &str, inputs: &str) -> Record {
        let mut random = Random::new(1);
        let put = |change| match change {
            crate::state::Change::Put(record) => Some(*record),
            _ => None,
        };
        let any = std::iter::repeat_with(|| changes(&mut random)).flatten().find_map(put).unwrap();
        let changing = ["a", "tags.x", "tags.z", "list[0]"];
        Record {
            status: Status::Settling,
            seen: Some(value(seen)),
            inputs: value(inputs),
            changing: changing.map(|path| Path::parse(path).unwrap()).to_vec(),
            ..any
        }
    }

    const BEFORE: &str = r#"{"a": "1", "b": "1", "tags": {"x": "1", "y": "1"}, "list": [1]}"#;
    const SENT: &str =
        r#"{"a": "TWO", "b": "1", "tags": {"x": "2", "y": "1", "z": "2"}, "list": [2]}"#;
    const AFTER: &str =
        r#"{"a": "two", "b": "-", "tags": {"x": "2", "y": "-", "z": "2"}, "list": [2]}"#;

    #[test]
    fn a_field_that_an_update_did_not_touch_keeps_its_baseline_unless_the_plan_looked() {
        let row = row(BEFORE, SENT);
        let kept = r#"{"a": "two", "b": "1", "tags": {"x": "2", "y": "1", "z": "2"}, "list": [2]}"#;
        assert_eq!(settled(&row, None, value(AFTER)), value(kept));

        let looked = Seen { inputs: value(BEFORE), outputs: Value::Null };
        let accepted = settled(&row, Some(&looked), value(AFTER));
        assert_eq!(accepted.get("b"), Some(&"-".into()));
        let first = Record { seen: None, ..row };
        assert_eq!(settled(&first, None, value(AFTER)), value(AFTER));
    }

    #[test]
    fn an_update_that_arrived_is_no_drift_and_one_that_did_not_is() {
        let row = row(BEFORE, SENT);
        let seen = |inputs| Seen { inputs: value(inputs), outputs: Value::Null };
        let arrived =
            r#"{"a": "two", "b": "1", "tags": {"x": "2", "y": "1", "z": "2"}, "list": [2]}"#;
        assert_eq!(*left(&row, &seen(AFTER)), value(arrived));
        assert_eq!(*left(&row, &seen(BEFORE)), value(SENT));
    }

    #[test]
    fn a_value_is_put_and_removed_at_every_depth() {
        let mut value = value(r#"{"tags": null, "list": [{"a": 1}]}"#);
        let path = |text| Path::parse(text).unwrap();
        put(&mut value, path("tags.x").segments(), Some("1".into()));
        put(&mut value, path("list[0].a").segments(), None);
        put(&mut value, path("list[7].a").segments(), Some("1".into()));
        put(&mut value, path("none.x").segments(), None);
        assert_eq!(value.to_string(), r#"{list: [{}], tags: {x: "1"}}"#);
    }
}
