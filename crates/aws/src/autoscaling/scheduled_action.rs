//! Scheduled actions: when a group changes its sizes.

use aws_sdk_autoscaling::types;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Observed,
    Outputs, ProviderError, Resource,
};
use serde::{Deserialize, Serialize};

use crate::{
    check,
    client::Clients,
    ec2::{
        time,
        wire::{seen, seen_number, sent_number},
    },
    error::{Named, incomplete, unless_absent},
    id::Arn,
    wait,
};

/// A change of a group's sizes, once or again and again.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:autoscaling/scheduled-action",
    outputs = ScheduledActionOutputs,
    group = compute,
    seconds = 1
)]
pub struct ScheduledAction {
    /// The group, by name.
    #[resource(replace, unique)]
    pub auto_scaling_group_name: String,
    /// Its name, unique in the group.
    #[resource(replace, unique)]
    pub name: String,
    /// When it happens again, in cron's five fields, such as `0 6 * * MON-FRI`.
    pub recurrence: Option<String>,
    /// The zone of `recurrence`, such as `Europe/Berlin`; UTC if not set.
    pub time_zone: Option<String>,
    /// When it happens, or first can, such as `2026-11-20T10:00:00Z`.
    #[resource(defaulted)]
    pub start_time: Option<String>,
    /// When it happens no more.
    pub end_time: Option<String>,
    /// The least that there are from then on; as it was if not set.
    pub min_size: Option<u32>,
    /// The most that there are from then on; as it was if not set.
    pub max_size: Option<u32>,
    /// How many there should be then; as it was if not set.
    pub desired_capacity: Option<u32>,
}

/// What a scheduled action reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct ScheduledActionOutputs {
    /// Group and name: `group/name`.
    #[output(id)]
    pub id: String,
    /// The ARN. What is to be unset needs a new action under the same name, with another ARN.
    #[output(recomputed_by(
        recurrence,
        time_zone,
        end_time,
        min_size,
        max_size,
        desired_capacity
    ))]
    pub arn: Arn,
}

const DESCRIBE: &str = "autoscaling:DescribeScheduledActions";

impl Lifecycle for ScheduledAction {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::NaturalKey;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let found = one(cx.client, inputs).await?;
        found.map(|action| observe(&action, Some(inputs))).transpose()
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Self::find(cx, &known.inputs).await
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        if among.is_empty() {
            return Ok(Vec::new());
        }
        // The call takes one group or none, which is all of them.
        let pages = clients.autoscaling().describe_scheduled_actions().into_paginator();
        let all: Vec<types::ScheduledUpdateGroupAction> =
            pages.items().send().try_collect().await.named(DESCRIBE)?;
        let look = |action: &types::ScheduledUpdateGroupAction| {
            let known = among.iter().find(|known| is(action, &known.inputs))?;
            Some(observe(action, Some(&known.inputs)))
        };
        all.iter().filter_map(look).collect()
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let (group, name) = match by {
            By::Id(id) => match crate::locate::pair(id, '/') {
                Some((group, name)) => (group.to_owned(), name.to_owned()),
                None => return Ok(None),
            },
            By::Inputs(Self { auto_scaling_group_name, name, .. }) => {
                (auto_scaling_group_name.clone(), name.clone())
            }
        };
        let found = named(clients, &group, &name).await?;
        found.map(|action| observe(&action, None)).transpose()
    }

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<ScheduledActionOutputs, CreateError<Self>> {
        put(cx.client, inputs).await?;
        // The call answers nothing; the ARN is told by the first look.
        Ok(ScheduledActionOutputs { id: key(inputs), arn: Arn::default() })
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        _changes: &Changes,
    ) -> Result<ScheduledActionOutputs, ProviderError> {
        // What is not mentioned stays as it is, so the action has to go for something to be unset.
        // <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html>
        let fewer = |was: &Option<String>, is: &Option<String>| was.is_some() && is.is_none();
        let smaller = |was: Option<u32>, is: Option<u32>| was.is_some() && is.is_none();
        let had = &known.inputs;
        if fewer(&had.recurrence, &inputs.recurrence)
            || fewer(&had.time_zone, &inputs.time_zone)
            || fewer(&had.end_time, &inputs.end_time)
            || smaller(had.min_size, inputs.min_size)
            || smaller(had.max_size, inputs.max_size)
            || smaller(had.desired_capacity, inputs.desired_capacity)
        {
            remove(cx.client, had).await?;
        }
        put(cx.client, inputs).await?;
        let found = one(cx.client, inputs).await?;
        let action = found.ok_or_else(|| wait::vanished(DESCRIBE, &known.outputs.id))?;
        Ok(observe(&action, Some(inputs))?.outputs)
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        if one(cx.client, &known.inputs).await?.is_some() {
            remove(cx.client, &known.inputs).await?;
        }
        Ok(Deletion::Done)
    }

    fn validate(check: &mut Check<'_>) {
        let allowed = |c: char| c != ':' && !c.is_control();
        check::text(check, "name", (1, 255), allowed, "characters other than colons and controls");
        time::check(check, "start_time");
        time::check(check, "end_time");
        if !check.is_set("recurrence") && !check.is_set("start_time") {
            check.problem("recurrence", "neither this nor start_time is set: expected one of them");
        }
        if check.is_set("time_zone") && !check.is_set("recurrence") {
            check.problem("time_zone", "it is the zone of `recurrence`, which is not set");
        }
        if let Some(cron) = check.get::<String>("recurrence")
            && cron.split_whitespace().count() != 5
        {
            let message =
                format!("{cron:?} is no schedule: expected five fields, like `0 6 * * *`");
            check.problem("recurrence", message);
        }
        let sizes = ["min_size", "max_size", "desired_capacity"];
        if !sizes.iter().any(|size| check.is_set(size)) {
            check.problem("desired_capacity", "no size is set: expected one that changes");
        }
        let [least, most, desired] = sizes.map(|size| check.get::<u32>(size));
        let in_order = |small: Option<u32>, large: Option<u32>| {
            small.zip(large).is_none_or(|(small, large)| small <= large)
        };
        if !in_order(least, most) || !in_order(least, desired) || !in_order(desired, most) {
            check.problem("desired_capacity", "expected min_size <= desired_capacity <= max_size");
        }
    }
}

fn key(inputs: &ScheduledAction) -> String {
    format!("{}/{}", inputs.auto_scaling_group_name, inputs.name)
}

fn is(action: &types::ScheduledUpdateGroupAction, inputs: &ScheduledAction) -> bool {
    action.auto_scaling_group_name.as_ref() == Some(&inputs.auto_scaling_group_name)
        && action.scheduled_action_name.as_ref() == Some(&inputs.name)
}

async fn one(
    clients: &Clients,
    inputs: &ScheduledAction,
) -> Result<Option<types::ScheduledUpdateGroupAction>, ProviderError> {
    named(clients, &inputs.auto_scaling_group_name, &inputs.name).await
}

async fn named(
    clients: &Clients,
    group: &str,
    name: &str,
) -> Result<Option<types::ScheduledUpdateGroupAction>, ProviderError> {
    let call = clients
        .autoscaling()
        .describe_scheduled_actions()
        .auto_scaling_group_name(group)
        .scheduled_action_names(name);
    match call.send().await.named(DESCRIBE) {
        Ok(answer) => Ok(answer.scheduled_update_group_actions.and_then(|mut found| found.pop())),
        // Auto Scaling has one code for all that is wrong. With its group an action is gone too.
        Err(error) if error.message.contains("not found") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the action, or changes it: one call does both.
async fn put(clients: &Clients, inputs: &ScheduledAction) -> Result<(), ProviderError> {
    clients
        .autoscaling()
        .put_scheduled_update_group_action()
        .auto_scaling_group_name(&inputs.auto_scaling_group_name)
        .scheduled_action_name(&inputs.name)
        .set_recurrence(inputs.recurrence.clone())
        .set_time_zone(inputs.time_zone.clone())
        .set_start_time(inputs.start_time.as_deref().and_then(time::parse))
        .set_end_time(inputs.end_time.as_deref().and_then(time::parse))
        .set_min_size(sent_number(inputs.min_size))
        .set_max_size(sent_number(inputs.max_size))
        .set_desired_capacity(sent_number(inputs.desired_capacity))
        .send()
        .await
        .named("autoscaling:PutScheduledUpdateGroupAction")
        .map(drop)
}

async fn remove(clients: &Clients, inputs: &ScheduledAction) -> Result<(), ProviderError> {
    let call = clients
        .autoscaling()
        .delete_scheduled_action()
        .auto_scaling_group_name(&inputs.auto_scaling_group_name)
        .scheduled_action_name(&inputs.name);
    match call.send().await.named("autoscaling:DeleteScheduledAction") {
        Err(error) if error.message.contains("not found") => Ok(()),
        result => unless_absent(result),
    }
}

fn observe(
    action: &types::ScheduledUpdateGroupAction,
    declared: Option<&ScheduledAction>,
) -> Result<Observed<ScheduledAction>, ProviderError> {
    let missing = |what| incomplete(DESCRIBE, what);
    let asked = |of: fn(&ScheduledAction) -> Option<&String>| declared.and_then(of);
    let inputs = ScheduledAction {
        auto_scaling_group_name: action
            .auto_scaling_group_name
            .clone()
            .ok_or_else(|| missing("group"))?,
        name: action.scheduled_action_name.clone().ok_or_else(|| missing("name"))?,
        recurrence: seen(&action.recurrence),
        time_zone: seen(&action.time_zone),
        start_time: time::as_asked(
            action.start_time.as_ref(),
            asked(|inputs| inputs.start_time.as_ref()),
        ),
        end_time: time::as_asked(
            action.end_time.as_ref(),
            asked(|inputs| inputs.end_time.as_ref()),
        ),
        min_size: seen_number(action.min_size),
        max_size: seen_number(action.max_size),
        desired_capacity: seen_number(action.desired_capacity),
    };
    let arn = seen(&action.scheduled_action_arn).ok_or_else(|| missing("ARN"))?;
    let outputs = ScheduledActionOutputs { id: key(&inputs), arn };
    Ok(Observed { inputs, outputs })
}
