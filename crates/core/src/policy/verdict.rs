//! What policies say of a plan, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Level;
use crate::{
    identity::Address,
    value::{Path, Value},
};

/// What the policies say of a plan. All of it is sorted, so that it does not depend on the order in
/// which the policies were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Verdict {
    /// The policies that judged, by name.
    pub policies: Vec<String>,
    /// What violates them. Those of a mandatory policy refuse the plan, unless they are exempt.
    pub violations: Vec<Violation>,
    /// What was put right, and what could not be.
    pub remediations: Vec<Remediation>,
    /// What is judged in the run, when it is known.
    pub deferred: Vec<Deferred>,
}

impl Verdict {
    /// Whether no policy judged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The violations that refuse the plan.
    pub fn refusals(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(|violation| violation.refuses())
    }

    /// The violations that are only told: of advisory policies, and those that are exempt.
    pub fn warnings(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(|violation| !violation.refuses())
    }
}

/// One thing that violates a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// The resource; empty for the stack itself.
    pub address: Address,
    /// The policy, by name.
    pub policy: String,
    /// What the violation means.
    pub level: Level,
    /// The field, where it is about one.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What is to be done about it.
    pub remedy: Option<String>,
    /// The source lines of the declaration; empty for the stack itself.
    pub declared_at: String,
    /// Why it is accepted, where it is.
    pub exempt: Option<String>,
}

impl Violation {
    /// Whether it refuses the plan.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.level == Level::Mandatory && self.exempt.is_none()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = self.address.as_str().is_empty();
        write!(f, "{}", if stack { "the stack" } else { self.address.as_str() })?;
        if let Some(field) = &self.field {
            write!(f, ".{field}")?;
        }
        write!(f, ": {} ({} policy {}", self.message, self.level, self.policy)?;
        if let Some(reason) = &self.exempt {
            write!(f, "; exempt: {reason}")?;
        }
        f.write_str(")")?;
        if let Some(remedy) = self.remedy.as_ref().filter(|_| self.exempt.is_none()) {
            write!(f, "; {remedy}")?;
        }
        match self.declared_at.is_empty() {
            true => Ok(()),
            false => write!(f, " [declared at {}]", self.declared_at),
        }
    }
}

/// One declared input that a policy puts right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Remediation {
    /// The resource.
    pub address: Address,
    /// The policy, by name; where several want the same, all of them.
    pub policies: Vec<String>,
    /// The field.
    pub path: Path,
    /// What the program declares; null if nothing.
    pub old: Value,
    /// What is planned instead; null if nothing.
    pub new: Value,
    /// Why it is not done, where it is not.
    pub held: Option<String>,
}

impl fmt::Display for Remediation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, policies, path, old, new, held } = self;
        let none = |value: &Value| match value {
            Value::Null => "(none)".to_owned(),
            value => value.to_string(),
        };
        let (old, new) = (none(old), none(new));
        let by = policies.join(", ");
        match held {
            None => write!(f, "{address}.{path}: {old} -> {new} (policy {by})"),
            Some(why) => write!(f, "{address}.{path}: {old} stays, not {new}: {why} (policy {by})"),
        }
    }
}

/// One value that a policy judges in the run, when it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deferred {
    /// What is judged: the resource; empty for the stack itself.
    pub address: Address,
    /// The policy, by name.
    pub policy: String,
    /// What the violation would mean.
    pub level: Level,
    /// The resource that has the field: the one that is judged, or one that it refers to.
    pub of: Address,
    /// The field.
    pub field: String,
}

impl fmt::Display for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, policy, field, .. } = self;
        write!(f, "{of}.{field}: known only after apply, so policy {policy} judges it then")
    }
}
