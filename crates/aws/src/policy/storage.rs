//! Volumes that nobody else can read.

use formwork_core::{Found, Policy, PolicyReport, Subject};

use crate::ec2::{Instance, LaunchTemplate, Volume};

const REMEDY: &str = "set `encrypted` to true";

/// Every EBS volume is encrypted (mandatory): volumes, root devices and other devices of machines,
/// and those of launch templates.
///
/// A new volume that does not say is made encrypted: the plan shows that. One that says no violates
/// the policy, and so does a device of a machine or template that does not say, for the account's
/// default (<https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html>) is not to
/// be seen from a program. A machine of a template that is declared here may leave its devices to the
/// template, which is judged itself.
///
/// Source: AWS Security Hub controls EC2.3 and EC2.7
/// (<https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html>).
#[must_use]
pub fn encrypted_volumes() -> Policy {
    Policy::mandatory("encrypted-volumes")
        .about("every EBS volume is encrypted")
        .remedy(REMEDY)
        .source(
            "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html (EC2.3, EC2.7)",
        )
        .check::<Volume>(|volume, report| judge(volume, report, "encrypted"))
        .remediate::<Volume>(|volume, fix| {
            if volume.get::<bool>("encrypted") == Found::Absent {
                fix.set("encrypted", true);
            }
        })
        .check::<Instance>(|machine, report| {
            let devices = devices(machine, report);
            let root = machine.value("root_block_device.encrypted");
            match root {
                Found::Known(_) => judge(machine, report, "root_block_device.encrypted"),
                Found::Unknown => {}
                Found::Absent if devices || template(machine) => {}
                Found::Absent => report.violation_with_remedy(
                    "root_block_device.encrypted",
                    "it is left to the image and the account whether its root device is encrypted",
                    REMEDY,
                ),
            }
        })
        .check::<LaunchTemplate>(|template, report| {
            // One that names no image is completed by whoever launches it.
            if !devices(template, report) && template.value("image_id") != Found::Absent {
                report.violation_with_remedy(
                    "block_devices",
                    "it is left to the image and the account whether its root device is encrypted",
                    "name the root device, encrypted",
                );
            }
        })
}

/// Whether the machine is of a template that is judged itself.
fn template(machine: &Subject<'_>) -> bool {
    machine.target("launch_template.id").is_some()
}

fn judge(of: &Subject<'_>, report: &mut PolicyReport<'_>, path: &str) {
    match of.get::<bool>(path) {
        Found::Known(true) | Found::Unknown => {}
        Found::Known(false) => report.violation(path, "it is not encrypted"),
        Found::Absent => {
            report.violation(
                path,
                "it is left to the snapshot and the account whether it is encrypted",
            );
        }
    }
}

/// Judges the devices that a machine is launched with; returns whether there are any that make a
/// volume, or may be.
fn devices(of: &Subject<'_>, report: &mut PolicyReport<'_>) -> bool {
    let count = match of.count("block_devices") {
        Found::Known(count) => count,
        Found::Absent => return false,
        Found::Unknown => return true,
    };
    let mut any = false;
    for i in 0..count {
        if of.count(&format!("block_devices[{i}].ebs")) != Found::Absent {
            any = true;
            judge(of, report, &format!("block_devices[{i}].ebs.encrypted"));
        }
    }
    any
}
