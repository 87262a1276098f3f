//! Groups: create, update, delete, set the desired capacity.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    error::{in_progress, missing, no_group, validation},
    hook::{self, Hook},
    launch,
    member::Member,
    settings::Settings,
    source::{self, Source},
    tag::{self, GroupTag},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    iam::service_linked_role,
    row::Row,
    time::Millis,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateAutoScalingGroup", create),
    ("UpdateAutoScalingGroup", update),
    ("DeleteAutoScalingGroup", delete),
    ("SetDesiredCapacity", set_desired),
];

/// An Auto Scaling group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) created: Millis,
    pub(super) settings: Settings,
    pub(super) source: Source,
    pub(super) tags: BTreeMap<String, GroupTag>,
    pub(super) hooks: Vec<Hook>,
    /// Process to reason.
    pub(super) suspended: BTreeMap<String, String>,
    pub(super) metrics: BTreeSet<String>,
    pub(super) members: Vec<Member>,
    pub(super) deleting: Option<Millis>,
    /// After a launch failed: when to try again.
    pub(super) retry_at: Option<Millis>,
    /// When it last launched or terminated.
    pub(super) last_activity: Option<Millis>,
    /// What the next launches and terminations are put down to.
    pub(super) cause: String,
}

impl Row for Group {
    const KIND: &'static str = "auto-scaling-group";

    fn id(&self) -> &str {
        &self.name
    }
}

impl Group {
    /// Whether a process is suspended.
    pub(super) fn is_suspended(&self, process: &str) -> bool {
        self.suspended.contains_key(process)
    }
}

/// Finds the group that `AutoScalingGroupName` names.
pub(super) fn named(call: &Call<'_>) -> Result<Group, ApiError> {
    by_name(call, &name(call)?)
}

/// Finds a group that a client named.
pub(super) fn by_name(call: &Call<'_>, name: &str) -> Result<Group, ApiError> {
    call.find::<Group>(name).map_err(|_| no_group(name))
}

fn name(call: &Call<'_>) -> Result<String, ApiError> {
    call.params
        .optional("AutoScalingGroupName")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| missing("autoScalingGroupName"))
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let name = name(call)?;
    if name.len() > 255 || name.contains(':') || name.chars().any(char::is_control) {
        return Err(validation(
            "AutoScalingGroupName is up to 255 characters, without colons and control characters.",
        ));
    }
    if let Some(other) = call.get::<Group>(&name) {
        let pending = if other.deleting.is_some() { " and is pending delete" } else { "" };
        return Err(ApiError::new(
            "AlreadyExists",
            format!(
                "AutoScalingGroup by this name already exists - A group with the name {name} already exists{pending}"
            ),
        ));
    }
    for size in ["MinSize", "MaxSize"] {
        if !params.has(size) {
            return Err(missing(size));
        }
    }
    let mut settings = Settings::default();
    settings.apply(call, &params)?;
    let source = source::read(call, &params)?.ok_or_else(|| {
        validation("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
    })?;
    settings.service_role = settings
        .service_role
        .or_else(|| service_linked_role::ensure(call, "autoscaling.amazonaws.com"));
    let desired = settings.desired;
    let uuid = call.new_uuid();
    let group = Group {
        arn: format!(
            "arn:aws:autoscaling:{}:{}:autoScalingGroup:{uuid}:autoScalingGroupName/{name}",
            call.region, call.account
        ),
        tags: tag::read(call, Some(&name))?,
        hooks: hook::read_list(&params)?,
        name,
        created: call.now,
        settings,
        source,
        suspended: BTreeMap::new(),
        metrics: BTreeSet::new(),
        members: Vec::new(),
        deleting: None,
        retry_at: None,
        last_activity: None,
        cause: format!(
            "a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}."
        ),
    };
    launch::check(call, &group)?;
    call.put(&group);
    Ok(Answer::empty())
}

fn update(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group = named(call)?;
    refuse_deleting(&group)?;
    let before = group.settings.clone();
    group.settings.apply(call, &params)?;
    let source = source::read(call, &params)?;
    let replaced = source.is_some();
    group.source = source.unwrap_or(group.source);
    if replaced || before.zones != group.settings.zones || before.subnets != group.settings.subnets
    {
        launch::check(call, &group)?;
    }
    note_resize(
        &mut group,
        before.desired,
        "update of AutoScalingGroup constraints to min and max size",
    );
    group.retry_at = None;
    call.put(&group);
    Ok(Answer::empty())
}

fn set_desired(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group = named(call)?;
    refuse_deleting(&group)?;
    let desired: i64 =
        params.number("DesiredCapacity")?.ok_or_else(|| missing("desiredCapacity"))?;
    let (least, most) = (group.settings.least, group.settings.most);
    if desired > most || desired < least {
        let (side, bound) = if desired > most { ("above max", most) } else { ("below min", least) };
        return Err(validation(format!(
            "New SetDesiredCapacity value {desired} is {side} value {bound} for the AutoScalingGroup."
        )));
    }
    let cooldown = u64::try_from(group.settings.cooldown).unwrap_or(0).saturating_mul(1000);
    let cooling = group.last_activity.is_some_and(|last| call.now < last.saturating_add(cooldown));
    if params.flag("HonorCooldown")? == Some(true) && cooling {
        return Err(in_progress(format!(
            "Scaling activity is in progress or in cooldown: group {}.",
            group.name
        )));
    }
    let before = group.settings.desired;
    group.settings.desired = desired;
    note_resize(&mut group, before, "explicitly set group desired capacity");
    group.retry_at = None;
    call.put(&group);
    Ok(Answer::empty())
}

/// Remembers why the desired capacity changed, for the activities that follow.
pub(super) fn note_resize(group: &mut Group, before: i64, why: &str) {
    let after = group.settings.desired;
    if before != after {
        group.cause =
            format!("a user request {why} changing the desired capacity from {before} to {after}.");
    }
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut group = named(call)?;
    let force = call.params.flag("ForceDelete")? == Some(true);
    refuse_deleting(&group)?;
    let protection = group.settings.deletion_protection.as_str();
    if protection == "prevent-all-deletion" || (force && protection == "prevent-force-deletion") {
        return Err(validation(format!(
            "The deletion protection '{protection}' of the group forbids this."
        )));
    }
    if !force && !group.members.is_empty() {
        if group.members.iter().all(Member::is_leaving) {
            return Err(in_progress(
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
            ));
        }
        return Err(ApiError::new(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        ));
    }
    group.deleting = Some(call.now);
    group.settings.desired = 0;
    group.settings.least = 0;
    group.cause = "a user request deleted the AutoScalingGroup.".into();
    call.put(&group);
    Ok(Answer::empty())
}

/// A group that is going away cannot be changed.
pub(super) fn refuse_deleting(group: &Group) -> Result<(), ApiError> {
    if group.deleting.is_some() {
        return Err(in_progress(format!("AutoScalingGroup '{}' is pending delete.", group.name)));
    }
    Ok(())
}
