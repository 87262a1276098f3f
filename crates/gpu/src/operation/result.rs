//! What a host answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compat::Version;
use crate::os::Os;

/// What became of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationResult {
    /// It was done.
    Ok(Payload),
    /// It was not done, or not wholly.
    Failed {
        /// The exit code of the program that failed, where one ran.
        code: Option<i32>,
        /// What it said.
        stderr: String,
    },
    /// It was not tried, because an earlier one failed.
    Skipped,
}

impl OperationResult {
    /// Done, with nothing to say.
    pub const DONE: Self = Self::Ok(Payload::Nothing);

    /// A failure with an exit code.
    #[must_use]
    pub fn failed(code: i32, stderr: impl Into<String>) -> Self {
        Self::Failed { code: Some(code), stderr: stderr.into() }
    }

    /// Whether it was done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok(_))
    }
}

/// What a successful operation brings back; each reading operation has its own kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// Of operations that change something.
    Nothing,
    /// Of `ReadFile`; `None` if there is no such file.
    File(Option<FileContent>),
    /// Of `FileFacts`; `None` if there is no such file.
    FileFacts(Option<FileFacts>),
    /// Of `QueryPackages`, by name; every name that was asked for is in it.
    Packages(BTreeMap<String, PackageState>),
    /// Of `QueryUnit`.
    Unit(UnitState),
    /// Of `QueryModules`: those that are loaded, by name.
    Modules(BTreeMap<String, LoadedModule>),
    /// Of `ReadSysctl`; `None` if there is no such parameter.
    Sysctl(Option<String>),
    /// Of `Exec`.
    Exec(ExecOutput),
    /// Of `Facts`.
    Facts(HostFacts),
    /// Of `QueryMounts`: those that are mounted, by mount point.
    Mounts(BTreeMap<String, Mount>),
}

/// A file with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// The whole text.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group, `root:root`.
    pub owner: String,
}

/// A file without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Size in bytes.
    pub bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group, `root:root`.
    pub owner: String,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
}

/// A package, as the host's package manager knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageState {
    /// The installed version; the newest one of a package that can be installed several times.
    pub installed: Option<String>,
    /// Its further installed versions: kernels of Amazon Linux stand side by side.
    #[serde(default)]
    pub others: Vec<String>,
    /// Whether it is kept at that version.
    pub held: bool,
    /// The versions that the configured repositories offer, newest first.
    pub available: Vec<String>,
}

impl PackageState {
    /// All installed versions, newest first.
    pub fn installed_versions(&self) -> impl Iterator<Item = &str> {
        self.installed.iter().chain(&self.others).map(String::as_str)
    }
}

/// A systemd unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Whether systemd has a file for it.
    pub exists: bool,
    /// Whether it is started at boot.
    pub enabled: bool,
    /// `active`, `inactive`, `failed`: what `systemctl is-active` says.
    pub active: String,
    /// Whether its files changed since systemd read them.
    pub needs_reload: bool,
}

impl UnitState {
    /// Whether it runs, or ran and stays active.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }
}

/// A kernel module that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModule {
    /// `/sys/module/<name>/version`, for modules that have one.
    pub version: Option<String>,
    /// How many users it has.
    pub users: u32,
}

/// What a program left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOutput {
    /// Its exit code, one of those that were expected.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A host in general.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// `ID` of `/etc/os-release`.
    pub os_id: String,
    /// `VERSION_ID` of `/etc/os-release`.
    pub os_version: String,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub architecture: String,
    /// The instance type, from the instance's metadata, where it has one.
    pub instance_type: Option<String>,
    /// Something that changes with every boot (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// The PCI devices of NVIDIA, Mellanox and Amazon (`lspci -Dnn`).
    pub pci: Vec<PciDevice>,
}

impl HostFacts {
    /// The operating system, if it is one that the steps know.
    #[must_use]
    pub fn os(&self) -> Option<Os> {
        Os::of_release(&self.os_id, &self.os_version)
    }

    /// The number at the start of the kernel's release: `6.8.0` of `6.8.0-1069-aws`.
    #[must_use]
    pub fn kernel_version(&self) -> Option<Version> {
        Version::leading(&self.kernel).ok()
    }
}

/// A PCI device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciDevice {
    /// Where it is: `0000:53:00.0`.
    pub slot: String,
    /// Class, four hex digits: `0302` is a 3D controller, `0680` a bridge.
    pub class: String,
    /// Vendor, four hex digits: `10de` is NVIDIA.
    pub vendor: String,
    /// Device, four hex digits: `efa1` of vendor `1d0f` is an EFA.
    pub device: String,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The device: `/dev/md/formwork`.
    pub source: String,
    /// `xfs`.
    pub fstype: String,
    /// Its options, as the kernel shows them.
    pub options: String,
    /// Capacity in bytes.
    pub bytes: u64,
}
