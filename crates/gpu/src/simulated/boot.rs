//! Booting, and kernel modules.

use super::catalogue::natural_order;
use super::machine::Machine;

impl Machine {
    /// Kernels that can be booted, newest first.
    pub(super) fn kernels(&self) -> Vec<&'static str> {
        let mut kernels = self
            .installed()
            .filter_map(|package| package.gives.kernel.as_deref())
            .collect::<Vec<_>>();
        kernels.sort_by(|a, b| natural_order(b, a));
        kernels
    }

    /// Restarts the host: the boot loader's kernel, default settings, enabled units.
    pub(super) fn reboot(&mut self) {
        let kernels = self.kernels();
        let told = self.default_kernel.as_deref();
        let told = told.filter(|told| kernels.contains(told));
        let next = told.or_else(|| kernels.first().copied()).map(str::to_owned);
        if let Some(next) = next
            && !self.boots_old_kernel
        {
            self.kernel = next;
        }
        self.boots += 1;
        for unit in self.units.values_mut() {
            "inactive".clone_into(&mut unit.active);
            unit.runs = None;
        }
        for array in self.arrays.values_mut() {
            array.running = false;
        }
        self.mounts.clear();
        self.sysctl.insert("kernel.yama.ptrace_scope".to_owned(), "1".to_owned());
        self.start_kernel();
        self.start_enabled_units();
    }

    /// What a kernel does when it starts: modules are loaded, GPUs have their default settings.
    pub(super) fn start_kernel(&mut self) {
        self.modules.clear();
        for gpu in &mut self.gpus {
            gpu.reset();
        }
        if self.efa_devices > 0 {
            for name in ["efa", "ib_core", "ib_uverbs"] {
                self.modules.insert(name.to_owned(), None);
            }
        }
        if self.has_nouveau && !self.nouveau_blocked.contains(&self.kernel) && !self.gpus.is_empty()
        {
            self.modules.insert("nouveau".to_owned(), None);
        }
        if !self.gpus.is_empty() && self.driver_for(&self.kernel).is_some() {
            // Nobody waits for the outcome: a driver that cannot be loaded is found missing.
            let _ = self.load_module("nvidia");
        }
        let wanted = self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("/etc/modules-load.d/") && path.ends_with(".conf"))
            .flat_map(|(_, file)| file.content.lines())
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>();
        for name in wanted {
            let _ = self.load_module(&name);
        }
    }

    /// `modprobe`.
    pub(super) fn load_module(&mut self, name: &str) -> Result<(), String> {
        if self.modules.contains_key(name) {
            return Ok(());
        }
        match name {
            "nvidia" => {
                let Some((driver, open)) = self.driver_for(&self.kernel) else {
                    return Err(format!(
                        "modprobe: FATAL: Module nvidia not found in directory /lib/modules/{}",
                        self.kernel
                    ));
                };
                if self.modules.contains_key("nouveau") || self.gpus.is_empty() {
                    return Err("modprobe: ERROR: could not insert 'nvidia': No such device".into());
                }
                // Volta has no GSP, which the open modules need; Blackwell has nothing else.
                let capability = self.gpus.first().map(|gpu| gpu.compute_capability.as_str());
                let fits = match capability {
                    Some("7.0") => !open,
                    Some("10.0" | "10.3" | "12.0") => open,
                    _ => true,
                };
                if !fits {
                    return Err("modprobe: ERROR: could not insert 'nvidia': No such device".into());
                }
                self.modules.insert("nvidia".to_owned(), Some(driver.to_owned()));
                Ok(())
            }
            "nvidia_uvm" | "nvidia_modeset" => {
                self.load_module("nvidia")?;
                let version = self.loaded_driver().map(str::to_owned);
                self.modules.insert(name.to_owned(), version);
                Ok(())
            }
            "ib_umad" | "ib_uverbs" | "ib_core" | "efa" | "raid0" | "xfs" | "dm_mod" => {
                self.modules.insert(name.to_owned(), None);
                Ok(())
            }
            "nouveau" if self.has_nouveau && !self.modules.contains_key("nvidia") => {
                self.modules.insert(name.to_owned(), None);
                Ok(())
            }
            _ => Err(format!(
                "modprobe: FATAL: Module {name} not found in directory /lib/modules/{}",
                self.kernel
            )),
        }
    }

    /// `modprobe -r`.
    pub(super) fn unload_module(&mut self, name: &str) -> Result<(), String> {
        if self.module_users(name) > 0 {
            return Err(format!("modprobe: FATAL: Module {name} is in use."));
        }
        if self.modules.remove(name).is_some() && name == "nvidia" {
            for gpu in &mut self.gpus {
                gpu.reset();
            }
        }
        Ok(())
    }

    /// How many users a module has: other modules, and daemons.
    pub(super) fn module_users(&self, name: &str) -> u32 {
        if name != "nvidia" {
            return 0;
        }
        let modules = ["nvidia_uvm", "nvidia_modeset"];
        let modules = modules.iter().filter(|module| self.modules.contains_key(**module)).count();
        let daemons =
            ["nvidia-persistenced.service", "nvidia-fabricmanager.service", "nvidia-dcgm.service"];
        let daemons = daemons.iter().filter(|unit| self.is_active(unit)).count();
        u32::try_from(modules + daemons).unwrap_or(u32::MAX)
    }
}
