//! Who the calls are made as.

use formwork_core::{Inputs, Lookup, Outputs, ProviderError};
use serde::{Deserialize, Serialize};

use crate::{
    client::Clients,
    error::{Named, incomplete},
    id::Arn,
};

/// Asks who the calls are made as.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct CallerIdentity {}

/// Who the calls are made as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct CallerIdentityAnswer {
    /// The account, twelve digits.
    #[output(id)]
    pub account: String,
    /// The user, role session or root.
    pub arn: Arn,
    /// Its unique id: of a role session it is the role's, and the session's name after a colon.
    pub user_id: String,
    /// The partition that ARNs begin with: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
}

impl Lookup for CallerIdentity {
    const KIND: &'static str = "aws:sts/caller-identity";
    type Answer = CallerIdentityAnswer;
    type Client = Clients;

    async fn look_up(
        clients: &Clients,
        _query: &Self,
    ) -> Result<CallerIdentityAnswer, ProviderError> {
        const CALL: &str = "sts:GetCallerIdentity";
        let caller = clients.sts().get_caller_identity().send().await.named(CALL)?;
        let given = |text: Option<String>, what| text.ok_or_else(|| incomplete(CALL, what));
        let arn = given(caller.arn, "ARN")?;
        Ok(CallerIdentityAnswer {
            account: given(caller.account, "account")?,
            partition: arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            arn: Arn::from(arn),
            user_id: given(caller.user_id, "user id")?,
        })
    }
}
