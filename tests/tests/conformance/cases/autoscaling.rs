//! Groups of machines.

use formwork_aws::{autoscaling::*, ec2::LaunchTemplate};
use formwork_core::Known;
use serde_json::{Value, json};

use crate::conformance::world::{World, of};

/// What a group is, with `more`.
async fn base(world: &World) -> impl Fn(Value) -> AutoScalingGroup + use<> {
    let (_, subnet) = world.subnet().await;
    let template = json!({"image_id": world.image().await, "instance_type": "t3.micro"});
    let template: Known<LaunchTemplate> = world.has(of(template)).await;
    move |more: Value| {
        let mut group = json!({
            "launch_template": {
                "id": template.outputs.id,
                "version": template.outputs.default_version,
            },
            "min_size": 0,
            "max_size": 2,
            "subnet_ids": [subnet.outputs.id],
        });
        let (group_map, more) = (group.as_object_mut(), more.as_object().cloned());
        if let (Some(group), Some(more)) = (group_map, more) {
            group.extend(more);
        }
        of(group)
    }
}

pub(super) async fn group(world: &World) {
    let group = base(world).await;
    let versions = [
        group(json!({"desired_capacity": 1, "tags": {"a": "1"}})),
        group(json!({"desired_capacity": 2, "max_size": 3, "tags": {"b": "2"},
            "propagated_tags": {"Name": "node"}})),
    ];
    world.lives_and_dies(versions).await;
}

pub(super) async fn scheduled_action(world: &World) {
    let group = base(world).await;
    let group = world.has(group(json!({}))).await.outputs.name;
    let action = |size: u32| {
        of::<ScheduledAction>(json!({
            "auto_scaling_group_name": group,
            "name": "night",
            "recurrence": "0 22 * * *",
            "min_size": 0,
            "max_size": size,
            "desired_capacity": 0,
        }))
    };
    world.lives_and_dies([action(1), action(2)]).await;
}
