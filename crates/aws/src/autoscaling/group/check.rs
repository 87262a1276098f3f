//! What Auto Scaling would refuse about a group.
//!
//! <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>

use std::collections::BTreeSet;

use formwork_core::Check;

use super::{
    CapacityUnit, DeletionProtection, GroupCapacityPreference, HealthCheckType,
    ImpairedZoneBehavior, LifecycleResult, LifecycleTransition, OnDemandStrategy, ScalingProcess,
    SpotStrategy, ZoneDistribution,
};
use crate::{
    check::{choice, exactly_one, id, range, text},
    ec2::{launch_length, launch_template_version},
    tags::{self, Tags},
};

pub(super) fn check(check: &mut Check<'_>) {
    let allowed = |c: char| c != ':' && !c.is_control();
    text(check, "name", (1, 255), allowed, "characters other than colons and controls");
    exactly_one(check, &["launch_template", "mixed_instances_policy"], true);
    id(check, "launch_template.id", "lt");
    launch_template_version(check, "launch_template.version");
    sizes(check);
    places(check);
    policy(check);
    hooks(check);
    choice::<CapacityUnit>(check, "desired_capacity_type");
    choice::<ZoneDistribution>(check, "availability_zone_distribution");
    choice::<DeletionProtection>(check, "deletion_protection");
    choice::<GroupCapacityPreference>(check, "capacity_reservation.preference");
    let behavior = "availability_zone_impairment_policy.impaired_zone_health_check_behavior";
    choice::<ImpairedZoneBehavior>(check, behavior);
    each(check, "health_check_types", choice::<HealthCheckType>);
    each(check, "suspended_processes", choice::<ScalingProcess>);
    maintenance(check);
    if let Some(life) = check.get::<u32>("max_instance_lifetime")
        && !(86_400..=31_536_000).contains(&life)
    {
        let message = format!("{life} s: expected 86400 to 31536000, a day to a year");
        check.problem("max_instance_lifetime", message);
    }
    if check.get::<DeletionProtection>("deletion_protection")
        == Some(DeletionProtection::PreventForceDeletion)
        && check.get("force_delete") == Some(true)
    {
        check.problem("force_delete", "the deletion protection refuses it: expected false");
    }
    let tags = check.get::<Tags>("tags").unwrap_or_default();
    let propagated = check.get::<Tags>("propagated_tags").unwrap_or_default();
    for key in tags.keys().filter(|key| propagated.contains_key(*key)) {
        let message =
            format!("the key {key:?} is in propagated_tags too: expected it in one of them");
        check.problem("tags", message);
    }
    tags::check(check, "tags");
    tags::check(check, "propagated_tags");
}

fn each(check: &mut Check<'_>, field: &str, one: impl Fn(&mut Check<'_>, &str)) {
    for i in 0..launch_length(check, field) {
        one(check, &format!("{field}[{i}]"));
    }
}

fn sizes(check: &mut Check<'_>) {
    let size = |check: &Check<'_>, field: &str| check.get::<u32>(field);
    let (least, most) = (size(check, "min_size"), size(check, "max_size"));
    if let Some((least, most)) = least.zip(most)
        && least > most
    {
        check.problem("min_size", format!("{least}: expected at most max_size, which is {most}"));
        return;
    }
    let Some(desired) = size(check, "desired_capacity") else { return };
    if least.is_some_and(|least| desired < least) || most.is_some_and(|most| desired > most) {
        let (least, most) = (least.unwrap_or_default(), most.unwrap_or(u32::MAX));
        check.problem("desired_capacity", format!("{desired}: expected {least} to {most}"));
    }
}

fn places(check: &mut Check<'_>) {
    let subnets = launch_length(check, "subnet_ids");
    if subnets == 0
        && launch_length(check, "availability_zones") == 0
        && !unknown(check, "subnet_ids")
    {
        check.problem("subnet_ids", "none, and no zones either: expected subnets to launch in");
    }
    each(check, "subnet_ids", |check, field| id(check, field, "subnet"));
    if check.is_set("placement_group") {
        let group = check.target("placement_group");
        let cluster = group.and_then(|group| group.get::<String>("strategy"));
        let mut zones = BTreeSet::new();
        for i in 0..subnets {
            let subnet = check.target(&format!("subnet_ids[{i}]"));
            zones.extend(subnet.and_then(|subnet| subnet.get::<String>("availability_zone")));
        }
        // <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html>
        if cluster.as_deref() == Some("cluster") && zones.len() > 1 {
            let zones = Vec::from_iter(zones).join(", ");
            let message =
                format!("the subnets are in {zones}, and a cluster placement group is in one zone");
            check.problem("subnet_ids", message);
        }
    }
}

fn unknown(check: &Check<'_>, field: &str) -> bool {
    check.inputs().get(field).is_some_and(|value| !value.is_known())
}

fn policy(check: &mut Check<'_>) {
    const AT: &str = "mixed_instances_policy";
    id(check, &format!("{AT}.launch_template.id"), "lt");
    launch_template_version(check, &format!("{AT}.launch_template.version"));
    let of = |name: &str| format!("{AT}.distribution.{name}");
    choice::<OnDemandStrategy>(check, &of("on_demand_allocation_strategy"));
    choice::<SpotStrategy>(check, &of("spot_allocation_strategy"));
    range(check, &of("on_demand_percentage_above_base_capacity"), 0, 100);
    range(check, &of("spot_instance_pools"), 1, 20);
    let strategy = check.get::<SpotStrategy>(&of("spot_allocation_strategy"));
    if let Some(strategy) = strategy.filter(|strategy| *strategy != SpotStrategy::LowestPrice)
        && check.is_set(&of("spot_instance_pools"))
    {
        let message = format!("the strategy is {strategy}: expected none without lowest-price");
        check.problem(&of("spot_instance_pools"), message);
    }
    let overrides = format!("{AT}.overrides");
    let count = launch_length(check, &overrides);
    let mut weighted = 0;
    for i in 0..count {
        let field = |name: &str| format!("{overrides}[{i}].{name}");
        range(check, &field("weighted_capacity"), 1, 999);
        id(check, &field("launch_template.id"), "lt");
        launch_template_version(check, &field("launch_template.version"));
        weighted += usize::from(check.is_set(&field("weighted_capacity")));
    }
    // <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups-instance-weighting.html>
    if weighted != 0 && weighted != count {
        let message = format!("{weighted} of {count} have a weight: expected all or none");
        check.problem(&overrides, message);
    }
}

fn hooks(check: &mut Check<'_>) {
    let mut names = BTreeSet::new();
    for i in 0..launch_length(check, "lifecycle_hooks") {
        let field = |name: &str| format!("lifecycle_hooks[{i}].{name}");
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
        text(check, &field("name"), (1, 255), allowed, "letters, digits and -_/");
        choice::<LifecycleTransition>(check, &field("transition"));
        choice::<LifecycleResult>(check, &field("default_result"));
        range(check, &field("heartbeat_timeout"), 30, 7_200);
        if let Some(name) = check.get::<String>(&field("name"))
            && !names.insert(name.clone())
        {
            check.problem(&field("name"), format!("{name:?} is there twice: expected each once"));
        }
        if check.is_set(&field("notification_target_arn")) != check.is_set(&field("role_arn")) {
            let message = "a notification needs a target and a role: expected both or none";
            check.problem(&field("role_arn"), message);
        }
    }
}

fn maintenance(check: &mut Check<'_>) {
    let field = |name: &str| format!("instance_maintenance_policy.{name}");
    range(check, &field("min_healthy_percentage"), 0, 100);
    range(check, &field("max_healthy_percentage"), 100, 200);
    let least = check.get::<u32>(&field("min_healthy_percentage"));
    let most = check.get::<u32>(&field("max_healthy_percentage"));
    if let Some((least, most)) = least.zip(most)
        && most.saturating_sub(least) > 100
    {
        let message =
            format!("{most} is more than 100 above {least}: expected at most {}", least + 100);
        check.problem(&field("max_healthy_percentage"), message);
    }
}
