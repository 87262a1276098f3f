//! Which route table a subnet or a gateway uses.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    route_table::{self, RouteTable, RouteTableId},
    subnet::{Subnet, SubnetId},
};
use crate::{
    check,
    child::of_kind,
    client::Clients,
    error::{Named, incomplete, unless_absent},
    locate::pair,
    retry::while_unseen,
    wait,
};

/// The association of a route table with a subnet, or with a gateway for what comes in through it.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/route-table-association",
    outputs = RouteTableAssociationOutputs,
    group = network,
    seconds = 1
)]
pub struct RouteTableAssociation {
    /// The route table.
    pub route_table_id: RouteTableId,
    /// The subnet. It uses one route table.
    #[resource(replace, unique)]
    pub subnet_id: Option<SubnetId>,
    /// The internet gateway or virtual private gateway.
    #[resource(replace, unique)]
    pub gateway_id: Option<String>,
}

/// What an association reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct RouteTableAssociationOutputs {
    /// The subnet or gateway: it has one association, whose own id changes with the table.
    #[output(id)]
    pub id: String,
    /// The association's own id, such as `rtbassoc-0a1b2c3d4e5f67890`.
    #[output(recomputed_by(route_table_id))]
    pub association_id: String,
}

impl Lifecycle for RouteTableAssociation {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        // One with another table is someone else's.
        let seen = one(cx.client, inputs).await?.map(|(_, observed)| observed);
        Ok(seen.filter(|seen| seen.inputs.route_table_id == inputs.route_table_id))
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(one(cx.client, &known.inputs).await?.map(|(_, observed)| observed))
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let keys = |of: fn(&Self) -> Option<String>| -> Vec<String> {
            among.iter().filter_map(|known| of(&known.inputs)).collect()
        };
        let subnets = keys(|a| a.subnet_id.as_ref().map(ToString::to_string));
        let gateways = keys(|a| a.gateway_id.clone());
        let mut tables = route_table::some(clients, BY_SUBNET, subnets).await?;
        tables.extend(route_table::some(clients, BY_GATEWAY, gateways).await?);
        let mut found: Vec<_> =
            tables.iter().flat_map(types::RouteTable::associations).filter_map(observe).collect();
        found.sort_by(|a, b| a.outputs.id.cmp(&b.outputs.id));
        found.dedup_by(|a, b| a.outputs.id == b.outputs.id);
        Ok(found)
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        if let By::Id(id) = by
            && id.starts_with("rtbassoc-")
        {
            let tables = route_table::some(clients, BY_ID, vec![id.to_owned()]).await?;
            let mut all = tables.iter().flat_map(types::RouteTable::associations);
            let found = all.find(|one| one.route_table_association_id() == Some(id));
            return Ok(found.and_then(observe));
        }
        let key = match by {
            // Terraform writes the table behind it, which it may have another one of by now.
            By::Id(id) => pair(id, '/').map_or(id, |(key, _)| key),
            By::Inputs(inputs) => inputs.key().1,
        };
        let (subnet, gateway) = match key.starts_with("subnet-") {
            true => (Some(SubnetId::from(key)), None),
            false => (None, Some(key.to_owned())),
        };
        let asked = Self { route_table_id: "".into(), subnet_id: subnet, gateway_id: gateway };
        let table = |id: &str| pair(id, '/').map(|(_, table)| table.to_owned());
        let wanted = if let By::Id(id) = by { table(id) } else { None };
        let found = one(clients, &asked).await?.map(|(_, observed)| observed);
        Ok(found.filter(|it| wanted.is_none_or(|table| it.inputs.route_table_id.as_str() == table)))
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<RouteTableAssociationOutputs, CreateError<Self>> {
        let call = cx
            .client
            .ec2_once()
            .associate_route_table()
            .route_table_id(inputs.route_table_id.as_str())
            .set_subnet_id(inputs.subnet_id.as_ref().map(ToString::to_string))
            .set_gateway_id(inputs.gateway_id.clone());
        let made = while_unseen(cx.client, || async {
            call.clone().send().await.named("ec2:AssociateRouteTable")
        });
        let answer = match made.await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::Conflict => {
                return match one(cx.client, inputs).await? {
                    // It is associated already.
                    Some((_, there)) if there.inputs == *inputs => Ok(there.outputs),
                    Some((_, there)) => Err(taken(error, &there).into()),
                    None => Err(error.into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let id = answer
            .association_id()
            .ok_or_else(|| incomplete("ec2:AssociateRouteTable", "association id"))?;
        Ok(RouteTableAssociationOutputs {
            id: inputs.key().1.to_owned(),
            association_id: id.to_owned(),
        })
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        Ok(match one(cx.client, &known.inputs).await? {
            Some((true, observed)) => Settled::Ready(observed),
            _ => Settled::Pending(wait::SHORT),
        })
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        _changes: &Changes,
    ) -> Result<RouteTableAssociationOutputs, ProviderError> {
        const OPERATION: &str = "ec2:ReplaceRouteTableAssociation";
        // The recorded id is out of date where someone else changed the table meanwhile.
        let (_, here) = one(cx.client, &known.inputs)
            .await?
            .ok_or_else(|| wait::vanished(OPERATION, &known.outputs.association_id))?;
        if here.inputs.route_table_id == inputs.route_table_id {
            return Ok(here.outputs);
        }
        let call = cx.client.ec2_once().replace_route_table_association();
        let call = call
            .association_id(&here.outputs.association_id)
            .route_table_id(inputs.route_table_id.as_str());
        let answer =
            while_unseen(cx.client, || async { call.clone().send().await.named(OPERATION) })
                .await?;
        let id =
            answer.new_association_id().ok_or_else(|| incomplete(OPERATION, "association id"))?;
        Ok(RouteTableAssociationOutputs { association_id: id.to_owned(), ..here.outputs })
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let Some((_, here)) = one(cx.client, &known.inputs).await? else {
            return Ok(Deletion::Done);
        };
        let call = cx.client.ec2().disassociate_route_table();
        let call = call.association_id(&here.outputs.association_id);
        unless_absent(call.send().await.named("ec2:DisassociateRouteTable"))?;
        Ok(Deletion::Done)
    }

    const PARENTS: &'static [Parent] = &[
        Parent::new(RouteTable::TYPE.kind, "route_table_id"),
        Parent::new(Subnet::TYPE.kind, "subnet_id").goes_along(),
    ];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let tables = of_kind(parents, RouteTable::TYPE.kind);
        let mut tables = route_table::some(clients, "route-table-id", tables).await?;
        let subnets = of_kind(parents, Subnet::TYPE.kind);
        tables.extend(route_table::some(clients, BY_SUBNET, subnets).await?);
        let mut found: Vec<_> =
            tables.iter().flat_map(types::RouteTable::associations).filter_map(observe).collect();
        found.sort_by(|a, b| a.outputs.id.cmp(&b.outputs.id));
        found.dedup_by(|a, b| a.outputs.id == b.outputs.id);
        Ok(found.into_iter().map(Child::new).collect())
    }

    fn validate(check: &mut Check<'_>) {
        check::exactly_one(check, &["subnet_id", "gateway_id"], true);
        for field in ["subnet_id", "gateway_id"] {
            check::only_one(check, &[field], "associates it with a table already");
        }
        let vpc_of = |field: &str| {
            let target = check.target(field)?;
            Some((target.target_address("vpc_id")?.to_owned(), target.address().to_owned()))
        };
        if let (Some((table, name)), Some((subnet, other))) =
            (vpc_of("route_table_id"), vpc_of("subnet_id"))
            && table != subnet
        {
            let message =
                format!("`{other}` is in `{subnet}`, and its table `{name}` is in `{table}`");
            check.problem("subnet_id", message);
        }
    }
}

const BY_ID: &str = "association.route-table-association-id";
const BY_SUBNET: &str = "association.subnet-id";
const BY_GATEWAY: &str = "association.gateway-id";

impl RouteTableAssociation {
    /// The filter that finds it, and the value.
    fn key(&self) -> (&'static str, &str) {
        match (&self.subnet_id, &self.gateway_id) {
            (Some(subnet), _) => (BY_SUBNET, subnet.as_str()),
            (None, gateway) => (BY_GATEWAY, gateway.as_deref().unwrap_or_default()),
        }
    }
}

/// The refusal of an association where another hand made one, with which that is.
fn taken(refused: ProviderError, there: &Observed<RouteTableAssociation>) -> ProviderError {
    let RouteTableAssociationOutputs { id, association_id } = &there.outputs;
    let message = format!(
        "{}: {id} has {}, by {association_id}, which no stack made: disassociate it first",
        refused.message, there.inputs.route_table_id,
    );
    ProviderError { message, ..refused }
}

/// The association that the subnet or gateway of `inputs` has, and whether it is ready.
async fn one(
    clients: &Clients,
    inputs: &RouteTableAssociation,
) -> Result<Option<(bool, Observed<RouteTableAssociation>)>, ProviderError> {
    let (filter, key) = inputs.key();
    let tables = route_table::some(clients, filter, vec![key.to_owned()]).await?;
    Ok(tables.iter().flat_map(types::RouteTable::associations).find_map(|association| {
        let observed = observe(association).filter(|observed| observed.outputs.id == key)?;
        let state = association.association_state().and_then(|state| state.state());
        let ready = state.is_none_or(|s| *s == types::RouteTableAssociationStateCode::Associated);
        Some((ready, observed))
    }))
}

fn observe(association: &types::RouteTableAssociation) -> Option<Observed<RouteTableAssociation>> {
    let state = association.association_state().and_then(|state| state.state());
    let gone = matches!(
        state,
        Some(
            types::RouteTableAssociationStateCode::Disassociating
                | types::RouteTableAssociationStateCode::Disassociated
        )
    );
    if gone || association.main() == Some(true) {
        return None;
    }
    let inputs = RouteTableAssociation {
        route_table_id: association.route_table_id()?.into(),
        subnet_id: association.subnet_id().map(SubnetId::from),
        gateway_id: association.gateway_id.clone(),
    };
    let outputs = RouteTableAssociationOutputs {
        id: inputs.key().1.to_owned(),
        association_id: association.route_table_association_id()?.to_owned(),
    };
    Some(Observed { inputs, outputs })
}
