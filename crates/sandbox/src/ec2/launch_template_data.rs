//! The launch template data document: every member, its name in a request, its name in a response.
//!
//! RunInstances takes the same members at its top level, so the same structs read both. Names are
//! those of the `RequestLaunchTemplateData` and `ResponseLaunchTemplateData` shapes. Members that the
//! sandbox refuses (elastic GPUs, licences, instance requirements, ..) are not listed, and what is not
//! listed is an unsupported parameter.

use super::wire::wire_struct;

wire_struct! {
    /// What to launch: a launch template version, or the parameters of one RunInstances call.
    pub(crate) struct LaunchData {
        kernel_id: Option<String>, "KernelId", "kernelId";
        ebs_optimized: Option<bool>, "EbsOptimized", "ebsOptimized";
        iam_instance_profile: Option<ProfileName>, "IamInstanceProfile", "iamInstanceProfile";
        block_device_mappings: Vec<BlockDevice>, "BlockDeviceMapping", "blockDeviceMappingSet";
        network_interfaces: Vec<InterfaceSpec>, "NetworkInterface", "networkInterfaceSet";
        image_id: Option<String>, "ImageId", "imageId";
        instance_type: Option<String>, "InstanceType", "instanceType";
        key_name: Option<String>, "KeyName", "keyName";
        monitoring: Option<Enabled>, "Monitoring", "monitoring";
        placement: Option<Placement>, "Placement", "placement";
        ram_disk_id: Option<String>, "RamDiskId", "ramDiskId";
        disable_api_termination: Option<bool>, "DisableApiTermination", "disableApiTermination";
        instance_initiated_shutdown_behavior: Option<String>,
            "InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior";
        user_data: Option<String>, "UserData", "userData";
        tag_specifications: Vec<TagSpecification>, "TagSpecification", "tagSpecificationSet";
        security_group_ids: Vec<String>, "SecurityGroupId", "securityGroupIdSet";
        security_groups: Vec<String>, "SecurityGroup", "securityGroupSet";
        instance_market_options: Option<MarketOptions>, "InstanceMarketOptions", "instanceMarketOptions";
        credit_specification: Option<CreditSpecification>, "CreditSpecification", "creditSpecification";
        cpu_options: Option<CpuOptions>, "CpuOptions", "cpuOptions";
        capacity_reservation_specification: Option<ReservationSpecification>,
            "CapacityReservationSpecification", "capacityReservationSpecification";
        hibernation_options: Option<Configured>, "HibernationOptions", "hibernationOptions";
        metadata_options: Option<MetadataOptions>, "MetadataOptions", "metadataOptions";
        enclave_options: Option<Enabled>, "EnclaveOptions", "enclaveOptions";
        private_dns_name_options: Option<PrivateDnsNameOptions>, "PrivateDnsNameOptions", "privateDnsNameOptions";
        maintenance_options: Option<MaintenanceOptions>, "MaintenanceOptions", "maintenanceOptions";
        disable_api_stop: Option<bool>, "DisableApiStop", "disableApiStop";
        network_performance_options: Option<NetworkPerformanceOptions>,
            "NetworkPerformanceOptions", "networkPerformanceOptions";
    }
}

wire_struct! {
    /// An instance profile, by name or by ARN.
    pub(crate) struct ProfileName {
        arn: Option<String>, "Arn", "arn";
        name: Option<String>, "Name", "name";
    }
}

wire_struct! {
    /// One device of the instance.
    pub(crate) struct BlockDevice {
        device_name: Option<String>, "DeviceName", "deviceName";
        virtual_name: Option<String>, "VirtualName", "virtualName";
        ebs: Option<Ebs>, "Ebs", "ebs";
        no_device: Option<String>, "NoDevice", "noDevice";
    }
}

wire_struct! {
    /// The volume behind a device.
    pub(crate) struct Ebs {
        encrypted: Option<bool>, "Encrypted", "encrypted";
        delete_on_termination: Option<bool>, "DeleteOnTermination", "deleteOnTermination";
        iops: Option<i64>, "Iops", "iops";
        kms_key_id: Option<String>, "KmsKeyId", "kmsKeyId";
        snapshot_id: Option<String>, "SnapshotId", "snapshotId";
        volume_size: Option<i64>, "VolumeSize", "volumeSize";
        volume_type: Option<String>, "VolumeType", "volumeType";
        throughput: Option<i64>, "Throughput", "throughput";
        volume_initialization_rate: Option<i64>, "VolumeInitializationRate", "volumeInitializationRate";
    }
}

wire_struct! {
    /// One network interface to make, or an existing one to attach.
    pub(crate) struct InterfaceSpec {
        associate_carrier_ip_address: Option<bool>, "AssociateCarrierIpAddress", "associateCarrierIpAddress";
        associate_public_ip_address: Option<bool>, "AssociatePublicIpAddress", "associatePublicIpAddress";
        delete_on_termination: Option<bool>, "DeleteOnTermination", "deleteOnTermination";
        description: Option<String>, "Description", "description";
        device_index: Option<i64>, "DeviceIndex", "deviceIndex";
        groups: Vec<String>, "SecurityGroupId", "groupSet" / "groupId";
        interface_type: Option<String>, "InterfaceType", "interfaceType";
        network_interface_id: Option<String>, "NetworkInterfaceId", "networkInterfaceId";
        private_ip_address: Option<String>, "PrivateIpAddress", "privateIpAddress";
        private_ip_addresses: Vec<PrivateAddress>, "PrivateIpAddresses", "privateIpAddressesSet";
        secondary_private_ip_address_count: Option<i64>,
            "SecondaryPrivateIpAddressCount", "secondaryPrivateIpAddressCount";
        subnet_id: Option<String>, "SubnetId", "subnetId";
        network_card_index: Option<i64>, "NetworkCardIndex", "networkCardIndex";
        ipv6_address_count: Option<i64>, "Ipv6AddressCount", "ipv6AddressCount";
        ipv6_addresses: Vec<Ipv6Address>, "Ipv6Addresses", "ipv6AddressesSet";
        primary_ipv6: Option<bool>, "PrimaryIpv6", "primaryIpv6";
        ipv4_prefixes: Vec<Ipv4Prefix>, "Ipv4Prefix", "ipv4PrefixSet";
        ipv4_prefix_count: Option<i64>, "Ipv4PrefixCount", "ipv4PrefixCount";
        ipv6_prefixes: Vec<Ipv6Prefix>, "Ipv6Prefix", "ipv6PrefixSet";
        ipv6_prefix_count: Option<i64>, "Ipv6PrefixCount", "ipv6PrefixCount";
        ena_queue_count: Option<i64>, "EnaQueueCount", "enaQueueCount";
        ena_srd_specification: Option<EnaSrd>, "EnaSrdSpecification", "enaSrdSpecification";
        connection_tracking_specification: Option<ConnectionTracking>,
            "ConnectionTrackingSpecification", "connectionTrackingSpecification";
    }
}

wire_struct! {
    /// A private address to assign.
    pub(crate) struct PrivateAddress {
        primary: Option<bool>, "Primary", "primary";
        private_ip_address: Option<String>, "PrivateIpAddress", "privateIpAddress";
    }
}

wire_struct! {
    /// An IPv6 address to assign.
    pub(crate) struct Ipv6Address {
        ipv6_address: Option<String>, "Ipv6Address", "ipv6Address";
    }
}

wire_struct! {
    /// A block of IPv4 addresses to delegate.
    pub(crate) struct Ipv4Prefix {
        ipv4_prefix: Option<String>, "Ipv4Prefix", "ipv4Prefix";
    }
}

wire_struct! {
    /// A block of IPv6 addresses to delegate.
    pub(crate) struct Ipv6Prefix {
        ipv6_prefix: Option<String>, "Ipv6Prefix", "ipv6Prefix";
    }
}

wire_struct! {
    /// ENA Express.
    pub(crate) struct EnaSrd {
        ena_srd_enabled: Option<bool>, "EnaSrdEnabled", "enaSrdEnabled";
        ena_srd_udp_specification: Option<EnaSrdUdp>, "EnaSrdUdpSpecification", "enaSrdUdpSpecification";
    }
}

wire_struct! {
    /// ENA Express for UDP.
    pub(crate) struct EnaSrdUdp {
        ena_srd_udp_enabled: Option<bool>, "EnaSrdUdpEnabled", "enaSrdUdpEnabled";
    }
}

wire_struct! {
    /// Idle time-outs, in seconds.
    pub(crate) struct ConnectionTracking {
        tcp_established_timeout: Option<i64>, "TcpEstablishedTimeout", "tcpEstablishedTimeout";
        udp_timeout: Option<i64>, "UdpTimeout", "udpTimeout";
        udp_stream_timeout: Option<i64>, "UdpStreamTimeout", "udpStreamTimeout";
    }
}

wire_struct! {
    /// A switch.
    pub(crate) struct Enabled {
        enabled: Option<bool>, "Enabled", "enabled";
    }
}

wire_struct! {
    /// Whether hibernation is possible.
    pub(crate) struct Configured {
        configured: Option<bool>, "Configured", "configured";
    }
}

wire_struct! {
    /// Where to launch.
    pub(crate) struct Placement {
        availability_zone: Option<String>, "AvailabilityZone", "availabilityZone";
        availability_zone_id: Option<String>, "AvailabilityZoneId", "availabilityZoneId";
        affinity: Option<String>, "Affinity", "affinity";
        group_name: Option<String>, "GroupName", "groupName";
        host_id: Option<String>, "HostId", "hostId";
        tenancy: Option<String>, "Tenancy", "tenancy";
        spread_domain: Option<String>, "SpreadDomain", "spreadDomain";
        host_resource_group_arn: Option<String>, "HostResourceGroupArn", "hostResourceGroupArn";
        partition_number: Option<i64>, "PartitionNumber", "partitionNumber";
        group_id: Option<String>, "GroupId", "groupId";
    }
}

wire_struct! {
    /// Tags for one kind of resource that a launch makes.
    pub(crate) struct TagSpecification {
        resource_type: Option<String>, "ResourceType", "resourceType";
        tags: Vec<TagPair>, "Tag", "tagSet";
    }
}

wire_struct! {
    /// One tag.
    pub(crate) struct TagPair {
        key: Option<String>, "Key", "key";
        value: Option<String>, "Value", "value";
    }
}

wire_struct! {
    /// How the capacity is bought.
    pub(crate) struct MarketOptions {
        market_type: Option<String>, "MarketType", "marketType";
        spot_options: Option<SpotOptions>, "SpotOptions", "spotOptions";
    }
}

wire_struct! {
    /// Spot settings.
    pub(crate) struct SpotOptions {
        max_price: Option<String>, "MaxPrice", "maxPrice";
        spot_instance_type: Option<String>, "SpotInstanceType", "spotInstanceType";
        block_duration_minutes: Option<i64>, "BlockDurationMinutes", "blockDurationMinutes";
        valid_until: Option<String>, "ValidUntil", "validUntil";
        instance_interruption_behavior: Option<String>,
            "InstanceInterruptionBehavior", "instanceInterruptionBehavior";
    }
}

wire_struct! {
    /// CPU credits of a burstable type.
    pub(crate) struct CreditSpecification {
        cpu_credits: Option<String>, "CpuCredits", "cpuCredits";
    }
}

wire_struct! {
    /// Cores and threads.
    pub(crate) struct CpuOptions {
        core_count: Option<i64>, "CoreCount", "coreCount";
        threads_per_core: Option<i64>, "ThreadsPerCore", "threadsPerCore";
        amd_sev_snp: Option<String>, "AmdSevSnp", "amdSevSnp";
        nested_virtualization: Option<String>, "NestedVirtualization", "nestedVirtualization";
    }
}

wire_struct! {
    /// Which reserved capacity to use.
    pub(crate) struct ReservationSpecification {
        capacity_reservation_preference: Option<String>,
            "CapacityReservationPreference", "capacityReservationPreference";
        capacity_reservation_target: Option<ReservationTarget>,
            "CapacityReservationTarget", "capacityReservationTarget";
    }
}

wire_struct! {
    /// One reservation, or a group of them.
    pub(crate) struct ReservationTarget {
        capacity_reservation_id: Option<String>, "CapacityReservationId", "capacityReservationId";
        capacity_reservation_resource_group_arn: Option<String>,
            "CapacityReservationResourceGroupArn", "capacityReservationResourceGroupArn";
    }
}

wire_struct! {
    /// The instance metadata service.
    pub(crate) struct MetadataOptions {
        http_tokens: Option<String>, "HttpTokens", "httpTokens";
        http_put_response_hop_limit: Option<i64>, "HttpPutResponseHopLimit", "httpPutResponseHopLimit";
        http_endpoint: Option<String>, "HttpEndpoint", "httpEndpoint";
        http_protocol_ipv6: Option<String>, "HttpProtocolIpv6", "httpProtocolIpv6";
        instance_metadata_tags: Option<String>, "InstanceMetadataTags", "instanceMetadataTags";
    }
}

wire_struct! {
    /// Host names.
    pub(crate) struct PrivateDnsNameOptions {
        hostname_type: Option<String>, "HostnameType", "hostnameType";
        enable_resource_name_dns_a_record: Option<bool>,
            "EnableResourceNameDnsARecord", "enableResourceNameDnsARecord";
        enable_resource_name_dns_aaaa_record: Option<bool>,
            "EnableResourceNameDnsAAAARecord", "enableResourceNameDnsAAAARecord";
    }
}

wire_struct! {
    /// Automatic recovery.
    pub(crate) struct MaintenanceOptions {
        auto_recovery: Option<String>, "AutoRecovery", "autoRecovery";
    }
}

wire_struct! {
    /// How bandwidth is shared between network and EBS.
    pub(crate) struct NetworkPerformanceOptions {
        bandwidth_weighting: Option<String>, "BandwidthWeighting", "bandwidthWeighting";
    }
}
