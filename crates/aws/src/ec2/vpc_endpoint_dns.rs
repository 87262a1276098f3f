//! The two forms that EC2 has of what is nested in a VPC endpoint.

use aws_sdk_ec2::types;

use super::vpc_endpoint::{EndpointDnsOptions, EndpointSubnet};

/// DNS options as they are asked for.
pub(crate) fn sent(options: &EndpointDnsOptions) -> types::DnsOptionsSpecification {
    types::DnsOptionsSpecification::builder()
        .set_dns_record_ip_type(options.dns_record_ip_type.as_ref().map(|of| of.as_str().into()))
        .set_private_dns_only_for_inbound_resolver_endpoint(
            options.private_dns_only_for_inbound_resolver_endpoint,
        )
        .set_private_dns_preference(options.private_dns_preference.clone())
        .set_private_dns_specified_domains(options.private_dns_specified_domains.clone())
        .build()
}

/// DNS options as they are shown.
pub(crate) fn seen(options: &types::DnsOptions) -> EndpointDnsOptions {
    EndpointDnsOptions {
        dns_record_ip_type: options.dns_record_ip_type().map(|of| of.as_str().into()),
        private_dns_only_for_inbound_resolver_endpoint: options
            .private_dns_only_for_inbound_resolver_endpoint(),
        private_dns_preference: options.private_dns_preference.clone(),
        private_dns_specified_domains: options.private_dns_specified_domains.clone(),
    }
}

/// The addresses of interfaces as they are asked for.
pub(crate) fn subnets(subnets: &[EndpointSubnet]) -> Option<Vec<types::SubnetConfiguration>> {
    let one = |subnet: &EndpointSubnet| {
        types::SubnetConfiguration::builder()
            .subnet_id(subnet.subnet_id.as_str())
            .set_ipv4(subnet.ipv4.clone())
            .set_ipv6(subnet.ipv6.clone())
            .build()
    };
    (!subnets.is_empty()).then(|| subnets.iter().map(one).collect())
}
