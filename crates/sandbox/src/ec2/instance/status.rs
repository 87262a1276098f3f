//! DescribeInstanceStatus.

use super::{Instance, Phase, find, state_code};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    filter::Filters,
    page::{EC2, paginate},
    regions,
    row::Row,
    tags::Tags,
    xml::Xml,
};

const FILTERS: &[&str] = &[
    "availability-zone",
    "availability-zone-id",
    "instance-state-code",
    "instance-state-name",
    "instance-status.reachability",
    "instance-status.status",
    "system-status.reachability",
    "system-status.status",
    "attached-ebs-status.status",
];

/// DescribeInstanceStatus: of running instances, or of all that are asked for.
pub(super) fn describe_status(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let ids = call.params.list("InstanceId");
    let all = call.params.flag("IncludeAllInstances")?.unwrap_or(false);
    call.params.flag("IncludeManagedResources")?;
    let filters = Filters::read(&call.params, FILTERS)?;
    if !ids.is_empty() && call.params.has("MaxResults") {
        return Err(ApiError::combination(
            "The parameter instancesSet cannot be used with the parameter maxResults",
        ));
    }
    for id in &ids {
        find(call, id)?;
    }
    let rows: Vec<Instance> = call
        .visible::<Instance>()
        .into_iter()
        .filter(|row| !row.is_forgotten(call))
        .filter(|row| ids.is_empty() || ids.contains(&row.id))
        .filter(|row| all || row.state(call) == "running")
        .filter(|row| filters.matches(&Tags::new(), |filter| field(call, row, filter)))
        .collect();
    let page = paginate(call, rows, Row::id, EC2)?;
    Ok(page.xml("instanceStatusSet", |row| xml(call, row)).into())
}

/// The status of a check, and what its one detail says. Checks pass when the instance has run for as
/// long as it took to start.
fn check(call: &Call<'_>, row: &Instance) -> (&'static str, &'static str) {
    match row.state(call) {
        "running"
            if row.phase == Phase::Starting
                && call.settled(row.since.saturating_add(call.timing.settle)) =>
        {
            ("ok", "passed")
        }
        "running" => ("initializing", "initializing"),
        "pending" => ("initializing", "insufficient-data"),
        _ => ("not-applicable", "insufficient-data"),
    }
}

fn field(call: &Call<'_>, row: &Instance, filter: &str) -> Vec<String> {
    let (status, reachability) = check(call, row);
    let state = row.state(call);
    match filter {
        "availability-zone" => vec![row.zone.clone()],
        "availability-zone-id" => {
            regions::zone(&call.region, &row.zone).map(|zone| zone.id).into_iter().collect()
        }
        "instance-state-code" => vec![state_code(state).to_string()],
        "instance-state-name" => vec![state.to_owned()],
        "instance-status.reachability" | "system-status.reachability" => {
            vec![reachability.to_owned()]
        }
        _ => vec![status.to_owned()],
    }
}

fn xml(call: &Call<'_>, row: &Instance) -> Xml {
    let state = row.state(call);
    let zone_id = regions::zone(&call.region, &row.zone).ok().map(|zone| zone.id);
    let (status, reachability) = check(call, row);
    let summary = || {
        let detail = Xml::new().text("name", "reachability").text("status", reachability);
        let details = if status == "not-applicable" { Vec::new() } else { vec![detail] };
        Xml::new().text("status", status).items("details", details)
    };
    Xml::new()
        .text("instanceId", &row.id)
        .text("availabilityZone", &row.zone)
        .maybe("availabilityZoneId", zone_id)
        .node("instanceState", Xml::new().text("code", state_code(state)).text("name", state))
        .node("systemStatus", summary())
        .node("instanceStatus", summary())
        .node("attachedEbsStatus", summary())
}
