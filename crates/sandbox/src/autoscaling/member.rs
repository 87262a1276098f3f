//! The instances of a group.

use serde::{Deserialize, Serialize};

use super::{
    activity, capacity,
    error::{missing, validation},
    group::{self, Group},
    source::TemplateRef,
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    time::Millis,
    xml::Xml,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("TerminateInstanceInAutoScalingGroup", terminate),
    ("SetInstanceHealth", set_health),
    ("SetInstanceProtection", set_protection),
];

/// An instance of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) instance: String,
    pub(super) instance_type: String,
    pub(super) zone: String,
    pub(super) subnet: String,
    /// With the number of the version that it was launched from.
    pub(super) template: TemplateRef,
    pub(super) image_id: Option<String>,
    pub(super) weight: Option<i64>,
    pub(super) spot: bool,
    pub(super) protected: bool,
    pub(super) healthy: bool,
    pub(super) launched: Millis,
    pub(super) stage: Stage,
    /// When the stage began.
    pub(super) since: Millis,
    /// The hook that it waits for, and the token of that action.
    pub(super) waiting_for: Option<(String, String)>,
    /// The activity that brings it in, or takes it out.
    pub(super) activity: String,
}

/// Where a member is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    Pending,
    PendingWait,
    InService,
    TerminatingWait,
    Terminating,
}

impl Stage {
    /// The lifecycle state as AWS writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::InService => "InService",
            Self::TerminatingWait => "Terminating:Wait",
            Self::Terminating => "Terminating",
        }
    }
}

impl Member {
    /// Whether it is on its way out, and no longer counts.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::TerminatingWait | Stage::Terminating)
    }

    /// How much of the desired capacity it is.
    pub(super) fn weight(&self) -> i64 {
        self.weight.unwrap_or(1)
    }

    /// Begins a stage.
    pub(super) fn enter(&mut self, stage: Stage, now: Millis) {
        self.stage = stage;
        self.since = now;
        self.waiting_for = None;
    }

    /// As the describe operations show it.
    pub(super) fn xml(&self) -> Xml {
        let template = self.template.xml();
        Xml::new()
            .text("InstanceId", &self.instance)
            .text("InstanceType", &self.instance_type)
            .text("AvailabilityZone", &self.zone)
            .text("LifecycleState", self.stage.name())
            .text("HealthStatus", if self.healthy { "Healthy" } else { "Unhealthy" })
            .node("LaunchTemplate", template)
            .maybe("ImageId", self.image_id.as_deref())
            .text("ProtectedFromScaleIn", self.protected)
            .maybe("WeightedCapacity", self.weight)
    }
}

/// Finds the group of an instance, and its place there.
fn of_instance(call: &Call<'_>, id: &str) -> Result<(Group, usize), ApiError> {
    for group in call.visible::<Group>() {
        if let Some(place) = group.members.iter().position(|member| member.instance == id) {
            return Ok((group, place));
        }
    }
    Err(validation(format!(
        "Instance Id not found - No managed instance found for instance ID: {id}"
    )))
}

fn terminate(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let id = params.optional("InstanceId").ok_or_else(|| missing("instanceId"))?;
    let decrement = params
        .flag("ShouldDecrementDesiredCapacity")?
        .ok_or_else(|| missing("shouldDecrementDesiredCapacity"))?;
    let (mut group, place) = of_instance(call, &id)?;
    group::refuse_deleting(&group)?;
    if group.members[place].is_leaving() {
        return Err(validation(format!(
            "The instance {id} is not in InService or Standby or EnteringStandby."
        )));
    }
    if decrement {
        if group.settings.desired - group.members[place].weight() < group.settings.least {
            return Err(validation(
                "Currently, desiredSize equals minSize. Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
            ));
        }
        group.settings.desired -= group.members[place].weight();
    }
    let cause = "an instance was taken out of service in response to a user request.";
    capacity::take_out(call, &mut group, place, cause);
    let activity = activity::get(call, &group.members[place].activity);
    call.put(&group);
    let xml = activity.map(|activity| activity.xml());
    Ok(Xml::new().maybe_node("Activity", xml).into())
}

fn set_health(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let id = params.optional("InstanceId").ok_or_else(|| missing("instanceId"))?;
    let status = params.optional("HealthStatus").ok_or_else(|| missing("healthStatus"))?;
    let respect = params.flag("ShouldRespectGracePeriod")?.unwrap_or(true);
    let (mut group, place) = of_instance(call, &id)?;
    let grace = u64::try_from(group.settings.grace_period).unwrap_or(0).saturating_mul(1000);
    let member = &mut group.members[place];
    let in_grace = respect && call.now < member.since.saturating_add(grace);
    match status.as_str() {
        "Healthy" => member.healthy = true,
        "Unhealthy" if in_grace => {}
        "Unhealthy" => member.healthy = false,
        other => {
            return Err(validation(format!(
                "Health status '{other}' is not Healthy or Unhealthy."
            )));
        }
    }
    call.put(&group);
    Ok(Answer::empty())
}

fn set_protection(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut group = group::named(call)?;
    let protected =
        params.flag("ProtectedFromScaleIn")?.ok_or_else(|| missing("protectedFromScaleIn"))?;
    for id in params.list("InstanceIds") {
        let member = group.members.iter_mut().find(|member| member.instance == id);
        let message =
            format!("The instance {id} is not part of Auto Scaling group {}.", group.name);
        member.ok_or_else(|| validation(message))?.protected = protected;
    }
    call.put(&group);
    Ok(Answer::empty())
}
