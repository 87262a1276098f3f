//! Local disks, and what the scratch script joins them to.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::operation::{ExecOutput, Mount};
use crate::steps::scratch_script;

/// A local NVMe disk. Its content goes when the instance is stopped, and survives a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedDisk {
    /// The kernel's name: `nvme1n1`.
    pub name: String,
    /// Its stable name under `/dev/disk/by-id/`.
    pub by_id: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl SimulatedDisk {
    pub(super) fn new(host: &str, at: u32, gb: u64) -> Self {
        let serial =
            host.bytes().fold(0xA5_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        Self {
            name: format!("nvme{}n1", at + 1),
            by_id: format!(
                "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS{:017X}",
                serial.wrapping_add(u64::from(at)) & 0xFFFF_FFFF_FFFF
            ),
            bytes: gb * 1_000_000_000,
        }
    }
}

/// Disks that are joined to one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedArray {
    /// `raid0` or `lvm`.
    pub layout: String,
    /// How much of a disk is used before the next one, in KiB.
    pub chunk_kib: u32,
    /// The disks, by kernel name.
    pub disks: Vec<String>,
    /// The file system on it, if there is one.
    pub file_system: Option<String>,
    /// Whether it is assembled; not yet, after a boot.
    pub running: bool,
}

impl Machine {
    /// `/proc/mdstat`.
    pub(super) fn mdstat(&self) -> String {
        let mut text = "Personalities : [raid0]\n".to_owned();
        for array in self.arrays.values().filter(|a| a.layout == "raid0" && a.running) {
            let disks = array.disks.iter().enumerate();
            let disks = disks.map(|(at, disk)| format!(" {disk}[{at}]")).collect::<String>();
            let chunk = array.chunk_kib;
            text += &format!(
                "md127 : active raid0{disks}\n      1 blocks super 1.2 {chunk}k chunks\n\n"
            );
        }
        text + "unused devices: <none>\n"
    }

    /// The script of the scratch step, as a unit runs it.
    pub(super) fn run_scratch_script(&mut self, args: &[String]) -> ExecOutput {
        let fail =
            |code, stderr: &str| ExecOutput { code, stdout: String::new(), stderr: stderr.into() };
        let [layout, chunk, fs, mount, options, wanted] = args else {
            return fail(2, "formwork-scratch: six arguments are needed\n");
        };
        if self.mounts.contains_key(mount) {
            return ExecOutput::default();
        }
        if self.disks.len().to_string() != *wanted {
            let message =
                format!("formwork-scratch: {} local disks, {wanted} expected\n", self.disks.len());
            return fail(3, &message);
        }
        let tools: &[&str] = match layout.as_str() {
            "raid0" => &["mdadm"],
            "lvm" => &["pvcreate", "vgcreate", "lvcreate"],
            _ => return fail(2, "formwork-scratch: no such layout\n"),
        };
        let mkfs = format!("mkfs.{fs}");
        if let Some(tool) =
            tools.iter().copied().chain([mkfs.as_str()]).find(|tool| !self.has_command(tool))
        {
            return fail(127, &format!("formwork-scratch: {tool}: not found\n"));
        }
        let device = scratch_script::device(layout);
        let disks = self.disks.iter().map(|disk| disk.name.clone()).collect::<Vec<_>>();
        let array = self.arrays.entry(device.to_owned()).or_insert_with(|| SimulatedArray {
            layout: layout.clone(),
            chunk_kib: chunk.parse().unwrap_or(0),
            disks,
            file_system: None,
            running: false,
        });
        array.running = true;
        match &array.file_system {
            Some(there) if there != fs => {
                return fail(5, &format!("formwork-scratch: {device} has {there}, not {fs}\n"));
            }
            _ => array.file_system = Some(fs.clone()),
        }
        let bytes = self.disks.iter().map(|disk| disk.bytes).sum();
        let (source, fstype, options) = (device.to_owned(), fs.clone(), options.clone());
        self.mounts.insert(mount.clone(), Mount { source, fstype, options, bytes });
        ExecOutput::default()
    }

    /// `fio --readonly`, which writes its figures to a file.
    pub(super) fn run_fio(&mut self, argv: &[String]) -> ExecOutput {
        let fail = |stderr: String| ExecOutput { code: 1, stdout: String::new(), stderr };
        let option = |name: &str| argv.iter().find_map(|word| word.strip_prefix(name));
        let (Some(device), Some(output), Some(rw)) =
            (option("--filename="), option("--output="), option("--rw="))
        else {
            return fail("fio: this simulation needs --filename, --output and --rw\n".to_owned());
        };
        let (device, output, rw) = (device.to_owned(), output.to_owned(), rw.to_owned());
        if !self.arrays.get(&device).is_some_and(|array| array.running) {
            return fail(format!("fio: {device}: No such file or directory\n"));
        }
        let (bytes, iops) = match rw.as_str() {
            "read" => (self.scratch_mb_s * 1_000_000, self.scratch_mb_s),
            _ => (self.scratch_iops * 4096, self.scratch_iops),
        };
        let json = format!(
            "{{\"jobs\":[{{\"jobname\":\"formwork\",\"error\":0,\"read\":{{\"bw_bytes\":{bytes},\
             \"iops\":{iops}.0}}}}]}}\n"
        );
        self.put(&output, &json);
        ExecOutput::default()
    }
}
