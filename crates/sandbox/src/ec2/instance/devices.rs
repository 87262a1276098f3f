//! The volumes that a launch makes: the image's mapping with the request's laid over it.

use super::super::{
    image_catalogue::Image,
    instance_type_catalogue::InstanceType,
    launch_template_data::{BlockDevice, Ebs},
    volume::{NewVolume, Volume},
    volume_attachment::{Attachment, OF_INSTANCE, check_device},
};
use crate::{call::Call, error::ApiError, tags::Tags};

/// A volume to be made for each instance.
#[derive(Clone, Debug)]
pub(super) struct Device {
    name: String,
    delete_on_termination: bool,
    volume: Volume,
}

/// Resolves the block device mappings and checks every volume.
pub(super) fn plan(
    call: &Call<'_>,
    mappings: &[BlockDevice],
    image: &Image,
    row: &InstanceType,
    zone: &str,
) -> Result<Vec<Device>, ApiError> {
    let root = image.release.root_device;
    let mut volumes: Vec<(String, Ebs)> = vec![(
        root.to_owned(),
        Ebs {
            snapshot_id: Some(image.snapshot_id.clone()),
            volume_type: Some(image.release.volume_type.to_owned()),
            ..Ebs::default()
        },
    )];
    let mut seen = std::collections::BTreeSet::new();
    for mapping in mappings {
        let name = mapping
            .device_name
            .clone()
            .ok_or_else(|| ApiError::missing("BlockDeviceMapping.DeviceName"))?;
        check_device(&name)?;
        if !seen.insert(name.clone()) {
            return Err(bad(format!(
                "The device '{name}' is used in more than one block-device mapping"
            )));
        }
        match (&mapping.ebs, &mapping.virtual_name, &mapping.no_device) {
            (Some(ebs), None, None) => overlay(&mut volumes, name, ebs, root)?,
            (None, None, Some(_)) if name == root => {
                return Err(bad("The root device cannot be left out.".into()));
            }
            (None, None, Some(_)) => volumes.retain(|(known, _)| *known != name),
            (None, Some(virtual_name), None) if is_ephemeral(virtual_name) => {}
            (None, Some(virtual_name), None) => {
                return Err(ApiError::invalid(
                    "virtualName",
                    virtual_name,
                    "It must be ephemeral0, ephemeral1, ..",
                ));
            }
            (None, None, None) => return Err(ApiError::missing("BlockDeviceMapping.Ebs")),
            _ => {
                return Err(ApiError::combination(
                    "A block device is one of Ebs, VirtualName and NoDevice.",
                ));
            }
        }
    }
    let limit = row.ebs.attachments.and_then(|limit| usize::try_from(limit).ok());
    if limit.is_some_and(|limit| volumes.len() > limit) {
        return Err(ApiError::new(
            "AttachmentLimitExceeded",
            format!(
                "{} volumes are more than the instance type '{}' can attach.",
                volumes.len(),
                row.name
            ),
        ));
    }
    volumes.into_iter().map(|(name, ebs)| device(call, name, &ebs, zone)).collect()
}

fn overlay(
    volumes: &mut Vec<(String, Ebs)>,
    name: String,
    ebs: &Ebs,
    root: &str,
) -> Result<(), ApiError> {
    let Some((_, known)) = volumes.iter_mut().find(|(known, _)| *known == name) else {
        volumes.push((name, ebs.clone()));
        return Ok(());
    };
    if ebs.snapshot_id.is_some() && ebs.snapshot_id != known.snapshot_id {
        return Err(bad(format!("snapshotId cannot be modified on root device {root}")));
    }
    if ebs.encrypted == Some(false) && known.encrypted == Some(true) {
        return Err(bad("The encrypted flag cannot be turned off.".into()));
    }
    if matches!(ebs.volume_type.as_deref(), Some("st1" | "sc1")) {
        return Err(ApiError::invalid_value("st1 and sc1 volumes cannot be boot volumes."));
    }
    *known = Ebs {
        snapshot_id: known.snapshot_id.take(),
        volume_type: ebs.volume_type.clone().or(known.volume_type.take()),
        ..ebs.clone()
    };
    Ok(())
}

fn device(call: &Call<'_>, name: String, ebs: &Ebs, zone: &str) -> Result<Device, ApiError> {
    let new = NewVolume {
        zone: zone.to_owned(),
        volume_type: ebs.volume_type.clone(),
        size: ebs.volume_size,
        iops: ebs.iops,
        throughput: ebs.throughput,
        snapshot: ebs.snapshot_id.clone().filter(|id| !id.is_empty()),
        encrypted: ebs.encrypted.unwrap_or(false),
        kms_key: ebs.kms_key_id.clone(),
        multi_attach: false,
    };
    Ok(Device {
        name,
        delete_on_termination: ebs.delete_on_termination.unwrap_or(true),
        volume: new.prepare(call)?,
    })
}

/// Whether the first device, which is the root, is encrypted.
pub(super) fn root_is_encrypted(devices: &[Device]) -> bool {
    devices.first().is_some_and(|device| device.volume.kms_key.is_some())
}

/// Makes and attaches the volumes of one instance.
pub(super) fn build(call: &mut Call<'_>, devices: &[Device], instance: &str, tags: &Tags) {
    for device in devices {
        let mut volume = Volume { id: call.new_id("vol"), ..device.volume.clone() };
        volume.attachments.push(Attachment {
            instance: instance.to_owned(),
            device: device.name.clone(),
            delete_on_termination: device.delete_on_termination,
            at: call.now,
            detached: None,
        });
        call.put(&volume);
        call.link(OF_INSTANCE, instance, &volume.id);
        call.set_tags(&volume.id, tags.clone());
    }
}

fn is_ephemeral(name: &str) -> bool {
    name.strip_prefix("ephemeral")
        .is_some_and(|rest| rest.parse::<u8>().is_ok_and(|number| number < 24))
}

fn bad(message: String) -> ApiError {
    ApiError::new("InvalidBlockDeviceMapping", message)
}
