//! Policies of IAM that allow everything.

use formwork_core::{Found, Policy, PolicyReport, Subject};

use crate::iam::{Effect, Policy as ManagedPolicy, RolePolicy, RolePolicyAttachment};

/// The policies of AWS itself that allow everything, or everything but a few services.
const ADMIN: [&str; 2] = ["AdministratorAccess", "PowerUserAccess"];

/// No statement allows every action on every resource (mandatory).
///
/// Every action is `*`, a pattern of nothing but wildcards such as `*:*`, or all but some
/// (`NotAction`); every resource is `*`, an ARN of nothing but wildcards after its partition, or all
/// but some (`NotResource`). Conditions do not make it less. The policies `AdministratorAccess` and
/// `PowerUserAccess` of AWS may not be attached to roles.
///
/// Sources: AWS Security Hub control IAM.1
/// (<https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html>); on `NotAction` with
/// `Allow`, IAM User Guide, "IAM JSON policy elements: NotAction".
#[must_use]
pub fn no_wildcard_admin() -> Policy {
    Policy::mandatory("no-wildcard-admin")
        .about("no policy allows every action on every resource")
        .remedy("name the actions and the resources that are needed")
        .source(
            "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html (IAM.1)",
        )
        .check::<ManagedPolicy>(|policy, report| statements(policy, report))
        .check::<RolePolicy>(|policy, report| statements(policy, report))
        .check::<RolePolicyAttachment>(|attachment, report| {
            let Found::Known(arn) = attachment.get::<String>("policy_arn") else { return };
            let name = arn.rsplit('/').next().unwrap_or_default();
            if arn.contains(":iam::aws:policy/") && ADMIN.contains(&name) {
                report.violation("policy_arn", format!("{name} allows everything, or almost"));
            }
        })
}

fn statements(policy: &Subject<'_>, report: &mut PolicyReport<'_>) {
    let Found::Known(count) = policy.count("policy.statements") else { return };
    for i in 0..count {
        let at = |field: &str| format!("policy.statements[{i}].{field}");
        let effect = policy.get::<Effect>(&at("effect")).or(Effect::Allow);
        if effect != Found::Known(Effect::Allow) {
            continue;
        }
        let Some(actions) = all(policy, &at("actions"), &at("not_actions"), every_action) else {
            continue;
        };
        let Some(resources) = all(policy, &at("resources"), &at("not_resources"), every_resource)
        else {
            continue;
        };
        let what = match actions {
            Told::Listed => "every action",
            Told::AllBut => "every action but some",
        };
        let on = match resources {
            Told::Listed => "every resource",
            Told::AllBut => "every resource but some",
        };
        report.violation(&format!("policy.statements[{i}]"), format!("it allows {what} on {on}"));
    }
}

/// How a statement says that it is about everything.
enum Told {
    Listed,
    AllBut,
}

/// Whether a statement is about everything, by what it lists or by what it leaves out. Elements are
/// looked at one by one: one that is not known yet leaves the others known.
fn all(policy: &Subject<'_>, listed: &str, but: &str, is_all: fn(&str) -> bool) -> Option<Told> {
    if let Found::Known(1..) = policy.count(but) {
        return Some(Told::AllBut);
    }
    let Found::Known(count) = policy.count(listed) else { return None };
    let each = (0..count).map(|i| policy.get::<String>(&format!("{listed}[{i}]")));
    let known: Vec<Found<String>> = each.collect();
    known.into_iter().any(|found| found.is_known_and(|text| is_all(&text))).then_some(Told::Listed)
}

fn every_action(action: &str) -> bool {
    !action.is_empty()
        && action.chars().all(|c| matches!(c, '*' | '?' | ':'))
        && action.contains('*')
}

fn every_resource(resource: &str) -> bool {
    let wild = |part: &str| !part.is_empty() && part.chars().all(|c| matches!(c, '*' | ':' | '/'));
    match resource.strip_prefix("arn:") {
        // After the partition, as `arn:aws:*:*:*:*`.
        Some(rest) => rest.split_once(':').is_some_and(|(_, rest)| wild(rest)),
        None => wild(resource),
    }
}
