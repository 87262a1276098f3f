//! VPC endpoints: gateway endpoints in route tables, interface endpoints in subnets.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    endpoint_service::{self, Kind},
    interface::{self, InterfaceKind, NewInterface},
    interface_operations::groups_xml,
    route_table::{ENDPOINTS_OF_TABLE, RouteTable},
    security_group,
    subnet::Subnet,
    vpc::{ENDPOINTS, Vpc},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    page::{self, Paging},
    row::{self, Row},
    tags,
    time::{Millis, iso8601},
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateVpcEndpoint", create),
    ("DeleteVpcEndpoints", delete),
    ("DescribeVpcEndpoints", describe_endpoints),
];

/// A VPC endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) service: String,
    pub(crate) kind: Kind,
    pub(crate) policy: String,
    /// A gateway endpoint's tables.
    pub(crate) tables: Vec<String>,
    /// An interface endpoint's subnets, each with the interface in it.
    pub(crate) interfaces: Vec<(String, String)>,
    pub(crate) groups: Vec<String>,
    pub(crate) private_dns: bool,
    pub(crate) created: Millis,
    pub(crate) deleted: Option<Millis>,
}

impl Row for Endpoint {
    const KIND: &'static str = "vpc-endpoint";
    const PREFIX: &'static str = "vpce";
    const ERROR: &'static str = "InvalidVpcEndpointId";
    const NOUN: &'static str = "Vpc Endpoint Id";

    fn id(&self) -> &str {
        &self.id
    }
}

/// The policy that an endpoint has when none is given.
pub(crate) const FULL_ACCESS: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let token = call.client_token();
    let vpc: Vpc = call.find(&params.required("VpcId")?)?;
    let wanted = params.choice("VpcEndpointType", &["Gateway", "Interface"])?;
    let kind = if wanted.as_deref() == Some("Interface") { Kind::Interface } else { Kind::Gateway };
    let service = endpoint_service::find(&call.region, &params.required("ServiceName")?, kind)?;
    params.choice("IpAddressType", &["ipv4"])?;
    let tags = tags::specification(&params, "vpc-endpoint")?;
    let policy = policy(params.optional("PolicyDocument"))?;
    let mut endpoint = Endpoint {
        id: call.new_id("vpce"),
        vpc: vpc.id.clone(),
        service,
        kind,
        policy,
        tables: Vec::new(),
        interfaces: Vec::new(),
        groups: Vec::new(),
        private_dns: false,
        created: call.now,
        deleted: None,
    };
    match kind {
        Kind::Gateway => add_tables(call, &mut endpoint, &params.list("RouteTableId"))?,
        Kind::Interface => {
            endpoint.private_dns = params.flag("PrivateDnsEnabled")?.unwrap_or(true);
            check_private_dns(call, &vpc, &endpoint)?;
            let groups = params.list("SecurityGroupId");
            endpoint.groups = if groups.is_empty() {
                vec![security_group::default_of(call, &vpc.id)?.id]
            } else {
                groups
            };
            interface::check_groups(call, &vpc.id, &endpoint.groups)?;
            add_subnets(call, &mut endpoint, &params.list("SubnetId"))?;
        }
    }
    call.link(ENDPOINTS, &endpoint.vpc, &endpoint.id);
    call.set_tags(&endpoint.id, tags);
    call.put(&endpoint);
    Ok(Xml::new().node("vpcEndpoint", xml(call, &endpoint)).maybe("clientToken", token).into())
}

/// Puts a gateway endpoint into route tables.
pub(crate) fn add_tables(
    call: &mut Call<'_>,
    endpoint: &mut Endpoint,
    tables: &[String],
) -> Result<(), ApiError> {
    for id in tables {
        let table: RouteTable = call.find(id)?;
        if table.vpc != endpoint.vpc {
            return Err(ApiError::invalid_value(format!(
                "Route table {id} does not belong to {}",
                endpoint.vpc
            )));
        }
        for other in call.linked_rows::<Endpoint>(ENDPOINTS_OF_TABLE, id) {
            if other.service == endpoint.service {
                return Err(ApiError::new(
                    "RouteAlreadyExists",
                    format!(
                        "route table {id} already has a route to {} through {}",
                        other.service, other.id
                    ),
                ));
            }
        }
        call.link(ENDPOINTS_OF_TABLE, id, &endpoint.id);
        endpoint.tables.push(id.clone());
    }
    Ok(())
}

/// Takes a gateway endpoint out of a route table, if it is in it.
pub(crate) fn forget_table(call: &mut Call<'_>, mut endpoint: Endpoint, table: &str) {
    call.unlink(ENDPOINTS_OF_TABLE, table, &endpoint.id);
    endpoint.tables.retain(|own| own != table);
    call.put(&endpoint);
}

/// Puts an interface endpoint into subnets, at most one a zone.
pub(crate) fn add_subnets(
    call: &mut Call<'_>,
    endpoint: &mut Endpoint,
    subnets: &[String],
) -> Result<(), ApiError> {
    for id in subnets {
        let subnet: Subnet = call.find(id)?;
        if subnet.vpc != endpoint.vpc {
            return Err(ApiError::new(
                "InvalidParameter",
                format!("The subnet ID '{id}' does not belong to {}", endpoint.vpc),
            ));
        }
        let zones = endpoint.interfaces.iter().filter_map(|(subnet, _)| call.get::<Subnet>(subnet));
        if zones.into_iter().any(|other| other.zone == subnet.zone) {
            return Err(ApiError::new(
                "DuplicateSubnetsInSameZone",
                format!("Found another subnet of {} in the zone {}", endpoint.id, subnet.zone),
            ));
        }
        let new = NewInterface {
            groups: endpoint.groups.clone(),
            description: format!("VPC Endpoint Interface {}", endpoint.id),
            requester_managed: true,
            ..NewInterface::in_subnet(id, InterfaceKind::VpcEndpoint)
        };
        let interface = interface::create(call, new)?;
        endpoint.interfaces.push((id.clone(), interface.id));
    }
    Ok(())
}

/// Private DNS needs DNS in the VPC, and one endpoint a service.
pub(crate) fn check_private_dns(
    call: &Call<'_>,
    vpc: &Vpc,
    endpoint: &Endpoint,
) -> Result<(), ApiError> {
    if !endpoint.private_dns {
        return Ok(());
    }
    if !vpc.dns_support || !vpc.dns_hostnames {
        return Err(ApiError::new(
            "InvalidParameter",
            format!(
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
                vpc.id
            ),
        ));
    }
    let same = |other: &Endpoint| {
        other.id != endpoint.id && other.service == endpoint.service && other.private_dns
    };
    let mut others = call.linked_rows::<Endpoint>(ENDPOINTS, &vpc.id).into_iter();
    match others.find(same) {
        None => Ok(()),
        Some(other) => Err(ApiError::new(
            "InvalidParameter",
            format!(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {} ({})",
                other.service, vpc.id, other.id
            ),
        )),
    }
}

/// Checks a policy as far as JSON goes.
pub(crate) fn policy(document: Option<String>) -> Result<String, ApiError> {
    let Some(document) = document else { return Ok(FULL_ACCESS.to_owned()) };
    let has_statement = serde_json::from_str::<Value>(&document)
        .is_ok_and(|policy| policy.get("Statement").is_some());
    if !has_statement {
        return Err(ApiError::new("InvalidPolicyDocument", "The Policy Document is malformed"));
    }
    Ok(document)
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let ids = call.params.list("VpcEndpointId");
    if ids.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    let mut unsuccessful = Vec::new();
    for id in ids {
        if let Err(error) = begin_deletion(call, &id) {
            let error = Xml::new().text("code", error.code).text("message", error.message);
            unsuccessful.push(Xml::new().text("resourceId", &id).node("error", error));
        }
    }
    Ok(Xml::new().items("unsuccessful", unsuccessful).into())
}

fn begin_deletion(call: &mut Call<'_>, id: &str) -> Result<(), ApiError> {
    let mut endpoint: Endpoint = call.find(id)?;
    match endpoint.deleted {
        Some(deleted) if call.settled(deleted) => return Err(row::not_found::<Endpoint>(id)),
        Some(_) => return Ok(()),
        None => endpoint.deleted = Some(call.now),
    }
    for table in std::mem::take(&mut endpoint.tables) {
        call.unlink(ENDPOINTS_OF_TABLE, &table, id);
    }
    call.put(&endpoint);
    call.when_settled(Endpoint::KIND, id);
    Ok(())
}

/// Removes an endpoint and its interfaces, once it is deleted and no longer being deleted.
pub(crate) fn end(call: &mut Call<'_>, id: &str) {
    let Some(endpoint) = call.get::<Endpoint>(id) else { return };
    for (_, interface) in &endpoint.interfaces {
        interface::remove(call, interface);
    }
    call.unlink(ENDPOINTS, &endpoint.vpc, id);
    call.remove::<Endpoint>(id);
}

fn describe_endpoints(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const FILTERS: &[&str] = &[
        "ip-address-type",
        "service-name",
        "vpc-endpoint-id",
        "vpc-endpoint-state",
        "vpc-endpoint-type",
        "vpc-id",
    ];
    let paging = Paging { least: 1, ..page::EC2 };
    let rows = call.visible::<Endpoint>();
    let page = describe_with(call, "VpcEndpointId", FILTERS, paging, rows, |endpoint, filter| {
        vec![match filter {
            "ip-address-type" => "ipv4".to_owned(),
            "service-name" => endpoint.service.clone(),
            "vpc-endpoint-state" => state(call, endpoint).to_owned(),
            "vpc-endpoint-type" => endpoint.kind.name().to_owned(),
            "vpc-id" => endpoint.vpc.clone(),
            _ => endpoint.id.clone(),
        }]
    })?;
    Ok(page.xml("vpcEndpointSet", |endpoint| xml(call, endpoint)).into())
}

/// The state. AWS documents these with a capital, and answers without.
fn state(call: &Call<'_>, endpoint: &Endpoint) -> &'static str {
    match (endpoint.deleted, endpoint.kind) {
        (Some(_), _) => "deleting",
        // There is nothing to be set up for a gateway endpoint.
        (None, Kind::Gateway) => "available",
        (None, Kind::Interface) if call.settled(endpoint.created) => "available",
        (None, Kind::Interface) => "pending",
    }
}

fn xml(call: &Call<'_>, endpoint: &Endpoint) -> Xml {
    let xml = Xml::new()
        .text("vpcEndpointId", &endpoint.id)
        .text("vpcEndpointType", endpoint.kind.name())
        .text("vpcId", &endpoint.vpc)
        .text("serviceName", &endpoint.service)
        .text("state", state(call, endpoint))
        .text("policyDocument", &endpoint.policy)
        .item_texts("routeTableIdSet", &endpoint.tables)
        .item_texts("subnetIdSet", endpoint.interfaces.iter().map(|(subnet, _)| subnet))
        .items("groupSet", groups_xml(call, &endpoint.groups))
        .text("privateDnsEnabled", endpoint.private_dns)
        .text("requesterManaged", false)
        .item_texts("networkInterfaceIdSet", endpoint.interfaces.iter().map(|(_, id)| id))
        .items("dnsEntrySet", dns_entries(call, endpoint))
        .text("creationTimestamp", iso8601(endpoint.created))
        .text("ownerId", &call.account)
        .text("ipAddressType", "ipv4");
    tags::xml(xml, &call.tags(&endpoint.id))
}

fn dns_entries(call: &Call<'_>, endpoint: &Endpoint) -> Vec<Xml> {
    if endpoint.kind == Kind::Gateway {
        return Vec::new();
    }
    let short = endpoint.service.rsplit('.').next().unwrap_or_default();
    let tail: String = endpoint.id.chars().rev().take(8).collect();
    let own = format!("{}-{tail}.{short}.{}.vpce.amazonaws.com", endpoint.id, call.region);
    let entry =
        |name: String, zone: &str| Xml::new().text("dnsName", name).text("hostedZoneId", zone);
    let mut entries = vec![entry(own, "Z1YSA3EXCYUU9Z")];
    if endpoint.private_dns {
        let private = format!("{short}.{}.amazonaws.com", call.region);
        entries.push(entry(private, "Z08732542FVKE0OG15XYZ"));
    }
    entries
}
