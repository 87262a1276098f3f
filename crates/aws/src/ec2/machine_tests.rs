//! Machines as a program declares them: what a plan refuses, and a whole life through the engine.

use formwork_core::{
    Action, Component, Declaration, Engine, PlanError, Resource, Stack, testing::MemoryStore,
};

use super::{fixture::site, launch::InterfaceType::*, *};
use crate::autoscaling::{AutoScalingGroup, MixedInstancesPolicy, Override};

/// What a plan says is wrong with a declaration.
async fn problems<R>(declared: R) -> Vec<String>
where
    R: Resource + Component + Into<Declaration<R>> + Clone,
{
    let site = site().await;
    let engine =
        Engine::builder().provider(site.aws).state(MemoryStore::new()).try_build().unwrap();
    let stack = Stack::new("wrong", |scope| {
        scope.add("it", declared.clone());
    });
    match engine.plan(&stack.unwrap()).await {
        Err(PlanError::Invalid { problems, .. }) => problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.field.unwrap_or_default(), problem.message))
            .collect(),
        Err(error) => panic!("{error}"),
        Ok(_) => Vec::new(),
    }
}

fn interface(card: u32, device: u32, kind: InterfaceType) -> LaunchInterface {
    LaunchInterface {
        network_card_index: card,
        device_index: device,
        interface_type: Some(kind),
        ..LaunchInterface::default()
    }
}

#[tokio::test]
async fn a_template_that_no_machine_can_start_from_is_refused() {
    let found = problems(LaunchTemplate {
        name: Some("a b".into()),
        security_group_ids: vec!["sg-1".into()],
        network_interfaces: vec![
            interface(0, 0, EfaOnly),
            LaunchInterface {
                associate_public_ip_address: Some(true),
                ipv4_prefix_count: Some(1),
                ..interface(1, 0, EfaOnly)
            },
            interface(1, 0, Efa),
        ],
        block_devices: vec![BlockDevice {
            device_name: "/dev/sda1".into(),
            virtual_name: None,
            no_device: false,
            ebs: Some(EbsDevice {
                volume_type: Some(VolumeType::Gp3),
                volume_size: Some(10),
                iops: Some(16_000),
                throughput: Some(4_000),
                ..EbsDevice::default()
            }),
        }],
        market: Some(MarketOptions {
            market_type: Some(MarketType::CapacityBlock),
            spot: Some(SpotOptions {
                interruption_behavior: Some(InterruptionBehavior::Stop),
                ..SpotOptions::default()
            }),
        }),
        placement: Some(Placement { group_name: Some("pg".into()), ..Placement::default() }),
        metadata_options: Some(MetadataOptions {
            http_put_response_hop_limit: Some(65),
            ..MetadataOptions::default()
        }),
        user_data: Some("x".repeat(16_385)),
        enclave: Some(true),
        hibernation: Some(true),
        ..LaunchTemplate::default()
    })
    .await;
    insta::assert_snapshot!(found.join("\n"), @r#"
    name: "a b" has ' ': expected only letters, digits and -_./()
    metadata_options.http_put_response_hop_limit: 65: expected 1 to 64
    enclave: a machine that hibernates can have no enclaves: expected one of them
    market.spot: the market is capacity-block: expected none
    market.spot.interruption_behavior: stop needs a persistent request: expected terminate for a one-time one
    capacity_reservation.reservation_id: not set: the market capacity-block needs the Capacity Block that was bought
    placement.group_name: a Capacity Block is close together already: expected no placement group
    user_data: 16385 bytes: expected at most 16384
    security_group_ids: network_interfaces is set too: expected it on each interface instead
    network_interfaces[2]: device 0 on network card 1 is there twice
    network_interfaces[0].interface_type: efa-only has no IP address and can not be the primary interface: expected interface or efa on network card 0, device 0
    network_interfaces[1].associate_public_ip_address: 3 interfaces are launched: expected no public address with more than one; use a private subnet, or an elastic address on the primary interface
    network_interfaces[1].ipv4_prefix_count: an efa-only interface takes no IP address: expected none
    network_interfaces[1].associate_public_ip_address: an efa-only interface takes no IP address: expected none
    block_devices[0].ebs.iops: 16000 IOPS on 10 GiB: expected at most 5000 (500 per GiB of gp3)
    block_devices[0].ebs.throughput: 4000 MiB/s: expected 125 to 2000
    "#);
}

#[tokio::test]
async fn an_interface_without_a_primary_and_an_empty_machine_are_refused() {
    let found = problems(Instance {
        network_interfaces: vec![interface(0, 1, Interface)],
        subnet_id: Some("subnet-1".into()),
        power: Some(Power::Other("off".into())),
        iam_instance_profile: Some(String::new()),
        tags: fixture::tags([("color", "\u{1b}[31m")]),
        ..Instance::default()
    })
    .await;
    insta::assert_snapshot!(found.join("\n"), @r#"
    image_id: not set, and there is no launch template to say it
    instance_type: not set, and there is no launch template to say it
    power: "off" is unknown: expected one of running, stopped
    iam_instance_profile: it is empty: expected a name, or that it is not set
    subnet_id: network_interfaces is set too: expected it on each interface instead
    network_interfaces: none is device 0 on network card 0: expected the primary interface among them
    tags: the tag "color" has '\u{1b}': expected no control characters
    "#);
}

#[tokio::test]
async fn a_group_that_can_not_be_is_refused() {
    let found = problems(AutoScalingGroup {
        min_size: 4,
        max_size: 2,
        desired_capacity: Some(5),
        mixed_instances_policy: Some(MixedInstancesPolicy {
            launch_template: LaunchTemplateReference {
                id: "lt-1".into(),
                version: Some("newest".into()),
            },
            overrides: vec![
                Override { weighted_capacity: Some(1_000), ..Override::default() },
                Override::default(),
            ],
            distribution: None,
        }),
        ..AutoScalingGroup::default()
    })
    .await;
    insta::assert_snapshot!(found.join("\n"), @r#"
    min_size: 4: expected at most max_size, which is 2
    subnet_ids: none, and no zones either: expected subnets to launch in
    mixed_instances_policy.launch_template.version: "newest" is no version: expected a number, $Default or $Latest
    mixed_instances_policy.overrides[0].weighted_capacity: 1000: expected 1 to 999
    mixed_instances_policy.overrides: 1 of 2 have a weight: expected all or none
    "#);
}

#[tokio::test]
async fn a_volume_that_its_type_does_not_allow_is_refused() {
    let found = problems(Volume {
        availability_zone: "eu-west-1a".into(),
        size: Some(100),
        volume_type: Some(VolumeType::St1),
        iops: Some(100),
        throughput: Some(100),
        encrypted: None,
        kms_key_id: Some("alias/mine".into()),
        snapshot_id: None,
        volume_initialization_rate: None,
        multi_attach_enabled: Some(true),
        outpost_arn: None,
        tags: crate::Tags::new(),
    })
    .await;
    insta::assert_snapshot!(found.join("\n"), @r#"
    size: 100 GiB: expected 125 to 16384 for st1
    iops: IOPS can not be set for st1: expected none
    throughput: throughput can not be set for st1: expected none
    encrypted: a KMS key is set: expected `encrypted` to be true
    multi_attach_enabled: the type is st1: expected io1 or io2 for multi-attach
    "#);
}

/// A p5 machine in a cluster placement group, from a template that boots into `user_data`.
pub(super) fn cluster(
    site: &fixture::Site,
    user_data: &str,
) -> Stack<formwork_core::Output<String>> {
    let (subnet, group) = (site.subnet.clone(), site.group.clone());
    let (image, user_data) = (site.image.clone(), user_data.to_owned());
    let built = Stack::new("cluster", move |scope| {
        let close = PlacementGroup::builder().strategy(PlacementStrategy::Cluster).build();
        let close = scope.add("close", close);
        let mut layout = vec![(0, 0, Interface), (0, 1, EfaOnly)];
        layout.extend((1..32).map(|card| (card, 0, EfaOnly)));
        let interfaces: Vec<_> = layout
            .into_iter()
            .map(|(card, device, kind)| {
                LaunchInterface::builder()
                    .network_card_index(card)
                    .device_index(device)
                    .interface_type(kind)
                    .subnet_id(subnet.clone())
                    .security_group_ids([group.clone()])
                    .build()
            })
            .collect();
        let template = LaunchTemplate::builder()
            .image_id(image.clone())
            .instance_type("p5.48xlarge")
            .network_interfaces(interfaces)
            .placement(Placement::builder().group_name(&close.name).build())
            .user_data(user_data.clone())
            .build();
        let template = scope.add("template", template);
        let node = Instance::builder()
            .launch_template(
                LaunchTemplateReference::builder()
                    .id(&template.id)
                    .version(&template.version)
                    .build(),
            )
            .tags([("Name", "node")])
            .build();
        scope.add("node", node).private_ip
    });
    built.unwrap()
}

#[tokio::test]
async fn a_machine_follows_its_template_and_a_second_run_does_nothing() {
    let site = site().await;
    let engine = Engine::builder();
    let engine = engine
        .provider(crate::testing::aws(&site.sandbox).await)
        .state(MemoryStore::new())
        .try_build()
        .unwrap();
    let first = cluster(&site, "#!/bin/sh\necho 1\n");
    let plan = engine.plan(&first).await.unwrap();
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&first).await.unwrap();
    assert!(again.is_empty(), "{again}");

    let second = cluster(&site, "#!/bin/sh\necho 2\n");
    let plan = engine.plan(&second).await.unwrap();
    let actions: Vec<Action> = plan.steps().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Update, Action::Create, Action::Delete], "{plan}");
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&second).await.unwrap();
    assert!(again.is_empty(), "{again}");

    let plan = engine.plan(&second).destroy().await.unwrap();
    engine.apply(plan).await.unwrap();
    for kind in ["placement-group", "launch-template"] {
        assert!(site.sandbox.ids("eu-west-1", kind).is_empty(), "{kind}");
    }
}
