//! Regions, availability zones and account attributes: facts that nobody changes.

use super::vpc::Vpc;
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    filter::Filters,
    regions,
    tags::Tags,
    xml::Xml,
};

/// The operations of this file.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("DescribeAccountAttributes", describe_account),
    ("DescribeAvailabilityZones", describe_zones),
    ("DescribeRegions", describe_regions),
];

fn describe_zones(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const FILTERS: &[&str] = &[
        "group-name",
        "opt-in-status",
        "region-name",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ];
    let params = call.params.clone();
    let filters = Filters::read(&params, FILTERS)?;
    params.flag("AllAvailabilityZones")?;
    let (names, ids) = (params.list("ZoneName"), params.list("ZoneId"));
    let mut zones = regions::zones(&call.region);
    for (parameter, wanted) in [("ZoneName", &names), ("ZoneId", &ids)] {
        let known = |one: &String| zones.iter().any(|zone| zone.name == *one || zone.id == *one);
        if let Some(unknown) = wanted.iter().find(|one| !known(one)) {
            return Err(ApiError::invalid(parameter, unknown, "It is not a zone of this region."));
        }
    }
    zones.retain(|zone| {
        (names.is_empty() || names.contains(&zone.name))
            && (ids.is_empty() || ids.contains(&zone.id))
            && filters.matches(&Tags::new(), |filter| {
                vec![match filter {
                    "group-name" => group(&call.region),
                    "opt-in-status" => "opt-in-not-required".to_owned(),
                    "region-name" => call.region.clone(),
                    "state" => "available".to_owned(),
                    "zone-id" => zone.id.clone(),
                    "zone-type" => "availability-zone".to_owned(),
                    _ => zone.name.clone(),
                }]
            })
    });
    let shown = zones.iter().map(|zone| {
        Xml::new()
            .text("zoneName", &zone.name)
            .text("zoneState", "available")
            .text("regionName", &call.region)
            .text("zoneId", &zone.id)
            .text("groupName", group(&call.region))
            .text("networkBorderGroup", &call.region)
            .text("zoneType", "availability-zone")
            .text("optInStatus", "opt-in-not-required")
            .items("messageSet", [])
    });
    Ok(Xml::new().items("availabilityZoneInfo", shown).into())
}

/// The zones of a region are one group, such as `us-west-2-zg-1`.
fn group(region: &str) -> String {
    format!("{region}-zg-1")
}

fn describe_regions(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let filters = Filters::read(&params, &["endpoint", "opt-in-status", "region-name"])?;
    params.flag("AllRegions")?;
    let names = params.list("RegionName");
    if let Some(unknown) =
        names.iter().find(|name| !regions::regions().any(|known| known == **name))
    {
        return Err(ApiError::invalid("RegionName", unknown, "It is not a region."));
    }
    let endpoint = |region: &str| format!("ec2.{region}.amazonaws.com");
    let shown = regions::regions()
        .filter(|region| names.is_empty() || names.iter().any(|name| name == region))
        .filter(|region| {
            filters.matches(&Tags::new(), |filter| {
                vec![match filter {
                    "endpoint" => endpoint(region),
                    "opt-in-status" => "opt-in-not-required".to_owned(),
                    _ => (*region).to_owned(),
                }]
            })
        })
        .map(|region| {
            Xml::new()
                .text("regionName", region)
                .text("regionEndpoint", endpoint(region))
                .text("optInStatus", "opt-in-not-required")
        });
    Ok(Xml::new().items("regionInfo", shown).into())
}

fn describe_account(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let default = call.visible::<Vpc>().into_iter().find(|vpc| vpc.is_default).map(|vpc| vpc.id);
    let all = [
        ("default-vpc", default.unwrap_or_else(|| "none".to_owned())),
        ("max-elastic-ips", "5".to_owned()),
        ("max-instances", "20".to_owned()),
        ("supported-platforms", "VPC".to_owned()),
        ("vpc-max-elastic-ips", "5".to_owned()),
        ("vpc-max-security-groups-per-interface", "5".to_owned()),
    ];
    let names = call.params.list("AttributeName");
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|(known, _)| known == name)) {
        return Err(ApiError::invalid("attributeName", unknown, "It is not an account attribute."));
    }
    let shown =
        all.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|one| one == name));
    let shown = shown.map(|(name, value)| {
        let values = [Xml::new().text("attributeValue", value)];
        Xml::new().text("attributeName", name).items("attributeValueSet", values)
    });
    Ok(Xml::new().items("accountAttributeSet", shown).into())
}
