//! What each instance type is: the rows of `data/instance_types.json`, and where they are offered.
//!
//! The table is AWS's own DescribeInstanceTypes output, made compact: equal network cards are one
//! run, and what follows from other fields is left out. It is a part of AWS's list, not all of it:
//! a type that it lacks is refused as AWS refuses one that does not exist.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// One instance type. Sizes are in the units that the field names say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstanceType {
    #[serde(rename = "type")]
    pub(crate) name: String,
    pub(crate) arch: Vec<String>,
    #[serde(default)]
    pub(crate) cpu: Option<String>,
    #[serde(default)]
    pub(crate) ghz: Option<f64>,
    pub(crate) vcpus: i64,
    #[serde(default)]
    pub(crate) cores: Option<i64>,
    #[serde(default)]
    pub(crate) threads: Option<i64>,
    #[serde(default)]
    pub(crate) valid_cores: Vec<i64>,
    #[serde(default)]
    pub(crate) valid_threads: Vec<i64>,
    pub(crate) memory_mib: i64,
    #[serde(default)]
    pub(crate) disks: Vec<Disks>,
    pub(crate) ebs: Ebs,
    pub(crate) network: Network,
    #[serde(default)]
    pub(crate) gpus: Vec<Gpus>,
    #[serde(default)]
    pub(crate) neuron: Vec<Neuron>,
    pub(crate) usage: Vec<String>,
    #[serde(default)]
    pub(crate) strategies: Vec<String>,
    #[serde(default)]
    pub(crate) boot: Vec<String>,
    #[serde(default)]
    pub(crate) flags: Vec<String>,
    #[serde(default)]
    pub(crate) hypervisor: Option<String>,
}

/// Equal instance store disks: count, GB of each, `ssd` or `hdd`.
#[derive(Debug, Deserialize)]
pub(crate) struct Disks(pub(crate) i64, pub(crate) i64, pub(crate) String);

/// Equal GPUs: count, manufacturer, name, MiB of each.
#[derive(Debug, Deserialize)]
pub(crate) struct Gpus(pub(crate) i64, pub(crate) String, pub(crate) String, pub(crate) i64);

/// Equal Neuron devices: count, name, cores, core version, MiB of each.
#[derive(Debug, Deserialize)]
pub(crate) struct Neuron(
    pub(crate) i64,
    pub(crate) String,
    pub(crate) i64,
    pub(crate) i64,
    pub(crate) i64,
);

/// Equal network cards: count, performance, interfaces of each, baseline and peak Gb/s of each.
#[derive(Debug, Deserialize)]
pub(crate) struct Cards(
    pub(crate) u32,
    pub(crate) String,
    pub(crate) u32,
    pub(crate) Option<f64>,
    pub(crate) Option<f64>,
);

/// EBS figures; pairs are baseline and maximum.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ebs {
    pub(crate) optimized: String,
    pub(crate) nvme: String,
    #[serde(default)]
    pub(crate) attachments: Option<i64>,
    #[serde(default)]
    pub(crate) limit: Option<String>,
    #[serde(default)]
    pub(crate) mbps: Option<(i64, i64)>,
    #[serde(default)]
    pub(crate) throughput: Option<(f64, f64)>,
    #[serde(default)]
    pub(crate) iops: Option<(i64, i64)>,
}

/// Network figures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    pub(crate) performance: String,
    pub(crate) interfaces: u32,
    pub(crate) cards: Vec<Cards>,
    pub(crate) ipv4: i64,
    pub(crate) ena: String,
    pub(crate) ena_srd: bool,
    pub(crate) encryption: bool,
    /// Most EFA interfaces; 0 where the type has no EFA.
    #[serde(default)]
    pub(crate) efa: u32,
    /// The cards that carry EFA, where it is not every card.
    #[serde(default)]
    pub(crate) efa_cards: Option<Vec<u32>>,
}

impl Network {
    /// Each card: its index, and the run that it belongs to.
    pub(crate) fn each_card(&self) -> impl Iterator<Item = (u32, &Cards)> {
        let runs = self.cards.iter().flat_map(|run| std::iter::repeat_n(run, run.0 as usize));
        (0..).zip(runs)
    }

    /// Number of network cards.
    pub(crate) fn card_count(&self) -> u32 {
        self.cards.iter().map(|run| run.0).sum()
    }

    /// Most interfaces of any kind on this card; none where there is no such card.
    pub(crate) fn interfaces_on(&self, card: u32) -> Option<u32> {
        self.each_card().find(|(index, _)| *index == card).map(|(_, run)| run.2)
    }

    /// Most EFA interfaces on this card: one where the card carries EFA.
    pub(crate) fn efa_on(&self, card: u32) -> u32 {
        let carries = match &self.efa_cards {
            Some(cards) => cards.contains(&card),
            None => card < self.card_count(),
        };
        u32::from(self.efa > 0 && carries)
    }
}

impl InstanceType {
    /// Whether the table marks the type so (`current`, `burstable`, `bare_metal`, ..).
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }

    /// GB of instance store, all disks together.
    pub(crate) fn storage_gb(&self) -> i64 {
        self.disks.iter().map(|disks| disks.0 * disks.1).sum()
    }

    /// Whether the type is offered in the zone. The big accelerated types are missing from some
    /// zones of every region, as on AWS: none is in a zone `c`, `e` or later, the newest are in zone `b` alone.
    pub(crate) fn offered_in(&self, zone: &str) -> bool {
        let letter = zone.chars().next_back().unwrap_or('a');
        let family = self.name.split('.').next().unwrap_or_default();
        match family {
            "p5e" | "p6-b200" | "p6-b300" | "p6e-gb200" | "trn2" => letter == 'b',
            "p3dn" | "p4d" | "p4de" | "p5" | "p5en" | "trn1" | "trn1n" | "g7" | "g7e" => {
                matches!(letter, 'a' | 'b' | 'd')
            }
            _ => true,
        }
    }
}

static TYPES: LazyLock<BTreeMap<String, InstanceType>> = LazyLock::new(|| {
    let rows: Vec<InstanceType> =
        serde_json::from_str(include_str!("../../data/instance_types.json"))
            .expect("the table is part of the source, and a test reads it");
    rows.into_iter().map(|row| (row.name.clone(), row)).collect()
});

/// Returns every known type, by name.
pub(crate) fn all() -> impl Iterator<Item = &'static InstanceType> {
    TYPES.values()
}

/// Returns the type with this name.
pub(crate) fn find(name: &str) -> Option<&'static InstanceType> {
    TYPES.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_consistent_with_itself() {
        assert!(all().count() > 150);
        for row in all() {
            let cards: u32 = row.network.each_card().map(|(_, run)| run.2).sum();
            assert!(
                cards >= row.network.interfaces,
                "{}: cards hold fewer interfaces than the type",
                row.name
            );
            let efa: u32 = (0..row.network.card_count()).map(|card| row.network.efa_on(card)).sum();
            assert!(
                efa >= row.network.efa,
                "{}: {efa} cards carry {} EFA",
                row.name,
                row.network.efa
            );
            if let (Some(cores), Some(threads)) = (row.cores, row.threads) {
                assert_eq!(cores * threads, row.vcpus, "{}", row.name);
            }
            assert!(row.offered_in("eu-west-1b"), "{} is offered nowhere", row.name);
        }
    }

    #[test]
    fn efa_is_on_no_card_that_cannot_carry_it() {
        let b300 = &find("p6-b300.48xlarge").expect("in the table").network;
        assert_eq!(
            (b300.efa_on(0), b300.efa_on(1), b300.efa_on(16), b300.efa_on(17)),
            (0, 1, 1, 0)
        );
        let p5 = &find("p5.48xlarge").expect("in the table").network;
        assert_eq!((p5.interfaces_on(31), p5.interfaces_on(32), p5.efa), (Some(2), None, 32));
    }
}
