//! Systems Manager: the parameter store, with AWS's public parameters for machine images, and the
//! list of managed instances. Nothing can be run on an instance: there is no machine behind it.

use crate::{call::OperationFn, error::ApiError};

mod filter;
mod managed_instance;
mod name;
mod paging;
pub(crate) mod parameter;
mod read;
mod tagging;
mod write;

#[cfg(test)]
mod tests;

/// All operations, one table per file.
pub(crate) const OPERATIONS: &[&[(&str, OperationFn)]] =
    &[managed_instance::OPERATIONS, read::OPERATIONS, tagging::OPERATIONS, write::OPERATIONS];

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}
