//! A subnet: the part of a VPC that lies in one Availability Zone.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Managed,
    Observed, Outputs, Parent, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    dependents,
    describe::{by_id, describe, ids},
    launch::HostnameType,
    subnet_attributes::{self, Attributes},
    subnet_blocks,
    vpc::{Vpc, VpcId},
};
use crate::{
    Arn,
    child::of_kind,
    client::Clients,
    error::{Named, incomplete},
    id::id_type,
    retry::{while_throttled, while_unseen},
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A subnet's id, such as `subnet-0a1b2c3d4e5f67890`.
    SubnetId,
}

/// A subnet. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/subnet", outputs = SubnetOutputs, group = network, seconds = 1, resumable)]
pub struct Subnet {
    /// The VPC.
    #[resource(replace, unique)]
    pub vpc_id: VpcId,
    /// The IPv4 block, /16 to /28, inside one of the VPC's. Needed unless the subnet is IPv6-only.
    #[resource(replace, unique, cidr)]
    pub cidr_block: Option<String>,
    /// The Availability Zone, such as `eu-west-1a`. AWS chooses one if neither this nor its id is set.
    #[resource(replace, defaulted)]
    pub availability_zone: Option<String>,
    /// The Availability Zone by the id that it has in all accounts, such as `euw1-az1`.
    #[resource(replace, defaulted)]
    pub availability_zone_id: Option<String>,
    /// The IPv6 block, a /64 inside the VPC's.
    pub ipv6_cidr_block: Option<String>,
    /// Whether there is IPv6 only.
    #[serde(default)]
    #[resource(default, replace)]
    pub ipv6_native: bool,
    /// Whether new interfaces get an IPv6 address.
    #[serde(default)]
    #[resource(default)]
    pub assign_ipv6_address_on_creation: bool,
    /// Whether instances launched here get a public IPv4 address.
    #[serde(default)]
    #[resource(default)]
    pub map_public_ip_on_launch: bool,
    /// Whether Amazon's DNS server makes up IPv6 addresses for destinations that have IPv4 only.
    #[serde(default)]
    #[resource(default)]
    pub enable_dns64: bool,
    /// What the private DNS names of instances launched here are made of.
    #[resource(defaulted)]
    pub private_dns_hostname_type_on_launch: Option<HostnameType>,
    /// Whether names made of instance ids resolve to IPv4 addresses.
    #[serde(default)]
    #[resource(default)]
    pub enable_resource_name_dns_a_record_on_launch: bool,
    /// Whether names made of instance ids resolve to IPv6 addresses.
    #[serde(default)]
    #[resource(default)]
    pub enable_resource_name_dns_aaaa_record_on_launch: bool,
    /// The Outpost that the subnet is on.
    #[resource(replace)]
    pub outpost_arn: Option<Arn>,
    /// Whether instances on an Outpost get an address of the pool below.
    #[serde(default)]
    #[resource(default)]
    pub map_customer_owned_ip_on_launch: bool,
    /// The Outpost's pool of addresses of one's own.
    #[resource(defaulted)]
    pub customer_owned_ipv4_pool: Option<String>,
    /// The place of local network interfaces on an Outpost: 1 is the second interface.
    pub enable_lni_at_device_index: Option<u8>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a subnet reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct SubnetOutputs {
    /// The id.
    #[output(id)]
    pub id: SubnetId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
    /// The VPC.
    #[output(echo)]
    pub vpc_id: VpcId,
    /// The IPv4 block.
    #[output(echo)]
    pub cidr_block: Option<String>,
    /// The IPv6 block.
    #[output(echo)]
    pub ipv6_cidr_block: Option<String>,
    /// The Availability Zone.
    #[output(echo)]
    pub availability_zone: String,
    /// The Availability Zone's id.
    #[output(echo)]
    pub availability_zone_id: String,
}

impl Lifecycle for Subnet {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let subnet = one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await?;
        subnet.map(|subnet| observe(cx.client, &subnet, None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let subnet = one(cx.client, "subnet-id", known.outputs.id.as_str()).await?;
        subnet.map(|subnet| observe(cx.client, &subnet, Some(known))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let known =
            |subnet: &types::Subnet| known.get(subnet.subnet_id().unwrap_or_default()).copied();
        let found = some(clients, "subnet-id", ids!(among)).await?;
        found.iter().map(|subnet| observe(clients, subnet, known(subnet))).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let found = match by {
            By::Id(id) => one(clients, "subnet-id", id).await?,
            // No two subnets of a VPC have the same block.
            By::Inputs(Self { vpc_id, cidr_block: Some(block), .. }) => {
                let in_vpc = some(clients, "vpc-id", vec![vpc_id.to_string()]).await?;
                in_vpc.into_iter().find(|subnet| subnet.cidr_block() == Some(block))
            }
            By::Inputs(_) => None,
        };
        found.map(|subnet| observe(clients, &subnet, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<SubnetOutputs, CreateError<Self>> {
        let clients = cx.client;
        let of = types::ResourceType::Subnet;
        let call = clients
            .ec2_once()
            .create_subnet()
            .vpc_id(inputs.vpc_id.as_str())
            .set_cidr_block(inputs.cidr_block.clone())
            .set_ipv6_cidr_block(inputs.ipv6_cidr_block.clone())
            .set_ipv6_native(inputs.ipv6_native.then_some(true))
            .set_availability_zone(inputs.availability_zone.clone())
            .set_availability_zone_id(inputs.availability_zone_id.clone())
            .set_outpost_arn(inputs.outpost_arn.as_ref().map(ToString::to_string))
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
        let answer =
            while_unseen(clients, || async { call.clone().send().await.named("ec2:CreateSubnet") })
                .await?;
        let subnet = answer.subnet().ok_or_else(|| incomplete("ec2:CreateSubnet", "subnet"))?;
        let outputs = outputs(clients, subnet)?;
        let (now, wanted) = (Attributes::seen(subnet), Attributes::of(inputs));
        match while_throttled(|| subnet_attributes::write(clients, &outputs.id, &now, &wanted))
            .await
        {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let subnet = one(cx.client, "subnet-id", known.outputs.id.as_str()).await?;
        let is_ready = |subnet: &types::Subnet| {
            subnet.state() == Some(&types::SubnetState::Available)
                && subnet_blocks::are_settled(subnet)
        };
        match subnet.filter(is_ready) {
            Some(subnet) => observe(cx.client, &subnet, Some(known)).map(Settled::Ready),
            None => Ok(Settled::Pending(wait::SHORT)),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<SubnetOutputs, ProviderError> {
        let (clients, id) = (cx.client, &known.outputs.id);
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id.as_str(), old, new, changes).await?;
        let now = || async {
            let subnet = one(clients, "subnet-id", id.as_str()).await?;
            subnet.ok_or_else(|| wait::vanished("ec2:DescribeSubnets", id))
        };
        let mut subnet = now().await?;
        if changes.touches("ipv6_cidr_block") {
            // Interfaces can not be given addresses of a block that goes.
            let here = Attributes::seen(&subnet);
            let without = Attributes { assign_ipv6: false, ..here.clone() };
            subnet_attributes::write(clients, id, &here, &without).await?;
            subnet_blocks::write(clients, &subnet, inputs.ipv6_cidr_block.as_deref()).await?;
            subnet = now().await?;
        }
        let (here, wanted) = (Attributes::seen(&subnet), Attributes::of(inputs));
        subnet_attributes::write(clients, id, &here, &wanted).await?;
        outputs(clients, &subnet)
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let id = known.outputs.id.as_str();
        let call = cx.client.ec2().delete_subnet().subnet_id(id);
        dependents::delete(cx.client, ("subnet-id", id), || async {
            call.clone().send().await.named("ec2:DeleteSubnet")
        })
        .await
    }

    const PARENTS: &'static [Parent] = &[Parent::new(Vpc::TYPE.kind, "vpc_id")];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let found = some(clients, "vpc-id", of_kind(parents, Vpc::TYPE.kind)).await?;
        let child = |subnet: &types::Subnet| {
            let owner = tags::owner(subnet.tags());
            Ok(Child::new(observe(clients, subnet, None)?).owned_by(owner))
        };
        found.iter().map(child).collect()
    }

    fn validate(check: &mut Check<'_>) {
        subnet_blocks::validate(check);
        subnet_attributes::validate(check);
        tags::check(check, "tags");
    }
}

async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::Subnet>, ProviderError> {
    Ok(describe!(clients, describe_subnets, "ec2:DescribeSubnets", filter, values))
}

async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::Subnet>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

fn outputs(clients: &Clients, subnet: &types::Subnet) -> Result<SubnetOutputs, ProviderError> {
    let id = subnet.subnet_id().ok_or_else(|| incomplete("ec2:DescribeSubnets", "id"))?;
    let owner = subnet.owner_id().unwrap_or(clients.account());
    let arn = subnet.subnet_arn().map(Arn::from);
    Ok(SubnetOutputs {
        id: SubnetId::from(id),
        arn: arn.unwrap_or_else(|| clients.arn("ec2", Some(owner), &format!("subnet/{id}"))),
        owner_id: owner.to_owned(),
        vpc_id: subnet.vpc_id().unwrap_or_default().into(),
        cidr_block: subnet.cidr_block.clone().filter(|block| !block.is_empty()),
        ipv6_cidr_block: subnet_blocks::ipv6(subnet).and_then(|b| b.ipv6_cidr_block.clone()),
        availability_zone: subnet.availability_zone.clone().unwrap_or_default(),
        availability_zone_id: subnet.availability_zone_id.clone().unwrap_or_default(),
    })
}

fn observe(
    clients: &Clients,
    subnet: &types::Subnet,
    known: Option<&Known<Subnet>>,
) -> Result<Observed<Subnet>, ProviderError> {
    let outputs = outputs(clients, subnet)?;
    let attributes = Attributes::seen(subnet);
    let inputs = Subnet {
        vpc_id: outputs.vpc_id.clone(),
        cidr_block: outputs.cidr_block.clone(),
        availability_zone: subnet.availability_zone.clone(),
        availability_zone_id: subnet.availability_zone_id.clone(),
        ipv6_cidr_block: outputs.ipv6_cidr_block.clone(),
        ipv6_native: subnet.ipv6_native() == Some(true),
        assign_ipv6_address_on_creation: attributes.assign_ipv6,
        map_public_ip_on_launch: attributes.map_public_ip,
        enable_dns64: attributes.dns64,
        private_dns_hostname_type_on_launch: attributes.hostname_type,
        enable_resource_name_dns_a_record_on_launch: attributes.a_record,
        enable_resource_name_dns_aaaa_record_on_launch: attributes.aaaa_record,
        outpost_arn: subnet.outpost_arn().map(Arn::from),
        map_customer_owned_ip_on_launch: attributes.customer_owned_ip,
        customer_owned_ipv4_pool: attributes.customer_owned_pool,
        enable_lni_at_device_index: attributes.lni,
        tags: tags::own(clients, tags::map(subnet.tags()), known.map(|known| &known.inputs.tags)),
    };
    Ok(Observed { inputs, outputs })
}
