//! Capacity Blocks: a window of GPU capacity, bought ahead, that becomes a reservation.
//!
//! Rules: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-blocks.html>. Blocks end
//! at 11:30 UTC, last whole days up to 14 and then whole weeks up to 182 days, and hold at most 64
//! instances. An offering's id says what is offered, so no offering has to be kept.

use super::{
    capacity_reservation::{PLATFORMS, Reservation, xml},
    instance::{Instance, terminate_row},
    instance_type,
    instance_type_catalogue::InstanceType,
};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    page::{EC2, paginate},
    params::Params,
    regions,
    row::Row,
    tags,
    time::{Millis, iso8601, parse_iso8601},
    xml::Xml,
};

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;
/// Half past eleven in the morning.
const TURN_OF_DAY: Millis = 11 * HOUR + HOUR / 2;
/// A block can be bought eight weeks ahead.
const HORIZON: Millis = 56 * DAY;
const MOST_INSTANCES: usize = 64;

struct Offering {
    id: String,
    instance_type: &'static InstanceType,
    zone: String,
    count: usize,
    hours: u64,
    start: Millis,
}

impl Offering {
    fn new(
        instance_type: &'static InstanceType,
        zone: String,
        count: usize,
        hours: u64,
        start: Millis,
    ) -> Self {
        let id = format!(
            "cb-{}.{zone}.{count}.{hours}.{}",
            instance_type.name.replace('.', "_"),
            start / HOUR
        );
        Self { id, instance_type, zone, count, hours, start }
    }

    /// Reads an id that `new` wrote, for a region.
    fn parse(id: &str, region: &str) -> Option<Self> {
        let mut parts = id.strip_prefix("cb-")?.split('.');
        let instance_type = super::instance_type_catalogue::find(&parts.next()?.replace('_', "."))?;
        let zone = regions::zones(region)
            .into_iter()
            .map(|zone| zone.name)
            .find(|zone| Some(zone.as_str()) == parts.clone().next())?;
        parts.next();
        let count =
            parts.next()?.parse().ok().filter(|count| (1..=MOST_INSTANCES).contains(count))?;
        let hours = parts.next()?.parse().ok().filter(|hours| is_duration(*hours))?;
        // Starts are at half past; the id counts whole hours.
        let start = parts.next()?.parse::<u64>().ok()?.checked_mul(HOUR)?.checked_add(HOUR / 2)?;
        let known =
            is_sold(instance_type) && instance_type.offered_in(&zone) && parts.next().is_none();
        known.then(|| Self::new(instance_type, zone, count, hours, start))
    }

    fn end(&self) -> Millis {
        self.start.saturating_add(self.hours.saturating_mul(HOUR))
    }

    /// The fee in dollars: an example price for each GPU and hour.
    fn fee(&self) -> u64 {
        let gpus: i64 = self.instance_type.gpus.iter().map(|gpus| gpus.0).sum::<i64>().max(1);
        4 * gpus.unsigned_abs() * self.hours * self.count as u64
    }

    fn xml(&self) -> Xml {
        Xml::new()
            .text("capacityBlockOfferingId", &self.id)
            .text("instanceType", &self.instance_type.name)
            .text("availabilityZone", &self.zone)
            .text("instanceCount", self.count)
            .text("startDate", iso8601(self.start))
            .text("endDate", iso8601(self.end()))
            .text("capacityBlockDurationHours", self.hours)
            .text("capacityBlockDurationMinutes", self.hours * 60)
            .text("upfrontFee", format!("{}.00", self.fee()))
            .text("currencyCode", "USD")
            .text("tenancy", "default")
    }
}

fn is_sold(row: &InstanceType) -> bool {
    row.usage.iter().any(|class| class == "capacity-block")
}

fn is_duration(hours: u64) -> bool {
    let days = hours / 24;
    hours.is_multiple_of(24)
        && ((1..=14).contains(&days) || (days <= 182 && days > 14 && days.is_multiple_of(7)))
}

fn date(params: &Params, name: &str) -> Result<Option<Millis>, ApiError> {
    let Some(text) = params.optional(name) else { return Ok(None) };
    parse_iso8601(&text)
        .map(Some)
        .ok_or_else(|| ApiError::invalid(name, &text, "It is not a timestamp."))
}

/// DescribeCapacityBlockOfferings: one a zone, at the first start that fits.
pub(crate) fn describe_offerings(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let row = instance_type::by_name(&params.required("InstanceType")?)?;
    if !is_sold(row) {
        let message =
            format!("The instance type '{}' is not available in Capacity Blocks.", row.name);
        return Err(ApiError::new("Unsupported", message));
    }
    let count: usize =
        params.number("InstanceCount")?.ok_or_else(|| ApiError::missing("InstanceCount"))?;
    if !(1..=MOST_INSTANCES).contains(&count) {
        return Err(ApiError::invalid(
            "InstanceCount",
            &count.to_string(),
            "It must be between 1 and 64.",
        ));
    }
    let hours: u64 = params
        .number("CapacityDurationHours")?
        .ok_or_else(|| ApiError::missing("CapacityDurationHours"))?;
    if !is_duration(hours) {
        return Err(ApiError::invalid(
            "CapacityDurationHours",
            &hours.to_string(),
            "It must be whole days up to 14, or whole weeks up to 182 days.",
        ));
    }
    let earliest = date(&params, "StartDateRange")?.unwrap_or(0).max(call.now);
    let latest = date(&params, "EndDateRange")?;
    let start = next_turn(earliest);
    let fits =
        start <= call.now + HORIZON && latest.is_none_or(|latest| start + hours * HOUR <= latest);
    let offerings: Vec<Offering> = regions::zones(&call.region)
        .into_iter()
        .filter(|zone| fits && row.offered_in(&zone.name))
        .map(|zone| Offering::new(row, zone.name, count, hours, start))
        .collect();
    let page = paginate(call, offerings, |offering| &offering.id, EC2)?;
    Ok(page.xml("capacityBlockOfferingSet", Offering::xml).into())
}

/// The first 11:30 UTC after a time.
fn next_turn(time: Millis) -> Millis {
    let today = time / DAY * DAY + TURN_OF_DAY;
    if today > time { today } else { today + DAY }
}

/// Begins to terminate what runs in blocks that end within half an hour.
pub(crate) fn clear_ending(call: &mut Call<'_>) {
    let mut blocks = call.rows::<Reservation>();
    blocks
        .retain(|row| row.block.is_some() && row.end.is_some_and(|end| call.now + HOUR / 2 >= end));
    if blocks.is_empty() {
        return;
    }
    for mut instance in call.rows::<Instance>() {
        let own = instance.capacity_reservation.as_ref();
        if blocks.iter().any(|block| Some(&block.id) == own) {
            terminate_row(call, &mut instance);
        }
    }
}

/// PurchaseCapacityBlock: payment is pending, then the reservation is scheduled, then active.
pub(crate) fn purchase(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let id = params.required("CapacityBlockOfferingId")?;
    let platform = params
        .choice("InstancePlatform", PLATFORMS)?
        .ok_or_else(|| ApiError::missing("InstancePlatform"))?;
    let tags = tags::specification(&params, Reservation::KIND)?;
    let offering = Offering::parse(&id, &call.region).filter(|offering| offering.start > call.now);
    let offering = offering.ok_or_else(|| {
        ApiError::new(
            "InvalidCapacityBlockOfferingId.NotFound",
            format!("The offering '{id}' does not exist or has expired."),
        )
    })?;
    let reservation = Reservation {
        id: call.new_id("cr"),
        instance_type: offering.instance_type.name.clone(),
        platform,
        zone: offering.zone.clone(),
        tenancy: "default".into(),
        count: offering.count,
        ebs_optimized: true,
        targeted: true,
        placement_group_arn: None,
        created: call.now,
        start: offering.start,
        end: Some(offering.end()),
        cancelled: None,
        block: Some(call.new_id("cb")),
    };
    call.put(&reservation);
    call.set_tags(&reservation.id, tags);
    let block = Xml::new()
        .maybe("capacityBlockId", reservation.block.as_deref())
        .text("availabilityZone", &reservation.zone)
        .item_texts("capacityReservationIdSet", [&reservation.id])
        .text("startDate", iso8601(reservation.start))
        .maybe("endDate", reservation.end.map(iso8601))
        .text("createDate", iso8601(reservation.created))
        .text("state", "payment-pending");
    Ok(Xml::new()
        .node("capacityReservation", xml(call, &reservation))
        .items("capacityBlockSet", [block])
        .into())
}
