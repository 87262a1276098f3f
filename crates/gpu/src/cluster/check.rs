//! What can not work, found before anything is paid for: every reason at once.

use std::net::Ipv4Addr;

use formwork_core::Scope;
use ipnet::Ipv4Net;

use super::{
    layout::Addresses,
    software::Steps,
    spec::{Capacity, GpuCluster, NodeGroup, NodeImage, Software},
};
use crate::{
    compat::{
        Finding, NodeSoftware, Rule, Severity, Version, check, kernel_not_offered, not_offered,
    },
    instance_type::{InstanceType, StorageMeasurement},
    interfaces::{InterfaceLayout, NetworkDeclaration, SubnetCapacity},
};

/// A group that passed: with its interfaces, and what runs on each of its nodes.
pub(super) struct Checked<'c> {
    pub(super) group: &'c NodeGroup,
    pub(super) layout: InterfaceLayout,
    pub(super) steps: Option<Steps>,
}

/// Checks the whole cluster, reporting problems to the scope; `None` for a group that has some.
///
/// A group that is refused is not declared: however many nodes it asks for, to refuse it costs the
/// same.
pub(super) fn cluster<'c>(
    cluster: &'c GpuCluster,
    addresses: &Addresses,
    scope: &mut Scope<'_>,
) -> Vec<Option<Checked<'c>>> {
    zone(cluster, scope);
    image(cluster, scope);
    if cluster.groups.is_empty() {
        scope.problem(Some("groups"), "there are none; expected at least one group of nodes");
    }
    let mut checked = Vec::new();
    for (i, group) in cluster.groups.iter().enumerate() {
        let mut verdict = Verdict { scope, group: i, refused: false };
        if cluster.groups[..i].iter().any(|other| other.name == group.name) {
            let message =
                format!("two groups are named `{}`; expected different names", group.name);
            verdict.problem("name", message);
        }
        let passed = node_group(cluster, group, addresses.groups[i], &mut verdict);
        checked.push(passed.filter(|_| !verdict.refused));
    }
    checked
}

/// What is found about one group.
struct Verdict<'v, 's> {
    scope: &'v mut Scope<'s>,
    group: usize,
    refused: bool,
}

impl Verdict<'_, '_> {
    fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.refused = true;
        self.scope.problem(Some(&format!("groups[{}].{field}", self.group)), message);
    }

    fn warn(&mut self, field: &str, message: impl Into<String>) {
        self.scope.warn(Some(&format!("groups[{}].{field}", self.group)), message);
    }
}

/// A zone is named after its region (EC2 User Guide, "Regions and Zones"); whether it offers the
/// types is asked at plan.
fn zone(cluster: &GpuCluster, scope: &mut Scope<'_>) {
    let Some(zone) = &cluster.zone else { return };
    let region = &cluster.region;
    if zone.strip_prefix(region.as_str()).is_none_or(str::is_empty) {
        let message = format!(
            "`{zone}` is no zone of {region}; expected one such as {region}a, or none to take the \
             first that offers every type"
        );
        scope.problem(Some("zone"), message);
    }
}

/// The form of an image's id (EC2 User Guide, "Resource IDs"); whether there is one is asked at plan.
fn image(cluster: &GpuCluster, scope: &mut Scope<'_>) {
    let NodeImage::Id(id) = &cluster.image else { return };
    let digits = id.as_str().strip_prefix("ami-").unwrap_or_default();
    let hexadecimal = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !(8..=17).contains(&digits.len()) || !hexadecimal {
        let message = format!(
            "`{}` is no id of an image; expected `ami-` and 8 to 17 hexadecimal digits",
            id.as_str()
        );
        scope.problem(Some("image"), message);
    }
}

fn node_group<'c>(
    cluster: &'c GpuCluster,
    group: &'c NodeGroup,
    subnet: Option<Ipv4Net>,
    verdict: &mut Verdict<'_, '_>,
) -> Option<Checked<'c>> {
    if group.count == 0 {
        verdict.problem("count", "it is 0; expected at least one node");
    }
    let instance_type = match InstanceType::named(&group.instance_type) {
        Ok(instance_type) => instance_type,
        Err(error) => {
            verdict.problem("instance_type", error.to_string());
            return None;
        }
    };
    let layout = match group.efa {
        Some(goal) => {
            if instance_type.network.efa_max == 0 {
                let message = format!(
                    "{} has no EFA; leave it out, or take another type",
                    group.instance_type
                );
                verdict.problem("efa", message);
            }
            InterfaceLayout::for_type(instance_type, goal)
        }
        None => InterfaceLayout::plain(),
    };
    for violation in NetworkDeclaration::of(&layout).check(instance_type) {
        verdict.problem("efa", violation.to_string());
    }
    match subnet {
        Some(subnet) => addresses(cluster, group, &layout, subnet, verdict),
        // Why it has none has been reported with the ranges.
        None => verdict.refused = true,
    }
    bandwidth(group, instance_type, verdict);
    capacity(group, instance_type, verdict);
    let size = group.root_volume.size_gib;
    if !(1..=65_536).contains(&size) {
        let message = format!("{size} GiB is no size of a gp3 volume: expected 1 to 65,536");
        verdict.problem("root_volume.size_gib", message);
    }
    let mut to_measure = StorageMeasurement::default();
    if let Some(scratch) = &group.scratch {
        let found = scratch.required.check(instance_type);
        for finding in found.findings {
            match finding.severity {
                Severity::Error => verdict.problem("scratch.required", finding.message),
                _ => verdict.warn("scratch.required", finding.message),
            }
        }
        to_measure = found.to_measure;
        if group.software.is_none() {
            verdict.problem("scratch", "it is made by the node's software, and there is none");
        }
    }
    if let Some(software) = &group.software {
        for finding in findings(cluster, software, instance_type) {
            let field = field_of(finding.rule);
            let message = format!("{} [{}]", finding.message, finding.source);
            match finding.severity {
                Severity::Error => verdict.problem(field, message),
                Severity::Warning => verdict.warn(field, message),
                Severity::Note => {}
            }
        }
    }
    let steps = Steps::of(cluster.os, group, instance_type, &layout, &to_measure);
    for (field, problem) in steps.iter().flat_map(Steps::problems) {
        verdict.problem(field, problem);
    }
    Some(Checked { group, layout, steps })
}

/// Whether the nodes, and the endpoints that stand in the first group's subnet with one address
/// each, fit into the subnet.
fn addresses(
    cluster: &GpuCluster,
    group: &NodeGroup,
    layout: &InterfaceLayout,
    subnet: Ipv4Net,
    verdict: &mut Verdict<'_, '_>,
) {
    let endpoints =
        if verdict.group == 0 { cluster.network.interface_endpoints.len() as u64 } else { 0 };
    match SubnetCapacity::check(subnet.prefix_len(), layout.private_ips(), group.count) {
        Ok(capacity) => {
            let needed = u64::from(group.count) * u64::from(layout.private_ips()) + endpoints;
            if needed > u64::from(capacity.usable) {
                let message = format!(
                    "{subnet} has {} addresses to use; {} nodes and {endpoints} endpoints need \
                     {needed}",
                    capacity.usable, group.count
                );
                verdict.problem("subnet_cidr", message);
            }
        }
        Err(error) => verdict.problem("subnet_cidr", error.to_string()),
    }
}

/// What the compatibility tables say about the software of a group, with what no repository offers.
fn findings(cluster: &GpuCluster, software: &Software, of: &InstanceType) -> Vec<Finding> {
    let declared = declared_software(software, of);
    let mut missing = not_offered(&declared, of, cluster.os, software.source);
    missing.extend(kernel_not_offered(&software.kernel, cluster.os));
    let mut findings = check(&declared, of);
    // A build that does not exist need not be told off for the CUDA that it was built for too.
    if missing.iter().any(|finding| finding.rule == Rule::NcclNotOffered) {
        findings.retain(|finding| finding.rule != Rule::NcclBuild);
    }
    for finding in &mut missing {
        if software.unlisted_versions {
            finding.severity = Severity::Warning;
        } else {
            finding.message +=
                "; `unlisted_versions` takes a release that is newer than the tables";
        }
    }
    missing.append(&mut findings);
    missing
}

/// The field of a group that a rule judges.
fn field_of(rule: Rule) -> &'static str {
    match rule {
        Rule::DriverNotOffered
        | Rule::GpuMinimumDriver
        | Rule::ArchitectureLastBranch
        | Rule::BranchEndOfLife
        | Rule::UnknownBranch => "software.driver",
        Rule::KernelModules => "software.kernel_modules",
        Rule::CudaNotOffered
        | Rule::CudaMinimumDriver
        | Rule::CudaMinorVersion
        | Rule::CudaArchitecture => "software.cuda",
        Rule::FabricManager => "software.fabric_manager",
        Rule::Nvlsm => "software.nvlsm",
        Rule::CudnnNotOffered | Rule::Cudnn => "software.cudnn",
        Rule::NcclNotOffered | Rule::NcclBuild => "software.nccl",
        Rule::KernelNotOffered | Rule::Kernel => "software.kernel",
        Rule::PowerLimit | Rule::PowerLimitUnpublished => "software.power_limit_w",
        _ => "software",
    }
}

fn bandwidth(group: &NodeGroup, of: &InstanceType, verdict: &mut Verdict<'_, '_>) {
    let field = "bandwidth_gbps";
    let Some(wanted) = group.bandwidth_gbps else { return };
    match of.network.mbps {
        Some(mbps) if mbps < wanted.saturating_mul(1000) => {
            let message =
                format!("{} has {} Gb/s, and {wanted} are required", of.name, mbps / 1000);
            verdict.problem(field, message);
        }
        Some(_) if group.efa.is_none() && wanted > 100 => {
            let message =
                format!("{wanted} Gb/s need EFA on every network card, and `efa` is not set");
            verdict.problem(field, message);
        }
        Some(_) => {}
        None => {
            let message = format!("no network bandwidth is published for {}: not judged", of.name);
            verdict.warn(field, message);
        }
    }
}

fn capacity(group: &NodeGroup, of: &InstanceType, verdict: &mut Verdict<'_, '_>) {
    let field = "capacity";
    let grouped = matches!(
        group.capacity,
        Capacity::OnDemand { placement_group: true } | Capacity::Spot { placement_group: true, .. }
    );
    let apart = matches!(group.capacity, Capacity::OnDemand { .. } | Capacity::Spot { .. });
    if group.efa.is_some() && group.count > 1 && apart && !grouped {
        let message = "EFA between nodes that stand apart is slower; set `placement_group`";
        verdict.warn(field, message);
    }
    if matches!(group.capacity, Capacity::OnDemand { .. }) && of.usd_per_hour.is_none() {
        let message = format!(
            "{} has no on-demand price: it is there as capacity block or spot only",
            of.name
        );
        verdict.problem(field, message);
    }
    if matches!(group.capacity, Capacity::Spot { .. }) && group.efa.is_some() {
        let message =
            "AWS advises against spot for tightly coupled work: any node may be taken away";
        verdict.warn(field, message);
    }
}

/// The software of a group in the words of the compatibility tables.
fn declared_software(software: &Software, of: &InstanceType) -> NodeSoftware {
    let like_driver = || of.fabric_manager.then(|| software.driver.clone());
    NodeSoftware {
        kernel: Version::leading(&software.kernel).ok(),
        driver: Some(software.driver.clone()),
        kernel_modules: Some(software.kernel_modules),
        fabric_manager: software.fabric_manager.clone().or_else(like_driver),
        nvlsm: software.nvlsm.clone(),
        cuda: software.cuda.clone(),
        cudnn: software.cudnn.clone(),
        nccl: software.nccl.clone(),
        power_limit_w: software.power_limit_w,
        ..NodeSoftware::default()
    }
}

/// Reads a CIDR, reporting what is wrong with it.
pub(super) fn cidr(text: &str, field: &str, scope: &mut Scope<'_>) -> Option<Ipv4Net> {
    match text.parse::<Ipv4Net>() {
        Ok(net) if net.trunc() == net => Some(net),
        Ok(net) => {
            let message =
                format!("{text} has bits set behind its prefix; did you mean {}?", net.trunc());
            scope.problem(Some(field), message);
            None
        }
        Err(_) => {
            let example = Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), 16).map(|n| n.to_string());
            let example = example.unwrap_or_default();
            scope.problem(
                Some(field),
                format!("`{text}` is no IPv4 range; expected one like {example}"),
            );
            None
        }
    }
}
