//! Capacity reservations, and the capacity blocks that become some.

use serde::{Deserialize, Serialize};

use super::{
    capacity_block as block, instance::Instance, instance_type, placement_group::PlacementGroup,
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    page::{EC2, Paging},
    params::Params,
    regions,
    row::Row,
    tags::{self, Tags},
    time::{Millis, iso8601, parse_iso8601},
    xml::Xml,
};

/// The operations of this file, and of capacity blocks.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateCapacityReservation", create),
    ("DescribeCapacityReservations", describe_reservations),
    ("ModifyCapacityReservation", modify),
    ("CancelCapacityReservation", cancel),
    ("DescribeCapacityBlockOfferings", block::describe_offerings),
    ("PurchaseCapacityBlock", block::purchase),
];

const FILTERS: &[&str] = &[
    "instance-type",
    "owner-id",
    "instance-platform",
    "availability-zone",
    "tenancy",
    "state",
    "start-date",
    "end-date",
    "end-date-type",
    "instance-match-criteria",
    "placement-group-arn",
];

/// The platforms that a reservation can be for.
pub(crate) const PLATFORMS: &[&str] = &[
    "Linux/UNIX",
    "Red Hat Enterprise Linux",
    "SUSE Linux",
    "Windows",
    "Windows with SQL Server",
    "Windows with SQL Server Enterprise",
    "Windows with SQL Server Standard",
    "Windows with SQL Server Web",
    "Linux with SQL Server Standard",
    "Linux with SQL Server Web",
    "Linux with SQL Server Enterprise",
    "RHEL with SQL Server Standard",
    "RHEL with SQL Server Enterprise",
    "RHEL with SQL Server Web",
    "RHEL with HA",
    "RHEL with HA and SQL Server Standard",
    "RHEL with HA and SQL Server Enterprise",
    "Ubuntu Pro",
];

/// Reserved capacity for one instance type in one zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) instance_type: String,
    pub(crate) platform: String,
    pub(crate) zone: String,
    pub(crate) tenancy: String,
    pub(crate) count: usize,
    pub(crate) ebs_optimized: bool,
    /// Whether an instance must target it to use it.
    pub(crate) targeted: bool,
    pub(crate) placement_group_arn: Option<String>,
    pub(crate) created: Millis,
    pub(crate) start: Millis,
    pub(crate) end: Option<Millis>,
    pub(crate) cancelled: Option<Millis>,
    /// The capacity block that it is of.
    pub(crate) block: Option<String>,
}

impl Row for Reservation {
    const KIND: &'static str = "capacity-reservation";
    const PREFIX: &'static str = "cr";
    const ERROR: &'static str = "InvalidCapacityReservationId";
    const NOUN: &'static str = "capacity reservation ID";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Reservation {
    /// `active`, `scheduled`, `payment-pending`, `expired` or `cancelled`.
    pub(crate) fn state(&self, call: &Call<'_>) -> &'static str {
        if self.cancelled.is_some() {
            "cancelled"
        } else if self.end.is_some_and(|end| call.now >= end) {
            "expired"
        } else if self.block.is_some() && !call.settled(self.created) {
            "payment-pending"
        } else if call.now < self.start {
            "scheduled"
        } else {
            "active"
        }
    }

    /// Whether instances can run in it.
    pub(crate) fn is_active(&self, call: &Call<'_>) -> bool {
        self.state(call) == "active"
    }

    /// How many instances fit in beside those that are there.
    pub(crate) fn available(&self, call: &Call<'_>) -> usize {
        if !self.is_active(call) {
            return 0;
        }
        self.count.saturating_sub(self.used(call))
    }

    fn used(&self, call: &Call<'_>) -> usize {
        let uses = |it: &Instance| {
            it.capacity_reservation.as_deref() == Some(&self.id) && it.uses_capacity(call)
        };
        call.rows::<Instance>().into_iter().filter(uses).count()
    }
}

/// Reads `TagSpecifications.N`, which this one operation spells in the plural.
fn plural_tags(params: &Params) -> Result<Tags, ApiError> {
    let mut found = Tags::new();
    for specification in params.structs("TagSpecifications") {
        let kind = specification.required("ResourceType")?;
        if kind != Reservation::KIND {
            return Err(ApiError::invalid_value(format!(
                "'{kind}' is not a valid taggable resource type for this operation."
            )));
        }
        found.extend(tags::read(&specification, "Tag")?);
    }
    Ok(found)
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.client_token();
    let params = call.params.clone();
    let name = params.required("InstanceType")?;
    let row = instance_type::by_name(&name)?;
    let platform = params
        .choice("InstancePlatform", PLATFORMS)?
        .ok_or_else(|| ApiError::missing("InstancePlatform"))?;
    let zones = (params.optional("AvailabilityZone"), params.optional("AvailabilityZoneId"));
    let ((Some(zone), None) | (None, Some(zone))) = zones else {
        return Err(ApiError::combination(
            "Specify one of AvailabilityZone and AvailabilityZoneId.",
        ));
    };
    let zone = regions::zone(&call.region, &zone)?.name;
    instance_type::check_offered(call, row, &zone)?;
    if !row.usage.iter().any(|class| class == "on-demand") {
        let message = format!(
            "The instance type '{name}' is not available for On-Demand Capacity Reservations."
        );
        return Err(ApiError::new("Unsupported", message));
    }
    let count: usize =
        params.number("InstanceCount")?.ok_or_else(|| ApiError::missing("InstanceCount"))?;
    check_count(count)?;
    let tenancy =
        params.choice("Tenancy", &["default", "dedicated"])?.unwrap_or_else(|| "default".into());
    let placement_group_arn = params.optional("PlacementGroupArn");
    if let Some(arn) = &placement_group_arn {
        check_group(
            call,
            arn,
            row.strategies.iter().any(|strategy| strategy == "cluster"),
            &tenancy,
        )?;
    }
    if params.flag("EphemeralStorage")? == Some(true) {
        return Err(ApiError::invalid_value("EphemeralStorage is deprecated and must be false."));
    }
    let criteria = params.choice("InstanceMatchCriteria", &["open", "targeted"])?;
    let reservation = Reservation {
        id: call.new_id("cr"),
        instance_type: name,
        platform,
        zone,
        tenancy,
        count,
        ebs_optimized: params.flag("EbsOptimized")?.unwrap_or(false),
        targeted: criteria.as_deref() == Some("targeted"),
        placement_group_arn,
        created: call.now,
        start: call.now,
        end: end_date(call, &params)?.flatten(),
        cancelled: None,
        block: None,
    };
    let tags = plural_tags(&params)?;
    call.put(&reservation);
    call.set_tags(&reservation.id, tags);
    Ok(Xml::new().node("capacityReservation", xml(call, &reservation)).into())
}

fn check_count(count: usize) -> Result<(), ApiError> {
    if (1..=1000).contains(&count) {
        return Ok(());
    }
    Err(ApiError::invalid("InstanceCount", &count.to_string(), "It must be between 1 and 1000."))
}

fn check_group(call: &Call<'_>, arn: &str, supported: bool, tenancy: &str) -> Result<(), ApiError> {
    let group = call.visible::<PlacementGroup>().into_iter().find(|group| group.arn(call) == arn);
    let group = group.ok_or_else(|| {
        ApiError::new(
            "InvalidPlacementGroup.Unknown",
            format!("The Placement Group '{arn}' is unknown."),
        )
    })?;
    if group.strategy != "cluster" || !supported || tenancy != "default" {
        return Err(ApiError::invalid_value(
            "A capacity reservation can be made in a cluster placement group only, for a type that supports it, with default tenancy.",
        ));
    }
    Ok(())
}

/// Reads `EndDateType` and `EndDate`: `None` if neither is there, `Some(None)` for no end.
fn end_date(call: &Call<'_>, params: &Params) -> Result<Option<Option<Millis>>, ApiError> {
    let kind = params.choice("EndDateType", &["unlimited", "limited"])?;
    let date = params.optional("EndDate");
    match (kind.as_deref(), date) {
        (None, None) => Ok(None),
        (Some("unlimited"), None) => Ok(Some(None)),
        (Some("unlimited"), Some(_)) => {
            Err(ApiError::combination("EndDate may not be used with the end date type unlimited."))
        }
        (_, None) => Err(ApiError::missing("EndDate")),
        (_, Some(text)) => {
            let end = parse_iso8601(&text)
                .ok_or_else(|| ApiError::invalid("EndDate", &text, "It is not a timestamp."))?;
            if end <= call.now {
                return Err(ApiError::invalid("EndDate", &text, "It must be in the future."));
            }
            Ok(Some(Some(end)))
        }
    }
}

fn describe_reservations(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    const PAGING: Paging = Paging { least: 1, ..EC2 };
    let rows = call.visible::<Reservation>();
    let page = describe_with(
        call,
        "CapacityReservationId",
        FILTERS,
        PAGING,
        rows,
        |row: &Reservation, filter| field(call, row, filter),
    )?;
    Ok(page.xml("capacityReservationSet", |row| xml(call, row)).into())
}

fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut reservation: Reservation = call.find(&params.required("CapacityReservationId")?)?;
    if !reservation.is_active(call) || reservation.block.is_some() {
        return Err(wrong_state(call, &reservation, "modified"));
    }
    if let Some(count) = params.number::<usize>("InstanceCount")? {
        check_count(count)?;
        if count < reservation.used(call) {
            return Err(ApiError::invalid_value(format!(
                "InstanceCount {count} is less than the {} instances that run in the capacity reservation.",
                reservation.used(call)
            )));
        }
        reservation.count = count;
    }
    if let Some(end) = end_date(call, &params)? {
        reservation.end = end;
    }
    if let Some(criteria) = params.choice("InstanceMatchCriteria", &["open", "targeted"])? {
        reservation.targeted = criteria == "targeted";
    }
    call.put(&reservation);
    Ok(Answer::done())
}

fn cancel(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut reservation: Reservation =
        call.find(&call.params.required("CapacityReservationId")?)?;
    if !reservation.is_active(call) || reservation.block.is_some() {
        return Err(wrong_state(call, &reservation, "cancelled"));
    }
    reservation.cancelled = Some(call.now);
    call.put(&reservation);
    Ok(Answer::done())
}

fn wrong_state(call: &Call<'_>, reservation: &Reservation, what: &str) -> ApiError {
    let kind =
        if reservation.block.is_some() { "a Capacity Block" } else { "a capacity reservation" };
    let message = format!(
        "{} is {kind} in the state {} and cannot be {what}.",
        reservation.id,
        reservation.state(call)
    );
    ApiError::new("InvalidCapacityReservationState", message)
}

fn field(call: &Call<'_>, row: &Reservation, filter: &str) -> Vec<String> {
    match filter {
        "instance-type" => vec![row.instance_type.clone()],
        "owner-id" => vec![call.account.clone()],
        "instance-platform" => vec![row.platform.clone()],
        "availability-zone" => vec![row.zone.clone()],
        "tenancy" => vec![row.tenancy.clone()],
        "state" => vec![row.state(call).to_owned()],
        "start-date" => vec![iso8601(row.start)],
        "end-date" => row.end.map(iso8601).into_iter().collect(),
        "end-date-type" => vec![end_type(row).to_owned()],
        "instance-match-criteria" => vec![criteria(row).to_owned()],
        "placement-group-arn" => row.placement_group_arn.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

fn end_type(row: &Reservation) -> &'static str {
    if row.end.is_some() { "limited" } else { "unlimited" }
}

fn criteria(row: &Reservation) -> &'static str {
    if row.targeted { "targeted" } else { "open" }
}

/// A reservation as the operations show it.
pub(crate) fn xml(call: &Call<'_>, row: &Reservation) -> Xml {
    let zone_id = regions::zone(&call.region, &row.zone).ok().map(|zone| zone.id);
    let arn =
        format!("arn:aws:ec2:{}:{}:capacity-reservation/{}", call.region, call.account, row.id);
    let xml = Xml::new()
        .text("capacityReservationId", &row.id)
        .text("ownerId", &call.account)
        .text("capacityReservationArn", arn)
        .maybe("availabilityZoneId", zone_id)
        .text("instanceType", &row.instance_type)
        .text("instancePlatform", &row.platform)
        .text("availabilityZone", &row.zone)
        .text("tenancy", &row.tenancy)
        .text("totalInstanceCount", row.count)
        .text("availableInstanceCount", row.available(call))
        .text("ebsOptimized", row.ebs_optimized)
        .text("ephemeralStorage", false)
        .text("state", row.state(call))
        .text("startDate", iso8601(row.start))
        .maybe("endDate", row.end.map(iso8601))
        .text("endDateType", end_type(row))
        .text("instanceMatchCriteria", criteria(row))
        .text("createDate", iso8601(row.created))
        .maybe("placementGroupArn", row.placement_group_arn.as_deref())
        .text("reservationType", if row.block.is_some() { "capacity-block" } else { "default" })
        .maybe("capacityBlockId", row.block.as_deref());
    tags::xml(xml, &call.tags(&row.id))
}
