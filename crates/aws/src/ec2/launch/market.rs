//! How the capacity for a machine is bought: on demand, spot, or reserved beforehand.

use aws_sdk_ec2::types;
use formwork_core::{Check, Inputs};
use serde::{Deserialize, Serialize};

use crate::{
    check::{choice, exactly_one, id},
    ec2::{
        CapacityReservationId, time,
        wire::{seen, sent},
    },
    id::{Arn, choice},
};

choice! {
    /// The market that a machine is bought on, when that is not on demand.
    MarketType {
        /// Spare capacity, which AWS may take back.
        Spot = "spot",
        /// A Capacity Block for ML: GPU machines for a fixed time.
        CapacityBlock = "capacity-block",
    }
}

choice! {
    /// How long a spot request stands.
    SpotInstanceType {
        /// Until it was fulfilled once.
        OneTime = "one-time",
        /// Until it is cancelled.
        Persistent = "persistent",
    }
}

choice! {
    /// What happens to a spot machine when AWS takes its capacity back.
    InterruptionBehavior {
        /// It is hibernated.
        Hibernate = "hibernate",
        /// It is stopped.
        Stop = "stop",
        /// It is terminated.
        Terminate = "terminate",
    }
}

choice! {
    /// Whether a machine uses capacity reservations.
    CapacityReservationPreference {
        /// Any open one that matches, and on demand otherwise.
        Open = "open",
        /// None, even if one matches.
        None = "none",
        /// Nothing but a reservation: the launch fails without one.
        CapacityReservationsOnly = "capacity-reservations-only",
    }
}

/// The market that a machine is bought on. Without it: on demand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct MarketOptions {
    /// The market.
    pub market_type: Option<MarketType>,
    /// Of the spot market.
    #[resource(nested)]
    pub spot: Option<SpotOptions>,
}

/// What is asked of the spot market.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct SpotOptions {
    /// The most to pay for an hour, in dollars, such as `12.5`; the on-demand price if not set.
    pub max_price: Option<String>,
    /// How long the request stands.
    pub spot_instance_type: Option<SpotInstanceType>,
    /// When a persistent request ends, such as `2026-11-20T10:00:00Z`.
    pub valid_until: Option<String>,
    /// What happens when the capacity is taken back.
    pub interruption_behavior: Option<InterruptionBehavior>,
}

/// Which reserved capacity a machine uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct CapacityReservationOptions {
    /// Whether it uses reservations at all. Not together with one that is named, but for
    /// [`CapacityReservationPreference::CapacityReservationsOnly`].
    pub preference: Option<CapacityReservationPreference>,
    /// The one reservation.
    pub reservation_id: Option<CapacityReservationId>,
    /// A resource group of reservations.
    pub resource_group_arn: Option<Arn>,
}

macro_rules! spot {
    ($from:expr, $sdk:ident) => {
        types::$sdk::builder()
            .set_max_price($from.max_price.clone())
            .set_spot_instance_type(sent(&$from.spot_instance_type))
            .set_valid_until($from.valid_until.as_deref().and_then(time::parse))
            .set_instance_interruption_behavior(sent(&$from.interruption_behavior))
            .build()
    };
}

impl MarketOptions {
    pub(crate) fn for_template(&self) -> types::LaunchTemplateInstanceMarketOptionsRequest {
        let spot =
            self.spot.as_ref().map(|spot| spot!(spot, LaunchTemplateSpotMarketOptionsRequest));
        types::LaunchTemplateInstanceMarketOptionsRequest::builder()
            .set_market_type(sent(&self.market_type))
            .set_spot_options(spot)
            .build()
    }

    pub(crate) fn for_launch(&self) -> types::InstanceMarketOptionsRequest {
        let spot = self.spot.as_ref().map(|spot| spot!(spot, SpotMarketOptions));
        types::InstanceMarketOptionsRequest::builder()
            .set_market_type(sent(&self.market_type))
            .set_spot_options(spot)
            .build()
    }

    pub(crate) fn of_template(from: &types::LaunchTemplateInstanceMarketOptions) -> Self {
        Self {
            market_type: seen(&from.market_type),
            spot: from.spot_options.as_ref().map(|spot| SpotOptions {
                max_price: seen(&spot.max_price),
                spot_instance_type: seen(&spot.spot_instance_type),
                valid_until: spot.valid_until.as_ref().map(time::format),
                interruption_behavior: seen(&spot.instance_interruption_behavior),
            }),
        }
    }
}

impl CapacityReservationOptions {
    fn target(&self) -> Option<types::CapacityReservationTarget> {
        (self.reservation_id.is_some() || self.resource_group_arn.is_some()).then(|| {
            types::CapacityReservationTarget::builder()
                .set_capacity_reservation_id(sent(&self.reservation_id))
                .set_capacity_reservation_resource_group_arn(sent(&self.resource_group_arn))
                .build()
        })
    }

    pub(crate) fn for_template(
        &self,
    ) -> types::LaunchTemplateCapacityReservationSpecificationRequest {
        types::LaunchTemplateCapacityReservationSpecificationRequest::builder()
            .set_capacity_reservation_preference(sent(&self.preference))
            .set_capacity_reservation_target(self.target())
            .build()
    }

    pub(crate) fn for_launch(&self) -> types::CapacityReservationSpecification {
        types::CapacityReservationSpecification::builder()
            .set_capacity_reservation_preference(sent(&self.preference))
            .set_capacity_reservation_target(self.target())
            .build()
    }

    /// What `asked` says of the machine's reservation, or all of it.
    pub(crate) fn of_instance(
        from: &types::CapacityReservationSpecificationResponse,
        asked: Option<&Self>,
    ) -> Self {
        let target = from.capacity_reservation_target.as_ref();
        let is = Self::of(&from.capacity_reservation_preference, target);
        let Some(asked) = asked else { return is };
        super::only_asked!(is, asked, preference, reservation_id, resource_group_arn,)
    }

    pub(crate) fn of(
        preference: &Option<types::CapacityReservationPreference>,
        target: Option<&types::CapacityReservationTargetResponse>,
    ) -> Self {
        Self {
            preference: seen(preference),
            reservation_id: target.and_then(|target| seen(&target.capacity_reservation_id)),
            resource_group_arn: target
                .and_then(|target| seen(&target.capacity_reservation_resource_group_arn)),
        }
    }
}

/// Reports what AWS would refuse about `market` and `capacity_reservation`.
///
/// Capacity Blocks: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-blocks-launch.html>.
pub(crate) fn check(check: &mut Check<'_>, whole: bool) {
    choice::<MarketType>(check, "market.market_type");
    choice::<SpotInstanceType>(check, "market.spot.spot_instance_type");
    choice::<InterruptionBehavior>(check, "market.spot.interruption_behavior");
    choice::<CapacityReservationPreference>(check, "capacity_reservation.preference");
    id(check, "capacity_reservation.reservation_id", "cr");
    let targets =
        ["capacity_reservation.reservation_id", "capacity_reservation.resource_group_arn"];
    exactly_one(check, &targets, false);
    let targeted = targets.iter().any(|target| check.is_set(target));
    let preference = check.get::<CapacityReservationPreference>("capacity_reservation.preference");
    if targeted
        && let Some(preference) = preference.filter(|preference| {
            *preference != CapacityReservationPreference::CapacityReservationsOnly
        })
    {
        check.problem(
            "capacity_reservation.preference",
            format!("{preference}, and a reservation is named too: expected only one of them"),
        );
    }
    spot(check);
    match check.get::<MarketType>("market.market_type") {
        Some(MarketType::CapacityBlock) => capacity_block(check, targeted || !whole),
        Some(MarketType::Spot) if targeted => check.problem(
            "capacity_reservation",
            "a spot machine uses no capacity reservation: expected none",
        ),
        _ => {}
    }
}

fn spot(check: &mut Check<'_>) {
    if !check.is_set("market.spot") {
        return;
    }
    match check.get::<MarketType>("market.market_type") {
        Some(MarketType::Spot) => {}
        Some(other) => {
            let message = format!("the market is {other}: expected none");
            check.problem("market.spot", message);
        }
        None if check.is_set("market.market_type") => {}
        None => check.problem("market.market_type", "not set: expected spot, as spot options are"),
    }
    time::check(check, "market.spot.valid_until");
    if let Some(price) = check.get::<String>("market.spot.max_price")
        && !price.parse::<f64>().is_ok_and(|price| price > 0.0)
    {
        check.problem(
            "market.spot.max_price",
            format!("{price:?} is no price: expected one like 12.5"),
        );
    }
    let lasting = check.get("market.spot.spot_instance_type") == Some(SpotInstanceType::Persistent);
    if check.is_set("market.spot.valid_until") && !lasting {
        check.problem("market.spot.valid_until", "only a persistent request has an end");
    }
    if let Some(behavior) = check.get::<InterruptionBehavior>("market.spot.interruption_behavior")
        && matches!(behavior, InterruptionBehavior::Stop | InterruptionBehavior::Hibernate)
        && !lasting
    {
        let message =
            format!("{behavior} needs a persistent request: expected terminate for a one-time one");
        check.problem("market.spot.interruption_behavior", message);
    }
}

fn capacity_block(check: &mut Check<'_>, targeted: bool) {
    if !targeted {
        check.problem(
            "capacity_reservation.reservation_id",
            "not set: the market capacity-block needs the Capacity Block that was bought",
        );
    }
    for field in ["placement.group_name", "placement.group_id"] {
        if check.is_set(field) {
            check.problem(
                field,
                "a Capacity Block is close together already: expected no placement group",
            );
        }
    }
}
