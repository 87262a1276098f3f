//! Which addresses go where.

use formwork_core::Scope;
use ipnet::Ipv4Net;

use super::{check::cidr, spec::GpuCluster};

/// The prefix length of a group's subnet when the program names none.
const GROUP_PREFIX: u8 = 20;

/// The prefix length of the public subnet when the program names none.
const PUBLIC_PREFIX: u8 = 24;

/// The address ranges of a cluster; `None` where one is wrong, which has been reported.
pub(super) struct Addresses {
    pub(super) vpc: Option<Ipv4Net>,
    pub(super) public: Option<Ipv4Net>,
    pub(super) groups: Vec<Option<Ipv4Net>>,
}

impl Addresses {
    /// Takes the ranges that the program names, and gives the others the first ones that are free.
    pub(super) fn of(cluster: &GpuCluster, scope: &mut Scope<'_>) -> Self {
        let vpc = cidr(&cluster.network.cidr, "network.cidr", scope);
        let mut taken: Vec<Ipv4Net> = Vec::new();
        let named: Vec<Option<&String>> = std::iter::once(cluster.network.public_cidr.as_ref())
            .chain(cluster.groups.iter().map(|group| group.subnet_cidr.as_ref()))
            .collect();
        let field = |i: usize| match i.checked_sub(1) {
            None => "network.public_cidr".to_owned(),
            Some(group) => format!("groups[{group}].subnet_cidr"),
        };
        let mut ranges: Vec<Option<Ipv4Net>> = Vec::new();
        for (i, text) in named.iter().enumerate() {
            let range = text.and_then(|text| cidr(text, &field(i), scope));
            if let (Some(range), Some(vpc)) = (range, vpc) {
                if !vpc.contains(&range) {
                    let message = format!("{range} is not inside the VPC's {vpc}");
                    scope.problem(Some(&field(i)), message);
                }
                if let Some(other) = taken.iter().find(|t| t.contains(&range) || range.contains(*t))
                {
                    scope.problem(Some(&field(i)), format!("{range} overlaps {other}"));
                }
                taken.push(range);
            }
            ranges.push(range);
        }
        if let Some(vpc) = vpc {
            for (i, text) in named.iter().enumerate().filter(|(_, text)| text.is_none()) {
                debug_assert!(text.is_none());
                let prefix =
                    if i == 0 { PUBLIC_PREFIX } else { GROUP_PREFIX }.max(vpc.prefix_len());
                let free = vpc.subnets(prefix).ok().and_then(|mut subnets| {
                    subnets.find(|s| !taken.iter().any(|t| t.contains(s) || s.contains(t)))
                });
                match free {
                    Some(range) => {
                        taken.push(range);
                        ranges[i] = Some(range);
                    }
                    None => {
                        let message = format!("{vpc} has no free /{prefix} left for it");
                        scope.problem(Some(&field(i)), message);
                    }
                }
            }
        }
        let mut ranges = ranges.into_iter();
        Self { vpc, public: ranges.next().flatten(), groups: ranges.collect() }
    }
}
