//! The check itself: every rule, every finding.

use super::data::Compatibility;
use super::finding::{Finding, Rule, Severity};
use super::rules::{self, Subject};
use super::software::NodeSoftware;
use crate::instance_type::InstanceType;

/// Holds `node` against `instance_type` and answers every problem at once, errors first.
///
/// What `node` does not declare is not judged, except for what the type cannot do without: a node
/// with a driver and NVSwitch needs a fabric manager. A site's wishes are apart, see
/// [`Policy`](super::Policy).
#[must_use]
pub fn check(node: &NodeSoftware, instance_type: &InstanceType) -> Vec<Finding> {
    let tables = Compatibility::get();
    let mut findings = Vec::new();
    let accelerator = &instance_type.accelerator;
    match tables.gpu(&accelerator.model) {
        Some(gpu) => {
            // A GPU whose architecture the tables lack cannot be: a test holds them together.
            if let Some(architecture) = tables.architecture(&gpu.arch) {
                let subject = Subject { tables, node, instance_type, gpu, architecture };
                rules::driver(&subject, &mut findings);
                rules::cuda(&subject, &mut findings);
                rules::fabric(&subject, &mut findings);
                rules::libraries(&subject, &mut findings);
                rules::kernel(&subject, &mut findings);
                rules::power(&subject, &mut findings);
            }
        }
        None if node.driver.is_some() || node.cuda.is_some() => findings.push(Finding::new(
            Severity::Error,
            Rule::NoNvidiaGpu,
            "karpenter",
            format!(
                "{} has {} and no NVIDIA GPU: no NVIDIA driver or CUDA works on it",
                instance_type.name, accelerator.model
            ),
        )),
        None => {}
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Option<super::super::Version> {
        Some(text.parse().unwrap())
    }

    fn rules_of(node: &NodeSoftware, name: &str, severity: Severity) -> Vec<Rule> {
        let findings = check(node, InstanceType::named(name).unwrap());
        let findings = findings.into_iter().filter(|f| f.severity == severity);
        findings.map(|finding| finding.rule).collect()
    }

    /// The driver with its fabric manager: what most types need and no more.
    fn stack(driver: &str, cuda: &str) -> NodeSoftware {
        NodeSoftware {
            driver: version(driver),
            fabric_manager: version(driver),
            cuda: version(cuda),
            ..NodeSoftware::default()
        }
    }

    #[test]
    fn the_published_cluster_misses_a_fabric_manager_and_uses_a_branch_that_has_ended() {
        let node = NodeSoftware {
            driver: version("535.54.03"),
            cuda: version("12.2"),
            nccl: Some("2.18.5".parse().unwrap()),
            ..NodeSoftware::default()
        };
        assert_eq!(rules_of(&node, "p5.48xlarge", Severity::Error), [Rule::FabricManager]);
        let warnings = rules_of(&node, "p5.48xlarge", Severity::Warning);
        assert_eq!(warnings, [Rule::BranchEndOfLife, Rule::NcclBuild]);
    }

    #[test]
    fn a_current_stack_on_h100_has_no_finding_at_all() {
        let node = NodeSoftware {
            kernel: version("6.8.0"),
            nccl: Some("2.27.7-1+cuda13.0".parse().unwrap()),
            ..stack("580.178.04", "13.0")
        };
        assert_eq!(check(&node, InstanceType::named("p5.48xlarge").unwrap()), []);
    }

    #[test]
    fn the_fabric_manager_is_decided_by_size_and_must_be_the_drivers_very_version() {
        let mut node = stack("580.178.04", "13.0");
        node.fabric_manager = version("580.95.05");
        assert_eq!(rules_of(&node, "p5.48xlarge", Severity::Error), [Rule::FabricManager]);
        node.fabric_manager = None;
        assert_eq!(rules_of(&node, "p5.48xlarge", Severity::Error), [Rule::FabricManager]);
        assert_eq!(rules_of(&node, "p5.4xlarge", Severity::Error), []);
        // NVLSM has a date version of its own, so it is only asked for.
        let b200 = stack("580.178.04", "13.0");
        assert_eq!(rules_of(&b200, "p6-b200.48xlarge", Severity::Error), [Rule::Nvlsm]);
        assert_eq!(rules_of(&b200, "p6-b300.48xlarge", Severity::Error), [Rule::Nvlsm]);
    }

    #[test]
    fn a_newer_driver_runs_older_cuda_and_never_the_other_way_round() {
        assert_eq!(rules_of(&stack("620.10.01", "12.2"), "p5.48xlarge", Severity::Error), []);
        let old = stack("570.133.20", "13.0");
        assert_eq!(rules_of(&old, "p5.48xlarge", Severity::Error), [Rule::CudaMinimumDriver]);
    }

    #[test]
    fn unverified_rows_never_reject() {
        // L40S: 535.54.03 is not in a release table; A10G: 470.57.02 neither.
        for (name, driver) in [("g6e.xlarge", "530.30.02"), ("g5.xlarge", "460.32.03")] {
            let node = NodeSoftware { driver: version(driver), ..NodeSoftware::default() };
            assert_eq!(rules_of(&node, name, Severity::Error), []);
            let warnings = rules_of(&node, name, Severity::Warning);
            assert!(warnings.contains(&Rule::GpuMinimumDriver), "{name}: {warnings:?}");
        }
    }

    #[test]
    fn kernel_modules_follow_the_architecture_and_the_branch() {
        use super::super::KernelModules::{Open, Proprietary};
        let with = |driver, modules| NodeSoftware {
            driver: version(driver),
            kernel_modules: Some(modules),
            ..NodeSoftware::default()
        };
        let errors = |node: NodeSoftware, name| rules_of(&node, name, Severity::Error);
        assert_eq!(errors(with("580.178.04", Open), "p3.2xlarge"), [Rule::KernelModules]);
        assert_eq!(errors(with("580.178.04", Proprietary), "p3.2xlarge"), []);
        assert_eq!(errors(with("580.178.04", Proprietary), "g7e.2xlarge"), [Rule::KernelModules]);
        assert_eq!(errors(with("620.10.01", Proprietary), "g6.xlarge"), [Rule::KernelModules]);
        let volta = errors(with("595.91.07", Proprietary), "p3.2xlarge");
        assert_eq!(volta, [Rule::ArchitectureLastBranch]);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let node = NodeSoftware {
            kernel: version("4.14"),
            driver: version("450.51.06"),
            cuda: version("13.0"),
            cudnn: version("8.9.6"),
            nccl: Some("2.10.3-1+cuda11.4".parse().unwrap()),
            mig: true,
            ..NodeSoftware::default()
        };
        let errors = rules_of(&node, "p5.48xlarge", Severity::Error);
        for rule in [
            Rule::GpuMinimumDriver,
            Rule::CudaMinimumDriver,
            Rule::FabricManager,
            Rule::Cudnn,
            Rule::Kernel,
        ] {
            assert!(errors.contains(&rule), "{rule:?} in {errors:?}");
        }
    }

    #[test]
    fn the_quoted_h100_policy_rejects_more_than_the_vendor_and_spares_enterprise_kernels() {
        let policy = super::super::Policy::h100_reference();
        let node = NodeSoftware { kernel: version("5.14.0"), ..stack("580.178.04", "11.8") };
        assert_eq!(rules_of(&node, "p5.48xlarge", Severity::Error), []);
        assert_eq!(policy.check(&node).len(), 2);
        let rhel = NodeSoftware { enterprise_kernel: true, ..node };
        assert_eq!(policy.check(&rhel).len(), 1);
    }

    #[test]
    fn nvidia_software_on_trainium_is_refused_and_nothing_else_is_said() {
        let node = stack("580.178.04", "13.0");
        assert_eq!(rules_of(&node, "trn2.48xlarge", Severity::Error), [Rule::NoNvidiaGpu]);
        assert_eq!(
            check(&NodeSoftware::default(), InstanceType::named("trn1.2xlarge").unwrap()),
            []
        );
    }
}
