//! Values by their meaning, for tables: equal where [`diff`](super::diff) finds no difference.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    schema::{Field, Schema},
    value::Value,
};

/// What a value means. It holds secrets in clear, so it can be compared and never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Canonical(String);

impl Canonical {
    /// The meaning of a field's value; `None` if a part of it can not be compared, because only
    /// apply can tell it or a store still keeps it sealed.
    pub(crate) fn of(field: &Field, value: &Value) -> Option<Self> {
        let mut text = String::new();
        write_field(&mut text, field, value)?;
        Some(Self(text))
    }
}

fn write_field(text: &mut String, field: &Field, value: &Value) -> Option<()> {
    match value.open() {
        Value::String(json) if field.json => match serde_json::from_str::<Value>(json) {
            Ok(document) => write_element(text, &Field::new(field.name), &document),
            Err(_) => write_element(text, field, value),
        },
        Value::List(items) => {
            let mut parts = Vec::with_capacity(items.len());
            for item in items {
                let mut part = String::new();
                write_element(&mut part, field, item)?;
                parts.push(part);
            }
            if field.unordered {
                parts.sort_unstable();
            }
            if !parts.is_empty() {
                write!(text, "[{}]", parts.join(",")).ok()?;
            }
            Some(())
        }
        _ => write_element(text, field, value),
    }
}

/// One element of a list, or a field that is no list. What is empty means nothing, and is written as
/// nothing.
fn write_element(text: &mut String, field: &Field, value: &Value) -> Option<()> {
    match value.open() {
        Value::Null => {}
        Value::Bool(b) => write!(text, "{b}").ok()?,
        Value::Number(n) => match n.as_f64() {
            Some(float) => write!(text, "{float}").ok()?,
            None => write!(text, "{n}").ok()?,
        },
        Value::String(s) if field.case_insensitive => {
            write!(text, "{:?}", s.to_ascii_lowercase()).ok()?;
        }
        Value::String(s) => write!(text, "{s:?}").ok()?,
        Value::List(_) => write_field(text, &Field { unordered: false, ..*field }, value)?,
        Value::Map(map) => {
            let nested = field.nested.filter(|_| !field.keyed);
            let mut members = BTreeMap::new();
            for (key, value) in map.iter() {
                let mut part = String::new();
                match nested.and_then(|schema: &Schema| schema.field(key)) {
                    Some(member) => write_field(&mut part, member, value)?,
                    None => write_element(&mut part, &Field { keyed: false, ..*field }, value)?,
                }
                if !part.is_empty() {
                    members.insert(key, part);
                }
            }
            if !members.is_empty() {
                text.push('{');
                for (key, part) in members {
                    write!(text, "{key:?}:{part},").ok()?;
                }
                text.push('}');
            }
        }
        Value::Unknown | Value::Sealed(_) | Value::Secret(_) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(field: Field, a: &str, b: &str) -> bool {
        let of = |json| Canonical::of(&field, &serde_json::from_str(json).unwrap()).unwrap();
        of(a) == of(b)
    }

    #[test]
    fn values_that_mean_the_same_are_one_key_and_no_others_are() {
        const INNER: Schema = Schema { fields: &[Field::new("a").case_insensitive()] };
        let plain = Field::new("x");
        assert!(same(plain, "1", "1.0") && same(plain, "[]", "null") && !same(plain, "1", "\"1\""));
        assert!(!same(plain, "\"a\"", "\"A\"") && same(plain.case_insensitive(), "\"a\"", "\"A\""));
        assert!(!same(plain, "[1,2]", "[2,1]") && same(plain.unordered(), "[1,2]", "[2,1]"));
        assert!(!same(plain, r#"["a,b"]"#, r#"["a","b"]"#));
        assert!(same(plain.json(), r#""{\"a\": 1, \"b\": 2}""#, r#""{\"b\":2,\"a\":1}""#));
        assert!(same(plain.nested(&INNER), r#"{"a": "X", "b": null}"#, r#"{"a": "x"}"#));
    }

    #[test]
    fn secrets_are_compared_by_what_they_are() {
        let of = |text: &str| Canonical::of(&Field::new("x"), &Value::from(text).into_secret());
        assert!(of("one") == of("one") && of("one") != of("two"));
        assert!(Canonical::of(&Field::new("x"), &Value::Sealed("one".into())).is_none());
        assert!(Canonical::of(&Field::new("x"), &Value::Unknown).is_none());
    }
}
