//! A route table: where the subnets associated with it send what is not for themselves.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource,
};
use serde::{Deserialize, Serialize};

use super::{
    describe::{by_id, describe, ids},
    vpc::{Vpc, VpcId},
};
use crate::{
    Arn, check,
    child::of_kind,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::id_type,
    locate::nameless,
    retry::{while_failing, while_throttled, while_unseen},
    tags::{self, OWNER_FILTER, Tags},
};

id_type! {
    /// A route table's id, such as `rtb-0a1b2c3d4e5f67890`.
    RouteTableId,
    /// A virtual private gateway's id, such as `vgw-0a1b2c3d4e5f67890`.
    VpnGatewayId,
}

/// A route table. Its routes and associations are resources of their own.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/route-table",
    outputs = RouteTableOutputs,
    group = network,
    seconds = 1,
    resumable
)]
pub struct RouteTable {
    /// The VPC.
    #[resource(replace)]
    pub vpc_id: VpcId,
    /// The virtual private gateways whose routes are added by themselves.
    #[serde(default)]
    #[resource(default, unordered)]
    pub propagating_vgws: Vec<VpnGatewayId>,
    /// Tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a route table reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RouteTableOutputs {
    /// The id.
    #[output(id)]
    pub id: RouteTableId,
    /// The ARN.
    pub arn: Arn,
    /// The account that owns it.
    pub owner_id: String,
    /// The VPC.
    #[output(echo)]
    pub vpc_id: VpcId,
}

impl Lifecycle for RouteTable {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        _inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let table = one(cx.client, OWNER_FILTER, cx.identity.id.as_str()).await?;
        table.map(|table| observe(cx.client, &table, None)).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let table = one(cx.client, "route-table-id", known.outputs.id.as_str()).await?;
        table.map(|table| observe(cx.client, &table, Some(known))).transpose()
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let known = by_id!(among);
        let known = |table: &types::RouteTable| {
            known.get(table.route_table_id().unwrap_or_default()).copied()
        };
        let found = some(clients, "route-table-id", ids!(among)).await?;
        found.iter().map(|table| observe(clients, table, known(table))).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let table = one(clients, "route-table-id", id).await?;
        table.map(|table| observe(clients, &table, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<RouteTableOutputs, CreateError<Self>> {
        let clients = cx.client;
        let of = types::ResourceType::RouteTable;
        let call = clients
            .ec2()
            .create_route_table()
            .client_token(cx.identity.token())
            .vpc_id(inputs.vpc_id.as_str())
            .tag_specifications(tags::specification(clients, cx.identity, of, &inputs.tags));
        let answer = while_unseen(clients, || async {
            call.clone().send().await.named("ec2:CreateRouteTable")
        })
        .await?;
        let table =
            answer.route_table().ok_or_else(|| incomplete("ec2:CreateRouteTable", "table"))?;
        let outputs = outputs(clients, table)?;
        match while_throttled(|| propagate(clients, table, &inputs.propagating_vgws)).await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<RouteTableOutputs, ProviderError> {
        let (clients, id) = (cx.client, known.outputs.id.as_str());
        let (old, new) = (&known.inputs.tags, &inputs.tags);
        tags::update(clients, cx.identity, id, old, new, changes).await?;
        if changes.touches("propagating_vgws")
            && let Some(table) = one(clients, "route-table-id", id).await?
        {
            propagate(clients, &table, &inputs.propagating_vgws).await?;
        }
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let call = cx.client.ec2().delete_route_table().route_table_id(known.outputs.id.as_str());
        // Its associations went just before.
        let in_use = |error: &ProviderError| error.kind == ErrorKind::InUse;
        let deleted = while_failing(cx.client, in_use, || async {
            call.clone().send().await.named("ec2:DeleteRouteTable")
        });
        unless_absent(deleted.await)?;
        Ok(Deletion::Done)
    }

    const PARENTS: &'static [Parent] = &[Parent::new(Vpc::TYPE.kind, "vpc_id")];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let found = some(clients, "vpc-id", of_kind(parents, Vpc::TYPE.kind)).await?;
        // Every VPC has one that is its main table, which goes with it.
        let main = |table: &&types::RouteTable| {
            table.associations().iter().any(|association| association.main() == Some(true))
        };
        let child = |table: &types::RouteTable| {
            let owner = tags::owner(table.tags());
            Ok(Child::new(observe(clients, table, None)?).owned_by(owner))
        };
        found.iter().filter(|table| !main(table)).map(child).collect()
    }

    fn validate(check: &mut Check<'_>) {
        for i in 0..check::len(check, "propagating_vgws") {
            check::id(check, &format!("propagating_vgws[{i}]"), "vgw");
        }
        tags::check(check, "tags");
    }
}

/// All tables that have one of `values` as `filter`.
pub(crate) async fn some(
    clients: &Clients,
    filter: &str,
    values: Vec<String>,
) -> Result<Vec<types::RouteTable>, ProviderError> {
    Ok(describe!(clients, describe_route_tables, "ec2:DescribeRouteTables", filter, values))
}

/// The table that has `value` as `filter`.
pub(crate) async fn one(
    clients: &Clients,
    filter: &str,
    value: &str,
) -> Result<Option<types::RouteTable>, ProviderError> {
    Ok(some(clients, filter, vec![value.to_owned()]).await?.pop())
}

/// Makes the table take its routes from `wanted`, and from no other gateway.
async fn propagate(
    clients: &Clients,
    table: &types::RouteTable,
    wanted: &[VpnGatewayId],
) -> Result<(), ProviderError> {
    let id = table.route_table_id().unwrap_or_default();
    let here = propagating(table);
    for gateway in here.iter().filter(|gateway| !wanted.contains(gateway)) {
        let call = clients.ec2().disable_vgw_route_propagation().route_table_id(id);
        let call = call.gateway_id(gateway.as_str());
        unless_absent(call.send().await.named("ec2:DisableVgwRoutePropagation"))?;
    }
    for gateway in wanted.iter().filter(|gateway| !here.contains(gateway)) {
        let call = clients.ec2().enable_vgw_route_propagation().route_table_id(id);
        let call = call.gateway_id(gateway.as_str());
        while_unseen(clients, || async {
            call.clone().send().await.named("ec2:EnableVgwRoutePropagation")
        })
        .await?;
    }
    Ok(())
}

fn propagating(table: &types::RouteTable) -> Vec<VpnGatewayId> {
    table
        .propagating_vgws()
        .iter()
        .filter_map(|gateway| gateway.gateway_id())
        .map(VpnGatewayId::from)
        .collect()
}

fn outputs(
    clients: &Clients,
    table: &types::RouteTable,
) -> Result<RouteTableOutputs, ProviderError> {
    let id = table.route_table_id().ok_or_else(|| incomplete("ec2:DescribeRouteTables", "id"))?;
    let owner = table.owner_id().unwrap_or(clients.account());
    Ok(RouteTableOutputs {
        id: RouteTableId::from(id),
        arn: clients.arn("ec2", Some(owner), &format!("route-table/{id}")),
        owner_id: owner.to_owned(),
        vpc_id: table.vpc_id().unwrap_or_default().into(),
    })
}

fn observe(
    clients: &Clients,
    table: &types::RouteTable,
    known: Option<&Known<RouteTable>>,
) -> Result<Observed<RouteTable>, ProviderError> {
    let outputs = outputs(clients, table)?;
    let inputs = RouteTable {
        vpc_id: outputs.vpc_id.clone(),
        propagating_vgws: propagating(table),
        tags: tags::own(clients, tags::map(table.tags()), known.map(|known| &known.inputs.tags)),
    };
    Ok(Observed { inputs, outputs })
}
