//! The fabric manager, which makes one fabric of the GPUs behind NVSwitch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::driver::{PackageSource, build_pin, fabric_manager_package};
use super::packages::{PackagePlan, Pin, Wanted, removal};
use super::smi::{self, Cell};
use super::{Difference, Next, Step, StepError};
use crate::compat::Version;
use crate::operation::{Batch, Operation, OperationResult, PackageState, UnitAction, UnitState};
use crate::os::Os;

/// Installs the fabric manager at exactly the driver's version, and keeps it running.
///
/// Only for instance types whose row says [`fabric_manager`](crate::instance_type::InstanceType::fabric_manager):
/// decided by size, not by family. B200 and B300 also need [`nvlsm`](Self::nvlsm) and the module
/// `ib_umad`. It is stopped before its package is replaced, so that a run that is cut short never
/// leaves an old process with a new package.
///
/// **Removal** stops and removes it; without it the GPUs cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricManager {
    /// The operating system.
    pub os: Os,
    /// The driver's version, which is the fabric manager's.
    pub version: Version,
    /// Where the packages come from: where the driver comes from.
    pub source: PackageSource,
    /// NVLSM's version, a date of its own such as `2025.10.12`, on B200 and B300.
    pub nvlsm: Option<Version>,
}

/// What there is of the fabric manager on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricManagerObserved {
    /// Its packages.
    pub packages: BTreeMap<String, PackageState>,
    /// Its unit.
    pub unit: UnitState,
    /// The version of the loaded driver.
    pub driver: Option<String>,
    /// Whether `ib_umad` is loaded.
    pub ib_umad: bool,
    /// The content of the file that loads it at boot.
    pub ib_umad_at_boot: Option<String>,
    /// `fabric.state` of every GPU, or why it is not known.
    pub fabric: Result<Vec<Cell>, String>,
}

const UNIT: &str = "nvidia-fabricmanager.service";
const IB_UMAD_FILE: &str = "/etc/modules-load.d/formwork-ib-umad.conf";
const IB_UMAD: &str = "# Made by formwork: NVLSM talks to the switches through it.\nib_umad\n";

impl FabricManager {
    fn packages(&self) -> Vec<Wanted> {
        let name = fabric_manager_package(self.os, self.source, &self.version);
        let pin = build_pin(self.os, self.source, &self.version);
        let nvlsm = self.nvlsm.clone();
        let nvlsm = nvlsm.map(|version| Wanted::new("nvlsm", Pin::Upstream(version)));
        [Wanted::new(name, pin)].into_iter().chain(nvlsm).collect()
    }

    fn unit(enabled: Option<bool>, action: UnitAction) -> Operation {
        Operation::SetUnit { unit: UNIT.to_owned(), enabled, action: Some(action) }
    }
}

/// How long a fabric that is in progress is given, in seconds.
const FABRIC_TIME_S: u64 = 60;

/// What is to be done about a fabric that is not complete while the fabric manager runs. The A100
/// has no fabric state; there the unit's word is all there is.
fn fabric_difference(
    fabric: &Result<Vec<Cell>, String>,
) -> Result<Option<(Difference, Operation)>, String> {
    for (at, cell) in fabric.as_ref()?.iter().enumerate() {
        let differs = |is: &str| Difference::new(format!("GPU {at} fabric state"), is, "Completed");
        match cell {
            Cell::Value(state) if state == "Completed" => {}
            Cell::NotAvailable | Cell::NotSupported => {}
            Cell::Value(state) if state == "In Progress" => {
                let seconds = FABRIC_TIME_S;
                return Ok(Some((differs(state), Operation::Pause { seconds })));
            }
            Cell::Value(state) => {
                let restart = FabricManager::unit(None, UnitAction::Restart);
                return Ok(Some((differs(state), restart)));
            }
            Cell::Lost | Cell::Error(_) => return Err(format!("GPU {at} is {}", cell.shown())),
        }
    }
    Ok(None)
}

impl Step for FabricManager {
    const NAME: &'static str = "fabric manager";
    type Observed = FabricManagerObserved;

    fn probe(&self) -> Batch {
        let names = self.packages().into_iter().map(|package| package.name).collect();
        Batch::probe([
            Operation::Facts,
            Operation::QueryPackages { names },
            Operation::QueryUnit { unit: UNIT.to_owned() },
            Operation::QueryModules { names: vec!["nvidia".to_owned(), "ib_umad".to_owned()] },
            Operation::read(IB_UMAD_FILE),
            Operation::Exec(smi::query(&["fabric.state"])),
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<FabricManagerObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        let packages = answers.packages()?.clone();
        let unit = answers.unit()?.clone();
        let modules = answers.modules()?;
        let driver = modules.get("nvidia").and_then(|module| module.version.clone());
        let ib_umad = modules.contains_key("ib_umad");
        let ib_umad_at_boot = answers.file()?.map(|file| file.text.clone());
        let smi = answers.exec()?;
        let fabric = match smi.code {
            0 => smi::rows(&["fabric.state"], &smi.stdout)
                .map(|rows| rows.into_iter().flatten().collect())
                .map_err(|line| format!("nvidia-smi printed `{line}`")),
            code => Err(format!("nvidia-smi exits {code}: {}", smi.stdout.trim())),
        };
        Ok(FabricManagerObserved { packages, unit, driver, ib_umad, ib_umad_at_boot, fabric })
    }

    fn converge(&self, observed: &FabricManagerObserved) -> Next {
        let version = self.version.as_str();
        if observed.driver.as_deref() != Some(version) {
            let is = observed.driver.as_deref().unwrap_or("none");
            return Next::blocked(format!(
                "fabric manager {version} needs driver {version} loaded, and {is} is"
            ));
        }
        let plan = PackagePlan::of(&self.packages(), &observed.packages, true);
        let mut operations = Vec::new();
        let replaces = plan.replaces();
        if replaces && observed.unit.is_active() {
            operations.push(Self::unit(None, UnitAction::Stop));
        }
        operations.extend(plan.operations());
        let mut differences = plan.differences;
        if operations.contains(&Operation::RefreshPackageIndex) {
            return Next::change(differences, [Operation::RefreshPackageIndex]);
        }
        if self.nvlsm.is_some() {
            if observed.ib_umad_at_boot.as_deref() != Some(IB_UMAD) {
                differences.push(Difference::new("module ib_umad at boot", "absent", "loaded"));
                operations.push(Operation::write(IB_UMAD_FILE, IB_UMAD));
            }
            if !observed.ib_umad {
                differences.push(Difference::new("module ib_umad", "not loaded", "loaded"));
                operations.push(Operation::LoadModule { name: "ib_umad".to_owned() });
            }
        }
        if !observed.unit.enabled || !observed.unit.is_active() {
            let enabled = if observed.unit.enabled { "enabled" } else { "disabled" };
            let is = format!("{enabled}, {}", observed.unit.active);
            differences.push(Difference::new(UNIT, is, "enabled, active"));
            operations.push(Self::unit(Some(true), UnitAction::Start));
        } else if replaces {
            operations.push(Self::unit(Some(true), UnitAction::Start));
        } else {
            match fabric_difference(&observed.fabric) {
                Ok(None) => {}
                Ok(Some((difference, operation))) => {
                    differences.push(difference);
                    operations.push(operation);
                }
                Err(problem) => return Next::blocked(problem),
            }
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &FabricManagerObserved) -> Next {
        let names = self.packages().into_iter().map(|package| package.name).collect::<Vec<_>>();
        let mut operations = Vec::new();
        let mut differences = Vec::new();
        if observed.unit.is_active() || observed.unit.enabled {
            differences.push(Difference::new(UNIT, &observed.unit.active, "stopped and disabled"));
            operations.push(Self::unit(Some(false), UnitAction::Stop));
        }
        let (packages, removal) = removal(&names, &observed.packages);
        differences.extend(packages);
        operations.extend(removal);
        if observed.ib_umad_at_boot.is_some() {
            differences.push(Difference::new("module ib_umad at boot", "loaded", "absent"));
            operations.push(Operation::RemoveFile { path: IB_UMAD_FILE.to_owned() });
        }
        Next::change(differences, operations)
    }
}
