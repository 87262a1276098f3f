//! The local disks, joined to one file system.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::packages::{PackagePlan, Pin, Wanted};
use super::{Difference, Next, Step, StepError, scratch_script};
use crate::operation::{
    Batch, Exec, Mount, Operation, OperationResult, PackageState, UnitAction, UnitState,
};
use crate::os::Os;

/// Joins the local NVMe disks of an instance to one scratch file system.
///
/// The disks are empty after every stop of the instance, so nothing of it stands in `/etc/fstab`: a
/// unit joins, formats and mounts them at boot, or finds them as they were after a reboot. It
/// formats nothing that has a file system.
///
/// **Removal** disables the unit and removes it with its script. What is mounted stays mounted, and
/// the data stays on the disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scratch {
    /// The operating system.
    pub os: Os,
    /// Where it is mounted: `/scratch`.
    pub mount_point: String,
    /// How many local disks the instance has.
    pub disks: u32,
    /// How they are joined.
    pub layout: Layout,
    /// How much of a disk is used before the next one, in KiB.
    pub chunk_kib: u32,
    /// The file system.
    pub file_system: FileSystem,
    /// Mount options, with commas.
    pub options: String,
}

/// How disks are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Software RAID 0 (`mdadm`).
    #[default]
    Raid0,
    /// A striped logical volume.
    Lvm,
}

impl Layout {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raid0 => "raid0",
            Self::Lvm => "lvm",
        }
    }

    /// The device that holds the file system.
    #[must_use]
    pub fn device(self) -> &'static str {
        scratch_script::device(self.name())
    }
}

/// A file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSystem {
    /// XFS.
    #[default]
    Xfs,
    /// ext4.
    Ext4,
}

impl FileSystem {
    fn name(self) -> &'static str {
        match self {
            Self::Xfs => "xfs",
            Self::Ext4 => "ext4",
        }
    }
}

/// What there is of the scratch file system on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScratchObserved {
    /// The tools' packages.
    pub packages: BTreeMap<String, PackageState>,
    /// The content of the script, and its permission bits.
    pub script: Option<(String, u32)>,
    /// The content of the unit.
    pub unit_file: Option<String>,
    /// The unit.
    pub unit: UnitState,
    /// What is mounted there.
    pub mount: Option<Mount>,
    /// How many disks are joined, and with which chunk in KiB where that is known.
    pub members: Option<(u32, Option<u32>)>,
}

const UNIT: &str = "formwork-scratch.service";
const UNIT_FILE: &str = "/etc/systemd/system/formwork-scratch.service";

impl Scratch {
    /// All `disks` in a RAID 0 with chunks of 64 KiB, xfs without access times.
    #[must_use]
    pub fn new(os: Os, mount_point: impl Into<String>, disks: u32) -> Self {
        Self {
            os,
            mount_point: mount_point.into(),
            disks,
            layout: Layout::default(),
            chunk_kib: 64,
            file_system: FileSystem::default(),
            options: "noatime,nodiratime".to_owned(),
        }
    }

    fn packages(&self) -> Vec<Wanted> {
        let join = match self.layout {
            Layout::Raid0 => "mdadm",
            Layout::Lvm => "lvm2",
        };
        let format = match self.file_system {
            FileSystem::Xfs => "xfsprogs",
            FileSystem::Ext4 => "e2fsprogs",
        };
        [join, format].map(|name| Wanted::new(name, Pin::Any)).to_vec()
    }

    fn unit_text(&self) -> String {
        format!(
            "# Made by formwork.\n[Unit]\nDescription=Local disks as one scratch file system\n\
             After=local-fs.target systemd-udev-settle.service\n\
             Wants=systemd-udev-settle.service\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart={} {} {} {} {} {} {}\n\n[Install]\nWantedBy=multi-user.target\n",
            scratch_script::PATH,
            self.layout.name(),
            self.chunk_kib,
            self.file_system.name(),
            self.mount_point,
            self.options,
            self.disks
        )
    }

    /// How many disks are joined, asked of the layout's own tool.
    fn members_probe(&self) -> Operation {
        match self.layout {
            Layout::Raid0 => Operation::read("/proc/mdstat"),
            Layout::Lvm => {
                let argv = ["lvs", "--noheadings", "-o", "stripes", "formwork/scratch"];
                Operation::Exec(Exec::query(argv).expecting(0..=255))
            }
        }
    }
}

/// The raid0 array of `/proc/mdstat`: its disks, and its chunk in KiB.
fn read_mdstat(text: &str) -> Option<(u32, Option<u32>)> {
    let mut lines = text.lines();
    let line = lines.find(|line| line.contains(" : active raid0 "))?;
    let disks = line.split_whitespace().filter(|word| word.contains('[')).count();
    let chunk = lines.next().and_then(|line| {
        let words = line.split_whitespace().collect::<Vec<_>>();
        let at = words.iter().position(|word| *word == "chunks")?;
        words.get(at.checked_sub(1)?)?.strip_suffix('k')?.parse().ok()
    });
    Some((u32::try_from(disks).ok()?, chunk))
}

impl Step for Scratch {
    const NAME: &'static str = "scratch file system";
    type Observed = ScratchObserved;

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        if !self.mount_point.starts_with('/')
            || self.mount_point.len() < 2
            || !self.mount_point.chars().all(plain)
        {
            problems.push(format!("`{}` is not a place to mount something", self.mount_point));
        }
        if self.disks == 0 {
            problems.push("there are no local disks to join".to_owned());
        }
        if !self.chunk_kib.is_power_of_two() || self.chunk_kib < 4 {
            problems.push(format!("chunks of {} KiB: a power of two, at least 4", self.chunk_kib));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "=,._-".contains(c);
        if self.options.is_empty() || !self.options.chars().all(plain) {
            problems.push(format!("`{}` are not mount options with commas", self.options));
        }
        problems
    }

    fn probe(&self) -> Batch {
        Batch::probe([
            Operation::Facts,
            Operation::QueryPackages {
                names: self.packages().into_iter().map(|package| package.name).collect(),
            },
            Operation::read(scratch_script::PATH),
            Operation::read(UNIT_FILE),
            Operation::QueryUnit { unit: UNIT.to_owned() },
            Operation::QueryMounts { points: vec![self.mount_point.clone()] },
            self.members_probe(),
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<ScratchObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        let packages = answers.packages()?.clone();
        let script = answers.file()?.map(|file| (file.text.clone(), file.mode));
        let unit_file = answers.file()?.map(|file| file.text.clone());
        let unit = answers.unit()?.clone();
        let mount = answers.mounts()?.get(&self.mount_point).cloned();
        let members = match self.layout {
            Layout::Raid0 => answers.file()?.and_then(|file| read_mdstat(&file.text)),
            Layout::Lvm => {
                let lvs = answers.exec()?;
                let stripes = (lvs.code == 0).then(|| lvs.stdout.trim().parse().ok()).flatten();
                stripes.map(|stripes| (stripes, None))
            }
        };
        Ok(ScratchObserved { packages, script, unit_file, unit, mount, members })
    }

    fn converge(&self, observed: &ScratchObserved) -> Next {
        if let Some(mount) = &observed.mount {
            let fs = self.file_system.name();
            if mount.source != self.layout.device() || mount.fstype != fs {
                return Next::blocked(format!(
                    "{} holds {} ({}), and should hold {} ({fs}): what is there is not touched",
                    self.mount_point,
                    mount.source,
                    mount.fstype,
                    self.layout.device()
                ));
            }
        }
        if let Some((disks, chunk)) = observed.members
            && (disks != self.disks || chunk.is_some_and(|chunk| chunk != self.chunk_kib))
        {
            let chunk =
                chunk.map(|chunk| format!(" with chunks of {chunk} KiB")).unwrap_or_default();
            return Next::blocked(format!(
                "{disks} disks are joined{chunk}, and {} with chunks of {} KiB are wanted: joined \
                 disks are not taken apart; stop and start the instance for empty ones",
                self.disks, self.chunk_kib
            ));
        }
        let plan = PackagePlan::of(&self.packages(), &observed.packages, false);
        let mut operations = plan.operations();
        let mut differences = plan.differences;
        if operations.contains(&Operation::RefreshPackageIndex) {
            return Next::change(differences, operations);
        }
        let is = |there: bool| if there { "another one" } else { "absent" };
        let script = observed.script.as_ref();
        if script.is_none_or(|(text, mode)| text != scratch_script::TEXT || *mode != 0o755) {
            differences.push(Difference::new(scratch_script::PATH, is(script.is_some()), "ours"));
            operations.push(Operation::WriteFile {
                path: scratch_script::PATH.to_owned(),
                content: scratch_script::TEXT.to_owned(),
                mode: 0o755,
                owner: "root:root".to_owned(),
            });
        }
        let unit = self.unit_text();
        let unit_differs = observed.unit_file.as_ref() != Some(&unit);
        if unit_differs {
            let is = is(observed.unit_file.is_some());
            differences.push(Difference::new(UNIT_FILE, is, "these inputs"));
            operations.push(Operation::write(UNIT_FILE, unit));
        }
        if unit_differs || observed.unit.needs_reload {
            operations.push(Operation::ReloadUnits);
            if !unit_differs {
                differences.push(Difference::new(UNIT, "read before it changed", "read again"));
            }
        }
        if !observed.unit.enabled {
            differences.push(Difference::new(UNIT, "disabled", "enabled"));
        }
        if observed.mount.is_none() {
            let should = self.layout.device();
            differences.push(Difference::new(&self.mount_point, "not mounted", should));
        }
        if !observed.unit.enabled || observed.mount.is_none() {
            // Restarted and not started: the unit stays active when someone unmounts.
            operations.push(Operation::SetUnit {
                unit: UNIT.to_owned(),
                enabled: Some(true),
                action: Some(UnitAction::Restart),
            });
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &ScratchObserved) -> Next {
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        if observed.unit.enabled || observed.unit.is_active() {
            differences.push(Difference::new(UNIT, &observed.unit.active, "disabled"));
            operations.push(Operation::SetUnit {
                unit: UNIT.to_owned(),
                enabled: Some(false),
                action: Some(UnitAction::Stop),
            });
        }
        let files = [
            (UNIT_FILE, observed.unit_file.is_some()),
            (scratch_script::PATH, observed.script.is_some()),
        ];
        for (path, _) in files.into_iter().filter(|(_, there)| *there) {
            differences.push(Difference::new(path, "present", "absent"));
            operations.push(Operation::RemoveFile { path: path.to_owned() });
        }
        if differences.is_empty() && observed.unit.needs_reload {
            differences.push(Difference::new(UNIT, "known to systemd", "forgotten"));
        }
        if !differences.is_empty() {
            operations.push(Operation::ReloadUnits);
        }
        Next::change(differences, operations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_joined_disks_are_read_from_mdstat() {
        let text = "Personalities : [raid0] \nmd127 : active raid0 nvme2n1[1] nvme1n1[0]\n      \
                    7422034944 blocks super 1.2 512k chunks\n      \nunused devices: <none>\n";
        assert_eq!(read_mdstat(text), Some((2, Some(512))));
        assert_eq!(read_mdstat("Personalities : \nunused devices: <none>\n"), None);
        assert_eq!(read_mdstat("md0 : active raid0 \nchunks"), Some((0, None)));
    }

    #[test]
    fn a_mount_point_that_could_be_more_than_a_path_is_refused() {
        for place in ["", "/", "scratch", "/a b", "/a;b", "/a\nExecStart=x"] {
            assert_eq!(Scratch::new(Os::Ubuntu2404, place, 8).problems().len(), 1, "{place}");
        }
        let mut step = Scratch::new(Os::Ubuntu2404, "/scratch", 0);
        step.chunk_kib = 65;
        step.options = "noatime; x".into();
        assert_eq!(step.problems().len(), 3);
    }
}
