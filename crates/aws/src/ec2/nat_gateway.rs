//! A NAT gateway: the way out for what has no public address.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Inputs, Known,
    Lifecycle, Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::{by_id, describe, ids},
    elastic_ip::AllocationId,
    launch::NetworkInterfaceId,
    nat_addresses,
    subnet::SubnetId,
    vpc::VpcId,
};
use crate::{
    Arn,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::{choice, id_type},
    locate::nameless,
    retry::while_unseen,
    tags::{self, OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A NAT gateway's id, such as `nat-0a1b2c3d4e5f67890`.
    NatGatewayId,
}

choice! {
    /// Where a NAT gateway leads.
    ConnectivityType {
        /// To the internet, through an Elastic IP.
        Public = "public",
        /// To other VPCs and to one's own network.
        Private = "private",
    }
}

choice! {
    /// How many Availability Zones a NAT gateway is in.
    AvailabilityMode {
        /// In that of its subnet.
        Zonal = "zonal",
        /// In all of the VPC's.
        Regional = "regional",
    }
}

/// A NAT gateway.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/nat-gateway", outputs = NatGatewayOutputs, group = network, seconds = 90)]
pub struct NatGateway {
    /// Where it leads; to the internet if not set.
    #[resource(replace, defaulted)]
    pub connectivity_type: Option<ConnectivityType>,
    /// How many Availability Zones it is in; in one if not set.
    #[resource(replace, defaulted)]
    pub availability_mode: Option<AvailabilityMode>,
    /// The subnet of a zonal one.
    #[resource(replace)]
    pub subnet_id: Option<SubnetId>,
    /// The VPC of a regional one.
    #[resource(replace, defaulted)]
    pub vpc_id: Option<VpcId>,
    /// The Elastic IP of a zonal one that leads to the internet. It is of one gateway at a time
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html>).
    #[resource(replace, unique)]
    pub allocation_id: Option<AllocationId>,
    /// Its private address. AWS takes one of the subnet's if this is not set.
    #[resource(replace, defaulted)]
    pub private_ip: Option<String>,
    /// Further Elastic IPs, for more connections to one destination.
    #[serde(default)]
    #[resource(default, unordered)]
    pub secondary_allocation_ids: Vec<AllocationId>,
    /// Further private addresses, of a private one; or those that go with the further Elastic IPs.
    #[resource(defaulted, unordered)]
    pub secondary_private_ip_addresses: Option<Vec<String>>,
    /// How many further private addresses a private one has, of AWS's choice.
    #[resource(defaulted)]
    pub secondary_private_ip_address_count: Option<u8>,
    /// The zones of a regional one and its Elastic IPs in each. AWS takes care of both if not set.
    #[serde(default)]
    #[resource(default, replace, unordered, nested, write_only)]
    pub availability_zone_addresses: Vec<ZoneAddresses>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// The Elastic IPs of a regional NAT gateway in one Availability Zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ZoneAddresses {
    /// The zone's name.
    pub availability_zone: Option<String>,
    /// The zone's id.
    pub availability_zone_id: Option<String>,
    /// The addresses.
    #[resource(unordered)]
    pub allocation_ids: Vec<AllocationId>,
}

/// What a NAT gateway reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct NatGatewayOutputs {
    /// The id.
    #[output(id)]
    pub id: NatGatewayId,
    /// The ARN.
    pub arn: Arn,
    /// The VPC.
    pub vpc_id: VpcId,
    /// The public address of one that leads to the internet.
    pub public_ip: Option<String>,
    /// The private address of a zonal one.
    pub private_ip: Option<String>,
    /// The network interface of a zonal one.
    pub network_interface_id: Option<NetworkInterfaceId>,
    /// The association of its Elastic IP.
    pub association_id: Option<String>,
}

impl Lifecycle for NatGateway {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

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
        let gateway = one(cx.client, "nat-gateway-id", known.outputs.id.as_str()).await?;
        gateway.map(|gateway| observe(cx.client, &gateway, Some(known))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let known = |gateway: &types::NatGateway| {
            known.get(gateway.nat_gateway_id().unwrap_or_default()).copied()
        };
        let found = some(clients, "nat-gateway-id", ids!(among)).await?;
        found.iter().map(|gateway| observe(clients, gateway, known(gateway))).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let gateway = one(clients, "nat-gateway-id", id).await?;
        gateway.map(|gateway| observe(clients, &gateway, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<NatGatewayOutputs, CreateError<Self>> {
        let clients = cx.client;
        let of = types::ResourceType::Natgateway;
        let text = |id: Option<&dyn AsRef<str>>| id.map(|id| id.as_ref().to_owned());
        let texts = |ids: &[AllocationId]| {
            (!ids.is_empty()).then(|| ids.iter().map(ToString::to_string).collect())
        };
        let zones: Vec<_> = inputs
            .availability_zone_addresses
            .iter()
            .map(|zone| {
                types::AvailabilityZoneAddress::builder()
                    .set_availability_zone(zone.availability_zone.clone())
                    .set_availability_zone_id(zone.availability_zone_id.clone())
                    .set_allocation_ids(texts(&zone.allocation_ids))
                    .build()
            })
            .collect();
        let call = clients
            .ec2()
            .create_nat_gateway()
            .client_token(cx.identity.token())
            .set_connectivity_type(inputs.connectivity_type.as_ref().map(|t| t.as_str().into()))
            .set_availability_mode(inputs.availability_mode.as_ref().map(|m| m.as_str().into()))
            .set_subnet_id(text(inputs.subnet_id.as_ref().map(|id| id as _)))
            .set_vpc_id(text(inputs.vpc_id.as_ref().map(|id| id as _)))
            .set_allocation_id(text(inputs.allocation_id.as_ref().map(|id| id as _)))
            .set_private_ip_address(inputs.private_ip.clone())
            .set_secondary_allocation_ids(texts(&inputs.secondary_allocation_ids))
            .set_secondary_private_ip_addresses(inputs.secondary_private_ip_addresses.clone())
            .set_secondary_private_ip_address_count(
                inputs.secondary_private_ip_address_count.map(i32::from),
            )
            .set_availability_zone_addresses((!zones.is_empty()).then_some(zones))
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
        let answer = while_unseen(clients, || async {
            call.clone().send().await.named("ec2:CreateNatGateway")
        });
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(error) => return Err(while_one_goes(clients, inputs, error).await?.into()),
        };
        let gateway =
            answer.nat_gateway().ok_or_else(|| incomplete("ec2:CreateNatGateway", "gateway"))?;
        Ok(outputs(clients, gateway)?)
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let gateway = one(cx.client, "nat-gateway-id", known.outputs.id.as_str()).await?;
        // It may not be seen yet at all.
        let Some(gateway) = gateway else { return Ok(Settled::Pending(wait::SHORT)) };
        match gateway.state() {
            Some(types::NatGatewayState::Available) if nat_addresses::are_settled(&gateway) => {
                observe(cx.client, &gateway, Some(known)).map(Settled::Ready)
            }
            Some(types::NatGatewayState::Failed) => Err(failure(&gateway)),
            _ => Ok(Settled::Pending(wait::since(gateway.create_time()))),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<NatGatewayOutputs, ProviderError> {
        let (clients, id) = (cx.client, &known.outputs.id);
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id.as_str(), old, new, changes).await?;
        if nat_addresses::FIELDS.iter().any(|field| changes.touches(field)) {
            let gateway = one(clients, "nat-gateway-id", id.as_str()).await?;
            let gateway = gateway.ok_or_else(|| wait::vanished("ec2:DescribeNatGateways", id))?;
            nat_addresses::write(clients, &gateway, inputs).await?;
        }
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let (clients, id) = (cx.client, known.outputs.id.as_str());
        let here = async || -> Result<_, ProviderError> {
            let found = all(clients, "nat-gateway-id", vec![id.to_owned()]).await?.pop();
            Ok(found.filter(|gateway| gateway.state() != Some(&types::NatGatewayState::Deleted)))
        };
        let Some(mut gateway) = here().await? else { return Ok(Deletion::Done) };
        if gateway.state() != Some(&types::NatGatewayState::Deleting) {
            let call = clients.ec2().delete_nat_gateway().nat_gateway_id(id);
            unless_absent(call.send().await.named("ec2:DeleteNatGateway"))?;
            gateway = match here().await? {
                Some(gateway) => gateway,
                None => return Ok(Deletion::Done),
            };
        }
        Ok(Deletion::Pending(wait::since(gateway.delete_time())))
    }

    fn validate(check: &mut Check<'_>) {
        nat_addresses::validate(check);
        tags::check(check, "tags");
    }
}

async fn all(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::NatGateway>, ProviderError> {
    Ok(describe!(clients, describe_nat_gateways, "ec2:DescribeNatGateways", filter, values, filter))
}

/// Deleted ones are shown for about an hour
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html>); they are gone.
async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::NatGateway>, ProviderError> {
    let mut found = all(clients, filter, values).await?;
    found.retain(|gateway| {
        !matches!(
            gateway.state(),
            Some(types::NatGatewayState::Deleting | types::NatGatewayState::Deleted)
        )
    });
    Ok(found)
}

async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::NatGateway>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

/// A gateway that is being deleted keeps its address until it is gone, which takes minutes: what fails
/// for that passes.
async fn while_one_goes(
    clients: &Clients,
    inputs: &NatGateway,
    error: ProviderError,
) -> Result<ProviderError, ProviderError> {
    let taken = error.code.as_deref() == Some("Resource.AlreadyAssociated");
    let Some(subnet) = inputs.subnet_id.as_ref().filter(|_| taken) else { return Ok(error) };
    let there = all(clients, "subnet-id", vec![subnet.to_string()]);
    let Ok(there) = there.await else { return Ok(error) };
    let going = |it: &types::NatGateway| it.state() == Some(&types::NatGatewayState::Deleting);
    let Some(going) = there.iter().find(|gateway| going(gateway)) else { return Ok(error) };
    let id = going.nat_gateway_id().unwrap_or("another gateway");
    let message = format!("{}; {id} is still being deleted", error.message);
    Ok(ProviderError { kind: ErrorKind::Transient, message, ..error })
}

fn failure(gateway: &types::NatGateway) -> ProviderError {
    let message = gateway.failure_message().unwrap_or("the gateway failed, and gives no reason");
    let code = gateway.failure_code.clone();
    ProviderError { code, ..ProviderError::new(ErrorKind::Other, "ec2:CreateNatGateway", message) }
}

fn outputs(
    clients: &Clients,
    gateway: &types::NatGateway,
) -> Result<NatGatewayOutputs, ProviderError> {
    let id = gateway.nat_gateway_id().ok_or_else(|| incomplete("ec2:DescribeNatGateways", "id"))?;
    let primary = nat_addresses::primary(gateway);
    Ok(NatGatewayOutputs {
        id: NatGatewayId::from(id),
        arn: clients.arn("ec2", None, &format!("natgateway/{id}")),
        vpc_id: gateway.vpc_id().unwrap_or_default().into(),
        public_ip: primary.and_then(|address| address.public_ip.clone()),
        private_ip: primary.and_then(|address| address.private_ip.clone()),
        network_interface_id: primary
            .and_then(|address| address.network_interface_id())
            .map(NetworkInterfaceId::from),
        association_id: primary.and_then(|address| address.association_id.clone()),
    })
}

fn observe(
    clients: &Clients,
    gateway: &types::NatGateway,
    known: Option<&Known<NatGateway>>,
) -> Result<Observed<NatGateway>, ProviderError> {
    let outputs = outputs(clients, gateway)?;
    let secondary = nat_addresses::secondary(gateway);
    let regional = gateway.availability_mode() == Some(&types::AvailabilityMode::Regional);
    let inputs = NatGateway {
        connectivity_type: gateway.connectivity_type().map(|of| of.as_str().into()),
        availability_mode: gateway.availability_mode().map(|mode| mode.as_str().into()),
        subnet_id: gateway.subnet_id().filter(|_| !regional).map(SubnetId::from),
        vpc_id: gateway.vpc_id().map(VpcId::from),
        allocation_id: nat_addresses::primary(gateway)
            .filter(|_| !regional)
            .and_then(|address| address.allocation_id())
            .map(AllocationId::from),
        private_ip: outputs.private_ip.clone(),
        secondary_allocation_ids: secondary
            .iter()
            .filter(|_| !regional)
            .filter_map(|address| address.allocation_id())
            .map(AllocationId::from)
            .collect(),
        secondary_private_ip_addresses: Some(
            secondary.iter().filter_map(|address| address.private_ip.clone()).collect(),
        ),
        secondary_private_ip_address_count: u8::try_from(secondary.len()).ok(),
        availability_zone_addresses: Vec::new(),
        tags: tags::own(clients, tags::map(gateway.tags()), known.map(|known| &known.inputs.tags)),
    };
    Ok(Observed { inputs, outputs })
}
