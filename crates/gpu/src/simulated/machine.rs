//! The state of one simulated host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::catalogue::{Package, System, relation};
use super::gpu::SimulatedGpu;
use super::storage::{SimulatedArray, SimulatedDisk};
use crate::instance_type::InstanceType;
use crate::operation::{Mount, PciDevice};
use crate::os::{Os, PackageManager};

/// A simulated host; every field can be edited to play drift or damage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The host's identity.
    pub id: String,
    /// Its instance type.
    pub instance_type: String,
    /// Its operating system.
    pub os: Os,
    /// How often it was booted.
    pub boots: u64,
    /// The running kernel, `uname -r`.
    pub kernel: String,
    /// The kernel that the boot loader was told to start, if it was told.
    pub default_kernel: Option<String>,
    /// A fault: the boot loader ignores what it was told and starts the kernel that ran before.
    pub boots_old_kernel: bool,
    /// Whether the kernel has nouveau, and loads it at boot unless it is blocked.
    pub has_nouveau: bool,
    /// Kernels whose initial file system blocks nouveau.
    pub nouveau_blocked: BTreeSet<String>,
    /// Installed packages.
    pub packages: BTreeMap<String, InstalledPackage>,
    /// Repositories whose index has been fetched (apt).
    pub indexed: BTreeSet<String>,
    /// Whether the image has Ubuntu's multiverse enabled.
    pub multiverse: bool,
    /// Files, by absolute path.
    pub files: BTreeMap<String, SimulatedFile>,
    /// Units that systemd knows, or that have been started.
    pub units: BTreeMap<String, SimulatedUnit>,
    /// Loaded kernel modules and their versions.
    pub modules: BTreeMap<String, Option<String>>,
    /// Kernel parameters.
    pub sysctl: BTreeMap<String, String>,
    /// GPUs, by index.
    pub gpus: Vec<SimulatedGpu>,
    /// NVSwitches on the board.
    pub nvswitches: u32,
    /// EFA devices that the instance was launched with.
    pub efa_devices: u32,
    /// Local NVMe disks.
    pub disks: Vec<SimulatedDisk>,
    /// What the disks are joined to, by device name.
    pub arrays: BTreeMap<String, SimulatedArray>,
    /// What is mounted where.
    pub mounts: BTreeMap<String, Mount>,
    /// Sequential reads that `fio` measures on the joined disks, in MB/s. Made up: 3,000 per disk.
    pub scratch_mb_s: u64,
    /// Random reads per second that `fio` measures: what AWS publishes for the type, or 1.
    pub scratch_iops: u64,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Its versions, newest first; one, but for kernels of Amazon Linux.
    pub versions: Vec<String>,
    /// Whether it is kept at its version.
    pub held: bool,
    /// Whether it came as a dependency of another one.
    pub automatic: bool,
}

/// A file of a simulated host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedFile {
    /// Its content.
    pub content: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner and group.
    pub owner: String,
}

/// A systemd unit of a simulated host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedUnit {
    /// Whether it is started at boot.
    pub enabled: bool,
    /// `active`, `inactive` or `failed`.
    pub active: String,
    /// Its file and drop-ins, as systemd last read them.
    pub loaded: Option<String>,
    /// What it was started with: the version of its package, or its file. An upgrade does not
    /// change what runs.
    pub runs: Option<String>,
}

impl Machine {
    /// A freshly launched instance, as its image is.
    pub(super) fn launch(id: &str, instance_type: &InstanceType, os: Os) -> Self {
        let system = System::of(os);
        let storage = instance_type.storage.as_ref();
        let disks = storage.map_or(0, |storage| storage.disks);
        let mut machine = Self {
            id: id.to_owned(),
            instance_type: instance_type.name.clone(),
            os,
            boots: 1,
            kernel: system.kernel.clone(),
            default_kernel: None,
            boots_old_kernel: false,
            has_nouveau: false,
            nouveau_blocked: BTreeSet::new(),
            packages: BTreeMap::new(),
            indexed: BTreeSet::new(),
            multiverse: true,
            files: BTreeMap::new(),
            units: BTreeMap::new(),
            modules: BTreeMap::new(),
            sysctl: [("kernel.yama.ptrace_scope".to_owned(), "1".to_owned())].into(),
            gpus: SimulatedGpu::of_type(instance_type),
            nvswitches: if instance_type.nvswitch { 4 } else { 0 },
            efa_devices: instance_type.network.efa_max,
            disks: (0..disks)
                .map(|at| SimulatedDisk::new(id, at, storage.map_or(0, |s| s.disk_gb)))
                .collect(),
            arrays: BTreeMap::new(),
            mounts: BTreeMap::new(),
            scratch_mb_s: 3_000 * u64::from(disks),
            scratch_iops: storage.and_then(|storage| storage.read_iops).unwrap_or(1),
        };
        let path = "PATH=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n";
        if os.package_manager() == PackageManager::Apt {
            machine.put("/etc/environment", path);
        }
        for text in &system.installed {
            let (name, version) = relation(text);
            let package = system.packages.iter().find(|package| {
                package.name == name && version.is_none_or(|version| package.version == version)
            });
            if let Some(package) = package {
                let (versions, held, automatic) = (vec![package.version.clone()], false, false);
                let installed = InstalledPackage { versions, held, automatic };
                machine.packages.insert(package.name.clone(), installed);
            }
        }
        machine.start_kernel();
        machine
    }

    /// Puts a file there, 0644 and root's.
    pub fn put(&mut self, path: &str, content: &str) {
        let (content, owner) = (content.to_owned(), "root:root".to_owned());
        self.files.insert(path.to_owned(), SimulatedFile { content, mode: 0o644, owner });
    }

    /// Everything that is installed, as the catalogue knows it.
    pub(super) fn installed(&self) -> impl Iterator<Item = &'static Package> {
        let system = System::of(self.os);
        self.packages.iter().flat_map(move |(name, installed)| {
            let versions = installed.versions.iter();
            versions.filter_map(move |version| system.package(name, version))
        })
    }

    /// Whether an installed package brings this command.
    pub(super) fn has_command(&self, command: &str) -> bool {
        self.installed().any(|package| package.gives.commands.iter().any(|given| given == command))
    }

    /// The driver's user space, by version.
    pub(super) fn user_space(&self) -> Option<&'static str> {
        self.installed().find_map(|package| package.gives.user_space.as_deref())
    }

    /// The driver version whose modules are built for `kernel`, and whether they are the open ones.
    pub(super) fn driver_for(&self, kernel: &str) -> Option<(&'static str, bool)> {
        let ready = self.installed().filter_map(|package| package.gives.modules.as_ref());
        let ready = ready.filter(|modules| modules.kernel == kernel);
        if let Some(modules) = ready.last() {
            return Some((&modules.driver, modules.open));
        }
        let headers = self.installed().filter_map(|package| package.gives.headers.as_deref());
        if !headers.into_iter().any(|headers| headers == kernel) {
            return None;
        }
        let dkms = self.installed().find_map(|package| package.gives.dkms.as_ref())?;
        Some((&dkms.driver, dkms.open))
    }

    /// The loaded driver, by version.
    pub(super) fn loaded_driver(&self) -> Option<&str> {
        self.modules.get("nvidia").and_then(|version| version.as_deref())
    }

    pub(super) fn pci(&self) -> Vec<PciDevice> {
        let device = |slot: String, class: &str, vendor: &str, device: &str| PciDevice {
            slot,
            class: class.to_owned(),
            vendor: vendor.to_owned(),
            device: device.to_owned(),
        };
        let gpus = self.gpus.iter().filter(|gpu| !gpu.off_the_bus);
        let gpus = gpus.map(|gpu| device(format!("0000:{}", gpu.bus), "0302", "10de", "2330"));
        let switches = (0..self.nvswitches)
            .map(|at| device(format!("0000:{:02x}:00.0", 0xc0 + at), "0680", "10de", "22a3"));
        let efas = (0..self.efa_devices).map(|at| {
            device(format!("0000:{:02x}:{:02x}.0", 0x40 + at / 32, at % 32), "0200", "1d0f", "efa2")
        });
        gpus.chain(switches).chain(efas).collect()
    }
}
