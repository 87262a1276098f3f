//! The measured speed of the scratch file system.

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::packages::{PackagePlan, Pin, Wanted};
use super::{Difference, Next, Step, StepError};
use crate::instance_type::StorageMeasurement;
use crate::operation::{Batch, Exec, Operation, OperationResult, PackageState};
use crate::os::Os;

/// Measures once what nobody publishes about the local disks, and holds it against what is required.
///
/// AWS publishes no throughput for instance stores, so a required throughput cannot be judged at
/// plan. It is measured on the node: `fio` reads the joined disks for some seconds, and writes
/// nothing to them. The figures are kept on the file system that they are about, so new disks are
/// measured anew, and looking again costs a small file.
///
/// **Removal** removes the figures; `fio` stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScratchSpeed {
    /// The operating system.
    pub os: Os,
    /// Where the scratch file system is mounted.
    pub mount_point: String,
    /// The device that holds it: [`Layout::device`](super::Layout::device).
    pub device: String,
    /// What is required.
    pub required: StorageMeasurement,
    /// How long each measurement takes, in seconds.
    pub seconds: u32,
}

/// What is known of the speed on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScratchSpeedObserved {
    /// Whether the file system is mounted.
    pub mounted: bool,
    /// The package of `fio`.
    pub fio: PackageState,
    /// Measured sequential reads in MB/s.
    pub throughput_mb_s: Option<u64>,
    /// Measured random reads of 4 KiB per second.
    pub iops: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Throughput,
    Iops,
}

impl ScratchSpeed {
    /// What `required` leaves to be measured, ten seconds each.
    #[must_use]
    pub fn new(
        os: Os,
        mount_point: impl Into<String>,
        device: impl Into<String>,
        required: StorageMeasurement,
    ) -> Self {
        let (mount_point, device) = (mount_point.into(), device.into());
        Self { os, mount_point, device, required, seconds: 10 }
    }

    fn path(&self, kind: Kind) -> String {
        let name = match kind {
            Kind::Throughput => "read",
            Kind::Iops => "randread",
        };
        format!("{}/.formwork-{name}.json", self.mount_point.trim_end_matches('/'))
    }

    fn measure(&self, kind: Kind) -> Operation {
        let (rw, size, depth, jobs) = match kind {
            Kind::Throughput => ("read", "1M", "32", "8"),
            Kind::Iops => ("randread", "4k", "128", "16"),
        };
        let argv = [
            "fio".to_owned(),
            "--name=formwork".to_owned(),
            format!("--filename={}", self.device),
            "--readonly".to_owned(),
            format!("--rw={rw}"),
            format!("--bs={size}"),
            "--direct=1".to_owned(),
            "--ioengine=libaio".to_owned(),
            format!("--iodepth={depth}"),
            format!("--numjobs={jobs}"),
            format!("--runtime={}", self.seconds),
            "--time_based".to_owned(),
            "--group_reporting".to_owned(),
            "--output-format=json".to_owned(),
            format!("--output={}", self.path(kind)),
        ];
        Operation::Exec(Exec::change(argv).within(u64::from(self.seconds) + 60))
    }

    fn required(&self) -> impl Iterator<Item = (Kind, u64)> {
        let throughput = self.required.throughput_mb_s.map(|figure| (Kind::Throughput, figure));
        let iops = self.required.iops.map(|figure| (Kind::Iops, figure));
        throughput.into_iter().chain(iops)
    }
}

/// The figures of a `fio` report: bytes per second, and operations per second. A report that says
/// nothing, or of an error, is no figure.
fn read_report(text: &str) -> Option<(u64, u64)> {
    let report = serde_json::from_str::<serde_json::Value>(text).ok()?;
    let job = report.get("jobs")?.get(0)?;
    if job.get("error")?.as_u64()? != 0 {
        return None;
    }
    let read = job.get("read")?;
    let iops = read.get("iops")?.as_f64()?;
    Some((read.get("bw_bytes")?.as_u64()?, iops.max(0.0) as u64))
}

impl Step for ScratchSpeed {
    const NAME: &'static str = "scratch speed";
    type Observed = ScratchSpeedObserved;

    fn problems(&self) -> Vec<String> {
        match (1..=600).contains(&self.seconds) {
            true => Vec::new(),
            false => vec![format!("{} s of measuring: 1 to 600", self.seconds)],
        }
    }

    fn probe(&self) -> Batch {
        Batch::probe([
            Operation::Facts,
            Operation::QueryMounts { points: vec![self.mount_point.clone()] },
            Operation::QueryPackages { names: vec!["fio".to_owned()] },
            Operation::read(self.path(Kind::Throughput)),
            Operation::read(self.path(Kind::Iops)),
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<ScratchSpeedObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        let mounted = answers.mounts()?.get(&self.mount_point);
        let mounted = mounted.is_some_and(|mount| mount.source == self.device);
        let fio = answers.packages()?.get("fio").cloned().unwrap_or_default();
        let throughput = answers.file()?.and_then(|file| read_report(&file.text));
        let iops = answers.file()?.and_then(|file| read_report(&file.text));
        Ok(ScratchSpeedObserved {
            mounted,
            fio,
            throughput_mb_s: throughput.map(|(bytes, _)| bytes / 1_000_000),
            iops: iops.map(|(_, iops)| iops),
        })
    }

    fn converge(&self, observed: &ScratchSpeedObserved) -> Next {
        if self.required.is_empty() {
            return Next::Converged;
        }
        if !observed.mounted {
            return Next::blocked(format!(
                "{} is not mounted on {}: there is nothing to measure",
                self.device, self.mount_point
            ));
        }
        let mut differences = Vec::new();
        let mut measurements = Vec::new();
        let mut problems = Vec::new();
        for (kind, required) in self.required() {
            let (what, unit, measured) = match kind {
                Kind::Throughput => ("scratch throughput", "MB/s", observed.throughput_mb_s),
                Kind::Iops => ("scratch random reads", "per second", observed.iops),
            };
            match measured {
                None => {
                    let should = format!("at least {required} {unit}");
                    differences.push(Difference::new(what, "not measured", should));
                    measurements.push(self.measure(kind));
                }
                Some(measured) if measured < required => {
                    problems
                        .push(format!("{what}: {measured} {unit} measured, {required} required"));
                }
                Some(_) => {}
            }
        }
        if differences.is_empty() && !problems.is_empty() {
            return Next::Blocked { problems };
        }
        if differences.is_empty() {
            return Next::Converged;
        }
        let wanted = [Wanted::new("fio", Pin::Any)];
        let packages = [("fio".to_owned(), observed.fio.clone())].into();
        let plan = PackagePlan::of(&wanted, &packages, false);
        let operations = plan.operations();
        if operations.contains(&Operation::RefreshPackageIndex) {
            return Next::change(plan.differences, operations);
        }
        differences.extend(plan.differences);
        Next::change(differences, operations.into_iter().chain(measurements))
    }

    fn remove(&self, observed: &ScratchSpeedObserved) -> Next {
        let figures = [
            (Kind::Throughput, observed.throughput_mb_s.is_some()),
            (Kind::Iops, observed.iops.is_some()),
        ];
        let figures = figures.into_iter().filter(|(_, there)| *there);
        let paths = figures.map(|(kind, _)| self.path(kind)).collect::<Vec<_>>();
        let differences = paths.iter().map(|path| Difference::new(path, "present", "absent"));
        Next::change(
            differences.collect(),
            paths.iter().map(|path| Operation::RemoveFile { path: path.clone() }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_figures_is_not_measured_and_never_zero() {
        for text in [
            "",
            "{}",
            "{\"jobs\":[]}",
            "{\"jobs\":[{\"error\":5,\"read\":{\"bw_bytes\":1,\"iops\":1}}]}",
        ] {
            assert_eq!(read_report(text), None, "{text}");
        }
        let text =
            "{\"jobs\":[{\"error\":0,\"read\":{\"bw_bytes\":24000000000,\"iops\":22888.18}}]}";
        assert_eq!(read_report(text), Some((24_000_000_000, 22_888)));
    }
}
