//! Launches: everything is checked first, then all of the instances are made, or none.

use std::collections::BTreeMap;

use super::super::{
    image, instance_type, key_pair, launch_template_check,
    launch_template_data::{LaunchData, PrivateDnsNameOptions, ReservationSpecification},
    placement_group::PlacementGroup,
};
use super::{Association, Instance, Phase, capacity, devices, network, profile, requirements};
use crate::{
    call::Call,
    error::ApiError,
    row::Row,
    tags::{self, Tags},
};

/// What to launch, for RunInstances and for groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) data: LaunchData,
    /// Fewer than this many is an error.
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) client_token: Option<String>,
    /// The instance-level subnet.
    pub(crate) subnet: Option<String>,
    /// Whether that subnet is only for interfaces that name none.
    pub(crate) subnet_is_default: bool,
    pub(crate) private_ip: Option<String>,
    pub(crate) ipv6_count: Option<i64>,
    /// Tags of the instances on top of those of the data; these may begin with `aws:`.
    pub(crate) extra_tags: Tags,
}

/// Launches instances; returns them in the order of their launch index.
pub(crate) fn launch(call: &mut Call<'_>, request: &Request) -> Result<Vec<Instance>, ApiError> {
    let data = &request.data;
    launch_template_check::check(data)?;
    let image_id = data.image_id.as_deref().ok_or_else(|| ApiError::missing("ImageId"))?;
    let image = image::by_id(call, &image::resolve_alias(call, image_id)?)?;
    let type_name =
        data.instance_type.as_deref().ok_or_else(|| ApiError::missing("InstanceType"))?;
    let row = instance_type::by_name(type_name)?;
    requirements::check(data, row, &image)?;
    if let Some(name) = &data.key_name {
        key_pair::by_name(call, name)?;
    }
    let network = network::plan(call, request, row)?;
    let zone = network.subnet.zone.clone();
    instance_type::check_offered(call, row, &zone)?;
    let profile = profile::usable(call, data.iam_instance_profile.as_ref())?;
    let devices = devices::plan(call, &data.block_device_mappings, &image, row, &zone)?;
    if data.hibernation_options.as_ref().and_then(|it| it.configured) == Some(true)
        && !devices::root_is_encrypted(&devices)
    {
        return Err(ApiError::new(
            "UnsupportedHibernationConfiguration",
            "Hibernation needs an encrypted root volume.",
        ));
    }
    let lifecycle = capacity::market(data, row)?;
    let count = network.room(call, request.least, request.most)?;
    let group = requirements::placement(call, data, row, &zone, count)?;
    let tenancy = data
        .placement
        .as_ref()
        .and_then(|it| it.tenancy.clone())
        .unwrap_or_else(|| "default".into());
    let wanted = capacity::Wanted { row, zone: &zone, tenancy: &tenancy, group: group.as_ref() };
    let mut specification = data.capacity_reservation_specification.clone().unwrap_or_default();
    let reservations = capacity::choose(
        call,
        &specification,
        lifecycle.as_deref(),
        &wanted,
        request.least,
        count,
    )?;
    if specification == ReservationSpecification::default() {
        specification.capacity_reservation_preference = Some("open".into());
    }
    let tags = tag_specifications(data)?;

    let reservation = call.new_id("r");
    let template = Instance {
        id: String::new(),
        reservation,
        launch_index: 0,
        client_token: request.client_token.clone(),
        image: image.id.clone(),
        architecture: image.release.architecture.to_owned(),
        root_device: image.release.root_device.to_owned(),
        instance_type: row.name.clone(),
        key_name: data.key_name.clone(),
        launched: call.now,
        zone,
        subnet: network.subnet.id.clone(),
        vpc: network.subnet.vpc.clone(),
        partition: partition(data, group.as_ref()),
        placement_group: group.map(|group| group.name),
        tenancy,
        monitoring: data.monitoring.as_ref().and_then(|it| it.enabled).unwrap_or(false),
        ebs_optimized: data.ebs_optimized.unwrap_or(false),
        profile: None,
        user_data: data.user_data.clone(),
        disable_termination: data.disable_api_termination.unwrap_or(false),
        disable_stop: data.disable_api_stop.unwrap_or(false),
        shutdown_behavior: data
            .instance_initiated_shutdown_behavior
            .clone()
            .unwrap_or_else(|| "stop".into()),
        metadata: requirements::metadata(data.metadata_options.as_ref(), &image),
        credits: credits(data, row.is("burstable"), &row.name),
        cores: data.cpu_options.as_ref().and_then(|it| it.core_count).or(row.cores),
        threads: data.cpu_options.as_ref().and_then(|it| it.threads_per_core).or(row.threads),
        lifecycle,
        spot_request: None,
        reservation_specification: specification,
        capacity_reservation: None,
        hibernation: data
            .hibernation_options
            .as_ref()
            .and_then(|it| it.configured)
            .unwrap_or(false),
        enclave: data.enclave_options.as_ref().and_then(|it| it.enabled).unwrap_or(false),
        dns: dns(data, &network.subnet),
        auto_recovery: data
            .maintenance_options
            .as_ref()
            .and_then(|it| it.auto_recovery.clone())
            .unwrap_or_else(|| "default".into()),
        bandwidth_weighting: data
            .network_performance_options
            .as_ref()
            .and_then(|it| it.bandwidth_weighting.clone()),
        public: network.is_public(),
        phase: Phase::Starting,
        since: call.now,
    };
    let mut launched = Vec::with_capacity(reservations.len());
    for (launch_index, capacity_reservation) in reservations.into_iter().enumerate() {
        let mut instance = Instance {
            id: call.new_id("i"),
            launch_index,
            capacity_reservation,
            ..template.clone()
        };
        if instance.lifecycle.as_deref() == Some("spot") {
            instance.spot_request = Some(spot_request_id(call));
        }
        instance.profile = profile.as_ref().map(|(arn, id)| Association::new(call, arn, id));
        network.build(call, &instance.id, tags.get("network-interface").unwrap_or(&Tags::new()))?;
        devices::build(call, &devices, &instance.id, tags.get("volume").unwrap_or(&Tags::new()));
        let mut own = tags.get(Instance::KIND).cloned().unwrap_or_default();
        own.extend(request.extra_tags.clone());
        call.set_tags(&instance.id, own);
        call.put(&instance);
        launched.push(instance);
    }
    Ok(launched)
}

/// The tags of the data by resource type, checked by EC2's rules.
fn tag_specifications(data: &LaunchData) -> Result<BTreeMap<String, Tags>, ApiError> {
    let mut found: BTreeMap<String, Tags> = BTreeMap::new();
    for specification in &data.tag_specifications {
        let kind = specification.resource_type.clone().unwrap_or_default();
        let own = found.entry(kind).or_default();
        for tag in &specification.tags {
            let (key, value) =
                (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
            tags::check(&key, &value)?;
            own.insert(key, value);
        }
        tags::limit(own)?;
    }
    Ok(found)
}

fn partition(data: &LaunchData, group: Option<&PlacementGroup>) -> Option<i64> {
    group.and_then(|group| group.partitions)?;
    // AWS spreads instances over partitions by itself; the sandbox puts them into the first.
    data.placement.as_ref().and_then(|it| it.partition_number).or(Some(1))
}

/// T2 starts with standard credits, later burstable types with unlimited ones.
fn credits(data: &LaunchData, burstable: bool, type_name: &str) -> Option<String> {
    let given = data.credit_specification.as_ref().and_then(|it| it.cpu_credits.clone());
    let default = if type_name.starts_with("t2.") { "standard" } else { "unlimited" };
    burstable.then(|| given.unwrap_or_else(|| default.to_owned()))
}

fn dns(data: &LaunchData, subnet: &super::super::subnet::Subnet) -> PrivateDnsNameOptions {
    let given = data.private_dns_name_options.clone().unwrap_or_default();
    PrivateDnsNameOptions {
        hostname_type: given.hostname_type.or_else(|| Some(subnet.hostname_type.clone())),
        enable_resource_name_dns_a_record: given
            .enable_resource_name_dns_a_record
            .or(Some(subnet.dns_a_record)),
        enable_resource_name_dns_aaaa_record: given
            .enable_resource_name_dns_aaaa_record
            .or(Some(subnet.dns_aaaa_record)),
    }
}

fn spot_request_id(call: &mut Call<'_>) -> String {
    let digits: String = format!("{:016x}", call.random()).chars().take(8).collect();
    format!("sir-{digits}")
}
