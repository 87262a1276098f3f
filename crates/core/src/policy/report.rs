//! What a rule says is wrong.

use super::{Policy, Subject, Violation};
use crate::{identity::Address, value::Value};

/// Where a rule says what is wrong with what it was shown.
pub struct Report<'a> {
    pub(super) policy: &'a Policy,
    /// What it is about, where the rule does not say it: its address and its source lines.
    pub(super) about: (Address, String),
    pub(super) violations: Vec<Violation>,
}

impl Report<'_> {
    /// Says that the field at `path` violates the policy, or all of it if the path is empty. Say what
    /// was found and what is expected; secrets in the text are masked.
    pub fn violation(&mut self, path: &str, message: impl Into<String>) {
        let remedy = self.policy.remedy.clone();
        let about = self.about.clone();
        self.push(about, path, message.into(), remedy);
    }

    /// The same, with what is to be done about it.
    pub fn violation_with_remedy(
        &mut self,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let about = self.about.clone();
        self.push(about, path, message.into(), Some(remedy.into()));
    }

    /// Says it of another resource: for rules about the stack.
    pub fn violation_of(&mut self, of: &Subject<'_>, path: &str, message: impl Into<String>) {
        let remedy = self.policy.remedy.clone();
        self.push((of.address().clone(), of.declared_at()), path, message.into(), remedy);
    }

    fn push(
        &mut self,
        (address, declared_at): (Address, String),
        path: &str,
        message: String,
        remedy: Option<String>,
    ) {
        self.violations.push(Violation {
            address,
            policy: self.policy.name.clone(),
            level: self.policy.level,
            field: Some(path.to_owned()).filter(|path| !path.is_empty()),
            message,
            remedy,
            declared_at,
            exempt: None,
        });
    }
}

/// The secrets in some inputs, as they may stand in a text; a longer one may hold a shorter one, and
/// comes first.
pub(super) fn secrets<'v>(inputs: impl Iterator<Item = &'v Value>) -> Vec<String> {
    let mut secrets = Vec::new();
    for inputs in inputs {
        collect(inputs, false, &mut secrets);
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
    secrets
}

/// A text that a policy wrote, without them.
pub(super) fn masked(mut text: String, secrets: &[String]) -> String {
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
            // As a policy may have written it with its quotes.
            found.push(text.escape_debug().to_string());
        }
        Value::Number(number) if secret => found.push(number.to_string()),
        Value::List(items) => items.iter().for_each(|item| collect(item, secret, found)),
        Value::Map(map) => map.values().for_each(|item| collect(item, secret, found)),
        _ => {}
    }
}
