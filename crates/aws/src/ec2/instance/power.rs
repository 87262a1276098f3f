//! Whether a machine runs: waiting for it, starting and stopping it, and the stop that some changes
//! need.
//!
//! A stop takes a minute, and a verb may not wait; so an update that needs one marks the machine
//! with a tag and stops it, and [`settle`], which is called again and again, makes the change once
//! it is stopped, starts it unless it is to stay stopped, and takes the mark off. After a crash at
//! any point the next call goes on from where the machine is.

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::types;
use formwork_core::{Context, ErrorKind, ProviderError, Settled};

use super::{
    Instance, Power, missing,
    observe::{self, Seen},
};
use crate::{
    client::Clients,
    ec2::{volume, wire::seen as text},
    error::Named,
    wait,
};

/// The mark of a machine that is stopped for a change.
const MARK: &str = "formwork:restart";

/// The value of the mark of a machine that is to stay stopped after the change.
const STAY: &str = "stay";

/// The value of the mark of a machine that is to run after the change.
const START: &str = "true";

/// How long until it is worth while to look again at a machine that is being terminated.
pub(super) const TERMINATION: Duration = Duration::from_secs(1);

impl Power {
    /// Whether the machine runs; none of both for one that is being terminated.
    pub(super) fn of(instance: &types::Instance) -> Option<Self> {
        let state = instance.state.as_ref().and_then(|state| state.name.as_ref())?;
        match state.as_str() {
            "pending" | "running" => Some(Self::Running),
            "stopping" | "stopped" => Some(Self::Stopped),
            _ => None,
        }
    }
}

/// Whether the machine is to be stopped in the end: as declared, or else as it is.
fn ends_stopped(instance: &types::Instance, inputs: &Instance) -> bool {
    inputs.power.clone().or_else(|| Power::of(instance)) == Some(Power::Stopped)
}

/// The fields that can change only while the machine is stopped, and that are not as wanted.
pub(super) fn needs_stop(instance: &types::Instance, inputs: &Instance) -> Vec<&'static str> {
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

/// Refuses a restart that the declaration does not allow. A machine that is stopped, or is to be, is
/// not restarted.
pub(super) fn check_allowed(
    seen: &Seen,
    inputs: &Instance,
    fields: &[&str],
) -> Result<(), ProviderError> {
    let stopped = Power::of(&seen.instance) == Some(Power::Stopped);
    let free = stopped || ends_stopped(&seen.instance, inputs) || inputs.stop_to_change;
    if fields.is_empty() || free {
        return Ok(());
    }
    let message = format!(
        "{} of {} can change only while it is stopped, and it is {}: set stop_to_change to have it \
         stopped and started, stop it first, or make a new machine of it with .replace_on({fields:?})",
        fields.join(" and "),
        seen.instance.instance_id.as_deref().unwrap_or("the machine"),
        seen.state(),
    );
    Err(ProviderError::new(ErrorKind::Invalid, "ec2:ModifyInstanceAttribute", message))
}

/// Marks the machine for a change, and stops it if it runs.
pub(super) async fn begin(
    cx: &Context<'_, Clients>,
    seen: &Seen,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    let id = seen.instance.instance_id.as_deref().ok_or_else(|| missing("id"))?;
    let value = if ends_stopped(&seen.instance, inputs) { STAY } else { START };
    let mark = types::Tag::builder().key(MARK).value(value).build();
    let call = cx.client.ec2().create_tags().resources(id).tags(mark);
    call.send().await.named("ec2:CreateTags")?;
    match Power::of(&seen.instance) {
        Some(Power::Stopped) => Ok(()),
        _ => stop(cx.client, id).await,
    }
}

async fn unmark(clients: &Clients, id: &str) -> Result<(), ProviderError> {
    let mark = types::Tag::builder().key(MARK).build();
    let call = clients.ec2().delete_tags().resources(id).tags(mark);
    call.send().await.named("ec2:DeleteTags").map(drop)
}

/// Starts or stops the machine as declared. One that is on its way to the other state is turned by
/// [`settle`], when it has arrived there.
pub(super) async fn turn(
    clients: &Clients,
    seen: &Seen,
    inputs: &Instance,
) -> Result<(), ProviderError> {
    let id = seen.instance.instance_id.as_deref().ok_or_else(|| missing("id"))?;
    match (seen.state(), &inputs.power) {
        ("stopped", Some(Power::Running)) => start(clients, id).await,
        ("running", Some(Power::Stopped)) => stop(clients, id).await,
        _ => Ok(()),
    }
}

async fn start(clients: &Clients, id: &str) -> Result<(), ProviderError> {
    let call = clients.ec2().start_instances().instance_ids(id);
    call.send().await.named("ec2:StartInstances").map(drop)
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
    let mark = seen.instance.tags().iter().find(|tag| tag.key.as_deref() == Some(MARK));
    let mark = mark.and_then(|mark| mark.value.as_deref());
    let differs = !needs_stop(&seen.instance, inputs).is_empty();
    let pace = pace(&seen.instance);
    match (seen.state(), mark) {
        ("pending" | "stopping", _) => return Ok(Settled::Pending(pace)),
        ("terminated" | "shutting-down", _) => return Err(ended(&id, &seen.instance)),
        ("stopped", Some(_)) if differs => {
            reconfigure(clients, &id, &seen.instance, inputs).await?;
            return Ok(Settled::Pending(wait::SHORT));
        }
        ("stopped", Some(then)) if then != STAY => {
            start(clients, &id).await?;
            return Ok(Settled::Pending(wait::SHORT));
        }
        ("running", Some(_)) if differs => {
            stop(clients, &id).await?;
            return Ok(Settled::Pending(wait::SHORT));
        }
        (_, Some(_)) => unmark(clients, &id).await?,
        (_, None) => {}
    }
    // A launch always starts, and a machine can be turned only where it has come to rest.
    if inputs.power.is_some() && inputs.power != Power::of(&seen.instance) {
        turn(clients, &seen, inputs).await?;
        return Ok(Settled::Pending(wait::SHORT));
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
    for field in needs_stop(instance, inputs) {
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
