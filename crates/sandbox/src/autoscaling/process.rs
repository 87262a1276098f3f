//! Suspended processes and collected metrics of a group.

use super::{
    error::{missing, validation},
    group,
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    time::iso8601,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("SuspendProcesses", suspend),
    ("ResumeProcesses", resume),
    ("EnableMetricsCollection", enable_metrics),
    ("DisableMetricsCollection", disable_metrics),
];

const PROCESSES: &[&str] = &[
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
];

const METRICS: &[&str] = &[
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
    "GroupInServiceCapacity",
    "GroupPendingCapacity",
    "GroupStandbyCapacity",
    "GroupTerminatingCapacity",
    "GroupTotalCapacity",
    "WarmPoolDesiredCapacity",
    "WarmPoolWarmedCapacity",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
];

/// The values of a list that names all if it is empty.
fn chosen(call: &Call<'_>, list: &str, known: &[&str]) -> Result<Vec<String>, ApiError> {
    let named = call.params.list(list);
    if let Some(other) = named.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(validation(format!("'{other}' is not one of {}.", known.join(", "))));
    }
    let all = || known.iter().map(|name| (*name).to_owned()).collect();
    Ok(if named.is_empty() { all() } else { named })
}

fn suspend(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut group = group::named(call)?;
    group::refuse_deleting(&group)?;
    for process in chosen(call, "ScalingProcesses", PROCESSES)? {
        let reason = format!("User suspended at {}", iso8601(call.now));
        group.suspended.entry(process).or_insert(reason);
    }
    call.put(&group);
    Ok(Answer::empty())
}

fn resume(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut group = group::named(call)?;
    for process in chosen(call, "ScalingProcesses", PROCESSES)? {
        group.suspended.remove(&process);
    }
    group.retry_at = None;
    call.put(&group);
    Ok(Answer::empty())
}

fn enable_metrics(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut group = group::named(call)?;
    match call.params.optional("Granularity").as_deref() {
        Some("1Minute") => {}
        Some(other) => {
            return Err(validation(format!(
                "Granularity '{other}' is not valid: it must be 1Minute."
            )));
        }
        None => return Err(missing("granularity")),
    }
    group.metrics.extend(chosen(call, "Metrics", METRICS)?);
    call.put(&group);
    Ok(Answer::empty())
}

fn disable_metrics(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut group = group::named(call)?;
    for metric in chosen(call, "Metrics", METRICS)? {
        group.metrics.remove(&metric);
    }
    call.put(&group);
    Ok(Answer::empty())
}
