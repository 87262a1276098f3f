//! The software of a node, as a program declares it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::version::{ParseVersionError, Version};

/// What is meant to be on a node. A field that is `None` is not installed, or not declared here.
///
/// ```
/// use formwork_gpu::{compat::{check, NodeSoftware, Severity}, instance_type::InstanceType};
/// let node = NodeSoftware {
///     driver: Some("580.178.04".parse()?),
///     cuda: Some("13.0".parse()?),
///     ..NodeSoftware::default()
/// };
/// let p5 = InstanceType::named("p5.48xlarge")?;
/// // eight H100 behind NVSwitch do nothing without a fabric manager
/// let findings = check(&node, p5);
/// assert!(findings.iter().any(|f| f.severity == Severity::Error));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSoftware {
    /// The running kernel, `uname -r` without its suffix: `6.8.0`.
    pub kernel: Option<Version>,
    /// The NVIDIA driver: `580.178.04`.
    pub driver: Option<Version>,
    /// Which kernel modules the driver uses; `None` takes the default of the driver's branch.
    pub kernel_modules: Option<KernelModules>,
    /// NVIDIA fabric manager.
    pub fabric_manager: Option<Version>,
    /// NVIDIA NVLink subnet manager, with its own date version: `2025.10.12`.
    pub nvlsm: Option<Version>,
    /// NVIDIA IMEX, for NVLink domains across nodes.
    pub imex: Option<Version>,
    /// The CUDA toolkit, or the CUDA that the containers bring: `13.0`.
    pub cuda: Option<Version>,
    /// cuDNN: `9.10.2`.
    pub cudnn: Option<Version>,
    /// NCCL, best with the CUDA it was built for: `2.27.7-1+cuda13.0`.
    pub nccl: Option<NcclVersion>,
    /// The aws-ofi-nccl plugin: `1.16.3`.
    pub aws_ofi_nccl: Option<Version>,
    /// The EFA installer: `1.43.2`.
    pub efa_installer: Option<Version>,
    /// The power limit of each GPU in W.
    pub power_limit_w: Option<u32>,
    /// Whether the GPUs are cut into MIG instances.
    pub mig: bool,
    /// Whether GPUDirect RDMA goes through the kernel's DMA-BUF.
    pub gpudirect_dma_buf: bool,
    /// Whether the kernel is an enterprise one (RHEL 9 and its rebuilds), whose number says less
    /// than what was back-ported into it.
    pub enterprise_kernel: bool,
}

/// The two builds of NVIDIA's kernel modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelModules {
    /// The open modules (dual MIT/GPLv2): Turing and newer.
    Open,
    /// The proprietary modules: gone from branch 620 on.
    Proprietary,
}

impl fmt::Display for KernelModules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Proprietary => "proprietary",
        })
    }
}

/// A part of a node's software that a rule speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Component {
    /// The Linux kernel.
    Kernel,
    /// The NVIDIA driver.
    Driver,
    /// The CUDA toolkit.
    Cuda,
    /// cuDNN.
    Cudnn,
    /// NCCL.
    Nccl,
}

impl Component {
    /// The version of this part that `node` declares.
    #[must_use]
    pub fn of<'a>(&self, node: &'a NodeSoftware) -> Option<&'a Version> {
        match self {
            Self::Kernel => node.kernel.as_ref(),
            Self::Driver => node.driver.as_ref(),
            Self::Cuda => node.cuda.as_ref(),
            Self::Cudnn => node.cudnn.as_ref(),
            Self::Nccl => node.nccl.as_ref().map(|nccl| &nccl.version),
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Driver => "driver",
            Self::Cuda => "CUDA",
            Self::Cudnn => "cuDNN",
            Self::Nccl => "NCCL",
        })
    }
}

/// An NCCL version with the CUDA that it was built with, if the text says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NcclVersion {
    /// The NCCL version: `2.27.7`.
    pub version: Version,
    /// The CUDA of the build, from the suffix `+cuda13.0`.
    pub cuda: Option<Version>,
    text: String,
}

impl FromStr for NcclVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |_| ParseVersionError { text: text.to_owned() };
        let (number, suffix) = match text.split_once('+') {
            Some((number, suffix)) => (number, Some(suffix)),
            None => (text, None),
        };
        let cuda = match suffix {
            None => None,
            Some(suffix) => Some(
                suffix
                    .strip_prefix("cuda")
                    .ok_or_else(|| ParseVersionError { text: text.to_owned() })?
                    .parse()
                    .map_err(fail)?,
            ),
        };
        let number = number.split('-').next().unwrap_or(number);
        Ok(Self { version: number.parse().map_err(fail)?, cuda, text: text.to_owned() })
    }
}

impl TryFrom<String> for NcclVersion {
    type Error = ParseVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NcclVersion> for String {
    fn from(version: NcclVersion) -> Self {
        version.text
    }
}

impl fmt::Display for NcclVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
