//! ModifyVolume and DescribeVolumesModifications.

use serde::{Deserialize, Serialize};

use super::{
    volume::{self, Volume},
    volume_rules::{self, Shape},
};
use crate::{
    call::{Answer, Call},
    error::ApiError,
    filter::Filters,
    page::{EC2, paginate},
    row::Row,
    tags::Tags,
    time::{Millis, iso8601},
    xml::Xml,
};

const FILTERS: &[&str] = &[
    "modification-state",
    "original-iops",
    "original-size",
    "original-volume-type",
    "start-time",
    "target-iops",
    "target-size",
    "target-volume-type",
    "volume-id",
];

/// A volume may be modified this often within a rolling day.
const PER_DAY: usize = 4;
const DAY: Millis = 86_400_000;

/// One modification.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Modification {
    pub(crate) original: Shape,
    pub(crate) target: Shape,
    pub(crate) start: Millis,
}

impl Modification {
    /// `modifying`, then `optimizing` for as long again, then `completed`.
    pub(crate) fn state(&self, call: &Call<'_>) -> &'static str {
        if !call.settled(self.start) {
            "modifying"
        } else if !call.settled(self.end(call)) {
            "optimizing"
        } else {
            "completed"
        }
    }

    /// When `modifying` ends.
    fn end(&self, call: &Call<'_>) -> Millis {
        self.start.saturating_add(call.timing.settle)
    }

    fn xml(&self, call: &Call<'_>, volume: &str) -> Xml {
        let state = self.state(call);
        let progress = match state {
            "modifying" => 0,
            "optimizing" => 50,
            _ => 100,
        };
        let end = (state == "completed").then(|| iso8601(self.end(call)));
        Xml::new()
            .text("volumeId", volume)
            .text("modificationState", state)
            .text("targetSize", self.target.size)
            .maybe("targetIops", self.target.iops)
            .text("targetVolumeType", &self.target.volume_type)
            .maybe("targetThroughput", self.target.throughput)
            .text("targetMultiAttachEnabled", false)
            .text("originalSize", self.original.size)
            .maybe("originalIops", self.original.iops)
            .text("originalVolumeType", &self.original.volume_type)
            .maybe("originalThroughput", self.original.throughput)
            .text("originalMultiAttachEnabled", false)
            .text("progress", progress)
            .text("startTime", iso8601(self.start))
            .maybe("endTime", end)
    }
}

/// ModifyVolume.
pub(crate) fn modify(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let mut volume = volume::find(call, &params.required("VolumeId")?)?;
    if !matches!(volume.state(call), "available" | "in-use") {
        let message = format!("The volume '{}' is not 'available' or 'in-use'.", volume.id);
        return Err(ApiError::new("IncorrectState", message));
    }
    if let Some(last) = volume.modifications.last().filter(|last| last.state(call) != "completed") {
        return Err(ApiError::new(
            "IncorrectModificationState",
            format!(
                "Volume {} is already being modified: it is in the state {}.",
                volume.id,
                last.state(call)
            ),
        ));
    }
    let today =
        volume.modifications.iter().filter(|it| call.now < it.start.saturating_add(DAY)).count();
    if today >= PER_DAY {
        return Err(ApiError::new(
            "VolumeModificationRateExceeded",
            "You've reached the maximum modification rate per volume limit. A volume may be modified four times within 24 hours.",
        ));
    }
    let original = volume.target.clone();
    let volume_type = params.optional("VolumeType").unwrap_or_else(|| original.volume_type.clone());
    let same_type = volume_type == original.volume_type;
    let size = params.number("Size")?.unwrap_or(original.size);
    if size < original.size {
        return Err(ApiError::invalid_value(format!(
            "New size cannot be smaller than existing size ({size} < {}).",
            original.size
        )));
    }
    // A type keeps what was provisioned; a new provisioned type starts at 3,000 IOPS.
    let provisioned = matches!(volume_type.as_str(), "gp3" | "io1" | "io2");
    let default_iops = if same_type { original.iops } else { Some(3_000) };
    let iops = params.number("Iops")?.or(default_iops.filter(|_| provisioned));
    let default_throughput = original.throughput.filter(|_| same_type);
    let throughput = params.number("Throughput")?.or(default_throughput);
    let target = volume_rules::shape(Some(&volume_type), size, iops, throughput)?;
    let modification = Modification { original, target: target.clone(), start: call.now };
    let answer = Xml::new().node("volumeModification", modification.xml(call, &volume.id));
    volume.target = target;
    volume.modifications.push(modification);
    call.put(&volume);
    Ok(answer.into())
}

/// DescribeVolumesModifications: the last modification of each volume that has one.
pub(crate) fn describe_modifications(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let wanted = call.params.list("VolumeId");
    let filters = Filters::read(&call.params, FILTERS)?;
    for id in &wanted {
        if volume::find(call, id)?.modifications.is_empty() {
            let message = format!("Modification for volume '{id}' does not exist.");
            return Err(ApiError::new("InvalidVolumeModification.NotFound", message));
        }
    }
    let rows: Vec<Volume> = call
        .visible::<Volume>()
        .into_iter()
        .filter(|volume| !volume.is_gone(call))
        .filter(|volume| wanted.is_empty() || wanted.contains(&volume.id))
        .filter(|volume| {
            volume.modifications.last().is_some_and(|last| {
                filters.matches(&Tags::new(), |filter| field(call, &volume.id, last, filter))
            })
        })
        .collect();
    let page = paginate(call, rows, Row::id, EC2)?;
    let item = |volume: &Volume| {
        volume.modifications.last().map_or_else(Xml::new, |last| last.xml(call, &volume.id))
    };
    Ok(page.xml("volumeModificationSet", item).into())
}

fn field(call: &Call<'_>, volume: &str, last: &Modification, filter: &str) -> Vec<String> {
    let number = |value: Option<i64>| value.iter().map(ToString::to_string).collect();
    match filter {
        "modification-state" => vec![last.state(call).to_owned()],
        "original-iops" => number(last.original.iops),
        "original-size" => vec![last.original.size.to_string()],
        "original-volume-type" => vec![last.original.volume_type.clone()],
        "start-time" => vec![iso8601(last.start)],
        "target-iops" => number(last.target.iops),
        "target-size" => vec![last.target.size.to_string()],
        "target-volume-type" => vec![last.target.volume_type.clone()],
        "volume-id" => vec![volume.to_owned()],
        _ => Vec::new(),
    }
}
