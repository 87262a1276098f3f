//! Waiting for a machine, and the stop and start that some changes need.
//!
//! A stop takes a minute, and a verb may not wait; so an update that needs one marks the machine
//! with a tag and stops it, and [`settle`], which is called again and again, makes the change once
//! it is stopped, starts it, and takes the mark off once it runs. After a crash at any point the
//! next call goes on from where the machine is.

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::types;
use formwork_core::{Context, ErrorKind, ProviderError, Settled};

use super::{
    Instance, InstanceId, missing,
    observe::{self, Seen},
};
use crate::{
    client::Clients,
    ec2::{volume, wire::seen as text},
    error::Named,
    wait,
};

/// The mark of a machine that is being restarted.
const RESTART: &str = "formwork:restart";

/// How long until it is worth while to look again at a machine that is being terminated.
pub(super) const TERMINATION: Duration = Duration::from_secs(1);

/// The fields that can change only while the machine is stopped, and that are not as wanted.
pub(super) fn needs_restart(instance: &types::Instance, inputs: &Instance) -> Vec<&'static str> {
    let is: Option<String> = text(&instance.instance_type);
    let mut fields = Vec::new();
    if inputs.instance_type.is_some() && inputs.instance_type != is {
        fields.push("instance_type");
    }
    if inputs.ebs_optimized.is_some() && inputs.ebs_optimized != instance.ebs_optimized {
        fields.push("ebs_optimized");
    }
    fields
}

/// Refuses a restart that the declaration does not allow.
pub(super) fn check_allowed(
    id: &InstanceId,
    inputs: &Instance,
    fields: &[&str],
) -> Result<(), ProviderError> {
    if fields.is_empty() || inputs.stop_to_change {
        return Ok(());
    }
    let message = format!(
        "{} of {id} can change only while it is stopped: set stop_to_change, or make a new machine \
         of it with .replace_on({fields:?})",
        fields.join(" and "),
    );
    Err(ProviderError::new(ErrorKind::Invalid, "ec2:StopInstances", message))
}

/// Marks the machine, and stops it.
pub(super) async fn begin(cx: &Context<'_, Clients>, id: &InstanceId) -> Result<(), ProviderError> {
    let mark = types::Tag::builder().key(RESTART).value("true").build();
    let call = cx.client.ec2().create_tags().resources(id.as_str()).tags(mark);
    call.send().await.named("ec2:CreateTags")?;
    stop(cx.client, id.as_str()).await
}

async fn stop(clients: &Clients, id: &str) -> Result<(), ProviderError> {
    let call = clients.ec2().stop_instances().instance_ids(id);
    call.send().await.named("ec2:StopInstances").map(drop)
}

/// Whether the machine is ready; and the next step of a restart, if one is under way.
pub(super) async fn settle(
    cx: &Context<'_, Clients>,
    seen: Seen,
    inputs: &Instance,
) -> Result<Settled<Instance>, ProviderError> {
    let clients = cx.client;
    let id = seen.instance.instance_id.clone().ok_or_else(|| missing("id"))?;
    let marked = seen.instance.tags().iter().any(|tag| tag.key.as_deref() == Some(RESTART));
    let pace = pace(&seen.instance);
    match seen.state() {
        "pending" | "stopping" => return Ok(Settled::Pending(pace)),
        "terminated" | "shutting-down" => return Err(ended(&id, &seen.instance)),
        "stopped" if marked => {
            reconfigure(clients, &id, &seen.instance, inputs).await?;
            let call = clients.ec2().start_instances().instance_ids(&id);
            call.send().await.named("ec2:StartInstances")?;
            return Ok(Settled::Pending(wait::SHORT));
        }
        "running" if marked && !needs_restart(&seen.instance, inputs).is_empty() => {
            stop(clients, &id).await?;
            return Ok(Settled::Pending(wait::SHORT));
        }
        "running" if marked => {
            let mark = types::Tag::builder().key(RESTART).build();
            let call = clients.ec2().delete_tags().resources(&id).tags(mark);
            call.send().await.named("ec2:DeleteTags")?;
        }
        _ => {}
    }
    if inputs.wait_for_status_checks && seen.state() == "running" && !healthy(clients, &id).await? {
        return Ok(Settled::Pending(wait::LONG));
    }
    // The disk shows its old size until a change of it has taken effect.
    let root = observe::root_mapping(&seen.instance).and_then(|mapping| mapping.ebs.as_ref());
    if let Some(volume) = root.and_then(|ebs| ebs.volume_id.as_deref())
        && inputs.root_block_device.is_some()
        && volume::is_changing(clients, volume).await?
    {
        return Ok(Settled::Pending(wait::LONG));
    }
    let observed = observe::all(clients, vec![seen], |_| Some(inputs)).await?.pop();
    Ok(observed.map_or(Settled::Pending(wait::SHORT), Settled::Ready))
}

/// Makes the changes that a stopped machine can take.
async fn reconfigure(
    clients: &Clients,
    id: &str,
    instance: &types::Instance,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    for field in needs_restart(instance, inputs) {
        let call = clients.ec2().modify_instance_attribute().instance_id(id);
        let call = if field == "instance_type" {
            let value = types::AttributeValue::builder();
            call.instance_type(value.set_value(inputs.instance_type.clone()).build())
        } else {
            let value = types::AttributeBooleanValue::builder();
            call.ebs_optimized(value.set_value(inputs.ebs_optimized).build())
        };
        call.send().await.named("ec2:ModifyInstanceAttribute")?;
    }
    Ok(())
}

/// Whether both status checks pass
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html>).
async fn healthy(clients: &Clients, id: &str) -> Result<bool, ProviderError> {
    let call = clients.ec2().describe_instance_status().instance_ids(id);
    let answer = call.send().await.named("ec2:DescribeInstanceStatus")?;
    let ok = |summary: Option<&types::InstanceStatusSummary>| {
        summary.and_then(|it| it.status.as_ref()) == Some(&types::SummaryStatus::Ok)
    };
    Ok(answer
        .instance_statuses()
        .iter()
        .any(|status| ok(status.instance_status.as_ref()) && ok(status.system_status.as_ref())))
}

/// The error for a machine that ended instead of getting ready, in EC2's words.
fn ended(id: &str, instance: &types::Instance) -> ProviderError {
    let reason = instance.state_reason.as_ref();
    let code = reason.and_then(|reason| reason.code.clone());
    let why = reason.and_then(|reason| reason.message.clone()).unwrap_or_default();
    let short = code.as_deref().is_some_and(|code| {
        code.contains("InsufficientInstanceCapacity") || code.contains("LimitExceeded")
    });
    let kind = if short { ErrorKind::Capacity } else { ErrorKind::Other };
    let message = format!("{id} was terminated before it was ready: {why}");
    ProviderError { code, ..ProviderError::new(kind, "ec2:DescribeInstances", message) }
}

/// How long until it is worth while to look again: a quarter of the time that it took so far, for
/// some machines start within a second and a GPU machine takes minutes.
fn pace(instance: &types::Instance) -> Duration {
    let since = instance.launch_time.as_ref().and_then(|time| SystemTime::try_from(*time).ok());
    let elapsed = since.and_then(|since| since.elapsed().ok()).unwrap_or_default();
    (elapsed / 4).clamp(wait::SHORT, wait::LONG)
}
