//! Taking instances out of a group: which one, and how.

use super::{
    activity,
    group::Group,
    hook::{self, Transition},
    member::{Member, Stage},
};
use crate::{
    call::Call,
    ec2::instance::{Instance, terminate_row},
    time::iso8601,
};

/// How much capacity a group has, or is about to have.
pub(super) fn current(group: &Group) -> i64 {
    group.members.iter().filter(|member| !member.is_leaving()).map(Member::weight).sum()
}

/// Begins to take a member out, by way of the hook for terminations if there is one.
pub(super) fn take_out(call: &mut Call<'_>, group: &mut Group, place: usize, cause: &str) {
    let member = &group.members[place];
    let (id, zone) = (member.instance.clone(), member.zone.clone());
    let cause = format!("At {} {cause}", iso8601(call.now));
    let activity =
        activity::begin(call, group, format!("Terminating EC2 instance: {id}"), &cause, &zone);
    let hook = hook::first(group, Transition::Terminating).map(|hook| hook.name.clone());
    let alive =
        call.get::<Instance>(&id).is_some_and(|instance| instance.state(call) != "terminated");
    let pending = matches!(group.members[place].stage, Stage::Pending | Stage::PendingWait);
    if pending {
        let launching = group.members[place].activity.clone();
        activity::end(call, &launching, Some("Instance launch was cancelled."));
    }
    let forced = group.deleting.is_some();
    let token = call.new_uuid();
    let member = &mut group.members[place];
    member.activity = activity;
    match hook {
        // What never came into service, is gone already, or goes by force waits for nobody.
        Some(hook) if alive && !pending && !forced => {
            member.enter(Stage::TerminatingWait, call.now);
            member.waiting_for = Some((hook, token));
        }
        _ => terminate(call, member),
    }
    group.last_activity = Some(call.now);
}

/// Terminates the instance of a member that nothing holds any more.
pub(super) fn terminate(call: &mut Call<'_>, member: &mut Member) {
    member.enter(Stage::Terminating, call.now);
    if let Some(mut instance) = call.get::<Instance>(&member.instance) {
        terminate_row(call, &mut instance);
    }
}

/// Chooses the next member to go: in the fullest zone, and there by the group's policies.
pub(super) fn choose(group: &Group) -> Option<usize> {
    let candidates = || {
        let members = group.members.iter().enumerate();
        members.filter(|(_, member)| !member.is_leaving() && !member.protected)
    };
    let in_zone =
        |zone: &str| group.members.iter().filter(|it| !it.is_leaving() && it.zone == zone).count();
    let zone = candidates()
        .map(|(_, member)| member.zone.as_str())
        .max_by_key(|zone| (in_zone(zone), *zone))?;
    let version = |member: &Member| -> u64 {
        member.template.version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
    };
    let newest =
        group.settings.termination_policies.iter().any(|policy| policy == "NewestInstance");
    let by_template = group
        .settings
        .termination_policies
        .first()
        .is_some_and(|policy| matches!(policy.as_str(), "Default" | "OldestLaunchTemplate"));
    candidates()
        .filter(|(_, member)| member.zone == zone)
        .min_by_key(|(place, member)| {
            let age = if newest { u64::MAX - member.launched } else { member.launched };
            let version = if by_template { version(member) } else { 0 };
            (member.stage != Stage::Pending, version, age, *place)
        })
        .map(|(place, _)| place)
}
