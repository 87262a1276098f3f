//! Role sessions: who holds which temporary key, and until when.

use serde::{Deserialize, Serialize};

use crate::{call::Call, error::ApiError, iam::user, row::Row, time::Millis};

/// A session of a role, by its access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// `ASIA...`
    pub(crate) access_key: String,
    /// The role, as a policy names it.
    pub(crate) role_arn: String,
    /// `arn:aws:sts::123456789012:assumed-role/role/session`.
    pub(crate) arn: String,
    /// `AROA...:session`.
    pub(crate) user_id: String,
    pub(crate) expires: Millis,
}

impl Row for Session {
    const KIND: &'static str = "session";
    const GLOBAL: bool = true;

    fn id(&self) -> &str {
        &self.access_key
    }
}

/// Who made a call.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) user_id: String,
    /// As GetCallerIdentity tells it.
    pub(crate) arn: String,
    /// As a policy names it: the role of a session.
    pub(crate) principal: String,
    /// Whether the caller is itself a role session.
    pub(crate) is_session: bool,
}

/// Who makes this call: the holder of a session's key, or else the sandbox's one user.
///
/// # Errors
/// `InvalidClientTokenId` for a temporary key that was not handed out here, `ExpiredToken` after
/// its time.
pub(crate) fn caller(call: &Call<'_>) -> Result<Identity, ApiError> {
    if !call.access_key.starts_with("ASIA") {
        let arn = user::arn(&call.account);
        return Ok(Identity {
            user_id: user::ID.to_owned(),
            principal: arn.clone(),
            arn,
            is_session: false,
        });
    }
    let Some(session) = call.get::<Session>(&call.access_key) else {
        let message = "The security token included in the request is invalid.";
        return Err(ApiError::new("InvalidClientTokenId", message).with_status(403));
    };
    if call.now >= session.expires {
        let message = "The security token included in the request is expired";
        return Err(ApiError::new("ExpiredToken", message).with_status(403));
    }
    Ok(Identity {
        user_id: session.user_id,
        arn: session.arn,
        principal: session.role_arn,
        is_session: true,
    })
}
