//! Whether a node is what it should be, before it gets work.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::smi;
use super::{Next, Step, StepError};
use crate::compat::Version;
use crate::instance_type::InstanceType;
use crate::operation::{Batch, Exec, Operation, OperationResult};
use crate::os::Os;

/// Looks at the whole node and changes nothing.
///
/// What cannot be found out is [`Verdict::Unknown`] and never a pass. A node that is not ready
/// blocks: whatever waits for it does not go on.
///
/// **Removal** has nothing to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The operating system.
    pub os: Os,
    /// `uname -r`, if it is pinned.
    pub kernel_release: Option<String>,
    /// How many GPUs the node has.
    pub gpus: u32,
    /// The driver's version.
    pub driver: Version,
    /// Whether a fabric manager has to have made one fabric of the GPUs.
    pub fabric_manager: bool,
    /// How many EFA devices the node was launched with.
    pub efa_devices: u32,
    /// The scratch file system, if there is one.
    pub scratch: Option<ScratchExpectation>,
}

/// What is expected of the scratch file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScratchExpectation {
    /// Where it is mounted.
    pub mount_point: String,
    /// Its capacity in GB (10^9 bytes), at least.
    pub capacity_gb: u64,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
}

/// Whether something is as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Pass,
    /// It is not, and this is what it is.
    Fail(String),
    /// It could not be found out.
    Unknown(String),
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Pass => write!(f, "{}: pass", self.name),
            Verdict::Fail(found) => write!(f, "{}: {found}", self.name),
            Verdict::Unknown(reason) => write!(f, "{}: unknown, {reason}", self.name),
        }
    }
}

/// What all checks found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessObserved {
    /// The checks, in the order of the inputs.
    pub checks: Vec<Check>,
}

impl ReadinessObserved {
    /// Whether every check passed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.verdict == Verdict::Pass)
    }
}

const FABRIC_UNIT: &str = "nvidia-fabricmanager.service";
const FIELDS: [&str; 3] = ["index", "driver_version", "fabric.state"];

/// Collects the verdicts.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn is(&mut self, name: &str, found: impl fmt::Display, expected: impl fmt::Display) {
        let (found, expected) = (found.to_string(), expected.to_string());
        let verdict = match found == expected {
            true => Verdict::Pass,
            false => Verdict::Fail(format!("is {found}, should be {expected}")),
        };
        self.add(name, verdict);
    }

    fn add(&mut self, name: &str, verdict: Verdict) {
        self.0.push(Check { name: name.to_owned(), verdict });
    }
}

impl Step for Readiness {
    const NAME: &'static str = "readiness";
    type Observed = ReadinessObserved;

    fn probe(&self) -> Batch {
        let points = self.scratch.iter().map(|scratch| scratch.mount_point.clone()).collect();
        let modinfo = Exec::query(["modinfo", "-F", "version", "nvidia"]).expecting([0, 1]);
        Batch::probe([
            Operation::Facts,
            Operation::Exec(modinfo),
            Operation::QueryModules { names: vec!["nvidia".to_owned(), "efa".to_owned()] },
            Operation::Exec(smi::query(&FIELDS)),
            Operation::QueryUnit { unit: FABRIC_UNIT.to_owned() },
            Operation::QueryMounts { points },
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<ReadinessObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        let facts = answers.facts(self.os)?;
        let modinfo = answers.exec()?;
        let modules = answers.modules()?;
        let smi = answers.exec()?;
        let unit = answers.unit()?;
        let mounts = answers.mounts()?;

        let mut checks = Checks::default();
        if let Some(release) = &self.kernel_release {
            checks.is("kernel", &facts.kernel, release);
        }
        let pci = |vendor: &str, is: &dyn Fn(&str, &str) -> bool| {
            let devices = facts.pci.iter();
            devices.filter(|d| d.vendor == vendor && is(&d.class, &d.device)).count()
        };
        checks.is("GPUs on the PCI bus", pci("10de", &|class, _| class == "0302"), self.gpus);
        let installed = if modinfo.code == 0 { modinfo.stdout.trim() } else { "none" };
        checks.is("installed driver", installed, &self.driver);
        let loaded = modules.get("nvidia");
        let loaded = loaded.map_or("none", |module| module.version.as_deref().unwrap_or("unknown"));
        checks.is("loaded driver", loaded, &self.driver);
        self.check_gpus(smi.code, &smi.stdout, &mut checks);
        if self.fabric_manager {
            checks.is(FABRIC_UNIT, &unit.active, "active");
        }
        if self.efa_devices > 0 {
            let efas = pci("1d0f", &|_, device| device.starts_with("efa"));
            checks.is("EFA devices on the PCI bus", efas, self.efa_devices);
            let module = if modules.contains_key("efa") { "loaded" } else { "not loaded" };
            checks.is("module efa", module, "loaded");
        }
        if let Some(scratch) = &self.scratch {
            let verdict = match mounts.get(&scratch.mount_point) {
                None => Verdict::Fail("nothing is mounted".to_owned()),
                Some(mount) if mount.bytes / 1_000_000_000 < scratch.capacity_gb => {
                    let gb = mount.bytes / 1_000_000_000;
                    let least = scratch.capacity_gb;
                    Verdict::Fail(format!("has {gb} GB, should have at least {least} GB"))
                }
                Some(_) => Verdict::Pass,
            };
            checks.add(&scratch.mount_point, verdict);
        }
        Ok(ReadinessObserved { checks: checks.0 })
    }

    fn converge(&self, observed: &ReadinessObserved) -> Next {
        let failed = observed.checks.iter().filter(|check| check.verdict != Verdict::Pass);
        let problems = failed.map(ToString::to_string).collect::<Vec<_>>();
        match problems.is_empty() {
            true => Next::Converged,
            false => Next::Blocked { problems },
        }
    }

    fn remove(&self, _observed: &ReadinessObserved) -> Next {
        Next::Converged
    }
}

impl Readiness {
    /// What a node of that type with that driver has to have: every GPU, every EFA device that the
    /// type takes, a fabric manager where one is needed. Kernel and scratch are left open.
    #[must_use]
    pub fn for_type(os: Os, instance_type: &InstanceType, driver: Version) -> Self {
        Self {
            os,
            kernel_release: None,
            gpus: instance_type.accelerator.count,
            driver,
            fabric_manager: instance_type.fabric_manager,
            efa_devices: instance_type.network.efa_max,
            scratch: None,
        }
    }

    /// What `nvidia-smi` says of each GPU.
    fn check_gpus(&self, code: i32, stdout: &str, checks: &mut Checks) {
        let rows = match code {
            0 => smi::rows(&FIELDS, stdout).map_err(|line| format!("nvidia-smi printed `{line}`")),
            127 => Err("nvidia-smi is not installed".to_owned()),
            code => Err(format!("nvidia-smi exits {code}: {}", stdout.trim())),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(problem) => return checks.add("GPUs", Verdict::Unknown(problem)),
        };
        checks.is("GPUs that answer", rows.len(), self.gpus);
        for (at, row) in rows.iter().enumerate() {
            let cell = |at: usize| row.get(at).unwrap_or(&smi::Cell::NotAvailable);
            let name = format!("GPU {at}");
            checks.is(&name, cell(1).shown(), &self.driver);
            // The A100 has no fabric state; there the unit's word is all there is.
            if self.fabric_manager && *cell(2) != smi::Cell::NotAvailable {
                checks.is(&format!("{name} fabric state"), cell(2).shown(), "Completed");
            }
        }
    }
}
