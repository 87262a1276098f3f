//! What the types that have parents share: which of these they were asked for.

use formwork_core::{Managed, value::Value};

/// The ids of the parents of one type.
pub(crate) fn of_kind(parents: &[Managed<'_>], kind: &str) -> Vec<String> {
    parents.iter().filter(|parent| parent.kind == kind).map(|parent| parent.id.to_owned()).collect()
}

/// Whether this input of a parent is set to true.
pub(crate) fn says(parent: &Managed<'_>, input: &str) -> bool {
    matches!(parent.inputs.get(input), Some(Value::Bool(true)))
}
