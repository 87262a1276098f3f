//! Subnets.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{
    cidr, interface, network_acl, route_association,
    vpc::{Block, SUBNETS, Vpc, subnet_block6_xml},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe,
    error::ApiError,
    regions::{self, Zone},
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("CreateSubnet", create), ("DeleteSubnet", delete), ("DescribeSubnets", describe_subnets)];

/// A subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc: String,
    /// The zone's name.
    pub(crate) zone: String,
    pub(crate) zone_id: String,
    pub(crate) cidr: Ipv4Net,
    pub(crate) ipv6_blocks: Vec<Block<Ipv6Net>>,
    pub(crate) default_for_zone: bool,
    pub(crate) map_public_ip: bool,
    pub(crate) assign_ipv6: bool,
    pub(crate) dns64: bool,
    /// `ip-name` or `resource-name`.
    pub(crate) hostname_type: String,
    pub(crate) dns_a_record: bool,
    pub(crate) dns_aaaa_record: bool,
}

impl Row for Subnet {
    const KIND: &'static str = "subnet";
    const PREFIX: &'static str = "subnet";
    const ERROR: &'static str = "InvalidSubnetID";
    const NOUN: &'static str = "subnet ID";

    fn id(&self) -> &str {
        &self.id
    }
}

const FILTERS: &[&str] = &[
    "availability-zone",
    "availabilityZone",
    "availability-zone-id",
    "available-ip-address-count",
    "cidr",
    "cidr-block",
    "cidrBlock",
    "default-for-az",
    "defaultForAz",
    "enable-dns64",
    "ipv6-cidr-block-association.association-id",
    "ipv6-cidr-block-association.ipv6-cidr-block",
    "map-public-ip-on-launch",
    "owner-id",
    "state",
    "subnet-arn",
    "subnet-id",
    "vpc-id",
];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let text = params.required("CidrBlock")?;
    let cidr = cidr::ipv4("cidrBlock", &text)?;
    let ipv6 = params.optional("Ipv6CidrBlock");
    let tags = tags::specification(&params, "subnet")?;
    let zone = match (params.optional("AvailabilityZone"), params.optional("AvailabilityZoneId")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "Only one of AvailabilityZone and AvailabilityZoneId may be given",
            ));
        }
        (Some(wanted), None) | (None, Some(wanted)) => regions::zone(&call.region, &wanted)?,
        (None, None) => some_zone(call)?,
    };
    let mut subnet = new(call, &vpc, zone, cidr)?;
    if let Some(text) = ipv6 {
        let block = claim_ipv6(call, &vpc, &text)?;
        subnet.ipv6_blocks.push(block);
    }
    call.set_tags(&subnet.id, tags);
    add(call, &subnet);
    Ok(Xml::new().node("subnet", xml(call, &subnet)).into())
}

/// The subnets that a default VPC comes with: one a zone, with public addresses.
pub(crate) fn create_defaults(call: &mut Call<'_>, vpc: &Vpc) -> Result<(), ApiError> {
    let zones = regions::zones(&call.region);
    let blocks = vpc.cidr.subnets(20).map_err(|error| ApiError::internal(error.to_string()))?;
    for (zone, cidr) in zones.into_iter().zip(blocks) {
        let mut subnet = new(call, vpc, zone, cidr)?;
        subnet.default_for_zone = true;
        subnet.map_public_ip = true;
        add(call, &subnet);
    }
    Ok(())
}

fn new(call: &mut Call<'_>, vpc: &Vpc, zone: Zone, cidr: Ipv4Net) -> Result<Subnet, ApiError> {
    if !(16..=28).contains(&cidr.prefix_len()) || !vpc.contains(cidr) {
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let neighbours = call.linked_rows::<Subnet>(SUBNETS, &vpc.id);
    if neighbours.iter().any(|subnet| cidr::overlap(subnet.cidr, cidr)) {
        return Err(ApiError::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet"),
        ));
    }
    Ok(Subnet {
        id: call.new_id("subnet"),
        vpc: vpc.id.clone(),
        zone: zone.name,
        zone_id: zone.id,
        cidr,
        ipv6_blocks: Vec::new(),
        default_for_zone: false,
        map_public_ip: false,
        assign_ipv6: false,
        dns64: false,
        hostname_type: "ip-name".to_owned(),
        dns_a_record: false,
        dns_aaaa_record: false,
    })
}

fn add(call: &mut Call<'_>, subnet: &Subnet) {
    call.put(subnet);
    call.link(SUBNETS, &subnet.vpc, &subnet.id);
    network_acl::associate_default(call, &subnet.vpc, &subnet.id);
}

/// Takes a /64 of the VPC's IPv6 blocks that no other subnet has.
pub(crate) fn claim_ipv6(
    call: &mut Call<'_>,
    vpc: &Vpc,
    text: &str,
) -> Result<Block<Ipv6Net>, ApiError> {
    let cidr = cidr::ipv6("ipv6CidrBlock", text)?;
    if cidr.prefix_len() != 64 || !vpc.ipv6_blocks.iter().any(|block| block.cidr.contains(&cidr)) {
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let neighbours = call.linked_rows::<Subnet>(SUBNETS, &vpc.id);
    let mut taken = neighbours.iter().flat_map(|subnet| &subnet.ipv6_blocks);
    if taken.any(|block| cidr::overlap6(block.cidr, cidr)) {
        return Err(ApiError::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet"),
        ));
    }
    Ok(Block { association: call.new_id("subnet-cidr-assoc"), cidr })
}

fn some_zone(call: &mut Call<'_>) -> Result<Zone, ApiError> {
    let zones = regions::zones(&call.region);
    let pick = call.random() as usize % zones.len().max(1);
    zones.into_iter().nth(pick).ok_or_else(|| ApiError::internal("the region has no zones"))
}

fn describe_subnets(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let owner = call.account.clone();
    let page = describe::<Subnet>(call, "SubnetId", FILTERS, |subnet, filter| match filter {
        "availability-zone" | "availabilityZone" => vec![subnet.zone.clone()],
        "availability-zone-id" => vec![subnet.zone_id.clone()],
        "available-ip-address-count" => {
            vec![interface::free_addresses(call, subnet).to_string()]
        }
        "cidr" | "cidr-block" | "cidrBlock" => vec![subnet.cidr.to_string()],
        "default-for-az" | "defaultForAz" => vec![subnet.default_for_zone.to_string()],
        "enable-dns64" => vec![subnet.dns64.to_string()],
        "ipv6-cidr-block-association.association-id" => {
            subnet.ipv6_blocks.iter().map(|block| block.association.clone()).collect()
        }
        "ipv6-cidr-block-association.ipv6-cidr-block" => {
            subnet.ipv6_blocks.iter().map(|block| block.cidr.to_string()).collect()
        }
        "map-public-ip-on-launch" => vec![subnet.map_public_ip.to_string()],
        "owner-id" => vec![owner.clone()],
        "state" => vec!["available".to_owned()],
        "subnet-arn" => vec![arn(call, subnet)],
        "vpc-id" => vec![subnet.vpc.clone()],
        _ => vec![subnet.id.clone()],
    })?;
    Ok(page.xml("subnetSet", |subnet| xml(call, subnet)).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let subnet: Subnet = call.find(&call.params.required("SubnetId")?)?;
    if let Some(user) = interface::first_in_subnet(call, &subnet.id) {
        return Err(ApiError::dependency(format!(
            "The subnet '{}' has dependencies and cannot be deleted. ({user})",
            subnet.id
        )));
    }
    // Unlike its interfaces, what a subnet is associated with does not hold it.
    route_association::forget_subnet(call, &subnet.id);
    network_acl::forget_subnet(call, &subnet.vpc, &subnet.id);
    call.unlink(SUBNETS, &subnet.vpc, &subnet.id);
    call.remove::<Subnet>(&subnet.id);
    Ok(Answer::done())
}

fn arn(call: &Call<'_>, subnet: &Subnet) -> String {
    format!("arn:aws:ec2:{}:{}:subnet/{}", call.region, call.account, subnet.id)
}

fn xml(call: &Call<'_>, subnet: &Subnet) -> Xml {
    let options = Xml::new()
        .text("hostnameType", &subnet.hostname_type)
        .text("enableResourceNameDnsARecord", subnet.dns_a_record)
        .text("enableResourceNameDnsAAAARecord", subnet.dns_aaaa_record);
    let xml = Xml::new()
        .text("subnetId", &subnet.id)
        .text("subnetArn", arn(call, subnet))
        .text("state", "available")
        .text("ownerId", &call.account)
        .text("vpcId", &subnet.vpc)
        .text("cidrBlock", subnet.cidr)
        .items(
            "ipv6CidrBlockAssociationSet",
            subnet.ipv6_blocks.iter().map(|block| subnet_block6_xml(block, "associated")),
        )
        .text("availableIpAddressCount", interface::free_addresses(call, subnet))
        .text("availabilityZone", &subnet.zone)
        .text("availabilityZoneId", &subnet.zone_id)
        .text("defaultForAz", subnet.default_for_zone)
        .text("mapPublicIpOnLaunch", subnet.map_public_ip)
        .text("mapCustomerOwnedIpOnLaunch", false)
        .text("assignIpv6AddressOnCreation", subnet.assign_ipv6)
        .text("enableDns64", subnet.dns64)
        .text("ipv6Native", false)
        .node("privateDnsNameOptionsOnLaunch", options);
    tags::xml(xml, &call.tags(&subnet.id))
}
