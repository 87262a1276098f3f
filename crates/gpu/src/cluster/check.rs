//! What can not work, found before anything is paid for: every reason at once.

use std::net::Ipv4Addr;

use formwork_core::Scope;
use ipnet::Ipv4Net;

use super::{
    layout::Addresses,
    spec::{Capacity, GpuCluster, NodeGroup, Software},
};
use crate::{
    compat::{NodeSoftware, Severity, Version, check},
    instance_type::{InstanceType, StorageMeasurement},
    interfaces::{InterfaceLayout, NetworkDeclaration, SubnetCapacity},
};

/// A group that passed: with its type, its interfaces, and what its nodes still have to prove.
pub(super) struct Checked<'c> {
    pub(super) group: &'c NodeGroup,
    pub(super) instance_type: &'static InstanceType,
    pub(super) layout: InterfaceLayout,
    pub(super) to_measure: StorageMeasurement,
}

/// Checks the whole cluster, reporting problems to the scope; `None` for a group of no known type.
pub(super) fn cluster<'c>(
    cluster: &'c GpuCluster,
    addresses: &Addresses,
    scope: &mut Scope<'_>,
) -> Vec<Option<Checked<'c>>> {
    if cluster.groups.is_empty() {
        scope.problem(Some("groups"), "there are none; expected at least one group of nodes");
    }
    let mut checked = Vec::new();
    for (i, group) in cluster.groups.iter().enumerate() {
        if cluster.groups[..i].iter().any(|other| other.name == group.name) {
            let message =
                format!("two groups are named `{}`; expected different names", group.name);
            scope.problem(Some(&format!("groups[{i}].name")), message);
        }
        checked.push(node_group(cluster, i, group, addresses.groups[i], scope));
    }
    checked
}

fn node_group<'c>(
    cluster: &'c GpuCluster,
    index: usize,
    group: &'c NodeGroup,
    subnet: Option<Ipv4Net>,
    scope: &mut Scope<'_>,
) -> Option<Checked<'c>> {
    let field = |name: &str| format!("groups[{index}].{name}");
    if group.count == 0 {
        scope.problem(Some(&field("count")), "it is 0; expected at least one node");
    }
    let instance_type = match InstanceType::named(&group.instance_type) {
        Ok(instance_type) => instance_type,
        Err(error) => {
            scope.problem(Some(&field("instance_type")), error.to_string());
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
                scope.problem(Some(&field("efa")), message);
            }
            InterfaceLayout::for_type(instance_type, goal)
        }
        None => InterfaceLayout::plain(),
    };
    for violation in NetworkDeclaration::of(&layout).check(instance_type) {
        scope.problem(Some(&field("efa")), violation.to_string());
    }
    if let Some(subnet) = subnet {
        // The interface endpoints stand in the first group's subnet, one address each.
        let endpoints = if index == 0 { cluster.network.interface_endpoints.len() } else { 0 };
        let endpoints = u32::try_from(endpoints).unwrap_or(u32::MAX);
        let capacity =
            SubnetCapacity::check(subnet.prefix_len(), layout.private_ips(), group.count);
        match capacity {
            Ok(capacity) if group.count * layout.private_ips() + endpoints > capacity.usable => {
                let message = format!(
                    "{subnet} has {} addresses to use; {} nodes and {endpoints} endpoints need {}",
                    capacity.usable,
                    group.count,
                    group.count * layout.private_ips() + endpoints
                );
                scope.problem(Some(&field("subnet_cidr")), message);
            }
            Ok(_) => {}
            Err(error) => scope.problem(Some(&field("subnet_cidr")), error.to_string()),
        }
    }
    bandwidth(group, instance_type, &field("bandwidth_gbps"), scope);
    capacity(group, instance_type, &field("capacity"), scope);
    if let Some(root) =
        Some(&group.root_volume).filter(|root| !(1..=65_536).contains(&root.size_gib))
    {
        let message =
            format!("{} GiB is no size of a gp3 volume: expected 1 to 65,536", root.size_gib);
        scope.problem(Some(&field("root_volume.size_gib")), message);
    }
    let mut to_measure = StorageMeasurement::default();
    if let Some(scratch) = &group.scratch {
        let verdict = scratch.required.check(instance_type);
        for finding in verdict.findings {
            match finding.severity {
                Severity::Error => scope.problem(Some(&field("scratch.required")), finding.message),
                _ => scope.warn(Some(&field("scratch.required")), finding.message),
            }
        }
        to_measure = verdict.to_measure;
        if group.software.is_none() {
            let message = "it is made by the node's software, and there is none";
            scope.problem(Some(&field("scratch")), message);
        }
    }
    if let Some(software) = &group.software {
        let declared = declared_software(software, instance_type);
        for finding in check(&declared, instance_type) {
            let message = format!("{} [{}]", finding.message, finding.source);
            match finding.severity {
                Severity::Error => scope.problem(Some(&field("software")), message),
                Severity::Warning => scope.warn(Some(&field("software")), message),
                Severity::Note => {}
            }
        }
    }
    Some(Checked { group, instance_type, layout, to_measure })
}

fn bandwidth(group: &NodeGroup, of: &InstanceType, field: &str, scope: &mut Scope<'_>) {
    let Some(wanted) = group.bandwidth_gbps else { return };
    match of.network.mbps {
        Some(mbps) if mbps < wanted * 1000 => {
            let message =
                format!("{} has {} Gb/s, and {wanted} are required", of.name, mbps / 1000);
            scope.problem(Some(field), message);
        }
        Some(_) if group.efa.is_none() && wanted > 100 => {
            let message =
                format!("{wanted} Gb/s need EFA on every network card, and `efa` is not set");
            scope.problem(Some(field), message);
        }
        Some(_) => {}
        None => {
            let message = format!("no network bandwidth is published for {}: not judged", of.name);
            scope.warn(Some(field), message);
        }
    }
}

fn capacity(group: &NodeGroup, of: &InstanceType, field: &str, scope: &mut Scope<'_>) {
    let grouped = matches!(
        group.capacity,
        Capacity::OnDemand { placement_group: true } | Capacity::Spot { placement_group: true, .. }
    );
    let apart = matches!(group.capacity, Capacity::OnDemand { .. } | Capacity::Spot { .. });
    if group.efa.is_some() && group.count > 1 && apart && !grouped {
        let message = "EFA between nodes that stand apart is slower; set `placement_group`";
        scope.warn(Some(field), message);
    }
    if matches!(group.capacity, Capacity::OnDemand { .. }) && of.usd_per_hour.is_none() {
        let message = format!(
            "{} has no on-demand price: it is there as capacity block or spot only",
            of.name
        );
        scope.problem(Some(field), message);
    }
    if matches!(group.capacity, Capacity::Spot { .. }) && group.efa.is_some() {
        let message =
            "AWS advises against spot for tightly coupled work: any node may be taken away";
        scope.warn(Some(field), message);
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
