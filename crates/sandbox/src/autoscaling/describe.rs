//! DescribeAutoScalingGroups and DescribeAutoScalingInstances.

use super::{activity::PAGING, error::validation, group::Group, member::Member, tag};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::wildcard,
    page::{Paging, paginate},
    row::Row,
    time::iso8601,
    xml::Xml,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("DescribeAutoScalingGroups", describe_groups),
    ("DescribeAutoScalingInstances", describe_instances),
];

const FEW: Paging = Paging { default: 50, ..PAGING };

fn describe_groups(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let names = params.list("AutoScalingGroupNames");
    let with_instances = params.flag("IncludeInstances")?.unwrap_or(true);
    let mut filters = Vec::new();
    for filter in params.structs("Filters") {
        let name = filter.optional("Name").unwrap_or_default();
        if !matches!(name.as_str(), "tag-key" | "tag-value") && !name.starts_with("tag:") {
            return Err(validation(format!(
                "Filter type {name} is not correct. Allowed Filter types are: tag-key, tag-value, tag:<key>"
            )));
        }
        filters.push((name, filter.list("Values")));
    }
    let groups: Vec<Group> = call
        .visible::<Group>()
        .into_iter()
        .filter(|group| names.is_empty() || names.contains(&group.name))
        .filter(|group| filters.iter().all(|(name, values)| has_tag(group, name, values)))
        .collect();
    let page = paginate(call, groups, Row::id, FEW)?;
    Ok(Xml::new()
        .members("AutoScalingGroups", page.rows.iter().map(|group| xml(group, with_instances)))
        .maybe("NextToken", page.next.as_deref())
        .into())
}

fn has_tag(group: &Group, filter: &str, values: &[String]) -> bool {
    let any = |text: &str| values.iter().any(|value| wildcard(value, text));
    match filter.strip_prefix("tag:") {
        Some(key) => group.tags.get(key).is_some_and(|tag| any(&tag.value)),
        None if filter == "tag-key" => group.tags.keys().any(|key| any(key)),
        None => group.tags.values().any(|tag| any(&tag.value)),
    }
}

fn describe_instances(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const FEWER: Paging = Paging { most: 50, default: 50, ..PAGING };
    let ids = call.params.list("InstanceIds");
    let mut rows: Vec<(Member, String)> = Vec::new();
    for group in call.visible::<Group>() {
        for member in group.members.iter().filter(|it| ids.is_empty() || ids.contains(&it.instance))
        {
            rows.push((member.clone(), group.name.clone()));
        }
    }
    rows.sort_by(|a, b| a.0.instance.cmp(&b.0.instance));
    let page = paginate(call, rows, |row| &row.0.instance, FEWER)?;
    let item = |(member, group): &(Member, String)| {
        // Health is in capitals here, and only here.
        let health = if member.healthy { "HEALTHY" } else { "UNHEALTHY" };
        Xml::new()
            .text("InstanceId", &member.instance)
            .text("InstanceType", &member.instance_type)
            .text("AutoScalingGroupName", group)
            .text("AvailabilityZone", &member.zone)
            .text("LifecycleState", member.stage.name())
            .text("HealthStatus", health)
            .node("LaunchTemplate", member.template.xml())
            .maybe("ImageId", member.image_id.as_deref())
            .text("ProtectedFromScaleIn", member.protected)
            .maybe("WeightedCapacity", member.weight)
    };
    Ok(Xml::new()
        .members("AutoScalingInstances", page.rows.iter().map(item))
        .maybe("NextToken", page.next.as_deref())
        .into())
}

fn xml(group: &Group, with_instances: bool) -> Xml {
    let it = &group.settings;
    let suspended = group.suspended.iter().map(|(process, reason)| {
        Xml::new().text("ProcessName", process).text("SuspensionReason", reason)
    });
    let metrics = group
        .metrics
        .iter()
        .map(|metric| Xml::new().text("Metric", metric).text("Granularity", "1Minute"));
    let members = group.members.iter().filter(|_| with_instances).map(Member::xml);
    let xml = Xml::new()
        .text("AutoScalingGroupName", &group.name)
        .text("AutoScalingGroupARN", &group.arn)
        .text("MinSize", it.least)
        .text("MaxSize", it.most)
        .text("DesiredCapacity", it.desired)
        .text("DefaultCooldown", it.cooldown)
        .member_texts("AvailabilityZones", &it.zones)
        .members("LoadBalancerNames", [])
        .members("TargetGroupARNs", [])
        .text("HealthCheckType", &it.health_check_type)
        .text("HealthCheckGracePeriod", it.grace_period)
        .members("Instances", members)
        .text("CreatedTime", iso8601(group.created))
        .members("SuspendedProcesses", suspended)
        .maybe("PlacementGroup", it.placement_group.as_deref())
        .text("VPCZoneIdentifier", it.subnets.join(","))
        .members("EnabledMetrics", metrics)
        .maybe("Status", group.deleting.map(|_| "Delete in progress"))
        .members("Tags", group.tags.iter().map(|(key, tag)| tag::xml(&group.name, key, tag)))
        .member_texts("TerminationPolicies", &it.termination_policies)
        .text("NewInstancesProtectedFromScaleIn", it.protected)
        .maybe("ServiceLinkedRoleARN", it.service_role.as_deref())
        .maybe("MaxInstanceLifetime", it.max_lifetime)
        .maybe("CapacityRebalance", it.capacity_rebalance)
        .maybe("Context", it.context.as_deref())
        .maybe("DesiredCapacityType", it.desired_type.as_deref())
        .maybe("DefaultInstanceWarmup", it.warmup)
        .members("TrafficSources", [])
        .maybe_node(
            "InstanceMaintenancePolicy",
            it.maintenance.as_ref().map(super::settings::MaintenancePolicy::xml),
        )
        .node("AvailabilityZoneDistribution", it.distribution.xml())
        .maybe_node(
            "CapacityReservationSpecification",
            it.reservations.as_ref().map(super::settings::CapacityReservations::xml),
        )
        .text("DeletionProtection", &it.deletion_protection);
    group.source.xml(xml)
}
