//! A machine image, as the lookups of images answer it.

use aws_sdk_ec2::types;
use formwork_core::{Outputs, ProviderError};
use serde::{Deserialize, Serialize};

use crate::{ec2::ImageId, error::incomplete};

/// A machine image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct ImageAnswer {
    /// The id.
    #[output(id)]
    pub id: ImageId,
    /// The name that its owner gave it.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// The account that owns it.
    pub owner_id: String,
    /// When it was made, as RFC 3339.
    pub creation_date: String,
    /// For which processors: `x86_64`, `arm64`.
    pub architecture: String,
    /// The device of the root volume, such as `/dev/sda1`: what a block device mapping must name to
    /// change the root volume.
    pub root_device_name: String,
    /// Where the root volume is: `ebs`, `instance-store`.
    pub root_device_type: String,
    /// The least size of the root volume in GiB, if it is on EBS.
    pub root_volume_size: Option<u32>,
    /// How it is virtualized: `hvm`, `paravirtual`.
    pub virtualization_type: String,
    /// How it boots: `legacy-bios`, `uefi`, `uefi-preferred`.
    pub boot_mode: Option<String>,
    /// Whether it has the driver for enhanced networking (ENA).
    pub ena_support: bool,
    /// What it is billed as, such as `Linux/UNIX`.
    pub platform_details: Option<String>,
    /// From when on AWS does not show it any more to others than its owner, as RFC 3339.
    pub deprecation_time: Option<String>,
    /// Its disks.
    pub block_devices: Vec<ImageBlockDevice>,
}

/// A disk of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageBlockDevice {
    /// The device, such as `/dev/sda1`.
    pub device_name: String,
    /// The disk of the machine itself that it is, such as `ephemeral0`; none for a volume.
    pub virtual_name: Option<String>,
    /// The snapshot that a volume is made of.
    pub snapshot_id: Option<String>,
    /// The size in GiB.
    pub volume_size: Option<u32>,
    /// The kind of volume.
    pub volume_type: Option<String>,
    /// Whether the volume is encrypted.
    pub encrypted: Option<bool>,
}

pub(super) fn answer(image: types::Image) -> Result<ImageAnswer, ProviderError> {
    let given = |text: Option<String>, what| {
        text.filter(|text| !text.is_empty()).ok_or_else(|| incomplete("ec2:DescribeImages", what))
    };
    let root_device_name = image.root_device_name.unwrap_or_default();
    let block_devices: Vec<ImageBlockDevice> =
        image.block_device_mappings.unwrap_or_default().into_iter().map(block_device).collect();
    let root = block_devices.iter().find(|device| device.device_name == root_device_name);
    Ok(ImageAnswer {
        id: ImageId::from(given(image.image_id, "image id")?),
        name: image.name.unwrap_or_default(),
        description: image.description.filter(|text| !text.is_empty()),
        owner_id: image.owner_id.unwrap_or_default(),
        creation_date: image.creation_date.unwrap_or_default(),
        architecture: given(image.architecture.map(|a| a.as_str().to_owned()), "architecture")?,
        root_volume_size: root.and_then(|device| device.volume_size),
        root_device_name,
        root_device_type: image
            .root_device_type
            .map_or_else(String::new, |t| t.as_str().to_owned()),
        virtualization_type: image
            .virtualization_type
            .map_or_else(String::new, |t| t.as_str().to_owned()),
        boot_mode: image.boot_mode.map(|mode| mode.as_str().to_owned()),
        ena_support: image.ena_support.unwrap_or_default(),
        platform_details: image.platform_details,
        deprecation_time: image.deprecation_time,
        block_devices,
    })
}

fn block_device(device: types::BlockDeviceMapping) -> ImageBlockDevice {
    let volume = device.ebs;
    let volume = volume.as_ref();
    ImageBlockDevice {
        device_name: device.device_name.unwrap_or_default(),
        virtual_name: device.virtual_name,
        snapshot_id: volume.and_then(|volume| volume.snapshot_id.clone()),
        volume_size: volume
            .and_then(|volume| volume.volume_size)
            .and_then(|size| u32::try_from(size).ok()),
        volume_type: volume
            .and_then(|volume| volume.volume_type.as_ref())
            .map(|kind| kind.as_str().to_owned()),
        encrypted: volume.and_then(|volume| volume.encrypted),
    }
}
