//! What is there after a run: the outputs a program may read.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::{
    declare::Program,
    expr::NodeId,
    output::Output,
    plan::Undecided,
    value::{Value, ValueError},
};

/// A stack after a complete apply.
#[derive(Clone)]
pub struct Live {
    pub(crate) program: Arc<Program>,
    /// Per node, what it reported.
    pub(crate) outputs: Vec<Value>,
    pub(crate) exports: Value,
    pub(crate) undecided: Vec<Undecided>,
}

/// Why an output has no value to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// It comes from another declaration.
    #[error("the output belongs to another stack")]
    Foreign,
    /// It could not be computed, or is not of the type.
    #[error("the output has no value: {0}")]
    Value(String),
}

impl From<ValueError> for GetError {
    fn from(error: ValueError) -> Self {
        GetError::Value(error.to_string())
    }
}

impl Live {
    /// Reads an output. A secret is opened: whoever asks for it answers for it.
    ///
    /// # Errors
    /// When the output is of another stack, or has no value.
    pub fn get<T: DeserializeOwned>(&self, output: &Output<T>) -> Result<T, GetError> {
        let mut foreign = false;
        output.expr.dependencies(&mut |token, _| foreign |= token != self.program.token);
        if foreign {
            return Err(GetError::Foreign);
        }
        let value = output
            .expr
            .resolve(&|id: NodeId| self.outputs.get(id.0 as usize))
            .map_err(|error| GetError::Value(error.to_string()))?;
        Ok(value.to_data()?)
    }

    /// The subtrees that could not be declared yet ([`Scope::decide`](crate::Scope::decide)). When
    /// there are any, plan again: what the run made decides them.
    #[must_use]
    pub fn undecided(&self) -> &[Undecided] {
        &self.undecided
    }

    /// The outputs that the stack exports, by name.
    #[must_use]
    pub fn exports(&self) -> &Value {
        &self.exports
    }
}
