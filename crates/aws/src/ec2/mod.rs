//! Amazon EC2: networks, and the machines in them.
//!
//! One file is one resource, in one order: ids, inputs, outputs, `Lifecycle`, helpers, tests.

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod network_stack_tests;
#[cfg(test)]
mod network_tests;
pub(crate) mod time;
pub(crate) mod wire;

mod capacity_reservation;
mod dependents;
pub(crate) mod describe;
mod egress_only_internet_gateway;
mod elastic_ip;
mod instance;
mod internet_gateway;
mod key_pair;
mod launch;
mod launch_template;
#[cfg(test)]
mod machine_tests;
mod nat_addresses;
mod nat_gateway;
mod network_acl;
mod permission;
mod placement_group;
mod route;
mod route_table;
mod route_table_association;
mod route_target;
mod security_group;
mod security_group_rule;
mod subnet;
mod subnet_attributes;
mod subnet_blocks;
mod volume;
mod volume_attachment;
mod volume_type;
mod vpc;
mod vpc_attributes;
mod vpc_blocks;
mod vpc_companions;
mod vpc_endpoint;
mod vpc_endpoint_check;
mod vpc_endpoint_dns;

pub use capacity_reservation::{
    CapacityReservation, CapacityReservationHandle, CapacityReservationId,
    CapacityReservationOutputs, EndDateType, InstanceMatchCriteria, InstancePlatform,
    ReservationTenancy,
};
pub use egress_only_internet_gateway::{
    EgressOnlyInternetGateway, EgressOnlyInternetGatewayHandle, EgressOnlyInternetGatewayId,
    EgressOnlyInternetGatewayOutputs,
};
pub use elastic_ip::{AllocationId, ElasticIp, ElasticIpHandle, ElasticIpOutputs};
use formwork_core::Registry;
pub use instance::{
    EveryInterface, Instance, InstanceHandle, InstanceId, InstanceOutputs, LaunchTemplateReference,
    Power, RootDevice,
};
pub use internet_gateway::{
    InternetGateway, InternetGatewayHandle, InternetGatewayId, InternetGatewayOutputs,
};
pub use key_pair::{KeyFormat, KeyPair, KeyPairHandle, KeyPairId, KeyPairOutputs, KeyType};
pub use launch::{
    Affinity, AutoRecovery, BandwidthWeighting, BlockDevice, CapacityReservationOptions,
    CapacityReservationPreference, ConnectionTracking, CpuCredits, CpuOptions, EbsDevice,
    EnaExpress, HostnameType, HttpTokens, ImageId, InterfaceType, InterruptionBehavior,
    LaunchInterface, MarketOptions, MarketType, MetadataOptions, NetworkInterfaceId, Placement,
    PrivateDnsOptions, ShutdownBehavior, SpotInstanceType, SpotOptions, Switch, Tenancy,
};
pub use launch_template::{
    LaunchTags, LaunchTemplate, LaunchTemplateHandle, LaunchTemplateId, LaunchTemplateOutputs,
    LaunchTemplateVersion, TaggedAtLaunch,
};
pub use nat_gateway::{
    AvailabilityMode, ConnectivityType, NatGateway, NatGatewayHandle, NatGatewayId,
    NatGatewayOutputs, ZoneAddresses,
};
pub use network_acl::NetworkAclId;
pub use placement_group::{
    PlacementGroup, PlacementGroupHandle, PlacementGroupId, PlacementGroupOutputs,
    PlacementStrategy, SpreadLevel,
};
pub use route::{Route, RouteHandle, RouteOutputs};
pub use route_table::{
    RouteTable, RouteTableHandle, RouteTableId, RouteTableOutputs, VpnGatewayId,
};
pub use route_table_association::{
    RouteTableAssociation, RouteTableAssociationHandle, RouteTableAssociationOutputs,
};
pub use route_target::{
    CarrierGatewayId, LocalGatewayId, RouteTarget, TransitGatewayId, VpcPeeringConnectionId,
};
pub use security_group::{
    SecurityGroup, SecurityGroupHandle, SecurityGroupId, SecurityGroupOutputs,
};
pub use security_group_rule::{
    PrefixListId, SecurityGroupEgressRule, SecurityGroupEgressRuleHandle,
    SecurityGroupEgressRuleOutputs, SecurityGroupIngressRule, SecurityGroupIngressRuleHandle,
    SecurityGroupIngressRuleOutputs, SecurityGroupRuleId,
};
pub use subnet::{Subnet, SubnetHandle, SubnetId, SubnetOutputs};
pub use volume::{Volume, VolumeHandle, VolumeId, VolumeOutputs};
pub use volume_attachment::{VolumeAttachment, VolumeAttachmentHandle, VolumeAttachmentOutputs};
pub use volume_type::VolumeType;
pub use vpc::{Vpc, VpcHandle, VpcId, VpcOutputs, VpcTenancy};
pub use vpc_endpoint::{
    DnsRecordIpType, EndpointDnsOptions, EndpointIpAddressType, EndpointSubnet, VpcEndpoint,
    VpcEndpointHandle, VpcEndpointId, VpcEndpointOutputs, VpcEndpointType,
};

pub(crate) use instance::version as launch_template_version;
pub(crate) use launch::length as launch_length;

use crate::client::Clients;

/// Adds the types of this service.
pub(crate) fn register(registry: Registry<Clients>) -> Registry<Clients> {
    registry
        .with::<Vpc>()
        .with::<Subnet>()
        .with::<InternetGateway>()
        .with::<EgressOnlyInternetGateway>()
        .with::<ElasticIp>()
        .with::<NatGateway>()
        .with::<RouteTable>()
        .with::<Route>()
        .with::<RouteTableAssociation>()
        .with::<SecurityGroup>()
        .with::<SecurityGroupIngressRule>()
        .with::<SecurityGroupEgressRule>()
        .with::<VpcEndpoint>()
        .with::<KeyPair>()
        .with::<PlacementGroup>()
        .with::<CapacityReservation>()
        .with::<LaunchTemplate>()
        .with::<Instance>()
        .with::<Volume>()
        .with::<VolumeAttachment>()
}
