//! What another hand added to our objects, through the engine: told, left alone, and deleted where
//! they are exclusive; and nothing of what AWS makes by itself.

use std::time::Duration;

use formwork_core::{Engine, Plan, Scope, Stack, testing::MemoryStore};
use formwork_sandbox::Sandbox;

use crate::{
    Aws,
    ec2::{
        Instance, InternetGateway, Route, RouteTable, RouteTableAssociation, RouteTarget,
        SecurityGroup, SecurityGroupEgressRule, SecurityGroupIngressRule, Subnet, Volume,
        VolumeAttachment, VolumeType, Vpc, VpcEndpoint,
    },
    iam::{InstanceProfile, Role, RolePolicyAttachment, aws_managed_policy},
    testing::aws,
};

struct Desk {
    aws: Aws,
    engine: Engine,
}

async fn desk() -> Desk {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::from_millis(20));
    let engine = Engine::builder().provider(aws(&sandbox).await).state(MemoryStore::new());
    Desk { aws: aws(&sandbox).await, engine: engine.try_build().unwrap() }
}

impl Desk {
    async fn up(&self, declare: impl Fn(&mut Scope<'_>)) -> Plan {
        let stack = Stack::new("s", |scope: &mut Scope<'_>| declare(scope)).unwrap();
        let plan = self.engine.plan(&stack).await.unwrap();
        self.engine.apply(plan.clone()).await.unwrap();
        plan
    }

    async fn plan(&self, declare: impl Fn(&mut Scope<'_>)) -> Plan {
        let stack = Stack::new("s", |scope: &mut Scope<'_>| declare(scope)).unwrap();
        self.engine.plan(&stack).await.unwrap()
    }

    async fn id(&self, address: &str) -> String {
        let state = self.engine.state("s").await.unwrap();
        let row = state.records.values().find(|row| row.address.as_str() == address).unwrap();
        let id = row.outputs.get("id").or_else(|| row.outputs.get("name")).unwrap();
        id.as_str().unwrap().to_owned()
    }
}

/// The type, the parent and the fate of each, sorted.
fn told(plan: &Plan) -> Vec<String> {
    let unmanaged = plan.data().unmanaged.as_ref().unwrap();
    let mut told: Vec<String> = unmanaged
        .iter()
        .map(|child| format!("{} of {} {:?}", child.kind, child.parent, child.fate))
        .collect();
    told.sort();
    told
}

fn network(exclusive: bool) -> impl Fn(&mut Scope<'_>) {
    move |scope| {
        let vpc = Vpc::builder().cidr_block("10.0.0.0/16").build();
        let vpc = scope.add("vpc", if exclusive { vpc.exclusive() } else { vpc });
        let subnet = Subnet::builder().vpc_id(&vpc.id).cidr_block("10.0.1.0/24").build();
        let subnet = scope.add("subnet", subnet);
        let gateway = InternetGateway::builder().vpc_id(&vpc.id).build();
        let gateway = scope.add("gateway", gateway);
        let table = RouteTable::builder().vpc_id(&vpc.id).build();
        let table = scope.add("table", if exclusive { table.exclusive() } else { table });
        let route = Route::builder().route_table_id(&table.id).destination("0.0.0.0/0");
        scope.add("out", route.target(RouteTarget::internet_gateway(&gateway.id)).build());
        let association = RouteTableAssociation::builder().route_table_id(&table.id);
        scope.add("association", association.subnet_id(&subnet.id).build());
        let group = SecurityGroup::builder().vpc_id(&vpc.id).build();
        let group = scope.add("group", if exclusive { group.exclusive() } else { group });
        let open = SecurityGroup::builder().vpc_id(&vpc.id).keep_default_egress(true).build();
        scope.add("open", if exclusive { open.exclusive() } else { open });
        let rule = SecurityGroupIngressRule::builder().security_group_id(&group.id);
        scope.add("in", rule.ip_protocol("-1").referenced_security_group_id(&group.id).build());
        let rule = SecurityGroupEgressRule::builder().security_group_id(&group.id);
        scope.add("out-of-group", rule.ip_protocol("-1").cidr_ipv4("0.0.0.0/0").build());
        let s3 = VpcEndpoint::builder().vpc_id(&vpc.id).service_name("com.amazonaws.eu-west-1.s3");
        scope.add("s3", s3.route_table_ids([&table.id]).build());
    }
}

#[tokio::test]
async fn what_was_added_to_a_network_by_hand_is_told_and_goes_where_it_is_exclusive() {
    let desk = desk().await;
    desk.up(network(false)).await;
    let plan = desk.plan(network(false)).await;
    assert!(plan.is_empty() && told(&plan).is_empty(), "AWS's own are nobody's: {plan}");

    let ec2 = desk.aws.clients().ec2();
    let (vpc, table) = (desk.id("vpc").await, desk.id("table").await);
    let (group, gateway) = (desk.id("group").await, desk.id("gateway").await);
    let open = ec2.authorize_security_group_ingress().group_id(&group).ip_protocol("tcp");
    open.from_port(22).to_port(22).cidr_ip("0.0.0.0/0").send().await.unwrap();
    let route = ec2.create_route().route_table_id(&table).gateway_id(&gateway);
    route.destination_cidr_block("198.51.100.0/24").send().await.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.2.0/24").send().await.unwrap();
    let subnet = subnet.subnet.unwrap().subnet_id.unwrap();
    ec2.associate_route_table().route_table_id(&table).subnet_id(&subnet).send().await.unwrap();
    let theirs = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
    let other = ec2.create_security_group().vpc_id(&vpc).group_name("theirs").description("theirs");
    other.send().await.unwrap();

    let plan = desk.plan(network(false)).await;
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(
        told(&plan),
        [
            "aws:ec2/route of table Stays",
            "aws:ec2/route-table of vpc Stays",
            "aws:ec2/route-table-association of table Stays",
            "aws:ec2/security-group of vpc Stays",
            "aws:ec2/security-group-ingress-rule of group Stays",
            "aws:ec2/subnet of vpc Stays",
        ]
    );
    assert!(theirs.route_table.unwrap().route_table_id.is_some());
    let stack = Stack::new("s", |scope: &mut Scope<'_>| network(false)(scope)).unwrap();
    let plan = desk.engine.plan(&stack).destroy().await.unwrap();
    let blocks = told(&plan).iter().filter(|child| child.ends_with("Blocks")).count();
    assert_eq!(blocks, 4, "rules and routes go with what they are of: {plan}");
    assert_eq!(plan.data().warnings.len(), 2, "{plan}");

    let plan = desk.up(network(true)).await;
    assert_eq!(plan.summary().delete, 6, "{plan}");
    let plan = desk.plan(network(true)).await;
    assert!(plan.is_empty() && told(&plan).is_empty(), "{plan}");
}

fn roles(exclusive: bool, forced: bool) -> impl Fn(&mut Scope<'_>) {
    move |scope| {
        let role = Role::builder().assumed_by("ec2.amazonaws.com").force_detach(forced).build();
        let role = scope.add("role", if exclusive { role.exclusive() } else { role });
        let attach = RolePolicyAttachment::builder().role(&role.name);
        let arn = aws_managed_policy("AmazonSSMManagedInstanceCore");
        scope.add("attach", attach.policy_arn(arn).build());
        scope.add("profile", InstanceProfile::builder().role(&role.name).build());
    }
}

#[tokio::test]
async fn what_was_given_to_a_role_by_hand_is_told_and_taken_where_it_is_exclusive() {
    let desk = desk().await;
    desk.up(roles(false, false)).await;
    assert!(told(&desk.plan(roles(false, false)).await).is_empty());
    let (iam, role) = (desk.aws.clients().iam(), desk.id("role").await);
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let put = iam.put_role_policy().role_name(&role).policy_name("admin").policy_document(policy);
    put.send().await.unwrap();
    let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    iam.attach_role_policy().role_name(&role).policy_arn(arn).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name("theirs").send().await.unwrap();
    let add = iam.add_role_to_instance_profile().instance_profile_name("theirs").role_name(&role);
    add.send().await.unwrap();

    let plan = desk.plan(roles(false, false)).await;
    assert!(plan.is_empty(), "{plan}");
    let all = |fate: &str| {
        ["instance-profile", "role-policy", "role-policy-attachment"]
            .map(|kind| format!("aws:iam/{kind} of role {fate}"))
    };
    assert_eq!(told(&plan), all("Stays"));
    assert!(plan.to_string().contains("AdministratorAccess"), "{plan}");
    let destroy = async |forced| {
        let stack = Stack::new("s", |scope: &mut Scope<'_>| roles(false, forced)(scope)).unwrap();
        desk.engine.plan(&stack).destroy().await.unwrap()
    };
    assert_eq!(told(&destroy(false).await), all("Blocks"));
    desk.up(roles(false, true)).await;
    assert_eq!(told(&destroy(true).await), all("GoesAlong"), "its delete takes them away");

    let plan = desk.up(roles(true, true)).await;
    assert_eq!(plan.summary().delete, 2, "a profile of its own only uses the role: {plan}");
    let plan = desk.plan(roles(true, true)).await;
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(told(&plan), ["aws:iam/instance-profile of role Stays"]);
}

#[tokio::test]
async fn a_disk_that_another_hand_attached_is_told_and_those_that_came_with_the_machine_are_not() {
    let site = crate::ec2::fixture::site().await;
    site.sandbox.knobs().state_duration(Duration::from_millis(20));
    let engine = Engine::builder().provider(aws(&site.sandbox).await).state(MemoryStore::new());
    let desk = Desk { aws: aws(&site.sandbox).await, engine: engine.try_build().unwrap() };
    let machine = |exclusive: bool| {
        let (image, subnet) = (site.image.clone(), site.subnet.clone());
        move |scope: &mut Scope<'_>| {
            let machine = Instance::builder().image_id(image.clone()).instance_type("t3.micro");
            let machine = machine.subnet_id(subnet.clone()).build();
            let machine =
                scope.add("machine", if exclusive { machine.exclusive() } else { machine });
            let volume = Volume::builder().availability_zone("eu-west-1a").size(8_u32);
            let volume = scope.add("volume", volume.volume_type(VolumeType::Gp3).build());
            let attachment = VolumeAttachment::builder().volume_id(&volume.id);
            let attachment = attachment.instance_id(&machine.id).device_name("/dev/sdf");
            scope.add("attachment", attachment.build());
        }
    };
    desk.up(machine(false)).await;
    let plan = desk.plan(machine(false)).await;
    assert!(plan.is_empty() && told(&plan).is_empty(), "{plan}");
    let ec2 = desk.aws.clients().ec2();
    let volume = ec2.create_volume().availability_zone("eu-west-1a").size(9).send().await.unwrap();
    let volume = volume.volume_id.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let attach = ec2.attach_volume().volume_id(&volume).device("/dev/sdg");
    attach.instance_id(desk.id("machine").await).send().await.unwrap();
    assert_eq!(
        told(&desk.plan(machine(false)).await),
        ["aws:ec2/volume-attachment of machine Stays"]
    );
    let plan = desk.up(machine(true)).await;
    assert_eq!(plan.summary().delete, 1, "{plan}");
    let plan = desk.plan(machine(true)).await;
    assert!(plan.is_empty() && told(&plan).is_empty(), "{plan}");
    assert!(ec2.describe_volumes().volume_ids(volume).send().await.is_ok(), "the disk stays");
}
