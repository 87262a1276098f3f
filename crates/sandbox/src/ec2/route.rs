//! The routes that clients put into route tables.

use super::{
    cidr,
    interface::{self, Interface},
    internet_gateway::{EgressOnlyGateway, InternetGateway},
    nat_gateway,
    route_table::{Destination, Route, RouteTable, Target},
    vpc::Vpc,
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    params::Params,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] =
    &[("CreateRoute", create), ("DeleteRoute", delete), ("ReplaceRoute", replace)];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut table: RouteTable = call.find(&params.required("RouteTableId")?)?;
    let destination = destination(&params)?;
    let target = target(call, &params, &table)?;
    check(call, &table, &destination, &target)?;
    if let Some(route) = table.routes.iter().find(|route| route.destination == destination) {
        // Saying the same twice is fine, as it is on AWS.
        if route.target == target {
            return Ok(Answer::done());
        }
        return Err(ApiError::new(
            "RouteAlreadyExists",
            format!("The route identified by {} already exists.", destination.text()),
        ));
    }
    table.routes.push(Route { destination, target });
    call.put(&table);
    Ok(Answer::done())
}

fn replace(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut table: RouteTable = call.find(&params.required("RouteTableId")?)?;
    let destination = destination(&params)?;
    let target = target(call, &params, &table)?;
    check(call, &table, &destination, &target)?;
    let route = table.routes.iter_mut().find(|route| route.destination == destination);
    route
        .ok_or_else(|| {
            ApiError::invalid_value(format!(
                "There is no route defined for '{}' in the route table. Use CreateRoute instead.",
                destination.text()
            ))
        })?
        .target = target;
    call.put(&table);
    Ok(Answer::done())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut table: RouteTable = call.find(&params.required("RouteTableId")?)?;
    let destination = destination(&params)?;
    if is_local(call, &table, &destination) {
        return Err(ApiError::invalid_value(format!(
            "cannot remove local route {} in route table {}",
            destination.text(),
            table.id
        )));
    }
    let place = table.routes.iter().position(|route| route.destination == destination);
    let place = place.ok_or_else(|| {
        ApiError::new(
            "InvalidRoute.NotFound",
            format!(
                "no route with destination-cidr-block {} in route table {}",
                destination.text(),
                table.id
            ),
        )
    })?;
    table.routes.remove(place);
    call.put(&table);
    Ok(Answer::done())
}

fn destination(params: &Params) -> Result<Destination, ApiError> {
    match (params.optional("DestinationCidrBlock"), params.optional("DestinationIpv6CidrBlock")) {
        (Some(text), None) => Ok(Destination::Ipv4(cidr::ipv4("destinationCidrBlock", &text)?)),
        (None, Some(text)) => Ok(Destination::Ipv6(cidr::ipv6("destinationIpv6CidrBlock", &text)?)),
        (None, None) => Err(ApiError::missing("DestinationCidrBlock")),
        (Some(_), Some(_)) => Err(ApiError::combination("A route has exactly one destination")),
    }
}

/// Reads the one target, and checks that it exists and can be reached from the table's VPC.
fn target(call: &Call<'_>, params: &Params, table: &RouteTable) -> Result<Target, ApiError> {
    let mut targets = Vec::new();
    if let Some(id) = params.optional("GatewayId") {
        let gateway: InternetGateway = call.find(&id).map_err(|error| {
            // Gateways of several kinds can stand here, so AWS has a code of its own.
            ApiError { code: error.code.replace("InternetGateway", "Gateway").into(), ..error }
        })?;
        same_network(table, &gateway.id, gateway.vpc.as_deref())?;
        targets.push(Target::InternetGateway(gateway.id));
    }
    if let Some(id) = params.optional("EgressOnlyInternetGatewayId") {
        let gateway: EgressOnlyGateway = call.find(&id)?;
        same_network(table, &gateway.id, Some(&gateway.vpc))?;
        targets.push(Target::EgressOnlyGateway(gateway.id));
    }
    if let Some(id) = params.optional("NatGatewayId") {
        let gateway = nat_gateway::find_target(call, &id)?;
        same_network(table, &gateway.id, Some(&gateway.vpc))?;
        targets.push(Target::NatGateway(gateway.id));
    }
    if let Some(id) = params.optional("NetworkInterfaceId") {
        let interface: Interface = call.find(&id)?;
        same_network(table, &interface.id, Some(&interface.vpc))?;
        targets.push(Target::Interface(interface.id));
    }
    if let Some(id) = params.optional("InstanceId") {
        let interface = interface::primary_of(call, &id)?;
        same_network(table, &id, Some(&interface.vpc))?;
        targets.push(Target::Interface(interface.id));
    }
    match (targets.pop(), targets.is_empty()) {
        (Some(target), true) => Ok(target),
        (None, _) => Err(ApiError::missing("GatewayId")),
        (Some(_), false) => Err(ApiError::combination("A route has exactly one target")),
    }
}

fn same_network(table: &RouteTable, id: &str, vpc: Option<&str>) -> Result<(), ApiError> {
    if vpc == Some(table.vpc.as_str()) {
        return Ok(());
    }
    Err(ApiError::invalid_value(format!(
        "route table {} and network gateway {id} belong to different networks",
        table.id
    )))
}

/// Checks that destination and target are of the same protocol, and that traffic within the VPC
/// is not sent out of it.
fn check(
    call: &Call<'_>,
    table: &RouteTable,
    destination: &Destination,
    target: &Target,
) -> Result<(), ApiError> {
    let is_ipv6 = matches!(destination, Destination::Ipv6(_));
    if matches!(target, Target::EgressOnlyGateway(_)) && !is_ipv6 {
        return Err(ApiError::invalid_value(
            "An egress-only internet gateway can only be the target of an IPv6 destination",
        ));
    }
    if is_local(call, table, destination) {
        return Err(ApiError::new(
            "RouteAlreadyExists",
            format!("The route identified by {} already exists.", destination.text()),
        ));
    }
    let vpc = call.get::<Vpc>(&table.vpc);
    let inside = vpc.is_some_and(|vpc| match destination {
        Destination::Ipv4(cidr) => vpc.contains(*cidr),
        Destination::Ipv6(cidr) => vpc.ipv6_blocks.iter().any(|block| block.cidr.contains(cidr)),
    });
    if inside && matches!(target, Target::InternetGateway(_) | Target::EgressOnlyGateway(_)) {
        return Err(ApiError::invalid_value(format!(
            "The destination CIDR block {} is equal to or more specific than one of this VPC's \
             CIDR blocks. This route can target only an interface or an instance.",
            destination.text()
        )));
    }
    Ok(())
}

fn is_local(call: &Call<'_>, table: &RouteTable, destination: &Destination) -> bool {
    call.get::<Vpc>(&table.vpc).is_some_and(|vpc| match destination {
        Destination::Ipv4(cidr) => vpc.blocks.iter().any(|block| block.cidr == *cidr),
        Destination::Ipv6(cidr) => vpc.ipv6_blocks.iter().any(|block| block.cidr == *cidr),
    })
}
