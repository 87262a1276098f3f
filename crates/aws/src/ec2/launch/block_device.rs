//! The disks that a machine is launched with.

use aws_sdk_ec2::types;
use formwork_core::{Check, Inputs};
use serde::{Deserialize, Serialize};

use crate::ec2::{
    volume_type::{self, VolumeType},
    wire::{seen, seen_number, sent, sent_number},
};

/// One device of a machine: an EBS volume to make, an instance store disk, or a device of the image
/// to leave out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct BlockDevice {
    /// What the device is called, such as `/dev/xvda` or `/dev/sdf`.
    pub device_name: String,
    /// The instance store disk to put there, such as `ephemeral0`.
    pub virtual_name: Option<String>,
    /// Whether the image's device of this name is left out.
    #[serde(default)]
    #[resource(default)]
    pub no_device: bool,
    /// The EBS volume to make.
    #[resource(nested)]
    pub ebs: Option<EbsDevice>,
}

/// An EBS volume that comes with a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct EbsDevice {
    /// Its type.
    pub volume_type: Option<VolumeType>,
    /// In GiB.
    pub volume_size: Option<u32>,
    /// I/O operations per second; for gp3, io1 and io2.
    pub iops: Option<u32>,
    /// In MiB/s; for gp3.
    pub throughput: Option<u32>,
    /// Whether it goes with the machine.
    pub delete_on_termination: Option<bool>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
    /// The KMS key that it is encrypted with: an id, alias or ARN.
    pub kms_key_id: Option<String>,
    /// The snapshot that it is made of.
    pub snapshot_id: Option<String>,
    /// How fast the snapshot's blocks are fetched, in MiB/s (100 to 300).
    pub volume_initialization_rate: Option<u32>,
    /// The EBS card it is attached to, on machines with several.
    pub ebs_card_index: Option<u32>,
}

// The SDK has one type for templates and another for launches, with the same members.
macro_rules! ebs {
    ($ebs:expr, $sdk:ident) => {
        types::$sdk::builder()
            .set_volume_type(sent(&$ebs.volume_type))
            .set_volume_size(sent_number($ebs.volume_size))
            .set_iops(sent_number($ebs.iops))
            .set_throughput(sent_number($ebs.throughput))
            .set_delete_on_termination($ebs.delete_on_termination)
            .set_encrypted($ebs.encrypted)
            .set_kms_key_id($ebs.kms_key_id.clone())
            .set_snapshot_id($ebs.snapshot_id.clone())
            .set_volume_initialization_rate(sent_number($ebs.volume_initialization_rate))
            .set_ebs_card_index(sent_number($ebs.ebs_card_index))
            .build()
    };
}
macro_rules! device {
    ($device:expr, $sdk:ident, $ebs:ident) => {
        types::$sdk::builder()
            .device_name(&$device.device_name)
            .set_virtual_name($device.virtual_name.clone())
            .set_no_device($device.no_device.then(String::new))
            .set_ebs($device.ebs.as_ref().map(|ebs| ebs!(ebs, $ebs)))
            .build()
    };
}

impl BlockDevice {
    pub(crate) fn for_template(&self) -> types::LaunchTemplateBlockDeviceMappingRequest {
        device!(self, LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest)
    }

    pub(crate) fn for_launch(&self) -> types::BlockDeviceMapping {
        device!(self, BlockDeviceMapping, EbsBlockDevice)
    }

    pub(crate) fn of_template(device: &types::LaunchTemplateBlockDeviceMapping) -> Self {
        Self {
            device_name: device.device_name.clone().unwrap_or_default(),
            virtual_name: device.virtual_name.clone(),
            no_device: device.no_device.is_some(),
            ebs: device.ebs.as_ref().map(|ebs| EbsDevice {
                volume_type: seen(&ebs.volume_type),
                volume_size: seen_number(ebs.volume_size),
                iops: seen_number(ebs.iops),
                throughput: seen_number(ebs.throughput),
                delete_on_termination: ebs.delete_on_termination,
                encrypted: ebs.encrypted,
                kms_key_id: seen(&ebs.kms_key_id),
                snapshot_id: seen(&ebs.snapshot_id),
                volume_initialization_rate: seen_number(ebs.volume_initialization_rate),
                ebs_card_index: seen_number(ebs.ebs_card_index),
            }),
        }
    }
}

/// Reports what AWS would refuse about the list of devices `field`.
pub(crate) fn check(check: &mut Check<'_>, field: &str) {
    let mut names: Vec<String> = Vec::new();
    for i in 0..super::length(check, field) {
        let at = format!("{field}[{i}]");
        let name = format!("{at}.device_name");
        match check.get::<String>(&name) {
            Some(device) if names.contains(&device) => {
                check.problem(&name, format!("{device:?} is there twice: expected each once"));
            }
            Some(device) => names.push(device),
            None => {}
        }
        let set = [
            check.is_set(&format!("{at}.ebs")),
            check.is_set(&format!("{at}.virtual_name")),
            check.get(&format!("{at}.no_device")) == Some(true),
        ];
        let count = set.iter().filter(|set| **set).count();
        if count != 1 {
            let message =
                format!("{count} of ebs, virtual_name and no_device are set: expected exactly one");
            check.problem(&at, message);
        }
        check_ebs(check, &format!("{at}.ebs."));
    }
}

/// Reports what AWS would refuse about the volume whose fields start with `at`.
pub(crate) fn check_ebs(check: &mut Check<'_>, at: &str) {
    volume_type::check(check, at, "volume_size");
    let encrypted = format!("{at}encrypted");
    if check.is_set(&format!("{at}kms_key_id")) && check.get(&encrypted) != Some(true) {
        check.problem(&encrypted, "a KMS key is set: expected `encrypted` to be true");
    }
    let rate = format!("{at}volume_initialization_rate");
    // <https://docs.aws.amazon.com/ebs/latest/userguide/initalize-volume.html>
    crate::check::range(check, &rate, 100, 300);
    if check.is_set(&rate) && !check.is_set(&format!("{at}snapshot_id")) {
        check.problem(
            &rate,
            "only a volume made of a snapshot is initialised: expected `snapshot_id`",
        );
    }
}
