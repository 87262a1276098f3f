//! Lifecycle hooks: instances wait for somebody to say that they may go on.

use serde::{Deserialize, Serialize};

use super::{
    activity, capacity,
    error::{missing, validation},
    group::{self, Group},
    member::{Member, Stage},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    params::Params,
    xml::Xml,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("PutLifecycleHook", put),
    ("DescribeLifecycleHooks", describe_hooks),
    ("DeleteLifecycleHook", delete),
    ("CompleteLifecycleAction", complete),
    ("RecordLifecycleActionHeartbeat", heartbeat),
];

/// When a hook holds an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Transition {
    Launching,
    Terminating,
}

/// A hook of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) transition: Transition,
    notification_metadata: Option<String>,
    notification_target: Option<String>,
    role: Option<String>,
    /// Seconds that an instance waits.
    pub(super) timeout: u64,
    /// What happens when the time is over: to go on, or else to give the instance up.
    pub(super) continues: bool,
}

impl Transition {
    fn name(self) -> &'static str {
        match self {
            Self::Launching => "autoscaling:EC2_INSTANCE_LAUNCHING",
            Self::Terminating => "autoscaling:EC2_INSTANCE_TERMINATING",
        }
    }

    fn parse(name: &str) -> Result<Self, ApiError> {
        let all = [Self::Launching, Self::Terminating];
        all.into_iter().find(|it| it.name() == name).ok_or_else(|| {
            validation(format!("Invalid lifecycle transition '{name}': it is autoscaling:EC2_INSTANCE_LAUNCHING or autoscaling:EC2_INSTANCE_TERMINATING."))
        })
    }
}

/// The first hook of a transition, in the order of their names.
pub(super) fn first(group: &Group, transition: Transition) -> Option<&Hook> {
    group.hooks.iter().find(|hook| hook.transition == transition)
}

/// Reads `LifecycleHookSpecificationList`.
pub(super) fn read_list(params: &Params) -> Result<Vec<Hook>, ApiError> {
    let mut hooks = Vec::new();
    for specification in params.structs("LifecycleHookSpecificationList") {
        let hook = read(&specification, None)?;
        insert(&mut hooks, hook);
    }
    Ok(hooks)
}

fn insert(hooks: &mut Vec<Hook>, hook: Hook) {
    hooks.retain(|known| known.name != hook.name);
    hooks.push(hook);
    hooks.sort_by(|a, b| a.name.cmp(&b.name));
}

/// Reads a hook; what an existing one has stays unless it is given.
fn read(params: &Params, known: Option<&Hook>) -> Result<Hook, ApiError> {
    let name = params.optional("LifecycleHookName").ok_or_else(|| missing("lifecycleHookName"))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    if name.is_empty() || name.len() > 255 || !name.chars().all(allowed) {
        return Err(validation(format!(
            "'{name}' is not a lifecycle hook name: letters, digits, -, _ and /."
        )));
    }
    let transition = match (params.optional("LifecycleTransition"), known) {
        (Some(transition), _) => Transition::parse(&transition)?,
        (None, Some(known)) => known.transition,
        (None, None) => return Err(missing("lifecycleTransition")),
    };
    let timeout =
        params.number("HeartbeatTimeout")?.or(known.map(|hook| hook.timeout)).unwrap_or(3600);
    if !(30..=7200).contains(&timeout) {
        return Err(validation(format!(
            "HeartbeatTimeout {timeout} is not between 30 and 7200 seconds."
        )));
    }
    let continues = match params.optional("DefaultResult").as_deref() {
        Some("CONTINUE") => true,
        Some("ABANDON") => false,
        Some(other) => {
            return Err(validation(format!("DefaultResult '{other}' is not CONTINUE or ABANDON.")));
        }
        None => known.is_some_and(|hook| hook.continues),
    };
    let keep = |name: &str, old: Option<&String>| params.optional(name).or_else(|| old.cloned());
    Ok(Hook {
        name,
        transition,
        notification_metadata: keep(
            "NotificationMetadata",
            known.and_then(|it| it.notification_metadata.as_ref()),
        ),
        notification_target: keep(
            "NotificationTargetARN",
            known.and_then(|it| it.notification_target.as_ref()),
        )
        .filter(|arn| !arn.is_empty()),
        role: keep("RoleARN", known.and_then(|it| it.role.as_ref())),
        timeout,
        continues,
    })
}

fn put(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group = group::named(call)?;
    let name = params.optional("LifecycleHookName");
    let known = group.hooks.iter().find(|hook| Some(&hook.name) == name.as_ref());
    let hook = read(&params, known)?;
    if known.is_none() && group.hooks.len() >= 50 {
        return Err(ApiError::new("LimitExceeded", "A group can have at most 50 lifecycle hooks."));
    }
    insert(&mut group.hooks, hook);
    call.put(&group);
    Ok(Answer::empty())
}

fn describe_hooks(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let group = group::named(call)?;
    let names = call.params.list("LifecycleHookNames");
    let hooks = group.hooks.iter().filter(|hook| names.is_empty() || names.contains(&hook.name));
    let item = |hook: &Hook| {
        Xml::new()
            .text("LifecycleHookName", &hook.name)
            .text("AutoScalingGroupName", &group.name)
            .text("LifecycleTransition", hook.transition.name())
            .maybe("NotificationTargetARN", hook.notification_target.as_deref())
            .maybe("RoleARN", hook.role.as_deref())
            .maybe("NotificationMetadata", hook.notification_metadata.as_deref())
            .text("HeartbeatTimeout", hook.timeout)
            .text("GlobalTimeout", (hook.timeout * 100).min(172_800))
            .text("DefaultResult", if hook.continues { "CONTINUE" } else { "ABANDON" })
    };
    Ok(Xml::new().members("LifecycleHooks", hooks.map(item)).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut group = group::named(call)?;
    let name =
        call.params.optional("LifecycleHookName").ok_or_else(|| missing("lifecycleHookName"))?;
    if !group.hooks.iter().any(|hook| hook.name == name) {
        return Err(validation("No Lifecycle Hook found with the specified name."));
    }
    group.hooks.retain(|hook| hook.name != name);
    // Actions under way end as if nobody had answered: launches are abandoned, terminations go on.
    for member in &mut group.members {
        if member.waiting_for.as_ref().is_some_and(|(hook, _)| *hook == name) {
            conclude(call, member, false);
        }
    }
    call.put(&group);
    Ok(Answer::empty())
}

fn complete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let result = call
        .params
        .optional("LifecycleActionResult")
        .ok_or_else(|| missing("lifecycleActionResult"))?;
    let continues = match result.as_str() {
        "CONTINUE" => true,
        "ABANDON" => false,
        other => {
            return Err(validation(format!(
                "LifecycleActionResult '{other}' is not CONTINUE or ABANDON."
            )));
        }
    };
    let (mut group, place) = waiting(call)?;
    conclude(call, &mut group.members[place], continues);
    call.put(&group);
    Ok(Answer::empty())
}

fn heartbeat(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let (mut group, place) = waiting(call)?;
    group.members[place].since = call.now;
    call.put(&group);
    Ok(Answer::empty())
}

/// Finds the member that waits for the hook of the request.
fn waiting(call: &Call<'_>) -> Result<(Group, usize), ApiError> {
    let params = &call.params;
    let group = group::named(call)?;
    let hook = params.optional("LifecycleHookName").ok_or_else(|| missing("lifecycleHookName"))?;
    let (token, instance) =
        (params.optional("LifecycleActionToken"), params.optional("InstanceId"));
    if token.is_none() && instance.is_none() {
        return Err(validation("Either a LifecycleActionToken or an InstanceId is needed."));
    }
    let place = group.members.iter().position(|member| {
        let waits = member.waiting_for.as_ref();
        waits.is_some_and(|(name, own)| {
            *name == hook && token.as_ref().is_none_or(|token| token == own)
        }) && instance.as_ref().is_none_or(|id| *id == member.instance)
    });
    let place = place.ok_or_else(|| {
        validation(format!(
            "No active Lifecycle Action found with instance ID {}",
            instance.unwrap_or_default()
        ))
    })?;
    Ok((group, place))
}

/// Ends a member's waiting: it goes on, or is given up.
pub(super) fn conclude(call: &mut Call<'_>, member: &mut Member, continues: bool) {
    match member.stage {
        Stage::PendingWait if continues => {
            member.enter(Stage::InService, call.now);
            activity::end(call, &member.activity, None);
        }
        Stage::PendingWait => {
            activity::end(
                call,
                &member.activity,
                Some(
                    "Instance failed to complete user's Lifecycle Action: Lifecycle Action was completed with ABANDON Result",
                ),
            );
            capacity::terminate(call, member);
        }
        Stage::TerminatingWait => capacity::terminate(call, member),
        _ => {}
    }
}
