//! An Elastic IP: a public IPv4 address of the account's own.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource,
};
use serde::{Deserialize, Serialize};

use super::describe::{FILTER_VALUES, by_id, filter, ids};
use crate::{
    Arn, check,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::id_type,
    locate::nameless,
    retry::while_failing,
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// The id of an allocated address, such as `eipalloc-0a1b2c3d4e5f67890`.
    AllocationId,
}

/// An Elastic IP address. What it is associated with is said by that resource: a NAT gateway, or
/// an association.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/elastic-ip", outputs = ElasticIpOutputs, group = network, seconds = 1)]
pub struct ElasticIp {
    /// The very address, out of a pool of one's own or to get back one that was released.
    #[resource(replace, unique, defaulted)]
    pub address: Option<String>,
    /// The pool that the address comes from: `amazon`, or one of one's own.
    #[resource(replace, defaulted)]
    pub public_ipv4_pool: Option<String>,
    /// The IPAM pool that the address comes from.
    #[resource(replace, write_only)]
    pub ipam_pool_id: Option<String>,
    /// The zones from which the address is advertised, such as a Local Zone's group.
    #[resource(replace, defaulted)]
    pub network_border_group: Option<String>,
    /// The pool of an Outpost that the address comes from.
    #[resource(replace)]
    pub customer_owned_ipv4_pool: Option<String>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What an Elastic IP reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct ElasticIpOutputs {
    /// The id of the allocation.
    #[output(id)]
    pub id: AllocationId,
    /// The ARN.
    pub arn: Arn,
    /// The address; empty in a Wavelength Zone and in an Outpost's pool.
    pub public_ip: String,
    /// The address that the carrier gave it, in a Wavelength Zone.
    pub carrier_ip: Option<String>,
    /// The address out of an Outpost's pool.
    pub customer_owned_ip: Option<String>,
}

impl Lifecycle for ElasticIp {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let address = one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await?;
        address.map(|address| observe(cx.client, &address, None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let address = one(cx.client, "allocation-id", known.outputs.id.as_str()).await?;
        address.map(|address| observe(cx.client, &address, Some(known))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let known = |address: &types::Address| {
            known.get(address.allocation_id().unwrap_or_default()).copied()
        };
        let found = some(clients, "allocation-id", ids!(among)).await?;
        found.iter().map(|address| observe(clients, address, known(address))).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let address = one(clients, "allocation-id", id).await?;
        address.map(|address| observe(clients, &address, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<ElasticIpOutputs, CreateError<Self>> {
        const OPERATION: &str = "ec2:AllocateAddress";
        let clients = cx.client;
        let of = types::ResourceType::ElasticIp;
        let answer = clients
            .ec2_once()
            .allocate_address()
            .domain(types::DomainType::Vpc)
            .set_address(inputs.address.clone())
            .set_public_ipv4_pool(inputs.public_ipv4_pool.clone())
            .set_ipam_pool_id(inputs.ipam_pool_id.clone())
            .set_network_border_group(inputs.network_border_group.clone())
            .set_customer_owned_ipv4_pool(inputs.customer_owned_ipv4_pool.clone())
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named(OPERATION)?;
        let id = answer.allocation_id().ok_or_else(|| incomplete(OPERATION, "allocation id"))?;
        Ok(ElasticIpOutputs {
            id: AllocationId::from(id),
            arn: arn(clients, id),
            public_ip: answer.public_ip.clone().unwrap_or_default(),
            carrier_ip: answer.carrier_ip.clone(),
            customer_owned_ip: answer.customer_owned_ip.clone(),
        })
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<ElasticIpOutputs, ProviderError> {
        let (id, old, new) = (known.outputs.id.as_str(), &known.inputs.tags, &inputs.tags);
        tags::update(cx.client, cx.identity, id, old, new, changes).await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let clients = cx.client;
        let id = known.outputs.id.as_str();
        let Some(address) = one(clients, "allocation-id", id).await? else {
            return Ok(Deletion::Done);
        };
        // A gateway that is just gone takes a moment to let go of its addresses, and meanwhile the
        // address is AWS's to manage (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html).
        if address.service_managed().is_some() && address.association_id().is_some() {
            return Ok(Deletion::Pending(wait::LONG));
        }
        let call = clients.ec2().release_address().allocation_id(id);
        let in_use = |error: &ProviderError| error.kind == ErrorKind::InUse;
        let released = while_failing(clients, in_use, || async {
            call.clone().send().await.named("ec2:ReleaseAddress")
        });
        unless_absent(released.await)?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        if let Some(text) = check.get::<String>("address")
            && text.parse::<std::net::Ipv4Addr>().is_err()
        {
            check.problem("address", format!("{text:?} is no IPv4 address"));
        }
        let pools = ["public_ipv4_pool", "ipam_pool_id", "customer_owned_ipv4_pool"];
        check::exactly_one(check, &pools, false);
        tags::check(check, "tags");
    }
}

/// Addresses come all at once: this call has no pages.
async fn some(
    clients: &Clients,
    name: &str,
    values: Vec<String>,
) -> Result<Vec<types::Address>, ProviderError> {
    let mut found = Vec::new();
    for chunk in values.chunks(FILTER_VALUES) {
        let call = clients.ec2().describe_addresses().filters(filter(name, chunk));
        found.extend(
            call.send().await.named("ec2:DescribeAddresses")?.addresses.unwrap_or_default(),
        );
    }
    Ok(found)
}

async fn one(
    clients: &Clients,
    name: &str,
    value: &str,
) -> Result<Option<types::Address>, ProviderError> {
    Ok(some(clients, name, vec![value.to_owned()]).await?.pop())
}

fn arn(clients: &Clients, id: &str) -> Arn {
    clients.arn("ec2", None, &format!("elastic-ip/{id}"))
}

fn observe(
    clients: &Clients,
    address: &types::Address,
    known: Option<&Known<ElasticIp>>,
) -> Result<Observed<ElasticIp>, ProviderError> {
    let id = address
        .allocation_id()
        .ok_or_else(|| incomplete("ec2:DescribeAddresses", "allocation id"))?;
    let outputs = ElasticIpOutputs {
        id: AllocationId::from(id),
        arn: arn(clients, id),
        public_ip: address.public_ip.clone().unwrap_or_default(),
        carrier_ip: address.carrier_ip.clone(),
        customer_owned_ip: address.customer_owned_ip.clone(),
    };
    let inputs = ElasticIp {
        address: address.public_ip.clone(),
        public_ipv4_pool: address.public_ipv4_pool.clone(),
        ipam_pool_id: None,
        network_border_group: address.network_border_group.clone(),
        customer_owned_ipv4_pool: address.customer_owned_ipv4_pool.clone(),
        tags: tags::own(clients, tags::map(address.tags()), known.map(|known| &known.inputs.tags)),
    };
    Ok(Observed { inputs, outputs })
}
