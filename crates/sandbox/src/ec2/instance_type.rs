//! DescribeInstanceTypes and DescribeInstanceTypeOfferings, over the table of types.

use super::{
    instance_type_catalogue::{InstanceType, all, find},
    instance_type_filter as filter, instance_type_xml as xml,
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    page::{EC2, Paging, paginate},
    regions,
    tags::Tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("DescribeInstanceTypes", describe_instance_types),
    ("DescribeInstanceTypeOfferings", describe_offerings),
];

/// Finds a type that a client named, for a launch.
pub(crate) fn by_name(name: &str) -> Result<&'static InstanceType, ApiError> {
    find(name)
        .ok_or_else(|| ApiError::invalid_value(format!("Invalid value '{name}' for InstanceType.")))
}

/// Refuses a type that the zone does not offer, in EC2's words.
pub(crate) fn check_offered(
    call: &Call<'_>,
    row: &InstanceType,
    zone: &str,
) -> Result<(), ApiError> {
    if row.offered_in(zone) {
        return Ok(());
    }
    let zones = regions::zones(&call.region);
    let offered: Vec<&str> =
        zones.iter().map(|zone| zone.name.as_str()).filter(|zone| row.offered_in(zone)).collect();
    Err(ApiError::new(
        "Unsupported",
        format!(
            "Your requested instance type ({}) is not supported in your requested Availability Zone ({zone}). Please retry your request by not specifying an Availability Zone or choosing {}.",
            row.name,
            offered.join(", ")
        ),
    ))
}

fn describe_instance_types(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const PAGING: Paging = Paging { most: 100, default: 100, ..EC2 };
    let names = call.params.list("InstanceType");
    let filters = Filters::read(&call.params, filter::NAMES)?;
    // Every type of the table exists in every region: both answers are the same.
    call.params.flag("IncludeUnsupportedInRegion")?;
    if !names.is_empty() && call.params.has(PAGING.size) {
        return Err(ApiError::combination(
            "The parameter InstanceType cannot be used with MaxResults",
        ));
    }
    let unknown: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| find(name).is_none()).collect();
    if !unknown.is_empty() {
        let message =
            format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(ApiError::new("InvalidInstanceType", message));
    }
    let rows: Vec<&InstanceType> = all()
        .filter(|row| names.is_empty() || names.contains(&row.name))
        .filter(|row| filters.matches(&Tags::new(), |name| filter::field(row, name)))
        .collect();
    let page = paginate(call, rows, |row| &row.name, PAGING)?;
    Ok(page.xml("instanceTypeSet", |row| xml::describe(row)).into())
}

fn describe_offerings(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let kinds = ["region", "availability-zone", "availability-zone-id"];
    let kind = call.params.choice("LocationType", &kinds)?.unwrap_or_else(|| "region".into());
    let filters = Filters::read(&call.params, &["instance-type", "location"])?;
    // (sort key, type, location)
    let mut rows: Vec<(String, &str, String)> = Vec::new();
    for row in all() {
        let mut add =
            |location: String| rows.push((format!("{}/{location}", row.name), &row.name, location));
        if kind == "region" {
            add(call.region.clone());
            continue;
        }
        for zone in
            regions::zones(&call.region).into_iter().filter(|zone| row.offered_in(&zone.name))
        {
            add(if kind == "availability-zone" { zone.name } else { zone.id });
        }
    }
    rows.retain(|(_, name, location)| {
        filters.matches(&Tags::new(), |filter| match filter {
            "instance-type" => vec![(*name).to_owned()],
            _ => vec![location.clone()],
        })
    });
    rows.sort();
    let page = paginate(call, rows, |row| &row.0, EC2)?;
    let item = |(_, name, location): &(String, &str, String)| {
        Xml::new().text("instanceType", name).text("locationType", &kind).text("location", location)
    };
    Ok(page.xml("instanceTypeOfferingSet", item).into())
}

#[cfg(test)]
mod tests {
    use crate::{
        Sandbox,
        testing::{all, ec2, ec2_error, first},
    };

    #[tokio::test]
    async fn a_type_is_described_down_to_its_network_cards() {
        let sandbox = Sandbox::in_memory();
        let body = ec2(&sandbox, "Action=DescribeInstanceTypes&InstanceType.1=p5.48xlarge").await;
        assert_eq!(all(&body, "networkCardIndex").len(), 32);
        assert_eq!(first(&body, "maximumEfaInterfaces"), "32");
        assert_eq!(first(&body, "totalGpuMemoryInMiB"), "655360");
        assert_eq!(first(&body, "totalSizeInGB"), "30400");
        let unknown = "Action=DescribeInstanceTypes&InstanceType.1=p9.huge";
        assert_eq!(ec2_error(&sandbox, unknown).await, "InvalidInstanceType");
        let efa = "Action=DescribeInstanceTypes&Filter.1.Name=network-info.efa-supported&Filter.1.Value.1=true\
                   &Filter.2.Name=vcpu-info.default-vcpus&Filter.2.Value.1=192&Filter.3.Name=instance-type&Filter.3.Value.1=p5*";
        assert_eq!(all(&ec2(&sandbox, efa).await, "instanceType").len(), 3);
    }

    #[tokio::test]
    async fn the_big_types_are_missing_from_some_zones() {
        let sandbox = Sandbox::in_memory();
        let zones = "Action=DescribeInstanceTypeOfferings&LocationType=availability-zone\
                     &Filter.1.Name=instance-type&Filter.1.Value.1=";
        let p5 = ec2(&sandbox, &format!("{zones}p5.48xlarge")).await;
        assert_eq!(all(&p5, "location"), ["us-west-2a", "us-west-2b", "us-west-2d"]);
        let t3 = ec2(&sandbox, &format!("{zones}t3.micro")).await;
        assert_eq!(all(&t3, "location").len(), 4);
    }
}
