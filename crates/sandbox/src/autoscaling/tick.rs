//! Bringing groups up to date: what would have happened since the last call.

use super::{
    activity, capacity,
    group::Group,
    hook::{self, Transition},
    launch,
    member::{Member, Stage},
    scheduled,
};
use crate::{call::Call, ec2::instance::Instance};

/// A group launches at most this many instances at once; the next call goes on.
const BATCH: usize = 500;

/// Brings every group of the region up to date.
pub(crate) fn tick(call: &mut Call<'_>) {
    for mut group in call.rows::<Group>() {
        let before = serde_json::to_value(&group).ok();
        scheduled::run_due(call, &mut group);
        for place in 0..group.members.len() {
            advance(call, &mut group, place);
        }
        group
            .members
            .retain(|member| member.stage != Stage::Terminating || !is_terminated(call, member));
        resize(call, &mut group);
        let gone =
            group.members.is_empty() && group.deleting.is_some_and(|since| call.settled(since));
        if gone {
            scheduled::remove_all(call, &group.name);
            call.remove::<Group>(&group.name);
        } else if serde_json::to_value(&group).ok() != before {
            call.put(&group);
        }
    }
}

fn state(call: &Call<'_>, member: &Member) -> &'static str {
    call.get::<Instance>(&member.instance).map_or("terminated", |instance| instance.state(call))
}

fn is_terminated(call: &mut Call<'_>, member: &Member) -> bool {
    let over = state(call, member) == "terminated";
    if over {
        activity::end(call, &member.activity, None);
    }
    over
}

/// Moves one member on through its stages.
fn advance(call: &mut Call<'_>, group: &mut Group, place: usize) {
    let member = &group.members[place];
    let state = state(call, member);
    match member.stage {
        Stage::Pending if state == "running" => come_into_service(call, group, place),
        Stage::Pending | Stage::PendingWait | Stage::InService
            if !matches!(state, "pending" | "running") =>
        {
            group.members[place].healthy = false;
            replace(
                call,
                group,
                place,
                "an EC2 health check indicating it has been terminated or stopped",
            );
        }
        Stage::InService if !member.healthy => {
            replace(call, group, place, "a user health-check");
        }
        Stage::InService if is_too_old(call, group, member) => {
            let cause = "an instance was taken out of service in response to it reaching its maximum lifetime.";
            capacity::take_out(call, group, place, cause);
        }
        Stage::PendingWait | Stage::TerminatingWait => wait(call, group, place),
        _ => {}
    }
}

fn is_too_old(call: &Call<'_>, group: &Group, member: &Member) -> bool {
    let seconds = group.settings.max_lifetime.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.is_some_and(|seconds| {
        call.now >= member.launched.saturating_add(seconds.saturating_mul(1000))
    })
}

fn come_into_service(call: &mut Call<'_>, group: &mut Group, place: usize) {
    let hook = hook::first(group, Transition::Launching).map(|hook| hook.name.clone());
    let token = hook.is_some().then(|| call.new_uuid());
    let member = &mut group.members[place];
    match hook.zip(token) {
        Some(waiting_for) => {
            member.enter(Stage::PendingWait, call.now);
            member.waiting_for = Some(waiting_for);
        }
        None => {
            member.enter(Stage::InService, call.now);
            activity::end(call, &member.activity, None);
        }
    }
}

fn replace(call: &mut Call<'_>, group: &mut Group, place: usize, why: &str) {
    if group.deleting.is_none()
        && (group.is_suspended("ReplaceUnhealthy") || group.is_suspended("HealthCheck"))
    {
        return;
    }
    let cause = format!("an instance was taken out of service in response to {why}.");
    capacity::take_out(call, group, place, &cause);
}

/// Ends a wait that lasted too long, with the default result of its hook.
fn wait(call: &mut Call<'_>, group: &mut Group, place: usize) {
    let member = &group.members[place];
    let name = member.waiting_for.as_ref().map(|(name, _)| name.clone());
    let hook = group.hooks.iter().find(|hook| Some(&hook.name) == name.as_ref());
    let (timeout, continues) = hook.map_or((0, false), |hook| (hook.timeout, hook.continues));
    if call.now >= member.since.saturating_add(timeout.saturating_mul(1000)) {
        hook::conclude(call, &mut group.members[place], continues);
    }
}

/// Launches what is missing, terminates what is too much.
fn resize(call: &mut Call<'_>, group: &mut Group) {
    let waits = group.retry_at.is_some_and(|at| call.now < at);
    for _ in 0..BATCH {
        let enough = capacity::current(group) >= group.settings.desired;
        if group.deleting.is_some() || waits || group.is_suspended("Launch") || enough {
            break;
        }
        if !launch::add(call, group) {
            break;
        }
    }
    if group.deleting.is_some() {
        for place in 0..group.members.len() {
            if !group.members[place].is_leaving() {
                let cause = group.cause.clone();
                capacity::take_out(call, group, place, &cause);
            }
        }
        return;
    }
    while !group.is_suspended("Terminate") && capacity::current(group) > group.settings.desired {
        let Some(place) = capacity::choose(group) else { break };
        // Weights: never below what is desired.
        if capacity::current(group) - group.members[place].weight() < group.settings.desired {
            break;
        }
        let cause = format!(
            "{}  An instance was taken out of service in response to a difference between desired and actual capacity.",
            group.cause
        );
        capacity::take_out(call, group, place, &cause);
    }
}
