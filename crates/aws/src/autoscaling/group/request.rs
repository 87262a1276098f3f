//! The calls that make a group and change it.

use aws_sdk_autoscaling::types;
use formwork_core::{Changes, Context, Identity, ProviderError};

use super::{
    AutoScalingGroup, GroupCapacityReservation, LifecycleHook, MaintenancePolicy,
    MixedInstancesPolicy, ZoneImpairmentPolicy, hooks, policy,
};
use crate::{
    client::Clients,
    ec2::wire::{sent, sent_all, sent_number},
    error::Named,
    retry,
};

/// What Auto Scaling calls a group where it tags things.
const TAGGED: &str = "auto-scaling-group";

/// The name of the group: given, or made of who it is.
pub(super) fn name(cx: &Context<'_, Clients>, inputs: &AutoScalingGroup) -> String {
    inputs.name.clone().unwrap_or_else(|| cx.identity.name(255))
}

// Create and update take almost the same, and have builders of their own.
macro_rules! settings {
    ($call:expr, $inputs:expr) => {
        $call
            .set_launch_template($inputs.launch_template.as_ref().map(policy::template))
            .set_mixed_instances_policy(
                $inputs.mixed_instances_policy.as_ref().map(MixedInstancesPolicy::request),
            )
            .set_min_size(sent_number(Some($inputs.min_size)))
            .set_max_size(sent_number(Some($inputs.max_size)))
            .set_desired_capacity(sent_number($inputs.desired_capacity))
            .set_desired_capacity_type(sent(&$inputs.desired_capacity_type))
            .set_vpc_zone_identifier($inputs.subnet_list())
            .set_availability_zones($inputs.availability_zones.clone())
            .set_availability_zone_distribution(
                $inputs.availability_zone_distribution.as_ref().map(|strategy| {
                    types::AvailabilityZoneDistribution::builder()
                        .capacity_distribution_strategy(strategy.as_str().into())
                        .build()
                }),
            )
            .set_availability_zone_impairment_policy(
                $inputs
                    .availability_zone_impairment_policy
                    .as_ref()
                    .map(ZoneImpairmentPolicy::request),
            )
            .set_health_check_type($inputs.health_checks())
            .set_health_check_grace_period(sent_number($inputs.health_check_grace_period))
            .set_default_cooldown(sent_number($inputs.default_cooldown))
            .set_termination_policies($inputs.termination_policies.clone())
            .new_instances_protected_from_scale_in($inputs.protect_from_scale_in)
            .set_capacity_rebalance($inputs.capacity_rebalance)
            .set_service_linked_role_arn(sent(&$inputs.service_linked_role_arn))
            .set_deletion_protection(sent(&$inputs.deletion_protection))
    };
}

/// Makes the group, with its hooks and tags; returns its name.
pub(super) async fn create(
    cx: &Context<'_, Clients>,
    inputs: &AutoScalingGroup,
) -> Result<String, ProviderError> {
    const CALL: &str = "autoscaling:CreateAutoScalingGroup";
    let name = name(cx, inputs);
    let hooks: Vec<_> = inputs.lifecycle_hooks.iter().map(LifecycleHook::specification).collect();
    let call = cx.client.autoscaling_once().create_auto_scaling_group();
    let call = settings!(call, inputs)
        .auto_scaling_group_name(&name)
        .set_placement_group(inputs.placement_group.clone())
        .set_default_instance_warmup(sent_number(inputs.default_instance_warmup))
        .set_max_instance_lifetime(sent_number(inputs.max_instance_lifetime))
        .set_context(inputs.context.clone())
        .set_instance_maintenance_policy(
            inputs.instance_maintenance_policy.as_ref().map(MaintenancePolicy::request),
        )
        .set_capacity_reservation_specification(
            inputs.capacity_reservation.as_ref().map(GroupCapacityReservation::request),
        )
        .set_target_group_arns(sent_all(&inputs.target_group_arns))
        .set_load_balancer_names(sent_all(&inputs.load_balancer_names))
        .set_lifecycle_hook_specification_list((!hooks.is_empty()).then_some(hooks))
        .set_tags(Some(all_tags(cx, &name, inputs)));
    // A profile of the template that was only just made; the source is at the machine's launch.
    let unknown = |error: &ProviderError| error.message.contains("IAM Instance Profile");
    let send = || async { call.clone().send().await.named(CALL) };
    retry::while_failing(cx.client, unknown, send).await?;
    Ok(name)
}

/// Makes the settings of the group what they should be.
pub(super) async fn update(
    cx: &Context<'_, Clients>,
    name: &str,
    known: &AutoScalingGroup,
    inputs: &AutoScalingGroup,
) -> Result<(), ProviderError> {
    // What is not mentioned stays as it is, so what went away has to be said to be nothing; each
    // setting has its own word for that.
    // <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html>
    let text = |was: &Option<String>, is: &Option<String>| {
        is.clone().or_else(|| was.is_some().then(String::new))
    };
    let number = |was: Option<u32>, is: Option<u32>, nothing: i32| {
        sent_number(is).or(was.is_some().then_some(nothing))
    };
    let no_policy = || {
        let policy = types::InstanceMaintenancePolicy::builder();
        policy.min_healthy_percentage(-1).max_healthy_percentage(-1).build()
    };
    let by_default = || {
        types::CapacityReservationSpecification::builder()
            .capacity_reservation_preference(types::CapacityReservationPreference::Default)
            .build()
    };
    let policy = inputs.instance_maintenance_policy.as_ref().map(MaintenancePolicy::request);
    let reservation = inputs.capacity_reservation.as_ref().map(GroupCapacityReservation::request);
    let call = cx.client.autoscaling().update_auto_scaling_group().auto_scaling_group_name(name);
    settings!(call, inputs)
        .set_placement_group(text(&known.placement_group, &inputs.placement_group))
        .set_context(text(&known.context, &inputs.context))
        .set_default_instance_warmup(number(
            known.default_instance_warmup,
            inputs.default_instance_warmup,
            -1,
        ))
        .set_max_instance_lifetime(number(
            known.max_instance_lifetime,
            inputs.max_instance_lifetime,
            0,
        ))
        .set_instance_maintenance_policy(
            policy.or_else(|| known.instance_maintenance_policy.as_ref().map(|_| no_policy())),
        )
        .set_capacity_reservation_specification(
            reservation.or_else(|| known.capacity_reservation.as_ref().map(|_| by_default())),
        )
        .send()
        .await
        .named("autoscaling:UpdateAutoScalingGroup")
        .map(drop)
}

/// Makes what has calls of its own what it should be: `is` is what is there.
pub(super) async fn companions(
    cx: &Context<'_, Clients>,
    name: &str,
    is: &AutoScalingGroup,
    inputs: &AutoScalingGroup,
) -> Result<(), ProviderError> {
    let client = cx.client.autoscaling();
    hooks::write(cx.client, name, &is.lifecycle_hooks, &inputs.lifecycle_hooks).await?;
    let (more, less) = difference(&is.suspended_processes, &inputs.suspended_processes);
    if more.is_some() {
        let call = client.suspend_processes().auto_scaling_group_name(name);
        call.set_scaling_processes(more).send().await.named("autoscaling:SuspendProcesses")?;
    }
    if less.is_some() {
        let call = client.resume_processes().auto_scaling_group_name(name);
        call.set_scaling_processes(less).send().await.named("autoscaling:ResumeProcesses")?;
    }
    let (more, less) = difference(&is.enabled_metrics, &inputs.enabled_metrics);
    if more.is_some() {
        let call = client.enable_metrics_collection().auto_scaling_group_name(name);
        let call = call.granularity("1Minute").set_metrics(more);
        call.send().await.named("autoscaling:EnableMetricsCollection")?;
    }
    if less.is_some() {
        let call = client.disable_metrics_collection().auto_scaling_group_name(name);
        call.set_metrics(less).send().await.named("autoscaling:DisableMetricsCollection")?;
    }
    let (more, less) = difference(&is.target_group_arns, &inputs.target_group_arns);
    if more.is_some() {
        let call = client.attach_load_balancer_target_groups().auto_scaling_group_name(name);
        let call = call.set_target_group_arns(more);
        call.send().await.named("autoscaling:AttachLoadBalancerTargetGroups")?;
    }
    if less.is_some() {
        let call = client.detach_load_balancer_target_groups().auto_scaling_group_name(name);
        let call = call.set_target_group_arns(less);
        call.send().await.named("autoscaling:DetachLoadBalancerTargetGroups")?;
    }
    let (more, less) = difference(&is.load_balancer_names, &inputs.load_balancer_names);
    if more.is_some() {
        let call = client.attach_load_balancers().auto_scaling_group_name(name);
        let call = call.set_load_balancer_names(more);
        call.send().await.named("autoscaling:AttachLoadBalancers")?;
    }
    if less.is_some() {
        let call = client.detach_load_balancers().auto_scaling_group_name(name);
        let call = call.set_load_balancer_names(less);
        call.send().await.named("autoscaling:DetachLoadBalancers")?;
    }
    Ok(())
}

/// What has to be added, and what has to be removed; nothing where there is nothing.
fn difference<T: PartialEq + ToString>(
    is: &[T],
    wanted: &[T],
) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let but = |these: &[T], those: &[T]| {
        let rest = these.iter().filter(|item| !those.contains(item));
        let rest: Vec<String> = rest.map(ToString::to_string).collect();
        (!rest.is_empty()).then_some(rest)
    };
    (but(wanted, is), but(is, wanted))
}

/// Makes the tags what they should be, if `changes` says so; `is` is what is there.
pub(super) async fn tags(
    cx: &Context<'_, Clients>,
    name: &str,
    is: &AutoScalingGroup,
    inputs: &AutoScalingGroup,
    changes: &Changes,
) -> Result<(), ProviderError> {
    if !changes.touches("tags") && !changes.touches("propagated_tags") {
        return Ok(());
    }
    let wanted = all_tags(cx, name, inputs);
    let keys = is.tags.keys().chain(is.propagated_tags.keys());
    let removed: Vec<types::Tag> = keys
        .filter(|key| wanted.iter().all(|tag| tag.key.as_ref() != Some(*key)))
        .map(|key| tag(name, key, None, false))
        .collect();
    let call = cx.client.autoscaling().create_or_update_tags().set_tags(Some(wanted));
    call.send().await.named("autoscaling:CreateOrUpdateTags")?;
    if !removed.is_empty() {
        let call = cx.client.autoscaling().delete_tags().set_tags(Some(removed));
        call.send().await.named("autoscaling:DeleteTags")?;
    }
    Ok(())
}

fn tag(group: &str, key: &str, value: Option<&str>, propagated: bool) -> types::Tag {
    let tag = types::Tag::builder().resource_id(group).resource_type(TAGGED).key(key);
    tag.set_value(value.map(str::to_owned)).propagate_at_launch(propagated).build()
}

/// All tags of a group. The default tags are for machines above all; the ownership tag is not, for
/// a machine that the group launches is the group's and not this program's.
fn all_tags(cx: &Context<'_, Clients>, name: &str, inputs: &AutoScalingGroup) -> Vec<types::Tag> {
    let mut propagated = cx.client.default_tags().clone();
    propagated.extend(inputs.propagated_tags.clone());
    propagated.retain(|key, _| !inputs.tags.contains_key(key));
    let mut own = inputs.tags.clone();
    own.insert(Identity::TAG.to_owned(), cx.identity.id.to_string());
    let own = own.iter().map(|(key, value)| tag(name, key, Some(value), false));
    let all = propagated.iter().map(|(key, value)| tag(name, key, Some(value), true));
    own.chain(all).collect()
}

impl AutoScalingGroup {
    fn subnet_list(&self) -> Option<String> {
        let ids: Vec<&str> = self.subnet_ids.iter().map(crate::ec2::SubnetId::as_str).collect();
        (!ids.is_empty()).then(|| ids.join(","))
    }

    fn health_checks(&self) -> Option<String> {
        let types = self.health_check_types.as_ref()?;
        let types: Vec<&str> = types.iter().map(super::HealthCheckType::as_str).collect();
        (!types.is_empty()).then(|| types.join(","))
    }
}

impl ZoneImpairmentPolicy {
    fn request(&self) -> types::AvailabilityZoneImpairmentPolicy {
        types::AvailabilityZoneImpairmentPolicy::builder()
            .zonal_shift_enabled(self.zonal_shift_enabled)
            .set_impaired_zone_health_check_behavior(sent(
                &self.impaired_zone_health_check_behavior,
            ))
            .build()
    }
}

impl MaintenancePolicy {
    fn request(&self) -> types::InstanceMaintenancePolicy {
        types::InstanceMaintenancePolicy::builder()
            .set_min_healthy_percentage(sent_number(Some(self.min_healthy_percentage)))
            .set_max_healthy_percentage(sent_number(Some(self.max_healthy_percentage)))
            .build()
    }
}

impl GroupCapacityReservation {
    fn request(&self) -> types::CapacityReservationSpecification {
        let targeted = !self.reservation_ids.is_empty() || !self.resource_group_arns.is_empty();
        let target = || {
            types::CapacityReservationTarget::builder()
                .set_capacity_reservation_ids(sent_all(&self.reservation_ids))
                .set_capacity_reservation_resource_group_arns(sent_all(&self.resource_group_arns))
                .build()
        };
        types::CapacityReservationSpecification::builder()
            .set_capacity_reservation_preference(sent(&self.preference))
            .set_capacity_reservation_target(targeted.then(target))
            .build()
    }
}
