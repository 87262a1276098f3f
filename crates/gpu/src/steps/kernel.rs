//! The kernel: installed, started at boot, kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::packages::{PackagePlan, Pin, Wanted};
use super::{Difference, Next, Step, StepError};
use crate::operation::{Exec, Operation, OperationResult, PackageState};
use crate::os::{Os, PackageManager};

/// Pins a node to one exact kernel.
///
/// A driver's modules are built for one kernel, and an unpinned upgrade changes the kernel under
/// them: on Ubuntu 24.04 the rolling `linux-aws` jumps from 6.8 to 7.0. The step installs image and
/// headers, makes the kernel the one that is booted, holds its packages and the metapackages that
/// would bring another one, and reboots if another one runs.
///
/// **Removal** lets the packages be upgraded again and gives the choice of the kernel back to the
/// boot loader. The running kernel stays until the next boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelPin {
    /// The operating system.
    pub os: Os,
    /// `uname -r` of the kernel: `6.8.0-1069-aws`, `6.12.58-82.121.amzn2023.x86_64`.
    pub release: String,
    /// How long to wait for the host after a reboot, in seconds; metal instances take long.
    pub reboot_timeout_s: u64,
}

/// What there is of kernels on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelPinObserved {
    /// The running kernel.
    pub running: String,
    /// The kernel that will be booted, where the boot loader was told.
    pub boots: Option<String>,
    /// The packages of the kernel, and the metapackages.
    pub packages: BTreeMap<String, PackageState>,
}

const GRUB_FILE: &str = "/etc/default/grub.d/90-formwork-kernel.cfg";

impl KernelPin {
    /// A pin on `release` with a reboot time limit of 15 minutes.
    #[must_use]
    pub fn new(os: Os, release: impl Into<String>) -> Self {
        Self { os, release: release.into(), reboot_timeout_s: 900 }
    }

    fn packages(&self) -> Vec<Wanted> {
        match self.os.package_manager() {
            PackageManager::Apt => {
                let kinds = ["image", "modules", "headers"];
                let name = |kind| format!("linux-{kind}-{}", self.release);
                kinds.map(|kind| Wanted::new(name(kind), Pin::Any)).to_vec()
            }
            // The package of Amazon Linux's first kernel has no number in its name.
            PackageManager::Dnf => {
                let version = self.release.trim_end_matches(".x86_64").trim_end_matches(".aarch64");
                let series = version.split('.').take(2).collect::<Vec<_>>().join(".");
                let name =
                    if series == "6.1" { "kernel".to_owned() } else { format!("kernel{series}") };
                let pin = Pin::Exact(version.to_owned());
                vec![Wanted::new(format!("{name}-devel"), pin.clone()), Wanted::new(name, pin)]
            }
        }
    }

    /// Packages that would bring another kernel when they are upgraded.
    fn metapackages(&self) -> Vec<String> {
        let flavours = match self.os {
            Os::Ubuntu2204 => ["aws", "aws-lts-22.04"],
            Os::Ubuntu2404 => ["aws", "aws-lts-24.04"],
            _ => return Vec::new(),
        };
        let names = flavours.iter().flat_map(|flavour| {
            ["linux-", "linux-image-", "linux-headers-"].map(|prefix| format!("{prefix}{flavour}"))
        });
        names.collect()
    }

    fn grub_file(&self) -> String {
        format!(
            "# Made by formwork: the kernel that this node is pinned to.\n\
             GRUB_DEFAULT=\"Advanced options for Ubuntu>Ubuntu, with Linux {}\"\n",
            self.release
        )
    }

    fn boot_it(&self) -> Vec<Operation> {
        match self.os.package_manager() {
            PackageManager::Apt => vec![
                Operation::write(GRUB_FILE, self.grub_file()),
                Operation::Exec(Exec::change(["update-grub"])),
            ],
            PackageManager::Dnf => {
                let image = format!("/boot/vmlinuz-{}", self.release);
                vec![Operation::Exec(Exec::change(["grubby", "--set-default", &image]))]
            }
        }
    }
}

impl Step for KernelPin {
    const NAME: &'static str = "kernel pin";
    type Observed = KernelPinObserved;

    fn problems(&self) -> Vec<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+~".contains(c);
        if self.release.starts_with(|c: char| c.is_ascii_digit()) && self.release.chars().all(plain)
        {
            return Vec::new();
        }
        vec![format!("`{}` is not a kernel release such as 6.8.0-1069-aws", self.release)]
    }

    fn probe(&self) -> crate::operation::Batch {
        let names = self.packages().into_iter().map(|package| package.name);
        let names = names.chain(self.metapackages()).collect();
        let boots = match self.os.package_manager() {
            PackageManager::Apt => Operation::read(GRUB_FILE),
            PackageManager::Dnf => Operation::Exec(Exec::query(["grubby", "--default-kernel"])),
        };
        crate::operation::Batch::probe([
            Operation::Facts,
            Operation::QueryPackages { names },
            boots,
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<KernelPinObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        let running = answers.facts(self.os)?.kernel.clone();
        let packages = answers.packages()?.clone();
        let boots = match self.os.package_manager() {
            PackageManager::Apt => answers.file()?.map(|file| {
                let line = file.text.lines().find_map(|line| line.strip_prefix("GRUB_DEFAULT="));
                let release = line.and_then(|line| line.trim_matches('"').rsplit(' ').next());
                release.unwrap_or_default().to_owned()
            }),
            PackageManager::Dnf => {
                let image = answers.exec()?.stdout.trim();
                Some(image.trim_start_matches("/boot/vmlinuz-").to_owned())
            }
        };
        Ok(KernelPinObserved { running, boots, packages })
    }

    fn converge(&self, observed: &KernelPinObserved) -> Next {
        let mut wanted = self.packages();
        let metas = self.metapackages().into_iter().filter(|name| {
            observed.packages.get(name).is_some_and(|package| package.installed.is_some())
        });
        wanted.extend(metas.map(|name| Wanted::new(name, Pin::Any)));
        let plan = PackagePlan::of(&wanted, &observed.packages, true);
        let mut operations = plan.operations();
        let mut differences = plan.differences;
        let offered = !operations.contains(&Operation::RefreshPackageIndex);
        let boots_it = observed.boots.as_deref() == Some(&self.release);
        if !boots_it {
            let is = observed.boots.as_deref().unwrap_or("the boot loader's choice");
            differences.push(Difference::new("kernel at boot", is, &self.release));
        }
        let runs_it = observed.running == self.release;
        if !runs_it {
            let running = &observed.running;
            differences.push(Difference::new("running kernel", running, &self.release));
        }
        if offered {
            // The menu is made anew also when only the kernel has to be started: a run that was cut
            // short may have written the file and no more.
            if !boots_it || !runs_it {
                operations.extend(self.boot_it());
            }
            if !runs_it {
                operations.push(Operation::Reboot { timeout_s: self.reboot_timeout_s });
            }
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &KernelPinObserved) -> Next {
        let held = observed.packages.iter().filter(|(_, package)| package.held);
        let held = held.map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        if !held.is_empty() {
            let names = held.join(" ");
            differences.push(Difference::new(
                "kernel packages",
                format!("held: {names}"),
                "not held",
            ));
            operations.push(Operation::UnholdPackages { names: held });
        }
        // What grubby was told cannot be untold: its answer is the same for a choice and a default.
        if self.os.package_manager() == PackageManager::Apt
            && let Some(boots) = &observed.boots
        {
            let choice = "the boot loader's choice";
            differences.push(Difference::new("kernel at boot", boots, choice));
            // The menu first: cut short in between, the file is still there to be seen.
            operations
                .push(Operation::write(GRUB_FILE, "# Made by formwork: no kernel is pinned.\n"));
            operations.push(Operation::Exec(Exec::change(["update-grub"])));
            operations.push(Operation::RemoveFile { path: GRUB_FILE.to_owned() });
        }
        Next::change(differences, operations)
    }
}
