//! Figures, their targets, and the table they are printed as.

use std::fmt;

/// Something measured, and what it should be.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it should be, if anything was promised.
    pub target: Option<Target>,
    /// What it is in detail.
    pub note: String,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

impl Target {
    /// Whether `value` is as it should be.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Target::AtMost(most) => value <= most,
            Target::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::AtMost(most) => write!(f, "<= {}", short(*most)),
            Target::AtLeast(least) => write!(f, ">= {}", short(*least)),
        }
    }
}

impl Figure {
    /// A figure without a target.
    #[must_use]
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, target: None, note: String::new() }
    }

    /// Says what it should be.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Says more about it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether it has a target that it does not meet.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        self.target.is_some_and(|target| !target.is_met(self.value))
    }
}

/// The heading of the table.
#[must_use]
pub fn heading() -> String {
    let what = "what";
    format!("{what:<58} {:>14}  {:<10} {:<7} note", "figure", "target", "verdict")
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = format!("{} {}", short(self.value), self.unit);
        let target = self.target.map(|target| target.to_string()).unwrap_or_default();
        let verdict = match self.target {
            Some(_) if self.is_missed() => "MISSED",
            Some(_) => "met",
            None => "",
        };
        let line =
            format!("{:<58} {figure:>14}  {target:<10} {verdict:<7} {}", self.what, self.note);
        f.write_str(line.trim_end())
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_says_whether_it_is_what_it_should_be() {
        let slow = Figure::new("plan", 51.2, "ms").target(Target::AtMost(50.0));
        assert!(slow.is_missed());
        assert!(slow.to_string().contains("51.2 ms  <= 50      MISSED"), "{slow}");
        assert!(!Figure::new("ratio", 60.0, "x").target(Target::AtLeast(50.0)).is_missed());
    }
}
