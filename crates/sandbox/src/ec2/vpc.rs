//! VPCs, and what comes into being with each: main route table, default group, default ACL.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{
    cidr, dhcp_options,
    internet_gateway::{EgressOnlyGateway, InternetGateway},
    network_acl, route_table, security_group,
    subnet::Subnet,
    vpc_cidr,
    vpc_endpoint::Endpoint,
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    params::Params,
    row::Row,
    tags,
    time::Millis,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateDefaultVpc", create_default),
    ("CreateVpc", create),
    ("DeleteVpc", delete),
    ("DescribeVpcs", describe_vpcs),
    ("ModifyVpcTenancy", modify_tenancy),
];

/// A VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) cidr: Ipv4Net,
    /// All IPv4 blocks, the primary one first.
    pub(crate) blocks: Vec<Block<Ipv4Net>>,
    pub(crate) ipv6_blocks: Vec<Block<Ipv6Net>>,
    pub(crate) tenancy: String,
    pub(crate) dhcp_options: String,
    pub(crate) is_default: bool,
    pub(crate) dns_support: bool,
    pub(crate) dns_hostnames: bool,
    pub(crate) usage_metrics: bool,
    pub(crate) created: Millis,
}

/// A CIDR block associated with a VPC or a subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Block<Net> {
    pub(crate) association: String,
    pub(crate) cidr: Net,
}

impl Row for Vpc {
    const KIND: &'static str = "vpc";
    const PREFIX: &'static str = "vpc";
    const ERROR: &'static str = "InvalidVpcID";
    const NOUN: &'static str = "vpc ID";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Vpc {
    /// Tells whether an IPv4 block lies within one of the VPC's.
    pub(crate) fn contains(&self, cidr: Ipv4Net) -> bool {
        self.blocks.iter().any(|block| block.cidr.contains(&cidr))
    }
}

/// The sets of what belongs to a VPC; the first of each of the last three comes with the VPC.
pub(crate) const SUBNETS: &str = "vpc-subnets";
/// Security groups.
pub(crate) const GROUPS: &str = "vpc-groups";
/// Route tables.
pub(crate) const TABLES: &str = "vpc-route-tables";
/// Endpoints that are not deleted.
pub(crate) const ENDPOINTS: &str = "vpc-endpoints";
/// Internet gateways, egress-only ones included.
pub(crate) const GATEWAYS: &str = "vpc-gateways";

const FILTERS: &[&str] = &[
    "cidr",
    "cidr-block-association.association-id",
    "cidr-block-association.cidr-block",
    "cidr-block-association.state",
    "dhcp-options-id",
    "ipv6-cidr-block-association.association-id",
    "ipv6-cidr-block-association.ipv6-cidr-block",
    "is-default",
    "owner-id",
    "state",
    "vpc-id",
];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let text = params.required("CidrBlock")?;
    let cidr = cidr::ipv4("cidrBlock", &text)?;
    check_size(cidr)?;
    let tenancy = tenancy(&params)?.unwrap_or_else(|| "default".to_owned());
    let tags = tags::specification(&params, "vpc")?;
    let provide_ipv6 = params.flag("AmazonProvidedIpv6CidrBlock")? == Some(true);
    let mut vpc = new(call, cidr, tenancy, false);
    if provide_ipv6 {
        let block = vpc_cidr::provide_ipv6(call);
        vpc.ipv6_blocks.push(block);
    }
    call.set_tags(&vpc.id, tags);
    found(call, &vpc);
    Ok(Xml::new().node("vpc", xml(call, &vpc)).into())
}

fn create_default(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    if let Some(existing) = call.rows::<Vpc>().into_iter().find(|vpc| vpc.is_default) {
        return Err(ApiError::new(
            "DefaultVpcAlreadyExists",
            format!(
                "A Default VPC already exists for this account in this region: {}",
                existing.id
            ),
        ));
    }
    let cidr = cidr::ipv4("cidrBlock", "172.31.0.0/16")?;
    let mut vpc = new(call, cidr, "default".to_owned(), true);
    vpc.dns_hostnames = true;
    found(call, &vpc);
    super::subnet::create_defaults(call, &vpc)?;
    super::internet_gateway::create_default(call, &vpc);
    Ok(Xml::new().node("vpc", xml(call, &vpc)).into())
}

fn new(call: &mut Call<'_>, cidr: Ipv4Net, tenancy: String, is_default: bool) -> Vpc {
    let association = call.new_id("vpc-cidr-assoc");
    Vpc {
        id: call.new_id("vpc"),
        cidr,
        blocks: vec![Block { association, cidr }],
        ipv6_blocks: Vec::new(),
        tenancy,
        dhcp_options: dhcp_options::default(call),
        is_default,
        dns_support: true,
        dns_hostnames: false,
        usage_metrics: false,
        created: call.now,
    }
}

/// Writes a new VPC and all that comes with it.
fn found(call: &mut Call<'_>, vpc: &Vpc) {
    call.put(vpc);
    route_table::create_main(call, vpc);
    security_group::create_default(call, vpc);
    network_acl::create_default(call, vpc);
}

fn describe_vpcs(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let owner = call.account.clone();
    let page = describe::<Vpc>(call, "VpcId", FILTERS, |vpc, filter| match filter {
        "cidr" => vec![vpc.cidr.to_string()],
        "cidr-block-association.association-id" => {
            vpc.blocks.iter().map(|block| block.association.clone()).collect()
        }
        "cidr-block-association.cidr-block" => {
            vpc.blocks.iter().map(|block| block.cidr.to_string()).collect()
        }
        "cidr-block-association.state" => vec!["associated".into()],
        "dhcp-options-id" => vec![vpc.dhcp_options.clone()],
        "ipv6-cidr-block-association.association-id" => {
            vpc.ipv6_blocks.iter().map(|block| block.association.clone()).collect()
        }
        "ipv6-cidr-block-association.ipv6-cidr-block" => {
            vpc.ipv6_blocks.iter().map(|block| block.cidr.to_string()).collect()
        }
        "is-default" => vec![vpc.is_default.to_string()],
        "owner-id" => vec![owner.clone()],
        "state" => vec![state(call, vpc).to_owned()],
        _ => vec![vpc.id.clone()],
    })?;
    Ok(page.xml("vpcSet", |vpc| xml(call, vpc)).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let vpc: Vpc = call.find(&call.params.required("VpcId")?)?;
    let groups = call.linked_rows::<security_group::SecurityGroup>(GROUPS, &vpc.id);
    let tables = call.linked_rows::<route_table::RouteTable>(TABLES, &vpc.id);
    let held_by_group = groups.iter().find_map(|group| security_group::user(call, &group.id));
    if let Some(dependent) = dependent(call, &vpc.id).or(held_by_group) {
        return Err(ApiError::dependency(format!(
            "The vpc '{}' has dependencies and cannot be deleted. ({dependent})",
            vpc.id
        )));
    }
    for group in groups {
        security_group::remove(call, &group);
    }
    for table in tables {
        route_table::remove(call, &table);
    }
    network_acl::remove_default(call, &vpc.id);
    call.remove::<Vpc>(&vpc.id);
    Ok(Answer::done())
}

/// Something in a VPC that did not come with it.
fn dependent(call: &Call<'_>, vpc: &str) -> Option<String> {
    fn ids<T: Row>(rows: Vec<T>) -> impl Iterator<Item = String> {
        rows.into_iter().map(|row| row.id().to_owned())
    }
    let mut groups = call.linked_rows::<security_group::SecurityGroup>(GROUPS, vpc);
    groups.retain(|group| !group.is_default());
    let mut tables = call.linked_rows::<route_table::RouteTable>(TABLES, vpc);
    tables.retain(|table| !table.is_main);
    ids(call.linked_rows::<Subnet>(SUBNETS, vpc))
        .chain(ids(call.linked_rows::<InternetGateway>(GATEWAYS, vpc)))
        .chain(ids(call.linked_rows::<EgressOnlyGateway>(GATEWAYS, vpc)))
        .chain(ids(groups))
        .chain(ids(tables))
        .chain(ids(call.linked_rows::<Endpoint>(ENDPOINTS, vpc)))
        .next()
}

fn modify_tenancy(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut vpc: Vpc = call.find(&params.required("VpcId")?)?;
    params.required("InstanceTenancy")?;
    // Dedicated can be given up, but not taken on later.
    if let Some(tenancy) = params.choice("InstanceTenancy", &["default"])? {
        vpc.tenancy = tenancy;
    }
    call.put(&vpc);
    Ok(Answer::done())
}

fn tenancy(params: &Params) -> Result<Option<String>, ApiError> {
    params.choice("InstanceTenancy", &["default", "dedicated"])
}

/// A VPC's blocks are from /16 to /28
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>).
pub(crate) fn check_size(cidr: Ipv4Net) -> Result<(), ApiError> {
    if (16..=28).contains(&cidr.prefix_len()) {
        return Ok(());
    }
    Err(ApiError::new("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")))
}

fn state(call: &Call<'_>, vpc: &Vpc) -> &'static str {
    if call.settled(vpc.created) { "available" } else { "pending" }
}

fn xml(call: &Call<'_>, vpc: &Vpc) -> Xml {
    let xml = Xml::new()
        .text("vpcId", &vpc.id)
        .text("ownerId", &call.account)
        .text("state", state(call, vpc))
        .text("cidrBlock", vpc.cidr)
        .items(
            "cidrBlockAssociationSet",
            vpc.blocks.iter().map(|block| block_xml(block, "associated")),
        )
        .items(
            "ipv6CidrBlockAssociationSet",
            vpc.ipv6_blocks.iter().map(|block| block6_xml(call, block, "associated")),
        )
        .text("dhcpOptionsId", &vpc.dhcp_options)
        .text("instanceTenancy", &vpc.tenancy)
        .text("isDefault", vpc.is_default);
    tags::xml(xml, &call.tags(&vpc.id))
}

/// An IPv4 block's association, as VPCs show it.
pub(crate) fn block_xml(block: &Block<Ipv4Net>, state: &str) -> Xml {
    Xml::new()
        .text("associationId", &block.association)
        .text("cidrBlock", block.cidr)
        .node("cidrBlockState", Xml::new().text("state", state))
}

/// An IPv6 block's association, as VPCs show it.
pub(crate) fn block6_xml(call: &Call<'_>, block: &Block<Ipv6Net>, state: &str) -> Xml {
    subnet_block6_xml(block, state)
        .text("ipv6Pool", "Amazon")
        .text("networkBorderGroup", &call.region)
}

/// An IPv6 block's association, as subnets show it.
pub(crate) fn subnet_block6_xml(block: &Block<Ipv6Net>, state: &str) -> Xml {
    Xml::new()
        .text("associationId", &block.association)
        .text("ipv6CidrBlock", block.cidr)
        .node("ipv6CidrBlockState", Xml::new().text("state", state))
        .text("ipv6AddressAttribute", "public")
        .text("ipSource", "amazon")
}
