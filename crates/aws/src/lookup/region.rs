//! A region.

use formwork_core::{ErrorKind, Inputs, Lookup, Outputs, ProviderError};
use serde::{Deserialize, Serialize};

use crate::{client::Clients, error::Named};

/// Asks about a region.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct Region {
    /// Its name, such as `eu-west-1`. The provider's own region if not set.
    pub name: Option<String>,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RegionAnswer {
    /// Its name.
    #[output(id)]
    pub name: String,
    /// The host of its EC2 API.
    pub endpoint: Option<String>,
    /// Whether the account must opt in, and has: `opt-in-not-required`, `opted-in` or
    /// `not-opted-in`.
    pub opt_in_status: Option<String>,
    /// The partition it is in, which ARNs begin with: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// What the names of its services end in, such as `amazonaws.com`.
    pub dns_suffix: String,
}

impl Lookup for Region {
    const KIND: &'static str = "aws:ec2/region";
    type Answer = RegionAnswer;
    type Client = Clients;

    async fn look_up(clients: &Clients, query: &Self) -> Result<RegionAnswer, ProviderError> {
        const CALL: &str = "ec2:DescribeRegions";
        let name = query.name.as_deref().unwrap_or(clients.region());
        let call = clients.ec2().describe_regions().all_regions(true).region_names(name);
        let answer = call.send().await.named(CALL)?;
        let region = answer.regions.unwrap_or_default().pop().ok_or_else(|| {
            ProviderError::new(ErrorKind::NotFound, CALL, format!("there is no region {name:?}"))
        })?;
        let partition = clients.partition();
        // <https://docs.aws.amazon.com/general/latest/gr/rande.html>
        let dns_suffix = match partition {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        Ok(RegionAnswer {
            name: region.region_name.unwrap_or_else(|| name.to_owned()),
            endpoint: region.endpoint,
            opt_in_status: region.opt_in_status,
            partition: partition.to_owned(),
            dns_suffix: dns_suffix.to_owned(),
        })
    }
}
