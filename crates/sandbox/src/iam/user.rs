//! The one user that the sandbox has: whoever calls with keys that no role session handed out.
//!
//! Users, groups and access keys can not be made here; stacks give roles to machines, not keys to
//! people.

/// The user's id, `AIDA...`.
pub(crate) const ID: &str = "AIDAFORMWORKSANDBOXU2";

/// The user's ARN.
pub(crate) fn arn(account: &str) -> String {
    format!("arn:aws:iam::{account}:user/sandbox")
}
