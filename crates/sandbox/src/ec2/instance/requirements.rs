//! Whether an instance type can be launched with these options at all.

use super::super::{
    image_catalogue::Image,
    instance_type_catalogue::InstanceType,
    launch_template_data::{CpuOptions, LaunchData, MetadataOptions},
    placement_group::{self, PlacementGroup},
};
use super::Instance;
use crate::{call::Call, error::ApiError};

/// Checks the options that depend on the type and on the image.
pub(super) fn check(data: &LaunchData, row: &InstanceType, image: &Image) -> Result<(), ApiError> {
    let architecture = image.release.architecture;
    if !row.arch.iter().any(|supported| supported == architecture) {
        let own = row.arch.first().map_or("", String::as_str);
        return Err(ApiError::invalid_value(format!(
            "The architecture '{own}' of the specified instance type does not match the architecture '{architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI."
        )));
    }
    if data.kernel_id.is_some() || data.ram_disk_id.is_some() {
        return Err(ApiError::combination(
            "A kernel or RAM disk ID is for paravirtual images; the sandbox has none.",
        ));
    }
    if data.credit_specification.is_some() && !row.is("burstable") {
        return Err(ApiError::combination(format!(
            "The instance type '{}' is not a burstable performance type: it takes no CPU credit specification.",
            row.name
        )));
    }
    let enclave = data.enclave_options.as_ref().and_then(|it| it.enabled) == Some(true);
    let hibernation = data.hibernation_options.as_ref().and_then(|it| it.configured) == Some(true);
    if enclave && !row.is("enclaves") {
        return Err(unsupported(format!(
            "The instance type '{}' does not support Nitro Enclaves.",
            row.name
        )));
    }
    if hibernation && !row.is("hibernation") {
        return Err(ApiError::new(
            "UnsupportedHibernationConfiguration",
            format!("The instance type '{}' does not support hibernation.", row.name),
        ));
    }
    if enclave && hibernation {
        return Err(ApiError::combination(
            "Hibernation and Nitro Enclaves cannot both be enabled.",
        ));
    }
    if data.ebs_optimized == Some(true) && row.ebs.optimized == "unsupported" {
        return Err(ApiError::combination(format!(
            "EBS-optimized instances are not supported for the instance type '{}'.",
            row.name
        )));
    }
    data.cpu_options.as_ref().map_or(Ok(()), |options| cpu(options, row))
}

fn cpu(options: &CpuOptions, row: &InstanceType) -> Result<(), ApiError> {
    let listed = |what: &str, value: Option<i64>, valid: &[i64]| match value {
        Some(value) if !valid.contains(&value) => Err(ApiError::invalid_value(format!(
            "CPU {what} {value} is not valid for the instance type '{}'.",
            row.name
        ))),
        _ => Ok(()),
    };
    listed("core count", options.core_count, &row.valid_cores)?;
    listed("threads per core", options.threads_per_core, &row.valid_threads)?;
    if options.core_count.is_some() != options.threads_per_core.is_some() {
        return Err(ApiError::combination(
            "CpuOptions needs both CoreCount and ThreadsPerCore, or neither.",
        ));
    }
    if options.amd_sev_snp.as_deref() == Some("enabled")
        || options.nested_virtualization.as_deref() == Some("enabled")
    {
        return Err(unsupported(
            "The sandbox has no instance type with AMD SEV-SNP or nested virtualization.",
        ));
    }
    Ok(())
}

/// Metadata options with every member filled in, from the image's defaults.
pub(super) fn metadata(given: Option<&MetadataOptions>, image: &Image) -> MetadataOptions {
    let given = given.cloned().unwrap_or_default();
    let v2 = image.release.imds_v2;
    let or = |value: Option<String>, default: &str| value.or_else(|| Some(default.to_owned()));
    MetadataOptions {
        http_tokens: or(given.http_tokens, if v2 { "required" } else { "optional" }),
        http_put_response_hop_limit: given.http_put_response_hop_limit.or(Some(if v2 {
            2
        } else {
            1
        })),
        http_endpoint: or(given.http_endpoint, "enabled"),
        http_protocol_ipv6: or(given.http_protocol_ipv6, "disabled"),
        instance_metadata_tags: or(given.instance_metadata_tags, "disabled"),
    }
}

/// Checks the placement, and that `count` more instances fit; returns the group, if there is one.
pub(super) fn placement(
    call: &Call<'_>,
    data: &LaunchData,
    row: &InstanceType,
    zone: &str,
    count: usize,
) -> Result<Option<PlacementGroup>, ApiError> {
    let Some(placement) = &data.placement else { return Ok(None) };
    let on_host = placement.host_id.is_some() || placement.host_resource_group_arn.is_some();
    if on_host || placement.tenancy.as_deref() == Some("host") || placement.affinity.is_some() {
        return Err(unsupported("The sandbox has no Dedicated Hosts."));
    }
    if placement.spread_domain.is_some() {
        return Err(unsupported("The placement parameter SpreadDomain is reserved."));
    }
    let group = match (&placement.group_name, &placement.group_id) {
        (Some(name), _) => placement_group::by_name(call, name)?,
        (None, Some(id)) => call.find::<PlacementGroup>(id)?,
        (None, None) if placement.partition_number.is_some() => {
            return Err(ApiError::combination(
                "PartitionNumber needs a placement group with the partition strategy.",
            ));
        }
        (None, None) => return Ok(None),
    };
    fits(call, &group, placement.partition_number, row, zone, count)?;
    Ok(Some(group))
}

/// Whether a group can take `count` more instances of a type in a zone.
pub(super) fn fits(
    call: &Call<'_>,
    group: &PlacementGroup,
    partition: Option<i64>,
    row: &InstanceType,
    zone: &str,
    count: usize,
) -> Result<(), ApiError> {
    if !row.strategies.contains(&group.strategy) {
        let strategy = match group.strategy.as_str() {
            "cluster" => "Cluster",
            "partition" => "Partition",
            _ => "Spread",
        };
        return Err(ApiError::combination(format!(
            "{strategy} placement groups are not supported by the '{}' instance type. Specify a supported instance type or change the placement group strategy, and try again.",
            row.name
        )));
    }
    match (partition, group.partitions) {
        (Some(_), None) => {
            return Err(ApiError::combination(
                "PartitionNumber needs a placement group with the partition strategy.",
            ));
        }
        (Some(number), Some(most)) if !(1..=most).contains(&number) => {
            return Err(ApiError::invalid(
                "partitionNumber",
                &number.to_string(),
                &format!("The group has {most} partitions."),
            ));
        }
        _ => {}
    }
    let mut members = call.rows::<Instance>();
    members.retain(|it| {
        it.placement_group.as_deref() == Some(&group.name) && it.state(call) != "terminated"
    });
    if group.strategy == "cluster"
        && let Some(other) = members.iter().find(|it| it.zone != zone)
    {
        return Err(ApiError::invalid_value(format!(
            "The placement group '{}' cannot span Availability Zones: it has instances in {}.",
            group.name, other.zone
        )));
    }
    // Seven running instances for each zone:
    // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html
    if group.strategy == "spread" && members.iter().filter(|it| it.zone == zone).count() + count > 7
    {
        return Err(ApiError::new(
            "InsufficientInstanceCapacity",
            format!(
                "A spread placement group holds at most 7 instances per Availability Zone ('{}').",
                group.name
            ),
        ));
    }
    Ok(())
}

fn unsupported(message: impl Into<String>) -> ApiError {
    ApiError::new("UnsupportedOperation", message)
}
