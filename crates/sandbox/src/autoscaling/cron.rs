//! The five fields of a cron expression, as recurring actions use them, in UTC.

use crate::time::{Millis, iso8601};

const MINUTE: Millis = 60_000;
/// A minute that does not come within this long never does (a leap day is at most eight years off).
const HORIZON: Millis = 8 * 366 * 24 * 60 * MINUTE;

/// The minutes at which something recurs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values that a field allows, as bits, and whether it allowed any.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    any: bool,
}

impl Field {
    fn parse(text: &str, least: u32, most: u32, names: &[&str]) -> Option<Self> {
        let number = |text: &str| -> Option<u32> {
            let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
            match named {
                Some(place) => Some(u32::try_from(place).ok()? + least),
                None => text.parse().ok().filter(|number| (least..=most).contains(number)),
            }
        };
        let mut bits = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
                None => (part, 1),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (least, most),
                Some((from, to)) => (number(from)?, number(to)?),
                None if step > 1 => (number(range)?, most),
                None => (number(range)?, number(range)?),
            };
            if from > to {
                return None;
            }
            bits |= (from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value);
        }
        Some(Self { bits, any: text == "*" })
    }

    fn has(&self, value: u64) -> bool {
        self.bits >> value & 1 == 1
    }
}

impl Cron {
    /// Reads `minute hour day month weekday`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        const MONTHS: [&str; 12] =
            ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
        const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
        let mut weekdays = Field::parse(weekday, 0, 7, &WEEKDAYS)?;
        weekdays.bits |= weekdays.bits >> 7; // Sunday is both 0 and 7.
        Some(Self {
            minutes: Field::parse(minute, 0, 59, &[])?,
            hours: Field::parse(hour, 0, 23, &[])?,
            days: Field::parse(day, 1, 31, &[])?,
            months: Field::parse(month, 1, 12, &MONTHS)?,
            weekdays,
        })
    }

    /// The first time after `after` at which it recurs.
    pub(super) fn next(&self, after: Millis) -> Option<Millis> {
        let mut time = (after / MINUTE + 1) * MINUTE;
        let end = after.saturating_add(HORIZON);
        while time <= end {
            let text = iso8601(time);
            let part = |from: usize, to: usize| {
                text.get(from..to).and_then(|part| part.parse::<u64>().ok()).unwrap_or(0)
            };
            let (month, day, hour, minute) = (part(5, 7), part(8, 10), part(11, 13), part(14, 16));
            // 1970-01-01 was a Thursday.
            let weekday = (time / (24 * 60 * MINUTE) + 4) % 7;
            let (by_day, by_weekday) = (self.days.has(day), self.weekdays.has(weekday));
            // If both are restricted, either will do.
            let fits = if self.days.any || self.weekdays.any {
                by_day && by_weekday
            } else {
                by_day || by_weekday
            };
            if !self.months.has(month) || !fits {
                time = (time / (24 * 60 * MINUTE) + 1) * (24 * 60 * MINUTE);
            } else if !self.hours.has(hour) {
                time = (time / (60 * MINUTE) + 1) * (60 * MINUTE);
            } else if !self.minutes.has(minute) {
                time += MINUTE;
            } else {
                return Some(time);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_iso8601;

    #[test]
    fn the_next_time_is_the_first_minute_that_all_fields_allow() {
        let next = |cron: &str, after: &str| {
            let cron = Cron::parse(cron).expect("a valid expression");
            cron.next(parse_iso8601(after).expect("a valid time")).map(iso8601).unwrap_or_default()
        };
        // 2026-11-21 is a Saturday.
        assert_eq!(next("0 8 * * MON-FRI", "2026-11-21T10:00:00Z"), "2026-11-23T08:00:00.000Z");
        assert_eq!(next("*/15 * * * *", "2026-11-21T10:15:00Z"), "2026-11-21T10:30:00.000Z");
        assert_eq!(next("30 2 29 2 *", "2026-11-21T10:00:00Z"), "2028-02-29T02:30:00.000Z");
        assert_eq!(next("0 0 * * 7", "2026-11-21T10:00:00Z"), "2026-11-22T00:00:00.000Z");
        assert_eq!(next("0 0 31 2 *", "2026-11-21T10:00:00Z"), "", "there is no such day");
        for bad in ["* * * *", "60 * * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "x * * * *"]
        {
            assert_eq!(Cron::parse(bad), None, "{bad}");
        }
    }
}
