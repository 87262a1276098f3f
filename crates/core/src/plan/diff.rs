//! What differs between two states of a resource, field by field, as the schema says to compare.
//!
//! Pure, and cheap where nothing differs: equal fields cost one comparison and no allocation.

use serde::{Deserialize, Serialize};

use crate::{
    schema::{Field, ResourceType, Schema},
    value::{Map, Path, Segment, Value},
};

/// Who made a field differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The program wants another value than the one last sent.
    Program,
    /// The cloud has another value than the one seen after the last apply.
    Drift,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where.
    pub path: Path,
    /// What it is; null when absent.
    pub old: Value,
    /// What it will be; null when removed, unknown when only apply can tell.
    pub new: Value,
    /// Whether this change needs a new object.
    pub replace: bool,
    /// Who made it differ.
    pub cause: Cause,
}

/// What the old side of a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// Inputs that were sent: every field counts.
    Sent,
    /// A state that was observed, with what the program wants: what the cloud never gives back does
    /// not count.
    Seen,
    /// The state that was left, with the one observed: the same, and the program's wish is no part.
    Left,
}

/// The fields in which `new` differs from `old`.
pub(crate) fn diff(
    schema: &Schema,
    old: &Value,
    new: &Value,
    against: Against,
    cause: Cause,
) -> Vec<FieldChange> {
    let mut differ = Differ { against, cause, found: Vec::new() };
    differ.members(schema, old, new, &Path::default(), false);
    differ.found
}

/// Whether two values of a field mean the same.
pub(crate) fn same(field: &Field, old: &Value, new: &Value, against: Against) -> bool {
    let mut differ = Differ { against, cause: Cause::Program, found: Vec::new() };
    differ.field(field, old, new, &Path::default(), false);
    differ.found.is_empty()
}

/// The paths in which inputs differ from those that were last sent.
pub(crate) fn unsent_changes(schema: &Schema, sent: &Value, inputs: &Value) -> Vec<Path> {
    let changes = diff(schema, sent, inputs, Against::Sent, Cause::Program);
    changes.into_iter().map(|change| change.path).collect()
}

/// What was observed, with every place marked secret that was sent as one.
pub(crate) fn mark_secrets(sent: &Value, observed: Value) -> Value {
    // Most have none, and are kept as they are.
    if !sent.has_secret() {
        return observed;
    }
    match (sent, observed) {
        (Value::Secret(_) | Value::Sealed(_), observed) if !observed.is_null() => {
            observed.into_secret()
        }
        (Value::Map(sent), Value::Map(observed)) => observed
            .into_iter()
            .map(|(key, value)| {
                let value = match sent.get(&key) {
                    Some(sent) => mark_secrets(sent, value),
                    None => value,
                };
                (key, value)
            })
            .collect::<Map>()
            .into(),
        // The order of a list may have changed: one secret makes all of it secret.
        (sent @ Value::List(_), observed @ Value::List(_)) if sent.has_secret() => {
            observed.into_secret()
        }
        (_, observed) => observed,
    }
}

/// Outputs as they are kept: secrets marked, by the schema and by the inputs that they echo.
pub(crate) fn mark_outputs(of: &ResourceType, inputs: &Value, outputs: Value) -> Value {
    let Value::Map(map) = outputs else { return Value::Null };
    if !inputs.has_secret() && !of.outputs.fields.iter().any(|field| field.secret) {
        return Value::Map(map);
    }
    let mut marked = Map::with_capacity(map.len());
    for (key, value) in map {
        let field = of.outputs.fields.iter().find(|field| field.name == key);
        let echoes = inputs.get(&key).is_some_and(Value::has_secret);
        let secret = field.is_some_and(|field| field.secret || (field.echo && echoes));
        marked.insert(key, if secret { value.into_secret() } else { value });
    }
    Value::Map(marked)
}

/// Outputs of an object whose inputs are now these, and may be secret where they were not, or the
/// other way round.
pub(crate) fn remark_outputs(of: &ResourceType, inputs: &Value, outputs: &Value) -> Value {
    let Value::Map(map) = outputs else { return outputs.clone() };
    if !inputs.has_secret() && !outputs.has_secret() {
        return outputs.clone();
    }
    let open = |key: &str| {
        let mut fields = of.outputs.fields.iter();
        fields.any(|field| field.name == key && field.echo && !field.secret)
    };
    let plain = map.iter().map(|(key, value)| {
        (key.clone(), if open(key) { opened(inputs, key, value) } else { value.clone() })
    });
    mark_outputs(of, inputs, Value::Map(plain.collect()))
}

/// The same for what was seen of its inputs.
pub(crate) fn remark_seen(inputs: &Value, seen: Value) -> Value {
    let Value::Map(map) = seen else { return seen };
    let plain = map.iter().map(|(key, value)| (key.clone(), opened(inputs, key, value)));
    mark_secrets(inputs, Value::Map(plain.collect()))
}

/// A value that is secret only because the input of its name was: that one is known, and is none.
fn opened(inputs: &Value, key: &str, value: &Value) -> Value {
    match inputs.get(key) {
        Some(sent) if !sent.is_null() && sent.is_known() && !sent.has_secret() => {
            value.open().clone()
        }
        _ => value.clone(),
    }
}

/// Whether two values are the same, be they secret or not.
pub(crate) fn same_value(one: &Value, other: &Value) -> bool {
    same(&Field::new(""), one, other, Against::Sent)
}

struct Differ {
    against: Against,
    cause: Cause,
    found: Vec<FieldChange>,
}

impl Differ {
    fn report(&mut self, path: &Path, old: &Value, new: &Value, replace: bool) {
        self.found.push(FieldChange {
            path: path.clone(),
            old: old.clone(),
            new: new.clone(),
            replace,
            cause: self.cause,
        });
    }

    fn members(&mut self, schema: &Schema, old: &Value, new: &Value, at: &Path, replace: bool) {
        for field in schema.fields {
            let old = old.get(field.name).unwrap_or(&Value::Null);
            let new = new.get(field.name).unwrap_or(&Value::Null);
            if old == new || (self.against != Against::Sent && field.write_only) {
                continue;
            }
            // What the program leaves to the cloud is the cloud's.
            if field.defaulted && new.is_null() && self.against != Against::Left {
                continue;
            }
            let path = at.join(Segment::Key(field.name.into()));
            self.field(field, old, new, &path, replace || field.replace);
        }
    }

    fn field(&mut self, field: &Field, old: &Value, new: &Value, path: &Path, replace: bool) {
        if is_empty(old) && is_empty(new) {
            return;
        }
        if field.json {
            if !same_json(old, new) {
                self.report(path, old, new, replace);
            }
            return;
        }
        match (old.open(), new.open()) {
            (_, Value::Unknown) => self.report(path, old, new, replace),
            (Value::List(a), Value::List(b)) if field.unordered => {
                self.unordered(field, a, b, path, replace);
            }
            (Value::List(a), Value::List(b)) => {
                for i in 0..a.len().max(b.len()) {
                    let path = path.join(Segment::Index(i));
                    match (a.get(i), b.get(i)) {
                        (Some(a), Some(b)) => self.element(field, a, b, &path, replace),
                        (a, b) => self.report(
                            &path,
                            a.unwrap_or(&Value::Null),
                            b.unwrap_or(&Value::Null),
                            replace,
                        ),
                    }
                }
            }
            _ => self.element(field, old, new, path, replace),
        }
    }

    /// One element of a list, or a field that is no list.
    fn element(&mut self, field: &Field, old: &Value, new: &Value, path: &Path, replace: bool) {
        if old.open() == new.open() || (is_empty(old) && is_empty(new)) {
            return;
        }
        match (old.open(), new.open(), field.nested) {
            (Value::Map(_), Value::Map(_), Some(schema)) if !field.keyed => {
                self.members(schema, old, new, path, replace);
            }
            (Value::Map(a), Value::Map(b), _) => {
                // What stands under the user's keys is compared by itself.
                let field = &Field { keyed: false, ..*field };
                let removed = a.iter().filter(|(key, _)| b.get(key).is_none());
                for (key, value) in removed.filter(|(_, value)| !value.is_null()) {
                    let path = path.join(Segment::Key(key.clone()));
                    self.report(&path, value, &Value::Null, replace);
                }
                for (key, value) in b.iter() {
                    let path = path.join(Segment::Key(key.clone()));
                    let old = a.get(key).unwrap_or(&Value::Null);
                    self.element(field, old, value, &path, replace);
                }
            }
            // A secret deep inside is still what it is.
            (Value::List(a), Value::List(b), _)
                if a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| {
                        let ordered = Field { unordered: false, ..*field };
                        self.same_element(&ordered, a, b)
                    }) => {}
            (Value::Number(a), Value::Number(b), _) if a.as_f64() == b.as_f64() => {}
            (Value::String(a), Value::String(b), _)
                if field.case_insensitive && a.eq_ignore_ascii_case(b) => {}
            _ => self.report(path, old, new, replace),
        }
    }

    fn unordered(
        &mut self,
        field: &Field,
        old: &[Value],
        new: &[Value],
        path: &Path,
        replace: bool,
    ) {
        let mut gone: Vec<usize> = (0..old.len()).collect();
        let mut added = Vec::new();
        for (i, item) in new.iter().enumerate() {
            let equal = |j: &usize| self.same_element(field, &old[*j], item);
            match gone.iter().position(equal) {
                Some(at) => {
                    gone.swap_remove(at);
                }
                None => added.push(i),
            }
        }
        gone.sort_unstable();
        // What became of an element is told by the one that is most like it.
        added.retain(|i| {
            let Some(at) = most_alike(field, &new[*i], gone.iter().map(|j| &old[*j])) else {
                return true;
            };
            let j = gone.remove(at);
            let path = path.join(Segment::Index(j));
            self.element(field, &old[j], &new[*i], &path, replace);
            false
        });
        for j in gone {
            self.report(&path.join(Segment::Index(j)), &old[j], &Value::Null, replace);
        }
        for i in added {
            self.report(&path.join(Segment::Index(i)), &Value::Null, &new[i], replace);
        }
    }

    fn same_element(&self, field: &Field, old: &Value, new: &Value) -> bool {
        let mut inner = Differ { against: self.against, cause: self.cause, found: Vec::new() };
        inner.element(field, old, new, &Path::default(), false);
        inner.found.is_empty()
    }
}

/// More elements than this are not compared with each other one by one.
const MANY: usize = 64;

/// Which of the elements of a list the `new` one comes from: of structs the one that shares the most
/// members with it, of anything else the first.
fn most_alike<'v>(
    field: &Field,
    new: &Value,
    old: impl ExactSizeIterator<Item = &'v Value>,
) -> Option<usize> {
    let (Value::Map(new), Some(_)) = (new.open(), field.nested) else {
        return (old.len() > 0).then_some(0);
    };
    if old.len() > MANY {
        return None;
    }
    let shared = |old: &Value| {
        let same = |(key, value): &(&crate::value::Key, &Value)| {
            !is_empty(value) && old.get(key).is_some_and(|old| old.open() == value.open())
        };
        new.iter().filter(same).count()
    };
    let scores = old.map(shared).enumerate().filter(|(_, shared)| *shared > 0);
    // Of equals the first.
    scores.min_by_key(|(_, shared)| std::cmp::Reverse(*shared)).map(|(at, _)| at)
}

/// An absent list and an empty one mean the same to every cloud.
fn is_empty(value: &Value) -> bool {
    match value.open() {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn same_json(old: &Value, new: &Value) -> bool {
    match (old.as_str(), new.as_str()) {
        (Some(a), Some(b)) if a == b => true,
        (Some(a), Some(b)) => {
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            matches!((parse(a), parse(b)), (Some(a), Some(b)) if a == b)
        }
        _ => old.open() == new.open() && new.is_known(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: Schema = Schema { fields: &[Field::new("a"), Field::new("b").replace()] };
    const SCHEMA: Schema = Schema {
        fields: &[
            Field::new("plain"),
            Field::new("fixed").replace(),
            Field::new("chosen").defaulted(),
            Field::new("hidden").write_only(),
            Field::new("set").unordered(),
            Field::new("doc").json(),
            Field::new("host").case_insensitive(),
            Field::new("inner").nested(&INNER),
            Field::new("inners").nested(&INNER).unordered(),
            Field::new("tags"),
            Field::new("by_key").nested(&INNER).keyed(),
        ],
    };

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    fn changes(old: &str, new: &str, against: Against) -> Vec<String> {
        diff(&SCHEMA, &value(old), &value(new), against, Cause::Program)
            .iter()
            .map(|c| {
                let mark = if c.replace { "!" } else { "" };
                format!("{}{mark}: {} -> {}", c.path, c.old, c.new)
            })
            .collect()
    }

    #[test]
    fn what_means_the_same_is_no_change() {
        let old = r#"{"chosen": "gp3", "hidden": "x", "set": [1, 2], "doc": "{\"a\": [1]}",
            "host": "ABC", "inners": [{"a": 1}, {"a": 2}], "tags": {}, "plain": 1}"#;
        let new = r#"{"hidden": "y", "set": [2, 1], "doc": "{ \"a\":[1] }",
            "host": "abc", "inners": [{"a": 2}, {"a": 1}], "plain": 1.0}"#;
        assert_eq!(changes(old, new, Against::Seen), Vec::<String>::new());
        assert_eq!(changes(old, new, Against::Sent), [r#"hidden: "x" -> "y""#]);
    }

    #[test]
    fn structs_under_the_users_own_keys_are_compared_by_their_fields() {
        let old = r#"{"by_key": {"x": {"a": 1, "b": 1}, "y": {"a": 1}}}"#;
        let new = r#"{"by_key": {"x": {"a": 2, "b": 2}, "z": {"a": 1}}}"#;
        assert_eq!(
            changes(old, new, Against::Sent),
            [
                "by_key.y: {a: 1} -> null",
                "by_key.x.a: 1 -> 2",
                "by_key.x.b!: 1 -> 2",
                "by_key.z: null -> {a: 1}",
            ]
        );
    }

    #[test]
    fn an_element_of_a_set_that_changed_is_told_from_one_that_came_or_went() {
        let old = r#"{"inners": [{"a": 1, "b": 1}, {"a": 2, "b": 2}], "set": [1, 2, 3]}"#;
        let new =
            r#"{"inners": [{"a": 3, "b": 4}, {"a": 2, "b": 9}, {"a": 1, "b": 1}], "set": [3, 4]}"#;
        assert_eq!(
            changes(old, new, Against::Sent),
            [
                "set[0]: 1 -> 4",
                "set[1]: 2 -> null",
                "inners[1].b!: 2 -> 9",
                "inners[0]: null -> {a: 3, b: 4}",
            ]
        );
    }

    #[test]
    fn each_change_is_found_at_its_own_depth() {
        let old =
            r#"{"fixed": 1, "inner": {"a": 1, "b": 1}, "set": [1], "tags": {"x": "1", "y": "1"}}"#;
        let new = r#"{"fixed": {"$unknown": true}, "inner": {"a": 2, "b": 2}, "set": [2],
            "tags": {"x": "2", "z": "1"}}"#;
        assert_eq!(
            changes(old, new, Against::Sent),
            [
                "fixed!: 1 -> (known after apply)",
                "set[0]: 1 -> 2",
                "inner.a: 1 -> 2",
                "inner.b!: 1 -> 2",
                r#"tags.y: "1" -> null"#,
                r#"tags.x: "1" -> "2""#,
                r#"tags.z: null -> "1""#,
            ]
        );
    }
}
