//! What an instance type has.

use aws_sdk_ec2::types;
use formwork_core::Outputs;
use serde::{Deserialize, Serialize};

/// What an instance type has, and where it is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct InstanceTypeAnswer {
    /// Its name.
    #[output(id)]
    pub name: String,
    /// The processors' architectures: `x86_64`, `arm64`.
    pub architectures: Vec<String>,
    /// How many virtual CPUs.
    pub vcpus: u32,
    /// How many cores.
    pub cores: Option<u32>,
    /// How many threads each core runs unless told otherwise.
    pub threads_per_core: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Its GPUs, by kind.
    pub gpus: Vec<Gpu>,
    /// How many GPUs in all.
    pub gpu_count: u32,
    /// The memory of all GPUs together in MiB.
    pub gpu_memory_mib: u64,
    /// Its Trainium or Inferentia devices, by kind.
    pub accelerators: Vec<Accelerator>,
    /// Its own disks, by kind.
    pub disks: Vec<InstanceDisk>,
    /// The size of its own disks together in GB.
    pub storage_gb: u64,
    /// Whether its own disks are NVMe.
    pub nvme_storage: bool,
    /// Whether its volumes are NVMe devices.
    pub nvme_ebs: bool,
    /// How many volumes it takes.
    pub max_ebs_attachments: Option<u32>,
    /// What its network does, in AWS's words.
    pub network_performance: Option<String>,
    /// Its network cards; the index of a network interface's card is one of these.
    pub network_cards: Vec<NetworkCard>,
    /// The card of the primary network interface.
    pub default_network_card: u32,
    /// How many network interfaces it takes.
    pub max_network_interfaces: u32,
    /// How many IPv4 addresses a network interface takes.
    pub ipv4_per_interface: u32,
    /// How many IPv6 addresses a network interface takes.
    pub ipv6_per_interface: u32,
    /// Whether it has the Elastic Fabric Adapter.
    pub efa: bool,
    /// How many network interfaces can be EFAs; none without EFA.
    pub max_efa_interfaces: u32,
    /// What it can be bought as: `on-demand`, `spot`, `capacity-block`.
    pub usage_classes: Vec<String>,
    /// The strategies of placement groups that it can be in: `cluster`, `partition`, `spread`.
    pub placement_strategies: Vec<String>,
    /// How it can boot: `legacy-bios`, `uefi`.
    pub boot_modes: Vec<String>,
    /// The hypervisor; none on bare metal.
    pub hypervisor: Option<String>,
    /// Whether it is a whole host without a hypervisor.
    pub bare_metal: bool,
    /// Whether its CPU is paid by credits.
    pub burstable: bool,
    /// Whether AWS still recommends it.
    pub current_generation: bool,
    /// The zones of the region that offer it, sorted by name.
    pub zones: Vec<String>,
}

/// GPUs of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// The model, such as `H100`.
    pub name: String,
    /// The manufacturer, such as `NVIDIA`.
    pub manufacturer: String,
    /// How many.
    pub count: u32,
    /// The memory of each in MiB.
    pub memory_mib: u64,
}

/// Trainium or Inferentia devices of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accelerator {
    /// The model, such as `Trainium`.
    pub name: String,
    /// How many.
    pub count: u32,
    /// How many cores each has.
    pub cores: u32,
    /// The memory of each in MiB.
    pub memory_mib: u64,
}

/// Disks of the machine itself, of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceDisk {
    /// How many.
    pub count: u32,
    /// The size of each in GB.
    pub size_gb: u64,
    /// `ssd` or `hdd`.
    pub kind: String,
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkCard {
    /// Its index.
    pub index: u32,
    /// What it does, in AWS's words.
    pub performance: Option<String>,
    /// How many network interfaces it takes.
    pub max_interfaces: u32,
    /// The bandwidth that is always there, in Gbit/s.
    pub baseline_gbps: Option<f64>,
    /// The bandwidth at best, in Gbit/s.
    pub peak_gbps: Option<f64>,
}

pub(super) fn answer(
    name: &str,
    of: &types::InstanceTypeInfo,
    zones: Vec<String>,
) -> InstanceTypeAnswer {
    let cpus = of.v_cpu_info();
    let storage = of.instance_storage_info();
    let ebs = of.ebs_info();
    let network = of.network_info();
    let gpus: Vec<Gpu> =
        of.gpu_info().map(types::GpuInfo::gpus).unwrap_or_default().iter().map(gpu).collect();
    let devices = of.neuron_info().map(types::NeuronInfo::neuron_devices).unwrap_or_default();
    let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    InstanceTypeAnswer {
        name: name.to_owned(),
        architectures: of
            .processor_info()
            .map(|info| {
                texts(
                    info.supported_architectures()
                        .iter()
                        .map(types::ArchitectureType::as_str)
                        .collect(),
                )
            })
            .unwrap_or_default(),
        vcpus: number(cpus.and_then(types::VCpuInfo::default_v_cpus)),
        cores: cpus.and_then(types::VCpuInfo::default_cores).map(|n| number(Some(n))),
        threads_per_core: cpus
            .and_then(types::VCpuInfo::default_threads_per_core)
            .map(|n| number(Some(n))),
        memory_mib: big(of.memory_info().and_then(types::MemoryInfo::size_in_mib)),
        gpu_count: gpus.iter().map(|gpu| gpu.count).sum(),
        gpu_memory_mib: gpus.iter().map(|gpu| u64::from(gpu.count) * gpu.memory_mib).sum(),
        gpus,
        accelerators: devices.iter().map(accelerator).collect(),
        disks: storage
            .map(types::InstanceStorageInfo::disks)
            .unwrap_or_default()
            .iter()
            .map(disk)
            .collect(),
        storage_gb: big(storage.and_then(types::InstanceStorageInfo::total_size_in_gb)),
        nvme_storage: storage
            .and_then(|info| info.nvme_support())
            .is_some_and(|support| *support != types::EphemeralNvmeSupport::Unsupported),
        nvme_ebs: ebs
            .and_then(|info| info.nvme_support())
            .is_some_and(|support| *support != types::EbsNvmeSupport::Unsupported),
        max_ebs_attachments: ebs
            .and_then(types::EbsInfo::maximum_ebs_attachments)
            .map(|n| number(Some(n))),
        network_performance: network.and_then(|info| info.network_performance()).map(str::to_owned),
        network_cards: network
            .map(types::NetworkInfo::network_cards)
            .unwrap_or_default()
            .iter()
            .map(card)
            .collect(),
        default_network_card: number(
            network.and_then(types::NetworkInfo::default_network_card_index),
        ),
        max_network_interfaces: number(
            network.and_then(types::NetworkInfo::maximum_network_interfaces),
        ),
        ipv4_per_interface: number(
            network.and_then(types::NetworkInfo::ipv4_addresses_per_interface),
        ),
        ipv6_per_interface: number(
            network.and_then(types::NetworkInfo::ipv6_addresses_per_interface),
        ),
        efa: network.and_then(types::NetworkInfo::efa_supported).unwrap_or_default(),
        max_efa_interfaces: number(
            network
                .and_then(|info| info.efa_info())
                .and_then(types::EfaInfo::maximum_efa_interfaces),
        ),
        usage_classes: texts(
            of.supported_usage_classes().iter().map(types::UsageClassType::as_str).collect(),
        ),
        placement_strategies: of
            .placement_group_info()
            .map(|info| {
                texts(
                    info.supported_strategies()
                        .iter()
                        .map(types::PlacementGroupStrategy::as_str)
                        .collect(),
                )
            })
            .unwrap_or_default(),
        boot_modes: texts(
            of.supported_boot_modes().iter().map(types::BootModeType::as_str).collect(),
        ),
        hypervisor: of.hypervisor().map(|hypervisor| hypervisor.as_str().to_owned()),
        bare_metal: of.bare_metal().unwrap_or_default(),
        burstable: of.burstable_performance_supported().unwrap_or_default(),
        current_generation: of.current_generation().unwrap_or_default(),
        zones,
    }
}

fn gpu(gpu: &types::GpuDeviceInfo) -> Gpu {
    Gpu {
        name: gpu.name().unwrap_or_default().to_owned(),
        manufacturer: gpu.manufacturer().unwrap_or_default().to_owned(),
        count: number(gpu.count()),
        memory_mib: number(gpu.memory_info().and_then(types::GpuDeviceMemoryInfo::size_in_mib))
            .into(),
    }
}

fn accelerator(device: &types::NeuronDeviceInfo) -> Accelerator {
    Accelerator {
        name: device.name().unwrap_or_default().to_owned(),
        count: number(device.count()),
        cores: number(device.core_info().and_then(types::NeuronDeviceCoreInfo::count)),
        memory_mib: number(
            device.memory_info().and_then(types::NeuronDeviceMemoryInfo::size_in_mib),
        )
        .into(),
    }
}

fn disk(disk: &types::DiskInfo) -> InstanceDisk {
    InstanceDisk {
        count: number(disk.count()),
        size_gb: big(disk.size_in_gb()),
        kind: disk.r#type().map_or_else(String::new, |kind| kind.as_str().to_owned()),
    }
}

fn card(card: &types::NetworkCardInfo) -> NetworkCard {
    NetworkCard {
        index: number(card.network_card_index()),
        performance: card.network_performance().map(str::to_owned),
        max_interfaces: number(card.maximum_network_interfaces()),
        baseline_gbps: card.baseline_bandwidth_in_gbps(),
        peak_gbps: card.peak_bandwidth_in_gbps(),
    }
}

fn number(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn big(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}
