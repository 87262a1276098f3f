//! The address blocks of a VPC beside its primary one.
//! <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>

use aws_sdk_ec2::types;
use formwork_core::{Check, ProviderError};
use ipnet::Ipv4Net;

use super::vpc::{Vpc, VpcId};
use crate::{
    check, cidr,
    client::Clients,
    error::{Named, unless_absent},
    retry::while_unseen,
};

/// The inputs this file is about.
pub(crate) const FIELDS: [&str; 7] = [
    "secondary_cidr_blocks",
    "assign_generated_ipv6_cidr_block",
    "ipv6_cidr_block",
    "ipv6_pool",
    "ipv6_ipam_pool_id",
    "ipv6_netmask_length",
    "ipv6_cidr_block_network_border_group",
];

/// Those that say what IPv6 block there is.
pub(crate) const IPV6_FIELDS: &[&str] = FIELDS.split_at(1).1;

/// The IPv6 block that the VPC has, or is getting.
pub(crate) fn ipv6(vpc: &types::Vpc) -> Option<&types::VpcIpv6CidrBlockAssociation> {
    vpc.ipv6_cidr_block_association_set()
        .iter()
        .find(|block| is_kept(block.ipv6_cidr_block_state()))
}

/// Whether Amazon chose the block.
pub(crate) fn is_from_amazon(block: &types::VpcIpv6CidrBlockAssociation) -> bool {
    block.ipv6_pool() == Some("Amazon")
}

/// The blocks beside the primary one, sorted.
pub(crate) fn secondary(vpc: &types::Vpc) -> Vec<String> {
    let mut blocks: Vec<String> =
        secondary_associations(vpc).filter_map(|block| block.cidr_block.clone()).collect();
    blocks.sort_unstable();
    blocks
}

/// Whether no block is on its way in or out.
pub(crate) fn are_settled(vpc: &types::Vpc) -> bool {
    let states = vpc.cidr_block_association_set().iter().map(|block| block.cidr_block_state());
    let ipv6 = vpc.ipv6_cidr_block_association_set().iter();
    states.chain(ipv6.map(|block| block.ipv6_cidr_block_state())).all(|state| {
        !matches!(
            state.and_then(|state| state.state()),
            Some(
                types::VpcCidrBlockStateCode::Associating
                    | types::VpcCidrBlockStateCode::Disassociating
            )
        )
    })
}

/// Associates and disassociates what it takes for `vpc` to have the blocks that `wanted` says. An
/// IPv6 block that is there is kept.
pub(crate) async fn write(
    clients: &Clients,
    id: &VpcId,
    vpc: &types::Vpc,
    wanted: &Vpc,
) -> Result<(), ProviderError> {
    let extra = secondary_associations(vpc).filter(|block| {
        !block.cidr_block().is_some_and(|b| wanted.secondary_cidr_blocks.iter().any(|w| w == b))
    });
    for block in extra {
        disassociate(clients, block.association_id()).await?;
    }
    let here = secondary(vpc);
    for block in wanted.secondary_cidr_blocks.iter().filter(|block| !here.contains(block)) {
        let call = clients.ec2_once().associate_vpc_cidr_block().vpc_id(id.as_str());
        let call = call.cidr_block(block);
        while_unseen(clients, || async {
            call.clone().send().await.named("ec2:AssociateVpcCidrBlock")
        })
        .await?;
    }
    if wants_ipv6(wanted) && ipv6(vpc).is_none() {
        let mut call = clients.ec2_once().associate_vpc_cidr_block().vpc_id(id.as_str());
        if wanted.assign_generated_ipv6_cidr_block {
            call = call.amazon_provided_ipv6_cidr_block(true);
        } else {
            call = call
                .set_ipv6_cidr_block(wanted.ipv6_cidr_block.clone())
                .set_ipv6_pool(wanted.ipv6_pool.clone())
                .set_ipv6_ipam_pool_id(wanted.ipv6_ipam_pool_id.clone())
                .set_ipv6_netmask_length(wanted.ipv6_netmask_length.map(i32::from));
        }
        let group = wanted.ipv6_cidr_block_network_border_group.clone();
        let call = call.set_ipv6_cidr_block_network_border_group(group);
        while_unseen(clients, || async {
            call.clone().send().await.named("ec2:AssociateVpcCidrBlock")
        })
        .await?;
    }
    Ok(())
}

/// Disassociates the IPv6 block, if there is one.
pub(crate) async fn remove_ipv6(clients: &Clients, vpc: &types::Vpc) -> Result<(), ProviderError> {
    match ipv6(vpc) {
        Some(block) => disassociate(clients, block.association_id()).await,
        None => Ok(()),
    }
}

async fn disassociate(clients: &Clients, association: Option<&str>) -> Result<(), ProviderError> {
    let Some(association) = association else { return Ok(()) };
    let call = clients.ec2().disassociate_vpc_cidr_block().association_id(association);
    unless_absent(call.send().await.named("ec2:DisassociateVpcCidrBlock"))
}

fn wants_ipv6(vpc: &Vpc) -> bool {
    vpc.assign_generated_ipv6_cidr_block
        || vpc.ipv6_pool.is_some()
        || vpc.ipv6_ipam_pool_id.is_some()
}

fn secondary_associations(
    vpc: &types::Vpc,
) -> impl Iterator<Item = &types::VpcCidrBlockAssociation> {
    vpc.cidr_block_association_set()
        .iter()
        .filter(|block| block.cidr_block() != vpc.cidr_block() && is_kept(block.cidr_block_state()))
}

fn is_kept(state: Option<&types::VpcCidrBlockState>) -> bool {
    matches!(
        state.and_then(|state| state.state()),
        Some(types::VpcCidrBlockStateCode::Associated | types::VpcCidrBlockStateCode::Associating)
    )
}

/// Reports what is wrong with the blocks of a declaration.
pub(crate) fn validate(check: &mut Check<'_>) {
    let primary = check.get::<String>("cidr_block").and_then(|text| text.parse().ok());
    let primary = primary.map(|block: Ipv4Net| block.trunc());
    let mut others: Vec<Ipv4Net> = primary.into_iter().collect();
    for i in 0..check::len(check, "secondary_cidr_blocks") {
        let field = format!("secondary_cidr_blocks[{i}]");
        let Some(block) = cidr::check_ipv4(check, &field, (16, 28)) else { continue };
        if let Some(other) = others.iter().find(|other| cidr::overlap(**other, block)) {
            check.problem(&field, format!("{block} overlaps {other}: expected blocks apart"));
        }
        // https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html#add-cidr-block-restrictions
        if let Some((own, other)) =
            primary.and_then(private_range).zip(private_range(block)).filter(|(a, b)| a != b)
        {
            check.problem(
                &field,
                format!(
                    "{block} is in {other}: the primary block is in {own}, and AWS takes no \
                         block of another private range"
                ),
            );
        }
        others.push(block);
    }

    let given = ["ipv6_pool", "ipv6_ipam_pool_id"];
    let from_pool = given.iter().any(|field| check.is_set(field));
    if check.get("assign_generated_ipv6_cidr_block") == Some(true) {
        for field in IPV6_FIELDS.iter().skip(1).take(4) {
            if check.is_set(field) {
                check.problem(field, "Amazon chooses the block: expected this not to be set");
            }
        }
    } else if !from_pool {
        for field in ["ipv6_cidr_block", "ipv6_netmask_length"] {
            if check.is_set(field) {
                check.problem(field, "needs `ipv6_pool` or `ipv6_ipam_pool_id`, which are not set");
            }
        }
    }
    check::exactly_one(check, &given, false);
    check::exactly_one(check, &["ipv6_cidr_block", "ipv6_netmask_length"], false);
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html
    cidr::check_ipv6(check, "ipv6_cidr_block", (44, 60));
    check::range(check, "ipv6_netmask_length", 44, 60);
}

/// The private range that a block is in.
fn private_range(block: Ipv4Net) -> Option<&'static str> {
    match block.network().octets() {
        [10, ..] => Some("10.0.0.0/8"),
        [172, 16..32, ..] => Some("172.16.0.0/12"),
        [192, 168, ..] => Some("192.168.0.0/16"),
        [198, 18 | 19, ..] => Some("198.18.0.0/15"),
        _ => None,
    }
}
