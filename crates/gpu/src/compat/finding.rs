//! What a check answers with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing to do.
    Note,
    /// Works, or may work, but someone should look at it.
    Warning,
    /// Cannot work: the plan is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The rule that a finding speaks for; its text is stable and can be used to silence it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The driver is older than the GPU needs.
    GpuMinimumDriver,
    /// The driver's branch no longer knows the GPU's architecture.
    ArchitectureLastBranch,
    /// The driver's branch is at its end of life.
    BranchEndOfLife,
    /// The driver's branch is not in the tables.
    UnknownBranch,
    /// Open or proprietary kernel modules do not fit GPU or branch.
    KernelModules,
    /// The driver is older than the CUDA major needs.
    CudaMinimumDriver,
    /// CUDA newer than the toolkit the driver came with: minor-version compatibility carries it.
    CudaMinorVersion,
    /// CUDA does not know the GPU's architecture.
    CudaArchitecture,
    /// Fabric manager missing, unneeded, or not exactly the driver's version.
    FabricManager,
    /// NVLSM missing or unneeded.
    Nvlsm,
    /// IMEX missing, unneeded, or not exactly the driver's version.
    Imex,
    /// cuDNN does not support this CUDA, driver or GPU.
    Cudnn,
    /// NCCL's build does not fit the CUDA in use.
    NcclBuild,
    /// A library is older than the samples for this instance type use.
    InstanceFloor,
    /// The kernel is too old.
    Kernel,
    /// The kernel is not among those that the distribution ships.
    KernelNotOffered,
    /// The driver is not among those that its repository offers.
    DriverNotOffered,
    /// No such CUDA toolkit is known.
    CudaNotOffered,
    /// No such cuDNN is known.
    CudnnNotOffered,
    /// No such build of NCCL is known.
    NcclNotOffered,
    /// The GPU does not take this power limit.
    PowerLimit,
    /// The limits of the GPU's power are not documented, or not all of them.
    PowerLimitUnpublished,
    /// MIG was asked for on a GPU that has none.
    Mig,
    /// NVIDIA software on a type without an NVIDIA GPU.
    NoNvidiaGpu,
    /// The local disks do not meet a storage requirement.
    Storage,
    /// A storage requirement that nobody publishes a figure for.
    StorageUnpublished,
    /// A rule of the site's policy, not of the vendor.
    Policy,
}

/// One problem, with what was found, what was expected, why, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The rule that it speaks for.
    pub rule: Rule,
    /// What was found, what is expected, and why, in one sentence.
    pub message: String,
    /// Where the rule is written: a key of the data's `sources`, or a document.
    pub source: String,
}

impl Finding {
    pub(crate) fn new(severity: Severity, rule: Rule, source: &str, message: String) -> Self {
        Self { severity, rule, message, source: source.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.severity, self.message, self.source)
    }
}
