//! What can be changed about a subnet.

use super::{
    interface,
    subnet::{Subnet, claim_ipv6},
    vpc::{Vpc, subnet_block6_xml},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("AssociateSubnetCidrBlock", associate),
    ("DisassociateSubnetCidrBlock", disassociate),
    ("ModifySubnetAttribute", modify),
];

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut subnet: Subnet = call.find(&params.required("SubnetId")?)?;
    let mut given = 0;
    for (name, field) in [
        ("AssignIpv6AddressOnCreation", &mut subnet.assign_ipv6),
        ("EnableDns64", &mut subnet.dns64),
        ("EnableResourceNameDnsAAAARecordOnLaunch", &mut subnet.dns_aaaa_record),
        ("EnableResourceNameDnsARecordOnLaunch", &mut subnet.dns_a_record),
        ("MapPublicIpOnLaunch", &mut subnet.map_public_ip),
    ] {
        if let Some(value) = params.flag(&format!("{name}.Value"))? {
            *field = value;
            given += 1;
        }
    }
    let types = ["ip-name", "resource-name"];
    if let Some(hostname_type) = params.choice("PrivateDnsHostnameTypeOnLaunch", &types)? {
        subnet.hostname_type = hostname_type;
        given += 1;
    }
    if given != 1 {
        return Err(ApiError::combination(format!(
            "Exactly one attribute can be modified at a time, and {given} are given"
        )));
    }
    if (subnet.assign_ipv6 || subnet.dns_aaaa_record) && subnet.ipv6_blocks.is_empty() {
        return Err(ApiError::invalid_value(format!(
            "Invalid value 'true' for an IPv6 attribute. The subnet {} does not have an IPv6 CIDR block",
            subnet.id
        )));
    }
    call.put(&subnet);
    Ok(Answer::done())
}

fn associate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut subnet: Subnet = call.find(&params.required("SubnetId")?)?;
    let vpc: Vpc = call.find(&subnet.vpc)?;
    if !subnet.ipv6_blocks.is_empty() {
        return Err(ApiError::new(
            "SubnetIpv6CidrBlockLimitExceeded",
            format!("The subnet {} has an IPv6 CIDR block already", subnet.id),
        ));
    }
    let block = claim_ipv6(call, &vpc, &params.required("Ipv6CidrBlock")?)?;
    let xml = subnet_block6_xml(&block, "associating");
    subnet.ipv6_blocks.push(block);
    call.put(&subnet);
    let answer = Xml::new().text("subnetId", &subnet.id);
    Ok(answer.node("ipv6CidrBlockAssociation", xml).into())
}

fn disassociate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let association = call.params.required("AssociationId")?;
    for mut subnet in call.visible::<Subnet>() {
        let place = subnet.ipv6_blocks.iter().position(|block| block.association == association);
        let Some(place) = place else { continue };
        if interface::uses_ipv6(call, &subnet.id) {
            return Err(ApiError::new(
                "InvalidCidrBlock.InUse",
                format!("The IPv6 CIDR block of {} is in use by an interface", subnet.id),
            ));
        }
        let block = subnet.ipv6_blocks.remove(place);
        subnet.assign_ipv6 = false;
        call.put(&subnet);
        let xml = subnet_block6_xml(&block, "disassociating");
        let answer = Xml::new().text("subnetId", &subnet.id);
        return Ok(answer.node("ipv6CidrBlockAssociation", xml).into());
    }
    Err(ApiError::new(
        "InvalidSubnetCidrBlockAssociationID.NotFound",
        format!("The subnet CIDR block association ID '{association}' does not exist"),
    ))
}
