//! What can be done to a host, as data.
//!
//! An [`Operation`] is a value: a plan prints it, a [`Batch`] of them travels in one round trip, a
//! transport runs them and answers one [`OperationResult`] each. Operations are neutral of the
//! package manager and run no shell unless an [`Exec`] names one. Nothing is run here.
//!
//! Reading operations never change a host; [`Operation::mutates`] tells them apart, and a plan, a
//! drift check or a dry run sends only those that do not. A write is atomic: after a crash the file
//! has its old content or its new one.

mod batch;
mod display;
mod result;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use batch::Batch;
pub use result::{
    ExecOutput, FileContent, FileFacts, HostFacts, LoadedModule, Mount, OperationResult,
    PackageState, Payload, PciDevice, UnitState,
};

/// One thing to do to a host, or to find out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Reads a text file. A file that is not there is an answer, not a failure.
    ReadFile {
        /// Absolute path.
        path: String,
        /// A longer file fails the operation.
        max_bytes: u64,
    },
    /// Writes a file atomically: beside it, synced, renamed over it. Creates missing folders (0755).
    WriteFile {
        /// Absolute path.
        path: String,
        /// The whole content.
        content: String,
        /// Permission bits, such as `0o644`.
        mode: u32,
        /// Owner and group, such as `root:root`.
        owner: String,
    },
    /// Removes a file; one that is not there is removed already.
    RemoveFile {
        /// Absolute path.
        path: String,
    },
    /// Size, mode, owner and SHA-256 of a file, without its content.
    FileFacts {
        /// Absolute path.
        path: String,
    },
    /// Asks the package database and the configured repositories about packages.
    QueryPackages {
        /// Package names.
        names: Vec<String>,
    },
    /// Fetches the repositories' indexes anew (`apt-get update`, `dnf makecache`).
    RefreshPackageIndex,
    /// Installs packages at exact versions, in one transaction.
    InstallPackages {
        /// The packages.
        packages: Vec<PackageVersion>,
        /// Whether a newer installed version may be replaced by an older one.
        allow_downgrade: bool,
    },
    /// Keeps packages at their version (`apt-mark hold`, `dnf versionlock`).
    HoldPackages {
        /// Package names.
        names: Vec<String>,
    },
    /// Lets packages be changed again.
    UnholdPackages {
        /// Package names.
        names: Vec<String>,
    },
    /// Removes packages, with the dependencies that nothing needs any more (`autoremove`); those
    /// that are not installed are removed already.
    RemovePackages {
        /// Package names.
        names: Vec<String>,
    },
    /// Asks about a systemd unit.
    QueryUnit {
        /// The unit, such as `nvidia-fabricmanager.service`.
        unit: String,
    },
    /// Enables, disables, starts, stops or restarts a systemd unit.
    SetUnit {
        /// The unit.
        unit: String,
        /// Enabled or disabled at boot; untouched if `None`.
        enabled: Option<bool>,
        /// What to do to it now; nothing if `None`.
        action: Option<UnitAction>,
    },
    /// Lets systemd read changed unit files (`systemctl daemon-reload`).
    ReloadUnits,
    /// Asks which of these kernel modules are loaded, and in which version.
    QueryModules {
        /// Module names, with underscores: `nvidia_uvm`.
        names: Vec<String>,
    },
    /// Loads a kernel module with what it depends on (`modprobe`).
    LoadModule {
        /// Module name.
        name: String,
    },
    /// Unloads a kernel module (`modprobe -r`).
    UnloadModule {
        /// Module name.
        name: String,
    },
    /// Reads a kernel parameter.
    ReadSysctl {
        /// Such as `kernel.yama.ptrace_scope`.
        key: String,
    },
    /// Sets a kernel parameter until the next boot.
    SetSysctl {
        /// Such as `kernel.yama.ptrace_scope`.
        key: String,
        /// The value.
        value: String,
    },
    /// Runs a program.
    Exec(Exec),
    /// Asks about the host: system, kernel, PCI devices, instance type.
    Facts,
    /// Restarts the host and waits until it answers again.
    Reboot {
        /// How long to wait for it, in seconds.
        timeout_s: u64,
    },
    /// Waits, for something that takes time by itself.
    Pause {
        /// How long, in seconds.
        seconds: u64,
    },
    /// Asks what is mounted at these places.
    QueryMounts {
        /// Mount points.
        points: Vec<String>,
    },
}

/// A package at an exact version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageVersion {
    /// The package.
    pub name: String,
    /// Its whole version, as the package manager writes it: `580.178.04-0ubuntu0.24.04.1`.
    pub version: String,
}

/// What to do to a running system's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitAction {
    /// Start it, unless it is active.
    Start,
    /// Stop it, unless it is not.
    Stop,
    /// Stop and start it.
    Restart,
}

/// A program to run, without a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment, added to the host's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it reads from its standard input.
    #[serde(default)]
    pub stdin: String,
    /// The exit codes that are a success.
    pub expect: Vec<i32>,
    /// How long it may take, in seconds.
    pub timeout_s: u64,
    /// Whether it changes the host. A query says no.
    pub mutates: bool,
}

impl Exec {
    /// A program that only looks, succeeds with 0, and may take a minute.
    #[must_use]
    pub fn query<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            stdin: String::new(),
            expect: vec![0],
            timeout_s: 60,
            mutates: false,
        }
    }

    /// A program that changes the host, succeeds with 0, and may take ten minutes.
    #[must_use]
    pub fn change<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { timeout_s: 600, mutates: true, ..Self::query(argv) }
    }

    /// The same program with other exit codes that are a success.
    #[must_use]
    pub fn expecting(mut self, codes: impl IntoIterator<Item = i32>) -> Self {
        self.expect = codes.into_iter().collect();
        self
    }

    /// The same program with another time limit, in seconds.
    #[must_use]
    pub fn within(mut self, timeout_s: u64) -> Self {
        self.timeout_s = timeout_s;
        self
    }
}

/// The largest file that a step reads: configuration, not data.
const CONFIGURATION_BYTES: u64 = 1 << 20;

impl Operation {
    /// Reads a configuration file, one MiB at most.
    #[must_use]
    pub fn read(path: impl Into<String>) -> Self {
        Self::ReadFile { path: path.into(), max_bytes: CONFIGURATION_BYTES }
    }

    /// Writes a configuration file: 0644, root.
    #[must_use]
    pub fn write(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self::WriteFile {
            path: path.into(),
            content: content.into(),
            mode: 0o644,
            owner: "root:root".to_owned(),
        }
    }

    /// Whether it changes the host.
    #[must_use]
    pub fn mutates(&self) -> bool {
        match self {
            Self::ReadFile { .. }
            | Self::FileFacts { .. }
            | Self::QueryPackages { .. }
            | Self::QueryUnit { .. }
            | Self::QueryModules { .. }
            | Self::ReadSysctl { .. }
            | Self::Facts
            | Self::Pause { .. }
            | Self::QueryMounts { .. } => false,
            Self::Exec(exec) => exec.mutates,
            Self::WriteFile { .. }
            | Self::RemoveFile { .. }
            | Self::RefreshPackageIndex
            | Self::InstallPackages { .. }
            | Self::HoldPackages { .. }
            | Self::UnholdPackages { .. }
            | Self::RemovePackages { .. }
            | Self::SetUnit { .. }
            | Self::ReloadUnits
            | Self::LoadModule { .. }
            | Self::UnloadModule { .. }
            | Self::SetSysctl { .. }
            | Self::Reboot { .. } => true,
        }
    }
}
