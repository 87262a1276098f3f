//! A VPC: the private network that everything else lies in.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Observed,
    Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::{by_id, describe, ids},
    network_acl::NetworkAclId,
    route_table::RouteTableId,
    security_group::SecurityGroupId,
    vpc_attributes::{self, Attributes},
    vpc_blocks, vpc_companions,
};
use crate::{
    Arn, check, cidr,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::{choice, id_type},
    locate::nameless,
    retry::while_throttled,
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A VPC's id, such as `vpc-0a1b2c3d4e5f67890`.
    VpcId,
}

choice! {
    /// On whose hardware the instances of a VPC run, unless they say otherwise themselves.
    VpcTenancy {
        /// On hardware that is shared with other accounts.
        Default = "default",
        /// On hardware that is for this account alone.
        Dedicated = "dedicated",
    }
}

/// A VPC. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/vpc", outputs = VpcOutputs, group = network, seconds = 2, resumable)]
pub struct Vpc {
    /// The primary IPv4 block, /16 to /28. Needed unless an IPAM pool gives one.
    #[resource(replace, defaulted)]
    pub cidr_block: Option<String>,
    /// The IPAM pool that the IPv4 block comes from.
    #[resource(replace, write_only)]
    pub ipv4_ipam_pool_id: Option<String>,
    /// How long a prefix the IPAM pool is asked for.
    #[resource(replace, write_only)]
    pub ipv4_netmask_length: Option<u8>,
    /// Further IPv4 blocks, each /16 to /28.
    #[serde(default)]
    #[resource(default, unordered)]
    pub secondary_cidr_blocks: Vec<String>,
    /// On whose hardware instances run.
    #[resource(replace, defaulted)]
    pub instance_tenancy: Option<VpcTenancy>,
    /// Whether Amazon's DNS server answers in the VPC. On by default.
    #[serde(default = "yes")]
    #[resource(default)]
    pub enable_dns_support: bool,
    /// Whether instances with public addresses get DNS names. Needs DNS support.
    #[serde(default)]
    #[resource(default)]
    pub enable_dns_hostnames: bool,
    /// Whether CloudWatch gets metrics of how many addresses are used.
    #[serde(default)]
    #[resource(default)]
    pub enable_network_address_usage_metrics: bool,
    /// Whether Amazon gives the VPC an IPv6 block, a /56.
    #[serde(default)]
    #[resource(default)]
    pub assign_generated_ipv6_cidr_block: bool,
    /// The IPv6 block, out of the pool given.
    #[resource(defaulted)]
    pub ipv6_cidr_block: Option<String>,
    /// The pool of addresses of one's own that the IPv6 block comes from.
    #[resource(write_only)]
    pub ipv6_pool: Option<String>,
    /// The IPAM pool that the IPv6 block comes from.
    #[resource(write_only)]
    pub ipv6_ipam_pool_id: Option<String>,
    /// How long a prefix the IPAM pool is asked for.
    #[resource(write_only)]
    pub ipv6_netmask_length: Option<u8>,
    /// The zones from which the IPv6 block is advertised, such as a Local Zone's group.
    #[resource(defaulted)]
    pub ipv6_cidr_block_network_border_group: Option<String>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

const fn yes() -> bool {
    true
}

/// What a VPC reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct VpcOutputs {
    /// The id.
    #[output(id)]
    pub id: VpcId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
    /// The primary IPv4 block.
    #[output(echo)]
    pub cidr_block: String,
    /// The IPv6 block, if it has one.
    #[output(recomputed_by(
        assign_generated_ipv6_cidr_block,
        ipv6_cidr_block,
        ipv6_pool,
        ipv6_ipam_pool_id,
        ipv6_netmask_length,
        ipv6_cidr_block_network_border_group
    ))]
    pub ipv6_cidr_block: Option<String>,
    /// The route table of subnets that have none of their own. It comes and goes with the VPC.
    pub main_route_table_id: RouteTableId,
    /// The security group of interfaces that name none. It comes and goes with the VPC.
    pub default_security_group_id: SecurityGroupId,
    /// The network ACL of subnets that have none of their own. It comes and goes with the VPC.
    pub default_network_acl_id: NetworkAclId,
}

impl Lifecycle for Vpc {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        match one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await? {
            Some(vpc) => observe(cx.client, &vpc, None).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        match one(cx.client, "vpc-id", known.outputs.id.as_str()).await? {
            Some(vpc) => observe(cx.client, &vpc, Some(known)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let mut found = Vec::with_capacity(among.len());
        for vpc in some(clients, "vpc-id", ids!(among)).await? {
            let known = known.get(vpc.vpc_id().unwrap_or_default()).copied();
            found.push(observe(clients, &vpc, known).await?);
        }
        Ok(found)
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        match one(clients, "vpc-id", id).await? {
            Some(vpc) => observe(clients, &vpc, None).await.map(Some),
            None => Ok(None),
        }
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<VpcOutputs, CreateError<Self>> {
        let clients = cx.client;
        let of = types::ResourceType::Vpc;
        let answer = clients
            .ec2_once()
            .create_vpc()
            .set_cidr_block(inputs.cidr_block.clone())
            .set_ipv4_ipam_pool_id(inputs.ipv4_ipam_pool_id.clone())
            .set_ipv4_netmask_length(inputs.ipv4_netmask_length.map(i32::from))
            .set_instance_tenancy(inputs.instance_tenancy.as_ref().map(|t| t.as_str().into()))
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named("ec2:CreateVpc")?;
        let vpc = answer.vpc().ok_or_else(|| incomplete("ec2:CreateVpc", "VPC"))?;
        let outputs = outputs(clients, vpc, None)?;
        let rest = async {
            while_throttled(|| {
                vpc_attributes::write(clients, &outputs.id, Attributes::NEW, Attributes::of(inputs))
            })
            .await?;
            vpc_blocks::write(clients, &outputs.id, vpc, inputs).await
        };
        match rest.await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let vpc = one(cx.client, "vpc-id", known.outputs.id.as_str()).await?;
        match vpc.filter(|vpc| {
            vpc.state() == Some(&types::VpcState::Available) && vpc_blocks::are_settled(vpc)
        }) {
            Some(vpc) => observe(cx.client, &vpc, Some(known)).await.map(Settled::Ready),
            None => Ok(Settled::Pending(wait::SHORT)),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<VpcOutputs, ProviderError> {
        let (clients, id) = (cx.client, &known.outputs.id);
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id.as_str(), old, new, changes).await?;
        if Attributes::FIELDS.iter().any(|field| changes.touches(field)) {
            let now = vpc_attributes::read(clients, id).await?;
            vpc_attributes::write(clients, id, now, Attributes::of(inputs)).await?;
        }
        let vpc = one(clients, "vpc-id", id.as_str())
            .await?
            .ok_or_else(|| wait::vanished("ec2:DescribeVpcs", id))?;
        if !vpc_blocks::FIELDS.iter().any(|field| changes.touches(field)) {
            return outputs(clients, &vpc, Some(known));
        }
        if vpc_blocks::IPV6_FIELDS.iter().any(|field| changes.touches(field)) {
            vpc_blocks::remove_ipv6(clients, &vpc).await?;
        }
        vpc_blocks::write(clients, id, &vpc, inputs).await?;
        let vpc = one(clients, "vpc-id", id.as_str())
            .await?
            .ok_or_else(|| wait::vanished("ec2:DescribeVpcs", id))?;
        outputs(clients, &vpc, Some(known))
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let call = cx.client.ec2().delete_vpc().vpc_id(known.outputs.id.as_str());
        unless_absent(call.send().await.named("ec2:DeleteVpc"))?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        if !check.is_set("cidr_block") && !check.is_set("ipv4_ipam_pool_id") {
            check.problem("cidr_block", "neither this nor `ipv4_ipam_pool_id` is set");
        }
        if check.is_set("cidr_block") && check.is_set("ipv4_netmask_length") {
            check.problem("ipv4_netmask_length", "the length is that of `cidr_block` already");
        }
        // https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
        cidr::check_ipv4(check, "cidr_block", (16, 28));
        check::range(check, "ipv4_netmask_length", 16, 28);
        vpc_blocks::validate(check);
        check::choice::<VpcTenancy>(check, "instance_tenancy");
        if check.get("enable_dns_hostnames") == Some(true)
            && check.get("enable_dns_support") == Some(false)
        {
            check.problem("enable_dns_hostnames", "needs `enable_dns_support`, which is off");
        }
        tags::check(check, "tags");
    }
}

async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::Vpc>, ProviderError> {
    Ok(describe!(clients, describe_vpcs, "ec2:DescribeVpcs", filter, values))
}

async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::Vpc>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

/// The outputs, as far as the VPC itself tells them.
fn outputs(
    clients: &Clients,
    vpc: &types::Vpc,
    known: Option<&Known<Vpc>>,
) -> Result<VpcOutputs, ProviderError> {
    let id = vpc.vpc_id().ok_or_else(|| incomplete("ec2:DescribeVpcs", "id"))?;
    let known = known.map(|known| &known.outputs);
    Ok(VpcOutputs {
        id: VpcId::from(id),
        arn: clients.arn("ec2", vpc.owner_id(), &format!("vpc/{id}")),
        owner_id: vpc.owner_id().unwrap_or(clients.account()).to_owned(),
        cidr_block: vpc.cidr_block().unwrap_or_default().to_owned(),
        ipv6_cidr_block: vpc_blocks::ipv6(vpc).and_then(|block| block.ipv6_cidr_block.clone()),
        main_route_table_id: known.map(|k| k.main_route_table_id.clone()).unwrap_or_default(),
        default_security_group_id: known
            .map(|k| k.default_security_group_id.clone())
            .unwrap_or_default(),
        default_network_acl_id: known.map(|k| k.default_network_acl_id.clone()).unwrap_or_default(),
    })
}

async fn observe(
    clients: &Clients,
    vpc: &types::Vpc,
    known: Option<&Known<Vpc>>,
) -> Result<Observed<Vpc>, ProviderError> {
    let mut outputs = outputs(clients, vpc, known)?;
    // These stay as they are for the life of the VPC, so they are asked for once.
    if outputs.main_route_table_id.as_str().is_empty() {
        vpc_companions::find(clients, &mut outputs).await?;
    }
    let attributes = vpc_attributes::read(clients, &outputs.id).await?;
    let ipv6 = vpc_blocks::ipv6(vpc);
    let inputs = Vpc {
        cidr_block: vpc.cidr_block.clone(),
        ipv4_ipam_pool_id: None,
        ipv4_netmask_length: None,
        secondary_cidr_blocks: vpc_blocks::secondary(vpc),
        instance_tenancy: vpc.instance_tenancy().map(|tenancy| tenancy.as_str().into()),
        enable_dns_support: attributes.dns_support,
        enable_dns_hostnames: attributes.dns_hostnames,
        enable_network_address_usage_metrics: attributes.usage_metrics,
        assign_generated_ipv6_cidr_block: ipv6.is_some_and(vpc_blocks::is_from_amazon),
        ipv6_cidr_block: outputs.ipv6_cidr_block.clone(),
        ipv6_pool: None,
        ipv6_ipam_pool_id: None,
        ipv6_netmask_length: None,
        ipv6_cidr_block_network_border_group: ipv6
            .and_then(|block| block.network_border_group.clone()),
        tags: tags::own(clients, tags::map(vpc.tags()), known.map(|known| &known.inputs.tags)),
    };
    Ok(Observed { inputs, outputs })
}
