//! Networks.

use formwork_aws::ec2::*;
use serde_json::json;

use crate::conformance::world::{World, of};

pub(super) async fn vpc(world: &World) {
    let versions = [
        json!({"cidr_block": "10.0.0.0/16", "tags": {"Name": "a", "x": "1"}}),
        json!({"cidr_block": "10.0.0.0/16", "enable_dns_hostnames": true,
            "tags": {"Name": "b", "team": "mine"}}),
        json!({"cidr_block": "10.0.0.0/16", "enable_dns_support": false,
            "secondary_cidr_blocks": ["10.1.0.0/16"]}),
        json!({"cidr_block": "10.0.0.0/16"}),
    ];
    world.lives_and_dies(versions.map(of::<Vpc>)).await;
}

pub(super) async fn subnet(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let zone = world.zone('b');
    let versions = [
        json!({"vpc_id": vpc, "cidr_block": "10.0.1.0/24", "availability_zone": zone,
            "tags": {"Name": "a"}}),
        json!({"vpc_id": vpc, "cidr_block": "10.0.1.0/24", "availability_zone": zone,
            "map_public_ip_on_launch": true, "tags": {"Name": "b"}}),
    ];
    world.lives_and_dies(versions.map(of::<Subnet>)).await;
}

pub(super) async fn internet_gateway(world: &World) {
    let (a, b) = (world.vpc().await.outputs.id, world.vpc().await.outputs.id);
    // One for another VPC is another gateway.
    for versions in [
        [json!({"vpc_id": a, "tags": {"Name": "a"}}), json!({"vpc_id": a})],
        [json!({"vpc_id": b}), json!({"vpc_id": b, "tags": {"Name": "b"}})],
        [json!({}), json!({"tags": {"Name": "nowhere"}})],
        [json!({"vpc_id": a}), json!({"vpc_id": a, "tags": {"a": "b"}})],
    ] {
        world.lives_and_dies(versions.map(of::<InternetGateway>)).await;
    }
}

pub(super) async fn egress_only_internet_gateway(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let versions = [json!({"vpc_id": vpc}), json!({"vpc_id": vpc, "tags": {"a": "b"}})];
    world.lives_and_dies(versions.map(of::<EgressOnlyInternetGateway>)).await;
}

pub(super) async fn elastic_ip(world: &World) {
    world.lives_and_dies([json!({}), json!({"tags": {"a": "b"}})].map(of::<ElasticIp>)).await;
}

pub(super) async fn nat_gateway(world: &World) {
    let (vpc, subnet) = world.subnet().await;
    world.has(of::<InternetGateway>(json!({"vpc_id": vpc.outputs.id}))).await;
    let address = world.has(of::<ElasticIp>(json!({}))).await.outputs.id;
    let subnet = subnet.outputs.id;
    let versions = [
        json!({"subnet_id": subnet, "allocation_id": address, "tags": {"Name": "nat"}}),
        json!({"subnet_id": subnet, "allocation_id": address}),
    ];
    world.lives_and_dies(versions.map(of::<NatGateway>)).await;
}

pub(super) async fn route_table(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let versions = [json!({"vpc_id": vpc}), json!({"vpc_id": vpc, "tags": {"Name": "t"}})];
    world.lives_and_dies(versions.map(of::<RouteTable>)).await;
}

pub(super) async fn route(world: &World) {
    let (vpc, subnet) = world.subnet().await;
    let vpc = vpc.outputs.id;
    let internet = world.has(of::<InternetGateway>(json!({"vpc_id": vpc}))).await.outputs.id;
    let nat = json!({"subnet_id": subnet.outputs.id, "connectivity_type": "private"});
    let nat = world.has(of::<NatGateway>(nat)).await.outputs.id;
    let table = world.has(of::<RouteTable>(json!({"vpc_id": vpc}))).await.outputs.id;
    let to = |target| Route {
        route_table_id: table.clone(),
        destination: "0.0.0.0/0".to_owned(),
        target,
    };
    let versions = [to(RouteTarget::InternetGateway(internet)), to(RouteTarget::NatGateway(nat))];
    world.lives_and_dies(versions).await;
}

pub(super) async fn route_table_association(world: &World) {
    let (vpc, subnet) = world.subnet().await;
    let table = json!({"vpc_id": vpc.outputs.id});
    let one = world.has(of::<RouteTable>(table.clone())).await.outputs.id;
    let other = world.has(of::<RouteTable>(table)).await.outputs.id;
    let subnet = subnet.outputs.id;
    let versions = [one, other].map(|table| json!({"route_table_id": table, "subnet_id": subnet}));
    world.lives_and_dies(versions.map(of::<RouteTableAssociation>)).await;
}

pub(super) async fn security_group(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let versions = [
        json!({"vpc_id": vpc, "description": "Nodes", "tags": {"Name": "g"}}),
        json!({"vpc_id": vpc, "description": "Nodes"}),
    ];
    world.lives_and_dies(versions.map(of::<SecurityGroup>)).await;
}

pub(super) async fn ingress_rule(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let group = world.has(of::<SecurityGroup>(json!({"vpc_id": vpc}))).await.outputs.id;
    let versions = [
        json!({"security_group_id": group, "ip_protocol": "tcp", "from_port": 22, "to_port": 22,
            "cidr_ipv4": "10.0.0.0/8", "description": "shell", "tags": {"a": "b"}}),
        json!({"security_group_id": group, "ip_protocol": "tcp", "from_port": 22, "to_port": 22,
            "cidr_ipv4": "10.0.0.0/8", "description": "ssh"}),
    ];
    world.lives_and_dies(versions.map(of::<SecurityGroupIngressRule>)).await;
    let same = json!({"security_group_id": group, "ip_protocol": "-1",
        "referenced_security_group_id": group});
    world.lives_and_dies([of::<SecurityGroupIngressRule>(same)]).await;
}

pub(super) async fn egress_rule(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let group = world.has(of::<SecurityGroup>(json!({"vpc_id": vpc}))).await.outputs.id;
    let versions = [
        json!({"security_group_id": group, "ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}),
        json!({"security_group_id": group, "ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0",
            "tags": {"a": "b"}}),
    ];
    world.lives_and_dies(versions.map(of::<SecurityGroupEgressRule>)).await;
}

pub(super) async fn vpc_endpoint(world: &World) {
    let vpc = world.vpc().await.outputs.id;
    let table = world.has(of::<RouteTable>(json!({"vpc_id": vpc}))).await.outputs.id;
    let endpoint = |tables: &[&RouteTableId], tags: serde_json::Value| {
        of::<VpcEndpoint>(json!({
            "vpc_id": vpc,
            "service_name": "com.amazonaws.us-west-2.s3",
            "vpc_endpoint_type": "Gateway",
            "route_table_ids": tables,
            "tags": tags,
        }))
    };
    let versions = [
        endpoint(&[], json!({})),
        endpoint(&[], json!({"a": "b"})),
        endpoint(&[&table], json!({"a": "b"})),
    ];
    world.lives_and_dies(versions).await;
}
