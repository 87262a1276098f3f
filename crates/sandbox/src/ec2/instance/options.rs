//! Operations that change one group of an instance's options.

use super::super::{
    instance_type, launch_template_check,
    launch_template_data::{MetadataOptions, ReservationSpecification},
    placement_group::{self, PlacementGroup},
    wire::Overlay,
};
use super::{find_all, find_live, requirements};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    xml::Xml,
};

/// ModifyInstanceMetadataOptions: what is not given stays as it is.
pub(super) fn modify_metadata(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut instance = find_live(call, &params.required("InstanceId")?)?;
    let given = MetadataOptions::read(&params)?;
    launch_template_check::metadata(&given)?;
    instance.metadata = given.over(instance.metadata);
    call.put(&instance);
    let options = instance.metadata.xml().text("state", "pending");
    Ok(Xml::new().text("instanceId", &instance.id).node("instanceMetadataOptions", options).into())
}

/// ModifyInstanceMaintenanceOptions.
pub(super) fn modify_maintenance(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut instance = find_live(call, &params.required("InstanceId")?)?;
    if let Some(recovery) = params.choice("AutoRecovery", &["default", "disabled"])? {
        instance.auto_recovery = recovery;
    }
    call.put(&instance);
    Ok(Xml::new()
        .text("instanceId", &instance.id)
        .text("autoRecovery", &instance.auto_recovery)
        .into())
}

/// ModifyInstanceCapacityReservationAttributes: of a stopped instance, for its next start.
pub(super) fn modify_reservation(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut instance = find_live(call, &params.required("InstanceId")?)?;
    let nested = params
        .nested("CapacityReservationSpecification")
        .ok_or_else(|| ApiError::missing("CapacityReservationSpecification"))?;
    if instance.state(call) != "stopped" {
        let message = format!("The instance '{}' is not in the 'stopped' state.", instance.id);
        return Err(ApiError::new("IncorrectInstanceState", message));
    }
    instance.reservation_specification = ReservationSpecification::read(&nested)?;
    call.put(&instance);
    Ok(Answer::done())
}

/// ModifyInstancePlacement: of a stopped instance.
pub(super) fn modify_placement(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut instance = find_live(call, &params.required("InstanceId")?)?;
    if instance.state(call) != "stopped" {
        let message = format!("The instance '{}' is not in the 'stopped' state.", instance.id);
        return Err(ApiError::new("IncorrectInstanceState", message));
    }
    if params
        .choice("Tenancy", &["default", "dedicated", "host"])?
        .is_some_and(|it| it != instance.tenancy)
    {
        return Err(ApiError::new(
            "InvalidTenancy",
            "The tenancy of an instance can be changed between dedicated and host only; the sandbox has no hosts.",
        ));
    }
    let group = match (params.optional("GroupName"), params.optional("GroupId")) {
        // An empty name takes the instance out of its group.
        (Some(name), None) if name.is_empty() => {
            instance.placement_group = None;
            instance.partition = None;
            None
        }
        (Some(name), None) => Some(placement_group::by_name(call, &name)?),
        (None, Some(id)) => Some(call.find::<PlacementGroup>(&id)?),
        (Some(_), Some(_)) => {
            return Err(ApiError::combination("Specify GroupName or GroupId, not both."));
        }
        (None, None) => None,
    };
    let partition = params.number("PartitionNumber")?;
    if let Some(group) = group {
        let row = instance_type::by_name(&instance.instance_type)?;
        requirements::fits(call, &group, partition, row, &instance.zone, 1)?;
        instance.partition = group.partitions.and(partition.or(Some(1)));
        instance.placement_group = Some(group.name);
    } else if partition.is_some() {
        instance.partition = partition;
    }
    call.put(&instance);
    Ok(Answer::done())
}

/// MonitorInstances.
pub(super) fn monitor(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    set_monitoring(call, true, "pending")
}

/// UnmonitorInstances.
pub(super) fn unmonitor(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    set_monitoring(call, false, "disabling")
}

fn set_monitoring(call: &mut Call<'_>, on: bool, answer: &str) -> Result<Answer, ApiError> {
    let mut items = Vec::new();
    for instance in find_all(call)? {
        let mut instance = find_live(call, &instance.id)?;
        instance.monitoring = on;
        call.put(&instance);
        let state = Xml::new().text("state", answer);
        items.push(Xml::new().text("instanceId", &instance.id).node("monitoring", state));
    }
    Ok(Xml::new().items("instancesSet", items).into())
}
