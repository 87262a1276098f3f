//! AttachVolume and DetachVolume.

use serde::{Deserialize, Serialize};

use super::{
    instance::{self, Instance},
    instance_type_catalogue,
    volume::{self, Volume},
};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    time::{Millis, iso8601},
    xml::Xml,
};

/// A volume's attachment to one instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) instance: String,
    pub(crate) device: String,
    pub(crate) delete_on_termination: bool,
    pub(crate) at: Millis,
    /// When it began to end.
    pub(crate) detached: Option<Millis>,
}

impl Attachment {
    /// Whether it has ended.
    pub(crate) fn is_over(&self, call: &Call<'_>) -> bool {
        self.detached.is_some_and(|since| call.settled(since))
    }

    /// `attaching`, `attached`, `detaching` or `detached`.
    pub(crate) fn state(&self, call: &Call<'_>) -> &'static str {
        match self.detached {
            Some(_) if self.is_over(call) => "detached",
            Some(_) => "detaching",
            None if call.settled(self.at) => "attached",
            None => "attaching",
        }
    }

    /// As DescribeVolumes and the two operations show it.
    pub(crate) fn xml(&self, call: &Call<'_>, volume: &str) -> Xml {
        Xml::new()
            .text("volumeId", volume)
            .text("instanceId", &self.instance)
            .text("device", &self.device)
            .text("status", self.state(call))
            .text("attachTime", iso8601(self.at))
            .text("deleteOnTermination", self.delete_on_termination)
    }
}

/// The volumes that are, or were, attached to an instance.
pub(crate) const OF_INSTANCE: &str = "instance-volumes";

/// The volumes attached to an instance, with the attachment of each.
pub(crate) fn of(call: &Call<'_>, instance: &str) -> Vec<(Volume, Attachment)> {
    let mut found = Vec::new();
    for volume in call.linked_rows::<Volume>(OF_INSTANCE, instance) {
        let attachment =
            volume.attached(call).into_iter().find(|it| it.instance == instance).cloned();
        if let Some(attachment) = attachment {
            found.push((volume, attachment));
        }
    }
    found.sort_by(|a, b| a.1.device.cmp(&b.1.device));
    found
}

/// AttachVolume.
pub(crate) fn attach(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut volume = volume::find(call, &params.required("VolumeId")?)?;
    let instance = instance::find(call, &params.required("InstanceId")?)?;
    let device = params.required("Device")?;
    check_device(&device)?;
    if !matches!(instance.state(call), "running" | "stopped") {
        let message = format!("Instance '{}' is not 'running'.", instance.id);
        return Err(ApiError::new("IncorrectState", message));
    }
    if instance.zone != volume.zone {
        return Err(ApiError::new(
            "InvalidVolume.ZoneMismatch",
            format!(
                "The volume '{}' is not in the same availability zone as instance '{}'",
                volume.id, instance.id
            ),
        ));
    }
    check_free(call, &volume, &instance)?;
    let attached = of(call, &instance.id);
    if attached.iter().any(|(_, it)| it.device == device) {
        return Err(ApiError::invalid_value(format!(
            "Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )));
    }
    let limit =
        instance_type_catalogue::find(&instance.instance_type).and_then(|row| row.ebs.attachments);
    if limit.is_some_and(|limit| attached.len() >= usize::try_from(limit).unwrap_or(usize::MAX)) {
        return Err(ApiError::new(
            "AttachmentLimitExceeded",
            format!(
                "Volume attachment limit of {} exceeded for instance '{}'.",
                attached.len(),
                instance.id
            ),
        ));
    }
    call.link(OF_INSTANCE, &instance.id, &volume.id);
    let attachment = Attachment {
        instance: instance.id,
        device,
        delete_on_termination: false,
        at: call.now,
        detached: None,
    };
    let answer = attachment.xml(call, &volume.id);
    let over: Vec<bool> = volume.attachments.iter().map(|it| it.is_over(call)).collect();
    let mut over = over.into_iter();
    volume.attachments.retain(|_| !over.next().unwrap_or(false));
    volume.attachments.push(attachment);
    call.put(&volume);
    Ok(answer.into())
}

/// DetachVolume.
pub(crate) fn detach(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut volume = volume::find(call, &params.required("VolumeId")?)?;
    let (instance, device) = (params.optional("InstanceId"), params.optional("Device"));
    // There is no file system to flush: force makes no difference.
    params.flag("Force")?;
    let named = |it: &Attachment| {
        it.detached.is_none()
            && instance.as_ref().is_none_or(|id| *id == it.instance)
            && device.as_ref().is_none_or(|device| *device == it.device)
    };
    if volume.attachments.iter().filter(|it| named(it)).count() > 1 {
        return Err(ApiError::missing("InstanceId"));
    }
    let Some(index) = volume.attachments.iter().position(named) else {
        return Err(match instance {
            Some(instance) => ApiError::new(
                "InvalidAttachment.NotFound",
                format!("The volume '{}' is not attached to instance '{instance}'.", volume.id),
            ),
            None => ApiError::new(
                "IncorrectState",
                format!("Volume '{}' is in the '{}' state.", volume.id, volume.state(call)),
            ),
        });
    };
    let holder: Option<Instance> = call.get(&volume.attachments[index].instance);
    if let Some(holder) = holder
        && holder.root_device == volume.attachments[index].device
        && holder.state(call) != "stopped"
    {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!(
                "Unable to detach root volume '{}' from instance '{}'",
                holder.root_device, holder.id
            ),
        ));
    }
    volume.attachments[index].detached = Some(call.now);
    let answer = volume.attachments[index].xml(call, &volume.id);
    call.put(&volume);
    Ok(answer.into())
}

fn check_free(call: &Call<'_>, volume: &Volume, instance: &Instance) -> Result<(), ApiError> {
    let attached = volume.attached(call);
    let already = attached.iter().any(|it| it.instance == instance.id);
    if volume.state(call) == "creating" || volume.deleted.is_some() {
        return Err(ApiError::new("IncorrectState", format!("{} is not 'available'.", volume.id)));
    }
    if already || (!attached.is_empty() && !volume.multi_attach) {
        return Err(ApiError::new(
            "VolumeInUse",
            format!("{} is already attached to an instance", volume.id),
        ));
    }
    Ok(())
}

/// Device names as EC2 accepts them: `/dev/sdf`, `/dev/sdf1`, `xvdf`, ..
pub(crate) fn check_device(device: &str) -> Result<(), ApiError> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let rest = ["sd", "xvd", "hd"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let valid = rest.is_some_and(|rest| {
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        (1..=2).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    });
    if valid {
        return Ok(());
    }
    Err(ApiError::invalid("device", device, &format!("{device} is not a valid EBS device name.")))
}
