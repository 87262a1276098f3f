//! Executes one operation on a machine.

use sha2::{Digest, Sha256};

use super::machine::{Machine, SimulatedFile};
use crate::operation::{
    FileContent, FileFacts, HostFacts, LoadedModule, Operation, OperationResult, Payload,
};

type Outcome = Result<Payload, (i32, String)>;

impl Machine {
    /// Executes `operation`; only those that [mutate](Operation::mutates) change the machine.
    pub(super) fn execute(&mut self, operation: &Operation) -> OperationResult {
        match self.outcome(operation) {
            Ok(payload) => OperationResult::Ok(payload),
            Err((code, stderr)) => OperationResult::failed(code, stderr),
        }
    }

    fn outcome(&mut self, operation: &Operation) -> Outcome {
        let failed = |code| move |message: String| (code, message);
        match operation {
            Operation::ReadFile { path, max_bytes } => self.read_file(path, *max_bytes),
            Operation::WriteFile { path, content, mode, owner } => {
                if !path.starts_with('/') {
                    return Err((1, format!("{path} is not an absolute path")));
                }
                let (content, owner) = (content.clone(), owner.clone());
                let file = SimulatedFile { content, mode: *mode, owner };
                self.files.insert(path.clone(), file);
                Ok(Payload::Nothing)
            }
            Operation::RemoveFile { path } => {
                self.files.remove(path);
                Ok(Payload::Nothing)
            }
            Operation::FileFacts { path } => {
                Ok(Payload::FileFacts(self.files.get(path).map(facts)))
            }
            Operation::QueryPackages { names } => Ok(Payload::Packages(self.query_packages(names))),
            Operation::RefreshPackageIndex => {
                self.refresh_index();
                Ok(Payload::Nothing)
            }
            Operation::InstallPackages { packages, allow_downgrade } => {
                self.install(packages, *allow_downgrade)?;
                Ok(Payload::Nothing)
            }
            Operation::HoldPackages { names } => {
                self.hold(names, true)?;
                Ok(Payload::Nothing)
            }
            Operation::UnholdPackages { names } => {
                self.hold(names, false)?;
                Ok(Payload::Nothing)
            }
            Operation::RemovePackages { names } => {
                self.remove_packages(names)?;
                Ok(Payload::Nothing)
            }
            Operation::QueryUnit { unit } => Ok(Payload::Unit(self.query_unit(unit))),
            Operation::SetUnit { unit, enabled, action } => {
                self.set_unit(unit, *enabled, *action)?;
                Ok(Payload::Nothing)
            }
            Operation::ReloadUnits => {
                self.reload_units();
                Ok(Payload::Nothing)
            }
            Operation::QueryModules { names } => {
                let loaded = names.iter().filter_map(|name| {
                    let version = self.modules.get(name)?.clone();
                    let users = self.module_users(name);
                    Some((name.clone(), LoadedModule { version, users }))
                });
                Ok(Payload::Modules(loaded.collect()))
            }
            Operation::LoadModule { name } => {
                self.load_module(name).map_err(failed(1))?;
                Ok(Payload::Nothing)
            }
            Operation::UnloadModule { name } => {
                self.unload_module(name).map_err(failed(1))?;
                Ok(Payload::Nothing)
            }
            Operation::ReadSysctl { key } => Ok(Payload::Sysctl(self.sysctl.get(key).cloned())),
            Operation::SetSysctl { key, value } => match self.sysctl.get_mut(key) {
                Some(there) => {
                    value.clone_into(there);
                    Ok(Payload::Nothing)
                }
                None => Err((
                    255,
                    format!("sysctl: cannot stat /proc/sys/{key}: No such file or directory"),
                )),
            },
            Operation::Exec(exec) => {
                let before = (!exec.mutates).then(|| self.clone());
                let output = self.execute_command(&exec.argv);
                if let Some(before) = before
                    && before != *self
                {
                    *self = before;
                    let program = exec.argv.first().cloned().unwrap_or_default();
                    let message = format!("{program} was said to change nothing, and tried to");
                    return Err((output.code, message));
                }
                match exec.expect.contains(&output.code) {
                    true => Ok(Payload::Exec(output)),
                    false => Err((output.code, format!("{}{}", output.stdout, output.stderr))),
                }
            }
            // Nothing takes time here.
            Operation::Pause { .. } => Ok(Payload::Nothing),
            Operation::Facts => Ok(Payload::Facts(self.host_facts())),
            Operation::Reboot { .. } => {
                self.reboot();
                Ok(Payload::Nothing)
            }
            Operation::QueryMounts { points } => {
                let mounted = points
                    .iter()
                    .filter_map(|point| Some((point.clone(), self.mounts.get(point)?.clone())));
                Ok(Payload::Mounts(mounted.collect()))
            }
        }
    }

    fn read_file(&self, path: &str, max_bytes: u64) -> Outcome {
        if path == "/proc/mdstat" {
            let (text, mode, owner) = (self.mdstat(), 0o444, "root:root".to_owned());
            return Ok(Payload::File(Some(FileContent { text, mode, owner })));
        }
        let Some(file) = self.files.get(path) else { return Ok(Payload::File(None)) };
        if file.content.len() as u64 > max_bytes {
            return Err((27, format!("{path} is longer than {max_bytes} bytes")));
        }
        let (text, owner) = (file.content.clone(), file.owner.clone());
        Ok(Payload::File(Some(FileContent { text, mode: file.mode, owner })))
    }

    fn host_facts(&self) -> HostFacts {
        let (os_id, os_version) = self.os.release();
        HostFacts {
            os_id: os_id.to_owned(),
            os_version: os_version.to_owned(),
            kernel: self.kernel.clone(),
            architecture: "x86_64".to_owned(),
            instance_type: Some(self.instance_type.clone()),
            boot_id: format!("{}-boot-{}", self.id, self.boots),
            pci: self.pci(),
        }
    }
}

fn facts(file: &SimulatedFile) -> FileFacts {
    let digest = Sha256::digest(file.content.as_bytes());
    FileFacts {
        bytes: file.content.len() as u64,
        mode: file.mode,
        owner: file.owner.clone(),
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
