//! The smaller settings of a machine: metadata service, processor, names, recovery.

use aws_sdk_ec2::types;
use formwork_core::{Check, Inputs};
use serde::{Deserialize, Serialize};

use crate::{
    check::{choice, range},
    ec2::wire::{seen, seen_number, sent, sent_number},
    id::choice,
};

choice! {
    /// On or off.
    Switch {
        /// On.
        Enabled = "enabled",
        /// Off.
        Disabled = "disabled",
    }
}

choice! {
    /// Whether the metadata service answers without a session token.
    HttpTokens {
        /// With and without (IMDSv1 and IMDSv2).
        Optional = "optional",
        /// Only with one (IMDSv2).
        Required = "required",
    }
}

choice! {
    /// What the machine's host name is made of.
    HostnameType {
        /// Its IPv4 address.
        IpName = "ip-name",
        /// Its id.
        ResourceName = "resource-name",
    }
}

choice! {
    /// How the CPU credits of a burstable type are spent.
    CpuCredits {
        /// No more than were earned.
        Standard = "standard",
        /// As many as needed, for a price.
        Unlimited = "unlimited",
    }
}

choice! {
    /// What a shutdown from within the machine does.
    ShutdownBehavior {
        /// It is stopped.
        Stop = "stop",
        /// It is terminated.
        Terminate = "terminate",
    }
}

choice! {
    /// Whether AWS moves the machine off broken hardware by itself.
    AutoRecovery {
        /// It does, where the type supports it.
        Default = "default",
        /// It does not.
        Disabled = "disabled",
    }
}

choice! {
    /// How a machine's bandwidth is shared between the network and EBS.
    BandwidthWeighting {
        /// As the type has it.
        Default = "default",
        /// More for the network.
        Vpc1 = "vpc-1",
        /// More for EBS.
        Ebs1 = "ebs-1",
    }
}

/// The instance metadata service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct MetadataOptions {
    /// Whether it answers without a session token.
    pub http_tokens: Option<HttpTokens>,
    /// How many network hops its answers travel, 1 to 64; 2 for containers.
    pub http_put_response_hop_limit: Option<u32>,
    /// Whether it is there.
    pub http_endpoint: Option<Switch>,
    /// Whether it is there over IPv6 too.
    pub http_protocol_ipv6: Option<Switch>,
    /// Whether it tells the machine's tags.
    pub instance_metadata_tags: Option<Switch>,
}

/// Cores and threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct CpuOptions {
    /// How many cores are used.
    pub core_count: Option<u32>,
    /// Threads per core: 1 turns simultaneous multithreading off.
    pub threads_per_core: Option<u32>,
    /// AMD SEV-SNP memory encryption.
    pub amd_sev_snp: Option<Switch>,
    /// Whether virtual machines can run inside.
    pub nested_virtualization: Option<Switch>,
}

/// The machine's names in the private DNS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct PrivateDnsOptions {
    /// What the host name is made of.
    pub hostname_type: Option<HostnameType>,
    /// Whether the name made of the id has an A record.
    pub enable_resource_name_dns_a_record: Option<bool>,
    /// Whether the name made of the id has an AAAA record.
    pub enable_resource_name_dns_aaaa_record: Option<bool>,
}

// The SDK has one type for templates and another for launches, with the same members.
macro_rules! metadata {
    ($from:expr, $sdk:ident) => {
        types::$sdk::builder()
            .set_http_tokens(sent(&$from.http_tokens))
            .set_http_put_response_hop_limit(sent_number($from.http_put_response_hop_limit))
            .set_http_endpoint(sent(&$from.http_endpoint))
            .set_http_protocol_ipv6(sent(&$from.http_protocol_ipv6))
            .set_instance_metadata_tags(sent(&$from.instance_metadata_tags))
            .build()
    };
}
macro_rules! read_metadata {
    ($from:expr) => {
        MetadataOptions {
            http_tokens: seen(&$from.http_tokens),
            http_put_response_hop_limit: seen_number($from.http_put_response_hop_limit),
            http_endpoint: seen(&$from.http_endpoint),
            http_protocol_ipv6: seen(&$from.http_protocol_ipv6),
            instance_metadata_tags: seen(&$from.instance_metadata_tags),
        }
    };
}
macro_rules! cpu {
    ($from:expr, $sdk:ident) => {
        types::$sdk::builder()
            .set_core_count(sent_number($from.core_count))
            .set_threads_per_core(sent_number($from.threads_per_core))
            .set_amd_sev_snp(sent(&$from.amd_sev_snp))
            .set_nested_virtualization(sent(&$from.nested_virtualization))
            .build()
    };
}
macro_rules! read_cpu {
    ($from:expr) => {
        CpuOptions {
            core_count: seen_number($from.core_count),
            threads_per_core: seen_number($from.threads_per_core),
            amd_sev_snp: seen(&$from.amd_sev_snp),
            nested_virtualization: seen(&$from.nested_virtualization),
        }
    };
}
macro_rules! dns {
    ($from:expr, $sdk:ident) => {
        types::$sdk::builder()
            .set_hostname_type(sent(&$from.hostname_type))
            .set_enable_resource_name_dns_a_record($from.enable_resource_name_dns_a_record)
            .set_enable_resource_name_dns_aaaa_record($from.enable_resource_name_dns_aaaa_record)
            .build()
    };
}
macro_rules! read_dns {
    ($from:expr) => {
        PrivateDnsOptions {
            hostname_type: seen(&$from.hostname_type),
            enable_resource_name_dns_a_record: $from.enable_resource_name_dns_a_record,
            enable_resource_name_dns_aaaa_record: $from.enable_resource_name_dns_aaaa_record,
        }
    };
}

impl MetadataOptions {
    pub(crate) fn for_template(&self) -> types::LaunchTemplateInstanceMetadataOptionsRequest {
        metadata!(self, LaunchTemplateInstanceMetadataOptionsRequest)
    }

    pub(crate) fn for_launch(&self) -> types::InstanceMetadataOptionsRequest {
        metadata!(self, InstanceMetadataOptionsRequest)
    }

    pub(crate) fn of_template(from: &types::LaunchTemplateInstanceMetadataOptions) -> Self {
        read_metadata!(from)
    }

    /// What `asked` says of the machine's options, or all of them.
    pub(crate) fn of_instance(
        from: &types::InstanceMetadataOptionsResponse,
        asked: Option<&Self>,
    ) -> Self {
        let is = read_metadata!(from);
        let Some(asked) = asked else { return is };
        super::only_asked!(
            is,
            asked,
            http_tokens,
            http_put_response_hop_limit,
            http_endpoint,
            http_protocol_ipv6,
            instance_metadata_tags,
        )
    }
}

impl CpuOptions {
    pub(crate) fn for_template(&self) -> types::LaunchTemplateCpuOptionsRequest {
        cpu!(self, LaunchTemplateCpuOptionsRequest)
    }

    pub(crate) fn for_launch(&self) -> types::CpuOptionsRequest {
        cpu!(self, CpuOptionsRequest)
    }

    pub(crate) fn of_template(from: &types::LaunchTemplateCpuOptions) -> Self {
        read_cpu!(from)
    }

    /// What `asked` says of the machine's processor.
    pub(crate) fn of_instance(from: &types::CpuOptions, asked: &Self) -> Self {
        super::only_asked!(
            read_cpu!(from),
            asked,
            core_count,
            threads_per_core,
            amd_sev_snp,
            nested_virtualization,
        )
    }
}

impl PrivateDnsOptions {
    pub(crate) fn for_template(&self) -> types::LaunchTemplatePrivateDnsNameOptionsRequest {
        dns!(self, LaunchTemplatePrivateDnsNameOptionsRequest)
    }

    pub(crate) fn for_launch(&self) -> types::PrivateDnsNameOptionsRequest {
        dns!(self, PrivateDnsNameOptionsRequest)
    }

    pub(crate) fn of_template(from: &types::LaunchTemplatePrivateDnsNameOptions) -> Self {
        read_dns!(from)
    }

    /// What `asked` says of the machine's names.
    pub(crate) fn of_instance(from: &types::PrivateDnsNameOptionsResponse, asked: &Self) -> Self {
        super::only_asked!(
            read_dns!(from),
            asked,
            hostname_type,
            enable_resource_name_dns_a_record,
            enable_resource_name_dns_aaaa_record,
        )
    }
}

/// Reports what AWS would refuse about the settings that templates and machines share.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsRequest.html>,
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/cpu-options-supported-instances-values.html>,
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnclaveOptionsRequest.html>.
pub(crate) fn check(check: &mut Check<'_>) {
    choice::<HttpTokens>(check, "metadata_options.http_tokens");
    for field in ["http_endpoint", "http_protocol_ipv6", "instance_metadata_tags"] {
        choice::<Switch>(check, &format!("metadata_options.{field}"));
    }
    range(check, "metadata_options.http_put_response_hop_limit", 1, 64);
    for field in ["amd_sev_snp", "nested_virtualization"] {
        choice::<Switch>(check, &format!("cpu_options.{field}"));
    }
    range(check, "cpu_options.core_count", 1, 1024);
    range(check, "cpu_options.threads_per_core", 1, 2);
    choice::<HostnameType>(check, "private_dns.hostname_type");
    choice::<CpuCredits>(check, "cpu_credits");
    choice::<ShutdownBehavior>(check, "instance_initiated_shutdown_behavior");
    choice::<AutoRecovery>(check, "auto_recovery");
    choice::<BandwidthWeighting>(check, "bandwidth_weighting");
    if check.get::<bool>("enclave") == Some(true) && check.get::<bool>("hibernation") == Some(true)
    {
        check.problem(
            "enclave",
            "a machine that hibernates can have no enclaves: expected one of them",
        );
    }
}
