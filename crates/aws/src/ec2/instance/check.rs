//! What AWS would refuse about a machine.

use std::net::Ipv4Addr;

use formwork_core::Check;
use ipnet::Ipv4Net;

use super::Power;
use crate::{
    check::{choice, exactly_one, id, range},
    ec2::{
        VolumeType,
        launch::{self, block_device, interface_check, length},
    },
    tags,
};

/// What is said of the only interface, and so not beside a list of them.
const OF_ONE_INTERFACE: [&str; 6] = [
    "subnet_id",
    "security_group_ids",
    "private_ip_address",
    "associate_public_ip_address",
    "ipv6_address_count",
    "ipv6_addresses",
];

pub(super) fn check(check: &mut Check<'_>) {
    let templated = check.is_set("launch_template");
    for field in ["image_id", "instance_type"] {
        if !templated && !check.is_set(field) {
            check.problem(field, "not set, and there is no launch template to say it");
        }
    }
    choice::<Power>(check, "power");
    if check.get::<String>("iam_instance_profile").is_some_and(|name| name.is_empty()) {
        check
            .problem("iam_instance_profile", "it is empty: expected a name, or that it is not set");
    }
    id(check, "launch_template.id", "lt");
    version(check, "launch_template.version");
    launch::check(check, !templated);
    interface_check::check(check, "network_interfaces", &OF_ONE_INTERFACE);
    const EVERY: &str = "every_interface.security_group_ids";
    if check.is_set(EVERY) {
        if check.is_set("security_group_ids") {
            let message = format!("{EVERY} is set too: expected one of the two");
            check.problem("security_group_ids", message);
        }
        if check.get::<Vec<String>>(EVERY).is_some_and(|groups| groups.is_empty()) {
            check.problem(EVERY, "it is empty: expected a group, or that it is not set");
        }
    }
    block_device::check(check, "block_devices");
    block_device::check_ebs(check, "root_block_device.");
    if let Some(of) = check.get::<VolumeType>("root_block_device.volume_type")
        && matches!(of, VolumeType::St1 | VolumeType::Sc1)
    {
        // <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>
        check.problem("root_block_device.volume_type", format!("{of} can not boot"));
    }
    if let Some(root) = check.get::<String>("root_block_device.device_name") {
        for i in 0..length(check, "block_devices") {
            let field = format!("block_devices[{i}].device_name");
            if check.get::<String>(&field).as_ref() == Some(&root) {
                check.problem(&field, format!("{root:?} is the root device already"));
            }
        }
    }
    id(check, "subnet_id", "subnet");
    exactly_one(check, &["ipv6_address_count", "ipv6_addresses"], false);
    range(check, "ipv6_address_count", 0, 50);
    private_address(check);
    zone(check);
    tags::check(check, "tags");
    tags::check(check, "volume_tags");
}

/// Reports a text that names no version of a launch template.
pub(crate) fn version(check: &mut Check<'_>, field: &str) {
    if let Some(version) = check.get::<String>(field)
        && !matches!(version.as_str(), "$Default" | "$Latest")
        && !version.parse::<u64>().is_ok_and(|number| number > 0)
    {
        let message = format!("{version:?} is no version: expected a number, $Default or $Latest");
        check.problem(field, message);
    }
}

fn private_address(check: &mut Check<'_>) {
    let Some(text) = check.get::<String>("private_ip_address") else { return };
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        check.problem("private_ip_address", format!("{text:?} is no IPv4 address"));
        return;
    };
    let block = check.target("subnet_id").and_then(|subnet| subnet.get::<String>("cidr_block"));
    let Some(block) = block.and_then(|block| block.parse::<Ipv4Net>().ok()) else { return };
    let first = u32::from(block.network());
    let last = u32::from(block.broadcast());
    if !block.contains(&address) {
        let message = format!("{address} is not in the subnet's block {block}");
        check.problem("private_ip_address", message);
    } else if u32::from(address) < first + 4 || u32::from(address) == last {
        // <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
        let message =
            format!("{address}: AWS keeps the first four addresses of {block} and the last");
        check.problem("private_ip_address", message);
    }
}

/// The subnet decides the zone.
fn zone(check: &mut Check<'_>) {
    let Some(wanted) = check.get::<String>("placement.availability_zone") else { return };
    let target =
        check.target("subnet_id").or_else(|| check.target("network_interfaces[0].subnet_id"));
    let is = target.and_then(|subnet| subnet.get::<String>("availability_zone"));
    if let Some(is) = is.filter(|is| *is != wanted) {
        let message = format!("{wanted}, and the subnet is in {is}: expected the same, or none");
        check.problem("placement.availability_zone", message);
    }
}
