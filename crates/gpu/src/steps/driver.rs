//! The NVIDIA driver: installed, built for the running kernel, loaded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::packages::{PackagePlan, Pin, Wanted, removal};
use super::{Difference, Next, Step, StepError, smi};
use crate::compat::{Compatibility, KernelModules, Version};
use crate::operation::{Batch, Exec, Operation, OperationResult, PackageState, UnitAction};
use crate::os::{Os, PackageManager};

/// Installs one exact version of the driver, keeps it, and sees to it that it is the loaded one.
///
/// Three versions have to agree: what is installed for the kernel (`modinfo`), what is loaded
/// (`/sys/module/nvidia/version`), and the user space (`nvidia-smi`). An upgrade that changes only
/// some of them leaves a node on which nothing runs, so all three are looked at every time. A fabric
/// manager that is installed already is upgraded in the same transaction, because it must never
/// have another version than the driver.
///
/// **Removal** removes the packages, with a fabric manager of the same version, and the block on
/// nouveau. A loaded module stays until the next boot, and Amazon Linux's module stream stays
/// enabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// The operating system.
    pub os: Os,
    /// `uname -r` of the kernel that the node is pinned to.
    pub kernel_release: String,
    /// The driver's version: `580.178.04`.
    pub version: Version,
    /// Open or proprietary kernel modules.
    pub modules: KernelModules,
    /// Where the packages come from.
    pub source: PackageSource,
    /// How a new driver takes the place of one that is loaded.
    pub activation: Activation,
    /// How long to wait for the host after a reboot, in seconds.
    pub reboot_timeout_s: u64,
}

/// Where NVIDIA's packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageSource {
    /// Ubuntu's archive: modules that are built and signed for one exact kernel, and only the
    /// newest version of each branch. Amazon Linux has no such packages.
    Distribution,
    /// NVIDIA's repository: every version, modules built on the node (DKMS).
    Nvidia,
}

/// How a new driver takes the place of one that is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// By a reboot: always works, and takes minutes.
    #[default]
    Reboot,
    /// By stopping the daemons and unloading the modules: seconds, and fails while anything uses a
    /// GPU.
    Reload,
}

/// What there is of the driver on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverObserved {
    /// The running kernel.
    pub kernel: String,
    /// The driver's packages, of all branches.
    pub packages: BTreeMap<String, PackageState>,
    /// The content of our block on nouveau.
    pub blacklist: Option<String>,
    /// The enabled module stream, on Amazon Linux.
    pub stream: Option<String>,
    /// The version of the module that is installed for the running kernel.
    pub on_disk: Option<String>,
    /// The version of the module that is loaded.
    pub loaded: Option<String>,
    /// Which further modules of the driver are loaded.
    pub loaded_modules: Vec<String>,
    /// Whether nouveau is loaded.
    pub nouveau: bool,
    /// What `nvidia-smi` says that it is, or why it says nothing.
    pub user_space: Result<String, String>,
}

const BLACKLIST_FILE: &str = "/etc/modprobe.d/formwork-nouveau.conf";
const BLACKLIST: &str = "# Made by formwork: nouveau keeps the NVIDIA driver from its GPUs.\n\
                         blacklist nouveau\nblacklist lbm-nouveau\noptions nouveau modeset=0\n\
                         alias nouveau off\n";
const STREAM_FILE: &str = "/etc/dnf/modules.d/nvidia-driver.module";

/// The order in which NVIDIA's k8s-driver-manager unloads modules.
const UNLOAD_ORDER: [&str; 7] = [
    "nvidia_modeset",
    "nvidia_uvm",
    "nvidia_peermem",
    "nvidia_fs",
    "nvidia_vgpu_vfio",
    "gdrdrv",
    "nvidia",
];
const DAEMONS: [&str; 3] =
    ["nvidia-dcgm.service", "nvidia-fabricmanager.service", "nvidia-persistenced.service"];

impl Driver {
    /// A driver with open kernel modules, from Ubuntu's archive where there is one, activated by a
    /// reboot.
    #[must_use]
    pub fn new(os: Os, kernel_release: impl Into<String>, version: Version) -> Self {
        let source = match os.package_manager() {
            PackageManager::Apt => PackageSource::Distribution,
            PackageManager::Dnf => PackageSource::Nvidia,
        };
        Self {
            os,
            kernel_release: kernel_release.into(),
            version,
            modules: KernelModules::Open,
            source,
            activation: Activation::default(),
            reboot_timeout_s: 900,
        }
    }

    fn pin(&self) -> Pin {
        build_pin(self.os, self.source, &self.version)
    }

    /// The packages of this driver, those first that the others build on.
    fn packages(&self) -> Vec<Wanted> {
        let (branch, kernel) = (self.version.branch(), &self.kernel_release);
        let open = self.modules == KernelModules::Open;
        let suffix = if open { "-open" } else { "" };
        match (self.os.package_manager(), self.source) {
            (PackageManager::Apt, PackageSource::Distribution) => vec![
                Wanted::new(
                    format!("linux-modules-nvidia-{branch}-server{suffix}-{kernel}"),
                    Pin::Any,
                ),
                Wanted::new(format!("nvidia-headless-no-dkms-{branch}-server{suffix}"), self.pin()),
                Wanted::new(format!("nvidia-utils-{branch}-server"), self.pin()),
            ],
            (PackageManager::Apt, PackageSource::Nvidia) => {
                let meta = if open { "nvidia-open" } else { "cuda-drivers" };
                let mut wanted = vec![Wanted::new(format!("linux-headers-{kernel}"), Pin::Any)];
                // From 590 on the branch is no longer in the name, and a package pins the version.
                if branch >= 590 {
                    let pinning = format!("nvidia-driver-pinning-{}", self.version);
                    wanted.push(Wanted::new(pinning, Pin::Any));
                    wanted.push(Wanted::new(meta, self.pin()));
                } else {
                    wanted.push(Wanted::new(format!("{meta}-{branch}"), self.pin()));
                }
                wanted
            }
            (PackageManager::Dnf, _) => {
                let module = if open { "kmod-nvidia-open-dkms" } else { "kmod-nvidia-latest-dkms" };
                let names = [module, "nvidia-driver-cuda", "nvidia-persistenced"];
                names.map(|name| Wanted::new(name, self.pin())).to_vec()
            }
        }
    }

    /// The module stream that has this driver.
    fn stream(&self) -> Option<String> {
        let branch = self.version.branch();
        let kind = if self.modules == KernelModules::Open { "open" } else { "dkms" };
        let dnf = self.os.package_manager() == PackageManager::Dnf;
        dnf.then(|| format!("{branch}-{kind}"))
    }

    /// Packages of other branches, sources and kinds that cannot stay beside this driver.
    fn rivals(&self) -> Vec<String> {
        let wanted = self.packages().into_iter().map(|package| package.name).collect::<Vec<_>>();
        let fabric = fabric_manager_package(self.os, self.source, &self.version);
        let mut names = Vec::new();
        match self.os.package_manager() {
            PackageManager::Apt => {
                let mut branches = Compatibility::get().driver_branches.iter();
                let mut branches =
                    branches.by_ref().map(|branch| branch.branch).collect::<Vec<_>>();
                branches.push(self.version.branch());
                branches.sort_unstable();
                branches.dedup();
                // The modules for another kernel of this system hold their own driver branch.
                let kernels = Compatibility::get().distro_kernels.iter();
                let kernels = kernels.filter(|row| row.os == self.os.key());
                let mut kernels: Vec<&str> =
                    kernels.filter_map(|row| row.release.as_deref()).collect();
                kernels.push(&self.kernel_release);
                kernels.sort_unstable();
                kernels.dedup();
                for branch in branches {
                    for suffix in ["-open", ""] {
                        names.extend(kernels.iter().map(|kernel| {
                            format!("linux-modules-nvidia-{branch}-server{suffix}-{kernel}")
                        }));
                        names.push(format!("nvidia-headless-no-dkms-{branch}-server{suffix}"));
                    }
                    names.push(format!("nvidia-utils-{branch}-server"));
                    names.push(format!("nvidia-open-{branch}"));
                    names.push(format!("cuda-drivers-{branch}"));
                    names.push(format!("nvidia-fabricmanager-{branch}"));
                }
                names.extend(
                    ["nvidia-open", "cuda-drivers", "nvidia-fabricmanager"].map(str::to_owned),
                );
            }
            PackageManager::Dnf => {
                let kinds = ["kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms"];
                names.extend(kinds.map(str::to_owned));
                let fabric = ["nvidia-fabricmanager", "nvidia-fabric-manager"];
                names.extend(fabric.map(str::to_owned));
            }
        }
        names.retain(|name| !wanted.contains(name) && *name != fabric);
        names
    }

    fn change_packages(&self, observed: &DriverObserved) -> PackagePlan {
        let mut wanted = self.packages();
        let fabric = fabric_manager_package(self.os, self.source, &self.version);
        if observed.packages.get(&fabric).is_some_and(|package| package.installed.is_some()) {
            wanted.push(Wanted::new(fabric, self.pin()));
        }
        let mut plan = PackagePlan::of(&wanted, &observed.packages, true);
        let rivals = self.rivals();
        plan.and_remove(rivals.iter().map(String::as_str), &observed.packages);
        plan
    }

    /// What makes the installed driver the loaded one.
    fn activate(&self, observed: &DriverObserved) -> Vec<Operation> {
        let version = self.version.as_str();
        if observed.nouveau || (observed.loaded.is_some() && self.activation == Activation::Reboot)
        {
            return vec![Operation::Reboot { timeout_s: self.reboot_timeout_s }];
        }
        let mut operations = Vec::new();
        if observed.loaded.as_deref().is_some_and(|loaded| loaded != version) {
            operations.extend(DAEMONS.map(|unit| Operation::SetUnit {
                unit: unit.to_owned(),
                enabled: None,
                action: Some(UnitAction::Stop),
            }));
            let loaded = UNLOAD_ORDER.into_iter().filter(|name| {
                *name == "nvidia" || observed.loaded_modules.iter().any(|module| module == name)
            });
            operations.extend(loaded.map(|name| Operation::UnloadModule { name: name.to_owned() }));
        }
        operations.push(Operation::LoadModule { name: "nvidia".to_owned() });
        operations
    }

    fn rebuild_initial_fs(&self) -> Operation {
        let kernel = self.kernel_release.as_str();
        Operation::Exec(match self.os.package_manager() {
            PackageManager::Apt => Exec::change(["update-initramfs", "-u", "-k", kernel]),
            PackageManager::Dnf => Exec::change(["dracut", "-f", "--kver", kernel]),
        })
    }
}

/// The pin for a package of the driver's version from that source.
pub(super) fn build_pin(os: Os, source: PackageSource, version: &Version) -> Pin {
    match (os.package_manager(), source) {
        (PackageManager::Apt, PackageSource::Distribution) => Pin::UbuntuBuild(version.clone()),
        (PackageManager::Apt, PackageSource::Nvidia) => Pin::VendorBuild(version.clone()),
        (PackageManager::Dnf, _) => Pin::Upstream(version.clone()),
    }
}

/// The fabric manager's package for a driver version.
///
/// Ubuntu's archive and NVIDIA's repository below 590 have the branch in the name; RPMs below 580
/// have a dash in the middle (amazon-eks-ami, `install-nvidia-driver.sh`).
pub(super) fn fabric_manager_package(os: Os, source: PackageSource, version: &Version) -> String {
    let branch = version.branch();
    match (os.package_manager(), source) {
        (PackageManager::Apt, PackageSource::Nvidia) if branch >= 590 => {
            "nvidia-fabricmanager".into()
        }
        (PackageManager::Apt, _) => format!("nvidia-fabricmanager-{branch}"),
        (PackageManager::Dnf, _) if branch >= 580 => "nvidia-fabricmanager".into(),
        (PackageManager::Dnf, _) => "nvidia-fabric-manager".into(),
    }
}

impl Step for Driver {
    const NAME: &'static str = "NVIDIA driver";
    type Observed = DriverObserved;

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.os.package_manager() == PackageManager::Dnf
            && self.source == PackageSource::Distribution
        {
            problems.push(format!("{} has no NVIDIA driver in its own repositories", self.os));
        }
        problems
    }

    fn probe(&self) -> Batch {
        let fabric = fabric_manager_package(self.os, self.source, &self.version);
        let names = self.packages().into_iter().map(|package| package.name);
        let names = names.chain([fabric]).chain(self.rivals()).collect();
        let modules = UNLOAD_ORDER.into_iter().chain(["nouveau"]);
        let modinfo = Exec::query(["modinfo", "-F", "version", "nvidia"]).expecting([0, 1]);
        Batch::probe([
            Operation::Facts,
            Operation::QueryPackages { names },
            Operation::read(BLACKLIST_FILE),
            Operation::read(STREAM_FILE),
            Operation::QueryModules { names: modules.map(str::to_owned).collect() },
            Operation::Exec(modinfo),
            Operation::Exec(smi::query(&["driver_version"])),
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<DriverObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        let kernel = answers.facts(self.os)?.kernel.clone();
        let packages = answers.packages()?.clone();
        let blacklist = answers.file()?.map(|file| file.text.clone());
        let stream = answers.file()?.and_then(|file| {
            let enabled = file.text.lines().any(|line| line.trim() == "state=enabled");
            let stream = file.text.lines().find_map(|line| line.strip_prefix("stream="));
            stream.filter(|_| enabled).map(|stream| stream.trim().to_owned())
        });
        let modules = answers.modules()?;
        let loaded = modules.get("nvidia").map(|module| {
            module.version.clone().unwrap_or_else(|| "of unknown version".to_owned())
        });
        let nouveau = modules.contains_key("nouveau");
        let loaded_modules = modules.keys().filter(|name| *name != "nouveau").cloned().collect();
        let modinfo = answers.exec()?;
        let on_disk = (modinfo.code == 0).then(|| modinfo.stdout.trim().to_owned());
        let smi = answers.exec()?;
        let first = smi.stdout.lines().next().unwrap_or("").trim().to_owned();
        let user_space = match smi.code {
            0 => Ok(first),
            127 => Err("nvidia-smi is not installed".to_owned()),
            code => Err(format!("exit {code}: {first}")),
        };
        Ok(DriverObserved {
            kernel,
            packages,
            blacklist,
            stream,
            on_disk,
            loaded,
            loaded_modules,
            nouveau,
            user_space,
        })
    }

    fn converge(&self, observed: &DriverObserved) -> Next {
        if observed.kernel != self.kernel_release {
            return Next::blocked(format!(
                "the driver is for kernel {}, and {} runs: pin the kernel first",
                self.kernel_release, observed.kernel
            ));
        }
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        if observed.blacklist.as_deref() != Some(BLACKLIST) || observed.nouveau {
            let is = if observed.nouveau { "loaded" } else { "not blocked" };
            differences.push(Difference::new("nouveau", is, "blocked"));
            operations.push(Operation::write(BLACKLIST_FILE, BLACKLIST));
            if observed.nouveau {
                operations.push(self.rebuild_initial_fs());
            }
        }
        if let Some(stream) = self.stream()
            && observed.stream.as_ref() != Some(&stream)
        {
            let is = observed.stream.clone().unwrap_or_else(|| "none".to_owned());
            differences.push(Difference::new("module stream nvidia-driver", is, &stream));
            let reset = ["dnf", "-y", "module", "reset", "nvidia-driver"];
            let enable = format!("nvidia-driver:{stream}");
            operations.push(Operation::Exec(Exec::change(reset)));
            operations
                .push(Operation::Exec(Exec::change(["dnf", "-y", "module", "enable", &enable])));
            // What the stream offers is only seen after this.
            return Next::change(differences, operations);
        }
        let plan = self.change_packages(observed);
        if !plan.is_empty() {
            operations.extend(plan.operations());
            let replaces = plan.replaces();
            differences.extend(plan.differences);
            if replaces {
                return Next::change(differences, operations);
            }
        }
        let version = self.version.as_str();
        if plan_is_settled(&differences) && observed.on_disk.as_deref() != Some(version) {
            let is = observed.on_disk.as_deref().unwrap_or("none");
            return Next::blocked(format!(
                "the packages of driver {version} are installed, and the module for kernel {} is \
                 {is}: it was not built",
                observed.kernel
            ));
        }
        let loaded = observed.loaded.as_deref();
        if loaded != Some(version) {
            let is = loaded.unwrap_or("none");
            differences.push(Difference::new("loaded driver", is, version));
            operations.extend(self.activate(observed));
        } else if observed.user_space.as_deref() != Ok(version) && plan_is_settled(&differences) {
            let is = observed.user_space.as_ref().unwrap_or_else(|problem| problem);
            return Next::blocked(format!("driver {version} is loaded, and nvidia-smi says: {is}"));
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &DriverObserved) -> Next {
        let mut names = self.packages().into_iter().map(|package| package.name).collect::<Vec<_>>();
        // The headers belong to the kernel.
        names.retain(|name| !name.starts_with("linux-headers-"));
        names.push(fabric_manager_package(self.os, self.source, &self.version));
        let (mut differences, mut operations) = removal(&names, &observed.packages);
        if observed.blacklist.is_some() {
            differences.push(Difference::new("nouveau", "blocked", "not blocked"));
            operations.push(Operation::RemoveFile { path: BLACKLIST_FILE.to_owned() });
        }
        Next::change(differences, operations)
    }
}

/// Whether the packages need no change: nothing of the rest can be judged before.
fn plan_is_settled(differences: &[Difference]) -> bool {
    differences.iter().all(|difference| !difference.what.starts_with("package "))
}
