//! What a stack reports.

use formwork_core::value::{Map, Value};

use super::{Layout, entry::pairs, value::shown};

/// The outputs after a run, under a heading; nothing if there are none.
pub(crate) fn outputs(exports: &Value, layout: &Layout) -> String {
    match exports.as_map() {
        Some(map) if !map.is_empty() => {
            format!("{}\n{}", layout.paint.bold("outputs"), list(map, 4, layout))
        }
        _ => String::new(),
    }
}

/// The outputs by themselves.
pub(crate) fn output_list(exports: &Map, layout: &Layout) -> String {
    list(exports, 0, layout)
}

fn list(exports: &Map, indent: usize, layout: &Layout) -> String {
    let rows = exports.iter().map(|(name, value)| (name.to_string(), shown(value)));
    pairs(&rows.collect::<Vec<_>>(), indent, layout)
}

/// One value for a script: a text as it is, anything else as JSON. Secrets are masked.
pub(crate) fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => match serde_json::to_value(other) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(json) => json.to_string(),
            Err(_) => other.to_string(),
        },
    }
}

/// The value with its secrets in clear: what `output --reveal` is for, and nothing else.
pub(crate) fn revealed(value: &Value) -> Value {
    match value {
        Value::Secret(inner) => revealed(inner),
        Value::List(items) => Value::List(items.iter().map(revealed).collect()),
        Value::Map(map) => {
            map.iter().map(|(key, value)| (key.clone(), revealed(value))).collect::<Map>().into()
        }
        plain => plain.clone(),
    }
}
