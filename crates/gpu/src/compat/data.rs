//! The tables of `data/nvidia.json`, typed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::{software::NcclVersion, version::Version};
use crate::{os::Os, steps::PackageSource};

/// The compatibility tables, parsed once. Every row names its source, a key of
/// [`Compatibility::sources`].
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Compatibility {
    /// When the facts were gathered, and how to read them.
    pub meta: Meta,
    /// Source key to the document or repository it stands for.
    pub sources: BTreeMap<String, String>,
    /// Which driver came with which CUDA toolkit, newest first.
    pub cuda_toolkit: Vec<CudaToolkit>,
    /// Which driver can run an application built with which CUDA major.
    #[serde(rename = "cuda_minor_version_compat")]
    pub minimum_drivers: Vec<MinimumDriver>,
    /// GPU architectures.
    pub architectures: Vec<Architecture>,
    /// GPU models.
    pub gpus: Vec<GpuModel>,
    /// Driver branches and their ends of life.
    pub driver_branches: Vec<DriverBranch>,
    /// Components that must carry the driver's exact version, or explicitly do not.
    pub lockstep: Vec<Lockstep>,
    /// Which CUDA and GPUs a cuDNN supports.
    pub cudnn: Vec<CudnnRow>,
    /// Which drivers a repository offers, newest first, as of `Meta::generated`.
    pub driver_offers: Vec<DriverOffer>,
    /// The builds of NCCL that NVIDIA's repository offers, newest first.
    pub nccl_builds: Vec<NcclBuild>,
    /// The kernels that distributions ship.
    pub distro_kernels: Vec<DistroKernel>,
}

/// When the tables were made.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Meta {
    /// The day, `2026-11-20`. Ends of life are judged as of this day, so that a plan stays pure.
    pub generated: String,
}

/// A CUDA toolkit and the driver that was bundled with it.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CudaToolkit {
    /// `12.2 U1`: the release, and its update if any.
    pub toolkit: String,
    /// The bundled driver; none from 13.4 on, which no longer bundles one.
    #[serde(rename = "bundled_driver_linux")]
    pub bundled_driver: Option<Version>,
    /// Where that is written.
    pub source: String,
}

impl CudaToolkit {
    /// The release as a version, if the row is of a release and not of an update of one.
    #[must_use]
    pub fn release(&self) -> Option<Version> {
        self.toolkit.parse().ok()
    }
}

/// The oldest driver that runs applications of a CUDA major.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct MinimumDriver {
    /// 11, 12 or 13.
    pub cuda_major: u64,
    /// The oldest driver. There is no newest: drivers run older applications.
    #[serde(rename = "min_driver_linux")]
    pub min_driver: Version,
    /// Where that is written.
    pub source: String,
}

/// What an architecture's GPUs do with NVIDIA's open kernel modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenModules {
    /// Only the proprietary modules know it.
    Unsupported,
    /// Either kind works.
    Supported,
    /// Only the open modules know it.
    Required,
}

impl<'de> Deserialize<'de> for OpenModules {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.split(' ').next() {
            Some("unsupported") => Ok(Self::Unsupported),
            Some("supported") => Ok(Self::Supported),
            Some("required") => Ok(Self::Required),
            _ => Err(serde::de::Error::custom(format!("open modules: `{text}`"))),
        }
    }
}

/// A GPU architecture.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Architecture {
    /// `Hopper`.
    #[serde(rename = "arch")]
    pub name: String,
    /// The first CUDA that knows it, unless a compute capability has its own.
    pub first_cuda: Option<Version>,
    /// The first CUDA by compute capability, where they differ.
    #[serde(default)]
    pub first_cuda_by_cc: BTreeMap<String, Version>,
    /// The last CUDA major that knows it: `12.x`.
    pub last_cuda: Option<String>,
    /// The last driver branch that knows it.
    pub last_driver_branch: Option<u64>,
    /// What it does with the open kernel modules.
    pub open_modules: OpenModules,
    /// Where that is written.
    pub source: String,
}

/// A GPU model.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct GpuModel {
    /// `H100`, as the instance table names it.
    pub model: String,
    /// Its architecture, a name of [`Compatibility::architectures`].
    pub arch: String,
    /// Its compute capability, `9.0`.
    pub cc: Version,
    /// The oldest driver for it.
    #[serde(rename = "min_driver_linux")]
    pub min_driver: Version,
    /// Whether that figure stands in a release table. If not, it never rejects.
    pub min_driver_verified: bool,
    /// An older driver that does without MIG, where the table's figure is one for MIG.
    pub min_driver_without_mig: Option<Version>,
    /// Whether it can be cut into MIG instances.
    pub mig_capable: bool,
    /// Between which power limits it can be set, where that is documented.
    pub power_limit: Option<PowerLimits>,
    /// Where that is written.
    pub source: String,
}

/// The power limits that a GPU takes, in W: what `nvidia-smi -q -d POWER` calls the minimum and the
/// maximum power limit.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct PowerLimits {
    /// The least, where it is documented.
    pub min_w: Option<u32>,
    /// The greatest: the documented maximum, or else the thermal design power.
    pub max_w: u32,
    /// Where that is written.
    pub source: String,
}

/// A driver branch: the first component of a driver version.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct DriverBranch {
    /// `580`.
    pub branch: u64,
    /// `LTS`, `Production` or `New Feature`.
    pub kind: String,
    /// The month of its end of life, `2028-06`, or `ended`.
    pub eol: Option<String>,
    /// Where that is written.
    pub source: String,
}

impl DriverBranch {
    /// Whether the branch has reached its end of life in `month`, `2026-11` or `2026-11-20`.
    #[must_use]
    pub fn has_ended(&self, month: &str) -> bool {
        match self.eol.as_deref() {
            None => false,
            Some("ended") => true,
            Some(eol) => eol <= month.get(..7).unwrap_or(month),
        }
    }
}

/// A component whose version is tied to the driver's, or explicitly is not.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Lockstep {
    /// The package.
    pub component: String,
    /// The rule, in words.
    pub rule: String,
    /// When it is needed, in words.
    pub needed_when: Option<String>,
    /// Where that is written.
    pub source: String,
}

/// What a cuDNN release supports; one row per range of CUDA.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CudnnRow {
    /// `9.10.2` or `8.9.x`.
    pub cudnn: String,
    /// `12.0-12.9`, `11.8`, or several ranges with commas; `11.x` is a whole major.
    pub cuda: String,
    /// The smallest compute capability, where given.
    pub cc_min: Option<Version>,
    /// The largest compute capability, where given.
    pub cc_max: Option<Version>,
    /// Where that is written; a row without a source is unverified and never rejects.
    pub source: Option<String>,
}

impl CudnnRow {
    /// Whether this row speaks about `cudnn`.
    #[must_use]
    pub fn covers(&self, cudnn: &Version) -> bool {
        let row = self.cudnn.trim_end_matches(".x");
        row.parse::<Version>().is_ok_and(|row| cudnn.is_within(&row))
    }

    /// Whether this row allows `cuda`.
    #[must_use]
    pub fn allows(&self, cuda: &Version) -> bool {
        self.cuda.split(',').any(|range| {
            let range = range.trim();
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            if let Some(major) = low.strip_suffix(".x") {
                return major.parse::<u64>().is_ok_and(|major| major == cuda.branch());
            }
            let (Ok(low), Ok(high)) = (low.parse::<Version>(), high.parse::<Version>()) else {
                return false;
            };
            *cuda >= low && (*cuda <= high || cuda.is_within(&high))
        })
    }
}

/// The drivers that one repository offers for one operating system.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct DriverOffer {
    /// The operating system.
    pub os: Os,
    /// Whose repository it is.
    pub from: PackageSource,
    /// The drivers, newest first. Ubuntu's archive keeps only the newest of each branch.
    pub drivers: Vec<Version>,
    /// Where that was read.
    pub source: String,
}

/// A build of NCCL that NVIDIA's repository offers.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct NcclBuild {
    /// The package version: `2.27.7-1+cuda13.0`.
    pub nccl: NcclVersion,
    /// Where that was read.
    pub source: String,
}

/// A kernel that a distribution ships.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct DistroKernel {
    /// `ubuntu-24.04`.
    pub os: String,
    /// The metapackage, where there is one.
    pub meta: Option<String>,
    /// Its version, for a metapackage.
    pub version: Option<String>,
    /// `uname -r` of the kernel that the metapackage brings.
    pub release: Option<String>,
    /// The versions, where there is no metapackage.
    #[serde(default)]
    pub versions: Vec<String>,
    /// Where that was read.
    pub source: String,
}

impl Compatibility {
    /// The tables that come with this crate.
    #[must_use]
    pub fn get() -> &'static Self {
        static TABLES: OnceLock<Compatibility> = OnceLock::new();
        TABLES.get_or_init(|| {
            serde_json::from_str(include_str!("../../data/nvidia.json"))
                .expect("data/nvidia.json is part of this crate, and a test parses it")
        })
    }

    /// The GPU model of that name.
    #[must_use]
    pub fn gpu(&self, model: &str) -> Option<&GpuModel> {
        self.gpus.iter().find(|gpu| gpu.model == model)
    }

    /// The architecture of that name.
    #[must_use]
    pub fn architecture(&self, name: &str) -> Option<&Architecture> {
        self.architectures.iter().find(|architecture| architecture.name == name)
    }

    /// The branch that a driver belongs to.
    #[must_use]
    pub fn branch(&self, driver: &Version) -> Option<&DriverBranch> {
        self.driver_branches.iter().find(|branch| branch.branch == driver.branch())
    }

    /// The oldest driver for applications of this CUDA.
    #[must_use]
    pub fn minimum_driver(&self, cuda: &Version) -> Option<&MinimumDriver> {
        self.minimum_drivers.iter().find(|row| row.cuda_major == cuda.branch())
    }

    /// The drivers that a repository offers for an operating system.
    #[must_use]
    pub fn drivers_of(&self, os: Os, from: PackageSource) -> Option<&DriverOffer> {
        self.driver_offers.iter().find(|offer| offer.os == os && offer.from == from)
    }

    /// The toolkit row of a CUDA version: `12.2` is the release without update, `12.2 U1` is its
    /// update 1; `12.2.1` means the same.
    #[must_use]
    pub fn toolkit(&self, cuda: &Version) -> Option<&CudaToolkit> {
        let mut parts = cuda.as_str().splitn(3, '.');
        let release = format!("{}.{}", parts.next()?, parts.next().unwrap_or("0"));
        let name = match parts.next() {
            None | Some("0") => release,
            Some(update) => format!("{release} U{update}"),
        };
        self.cuda_toolkit.iter().find(|row| row.toolkit == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_parse_and_every_row_names_a_source_that_is_listed() {
        let tables = Compatibility::get();
        let sources = (tables.cuda_toolkit.iter().map(|row| &row.source))
            .chain(tables.minimum_drivers.iter().map(|row| &row.source))
            .chain(tables.architectures.iter().map(|row| &row.source))
            .chain(tables.gpus.iter().map(|row| &row.source))
            .chain(tables.driver_branches.iter().map(|row| &row.source))
            .chain(tables.lockstep.iter().map(|row| &row.source))
            .chain(tables.driver_offers.iter().map(|row| &row.source))
            .chain(tables.nccl_builds.iter().map(|row| &row.source))
            .chain(tables.gpus.iter().filter_map(|row| Some(&row.power_limit.as_ref()?.source)))
            .chain(tables.cudnn.iter().filter_map(|row| row.source.as_ref()));
        for source in sources {
            assert!(tables.sources.contains_key(source), "{source}");
        }
        for gpu in &tables.gpus {
            assert!(tables.architecture(&gpu.arch).is_some(), "{}", gpu.model);
        }
    }

    #[test]
    fn toolkits_are_found_with_and_without_their_update() {
        let bundled = |cuda: &str| {
            let row = Compatibility::get().toolkit(&cuda.parse().unwrap()).unwrap();
            row.bundled_driver.as_ref().unwrap().to_string()
        };
        assert_eq!(bundled("12.2"), "535.54.03");
        assert_eq!(bundled("12.2.2"), "535.104.05");
        assert_eq!(bundled("13.0.0"), "580.65.06");
    }

    #[test]
    fn cudnn_ranges_are_read_as_nvidia_writes_them() {
        let allows = |cudnn: &str, cuda: &str| {
            let (cudnn, cuda) = (cudnn.parse().unwrap(), cuda.parse().unwrap());
            let mut rows = Compatibility::get().cudnn.iter();
            rows.any(|row| row.covers(&cudnn) && row.allows(&cuda))
        };
        assert!(allows("8.9.6", "12.2") && allows("8.9.6", "11.8"));
        assert!(!allows("8.9.6", "12.3") && !allows("8.9.6", "13.0"));
        assert!(allows("9.0.0", "11.4") && allows("9.10.2", "12.9.1"));
        assert!(!allows("9.17.0", "11.8"));
    }
}
