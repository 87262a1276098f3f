//! Settings of the GPUs: persistence, power limit, compute mode, clocks.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::smi::{self, Cell};
use super::{Difference, Next, Step, StepError};
use crate::operation::{Batch, Exec, Operation, OperationResult, UnitAction, UnitState};
use crate::os::Os;

/// Sets what the driver forgets at every boot, and has it set again by a unit.
///
/// `nvidia-smi` exits 0 on a setting that a GPU does not support, so nothing is believed before it
/// is read back. What cannot be done is refused before it is tried: a power limit out of the GPU's
/// range, a setting that the GPU does not have, a GPU that is lost.
///
/// **Removal** removes the units' files and puts back the GPUs' defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuSettings {
    /// The operating system.
    pub os: Os,
    /// How many GPUs the node has.
    pub gpus: u32,
    /// Whether the driver stays initialised when nothing uses a GPU (`nvidia-persistenced`).
    /// Without it the other settings are lost whenever the last process ends.
    pub persistence: bool,
    /// Power limit per GPU in W; the GPU's default if `None`.
    pub power_limit_w: Option<u32>,
    /// Who may use a GPU at a time; untouched if `None`.
    pub compute_mode: Option<ComputeMode>,
    /// Clocks; untouched if `None`.
    pub clocks: Option<Clocks>,
}

/// Who may use a GPU at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ComputeMode {
    /// Any number of processes.
    Default,
    /// One process, with any number of threads.
    ExclusiveProcess,
    /// Nobody.
    Prohibited,
}

impl ComputeMode {
    fn argument(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::ExclusiveProcess => "EXCLUSIVE_PROCESS",
            Self::Prohibited => "PROHIBITED",
        }
    }
}

impl fmt::Display for ComputeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "Default",
            Self::ExclusiveProcess => "Exclusive_Process",
            Self::Prohibited => "Prohibited",
        })
    }
}

/// Clocks of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clocks {
    /// Application clocks, which can be read back.
    Application {
        /// Memory clock in MHz: one that the GPU supports.
        memory_mhz: u32,
        /// Graphics clock in MHz.
        graphics_mhz: u32,
    },
    /// Locked graphics clocks. `nvidia-smi` cannot be asked about them: the unit sets them at boot
    /// and whenever these inputs change, and drift goes unseen.
    Locked {
        /// Lowest graphics clock in MHz.
        min_mhz: u32,
        /// Highest graphics clock in MHz.
        max_mhz: u32,
    },
}

/// What there is of the settings on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuSettingsObserved {
    /// The content of our unit.
    pub unit_file: Option<String>,
    /// Our unit.
    pub unit: UnitState,
    /// The content of our drop-in for the persistence daemon.
    pub drop_in: Option<String>,
    /// The persistence daemon's unit.
    pub daemon: UnitState,
    /// One row per GPU that answers, with the cells of [`GpuSettingsObserved::FIELDS`]; or why there
    /// are none.
    pub gpus: Result<Vec<Vec<Cell>>, String>,
}

impl GpuSettingsObserved {
    /// What is asked of each GPU. Every branch from 535 on knows these fields.
    pub const FIELDS: [&'static str; 8] = [
        "persistence_mode",
        "power.limit",
        "power.default_limit",
        "power.min_limit",
        "power.max_limit",
        "compute_mode",
        "clocks.applications.memory",
        "clocks.applications.graphics",
    ];
}

const UNIT: &str = "formwork-gpu-settings.service";
const UNIT_FILE: &str = "/etc/systemd/system/formwork-gpu-settings.service";
const DAEMON: &str = "nvidia-persistenced.service";
const DROP_IN_FILE: &str = "/etc/systemd/system/nvidia-persistenced.service.d/formwork.conf";
const DROP_IN: &str = "# Made by formwork.\n[Service]\nExecStart=\nExecStart=/usr/bin/nvidia-persistenced \
                       --user root --persistence-mode\n";

impl GpuSettings {
    /// Persistence for `gpus` GPUs, and nothing else.
    #[must_use]
    pub fn new(os: Os, gpus: u32) -> Self {
        Self { os, gpus, persistence: true, power_limit_w: None, compute_mode: None, clocks: None }
    }

    /// The arguments of the `nvidia-smi` calls that make the settings.
    fn calls(&self) -> Vec<String> {
        let power = self.power_limit_w.map(|watts| format!("-pl {watts}"));
        let mode = self.compute_mode.map(|mode| format!("-c {}", mode.argument()));
        let clocks = self.clocks.map(|clocks| match clocks {
            Clocks::Application { memory_mhz, graphics_mhz } => {
                format!("-ac {memory_mhz},{graphics_mhz}")
            }
            Clocks::Locked { min_mhz, max_mhz } => format!("-lgc {min_mhz},{max_mhz}"),
        });
        [power, mode, clocks].into_iter().flatten().collect()
    }

    fn unit_text(&self) -> String {
        let requires =
            if self.persistence { format!("Requires={DAEMON}\n") } else { String::new() };
        let calls = self.calls();
        let calls = calls.iter().map(|call| format!("ExecStart=/usr/bin/nvidia-smi {call}\n"));
        format!(
            "# Made by formwork.\n[Unit]\nDescription=Settings of the GPUs\n\
             After={DAEMON} nvidia-fabricmanager.service\n{requires}\n\
             [Service]\nType=oneshot\nRemainAfterExit=yes\n{}\n\
             [Install]\nWantedBy=multi-user.target\n",
            calls.collect::<String>()
        )
    }

    /// What cannot be: settings that the GPUs do not have, GPUs that do not answer.
    fn obstacles(&self, gpus: &[Vec<Cell>]) -> Vec<String> {
        let mut problems = Vec::new();
        if gpus.len() != self.gpus as usize {
            problems.push(format!("{} of {} GPUs answer", gpus.len(), self.gpus));
        }
        for (at, gpu) in gpus.iter().enumerate() {
            let cell = |at: usize| gpu.get(at).unwrap_or(&Cell::NotAvailable);
            if gpu.contains(&Cell::Lost) {
                problems.push(format!("GPU {at} is lost"));
                continue;
            }
            if let Some(watts) = self.power_limit_w {
                match (cell(1).number(), cell(3).number(), cell(4).number()) {
                    (Some(_), Some(least), Some(most)) if !(least..=most).contains(&watts) => {
                        problems.push(format!(
                            "GPU {at} takes power limits from {least} to {most} W, not {watts} W"
                        ));
                    }
                    (None, ..) => {
                        let is = cell(1).shown();
                        problems.push(format!("the power limit of GPU {at} is {is}"));
                    }
                    _ => {}
                }
            }
            if self.compute_mode.is_some() && cell(5).value().is_none() {
                problems.push(format!("the compute mode of GPU {at} is {}", cell(5).shown()));
            }
            if matches!(self.clocks, Some(Clocks::Application { .. })) && cell(6).number().is_none()
            {
                problems.push(format!("the clocks of GPU {at} are {}", cell(6).shown()));
            }
        }
        problems
    }

    /// How the GPUs differ from the inputs, and from having persistence.
    fn differing(&self, gpus: &[Vec<Cell>]) -> (Vec<Difference>, bool) {
        let mut differences = Vec::new();
        let mut persistence_differs = false;
        for (at, gpu) in gpus.iter().enumerate() {
            let cell = |at: usize| gpu.get(at).unwrap_or(&Cell::NotAvailable);
            let mut differs = |what: &str, is: &Cell, should: String| {
                let what = format!("GPU {at} {what}");
                differences.push(Difference::new(what, is.shown(), should));
            };
            let mode = if self.persistence { "Enabled" } else { "Disabled" };
            if cell(0).value() != Some(mode) {
                persistence_differs = true;
                differs("persistence mode", cell(0), mode.to_owned());
            }
            if let Some(watts) = self.power_limit_w
                && cell(1).number() != Some(watts)
            {
                differs("power limit", cell(1), format!("{watts} W"));
            }
            if let Some(mode) = self.compute_mode
                && cell(5).value() != Some(&mode.to_string())
            {
                differs("compute mode", cell(5), mode.to_string());
            }
            if let Some(Clocks::Application { memory_mhz, graphics_mhz }) = self.clocks {
                for (column, name, should) in
                    [(6, "memory clock", memory_mhz), (7, "graphics clock", graphics_mhz)]
                {
                    if cell(column).number() != Some(should) {
                        differs(name, cell(column), format!("{should} MHz"));
                    }
                }
            }
        }
        (differences, persistence_differs)
    }
}

fn set(unit: &str, enabled: Option<bool>, action: UnitAction) -> Operation {
    Operation::SetUnit { unit: unit.to_owned(), enabled, action: Some(action) }
}

impl Step for GpuSettings {
    const NAME: &'static str = "GPU settings";
    type Observed = GpuSettingsObserved;

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.gpus == 0 {
            problems.push("there are no GPUs to set".to_owned());
        }
        if let Some(Clocks::Locked { min_mhz, max_mhz }) = self.clocks
            && min_mhz > max_mhz
        {
            problems.push(format!("clocks from {min_mhz} to {max_mhz} MHz: that is backwards"));
        }
        problems
    }

    fn warnings(&self) -> Vec<String> {
        if self.persistence || self.calls().is_empty() {
            return Vec::new();
        }
        let text = "without persistence the driver forgets these settings whenever the last process \
                    that uses a GPU ends";
        vec![text.to_owned()]
    }

    fn probe(&self) -> Batch {
        Batch::probe([
            Operation::Facts,
            Operation::read(UNIT_FILE),
            Operation::QueryUnit { unit: UNIT.to_owned() },
            Operation::read(DROP_IN_FILE),
            Operation::QueryUnit { unit: DAEMON.to_owned() },
            Operation::Exec(smi::query(&GpuSettingsObserved::FIELDS)),
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<GpuSettingsObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        let unit_file = answers.file()?.map(|file| file.text.clone());
        let unit = answers.unit()?.clone();
        let drop_in = answers.file()?.map(|file| file.text.clone());
        let daemon = answers.unit()?.clone();
        let smi = answers.exec()?;
        let gpus = match smi.code {
            0 => smi::rows(&GpuSettingsObserved::FIELDS, &smi.stdout)
                .map_err(|line| format!("nvidia-smi printed `{line}`")),
            127 => Err("nvidia-smi is not installed".to_owned()),
            code => Err(format!("nvidia-smi exits {code}: {}", smi.stdout.trim())),
        };
        Ok(GpuSettingsObserved { unit_file, unit, drop_in, daemon, gpus })
    }

    fn converge(&self, observed: &GpuSettingsObserved) -> Next {
        let gpus = match &observed.gpus {
            Ok(gpus) => gpus,
            Err(problem) => return Next::blocked(problem),
        };
        let problems = self.obstacles(gpus);
        if !problems.is_empty() {
            return Next::Blocked { problems };
        }
        let (mut differences, persistence_differs) = self.differing(gpus);
        let settings_differ = !differences.is_empty();
        let mut operations = Vec::new();
        let is = |there: bool| if there { "another one" } else { "absent" };

        let drop_in = self.persistence.then(|| DROP_IN.to_owned());
        let drop_in_differs = observed.drop_in != drop_in;
        let unit = self.unit_text();
        let unit_differs = observed.unit_file.as_ref() != Some(&unit) || observed.unit.needs_reload;
        if unit_differs && observed.unit.is_active() {
            // Stopped first: cut short after this, the unit is seen to have to start again.
            operations.push(set(UNIT, None, UnitAction::Stop));
        }
        if drop_in_differs {
            let is = is(observed.drop_in.is_some());
            let should = if self.persistence { "ours" } else { "absent" };
            differences.push(Difference::new(DROP_IN_FILE, is, should));
            operations.push(match drop_in {
                Some(text) => Operation::write(DROP_IN_FILE, text),
                None => Operation::RemoveFile { path: DROP_IN_FILE.to_owned() },
            });
        }
        if unit_differs {
            let is = is(observed.unit_file.is_some());
            differences.push(Difference::new(UNIT_FILE, is, "these inputs"));
            operations.push(Operation::write(UNIT_FILE, unit));
        }
        let reload = drop_in_differs || unit_differs || observed.daemon.needs_reload;
        if reload {
            operations.push(Operation::ReloadUnits);
        }
        let daemon_reload = drop_in_differs || observed.daemon.needs_reload;
        if observed.daemon.needs_reload && !drop_in_differs {
            differences.push(Difference::new(DAEMON, "read before it changed", "read again"));
        }
        let daemon_runs = observed.daemon.enabled && observed.daemon.is_active();
        if self.persistence && !daemon_runs {
            let is = &observed.daemon.active;
            differences.push(Difference::new(DAEMON, is, "enabled, active"));
        }
        if daemon_reload || persistence_differs || (self.persistence && !daemon_runs) {
            let enabled = self.persistence.then_some(true);
            operations.push(set(DAEMON, enabled, UnitAction::Restart));
        }
        let unit_runs = observed.unit.enabled && observed.unit.is_active();
        if !unit_runs {
            let is = &observed.unit.active;
            differences.push(Difference::new(UNIT, is, "enabled, active"));
        }
        if unit_differs || !unit_runs || settings_differ {
            operations.push(set(UNIT, Some(true), UnitAction::Restart));
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &GpuSettingsObserved) -> Next {
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        if observed.unit.enabled || observed.unit.is_active() {
            differences.push(Difference::new(UNIT, &observed.unit.active, "disabled"));
            operations.push(set(UNIT, Some(false), UnitAction::Stop));
        }
        // The defaults before the files: cut short in between, the files show what is still to do.
        let there = observed.unit_file.is_some() || observed.drop_in.is_some();
        if let Ok(gpus) = &observed.gpus
            && there
        {
            let smi = |argument: &[&str]| {
                let argv = ["nvidia-smi"].iter().chain(argument).copied();
                Operation::Exec(Exec::change(argv))
            };
            let default = gpus.first().and_then(|gpu| gpu.get(2)?.number()).map(|w| w.to_string());
            if let (Some(watts), Some(_)) = (&default, self.power_limit_w) {
                operations.push(smi(&["-pl", watts]));
            }
            if self.compute_mode.is_some() {
                operations.push(smi(&["-c", "DEFAULT"]));
            }
            match self.clocks {
                Some(Clocks::Application { .. }) => operations.push(smi(&["-rac"])),
                Some(Clocks::Locked { .. }) => operations.push(smi(&["-rgc"])),
                None => {}
            }
        }
        if observed.unit_file.is_some() {
            differences.push(Difference::new(UNIT_FILE, "present", "absent"));
            operations.push(Operation::RemoveFile { path: UNIT_FILE.to_owned() });
        }
        if observed.drop_in.is_some() {
            // Emptied, and removed only when the daemon runs without it.
            differences.push(Difference::new(DROP_IN_FILE, "present", "absent"));
            operations.push(Operation::write(DROP_IN_FILE, "# Made by formwork: nothing.\n"));
            operations.push(Operation::ReloadUnits);
            if observed.daemon.is_active() {
                operations.push(set(DAEMON, None, UnitAction::Restart));
            }
            operations.push(Operation::RemoveFile { path: DROP_IN_FILE.to_owned() });
        } else if observed.daemon.needs_reload || observed.unit.needs_reload {
            differences.push(Difference::new(UNIT, "known to systemd", "forgotten"));
        }
        if !differences.is_empty() {
            operations.push(Operation::ReloadUnits);
        }
        Next::change(differences, operations)
    }
}
