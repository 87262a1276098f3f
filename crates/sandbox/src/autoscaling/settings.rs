//! The settings of a group that create and update have in common.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::validation;
use crate::{
    call::Call,
    ec2::{
        placement_group,
        subnet::Subnet,
        wire::{Wire, wire_struct},
    },
    error::ApiError,
    params::Params,
    regions,
};

const TERMINATION_POLICIES: &[&str] = &[
    "Default",
    "AllocationStrategy",
    "ClosestToNextInstanceHour",
    "NewestInstance",
    "OldestInstance",
    "OldestLaunchConfiguration",
    "OldestLaunchTemplate",
];

wire_struct! {
    /// How much of the group stays healthy while instances are replaced.
    pub(crate) struct MaintenancePolicy {
        least: Option<i64>, "MinHealthyPercentage", "MinHealthyPercentage";
        most: Option<i64>, "MaxHealthyPercentage", "MaxHealthyPercentage";
    }
}

wire_struct! {
    /// How instances are spread over zones.
    pub(crate) struct ZoneDistribution {
        strategy: Option<String>, "CapacityDistributionStrategy", "CapacityDistributionStrategy";
    }
}

wire_struct! {
    /// The reserved capacity that a group uses.
    pub(crate) struct CapacityReservations {
        preference: Option<String>, "CapacityReservationPreference", "CapacityReservationPreference";
        target: Option<CapacityTarget>, "CapacityReservationTarget", "CapacityReservationTarget";
    }
}

wire_struct! {
    /// Reservations by id.
    pub(crate) struct CapacityTarget {
        ids: Vec<String>, "CapacityReservationIds", "CapacityReservationIds" / "member";
    }
}

/// Everything about a group that a client may set and change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) least: i64,
    pub(super) most: i64,
    pub(super) desired: i64,
    pub(super) cooldown: i64,
    /// By name, in the order of the letters.
    pub(super) zones: Vec<String>,
    /// In the order given; none means the default subnets of the zones.
    pub(super) subnets: Vec<String>,
    pub(super) health_check_type: String,
    pub(super) grace_period: i64,
    pub(super) placement_group: Option<String>,
    pub(super) termination_policies: Vec<String>,
    pub(super) protected: bool,
    pub(super) service_role: Option<String>,
    pub(super) max_lifetime: Option<i64>,
    pub(super) capacity_rebalance: Option<bool>,
    pub(super) context: Option<String>,
    pub(super) desired_type: Option<String>,
    pub(super) warmup: Option<i64>,
    pub(super) maintenance: Option<MaintenancePolicy>,
    pub(super) distribution: ZoneDistribution,
    pub(super) reservations: Option<CapacityReservations>,
    /// `none`, `prevent-force-deletion` or `prevent-all-deletion`.
    pub(super) deletion_protection: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            least: 0,
            most: 0,
            desired: 0,
            cooldown: 300,
            zones: Vec::new(),
            subnets: Vec::new(),
            health_check_type: "EC2".into(),
            grace_period: 0,
            placement_group: None,
            termination_policies: vec!["Default".into()],
            protected: false,
            service_role: None,
            max_lifetime: None,
            capacity_rebalance: None,
            context: None,
            desired_type: None,
            warmup: None,
            maintenance: None,
            distribution: ZoneDistribution { strategy: Some("balanced-best-effort".into()) },
            reservations: None,
            deletion_protection: "none".into(),
        }
    }
}

impl Settings {
    /// Takes over what a request sets; what it does not mention stays as it is.
    pub(super) fn apply(&mut self, call: &Call<'_>, params: &Params) -> Result<(), ApiError> {
        self.sizes(params)?;
        self.places(call, params)?;
        let natural = |name: &str, to: &mut i64| -> Result<(), ApiError> {
            match params.number::<i64>(name)? {
                Some(value) if value < 0 => {
                    Err(validation(format!("{name} must not be negative.")))
                }
                Some(value) => {
                    *to = value;
                    Ok(())
                }
                None => Ok(()),
            }
        };
        natural("DefaultCooldown", &mut self.cooldown)?;
        natural("HealthCheckGracePeriod", &mut self.grace_period)?;
        if let Some(kinds) = params.optional("HealthCheckType") {
            if let Some(other) = kinds.split(',').find(|kind| !matches!(*kind, "EC2" | "EBS")) {
                return Err(validation(format!(
                    "The sandbox knows the health check types EC2 and EBS; '{other}' needs a load balancer, and it has none."
                )));
            }
            self.health_check_type = kinds;
        }
        if let Some(name) = params.optional("PlacementGroup") {
            if !name.is_empty() {
                placement_group::by_name(call, &name).map_err(|error| validation(error.message))?;
            }
            self.placement_group = Some(name).filter(|name| !name.is_empty());
        }
        let policies = params.list("TerminationPolicies");
        if let Some(other) =
            policies.iter().find(|policy| !TERMINATION_POLICIES.contains(&policy.as_str()))
        {
            return Err(validation(format!(
                "'{other}' is not a termination policy that the sandbox knows."
            )));
        }
        if !policies.is_empty() {
            self.termination_policies = policies;
        }
        self.protected = params.flag("NewInstancesProtectedFromScaleIn")?.unwrap_or(self.protected);
        self.service_role = params.optional("ServiceLinkedRoleARN").or(self.service_role.take());
        self.capacity_rebalance = params.flag("CapacityRebalance")?.or(self.capacity_rebalance);
        self.context = params.optional("Context").or(self.context.take());
        self.rest(params)
    }

    fn rest(&mut self, params: &Params) -> Result<(), ApiError> {
        if let Some(lifetime) = params.number::<i64>("MaxInstanceLifetime")? {
            if lifetime != 0 && lifetime < 86_400 {
                return Err(validation(
                    "MaxInstanceLifetime must be 0, or 86,400 seconds or more.",
                ));
            }
            self.max_lifetime = Some(lifetime).filter(|lifetime| *lifetime > 0);
        }
        if let Some(kind) = params.optional("DesiredCapacityType") {
            if kind != "units" {
                return Err(validation("The sandbox counts desired capacity in units only."));
            }
            self.desired_type = Some(kind);
        }
        if let Some(warmup) = params.number::<i64>("DefaultInstanceWarmup")? {
            self.warmup = Some(warmup).filter(|warmup| *warmup >= 0);
        }
        if let Some(policy) = MaintenancePolicy::read_at(params, "InstanceMaintenancePolicy")? {
            match (policy.least, policy.most) {
                (Some(-1), Some(-1)) => self.maintenance = None,
                (Some(least @ 0..=100), Some(most @ 100..=200)) if most - least <= 100 => {
                    self.maintenance = Some(policy);
                }
                _ => {
                    return Err(validation(
                        "InstanceMaintenancePolicy needs a minimum of 0 to 100 and a maximum of 100 to 200, at most 100 apart.",
                    ));
                }
            }
        }
        if let Some(distribution) =
            ZoneDistribution::read_at(params, "AvailabilityZoneDistribution")?
        {
            if !matches!(
                distribution.strategy.as_deref(),
                Some("balanced-only" | "balanced-best-effort")
            ) {
                return Err(validation(
                    "CapacityDistributionStrategy is balanced-only or balanced-best-effort.",
                ));
            }
            self.distribution = distribution;
        }
        if let Some(reservations) =
            CapacityReservations::read_at(params, "CapacityReservationSpecification")?
        {
            let known =
                ["capacity-reservations-only", "capacity-reservations-first", "none", "default"];
            if reservations.preference.as_deref().is_none_or(|it| !known.contains(&it)) {
                return Err(validation(format!(
                    "CapacityReservationPreference is one of {}.",
                    known.join(", ")
                )));
            }
            self.reservations = Some(reservations);
        }
        let protections = ["none", "prevent-force-deletion", "prevent-all-deletion"];
        if let Some(protection) = params.optional("DeletionProtection") {
            if !protections.contains(&protection.as_str()) {
                return Err(validation(format!(
                    "DeletionProtection is one of {}.",
                    protections.join(", ")
                )));
            }
            self.deletion_protection = protection;
        }
        Ok(())
    }

    fn sizes(&mut self, params: &Params) -> Result<(), ApiError> {
        let (least, most) = (params.number::<i64>("MinSize")?, params.number::<i64>("MaxSize")?);
        let desired = params.number::<i64>("DesiredCapacity")?;
        self.least = least.unwrap_or(self.least);
        self.most = most.unwrap_or(self.most);
        self.resize(desired)
    }

    /// Sets the desired capacity, or moves it between the bounds if none is given.
    pub(super) fn resize(&mut self, desired: Option<i64>) -> Result<(), ApiError> {
        if self.least < 0 || self.most < self.least {
            return Err(validation(format!(
                "Max bound, {}, must be greater than or equal to min bound, {}",
                self.most, self.least
            )));
        }
        match desired {
            Some(desired) if !(self.least..=self.most).contains(&desired) => {
                Err(validation(format!(
                    "Desired capacity:{desired} must be between the specified min size:{} and max size:{}",
                    self.least, self.most
                )))
            }
            desired => {
                self.desired = desired.unwrap_or(self.desired.clamp(self.least, self.most));
                Ok(())
            }
        }
    }

    fn places(&mut self, call: &Call<'_>, params: &Params) -> Result<(), ApiError> {
        let named = [params.list("AvailabilityZones"), params.list("AvailabilityZoneIds")].concat();
        let known = regions::zones(&call.region);
        let mut zones = BTreeSet::new();
        for name in &named {
            let zone = known.iter().find(|zone| zone.name == *name || zone.id == *name);
            zones.insert(
                zone.ok_or_else(|| validation(format!("Invalid availability zone: [{name}]")))?
                    .name
                    .clone(),
            );
        }
        if let Some(list) = params.optional("VPCZoneIdentifier") {
            let ids: Vec<String> = list
                .split(',')
                .map(|id| id.trim().to_owned())
                .filter(|id| !id.is_empty())
                .collect();
            let mut subnets: Vec<Subnet> = Vec::new();
            for id in &ids {
                let subnet = call
                    .find(id)
                    .map_err(|_| validation(format!("The subnet ID '{id}' does not exist")))?;
                subnets.push(subnet);
            }
            if subnets.iter().any(|subnet| subnet.vpc != subnets[0].vpc) {
                return Err(validation("The subnets of a group must be in one VPC."));
            }
            let own: BTreeSet<String> = subnets.into_iter().map(|subnet| subnet.zone).collect();
            if !zones.is_empty() && zones != own {
                return Err(validation(
                    "The availability zones of the specified subnets and the AutoScalingGroup do not match",
                ));
            }
            self.subnets = ids;
            self.zones = own.into_iter().collect();
        } else if !zones.is_empty() {
            self.subnets.clear();
            self.zones = zones.into_iter().collect();
        }
        if self.zones.is_empty() {
            return Err(validation("At least one Availability Zone or VPC Subnet is required."));
        }
        Ok(())
    }
}
