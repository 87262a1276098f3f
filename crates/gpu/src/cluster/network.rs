//! The cluster's network: nodes without public addresses, a way out, and a way to each other.

use formwork_aws::{
    Tags,
    ec2::{
        ConnectivityType, ElasticIp, InternetGateway, NatGateway, Route, RouteTable,
        RouteTableAssociation, RouteTarget, SecurityGroup, SecurityGroupEgressRule,
        SecurityGroupId, SecurityGroupIngressRule, Subnet, SubnetId, Vpc, VpcEndpoint,
        VpcEndpointType, VpcId,
    },
    lookup::InstanceType as OfferedType,
};
use formwork_core::{Output, Reference, ResourceRef, Scope};

use super::{layout::Addresses, spec::GpuCluster};

/// The policy that AWS gives an endpoint for which none is given (AWS PrivateLink Guide, "Default
/// endpoint policy"). It is declared, so that another one that was put in its place is seen: nodes
/// reach S3 through this endpoint and no other way.
///
/// Interface endpoints have none declared: not every AWS service takes one (same page).
const FULL_ACCESS: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// What the rest of the cluster needs of the network.
pub(super) struct Network {
    pub(super) vpc_id: Output<VpcId>,
    pub(super) security_group_id: Output<SecurityGroupId>,
    pub(super) zone: Output<String>,
    pub(super) groups: Vec<Output<SubnetId>>,
    /// What must be there before a node can reach anything.
    pub(super) way_out: Vec<ResourceRef>,
}

/// The cluster's tags and a name.
pub(super) fn named(cluster: &GpuCluster, name: String) -> Tags {
    let mut tags = cluster.tags.clone();
    tags.entry("Name".to_owned()).or_insert(name);
    tags
}

pub(super) fn declare(
    cluster: &GpuCluster,
    addresses: &Addresses,
    scope: &mut Scope<'_>,
) -> Network {
    let stack = scope.stack();
    let zone = zone(cluster, scope);
    let tags = |name: &str| named(cluster, format!("{stack}-{name}"));
    let text = |net: Option<ipnet::Ipv4Net>| net.map(|net| net.to_string()).unwrap_or_default();
    let vpc = Vpc::builder()
        .cidr_block(text(addresses.vpc))
        .enable_dns_support(true)
        .enable_dns_hostnames(true)
        .tags(tags("vpc"))
        .build();
    let vpc = scope.add("vpc", vpc);
    // A VPC has one internet gateway at most (VPC User Guide, "Amazon VPC quotas").
    let gateway = InternetGateway::builder().vpc_id(&vpc.id).tags(tags("internet")).build();
    let gateway = scope.add("internet-gateway", gateway);

    let public = Subnet::builder()
        .vpc_id(&vpc.id)
        .cidr_block(text(addresses.public))
        .availability_zone(&zone)
        .tags(tags("public"))
        .build();
    let public = scope.add("public-subnet", public);
    let public_table = RouteTable::builder().vpc_id(&vpc.id).tags(tags("public")).build();
    let public_table = scope.add("public-routes", public_table);
    let to_internet = Route::builder()
        .route_table_id(&public_table.id)
        .destination("0.0.0.0/0")
        .target(RouteTarget::internet_gateway(&gateway.id))
        .build();
    let to_internet = scope.add("public-default-route", to_internet);
    let association = RouteTableAssociation::builder()
        .route_table_id(&public_table.id)
        .subnet_id(&public.id)
        .build();
    let association = scope.add("public-routes-association", association);

    let address = scope.add("nat-address", ElasticIp::builder().tags(tags("nat")).build());
    let nat = NatGateway::builder()
        .connectivity_type(ConnectivityType::Public)
        .subnet_id(&public.id)
        .allocation_id(&address.id)
        .tags(tags("nat"))
        .build()
        .after(&to_internet)
        .after(&association)
        // AWS does not detach an internet gateway while a public address of the VPC is in use
        // (EC2 API Reference, DetachInternetGateway).
        .replace_with(&gateway.id);
    let nat = scope.add("nat-gateway", nat);
    let private_table = RouteTable::builder().vpc_id(&vpc.id).tags(tags("private")).build();
    let private_table = scope.add("private-routes", private_table);
    let outward = Route::builder()
        .route_table_id(&private_table.id)
        .destination("0.0.0.0/0")
        .target(RouteTarget::nat_gateway(&nat.id))
        .build();
    let outward = scope.add("private-default-route", outward);

    let group = SecurityGroup::builder()
        .vpc_id(&vpc.id)
        .description("All traffic between the nodes of the cluster, and out of it")
        .tags(tags("nodes"))
        .build();
    let group = scope.add("nodes-group", group);
    // EFA needs all traffic to and from the group itself, both ways named by the group
    // (EC2 User Guide, "Prepare an EFA-enabled security group").
    let within_in = SecurityGroupIngressRule::builder()
        .security_group_id(&group.id)
        .ip_protocol("-1")
        .referenced_security_group_id(&group.id)
        .description("EFA and everything else between nodes")
        .build();
    let within_in = scope.add("nodes-from-nodes", within_in);
    let within_out = SecurityGroupEgressRule::builder()
        .security_group_id(&group.id)
        .ip_protocol("-1")
        .referenced_security_group_id(&group.id)
        .description("EFA and everything else between nodes")
        .build();
    let within_out = scope.add("nodes-to-nodes", within_out);
    let out = SecurityGroupEgressRule::builder()
        .security_group_id(&group.id)
        .ip_protocol("-1")
        .cidr_ipv4("0.0.0.0/0")
        .description("Packages and AWS services")
        .build();
    let out = scope.add("nodes-to-internet", out);

    let mut way_out = outward.references();
    for reference in [within_in.references(), within_out.references(), out.references()] {
        way_out.extend(reference);
    }
    let mut groups = Vec::new();
    for (declared, range) in cluster.groups.iter().zip(&addresses.groups) {
        let subnet = Subnet::builder()
            .vpc_id(&vpc.id)
            .cidr_block(text(*range))
            .availability_zone(&zone)
            .tags(tags(&declared.name))
            .build();
        let subnet = scope.add(format!("{}-subnet", declared.name), subnet);
        let association = RouteTableAssociation::builder()
            .route_table_id(&private_table.id)
            .subnet_id(&subnet.id)
            .build();
        let association = scope.add(format!("{}-routes-association", declared.name), association);
        way_out.extend(association.references());
        groups.push(subnet.id);
    }
    let service = |name: &str| format!("com.amazonaws.{}.{name}", cluster.region);
    if cluster.network.s3_endpoint {
        let endpoint = VpcEndpoint::builder()
            .vpc_id(&vpc.id)
            .service_name(service("s3"))
            .vpc_endpoint_type(VpcEndpointType::Gateway)
            .route_table_ids([&private_table.id])
            .policy(FULL_ACCESS)
            .tags(tags("s3"))
            .build();
        scope.add("endpoint-s3", endpoint);
    }
    for name in &cluster.network.interface_endpoints {
        let Some(subnet) = groups.first() else { break };
        let endpoint = VpcEndpoint::builder()
            .vpc_id(&vpc.id)
            .service_name(service(name))
            .vpc_endpoint_type(VpcEndpointType::Interface)
            .subnet_ids([subnet])
            .security_group_ids([&group.id])
            .private_dns_enabled(true)
            .tags(tags(name))
            .build();
        scope.add(format!("endpoint-{name}"), endpoint);
    }
    Network { vpc_id: vpc.id, security_group_id: group.id, zone, groups, way_out }
}

/// The zone: the program's, if it offers every type of the cluster, or the first that does.
fn zone(cluster: &GpuCluster, scope: &mut Scope<'_>) -> Output<String> {
    let mut types: Vec<String> = cluster.groups.iter().map(|g| g.instance_type.clone()).collect();
    types.sort();
    types.dedup();
    let mut offered = Vec::new();
    for name in &types {
        // A type that no table knows has been reported already; AWS is not asked about it.
        if crate::instance_type::InstanceType::named(name).is_err() {
            continue;
        }
        let query = OfferedType::builder().name(name.clone()).build();
        let answer = scope.lookup(format!("offer-{name}"), query);
        offered.push(answer.zones);
    }
    let wanted = cluster.zone.clone();
    let region = cluster.region.clone();
    let zone = formwork_core::all(&offered).try_map(move |zones: Vec<Vec<String>>| {
        let mut everywhere = zones.first().cloned().unwrap_or_default();
        everywhere.retain(|zone| zones.iter().all(|offered| offered.contains(zone)));
        everywhere.sort();
        let all = types.join(" and ");
        match &wanted {
            Some(zone) if everywhere.contains(zone) => Ok(zone.clone()),
            Some(zone) if everywhere.is_empty() => {
                Err(format!("{all} is not offered in {zone}, nor in any zone of {region}"))
            }
            Some(zone) => {
                Err(format!("{all} is not offered in {zone}; it is in {}", everywhere.join(", ")))
            }
            None => everywhere
                .first()
                .cloned()
                .ok_or_else(|| format!("no zone of {region} offers {all}")),
        }
    });
    scope.require(Some("zone"), &zone);
    zone
}
