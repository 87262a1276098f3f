use formwork_core::{Context, ErrorKind, value::Path};

use super::*;
use crate::{
    ec2::{
        BlockDevice, EbsDevice, HttpTokens, LaunchTemplate, PlacementGroup, PlacementStrategy,
        VolumeType,
        fixture::{Site, site, tags},
    },
    testing::{dies, identity, lives, ready},
};

fn small(site: &Site) -> Instance {
    Instance {
        image_id: Some(site.image.clone()),
        instance_type: Some("t3.micro".into()),
        subnet_id: Some(site.subnet.clone()),
        security_group_ids: Some(vec![site.group.clone()]),
        ..Instance::default()
    }
}

#[tokio::test]
async fn a_machine_lives_and_changes_while_it_runs() {
    let site = site().await;
    let first = Instance {
        private_ip_address: Some("10.0.1.10".into()),
        source_dest_check: Some(false),
        user_data: Some("#!/bin/sh\n".into()),
        cpu_credits: Some(CpuCredits::Standard),
        monitoring: Some(false),
        disable_api_termination: Some(true),
        instance_initiated_shutdown_behavior: Some(ShutdownBehavior::Stop),
        metadata_options: Some(MetadataOptions {
            http_tokens: Some(HttpTokens::Required),
            ..MetadataOptions::default()
        }),
        root_block_device: Some(RootDevice {
            volume_type: Some(VolumeType::Gp3),
            volume_size: Some(30),
            delete_on_termination: Some(true),
            ..RootDevice::default()
        }),
        block_devices: vec![BlockDevice {
            device_name: "/dev/sdf".into(),
            virtual_name: None,
            no_device: false,
            ebs: Some(EbsDevice { volume_size: Some(10), ..EbsDevice::default() }),
        }],
        volume_tags: tags([("of", "node")]),
        tags: tags([("Name", "node")]),
        ..small(&site)
    };
    let second = Instance {
        source_dest_check: Some(true),
        cpu_credits: Some(CpuCredits::Unlimited),
        monitoring: Some(true),
        disable_api_termination: Some(false),
        instance_initiated_shutdown_behavior: Some(ShutdownBehavior::Terminate),
        metadata_options: Some(MetadataOptions {
            http_tokens: Some(HttpTokens::Optional),
            http_put_response_hop_limit: Some(2),
            ..MetadataOptions::default()
        }),
        root_block_device: Some(RootDevice {
            volume_size: Some(60),
            iops: Some(4_000),
            ..first.root_block_device.clone().unwrap()
        }),
        auto_recovery: Some(AutoRecovery::Disabled),
        volume_tags: tags([("is", "grown")]),
        tags: tags([("Name", "renamed")]),
        ..first.clone()
    };
    let known = lives(&site.aws, 0, [first, second]).await;
    assert_eq!(known.outputs.private_ip, "10.0.1.10");
    assert_eq!(known.outputs.availability_zone, "eu-west-1a");
    assert!(known.outputs.root_volume_id.is_some());
    assert!(known.outputs.primary_network_interface_id.as_str().starts_with("eni-"));
    dies(&site.aws, 0, known).await;
}

#[tokio::test]
async fn a_new_type_needs_leave_to_stop_and_is_started_again() {
    let site = site().await;
    let known = ready(&site.aws, 0, small(&site)).await;
    let larger = Instance { instance_type: Some("t3.small".into()), ..small(&site) };
    let identity = identity(0);
    let cx = Context { client: &**site.aws.clients(), identity: &identity };
    let changes = Changes::new(vec![Path::parse("instance_type").unwrap()]);
    let refused = Instance::update(&cx, &known, &larger, &changes).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert!(refused.message.contains("stop_to_change"), "{refused}");
    dies(&site.aws, 0, known).await;

    let stopping = Instance { stop_to_change: true, ..small(&site) };
    let larger = Instance { instance_type: Some("t3.small".into()), ..stopping.clone() };
    let known = lives(&site.aws, 1, [stopping, larger]).await;
    let seen = observe::one(site.aws.clients(), &known.outputs.id).await.unwrap().unwrap();
    assert_eq!(seen.state(), "running");
    assert!(seen.instance.tags().iter().all(|tag| tag.key.as_deref() != Some("formwork:restart")));
    dies(&site.aws, 1, known).await;
}

#[tokio::test]
async fn a_machine_of_a_template_takes_what_the_template_says() {
    let site = site().await;
    let group = PlacementGroup {
        name: Some("close".into()),
        strategy: PlacementStrategy::Cluster,
        partition_count: None,
        spread_level: None,
        tags: Tags::new(),
    };
    ready(&site.aws, 10, group).await;
    let efa = |card, device, kind| LaunchInterface {
        network_card_index: card,
        device_index: device,
        interface_type: Some(kind),
        subnet_id: Some(site.subnet.clone()),
        security_group_ids: vec![site.group.clone()],
        ..LaunchInterface::default()
    };
    use crate::ec2::InterfaceType::{EfaOnly, Interface};
    let mut network_interfaces = vec![efa(0, 0, Interface), efa(0, 1, EfaOnly)];
    network_interfaces.extend((1..32).map(|card| efa(card, 0, EfaOnly)));
    let template = LaunchTemplate {
        image_id: Some(site.image.clone()),
        instance_type: Some("p5.48xlarge".into()),
        network_interfaces,
        placement: Some(Placement { group_name: Some("close".into()), ..Placement::default() }),
        ..LaunchTemplate::default()
    };
    let template = ready(&site.aws, 11, template).await;
    let node = Instance {
        launch_template: Some(LaunchTemplateReference {
            id: template.outputs.id.clone(),
            version: Some(template.outputs.default_version.clone()),
        }),
        root_block_device: Some(RootDevice { volume_size: Some(200), ..RootDevice::default() }),
        tags: tags([("Name", "node-0")]),
        ..Instance::default()
    };
    let renamed = Instance { tags: tags([("Name", "node-1")]), ..node.clone() };
    let known = lives(&site.aws, 12, [node, renamed]).await;
    let seen = observe::one(site.aws.clients(), &known.outputs.id).await.unwrap().unwrap();
    assert_eq!(seen.instance.network_interfaces().len(), 33);
    dies(&site.aws, 12, known).await;
}

#[tokio::test]
async fn a_launch_whose_answer_was_lost_is_found_and_not_repeated() {
    let site = site().await;
    let identity = identity(0);
    let cx = Context { client: &**site.aws.clients(), identity: &identity };
    let made = Instance::create(&cx, &small(&site)).await.unwrap();
    let again = Instance::create(&cx, &small(&site)).await.unwrap();
    assert_eq!(made.id, again.id);
    let found = Instance::find(&cx, &small(&site)).await.unwrap().unwrap();
    assert_eq!(found.outputs.id, made.id);
    assert_eq!(site.sandbox.ids("eu-west-1", "instance").len(), 1);
}

#[tokio::test]
async fn a_public_address_is_asked_for_on_an_interface() {
    let site = site().await;
    let public = Instance { associate_public_ip_address: Some(true), ..small(&site) };
    let known = ready(&site.aws, 0, public).await;
    assert!(known.outputs.public_ip.is_some());
    dies(&site.aws, 0, known).await;
}
