//! Syntax of launch data: what AWS refuses when a template is made, before anything is looked up.
//!
//! Whether what the data names exists, and whether the instance type can do it, is only checked at
//! launch: a template may name a subnet that is not there yet.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::launch_template_data::{Ebs, InterfaceSpec, LaunchData, MetadataOptions};
use crate::error::ApiError;

/// User data may be this long, in bytes, before it is encoded
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>).
pub(crate) const USER_DATA_LIMIT: usize = 16_384;

/// Checks every member that has a closed set of values or a range.
pub(crate) fn check(data: &LaunchData) -> Result<(), ApiError> {
    let behavior = data.instance_initiated_shutdown_behavior.as_deref();
    one_of("instanceInitiatedShutdownBehavior", behavior, &["stop", "terminate"])?;
    if let Some(placement) = &data.placement {
        one_of("tenancy", placement.tenancy.as_deref(), &["default", "dedicated", "host"])?;
        one_of("affinity", placement.affinity.as_deref(), &["default", "host"])?;
        exclusive(
            "Placement.GroupName",
            &placement.group_name,
            "Placement.GroupId",
            &placement.group_id,
        )?;
    }
    if let Some(profile) = &data.iam_instance_profile {
        exclusive(
            "iamInstanceProfile.arn",
            &profile.arn,
            "iamInstanceProfile.name",
            &profile.name,
        )?;
    }
    if let Some(options) = &data.metadata_options {
        metadata(options)?;
    }
    if let Some(user_data) = &data.user_data {
        check_user_data(user_data)?;
    }
    data.network_interfaces.iter().try_for_each(interface)?;
    for device in &data.block_device_mappings {
        device.ebs.as_ref().map_or(Ok(()), ebs)?;
    }
    small_options(data)?;
    tags(data)
}

/// Checks metadata options, which ModifyInstanceMetadataOptions takes too.
pub(crate) fn metadata(options: &MetadataOptions) -> Result<(), ApiError> {
    let switch = ["enabled", "disabled"];
    one_of("HttpTokens", options.http_tokens.as_deref(), &["optional", "required"])?;
    one_of("HttpEndpoint", options.http_endpoint.as_deref(), &switch)?;
    one_of("HttpProtocolIpv6", options.http_protocol_ipv6.as_deref(), &switch)?;
    one_of("InstanceMetadataTags", options.instance_metadata_tags.as_deref(), &switch)?;
    match options.http_put_response_hop_limit {
        Some(limit) if !(1..=64).contains(&limit) => Err(ApiError::invalid(
            "HttpPutResponseHopLimit",
            &limit.to_string(),
            "It must be between 1 and 64.",
        )),
        _ => Ok(()),
    }
}

/// Checks that user data is base64 and not too long.
pub(crate) fn check_user_data(encoded: &str) -> Result<(), ApiError> {
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| {
        ApiError::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
    })?;
    if bytes.len() > USER_DATA_LIMIT {
        return Err(ApiError::invalid_value(format!(
            "User data is limited to {USER_DATA_LIMIT} bytes"
        )));
    }
    Ok(())
}

/// Checks that a value, if there is one, is one of the known ones.
pub(crate) fn one_of(name: &str, value: Option<&str>, known: &[&str]) -> Result<(), ApiError> {
    match value {
        Some(value) if !known.contains(&value) => {
            Err(ApiError::invalid(name, value, &format!("Valid values are: {}.", known.join(", "))))
        }
        _ => Ok(()),
    }
}

fn exclusive(
    left: &str,
    a: &Option<String>,
    right: &str,
    b: &Option<String>,
) -> Result<(), ApiError> {
    if a.is_some() && b.is_some() {
        return Err(ApiError::combination(format!(
            "The parameter {left} may not be used in combination with {right}"
        )));
    }
    Ok(())
}

fn interface(spec: &InterfaceSpec) -> Result<(), ApiError> {
    one_of("interfaceType", spec.interface_type.as_deref(), &["interface", "efa", "efa-only"])?;
    if spec.associate_carrier_ip_address == Some(true) {
        return Err(ApiError::new(
            "UnsupportedOperation",
            "Carrier addresses exist in Wavelength Zones only, and the sandbox has none.",
        ));
    }
    for (name, value) in
        [("deviceIndex", spec.device_index), ("networkCardIndex", spec.network_card_index)]
    {
        if let Some(value) = value.filter(|value| *value < 0) {
            return Err(ApiError::invalid(name, &value.to_string(), "It must not be negative."));
        }
    }
    Ok(())
}

fn ebs(ebs: &Ebs) -> Result<(), ApiError> {
    one_of("volumeType", ebs.volume_type.as_deref(), super::volume_rules::TYPES)?;
    if ebs.encrypted == Some(false) && ebs.kms_key_id.is_some() {
        return Err(ApiError::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    Ok(())
}

fn small_options(data: &LaunchData) -> Result<(), ApiError> {
    if let Some(market) = &data.instance_market_options {
        one_of("marketType", market.market_type.as_deref(), &["spot", "capacity-block"])?;
        if let Some(spot) = &market.spot_options {
            if market.market_type.as_deref() == Some("capacity-block") {
                return Err(ApiError::combination(
                    "SpotOptions may not be used with the market type capacity-block.",
                ));
            }
            one_of(
                "spotInstanceType",
                spot.spot_instance_type.as_deref(),
                &["one-time", "persistent"],
            )?;
            let behavior = spot.instance_interruption_behavior.as_deref();
            one_of("instanceInterruptionBehavior", behavior, &["hibernate", "stop", "terminate"])?;
            let lasting = spot.spot_instance_type.as_deref() == Some("persistent");
            if !lasting && matches!(behavior, Some("hibernate" | "stop")) {
                return Err(ApiError::combination(
                    "A one-time Spot request can only terminate an interrupted instance.",
                ));
            }
        }
    }
    if let Some(credit) = &data.credit_specification {
        one_of("CpuCredits", credit.cpu_credits.as_deref(), &["standard", "unlimited"])?;
    }
    if let Some(cpu) = &data.cpu_options {
        one_of("AmdSevSnp", cpu.amd_sev_snp.as_deref(), &["enabled", "disabled"])?;
        one_of(
            "NestedVirtualization",
            cpu.nested_virtualization.as_deref(),
            &["enabled", "disabled"],
        )?;
    }
    if let Some(capacity) = &data.capacity_reservation_specification {
        let known = ["capacity-reservations-only", "open", "none"];
        let preference = capacity.capacity_reservation_preference.as_deref();
        one_of("CapacityReservationPreference", preference, &known)?;
        if let Some(target) = &capacity.capacity_reservation_target {
            exclusive(
                "CapacityReservationId",
                &target.capacity_reservation_id,
                "CapacityReservationResourceGroupArn",
                &target.capacity_reservation_resource_group_arn,
            )?;
            if matches!(preference, Some("open" | "none")) {
                return Err(ApiError::combination(
                    "A capacity reservation preference of open or none may not be used with a target.",
                ));
            }
        }
    }
    if let Some(names) = &data.private_dns_name_options {
        one_of("HostnameType", names.hostname_type.as_deref(), &["ip-name", "resource-name"])?;
    }
    if let Some(maintenance) = &data.maintenance_options {
        one_of("AutoRecovery", maintenance.auto_recovery.as_deref(), &["default", "disabled"])?;
    }
    let weighting =
        data.network_performance_options.as_ref().and_then(|it| it.bandwidth_weighting.as_deref());
    one_of("BandwidthWeighting", weighting, &["default", "vpc-1", "ebs-1"])
}

fn tags(data: &LaunchData) -> Result<(), ApiError> {
    const TAGGABLE: [&str; 4] =
        ["instance", "volume", "network-interface", "spot-instances-request"];
    for specification in &data.tag_specifications {
        let kind = specification.resource_type.as_deref().unwrap_or_default();
        if !TAGGABLE.contains(&kind) {
            return Err(ApiError::invalid_value(format!(
                "'{kind}' is not a valid taggable resource type for this operation."
            )));
        }
        let mut seen = std::collections::BTreeSet::new();
        for tag in &specification.tags {
            let key = tag.key.as_deref().unwrap_or_default();
            if key.is_empty() || key.len() > 127 {
                return Err(ApiError::invalid_value(
                    "Tag key must be between 1 and 127 characters.",
                ));
            }
            if key.starts_with("aws:") {
                return Err(ApiError::invalid_value(
                    "Tag keys starting with 'aws:' are reserved for internal use",
                ));
            }
            if !seen.insert(key) {
                return Err(ApiError::invalid_value(format!(
                    "Duplicate tag key '{key}' specified."
                )));
            }
        }
    }
    Ok(())
}
