//! Machines.

use formwork_aws::ec2::*;
use serde_json::json;

use crate::conformance::world::{World, of};

pub(super) async fn key_pair(world: &World) {
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkSMsxiAAKlAzhjAPdK7Kq25qTfuQaPTQlqlC7pG2vJ a@b";
    let versions = [
        json!({"public_key": key, "tags": {"a": "b"}}),
        json!({"public_key": key, "tags": {"c": "d"}}),
    ];
    world.lives_and_dies(versions.map(of::<KeyPair>)).await;
}

pub(super) async fn placement_group(world: &World) {
    let versions =
        [json!({"strategy": "cluster"}), json!({"strategy": "cluster", "tags": {"a": "b"}})];
    world.lives_and_dies(versions.map(of::<PlacementGroup>)).await;
}

pub(super) async fn capacity_reservation(world: &World) {
    let reservation = |count: u32| {
        of::<CapacityReservation>(json!({
            "instance_type": "m5.large",
            "instance_platform": "Linux/UNIX",
            "availability_zone": world.zone('a'),
            "instance_count": count,
        }))
    };
    world.lives_and_dies([reservation(1), reservation(2)]).await;
}

pub(super) async fn launch_template(world: &World) {
    let interfaces: Vec<_> = (0..32)
        .map(|card| {
            json!({
                "network_card_index": card,
                "device_index": u8::from(card > 0),
                "interface_type": if card == 0 { "efa" } else { "efa-only" },
                "security_group_ids": ["sg-0123456789abcdef0"],
            })
        })
        .collect();
    let versions = [
        json!({"image_id": "ami-0123456789abcdef0", "instance_type": "p5.48xlarge",
            "network_interfaces": interfaces}),
        json!({"image_id": "ami-0123456789abcdef0", "instance_type": "p5.48xlarge",
            "network_interfaces": interfaces, "user_data": "#!/bin/sh\n",
            "metadata_options": {"http_tokens": "required"}}),
        json!({"image_id": "ami-0123456789abcdef0", "instance_type": "t3.micro"}),
        json!({"image_id": "ami-0123456789abcdef0", "instance_type": "t3.micro",
            "tags": {"a": "b"}}),
    ];
    world.lives_and_dies(versions.map(of::<LaunchTemplate>)).await;
}

pub(super) async fn instance(world: &World) {
    let (_, subnet) = world.subnet().await;
    let image = world.image().await;
    let machine = |tags: serde_json::Value, check: bool| {
        of::<Instance>(json!({
            "image_id": image,
            "instance_type": "t3.micro",
            "subnet_id": subnet.outputs.id,
            "source_dest_check": check,
            "tags": tags,
        }))
    };
    let first = machine(json!({"Name": "a"}), true);
    let second = machine(json!({}), false);
    let stopped = Instance { power: Some(Power::Stopped), ..second.clone() };
    let started = Instance { power: Some(Power::Running), ..second.clone() };
    world.lives_and_dies([first, second, stopped, started]).await;
}

pub(super) async fn volume(world: &World) {
    let volume = |size: u32, tags: serde_json::Value| {
        let zone = world.zone('a');
        of::<Volume>(json!({"availability_zone": zone, "size": size, "volume_type": "gp3",
            "tags": tags}))
    };
    world.lives_and_dies([volume(8, json!({})), volume(16, json!({"a": "b"}))]).await;
}

pub(super) async fn volume_attachment(world: &World) {
    let (_, subnet) = world.subnet().await;
    let machine = json!({"image_id": world.image().await, "instance_type": "t3.micro",
        "subnet_id": subnet.outputs.id});
    let machine = world.has(of::<Instance>(machine)).await.outputs.id;
    let volume = json!({"availability_zone": world.zone('a'), "size": 8, "volume_type": "gp3"});
    let volume = world.has(of::<Volume>(volume)).await.outputs.id;
    let attachment =
        json!({"volume_id": volume, "instance_id": machine, "device_name": "/dev/sdf"});
    world.lives_and_dies([of::<VolumeAttachment>(attachment)]).await;
}
