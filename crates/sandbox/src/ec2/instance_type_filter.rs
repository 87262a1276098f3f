//! The filters of DescribeInstanceTypes.

use super::instance_type_catalogue::InstanceType;

/// Every filter that the sandbox knows.
pub(crate) const NAMES: &[&str] = &[
    "auto-recovery-supported",
    "bare-metal",
    "burstable-performance-supported",
    "current-generation",
    "dedicated-hosts-supported",
    "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.baseline-iops",
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.maximum-iops",
    "ebs-info.ebs-optimized-support",
    "ebs-info.encryption-support",
    "ebs-info.nvme-support",
    "free-tier-eligible",
    "hibernation-supported",
    "hypervisor",
    "instance-storage-info.disk.count",
    "instance-storage-info.disk.size-in-gb",
    "instance-storage-info.disk.type",
    "instance-storage-info.total-size-in-gb",
    "instance-storage-supported",
    "instance-type",
    "memory-info.size-in-mib",
    "network-info.efa-info.maximum-efa-interfaces",
    "network-info.efa-supported",
    "network-info.ena-support",
    "network-info.encryption-in-transit-supported",
    "network-info.ipv4-addresses-per-interface",
    "network-info.ipv6-addresses-per-interface",
    "network-info.ipv6-supported",
    "network-info.maximum-network-cards",
    "network-info.maximum-network-interfaces",
    "network-info.network-performance",
    "nitro-enclaves-support",
    "nitro-tpm-support",
    "processor-info.supported-architecture",
    "processor-info.sustained-clock-speed-in-ghz",
    "supported-boot-mode",
    "supported-root-device-type",
    "supported-usage-class",
    "supported-virtualization-type",
    "vcpu-info.default-cores",
    "vcpu-info.default-threads-per-core",
    "vcpu-info.default-vcpus",
    "vcpu-info.valid-cores",
    "vcpu-info.valid-threads-per-core",
];

/// The values that a filter sees.
pub(crate) fn field(row: &InstanceType, name: &str) -> Vec<String> {
    let flag = |flag: &str| vec![row.is(flag).to_string()];
    let support =
        |flag: &str| vec![if row.is(flag) { "supported" } else { "unsupported" }.to_owned()];
    let number = |value: i64| vec![value.to_string()];
    let (network, ebs) = (&row.network, &row.ebs);
    match name {
        "auto-recovery-supported" => flag("auto_recovery"),
        "bare-metal" => flag("bare_metal"),
        "burstable-performance-supported" => flag("burstable"),
        "current-generation" => flag("current"),
        "dedicated-hosts-supported" => flag("dedicated_hosts"),
        "free-tier-eligible" => flag("free_tier"),
        "hibernation-supported" => flag("hibernation"),
        "nitro-enclaves-support" => support("enclaves"),
        "nitro-tpm-support" => support("tpm"),
        "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps" => {
            ebs.mbps.map_or_else(Vec::new, |it| number(it.0))
        }
        "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps" => {
            ebs.mbps.map_or_else(Vec::new, |it| number(it.1))
        }
        "ebs-info.ebs-optimized-info.baseline-iops" => {
            ebs.iops.map_or_else(Vec::new, |it| number(it.0))
        }
        "ebs-info.ebs-optimized-info.maximum-iops" => {
            ebs.iops.map_or_else(Vec::new, |it| number(it.1))
        }
        "ebs-info.ebs-optimized-support" => vec![ebs.optimized.clone()],
        "ebs-info.encryption-support" => vec!["supported".into()],
        "ebs-info.nvme-support" => vec![ebs.nvme.clone()],
        "hypervisor" => row.hypervisor.iter().cloned().collect(),
        "instance-storage-info.disk.count" => {
            row.disks.iter().map(|disks| disks.0.to_string()).collect()
        }
        "instance-storage-info.disk.size-in-gb" => {
            row.disks.iter().map(|disks| disks.1.to_string()).collect()
        }
        "instance-storage-info.disk.type" => {
            row.disks.iter().map(|disks| disks.2.clone()).collect()
        }
        "instance-storage-info.total-size-in-gb" if row.disks.is_empty() => Vec::new(),
        "instance-storage-info.total-size-in-gb" => number(row.storage_gb()),
        "instance-storage-supported" => vec![(!row.disks.is_empty()).to_string()],
        "instance-type" => vec![row.name.clone()],
        "memory-info.size-in-mib" => number(row.memory_mib),
        "network-info.efa-info.maximum-efa-interfaces" if network.efa == 0 => Vec::new(),
        "network-info.efa-info.maximum-efa-interfaces" => vec![network.efa.to_string()],
        "network-info.efa-supported" => vec![(network.efa > 0).to_string()],
        "network-info.ena-support" => vec![network.ena.clone()],
        "network-info.encryption-in-transit-supported" => vec![network.encryption.to_string()],
        "network-info.ipv4-addresses-per-interface"
        | "network-info.ipv6-addresses-per-interface" => number(network.ipv4),
        "network-info.ipv6-supported" => vec!["true".into()],
        "network-info.maximum-network-cards" => vec![network.card_count().to_string()],
        "network-info.maximum-network-interfaces" => vec![network.interfaces.to_string()],
        "network-info.network-performance" => vec![network.performance.clone()],
        "processor-info.supported-architecture" => row.arch.clone(),
        "processor-info.sustained-clock-speed-in-ghz" => {
            row.ghz.map(|ghz| ghz.to_string()).into_iter().collect()
        }
        "supported-boot-mode" => row.boot.clone(),
        "supported-root-device-type" => vec!["ebs".into()],
        "supported-usage-class" => row.usage.clone(),
        "supported-virtualization-type" => vec!["hvm".into()],
        "vcpu-info.default-cores" => row.cores.map_or_else(Vec::new, number),
        "vcpu-info.default-threads-per-core" => row.threads.map_or_else(Vec::new, number),
        "vcpu-info.default-vcpus" => number(row.vcpus),
        "vcpu-info.valid-cores" => row.valid_cores.iter().map(ToString::to_string).collect(),
        "vcpu-info.valid-threads-per-core" => {
            row.valid_threads.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}
