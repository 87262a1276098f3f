//! What the vendor requires, and what a site wants beyond that.

use serde::Serialize;

use super::data::Compatibility;
use super::finding::{Finding, Rule, Severity};
use super::software::{Component, NodeSoftware};
use super::version::Version;

/// What NVIDIA's tables require for a GPU, and no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VendorMinimum {
    /// The GPU model.
    pub gpu: String,
    /// The oldest driver.
    pub driver: Version,
    /// Whether that driver stands in a release table; if not it is no ground to reject.
    pub driver_verified: bool,
    /// The first CUDA that knows the GPU's compute capability, where the tables say.
    pub cuda: Option<Version>,
    /// The oldest kernel for the kernel modules: 4.15.
    pub kernel: Version,
    /// Where that is written.
    pub source: String,
}

impl VendorMinimum {
    /// The minimum for a GPU model of the tables, such as `H100`.
    #[must_use]
    pub fn of(model: &str) -> Option<Self> {
        let tables = Compatibility::get();
        let gpu = tables.gpu(model)?;
        let architecture = tables.architecture(&gpu.arch)?;
        let cuda = architecture.first_cuda_by_cc.get(gpu.cc.as_str());
        Some(Self {
            gpu: gpu.model.clone(),
            driver: gpu.min_driver.clone(),
            driver_verified: gpu.min_driver_verified,
            cuda: cuda.or(architecture.first_cuda.as_ref()).cloned(),
            kernel: super::rules::minimum_kernel(),
            source: gpu.source.clone(),
        })
    }
}

/// One wish of a site: a component at least this new, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyRule {
    /// What the rule is about.
    pub component: Component,
    /// The oldest version that the site accepts.
    pub minimum: Version,
    /// Why, and how that relates to what the vendor requires.
    pub reason: String,
    /// Whether a kernel of an enterprise distribution is exempt: its number stays while fixes and
    /// drivers are back-ported into it.
    pub exempts_enterprise_kernels: bool,
}

/// What a site wants of its nodes beyond what the vendor requires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The policy's name, which its findings carry as their source.
    pub name: String,
    /// The wishes.
    pub rules: Vec<PolicyRule>,
}

impl Policy {
    /// The often quoted "H100 needs kernel 5.15+, driver 525.60+, CUDA 12.0+, cuDNN 8.9+".
    ///
    /// It is a fair policy and no vendor minimum (`claims` in `data/nvidia.json`): read literally
    /// it would reject every RHEL 9 node (kernel 5.14), and it must not be extended to H200, B200 or B300, which need
    /// more.
    #[must_use]
    pub fn h100_reference() -> Self {
        let rule = |component, minimum: &[u64], reason: &str| PolicyRule {
            component,
            minimum: minimum_of(minimum),
            reason: reason.to_owned(),
            exempts_enterprise_kernels: component == Component::Kernel,
        };
        Self {
            name: "H100 reference".to_owned(),
            rules: vec![
                rule(
                    Component::Kernel,
                    &[5, 15],
                    "the kernel modules need 4.15 and DMA-BUF 5.12; from 5.15 on EFA is safe with \
                     fork() without an environment variable",
                ),
                rule(
                    Component::Driver,
                    &[525, 60, 13],
                    "525.60.13 is the driver of CUDA 12.0; 520.61.05 was the first for Hopper, MIG \
                     needs 525.85.12, and branch 525 is at its end of life",
                ),
                rule(Component::Cuda, &[12, 0], "Hopper is known to CUDA from 11.8 on"),
                rule(Component::Cudnn, &[8, 9], "8.9 lists Hopper with CUDA 11 and 12"),
            ],
        }
    }

    /// Everything in which `node` falls short of this policy. What a node does not declare is not
    /// judged.
    #[must_use]
    pub fn check(&self, node: &NodeSoftware) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in &self.rules {
            let Some(version) = rule.component.of(node) else { continue };
            let exempt = rule.exempts_enterprise_kernels && node.enterprise_kernel;
            if exempt || *version >= rule.minimum {
                continue;
            }
            findings.push(Finding::new(
                Severity::Error,
                Rule::Policy,
                &self.name,
                format!(
                    "{} {version} is older than {}, which this policy asks for: {}",
                    rule.component, rule.minimum, rule.reason
                ),
            ));
        }
        findings
    }
}

fn minimum_of(parts: &[u64]) -> Version {
    let text = parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    text.parse().expect("integers joined by dots are a version")
}
