//! EC2 Auto Scaling: groups of machines, and when they grow and shrink.
//!
//! Lifecycle hooks are part of their group, because a group launches machines the moment it is made:
//! a hook that came after it would miss the first of them. Scheduled actions have no such hurry, and
//! come and go on their own, so they are resources of their own.

mod group;
mod scheduled_action;

use formwork_core::Registry;
pub use group::{
    AutoScalingGroup, AutoScalingGroupHandle, AutoScalingGroupOutputs, CapacityUnit,
    DeletionProtection, GroupCapacityPreference, GroupCapacityReservation, HealthCheckType,
    ImpairedZoneBehavior, InstancesDistribution, LifecycleHook, LifecycleResult,
    LifecycleTransition, MaintenancePolicy, MixedInstancesPolicy, OnDemandStrategy, Override,
    ScalingProcess, SpotStrategy, ZoneDistribution, ZoneImpairmentPolicy,
};
pub use scheduled_action::{ScheduledAction, ScheduledActionHandle, ScheduledActionOutputs};

use crate::client::Clients;

/// Adds the types of this service.
pub(crate) fn register(registry: Registry<Clients>) -> Registry<Clients> {
    registry.with::<AutoScalingGroup>().with::<ScheduledAction>()
}
