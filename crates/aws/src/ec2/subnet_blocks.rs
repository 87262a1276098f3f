//! The address blocks of a subnet, and how they lie in its VPC's.
//! <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>

use aws_sdk_ec2::types::{
    Subnet as Seen, SubnetCidrBlockStateCode, SubnetIpv6CidrBlockAssociation,
};
use formwork_core::{Check, ProviderError};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::{
    check, cidr,
    client::Clients,
    error::{Named, unless_absent},
};

/// The IPv6 block that the subnet has, or is getting.
pub(crate) fn ipv6(subnet: &Seen) -> Option<&SubnetIpv6CidrBlockAssociation> {
    subnet.ipv6_cidr_block_association_set().iter().find(|block| {
        matches!(
            state(block),
            Some(SubnetCidrBlockStateCode::Associated | SubnetCidrBlockStateCode::Associating)
        )
    })
}

/// Whether no block is on its way in or out.
pub(crate) fn are_settled(subnet: &Seen) -> bool {
    subnet.ipv6_cidr_block_association_set().iter().all(|block| {
        !matches!(
            state(block),
            Some(SubnetCidrBlockStateCode::Associating | SubnetCidrBlockStateCode::Disassociating)
        )
    })
}

fn state(block: &SubnetIpv6CidrBlockAssociation) -> Option<&SubnetCidrBlockStateCode> {
    block.ipv6_cidr_block_state().and_then(|state| state.state())
}

/// Gives the subnet the IPv6 block `wanted` and no other.
pub(crate) async fn write(
    clients: &Clients,
    subnet: &Seen,
    wanted: Option<&str>,
) -> Result<(), ProviderError> {
    let here = ipv6(subnet);
    if here.and_then(|block| block.ipv6_cidr_block()) == wanted {
        return Ok(());
    }
    if let Some(association) = here.and_then(|block| block.association_id()) {
        let call = clients.ec2().disassociate_subnet_cidr_block().association_id(association);
        unless_absent(call.send().await.named("ec2:DisassociateSubnetCidrBlock"))?;
    }
    if let Some(block) = wanted {
        let call = clients.ec2_once().associate_subnet_cidr_block().ipv6_cidr_block(block);
        let call = call.set_subnet_id(subnet.subnet_id.clone());
        call.send().await.named("ec2:AssociateSubnetCidrBlock")?;
    }
    Ok(())
}

/// Reports what is wrong with the blocks of a declaration.
pub(crate) fn validate(check: &mut Check<'_>) {
    let native = check.get("ipv6_native") == Some(true);
    match (native, check.is_set("cidr_block")) {
        (true, true) => check.problem("cidr_block", "an IPv6-only subnet has no IPv4 block"),
        (false, false) => {
            check.problem("cidr_block", "not set: expected an IPv4 block, or `ipv6_native`");
        }
        _ => {}
    }
    if native && !check.is_set("ipv6_cidr_block") {
        check.problem("ipv6_cidr_block", "not set: an IPv6-only subnet needs it");
    }
    check::exactly_one(check, &["availability_zone", "availability_zone_id"], false);
    let block = cidr::check_ipv4(check, "cidr_block", (16, 28));
    // https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html: /44 to /64, in steps of 4.
    let block6 = cidr::check_ipv6(check, "ipv6_cidr_block", (44, 64));
    if let Some(block) = block6.filter(|block| block.prefix_len() % 4 != 0) {
        let message = format!("/{}: expected a multiple of 4", block.prefix_len());
        check.problem("ipv6_cidr_block", message);
    }

    validate_siblings(check, block, block6);
    let Some(vpc) = check.target("vpc_id").filter(|target| target.kind() == "aws:ec2/vpc") else {
        return;
    };
    let address = vpc.address().to_owned();
    let primary = vpc.get::<String>("cidr_block");
    let others = vpc.get::<Vec<String>>("secondary_cidr_blocks");
    if let (Some(block), Some(primary), Some(others)) = (block, primary, others) {
        let blocks: Vec<String> = [primary].into_iter().chain(others).collect();
        let holds = |text: &String| text.parse::<Ipv4Net>().is_ok_and(|own| own.contains(&block));
        if !blocks.iter().any(holds) {
            let message = format!(
                "{block} is not inside its VPC `{address}`, which has {}",
                blocks.join(", ")
            );
            check.problem("cidr_block", message);
        }
    }
    let ipv6 = vpc.get::<String>("ipv6_cidr_block").and_then(|b| b.parse::<Ipv6Net>().ok());
    if let (Some(block), Some(own)) = (block6, ipv6)
        && !own.contains(&block)
    {
        let message = format!("{block} is not inside its VPC `{address}`, which has {own}");
        check.problem("ipv6_cidr_block", message);
    }
}

/// Reports a subnet of the same VPC that has some of the same addresses.
fn validate_siblings(check: &mut Check<'_>, block: Option<Ipv4Net>, block6: Option<Ipv6Net>) {
    let mut found = Vec::new();
    for peer in check.peers_with_same(&["vpc_id"]) {
        let other = peer.get::<String>("cidr_block").and_then(|b| b.parse::<Ipv4Net>().ok());
        if let Some((own, other)) = block.zip(other).filter(|(a, b)| cidr::overlap(*a, *b)) {
            let message = format!("{own} overlaps {other} of `{}`", peer.address());
            found.push(("cidr_block", message));
        }
        let other = peer.get::<String>("ipv6_cidr_block").and_then(|b| b.parse::<Ipv6Net>().ok());
        let overlap = |(a, b): &(Ipv6Net, Ipv6Net)| a.contains(b) || b.contains(a);
        if let Some((own, other)) = block6.zip(other).filter(overlap) {
            let message = format!("{own} overlaps {other} of `{}`", peer.address());
            found.push(("ipv6_cidr_block", message));
        }
    }
    for (field, message) in found {
        check.problem(field, message);
    }
}
