//! Route tables. `route` and `route_association` have the operations on what is in and on them.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{
    interface::Interface,
    internet_gateway::{EgressOnlyGateway, InternetGateway},
    nat_gateway::NatGateway,
    prefix_list,
    route_association::{Association, OF_TABLE},
    vpc::{TABLES, Vpc},
    vpc_endpoint::{self, Endpoint},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    page,
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateRouteTable", create),
    ("DeleteRouteTable", delete),
    ("DescribeRouteTables", describe_tables),
];

/// A route table. The local routes and those to gateway endpoints are not in it: they follow from
/// the VPC and from the endpoints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RouteTable {
    pub(crate) id: String,
    pub(crate) vpc: String,
    /// Whether it is the VPC's main table. Replacing the main association moves this.
    pub(crate) is_main: bool,
    pub(crate) routes: Vec<Route>,
}

/// A route that somebody made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) target: Target,
}

/// Where traffic wants to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Destination {
    Ipv4(Ipv4Net),
    Ipv6(Ipv6Net),
}

/// Where a route sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    InternetGateway(String),
    EgressOnlyGateway(String),
    NatGateway(String),
    Interface(String),
}

impl Row for RouteTable {
    const KIND: &'static str = "route-table";
    const PREFIX: &'static str = "rtb";
    const ERROR: &'static str = "InvalidRouteTableID";
    const NOUN: &'static str = "routeTable ID";
    const MALFORMED: &'static str = "InvalidRouteTableId.Malformed";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Destination {
    /// The destination in canonical form.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Ipv4(cidr) => cidr.to_string(),
            Self::Ipv6(cidr) => cidr.to_string(),
        }
    }
}

/// The route tables that gateway endpoints are in.
pub(crate) const ENDPOINTS_OF_TABLE: &str = "route-table-endpoints";

const FILTERS: &[&str] = &[
    "association.gateway-id",
    "association.main",
    "association.route-table-association-id",
    "association.route-table-id",
    "association.subnet-id",
    "owner-id",
    "route-table-id",
    "route.destination-cidr-block",
    "route.gateway-id",
    "route.nat-gateway-id",
    "vpc-id",
];

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let token = call.client_token();
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let tags = tags::specification(&params, "route-table")?;
    let table = add(call, &vpc, false);
    call.set_tags(&table.id, tags);
    Ok(Xml::new().node("routeTable", xml(call, &table)).maybe("clientToken", token).into())
}

/// Makes the main table that comes with a VPC.
pub(crate) fn create_main(call: &mut Call<'_>, vpc: &Vpc) {
    let table = add(call, vpc, true);
    Association::add(call, &table.id, None, None);
}

/// Routes everything of a VPC's main table to an internet gateway.
pub(crate) fn add_default_route(call: &mut Call<'_>, vpc: &str, gateway: &str) {
    for mut table in call.linked_rows::<RouteTable>(TABLES, vpc) {
        table.routes.push(Route {
            destination: Destination::Ipv4(Ipv4Net::default()),
            target: Target::InternetGateway(gateway.to_owned()),
        });
        call.put(&table);
    }
}

fn add(call: &mut Call<'_>, vpc: &Vpc, is_main: bool) -> RouteTable {
    let id = call.new_id("rtb");
    let table = RouteTable { id, vpc: vpc.id.clone(), is_main, routes: Vec::new() };
    call.link(TABLES, &vpc.id, &table.id);
    call.put(&table);
    table
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let table: RouteTable = call.find(&call.params.required("RouteTableId")?)?;
    let associations = call.linked_rows::<Association>(OF_TABLE, &table.id);
    if let Some(association) = associations.first() {
        return Err(ApiError::dependency(format!(
            "The routeTable '{}' has dependencies and cannot be deleted. ({})",
            table.id, association.id
        )));
    }
    remove(call, &table);
    Ok(Answer::done())
}

/// Removes a table with its associations, and takes it out of the endpoints that are in it.
pub(crate) fn remove(call: &mut Call<'_>, table: &RouteTable) {
    for association in call.linked_rows::<Association>(OF_TABLE, &table.id) {
        association.remove(call);
    }
    for endpoint in call.linked_rows::<Endpoint>(ENDPOINTS_OF_TABLE, &table.id) {
        vpc_endpoint::forget_table(call, endpoint, &table.id);
    }
    call.unlink(TABLES, &table.vpc, &table.id);
    call.remove::<RouteTable>(&table.id);
}

fn describe_tables(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let owner = call.account.clone();
    let paging = page::Paging { most: 100, default: 100, ..page::EC2 };
    let rows = call.visible::<RouteTable>();
    let page = describe_with(call, "RouteTableId", FILTERS, paging, rows, |table, filter| {
        let associations = || call.linked_rows::<Association>(OF_TABLE, &table.id).into_iter();
        let targets = table.routes.iter().map(|route| &route.target);
        match filter {
            "association.gateway-id" => associations().filter_map(|one| one.gateway).collect(),
            "association.main" => associations().map(|one| one.is_main().to_string()).collect(),
            "association.route-table-association-id" => associations().map(|one| one.id).collect(),
            "association.route-table-id" => associations().map(|one| one.table).collect(),
            "association.subnet-id" => associations().filter_map(|one| one.subnet).collect(),
            "owner-id" => vec![owner.clone()],
            "route.destination-cidr-block" => {
                let vpc = call.get::<Vpc>(&table.vpc);
                let local =
                    vpc.iter().flat_map(|vpc| &vpc.blocks).map(|block| block.cidr.to_string());
                local.chain(table.routes.iter().map(|route| route.destination.text())).collect()
            }
            "route.gateway-id" => targets
                .filter_map(|target| match target {
                    Target::InternetGateway(id) => Some(id.clone()),
                    _ => None,
                })
                .chain(std::iter::once("local".to_owned()))
                .collect(),
            "route.nat-gateway-id" => targets
                .filter_map(|target| match target {
                    Target::NatGateway(id) => Some(id.clone()),
                    _ => None,
                })
                .collect(),
            "vpc-id" => vec![table.vpc.clone()],
            _ => vec![table.id.clone()],
        }
    })?;
    Ok(page.xml("routeTableSet", |table| xml(call, table)).into())
}

fn xml(call: &Call<'_>, table: &RouteTable) -> Xml {
    let associations = call.linked_rows::<Association>(OF_TABLE, &table.id);
    let xml = Xml::new()
        .text("routeTableId", &table.id)
        .text("vpcId", &table.vpc)
        .text("ownerId", &call.account)
        .items("routeSet", routes_xml(call, table))
        .items("associationSet", associations.iter().map(Association::xml))
        .items("propagatingVgwSet", []);
    tags::xml(xml, &call.tags(&table.id))
}

fn routes_xml(call: &Call<'_>, table: &RouteTable) -> Vec<Xml> {
    let vpc = call.get::<Vpc>(&table.vpc);
    let local = |xml: Xml| {
        xml.text("gatewayId", "local").text("state", "active").text("origin", "CreateRouteTable")
    };
    let ipv4 = vpc.iter().flat_map(|vpc| &vpc.blocks);
    let ipv6 = vpc.iter().flat_map(|vpc| &vpc.ipv6_blocks);
    let endpoints = call.linked_rows::<Endpoint>(ENDPOINTS_OF_TABLE, &table.id);
    let to_endpoints = endpoints.iter().filter_map(|endpoint| {
        let list = prefix_list::of_service(&call.region, &endpoint.service)?;
        Some(
            Xml::new()
                .text("destinationPrefixListId", list.id)
                .text("gatewayId", &endpoint.id)
                .text("origin", "CreateRoute")
                .text("state", "active"),
        )
    });
    ipv4.map(|block| local(Xml::new().text("destinationCidrBlock", block.cidr)))
        .chain(ipv6.map(|block| local(Xml::new().text("destinationIpv6CidrBlock", block.cidr))))
        .chain(table.routes.iter().map(|route| route_xml(call, table, route)))
        .chain(to_endpoints)
        .collect()
}

fn route_xml(call: &Call<'_>, table: &RouteTable, route: &Route) -> Xml {
    let xml = match &route.destination {
        Destination::Ipv4(cidr) => Xml::new().text("destinationCidrBlock", cidr),
        Destination::Ipv6(cidr) => Xml::new().text("destinationIpv6CidrBlock", cidr),
    };
    let (xml, alive) = match &route.target {
        Target::InternetGateway(id) => {
            let gateway = call.get::<InternetGateway>(id);
            (
                xml.text("gatewayId", id),
                gateway.is_some_and(|it| it.vpc.as_ref() == Some(&table.vpc)),
            )
        }
        Target::EgressOnlyGateway(id) => (
            xml.text("egressOnlyInternetGatewayId", id),
            call.get::<EgressOnlyGateway>(id).is_some(),
        ),
        Target::NatGateway(id) => (
            xml.text("natGatewayId", id),
            call.get::<NatGateway>(id).is_some_and(|gateway| gateway.deleted.is_none()),
        ),
        Target::Interface(id) => {
            let interface = call.get::<Interface>(id);
            let attachment = interface.and_then(|interface| interface.attachment);
            let instance = attachment.as_ref().map(|attachment| attachment.instance.clone());
            let owner = instance.as_ref().map(|_| call.account.clone());
            let xml = xml.text("networkInterfaceId", id);
            (
                xml.maybe("instanceId", instance).maybe("instanceOwnerId", owner),
                attachment.is_some(),
            )
        }
    };
    xml.text("origin", "CreateRoute").text("state", if alive { "active" } else { "blackhole" })
}
