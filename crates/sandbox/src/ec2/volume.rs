//! EBS volumes.
//!
//! The volume row is the one place that knows what a volume is attached to; instances show the
//! attachments that name them.

use serde::{Deserialize, Serialize};

use super::{
    image, image_catalogue, volume_attachment as attachment,
    volume_attachment::Attachment,
    volume_modification as modification,
    volume_modification::Modification,
    volume_rules::{self, Shape},
};
use crate::{
    call::{Answer, Call, OperationFn},
    describe::describe_with,
    error::ApiError,
    ids,
    page::EC2,
    regions,
    row::{Row, not_found},
    tags,
    time::{Millis, iso8601},
    xml::Xml,
};

/// The operations of volumes.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("CreateVolume", create),
    ("DescribeVolumes", describe_volumes),
    ("DeleteVolume", delete),
    ("AttachVolume", attachment::attach),
    ("DetachVolume", attachment::detach),
    ("ModifyVolume", modification::modify),
    ("DescribeVolumesModifications", modification::describe_modifications),
];

const FILTERS: &[&str] = &[
    "attachment.attach-time",
    "attachment.delete-on-termination",
    "attachment.device",
    "attachment.instance-id",
    "attachment.status",
    "availability-zone",
    "availability-zone-id",
    "create-time",
    "encrypted",
    "multi-attach-enabled",
    "size",
    "snapshot-id",
    "status",
    "volume-id",
    "volume-type",
];

/// A volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) zone: String,
    /// What it is, or what it is becoming: see [`Volume::shape`].
    pub(crate) target: Shape,
    pub(crate) snapshot: Option<String>,
    /// The ARN of the key; an unencrypted volume has none.
    pub(crate) kms_key: Option<String>,
    pub(crate) multi_attach: bool,
    pub(crate) created: Millis,
    pub(crate) deleted: Option<Millis>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) modifications: Vec<Modification>,
}

impl Row for Volume {
    const KIND: &'static str = "volume";
    const PREFIX: &'static str = "vol";
    const NOUN: &'static str = "volume";
    const NOT_FOUND: &'static str = "InvalidVolume.NotFound";
    const MALFORMED: &'static str = "InvalidVolumeID.Malformed";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Volume {
    /// Whether it is deleted and no longer shown.
    pub(crate) fn is_gone(&self, call: &Call<'_>) -> bool {
        self.deleted.is_some_and(|deleted| call.settled(deleted))
    }

    /// What the volume is now; a modification shows when it leaves the state `modifying`.
    pub(crate) fn shape(&self, call: &Call<'_>) -> &Shape {
        match self.modifications.last() {
            Some(last) if last.state(call) == "modifying" => &last.original,
            _ => &self.target,
        }
    }

    /// The attachments that are not over.
    pub(crate) fn attached(&self, call: &Call<'_>) -> Vec<&Attachment> {
        self.attachments.iter().filter(|attachment| !attachment.is_over(call)).collect()
    }

    /// `creating`, `available`, `in-use` or `deleting`.
    pub(crate) fn state(&self, call: &Call<'_>) -> &'static str {
        if self.deleted.is_some() {
            "deleting"
        } else if !self.attached(call).is_empty() {
            "in-use"
        } else if call.settled(self.created) {
            "available"
        } else {
            "creating"
        }
    }
}

/// What to make, before defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewVolume {
    pub(crate) zone: String,
    pub(crate) volume_type: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) iops: Option<i64>,
    pub(crate) throughput: Option<i64>,
    pub(crate) snapshot: Option<String>,
    pub(crate) encrypted: bool,
    pub(crate) kms_key: Option<String>,
    pub(crate) multi_attach: bool,
}

impl NewVolume {
    /// Fills in defaults and checks everything; the volume is not stored yet and has no id.
    pub(crate) fn prepare(self, call: &Call<'_>) -> Result<Volume, ApiError> {
        let least = match &self.snapshot {
            Some(snapshot) => Some(image::snapshot_size(call, snapshot)?),
            None => None,
        };
        let size = self.size.or(least).ok_or_else(|| {
            ApiError::new(
                "MissingParameter",
                "The request must contain the parameter size or snapshotId",
            )
        })?;
        if let (Some(least), Some(snapshot)) = (least, &self.snapshot)
            && size < least
        {
            return Err(ApiError::new(
                "InvalidBlockDeviceMapping",
                format!(
                    "Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size>= {least}GB"
                ),
            ));
        }
        let target =
            volume_rules::shape(self.volume_type.as_deref(), size, self.iops, self.throughput)?;
        if self.multi_attach && !target.volume_type.starts_with("io") {
            return Err(ApiError::combination(format!(
                "Multi-Attach is not supported for {} volumes: it needs io1 or io2.",
                target.volume_type
            )));
        }
        if self.kms_key.is_some() && !self.encrypted {
            return Err(ApiError::new(
                "InvalidParameterDependency",
                "The parameter KmsKeyId requires the parameter Encrypted to be set.",
            ));
        }
        let kms_key = self
            .encrypted
            .then(|| key_arn(call, self.kms_key.as_deref().unwrap_or("alias/aws/ebs")));
        Ok(Volume {
            id: String::new(),
            zone: self.zone,
            target,
            snapshot: self.snapshot,
            kms_key,
            multi_attach: self.multi_attach,
            created: call.now,
            deleted: None,
            attachments: Vec::new(),
            modifications: Vec::new(),
        })
    }
}

/// The ARN of a KMS key named by ARN, id or alias. The sandbox has no KMS: any key exists.
fn key_arn(call: &Call<'_>, key: &str) -> String {
    if key.starts_with("arn:") {
        return key.to_owned();
    }
    let uuid = match key.strip_prefix("alias/") {
        Some(alias) => {
            let bits = |salt: &str| {
                let digits = image_catalogue::digits(&["kms", salt, &call.region, alias]);
                u64::from_str_radix(&digits[1..], 16).unwrap_or(0)
            };
            ids::uuid(bits("high"), bits("low"))
        }
        None => key.to_owned(),
    };
    format!("arn:aws:kms:{}:{}:key/{uuid}", call.region, call.account)
}

/// Finds a volume that a client named.
pub(crate) fn find(call: &Call<'_>, id: &str) -> Result<Volume, ApiError> {
    let volume: Volume = call.find(id)?;
    if volume.is_gone(call) { Err(not_found::<Volume>(id)) } else { Ok(volume) }
}

/// Removes a volume whose deletion has run its course.
pub(crate) fn deletion_ended(call: &mut Call<'_>, id: &str) {
    for attachment in call.get::<Volume>(id).map(|volume| volume.attachments).unwrap_or_default() {
        call.unlink(attachment::OF_INSTANCE, &attachment.instance, id);
    }
    call.remove::<Volume>(id);
}

fn create(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    call.client_token();
    let params = call.params.clone();
    let zone = match (params.optional("AvailabilityZone"), params.optional("AvailabilityZoneId")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::combination(
                "Specify AvailabilityZone or AvailabilityZoneId, not both.",
            ));
        }
        (Some(zone), None) | (None, Some(zone)) => zone,
        (None, None) => return Err(ApiError::missing("AvailabilityZone")),
    };
    let zone = regions::zones(&call.region)
        .into_iter()
        .find(|known| known.name == zone || known.id == zone)
        .ok_or_else(|| {
            ApiError::new("InvalidZone.NotFound", format!("The zone '{zone}' does not exist."))
        })?;
    let new = NewVolume {
        zone: zone.name,
        volume_type: params.optional("VolumeType"),
        size: params.number("Size")?,
        iops: params.number("Iops")?,
        throughput: params.number("Throughput")?,
        snapshot: params.optional("SnapshotId"),
        encrypted: params.flag("Encrypted")?.unwrap_or(false),
        kms_key: params.optional("KmsKeyId"),
        multi_attach: params.flag("MultiAttachEnabled")?.unwrap_or(false),
    };
    let tags = tags::specification(&params, Volume::KIND)?;
    let volume = Volume { id: call.new_id("vol"), ..new.prepare(call)? };
    call.put(&volume);
    call.set_tags(&volume.id, tags);
    Ok(xml(call, &volume).into())
}

fn describe_volumes(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut rows = call.visible::<Volume>();
    rows.retain(|volume| !volume.is_gone(call));
    let page = describe_with(call, "VolumeId", FILTERS, EC2, rows, |volume: &Volume, filter| {
        field(call, volume, filter)
    })?;
    Ok(page.xml("volumeSet", |volume| xml(call, volume)).into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let mut volume = find(call, &call.params.required("VolumeId")?)?;
    if let Some(attachment) = volume.attached(call).first() {
        let message =
            format!("Volume {} is currently attached to {}", volume.id, attachment.instance);
        return Err(ApiError::new("VolumeInUse", message));
    }
    if volume.deleted.is_none() {
        volume.deleted = Some(call.now);
        call.put(&volume);
        call.when_settled(Volume::KIND, &volume.id);
    }
    Ok(Answer::done())
}

fn field(call: &Call<'_>, volume: &Volume, filter: &str) -> Vec<String> {
    let attachments = volume.attached(call);
    let each = |field: fn(&Attachment) -> String| attachments.iter().map(|it| field(it)).collect();
    match filter {
        "attachment.attach-time" => each(|it| iso8601(it.at)),
        "attachment.delete-on-termination" => each(|it| it.delete_on_termination.to_string()),
        "attachment.device" => each(|it| it.device.clone()),
        "attachment.instance-id" => each(|it| it.instance.clone()),
        "attachment.status" => attachments.iter().map(|it| it.state(call).to_owned()).collect(),
        "availability-zone" => vec![volume.zone.clone()],
        "availability-zone-id" => {
            regions::zone(&call.region, &volume.zone).map(|it| it.id).into_iter().collect()
        }
        "create-time" => vec![iso8601(volume.created)],
        "encrypted" => vec![volume.kms_key.is_some().to_string()],
        "multi-attach-enabled" => vec![volume.multi_attach.to_string()],
        "size" => vec![volume.shape(call).size.to_string()],
        "snapshot-id" => volume.snapshot.iter().cloned().collect(),
        "status" => vec![volume.state(call).to_owned()],
        "volume-id" => vec![volume.id.clone()],
        "volume-type" => vec![volume.shape(call).volume_type.clone()],
        _ => Vec::new(),
    }
}

fn xml(call: &Call<'_>, volume: &Volume) -> Xml {
    let shape = volume.shape(call);
    let attachments =
        volume.attached(call).into_iter().map(|it| it.xml(call, &volume.id)).collect::<Vec<_>>();
    let zone_id = regions::zone(&call.region, &volume.zone).ok().map(|zone| zone.id);
    let xml = Xml::new()
        .text("volumeId", &volume.id)
        .text("size", shape.size)
        .text("snapshotId", volume.snapshot.as_deref().unwrap_or_default())
        .text("availabilityZone", &volume.zone)
        .maybe("availabilityZoneId", zone_id)
        .text("status", volume.state(call))
        .text("createTime", iso8601(volume.created))
        .text("volumeType", &shape.volume_type)
        .maybe("iops", shape.iops)
        .maybe("throughput", shape.throughput)
        .text("encrypted", volume.kms_key.is_some())
        .maybe("kmsKeyId", volume.kms_key.as_deref())
        .text("multiAttachEnabled", volume.multi_attach)
        .items("attachmentSet", attachments);
    tags::xml(xml, &call.tags(&volume.id))
}
