//! Points in time, as state keeps them: RFC 3339 texts in UTC, to the second.

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use formwork_core::Check;

/// The point in time that `text` says, in any zone.
pub(crate) fn parse(text: &str) -> Option<DateTime> {
    DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).ok()
}

/// A point in time as text, in UTC.
pub(crate) fn format(time: &DateTime) -> String {
    let seconds = DateTime::from_secs(time.secs());
    seconds.fmt(DateTimeFormat::DateTime).unwrap_or_default()
}

/// What is there, as `asked` writes it if both are the same point in time.
pub(crate) fn as_asked(seen: Option<&DateTime>, asked: Option<&String>) -> Option<String> {
    let seen = seen?;
    match asked {
        Some(asked) if parse(asked).is_some_and(|time| time.secs() == seen.secs()) => {
            Some(asked.clone())
        }
        _ => Some(format(seen)),
    }
}

/// Reports a field that is no point in time.
pub(crate) fn check(check: &mut Check<'_>, field: &str) {
    if let Some(text) = check.get::<String>(field)
        && parse(&text).is_none()
    {
        let message = format!("{text:?} is no time: expected one like 2026-11-20T10:00:00Z");
        check.problem(field, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_in_time_keeps_the_form_it_was_asked_in() {
        let seen = parse("2026-11-20T12:00:00+02:00").unwrap();
        assert_eq!(format(&seen), "2026-11-20T10:00:00Z");
        let asked = "2026-11-20T12:00:00+02:00".to_owned();
        assert_eq!(as_asked(Some(&seen), Some(&asked)), Some(asked.clone()));
        let later = parse("2026-11-20T12:00:01+02:00").unwrap();
        assert_eq!(as_asked(Some(&later), Some(&asked)).unwrap(), "2026-11-20T10:00:01Z");
    }
}
