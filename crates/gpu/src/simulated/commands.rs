//! The programs that a simulated host has.

use super::machine::Machine;
use crate::operation::ExecOutput;
use crate::os::PackageManager;
use crate::steps::scratch_script;

fn said(stdout: impl Into<String>) -> ExecOutput {
    ExecOutput { code: 0, stdout: stdout.into(), stderr: String::new() }
}

fn failed(code: i32, stderr: impl Into<String>) -> ExecOutput {
    ExecOutput { code, stdout: String::new(), stderr: stderr.into() }
}

impl Machine {
    /// Runs a program: what it prints and its exit code, 127 for one that there is not.
    pub(super) fn execute_command(&mut self, argv: &[String]) -> ExecOutput {
        let Some((program, args)) = argv.split_first() else {
            return failed(127, "sh: : not found\n");
        };
        let name = program.rsplit('/').next().unwrap_or(program);
        let words = args.iter().map(String::as_str).collect::<Vec<_>>();
        let apt = self.os.package_manager() == PackageManager::Apt;
        match (name, words.as_slice()) {
            ("true", _) => said(""),
            ("false", _) => failed(1, ""),
            ("uname", ["-r"]) => said(format!("{}\n", self.kernel)),
            ("nvidia-smi", _) if self.has_command("nvidia-smi") => self.run_nvidia_smi(args),
            ("modinfo", ["-F", "version", "nvidia"]) => match self.driver_for(&self.kernel) {
                Some((version, _)) => said(format!("{version}\n")),
                None => failed(1, "modinfo: ERROR: Module nvidia not found.\n"),
            },
            ("update-grub", []) if apt => self.update_grub(),
            ("grubby", ["--default-kernel"]) if !apt => {
                let newest = self.kernels().first().map(|kernel| (*kernel).to_owned());
                let kernel = self.default_kernel.clone().or(newest).unwrap_or_default();
                said(format!("/boot/vmlinuz-{kernel}\n"))
            }
            ("grubby", ["--set-default", image]) if !apt => {
                match self.kernel_named(image.trim_start_matches("/boot/vmlinuz-")) {
                    Some(kernel) => {
                        self.default_kernel = Some(kernel);
                        said("")
                    }
                    None => failed(1, format!("The param {image} is incorrect\n")),
                }
            }
            ("update-initramfs", ["-u", "-k", kernel]) if apt => self.build_initial_fs(kernel),
            ("dracut", ["-f", "--kver", kernel]) if !apt => self.build_initial_fs(kernel),
            ("dnf", ["-y", "module", "reset", "nvidia-driver"]) if !apt => {
                self.set_driver_stream(None);
                said("")
            }
            ("dnf", ["-y", "module", "enable", module]) if !apt => self.enable_stream(module),
            ("curl", ["-fsSL", "-o", path, url]) => {
                if !url.contains("/compute/cuda/repos/") {
                    return failed(22, "curl: (22) The requested URL returned error: 404\n");
                }
                self.put(path, "a simulated key\n");
                said("")
            }
            ("systemctl", ["is-active", unit]) => {
                let state = self.query_unit(unit);
                let code = if state.is_active() { 0 } else { 3 };
                ExecOutput { code, stdout: format!("{}\n", state.active), stderr: String::new() }
            }
            ("lspci", _) => said(self.lspci(&words)),
            ("fi_info", _) => self.fi_info(),
            ("dcgmi", _) if self.has_command("dcgmi") => self.dcgmi(&words),
            ("fio", _) if self.has_command("fio") => self.run_fio(args),
            ("lvs", _) if self.has_command("lvcreate") => {
                let arrays = self.arrays.values().filter(|a| a.layout == "lvm" && a.running);
                said(arrays.map(|a| format!("  {}\n", a.disks.len())).collect::<String>())
            }
            ("formwork-scratch", _) if self.is_the_script(program) => self.run_scratch_script(args),
            _ => failed(127, format!("sh: {program}: not found\n")),
        }
    }

    fn kernel_named(&self, name: &str) -> Option<String> {
        self.kernels().into_iter().find(|kernel| *kernel == name).map(str::to_owned)
    }

    /// The boot loader's menu is made anew from `/etc/default/grub.d`.
    fn update_grub(&mut self) -> ExecOutput {
        let files = self.files.iter().filter(|(path, _)| path.starts_with("/etc/default/grub.d/"));
        let wanted = files
            .flat_map(|(_, file)| file.content.lines())
            .filter_map(|line| line.strip_prefix("GRUB_DEFAULT="))
            .next_back()
            .map(|entry| entry.trim_matches('"').rsplit(' ').next().unwrap_or("").to_owned());
        self.default_kernel = wanted.and_then(|wanted| self.kernel_named(&wanted));
        said("Generating grub configuration file ...\ndone\n")
    }

    fn build_initial_fs(&mut self, kernel: &str) -> ExecOutput {
        let Some(kernel) = self.kernel_named(kernel) else {
            return failed(1, format!("{kernel} is not installed\n"));
        };
        let files = self.files.iter().filter(|(path, _)| path.starts_with("/etc/modprobe.d/"));
        let mut lines = files.flat_map(|(_, file)| file.content.lines());
        if lines.any(|line| line.trim() == "blacklist nouveau") {
            self.nouveau_blocked.insert(kernel);
        } else {
            self.nouveau_blocked.remove(&kernel);
        }
        said("")
    }

    fn enable_stream(&mut self, module: &str) -> ExecOutput {
        let Some(stream) = module.strip_prefix("nvidia-driver:") else {
            return failed(
                1,
                format!("Error: Problems in request:\nmissing groups or modules: {module}\n"),
            );
        };
        match self.driver_stream() {
            Some(there) if there != stream => failed(
                1,
                "The operation would result in switching of module 'nvidia-driver' stream\n",
            ),
            _ => {
                self.set_driver_stream(Some(stream));
                said("")
            }
        }
    }

    fn lspci(&self, words: &[&str]) -> String {
        let filter = words.iter().position(|word| *word == "-d").and_then(|at| words.get(at + 1));
        let vendor = filter.and_then(|filter| filter.split(':').next()).unwrap_or("");
        let devices =
            self.pci().into_iter().filter(|device| vendor.is_empty() || device.vendor == vendor);
        devices.map(|d| format!("{} {}: {}:{}\n", d.slot, d.class, d.vendor, d.device)).collect()
    }

    fn fi_info(&self) -> ExecOutput {
        if self.efa_devices == 0 || !self.modules.contains_key("efa") {
            return failed(61, "fi_getinfo: -61 (No data available)\n");
        }
        let one = |at| {
            format!(
                "provider: efa\n    fabric: efa\n    domain: rdmap{}s0-rdm\n    version: 122.0\n    \
                 type: FI_EP_RDM\n    protocol: FI_PROTO_EFA\n",
                at + 16
            )
        };
        said((0..self.efa_devices).map(one).collect::<String>())
    }

    /// `dcgmi`: its version, and the first level of diagnostics in the shape of DCGM 4.
    fn dcgmi(&self, words: &[&str]) -> ExecOutput {
        match words {
            ["--version"] => return said("\nVersion : 4.6.0\n"),
            ["diag", "-r", "1", "-j"] => {}
            _ => return failed(1, "dcgmi: this simulation knows --version and diag -r 1 -j\n"),
        }
        if !self.is_active("nvidia-dcgm.service") || self.loaded_driver().is_none() {
            return failed(1, "Error: unable to establish a connection to the specified host\n");
        }
        let entities = self.gpus.iter().enumerate().map(|(at, gpu)| {
            let problem = match (gpu.lost || gpu.off_the_bus, gpu.persistence) {
                (true, _) => Some((2, format!("GPU {at} is lost."))),
                (_, false) => Some((5, format!("Persistence mode for GPU {at} is disabled."))),
                _ => None,
            };
            let warnings = problem.iter().map(|(severity, warning)| {
                serde_json::json!({"error_severity": severity, "warning": warning})
            });
            serde_json::json!({
                "entity_group": "GPU",
                "entity_id": at,
                "status": if problem.is_none() { "Pass" } else { "Fail" },
                "warnings": warnings.collect::<Vec<_>>(),
            })
        });
        let results = entities.collect::<Vec<_>>();
        let passed = results.iter().all(|result| result["status"] == "Pass");
        let summary = serde_json::json!({"status": if passed { "Pass" } else { "Fail" }});
        let test = serde_json::json!({
            "name": "software", "results": results, "test_summary": summary
        });
        let report = serde_json::json!({"DCGM Diagnostic": {
            "test_categories": [{"category": "Deployment", "tests": [test]}]
        }});
        let code = if passed { 0 } else { 226 };
        ExecOutput { code, stdout: format!("{report}\n"), stderr: String::new() }
    }

    fn is_the_script(&self, path: &str) -> bool {
        let file = self.files.get(path);
        file.is_some_and(|file| file.content == scratch_script::TEXT && file.mode & 0o111 != 0)
    }
}
