//! That a volume is attached to a machine.

use aws_sdk_ec2::types;
use formwork_core::{
    By, Changes, Check, Child, Context, CreateError, Deletion, ErrorKind, FoundBy, Known,
    Lifecycle, Managed, Observed, Outputs, Parent, ProviderError, Resource, Settled, value::Value,
};
use serde::{Deserialize, Serialize};

use super::{Instance, InstanceId, Volume, VolumeId, describe::describe, wire::seen};
use crate::{
    check,
    child::of_kind,
    client::Clients,
    error::{Named, unless_absent},
    wait,
};

/// That a volume is attached to a machine. To keep it attached when it is no longer declared, use
/// `.retain()`.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/volume-attachment",
    outputs = VolumeAttachmentOutputs,
    group = storage,
    seconds = 3,
    delete_first
)]
pub struct VolumeAttachment {
    /// The volume.
    #[resource(replace, unique)]
    pub volume_id: VolumeId,
    /// The machine, in the volume's zone.
    #[resource(replace, unique)]
    pub instance_id: InstanceId,
    /// What the machine is to call it, such as `/dev/sdf`. An NVMe machine has names of its own, and
    /// this one in the disk's vendor data.
    #[resource(replace, unique)]
    pub device_name: String,
    /// Whether a removal tears it off a machine that does not let go. What was not written is lost.
    #[serde(default)]
    #[resource(default)]
    pub force_detach: bool,
}

/// What an attachment reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct VolumeAttachmentOutputs {
    /// Volume, machine and device: `vol-1:i-1:/dev/sdf`.
    #[output(id)]
    pub id: String,
    /// The volume.
    #[output(echo)]
    pub volume_id: VolumeId,
    /// The machine.
    #[output(echo)]
    pub instance_id: InstanceId,
    /// What the machine is to call it.
    #[output(echo)]
    pub device_name: String,
}

impl Lifecycle for VolumeAttachment {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(one(cx.client, inputs).await?.filter(stays).map(|_| observe(inputs)))
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(one(cx.client, &known.inputs).await?.filter(stays).map(|_| observe(&known.inputs)))
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let mut ids: Vec<String> =
            among.iter().map(|known| known.inputs.volume_id.to_string()).collect();
        ids.sort();
        ids.dedup();
        let volumes = volumes(clients, ids).await?;
        let there = |known: &&Known<Self>| of(&volumes, &known.inputs).is_some_and(stays);
        Ok(among.iter().filter(there).map(|known| observe(&known.inputs)).collect())
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let inputs = match by {
            // Terraform begins with the device, our own ids end with it.
            By::Id(id) => {
                let mut parts: Vec<&str> = id.splitn(3, ':').collect();
                if !id.starts_with("vol-") {
                    parts.rotate_left(1);
                }
                let [volume, instance, device] = parts[..] else { return Ok(None) };
                Self {
                    volume_id: volume.into(),
                    instance_id: instance.into(),
                    device_name: device.to_owned(),
                    force_detach: false,
                }
            }
            By::Inputs(inputs) => inputs.clone(),
        };
        Ok(one(clients, &inputs).await?.filter(stays).map(|_| observe(&inputs)))
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<VolumeAttachmentOutputs, CreateError<Self>> {
        let call = cx
            .client
            .ec2()
            .attach_volume()
            .volume_id(inputs.volume_id.as_str())
            .instance_id(inputs.instance_id.as_str())
            .device(&inputs.device_name);
        match call.send().await.named("ec2:AttachVolume") {
            Ok(_) => Ok(outputs(inputs)),
            // It may be in use by just this attachment: the call came through before.
            Err(error) if error.kind == ErrorKind::InUse => {
                match one(cx.client, inputs).await?.filter(stays) {
                    Some(_) => Ok(outputs(inputs)),
                    None => Err(taken(cx.client, error, inputs).await?.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        use types::VolumeAttachmentState as State;
        let attachment = one(cx.client, &known.inputs).await?;
        match attachment.and_then(|attachment| attachment.state) {
            Some(State::Attached) => Ok(Settled::Ready(observe(&known.inputs))),
            _ => Ok(Settled::Pending(wait::SHORT)),
        }
    }

    async fn update(
        _cx: &Context<'_, Clients>,
        _known: &Known<Self>,
        inputs: &Self,
        _changes: &Changes,
    ) -> Result<VolumeAttachmentOutputs, ProviderError> {
        // All that can change is how it will be removed.
        Ok(outputs(inputs))
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let Some(attachment) = one(cx.client, &known.inputs).await? else {
            return Ok(Deletion::Done);
        };
        if stays(&attachment) {
            let call = cx
                .client
                .ec2()
                .detach_volume()
                .volume_id(known.inputs.volume_id.as_str())
                .instance_id(known.inputs.instance_id.as_str())
                .device(&known.inputs.device_name)
                .force(known.inputs.force_detach);
            unless_absent(call.send().await.named("ec2:DetachVolume"))?;
        }
        Ok(Deletion::Pending(wait::SHORT))
    }

    const PARENTS: &'static [Parent] = &[
        Parent::new(Instance::TYPE.kind, "instance_id").goes_along(),
        Parent::new(Volume::TYPE.kind, "volume_id"),
    ];

    async fn list_children(
        clients: &Clients,
        parents: &[Managed<'_>],
    ) -> Result<Vec<Child<Self>>, ProviderError> {
        let machines = of_kind(parents, Instance::TYPE.kind);
        let mut found: Vec<types::Volume> = describe!(
            clients,
            describe_volumes,
            "ec2:DescribeVolumes",
            "attachment.instance-id",
            machines
        );
        found.extend(volumes(clients, of_kind(parents, Volume::TYPE.kind)).await?);
        let attachments = found.iter().flat_map(types::Volume::attachments);
        let children = attachments.filter(|it| stays(it) && !came_along(it, parents));
        Ok(children.filter_map(|it| Some(Child::new(observe(&of_sdk(it)?)))).collect())
    }

    fn validate(check: &mut Check<'_>) {
        check::id(check, "volume_id", "vol");
        check::id(check, "instance_id", "i");
        // <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html>
        check::text(check, "device_name", (1, 32), |c| c.is_ascii_graphic(), "ASCII");
        let zone =
            |field: &str, of: &str| check.target(field).and_then(|target| target.get::<String>(of));
        let volume = zone("volume_id", "availability_zone");
        let machine = zone("instance_id", "placement.availability_zone");
        if let Some((volume, machine)) = volume.zip(machine)
            && volume != machine
        {
            let message = format!("the volume is in {volume} and the machine in {machine}");
            check.problem("volume_id", message);
        }
    }
}

/// Whether it is not on its way out.
fn stays(attachment: &types::VolumeAttachment) -> bool {
    use types::VolumeAttachmentState as State;
    !matches!(attachment.state, Some(State::Detaching | State::Detached))
}

async fn volumes(clients: &Clients, ids: Vec<String>) -> Result<Vec<types::Volume>, ProviderError> {
    Ok(describe!(clients, describe_volumes, "ec2:DescribeVolumes", "volume-id", ids))
}

/// The attachment among those of the volumes.
fn of<'v>(
    volumes: &'v [types::Volume],
    inputs: &VolumeAttachment,
) -> Option<&'v types::VolumeAttachment> {
    use types::VolumeAttachmentState as State;
    let this = |volume: &&types::Volume| seen(&volume.volume_id) == Some(inputs.volume_id.clone());
    let attachments = volumes.iter().find(this)?.attachments();
    attachments.iter().find(|it| {
        it.instance_id.as_deref() == Some(inputs.instance_id.as_str())
            && it.device.as_deref() == Some(inputs.device_name.as_str())
            && it.state != Some(State::Detached)
    })
}

/// Whether it is of a disk that the machine was launched with, or that goes with it: such disks are
/// the machine's own, as `root_block_device` and `block_devices` are.
fn came_along(attachment: &types::VolumeAttachment, parents: &[Managed<'_>]) -> bool {
    let machine = attachment.instance_id.as_deref().unwrap_or_default();
    let is_it = |parent: &&Managed<'_>| parent.kind == Instance::TYPE.kind && parent.id == machine;
    let machine = parents.iter().find(is_it);
    let text = |value: &Value, field: &str| {
        value.get(field).and_then(|text| text.as_str()).map(str::to_owned)
    };
    let root = machine.and_then(|machine| text(machine.outputs, "root_volume_id"));
    let disks = machine.and_then(|machine| machine.inputs.get("block_devices"));
    let declared = |disk: &Value| text(disk, "device_name") == attachment.device;
    attachment.delete_on_termination() == Some(true)
        || (root.is_some() && root == attachment.volume_id)
        || matches!(disks, Some(Value::List(disks)) if disks.iter().any(declared))
}

fn of_sdk(attachment: &types::VolumeAttachment) -> Option<VolumeAttachment> {
    Some(VolumeAttachment {
        volume_id: attachment.volume_id()?.into(),
        instance_id: attachment.instance_id()?.into(),
        device_name: attachment.device()?.to_owned(),
        force_detach: false,
    })
}

/// The attachment, in whatever state.
async fn one(
    clients: &Clients,
    inputs: &VolumeAttachment,
) -> Result<Option<types::VolumeAttachment>, ProviderError> {
    let volumes = volumes(clients, vec![inputs.volume_id.to_string()]).await?;
    Ok(of(&volumes, inputs).cloned())
}

fn outputs(inputs: &VolumeAttachment) -> VolumeAttachmentOutputs {
    let VolumeAttachment { volume_id, instance_id, device_name, .. } = inputs;
    VolumeAttachmentOutputs {
        id: format!("{volume_id}:{instance_id}:{device_name}"),
        volume_id: volume_id.clone(),
        instance_id: instance_id.clone(),
        device_name: device_name.clone(),
    }
}

/// The refusal of a volume that is attached elsewhere, with where.
async fn taken(
    clients: &Clients,
    refused: ProviderError,
    inputs: &VolumeAttachment,
) -> Result<ProviderError, ProviderError> {
    let volumes = volumes(clients, vec![inputs.volume_id.to_string()]).await?;
    let there = volumes.iter().flat_map(types::Volume::attachments).find(|it| stays(it));
    let place = there.and_then(|it| Some((it.instance_id.as_deref()?, it.device.as_deref()?)));
    let Some((machine, device)) = place else { return Ok(refused) };
    let message = format!(
        "{}: {} is attached to {machine} as {device}: detach it there first",
        refused.message, inputs.volume_id
    );
    Ok(ProviderError { message, ..refused })
}

/// There is nothing to an attachment but what names it.
fn observe(inputs: &VolumeAttachment) -> Observed<VolumeAttachment> {
    Observed { inputs: inputs.clone(), outputs: outputs(inputs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ec2::{VolumeType, fixture::site},
        testing::{dies, lives, ready},
    };

    #[tokio::test]
    async fn a_volume_is_attached_and_detached() {
        let site = site().await;
        let machine = Instance {
            image_id: Some(site.image.clone()),
            instance_type: Some("t3.micro".into()),
            subnet_id: Some(site.subnet.clone()),
            ..Instance::default()
        };
        let machine = ready(&site.aws, 0, machine).await;
        let volume = Volume {
            availability_zone: "eu-west-1a".into(),
            size: Some(8),
            volume_type: Some(VolumeType::Gp3),
            iops: None,
            throughput: None,
            encrypted: None,
            kms_key_id: None,
            snapshot_id: None,
            volume_initialization_rate: None,
            multi_attach_enabled: None,
            outpost_arn: None,
            tags: crate::Tags::new(),
        };
        let volume = ready(&site.aws, 1, volume).await;
        let attachment = VolumeAttachment {
            volume_id: volume.outputs.id.clone(),
            instance_id: machine.outputs.id.clone(),
            device_name: "/dev/sdf".into(),
            force_detach: false,
        };
        let known = lives(&site.aws, 2, [attachment]).await;
        dies(&site.aws, 2, known).await;
        dies(&site.aws, 1, volume).await;
        dies(&site.aws, 0, machine).await;
    }
}
