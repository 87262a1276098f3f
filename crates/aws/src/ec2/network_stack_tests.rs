//! A whole network through the engine: declared, applied, found unchanged, changed, and removed;
//! and all that can be known to be wrong with one, in one plan.

use std::time::Duration;

use formwork_core::{Engine, PlanError, Stack, testing::MemoryStore};
use formwork_sandbox::{Fault, Sandbox};

use super::*;
use crate::testing::aws;

async fn engine() -> Engine {
    engine_on(&Sandbox::in_memory()).await
}

async fn engine_on(sandbox: &Sandbox) -> Engine {
    sandbox.knobs().state_duration(Duration::from_millis(50));
    let engine = Engine::builder().provider(aws(sandbox).await);
    engine.state(MemoryStore::new()).try_build().unwrap()
}

fn network(hostnames: bool) -> Stack {
    Stack::new("net", |scope| {
        let vpc = Vpc::builder().cidr_block("10.0.0.0/16").enable_dns_hostnames(hostnames);
        let vpc = scope.add("vpc", vpc.assign_generated_ipv6_cidr_block(true).build());
        let subnet = Subnet::builder().vpc_id(&vpc.id).cidr_block("10.0.1.0/24");
        let subnet = scope.add("subnet", subnet.build());
        let gateway = InternetGateway::builder().vpc_id(&vpc.id).build();
        let gateway = scope.add("gateway", gateway);
        let egress = EgressOnlyInternetGateway::builder().vpc_id(&vpc.id).build();
        let egress = scope.add("egress", egress);
        let address = scope.add("address", ElasticIp::builder().build().after(&gateway));
        let nat = NatGateway::builder().subnet_id(&subnet.id).allocation_id(&address.id);
        let nat = scope.add("nat", nat.build());
        let table = scope.add("table", RouteTable::builder().vpc_id(&vpc.id).build());
        for (name, destination, target) in [
            ("out", "0.0.0.0/0", RouteTarget::nat_gateway(&nat.id)),
            ("out6", "::/0", RouteTarget::egress_only_internet_gateway(&egress.id)),
            ("office", "192.0.2.0/24", RouteTarget::internet_gateway(&gateway.id)),
        ] {
            let route = Route::builder().route_table_id(&table.id).destination(destination);
            scope.add(name, route.target(target).build());
        }
        let association = RouteTableAssociation::builder().route_table_id(&table.id);
        scope.add("association", association.subnet_id(&subnet.id).build());
        let group = SecurityGroup::builder().vpc_id(&vpc.id).build();
        let group = scope.add("group", group);
        let all = SecurityGroupIngressRule::builder().security_group_id(&group.id);
        let all = all.ip_protocol("-1").referenced_security_group_id(&group.id);
        scope.add("among-themselves", all.build());
        let out = SecurityGroupEgressRule::builder().security_group_id(&group.id);
        scope.add("out-of-group", out.ip_protocol("-1").cidr_ipv4("0.0.0.0/0").build());
        let s3 = VpcEndpoint::builder().vpc_id(&vpc.id).service_name("com.amazonaws.eu-west-1.s3");
        scope.add("s3", s3.route_table_ids([&table.id]).build());
    })
    .unwrap()
}

#[tokio::test]
async fn a_network_is_made_found_unchanged_changed_and_removed() {
    let engine = engine().await;
    let stack = network(false);
    let plan = engine.plan(&stack).await.unwrap();
    assert_eq!(plan.summary().create, stack.len());
    engine.apply(plan).await.unwrap();

    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty(), "{again}");

    let plan = engine.plan(&network(true)).await.unwrap();
    assert_eq!(plan.steps().count(), 1, "{plan}");
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&network(true)).await.unwrap();
    assert!(again.is_empty(), "{again}");

    let plan = engine.plan(&network(true)).destroy().await.unwrap();
    engine.apply(plan).await.unwrap();
    assert!(engine.state("net").await.unwrap().records.is_empty());
}

#[tokio::test]
async fn what_was_made_although_the_answer_got_lost_is_found_and_not_made_twice() {
    // Where the call has a client token the SDK may repeat it, and gets the same object.
    for (operation, repeats) in [
        ("CreateVpc", false),
        ("CreateNatGateway", true),
        ("CreateRoute", false),
        ("CreateSecurityGroup", false),
    ] {
        let sandbox = Sandbox::in_memory();
        let engine = engine_on(&sandbox).await;
        let stack = network(false);
        let plan = engine.plan(&stack).await.unwrap();
        sandbox.knobs().inject(Fault::on(operation).after_effect().drops_connection());
        assert_eq!(engine.apply(plan).await.is_ok(), repeats, "{operation}");

        let plan = engine.plan(&stack).await.unwrap();
        engine.apply(plan).await.unwrap();
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty(), "{operation}: {again}");
        for (kind, expected) in [("vpc", 1), ("natgateway", 1), ("security-group", 2)] {
            let found = sandbox.ids("eu-west-1", kind).len();
            assert_eq!(found, expected, "{kind} after {operation}");
        }
    }
}

/// A public network, with all that there can be only once in one.
fn public_network(block: &str) -> Stack {
    let (block, subnet) = (block.to_owned(), block.replace("/16", "/24"));
    Stack::new("net", |scope| {
        let vpc = Vpc::builder().cidr_block(block).enable_dns_hostnames(true);
        let vpc = scope.add("vpc", vpc.build());
        let subnet = Subnet::builder().vpc_id(&vpc.id).cidr_block(subnet);
        let subnet = scope.add("subnet", subnet.build());
        let gateway = InternetGateway::builder().vpc_id(&vpc.id).build();
        let gateway = scope.add("gateway", gateway);
        let address = scope.add("address", ElasticIp::builder().build().after(&gateway));
        let nat = NatGateway::builder().subnet_id(&subnet.id).allocation_id(&address.id);
        scope.add("nat", nat.build().after(&gateway));
        let table = scope.add("table", RouteTable::builder().vpc_id(&vpc.id).build());
        let route = Route::builder().route_table_id(&table.id).destination("0.0.0.0/0");
        let route = route.target(RouteTarget::internet_gateway(&gateway.id));
        scope.add("out", route.build());
        let s3 = VpcEndpoint::builder().vpc_id(&vpc.id).service_name("com.amazonaws.eu-west-1.s3");
        scope.add("s3", s3.route_table_ids([&table.id]).build());
        let ssm =
            VpcEndpoint::builder().vpc_id(&vpc.id).service_name("com.amazonaws.eu-west-1.ssm");
        let ssm = ssm.vpc_endpoint_type(VpcEndpointType::Interface).private_dns_enabled(true);
        scope.add("ssm", ssm.subnet_ids([&subnet.id]).build());
    })
    .unwrap()
}

#[tokio::test]
async fn a_network_moves_to_another_block_while_its_public_addresses_are_in_use() {
    let engine = engine().await;
    engine.apply(engine.plan(&public_network("10.0.0.0/16")).await.unwrap()).await.unwrap();
    let moved = public_network("10.1.0.0/16");
    engine.apply(engine.plan(&moved).await.unwrap()).await.unwrap();
    let again = engine.plan(&moved).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn what_a_network_has_only_once_is_replaced_by_removing_it_first() {
    for address in ["gateway", "nat", "s3", "ssm", "out"] {
        let engine = engine().await;
        let stack = public_network("10.0.0.0/16");
        engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
        let mut request = engine.plan(&stack).replace(address);
        if address == "gateway" {
            // It goes only once nothing in the VPC has a public address any more.
            request = request.replace("nat");
        }
        let plan = request.await.unwrap();
        engine.apply(plan).await.unwrap();
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty() && again.data().drift.is_empty(), "{address}: {again}");
    }
}

#[tokio::test]
async fn a_gateway_whose_attachment_failed_or_was_cut_off_is_attached_by_the_next_run() {
    let stack = public_network("10.0.0.0/16");
    for fault in [
        Fault::on("AttachInternetGateway").answers(400, "UnauthorizedOperation", "not yet"),
        Fault::on("CreateInternetGateway").after_effect().drops_connection(),
    ] {
        let sandbox = Sandbox::in_memory();
        let engine = engine_on(&sandbox).await;
        let plan = engine.plan(&stack).await.unwrap();
        sandbox.knobs().inject(fault);
        assert!(engine.apply(plan).await.is_err());
        engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
        let again = engine.plan(&stack).await.unwrap();
        assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
        assert_eq!(sandbox.ids("eu-west-1", "internet-gateway").len(), 1);
    }
}

#[tokio::test]
async fn a_gateway_that_another_hand_detached_is_made_anew() {
    let sandbox = Sandbox::in_memory();
    let (engine, aws) = (engine_on(&sandbox).await, aws(&sandbox).await);
    let stack = Stack::new("net", |scope| {
        let vpc = scope.add("vpc", Vpc::builder().cidr_block("10.0.0.0/16").build());
        scope.add("gateway", InternetGateway::builder().vpc_id(&vpc.id).build());
    })
    .unwrap();
    engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
    let [vpc, gateway] =
        ["vpc", "internet-gateway"].map(|of| sandbox.ids("eu-west-1", of).remove(0));
    let detach = aws.clients().ec2().detach_internet_gateway().vpc_id(vpc);
    detach.internet_gateway_id(gateway).send().await.unwrap();
    let plan = engine.plan(&stack).await.unwrap();
    assert_eq!(plan.data().drift.len(), 1, "{plan}");
    engine.apply(plan).await.unwrap();
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn a_rule_that_another_hand_deleted_and_made_again_is_taken_over() {
    let sandbox = Sandbox::in_memory();
    let (engine, aws) = (engine_on(&sandbox).await, aws(&sandbox).await);
    let stack = |what: &str| {
        let what = what.to_owned();
        let built = Stack::new("net", |scope| {
            let vpc = scope.add("vpc", Vpc::builder().cidr_block("10.0.0.0/16").build());
            let group = scope.add("group", SecurityGroup::builder().vpc_id(&vpc.id).build());
            let all = SecurityGroupIngressRule::builder().security_group_id(&group.id);
            let all = all.ip_protocol("-1").referenced_security_group_id(&group.id);
            scope.add("all", all.description(what).tags([("Name", "all")]).build());
        });
        built.unwrap()
    };
    let stack = stack("among themselves");
    engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
    let ec2 = aws.clients().ec2();
    let rules = || async {
        let answer = ec2.describe_security_group_rules().send().await.unwrap();
        let mut rules = answer.security_group_rules.unwrap();
        rules.retain(|rule| rule.description() == Some("among themselves"));
        rules
    };
    let ours = rules().await.remove(0);
    let (group, rule) = (ours.group_id().unwrap(), ours.security_group_rule_id().unwrap());
    let revoke = ec2.revoke_security_group_ingress().group_id(group);
    revoke.security_group_rule_ids(rule).send().await.unwrap();
    let pair = aws_sdk_ec2::types::UserIdGroupPair::builder().group_id(group).build();
    let all = aws_sdk_ec2::types::IpPermission::builder().ip_protocol("-1");
    let all = all.user_id_group_pairs(pair).build();
    let again = ec2.authorize_security_group_ingress().group_id(group).ip_permissions(all);
    let answer = again.send().await.unwrap();
    let theirs = answer.security_group_rules()[0].security_group_rule_id.clone();

    engine.apply(engine.plan(&stack).await.unwrap()).await.unwrap();
    let taken = rules().await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].security_group_rule_id, theirs);
    let tags = crate::tags::map(taken[0].tags());
    assert_eq!(tags.get("Name").map(String::as_str), Some("all"));
    assert!(tags.contains_key("formwork:id"));
    let again = engine.plan(&stack).await.unwrap();
    assert!(again.is_empty() && again.data().drift.is_empty(), "{again}");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_network_is_said_at_once() {
    let stack = Stack::new("net", |scope| {
        let vpc = Vpc::builder()
            .cidr_block("10.0.1.0/16")
            .secondary_cidr_blocks(["192.168.0.0/24", "10.0.0.0/8"])
            .enable_dns_support(false)
            .enable_dns_hostnames(true);
        let vpc = scope.add("vpc", vpc.build());
        let subnet = |block: &str| Subnet::builder().vpc_id(&vpc.id).cidr_block(block);
        let first = scope.add("first", subnet("10.0.0.0/24").build());
        scope.add("overlapping", subnet("10.0.0.128/25").build());
        scope.add("outside", subnet("172.16.0.0/24").build());
        scope.add("huge", subnet("10.0.0.0/8").map_customer_owned_ip_on_launch(true).build());
        let gateway = |scope: &mut formwork_core::Scope<'_>, name: &str| {
            scope.add(name, InternetGateway::builder().vpc_id(&vpc.id).build())
        };
        gateway(scope, "gateway");
        gateway(scope, "gateway-too");
        scope.add("public-nat", NatGateway::builder().subnet_id(&first.id).build());
        let nat = NatGateway::builder()
            .subnet_id(&first.id)
            .connectivity_type(ConnectivityType::Private)
            .private_ip("10.9.9.9");
        let nat = scope.add("private-nat", nat.build());
        let table = scope.add("table", RouteTable::builder().vpc_id(&vpc.id).build());
        let route = |destination: &str| {
            let route = Route::builder().route_table_id(&table.id).destination(destination);
            route.target(RouteTarget::nat_gateway(&nat.id)).build()
        };
        scope.add("host-bits", route("10.1.2.3/8"));
        scope.add("private-out", route("0.0.0.0/0"));
        scope.add("twice", route("0.0.0.0/0"));
        scope.add("ipv6", route("::/0"));
        let elsewhere = scope.add("elsewhere", Vpc::builder().cidr_block("10.5.0.0/16").build());
        let foreign = RouteTable::builder().vpc_id(&elsewhere.id).build();
        let foreign = scope.add("foreign", foreign);
        let association = RouteTableAssociation::builder().route_table_id(&foreign.id);
        scope.add("association", association.subnet_id(&first.id).build());
        let group = SecurityGroup::builder().vpc_id(&vpc.id).name("sg-mine");
        let group = scope.add("group", group.description("naïve").build());
        let rule = || SecurityGroupIngressRule::builder().security_group_id(&group.id);
        scope.add("no-ports", rule().ip_protocol("tcp").cidr_ipv4("10.0.0.1/8").build());
        let backwards = rule().ip_protocol("6").from_port(9).to_port(8);
        scope.add("backwards", backwards.cidr_ipv4("0.0.0.0/0").cidr_ipv6("::/0").build());
        scope.add("ports-of-all", rule().ip_protocol("-1").from_port(1).build());
        let endpoint = VpcEndpoint::builder()
            .vpc_id(&vpc.id)
            .service_name("com.amazonaws.eu-west-1.ssm")
            .subnet_ids([&first.id])
            .policy("nonsense");
        scope.add("endpoint", endpoint.build());
        let endpoint = VpcEndpoint::builder()
            .vpc_id(&vpc.id)
            .service_name("com.amazonaws.eu-west-1.ssm")
            .vpc_endpoint_type(VpcEndpointType::Other("interface".into()))
            .private_dns_enabled(true);
        scope.add("endpoint-too", endpoint.build());
    });
    let Err(PlanError::Invalid { problems, .. }) = engine().await.plan(&stack.unwrap()).await
    else {
        panic!("the plan is not refused");
    };
    let mut said = String::new();
    for problem in problems {
        let field = problem.field.unwrap_or_default();
        said += &format!("{} {field}: {}\n", problem.address, problem.message);
    }
    insta::assert_snapshot!(said, @r#"
    vpc cidr_block: "10.0.1.0/16" is not in canonical form: expected "10.0.0.0/16"
    vpc secondary_cidr_blocks[0]: 192.168.0.0/24 is in 192.168.0.0/16: the primary block is in 10.0.0.0/8, and AWS takes no block of another private range
    vpc secondary_cidr_blocks[1]: /8: expected /16 to /28
    vpc secondary_cidr_blocks[1]: 10.0.0.0/8 overlaps 10.0.0.0/16: expected blocks apart
    vpc enable_dns_hostnames: needs `enable_dns_support`, which is off
    overlapping cidr_block: 10.0.0.128/25 overlaps 10.0.0.0/24 of `first`
    outside cidr_block: 172.16.0.0/24 is not inside its VPC `vpc`, which has 10.0.1.0/16, 192.168.0.0/24, 10.0.0.0/8
    huge cidr_block: /8: expected /16 to /28
    huge cidr_block: 10.0.0.0/8 overlaps 10.0.0.0/24 of `first`
    huge cidr_block: 10.0.0.0/8 overlaps 10.0.0.128/25 of `overlapping`
    huge map_customer_owned_ip_on_launch: needs `customer_owned_ipv4_pool`
    huge map_customer_owned_ip_on_launch: needs `outpost_arn`
    gateway-too vpc_id: `gateway` is attached to the same VPC, which takes one gateway
    public-nat allocation_id: not set: a public NAT gateway needs it
    private-nat private_ip: 10.9.9.9 is not inside its subnet's 10.0.0.0/24
    host-bits destination: "10.1.2.3/8" is not in canonical form: expected "10.0.0.0/8"
    private-out target: the NAT gateway is private: it does not lead to the internet
    twice destination: `private-out` is the route of the same table for the same destination
    twice target: the NAT gateway is private: it does not lead to the internet
    ipv6 target: a NAT gateway carries IPv6 for 64:ff9b::/96 only, and this is for ::/0: expected an egress-only internet gateway
    association subnet_id: `first` is in `vpc`, and its table `foreign` is in `elsewhere`
    group description: "naïve" has 'ï': expected only letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*
    group name: "sg-mine" starts with `sg-`, as ids do
    no-ports cidr_ipv4: "10.0.0.1/8" is not in canonical form: expected "10.0.0.0/8"
    no-ports from_port: not set: tcp needs it
    no-ports to_port: not set: tcp needs it
    backwards cidr_ipv6: cidr_ipv4, cidr_ipv6 are set: expected only one
    backwards ip_protocol: "6" is not how AWS shows it: expected "tcp"
    backwards to_port: 8 is before `from_port`, 9
    ports-of-all : none is set: expected one of cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_security_group_id
    ports-of-all from_port: the protocol -1 has no ports: expected none
    endpoint policy: the document is not JSON: expected ident at line 1 column 2
    endpoint subnet_ids: set: an endpoint of type Gateway has none
    endpoint service_name: only S3 and DynamoDB have gateway endpoints, and "com.amazonaws.eu-west-1.ssm" is neither: expected `vpc_endpoint_type` to be "Interface"
    endpoint-too vpc_endpoint_type: "interface" is unknown: expected one of Gateway, Interface, GatewayLoadBalancer, Resource, ServiceNetwork
    endpoint-too private_dns_enabled: needs `enable_dns_support` of `vpc`, which is off
    "#);
}
