//! A VPC endpoint: a way to a service that does not leave the network of AWS.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Identity, Inputs,
    Known, Lifecycle, Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::{by_id, describe, ids},
    launch::NetworkInterfaceId,
    route_table::RouteTableId,
    security_group::SecurityGroupId,
    subnet::SubnetId,
    vpc::VpcId,
    vpc_endpoint_check, vpc_endpoint_dns,
};
use crate::{
    Arn,
    client::Clients,
    error::{Named, incomplete},
    id::{choice, id_type},
    locate::nameless,
    retry::while_unseen,
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A VPC endpoint's id, such as `vpce-0a1b2c3d4e5f67890`.
    VpcEndpointId,
}

choice! {
    /// How an endpoint is reached.
    VpcEndpointType {
        /// By routes; for S3 and `DynamoDB`.
        Gateway = "Gateway",
        /// By network interfaces in subnets.
        Interface = "Interface",
        /// By routes to an interface that a Gateway Load Balancer stands behind.
        GatewayLoadBalancer = "GatewayLoadBalancer",
        /// By interfaces, to one resource of a VPC Lattice configuration.
        Resource = "Resource",
        /// By interfaces, to a VPC Lattice service network.
        ServiceNetwork = "ServiceNetwork",
    }
}

choice! {
    /// What addresses an endpoint's interfaces have.
    EndpointIpAddressType {
        /// IPv4 alone.
        Ipv4 = "ipv4",
        /// Both.
        Dualstack = "dualstack",
        /// IPv6 alone.
        Ipv6 = "ipv6",
    }
}

choice! {
    /// What records an endpoint's names have.
    DnsRecordIpType {
        /// A.
        Ipv4 = "ipv4",
        /// A and AAAA.
        Dualstack = "dualstack",
        /// AAAA.
        Ipv6 = "ipv6",
        /// What the service says.
        ServiceDefined = "service-defined",
    }
}

/// A VPC endpoint.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/vpc-endpoint", outputs = VpcEndpointOutputs, group = network, seconds = 30)]
pub struct VpcEndpoint {
    /// The VPC. Two endpoints in it for one service stand in each other's way: a route table has one
    /// route to a service, and the service's private name leads to one of them
    /// (<https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html>,
    /// <https://docs.aws.amazon.com/vpc/latest/privatelink/manage-dns-names.html>).
    #[resource(replace, unique)]
    pub vpc_id: VpcId,
    /// The service, such as `com.amazonaws.eu-west-1.s3`.
    #[resource(replace, unique)]
    pub service_name: Option<String>,
    /// The region of the service, where it is another.
    #[resource(replace, defaulted)]
    pub service_region: Option<String>,
    /// The resource configuration, of an endpoint for one.
    #[resource(replace)]
    pub resource_configuration_arn: Option<Arn>,
    /// The service network, of an endpoint for one.
    #[resource(replace)]
    pub service_network_arn: Option<Arn>,
    /// How it is reached; by routes if not set.
    #[resource(replace, defaulted)]
    pub vpc_endpoint_type: Option<VpcEndpointType>,
    /// Who may use it for what, as a policy document. Everyone for everything if not set.
    #[resource(json, defaulted)]
    pub policy: Option<String>,
    /// The tables that get a route to it, of a gateway.
    #[serde(default)]
    #[resource(default, unordered)]
    pub route_table_ids: Vec<RouteTableId>,
    /// The subnets that it has an interface in, of an interface. One at most in a zone.
    #[serde(default)]
    #[resource(default, unordered, holds)]
    pub subnet_ids: Vec<SubnetId>,
    /// The groups of its interfaces; the VPC's default group if not set.
    #[resource(defaulted, unordered, holds)]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// Whether the service's own name leads to it, in the VPC. Needs the VPC's DNS support and DNS
    /// hostnames.
    #[resource(defaulted)]
    pub private_dns_enabled: Option<bool>,
    /// What addresses its interfaces have.
    #[resource(defaulted)]
    pub ip_address_type: Option<EndpointIpAddressType>,
    /// What its names resolve to.
    #[resource(defaulted, nested)]
    pub dns_options: Option<EndpointDnsOptions>,
    /// The very addresses of its interfaces.
    #[serde(default)]
    #[resource(default, unordered, nested, write_only, holds)]
    pub subnet_configurations: Vec<EndpointSubnet>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What the names of an endpoint resolve to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct EndpointDnsOptions {
    /// What records there are.
    #[resource(defaulted)]
    pub dns_record_ip_type: Option<DnsRecordIpType>,
    /// Whether the private name is for one's own network alone, and traffic of the VPC takes the
    /// gateway endpoint.
    #[resource(defaulted)]
    pub private_dns_only_for_inbound_resolver_endpoint: Option<bool>,
    /// Which private domains get a hosted zone: `VERIFIED_DOMAINS_ONLY`, `ALL_DOMAINS`,
    /// `VERIFIED_DOMAINS_AND_SPECIFIED_DOMAINS` or `SPECIFIED_DOMAINS_ONLY`.
    #[resource(defaulted)]
    pub private_dns_preference: Option<String>,
    /// The domains that the preference speaks of.
    #[resource(defaulted, unordered)]
    pub private_dns_specified_domains: Option<Vec<String>>,
}

/// The addresses of an endpoint's interface in a subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct EndpointSubnet {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// The IPv4 address.
    pub ipv4: Option<String>,
    /// The IPv6 address.
    pub ipv6: Option<String>,
}

/// What a VPC endpoint reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct VpcEndpointOutputs {
    /// The id.
    #[output(id)]
    pub id: VpcEndpointId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
    /// Its network interfaces, of an interface, sorted.
    #[output(recomputed_by(subnet_ids, subnet_configurations))]
    pub network_interface_ids: Vec<NetworkInterfaceId>,
    /// The names that lead to it, of an interface, as AWS sorts them: the general one comes first.
    #[output(recomputed_by(subnet_ids, private_dns_enabled, dns_options, ip_address_type))]
    pub dns_names: Vec<String>,
}

impl Lifecycle for VpcEndpoint {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let endpoint = one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await?;
        endpoint.map(|endpoint| observe(cx.client, &endpoint, None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let endpoint = one(cx.client, BY_ID, known.outputs.id.as_str()).await?;
        endpoint.map(|endpoint| observe(cx.client, &endpoint, Some(known))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let known = |endpoint: &types::VpcEndpoint| {
            known.get(endpoint.vpc_endpoint_id().unwrap_or_default()).copied()
        };
        let found = some(clients, BY_ID, ids!(among)).await?;
        found.iter().map(|endpoint| observe(clients, endpoint, known(endpoint))).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        if !id.starts_with("vpce-") {
            return Ok(None);
        }
        let endpoint = one(clients, BY_ID, id).await?;
        endpoint.map(|endpoint| observe(clients, &endpoint, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<VpcEndpointOutputs, CreateError<Self>> {
        const OPERATION: &str = "ec2:CreateVpcEndpoint";
        let clients = cx.client;
        let of = types::ResourceType::VpcEndpoint;
        let call = clients
            .ec2()
            .create_vpc_endpoint()
            .client_token(cx.identity.token())
            .vpc_id(inputs.vpc_id.as_str())
            .set_service_name(inputs.service_name.clone())
            .set_service_region(inputs.service_region.clone())
            .set_resource_configuration_arn(
                inputs.resource_configuration_arn.as_ref().map(ToString::to_string),
            )
            .set_service_network_arn(inputs.service_network_arn.as_ref().map(ToString::to_string))
            .set_vpc_endpoint_type(inputs.vpc_endpoint_type.as_ref().map(|t| t.as_str().into()))
            .set_policy_document(inputs.policy.clone())
            .set_route_table_ids(texts(&inputs.route_table_ids))
            .set_subnet_ids(texts(&inputs.subnet_ids))
            .set_security_group_ids(inputs.security_group_ids.as_deref().and_then(texts))
            .set_private_dns_enabled(inputs.private_dns_enabled)
            .set_ip_address_type(inputs.ip_address_type.as_ref().map(|t| t.as_str().into()))
            .set_dns_options(inputs.dns_options.as_ref().map(vpc_endpoint_dns::sent))
            .set_subnet_configurations(vpc_endpoint_dns::subnets(&inputs.subnet_configurations))
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
        let answer = while_unseen(clients, || async { call.clone().send().await.named(OPERATION) });
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(error) => return Err(while_one_goes(clients, inputs, error).await?.into()),
        };
        let endpoint = answer.vpc_endpoint().ok_or_else(|| incomplete(OPERATION, "endpoint"))?;
        Ok(outputs(clients, endpoint)?)
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let endpoint = one(cx.client, BY_ID, known.outputs.id.as_str()).await?;
        let Some(endpoint) = endpoint else { return Ok(Settled::Pending(wait::SHORT)) };
        match endpoint.state().map(|state| state.as_str().to_ascii_lowercase()).as_deref() {
            // The owner of the service accepts it, and maybe never: that is not waited for.
            Some("available" | "pendingacceptance") => {
                observe(cx.client, &endpoint, Some(known)).map(Settled::Ready)
            }
            Some(state @ ("failed" | "rejected" | "expired" | "partial")) => {
                let error = endpoint.last_error();
                let reason = error.and_then(|error| error.message()).unwrap_or("without a reason");
                Err(ProviderError {
                    code: error.and_then(|error| error.code.clone()),
                    ..ProviderError::new(
                        ErrorKind::Other,
                        "ec2:CreateVpcEndpoint",
                        format!("the endpoint is {state}: {reason}"),
                    )
                })
            }
            _ => Ok(Settled::Pending(wait::since(endpoint.creation_timestamp()))),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<VpcEndpointOutputs, ProviderError> {
        let (clients, id) = (cx.client, &known.outputs.id);
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id.as_str(), old, new, changes).await?;
        let endpoint = one(clients, BY_ID, id.as_str()).await?;
        let endpoint = endpoint.ok_or_else(|| wait::vanished("ec2:DescribeVpcEndpoints", id))?;
        if !IN_PLACE.iter().any(|field| changes.touches(field)) {
            return outputs(clients, &endpoint);
        }
        let here = observe(clients, &endpoint, Some(known))?.inputs;
        let changed = |field: &str| changes.touches(field);
        let (add_tables, remove_tables) =
            difference(&here.route_table_ids, &inputs.route_table_ids);
        let (add_subnets, remove_subnets) = difference(&here.subnet_ids, &inputs.subnet_ids);
        let (add_groups, remove_groups) = match &inputs.security_group_ids {
            Some(wanted) => difference(&here.security_group_ids.unwrap_or_default(), wanted),
            None => (None, None),
        };
        let addresses = vpc_endpoint_dns::subnets(&inputs.subnet_configurations);
        let dns = inputs.dns_options.as_ref().filter(|_| changed("dns_options"));
        let address_type = inputs.ip_address_type.as_ref().filter(|_| changed("ip_address_type"));
        let call = clients
            .ec2()
            .modify_vpc_endpoint()
            .vpc_endpoint_id(id.as_str())
            .set_policy_document(inputs.policy.clone().filter(|_| changed("policy")))
            .set_add_route_table_ids(add_tables)
            .set_remove_route_table_ids(remove_tables)
            .set_add_subnet_ids(add_subnets)
            .set_remove_subnet_ids(remove_subnets)
            .set_add_security_group_ids(add_groups)
            .set_remove_security_group_ids(remove_groups)
            .set_private_dns_enabled(
                inputs.private_dns_enabled.filter(|_| changed("private_dns_enabled")),
            )
            .set_ip_address_type(address_type.map(|of| of.as_str().into()))
            .set_dns_options(dns.map(vpc_endpoint_dns::sent))
            .set_subnet_configurations(addresses.filter(|_| changed("subnet_configurations")));
        while_unseen(clients, || async {
            call.clone().send().await.named("ec2:ModifyVpcEndpoint")
        })
        .await?;
        let endpoint = one(clients, BY_ID, id.as_str()).await?;
        outputs(clients, &endpoint.ok_or_else(|| wait::vanished("ec2:DescribeVpcEndpoints", id))?)
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        const OPERATION: &str = "ec2:DeleteVpcEndpoints";
        let (clients, id) = (cx.client, known.outputs.id.as_str());
        let found = all(clients, BY_ID, vec![id.to_owned()]).await?.pop();
        let Some(endpoint) = found else { return Ok(Deletion::Done) };
        if is_in(&endpoint, "deleted") {
            return Ok(Deletion::Done);
        }
        if !is_in(&endpoint, "deleting") {
            let call = clients.ec2().delete_vpc_endpoints().vpc_endpoint_ids(id);
            let answer = call.send().await.named(OPERATION)?;
            // This call succeeds even where it fails, and says so inside.
            if let Some(error) = answer.unsuccessful().first().and_then(|item| item.error()) {
                let code = error.code().unwrap_or_default();
                if !code.ends_with("NotFound") {
                    let message = error.message().unwrap_or_default();
                    return Err(crate::error::in_answer(OPERATION, code, message));
                }
            }
        }
        Ok(Deletion::Pending(wait::SHORT))
    }

    fn validate(check: &mut Check<'_>) {
        vpc_endpoint_check::validate(check);
        tags::check(check, "tags");
    }
}

const BY_ID: &str = "vpc-endpoint-id";

const IN_PLACE: [&str; 8] = [
    "policy",
    "route_table_ids",
    "subnet_ids",
    "security_group_ids",
    "private_dns_enabled",
    "ip_address_type",
    "dns_options",
    "subnet_configurations",
];

async fn all(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::VpcEndpoint>, ProviderError> {
    const OPERATION: &str = "ec2:DescribeVpcEndpoints";
    match values.as_slice() {
        [] => Ok(Vec::new()),
        [id] if filter == BY_ID => {
            let call = clients.ec2().describe_vpc_endpoints().vpc_endpoint_ids(id);
            match call.send().await.named(OPERATION) {
                Ok(answer) => Ok(answer.vpc_endpoints.unwrap_or_default()),
                Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        }
        // All that bear our mark, and then the wanted ones: accounts have few endpoints.
        ids if filter == BY_ID => {
            let marked = vec![Identity::TAG.to_owned()];
            let mut found: Vec<types::VpcEndpoint> = describe!(
                clients,
                describe_vpc_endpoints,
                "ec2:DescribeVpcEndpoints",
                "tag-key",
                marked
            );
            let wanted = |id: &str| ids.iter().any(|wanted| wanted == id);
            found.retain(|endpoint| endpoint.vpc_endpoint_id().is_some_and(wanted));
            Ok(found)
        }
        _ => Ok(describe!(
            clients,
            describe_vpc_endpoints,
            "ec2:DescribeVpcEndpoints",
            filter,
            values
        )),
    }
}

/// An endpoint that is being deleted keeps its private names and routes until it is gone: what fails
/// while there is one to the same service passes.
async fn while_one_goes(
    clients: &Clients,
    inputs: &VpcEndpoint,
    error: ProviderError,
) -> Result<ProviderError, ProviderError> {
    if !matches!(error.kind, ErrorKind::Invalid | ErrorKind::Conflict) {
        return Ok(error);
    }
    let there = all(clients, "vpc-id", vec![inputs.vpc_id.to_string()]);
    let Ok(there) = there.await else { return Ok(error) };
    let going = there.iter().find(|it| {
        is_in(it, "deleting") && it.service_name.is_some() && it.service_name == inputs.service_name
    });
    let Some(going) = going else { return Ok(error) };
    let id = going.vpc_endpoint_id().unwrap_or("another endpoint");
    let message = format!("{}; {id} is still being deleted", error.message);
    Ok(ProviderError { kind: ErrorKind::Transient, message, ..error })
}

/// Those that are neither gone nor going.
async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::VpcEndpoint>, ProviderError> {
    let mut found = all(clients, filter, values).await?;
    found.retain(|endpoint| !is_in(endpoint, "deleting") && !is_in(endpoint, "deleted"));
    Ok(found)
}

async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::VpcEndpoint>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

/// Whether the endpoint is in this state: the service and its model differ in how they write it.
fn is_in(endpoint: &types::VpcEndpoint, state: &str) -> bool {
    endpoint.state().is_some_and(|seen| seen.as_str().eq_ignore_ascii_case(state))
}

fn texts<T: AsRef<str>>(ids: &[T]) -> Option<Vec<String>> {
    (!ids.is_empty()).then(|| ids.iter().map(|id| id.as_ref().to_owned()).collect())
}

/// What to add to `here` and what to remove from it to get `wanted`.
fn difference<T: AsRef<str> + PartialEq>(
    here: &[T],
    wanted: &[T],
) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let only = |a: &[T], b: &[T]| {
        let only: Vec<_> = a.iter().filter(|id| !b.contains(id)).map(AsRef::as_ref).collect();
        texts(&only)
    };
    (only(wanted, here), only(here, wanted))
}

fn outputs(
    clients: &Clients,
    endpoint: &types::VpcEndpoint,
) -> Result<VpcEndpointOutputs, ProviderError> {
    let id =
        endpoint.vpc_endpoint_id().ok_or_else(|| incomplete("ec2:DescribeVpcEndpoints", "id"))?;
    let owner = endpoint.owner_id().unwrap_or(clients.account());
    let mut network_interface_ids: Vec<_> = endpoint
        .network_interface_ids()
        .iter()
        .map(|id| NetworkInterfaceId::from(id.as_str()))
        .collect();
    network_interface_ids.sort_unstable();
    Ok(VpcEndpointOutputs {
        id: VpcEndpointId::from(id),
        arn: clients.arn("ec2", Some(owner), &format!("vpc-endpoint/{id}")),
        owner_id: owner.to_owned(),
        network_interface_ids,
        dns_names: endpoint
            .dns_entries()
            .iter()
            .filter_map(|entry| entry.dns_name.clone())
            .collect(),
    })
}

fn observe(
    clients: &Clients,
    endpoint: &types::VpcEndpoint,
    known: Option<&Known<VpcEndpoint>>,
) -> Result<Observed<VpcEndpoint>, ProviderError> {
    let outputs = outputs(clients, endpoint)?;
    let groups = endpoint.groups().iter().filter_map(|group| group.group_id());
    let inputs = VpcEndpoint {
        vpc_id: endpoint.vpc_id().unwrap_or_default().into(),
        service_name: endpoint.service_name.clone(),
        service_region: endpoint.service_region.clone(),
        resource_configuration_arn: endpoint.resource_configuration_arn().map(Arn::from),
        service_network_arn: endpoint.service_network_arn().map(Arn::from),
        vpc_endpoint_type: endpoint.vpc_endpoint_type().map(|of| of.as_str().into()),
        policy: endpoint.policy_document.clone(),
        route_table_ids: endpoint.route_table_ids().iter().map(|id| id.as_str().into()).collect(),
        subnet_ids: endpoint.subnet_ids().iter().map(|id| id.as_str().into()).collect(),
        security_group_ids: Some(groups.map(SecurityGroupId::from).collect()),
        private_dns_enabled: endpoint.private_dns_enabled(),
        ip_address_type: endpoint.ip_address_type().map(|of| of.as_str().into()),
        dns_options: endpoint.dns_options().map(vpc_endpoint_dns::seen),
        subnet_configurations: Vec::new(),
        tags: tags::own(clients, tags::map(endpoint.tags()), known.map(|known| &known.inputs.tags)),
    };
    Ok(Observed { inputs, outputs })
}
