//! A training cluster: 16 p5.48xlarge with EFA in one placement group, and all that is on them.
//!
//! `cargo run --example gpu_cluster` plans and applies it on the sandbox: no account, nothing to
//! install, nothing that costs anything. `-- --help` shows what else it can do.

use std::process::ExitCode;

use formwork::{
    Policy,
    aws::policy::{Ceiling, baseline, cost_ceiling},
    cli::{AwsCloud, Program, SandboxCloud, SandboxCommand, clap},
    gpu::{
        cluster::{
            Capacity, ClusterNetwork, GpuCluster, NodeGroup, NodeImage, RootVolume, ScratchSpace,
            Software,
        },
        compat::{NcclVersion, Version},
        instance_type::{InstanceType, StorageRequirement},
        interfaces::Goal,
        os::Os,
        steps::{ComputeMode, FileSystem, Layout},
    },
    prelude::*,
};
use serde::{Deserialize, Serialize};

/// Settings of the cluster: flags, environment, `.env`, or a settings file.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
struct Settings {
    /// The region
    #[arg(long, env = "CLUSTER_REGION", default_value = "us-west-2")]
    region: String,
    /// The zone; the first that offers the instance type if not given
    #[arg(long, env = "CLUSTER_ZONE")]
    zone: Option<String>,
    /// The VPC's addresses
    #[arg(long, env = "CLUSTER_CIDR", default_value = "10.0.0.0/16")]
    cidr: String,
    /// The instance type
    #[arg(long, env = "CLUSTER_INSTANCE_TYPE", default_value = "p5.48xlarge")]
    instance_type: String,
    /// How many nodes
    #[arg(long, env = "CLUSTER_COUNT", default_value_t = 16)]
    count: u32,
    /// The NVIDIA driver
    #[arg(long, env = "CLUSTER_DRIVER", default_value = "580.178.04")]
    driver: Version,
    /// The fabric manager; like the driver if not given
    #[arg(long, env = "CLUSTER_FABRIC_MANAGER")]
    fabric_manager: Option<Version>,
    /// The CUDA toolkit
    #[arg(long, env = "CLUSTER_CUDA", default_value = "13.0")]
    cuda: Version,
    /// NCCL, with the CUDA it was built for
    #[arg(long, env = "CLUSTER_NCCL", default_value = "2.27.7-1+cuda13.0")]
    nccl: NcclVersion,
    /// The kernel that nodes are pinned to
    #[arg(long, env = "CLUSTER_KERNEL", default_value = "6.8.0-1069-aws")]
    kernel: String,
    /// The power limit per GPU in W
    #[arg(long, env = "CLUSTER_POWER_LIMIT", default_value_t = 700)]
    power_limit: u32,
    /// The image: an id, or the SSM parameter that names it; Canonical's current Ubuntu if not given
    #[arg(long, env = "CLUSTER_IMAGE")]
    image: Option<String>,
    /// Lets the nodes stand apart instead of close together
    #[arg(long, env = "CLUSTER_NO_PLACEMENT_GROUP")]
    no_placement_group: bool,
    /// The root volume in GiB
    #[arg(long, env = "CLUSTER_ROOT_VOLUME", default_value_t = 500)]
    root_volume: u32,
    /// Lets machines be stopped and started for a change that needs it; local disks lose their data
    #[arg(long, env = "CLUSTER_STOP_TO_CHANGE")]
    #[serde(default)]
    stop_to_change: bool,
    /// How nodes are configured: simulated, or none to leave them as the image is
    #[arg(long, env = "CLUSTER_NODES", default_value = "simulated", value_parser = ["simulated", "none"])]
    nodes: String,
}

fn main() -> ExitCode {
    Program::new("ai-training-prod")
        .about("A GPU training cluster on AWS: network, machines, drivers.")
        .version(env!("CARGO_PKG_VERSION"))
        .declare(declare)
        .cloud(SandboxCloud)
        .cloud(AwsCloud)
        .command(SandboxCommand)
        .engine(|engine| engine.policies(policies()))
        .run()
}

/// What no cluster may be planned without; `policy` lists it, and says how this one does.
fn policies() -> Vec<Policy> {
    let price = |instance_type: &str| InstanceType::named(instance_type).ok()?.usd_per_hour;
    let mut policies = baseline();
    policies.push(cost_ceiling(Ceiling::hourly(10_000.0), price));
    policies
}

fn declare(settings: &Settings, scope: &mut Scope<'_>) -> Result<(), std::convert::Infallible> {
    let os = Os::Ubuntu2404;
    let mut software = Software::new(os, settings.kernel.clone(), settings.driver.clone());
    software.fabric_manager.clone_from(&settings.fabric_manager);
    software.cuda = Some(settings.cuda.clone());
    software.nccl = Some(settings.nccl.clone());
    software.nccl_settings = [("NCCL_DEBUG", "INFO"), ("NCCL_SOCKET_IFNAME", "^lo,docker")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    software.power_limit_w = Some(settings.power_limit);
    software.compute_mode = Some(ComputeMode::ExclusiveProcess);
    let configured = settings.nodes != "none";
    let training = NodeGroup {
        name: "training".to_owned(),
        instance_type: settings.instance_type.clone(),
        count: settings.count,
        capacity: Capacity::OnDemand { placement_group: !settings.no_placement_group },
        subnet_cidr: None,
        ebs_optimized: true,
        stop_to_change: settings.stop_to_change,
        efa: Some(Goal::EfaFewestIps),
        bandwidth_gbps: Some(3200),
        root_volume: RootVolume::new(settings.root_volume),
        scratch: configured.then(|| ScratchSpace {
            mount_point: "/scratch".to_owned(),
            required: StorageRequirement {
                capacity_gb: 15_360,
                iops: Some(80_000),
                throughput_mb_s: Some(10_000),
            },
            layout: Layout::Raid0,
            file_system: FileSystem::Xfs,
        }),
        software: configured.then_some(software),
    };
    let cluster = GpuCluster {
        region: settings.region.clone(),
        zone: settings.zone.clone(),
        network: ClusterNetwork { cidr: settings.cidr.clone(), ..ClusterNetwork::default() },
        image: match settings.image.as_deref() {
            None => NodeImage::ubuntu_2404(),
            Some(id) if id.starts_with("ami-") => NodeImage::Id(id.into()),
            Some(parameter) => NodeImage::SsmParameter(parameter.to_owned()),
        },
        os,
        groups: vec![training],
        tags: [("cluster".to_owned(), scope.stack().to_string())].into(),
    };
    let cluster = scope.add("cluster", cluster);
    scope.export("vpc", &cluster.vpc_id);
    scope.export("zone", &cluster.zone);
    scope.export("security_group", &cluster.security_group_id);
    for group in &cluster.groups {
        let addresses: Vec<_> = group.nodes.iter().map(|node| node.private_ip.clone()).collect();
        scope.export(format!("{}_addresses", group.name), addresses);
        let ready: Vec<_> = group.nodes.iter().map(|node| node.ready.clone()).collect();
        scope.export(format!("{}_ready", group.name), all(&ready).map(|nodes| nodes.len()));
    }
    Ok(())
}
