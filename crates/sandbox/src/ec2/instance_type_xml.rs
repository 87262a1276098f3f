//! How DescribeInstanceTypes shows a type.

use super::instance_type_catalogue::{Cards, Ebs, InstanceType, Network};
use crate::xml::Xml;

/// The whole description of a type.
pub(crate) fn describe(row: &InstanceType) -> Xml {
    let support = |flag: &str| if row.is(flag) { "supported" } else { "unsupported" };
    let xml = Xml::new()
        .text("instanceType", &row.name)
        .text("currentGeneration", row.is("current"))
        .text("freeTierEligible", row.is("free_tier"))
        .item_texts("supportedUsageClasses", &row.usage)
        .item_texts("supportedRootDeviceTypes", ["ebs"])
        .item_texts("supportedVirtualizationTypes", ["hvm"])
        .text("bareMetal", row.is("bare_metal"))
        .maybe("hypervisor", row.hypervisor.as_deref())
        .node("processorInfo", processor(row))
        .node("vCpuInfo", vcpu(row))
        .node("memoryInfo", Xml::new().text("sizeInMiB", row.memory_mib))
        .text("instanceStorageSupported", !row.disks.is_empty())
        .maybe_node("instanceStorageInfo", (!row.disks.is_empty()).then(|| storage(row)))
        .node("ebsInfo", ebs(&row.ebs))
        .node("networkInfo", network(&row.network))
        .maybe_node("gpuInfo", (!row.gpus.is_empty()).then(|| gpus(row)))
        .maybe_node("neuronInfo", (!row.neuron.is_empty()).then(|| neuron(row)))
        .node("placementGroupInfo", Xml::new().item_texts("supportedStrategies", &row.strategies))
        .text("hibernationSupported", row.is("hibernation"))
        .text("burstablePerformanceSupported", row.is("burstable"))
        .text("dedicatedHostsSupported", row.is("dedicated_hosts"))
        .text("autoRecoverySupported", row.is("auto_recovery"))
        .item_texts("supportedBootModes", &row.boot)
        .text("nitroEnclavesSupport", support("enclaves"))
        .text("nitroTpmSupport", support("tpm"));
    if row.is("tpm") {
        return xml.node("nitroTpmInfo", Xml::new().item_texts("supportedVersions", ["2.0"]));
    }
    xml
}

fn processor(row: &InstanceType) -> Xml {
    Xml::new()
        .item_texts("supportedArchitectures", &row.arch)
        .maybe("sustainedClockSpeedInGhz", row.ghz)
        .maybe("manufacturer", row.cpu.as_deref())
}

fn vcpu(row: &InstanceType) -> Xml {
    Xml::new()
        .text("defaultVCpus", row.vcpus)
        .maybe("defaultCores", row.cores)
        .maybe("defaultThreadsPerCore", row.threads)
        .item_texts("validCores", &row.valid_cores)
        .item_texts("validThreadsPerCore", &row.valid_threads)
}

fn storage(row: &InstanceType) -> Xml {
    let disks = row.disks.iter().map(|disks| {
        Xml::new().text("sizeInGB", disks.1).text("count", disks.0).text("type", &disks.2)
    });
    Xml::new()
        .text("totalSizeInGB", row.storage_gb())
        .items("disks", disks)
        .text("nvmeSupport", "required")
        .text("encryptionSupport", "required")
}

fn ebs(ebs: &Ebs) -> Xml {
    let optimized = ebs.mbps.zip(ebs.throughput).zip(ebs.iops).map(|((mbps, throughput), iops)| {
        Xml::new()
            .text("baselineBandwidthInMbps", mbps.0)
            .text("baselineThroughputInMBps", throughput.0)
            .text("baselineIops", iops.0)
            .text("maximumBandwidthInMbps", mbps.1)
            .text("maximumThroughputInMBps", throughput.1)
            .text("maximumIops", iops.1)
    });
    Xml::new()
        .text("ebsOptimizedSupport", &ebs.optimized)
        .text("encryptionSupport", "supported")
        .maybe_node("ebsOptimizedInfo", optimized)
        .text("nvmeSupport", &ebs.nvme)
        .maybe("maximumEbsAttachments", ebs.attachments)
        .maybe("attachmentLimitType", ebs.limit.as_deref())
}

fn network(network: &Network) -> Xml {
    let card = |(index, run): (u32, &Cards)| {
        Xml::new()
            .text("networkCardIndex", index)
            .text("networkPerformance", &run.1)
            .text("maximumNetworkInterfaces", run.2)
            .maybe("baselineBandwidthInGbps", run.3)
            .maybe("peakBandwidthInGbps", run.4)
    };
    let efa = (network.efa > 0).then(|| Xml::new().text("maximumEfaInterfaces", network.efa));
    Xml::new()
        .text("networkPerformance", &network.performance)
        .text("maximumNetworkInterfaces", network.interfaces)
        .text("maximumNetworkCards", network.card_count())
        .text("defaultNetworkCardIndex", 0)
        .items("networkCards", network.each_card().map(card))
        .text("ipv4AddressesPerInterface", network.ipv4)
        .text("ipv6AddressesPerInterface", network.ipv4)
        .text("ipv6Supported", true)
        .text("enaSupport", &network.ena)
        .text("efaSupported", network.efa > 0)
        .maybe_node("efaInfo", efa)
        .text("encryptionInTransitSupported", network.encryption)
        .text("enaSrdSupported", network.ena_srd)
}

fn gpus(row: &InstanceType) -> Xml {
    let gpus = row.gpus.iter().map(|gpus| {
        Xml::new()
            .text("name", &gpus.2)
            .text("manufacturer", &gpus.1)
            .text("count", gpus.0)
            .node("memoryInfo", Xml::new().text("sizeInMiB", gpus.3))
    });
    let total: i64 = row.gpus.iter().map(|gpus| gpus.0 * gpus.3).sum();
    Xml::new().items("gpus", gpus).text("totalGpuMemoryInMiB", total)
}

fn neuron(row: &InstanceType) -> Xml {
    let devices = row.neuron.iter().map(|device| {
        Xml::new()
            .text("count", device.0)
            .text("name", &device.1)
            .node("coreInfo", Xml::new().text("count", device.2).text("version", device.3))
            .node("memoryInfo", Xml::new().text("sizeInMiB", device.4))
    });
    let total: i64 = row.neuron.iter().map(|device| device.0 * device.4).sum();
    Xml::new().items("neuronDevices", devices).text("totalNeuronDeviceMemoryInMiB", total)
}
