//! Managed instances: those that run with a role that lets their agent report to Systems Manager.
//!
//! The agent is taken to be on every image, as it is on Amazon's and Canonical's. Whether it could
//! reach the service from its subnet is not asked.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    call::{Answer, Call, OperationFn},
    ec2::{image_catalogue, instance::Instance, interface},
    error::ApiError,
    iam::lookup,
};

use super::{
    paging::{self, Asked},
    parameter::seconds,
    validation,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[("DescribeInstanceInformation", describe)];

/// What an agent calls to report: AmazonSSMManagedInstanceCore allows it.
const REPORT: &str = "ssm:UpdateInstanceInformation";
const AGENT_VERSION: &str = "3.3.3050.0";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DescribeInstanceInformation {
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
    #[serde(default)]
    filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Filter {
    key: String,
    values: Vec<String>,
}

fn describe(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let request: DescribeInstanceInformation = call.body()?;
    if request.max_results.is_some_and(|size| size < 5) {
        return Err(validation(
            "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: \
             Member must have value greater than or equal to 5",
        ));
    }
    if !request.filters.is_empty() && !request.instance_information_filter_list.is_empty() {
        return Err(validation(
            "You can use either Filters or InstanceInformationFilterList in a single request.",
        ));
    }
    let old = request.instance_information_filter_list.into_iter();
    let old = old.map(|filter| Filter { key: filter.key, values: filter.value_set });
    let filters: Vec<Filter> = request.filters.into_iter().chain(old).collect();
    for filter in &filters {
        check(filter)?;
    }
    let rows: Vec<(Instance, Value)> = call
        .visible::<Instance>()
        .into_iter()
        .filter_map(|instance| Some((information(call, &instance)?, instance)))
        .map(|(information, instance)| (instance, information))
        .filter(|(instance, information)| {
            filters.iter().all(|filter| passes(call, filter, instance, information))
        })
        .collect();
    let asked = Asked { size: request.max_results, most: 50, token: request.next_token };
    let page = paging::page(call, rows, |(instance, _)| instance.id.clone(), asked)?;
    let list = page.rows.into_iter().map(|(_, information)| information).collect();
    Ok(paging::answer("InstanceInformationList", list, page.next).into())
}

/// What Systems Manager knows of an instance; nothing if its agent never could report.
fn information(call: &Call<'_>, instance: &Instance) -> Option<Value> {
    let status = match instance.state(call) {
        "running" => "Online",
        "stopping" | "stopped" => "ConnectionLost",
        _ => return None,
    };
    let profile = lookup::profile_by_arn(call, &instance.profile.as_ref()?.arn)?;
    let role = lookup::role_of(call, &profile)?;
    let reports = lookup::trusts_service(call, &role, "ec2.amazonaws.com")
        && lookup::allows_somewhere(call, &role, REPORT);
    if !reports {
        return None;
    }
    let last_ping = if status == "Online" { call.now } else { instance.since };
    let (platform, version) = platform(call, &instance.image);
    let mut information = json!({
        "InstanceId": instance.id,
        "PingStatus": status,
        "LastPingDateTime": seconds(last_ping),
        "AgentVersion": AGENT_VERSION,
        "IsLatestVersion": true,
        "PlatformType": "Linux",
        "PlatformName": platform,
        "PlatformVersion": version,
        "ResourceType": "EC2Instance",
        "SourceId": instance.id,
        "SourceType": "AWS::EC2::Instance",
    });
    let primary = interface::primary_of(call, &instance.id).ok();
    if let Some(address) = primary.and_then(|primary| primary.private_ips.first().copied()) {
        let host = address.to_string().replace('.', "-");
        information["IPAddress"] = address.to_string().into();
        information["ComputerName"] = format!("ip-{host}.{}.compute.internal", call.region).into();
    }
    Some(information)
}

/// The operating system of an image, as its name tells it.
fn platform(call: &Call<'_>, image: &str) -> (&'static str, &'static str) {
    let name = image_catalogue::find(&call.region, image).map_or("", |image| image.release.name);
    let ubuntu = ["24.04", "22.04"].into_iter().find(|version| name.contains(version));
    ubuntu.map_or(("Amazon Linux", "2023"), |version| ("Ubuntu", version))
}

fn check(filter: &Filter) -> Result<(), ApiError> {
    const KNOWN: [&str; 5] =
        ["InstanceIds", "PingStatus", "PlatformTypes", "ResourceType", "AgentVersion"];
    let tag = filter.key == "tag-key" || filter.key.starts_with("tag:");
    if !tag && !KNOWN.contains(&filter.key.as_str()) {
        let message = format!(
            "The sandbox does not know the filter {} of DescribeInstanceInformation",
            filter.key
        );
        return Err(ApiError::new("InvalidFilterKey", message));
    }
    if filter.values.is_empty() {
        let message = format!("The filter {} has no values", filter.key);
        return Err(ApiError::new("InvalidInstanceInformationFilterValue", message));
    }
    Ok(())
}

fn passes(call: &Call<'_>, filter: &Filter, instance: &Instance, information: &Value) -> bool {
    let field = |name: &str| {
        information[name].as_str().is_some_and(|actual| filter.values.iter().any(|v| v == actual))
    };
    match filter.key.as_str() {
        "InstanceIds" => field("InstanceId"),
        "PlatformTypes" => field("PlatformType"),
        "PingStatus" | "ResourceType" | "AgentVersion" => field(&filter.key),
        "tag-key" => call.tags(&instance.id).keys().any(|key| filter.values.contains(key)),
        key => {
            let tags = call.tags(&instance.id);
            let value = key.strip_prefix("tag:").and_then(|key| tags.get(key));
            value.is_some_and(|value| filter.values.contains(value))
        }
    }
}
