//! Further CIDR blocks of VPCs.

use std::net::Ipv6Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{
    cidr,
    subnet::Subnet,
    vpc::{Block, SUBNETS, Vpc, block_xml, block6_xml, check_size},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("AssociateVpcCidrBlock", associate), ("DisassociateVpcCidrBlock", disassociate)];

fn associate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let answer = Xml::new().text("vpcId", &vpc.id);
    let provide_ipv6 = params.flag("AmazonProvidedIpv6CidrBlock")? == Some(true);
    let answer = match (params.optional("CidrBlock"), provide_ipv6) {
        (Some(text), false) => {
            let cidr = cidr::ipv4("cidrBlock", &text)?;
            check_size(cidr)?;
            if vpc.blocks.iter().any(|block| cidr::overlap(block.cidr, cidr)) {
                return Err(ApiError::new(
                    "InvalidVpc.Range",
                    format!("The CIDR '{cidr}' conflicts with another CIDR of {}", vpc.id),
                ));
            }
            check_secondary(&vpc, cidr)?;
            let block = Block { association: call.new_id("vpc-cidr-assoc"), cidr };
            let xml = block_xml(&block, "associating");
            vpc.blocks.push(block);
            answer.node("cidrBlockAssociation", xml)
        }
        (None, true) => {
            let block = provide_ipv6_to(call, &vpc)?;
            let xml = block6_xml(call, &block, "associating");
            vpc.ipv6_blocks.push(block);
            answer.node("ipv6CidrBlockAssociation", xml)
        }
        (None, false) => return Err(ApiError::missing("CidrBlock")),
        (Some(_), true) => {
            return Err(ApiError::combination(
                "Either an IPv4 CIDR block or an IPv6 CIDR block can be associated, not both",
            ));
        }
    };
    call.put(&vpc);
    Ok(answer.into())
}

fn disassociate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let association = call.params.required("AssociationId")?;
    let unknown = || {
        ApiError::new(
            "InvalidVpcCidrBlockAssociationID.NotFound",
            format!("The vpc CIDR block association ID '{association}' does not exist"),
        )
    };
    let owns = |vpc: &Vpc| {
        vpc.blocks.iter().any(|block| block.association == association)
            || vpc.ipv6_blocks.iter().any(|block| block.association == association)
    };
    let mut vpc = call.visible::<Vpc>().into_iter().find(owns).ok_or_else(unknown)?;
    let subnets = call.linked_rows::<Subnet>(SUBNETS, &vpc.id);
    let in_use = || {
        ApiError::new(
            "InvalidCidrBlock.InUse",
            format!("The CIDR block of association {association} is used by a subnet"),
        )
    };
    let answer = Xml::new().text("vpcId", &vpc.id);
    let answer = match vpc.blocks.iter().position(|block| block.association == association) {
        Some(0) => {
            return Err(ApiError::new(
                "OperationNotPermitted",
                format!(
                    "The vpc CIDR block with association ID {association} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
                ),
            ));
        }
        Some(place) => {
            let block = vpc.blocks.remove(place);
            if subnets.iter().any(|subnet| block.cidr.contains(&subnet.cidr)) {
                return Err(in_use());
            }
            answer.node("cidrBlockAssociation", block_xml(&block, "disassociating"))
        }
        None => {
            let Some(place) =
                vpc.ipv6_blocks.iter().position(|block| block.association == association)
            else {
                return Err(unknown());
            };
            let block = vpc.ipv6_blocks.remove(place);
            let uses = |subnet: &Subnet| {
                subnet.ipv6_blocks.iter().any(|own| block.cidr.contains(&own.cidr))
            };
            if subnets.iter().any(uses) {
                return Err(in_use());
            }
            answer.node("ipv6CidrBlockAssociation", block6_xml(call, &block, "disassociating"))
        }
    };
    call.put(&vpc);
    Ok(answer.into())
}

/// A secondary block must not come from another private range than the primary one
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions>).
fn check_secondary(vpc: &Vpc, cidr: Ipv4Net) -> Result<(), ApiError> {
    let range = |net: Ipv4Net| match net.network().octets() {
        [10, ..] => Some(10),
        [172, second, ..] if (16..32).contains(&second) => Some(172),
        [192, 168, ..] => Some(192),
        [198, 18 | 19, ..] => Some(198),
        _ => None,
    };
    match (range(vpc.cidr), range(cidr)) {
        (Some(own), Some(other)) if own != other => Err(ApiError::new(
            "InvalidVpc.Range",
            format!(
                "The CIDR '{cidr}' is restricted. Use a CIDR from the same private address range \
                 as the current VPC CIDR, or use a publicly-routable CIDR."
            ),
        )),
        _ => Ok(()),
    }
}

fn provide_ipv6_to(call: &mut Call<'_>, vpc: &Vpc) -> Result<Block<Ipv6Net>, ApiError> {
    if !vpc.ipv6_blocks.is_empty() {
        return Err(ApiError::new(
            "CidrLimitExceeded",
            format!(
                "The number of Amazon-provided IPv6 CIDR blocks of {} is at its limit of 1",
                vpc.id
            ),
        ));
    }
    Ok(provide_ipv6(call))
}

/// A fresh Amazon-provided /56.
pub(crate) fn provide_ipv6(call: &mut Call<'_>) -> Block<Ipv6Net> {
    // 2600:1f00::/24 is Amazon's; the next 32 bits are the block's own.
    let own = (call.random() >> 32) as u128;
    let bits = (0x0026_001f_u128 << 104) | (own << 72);
    let cidr = Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), 56).trunc();
    Block { association: call.new_id("vpc-cidr-assoc"), cidr }
}
