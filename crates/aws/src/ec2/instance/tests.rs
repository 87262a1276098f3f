use std::time::Duration;

use formwork_core::{Context, Engine, ErrorKind, Stack, testing::MemoryStore, value::Path};

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

/// A change of the type alone.
async fn retype(site: &Site, n: u64, known: &Known<Instance>) -> Result<(), ProviderError> {
    let larger = Instance { instance_type: Some("t3.small".into()), ..known.inputs.clone() };
    let identity = identity(n);
    let cx = Context { client: &**site.aws.clients(), identity: &identity };
    let changes = Changes::new(vec![Path::parse("instance_type").unwrap()]);
    let outputs = Instance::update(&cx, known, &larger, &changes).await?;
    let known = Known { inputs: larger, outputs };
    for _ in 0..500 {
        match Instance::settle(&cx, &known).await? {
            Settled::Ready(_) => return Ok(()),
            Settled::Pending(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("it never became ready");
}

async fn state(site: &Site, known: &Known<Instance>) -> (String, String) {
    let seen = observe::one(site.aws.clients(), &known.outputs.id).await.unwrap().unwrap();
    let marked = seen.instance.tags().iter().any(|tag| tag.key() == Some("formwork:restart"));
    assert!(!marked);
    let of = seen.instance.instance_type.as_ref().unwrap();
    (seen.state().to_owned(), of.as_str().to_owned())
}

#[tokio::test]
async fn a_machine_that_is_stopped_takes_a_new_type_without_leave_and_stays_stopped() {
    let site = site().await;
    site.sandbox.knobs().state_duration(Duration::from_millis(60));
    let known = ready(&site.aws, 0, small(&site)).await;
    let stop = site.aws.clients().ec2().stop_instances();
    stop.instance_ids(known.outputs.id.as_str()).send().await.unwrap();
    // It is still stopping.
    retype(&site, 0, &known).await.unwrap();
    assert_eq!(state(&site, &known).await, ("stopped".to_owned(), "t3.small".to_owned()));

    let known = ready(&site.aws, 1, small(&site)).await;
    let refused = retype(&site, 1, &known).await.unwrap_err().to_string();
    assert!(refused.contains("it is running: set stop_to_change"), "{refused}");
}

#[tokio::test]
async fn a_machine_is_stopped_and_started_as_declared() {
    let site = site().await;
    site.sandbox.knobs().state_duration(Duration::from_millis(60));
    let turned = |power: Option<Power>| Instance { power, ..small(&site) };
    let versions = [Some(Power::Stopped), Some(Power::Running), Some(Power::Stopped), None];
    let known = lives(&site.aws, 0, versions.map(turned)).await;
    assert_eq!(state(&site, &known).await.0, "stopped");

    // A new type together with the stop needs no leave.
    let both = Instance { instance_type: Some("t3.small".into()), ..turned(Some(Power::Stopped)) };
    let known = lives(&site.aws, 1, [turned(Some(Power::Running)), both.clone()]).await;
    assert_eq!(state(&site, &known).await, ("stopped".to_owned(), "t3.small".to_owned()));
    let back = Instance { power: Some(Power::Running), ..small(&site) };
    let known = lives(&site.aws, 2, [both, back]).await;
    assert_eq!(state(&site, &known).await, ("running".to_owned(), "t3.micro".to_owned()));
}

#[tokio::test]
async fn a_machine_that_another_hand_stopped_is_drift_and_is_started_if_it_is_to_run() {
    for (power, starts) in [(Some(Power::Running), true), (None, false)] {
        let site = site().await;
        let aws = crate::testing::aws(&site.sandbox).await;
        let engine = Engine::builder().provider(aws).state(MemoryStore::new()).try_build().unwrap();
        let stack = Stack::new("machine", |scope| {
            let (image, subnet) = (site.image.clone(), site.subnet.clone());
            let machine = Instance::builder().image_id(image).instance_type("t3.micro");
            let machine = machine.subnet_id(subnet);
            match power.clone() {
                Some(power) => scope.add("machine", machine.power(power).build()),
                None => scope.add("machine", machine.build()),
            };
        })
        .unwrap();
        engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
        let id = site.sandbox.ids("eu-west-1", "instance").pop().unwrap();
        site.aws.clients().ec2().stop_instances().instance_ids(&id).send().await.unwrap();
        let plan = engine.plan(&stack).await.unwrap();
        let drift = &plan.data().drift[0].fields;
        let words: Vec<String> =
            drift.iter().map(|it| format!("{}: {} -> {}", it.path, it.old, it.new)).collect();
        assert_eq!(words, [r#"power: "running" -> "stopped""#]);
        assert_eq!(plan.is_empty(), !starts, "{plan}");
        engine.apply(plan).await.unwrap();
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
        let seen = observe::one(site.aws.clients(), &id.as_str().into()).await.unwrap().unwrap();
        assert_eq!(seen.state() == "running", starts);
    }
}

#[tokio::test]
async fn what_another_hand_changes_is_drift_although_the_program_leaves_it_to_the_template() {
    let site = site().await;
    site.sandbox.knobs().state_duration(Duration::from_millis(20));
    let aws = crate::testing::aws(&site.sandbox).await;
    let engine = Engine::builder().provider(aws).state(MemoryStore::new()).try_build().unwrap();
    let (image, subnet, group) = (site.image.clone(), site.subnet.clone(), site.group.clone());
    let stack = Stack::new("machine", |scope| {
        let role = crate::iam::Role::builder().assumed_by("ec2.amazonaws.com").build();
        let role = scope.add("role", role);
        let profile = crate::iam::InstanceProfile::builder().name("nodes").role(&role.name);
        let profile = scope.add("profile", profile.build());
        let interface = LaunchInterface::builder().device_index(0_u32).subnet_id(subnet);
        let interface = interface.security_group_ids([group]).build();
        let metadata = MetadataOptions::builder().http_tokens(HttpTokens::Required).build();
        let template = LaunchTemplate::builder()
            .image_id(image)
            .instance_type("t3.micro")
            .iam_instance_profile(&profile.name)
            .metadata_options(metadata)
            .network_interfaces([interface])
            .build();
        let template = scope.add("template", template);
        let from = LaunchTemplateReference::builder().id(&template.id).version(&template.version);
        scope.add("machine", Instance::builder().launch_template(from.build()).build());
    })
    .unwrap();
    engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");

    let ec2 = site.aws.clients().ec2();
    let id = site.sandbox.ids("eu-west-1", "instance").pop().unwrap();
    let seen = observe::one(site.aws.clients(), &id.as_str().into()).await.unwrap().unwrap();
    let call = ec2.modify_instance_metadata_options().instance_id(&id);
    call.http_tokens("optional".into()).send().await.unwrap();
    let answer = ec2.describe_iam_instance_profile_associations().send().await.unwrap();
    let association = answer.iam_instance_profile_associations()[0].association_id().unwrap();
    let call = ec2.disassociate_iam_instance_profile().association_id(association);
    call.send().await.unwrap();
    let vpc = seen.instance.vpc_id().unwrap();
    let other = ec2.create_security_group().vpc_id(vpc).group_name("open").description("open");
    let other = other.send().await.unwrap().group_id.unwrap();
    let eni = observe::primary(&seen.instance).unwrap().network_interface_id().unwrap();
    let call = || ec2.modify_network_interface_attribute().network_interface_id(eni);
    call().groups(site.group.as_str()).groups(&other).send().await.unwrap();
    let flag = |on| aws_sdk_ec2::types::AttributeBooleanValue::builder().value(on).build();
    call().source_dest_check(flag(false)).send().await.unwrap();
    let call = || ec2.modify_instance_attribute().instance_id(&id);
    call().disable_api_termination(flag(true)).send().await.unwrap();
    call().disable_api_stop(flag(true)).send().await.unwrap();
    let terminate = aws_sdk_ec2::types::AttributeValue::builder().value("terminate").build();
    call().instance_initiated_shutdown_behavior(terminate).send().await.unwrap();
    let root = observe::root_mapping(&seen.instance).unwrap().ebs().unwrap().volume_id().unwrap();
    let call = ec2.modify_volume().volume_id(root).size(60);
    call.send().await.unwrap();
    // A volume shows its new size only once it has it.
    tokio::time::sleep(Duration::from_millis(100)).await;

    let plan = engine.plan(&stack).await.unwrap();
    let drift = &plan.data().drift[0].fields;
    let words: Vec<String> =
        drift.iter().map(|it| format!("{}: {} -> {}", it.path, it.old, it.new)).collect();
    let words = words.join("\n");
    let words = words.replace(&other, "sg-other");
    // Groups have no order.
    let words = words.replace("ids[0]", "ids[?]").replace("ids[1]", "ids[?]");
    insta::assert_snapshot!(words, @r#"
    security_group_ids[?]: null -> "sg-other"
    source_dest_check: true -> false
    iam_instance_profile: "nodes" -> ""
    root_block_device.volume_size: 8 -> 60
    metadata_options.http_tokens: "required" -> "optional"
    disable_api_termination: false -> true
    disable_api_stop: false -> true
    instance_initiated_shutdown_behavior: "stop" -> "terminate"
    "#);
    // Left to the cloud, it is accepted by a run.
    assert!(plan.is_empty(), "{plan}");
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn the_groups_of_any_interface_and_ebs_optimisation_are_put_back_where_they_are_declared() {
    let site = site().await;
    site.sandbox.knobs().state_duration(Duration::from_millis(20));
    let aws = crate::testing::aws(&site.sandbox).await;
    let engine = Engine::builder().provider(aws).state(MemoryStore::new()).try_build().unwrap();
    let ec2 = site.aws.clients().ec2();
    let stack = |own: &SecurityGroupId| {
        let (image, subnet) = (site.image.clone(), site.subnet.clone());
        let (group, own) = (site.group.clone(), own.clone());
        Stack::new("machine", |scope| {
            let interfaces = (0..3_u32).map(|device| {
                let interface = LaunchInterface::builder().device_index(device);
                let groups = [group.clone()];
                interface.subnet_id(subnet.clone()).security_group_ids(groups).build()
            });
            let template = LaunchTemplate::builder()
                .image_id(image)
                .instance_type("c5.xlarge")
                .network_interfaces(interfaces.collect::<Vec<_>>());
            let template = scope.add("template", template.build());
            let from =
                LaunchTemplateReference::builder().id(&template.id).version(&template.version);
            let machine = Instance::builder()
                .launch_template(from.build())
                .ebs_optimized(true)
                .power(Power::Running)
                .every_interface(
                    EveryInterface::builder()
                        .security_group_ids([own])
                        .delete_on_termination(true)
                        .build(),
                );
            scope.add("machine", machine.build());
        })
        .unwrap()
    };
    let vpc = ec2.describe_security_groups().group_ids(site.group.as_str()).send().await.unwrap();
    let vpc = vpc.security_groups()[0].vpc_id().unwrap().to_owned();
    let other = ec2.create_security_group().vpc_id(vpc).group_name("open").description("open");
    let other = SecurityGroupId::from(other.send().await.unwrap().group_id.unwrap());
    let look = async || {
        let id = site.sandbox.ids("eu-west-1", "instance").pop().unwrap();
        let id = InstanceId::from(id.as_str());
        observe::one(site.aws.clients(), &id).await.unwrap().unwrap().instance
    };

    // What the template says of the interfaces is not what the machine says.
    let moved = stack(&other);
    engine.apply(engine.plan(&moved).await.unwrap()).await.unwrap();
    assert!(observe::other_groups(&look().await, std::slice::from_ref(&other)).is_empty());
    let stack = stack(&site.group);
    let plan = engine.plan(&stack).await.unwrap();
    assert_eq!(plan.summary().update, 1, "{plan}");
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");

    for device in [0, 2] {
        let instance = look().await;
        assert!(observe::other_groups(&instance, std::slice::from_ref(&site.group)).is_empty());
        let at = |it: &&aws_sdk_ec2::types::InstanceNetworkInterface| {
            it.attachment().is_some_and(|at| at.device_index() == Some(device))
        };
        let interface = instance.network_interfaces().iter().find(at).unwrap();
        let call = ec2.modify_network_interface_attribute();
        let call = call.set_network_interface_id(interface.network_interface_id.clone());
        call.groups(other.as_str()).send().await.unwrap();
        let attachment = interface.attachment().and_then(|at| at.attachment_id.clone());
        let stays = aws_sdk_ec2::types::NetworkInterfaceAttachmentChanges::builder()
            .set_attachment_id(attachment)
            .delete_on_termination(false)
            .build();
        let call = ec2.modify_network_interface_attribute().attachment(stays);
        call.set_network_interface_id(interface.network_interface_id.clone()).send().await.unwrap();
        let id = instance.instance_id().unwrap();
        ec2.stop_instances().instance_ids(id).send().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let flag = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(false).build();
        let call = ec2.modify_instance_attribute().instance_id(id).ebs_optimized(flag);
        call.send().await.unwrap();

        let plan = engine.plan(&stack).await.unwrap();
        let drift = &plan.data().drift[0].fields;
        let fields: std::collections::BTreeSet<&str> =
            drift.iter().map(|it| it.path.top()).collect();
        let expected = ["ebs_optimized", "every_interface", "power"];
        assert!(fields.iter().eq(&expected), "{fields:?}");
        engine.apply(plan).await.unwrap();
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
        let instance = look().await;
        assert_eq!(instance.ebs_optimized, Some(true));
        assert!(observe::stay_otherwise(&instance, true).is_empty());
    }
    assert!(observe::other_groups(&look().await, std::slice::from_ref(&site.group)).is_empty());
}

#[tokio::test]
async fn many_machines_are_listed_in_few_calls() {
    let site = site().await;
    let mut known = Vec::new();
    for n in 0..5 {
        known.push(ready(&site.aws, n, small(&site)).await);
    }
    let before = site.sandbox.calls().len();
    let listed = Instance::list(site.aws.clients(), &known).await.unwrap();
    assert_eq!(listed.len(), 5);
    // One for all machines, one for all volumes, and three for each.
    assert_eq!(site.sandbox.calls().len() - before, 2 + 3 * 5);
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
