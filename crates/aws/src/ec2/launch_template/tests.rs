use formwork_sandbox::Sandbox;

use super::*;
use crate::{
    ec2::{
        EbsDevice, HttpTokens, InterfaceType, MarketType, SpotOptions, Switch, Tenancy, VolumeType,
        fixture::tags,
    },
    testing::{aws, dies, lives},
};

fn interface(card: u32, device: u32, kind: InterfaceType) -> LaunchInterface {
    LaunchInterface {
        network_card_index: card,
        device_index: device,
        interface_type: Some(kind),
        subnet_id: Some("subnet-0123456789abcdef0".into()),
        security_group_ids: vec!["sg-0123456789abcdef0".into(), "sg-0123456789abcdef1".into()],
        delete_on_termination: Some(true),
        ..LaunchInterface::default()
    }
}

fn p5() -> LaunchTemplate {
    let mut network_interfaces =
        vec![interface(0, 0, InterfaceType::Interface), interface(0, 1, InterfaceType::EfaOnly)];
    network_interfaces.extend((1..32).map(|card| interface(card, 0, InterfaceType::EfaOnly)));
    LaunchTemplate {
        name: Some("p5-nodes".into()),
        version_description: Some("first".into()),
        image_id: Some("ami-0123456789abcdef0".into()),
        instance_type: Some("p5.48xlarge".into()),
        key_name: Some("ops".into()),
        iam_instance_profile: Some("nodes".into()),
        network_interfaces,
        block_devices: vec![BlockDevice {
            device_name: "/dev/sda1".into(),
            virtual_name: None,
            no_device: false,
            ebs: Some(EbsDevice {
                volume_type: Some(VolumeType::Gp3),
                volume_size: Some(500),
                iops: Some(16_000),
                throughput: Some(1_000),
                encrypted: Some(true),
                delete_on_termination: Some(true),
                ..EbsDevice::default()
            }),
        }],
        user_data: Some("#!/bin/sh\necho node\n".into()),
        placement: Some(Placement {
            group_name: Some("cluster".into()),
            tenancy: Some(Tenancy::Default),
            ..Placement::default()
        }),
        metadata_options: Some(MetadataOptions {
            http_tokens: Some(HttpTokens::Required),
            http_put_response_hop_limit: Some(2),
            instance_metadata_tags: Some(Switch::Enabled),
            ..MetadataOptions::default()
        }),
        cpu_options: Some(CpuOptions {
            core_count: Some(96),
            threads_per_core: Some(1),
            ..CpuOptions::default()
        }),
        monitoring: Some(true),
        ebs_optimized: Some(true),
        disable_api_termination: Some(false),
        instance_initiated_shutdown_behavior: Some(ShutdownBehavior::Terminate),
        auto_recovery: Some(AutoRecovery::Disabled),
        tag_specifications: vec![
            LaunchTags { resource_type: TaggedAtLaunch::Volume, tags: tags([("of", "node")]) },
            LaunchTags { resource_type: TaggedAtLaunch::Instance, tags: tags([("Name", "node")]) },
        ],
        tags: tags([("a", "1")]),
        ..LaunchTemplate::default()
    }
}

#[tokio::test]
async fn a_change_is_a_new_default_version_and_new_tags_are_none() {
    let aws = aws(&Sandbox::in_memory()).await;
    let retagged = LaunchTemplate { tags: tags([("b", "2")]), ..p5() };
    let known = lives(&aws, 0, [p5(), retagged.clone()]).await;
    assert_eq!(known.outputs.default_version.as_str(), "1");
    dies(&aws, 0, known).await;

    let spot = LaunchTemplate {
        version_description: None,
        network_interfaces: Vec::new(),
        security_group_ids: vec!["sg-0123456789abcdef0".into()],
        placement: None,
        user_data: None,
        user_data_base64: Some("H4sIAAAAAAAA/w==".into()),
        market: Some(MarketOptions {
            market_type: Some(MarketType::Spot),
            spot: Some(SpotOptions { max_price: Some("12.5".into()), ..SpotOptions::default() }),
        }),
        ..retagged
    };
    let known = lives(&aws, 1, [p5(), spot, p5()]).await;
    assert_eq!(known.outputs.default_version.as_str(), "3");
    assert_eq!(known.outputs.latest_version.as_str(), "3");
    dies(&aws, 1, known).await;
}

#[tokio::test]
async fn many_templates_are_listed_in_two_calls() {
    let sandbox = Sandbox::in_memory();
    let aws = aws(&sandbox).await;
    let mut known = Vec::new();
    for n in 0..12 {
        let template = LaunchTemplate { name: None, ..p5() };
        known.push(crate::testing::ready(&aws, n, template).await);
    }
    let before = sandbox.calls().len();
    let listed = LaunchTemplate::list(aws.clients(), &known).await.unwrap();
    assert_eq!(listed.len(), 12);
    assert_eq!(sandbox.calls().len() - before, 2);
}
