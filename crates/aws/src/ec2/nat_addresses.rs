//! The addresses of a NAT gateway.
//! <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html>

use aws_sdk_ec2::types::{NatGateway as Seen, NatGatewayAddress, NatGatewayAddressStatus};
use formwork_core::{Check, ProviderError};
use ipnet::Ipv4Net;

use super::nat_gateway::{AvailabilityMode, ConnectivityType, NatGateway};
use crate::{check, client::Clients, error::Named};

/// The inputs that can be changed in place.
pub(crate) const FIELDS: [&str; 3] = [
    "secondary_allocation_ids",
    "secondary_private_ip_addresses",
    "secondary_private_ip_address_count",
];

/// The address it came with. Only newer answers say which that is; in older ones it is the first.
pub(crate) fn primary(gateway: &Seen) -> Option<&NatGatewayAddress> {
    let addresses = gateway.nat_gateway_addresses();
    addresses.iter().find(|address| address.is_primary() == Some(true)).or(addresses.first())
}

/// The addresses it has beside, but for those on their way out.
pub(crate) fn secondary(gateway: &Seen) -> Vec<&NatGatewayAddress> {
    let primary = primary(gateway);
    let others = gateway.nat_gateway_addresses().iter();
    others
        .filter(|address| primary.is_none_or(|primary| !std::ptr::eq(*address, primary)))
        .filter(|address| {
            !matches!(
                address.status(),
                Some(
                    NatGatewayAddressStatus::Disassociating
                        | NatGatewayAddressStatus::Unassigning
                        | NatGatewayAddressStatus::Failed
                )
            )
        })
        .collect()
}

/// Whether no address is on its way in.
pub(crate) fn are_settled(gateway: &Seen) -> bool {
    gateway.nat_gateway_addresses().iter().all(|address| {
        !matches!(
            address.status(),
            Some(NatGatewayAddressStatus::Associating | NatGatewayAddressStatus::Assigning)
        )
    })
}

/// Gives the gateway the further addresses that `wanted` says, and no others.
pub(crate) async fn write(
    clients: &Clients,
    gateway: &Seen,
    wanted: &NatGateway,
) -> Result<(), ProviderError> {
    let id = gateway.nat_gateway_id().unwrap_or_default();
    let here = secondary(gateway);
    if wanted.connectivity_type == Some(ConnectivityType::Private) {
        return write_private(clients, id, &here, wanted).await;
    }
    let kept = |address: &&NatGatewayAddress| {
        address.allocation_id().is_some_and(|a| {
            wanted.secondary_allocation_ids.iter().any(|wanted| wanted.as_str() == a)
        })
    };
    let extra: Vec<String> = here
        .iter()
        .filter(|address| !kept(address))
        .filter_map(|address| address.association_id.clone())
        .collect();
    if !extra.is_empty() {
        let call = clients.ec2().disassociate_nat_gateway_address().nat_gateway_id(id);
        let call = call.set_association_ids(Some(extra));
        call.send().await.named("ec2:DisassociateNatGatewayAddress")?;
    }
    let missing: Vec<String> = wanted
        .secondary_allocation_ids
        .iter()
        .filter(|wanted| !here.iter().any(|a| a.allocation_id() == Some(wanted.as_str())))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        let call = clients.ec2_once().associate_nat_gateway_address().nat_gateway_id(id);
        let call = call.set_allocation_ids(Some(missing));
        call.send().await.named("ec2:AssociateNatGatewayAddress")?;
    }
    Ok(())
}

async fn write_private(
    clients: &Clients,
    id: &str,
    here: &[&NatGatewayAddress],
    wanted: &NatGateway,
) -> Result<(), ProviderError> {
    let mut addresses: Vec<String> =
        here.iter().filter_map(|address| address.private_ip.clone()).collect();
    let unassign = async |extra: Vec<String>| {
        let call = clients.ec2().unassign_private_nat_gateway_address().nat_gateway_id(id);
        let call = call.set_private_ip_addresses(Some(extra));
        call.send().await.named("ec2:UnassignPrivateNatGatewayAddress").map(drop)
    };
    let assign = || clients.ec2_once().assign_private_nat_gateway_address().nat_gateway_id(id);
    const ASSIGN: &str = "ec2:AssignPrivateNatGatewayAddress";
    if let Some(wanted) = &wanted.secondary_private_ip_addresses {
        let (kept, extra): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| wanted.contains(address));
        if !extra.is_empty() {
            unassign(extra).await?;
        }
        let missing: Vec<String> =
            wanted.iter().filter(|address| !kept.contains(address)).cloned().collect();
        if !missing.is_empty() {
            assign().set_private_ip_addresses(Some(missing)).send().await.named(ASSIGN)?;
        }
    } else if let Some(count) = wanted.secondary_private_ip_address_count {
        let count = usize::from(count);
        if addresses.len() > count {
            unassign(addresses.split_off(count)).await?;
        } else if addresses.len() < count {
            let missing = i32::try_from(count - addresses.len()).unwrap_or(i32::MAX);
            assign().private_ip_address_count(missing).send().await.named(ASSIGN)?;
        }
    }
    Ok(())
}

/// Reports what does not go together, and addresses that the subnet does not have.
pub(crate) fn validate(check: &mut Check<'_>) {
    check::choice::<ConnectivityType>(check, "connectivity_type");
    check::choice::<AvailabilityMode>(check, "availability_mode");
    let private =
        check.get::<ConnectivityType>("connectivity_type") == Some(ConnectivityType::Private);
    let regional =
        check.get::<AvailabilityMode>("availability_mode") == Some(AvailabilityMode::Regional);
    let (needed, refused): (&[&str], &[&str]) = match (regional, private) {
        (true, _) => (
            &["vpc_id"],
            &[
                "subnet_id",
                "allocation_id",
                "private_ip",
                "secondary_private_ip_addresses",
                "secondary_private_ip_address_count",
            ],
        ),
        (false, true) => (&["subnet_id"], &["allocation_id"]),
        (false, false) => {
            (&["subnet_id", "allocation_id"], &["secondary_private_ip_address_count"])
        }
    };
    let kind = match (regional, private) {
        (true, _) => "a regional NAT gateway",
        (false, true) => "a private NAT gateway",
        (false, false) => "a public NAT gateway",
    };
    for field in needed.iter().filter(|field| !check.is_set(field)).collect::<Vec<_>>() {
        check.problem(field, format!("not set: {kind} needs it"));
    }
    for field in refused.iter().filter(|field| check.is_set(field)).collect::<Vec<_>>() {
        check.problem(field, format!("set: {kind} has none"));
    }
    if regional && private {
        check.problem("connectivity_type", "\"private\": a regional NAT gateway is public");
    }
    if (regional || private) && check::len(check, "secondary_allocation_ids") > 0 {
        check.problem("secondary_allocation_ids", format!("set: {kind} has none"));
    }
    if !regional && check::len(check, "availability_zone_addresses") > 0 {
        check.problem("availability_zone_addresses", "set: only a regional NAT gateway has them");
    }
    check::exactly_one(
        check,
        &["secondary_private_ip_addresses", "secondary_private_ip_address_count"],
        false,
    );
    check::range(check, "secondary_private_ip_address_count", 1, 31);

    check::only_one(check, &["allocation_id"], "has the same Elastic IP");
    let subnet = check.target("subnet_id").filter(|target| target.kind() == "aws:ec2/subnet");
    let block = subnet
        .and_then(|subnet| subnet.get::<String>("cidr_block"))
        .and_then(|text| text.parse::<Ipv4Net>().ok());
    let mut fields = vec!["private_ip".to_owned()];
    let further = check::len(check, "secondary_private_ip_addresses");
    fields.extend((0..further).map(|i| format!("secondary_private_ip_addresses[{i}]")));
    for field in fields {
        let Some(text) = check.get::<String>(&field) else { continue };
        match (text.parse::<std::net::Ipv4Addr>(), block) {
            (Err(_), _) => check.problem(&field, format!("{text:?} is no IPv4 address")),
            (Ok(address), Some(block)) if !block.contains(&address) => {
                check.problem(&field, format!("{address} is not inside its subnet's {block}"));
            }
            _ => {}
        }
    }
}
