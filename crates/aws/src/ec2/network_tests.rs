//! The network's resources, each taken through all its verbs on the sandbox.

use std::time::Duration;

use formwork_core::Known;
use formwork_sandbox::Sandbox;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::{
    Aws,
    testing::{aws, dies, lives, ready},
};

/// A resource of what is set of it.
fn of<R: DeserializeOwned>(inputs: Value) -> R {
    serde_json::from_value(inputs).unwrap()
}

async fn world() -> Aws {
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::from_millis(120));
    aws(&sandbox).await
}

async fn vpc(aws: &Aws, n: u64) -> Known<Vpc> {
    let inputs = json!({
        "cidr_block": format!("10.{n}.0.0/16"),
        "enable_dns_hostnames": true,
        "assign_generated_ipv6_cidr_block": true,
    });
    ready(aws, n, of::<Vpc>(inputs)).await
}

async fn subnet(aws: &Aws, n: u64, vpc: &Known<Vpc>, block: &str) -> Known<Subnet> {
    let inputs = json!({"vpc_id": vpc.outputs.id, "cidr_block": block});
    ready(aws, n, of::<Subnet>(inputs)).await
}

#[tokio::test]
async fn a_vpc_lives_and_changes_in_place() {
    let aws = world().await;
    let versions = [
        json!({
            "cidr_block": "10.0.0.0/16",
            "enable_dns_hostnames": true,
            "tags": {"Name": "a", "x": "1"},
        }),
        json!({
            "cidr_block": "10.0.0.0/16",
            "enable_dns_support": false,
            "secondary_cidr_blocks": ["10.2.0.0/16", "10.1.0.0/16"],
            "assign_generated_ipv6_cidr_block": true,
            "tags": {"Name": "b", "team": "mine"},
        }),
        json!({
            "cidr_block": "10.0.0.0/16",
            "enable_dns_hostnames": true,
            "enable_network_address_usage_metrics": true,
            "secondary_cidr_blocks": ["10.1.0.0/16"],
        }),
    ];
    let known = lives(&aws, 0, versions.map(of::<Vpc>)).await;
    assert!(known.outputs.default_security_group_id.as_str().starts_with("sg-"));
    assert!(known.outputs.main_route_table_id.as_str().starts_with("rtb-"));
    assert!(known.outputs.ipv6_cidr_block.is_none());
    dies(&aws, 0, known).await;
}

#[tokio::test]
async fn a_subnet_lives_and_changes_in_place() {
    let aws = world().await;
    let vpc = vpc(&aws, 0).await;
    let block = vpc.outputs.ipv6_cidr_block.clone().unwrap();
    let ipv6 = block.replace("/56", "/64");
    let base = json!({"vpc_id": vpc.outputs.id, "cidr_block": "10.0.1.0/24"});
    let with = |more: Value| {
        let mut inputs = base.clone();
        inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        of::<Subnet>(inputs)
    };
    let versions = [
        with(json!({"availability_zone": "eu-west-1b", "map_public_ip_on_launch": true})),
        with(json!({
            "availability_zone": "eu-west-1b",
            "ipv6_cidr_block": ipv6,
            "assign_ipv6_address_on_creation": true,
            "enable_dns64": true,
            "private_dns_hostname_type_on_launch": "resource-name",
            "enable_resource_name_dns_a_record_on_launch": true,
            "tags": {"Name": "b"},
        })),
        with(json!({"availability_zone": "eu-west-1b"})),
    ];
    let known = lives(&aws, 1, versions).await;
    assert_eq!(known.outputs.availability_zone, "eu-west-1b");
    dies(&aws, 1, known).await;
}

#[tokio::test]
async fn gateways_live_and_move() {
    let aws = world().await;
    let (a, b) = (vpc(&aws, 0).await, vpc(&aws, 1).await);
    // One for another VPC is another gateway.
    for versions in [
        [json!({"vpc_id": a.outputs.id, "tags": {"Name": "a"}}), json!({"vpc_id": a.outputs.id})],
        [json!({"vpc_id": b.outputs.id}), json!({"vpc_id": b.outputs.id, "tags": {"Name": "b"}})],
        [json!({}), json!({"tags": {"Name": "nowhere"}})],
        [json!({"vpc_id": a.outputs.id}), json!({"vpc_id": a.outputs.id, "tags": {"Name": "a"}})],
    ] {
        let known = lives(&aws, 2, versions.map(of::<InternetGateway>)).await;
        dies(&aws, 2, known).await;
    }

    let versions =
        [json!({"vpc_id": a.outputs.id}), json!({"vpc_id": a.outputs.id, "tags": {"a": "b"}})];
    let known = lives(&aws, 3, versions.map(of::<EgressOnlyInternetGateway>)).await;
    dies(&aws, 3, known).await;
}

#[tokio::test]
async fn a_nat_gateway_lives_with_its_addresses() {
    let aws = world().await;
    let vpc = vpc(&aws, 0).await;
    let subnet = subnet(&aws, 1, &vpc, "10.0.1.0/24").await;
    let gateway = json!({"vpc_id": vpc.outputs.id});
    let gateway = ready(&aws, 2, of::<InternetGateway>(gateway)).await;
    let address =
        lives(&aws, 3, [json!({}), json!({"tags": {"a": "b"}})].map(of::<ElasticIp>)).await;

    // Further addresses of a NAT gateway are what the sandbox lacks.
    let base = |tags: Value| {
        of::<NatGateway>(json!({
            "subnet_id": subnet.outputs.id,
            "allocation_id": address.outputs.id,
            "tags": tags,
        }))
    };
    let nat = lives(&aws, 5, [base(json!({"Name": "nat"})), base(json!({}))]).await;
    assert_eq!(nat.outputs.public_ip.as_ref(), Some(&address.outputs.public_ip));
    dies(&aws, 5, nat).await;
    dies(&aws, 3, address).await;
    dies(&aws, 2, gateway).await;

    let private = json!({"subnet_id": subnet.outputs.id, "connectivity_type": "private"});
    let nat = lives(&aws, 6, [of::<NatGateway>(private)]).await;
    assert!(nat.outputs.private_ip.as_ref().unwrap().starts_with("10.0.1."));
    dies(&aws, 6, nat).await;
    dies(&aws, 1, subnet).await;
    dies(&aws, 0, vpc).await;
}

#[tokio::test]
async fn routes_and_associations_live_and_move() {
    let aws = world().await;
    let vpc = vpc(&aws, 0).await;
    let subnet = subnet(&aws, 1, &vpc, "10.0.1.0/24").await;
    let gateway = json!({"vpc_id": vpc.outputs.id});
    let gateway = ready(&aws, 2, of::<InternetGateway>(gateway)).await;
    let egress = json!({"vpc_id": vpc.outputs.id});
    let egress = ready(&aws, 3, of::<EgressOnlyInternetGateway>(egress)).await;
    let nat = json!({"subnet_id": subnet.outputs.id, "connectivity_type": "private"});
    let nat = ready(&aws, 4, of::<NatGateway>(nat)).await;
    let table = json!({"vpc_id": vpc.outputs.id});
    let versions = [table.clone(), json!({"vpc_id": vpc.outputs.id, "tags": {"Name": "t"}})];
    let first = lives(&aws, 5, versions.map(of::<RouteTable>)).await;
    let second = ready(&aws, 6, of::<RouteTable>(table)).await;

    let route = |destination: &str, target: RouteTarget| Route {
        route_table_id: first.outputs.id.clone(),
        destination: destination.to_owned(),
        target,
    };
    let versions = [
        route("0.0.0.0/0", RouteTarget::InternetGateway(gateway.outputs.id.clone())),
        route("0.0.0.0/0", RouteTarget::NatGateway(nat.outputs.id.clone())),
    ];
    let known = lives(&aws, 7, versions).await;
    assert_eq!(known.outputs.id, format!("{}_0.0.0.0/0", first.outputs.id));
    dies(&aws, 7, known).await;
    let ipv6 = RouteTarget::EgressOnlyInternetGateway(egress.outputs.id.clone());
    let known = lives(&aws, 8, [route("::/0", ipv6)]).await;
    dies(&aws, 8, known).await;

    let association = |table: &Known<RouteTable>| {
        of::<RouteTableAssociation>(json!({
            "route_table_id": table.outputs.id,
            "subnet_id": subnet.outputs.id,
        }))
    };
    let known = lives(&aws, 9, [association(&first), association(&second)]).await;
    dies(&aws, 9, known).await;
    dies(&aws, 5, first).await;
    dies(&aws, 6, second).await;
}

/// Why the `n`th object can not be made.
async fn refused<R>(aws: &Aws, n: u64, inputs: R) -> String
where
    R: formwork_core::Lifecycle<Client = crate::Clients>,
{
    let identity = crate::testing::identity(n);
    let cx = formwork_core::Context { client: &**aws.clients(), identity: &identity };
    match R::create(&cx, &inputs).await {
        Ok(_) => panic!("it is made"),
        Err(failure) => failure.error.message,
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_a_create_is_named() {
    let aws = world().await;
    let vpc = vpc(&aws, 0).await;
    let subnet = subnet(&aws, 1, &vpc, "10.0.1.0/24").await;
    let gateway = of::<InternetGateway>(json!({"vpc_id": vpc.outputs.id}));
    let there = ready(&aws, 2, gateway.clone()).await;
    let said = refused(&aws, 3, gateway).await;
    assert!(said.contains(&format!("{} is the gateway of", there.outputs.id)), "{said}");

    let table = of::<RouteTable>(json!({"vpc_id": vpc.outputs.id}));
    let (table, other) = (ready(&aws, 4, table.clone()).await, ready(&aws, 5, table).await);
    let egress = json!({"vpc_id": vpc.outputs.id});
    let egress = ready(&aws, 6, of::<EgressOnlyInternetGateway>(egress)).await;
    let route = |target: RouteTarget| Route {
        route_table_id: table.outputs.id.clone(),
        destination: "::/0".to_owned(),
        target,
    };
    let out = route(RouteTarget::InternetGateway(there.outputs.id.clone()));
    ready(&aws, 7, out.clone()).await;
    // It leads there already.
    ready(&aws, 8, out).await;
    let elsewhere = RouteTarget::EgressOnlyInternetGateway(egress.outputs.id.clone());
    let said = refused(&aws, 9, route(elsewhere)).await;
    assert!(said.contains(&format!("leads to {}", there.outputs.id)), "{said}");

    let association = |table: &Known<RouteTable>| {
        let (table, subnet) = (&table.outputs.id, &subnet.outputs.id);
        of::<RouteTableAssociation>(json!({"route_table_id": table, "subnet_id": subnet}))
    };
    ready(&aws, 10, association(&table)).await;
    ready(&aws, 11, association(&table)).await;
    let said = refused(&aws, 12, association(&other)).await;
    assert!(said.contains(&format!("has {}", table.outputs.id)), "{said}");

    let group = of::<SecurityGroup>(json!({"vpc_id": vpc.outputs.id, "name": "nodes"}));
    let group = ready(&aws, 13, group).await;
    let rule = of::<SecurityGroupIngressRule>(json!({"security_group_id": group.outputs.id,
        "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": "10.0.0.0/8"}));
    let known = ready(&aws, 14, rule.clone()).await;
    let said = refused(&aws, 15, rule).await;
    let owner = crate::testing::identity(14).id;
    assert!(said.contains(&format!("{}, of the resource {owner}", known.outputs.id)), "{said}");
}

#[tokio::test]
async fn a_security_group_lets_nothing_out_unless_asked() {
    let aws = world().await;
    let vpc = vpc(&aws, 0).await;
    let group = |keep: bool, tags: Value| {
        of::<SecurityGroup>(json!({
            "vpc_id": vpc.outputs.id,
            "keep_default_egress": keep,
            "tags": tags,
        }))
    };
    let versions =
        [group(false, json!({"Name": "g"})), group(true, json!({})), group(false, json!({}))];
    let nodes = lives(&aws, 1, versions).await;
    assert!(nodes.outputs.name.starts_with("test-object-1-"));
    let named = json!({"vpc_id": vpc.outputs.id, "name": "others", "description": "Others"});
    let others = lives(&aws, 2, [of::<SecurityGroup>(named)]).await;

    let id = &nodes.outputs.id;
    let versions = [
        json!({"security_group_id": id, "ip_protocol": "tcp", "from_port": 22, "to_port": 22,
            "cidr_ipv4": "10.0.0.0/8", "description": "shell", "tags": {"a": "b"}}),
        json!({"security_group_id": id, "ip_protocol": "udp", "from_port": 22, "to_port": 24,
            "cidr_ipv4": "10.0.0.0/8"}),
        json!({"security_group_id": id, "ip_protocol": "-1", "cidr_ipv4": "10.0.0.0/8"}),
    ];
    let rule = lives(&aws, 3, versions.map(of::<SecurityGroupIngressRule>)).await;
    dies(&aws, 3, rule).await;
    let icmp = json!({"security_group_id": id, "ip_protocol": "icmp", "from_port": -1,
        "to_port": -1, "referenced_security_group_id": others.outputs.id});
    let rule = lives(&aws, 4, [of::<SecurityGroupIngressRule>(icmp)]).await;
    dies(&aws, 4, rule).await;

    // A rule of one's own that lets everything out is not AWS's default.
    let out = json!({"security_group_id": id, "ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"});
    let out = lives(&aws, 5, [of::<SecurityGroupEgressRule>(out)]).await;
    let out6 = json!({"security_group_id": id, "ip_protocol": "tcp", "from_port": 443,
        "to_port": 443, "cidr_ipv6": "::/0"});
    let out6 = lives(&aws, 6, [of::<SecurityGroupEgressRule>(out6)]).await;
    let clients = &**aws.clients();
    let seen =
        <SecurityGroup as formwork_core::Lifecycle>::list(clients, std::slice::from_ref(&nodes))
            .await;
    assert!(!seen.unwrap()[0].inputs.keep_default_egress);
    dies(&aws, 5, out).await;
    dies(&aws, 6, out6).await;
    dies(&aws, 1, nodes).await;
    dies(&aws, 2, others).await;
}

#[tokio::test]
async fn endpoints_live_and_change_in_place() {
    let aws = world().await;
    let vpc = vpc(&aws, 0).await;
    let first = subnet(&aws, 1, &vpc, "10.0.1.0/24").await;
    let table = ready(&aws, 3, of::<RouteTable>(json!({"vpc_id": vpc.outputs.id}))).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]});
    let gateway = |tables: Value, policy: Option<String>| {
        of::<VpcEndpoint>(json!({
            "vpc_id": vpc.outputs.id,
            "service_name": "com.amazonaws.eu-west-1.s3",
            "vpc_endpoint_type": "Gateway",
            "route_table_ids": tables,
            "policy": policy,
        }))
    };
    let versions = [
        gateway(json!([]), None),
        gateway(json!([table.outputs.id]), Some(policy.to_string())),
        gateway(json!([]), Some(policy.to_string())),
    ];
    let known = lives(&aws, 4, versions).await;
    dies(&aws, 4, known).await;

    let group = json!({"vpc_id": vpc.outputs.id, "name": "endpoints"});
    let group = ready(&aws, 5, of::<SecurityGroup>(group)).await;
    let interface = |groups: Value, private: bool| {
        of::<VpcEndpoint>(json!({
            "vpc_id": vpc.outputs.id,
            "service_name": "com.amazonaws.eu-west-1.ssm",
            "vpc_endpoint_type": "Interface",
            "subnet_ids": [first.outputs.id],
            "security_group_ids": groups,
            "private_dns_enabled": private,
            "tags": {"Name": "ssm"},
        }))
    };
    let versions = [interface(Value::Null, false), interface(json!([group.outputs.id]), true)];
    let known = lives(&aws, 6, versions).await;
    assert_eq!(known.outputs.network_interface_ids.len(), 1);
    dies(&aws, 6, known).await;
    dies(&aws, 5, group).await;
    dies(&aws, 1, first).await;
}

#[tokio::test]
async fn a_subnet_is_cut_in_two_and_put_together_in_one_run_each() {
    use formwork_core::{Engine, Stack, testing::MemoryStore};
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::from_millis(20));
    let aws = aws(&sandbox).await;
    let engine = Engine::builder().provider(aws).state(MemoryStore::new()).try_build().unwrap();
    let rounds: [&[&str]; 4] = [
        &["10.0.0.0/20"],
        &["10.0.0.0/21", "10.0.8.0/21"],
        &["10.0.0.0/19"],
        &["10.0.0.0/20", "10.0.16.0/20"],
    ];
    for blocks in rounds {
        let stack = Stack::new("network", |scope| {
            let vpc = scope.add("vpc", Vpc::builder().cidr_block("10.0.0.0/16").build());
            let table = RouteTable::builder().vpc_id(&vpc.id).build();
            let table = scope.add("table", table);
            for (i, block) in blocks.iter().enumerate() {
                let subnet = Subnet::builder().vpc_id(&vpc.id).cidr_block(*block).build();
                let subnet = scope.add(format!("subnet-{i}"), subnet);
                let association = RouteTableAssociation::builder()
                    .route_table_id(&table.id)
                    .subnet_id(&subnet.id)
                    .build();
                scope.add(format!("association-{i}"), association);
            }
        })
        .unwrap();
        let plan = engine.plan(&stack).await.unwrap();
        let text = plan.to_string();
        if let Err(error) = engine.apply(plan).await {
            panic!("{error}\n{text}");
        }
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
        assert_eq!(sandbox.ids("eu-west-1", "subnet").len(), blocks.len());
    }
}

#[tokio::test]
async fn a_throttled_run_is_slow_and_does_not_fail() {
    use formwork_core::{Engine, Stack, testing::MemoryStore};
    let sandbox = Sandbox::in_memory();
    sandbox.knobs().state_duration(Duration::from_millis(20));
    let aws = aws(&sandbox).await;
    let store = MemoryStore::new();
    let engine = Engine::builder().provider(aws).state(store).parallelism(16).try_build().unwrap();
    let stack = Stack::new("network", |scope| {
        let vpc = scope.add("vpc", Vpc::builder().cidr_block("10.0.0.0/16").build());
        for i in 0..30 {
            let block = format!("10.0.{i}.0/24");
            let subnet = Subnet::builder().vpc_id(&vpc.id).cidr_block(block);
            scope.add(format!("subnet-{i}"), subnet.map_public_ip_on_launch(true).build());
        }
    })
    .unwrap();
    let plan = engine.plan(&stack).await.unwrap();
    sandbox.knobs().throttle_above(Some(8));
    engine.apply(plan).await.unwrap();
    // A plan is slow too, and comes.
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty(), "{again}");
    let throttled = |call: &formwork_sandbox::CallRecord| {
        format!("{:?}", call.outcome).contains("RequestLimitExceeded")
    };
    let refused = sandbox.calls().iter().filter(|call| throttled(call)).count();
    assert!(refused > 0, "nothing was throttled");
    assert_eq!(sandbox.ids("eu-west-1", "subnet").len(), 30);
}
