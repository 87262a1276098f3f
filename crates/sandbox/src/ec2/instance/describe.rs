//! DescribeInstances.

use super::xml::{Shown, public_ip};
use super::{Instance, state_code};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    filter::Filters,
    page::{EC2, paginate},
    regions,
    time::iso8601,
    xml::Xml,
};

const FILTERS: &[&str] = &[
    "architecture",
    "availability-zone",
    "availability-zone-id",
    "block-device-mapping.attach-time",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.status",
    "block-device-mapping.volume-id",
    "capacity-reservation-id",
    "capacity-reservation-specification.capacity-reservation-preference",
    "client-token",
    "dns-name",
    "ebs-optimized",
    "ena-support",
    "enclave-options.enabled",
    "hibernation-options.configured",
    "hypervisor",
    "iam-instance-profile.arn",
    "iam-instance-profile.id",
    "image-id",
    "instance-id",
    "instance-lifecycle",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "instance.group-id",
    "ip-address",
    "key-name",
    "launch-index",
    "launch-time",
    "maintenance-options.auto-recovery",
    "metadata-options.http-endpoint",
    "metadata-options.http-put-response-hop-limit",
    "metadata-options.http-tokens",
    "metadata-options.instance-metadata-tags",
    "monitoring-state",
    "network-interface.addresses.private-ip-address",
    "network-interface.attachment.attachment-id",
    "network-interface.attachment.device-index",
    "network-interface.attachment.network-card-index",
    "network-interface.availability-zone",
    "network-interface.group-id",
    "network-interface.mac-address",
    "network-interface.network-interface-id",
    "network-interface.subnet-id",
    "network-interface.vpc-id",
    "owner-id",
    "placement-group-name",
    "placement-partition-number",
    "platform-details",
    "private-dns-name",
    "private-ip-address",
    "reservation-id",
    "root-device-name",
    "root-device-type",
    "source-dest-check",
    "spot-instance-request-id",
    "subnet-id",
    "tenancy",
    "virtualization-type",
    "vpc-id",
];

/// DescribeInstances: grouped by reservation, in the order of ids.
pub(super) fn describe_instances(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let ids = call.params.list("InstanceId");
    let filters = Filters::read(&call.params, FILTERS)?;
    // The sandbox has no resources that AWS manages: both answers are the same.
    call.params.flag("IncludeManagedResources")?;
    if !ids.is_empty() && call.params.has("MaxResults") {
        return Err(ApiError::combination(
            "The parameter instancesSet cannot be used with the parameter maxResults",
        ));
    }
    let rows: Vec<Instance> = if ids.is_empty() {
        call.visible()
    } else {
        ids.iter().map(|id| super::find(call, id)).collect::<Result<_, _>>()?
    };
    // (sort key, instance)
    let mut rows: Vec<(String, Shown)> = rows
        .into_iter()
        .filter(|row| !row.is_forgotten(call))
        .map(|row| {
            (
                format!("{}/{:06}/{}", row.reservation, row.launch_index, row.id),
                Shown::gather(call, row),
            )
        })
        .filter(|(_, shown)| {
            filters.matches(&call.tags(&shown.instance.id), |filter| field(call, shown, filter))
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.dedup_by(|a, b| a.0 == b.0);
    let page = paginate(call, rows, |row| &row.0, EC2)?;
    let mut reservations = Vec::new();
    for group in page.rows.chunk_by(|a, b| a.1.instance.reservation == b.1.instance.reservation) {
        let instances = group.iter().map(|(_, shown)| shown.xml(call));
        let xml = Xml::new()
            .maybe("reservationId", group.first().map(|(_, shown)| &shown.instance.reservation))
            .text("ownerId", &call.account)
            .items("groupSet", [])
            .items("instancesSet", instances);
        reservations.push(xml);
    }
    Ok(Xml::new()
        .items("reservationSet", reservations)
        .maybe("nextToken", page.next.as_deref())
        .into())
}

fn field(call: &Call<'_>, shown: &Shown, filter: &str) -> Vec<String> {
    if let Some(filter) = filter.strip_prefix("network-interface.") {
        return interface_field(shown, filter);
    }
    if let Some(filter) = filter.strip_prefix("block-device-mapping.") {
        return device_field(call, shown, filter);
    }
    let it = &shown.instance;
    let some = |value: &Option<String>| value.iter().cloned().collect();
    let one = |value: &str| vec![value.to_owned()];
    match filter {
        "architecture" => one(&it.architecture),
        "availability-zone" => one(&it.zone),
        "availability-zone-id" => {
            regions::zone(&call.region, &it.zone).map(|zone| zone.id).into_iter().collect()
        }
        "capacity-reservation-id" => some(&it.capacity_reservation),
        "capacity-reservation-specification.capacity-reservation-preference" => {
            some(&it.reservation_specification.capacity_reservation_preference)
        }
        "client-token" => some(&it.client_token),
        "dns-name" => shown.public_dns(call).into_iter().collect(),
        "ebs-optimized" => one(&it.ebs_optimized.to_string()),
        "ena-support" => one("true"),
        "enclave-options.enabled" => one(&it.enclave.to_string()),
        "hibernation-options.configured" => one(&it.hibernation.to_string()),
        "hypervisor" => one("xen"),
        "iam-instance-profile.arn" => {
            it.profile.iter().map(|profile| profile.arn.clone()).collect()
        }
        "iam-instance-profile.id" => {
            it.profile.iter().map(|profile| profile.profile_id.clone()).collect()
        }
        "image-id" => one(&it.image),
        "instance-id" => one(&it.id),
        "instance-lifecycle" => some(&it.lifecycle),
        "instance-state-code" => one(&state_code(it.state(call)).to_string()),
        "instance-state-name" => one(it.state(call)),
        "instance-type" => one(&it.instance_type),
        "instance.group-id" => shown.primary().map(|it| it.groups.clone()).unwrap_or_default(),
        "ip-address" => shown.primary().and_then(|it| public_ip(call, it)).into_iter().collect(),
        "key-name" => some(&it.key_name),
        "launch-index" => one(&it.launch_index.to_string()),
        "launch-time" => one(&iso8601(it.launched)),
        "maintenance-options.auto-recovery" => one(&it.auto_recovery),
        "metadata-options.http-endpoint" => some(&it.metadata.http_endpoint),
        "metadata-options.http-put-response-hop-limit" => {
            it.metadata.http_put_response_hop_limit.iter().map(ToString::to_string).collect()
        }
        "metadata-options.http-tokens" => some(&it.metadata.http_tokens),
        "metadata-options.instance-metadata-tags" => some(&it.metadata.instance_metadata_tags),
        "monitoring-state" => one(if it.monitoring { "enabled" } else { "disabled" }),
        "owner-id" => one(&call.account),
        "placement-group-name" => some(&it.placement_group),
        "placement-partition-number" => it.partition.iter().map(ToString::to_string).collect(),
        "platform-details" => one("Linux/UNIX"),
        "private-dns-name" => shown.private_dns(call).into_iter().collect(),
        "private-ip-address" => shown
            .primary()
            .and_then(|it| it.private_ips.first())
            .iter()
            .map(ToString::to_string)
            .collect(),
        "reservation-id" => one(&it.reservation),
        "root-device-name" => one(&it.root_device),
        "root-device-type" => one("ebs"),
        "source-dest-check" => {
            shown.primary().map(|it| it.source_dest_check.to_string()).into_iter().collect()
        }
        "spot-instance-request-id" => some(&it.spot_request),
        "subnet-id" if !shown.interfaces.is_empty() => one(&it.subnet),
        "vpc-id" if !shown.interfaces.is_empty() => one(&it.vpc),
        "tenancy" => one(&it.tenancy),
        "virtualization-type" => one("hvm"),
        _ => Vec::new(),
    }
}

fn interface_field(shown: &Shown, filter: &str) -> Vec<String> {
    let mut found = Vec::new();
    for it in &shown.interfaces {
        let attachment = it.attachment.as_ref();
        match filter {
            "addresses.private-ip-address" => {
                found.extend(it.private_ips.iter().map(ToString::to_string));
            }
            "attachment.attachment-id" => found.extend(attachment.map(|at| at.id.clone())),
            "attachment.device-index" => {
                found.extend(attachment.map(|at| at.device_index.to_string()));
            }
            "attachment.network-card-index" => {
                found.extend(attachment.map(|at| at.network_card.to_string()));
            }
            "availability-zone" => found.push(it.zone.clone()),
            "group-id" => found.extend(it.groups.iter().cloned()),
            "mac-address" => found.push(it.mac.clone()),
            "network-interface-id" => found.push(it.id.clone()),
            "subnet-id" => found.push(it.subnet.clone()),
            "vpc-id" => found.push(it.vpc.clone()),
            _ => {}
        }
    }
    found
}

fn device_field(call: &Call<'_>, shown: &Shown, filter: &str) -> Vec<String> {
    let each = shown.volumes.iter().map(|(volume, at)| match filter {
        "attach-time" => iso8601(at.at),
        "delete-on-termination" => at.delete_on_termination.to_string(),
        "device-name" => at.device.clone(),
        "status" => at.state(call).to_owned(),
        _ => volume.id.clone(),
    });
    each.collect()
}
