//! Waiting for a group to have its machines, and to have none.

use std::time::{Duration, SystemTime};

use aws_sdk_autoscaling::types;
use formwork_core::{Deletion, ErrorKind, Known, ProviderError};

use super::{AutoScalingGroup, ScalingProcess, observe};
use crate::{
    client::Clients,
    ec2::{describe::filter, wire::seen},
    error::{Named, unless_absent},
    wait,
};

/// How old a failure may be and still be about what is wanted now: Auto Scaling tries again within
/// minutes, and what failed before a change says nothing of what comes after it.
const FRESH: Duration = Duration::from_secs(300);

/// How long until it is worth while to look again, if the group lacks machines that it wants.
///
/// # Errors
/// When the group's newest activity is a failed one: there is no room, or the template is wrong.
pub(super) async fn missing(
    clients: &Clients,
    group: &types::AutoScalingGroup,
) -> Result<Option<Duration>, ProviderError> {
    const CALL: &str = "autoscaling:DescribeScalingActivities";
    let ready = |instance: &&types::Instance| {
        instance.lifecycle_state == Some(types::LifecycleState::InService)
            && instance.health_status.as_deref() == Some("Healthy")
    };
    let weight = |instance: &types::Instance| {
        instance.weighted_capacity.as_ref().and_then(|weight| weight.parse().ok()).unwrap_or(1)
    };
    let has: i32 = group.instances().iter().filter(ready).map(weight).sum();
    let launches = !group
        .suspended_processes()
        .iter()
        .any(|process| seen(&process.process_name) == Some(ScalingProcess::Launch));
    if has >= group.desired_capacity.unwrap_or_default() || !launches {
        return Ok(None);
    }
    let call = clients.autoscaling().describe_scaling_activities().max_records(1);
    let call = call.set_auto_scaling_group_name(group.auto_scaling_group_name.clone());
    let answer = call.send().await.named(CALL)?;
    if let Some(newest) = answer.activities().first()
        && newest.status_code == Some(types::ScalingActivityStatusCode::Failed)
        && age(newest) < FRESH
    {
        let why = newest.status_message.clone().unwrap_or_default();
        let message = format!("a machine of the group could not be launched: {why}");
        return Err(ProviderError::new(ErrorKind::Capacity, CALL, message));
    }
    // A group that waits for its machines' own first-boot work takes minutes; one of which nothing
    // is asked, seconds.
    let created = group.created_time.and_then(|time| SystemTime::try_from(time).ok());
    let elapsed = created.and_then(|created| created.elapsed().ok()).unwrap_or_default();
    Ok(Some((elapsed / 4).clamp(wait::SHORT, wait::LONG)))
}

fn age(activity: &types::Activity) -> Duration {
    let start = activity.start_time.and_then(|time| SystemTime::try_from(time).ok());
    // What starts in the future by our clock is as fresh as can be.
    start.and_then(|start| start.elapsed().ok()).unwrap_or_default()
}

/// Shrinks the group to nothing, removes it, and waits for its last machine.
pub(super) async fn delete(
    clients: &Clients,
    known: &Known<AutoScalingGroup>,
) -> Result<Deletion, ProviderError> {
    let name = &known.outputs.name;
    let found = observe::one(clients, name).await?;
    let Some(group) = found.filter(|group| observe::is(group, &known.outputs)) else {
        // A group that was removed by force goes before its machines do.
        return Ok(if has_machines(clients, name).await? {
            Deletion::Pending(wait::SHORT)
        } else {
            Deletion::Done
        });
    };
    if !observe::lives(&group) {
        return Ok(Deletion::Pending(wait::SHORT));
    }
    let force = known.inputs.force_delete;
    if !force && group.max_size.unwrap_or_default() > 0 {
        let call = clients.autoscaling().update_auto_scaling_group().auto_scaling_group_name(name);
        let call = call.min_size(0).max_size(0).desired_capacity(0);
        unless_absent(call.send().await.named("autoscaling:UpdateAutoScalingGroup"))?;
        return Ok(Deletion::Pending(wait::SHORT));
    }
    if !force && !group.instances().is_empty() {
        return Ok(Deletion::Pending(wait::SHORT));
    }
    let call = clients.autoscaling().delete_auto_scaling_group().auto_scaling_group_name(name);
    match call.force_delete(force).send().await.named("autoscaling:DeleteAutoScalingGroup") {
        // It is still busy with what it was told before.
        Err(error) if error.kind == ErrorKind::InUse => {}
        // Auto Scaling has one code for all that is wrong.
        Err(error) if error.message.contains("not found") => {}
        result => unless_absent(result)?,
    }
    Ok(Deletion::Pending(wait::SHORT))
}

/// Whether a machine that the group launched is there still. Auto Scaling tags each
/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html>).
async fn has_machines(clients: &Clients, name: &str) -> Result<bool, ProviderError> {
    let states = ["pending", "running", "shutting-down", "stopping", "stopped"].map(str::to_owned);
    let answer = clients
        .ec2()
        .describe_instances()
        .filters(filter("tag:aws:autoscaling:groupName", &[name.to_owned()]))
        .filters(filter("instance-state-name", &states))
        .send()
        .await
        .named("ec2:DescribeInstances")?;
    Ok(answer.reservations().iter().any(|reservation| !reservation.instances().is_empty()))
}
