//! A route: where a route table sends what is for one destination.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    route_table::{self, RouteTable, RouteTableId},
    route_target::{RouteTarget, with_target},
};
use crate::{
    check,
    child::of_kind,
    cidr,
    client::Clients,
    error::{Named, unless_absent},
    locate::pair,
    retry::while_unseen,
};

/// A route.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/route", outputs = RouteOutputs, group = network, seconds = 1)]
pub struct Route {
    /// The route table. It has one route for a destination.
    #[resource(replace, unique)]
    pub route_table_id: RouteTableId,
    /// What the route is for: an IPv4 block such as `0.0.0.0/0`, an IPv6 block such as `::/0`, or
    /// the id of a prefix list.
    #[resource(replace, unique)]
    pub destination: String,
    /// What it leads to.
    pub target: RouteTarget,
}

/// What a route reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RouteOutputs {
    /// Its table and its destination, as `rtb-0abc_0.0.0.0/0`: AWS gives it no id.
    #[output(id)]
    pub id: String,
}

impl Lifecycle for Route {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let table = inputs.route_table_id.as_str();
        let table = route_table::one(cx.client, "route-table-id", table).await?;
        Ok(table.and_then(|table| observe(&table, inputs)))
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Self::find(cx, &known.inputs).await
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let mut tables: Vec<String> =
            among.iter().map(|known| known.inputs.route_table_id.to_string()).collect();
        tables.sort_unstable();
        tables.dedup();
        let tables = route_table::some(clients, "route-table-id", tables).await?;
        let tables: std::collections::HashMap<_, _> =
            tables.iter().filter_map(|table| Some((table.route_table_id()?, table))).collect();
        Ok(among
            .iter()
            .filter_map(|known| {
                observe(tables.get(known.inputs.route_table_id.as_str())?, &known.inputs)
            })
            .collect())
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (table, destination) = match by {
            // As Terraform writes it: the table and the destination.
            By::Id(id) => match pair(id, '_') {
                Some((table, destination)) => (table.to_owned(), destination.to_owned()),
                None => return Ok(None),
            },
            By::Inputs(Self { route_table_id, destination, .. }) => {
                (route_table_id.to_string(), destination.clone())
            }
        };
        let declared =
            Self { route_table_id: table.as_str().into(), destination, target: RouteTarget::Local };
        let table = route_table::one(clients, "route-table-id", &table).await?;
        Ok(table.and_then(|table| observe(&table, &declared)))
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<RouteOutputs, CreateError<Self>> {
        let call = cx.client.ec2_once().create_route();
        let call = call.route_table_id(inputs.route_table_id.as_str());
        let call = match Destination::of(&inputs.destination) {
            Destination::Ipv4 => call.destination_cidr_block(&inputs.destination),
            Destination::Ipv6 => call.destination_ipv6_cidr_block(&inputs.destination),
            Destination::PrefixList => call.destination_prefix_list_id(&inputs.destination),
        };
        let call = with_target!(call, &inputs.target);
        let made = while_unseen(cx.client, || async {
            call.clone().send().await.named("ec2:CreateRoute")
        });
        match made.await {
            Ok(_) => Ok(outputs(inputs)),
            Err(error) if error.kind == ErrorKind::Conflict => {
                match Self::find(cx, inputs).await? {
                    // It leads there already.
                    Some(there) if there.inputs.target == inputs.target => Ok(there.outputs),
                    Some(there) => Err(taken(error, inputs, &there.inputs.target).into()),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        _changes: &Changes,
    ) -> Result<RouteOutputs, ProviderError> {
        let call = cx.client.ec2().replace_route();
        let call = call.route_table_id(inputs.route_table_id.as_str());
        let call = match Destination::of(&inputs.destination) {
            Destination::Ipv4 => call.destination_cidr_block(&inputs.destination),
            Destination::Ipv6 => call.destination_ipv6_cidr_block(&inputs.destination),
            Destination::PrefixList => call.destination_prefix_list_id(&inputs.destination),
        };
        let call = match &inputs.target {
            RouteTarget::Local => call.local_target(true),
            target => with_target!(call, target),
        };
        while_unseen(cx.client, || async { call.clone().send().await.named("ec2:ReplaceRoute") })
            .await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let inputs = &known.inputs;
        let call = cx.client.ec2().delete_route();
        let call = call.route_table_id(inputs.route_table_id.as_str());
        let call = match Destination::of(&inputs.destination) {
            Destination::Ipv4 => call.destination_cidr_block(&inputs.destination),
            Destination::Ipv6 => call.destination_ipv6_cidr_block(&inputs.destination),
            Destination::PrefixList => call.destination_prefix_list_id(&inputs.destination),
        };
        unless_absent(call.send().await.named("ec2:DeleteRoute"))?;
        Ok(Deletion::Done)
    }

    const PARENTS: &'static [Parent] =
        &[Parent::new(RouteTable::TYPE.kind, "route_table_id").goes_along()];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let tables = of_kind(parents, RouteTable::TYPE.kind);
        let tables = route_table::some(clients, "route-table-id", tables).await?;
        let of = |table: &types::RouteTable| -> Vec<Child<Self>> {
            let id = table.route_table_id().unwrap_or_default();
            let routes = table.routes().iter().filter(|route| is_made_by_hand(route));
            routes.filter_map(|route| Some(Child::new(child(id, route)?))).collect()
        };
        Ok(tables.iter().flat_map(of).collect())
    }

    fn validate(check: &mut Check<'_>) {
        let what = "is the route of the same table for the same destination";
        check::only_one(check, &["route_table_id", "destination"], what);
        let Some(destination) = check.get::<String>("destination") else { return };
        let block = destination.parse::<IpNet>().ok();
        match (block, cidr::canonical(&destination)) {
            (Some(_), Some(canonical)) if canonical != destination => {
                let message =
                    format!("{destination:?} is not in canonical form: expected {canonical:?}");
                check.problem("destination", message);
            }
            (None, _) if !destination.starts_with("pl-") => {
                let message = format!(
                    "{destination:?} is no destination: expected an IPv4 block, an IPv6 block, or \
                     a prefix list's id"
                );
                check.problem("destination", message);
            }
            _ => {}
        }
        let ipv6 = matches!(block, Some(IpNet::V6(_)));
        if block.is_some() && !ipv6 && check.is_set("target.egress_only_internet_gateway") {
            let message = format!(
                "an egress-only internet gateway carries IPv6, and {destination} is IPv4: expected \
                 a NAT gateway"
            );
            check.problem("target", message);
        }
        // https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html
        if ipv6 && destination != "64:ff9b::/96" && check.is_set("target.nat_gateway") {
            let message = format!(
                "a NAT gateway carries IPv6 for 64:ff9b::/96 only, and this is for {destination}: \
                 expected an egress-only internet gateway"
            );
            check.problem("target", message);
        }
        let private = check
            .target("target.nat_gateway")
            .and_then(|gateway| gateway.get::<String>("connectivity_type"))
            .is_some_and(|of| of == "private");
        if private && destination == "0.0.0.0/0" {
            let message = "the NAT gateway is private: it does not lead to the internet";
            check.problem("target", message);
        }
    }
}

/// What kind of destination a text is.
enum Destination {
    Ipv4,
    Ipv6,
    PrefixList,
}

impl Destination {
    fn of(text: &str) -> Self {
        match text {
            text if text.starts_with("pl-") => Self::PrefixList,
            text if text.contains(':') => Self::Ipv6,
            _ => Self::Ipv4,
        }
    }
}

/// The refusal of a route that another hand made, with where that leads.
fn taken(refused: ProviderError, inputs: &Route, leads_to: &RouteTarget) -> ProviderError {
    let message = format!(
        "{}: that of {} for {} leads to {}, and no stack made it: delete it, or give this table no \
         route for {}",
        refused.message,
        inputs.route_table_id,
        inputs.destination,
        leads_to.id(),
        inputs.destination,
    );
    ProviderError { message, ..refused }
}

fn outputs(inputs: &Route) -> RouteOutputs {
    RouteOutputs { id: format!("{}_{}", inputs.route_table_id, inputs.destination) }
}

/// The route of `table` that is for the destination of `declared`, if the table has one.
fn observe(table: &types::RouteTable, declared: &Route) -> Option<Observed<Route>> {
    let destination = declared.destination.as_str();
    let is_it = |route: &&types::Route| {
        // Routes that a gateway propagates are its own.
        route.origin() != Some(&types::RouteOrigin::EnableVgwRoutePropagation)
            && [
                route.destination_cidr_block(),
                route.destination_ipv6_cidr_block(),
                route.destination_prefix_list_id(),
            ]
            .contains(&Some(destination))
    };
    let route = table.routes().iter().find(is_it)?;
    let inputs = Route {
        route_table_id: declared.route_table_id.clone(),
        destination: destination.to_owned(),
        target: RouteTarget::of(route, Some(&declared.target))?,
    };
    let outputs = outputs(&inputs);
    Some(Observed { inputs, outputs })
}

/// Whether somebody made it by `CreateRoute`: neither the local route of the VPC's own blocks, nor one
/// that a gateway propagates, nor one that a gateway endpoint put there for its prefix list
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Route.html>).
fn is_made_by_hand(route: &types::Route) -> bool {
    let endpoint = route.gateway_id().is_some_and(|id| id.starts_with("vpce-"))
        && route.destination_prefix_list_id().is_some();
    route.origin() == Some(&types::RouteOrigin::CreateRoute) && !endpoint
}

/// A route of the table `id` that may be nobody's.
fn child(id: &str, route: &types::Route) -> Option<Observed<Route>> {
    let destination = route
        .destination_cidr_block()
        .or(route.destination_ipv6_cidr_block())
        .or(route.destination_prefix_list_id())?;
    let inputs = Route {
        route_table_id: id.into(),
        destination: destination.to_owned(),
        target: RouteTarget::of(route, None)?,
    };
    let outputs = outputs(&inputs);
    Some(Observed { inputs, outputs })
}
