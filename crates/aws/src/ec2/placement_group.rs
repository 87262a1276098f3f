//! Placement groups: how close together, or how far apart, machines are put.

use std::time::Duration;

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, ErrorKind, FoundBy, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::wire::{seen, seen_number, sent, sent_number};
use crate::{
    check,
    client::Clients,
    error::{Absent, Named, incomplete, unless_absent},
    id::{Arn, choice, id_type},
    locate::may_take,
    tags::{self, OWNER_FILTER, Tags},
};

id_type! {
    /// A placement group's id, `pg-...`.
    PlacementGroupId,
}

choice! {
    /// How a placement group puts its machines.
    PlacementStrategy {
        /// Close together in one zone, for the lowest latency and the highest bandwidth between them.
        Cluster = "cluster",
        /// In partitions that share no hardware.
        Partition = "partition",
        /// Each on hardware of its own.
        Spread = "spread",
    }
}

choice! {
    /// What the machines of a spread group do not share.
    SpreadLevel {
        /// A host; on Outposts only.
        Host = "host",
        /// A rack.
        Rack = "rack",
    }
}

/// A placement group. Nothing but its tags can change.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-groups.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(kind = "aws:ec2/placement-group", outputs = PlacementGroupOutputs, group = compute, seconds = 1)]
pub struct PlacementGroup {
    /// Its name, unique in the region: up to 255 ASCII characters. Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// How machines are put.
    #[resource(replace)]
    pub strategy: PlacementStrategy,
    /// How many partitions there are, 1 to 7; 2 if not set. Of a partition group.
    #[resource(replace, defaulted)]
    pub partition_count: Option<u32>,
    /// What machines do not share; a rack if not set. Of a spread group.
    #[resource(replace, defaulted)]
    pub spread_level: Option<SpreadLevel>,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a placement group reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct PlacementGroupOutputs {
    /// The id.
    #[output(id)]
    pub id: PlacementGroupId,
    /// The name.
    pub name: String,
    /// The ARN.
    pub arn: Arn,
}

impl Lifecycle for PlacementGroup {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let owner = vec![cx.identity.id.to_string()];
        let found = groups(cx.client, OWNER_FILTER, &owner).await?;
        found.first().map(|group| observe(cx.client, group, Some(inputs))).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let found =
            groups(cx.client, "group-name", std::slice::from_ref(&known.outputs.name)).await?;
        // A group of this name that is another one is not this group.
        let this = found.iter().find(|group| is(group, known));
        this.map(|group| observe(cx.client, group, Some(&known.inputs))).transpose()
    }

    async fn list(
        client: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let names: Vec<String> = among.iter().map(|known| known.outputs.name.clone()).collect();
        let found = groups(client, "group-name", &names).await?;
        found
            .iter()
            .map(|group| {
                let known = among.iter().find(|known| is(group, known));
                observe(client, group, known.map(|known| &known.inputs))
            })
            .collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let name = match by {
            By::Id(name) => name.to_owned(),
            By::Inputs(Self { name: Some(name), .. }) => name.clone(),
            By::Inputs(_) => return Ok(None),
        };
        let mut found = match by {
            By::Id(id) if id.starts_with("pg-") => with_id(clients, id).await?,
            _ => groups(clients, "group-name", &[name]).await?,
        };
        found.retain(|group| may_take(by, tags::owner(group.tags()).is_some()));
        found.first().map(|group| observe(clients, group, None)).transpose()
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<PlacementGroupOutputs, CreateError<Self>> {
        const CALL: &str = "ec2:CreatePlacementGroup";
        let name = inputs.name.clone().unwrap_or_else(|| cx.identity.name(255));
        let of = types::ResourceType::PlacementGroup;
        let answer = cx
            .client
            .ec2_once()
            .create_placement_group()
            .group_name(&name)
            .set_strategy(sent(&Some(&inputs.strategy)))
            .set_partition_count(sent_number(inputs.partition_count))
            .set_spread_level(sent(&inputs.spread_level))
            .tag_specifications(tags::specification(cx.client, cx.identity, of, &inputs.tags))
            .send()
            .await
            .named(CALL)?;
        let group = answer.placement_group.ok_or_else(|| incomplete(CALL, "placement group"))?;
        Ok(outputs(cx.client, &group)?)
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let found =
            groups(cx.client, "group-name", std::slice::from_ref(&known.outputs.name)).await?;
        match found.iter().find(|group| is(group, known)) {
            Some(group) if group.state != Some(types::PlacementGroupState::Pending) => {
                Ok(Settled::Ready(observe(cx.client, group, Some(&known.inputs))?))
            }
            _ => Ok(Settled::Pending(Duration::from_millis(500))),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<PlacementGroupOutputs, ProviderError> {
        let (id, had) = (known.outputs.id.as_str(), &known.inputs.tags);
        tags::update(cx.client, cx.identity, id, had, &inputs.tags, changes).await?;
        Ok(known.outputs.clone())
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        // The call goes by name, and another group may have this name by now.
        let found =
            groups(cx.client, "group-name", std::slice::from_ref(&known.outputs.name)).await?;
        let Some(group) = found.iter().find(|group| is(group, known)) else {
            return Ok(Deletion::Done);
        };
        if group.state == Some(types::PlacementGroupState::Deleting) {
            return Ok(Deletion::Pending(Duration::from_millis(500)));
        }
        let call = cx.client.ec2().delete_placement_group().group_name(&known.outputs.name);
        let result = call.send().await.named("ec2:DeletePlacementGroup");
        match result {
            Err(error) if error.code.as_deref() == Some("InvalidPlacementGroup.Unknown") => {}
            result => unless_absent(result)?,
        }
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        check::text(check, "name", (1, 255), |c| c.is_ascii(), "ASCII");
        check::choice::<PlacementStrategy>(check, "strategy");
        check::choice::<SpreadLevel>(check, "spread_level");
        check::range(check, "partition_count", 1, 7);
        let strategy = check.get::<PlacementStrategy>("strategy");
        for (field, of) in [
            ("partition_count", PlacementStrategy::Partition),
            ("spread_level", PlacementStrategy::Spread),
        ] {
            if let Some(strategy) = strategy.as_ref().filter(|strategy| **strategy != of)
                && check.is_set(field)
            {
                check.problem(field, format!("the strategy is {strategy}: expected {of}, or none"));
            }
        }
        tags::check(check, "tags");
    }
}

/// The groups that have one of `values` as `name`; the call has no pages.
/// The group of this id, for which there is no filter.
async fn with_id(clients: &Clients, id: &str) -> Result<Vec<types::PlacementGroup>, ProviderError> {
    let call = clients.ec2().describe_placement_groups().group_ids(id);
    let mut found = match call.send().await.named("ec2:DescribePlacementGroups") {
        Err(error) if error.is_absent() => Vec::new(),
        answer => answer?.placement_groups.unwrap_or_default(),
    };
    found.retain(|group| group.state != Some(types::PlacementGroupState::Deleted));
    Ok(found)
}

async fn groups(
    clients: &Clients,
    name: &str,
    values: &[String],
) -> Result<Vec<types::PlacementGroup>, ProviderError> {
    let mut found = Vec::new();
    for chunk in values.chunks(super::describe::FILTER_VALUES) {
        let filter = super::describe::filter(name, chunk);
        let call = clients.ec2().describe_placement_groups().filters(filter);
        let answer = call.send().await.named("ec2:DescribePlacementGroups")?;
        found.extend(answer.placement_groups.unwrap_or_default());
    }
    found.retain(|group| group.state != Some(types::PlacementGroupState::Deleted));
    Ok(found)
}

fn is(group: &types::PlacementGroup, known: &Known<PlacementGroup>) -> bool {
    group.group_id.as_deref() == Some(known.outputs.id.as_str())
}

fn outputs(
    clients: &Clients,
    group: &types::PlacementGroup,
) -> Result<PlacementGroupOutputs, ProviderError> {
    const CALL: &str = "ec2:DescribePlacementGroups";
    let name = group.group_name.clone().ok_or_else(|| incomplete(CALL, "group name"))?;
    let arn = seen(&group.group_arn)
        .unwrap_or_else(|| clients.arn("ec2", None, &format!("placement-group/{name}")));
    let id = seen(&group.group_id).ok_or_else(|| incomplete(CALL, "group id"))?;
    Ok(PlacementGroupOutputs { id, name, arn })
}

fn observe(
    clients: &Clients,
    group: &types::PlacementGroup,
    declared: Option<&PlacementGroup>,
) -> Result<Observed<PlacementGroup>, ProviderError> {
    let strategy = seen(&group.strategy).ok_or_else(|| {
        ProviderError::new(
            ErrorKind::Other,
            "ec2:DescribePlacementGroups",
            "a group has no strategy",
        )
    })?;
    let inputs = PlacementGroup {
        name: group.group_name.clone(),
        strategy,
        partition_count: seen_number(group.partition_count).filter(|count| *count > 0),
        spread_level: seen(&group.spread_level),
        tags: tags::own(clients, tags::map(group.tags()), declared.map(|inputs| &inputs.tags)),
    };
    Ok(Observed { inputs, outputs: outputs(clients, group)? })
}

#[cfg(test)]
mod tests {
    use formwork_sandbox::Sandbox;

    use super::*;
    use crate::{
        ec2::fixture::tags,
        testing::{aws, dies, lives},
    };

    #[tokio::test]
    async fn a_group_of_each_strategy_lives() {
        let aws = aws(&Sandbox::in_memory()).await;
        let group = |strategy| PlacementGroup {
            name: None,
            strategy,
            partition_count: None,
            spread_level: None,
            tags: Tags::new(),
        };
        let partition = PlacementGroup {
            name: Some("parts".into()),
            partition_count: Some(3),
            ..group(PlacementStrategy::Partition)
        };
        let known = lives(&aws, 0, [partition]).await;
        assert_eq!(known.outputs.name, "parts");
        dies(&aws, 0, known).await;
        let spread = PlacementGroup {
            spread_level: Some(SpreadLevel::Rack),
            ..group(PlacementStrategy::Spread)
        };
        let known = lives(&aws, 1, [spread]).await;
        dies(&aws, 1, known).await;
        let cluster = group(PlacementStrategy::Cluster);
        let tagged = PlacementGroup { tags: tags([("a", "1"), ("b", "2")]), ..cluster.clone() };
        let again = PlacementGroup { tags: tags([("b", "3")]), ..cluster.clone() };
        let known = lives(&aws, 2, [cluster, tagged, again]).await;
        dies(&aws, 2, known).await;
    }
}
