//! What a plan file is, in a line or two.

use std::time::{SystemTime, UNIX_EPOCH};

use formwork_core::{RefreshMode, SavedPlan};

use super::{Layout, text::folded};

/// Which plan it is, of when, and of which state; and what it was asked for, if that is special.
pub(crate) fn saved(plan: &SavedPlan, layout: &Layout) -> String {
    let data = plan.data();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let age = u64::try_from(now).unwrap_or(u64::MAX).saturating_sub(plan.written_ms());
    let state = match data.version {
        0 => "where there was no state".to_owned(),
        version => format!("of version {version} of the state"),
    };
    let text = format!(
        "a plan of {}, made {} {state}, by formwork {}",
        data.stack,
        ago(age),
        plan.written_by()
    );
    let mut page = folded(&text, 0, layout.width);
    let asked = plan.asked();
    let mut special = Vec::new();
    if asked.destroy {
        special.push("to remove everything".to_owned());
    }
    match asked.refresh {
        RefreshMode::List => {}
        RefreshMode::Minimal => special.push("--refresh minimal".to_owned()),
        RefreshMode::None => special.push("--refresh none".to_owned()),
    }
    if asked.refresh_lookups {
        special.push("--refresh-lookups".to_owned());
    }
    if asked.refresh_only {
        special.push("--refresh-only".to_owned());
    }
    special.extend(asked.targets.iter().map(|address| format!("--target {address}")));
    special.extend(asked.excludes.iter().map(|address| format!("--exclude {address}")));
    if asked.target_dependencies {
        special.push("--target-dependencies".to_owned());
    }
    if asked.target_dependents {
        special.push("--target-dependents".to_owned());
    }
    if asked.skip_hooks {
        special.push("--skip-hooks".to_owned());
    }
    special.extend(asked.replace.iter().map(|address| format!("--replace {address}")));
    if !special.is_empty() {
        page.push_str(&folded(&format!("asked for: {}", special.join(", ")), 2, layout.width));
    }
    page
}

/// How long ago something was, as coarse as people say it.
fn ago(ms: u64) -> String {
    let (n, unit) = match ms / 60_000 {
        0 => return "just now".to_owned(),
        minutes @ 1..60 => (minutes, "minute"),
        minutes @ 60..2880 => (minutes / 60, "hour"),
        minutes => (minutes / 1440, "day"),
    };
    format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::ago;

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        let minutes = [0, 1, 59, 60, 119, 2879, 2880, 14_400];
        let told = minutes.map(|minutes| ago(minutes * 60_000 + 59_999));
        assert_eq!(
            told,
            [
                "just now",
                "1 minute ago",
                "59 minutes ago",
                "1 hour ago",
                "1 hour ago",
                "47 hours ago",
                "2 days ago",
                "10 days ago",
            ]
        );
    }
}
