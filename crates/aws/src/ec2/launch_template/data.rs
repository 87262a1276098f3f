//! A template's inputs as the document that EC2 keeps, and back.

use aws_sdk_ec2::types;

use super::{LaunchTags, LaunchTemplate, TaggedAtLaunch};
use crate::{
    ec2::{
        launch::{
            BlockDevice, CapacityReservationOptions, CpuOptions, LaunchInterface, MarketOptions,
            MetadataOptions, Placement, PrivateDnsOptions, user_data,
        },
        wire::{seen, sent, sent_all},
    },
    id::Arn,
    tags::{self, Tags},
};

/// The document for a new version.
pub(super) fn request(inputs: &LaunchTemplate) -> types::RequestLaunchTemplateData {
    let profile = |name: &String| {
        types::LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build()
    };
    let monitoring = |on| types::LaunchTemplatesMonitoringRequest::builder().enabled(on).build();
    let enclave = |on| types::LaunchTemplateEnclaveOptionsRequest::builder().enabled(on).build();
    let hibernation =
        |on| types::LaunchTemplateHibernationOptionsRequest::builder().configured(on).build();
    types::RequestLaunchTemplateData::builder()
        .set_image_id(sent(&inputs.image_id))
        .set_instance_type(sent(&inputs.instance_type))
        .set_key_name(inputs.key_name.clone())
        .set_iam_instance_profile(inputs.iam_instance_profile.as_ref().map(profile))
        .set_security_group_ids(sent_all(&inputs.security_group_ids))
        .set_network_interfaces(list(&inputs.network_interfaces, LaunchInterface::for_template))
        .set_block_device_mappings(list(&inputs.block_devices, BlockDevice::for_template))
        .set_user_data(user_data::encoded(&inputs.user_data, &inputs.user_data_base64))
        .set_instance_market_options(inputs.market.as_ref().map(MarketOptions::for_template))
        .set_capacity_reservation_specification(
            inputs.capacity_reservation.as_ref().map(CapacityReservationOptions::for_template),
        )
        .set_placement(inputs.placement.as_ref().map(Placement::for_template))
        .set_metadata_options(inputs.metadata_options.as_ref().map(MetadataOptions::for_template))
        .set_cpu_options(inputs.cpu_options.as_ref().map(CpuOptions::for_template))
        .set_credit_specification(inputs.cpu_credits.as_ref().map(|credits| {
            types::CreditSpecificationRequest::builder().cpu_credits(credits.as_str()).build()
        }))
        .set_monitoring(inputs.monitoring.map(monitoring))
        .set_ebs_optimized(inputs.ebs_optimized)
        .set_disable_api_termination(inputs.disable_api_termination)
        .set_disable_api_stop(inputs.disable_api_stop)
        .set_instance_initiated_shutdown_behavior(sent(
            &inputs.instance_initiated_shutdown_behavior,
        ))
        .set_enclave_options(inputs.enclave.map(enclave))
        .set_hibernation_options(inputs.hibernation.map(hibernation))
        .set_maintenance_options(inputs.auto_recovery.as_ref().map(|recovery| {
            types::LaunchTemplateInstanceMaintenanceOptionsRequest::builder()
                .auto_recovery(recovery.as_str().into())
                .build()
        }))
        .set_private_dns_name_options(
            inputs.private_dns.as_ref().map(PrivateDnsOptions::for_template),
        )
        .set_network_performance_options(inputs.bandwidth_weighting.as_ref().map(|weighting| {
            types::LaunchTemplateNetworkPerformanceOptionsRequest::builder()
                .bandwidth_weighting(weighting.as_str().into())
                .build()
        }))
        .set_license_specifications(list(&inputs.license_configuration_arns, license))
        .set_kernel_id(inputs.kernel_id.clone())
        .set_ram_disk_id(inputs.ram_disk_id.clone())
        .set_tag_specifications(list(&inputs.tag_specifications, LaunchTags::request))
        .build()
}

/// The inputs that a version's document comes from; the rest is not in it.
pub(super) fn read(
    data: &types::ResponseLaunchTemplateData,
    declared: Option<&LaunchTemplate>,
) -> LaunchTemplate {
    let base64 = declared.is_some_and(|inputs| inputs.user_data_base64.is_some());
    let (user_data, user_data_base64) = user_data::decoded(data.user_data.as_ref(), base64);
    let profile = data.iam_instance_profile.as_ref().and_then(|profile| {
        let of_arn = |arn: &String| arn.rsplit('/').next().map(str::to_owned);
        profile.name.clone().or_else(|| profile.arn.as_ref().and_then(of_arn))
    });
    let capacity = data.capacity_reservation_specification.as_ref().map(|specification| {
        CapacityReservationOptions::of(
            &specification.capacity_reservation_preference,
            specification.capacity_reservation_target.as_ref(),
        )
    });
    LaunchTemplate {
        name: None,
        version_description: None,
        image_id: seen(&data.image_id),
        instance_type: seen(&data.instance_type),
        key_name: seen(&data.key_name),
        iam_instance_profile: profile,
        security_group_ids: data.security_group_ids().iter().map(|id| id.as_str().into()).collect(),
        network_interfaces: data
            .network_interfaces()
            .iter()
            .map(LaunchInterface::of_template)
            .collect(),
        block_devices: data.block_device_mappings().iter().map(BlockDevice::of_template).collect(),
        user_data,
        user_data_base64,
        market: data.instance_market_options.as_ref().map(MarketOptions::of_template),
        capacity_reservation: capacity,
        placement: data.placement.as_ref().map(Placement::of_template),
        metadata_options: data.metadata_options.as_ref().map(MetadataOptions::of_template),
        cpu_options: data.cpu_options.as_ref().map(CpuOptions::of_template),
        cpu_credits: data.credit_specification.as_ref().and_then(|it| seen(&it.cpu_credits)),
        monitoring: data.monitoring.as_ref().and_then(|it| it.enabled),
        ebs_optimized: data.ebs_optimized,
        disable_api_termination: data.disable_api_termination,
        disable_api_stop: data.disable_api_stop,
        instance_initiated_shutdown_behavior: seen(&data.instance_initiated_shutdown_behavior),
        enclave: data.enclave_options.as_ref().and_then(|it| it.enabled),
        hibernation: data.hibernation_options.as_ref().and_then(|it| it.configured),
        auto_recovery: data.maintenance_options.as_ref().and_then(|it| seen(&it.auto_recovery)),
        private_dns: data.private_dns_name_options.as_ref().map(PrivateDnsOptions::of_template),
        bandwidth_weighting: data
            .network_performance_options
            .as_ref()
            .and_then(|it| seen(&it.bandwidth_weighting)),
        license_configuration_arns: data
            .license_specifications()
            .iter()
            .filter_map(|license| seen(&license.license_configuration_arn))
            .collect(),
        kernel_id: seen(&data.kernel_id),
        ram_disk_id: seen(&data.ram_disk_id),
        tag_specifications: data.tag_specifications().iter().map(LaunchTags::read).collect(),
        default_version: None,
        latest_version: None,
        tags: Tags::new(),
    }
}

fn list<T, S>(items: &[T], request: impl Fn(&T) -> S) -> Option<Vec<S>> {
    (!items.is_empty()).then(|| items.iter().map(request).collect())
}

fn license(arn: &Arn) -> types::LaunchTemplateLicenseConfigurationRequest {
    types::LaunchTemplateLicenseConfigurationRequest::builder()
        .license_configuration_arn(arn.as_str())
        .build()
}

impl LaunchTags {
    fn request(&self) -> types::LaunchTemplateTagSpecificationRequest {
        types::LaunchTemplateTagSpecificationRequest::builder()
            .resource_type(self.resource_type.as_str().into())
            .set_tags(Some(tags::ec2(&self.tags)))
            .build()
    }

    fn read(specification: &types::LaunchTemplateTagSpecification) -> Self {
        let of: Option<TaggedAtLaunch> = seen(&specification.resource_type);
        Self {
            resource_type: of.unwrap_or_else(|| TaggedAtLaunch::Other(String::new())),
            tags: tags::map(specification.tags()),
        }
    }
}
