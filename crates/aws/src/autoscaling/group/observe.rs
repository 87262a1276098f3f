//! What a group really is.

use aws_sdk_autoscaling::types;
use formwork_core::{Identity, Observed, ProviderError};

use super::{
    AutoScalingGroup, AutoScalingGroupOutputs, GroupCapacityReservation, MaintenancePolicy,
    MixedInstancesPolicy, ZoneImpairmentPolicy, hooks, policy,
};
use crate::{
    client::Clients,
    ec2::wire::{seen, seen_all, seen_number},
    error::{Named, incomplete},
    tags::{self, Tags},
};

pub(super) const DESCRIBE: &str = "autoscaling:DescribeAutoScalingGroups";

/// How many names a call takes
/// (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html>).
const NAMES: usize = 50;

/// The groups of these names; those that are not there are no error.
pub(super) async fn groups(
    clients: &Clients,
    names: &[String],
) -> Result<Vec<types::AutoScalingGroup>, ProviderError> {
    let mut found = Vec::new();
    for chunk in names.chunks(NAMES) {
        let call = clients.autoscaling().describe_auto_scaling_groups();
        let call = call.set_auto_scaling_group_names(Some(chunk.to_vec()));
        let pages = call.into_paginator().items().send();
        found.extend(pages.try_collect().await.named(DESCRIBE)?);
    }
    Ok(found)
}

/// The group of this name, going or not.
pub(super) async fn one(
    clients: &Clients,
    name: &str,
) -> Result<Option<types::AutoScalingGroup>, ProviderError> {
    Ok(groups(clients, &[name.to_owned()]).await?.pop())
}

/// Whether it is not about to go.
pub(super) fn lives(group: &types::AutoScalingGroup) -> bool {
    group.status.is_none()
}

/// Whether it is the group that is recorded, and not another one of its name.
pub(super) fn is(group: &types::AutoScalingGroup, known: &AutoScalingGroupOutputs) -> bool {
    let same = known.arn.as_str().is_empty()
        || group.auto_scaling_group_arn.as_deref() == Some(known.arn.as_str());
    same && group.auto_scaling_group_name.as_deref() == Some(&known.name)
}

/// Whether it has the ownership tag of this object.
pub(super) fn is_owned(group: &types::AutoScalingGroup, identity: &Identity) -> bool {
    group.tags().iter().any(|tag| {
        tag.key.as_deref() == Some(Identity::TAG)
            && tag.value.as_deref() == Some(identity.id.as_str())
    })
}

/// Whether it is some stack's.
pub(super) fn has_owner(group: &types::AutoScalingGroup) -> bool {
    group.tags().iter().any(|tag| tag.key.as_deref() == Some(Identity::TAG))
}

/// A group in the shape of its inputs.
pub(super) async fn observe(
    clients: &Clients,
    group: &types::AutoScalingGroup,
    declared: Option<&AutoScalingGroup>,
) -> Result<Observed<AutoScalingGroup>, ProviderError> {
    let name = group.auto_scaling_group_name.clone();
    let name = name.ok_or_else(|| incomplete(DESCRIBE, "name"))?;
    let arn = seen(&group.auto_scaling_group_arn).ok_or_else(|| incomplete(DESCRIBE, "ARN"))?;
    let declared = declared.cloned().unwrap_or_default();
    let hooks = hooks::read(clients, &name, &declared.lifecycle_hooks).await?;
    let inputs = AutoScalingGroup { lifecycle_hooks: hooks, ..inputs(clients, group, declared) };
    Ok(Observed { inputs, outputs: AutoScalingGroupOutputs { name, arn } })
}

fn inputs(
    clients: &Clients,
    it: &types::AutoScalingGroup,
    declared: AutoScalingGroup,
) -> AutoScalingGroup {
    let own = |propagated: bool, declared: &Tags| {
        let of = |tag: &&types::TagDescription| {
            tag.propagate_at_launch.unwrap_or_default() == propagated
        };
        let pair = |tag: &types::TagDescription| {
            Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()))
        };
        let all = it.tags().iter().filter(of).filter_map(pair).collect();
        tags::own(clients, all, Some(declared))
    };
    let (tags, propagated_tags) =
        (own(false, &declared.tags), own(true, &declared.propagated_tags));
    let template = it.launch_template.as_ref();
    let mixed = it.mixed_instances_policy.as_ref();
    AutoScalingGroup {
        name: it.auto_scaling_group_name.clone(),
        launch_template: template
            .map(|template| policy::reference(template, declared.launch_template.as_ref())),
        mixed_instances_policy: mixed.and_then(|mixed| {
            MixedInstancesPolicy::of(mixed, declared.mixed_instances_policy.as_ref())
        }),
        min_size: seen_number(it.min_size).unwrap_or_default(),
        max_size: seen_number(it.max_size).unwrap_or_default(),
        desired_capacity: seen_number(it.desired_capacity),
        desired_capacity_type: seen(&it.desired_capacity_type),
        subnet_ids: subnets(it),
        availability_zones: Some(it.availability_zones().to_vec()),
        availability_zone_distribution: it
            .availability_zone_distribution
            .as_ref()
            .and_then(|it| seen(&it.capacity_distribution_strategy)),
        availability_zone_impairment_policy: it.availability_zone_impairment_policy.as_ref().map(
            |policy| ZoneImpairmentPolicy {
                zonal_shift_enabled: policy.zonal_shift_enabled.unwrap_or_default(),
                impaired_zone_health_check_behavior: seen(
                    &policy.impaired_zone_health_check_behavior,
                ),
            },
        ),
        placement_group: seen(&it.placement_group),
        capacity_reservation: it
            .capacity_reservation_specification
            .as_ref()
            .filter(|_| declared.capacity_reservation.is_some())
            .map(GroupCapacityReservation::of),
        health_check_types: it
            .health_check_type
            .as_ref()
            .map(|types| types.split(',').map(|it| it.trim().into()).collect()),
        health_check_grace_period: seen_number(it.health_check_grace_period),
        default_instance_warmup: seen_number(it.default_instance_warmup),
        default_cooldown: seen_number(it.default_cooldown),
        termination_policies: it.termination_policies.clone(),
        protect_from_scale_in: it.new_instances_protected_from_scale_in.unwrap_or_default(),
        max_instance_lifetime: seen_number(it.max_instance_lifetime).filter(|life| *life > 0),
        capacity_rebalance: it.capacity_rebalance,
        instance_maintenance_policy: it
            .instance_maintenance_policy
            .as_ref()
            .and_then(MaintenancePolicy::of),
        suspended_processes: it
            .suspended_processes()
            .iter()
            .filter_map(|process| seen(&process.process_name))
            .collect(),
        enabled_metrics: it
            .enabled_metrics()
            .iter()
            .filter_map(|metric| metric.metric.clone())
            .collect(),
        target_group_arns: seen_all(it.target_group_arns()),
        load_balancer_names: it.load_balancer_names().to_vec(),
        service_linked_role_arn: seen(&it.service_linked_role_arn),
        context: seen(&it.context),
        deletion_protection: seen(&it.deletion_protection),
        tags,
        propagated_tags,
        ..declared
    }
}

fn subnets(it: &types::AutoScalingGroup) -> Vec<crate::ec2::SubnetId> {
    let list = it.vpc_zone_identifier.as_deref().unwrap_or_default();
    list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(Into::into).collect()
}

impl GroupCapacityReservation {
    fn of(from: &types::CapacityReservationSpecification) -> Self {
        let target = from.capacity_reservation_target.as_ref();
        Self {
            preference: seen(&from.capacity_reservation_preference),
            reservation_ids: target
                .map(|target| seen_all(target.capacity_reservation_ids()))
                .unwrap_or_default(),
            resource_group_arns: target
                .map(|target| seen_all(target.capacity_reservation_resource_group_arns()))
                .unwrap_or_default(),
        }
    }
}

impl MaintenancePolicy {
    fn of(from: &types::InstanceMaintenancePolicy) -> Option<Self> {
        Some(Self {
            min_healthy_percentage: seen_number(from.min_healthy_percentage)?,
            max_healthy_percentage: seen_number(from.max_healthy_percentage)?,
        })
    }
}
