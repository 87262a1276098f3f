//! Local disks against what a program asks of them.
//!
//! A requirement is never dropped. What AWS publishes (capacity, random IOPS) is judged at plan;
//! what it does not publish (throughput: the "Instance store specifications" give none) is answered
//! with a warning and comes back as a [`StorageMeasurement`] that a node has to pass before it is
//! ready. Nothing is derived from other figures.

use serde::{Deserialize, Serialize};

use super::InstanceType;
use crate::compat::{Finding, Rule, Severity};

/// What a program asks of the scratch space on a node's local disks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageRequirement {
    /// Capacity in GB (10^9 bytes) of all disks together, before the file system.
    pub capacity_gb: u64,
    /// Random reads and writes per second of 4 KiB.
    pub iops: Option<u64>,
    /// Sequential reads in MB/s (10^6 bytes per second).
    pub throughput_mb_s: Option<u64>,
}

/// What has to be measured on a node, because nobody publishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageMeasurement {
    /// Sequential reads in MB/s that the node must reach.
    pub throughput_mb_s: Option<u64>,
    /// Random reads per second that the node must reach.
    pub iops: Option<u64>,
}

impl StorageMeasurement {
    /// Whether there is anything to measure.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The answer at plan: what is wrong, and what is left for the node to prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageVerdict {
    /// Errors refuse the plan; warnings say what could not be judged.
    pub findings: Vec<Finding>,
    /// What readiness has to measure.
    pub to_measure: StorageMeasurement,
}

const AC: &str = "ac";

impl StorageRequirement {
    /// Holds the requirement against the local disks of `instance_type`.
    #[must_use]
    pub fn check(&self, instance_type: &InstanceType) -> StorageVerdict {
        let name = &instance_type.name;
        let mut verdict = StorageVerdict::default();
        let Some(storage) = &instance_type.storage else {
            let message =
                format!("{name} has no local disks for {} GB of scratch", self.capacity_gb);
            verdict.add(Severity::Error, Rule::Storage, message);
            return verdict;
        };
        if storage.total_gb() < self.capacity_gb {
            let (disks, each, total) = (storage.disks, storage.disk_gb, storage.total_gb());
            let message = format!(
                "{name} has {disks} local disks of {each} GB, {total} GB together, and {} GB are \
                 required",
                self.capacity_gb
            );
            verdict.add(Severity::Error, Rule::Storage, message);
        }
        if let Some(required) = self.iops {
            match (storage.read_iops, storage.write_iops) {
                (Some(read), Some(write)) if read < required || write < required => {
                    let message = format!(
                        "the local disks of {name} do {read} random reads and {write} random \
                         writes of 4 KiB per second, and {required} are required"
                    );
                    verdict.add(Severity::Error, Rule::Storage, message);
                }
                (Some(_), Some(_)) => {}
                _ => {
                    let message = format!(
                        "no random IOPS are published for the local disks of {name}: {required} \
                         will be measured on the node before it is ready"
                    );
                    verdict.add(Severity::Warning, Rule::StorageUnpublished, message);
                    verdict.to_measure.iops = Some(required);
                }
            }
        }
        if let Some(required) = self.throughput_mb_s {
            let message = format!(
                "no throughput is published for the local disks of {name}: {required} MB/s will be \
                 measured on the node before it is ready"
            );
            verdict.add(Severity::Warning, Rule::StorageUnpublished, message);
            verdict.to_measure.throughput_mb_s = Some(required);
        }
        verdict
    }
}

impl StorageVerdict {
    fn add(&mut self, severity: Severity, rule: Rule, message: String) {
        self.findings.push(Finding::new(severity, rule, AC, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severities(verdict: &StorageVerdict) -> Vec<Severity> {
        verdict.findings.iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn the_published_clusters_scratch_fits_p5_and_leaves_its_throughput_to_be_measured() {
        let scratch = StorageRequirement {
            capacity_gb: 15_360,
            iops: Some(80_000),
            throughput_mb_s: Some(10_000),
        };
        let verdict = scratch.check(InstanceType::named("p5.48xlarge").unwrap());
        assert_eq!(severities(&verdict), [Severity::Warning]);
        let left = StorageMeasurement { throughput_mb_s: Some(10_000), iops: None };
        assert_eq!(verdict.to_measure, left);
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_all_of_it_is_said() {
        let scratch = StorageRequirement {
            capacity_gb: 15_360,
            iops: Some(80_000),
            throughput_mb_s: Some(10_000),
        };
        let verdict = scratch.check(InstanceType::named("g6.12xlarge").unwrap());
        assert_eq!(severities(&verdict), [Severity::Error, Severity::Warning]);
        let verdict = scratch.check(InstanceType::named("g5.4xlarge").unwrap());
        assert_eq!(severities(&verdict), [Severity::Error, Severity::Error, Severity::Warning]);
        let verdict = scratch.check(InstanceType::named("p3.16xlarge").unwrap());
        assert_eq!(severities(&verdict), [Severity::Error]);
    }

    #[test]
    fn a_figure_that_is_not_published_becomes_a_measurement_and_never_disappears() {
        let scratch = StorageRequirement { capacity_gb: 1, iops: Some(1), throughput_mb_s: None };
        let verdict = scratch.check(InstanceType::named("g7.48xlarge").unwrap());
        assert_eq!(verdict.to_measure.iops, Some(1));
        assert_eq!(severities(&verdict), [Severity::Warning]);
    }
}
