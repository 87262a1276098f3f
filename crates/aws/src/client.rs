//! The SDK clients of one account, region and endpoint, each made when first asked for.

use std::{sync::OnceLock, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig};

use crate::{id::Arn, tags::Tags};

/// Declares the lazily made client of a service, and where creates need it (`+`) its twin that never
/// sends a request twice.
macro_rules! services {
    ($($(#[$doc:meta])* $service:ident $(+ $once:ident)?, $sdk:ident;)*) => {
        #[derive(Debug, Default)]
        struct Made {
            $($service: OnceLock<$sdk::Client>, $($once: OnceLock<$sdk::Client>,)?)*
        }

        impl Clients {$(
            $(#[$doc])*
            pub(crate) fn $service(&self) -> &$sdk::Client {
                self.made.$service.get_or_init(|| {
                    let config = $sdk::config::Builder::from(&self.config);
                    let name = self.partition_of(stringify!($service));
                    let config = config.retry_partition($sdk::config::retry::RetryPartition::new(name));
                    $sdk::Client::from_conf(config.build())
                })
            }

            $(
                /// The same, for creates without a client token: the SDK repeats a request whose
                /// answer got lost, which would make a second object. What is passing (throttling)
                /// is for the engine to repeat.
                pub(crate) fn $once(&self) -> &$sdk::Client {
                    self.made.$once.get_or_init(|| {
                        let config = $sdk::config::Builder::from(&self.config);
                        let name = self.partition_of(stringify!($service));
                        let config = config
                            .retry_partition($sdk::config::retry::RetryPartition::new(name))
                            .retry_config(RetryConfig::adaptive().with_max_attempts(1));
                        $sdk::Client::from_conf(config.build())
                    })
                }
            )?
        )*}
    };
}

services! {
    /// EC2, with the SDK's retries.
    ec2 + ec2_once, aws_sdk_ec2;
    /// IAM, with the SDK's retries: its objects are known by name, so that a repeated create shows.
    iam, aws_sdk_iam;
    /// Auto Scaling, with the SDK's retries.
    autoscaling + autoscaling_once, aws_sdk_autoscaling;
    /// Systems Manager, with the SDK's retries.
    ssm, aws_sdk_ssm;
    /// Security Token Service, with the SDK's retries.
    sts, aws_sdk_sts;
}

/// What all AWS resource types make their calls with. A program has no use for it: [`Aws`] makes
/// one, and hands it to the resource types.
///
/// [`Aws`]: crate::Aws
#[derive(Debug)]
pub struct Clients {
    config: SdkConfig,
    made: Made,
    place: Place,
    default_tags: Tags,
    consistency_window: Duration,
}

/// Where the clients point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The partition that ARNs begin with: `aws`, `aws-cn`, `aws-us-gov`.
    pub(crate) partition: String,
    /// The region, such as `eu-west-1`.
    pub(crate) region: String,
    /// The account, twelve digits.
    pub(crate) account: String,
}

impl Clients {
    pub(crate) fn new(
        config: SdkConfig,
        place: Place,
        default_tags: Tags,
        consistency_window: Duration,
    ) -> Self {
        Self { config, made: Made::default(), place, default_tags, consistency_window }
    }

    /// What shares one rate of calls: AWS counts them by account, region and service. The SDK lowers
    /// the rate when AWS says that it is too high, and raises it again.
    fn partition_of(&self, service: &str) -> String {
        let Place { account, region, .. } = &self.place;
        let endpoint = self.config.endpoint_url().unwrap_or_default();
        format!("formwork {account} {region} {service} {endpoint}")
    }

    /// The region.
    pub(crate) fn region(&self) -> &str {
        &self.place.region
    }

    /// The account.
    pub(crate) fn account(&self) -> &str {
        &self.place.account
    }

    /// The partition that ARNs begin with.
    pub(crate) fn partition(&self) -> &str {
        &self.place.partition
    }

    /// The tags that every object gets that can have tags.
    pub(crate) fn default_tags(&self) -> &Tags {
        &self.default_tags
    }

    /// How long a new object may not be seen yet.
    pub(crate) fn consistency_window(&self) -> Duration {
        self.consistency_window
    }

    /// The ARN of an object of this region, for the types whose API does not report it.
    /// `resource` is the last part, such as `vpc/vpc-0abc`; `owner` is the account it belongs to
    /// where that may be another (a shared subnet).
    pub(crate) fn arn(&self, service: &str, owner: Option<&str>, resource: &str) -> Arn {
        let Place { partition, region, account } = &self.place;
        let account = owner.unwrap_or(account);
        Arn::from(format!("arn:{partition}:{service}:{region}:{account}:{resource}"))
    }

    /// The ARN of an object of this account that is in no region, as those of IAM are.
    pub(crate) fn global_arn(&self, service: &str, resource: &str) -> Arn {
        let Place { partition, account, .. } = &self.place;
        Arn::from(format!("arn:{partition}:{service}::{account}:{resource}"))
    }
}
