//! Ways to measure: the best of some runs, what a process wrote and held, a process per figure.

use std::{
    env,
    error::Error,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Any error of a benchmark: it ends the run.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The flag that makes the benchmark's program measure one figure and print it as JSON.
pub const CHILD: &str = "--measure";

/// A time as milliseconds.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Runs `what`, and says how long it took in milliseconds.
pub async fn timed<T>(what: impl Future<Output = T>) -> (T, f64) {
    let since = Instant::now();
    let result = what.await;
    (result, millis(since.elapsed()))
}

/// The least of some figures; 0 of none. What else goes on on a machine only ever adds time, so the
/// least is nearest to what the thing itself takes.
#[must_use]
pub fn best(figures: Vec<f64>) -> f64 {
    figures.into_iter().min_by(f64::total_cmp).unwrap_or(0.0)
}

/// The mean of some figures; 0 of none.
#[must_use]
pub fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len().max(1) as f64
}

/// The figure in the middle, the upper one of two; 0 of none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// What this process has written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// Bytes handed to the system: `wchar` of proc_pid_io(5).
    pub handed: u64,
    /// Bytes that the system sent to the disk for it: `write_bytes` of proc_pid_io(5).
    pub disk: u64,
}

impl Written {
    /// Up to now; zeros where there is no `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        Self { handed: field(&io, "wchar:"), disk: field(&io, "write_bytes:") }
    }

    /// What was written after `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { handed: self.handed - before.handed, disk: self.disk - before.disk }
    }
}

/// The processor time this process has used so far, in milliseconds, of all its threads; to 10 ms.
#[must_use]
pub fn processor_ms() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // utime and stime of proc_pid_stat(5), the 14th and 15th field, in ticks of 10 ms.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

/// The most memory this process ever held, in KiB: `VmHWM` of proc_pid_status(5).
#[must_use]
pub fn peak_kib() -> u64 {
    field(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmHWM:")
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Measures in a process of its own, so that no figure sees the memory or the caches of another.
///
/// # Errors
/// When the process can not be started, fails, or prints no JSON.
pub fn in_child(arguments: &[&str]) -> Result<Value, Failed> {
    let output = Command::new(env::current_exe()?).arg(CHILD).args(arguments).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("measuring {arguments:?} failed: {said}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A number out of what a child measured.
///
/// # Errors
/// When there is none of that name.
pub fn number(measured: &Value, name: &str) -> Result<f64, Failed> {
    measured[name].as_f64().ok_or_else(|| format!("nothing was measured as `{name}`").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_least() {
        assert!((best(vec![3.0, 1.0, 2.0]) - 1.0).abs() < f64::EPSILON);
        assert!(best(Vec::new()).abs() < f64::EPSILON);
    }

    #[test]
    fn the_median_is_in_the_middle_and_the_mean_weighs_all() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((mean(&[9.0, 1.0, 2.0]) - 4.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).abs() + mean(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn a_field_of_proc_is_read_without_its_unit() {
        assert_eq!(field("VmPeak:\t 2 kB\nVmHWM:\t   1234 kB\n", "VmHWM:"), 1234);
        assert_eq!(field("", "VmHWM:"), 0);
    }
}
