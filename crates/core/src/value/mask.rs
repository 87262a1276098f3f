//! Secrets in texts that others write: a provider's error, a panic, the words of a hook or a policy.
//!
//! Whoever was given a secret may quote it. What was given is known, so what comes back is searched
//! for it before anybody sees or records the text.

use super::Value;

/// The secrets in some inputs, as they may stand in a text; a longer one may hold a shorter one, and
/// comes first.
pub(crate) fn secrets<'v>(inputs: impl Iterator<Item = &'v Value>) -> Vec<String> {
    let mut secrets = Vec::new();
    for inputs in inputs {
        collect(inputs, false, &mut secrets);
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
    secrets
}

/// A text that somebody else wrote, without them.
pub(crate) fn masked(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "[secret]");
        }
    }
    text
}

fn collect(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::Secret(inner) => collect(inner, true, found),
        Value::String(text) if secret => {
            found.push(text.clone());
            // As it may have been written with its quotes.
            found.push(text.escape_debug().to_string());
        }
        Value::Number(number) if secret => found.push(number.to_string()),
        Value::List(items) => items.iter().for_each(|item| collect(item, secret, found)),
        Value::Map(map) => map.values().for_each(|item| collect(item, secret, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_in_secret_is_taken_out_of_a_text_however_it_lies() {
        let mut map = crate::value::Map::new();
        map.insert("list", Value::List(vec![Value::from("pass\"word").into_secret()]));
        map.insert("all", Value::List(vec![Value::from("inner"), 4242.into()]).into_secret());
        map.insert("plain", Value::from("stays"));
        let known = secrets([&Value::Map(map)].into_iter());
        let text = r#"pass"word, "pass\"word", inner, 4242, stays"#.to_owned();
        assert_eq!(masked(text, &known), "[secret], \"[secret]\", [secret], [secret], stays");
    }
}
