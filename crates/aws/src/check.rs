//! Rules of form that several resource types share.

use formwork_core::{Check, value::Value};

/// A closed set of values, as `choice!` declares them.
pub(crate) trait Choice: From<String> {
    /// The values in AWS's words.
    const VALUES: &'static [&'static str];
}

/// Reports a value that is none of the set.
pub(crate) fn choice<T: Choice>(check: &mut Check<'_>, field: &str) {
    let Some(value) = check.get::<String>(field) else { return };
    if !T::VALUES.contains(&value.as_str()) {
        let expected = T::VALUES.join(", ");
        check.problem(field, format!("{value:?} is unknown: expected one of {expected}"));
    }
}

/// Reports a text that is shorter or longer than AWS takes, or has characters that it does not.
pub(crate) fn text(
    check: &mut Check<'_>,
    field: &str,
    (least, most): (usize, usize),
    allowed: impl Fn(char) -> bool,
    expected: &str,
) {
    let Some(text) = check.get::<String>(field) else { return };
    let length = text.chars().count();
    if length < least || length > most {
        let message = format!("{length} characters: expected {least} to {most}");
        check.problem(field, message);
    }
    if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
        check.problem(field, format!("{text:?} has {odd:?}: expected only {expected}"));
    }
}

/// Reports a number outside the bounds.
pub(crate) fn range(check: &mut Check<'_>, field: &str, least: i64, most: i64) {
    if let Some(number) = check.get::<i64>(field)
        && !(least..=most).contains(&number)
    {
        check.problem(field, format!("{number}: expected {least} to {most}"));
    }
}

/// Reports an id that can not be one because it does not start with `prefix` and a dash.
pub(crate) fn id(check: &mut Check<'_>, field: &str, prefix: &str) {
    if let Some(id) = check.get::<String>(field)
        && !id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
    {
        check.problem(field, format!("{id:?} is no id of this kind: expected `{prefix}-...`"));
    }
}

/// Reports that more than one of `fields` is set, or none where one `must` be.
pub(crate) fn exactly_one(check: &mut Check<'_>, fields: &[&str], must: bool) {
    let set: Vec<&str> = fields.iter().copied().filter(|field| check.is_set(field)).collect();
    match set.as_slice() {
        [] if must => {
            check.problem("", format!("none is set: expected one of {}", fields.join(", ")));
        }
        [] | [_] => {}
        [.., last] => {
            let last = *last;
            let message = format!("{} are set: expected only one", set.join(", "));
            check.problem(last, message);
        }
    }
}

/// Reports a text that is no JSON object, as policies and the like must be.
pub(crate) fn json_object(check: &mut Check<'_>, field: &str) {
    let Some(text) = check.get::<String>(field) else { return };
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => {}
        Ok(_) => check.problem(field, "the document is no JSON object"),
        Err(error) => check.problem(field, format!("the document is not JSON: {error}")),
    }
}

/// How many elements a list has, known or not.
pub(crate) fn len(check: &Check<'_>, field: &str) -> usize {
    match check.inputs().get(field).map(Value::open) {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    }
}

/// Reports that a resource declared before has the same `fields`, of which there can be one.
/// Fields that are not set here make no conflict.
pub(crate) fn only_one(check: &mut Check<'_>, fields: &[&str], what: &str) {
    let Some(last) = fields.last().filter(|_| fields.iter().all(|f| check.is_set(f))) else {
        return;
    };
    let other = check.peers_with_same(fields).next();
    if let Some(address) = other.map(|peer| peer.address().to_owned()) {
        check.problem(last, format!("`{address}` {what}"));
    }
}
