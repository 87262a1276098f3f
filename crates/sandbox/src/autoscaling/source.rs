//! What a group launches: a launch template, or a mixed instances policy over one.

use super::error::validation;
use crate::{
    call::Call,
    ec2::{
        launch_template::{self, LaunchTemplate},
        launch_template_version::{self, Version},
        wire::{Wire, wire_struct},
    },
    error::ApiError,
    params::Params,
    xml::Xml,
};

wire_struct! {
    /// A version of a launch template.
    pub(crate) struct TemplateRef {
        id: Option<String>, "LaunchTemplateId", "LaunchTemplateId";
        name: Option<String>, "LaunchTemplateName", "LaunchTemplateName";
        version: Option<String>, "Version", "Version";
    }
}

wire_struct! {
    /// A launch template with several instance types, bought in several ways.
    pub(crate) struct MixedPolicy {
        launch_template: Option<MixedTemplate>, "LaunchTemplate", "LaunchTemplate";
        distribution: Option<Distribution>, "InstancesDistribution", "InstancesDistribution";
    }
}

wire_struct! {
    /// The template of a policy, and what may replace parts of it.
    pub(crate) struct MixedTemplate {
        specification: Option<TemplateRef>, "LaunchTemplateSpecification", "LaunchTemplateSpecification";
        overrides: Vec<Override>, "Overrides", "Overrides" / "member";
    }
}

wire_struct! {
    /// One choice of a policy, in order of preference.
    pub(crate) struct Override {
        instance_type: Option<String>, "InstanceType", "InstanceType";
        weight: Option<i64>, "WeightedCapacity", "WeightedCapacity";
        specification: Option<TemplateRef>, "LaunchTemplateSpecification", "LaunchTemplateSpecification";
        image_id: Option<String>, "ImageId", "ImageId";
    }
}

wire_struct! {
    /// How much is On-Demand and how much is Spot.
    pub(crate) struct Distribution {
        on_demand_strategy: Option<String>, "OnDemandAllocationStrategy", "OnDemandAllocationStrategy";
        on_demand_base: Option<i64>, "OnDemandBaseCapacity", "OnDemandBaseCapacity";
        on_demand_percentage: Option<i64>, "OnDemandPercentageAboveBaseCapacity", "OnDemandPercentageAboveBaseCapacity";
        spot_strategy: Option<String>, "SpotAllocationStrategy", "SpotAllocationStrategy";
        spot_pools: Option<i64>, "SpotInstancePools", "SpotInstancePools";
        spot_max_price: Option<String>, "SpotMaxPrice", "SpotMaxPrice";
    }
}

/// What a group launches.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) enum Source {
    Template(TemplateRef),
    Mixed(MixedPolicy),
}

/// Reads the source of a request, if it names one; ids and names are both filled in.
pub(super) fn read(call: &Call<'_>, params: &Params) -> Result<Option<Source>, ApiError> {
    if params.has("LaunchConfigurationName") {
        return Err(validation(
            "Launch configurations are a thing of the past: use a launch template.",
        ));
    }
    if params.has("InstanceId") {
        return Err(validation(
            "The sandbox does not make groups from an instance: use a launch template.",
        ));
    }
    let template = TemplateRef::read_at(params, "LaunchTemplate")?;
    let mixed = MixedPolicy::read_at(params, "MixedInstancesPolicy")?;
    match (template, mixed) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(validation(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        )),
        (Some(template), None) => Ok(Some(Source::Template(complete(call, template)?))),
        (None, Some(policy)) => Ok(Some(Source::Mixed(mixed_complete(call, policy)?))),
    }
}

fn mixed_complete(call: &Call<'_>, mut policy: MixedPolicy) -> Result<MixedPolicy, ApiError> {
    let template = policy
        .launch_template
        .as_mut()
        .ok_or_else(|| validation("A mixed instances policy needs a launch template."))?;
    let specification = template.specification.take().ok_or_else(|| {
        validation("A mixed instances policy needs a LaunchTemplateSpecification.")
    })?;
    template.specification = Some(complete(call, specification)?);
    for over in &mut template.overrides {
        if over.instance_type.is_none() {
            return Err(validation("Each override needs an instance type."));
        }
        if over.weight.is_some_and(|weight| !(1..=999).contains(&weight)) {
            return Err(validation("A weighted capacity must be between 1 and 999."));
        }
        over.specification = over.specification.take().map(|it| complete(call, it)).transpose()?;
    }
    let weighted = template.overrides.iter().filter(|over| over.weight.is_some()).count();
    if weighted != 0 && weighted != template.overrides.len() {
        return Err(validation("If one override has a weighted capacity, all of them must."));
    }
    let mut distribution = policy.distribution.take().unwrap_or_default();
    check_distribution(&distribution)?;
    let or = |value: Option<String>, default: &str| value.or_else(|| Some(default.to_owned()));
    distribution.on_demand_strategy = or(distribution.on_demand_strategy, "prioritized");
    distribution.spot_strategy = or(distribution.spot_strategy, "lowest-price");
    distribution.on_demand_base = distribution.on_demand_base.or(Some(0));
    distribution.on_demand_percentage = distribution.on_demand_percentage.or(Some(100));
    if distribution.spot_strategy.as_deref() == Some("lowest-price") {
        distribution.spot_pools = distribution.spot_pools.or(Some(2));
    }
    policy.distribution = Some(distribution);
    Ok(policy)
}

fn check_distribution(it: &Distribution) -> Result<(), ApiError> {
    let known = |what: &str, value: &Option<String>, known: &[&str]| match value {
        Some(value) if !known.contains(&value.as_str()) => Err(validation(format!(
            "'{value}' is not a {what}: valid values are {}.",
            known.join(", ")
        ))),
        _ => Ok(()),
    };
    known(
        "On-Demand allocation strategy",
        &it.on_demand_strategy,
        &["prioritized", "lowest-price"],
    )?;
    known(
        "Spot allocation strategy",
        &it.spot_strategy,
        &[
            "lowest-price",
            "capacity-optimized",
            "capacity-optimized-prioritized",
            "price-capacity-optimized",
        ],
    )?;
    if it.on_demand_percentage.is_some_and(|percentage| !(0..=100).contains(&percentage)) {
        return Err(validation("OnDemandPercentageAboveBaseCapacity must be between 0 and 100."));
    }
    if it.spot_pools.is_some()
        && it.spot_strategy.as_deref().is_some_and(|strategy| strategy != "lowest-price")
    {
        return Err(validation("SpotInstancePools is for the lowest-price strategy only."));
    }
    Ok(())
}

/// Finds the template and fills in its id and its name.
fn complete(call: &Call<'_>, asked: TemplateRef) -> Result<TemplateRef, ApiError> {
    let invalid = |error: ApiError| {
        validation(format!("You must use a valid fully-formed launch template. {}", error.message))
    };
    let template = launch_template::find(call, asked.id, asked.name).map_err(invalid)?;
    let version = asked.version.unwrap_or_else(|| "$Default".into());
    launch_template_version::resolve(call, &template, &version).map_err(invalid)?;
    Ok(TemplateRef { id: Some(template.id), name: Some(template.name), version: Some(version) })
}

impl TemplateRef {
    /// The version that it means at this moment.
    pub(super) fn resolve(&self, call: &Call<'_>) -> Result<(LaunchTemplate, Version), ApiError> {
        let template = launch_template::find(call, self.id.clone(), None)?;
        let version = self.version.as_deref().unwrap_or("$Default");
        let version = launch_template_version::resolve(call, &template, version)?;
        Ok((template, version))
    }
}

impl Source {
    /// Appends `LaunchTemplate` or `MixedInstancesPolicy`.
    pub(super) fn xml(&self, xml: Xml) -> Xml {
        match self {
            Self::Template(template) => template.write_at(xml, "LaunchTemplate"),
            Self::Mixed(policy) => policy.write_at(xml, "MixedInstancesPolicy"),
        }
    }

    /// The choices in order of preference: template, replaced type, replaced image, weight.
    pub(super) fn choices(&self) -> Vec<Choice> {
        match self {
            Self::Template(template) => {
                vec![Choice { template: template.clone(), ..Choice::default() }]
            }
            Self::Mixed(policy) => {
                let Some(mixed) = &policy.launch_template else { return Vec::new() };
                let base = mixed.specification.clone().unwrap_or_default();
                if mixed.overrides.is_empty() {
                    return vec![Choice { template: base, ..Choice::default() }];
                }
                let choice = |over: &Override| Choice {
                    template: over.specification.clone().unwrap_or_else(|| base.clone()),
                    instance_type: over.instance_type.clone(),
                    image_id: over.image_id.clone(),
                    weight: over.weight,
                };
                mixed.overrides.iter().map(choice).collect()
            }
        }
    }

    /// The distribution of a policy.
    pub(super) fn distribution(&self) -> Option<&Distribution> {
        match self {
            Self::Template(_) => None,
            Self::Mixed(policy) => policy.distribution.as_ref(),
        }
    }
}

/// One way to launch an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) template: TemplateRef,
    pub(super) instance_type: Option<String>,
    pub(super) image_id: Option<String>,
    pub(super) weight: Option<i64>,
}
