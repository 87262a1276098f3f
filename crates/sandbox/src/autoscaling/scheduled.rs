//! Scheduled actions: sizes that a group gets at a time, once or again and again.
//!
//! They run when a call comes after their time. A recurrence in a time zone other than UTC is kept
//! and shown and never runs: the sandbox has no time zone tables.

use serde::{Deserialize, Serialize};

use super::{
    activity::PAGING,
    cron::Cron,
    error::{missing, validation},
    group::{self, Group},
};
use crate::{
    call::{Answer, Call, OperationFn},
    error::ApiError,
    page::paginate,
    params::Params,
    row::Row,
    time::{Millis, iso8601, parse_iso8601},
    xml::Xml,
};

/// The operations of this file.
pub(super) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("PutScheduledUpdateGroupAction", put),
    ("DescribeScheduledActions", describe_actions),
    ("DeleteScheduledAction", delete),
];

/// A scheduled action of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Action {
    /// Group, newline, name.
    id: String,
    group: String,
    name: String,
    arn: String,
    /// The first run; of a recurring action the next one.
    start: Option<Millis>,
    end: Option<Millis>,
    recurrence: Option<String>,
    time_zone: Option<String>,
    least: Option<i64>,
    most: Option<i64>,
    desired: Option<i64>,
}

impl Row for Action {
    const KIND: &'static str = "scheduled-action";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Action {
    /// The first run after a time.
    fn next_run(&self, after: Millis) -> Option<Millis> {
        let utc = matches!(self.time_zone.as_deref(), None | Some("UTC" | "Etc/UTC" | "Etc/GMT"));
        Cron::parse(self.recurrence.as_deref().filter(|_| utc)?)?.next(after)
    }
}

fn time(params: &Params, name: &str) -> Result<Option<Millis>, ApiError> {
    let Some(text) = params.optional(name) else { return Ok(None) };
    parse_iso8601(&text)
        .map(Some)
        .ok_or_else(|| validation(format!("{name} '{text}' is not a timestamp.")))
}

fn put(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let group = group::named(call)?;
    group::refuse_deleting(&group)?;
    let name =
        params.optional("ScheduledActionName").ok_or_else(|| missing("scheduledActionName"))?;
    let id = format!("{}\n{name}", group.name);
    let known: Option<Action> = call.get(&id);
    if params.has("Time") {
        return Err(validation("The parameter Time is no longer used: give StartTime."));
    }
    let (start, end) = (time(&params, "StartTime")?, time(&params, "EndTime")?);
    let uuid = call.new_uuid();
    let arn = match &known {
        Some(known) => known.arn.clone(),
        None => format!(
            "arn:aws:autoscaling:{}:{}:scheduledUpdateGroupAction:{uuid}:autoScalingGroupName/{}:scheduledActionName/{name}",
            call.region, call.account, group.name
        ),
    };
    let mut action = Action {
        id,
        group: group.name.clone(),
        name,
        arn,
        start,
        end,
        recurrence: params.optional("Recurrence").filter(|text| !text.is_empty()),
        time_zone: params.optional("TimeZone"),
        least: params.number("MinSize")?,
        most: params.number("MaxSize")?,
        desired: params.number("DesiredCapacity")?,
    };
    check(call, &action)?;
    action.start = action.start.or_else(|| action.next_run(call.now));
    call.put(&action);
    Ok(Answer::empty())
}

fn check(call: &Call<'_>, action: &Action) -> Result<(), ApiError> {
    if action.least.is_none() && action.most.is_none() && action.desired.is_none() {
        return Err(validation("At least one of MinSize, MaxSize and DesiredCapacity is needed."));
    }
    if let (Some(least), Some(most)) = (action.least, action.most)
        && least > most
    {
        return Err(validation(format!(
            "Max bound, {most}, must be greater than or equal to min bound, {least}"
        )));
    }
    if action.start.is_none() && action.recurrence.is_none() {
        return Err(validation("A scheduled action needs a StartTime or a Recurrence."));
    }
    if action.start.is_some_and(|start| start < call.now) {
        return Err(validation("Given start time is in the past"));
    }
    if action.end.is_some_and(|end| end < action.start.unwrap_or(call.now)) {
        return Err(validation("End time is before start time."));
    }
    match action.recurrence.as_deref().map(|text| (text, Cron::parse(text))) {
        Some((text, None)) => Err(validation(format!("Given recurrence string:{text} is invalid"))),
        _ => Ok(()),
    }
}

/// Runs the actions of a group whose time has come, in the order of their times.
pub(super) fn run_due(call: &mut Call<'_>, group: &mut Group) {
    if group.deleting.is_some() {
        return;
    }
    let mut due = of(call, &group.name);
    due.retain(|action| action.start.is_some_and(|start| start <= call.now));
    due.sort_by_key(|action| action.start);
    for mut action in due {
        if !group.is_suspended("ScheduledActions") {
            apply(group, &action);
        }
        // What was missed while nobody called is made up for once.
        let next =
            action.next_run(call.now).filter(|next| action.end.is_none_or(|end| *next <= end));
        match next {
            Some(next) => {
                action.start = Some(next);
                call.put(&action);
            }
            None => call.remove_row::<Action>(&action.id),
        }
    }
}

fn apply(group: &mut Group, action: &Action) {
    let before = group.settings.clone();
    group.settings.least = action.least.unwrap_or(before.least);
    group.settings.most = action.most.unwrap_or(before.most);
    if group.settings.resize(action.desired).is_err() {
        group.settings = before;
        return;
    }
    if group.settings.desired != before.desired {
        group.cause = format!(
            "a scheduled action {} changed the desired capacity from {} to {}.",
            action.name, before.desired, group.settings.desired
        );
    }
}

/// Removes the actions of a group that goes away.
pub(super) fn remove_all(call: &mut Call<'_>, group: &str) {
    for action in of(call, group) {
        call.remove_row::<Action>(&action.id);
    }
}

fn of(call: &Call<'_>, group: &str) -> Vec<Action> {
    let mut actions = call.rows::<Action>();
    actions.retain(|action| action.group == group);
    actions
}

fn describe_actions(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let params = call.params.clone();
    let group = params.optional("AutoScalingGroupName");
    let names = params.list("ScheduledActionNames");
    if group.is_none() && !names.is_empty() {
        return Err(validation("ScheduledActionNames needs an AutoScalingGroupName."));
    }
    let (after, before) = (time(&params, "StartTime")?, time(&params, "EndTime")?);
    let mut rows = call.visible::<Action>();
    rows.retain(|action| {
        group.as_ref().is_none_or(|group| *group == action.group)
            && (names.is_empty() || names.contains(&action.name))
            && after.is_none_or(|after| action.start.is_some_and(|start| start >= after))
            && before.is_none_or(|before| action.start.is_some_and(|start| start <= before))
    });
    let page = paginate(call, rows, Row::id, PAGING)?;
    let item = |action: &Action| {
        Xml::new()
            .text("AutoScalingGroupName", &action.group)
            .text("ScheduledActionName", &action.name)
            .text("ScheduledActionARN", &action.arn)
            .maybe("Time", action.start.map(iso8601))
            .maybe("StartTime", action.start.map(iso8601))
            .maybe("EndTime", action.end.map(iso8601))
            .maybe("Recurrence", action.recurrence.as_deref())
            .maybe("MinSize", action.least)
            .maybe("MaxSize", action.most)
            .maybe("DesiredCapacity", action.desired)
            .maybe("TimeZone", action.time_zone.as_deref())
    };
    Ok(Xml::new()
        .members("ScheduledUpdateGroupActions", page.rows.iter().map(item))
        .maybe("NextToken", page.next.as_deref())
        .into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, ApiError> {
    let group = group::named(call)?;
    let name = call
        .params
        .optional("ScheduledActionName")
        .ok_or_else(|| missing("scheduledActionName"))?;
    let id = format!("{}\n{name}", group.name);
    if call.get::<Action>(&id).is_none() {
        return Err(validation(format!("Scheduled action name not found - {name}")));
    }
    call.remove_row::<Action>(&id);
    Ok(Answer::empty())
}
