//! Stages: each says that it begins, and how long it took.

use std::time::{Duration, Instant};

/// How a stage ended that did not fail.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// It was not run, for this reason.
    Skipped(String),
}

/// The stages that were run so far.
#[derive(Default)]
pub(crate) struct Stages {
    past: Vec<(&'static str, Duration, String)>,
}

impl Stages {
    /// Runs a stage.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        stage: impl FnOnce() -> Result<Outcome, String>,
    ) -> Result<(), String> {
        println!("\n== {name}");
        let since = Instant::now();
        let outcome = stage();
        let took = since.elapsed();
        let end = match &outcome {
            Ok(Outcome::Done) => "ok".to_owned(),
            Ok(Outcome::Skipped(why)) => {
                println!("WARNING: {why}");
                format!("SKIPPED: {why}")
            }
            Err(_) => "FAILED".to_owned(),
        };
        println!("== {name}: {:.1} s", took.as_secs_f64());
        self.past.push((name, took, end));
        outcome.map(drop).map_err(|message| format!("{name}: {message}"))
    }

    /// Prints what was run, and how long it took.
    pub(crate) fn print_summary(&self) {
        println!("\n{:<10} {:>8}", "stage", "seconds");
        for (name, took, end) in &self.past {
            println!("{name:<10} {:>8.1}  {end}", took.as_secs_f64());
        }
        let all: Duration = self.past.iter().map(|(_, took, _)| *took).sum();
        println!("{:<10} {:>8.1}", "all", all.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_fails_is_named_and_kept_in_the_summary() {
        let mut stages = Stages::default();
        assert_eq!(stages.run("one", || Ok(Outcome::Done)), Ok(()));
        let failed = stages.run("two", || Err("broken".to_owned()));
        assert_eq!(failed, Err("two: broken".to_owned()));
        let ends: Vec<_> = stages.past.iter().map(|(name, _, end)| (*name, end.as_str())).collect();
        assert_eq!(ends, [("one", "ok"), ("two", "FAILED")]);
    }
}
