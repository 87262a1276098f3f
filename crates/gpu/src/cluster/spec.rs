//! What a cluster is made of, as a program says it.

use std::collections::BTreeMap;

use formwork_aws::{
    Tags,
    ec2::{CapacityReservationId, ImageId},
};
use serde::{Deserialize, Serialize};

use crate::{
    compat::{KernelModules, NcclVersion, Version},
    instance_type::StorageRequirement,
    interfaces::Goal,
    os::Os,
    steps::{Activation, Clocks, ComputeMode, FileSystem, Layout, PackageSource},
};

/// A cluster of GPU nodes: one network in one zone, and groups of equal machines in it.
///
/// EFA works within one subnet and one zone only, so a cluster has one zone
/// (EC2 User Guide, "Elastic Fabric Adapter", limitations).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuCluster {
    /// The region, as in the provider: endpoints are named after it.
    pub region: String,
    /// The zone, such as `us-west-2a`; the first that offers every instance type if `None`.
    pub zone: Option<String>,
    /// The network.
    pub network: ClusterNetwork,
    /// What the nodes boot from.
    pub image: NodeImage,
    /// The operating system of that image.
    pub os: Os,
    /// The groups.
    pub groups: Vec<NodeGroup>,
    /// Tags for everything.
    pub tags: Tags,
}

/// The cluster's network: a public subnet for the NAT gateway, and a private one for each group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterNetwork {
    /// The VPC's addresses, such as `10.0.0.0/16`.
    pub cidr: String,
    /// The public subnet's, inside those; the first /24 if `None`.
    pub public_cidr: Option<String>,
    /// The AWS services that nodes reach without the internet, by interface endpoints: `ssm`.
    pub interface_endpoints: Vec<String>,
    /// Whether S3 is reached by a gateway endpoint, which costs nothing.
    pub s3_endpoint: bool,
}

impl Default for ClusterNetwork {
    /// `10.0.0.0/16`, with the endpoints that Session Manager needs, and S3.
    fn default() -> Self {
        let endpoints = ["ssm", "ssmmessages", "ec2messages"];
        Self {
            cidr: "10.0.0.0/16".to_owned(),
            public_cidr: None,
            interface_endpoints: endpoints.map(str::to_owned).to_vec(),
            s3_endpoint: true,
        }
    }
}

/// What nodes boot from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeImage {
    /// The image that a public SSM parameter names. The answer is recorded: a newer image replaces
    /// no node before lookups are refreshed on purpose.
    SsmParameter(String),
    /// One image, by its id; a plan is refused if it is not there.
    Id(ImageId),
}

impl NodeImage {
    /// Canonical's current Ubuntu Server 24.04 for x86-64.
    #[must_use]
    pub fn ubuntu_2404() -> Self {
        let path =
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id";
        Self::SsmParameter(path.to_owned())
    }
}

/// A number of equal machines.
///
/// A node that has to be replaced goes before its successor comes, with all that is on it, and every
/// node of the group that has to be replaced does so in one run: a placement group, a capacity
/// reservation or a capacity block has no room for two of each, and what is on a node's local disks is
/// lost either way. A change that replaces nodes, such as another image or instance type, therefore
/// interrupts the work of the group. Another instance type, also one that was set by hand, replaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeGroup {
    /// Its name, unique in the cluster.
    pub name: String,
    /// The instance type, such as `p5.48xlarge`.
    pub instance_type: String,
    /// How many machines.
    pub count: u32,
    /// How they are paid for, and what they may ask with that.
    pub capacity: Capacity,
    /// The subnet's addresses; the next free /20 of the VPC if `None`.
    pub subnet_cidr: Option<String>,
    /// Whether EBS traffic has bandwidth of its own. Every type of the tables has it always.
    pub ebs_optimized: bool,
    /// Whether a machine may be stopped and started for a change that needs it, such as EBS
    /// optimisation that was turned off by hand. What is on its local disks is lost then. If not,
    /// such a change fails, and says so.
    pub stop_to_change: bool,
    /// What the interfaces are laid out for; `None` for a plain network interface without EFA.
    pub efa: Option<Goal>,
    /// The network bandwidth that the program counts on, in Gb/s; held against the type.
    pub bandwidth_gbps: Option<u64>,
    /// The root volume.
    pub root_volume: RootVolume,
    /// The scratch file system on the local disks.
    pub scratch: Option<ScratchSpace>,
    /// The software; `None` leaves the machines as the image is.
    pub software: Option<Software>,
}

/// How machines are paid for. Each variant has what EC2 allows with it, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Capacity {
    /// On demand.
    OnDemand {
        /// Whether they stand close together (a cluster placement group).
        placement_group: bool,
    },
    /// From an on-demand capacity reservation. No market type may be set.
    Reservation {
        /// The reservation. For tightly coupled nodes it was made inside a placement group.
        id: CapacityReservationId,
        /// The name of the placement group that the reservation was made in.
        placement_group: Option<String>,
    },
    /// From a capacity block, which must have its own market type and reservation, and no
    /// placement group: the block is close together by itself.
    CapacityBlock {
        /// The block's reservation.
        id: CapacityReservationId,
    },
    /// Spot. AWS advises against it for tightly coupled work: any node may be taken away.
    Spot {
        /// The highest price per hour in US dollars; the on-demand price if `None`.
        max_price: Option<String>,
        /// Whether they stand close together.
        placement_group: bool,
    },
}

/// The root volume: EBS, gp3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootVolume {
    /// The size in GiB.
    pub size_gib: u32,
    /// IOPS; 3,000 if `None`.
    pub iops: Option<u32>,
    /// Throughput in MiB/s; 125 if `None`.
    pub throughput_mib_s: Option<u32>,
    /// Whether it is encrypted. Default yes.
    pub encrypted: bool,
}

impl RootVolume {
    /// An encrypted volume of this size.
    #[must_use]
    pub fn new(size_gib: u32) -> Self {
        Self { size_gib, iops: None, throughput_mib_s: None, encrypted: true }
    }
}

/// A scratch file system on the local disks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScratchSpace {
    /// Where it is mounted.
    pub mount_point: String,
    /// What it must have. What AWS publishes is judged at plan; the rest is measured on the node.
    pub required: StorageRequirement,
    /// How the disks are joined.
    pub layout: Layout,
    /// The file system.
    pub file_system: FileSystem,
}

/// The software of the nodes of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Software {
    /// `uname -r` of the kernel they are pinned to.
    pub kernel: String,
    /// The driver.
    pub driver: Version,
    /// Its kernel modules.
    pub kernel_modules: KernelModules,
    /// Where its packages come from.
    pub source: PackageSource,
    /// How a new driver takes the place of a loaded one.
    pub activation: Activation,
    /// Whether versions are taken that the tables of this crate do not list, with a warning instead
    /// of a refusal: for releases that are newer than the tables. A kernel, driver, CUDA, cuDNN or NCCL that
    /// no repository has is then found out on the first node, when it is paid for already.
    pub unlisted_versions: bool,
    /// The fabric manager's version; the driver's if `None`, where the type needs one.
    pub fabric_manager: Option<Version>,
    /// NVLSM's version, for B200 and B300.
    pub nvlsm: Option<Version>,
    /// The CUDA toolkit; none if workloads bring their own.
    pub cuda: Option<Version>,
    /// cuDNN.
    pub cudnn: Option<Version>,
    /// NCCL with the CUDA it was built for.
    pub nccl: Option<NcclVersion>,
    /// NCCL's settings.
    pub nccl_settings: BTreeMap<String, String>,
    /// Whether they are written to `/etc/environment` too.
    pub nccl_environment_block: bool,
    /// Whether GPUs stay initialised.
    pub persistence: bool,
    /// The power limit per GPU in W; held against the limits that are documented for the GPU.
    pub power_limit_w: Option<u32>,
    /// Who may use a GPU.
    pub compute_mode: Option<ComputeMode>,
    /// Clocks.
    pub clocks: Option<Clocks>,
}

impl Software {
    /// A driver on a kernel, with open modules, and nothing else.
    #[must_use]
    pub fn new(os: Os, kernel: impl Into<String>, driver: Version) -> Self {
        let defaults = crate::steps::Driver::new(os, "", driver.clone());
        Self {
            kernel: kernel.into(),
            driver,
            kernel_modules: defaults.modules,
            source: defaults.source,
            activation: defaults.activation,
            unlisted_versions: false,
            fabric_manager: None,
            nvlsm: None,
            cuda: None,
            cudnn: None,
            nccl: None,
            nccl_settings: BTreeMap::new(),
            nccl_environment_block: false,
            persistence: true,
            power_limit_w: None,
            compute_mode: None,
            clocks: None,
        }
    }
}
