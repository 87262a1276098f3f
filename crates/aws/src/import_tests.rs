//! What others made, through the engine: taken over by its id or by its name, with nothing to change
//! afterwards; and what another stack has, only by its id.

use formwork_core::{Engine, Plan, Scope, Stack, testing::MemoryStore};
use formwork_sandbox::Sandbox;

use crate::{
    Aws,
    ec2::{
        InternetGateway, Route, RouteTable, RouteTableAssociation, RouteTarget, SecurityGroup,
        SecurityGroupIngressRule, Subnet, Vpc,
    },
    iam::{PolicyDocument, Role, RolePolicy, RolePolicyAttachment, Statement, aws_managed_policy},
    testing::aws,
};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const MAY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Action":"s3:Get*","Resource":"*"}]}"#;
const CORE: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

async fn engine(sandbox: &Sandbox) -> Engine {
    let engine = Engine::builder().provider(aws(sandbox).await);
    engine.state(MemoryStore::new()).try_build().unwrap()
}

async fn plan(engine: &Engine, name: &str, declare: impl Fn(&mut Scope<'_>)) -> Plan {
    let stack = Stack::new(name, |scope: &mut Scope<'_>| declare(scope)).unwrap();
    engine.plan(&stack).await.unwrap()
}

/// Takes over `count` objects and nothing else, after which there is nothing to do.
async fn takes_over(engine: &Engine, count: usize, declare: impl Fn(&mut Scope<'_>)) {
    let first = plan(engine, "s", &declare).await;
    let summary = first.summary();
    let all = (summary.import, summary.create, summary.update, summary.delete);
    assert_eq!(all, (count, 0, 0, 0), "{first}");
    engine.apply(first).await.unwrap();
    let again = plan(engine, "s", &declare).await;
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

async fn role_by_hand(aws: &Aws, name: &str) {
    let role = aws.clients().iam().create_role().role_name(name);
    role.assume_role_policy_document(TRUST).send().await.unwrap();
}

/// The ownership tag of a role.
async fn owner(aws: &Aws, name: &str) -> Option<String> {
    let role = aws.clients().iam().get_role().role_name(name).send().await.unwrap();
    let tags = role.role.unwrap().tags.unwrap_or_default();
    tags.into_iter().find(|tag| tag.key == "formwork:id").map(|tag| tag.value)
}

#[tokio::test]
async fn a_network_that_another_hand_made_is_taken_over_by_ids() {
    let sandbox = Sandbox::in_memory();
    let (engine, aws) = (engine(&sandbox).await, aws(&sandbox).await);
    let ec2 = aws.clients().ec2();
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    let vpc = vpc.vpc.unwrap().vpc_id.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.1.0/24").send().await.unwrap();
    let subnet = subnet.subnet.unwrap().subnet_id.unwrap();
    let group = ec2.create_security_group().vpc_id(&vpc).group_name("web").description("the web");
    let group = group.send().await.unwrap().group_id.unwrap();
    let open = ec2.authorize_security_group_ingress().group_id(&group).ip_protocol("tcp");
    let open = open.from_port(443).to_port(443).cidr_ip("0.0.0.0/0").send().await.unwrap();
    let rule = open.security_group_rules.unwrap().pop().unwrap().security_group_rule_id.unwrap();
    let gateway = ec2.create_internet_gateway().send().await.unwrap();
    let gateway = gateway.internet_gateway.unwrap().internet_gateway_id.unwrap();
    let attach = ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc);
    attach.send().await.unwrap();
    let table = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
    let table = table.route_table.unwrap().route_table_id.unwrap();
    let route = ec2.create_route().route_table_id(&table).gateway_id(&gateway);
    route.destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    let both = ec2.associate_route_table().route_table_id(&table).subnet_id(&subnet);
    let association = both.send().await.unwrap().association_id.unwrap();

    let declare = |association: String| {
        let (vpc, subnet, group, rule) = (vpc.clone(), subnet.clone(), group.clone(), rule.clone());
        let (gateway, table) = (gateway.clone(), table.clone());
        move |scope: &mut Scope<'_>| {
            let net = Vpc::builder().cidr_block("10.0.0.0/16").build();
            let net = scope.add("vpc", net.import(vpc.as_str()));
            let part = Subnet::builder().vpc_id(&net.id).cidr_block("10.0.1.0/24").build();
            let part = scope.add("subnet", part.import(subnet.as_str()));
            let web = SecurityGroup::builder().vpc_id(&net.id).name("web").description("the web");
            let web = web.keep_default_egress(true).build().import(group.as_str());
            let web = scope.add("group", web);
            let https = SecurityGroupIngressRule::builder().security_group_id(&web.id);
            let https = https.ip_protocol("tcp").from_port(443).to_port(443).cidr_ipv4("0.0.0.0/0");
            scope.add("rule", https.build().import(rule.as_str()));
            let out = InternetGateway::builder().vpc_id(&net.id).build().import(gateway.as_str());
            let out = scope.add("gateway", out);
            let ways = RouteTable::builder().vpc_id(&net.id).build().import(table.as_str());
            let ways = scope.add("table", ways);
            let way = Route::builder().route_table_id(&ways.id).destination("0.0.0.0/0");
            let way = way.target(RouteTarget::internet_gateway(&out.id)).build();
            scope.add("route", way.import(format!("{table}_0.0.0.0/0")));
            let both = RouteTableAssociation::builder().route_table_id(&ways.id);
            let both = both.subnet_id(&part.id).build().import(association.as_str());
            scope.add("association", both);
        }
    };
    takes_over(&engine, 8, declare(format!("{subnet}/{table}"))).await;
    let there = ec2.describe_vpcs().vpc_ids(&vpc).send().await.unwrap().vpcs.unwrap();
    assert!(crate::tags::owner(there[0].tags()).is_some(), "it is marked as ours");
    // Another engine knows nothing of that, and the association has an id of its own too.
    let other = self::engine(&sandbox).await;
    takes_over(&other, 8, declare(association)).await;
}

#[tokio::test]
async fn a_role_that_another_hand_made_is_taken_over_with_all_that_it_may_do() {
    let sandbox = Sandbox::in_memory();
    let (engine, aws) = (engine(&sandbox).await, aws(&sandbox).await);
    role_by_hand(&aws, "app").await;
    let iam = aws.clients().iam();
    let put = iam.put_role_policy().role_name("app").policy_name("read").policy_document(MAY);
    put.send().await.unwrap();
    iam.attach_role_policy().role_name("app").policy_arn(CORE).send().await.unwrap();
    takes_over(&engine, 3, |scope| {
        let role = Role::builder().name("app").assumed_by("ec2.amazonaws.com").build();
        let role = scope.add("role", role.import("app"));
        let may = PolicyDocument::of([Statement::allow(["s3:Get*"]).on(["*"]).build()]);
        let read = RolePolicy::builder().role(&role.name).name("read").policy(may).build();
        scope.add("read", read.import("app:read"));
        let core = aws_managed_policy("AmazonSSMManagedInstanceCore");
        let core = RolePolicyAttachment::builder().role(&role.name).policy_arn(core).build();
        scope.add("core", core.import(format!("app/{CORE}")));
    })
    .await;
    assert!(owner(&aws, "app").await.is_some());
}

#[tokio::test]
async fn a_role_is_adopted_by_its_name_and_one_of_another_stack_only_imported() {
    let sandbox = Sandbox::in_memory();
    let (engine, aws) = (engine(&sandbox).await, aws(&sandbox).await);
    let role = |name| Role::builder().name(name).assumed_by("ec2.amazonaws.com").build();
    role_by_hand(&aws, "app").await;
    takes_over(&engine, 1, |scope| {
        scope.add("role", role("app").adopt());
    })
    .await;
    let ours = owner(&aws, "app").await;
    assert!(ours.is_some());

    let other = self::engine(&sandbox).await;
    let adopt = plan(&other, "other", |scope| {
        scope.add("role", role("app").adopt());
    })
    .await;
    assert_eq!((adopt.summary().create, adopt.summary().import), (1, 0), "{adopt}");
    let refused = other.apply(adopt).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("it is not this stack's: import it"), "{refused}");
    assert_eq!(owner(&aws, "app").await, ours, "it is the first stack's still");

    let import = plan(&other, "third", |scope| {
        scope.add("role", role("app").import("app"));
    })
    .await;
    assert_eq!(import.summary().import, 1, "{import}");
    other.apply(import).await.unwrap();
    assert_ne!(owner(&aws, "app").await, ours, "who names an object by its id takes it");
}
