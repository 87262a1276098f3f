//! The network interfaces that a machine is launched with.

use aws_sdk_ec2::types;
use formwork_core::Inputs;
use serde::{Deserialize, Serialize};

use crate::{
    ec2::{
        NetworkInterfaceId, SecurityGroupId, SubnetId,
        wire::{seen, seen_all, seen_number, sent, sent_all, sent_number},
    },
    id::choice,
};

choice! {
    /// What an interface can do.
    InterfaceType {
        /// An ordinary (ENA) interface.
        Interface = "interface",
        /// An ENA interface that carries EFA traffic too.
        Efa = "efa",
        /// EFA traffic alone: no IP address is taken, and it can not be the primary interface.
        EfaOnly = "efa-only",
    }
}

/// One network interface to make at launch, or an existing one to attach.
///
/// Layouts that give a GPU machine all of its EFA bandwidth:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html>.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct LaunchInterface {
    /// Where on its card it is; 0 on card 0 is the primary interface.
    #[serde(default)]
    #[resource(default)]
    pub device_index: u32,
    /// The card that it is on.
    #[serde(default)]
    #[resource(default)]
    pub network_card_index: u32,
    /// What it can do; an ordinary interface if not set.
    #[resource(defaulted)]
    pub interface_type: Option<InterfaceType>,
    /// An interface that exists. Then nothing that would make one can be set.
    pub network_interface_id: Option<NetworkInterfaceId>,
    /// The subnet to make it in.
    pub subnet_id: Option<SubnetId>,
    /// Its security groups; the network's default group if there are none.
    #[serde(default)]
    #[resource(default, unordered)]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// Its description.
    pub description: Option<String>,
    /// Whether it gets a public IPv4 address. Not with more than one interface.
    pub associate_public_ip_address: Option<bool>,
    /// Whether it gets a carrier address, in a Wavelength zone.
    pub associate_carrier_ip_address: Option<bool>,
    /// Whether it goes with the machine.
    pub delete_on_termination: Option<bool>,
    /// Its primary IPv4 address.
    pub private_ip_address: Option<String>,
    /// More IPv4 addresses.
    #[serde(default)]
    #[resource(default, unordered)]
    pub secondary_private_ip_addresses: Vec<String>,
    /// How many more IPv4 addresses AWS chooses.
    pub secondary_private_ip_address_count: Option<u32>,
    /// How many IPv6 addresses AWS chooses.
    pub ipv6_address_count: Option<u32>,
    /// Its IPv6 addresses.
    #[serde(default)]
    #[resource(default, unordered)]
    pub ipv6_addresses: Vec<String>,
    /// Whether its first IPv6 address is its primary one.
    pub primary_ipv6: Option<bool>,
    /// How many IPv4 prefixes (/28) AWS delegates to it.
    pub ipv4_prefix_count: Option<u32>,
    /// IPv4 prefixes delegated to it.
    #[serde(default)]
    #[resource(default, unordered)]
    pub ipv4_prefixes: Vec<String>,
    /// How many IPv6 prefixes (/80) AWS delegates to it.
    pub ipv6_prefix_count: Option<u32>,
    /// IPv6 prefixes delegated to it.
    #[serde(default)]
    #[resource(default, unordered)]
    pub ipv6_prefixes: Vec<String>,
    /// How many queues it has, on types where that can be chosen.
    pub ena_queue_count: Option<u32>,
    /// ENA Express.
    #[resource(nested)]
    pub ena_express: Option<EnaExpress>,
    /// How long idle connections are tracked.
    #[resource(nested)]
    pub connection_tracking: Option<ConnectionTracking>,
}

/// ENA Express: SRD beneath TCP, and UDP if asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct EnaExpress {
    /// Whether it is on.
    #[serde(default)]
    #[resource(default)]
    pub enabled: bool,
    /// Whether it is on for UDP too.
    #[serde(default)]
    #[resource(default)]
    pub udp_enabled: bool,
}

/// How long the security groups remember an idle connection, in seconds.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#connection-tracking-timeouts>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ConnectionTracking {
    /// Of an established TCP connection: 60 to 432000.
    pub tcp_established_timeout: Option<u32>,
    /// Of UDP flows with one request and one answer: 30 to 60.
    pub udp_timeout: Option<u32>,
    /// Of UDP streams: 60 to 180.
    pub udp_stream_timeout: Option<u32>,
}

// The SDK has one type for templates and another for launches, with the same members.
macro_rules! request {
    ($from:expr, $sdk:ident, $ipv6:ident) => {
        types::$sdk::builder()
            .set_device_index(sent_number(Some($from.device_index)))
            .set_network_card_index(sent_number(Some($from.network_card_index)))
            .set_interface_type(sent(&$from.interface_type))
            .set_network_interface_id(sent(&$from.network_interface_id))
            .set_subnet_id(sent(&$from.subnet_id))
            .set_groups(sent_all(&$from.security_group_ids))
            .set_description($from.description.clone())
            .set_associate_public_ip_address($from.associate_public_ip_address)
            .set_associate_carrier_ip_address($from.associate_carrier_ip_address)
            .set_delete_on_termination($from.delete_on_termination)
            .set_private_ip_address($from.private_ip_address.clone())
            .set_private_ip_addresses($from.secondary())
            .set_secondary_private_ip_address_count(sent_number(
                $from.secondary_private_ip_address_count,
            ))
            .set_ipv6_address_count(sent_number($from.ipv6_address_count))
            .set_ipv6_addresses(list(&$from.ipv6_addresses, |address| {
                types::$ipv6::builder().ipv6_address(address).build()
            }))
            .set_primary_ipv6($from.primary_ipv6)
            .set_ipv4_prefix_count(sent_number($from.ipv4_prefix_count))
            .set_ipv4_prefixes(list(&$from.ipv4_prefixes, |prefix| {
                types::Ipv4PrefixSpecificationRequest::builder().ipv4_prefix(prefix).build()
            }))
            .set_ipv6_prefix_count(sent_number($from.ipv6_prefix_count))
            .set_ipv6_prefixes(list(&$from.ipv6_prefixes, |prefix| {
                types::Ipv6PrefixSpecificationRequest::builder().ipv6_prefix(prefix).build()
            }))
            .set_ena_queue_count(sent_number($from.ena_queue_count))
            .set_ena_srd_specification($from.ena_express.as_ref().map(EnaExpress::request))
            .set_connection_tracking_specification(
                $from.connection_tracking.as_ref().map(ConnectionTracking::request),
            )
            .build()
    };
}

fn list<T>(texts: &[String], of: impl Fn(&str) -> T) -> Option<Vec<T>> {
    (!texts.is_empty()).then(|| texts.iter().map(|text| of(text)).collect())
}

impl LaunchInterface {
    pub(crate) fn for_template(
        &self,
    ) -> types::LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
        request!(
            self,
            LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
            InstanceIpv6AddressRequest
        )
    }

    pub(crate) fn for_launch(&self) -> types::InstanceNetworkInterfaceSpecification {
        request!(self, InstanceNetworkInterfaceSpecification, InstanceIpv6Address)
    }

    pub(crate) fn of_template(
        from: &types::LaunchTemplateInstanceNetworkInterfaceSpecification,
    ) -> Self {
        let addresses = from.private_ip_addresses();
        let primary = addresses.iter().find(|address| address.primary == Some(true));
        Self {
            device_index: seen_number(from.device_index).unwrap_or_default(),
            network_card_index: seen_number(from.network_card_index).unwrap_or_default(),
            interface_type: seen(&from.interface_type),
            network_interface_id: seen(&from.network_interface_id),
            subnet_id: seen(&from.subnet_id),
            security_group_ids: seen_all(from.groups()),
            description: seen(&from.description),
            associate_public_ip_address: from.associate_public_ip_address,
            associate_carrier_ip_address: from.associate_carrier_ip_address,
            delete_on_termination: from.delete_on_termination,
            private_ip_address: seen(&from.private_ip_address)
                .or_else(|| primary.and_then(|address| seen(&address.private_ip_address))),
            secondary_private_ip_addresses: addresses
                .iter()
                .filter(|address| address.primary != Some(true))
                .filter_map(|address| address.private_ip_address.clone())
                .collect(),
            secondary_private_ip_address_count: seen_number(
                from.secondary_private_ip_address_count,
            ),
            ipv6_address_count: seen_number(from.ipv6_address_count),
            ipv6_addresses: from
                .ipv6_addresses()
                .iter()
                .filter_map(|address| address.ipv6_address.clone())
                .collect(),
            primary_ipv6: from.primary_ipv6,
            ipv4_prefix_count: seen_number(from.ipv4_prefix_count),
            ipv4_prefixes: from
                .ipv4_prefixes()
                .iter()
                .filter_map(|prefix| prefix.ipv4_prefix.clone())
                .collect(),
            ipv6_prefix_count: seen_number(from.ipv6_prefix_count),
            ipv6_prefixes: from
                .ipv6_prefixes()
                .iter()
                .filter_map(|prefix| prefix.ipv6_prefix.clone())
                .collect(),
            ena_queue_count: seen_number(from.ena_queue_count),
            ena_express: from.ena_srd_specification.as_ref().map(|srd| EnaExpress {
                enabled: srd.ena_srd_enabled.unwrap_or_default(),
                udp_enabled: srd
                    .ena_srd_udp_specification
                    .as_ref()
                    .and_then(|udp| udp.ena_srd_udp_enabled)
                    .unwrap_or_default(),
            }),
            connection_tracking: from.connection_tracking_specification.as_ref().map(|tracking| {
                ConnectionTracking {
                    tcp_established_timeout: seen_number(tracking.tcp_established_timeout),
                    udp_timeout: seen_number(tracking.udp_timeout),
                    udp_stream_timeout: seen_number(tracking.udp_stream_timeout),
                }
            }),
        }
    }

    fn secondary(&self) -> Option<Vec<types::PrivateIpAddressSpecification>> {
        list(&self.secondary_private_ip_addresses, |address| {
            types::PrivateIpAddressSpecification::builder()
                .private_ip_address(address)
                .primary(false)
                .build()
        })
    }
}

impl EnaExpress {
    fn request(&self) -> types::EnaSrdSpecificationRequest {
        let udp = types::EnaSrdUdpSpecificationRequest::builder();
        types::EnaSrdSpecificationRequest::builder()
            .ena_srd_enabled(self.enabled)
            .ena_srd_udp_specification(udp.ena_srd_udp_enabled(self.udp_enabled).build())
            .build()
    }
}

impl ConnectionTracking {
    fn request(&self) -> types::ConnectionTrackingSpecificationRequest {
        types::ConnectionTrackingSpecificationRequest::builder()
            .set_tcp_established_timeout(sent_number(self.tcp_established_timeout))
            .set_udp_timeout(sent_number(self.udp_timeout))
            .set_udp_stream_timeout(sent_number(self.udp_stream_timeout))
            .build()
    }
}
