//! What the last apply left in the cloud: the state that drift is told from.
//!
//! It is kept per field. While an update has not been seen to settle, the places that it changed
//! are holes (unknown values): nobody knows yet how the cloud will write them.

use std::borrow::Cow;

use crate::{
    provider::Seen,
    state::{Record, Status},
    value::{Map, Path, Segment, Value},
};

/// What the last apply left of an object. What is not known of it counts as not drifted.
pub(super) fn left<'v>(record: &'v Record, seen: &'v Seen) -> Cow<'v, Value> {
    match (&record.seen, &record.status) {
        (Some(left), Status::Ready) => Cow::Borrowed(left),
        (Some(left), _) => Cow::Owned(filled(left, &seen.inputs)),
        // It was found after a crash, and nobody has looked at it as a whole yet.
        (None, Status::Settling) => Cow::Borrowed(&seen.inputs),
        (None, _) => Cow::Borrowed(&record.inputs),
    }
}

/// Forgets how the cloud wrote the places that an update changes.
pub(crate) fn forget(left: &mut Value, changed: &[Path]) {
    for path in changed {
        dig(left, path.segments());
    }
}

fn dig(value: &mut Value, path: &[Segment]) {
    match (path, value) {
        ([Segment::Key(key), rest @ ..], Value::Map(map)) => match (rest, map.get_mut(key)) {
            // The places in a list mean nothing once it has changed.
            ([Segment::Key(_), ..], Some(inner @ Value::Map(_))) => dig(inner, rest),
            _ => {
                map.insert(key.clone(), Value::Unknown);
            }
        },
        (_, place) => *place = Value::Unknown,
    }
}

/// `left` with its holes filled from what is there.
fn filled(left: &Value, there: &Value) -> Value {
    match (left, there) {
        (Value::Unknown, there) => there.clone(),
        (Value::Map(left), Value::Map(there)) => {
            let mut map = Map::with_capacity(left.len());
            for (key, value) in left.iter() {
                match (value, there.get(key)) {
                    (Value::Unknown, None) => {}
                    (Value::Unknown, Some(there)) => {
                        map.insert(key.clone(), there.clone());
                    }
                    (value, there) => {
                        map.insert(key.clone(), filled(value, there.unwrap_or(&Value::Null)));
                    }
                }
            }
            Value::Map(map)
        }
        (left, _) => left.clone(),
    }
}

/// The baseline after an object settled as `after`.
///
/// Where an update changed nothing, drift that nobody looked at before stays drift. What the plan
/// did look at, and what was as it had been left, may have changed with the update: it is accepted.
pub(crate) fn settled(left: Option<&Value>, before: Option<&Seen>, after: Value) -> Value {
    let (Some(Value::Map(left)), Value::Map(after)) = (left, &after) else { return after };
    let mut map = Map::with_capacity(after.len());
    for (name, after) in after.iter() {
        let value = match left.get(name) {
            None | Some(Value::Unknown) => after.clone(),
            Some(left) if before.is_some_and(|seen| seen.inputs.get(name) == Some(left)) => {
                after.clone()
            }
            Some(left) => filled(left, after),
        };
        map.insert(name.clone(), value);
    }
    Value::Map(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_field_that_an_update_did_not_touch_keeps_its_baseline_unless_the_plan_looked() {
        let mut left = value(r#"{"a": "1", "b": "1", "tags": {"x": "1", "y": "1"}, "list": [1]}"#);
        let paths = ["a", "tags.x", "tags.z", "list[0]"].map(|path| Path::parse(path).unwrap());
        forget(&mut left, &paths);
        let after = r#"{"a": "2", "b": "hacked", "tags": {"x": "2", "y": "hacked", "z": "2"}, "list": [2]}"#;
        let kept = settled(Some(&left), None, value(after));
        let expected =
            r#"{"a": "2", "b": "1", "tags": {"x": "2", "z": "2", "y": "1"}, "list": [2]}"#;
        assert_eq!(kept, value(expected));

        let before = value(r#"{"a": "1", "b": "1", "tags": {"x": "1", "y": "1"}, "list": [1]}"#);
        let looked = Seen { inputs: before, outputs: Value::Null };
        let accepted = settled(Some(&left), Some(&looked), value(after));
        assert_eq!(accepted.get("b"), Some(&"hacked".into()));
        assert_eq!(settled(None, None, value(after)), value(after));
    }
}
