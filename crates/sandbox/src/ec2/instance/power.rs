//! Start, stop, reboot, terminate.

use std::net::Ipv4Addr;

use super::super::{
    address, instance_type, interface, placement_group, volume::Volume, volume_attachment,
};
use super::{Instance, Phase, capacity, find_all, requirements, state_code, xml};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    row::Row,
    xml::Xml,
};

/// StartInstances.
pub(super) fn start(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut changes = Vec::new();
    for mut instance in find_all(call)? {
        let before = instance.state(call);
        match before {
            "pending" | "running" => {}
            "stopped" => {
                place_again(call, &mut instance)?;
                instance.enter(Phase::Starting, call.now);
                instance.launched = call.now;
                call.put(&instance);
                if instance.public {
                    let ip = address::public_ip(call);
                    set_public_ip(call, &instance.id, Some(ip));
                }
            }
            _ => return Err(incorrect(&instance, "started")),
        }
        changes.push(change(call, &instance, before));
    }
    Ok(Xml::new().items("instancesSet", changes).into())
}

/// A stopped instance holds no capacity: starting it has to find some.
fn place_again(call: &Call<'_>, instance: &mut Instance) -> Result<(), ApiError> {
    let row = instance_type::by_name(&instance.instance_type)?;
    instance_type::check_offered(call, row, &instance.zone)?;
    let group = match &instance.placement_group {
        Some(name) => Some(placement_group::by_name(call, name)?),
        None => None,
    };
    if let Some(group) = &group {
        requirements::fits(call, group, instance.partition, row, &instance.zone, 0)?;
    }
    let wanted = capacity::Wanted {
        row,
        zone: &instance.zone,
        tenancy: &instance.tenancy,
        group: group.as_ref(),
    };
    let specification = &instance.reservation_specification;
    let chosen =
        capacity::choose(call, specification, instance.lifecycle.as_deref(), &wanted, 1, 1)?;
    instance.capacity_reservation = chosen.into_iter().next().flatten();
    Ok(())
}

/// StopInstances.
pub(super) fn stop(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let hibernate = call.params.flag("Hibernate")? == Some(true);
    let force = call.params.flag("Force")?;
    call.params.flag("SkipOsShutdown")?;
    let mut changes = Vec::new();
    for mut instance in find_all(call)? {
        let before = instance.state(call);
        if instance.disable_stop && force != Some(true) {
            return Err(protected(&instance, "stopped", "disableApiStop"));
        }
        if instance.spot_request.is_some() {
            return Err(ApiError::new(
                "UnsupportedOperation",
                format!(
                    "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
                    instance.id
                ),
            ));
        }
        if hibernate && !instance.hibernation {
            let message = format!("The instance '{}' is not enabled for hibernation.", instance.id);
            return Err(ApiError::new("UnsupportedHibernationConfiguration", message));
        }
        match before {
            "stopping" | "stopped" => {}
            "pending" | "running" => {
                instance.enter(Phase::Stopping, call.now);
                instance.capacity_reservation = None;
                call.put(&instance);
                set_public_ip(call, &instance.id, None);
            }
            _ => return Err(incorrect(&instance, "stopped")),
        }
        changes.push(change(call, &instance, before));
    }
    Ok(Xml::new().items("instancesSet", changes).into())
}

/// A public address of Amazon's goes when the instance stops; the next start brings another one.
fn set_public_ip(call: &mut Call<'_>, instance: &str, ip: Option<Ipv4Addr>) {
    if let Some(mut primary) = xml::interfaces(call, instance).into_iter().next() {
        primary.public_ip = ip;
        call.put(&primary);
    }
}

/// RebootInstances.
pub(super) fn reboot(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    for instance in find_all(call)? {
        if !matches!(instance.state(call), "pending" | "running") {
            return Err(incorrect(&instance, "rebooted"));
        }
    }
    Ok(Answer::done())
}

/// TerminateInstances: if one of them is protected, those in its zone and in no other zone are kept;
/// the sandbox keeps them all.
pub(super) fn terminate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.params.flag("Force")?;
    call.params.flag("SkipOsShutdown")?;
    let instances = find_all(call)?;
    instances.iter().try_for_each(check_terminable)?;
    let mut changes = Vec::new();
    for mut instance in instances {
        let before = instance.state(call);
        terminate_row(call, &mut instance);
        changes.push(change(call, &instance, before));
    }
    Ok(Xml::new().items("instancesSet", changes).into())
}

/// Refuses to terminate a protected instance.
fn check_terminable(instance: &Instance) -> Result<(), ApiError> {
    if instance.disable_termination && instance.phase != Phase::Terminating {
        return Err(protected(instance, "terminated", "disableApiTermination"));
    }
    Ok(())
}

/// Begins a termination; what the instance holds is let go when it ends.
pub(crate) fn terminate_row(call: &mut Call<'_>, instance: &mut Instance) {
    if instance.phase != Phase::Terminating {
        instance.enter(Phase::Terminating, call.now);
        call.put(instance);
        call.when_settled(Instance::KIND, &instance.id);
    }
}

/// Lets go of what a terminated instance held: interfaces and volumes, deleted if they were to be.
pub(crate) fn termination_ended(call: &mut Call<'_>, id: &str) {
    for interface in xml::interfaces(call, id) {
        if interface.attachment.as_ref().is_some_and(|it| it.delete_on_termination) {
            interface::remove(call, &interface.id);
        } else {
            interface::detach(call, &interface.id);
        }
    }
    for (mut volume, attachment) in volume_attachment::of(call, id) {
        call.unlink(volume_attachment::OF_INSTANCE, id, &volume.id);
        if attachment.delete_on_termination {
            call.remove::<Volume>(&volume.id);
        } else {
            volume.attachments.retain(|it| it.instance != id);
            call.put(&volume);
        }
    }
    if let Some(mut instance) = call.get::<Instance>(id) {
        instance.capacity_reservation = None;
        instance.profile = None;
        call.put(&instance);
    }
}

fn change(call: &Call<'_>, instance: &Instance, before: &str) -> Xml {
    let state = |name: &str| Xml::new().text("code", state_code(name)).text("name", name);
    // A change with no duration has begun all the same: AWS never answers with the final state.
    let now = match (before, instance.state(call)) {
        (before, after) if before == after => after,
        (_, "running") => "pending",
        (_, "stopped") => "stopping",
        (_, "terminated") => "shutting-down",
        (_, after) => after,
    };
    Xml::new()
        .text("instanceId", &instance.id)
        .node("currentState", state(now))
        .node("previousState", state(before))
}

fn incorrect(instance: &Instance, what: &str) -> ApiError {
    let message =
        format!("The instance '{}' is not in a state from which it can be {what}.", instance.id);
    ApiError::new("IncorrectInstanceState", message)
}

fn protected(instance: &Instance, what: &str, attribute: &str) -> ApiError {
    ApiError::new(
        "OperationNotPermitted",
        format!(
            "The instance '{}' may not be {what}. Modify its '{attribute}' instance attribute and try again.",
            instance.id
        ),
    )
}
