//! What can be wrong with a declaration.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::Address;

/// One thing to know about a declaration, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The resource or component; empty for the stack itself.
    pub address: Address,
    /// The field, where it is about one.
    pub field: Option<String>,
    /// What is wrong, and what was expected.
    pub message: String,
    /// The source lines of the declaration.
    pub declared_at: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(field) = &self.field {
            write!(f, ".{field}")?;
        }
        write!(f, ": {} [declared at {}]", self.message, self.declared_at)
    }
}

/// Why a declaration is not a stack. Nothing was planned, and nothing changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// Parts of it are wrong; all of them are listed.
    #[error("the declaration of `{stack}` has {} problem(s):{}", problems.len(), list(problems))]
    Invalid {
        /// The stack's name.
        stack: String,
        /// Every problem, in the order of declaration.
        problems: Vec<Problem>,
    },
    /// The declaring closure returned an error of its own.
    #[error("the declaration of `{stack}` failed: {message}")]
    Failed {
        /// The stack's name.
        stack: String,
        /// The closure's error.
        message: String,
    },
    /// The declaring closure panicked.
    #[error("the declaration of `{stack}` panicked: {message}")]
    Panicked {
        /// The stack's name.
        stack: String,
        /// What the panic said.
        message: String,
    },
}

pub(crate) fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}
