use formwork_core::{Engine, Plan, PlanError, Policy, Scope, Stack, testing::MemoryStore};
use formwork_sandbox::Sandbox;

use super::*;
use crate::{
    Aws, Tags,
    autoscaling::AutoScalingGroup,
    ec2::{
        BlockDevice, EbsDevice, ElasticIp, HttpTokens, ImageId, Instance, LaunchTemplate,
        LaunchTemplateReference, MetadataOptions, PrefixListId, RootDevice, SecurityGroup,
        SecurityGroupId, SecurityGroupIngressRule, Switch, Volume, Vpc,
    },
    iam::{self, PolicyDocument, Role, RolePolicy, RolePolicyAttachment, Statement},
};

/// Plans with these policies, without applying anything.
async fn plan(
    policies: impl IntoIterator<Item = Policy>,
    declare: impl FnOnce(&mut Scope<'_>),
) -> Result<Plan, PlanError> {
    let sandbox = Sandbox::in_memory();
    let aws: Aws = crate::testing::aws(&sandbox).await;
    let engine = Engine::builder().provider(aws).state(MemoryStore::new()).policies(policies);
    let stack = Stack::new("t", declare).unwrap();
    engine.try_build().unwrap().plan(&stack).await
}

/// What violates them, as `address.field: message`.
async fn violations(policy: Policy, declare: impl FnOnce(&mut Scope<'_>)) -> Vec<String> {
    match plan([policy], declare).await {
        Ok(_) => Vec::new(),
        Err(PlanError::Policy { verdict, .. }) => verdict
            .refusals()
            .map(|it| {
                let field = it.field.as_ref().map(|field| format!(".{field}"));
                format!("{}{}: {}", it.address, field.unwrap_or_default(), it.message)
            })
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

/// A rule that lets a block in.
fn rule(
    protocol: &str,
    ports: Option<(i32, i32)>,
    block: &str,
) -> formwork_core::Declaration<SecurityGroupIngressRule> {
    let rule = SecurityGroupIngressRule::builder()
        .security_group_id(SecurityGroupId::from("sg-0123456789abcdef0"))
        .ip_protocol(protocol.to_owned())
        .maybe_from_port(ports.map(|(from, _)| from))
        .maybe_to_port(ports.map(|(_, to)| to));
    match block.contains(':') {
        true => rule.cidr_ipv6(block.to_owned()).build(),
        false => rule.cidr_ipv4(block.to_owned()).build(),
    }
}

#[tokio::test]
async fn ssh_is_not_open_to_the_world_whatever_the_rule_is_called() {
    let found = violations(no_world_open_ssh(), |scope| {
        scope.add("ssh", rule("tcp", Some((22, 22)), "0.0.0.0/0"));
        scope.add("six", rule("tcp", Some((22, 22)), "::/0"));
        scope.add("range", rule("tcp", Some((0, 1024)), "0.0.0.0/0"));
        scope.add("all", rule("-1", None, "::/0"));
        scope.add("half", rule("tcp", Some((22, 22)), "128.0.0.0/1"));
        let list = SecurityGroupIngressRule::builder()
            .security_group_id(SecurityGroupId::from("sg-0123456789abcdef0"))
            .ip_protocol("tcp")
            .from_port(22)
            .to_port(22)
            .prefix_list_id(PrefixListId::from("pl-0123456789abcdef0"));
        scope.add("list", list.build());
        scope.add("office", rule("tcp", Some((22, 22)), "198.51.100.0/24"));
        scope.add("private", rule("-1", None, "10.0.0.0/8"));
        scope.add("local", rule("-1", None, "fd00::/8"));
        scope.add("web", rule("tcp", Some((443, 443)), "0.0.0.0/0"));
        scope.add("ping", rule("icmp", Some((-1, -1)), "0.0.0.0/0"));
        scope.add("dns", rule("udp", Some((0, 65535)), "0.0.0.0/0"));
    })
    .await;
    assert_eq!(
        found,
        [
            "ssh.cidr_ipv4: the world (0.0.0.0/0) may come in on port 22",
            "six.cidr_ipv6: the world (::/0) may come in on port 22",
            "range.cidr_ipv4: the world (0.0.0.0/0) may come in on ports 0 to 1024, port 22 with it",
            "all.cidr_ipv6: the world (::/0) may come in on all traffic, port 22 with it",
            "half.cidr_ipv4: the world (128.0.0.0/1) may come in on port 22",
            "list.prefix_list_id: whoever is in pl-0123456789abcdef0, which no plan can tell, may come in on port 22",
        ]
    );
}

#[tokio::test]
async fn a_block_that_is_not_known_yet_is_judged_in_the_run() {
    let plan = plan([no_world_open_ssh()], |scope| {
        let vpc = scope.add("vpc", Vpc::builder().cidr_block("10.0.0.0/16").build());
        let group = SecurityGroup::builder().vpc_id(&vpc.id).description("x").build();
        let group = scope.add("group", group);
        let from = SecurityGroupIngressRule::builder()
            .security_group_id(&group.id)
            .ip_protocol("tcp")
            .from_port(22)
            .to_port(22)
            .cidr_ipv4(vpc.id.map(|_| "0.0.0.0/0".to_owned()));
        scope.add("rule", from.build());
    })
    .await
    .unwrap();
    let deferred: Vec<String> =
        plan.data().policy.deferred.iter().map(ToString::to_string).collect();
    assert_eq!(
        deferred,
        ["rule.cidr_ipv4: known only after apply, so policy no-world-open-ssh judges it then"]
    );
}

fn ebs(encrypted: Option<bool>) -> formwork_core::Input<BlockDevice> {
    let ebs = EbsDevice::builder().volume_size(8u32).maybe_encrypted(encrypted).build();
    BlockDevice::builder().device_name("/dev/xvda").ebs(ebs).build()
}

#[tokio::test]
async fn volumes_and_devices_are_encrypted_or_made_so() {
    let volume = |encrypted: Option<bool>| {
        let volume = Volume::builder().availability_zone("eu-west-1a").size(8u32);
        volume.maybe_encrypted(encrypted).build()
    };
    let machine = || {
        Instance::builder()
            .image_id(ImageId::from("ami-0123456789abcdef0"))
            .instance_type("m7i.large")
    };
    let found = violations(encrypted_volumes(), |scope| {
        scope.add("no", volume(Some(false)));
        scope.add("left", volume(None));
        scope.add("yes", volume(Some(true)));
        scope.add("bare", machine().build());
        let root = RootDevice::builder().encrypted(false).build();
        scope.add("root", machine().root_block_device(root).build());
        scope.add("device", machine().block_devices([ebs(None)]).build());
        scope.add("good", machine().block_devices([ebs(Some(true))]).build());
        let template = LaunchTemplate::builder().image_id(ImageId::from("ami-0123456789abcdef0"));
        scope.add("image", template.build());
        let template = LaunchTemplate::builder().block_devices([ebs(Some(false))]);
        let template = scope.add("template", template.build());
        let of = LaunchTemplateReference::builder().id(&template.id).build();
        scope.add("of-template", Instance::builder().launch_template(of).build());
    })
    .await;
    assert_eq!(
        found,
        [
            "no.encrypted: it is not encrypted",
            "bare.root_block_device.encrypted: it is left to the image and the account whether its root device is encrypted",
            "root.root_block_device.encrypted: it is not encrypted",
            "device.block_devices[0].ebs.encrypted: it is left to the snapshot and the account whether it is encrypted",
            "image.block_devices: it is left to the image and the account whether its root device is encrypted",
            "template.block_devices[0].ebs.encrypted: it is not encrypted",
        ]
    );
    let plan = plan([encrypted_volumes()], |scope| drop(scope.add("left", volume(None))));
    let text = plan.await.unwrap().to_string();
    assert!(
        text.starts_with("remediated left.encrypted: (none) -> true (policy encrypted-volumes)\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_metadata_service_wants_a_token() {
    let metadata = |tokens: Option<HttpTokens>| {
        MetadataOptions::builder().http_put_response_hop_limit(2u32).maybe_http_tokens(tokens)
    };
    let machine = || {
        Instance::builder()
            .image_id(ImageId::from("ami-0123456789abcdef0"))
            .instance_type("m7i.large")
    };
    let found = violations(imdsv2_required(), |scope| {
        scope.add("bare", machine().build());
        let optional = metadata(Some(HttpTokens::Optional)).build();
        scope.add("optional", machine().metadata_options(optional).build());
        scope.add(
            "half",
            LaunchTemplate::builder().metadata_options(metadata(None).build()).build(),
        );
        let off = metadata(None).http_endpoint(Switch::Disabled).build();
        scope.add("off", machine().metadata_options(off).build());
        let good = metadata(Some(HttpTokens::Required)).build();
        scope.add("good", machine().metadata_options(good).build());
        let template =
            scope.add("template", LaunchTemplate::builder().instance_type("m7i.large").build());
        let of = LaunchTemplateReference::builder().id(&template.id).build();
        scope.add("of-template", Instance::builder().launch_template(of).build());
    })
    .await;
    assert_eq!(
        found,
        [
            "bare.metadata_options.http_tokens: it is left to the account and the image whether it answers without a session token",
            "optional.metadata_options.http_tokens: it answers without a session token (IMDSv1)",
            "half.metadata_options.http_tokens: it is left to the account and the image whether it answers without a session token",
        ]
    );
}

#[tokio::test]
async fn no_policy_allows_everything() {
    let of = |statement: formwork_core::Input<Statement>| PolicyDocument::of([statement]);
    let found = violations(no_wildcard_admin(), |scope| {
        let role = scope.add("role", Role::builder().assumed_by("ec2.amazonaws.com").build());
        let mut add = |name: &str, statement: formwork_core::Input<Statement>| {
            let policy = RolePolicy::builder().role(&role.name).policy(of(statement)).build();
            scope.add(name, policy);
        };
        add("all", Statement::allow(["*"]).on(["*"]).build());
        add("colon", Statement::allow(["s3:GetObject", "*:*"]).on(["arn:aws:*:*:*:*"]).build());
        let but =
            Statement::builder().not_actions(["iam:*".to_owned()]).resources(["*".to_owned()]);
        add("but", but.build());
        let but = Statement::builder()
            .actions(["*".to_owned()])
            .not_resources(["arn:aws:s3:::x".to_owned()]);
        add("rest", but.build());
        add("one", Statement::allow(["s3:*"]).on(["*"]).build());
        add("there", Statement::allow(["*"]).on(["arn:aws:s3:::data/*"]).build());
        add("deny", Statement::deny(["*"]).on(["*"]).build());
        let admin = iam::aws_managed_policy("AdministratorAccess");
        let attachment = RolePolicyAttachment::builder().role(&role.name).policy_arn(admin);
        scope.add("admin", attachment.build());
        let good = iam::aws_managed_policy("AmazonSSMManagedInstanceCore");
        let attachment = RolePolicyAttachment::builder().role(&role.name).policy_arn(good);
        scope.add("good", attachment.build());
    })
    .await;
    assert_eq!(
        found,
        [
            "all.policy.statements[0]: it allows every action on every resource",
            "colon.policy.statements[0]: it allows every action on every resource",
            "but.policy.statements[0]: it allows every action but some on every resource",
            "rest.policy.statements[0]: it allows every action on every resource but some",
            "admin.policy_arn: AdministratorAccess allows everything, or almost",
        ]
    );
}

#[tokio::test]
async fn required_tags_are_there_or_given_by_the_provider() {
    let given: Tags = [("team".to_owned(), "platform".to_owned())].into();
    let policy = || required_tags(["team", "cost-center"], &given);
    let tagged = |value: &str| -> Tags { [("cost-center".to_owned(), value.to_owned())].into() };
    let vpc = || Vpc::builder().cidr_block("10.0.0.0/16");
    let found = violations(policy(), |scope| {
        scope.add("bare", vpc().build());
        scope.add("empty", vpc().tags(tagged("")).build());
        scope.add("good", vpc().tags(tagged("17")).build());
        let rule = rule("tcp", Some((1, 1)), "10.0.0.0/16");
        scope.add("rule", rule);
    })
    .await;
    assert_eq!(
        found,
        [
            "bare.tags: it has no `cost-center`",
            "empty.tags: it has no `cost-center`",
            "rule.tags: it has no `cost-center`"
        ]
    );
}

#[tokio::test]
async fn a_stack_that_costs_more_than_its_ceiling_is_refused() {
    let price = |of: &str| (of == "m7i.large").then_some(0.1);
    let declare = |scope: &mut Scope<'_>| {
        let machine = |of: &str| {
            Instance::builder()
                .image_id(ImageId::from("ami-0123456789abcdef0"))
                .instance_type(of.to_owned())
                .build()
        };
        scope.add("a", machine("m7i.large"));
        scope.add("b", machine("odd.large"));
        scope.add("ip", ElasticIp::builder().build());
        let template = LaunchTemplate::builder().instance_type("m7i.large").build();
        let template = scope.add("template", template);
        let of = LaunchTemplateReference::builder().id(&template.id).build();
        let group = AutoScalingGroup::builder()
            .launch_template(of)
            .min_size(0u32)
            .max_size(3u32)
            .subnet_ids([crate::ec2::SubnetId::from("subnet-0123456789abcdef0")]);
        scope.add("group", group.build());
    };
    let found = violations(cost_ceiling(Ceiling::hourly(0.4), price), declare).await;
    assert_eq!(
        found,
        [": it costs 0.41 USD an hour, and has no price for b; the ceiling is 0.40 USD an hour"]
    );
    let found = violations(cost_ceiling(Ceiling::monthly(290.0), price), declare).await;
    assert_eq!(
        found,
        [
            ": it costs 295.65 USD a month, and has no price for b; the ceiling is 290.00 USD a month"
        ]
    );
    plan([cost_ceiling(Ceiling::hourly(0.41), price)], declare).await.unwrap();
}
