//! The accelerated EC2 instance types, as a table with sources.
//!
//! `data/instance-types.json` holds the rows and names its sources; this module gives them types
//! and answers the questions that the rest of the crate asks of a type. What depends on a *size*
//! is decided by size: `p5.4xlarge` has one H100 and no NVSwitch, so it needs no fabric manager,
//! although its family does.
//!
//! [`StorageRequirement`] holds the local disks against what a program asks of them.

mod storage;

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

pub use storage::{StorageMeasurement, StorageRequirement, StorageVerdict};

/// An accelerated EC2 instance type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstanceType {
    /// `p5.48xlarge`.
    pub name: String,
    /// Its GPUs, or Trainium chips.
    pub accelerator: Accelerator,
    /// Virtual CPUs; not known for types that exist only inside UltraServers.
    pub vcpu: Option<u32>,
    /// Main memory in MiB.
    pub memory_mib: Option<u64>,
    /// Local NVMe disks, if it has any. They are empty after every stop of the instance.
    pub storage: Option<LocalStorage>,
    /// Network cards and interfaces.
    pub network: Network,
    /// What the type can move to and from EBS.
    pub ebs: Option<EbsLimits>,
    /// Whether its GPUs are connected through NVSwitch.
    #[serde(default)]
    pub nvswitch: bool,
    /// Whether NVIDIA fabric manager must run on it.
    #[serde(default)]
    pub fabric_manager: bool,
    /// Whether NVLSM must run beside the fabric manager.
    #[serde(default)]
    pub nvlsm: bool,
    /// Whether NVIDIA IMEX must run on it.
    #[serde(default)]
    pub imex: bool,
    /// Whether its GPUs can be cut into MIG instances.
    #[serde(default)]
    pub mig: bool,
    /// NVLinks per GPU, zero without NVLink.
    #[serde(default)]
    pub nvlinks: u32,
    /// List price, see [`PriceBasis`]; `None` where there is no on-demand price.
    pub usd_per_hour: Option<f64>,
    /// What else is to be known.
    pub note: Option<String>,
}

/// The accelerators of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accelerator {
    /// `H100`, `A100-40`, `Trainium2`: a name of the compatibility tables if it is NVIDIA's.
    pub model: String,
    /// How many; zero for the types that have a fraction of one GPU.
    pub count: u32,
    /// Memory of each in MiB, where it is published.
    pub memory_mib: Option<u64>,
    /// Who makes them.
    #[serde(default)]
    pub maker: Maker,
}

/// Who makes an accelerator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// NVIDIA: everything in this crate applies.
    #[default]
    Nvidia,
    /// AWS (Trainium): none of the NVIDIA steps apply.
    Aws,
}

/// The local NVMe disks of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalStorage {
    /// How many disks.
    pub disks: u32,
    /// Size of each in GB (10^9 bytes).
    pub disk_gb: u64,
    /// Random reads per second of 4 KiB, all disks together, as AWS publishes them.
    pub read_iops: Option<u64>,
    /// Random writes per second of 4 KiB, all disks together, as AWS publishes them.
    pub write_iops: Option<u64>,
}

impl LocalStorage {
    /// Capacity of all disks in GB (10^9 bytes).
    #[must_use]
    pub fn total_gb(&self) -> u64 {
        u64::from(self.disks) * self.disk_gb
    }
}

/// The network of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Network {
    /// Network bandwidth in Mb/s.
    pub mbps: Option<u64>,
    /// EFA interfaces at most.
    pub efa_max: u32,
    /// Network cards.
    pub cards: u32,
    /// Network interfaces that one card takes, where it is published.
    pub enis_per_card: Option<u32>,
    /// The cards that take an EFA, where not all of them do.
    #[serde(default)]
    pub efa_cards: Option<Vec<u32>>,
    /// The cards that get a further ENA interface for the type's full IP bandwidth.
    #[serde(default)]
    pub ip_cards: Vec<u32>,
}

impl Network {
    /// Whether an EFA can be placed on `card`.
    #[must_use]
    pub fn takes_efa(&self, card: u32) -> bool {
        self.efa_max > 0
            && card < self.cards
            && self.efa_cards.as_ref().is_none_or(|cards| cards.contains(&card))
    }
}

/// What an instance type can move to and from EBS, all volumes together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EbsLimits {
    /// Throughput in MB/s.
    pub mb_s: u64,
    /// Input and output operations per second.
    pub iops: u64,
}

/// Where and when the prices of the table were valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PriceBasis {
    /// The region, `us-east-1`.
    pub region: String,
    /// The day of the price list, `2026-07-20`. Prices change: on-demand prices fell by up to 44 %
    /// in 2025.
    pub as_of: String,
    /// Where the prices come from.
    pub source: String,
    /// What one number means.
    pub unit: String,
}

/// No such accelerated instance type is in the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not in the table of accelerated instance types{}", Hint(.near))]
pub struct UnknownInstanceType {
    /// The name as it was given.
    pub name: String,
    /// Types of the same family.
    pub near: Vec<String>,
}

struct Hint<'a>(&'a [String]);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            near => write!(f, "; its family has {}", near.join(", ")),
        }
    }
}

#[derive(Deserialize)]
struct Table {
    about: About,
    types: Vec<InstanceType>,
}

#[derive(Deserialize)]
struct About {
    price: PriceBasis,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        serde_json::from_str(include_str!("../../data/instance-types.json"))
            .expect("data/instance-types.json is part of this crate, and a test parses it")
    })
}

impl InstanceType {
    /// All types of the table.
    #[must_use]
    pub fn all() -> &'static [InstanceType] {
        &table().types
    }

    /// The type of that name.
    ///
    /// # Errors
    ///
    /// When the table has no such type; the error names the family's others.
    pub fn named(name: &str) -> Result<&'static InstanceType, UnknownInstanceType> {
        Self::all().iter().find(|row| row.name == name).ok_or_else(|| {
            let family = name.split('.').next().unwrap_or(name);
            let near = Self::all().iter().filter(|row| row.family() == family);
            let near = near.map(|row| row.name.clone()).collect();
            UnknownInstanceType { name: name.to_owned(), near }
        })
    }

    /// Where and when [`InstanceType::usd_per_hour`] was valid.
    #[must_use]
    pub fn price_basis() -> &'static PriceBasis {
        &table().about.price
    }

    /// The part of the name before the dot: `p5` of `p5.48xlarge`.
    #[must_use]
    pub fn family(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// Whether it has at least one whole NVIDIA GPU, or a fraction of one.
    #[must_use]
    pub fn has_nvidia(&self) -> bool {
        self.accelerator.maker == Maker::Nvidia
    }
}

impl fmt::Display for InstanceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}x {})", self.name, self.accelerator.count, self.accelerator.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::Compatibility;

    #[test]
    fn every_nvidia_gpu_of_the_table_is_known_to_the_compatibility_tables() {
        for row in InstanceType::all() {
            let known = Compatibility::get().gpu(&row.accelerator.model).is_some();
            assert_eq!(known, row.has_nvidia(), "{row}");
        }
    }

    #[test]
    fn the_rows_hold_together() {
        for row in InstanceType::all() {
            let efa_cards = (0..row.network.cards).filter(|card| row.network.takes_efa(*card));
            // One EFA per card at most, and every type can place as many as it may have.
            assert_eq!(efa_cards.count() as u32, row.network.efa_max, "{row}");
            assert!(!row.nvlsm || row.fabric_manager, "{row}");
            assert_eq!(row.fabric_manager, row.nvswitch, "{row}");
            assert!(!row.fabric_manager || row.accelerator.count > 1, "{row}");
            assert!(row.usd_per_hour.is_none_or(|price| price > 0.0), "{row}");
        }
    }

    #[test]
    fn the_largest_h100_type_has_what_its_data_sheet_says() {
        let p5 = InstanceType::named("p5.48xlarge").unwrap();
        assert_eq!((p5.accelerator.count, p5.accelerator.model.as_str()), (8, "H100"));
        assert_eq!((p5.vcpu, p5.memory_mib), (Some(192), Some(2_097_152)));
        let storage = p5.storage.as_ref().unwrap();
        assert_eq!((storage.disks, storage.total_gb()), (8, 30_400));
        assert_eq!((p5.network.mbps, p5.network.efa_max), (Some(3_200_000), 32));
        assert_eq!(InstanceType::price_basis().region, "us-east-1");
    }

    #[test]
    fn an_unknown_type_is_answered_with_its_family() {
        let error = InstanceType::named("p5.24xlarge").unwrap_err();
        assert_eq!(error.near, ["p5.4xlarge", "p5.48xlarge"]);
        let text = "`p5.24xlarge` is not in the table of accelerated instance types; its family \
                    has p5.4xlarge, p5.48xlarge";
        assert_eq!(error.to_string(), text);
        assert_eq!(InstanceType::named("x").unwrap_err().near, [""; 0]);
    }
}
