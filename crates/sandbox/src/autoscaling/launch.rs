//! Launching the instances of a group.

use super::{
    activity,
    error::validation,
    group::Group,
    member::{Member, Stage},
    settings::CapacityReservations,
    source::{Choice, Distribution, TemplateRef},
};
use crate::{
    call::Call,
    ec2::{
        instance::{self, Instance, Request},
        launch_template_data::{
            LaunchData, MarketOptions, ReservationSpecification, ReservationTarget, SpotOptions,
        },
        subnet::Subnet,
    },
    error::ApiError,
    tags::Tags,
    time::{Millis, iso8601},
};

/// After a launch failed, the next attempt is made this much later.
const RETRY: Millis = 10_000;

/// What a launch can lack for the moment; anything else is wrong with the template.
const CAPACITY_ERRORS: &[&str] = &[
    "InsufficientFreeAddressesInSubnet",
    "InsufficientInstanceCapacity",
    "ReservationCapacityExceeded",
];

/// Launches one instance and undoes it: whether the template can be launched at all.
pub(super) fn check(call: &mut Call<'_>, group: &Group) -> Result<(), ApiError> {
    let mark = call.world.mark();
    let result = one(call, group);
    call.world.roll_back(mark);
    match result {
        Err(error) if !CAPACITY_ERRORS.contains(&error.code.as_ref()) => Err(validation(format!(
            "You must use a valid fully-formed launch template. {}",
            error.message
        ))),
        _ => Ok(()),
    }
}

/// Launches one more instance into a group, or notes why that failed.
pub(super) fn add(call: &mut Call<'_>, group: &mut Group) -> bool {
    let before = super::capacity::current(group);
    let cause = format!(
        "At {now} {}  At {now} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {before} to {}.",
        group.cause,
        before + 1,
        now = iso8601(call.now)
    );
    match one(call, group) {
        Ok(mut member) => {
            let description = format!("Launching a new EC2 instance: {}", member.instance);
            member.activity = activity::begin(call, group, description, &cause, &member.zone);
            group.members.push(member);
            group.last_activity = Some(call.now);
            group.retry_at = None;
            true
        }
        Err(error) => {
            let reason = format!("{} Launching EC2 instance failed.", error.message);
            let description = format!("Launching a new EC2 instance.  Status Reason: {reason}");
            let zones = group.settings.zones.join(",");
            let key = activity::begin(call, group, description, &cause, &zones);
            activity::end(call, &key, Some(&reason));
            group.retry_at = Some(call.now.saturating_add(RETRY));
            false
        }
    }
}

/// Tries the zones, the emptiest first, and in each the choices in order.
fn one(call: &mut Call<'_>, group: &Group) -> Result<Member, ApiError> {
    let mut zones = group.settings.zones.clone();
    let filled =
        |zone: &str| group.members.iter().filter(|it| !it.is_leaving() && it.zone == zone).count();
    zones.sort_by_key(|zone| (filled(zone), zone.clone()));
    if group.settings.distribution.strategy.as_deref() == Some("balanced-only") {
        zones.truncate(1);
    }
    let spot = group.source.distribution().map(|it| wants_spot(group, it));
    let mut failure = validation("The group has no zone to launch in.");
    for zone in &zones {
        for choice in group.source.choices() {
            let mark = call.world.mark();
            match attempt(call, group, &choice, zone, spot) {
                Ok(member) => return Ok(member),
                Err(error) => {
                    call.world.roll_back(mark);
                    failure = error;
                }
            }
        }
    }
    Err(failure)
}

/// Whether the next instance of a mixed group is to be Spot.
fn wants_spot(group: &Group, distribution: &Distribution) -> bool {
    let base = distribution.on_demand_base.unwrap_or(0);
    let percentage = distribution.on_demand_percentage.unwrap_or(100);
    let staying = || group.members.iter().filter(|member| !member.is_leaving());
    let total: i64 = staying().map(Member::weight).sum::<i64>() + 1;
    let on_demand: i64 = staying().filter(|member| !member.spot).map(Member::weight).sum();
    let above = (total - base).max(0);
    // Rounded up: https://docs.aws.amazon.com/autoscaling/ec2/userguide/mixed-instances-groups-set-up-overview.html
    let wanted = base.min(total) + (above * percentage + 99) / 100;
    on_demand >= wanted
}

fn attempt(
    call: &mut Call<'_>,
    group: &Group,
    choice: &Choice,
    zone: &str,
    spot: Option<bool>,
) -> Result<Member, ApiError> {
    let (template, version) = choice.template.resolve(call)?;
    let mut data = version.data;
    data.instance_type = choice.instance_type.clone().or(data.instance_type);
    data.image_id = choice.image_id.clone().or(data.image_id);
    place(&mut data, group, zone)?;
    buy(&mut data, group, spot)?;
    let subnet = subnet_in(call, group, zone)?;
    let mut extra_tags = Tags::from([
        ("aws:autoscaling:groupName".to_owned(), group.name.clone()),
        ("aws:ec2launchtemplate:id".to_owned(), template.id.clone()),
        ("aws:ec2launchtemplate:version".to_owned(), version.number.to_string()),
    ]);
    let own = group.tags.iter().filter(|(_, tag)| tag.propagate);
    extra_tags.extend(own.map(|(key, tag)| (key.clone(), tag.value.clone())));
    let image_id = data.image_id.clone().filter(|_| choice.image_id.is_some());
    let request = Request {
        subnet_is_default: !data.network_interfaces.is_empty(),
        data,
        least: 1,
        most: 1,
        subnet,
        extra_tags,
        ..Request::default()
    };
    let launched: Vec<Instance> = instance::launch(call, &request)?;
    let instance = launched
        .into_iter()
        .next()
        .ok_or_else(|| ApiError::internal("a launch made no instance"))?;
    Ok(Member {
        instance: instance.id,
        instance_type: instance.instance_type,
        zone: instance.zone,
        subnet: instance.subnet,
        template: TemplateRef {
            id: Some(template.id),
            name: Some(template.name),
            version: Some(version.number.to_string()),
        },
        image_id,
        weight: choice.weight,
        spot: instance.lifecycle.as_deref() == Some("spot"),
        protected: group.settings.protected,
        healthy: true,
        launched: call.now,
        stage: Stage::Pending,
        since: call.now,
        waiting_for: None,
        activity: String::new(),
    })
}

/// The group decides on zone and subnet, whatever the template says.
fn place(data: &mut LaunchData, group: &Group, zone: &str) -> Result<(), ApiError> {
    for interface in &mut data.network_interfaces {
        if interface.network_interface_id.is_some() {
            return Err(validation(
                "A launch template for a group must not name an existing network interface.",
            ));
        }
        interface.subnet_id = None;
    }
    let mut placement = data.placement.take().unwrap_or_default();
    placement.availability_zone = Some(zone.to_owned());
    placement.availability_zone_id = None;
    if group.settings.placement_group.is_some() {
        placement.group_name.clone_from(&group.settings.placement_group);
        placement.group_id = None;
    }
    data.placement = Some(placement);
    Ok(())
}

fn buy(data: &mut LaunchData, group: &Group, spot: Option<bool>) -> Result<(), ApiError> {
    if let Some(spot) = spot {
        if data.instance_market_options.is_some() {
            return Err(validation(
                "Incompatible launch template: a mixed instances policy decides on Spot, the template must have no InstanceMarketOptions.",
            ));
        }
        data.instance_market_options = spot.then(|| MarketOptions {
            market_type: Some("spot".into()),
            spot_options: group
                .source
                .distribution()
                .and_then(|it| it.spot_max_price.clone())
                .map(|price| SpotOptions { max_price: Some(price), ..SpotOptions::default() }),
        });
    }
    if let Some(reservations) = &group.settings.reservations {
        data.capacity_reservation_specification = specification(reservations);
    }
    Ok(())
}

/// A group's preference in the terms of a launch.
fn specification(group: &CapacityReservations) -> Option<ReservationSpecification> {
    let target = group.target.as_ref().and_then(|target| target.ids.first().cloned());
    let preference = match group.preference.as_deref() {
        Some("none") => "none",
        Some("capacity-reservations-only") => "capacity-reservations-only",
        Some("capacity-reservations-first") => "open",
        _ => return None,
    };
    Some(ReservationSpecification {
        capacity_reservation_preference: target.is_none().then(|| preference.to_owned()),
        capacity_reservation_target: target.map(|id| ReservationTarget {
            capacity_reservation_id: Some(id),
            ..ReservationTarget::default()
        }),
    })
}

/// The group's subnet in a zone that has the fewest members; none where default subnets are meant.
fn subnet_in(call: &Call<'_>, group: &Group, zone: &str) -> Result<Option<String>, ApiError> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for id in &group.settings.subnets {
        let subnet: Subnet = call.find(id)?;
        if subnet.zone == zone {
            found.push((group.members.iter().filter(|it| it.subnet == *id).count(), subnet.id));
        }
    }
    Ok(found.into_iter().min().map(|(_, id)| id))
}
