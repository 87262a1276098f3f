//! What can be changed about a VPC endpoint.

use super::{
    endpoint_service::Kind,
    interface::{self, Interface},
    route_table::{ENDPOINTS_OF_TABLE, RouteTable},
    vpc::Vpc,
    vpc_endpoint::{self, Endpoint, FULL_ACCESS},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    params::Params,
    row,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[("ModifyVpcEndpoint", modify)];

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let id = params.required("VpcEndpointId")?;
    let mut endpoint: Endpoint = call.find(&id)?;
    if endpoint.deleted.is_some() {
        return Err(row::not_found::<Endpoint>(&id));
    }
    match (params.flag("ResetPolicy")?, params.optional("PolicyDocument")) {
        (Some(true), None) => endpoint.policy = FULL_ACCESS.to_owned(),
        (Some(true), Some(_)) => {
            return Err(ApiError::combination(
                "ResetPolicy and PolicyDocument cannot be used together",
            ));
        }
        (_, Some(document)) => endpoint.policy = vpc_endpoint::policy(Some(document))?,
        (_, None) => {}
    }
    match endpoint.kind {
        Kind::Gateway => modify_gateway(call, &params, &mut endpoint)?,
        Kind::Interface => modify_interface(call, &params, &mut endpoint)?,
    }
    call.put(&endpoint);
    Ok(Answer::done())
}

fn modify_gateway(
    call: &mut Call<'_>,
    params: &Params,
    endpoint: &mut Endpoint,
) -> Result<(), ApiError> {
    for id in params.list("RemoveRouteTableId") {
        let table: RouteTable = call.find(&id)?;
        let place = endpoint.tables.iter().position(|own| *own == table.id);
        let place = place.ok_or_else(|| {
            ApiError::invalid_value(format!("{} is not in the route table {id}", endpoint.id))
        })?;
        endpoint.tables.remove(place);
        call.unlink(ENDPOINTS_OF_TABLE, &id, &endpoint.id);
    }
    vpc_endpoint::add_tables(call, endpoint, &params.list("AddRouteTableId"))
}

fn modify_interface(
    call: &mut Call<'_>,
    params: &Params,
    endpoint: &mut Endpoint,
) -> Result<(), ApiError> {
    params.choice("IpAddressType", &["ipv4"])?;
    if let Some(private_dns) = params.flag("PrivateDnsEnabled")? {
        endpoint.private_dns = private_dns;
        let vpc: Vpc = call.find(&endpoint.vpc)?;
        vpc_endpoint::check_private_dns(call, &vpc, endpoint)?;
    }
    for id in params.list("RemoveSubnetId") {
        let place = endpoint.interfaces.iter().position(|(subnet, _)| *subnet == id);
        let place = place.ok_or_else(|| {
            ApiError::invalid_value(format!("{} is not in the subnet {id}", endpoint.id))
        })?;
        let (_, interface) = endpoint.interfaces.remove(place);
        interface::remove(call, &interface);
    }
    vpc_endpoint::add_subnets(call, endpoint, &params.list("AddSubnetId"))?;
    change_groups(call, params, endpoint)
}

fn change_groups(
    call: &mut Call<'_>,
    params: &Params,
    endpoint: &mut Endpoint,
) -> Result<(), ApiError> {
    let add = params.list("AddSecurityGroupId");
    let remove = params.list("RemoveSecurityGroupId");
    if add.is_empty() && remove.is_empty() {
        return Ok(());
    }
    for id in &remove {
        let place = endpoint.groups.iter().position(|own| own == id);
        let place = place.ok_or_else(|| {
            ApiError::invalid_value(format!("{} does not have the group {id}", endpoint.id))
        })?;
        endpoint.groups.remove(place);
    }
    for id in add {
        if !endpoint.groups.contains(&id) {
            endpoint.groups.push(id);
        }
    }
    if endpoint.groups.is_empty() {
        return Err(ApiError::invalid_value(format!(
            "The endpoint {} must have at least one security group",
            endpoint.id
        )));
    }
    interface::check_groups(call, &endpoint.vpc, &endpoint.groups)?;
    for (_, id) in &endpoint.interfaces {
        if let Some(mut interface) = call.get::<Interface>(id) {
            interface::set_groups(call, &mut interface, endpoint.groups.clone())?;
        }
    }
    Ok(())
}
