//! How a launch gets its capacity: On-Demand, Spot, a reservation, a Capacity Block.

use super::super::{
    capacity_reservation::Reservation,
    instance_type_catalogue::InstanceType,
    launch_template_data::{LaunchData, ReservationSpecification},
    placement_group::PlacementGroup,
};
use crate::{call::Call, error::ApiError};

/// What a launch asks of capacity.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) row: &'a InstanceType,
    pub(super) zone: &'a str,
    pub(super) tenancy: &'a str,
    pub(super) group: Option<&'a PlacementGroup>,
}

/// The lifecycle that a market type leads to; checks that the type is sold so.
pub(super) fn market(data: &LaunchData, row: &InstanceType) -> Result<Option<String>, ApiError> {
    let market =
        data.instance_market_options.as_ref().and_then(|options| options.market_type.as_deref());
    let target = data
        .capacity_reservation_specification
        .as_ref()
        .and_then(|it| it.capacity_reservation_target.as_ref());
    let sold = |class: &str| row.usage.iter().any(|known| known == class);
    match market {
        Some("capacity-block")
            if target.is_none_or(|target| target.capacity_reservation_id.is_none()) =>
        {
            Err(ApiError::invalid_value(
                "The market type capacity-block needs CapacityReservationTarget.CapacityReservationId.",
            ))
        }
        Some("capacity-block") if !sold("capacity-block") => {
            Err(unsupported(row, "Capacity Blocks"))
        }
        Some("spot") if target.is_some() => {
            Err(ApiError::combination("A Spot Instance cannot run in a capacity reservation."))
        }
        Some("spot") if !sold("spot") => Err(unsupported(row, "Spot Instances")),
        Some(market) => Ok(Some(market.to_owned())),
        None if data
            .instance_market_options
            .as_ref()
            .is_some_and(|it| it.spot_options.is_some()) =>
        {
            Err(ApiError::combination("SpotOptions needs the market type spot."))
        }
        None if !sold("on-demand") => Err(unsupported(row, "On-Demand")),
        None => Ok(None),
    }
}

fn unsupported(row: &InstanceType, how: &str) -> ApiError {
    ApiError::new(
        "Unsupported",
        format!(
            "The requested configuration is currently not supported. Please check the documentation for supported configurations. ('{}' is not available as {how}.)",
            row.name
        ),
    )
}

/// Chooses the reservation of each of up to `most` instances; fewer than `least` is an error.
pub(super) fn choose(
    call: &Call<'_>,
    specification: &ReservationSpecification,
    lifecycle: Option<&str>,
    wanted: &Wanted<'_>,
    least: usize,
    most: usize,
) -> Result<Vec<Option<String>>, ApiError> {
    let target = specification.capacity_reservation_target.as_ref();
    if target.is_some_and(|target| target.capacity_reservation_resource_group_arn.is_some()) {
        return Err(ApiError::new(
            "UnsupportedOperation",
            "The sandbox has no resource groups: target a capacity reservation by its ID.",
        ));
    }
    if let Some(id) = target.and_then(|target| target.capacity_reservation_id.as_deref()) {
        let reservation: Reservation = call.find(id)?;
        check_target(call, &reservation, lifecycle, wanted)?;
        let room = reservation.available(call).min(most);
        if room < least {
            return Err(exceeded());
        }
        return Ok(vec![Some(reservation.id); room]);
    }
    let preference = specification.capacity_reservation_preference.as_deref().unwrap_or("open");
    if preference == "none" || lifecycle.is_some() {
        return Ok(vec![None; most]);
    }
    let mut chosen: Vec<Option<String>> = Vec::new();
    for reservation in call.visible::<Reservation>() {
        if !reservation.targeted
            && reservation.block.is_none()
            && mismatch(call, &reservation, wanted).is_none()
        {
            chosen.extend(vec![Some(reservation.id.clone()); reservation.available(call)]);
        }
    }
    chosen.truncate(most);
    if preference == "capacity-reservations-only" {
        return if chosen.len() < least { Err(exceeded()) } else { Ok(chosen) };
    }
    chosen.resize(most, None);
    Ok(chosen)
}

fn check_target(
    call: &Call<'_>,
    reservation: &Reservation,
    lifecycle: Option<&str>,
    wanted: &Wanted<'_>,
) -> Result<(), ApiError> {
    let block = reservation.block.is_some();
    if block != (lifecycle == Some("capacity-block")) {
        let message = if block {
            "is a Capacity Block: the launch needs the market type capacity-block."
        } else {
            "is not a Capacity Block: the launch must not have the market type capacity-block."
        };
        return Err(ApiError::invalid_value(format!(
            "The capacity reservation {} {message}",
            reservation.id
        )));
    }
    if !reservation.is_active(call) {
        return Err(ApiError::new(
            "InvalidCapacityReservationState",
            format!(
                "The capacity reservation {} is in the state {}.",
                reservation.id,
                reservation.state(call)
            ),
        ));
    }
    match mismatch(call, reservation, wanted) {
        Some(what) => Err(ApiError::invalid_value(format!(
            "The {what} of the launch does not match the capacity reservation {}.",
            reservation.id
        ))),
        None => Ok(()),
    }
}

/// The attribute in which a launch differs from a reservation.
fn mismatch(
    call: &Call<'_>,
    reservation: &Reservation,
    wanted: &Wanted<'_>,
) -> Option<&'static str> {
    let arn = wanted.group.map(|group| group.arn(call));
    if reservation.instance_type != wanted.row.name {
        Some("instance type")
    } else if reservation.zone != wanted.zone {
        Some("Availability Zone")
    } else if reservation.platform != "Linux/UNIX" {
        Some("platform")
    } else if reservation.tenancy != wanted.tenancy {
        Some("tenancy")
    } else if reservation.placement_group_arn.is_some() && reservation.placement_group_arn != arn {
        Some("placement group")
    } else {
        None
    }
}

fn exceeded() -> ApiError {
    ApiError::new(
        "ReservationCapacityExceeded",
        "The requested reservation does not have sufficient compatible and available capacity for this request.",
    )
}
