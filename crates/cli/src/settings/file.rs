//! A settings file, in TOML or JSON, with the line of every key.

use std::{collections::BTreeMap, path::Path};

use formwork_core::value::Value;

use super::Entry;
use crate::error::CliError;

/// Reads the file `path`, shown as `name`: JSON if its name ends so, TOML otherwise.
pub(crate) fn read(path: &Path, name: &str) -> Result<Vec<Entry>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::settings(format!("the settings file {name} can not be read: {error}"))
    })?;
    let json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let (members, lines) = if json { read_json(&text, name)? } else { read_toml(&text, name)? };
    let mut entries: Vec<(usize, Entry)> = members
        .into_iter()
        .map(|(key, value)| {
            let line = lines.get(&key).copied().unwrap_or(1);
            (line, Entry { key, value, place: format!("{name}:{line}") })
        })
        .collect();
    entries.sort_by_key(|(line, _)| *line);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

type Members = (BTreeMap<String, Value>, BTreeMap<String, usize>);

fn wrong(name: &str, line: usize, message: &str) -> CliError {
    CliError::settings(format!("{name}:{line}: {message}"))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn value_of(name: &str, data: &impl serde::Serialize) -> Result<Value, CliError> {
    Value::from_data(data).map_err(|error| wrong(name, 1, &error.to_string()))
}

fn read_toml(text: &str, name: &str) -> Result<Members, CliError> {
    let failed = |error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        wrong(name, line, error.message())
    };
    let table = toml::de::DeTable::parse(text).map_err(failed)?;
    let lines = table
        .get_ref()
        .iter()
        .map(|(key, _)| (key.get_ref().to_string(), line_of(text, key.span().start)));
    let lines = lines.collect();
    let table: toml::Table = toml::from_str(text).map_err(failed)?;
    let members = table.iter().map(|(key, value)| Ok((key.clone(), value_of(name, value)?)));
    Ok((members.collect::<Result<_, CliError>>()?, lines))
}

fn read_json(text: &str, name: &str) -> Result<Members, CliError> {
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| {
            let text = error.to_string();
            wrong(name, error.line(), text.split(" at line ").next().unwrap_or(&text))
        })?;
    let members = json.iter().map(|(key, value)| Ok((key.clone(), value_of(name, value)?)));
    Ok((members.collect::<Result<_, CliError>>()?, json_lines(text)))
}

/// The lines of the outermost keys of a JSON document that is known to be well-formed.
fn json_lines(text: &str) -> BTreeMap<String, usize> {
    let (mut lines, mut depth, mut at) = (BTreeMap::new(), 0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let start = at;
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let key = text[at + 1..].trim_start().starts_with(':');
                if depth == 1
                    && key
                    && let Ok(key) = serde_json::from_str::<String>(&text[start..=at])
                {
                    lines.insert(key, line_of(text, start));
                }
            }
            _ => {}
        }
        at += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_keys_of_json_are_found_and_no_others() {
        let text = "{\n  \"a\": {\"b\": \"c\\\"d\"},\n\n  \"e\\u0066\": [\"g\", {\"h\": 1}], \"i\": \"a\"\n}";
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        let found: Vec<_> = json_lines(text).into_iter().collect();
        assert_eq!(found, [("a".into(), 2), ("ef".into(), 4), ("i".into(), 4)]);
    }
}
