use super::*;
use crate::{
    autoscaling::ScheduledAction,
    ec2::{
        LaunchTemplate,
        fixture::{Site, site, tags},
    },
    testing::{dies, lives, ready},
};

async fn template(site: &Site) -> LaunchTemplateReference {
    let template = LaunchTemplate {
        image_id: Some(site.image.clone()),
        instance_type: Some("t3.micro".into()),
        security_group_ids: vec![site.group.clone()],
        ..LaunchTemplate::default()
    };
    let template = ready(&site.aws, 100, template).await;
    LaunchTemplateReference {
        id: template.outputs.id,
        version: Some(template.outputs.default_version),
    }
}

fn hook(name: &str, timeout: u32) -> LifecycleHook {
    LifecycleHook {
        name: name.into(),
        transition: LifecycleTransition::Terminating,
        heartbeat_timeout: Some(timeout),
        default_result: Some(LifecycleResult::Continue),
        notification_metadata: None,
        notification_target_arn: None,
        role_arn: None,
    }
}

#[tokio::test]
async fn a_group_launches_changes_in_place_and_takes_its_machines_with_it() {
    let site = site().await;
    let first = AutoScalingGroup {
        launch_template: Some(template(&site).await),
        min_size: 1,
        max_size: 3,
        desired_capacity: Some(2),
        subnet_ids: vec![site.subnet.clone()],
        suspended_processes: vec![ScalingProcess::AzRebalance],
        enabled_metrics: vec!["GroupInServiceInstances".into()],
        default_instance_warmup: Some(60),
        max_instance_lifetime: Some(86_400),
        instance_maintenance_policy: Some(MaintenancePolicy {
            min_healthy_percentage: 90,
            max_healthy_percentage: 120,
        }),
        tags: tags([("a", "1")]),
        propagated_tags: tags([("Name", "node")]),
        ..AutoScalingGroup::default()
    };
    let second = AutoScalingGroup {
        desired_capacity: Some(3),
        health_check_types: Some(vec![HealthCheckType::Ec2, HealthCheckType::Ebs]),
        health_check_grace_period: Some(30),
        termination_policies: Some(vec!["OldestInstance".into()]),
        suspended_processes: vec![ScalingProcess::ReplaceUnhealthy],
        enabled_metrics: vec!["GroupTotalInstances".into()],
        default_instance_warmup: None,
        max_instance_lifetime: None,
        instance_maintenance_policy: None,
        lifecycle_hooks: vec![hook("drain", 60)],
        tags: tags([("Name", "group")]),
        propagated_tags: tags([("of", "node")]),
        ..first.clone()
    };
    let third = AutoScalingGroup { lifecycle_hooks: Vec::new(), ..second.clone() };
    let known = lives(&site.aws, 0, [first, second, third]).await;
    assert!(known.outputs.arn.as_str().contains(":autoScalingGroup:"));
    dies(&site.aws, 0, known).await;
}

#[tokio::test]
async fn a_mixed_group_is_removed_by_force() {
    let site = site().await;
    let over = |name: &str| Override {
        instance_type: Some(name.into()),
        weighted_capacity: Some(1),
        ..Override::default()
    };
    let mixed = AutoScalingGroup {
        name: Some("mixed".into()),
        mixed_instances_policy: Some(MixedInstancesPolicy {
            launch_template: template(&site).await,
            overrides: vec![over("t3.small"), over("t3.micro")],
            distribution: Some(InstancesDistribution {
                on_demand_allocation_strategy: Some(OnDemandStrategy::Prioritized),
                on_demand_base_capacity: Some(1),
                on_demand_percentage_above_base_capacity: Some(100),
                spot_allocation_strategy: Some(SpotStrategy::PriceCapacityOptimized),
                spot_instance_pools: None,
                spot_max_price: None,
            }),
        }),
        min_size: 1,
        max_size: 2,
        subnet_ids: vec![site.subnet.clone()],
        lifecycle_hooks: vec![hook("drain", 7_200)],
        force_delete: true,
        ..AutoScalingGroup::default()
    };
    let known = lives(&site.aws, 0, [mixed]).await;
    dies(&site.aws, 0, known).await;
}

#[tokio::test]
async fn a_scheduled_action_lives_and_changes_in_place() {
    let site = site().await;
    let group = AutoScalingGroup {
        launch_template: Some(template(&site).await),
        min_size: 0,
        max_size: 3,
        subnet_ids: vec![site.subnet.clone()],
        ..AutoScalingGroup::default()
    };
    let group = ready(&site.aws, 0, group).await;
    let nightly = ScheduledAction {
        auto_scaling_group_name: group.outputs.name.clone(),
        name: "night".into(),
        recurrence: Some("0 22 * * *".into()),
        time_zone: Some("Europe/Berlin".into()),
        start_time: None,
        end_time: None,
        min_size: Some(0),
        max_size: Some(0),
        desired_capacity: Some(0),
    };
    let once = ScheduledAction {
        recurrence: None,
        time_zone: None,
        start_time: Some("2099-01-01T10:00:00Z".into()),
        min_size: None,
        max_size: None,
        ..nightly.clone()
    };
    let known = lives(&site.aws, 1, [nightly, once]).await;
    dies(&site.aws, 1, known).await;
    dies(&site.aws, 0, group).await;
}
