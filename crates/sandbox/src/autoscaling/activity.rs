//! Scaling activities: what a group did, and why.

use serde::{Deserialize, Serialize};

use super::{error::validation, group, group::Group};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    page::{Paging, paginate},
    row::Row,
    time::{Millis, iso8601, parse_iso8601},
    xml::Xml,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] =
    &[("DescribeScalingActivities", describe_activities)];

/// How Auto Scaling pages.
pub(super) const PAGING: Paging = Paging {
    size: "MaxRecords",
    token: "NextToken",
    least: 1,
    most: 100,
    default: 100,
    bad_token: "InvalidNextToken",
};

/// One activity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Activity {
    /// Sorts the newest first; ends in the activity's id.
    id: String,
    activity: String,
    group: String,
    arn: String,
    description: String,
    cause: String,
    start: Millis,
    end: Option<Millis>,
    /// `InProgress`, `Successful` or `Failed`.
    status: String,
    message: Option<String>,
    details: String,
}

impl Row for Activity {
    const KIND: &'static str = "scaling-activity";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Activity {
    /// As the operations show it.
    pub(super) fn xml(&self) -> Xml {
        Xml::new()
            .text("ActivityId", &self.activity)
            .text("AutoScalingGroupName", &self.group)
            .text("AutoScalingGroupARN", &self.arn)
            .text("Description", &self.description)
            .text("Cause", &self.cause)
            .text("StartTime", iso8601(self.start))
            .maybe("EndTime", self.end.map(iso8601))
            .text("StatusCode", &self.status)
            .maybe("StatusMessage", self.message.as_deref())
            .text("Progress", if self.status == "InProgress" { 50 } else { 100 })
            .text("Details", &self.details)
    }
}

/// Notes that an activity began; returns its key.
pub(super) fn begin(
    call: &mut Call<'_>,
    group: &Group,
    description: String,
    cause: &str,
    place: &str,
) -> String {
    let id = call.new_uuid();
    let key = format!("{:015}/{id}", 999_999_999_999_999_u64.saturating_sub(call.now));
    let details = serde_json::json!({ "Availability Zone": place }).to_string();
    call.put(&Activity {
        id: key.clone(),
        activity: id,
        group: group.name.clone(),
        arn: group.arn.clone(),
        description,
        cause: cause.to_owned(),
        start: call.now,
        end: None,
        status: "InProgress".into(),
        message: None,
        details,
    });
    key
}

/// Notes that an activity ended.
pub(super) fn end(call: &mut Call<'_>, key: &str, failure: Option<&str>) {
    if let Some(mut activity) = get(call, key) {
        activity.end = Some(call.now);
        activity.status = if failure.is_some() { "Failed" } else { "Successful" }.into();
        activity.message = failure.map(str::to_owned);
        call.put(&activity);
    }
}

/// Finds an activity by its key.
pub(super) fn get(call: &Call<'_>, key: &str) -> Option<Activity> {
    call.get(key)
}

fn describe_activities(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let ids = params.list("ActivityIds");
    let name = params.optional("AutoScalingGroupName");
    let deleted = params.flag("IncludeDeletedGroups")?.unwrap_or(false);
    if let Some(name) = &name
        && !deleted
    {
        group::by_name(call, name)?;
    }
    let (mut after, mut before, mut statuses) = (0, Millis::MAX, Vec::new());
    for filter in params.structs("Filters") {
        let (what, values) = (filter.optional("Name").unwrap_or_default(), filter.list("Values"));
        let time = || {
            let text = values.first().cloned().unwrap_or_default();
            parse_iso8601(&text).ok_or_else(|| validation(format!("'{text}' is not a timestamp.")))
        };
        match what.as_str() {
            "StartTimeLowerBound" => after = time()?,
            "StartTimeUpperBound" => before = time()?,
            "Status" if name.is_some() => statuses = values,
            other => return Err(validation(format!("The filter '{other}' is not valid here."))),
        }
    }
    let groups: Vec<String> = call.visible::<Group>().into_iter().map(|group| group.name).collect();
    let rows: Vec<Activity> = call
        .rows::<Activity>()
        .into_iter()
        .filter(|row| ids.is_empty() || ids.contains(&row.activity))
        .filter(|row| name.as_ref().is_none_or(|name| *name == row.group))
        .filter(|row| deleted || groups.contains(&row.group))
        .filter(|row| (after..=before).contains(&row.start))
        .filter(|row| statuses.is_empty() || statuses.contains(&row.status))
        .collect();
    let page = paginate(call, rows, Row::id, PAGING)?;
    Ok(Xml::new()
        .members("Activities", page.rows.iter().map(Activity::xml))
        .maybe("NextToken", page.next.as_deref())
        .into())
}
