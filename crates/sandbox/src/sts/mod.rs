//! STS: who is calling, and temporary keys for roles.

use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    xml::Xml,
};

mod assume_role;
pub(crate) mod session;

#[cfg(test)]
mod tests;

/// All operations, one table per file.
pub(crate) const OPERATIONS: &[&[(&str, OperationFn)]] = &[&[
    ("AssumeRole", assume_role::assume_role),
    ("GetAccessKeyInfo", get_access_key_info),
    ("GetCallerIdentity", get_caller_identity),
]];

fn get_caller_identity(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let caller = session::caller(call)?;
    Ok(Xml::new()
        .text("Arn", caller.arn)
        .text("UserId", caller.user_id)
        .text("Account", &call.account)
        .into())
}

fn get_access_key_info(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let key = call.params.required("AccessKeyId")?;
    let word = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word || !(16..=128).contains(&key.len()) {
        return Err(ApiError::new(
            "ValidationError",
            format!("'{key}' is not the form of an access key id"),
        ));
    }
    // Every key that can call the sandbox belongs to its one account.
    Ok(Xml::new().text("Account", &call.account).into())
}
