//! Auto Scaling groups.
//!
//! A group is ready once it has the machines that it wants, unless told not to wait; it is gone once
//! the last of its machines is, so that what they used can go after it.

mod capacity;
mod check;
mod hooks;
mod observe;
mod policy;
mod request;
#[cfg(test)]
mod tests;

use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Inputs, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
pub use hooks::{LifecycleHook, LifecycleResult, LifecycleTransition};
pub use policy::{
    InstancesDistribution, MixedInstancesPolicy, OnDemandStrategy, Override, SpotStrategy,
};
use serde::{Deserialize, Serialize};

use crate::{
    client::Clients,
    ec2::{CapacityReservationId, LaunchTemplateReference, SubnetId},
    id::{Arn, choice},
    locate::may_take,
    retry::while_throttled,
    tags::Tags,
    wait,
};

choice! {
    /// Whose word decides that a machine is healthy.
    HealthCheckType {
        /// EC2's status checks; always counted.
        Ec2 = "EC2",
        /// The load balancer's.
        Elb = "ELB",
        /// That its volumes are reachable.
        Ebs = "EBS",
        /// VPC Lattice's.
        VpcLattice = "VPC_LATTICE",
    }
}

choice! {
    /// What the sizes of a group count.
    CapacityUnit {
        /// Machines.
        Units = "units",
        /// Virtual processors.
        Vcpu = "vcpu",
        /// Mebibytes of memory.
        MemoryMib = "memory-mib",
    }
}

choice! {
    /// How machines are spread over zones.
    ZoneDistribution {
        /// Evenly, unless a zone has no room.
        BalancedBestEffort = "balanced-best-effort",
        /// Evenly, whatever happens.
        BalancedOnly = "balanced-only",
    }
}

choice! {
    /// What becomes of machines that are unhealthy in a zone that is impaired.
    ImpairedZoneBehavior {
        /// They are replaced.
        ReplaceUnhealthy = "ReplaceUnhealthy",
        /// They are left alone.
        IgnoreUnhealthy = "IgnoreUnhealthy",
    }
}

choice! {
    /// Whether a group uses reserved capacity.
    GroupCapacityPreference {
        /// As the launch template says.
        Default = "default",
        /// Nothing but reservations.
        CapacityReservationsOnly = "capacity-reservations-only",
        /// Reservations first, on demand after.
        CapacityReservationsFirst = "capacity-reservations-first",
        /// None.
        None = "none",
    }
}

choice! {
    /// Which deletions of a group are refused, this program's too.
    DeletionProtection {
        /// None.
        None = "none",
        /// Those with `force_delete`.
        PreventForceDeletion = "prevent-force-deletion",
        /// All.
        PreventAllDeletion = "prevent-all-deletion",
    }
}

choice! {
    /// What a group does by itself, and can be told not to.
    ScalingProcess {
        /// Adding machines.
        Launch = "Launch",
        /// Removing machines.
        Terminate = "Terminate",
        /// Registering machines with the load balancer.
        AddToLoadBalancer = "AddToLoadBalancer",
        /// Acting on alarms.
        AlarmNotification = "AlarmNotification",
        /// Keeping zones even.
        AzRebalance = "AZRebalance",
        /// Asking for health.
        HealthCheck = "HealthCheck",
        /// Replacing machines in place.
        InstanceRefresh = "InstanceRefresh",
        /// Replacing what is not healthy.
        ReplaceUnhealthy = "ReplaceUnhealthy",
        /// Acting on schedules.
        ScheduledActions = "ScheduledActions",
    }
}

/// How much of a group stays healthy while machines are replaced, in percent of what is desired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct MaintenancePolicy {
    /// At least: 0 to 100.
    pub min_healthy_percentage: u32,
    /// At most: 100 to 200, and no more than 100 above the least.
    pub max_healthy_percentage: u32,
}

/// What a group does when a zone is impaired.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ZoneImpairmentPolicy {
    /// Whether zonal shifts are followed.
    #[serde(default)]
    #[resource(default)]
    pub zonal_shift_enabled: bool,
    /// What becomes of unhealthy machines in the impaired zone.
    pub impaired_zone_health_check_behavior: Option<ImpairedZoneBehavior>,
}

/// Which reserved capacity a group uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct GroupCapacityReservation {
    /// Whether it uses any.
    pub preference: Option<GroupCapacityPreference>,
    /// The reservations.
    #[serde(default)]
    #[resource(default, unordered)]
    pub reservation_ids: Vec<CapacityReservationId>,
    /// Resource groups of reservations.
    #[serde(default)]
    #[resource(default, unordered)]
    pub resource_group_arns: Vec<Arn>,
}

/// An Auto Scaling group.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-groups.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:autoscaling/group",
    outputs = AutoScalingGroupOutputs,
    group = compute,
    seconds = 60,
    resumable
)]
pub struct AutoScalingGroup {
    /// Its name, unique in the region: up to 255 characters, no colon. Generated if not set.
    #[resource(replace, defaulted, unique)]
    pub name: Option<String>,
    /// The launch template, where there is one kind of machine.
    #[resource(nested)]
    pub launch_template: Option<LaunchTemplateReference>,
    /// The launch template and what to vary in it, where there are several kinds of machine.
    #[resource(nested)]
    pub mixed_instances_policy: Option<MixedInstancesPolicy>,
    /// The least that there are.
    pub min_size: u32,
    /// The most that there are.
    pub max_size: u32,
    /// How many there should be now; left to scaling if not set.
    #[resource(defaulted)]
    pub desired_capacity: Option<u32>,
    /// What the sizes count; machines if not set.
    #[resource(defaulted)]
    pub desired_capacity_type: Option<CapacityUnit>,
    /// The subnets to launch in.
    #[serde(default)]
    #[resource(default, unordered, holds)]
    pub subnet_ids: Vec<SubnetId>,
    /// The zones to launch in, in their default subnets, if no subnets are given.
    #[resource(defaulted, unordered)]
    pub availability_zones: Option<Vec<String>>,
    /// How machines are spread over zones.
    #[resource(defaulted)]
    pub availability_zone_distribution: Option<ZoneDistribution>,
    /// What happens when a zone is impaired.
    #[resource(defaulted, nested)]
    pub availability_zone_impairment_policy: Option<ZoneImpairmentPolicy>,
    /// The placement group, by name.
    pub placement_group: Option<String>,
    /// Which reserved capacity to use.
    #[resource(nested)]
    pub capacity_reservation: Option<GroupCapacityReservation>,
    /// Whose word decides that a machine is healthy.
    #[resource(defaulted, unordered)]
    pub health_check_types: Option<Vec<HealthCheckType>>,
    /// Seconds after its launch before a machine's health counts.
    #[resource(defaulted)]
    pub health_check_grace_period: Option<u32>,
    /// Seconds after its launch before a machine's metrics count.
    pub default_instance_warmup: Option<u32>,
    /// Seconds between two simple scalings.
    #[resource(defaulted)]
    pub default_cooldown: Option<u32>,
    /// Which machines go first, in order: names such as `OldestInstance`, or a function's ARN.
    #[resource(defaulted)]
    pub termination_policies: Option<Vec<String>>,
    /// Whether new machines are kept when the group shrinks.
    #[serde(default)]
    #[resource(default)]
    pub protect_from_scale_in: bool,
    /// Seconds after which a machine is replaced, 86400 or more; never if not set.
    pub max_instance_lifetime: Option<u32>,
    /// Whether spot machines are replaced before AWS takes them back.
    #[resource(defaulted)]
    pub capacity_rebalance: Option<bool>,
    /// How much stays healthy while machines are replaced.
    #[resource(nested)]
    pub instance_maintenance_policy: Option<MaintenancePolicy>,
    /// Hooks that machines wait for when they come and go; they are there for the first one too.
    /// Hooks of other names are left alone.
    #[serde(default)]
    #[resource(default, unordered, nested)]
    pub lifecycle_hooks: Vec<LifecycleHook>,
    /// What the group is told not to do.
    #[serde(default)]
    #[resource(default, unordered)]
    pub suspended_processes: Vec<ScalingProcess>,
    /// Metrics that come every minute, such as `GroupInServiceInstances`.
    #[serde(default)]
    #[resource(default, unordered)]
    pub enabled_metrics: Vec<String>,
    /// Target groups that machines are registered with.
    #[serde(default)]
    #[resource(default, unordered)]
    pub target_group_arns: Vec<Arn>,
    /// Classic load balancers that machines are registered with.
    #[serde(default)]
    #[resource(default, unordered)]
    pub load_balancer_names: Vec<String>,
    /// The role that the group acts with; the account's service-linked one if not set.
    #[resource(defaulted)]
    pub service_linked_role_arn: Option<Arn>,
    /// Reserved by AWS.
    pub context: Option<String>,
    /// Which deletions are refused.
    #[resource(defaulted)]
    pub deletion_protection: Option<DeletionProtection>,
    /// Whether a deletion terminates the machines at once, without their hooks; else the group
    /// shrinks to nothing first.
    #[serde(default)]
    #[resource(default)]
    pub force_delete: bool,
    /// Whether the group is ready once it is made, be its machines there or not.
    #[serde(default)]
    #[resource(default)]
    pub ready_without_capacity: bool,
    /// Tags of the group alone.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
    /// Tags of the group and of the machines that it launches from then on. The provider's default
    /// tags are among them.
    #[serde(default)]
    #[resource(default)]
    pub propagated_tags: Tags,
}

/// What an Auto Scaling group reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct AutoScalingGroupOutputs {
    /// Its name, which is what everything refers to it by.
    #[output(id)]
    pub name: String,
    /// The ARN.
    pub arn: Arn,
}

impl Lifecycle for AutoScalingGroup {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::Tag;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let name = request::name(cx, inputs);
        let Some(group) = observe::one(cx.client, &name).await? else { return Ok(None) };
        // The name may be taken by another's group.
        if !observe::is_owned(&group, cx.identity) {
            return Ok(None);
        }
        observe::observe(cx.client, &group, Some(inputs)).await.map(Some)
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(Self::list(cx.client, std::slice::from_ref(known)).await?.pop())
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let names: Vec<String> = among.iter().map(|known| known.outputs.name.clone()).collect();
        let mut found = Vec::new();
        for group in observe::groups(clients, &names).await? {
            let is = |known: &&Known<Self>| observe::is(&group, &known.outputs);
            // A group of this name that is another one is not this group.
            let Some(known) = among.iter().find(is) else { continue };
            if observe::lives(&group) {
                found.push(observe::observe(clients, &group, Some(&known.inputs)).await?);
            }
        }
        Ok(found)
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let name = match by {
            By::Id(name) => name,
            By::Inputs(Self { name: Some(name), .. }) => name,
            By::Inputs(_) => return Ok(None),
        };
        let group = observe::one(clients, name).await?.filter(observe::lives);
        match group.filter(|group| may_take(by, observe::has_owner(group))) {
            Some(group) => observe::observe(clients, &group, None).await.map(Some),
            None => Ok(None),
        }
    }

    async fn claim(cx: &Context<'_, Clients>, known: &Known<Self>) -> Result<(), ProviderError> {
        let (name, inputs) = (&known.outputs.name, &known.inputs);
        let tags = Changes::new(vec![formwork_core::value::Path::field("tags")]);
        request::tags(cx, name, inputs, inputs, &tags).await
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<AutoScalingGroupOutputs, CreateError<Self>> {
        let name = request::create(cx, inputs).await?;
        // The create says nothing but that it worked, and a read may not see the group yet.
        let outputs = AutoScalingGroupOutputs { name, arn: Arn::default() };
        let made =
            Self { suspended_processes: Vec::new(), enabled_metrics: Vec::new(), ..inputs.clone() };
        match while_throttled(|| request::companions(cx, &outputs.name, &made, inputs)).await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        let Some(group) = observe::one(cx.client, &known.outputs.name).await? else {
            return Ok(Settled::Pending(wait::SHORT));
        };
        if !known.inputs.ready_without_capacity
            && let Some(wait) = capacity::missing(cx.client, &group).await?
        {
            return Ok(Settled::Pending(wait));
        }
        observe::observe(cx.client, &group, Some(&known.inputs)).await.map(Settled::Ready)
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<AutoScalingGroupOutputs, ProviderError> {
        let name = &known.outputs.name;
        let group = observe::one(cx.client, name).await?;
        let group = group.ok_or_else(|| wait::vanished(observe::DESCRIBE, name))?;
        let is = observe::observe(cx.client, &group, Some(&known.inputs)).await?;
        request::update(cx, name, &known.inputs, inputs).await?;
        request::companions(cx, name, &is.inputs, inputs).await?;
        request::tags(cx, name, &is.inputs, inputs, changes).await?;
        Ok(is.outputs)
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        capacity::delete(cx.client, known).await
    }

    fn validate(check: &mut Check<'_>) {
        check::check(check);
    }
}
