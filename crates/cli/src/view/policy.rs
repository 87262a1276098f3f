//! What policies say, for people.

use formwork_core::{OnUnknown, Policy, Remediation, Verdict, Violation};

use super::{Layout, text::folded, value::shown};

/// What the policies say of a plan that they let pass.
pub(crate) fn verdict(verdict: &Verdict, layout: &Layout) -> String {
    let mut page = String::new();
    if !verdict.remediations.is_empty() {
        page.push_str(&format!("{}\n", layout.paint.bold("put right by policies")));
        for remediation in &verdict.remediations {
            page.push_str(&folded(&remediated(remediation), 2, layout.width));
        }
    }
    for violation in verdict.warnings() {
        let word = if violation.exempt.is_some() { "exempt:" } else { "warning:" };
        page.push_str(&marked(word, &violation.to_string(), layout));
    }
    for deferred in &verdict.deferred {
        page.push_str(&marked("to be judged:", &deferred.to_string(), layout));
    }
    page
}

fn remediated(remediation: &Remediation) -> String {
    let Remediation { address, path, old, new, policies, held, .. } = remediation;
    let (old, new, by) = (shown(old), shown(new), policies.join(", "));
    match held {
        None => format!("{address}.{path}  {old} -> {new}  ({by})"),
        Some(why) => format!("{address}.{path}  stays {old}, not {new}: {why}  ({by})"),
    }
}

fn marked(word: &str, text: &str, layout: &Layout) -> String {
    let text = folded(&format!("{word} {text}"), 0, layout.width);
    let rest = text.strip_prefix(word).unwrap_or(&text);
    format!("{}{rest}", layout.paint.yellow(word))
}

/// What a violation is about, and the lines below that.
pub(super) fn item(violation: &Violation) -> (String, Vec<String>) {
    let title = match (&violation.field, violation.address.as_str()) {
        (Some(field), "") => format!("the stack: {field}"),
        (None, "") => "the stack".to_owned(),
        (Some(field), address) => format!("{address}.{field}"),
        (None, address) => address.to_owned(),
    };
    let mut lines =
        vec![violation.message.clone(), format!("{} policy {}", violation.level, violation.policy)];
    lines.extend(violation.remedy.clone());
    if !violation.declared_at.is_empty() {
        lines.push(format!("declared at {}", violation.declared_at));
    }
    (title, lines)
}

/// The policies of a program.
pub(crate) fn policies<'p>(policies: impl Iterator<Item = &'p Policy>, layout: &Layout) -> String {
    let mut page = String::new();
    for policy in policies {
        let mut what = vec![policy.is().to_string()];
        if policy.remediates() {
            what.push("puts right what it can".to_owned());
        }
        match policy.of_unknowns() {
            OnUnknown::Refuse => what.push("refuses what is not known yet".to_owned()),
            OnUnknown::Pass => what.push("does not judge what is not known yet".to_owned()),
            _ => {}
        }
        if policy.is_strict() {
            what.push("allows no exemption".to_owned());
        }
        page.push_str(&format!("{}  {}\n", layout.paint.bold(policy.name()), what.join(", ")));
        let about = policy.kinds().join(", ").replace('*', "everything");
        let lines = [
            Some(policy.demands().to_owned()).filter(|text| !text.is_empty()),
            Some(format!("of {about}")),
            policy.comes_from().map(|source| format!("from {source}")),
        ];
        for line in lines.into_iter().flatten() {
            page.push_str(&folded(&line, 4, layout.width));
        }
    }
    page
}

/// What the policies say of the program, in a sentence.
pub(crate) fn judgement(verdict: &Verdict) -> String {
    let counted = |n: usize, one: &str, many: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    let refusals = verdict.refusals().count();
    let exempt = verdict.warnings().filter(|violation| violation.exempt.is_some()).count();
    let warnings = verdict.warnings().count() - exempt;
    let done = verdict.remediations.iter().filter(|it| it.held.is_none()).count();
    let parts = [
        (refusals, "violation refuses the plan", "violations refuse the plan"),
        (warnings, "warning", "warnings"),
        (exempt, "exemption", "exemptions"),
        (done, "input put right", "inputs put right"),
        (verdict.deferred.len(), "value to be judged in the run", "values to be judged in the run"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, many)| counted(n, one, many))
        .collect();
    let judged = counted(verdict.policies.len(), "policy judged", "policies judged");
    match parts.is_empty() {
        true => format!("{judged}, and nothing violates them.\n"),
        false => format!("{judged}: {}.\n", parts.join(", ")),
    }
}
