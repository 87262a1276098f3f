//! What a rule says is wrong.

use super::{Policy, Subject, Violation};
use crate::identity::Address;

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
