//! The script that joins the local disks at every boot: `data/scratch.sh`.

/// The script.
pub(crate) const TEXT: &str = include_str!("../../data/scratch.sh");

/// Where it is put.
pub(crate) const PATH: &str = "/usr/local/sbin/formwork-scratch";

/// The device that it makes of the disks, by layout.
pub(crate) fn device(layout: &str) -> &'static str {
    match layout {
        "lvm" => "/dev/formwork/scratch",
        _ => "/dev/md/formwork",
    }
}
