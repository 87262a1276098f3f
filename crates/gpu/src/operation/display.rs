//! One line per operation, as a plan prints it.

use std::fmt;

use super::{Exec, Operation, PackageVersion, UnitAction};

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadFile { path, .. } => write!(f, "read {path}"),
            Self::WriteFile { path, content, mode, owner } => {
                write!(f, "write {path} ({} bytes, {mode:04o} {owner})", content.len())
            }
            Self::RemoveFile { path } => write!(f, "remove {path}"),
            Self::FileFacts { path } => write!(f, "look at {path}"),
            Self::QueryPackages { names } => write!(f, "query packages {}", names.join(" ")),
            Self::RefreshPackageIndex => f.write_str("refresh the package index"),
            Self::InstallPackages { packages, allow_downgrade } => {
                let packages = packages.iter().map(PackageVersion::to_string).collect::<Vec<_>>();
                let downgrade = if *allow_downgrade { " (downgrades allowed)" } else { "" };
                write!(f, "install {}{downgrade}", packages.join(" "))
            }
            Self::HoldPackages { names } => write!(f, "hold {}", names.join(" ")),
            Self::UnholdPackages { names } => write!(f, "unhold {}", names.join(" ")),
            Self::RemovePackages { names } => write!(f, "remove packages {}", names.join(" ")),
            Self::QueryUnit { unit } => write!(f, "query unit {unit}"),
            Self::SetUnit { unit, enabled, action } => {
                let enabled = enabled.map(|enabled| if enabled { "enable" } else { "disable" });
                let action = action.map(|action| match action {
                    UnitAction::Start => "start",
                    UnitAction::Stop => "stop",
                    UnitAction::Restart => "restart",
                });
                let verbs = [enabled, action].into_iter().flatten().collect::<Vec<_>>();
                match verbs.as_slice() {
                    [] => write!(f, "leave {unit} as it is"),
                    verbs => write!(f, "{} {unit}", verbs.join(" and ")),
                }
            }
            Self::ReloadUnits => f.write_str("reload systemd units"),
            Self::QueryModules { names } => write!(f, "query modules {}", names.join(" ")),
            Self::LoadModule { name } => write!(f, "load module {name}"),
            Self::UnloadModule { name } => write!(f, "unload module {name}"),
            Self::ReadSysctl { key } => write!(f, "read sysctl {key}"),
            Self::SetSysctl { key, value } => write!(f, "set sysctl {key} = {value}"),
            Self::Exec(exec) => write!(f, "run {exec}"),
            Self::Facts => f.write_str("gather facts"),
            Self::Reboot { timeout_s } => write!(f, "reboot and wait up to {timeout_s} s"),
            Self::Pause { seconds } => write!(f, "wait {seconds} s"),
            Self::QueryMounts { points } => write!(f, "query mounts {}", points.join(" ")),
        }
    }
}

impl fmt::Display for PackageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.version)
    }
}

impl fmt::Display for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.argv.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                f.write_str(word)?;
            } else {
                write!(f, "{word:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Operation> {
        let name = || "x".to_owned();
        let names = || vec!["x".to_owned(), "y".to_owned()];
        let package = PackageVersion { name: name(), version: "1".to_owned() };
        vec![
            Operation::read("/x"),
            Operation::write("/x", "two\nlines\n"),
            Operation::RemoveFile { path: name() },
            Operation::FileFacts { path: name() },
            Operation::QueryPackages { names: names() },
            Operation::RefreshPackageIndex,
            Operation::InstallPackages { packages: vec![package], allow_downgrade: true },
            Operation::HoldPackages { names: names() },
            Operation::UnholdPackages { names: names() },
            Operation::RemovePackages { names: names() },
            Operation::QueryUnit { unit: name() },
            Operation::SetUnit { unit: name(), enabled: Some(false), action: None },
            Operation::ReloadUnits,
            Operation::QueryModules { names: names() },
            Operation::LoadModule { name: name() },
            Operation::UnloadModule { name: name() },
            Operation::ReadSysctl { key: name() },
            Operation::SetSysctl { key: name(), value: name() },
            Operation::Exec(Exec::change(["sh", "-c", "a\nb"]).within(5).expecting([0, 3])),
            Operation::Facts,
            Operation::Reboot { timeout_s: 900 },
            Operation::Pause { seconds: 60 },
            Operation::QueryMounts { points: names() },
        ]
    }

    #[test]
    fn every_operation_survives_being_sent_and_is_one_line() {
        for operation in one_of_each() {
            let json = serde_json::to_string(&operation).unwrap();
            assert_eq!(serde_json::from_str::<Operation>(&json).unwrap(), operation, "{json}");
            let line = operation.to_string();
            assert!(!line.is_empty() && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn lines_of_a_plan_say_what_will_be_done_of_a_plan() {
        let lines = [
            Operation::write("/etc/nccl.conf", "NCCL_DEBUG=INFO\n"),
            Operation::SetUnit {
                unit: "nvidia-persistenced.service".into(),
                enabled: Some(true),
                action: Some(UnitAction::Start),
            },
            Operation::SetUnit { unit: "x.service".into(), enabled: None, action: None },
            Operation::Exec(Exec::query(["sh", "-c", "echo \"two\nlines\""])),
        ];
        let text = lines.map(|operation| operation.to_string());
        assert_eq!(
            text,
            [
                "write /etc/nccl.conf (16 bytes, 0644 root:root)",
                "enable and start nvidia-persistenced.service",
                "leave x.service as it is",
                "run sh -c \"echo \\\"two\\nlines\\\"\"",
            ]
        );
    }
}
