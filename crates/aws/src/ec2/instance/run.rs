//! The launch.

use aws_sdk_ec2::types::{self, ResourceType};
use formwork_core::{Context, ErrorKind, ProviderError};

use super::{Instance, LaunchTemplateReference, RootDevice, observe::Seen};
use crate::{
    client::Clients,
    ec2::{
        launch::{
            BlockDevice, CapacityReservationOptions, CpuOptions, LaunchInterface, MarketOptions,
            MarketType, MetadataOptions, Placement, PrivateDnsOptions, SpotInstanceType, user_data,
        },
        wire::{sent, sent_all, sent_number},
    },
    error::{Named, incomplete, unless_absent},
    retry, tags,
};

const RUN: &str = "ec2:RunInstances";

/// Launches the machine.
pub(super) async fn run(
    cx: &Context<'_, Clients>,
    inputs: &Instance,
) -> Result<Seen, ProviderError> {
    let devices = devices(cx.client, inputs).await?;
    let interfaces = interfaces(inputs);
    // With interfaces these are said of each.
    let alone = interfaces.is_empty();
    let enclave = |on| types::EnclaveOptionsRequest::builder().enabled(on).build();
    let hibernation = |on| types::HibernationOptionsRequest::builder().configured(on).build();
    let monitoring = |on| types::RunInstancesMonitoringEnabled::builder().enabled(on).build();
    let profile =
        |name: &String| types::IamInstanceProfileSpecification::builder().name(name).build();
    let groups = inputs.security_group_ids.as_deref().unwrap_or_default();
    let call = cx
        .client
        .ec2()
        .run_instances()
        .client_token(cx.identity.token())
        .min_count(1)
        .max_count(1)
        .set_launch_template(inputs.launch_template.as_ref().map(LaunchTemplateReference::request))
        .set_image_id(sent(&inputs.image_id))
        .set_instance_type(sent(&inputs.instance_type))
        .set_subnet_id(sent(&inputs.subnet_id).filter(|_| alone))
        .set_security_group_ids(sent_all(groups).filter(|_| alone))
        .set_private_ip_address(inputs.private_ip_address.clone().filter(|_| alone))
        .set_ipv6_address_count(sent_number(inputs.ipv6_address_count).filter(|_| alone))
        .set_ipv6_addresses(ipv6(inputs).filter(|_| alone))
        .set_network_interfaces(list(&interfaces, LaunchInterface::for_launch))
        .set_key_name(inputs.key_name.clone())
        .set_iam_instance_profile(inputs.iam_instance_profile.as_ref().map(profile))
        .set_user_data(user_data::encoded(&inputs.user_data, &inputs.user_data_base64))
        .set_block_device_mappings(list(&devices, BlockDevice::for_launch))
        .set_instance_market_options(inputs.market.as_ref().map(MarketOptions::for_launch))
        .set_capacity_reservation_specification(
            inputs.capacity_reservation.as_ref().map(CapacityReservationOptions::for_launch),
        )
        .set_placement(inputs.placement.as_ref().map(Placement::for_launch))
        .set_metadata_options(inputs.metadata_options.as_ref().map(MetadataOptions::for_launch))
        .set_cpu_options(inputs.cpu_options.as_ref().map(CpuOptions::for_launch))
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
            types::InstanceMaintenanceOptionsRequest::builder()
                .auto_recovery(recovery.as_str().into())
                .build()
        }))
        .set_private_dns_name_options(
            inputs.private_dns.as_ref().map(PrivateDnsOptions::for_launch),
        )
        .set_network_performance_options(inputs.bandwidth_weighting.as_ref().map(|weighting| {
            types::InstanceNetworkPerformanceOptionsRequest::builder()
                .bandwidth_weighting(weighting.as_str().into())
                .build()
        }))
        .set_license_specifications(list(&inputs.license_configuration_arns, |arn| {
            types::LicenseConfigurationRequest::builder()
                .license_configuration_arn(arn.as_str())
                .build()
        }))
        .set_tag_specifications(Some(tag_specifications(cx, inputs)));
    let send = || async { call.clone().send().await.named(RUN) };
    let mut answer = retry::while_failing(cx.client, passes, send).await?;
    let instance = answer.instances.as_mut().and_then(Vec::pop);
    let instance = instance.ok_or_else(|| incomplete(RUN, "instance"))?;
    Ok(Seen { instance, owner: answer.owner_id })
}

/// Cancels the spot request of a machine, if the request outlives the machine
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-request-status.html>).
pub(super) async fn cancel_persistent(
    clients: &Clients,
    instance: &types::Instance,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    let spot = inputs.market.as_ref().and_then(|market| market.spot.as_ref());
    let kind = spot.and_then(|spot| spot.spot_instance_type.as_ref());
    let Some(request) = &instance.spot_instance_request_id else { return Ok(()) };
    if kind != Some(&SpotInstanceType::Persistent) {
        return Ok(());
    }
    let call = clients.ec2().cancel_spot_instance_requests().spot_instance_request_ids(request);
    unless_absent(call.send().await.named("ec2:CancelSpotInstanceRequests"))
}

/// Whether the launch failed for what was only just made: all that it names was settled before.
/// That an instance profile takes seconds to be known to EC2 is documented in
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>.
fn passes(error: &ProviderError) -> bool {
    let profile = error.message.contains("IAM Instance Profile");
    match error.kind {
        // An image is named by hand more often than not.
        ErrorKind::NotFound => !error.code.as_deref().is_some_and(|code| code.contains("AMI")),
        ErrorKind::Invalid => profile && error.code.as_deref() == Some("InvalidParameterValue"),
        _ => false,
    }
}

/// The interfaces to launch with. A public address can be asked for only of an interface, so one is
/// made up for it.
fn interfaces(inputs: &Instance) -> Vec<LaunchInterface> {
    if !inputs.network_interfaces.is_empty() || inputs.associate_public_ip_address.is_none() {
        return inputs.network_interfaces.clone();
    }
    vec![LaunchInterface {
        subnet_id: inputs.subnet_id.clone(),
        security_group_ids: inputs.security_group_ids.clone().unwrap_or_default(),
        associate_public_ip_address: inputs.associate_public_ip_address,
        private_ip_address: inputs.private_ip_address.clone(),
        ipv6_address_count: inputs.ipv6_address_count,
        ipv6_addresses: inputs.ipv6_addresses.clone(),
        delete_on_termination: Some(true),
        ..LaunchInterface::default()
    }]
}

fn ipv6(inputs: &Instance) -> Option<Vec<types::InstanceIpv6Address>> {
    list(&inputs.ipv6_addresses, |address| {
        types::InstanceIpv6Address::builder().ipv6_address(address).build()
    })
}

fn list<T, S>(items: &[T], request: impl Fn(&T) -> S) -> Option<Vec<S>> {
    (!items.is_empty()).then(|| items.iter().map(request).collect())
}

/// The disks to launch with, the root device among them if anything is asked of it.
async fn devices(clients: &Clients, inputs: &Instance) -> Result<Vec<BlockDevice>, ProviderError> {
    let mut devices = inputs.block_devices.clone();
    if let Some(root) = &inputs.root_block_device {
        let device_name = match &root.device_name {
            Some(name) => name.clone(),
            None => root_device_name(clients, inputs).await?,
        };
        let ebs = Some(root.ebs());
        devices.push(BlockDevice { device_name, virtual_name: None, no_device: false, ebs });
    }
    Ok(devices)
}

impl RootDevice {
    fn ebs(&self) -> crate::ec2::EbsDevice {
        crate::ec2::EbsDevice {
            volume_type: self.volume_type.clone(),
            volume_size: self.volume_size,
            iops: self.iops,
            throughput: self.throughput,
            delete_on_termination: self.delete_on_termination,
            encrypted: self.encrypted,
            kms_key_id: self.kms_key_id.clone(),
            ..crate::ec2::EbsDevice::default()
        }
    }
}

/// What the image calls the device that it boots from.
async fn root_device_name(clients: &Clients, inputs: &Instance) -> Result<String, ProviderError> {
    const CALL: &str = "ec2:DescribeImages";
    let unknown = |why: String| {
        let message = format!("{why}: set root_block_device.device_name");
        ProviderError::new(ErrorKind::Invalid, CALL, message)
    };
    let image = match &inputs.image_id {
        Some(image) => image.to_string(),
        None => {
            image_of_template(clients, inputs.launch_template.as_ref()).await?.ok_or_else(|| {
                unknown("neither the instance nor its launch template names an image".to_owned())
            })?
        }
    };
    let answer = clients.ec2().describe_images().image_ids(&image).send().await.named(CALL)?;
    let name = answer.images().first().and_then(|image| image.root_device_name.clone());
    name.ok_or_else(|| unknown(format!("{image} reports no root device")))
}

async fn image_of_template(
    clients: &Clients,
    template: Option<&LaunchTemplateReference>,
) -> Result<Option<String>, ProviderError> {
    let Some(template) = template else { return Ok(None) };
    let version = template.version.as_ref().map_or("$Default", |version| version.as_str());
    let call = clients
        .ec2()
        .describe_launch_template_versions()
        .launch_template_id(template.id.as_str())
        .versions(version)
        .resolve_alias(true);
    let answer = call.send().await.named("ec2:DescribeLaunchTemplateVersions")?;
    let data = answer.launch_template_versions().first();
    Ok(data.and_then(|version| version.launch_template_data.as_ref()?.image_id.clone()))
}

impl LaunchTemplateReference {
    fn request(&self) -> types::LaunchTemplateSpecification {
        types::LaunchTemplateSpecification::builder()
            .launch_template_id(self.id.as_str())
            .set_version(sent(&self.version))
            .build()
    }
}

/// Tags for all that the launch makes, so that nothing of it is ever without an owner.
fn tag_specifications(
    cx: &Context<'_, Clients>,
    inputs: &Instance,
) -> Vec<types::TagSpecification> {
    let of = |of, own| tags::specification(cx.client, cx.identity, of, own);
    let mut all = vec![
        of(ResourceType::Instance, &inputs.tags),
        of(ResourceType::Volume, &inputs.volume_tags),
    ];
    // Only interfaces that are made can be given tags.
    if inputs.network_interfaces.iter().all(|it| it.network_interface_id.is_none()) {
        all.push(of(ResourceType::NetworkInterface, &inputs.tags));
    }
    let market = inputs.market.as_ref().and_then(|market| market.market_type.as_ref());
    if market == Some(&MarketType::Spot) {
        all.push(of(ResourceType::SpotInstancesRequest, &inputs.tags));
    }
    all
}
