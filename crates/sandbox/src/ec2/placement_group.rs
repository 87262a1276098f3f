//! Placement groups.

use serde::{Deserialize, Serialize};

use super::instance::Instance;
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    row::Row,
    tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreatePlacementGroup", create),
    ("DescribePlacementGroups", describe_placement_groups),
    ("DeletePlacementGroup", delete),
];

const FILTERS: &[&str] = &["group-name", "group-arn", "spread-level", "state", "strategy"];

/// A placement group. Its name is unique in the region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PlacementGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `cluster`, `partition` or `spread`.
    pub(crate) strategy: String,
    /// Of a partition group.
    pub(crate) partitions: Option<i64>,
}

impl Row for PlacementGroup {
    const KIND: &'static str = "placement-group";
    const PREFIX: &'static str = "pg";
    const ERROR: &'static str = "InvalidPlacementGroupId";
    const NOUN: &'static str = "placement group ID";

    fn id(&self) -> &str {
        &self.id
    }
}

impl PlacementGroup {
    /// The ARN, which ends in the name.
    pub(crate) fn arn(&self, call: &Call<'_>) -> String {
        format!("arn:aws:ec2:{}:{}:placement-group/{}", call.region, call.account, self.name)
    }
}

/// Finds a group that a client named.
pub(crate) fn by_name(call: &Call<'_>, name: &str) -> Result<PlacementGroup, ApiError> {
    call.visible::<PlacementGroup>()
        .into_iter()
        .find(|group| group.name == name)
        .ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> ApiError {
    ApiError::new(
        "InvalidPlacementGroup.Unknown",
        format!("The Placement Group '{name}' is unknown."),
    )
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let name = params.required("GroupName")?;
    if !name.is_ascii() || name.len() > 255 {
        return Err(ApiError::invalid("groupName", &name, "A name is up to 255 ASCII characters."));
    }
    if call.rows::<PlacementGroup>().iter().any(|group| group.name == name) {
        let message = format!("The Placement Group '{name}' already exists.");
        return Err(ApiError::new("InvalidPlacementGroup.Duplicate", message));
    }
    let strategy = params
        .choice("Strategy", &["cluster", "spread", "partition"])?
        .ok_or_else(|| ApiError::missing("Strategy"))?;
    let partitions: Option<i64> = params.number("PartitionCount")?;
    let level = params.choice("SpreadLevel", &["host", "rack"])?;
    match (strategy.as_str(), partitions, level.as_deref()) {
        (_, Some(count), _) if strategy != "partition" => {
            return Err(ApiError::combination(format!(
                "PartitionCount ({count}) may only be used with the partition strategy."
            )));
        }
        (_, Some(count), _) if !(1..=7).contains(&count) => {
            return Err(ApiError::invalid(
                "partitionCount",
                &count.to_string(),
                "It must be between 1 and 7.",
            ));
        }
        (_, _, Some(_)) if strategy != "spread" => {
            return Err(ApiError::combination(
                "SpreadLevel may only be used with the spread strategy.",
            ));
        }
        (_, _, Some("host")) => {
            return Err(ApiError::new(
                "UnsupportedOperation",
                "The spread level host exists on Outposts only.",
            ));
        }
        _ => {}
    }
    let partitions = (strategy == "partition").then(|| partitions.unwrap_or(2));
    let tags = tags::specification(&params, PlacementGroup::KIND)?;
    let group = PlacementGroup { id: call.new_id("pg"), name, strategy, partitions };
    call.put(&group);
    call.set_tags(&group.id, tags);
    Ok(Xml::new().node("placementGroup", xml(call, &group)).into())
}

fn describe_placement_groups(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (names, ids) = (call.params.list("GroupName"), call.params.list("GroupId"));
    let filters = Filters::read(&call.params, FILTERS)?;
    for name in &names {
        by_name(call, name)?;
    }
    for id in &ids {
        call.find::<PlacementGroup>(id)?;
    }
    let all = names.is_empty() && ids.is_empty();
    let groups: Vec<PlacementGroup> = call
        .visible::<PlacementGroup>()
        .into_iter()
        .filter(|group| all || names.contains(&group.name) || ids.contains(&group.id))
        .filter(|group| {
            filters.matches(&call.tags(&group.id), |filter| match filter {
                "group-name" => vec![group.name.clone()],
                "group-arn" => vec![group.arn(call)],
                "spread-level" if group.strategy == "spread" => vec!["rack".into()],
                "state" => vec!["available".into()],
                "strategy" => vec![group.strategy.clone()],
                _ => Vec::new(),
            })
        })
        .collect();
    Ok(Xml::new().items("placementGroupSet", groups.iter().map(|group| xml(call, group))).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let name = call.params.required("GroupName")?;
    let group = call.rows::<PlacementGroup>().into_iter().find(|group| group.name == name);
    let group = group.ok_or_else(|| unknown(&name))?;
    let instances = call.rows::<Instance>();
    let reservations = call.rows::<super::capacity_reservation::Reservation>();
    let arn = group.arn(call);
    let used = instances
        .iter()
        .any(|it| it.state(call) != "terminated" && it.placement_group.as_deref() == Some(&name))
        || reservations
            .iter()
            .any(|it| it.is_active(call) && it.placement_group_arn.as_deref() == Some(&arn));
    if used {
        let message = format!("The placement group {name} is in use and may not be deleted.");
        return Err(ApiError::new("InvalidPlacementGroup.InUse", message));
    }
    call.remove::<PlacementGroup>(&group.id);
    Ok(Answer::done())
}

fn xml(call: &Call<'_>, group: &PlacementGroup) -> Xml {
    let xml = Xml::new()
        .text("groupName", &group.name)
        .text("groupId", &group.id)
        .text("groupArn", group.arn(call))
        .text("state", "available")
        .text("strategy", &group.strategy)
        .maybe("spreadLevel", (group.strategy == "spread").then_some("rack"))
        .maybe("partitionCount", group.partitions);
    tags::xml(xml, &call.tags(&group.id))
}
