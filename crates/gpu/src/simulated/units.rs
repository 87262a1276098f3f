//! systemd, as far as the steps use it.

use super::machine::{Machine, SimulatedUnit};
use crate::operation::{UnitAction, UnitState};

const FOLDER: &str = "/etc/systemd/system/";

impl Machine {
    pub(super) fn is_active(&self, unit: &str) -> bool {
        self.units.get(unit).is_some_and(|state| state.active == "active")
    }

    fn is_packaged(&self, unit: &str) -> bool {
        self.installed().any(|package| package.gives.units.iter().any(|given| given == unit))
    }

    /// The unit's file and drop-ins as they are on disk.
    fn on_disk(&self, unit: &str) -> Option<String> {
        let own = self.files.get(&format!("{FOLDER}{unit}"));
        let own = own.map(|file| file.content.clone());
        let drop_ins = format!("{FOLDER}{unit}.d/");
        let drop_ins = self.files.iter().filter(|(path, _)| path.starts_with(&drop_ins));
        let drop_ins = drop_ins.map(|(_, file)| file.content.as_str()).collect::<String>();
        let packaged = self.is_packaged(unit).then(String::new);
        Some(own.or(packaged)? + &drop_ins)
    }

    pub(super) fn query_unit(&self, unit: &str) -> UnitState {
        let on_disk = self.on_disk(unit);
        let state = self.units.get(unit).cloned().unwrap_or_default();
        let active = match state.active.as_str() {
            "" => "inactive".to_owned(),
            active => active.to_owned(),
        };
        UnitState {
            exists: on_disk.is_some(),
            enabled: state.enabled && on_disk.is_some(),
            active,
            needs_reload: on_disk != self.as_loaded(unit),
        }
    }

    /// The unit as systemd has read it. What a package brings is read when it is installed.
    fn as_loaded(&self, unit: &str) -> Option<String> {
        let loaded = self.units.get(unit).and_then(|state| state.loaded.clone());
        loaded.or_else(|| self.is_packaged(unit).then(String::new))
    }

    /// `systemctl daemon-reload`.
    pub(super) fn reload_units(&mut self) {
        let in_folder = self.files.keys().filter_map(|path| path.strip_prefix(FOLDER));
        let names = in_folder
            .map(|name| name.split(".d/").next().unwrap_or(name).to_owned())
            .chain(self.units.keys().cloned())
            .collect::<std::collections::BTreeSet<_>>();
        for name in names {
            let loaded = self.on_disk(&name);
            match (loaded, self.units.get_mut(&name)) {
                (Some(loaded), Some(unit)) => unit.loaded = Some(loaded),
                (Some(loaded), None) => {
                    let unit = SimulatedUnit { loaded: Some(loaded), ..SimulatedUnit::default() };
                    self.units.insert(name, unit);
                }
                (None, Some(unit)) if unit.active != "active" => {
                    self.units.remove(&name);
                }
                (None, _) => {}
            }
        }
    }

    /// `systemctl enable|disable` and `start|stop|restart`.
    pub(super) fn set_unit(
        &mut self,
        unit: &str,
        enabled: Option<bool>,
        action: Option<UnitAction>,
    ) -> Result<(), (i32, String)> {
        let known = self.as_loaded(unit).is_some();
        if !known {
            let gone = enabled != Some(true) && matches!(action, None | Some(UnitAction::Stop));
            let message = format!("Failed to start {unit}: Unit {unit} not found.");
            return if gone { Ok(()) } else { Err((5, message)) };
        }
        if let Some(enabled) = enabled {
            self.units.entry(unit.to_owned()).or_default().enabled = enabled;
        }
        match action {
            None => Ok(()),
            Some(UnitAction::Start) => self.start(unit),
            Some(UnitAction::Stop) => {
                self.stop(unit);
                Ok(())
            }
            Some(UnitAction::Restart) => {
                self.stop(unit);
                self.start(unit)
            }
        }
    }

    pub(super) fn stop(&mut self, unit: &str) {
        if let Some(state) = self.units.get_mut(unit) {
            "inactive".clone_into(&mut state.active);
            state.runs = None;
        }
        if unit == "nvidia-persistenced.service" {
            self.gpus.iter_mut().for_each(|gpu| gpu.persistence = false);
        }
    }

    fn start(&mut self, unit: &str) -> Result<(), (i32, String)> {
        if self.is_active(unit) {
            return Ok(());
        }
        let loaded = self.as_loaded(unit).unwrap_or_default();
        for needed in loaded.lines().filter_map(|line| line.strip_prefix("Requires=")) {
            for needed in needed.split_whitespace().filter(|needed| needed.ends_with(".service")) {
                if self.as_loaded(needed).is_none() || self.start(needed).is_err() {
                    self.units.entry(unit.to_owned()).or_default().active = "inactive".to_owned();
                    let message = format!("A dependency job for {unit} failed.");
                    return Err((1, message));
                }
            }
        }
        let result = match unit {
            "nvidia-persistenced.service" => self.start_persistenced(&loaded),
            "nvidia-fabricmanager.service" => self.start_fabric_manager(),
            "nvidia-dcgm.service" if self.loaded_driver().is_none() => {
                Err("nv-hostengine: the NVIDIA driver is not loaded".to_owned())
            }
            _ => self.run_unit(&loaded),
        };
        let package =
            self.installed().find(|package| package.gives.units.iter().any(|given| given == unit));
        let runs = package.map_or(loaded, |package| package.version.clone());
        let state = self.units.entry(unit.to_owned()).or_default();
        state.active = if result.is_ok() { "active" } else { "failed" }.to_owned();
        state.runs = result.is_ok().then_some(runs);
        result.map_err(|reason| {
            let message = format!(
                "Job for {unit} failed because the control process exited with error code.\n\
                 {reason}"
            );
            (1, message)
        })
    }

    fn start_persistenced(&mut self, loaded: &str) -> Result<(), String> {
        match (self.loaded_driver(), self.user_space()) {
            (None, _) => {
                Err("nvidia-persistenced failed to initialize: the driver is not loaded".into())
            }
            (Some(driver), Some(user_space)) if driver != user_space => {
                Err("nvidia-persistenced failed to initialize: driver/library mismatch".into())
            }
            _ => {
                // Without an override Ubuntu's unit starts it with --no-persistence-mode.
                let persistent = loaded.lines().any(|line| {
                    line.starts_with("ExecStart=/usr/bin/nvidia-persistenced")
                        && line.contains("--persistence-mode")
                });
                self.gpus.iter_mut().for_each(|gpu| gpu.persistence = persistent);
                Ok(())
            }
        }
    }

    fn start_fabric_manager(&mut self) -> Result<(), String> {
        let version = self.installed().find_map(|package| package.gives.fabric_manager.as_deref());
        let Some(driver) = self.loaded_driver() else {
            return Err("fabric manager: the NVIDIA driver is not loaded".to_owned());
        };
        if version != Some(driver) {
            return Err(format!(
                "fabric manager NVIDIA GPU driver interface version {} don't match with driver \
                 version {driver}. Please update with matching NVIDIA driver package.",
                version.unwrap_or("none")
            ));
        }
        if self.nvswitches == 0 {
            return Err("fabric manager: no NVSwitch devices found".to_owned());
        }
        let blackwell =
            self.gpus.first().is_some_and(|gpu| gpu.compute_capability.starts_with("10."));
        let nvlsm = self.installed().any(|package| package.gives.nvlsm);
        if blackwell && !(nvlsm && self.modules.contains_key("ib_umad")) {
            return Err("fabric manager: NVLSM did not start".to_owned());
        }
        self.gpus.iter_mut().for_each(|gpu| gpu.fabric = true);
        Ok(())
    }

    /// Runs the `ExecStart` lines of a oneshot unit, as systemd read them.
    fn run_unit(&mut self, loaded: &str) -> Result<(), String> {
        for line in loaded.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
            let (line, may_fail) = match line.strip_prefix('-') {
                Some(line) => (line, true),
                None => (line, false),
            };
            let argv = line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let output = self.execute_command(&argv);
            if output.code != 0 && !may_fail {
                return Err(format!(
                    "{line}: exit {}: {}{}",
                    output.code, output.stdout, output.stderr
                ));
            }
        }
        Ok(())
    }

    /// Starts what is enabled: the driver's daemons first, as their units are ordered.
    pub(super) fn start_enabled_units(&mut self) {
        let daemons = ["nvidia-persistenced.service", "nvidia-fabricmanager.service"];
        let enabled = self.units.iter().filter(|(_, unit)| unit.enabled);
        let mut enabled = enabled.map(|(name, _)| name.clone()).collect::<Vec<_>>();
        enabled.sort_by_key(|name| daemons.iter().position(|daemon| daemon == name).unwrap_or(9));
        for unit in enabled {
            // A unit that fails at boot is found failed.
            let _ = self.start(&unit);
        }
    }
}
