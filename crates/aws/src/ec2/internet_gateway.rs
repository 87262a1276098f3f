//! An internet gateway: the way between a VPC and the internet.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    dependents,
    describe::{by_id, describe, ids},
    vpc::VpcId,
};
use crate::{
    Arn, check,
    client::Clients,
    error::{Named, incomplete},
    id::id_type,
    locate::nameless,
    retry::{while_throttled, while_unseen},
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// An internet gateway's id, such as `igw-0a1b2c3d4e5f67890`.
    InternetGatewayId,
}

/// An internet gateway, and its attachment to a VPC.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/internet-gateway",
    outputs = InternetGatewayOutputs,
    group = network,
    seconds = 1,
    resumable
)]
pub struct InternetGateway {
    /// The VPC it is attached to. A VPC has one internet gateway at most
    /// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>), and keeps it
    /// while it has public addresses in use
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html>): so
    /// a gateway for another VPC is another gateway.
    #[resource(replace, unique)]
    pub vpc_id: Option<VpcId>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What an internet gateway reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct InternetGatewayOutputs {
    /// The id.
    #[output(id)]
    pub id: InternetGatewayId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
    /// The VPC it is attached to.
    #[output(echo)]
    pub vpc_id: Option<VpcId>,
}

impl Lifecycle for InternetGateway {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let gateway = one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await?;
        gateway.map(|gateway| observe(cx.client, &gateway, None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let gateway = one(cx.client, "internet-gateway-id", known.outputs.id.as_str()).await?;
        gateway.map(|gateway| observe(cx.client, &gateway, Some(known))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let found = some(clients, "internet-gateway-id", ids!(among)).await?;
        let known = |gateway: &types::InternetGateway| {
            known.get(gateway.internet_gateway_id().unwrap_or_default()).copied()
        };
        found.iter().map(|gateway| observe(clients, gateway, known(gateway))).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let gateway = one(clients, "internet-gateway-id", id).await?;
        gateway.map(|gateway| observe(clients, &gateway, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<InternetGatewayOutputs, CreateError<Self>> {
        let clients = cx.client;
        let of = types::ResourceType::InternetGateway;
        let answer = clients
            .ec2_once()
            .create_internet_gateway()
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named("ec2:CreateInternetGateway")?;
        let gateway = answer
            .internet_gateway()
            .ok_or_else(|| incomplete("ec2:CreateInternetGateway", "gateway"))?;
        let outputs = outputs(clients, gateway)?;
        let Some(vpc) = &inputs.vpc_id else { return Ok(outputs) };
        match while_throttled(|| attach(clients, &outputs.id, vpc)).await {
            Ok(()) => Ok(InternetGatewayOutputs { vpc_id: Some(vpc.clone()), ..outputs }),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let gateway = one(cx.client, "internet-gateway-id", known.outputs.id.as_str()).await?;
        let Some(gateway) = gateway else { return Ok(Settled::Pending(wait::SHORT)) };
        match (attached(&gateway), &known.inputs.vpc_id) {
            (here, wanted) if here == *wanted => {
                observe(cx.client, &gateway, Some(known)).map(Settled::Ready)
            }
            // A crash came between its create and this.
            (None, Some(vpc)) if gateway.attachments().is_empty() => {
                attach(cx.client, &known.outputs.id, vpc).await?;
                Ok(Settled::Pending(wait::SHORT))
            }
            _ => Ok(Settled::Pending(wait::SHORT)),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<InternetGatewayOutputs, ProviderError> {
        let (clients, id) = (cx.client, &known.outputs.id);
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id.as_str(), old, new, changes).await?;
        let gateway = one(clients, "internet-gateway-id", id.as_str()).await?;
        let gateway = gateway.ok_or_else(|| wait::vanished("ec2:DescribeInternetGateways", id))?;
        if let (None, Some(vpc)) = (attached(&gateway), &inputs.vpc_id) {
            // Its create ended before this.
            attach(clients, id, vpc).await?;
        }
        let outputs = outputs(clients, &gateway)?;
        Ok(InternetGatewayOutputs { vpc_id: inputs.vpc_id.clone(), ..outputs })
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let (clients, id) = (cx.client, known.outputs.id.as_str());
        let Some(gateway) = one(clients, "internet-gateway-id", id).await? else {
            return Ok(Deletion::Done);
        };
        if let Some(vpc) = attached(&gateway) {
            let detach = clients.ec2().detach_internet_gateway();
            let detach = detach.internet_gateway_id(id).vpc_id(vpc.as_str());
            // It can not go while public addresses of the VPC are in use, such as those of a NAT
            // gateway that is still going.
            let detached = dependents::delete(clients, ("vpc-id", vpc.as_str()), || async {
                detach.clone().send().await.named("ec2:DetachInternetGateway")
            });
            if let pending @ Deletion::Pending(_) = detached.await? {
                return Ok(pending);
            }
        }
        let call = clients.ec2().delete_internet_gateway().internet_gateway_id(id);
        crate::error::unless_absent(call.send().await.named("ec2:DeleteInternetGateway"))?;
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        check::only_one(check, &["vpc_id"], "is attached to the same VPC, which takes one gateway");
        tags::check(check, "tags");
    }
}

async fn attach(
    clients: &Clients,
    id: &InternetGatewayId,
    vpc: &VpcId,
) -> Result<(), ProviderError> {
    let call = clients.ec2().attach_internet_gateway();
    let call = call.internet_gateway_id(id.as_str()).vpc_id(vpc.as_str());
    let attached = while_unseen(clients, || async {
        call.clone().send().await.named("ec2:AttachInternetGateway")
    });
    let Err(refused) = attached.await else { return Ok(()) };
    if !matches!(refused.kind, ErrorKind::Invalid | ErrorKind::Conflict) {
        return Err(refused);
    }
    let there = one(clients, "attachment.vpc-id", vpc.as_str()).await?;
    match there.and_then(|gateway| gateway.internet_gateway_id) {
        Some(there) if there == id.as_str() => Ok(()),
        Some(there) => {
            let message = format!(
                "{}: {there} is the gateway of {vpc}: detach it, or let this gateway have no VPC",
                refused.message
            );
            Err(ProviderError { message, ..refused })
        }
        None => Err(refused),
    }
}

async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::InternetGateway>, ProviderError> {
    Ok(describe!(
        clients,
        describe_internet_gateways,
        "ec2:DescribeInternetGateways",
        filter,
        values
    ))
}

async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::InternetGateway>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

/// The VPC it is attached to. An attachment that works is `available`, which is none of the states
/// that the SDK lists.
fn attached(gateway: &types::InternetGateway) -> Option<VpcId> {
    gateway
        .attachments()
        .iter()
        .find(|attachment| {
            let state = attachment.state().map(types::AttachmentStatus::as_str);
            matches!(state, Some("available" | "attached" | "attaching"))
        })
        .and_then(|attachment| attachment.vpc_id())
        .map(VpcId::from)
}

fn outputs(
    clients: &Clients,
    gateway: &types::InternetGateway,
) -> Result<InternetGatewayOutputs, ProviderError> {
    let id = gateway
        .internet_gateway_id()
        .ok_or_else(|| incomplete("ec2:DescribeInternetGateways", "id"))?;
    let owner = gateway.owner_id().unwrap_or(clients.account());
    Ok(InternetGatewayOutputs {
        id: InternetGatewayId::from(id),
        arn: clients.arn("ec2", Some(owner), &format!("internet-gateway/{id}")),
        owner_id: owner.to_owned(),
        vpc_id: attached(gateway),
    })
}

fn observe(
    clients: &Clients,
    gateway: &types::InternetGateway,
    known: Option<&Known<InternetGateway>>,
) -> Result<Observed<InternetGateway>, ProviderError> {
    let outputs = outputs(clients, gateway)?;
    let declared = known.map(|known| &known.inputs.tags);
    let inputs = InternetGateway {
        vpc_id: outputs.vpc_id.clone(),
        tags: tags::own(clients, tags::map(gateway.tags()), declared),
    };
    Ok(Observed { inputs, outputs })
}
