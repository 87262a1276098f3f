//! The switches of a VPC that have calls of their own, one call each.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html>

use aws_sdk_ec2::types::{AttributeBooleanValue, VpcAttributeName};
use formwork_core::ProviderError;

use super::vpc::{Vpc, VpcId};
use crate::{client::Clients, error::Named, retry::while_unseen};

/// The switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Whether Amazon's DNS server answers.
    pub(crate) dns_support: bool,
    /// Whether instances get public names.
    pub(crate) dns_hostnames: bool,
    /// Whether there are metrics of the use of addresses.
    pub(crate) usage_metrics: bool,
}

impl Attributes {
    /// What a new VPC has.
    pub(crate) const NEW: Self =
        Self { dns_support: true, dns_hostnames: false, usage_metrics: false };

    /// The inputs they are.
    pub(crate) const FIELDS: [&'static str; 3] =
        ["enable_dns_support", "enable_dns_hostnames", "enable_network_address_usage_metrics"];

    /// Those that `vpc` wants.
    pub(crate) fn of(vpc: &Vpc) -> Self {
        Self {
            dns_support: vpc.enable_dns_support,
            dns_hostnames: vpc.enable_dns_hostnames,
            usage_metrics: vpc.enable_network_address_usage_metrics,
        }
    }
}

/// Reads all of them.
pub(crate) async fn read(clients: &Clients, id: &VpcId) -> Result<Attributes, ProviderError> {
    let ask = async |name: VpcAttributeName| {
        let call = clients.ec2().describe_vpc_attribute().vpc_id(id.as_str()).attribute(name);
        call.send().await.named("ec2:DescribeVpcAttribute")
    };
    let (support, hostnames, metrics) = tokio::try_join!(
        ask(VpcAttributeName::EnableDnsSupport),
        ask(VpcAttributeName::EnableDnsHostnames),
        ask(VpcAttributeName::EnableNetworkAddressUsageMetrics),
    )?;
    let on = |value: Option<&AttributeBooleanValue>| value.and_then(|v| v.value) == Some(true);
    Ok(Attributes {
        dns_support: on(support.enable_dns_support()),
        dns_hostnames: on(hostnames.enable_dns_hostnames()),
        usage_metrics: on(metrics.enable_network_address_usage_metrics()),
    })
}

/// Changes those that differ. DNS names need DNS support: it goes on before them, and off after.
pub(crate) async fn write(
    clients: &Clients,
    id: &VpcId,
    now: Attributes,
    wanted: Attributes,
) -> Result<(), ProviderError> {
    let set = |on: bool| AttributeBooleanValue::builder().value(on).build();
    let call = || clients.ec2().modify_vpc_attribute().vpc_id(id.as_str());
    let hostnames = (now.dns_hostnames != wanted.dns_hostnames)
        .then(|| call().enable_dns_hostnames(set(wanted.dns_hostnames)));
    let support = (now.dns_support != wanted.dns_support)
        .then(|| call().enable_dns_support(set(wanted.dns_support)));
    let metrics = (now.usage_metrics != wanted.usage_metrics)
        .then(|| call().enable_network_address_usage_metrics(set(wanted.usage_metrics)));
    let dns = if wanted.dns_hostnames { [support, hostnames] } else { [hostnames, support] };
    for call in dns.into_iter().chain([metrics]).flatten() {
        while_unseen(clients, || async {
            call.clone().send().await.named("ec2:ModifyVpcAttribute")
        })
        .await?;
    }
    Ok(())
}
