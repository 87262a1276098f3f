//! An egress-only internet gateway: the way out for IPv6, and not in.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Observed,
    Outputs, ProviderError, Resource,
};
use serde::{Deserialize, Serialize};

use super::{describe::by_id, vpc::VpcId};
use crate::{
    Arn, check,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::id_type,
    locate::nameless,
    retry::while_unseen,
    tags::{self, Tags},
};

id_type! {
    /// An egress-only internet gateway's id, such as `eigw-0a1b2c3d4e5f67890`.
    EgressOnlyInternetGatewayId,
}

/// An egress-only internet gateway.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateEgressOnlyInternetGateway.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/egress-only-internet-gateway",
    outputs = EgressOnlyInternetGatewayOutputs,
    group = network,
    seconds = 1
)]
pub struct EgressOnlyInternetGateway {
    /// The VPC.
    #[resource(replace)]
    pub vpc_id: VpcId,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What an egress-only internet gateway reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct EgressOnlyInternetGatewayOutputs {
    /// The id.
    #[output(id)]
    pub id: EgressOnlyInternetGatewayId,
    /// The ARN.
    pub arn: Arn,
    /// The VPC.
    #[output(echo)]
    pub vpc_id: VpcId,
}

impl Lifecycle for EgressOnlyInternetGateway {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let is_ours = |gateway: &&types::EgressOnlyInternetGateway| {
            tags::owner(gateway.tags()) == Some(cx.identity.id.as_str())
        };
        let found = all(cx.client).await?;
        found.iter().find(is_ours).map(|gateway| observe(cx.client, gateway, None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(Self::list(cx.client, std::slice::from_ref(known)).await?.pop())
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let found = all(clients).await?;
        found
            .iter()
            .filter_map(|gateway| {
                let known = known.get(gateway.egress_only_internet_gateway_id()?)?;
                Some(observe(clients, gateway, Some(known)))
            })
            .collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let found = all(clients).await?;
        let is_it = |it: &&types::EgressOnlyInternetGateway| {
            it.egress_only_internet_gateway_id() == Some(id)
        };
        found.iter().find(is_it).map(|gateway| observe(clients, gateway, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<EgressOnlyInternetGatewayOutputs, CreateError<Self>> {
        const OPERATION: &str = "ec2:CreateEgressOnlyInternetGateway";
        let clients = cx.client;
        let of = types::ResourceType::EgressOnlyInternetGateway;
        let call = clients
            .ec2()
            .create_egress_only_internet_gateway()
            .client_token(cx.identity.token())
            .vpc_id(inputs.vpc_id.as_str())
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
        let answer =
            while_unseen(clients, || async { call.clone().send().await.named(OPERATION) }).await?;
        let gateway = answer
            .egress_only_internet_gateway()
            .ok_or_else(|| incomplete(OPERATION, "gateway"))?;
        Ok(observe(clients, gateway, None)?.outputs)
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<EgressOnlyInternetGatewayOutputs, ProviderError> {
        let (id, old, new) = (known.outputs.id.as_str(), &known.inputs.tags, &inputs.tags);
        tags::update(cx.client, cx.identity, id, old, new, changes).await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let call = cx.client.ec2().delete_egress_only_internet_gateway();
        let call = call.egress_only_internet_gateway_id(known.outputs.id.as_str());
        unless_absent(call.send().await.named("ec2:DeleteEgressOnlyInternetGateway"))?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        let vpc = check.target("vpc_id").filter(|target| target.kind() == "aws:ec2/vpc");
        let generated = "assign_generated_ipv6_cidr_block";
        let has_ipv6 = |vpc: &formwork_core::Target<'_>| {
            vpc.get(generated) == Some(true)
                || vpc.get::<String>("ipv6_pool").is_some()
                || vpc.get::<String>("ipv6_ipam_pool_id").is_some()
        };
        if let Some(vpc) = vpc.filter(|vpc| vpc.get(generated) == Some(false) && !has_ipv6(vpc)) {
            let message = format!("`{}` has no IPv6 block for it to carry", vpc.address());
            check.problem("vpc_id", message);
        }
        check::only_one(check, &["vpc_id"], "is of the same VPC, which takes one");
        tags::check(check, "tags");
    }
}

/// All there are: this call filters by nothing but tags, and a VPC has one at most.
async fn all(clients: &Clients) -> Result<Vec<types::EgressOnlyInternetGateway>, ProviderError> {
    let call = clients.ec2().describe_egress_only_internet_gateways();
    let pages = call.into_paginator().items().send();
    pages.try_collect().await.named("ec2:DescribeEgressOnlyInternetGateways")
}

fn observe(
    clients: &Clients,
    gateway: &types::EgressOnlyInternetGateway,
    known: Option<&Known<EgressOnlyInternetGateway>>,
) -> Result<Observed<EgressOnlyInternetGateway>, ProviderError> {
    let id = gateway
        .egress_only_internet_gateway_id()
        .ok_or_else(|| incomplete("ec2:DescribeEgressOnlyInternetGateways", "id"))?;
    let vpc = gateway.attachments().first().and_then(|attachment| attachment.vpc_id());
    let vpc_id = VpcId::from(vpc.unwrap_or_default());
    let declared = known.map(|known| &known.inputs.tags);
    Ok(Observed {
        inputs: EgressOnlyInternetGateway {
            vpc_id: vpc_id.clone(),
            tags: tags::own(clients, tags::map(gateway.tags()), declared),
        },
        outputs: EgressOnlyInternetGatewayOutputs {
            id: EgressOnlyInternetGatewayId::from(id),
            arn: clients.arn("ec2", None, &format!("egress-only-internet-gateway/{id}")),
            vpc_id,
        },
    })
}
