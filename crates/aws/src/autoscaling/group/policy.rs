//! Mixed instances policies: several kinds of machine in one group, bought in several ways.

use aws_sdk_autoscaling::types;
use formwork_core::Inputs;
use serde::{Deserialize, Serialize};

use crate::{
    ec2::{
        ImageId, LaunchTemplateReference,
        wire::{seen, seen_number, sent, sent_number},
    },
    id::choice,
};

choice! {
    /// Which kind of machine is bought on demand.
    OnDemandStrategy {
        /// The first of the overrides that can be had.
        Prioritized = "prioritized",
        /// The cheapest.
        LowestPrice = "lowest-price",
    }
}

choice! {
    /// Which kind of machine is bought on the spot market.
    SpotStrategy {
        /// A good price, of the deepest pools.
        PriceCapacityOptimized = "price-capacity-optimized",
        /// The deepest pools.
        CapacityOptimized = "capacity-optimized",
        /// The deepest pools, the order of the overrides being a wish.
        CapacityOptimizedPrioritized = "capacity-optimized-prioritized",
        /// The cheapest pools.
        LowestPrice = "lowest-price",
    }
}

/// Several kinds of machine in one group.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct MixedInstancesPolicy {
    /// The launch template of all of them.
    #[resource(nested)]
    pub launch_template: LaunchTemplateReference,
    /// The kinds, in order of preference.
    #[serde(default)]
    #[resource(default, nested)]
    pub overrides: Vec<Override>,
    /// How they are bought.
    #[resource(defaulted, nested)]
    pub distribution: Option<InstancesDistribution>,
}

/// One kind of machine: what of the launch template is different.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct Override {
    /// The instance type.
    pub instance_type: Option<String>,
    /// How much of the group's capacity one of it is: 1 to 999; 1 if not set.
    pub weighted_capacity: Option<u32>,
    /// Another launch template, for another architecture perhaps.
    #[resource(nested)]
    pub launch_template: Option<LaunchTemplateReference>,
    /// Another image.
    pub image_id: Option<ImageId>,
}

/// How the machines of a mixed group are bought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct InstancesDistribution {
    /// Which kind is bought on demand.
    #[resource(defaulted)]
    pub on_demand_allocation_strategy: Option<OnDemandStrategy>,
    /// How much of the capacity is on demand before anything is spot.
    #[resource(defaulted)]
    pub on_demand_base_capacity: Option<u32>,
    /// How much of the rest is on demand, in percent; 100 if not set.
    #[resource(defaulted)]
    pub on_demand_percentage_above_base_capacity: Option<u32>,
    /// Which kind is bought as spot.
    #[resource(defaulted)]
    pub spot_allocation_strategy: Option<SpotStrategy>,
    /// How many pools the strategy `lowest-price` takes from, 1 to 20.
    #[resource(defaulted)]
    pub spot_instance_pools: Option<u32>,
    /// The most to pay for an hour, in dollars; the on-demand price if not set.
    #[resource(defaulted)]
    pub spot_max_price: Option<String>,
}

/// A reference, as Auto Scaling takes it.
pub(super) fn template(reference: &LaunchTemplateReference) -> types::LaunchTemplateSpecification {
    types::LaunchTemplateSpecification::builder()
        .launch_template_id(reference.id.as_str())
        .set_version(sent(&reference.version))
        .build()
}

/// A reference that Auto Scaling shows, with the version only if `asked` has one.
pub(super) fn reference(
    from: &types::LaunchTemplateSpecification,
    asked: Option<&LaunchTemplateReference>,
) -> LaunchTemplateReference {
    let versioned = asked.is_none_or(|asked| asked.version.is_some());
    LaunchTemplateReference {
        id: seen(&from.launch_template_id).unwrap_or_default(),
        version: seen(&from.version).filter(|_| versioned),
    }
}

impl MixedInstancesPolicy {
    pub(super) fn request(&self) -> types::MixedInstancesPolicy {
        let overrides = self.overrides.iter().map(Override::request).collect();
        types::MixedInstancesPolicy::builder()
            .launch_template(
                types::LaunchTemplate::builder()
                    .launch_template_specification(template(&self.launch_template))
                    // An empty list takes away those that there were.
                    .set_overrides(Some(overrides))
                    .build(),
            )
            .set_instances_distribution(
                self.distribution.as_ref().map(InstancesDistribution::request),
            )
            .build()
    }

    pub(super) fn of(from: &types::MixedInstancesPolicy, asked: Option<&Self>) -> Option<Self> {
        let launched = from.launch_template.as_ref()?;
        let specification = launched.launch_template_specification.as_ref()?;
        let asked_override = |i: usize| asked.and_then(|asked| asked.overrides.get(i));
        Some(Self {
            launch_template: reference(specification, asked.map(|asked| &asked.launch_template)),
            overrides: launched
                .overrides()
                .iter()
                .enumerate()
                .map(|(i, from)| Override::of(from, asked_override(i)))
                .collect(),
            distribution: from.instances_distribution.as_ref().map(InstancesDistribution::of),
        })
    }
}

impl Override {
    fn request(&self) -> types::LaunchTemplateOverrides {
        types::LaunchTemplateOverrides::builder()
            .set_instance_type(self.instance_type.clone())
            .set_weighted_capacity(self.weighted_capacity.map(|weight| weight.to_string()))
            .set_launch_template_specification(self.launch_template.as_ref().map(template))
            .set_image_id(sent(&self.image_id))
            .build()
    }

    fn of(from: &types::LaunchTemplateOverrides, asked: Option<&Self>) -> Self {
        let asked = asked.and_then(|asked| asked.launch_template.as_ref());
        Self {
            instance_type: seen(&from.instance_type),
            weighted_capacity: from.weighted_capacity.as_ref().and_then(|it| it.parse().ok()),
            launch_template: from
                .launch_template_specification
                .as_ref()
                .map(|from| reference(from, asked)),
            image_id: seen(&from.image_id),
        }
    }
}

impl InstancesDistribution {
    fn request(&self) -> types::InstancesDistribution {
        types::InstancesDistribution::builder()
            .set_on_demand_allocation_strategy(sent(&self.on_demand_allocation_strategy))
            .set_on_demand_base_capacity(sent_number(self.on_demand_base_capacity))
            .set_on_demand_percentage_above_base_capacity(sent_number(
                self.on_demand_percentage_above_base_capacity,
            ))
            .set_spot_allocation_strategy(sent(&self.spot_allocation_strategy))
            .set_spot_instance_pools(sent_number(self.spot_instance_pools))
            .set_spot_max_price(self.spot_max_price.clone())
            .build()
    }

    fn of(from: &types::InstancesDistribution) -> Self {
        Self {
            on_demand_allocation_strategy: seen(&from.on_demand_allocation_strategy),
            on_demand_base_capacity: seen_number(from.on_demand_base_capacity),
            on_demand_percentage_above_base_capacity: seen_number(
                from.on_demand_percentage_above_base_capacity,
            ),
            spot_allocation_strategy: seen(&from.spot_allocation_strategy),
            spot_instance_pools: seen_number(from.spot_instance_pools),
            spot_max_price: seen(&from.spot_max_price),
        }
    }
}
