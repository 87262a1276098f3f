use formwork_core::{Action, Engine, Plan, Stack, testing::MemoryStore, value::Path};
use formwork_sandbox::Sandbox;

use super::*;
use crate::{
    Aws,
    ec2::{
        EbsDevice, HttpTokens, InterfaceType, MarketType, SpotOptions, Switch, Tenancy, VolumeType,
        fixture::{Site, site, tags},
        machine_tests::cluster,
    },
    testing::{aws, dies, identity, lives, ready},
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

/// A stack of a template and a machine that follows it, applied; and its only template.
struct Running {
    site: Site,
    aws: Aws,
    engine: Engine,
    stack: Stack<formwork_core::Output<String>>,
    template: String,
}

async fn running() -> Running {
    let site = site().await;
    let aws = aws(&site.sandbox).await;
    let engine = Engine::builder().provider(aws.clone()).state(MemoryStore::new());
    let engine = engine.try_build().unwrap();
    let stack = cluster(&site, "#!/bin/sh\necho 1\n");
    engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
    let template = site.sandbox.ids("eu-west-1", "launch-template").pop().unwrap();
    Running { site, aws, engine, stack, template }
}

impl Running {
    async fn plan(&self) -> Plan {
        self.engine.plan(&self.stack).await.unwrap()
    }

    /// What another hand can do: a version that boots into something else.
    async fn foreign_version(&self) -> String {
        let data = types::RequestLaunchTemplateData::builder().user_data("ZXZpbA==").build();
        let call = self.aws.clients().ec2().create_launch_template_version();
        let call = call.launch_template_id(&self.template).source_version("1");
        let answer = call.launch_template_data(data).send().await.unwrap();
        answer.launch_template_version.unwrap().version_number.unwrap().to_string()
    }

    async fn set_default(&self, version: &str) {
        let call = self.aws.clients().ec2().modify_launch_template();
        let call = call.launch_template_id(&self.template).default_version(version);
        call.send().await.unwrap();
    }

    async fn delete_version(&self, version: &str) {
        let call = self.aws.clients().ec2().delete_launch_template_versions();
        let call = call.launch_template_id(&self.template).versions(version);
        call.send().await.unwrap();
    }

    /// The numbers of the default version and the newest.
    async fn numbers(&self) -> (i64, i64) {
        let call = self.aws.clients().ec2().describe_launch_templates();
        let answer = call.launch_template_ids(&self.template).send().await.unwrap();
        let template = answer.launch_templates().first().unwrap();
        (template.default_version_number.unwrap(), template.latest_version_number.unwrap())
    }

    fn machines(&self) -> usize {
        self.site.sandbox.ids("eu-west-1", "instance").len()
    }
}

/// What a plan says has drifted, and the actions that it shows.
fn said(plan: &Plan) -> String {
    let mut said = String::new();
    for drift in &plan.data().drift {
        for change in &drift.fields {
            said +=
                &format!("{} {}: {} -> {}\n", drift.address, change.path, change.old, change.new);
        }
    }
    for step in plan.steps().filter(|step| !step.is_bookkeeping()) {
        said += &format!("{:?} {}\n", step.action, step.address);
    }
    said
}

#[tokio::test]
async fn a_version_that_another_hand_makes_is_drift_and_moves_no_machine() {
    let it = running().await;
    it.foreign_version().await;
    let plan = it.plan().await;
    insta::assert_snapshot!(said(&plan), @r#"template latest_version: null -> "2""#);
    it.engine.apply(plan).await.unwrap();
    assert_eq!((it.numbers().await, it.machines()), ((1, 2), 1));
    let again = it.plan().await;
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");

    it.foreign_version().await;
    insta::assert_snapshot!(said(&it.plan().await), @r#"template latest_version: "2" -> "3""#);
}

#[tokio::test]
async fn a_default_that_another_hand_set_is_set_back_to_our_version_and_moves_no_machine() {
    let it = running().await;
    let theirs = it.foreign_version().await;
    it.set_default(&theirs).await;
    let plan = it.plan().await;
    insta::assert_snapshot!(said(&plan), @r#"
    template default_version: null -> "2"
    template latest_version: null -> "2"
    Update template
    "#);
    it.engine.apply(plan).await.unwrap();
    assert_eq!((it.numbers().await, it.machines()), ((1, 2), 1));
    // Their version is still there; the plan had told of it, and the run accepted it.
    let again = it.plan().await;
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn a_version_of_ours_that_another_hand_deleted_is_made_anew_and_the_machine_with_it() {
    let it = running().await;
    let theirs = it.foreign_version().await;
    it.set_default(&theirs).await;
    it.delete_version("1").await;
    let plan = it.plan().await;
    let actions: Vec<Action> = plan.steps().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Update, Action::Create, Action::Delete], "{plan}");
    it.engine.apply(plan).await.unwrap();
    assert_eq!(it.numbers().await, (3, 3));
    let again = it.plan().await;
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn an_update_that_is_made_again_after_a_crash_finds_its_version() {
    let aws = aws(&Sandbox::in_memory()).await;
    let known = ready(&aws, 0, p5()).await;
    let identity = identity(0);
    let cx = Context { client: &**aws.clients(), identity: &identity };
    let larger = LaunchTemplate { instance_type: Some("p5e.48xlarge".into()), ..p5() };
    let changes = Changes::new(vec![Path::parse("instance_type").unwrap()]);
    let made = LaunchTemplate::update(&cx, &known, &larger, &changes).await.unwrap();
    // The answer was lost: the record still says version 1.
    let seen = LaunchTemplate::read(&cx, &known).await.unwrap().unwrap();
    assert_eq!(seen.inputs.instance_type, known.inputs.instance_type);
    let known = Known { inputs: seen.inputs, outputs: seen.outputs };
    let again = LaunchTemplate::update(&cx, &known, &larger, &changes).await.unwrap();
    assert_eq!(again, made);
    assert_eq!(again.version.as_str(), "2");

    // Someone deletes it, and the token of its create is still remembered.
    let ec2 = aws.clients().ec2();
    let template = again.id.as_str();
    let call = ec2.modify_launch_template().launch_template_id(template).default_version("1");
    call.send().await.unwrap();
    let call = ec2.delete_launch_template_versions().launch_template_id(template).versions("2");
    call.send().await.unwrap();
    let anew = LaunchTemplate::update(&cx, &known, &larger, &changes).await.unwrap();
    assert_eq!(anew.version.as_str(), "3");
}
