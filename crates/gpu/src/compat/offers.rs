//! What can be installed: the versions of a node against what repositories offer.

use super::check::check;
use super::data::{Compatibility, CudaToolkit};
use super::finding::{Finding, Rule, Severity};
use super::software::NodeSoftware;
use super::version::Version;
use crate::{instance_type::InstanceType, os::Os, steps::PackageSource};

/// How many versions a message names.
const NAMED: usize = 8;

/// Which versions of `node` are not offered to `os` by its repositories, as errors.
///
/// The driver comes from `from`; CUDA, cuDNN and NCCL come from NVIDIA's repository. What a message
/// suggests is offered and passes [`check`] with the rest of the node. The tables are as old as
/// `Meta::generated`: a release that came later is not in them.
#[must_use]
pub fn not_offered(
    node: &NodeSoftware,
    instance_type: &InstanceType,
    os: Os,
    from: PackageSource,
) -> Vec<Finding> {
    let tables = Compatibility::get();
    let day = &tables.meta.generated;
    let mut findings = Vec::new();
    let mut add = |rule, source: &str, what: String, by: String, working: Vec<String>| {
        let expected = match working.as_slice() {
            [] => "none that is fits the rest of this node".to_owned(),
            [one] => format!("expected {one}"),
            some => format!("expected one of {}", some[..some.len().min(NAMED)].join(", ")),
        };
        let message = format!("{what} is not offered {by} (as of {day}): {expected}");
        findings.push(Finding::new(Severity::Error, rule, source, message));
    };
    // An offer of none, such as that of Amazon Linux, is a problem of the source and told there.
    if let Some(driver) = &node.driver
        && let Some(offer) = tables.drivers_of(os, from)
        && !offer.drivers.iter().any(|offered| offered.as_str() == driver.as_str())
    {
        let with = |driver: &Version| NodeSoftware {
            driver: Some(driver.clone()),
            fabric_manager: node.fabric_manager.as_ref().map(|_| driver.clone()),
            ..node.clone()
        };
        let working = offer.drivers.iter().filter(|d| works(&with(d), instance_type, DRIVER));
        let by = match from {
            PackageSource::Distribution => format!("by the archive of {os}"),
            PackageSource::Nvidia => format!("by NVIDIA's repository for {os}"),
        };
        let working = working.map(Version::to_string).collect();
        add(Rule::DriverNotOffered, &offer.source, format!("driver {driver}"), by, working);
    }
    let nvidia = || "by NVIDIA's repository".to_owned();
    if let Some(cuda) = &node.cuda
        && tables.toolkit(cuda).is_none()
    {
        let with = |cuda: &Version| NodeSoftware { cuda: Some(cuda.clone()), ..node.clone() };
        let releases = tables.cuda_toolkit.iter().filter_map(CudaToolkit::release);
        let working = releases.filter(|cuda| works(&with(cuda), instance_type, CUDA));
        let working = working.map(|cuda| cuda.to_string()).collect();
        let source = "cuda-rn-13.4u1";
        add(Rule::CudaNotOffered, source, format!("CUDA {cuda}"), nvidia(), working);
    }
    if let Some(cudnn) = &node.cudnn
        && !tables.cudnn.iter().any(|row| row.covers(cudnn))
    {
        let rows = tables.cudnn.iter().filter(|row| row.source.is_some());
        let mut working: Vec<String> = rows
            .filter(|row| node.cuda.as_ref().is_none_or(|cuda| row.allows(cuda)))
            .map(|row| row.cudnn.clone())
            .collect();
        working.dedup();
        add(Rule::CudnnNotOffered, "cudnn-9", format!("cuDNN {cudnn}"), nvidia(), working);
    }
    if let Some(nccl) = &node.nccl
        && nccl.cuda.is_some()
        && !tables.nccl_builds.iter().any(|row| row.nccl == *nccl)
    {
        let cuda = node.cuda.as_ref().map(Version::branch);
        let builds = tables.nccl_builds.iter().map(|row| &row.nccl);
        let working = builds
            .filter(|build| cuda.is_none() || build.cuda.as_ref().map(Version::branch) == cuda);
        let working = working.map(ToString::to_string).collect();
        add(Rule::NcclNotOffered, "nccl-packages", format!("NCCL {nccl}"), nvidia(), working);
    }
    findings
}

/// Whether the distribution ships the kernel whose `uname -r` is `release`: an error if it does not,
/// and nothing for a system whose kernels the tables do not list.
///
/// Where the tables know only the series of kernels, such as 6.12 of Amazon Linux, only that is judged.
#[must_use]
pub fn kernel_not_offered(release: &str, os: Os) -> Option<Finding> {
    let tables = Compatibility::get();
    let rows = tables.distro_kernels.iter().filter(|row| row.os == os.key());
    let rows = rows.collect::<Vec<_>>();
    let source = &rows.first()?.source;
    let kernel = Version::leading(release).ok()?;
    let within = |series: &String| series.parse().is_ok_and(|series| kernel.is_within(&series));
    if rows
        .iter()
        .any(|row| row.release.as_deref() == Some(release) || row.versions.iter().any(within))
    {
        return None;
    }
    let known = rows.iter().flat_map(|row| row.release.iter().chain(&row.versions));
    let known = known.cloned().collect::<Vec<_>>().join(", ");
    let message = format!(
        "kernel {release} is not offered by the archive of {os} (as of {}): expected one of {known}",
        tables.meta.generated
    );
    Some(Finding::new(Severity::Error, Rule::KernelNotOffered, source, message))
}

/// The rules that judge a driver.
const DRIVER: &[Rule] = &[
    Rule::GpuMinimumDriver,
    Rule::ArchitectureLastBranch,
    Rule::KernelModules,
    Rule::CudaMinimumDriver,
];

/// The rules that judge a CUDA toolkit.
const CUDA: &[Rule] = &[Rule::CudaArchitecture, Rule::CudaMinimumDriver];

fn works(node: &NodeSoftware, instance_type: &InstanceType, rules: &[Rule]) -> bool {
    let findings = check(node, instance_type);
    !findings.iter().any(|f| f.severity == Severity::Error && rules.contains(&f.rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(driver: &str, cuda: &str, nccl: &str) -> NodeSoftware {
        NodeSoftware {
            driver: Some(driver.parse().unwrap()),
            fabric_manager: Some(driver.parse().unwrap()),
            cuda: Some(cuda.parse().unwrap()),
            nccl: Some(nccl.parse().unwrap()),
            ..NodeSoftware::default()
        }
    }

    fn messages(node: &NodeSoftware, name: &str, from: PackageSource) -> Vec<String> {
        let instance_type = InstanceType::named(name).unwrap();
        let findings = not_offered(node, instance_type, Os::Ubuntu2404, from);
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_driver_that_the_archive_has_dropped_is_offered_by_nvidia_alone() {
        let node = node("580.95.05", "13.0", "2.27.7-1+cuda13.0");
        assert_eq!(
            messages(&node, "p5.48xlarge", PackageSource::Distribution),
            ["driver 580.95.05 is not offered by the archive of Ubuntu 24.04 (as of 2026-11-20): \
              expected one of 595.91.07, 580.178.04"]
        );
        assert_eq!(messages(&node, "p5.48xlarge", PackageSource::Nvidia), [""; 0]);
    }

    #[test]
    fn versions_that_nobody_offers_are_named_with_some_that_work() {
        let node = node("580.178", "13.9", "2.27.7-1+cuda11.0");
        let messages = messages(&node, "p5.48xlarge", PackageSource::Distribution);
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert!(messages[0].ends_with("expected one of 595.91.07, 580.178.04"), "{messages:?}");
        assert!(messages[1].contains("expected one of 13.4, 13.3, 13.2"), "{messages:?}");
        let builds = "expected one of 2.28.7-1+cuda13.0, 2.27.7-1+cuda13.0";
        assert!(messages[2].ends_with(builds), "{messages:?}");
    }

    #[test]
    fn a_kernel_is_one_that_the_distribution_ships() {
        assert_eq!(kernel_not_offered("6.8.0-1069-aws", Os::Ubuntu2404), None);
        assert_eq!(kernel_not_offered("6.12.58-82.121.amzn2023.x86_64", Os::AmazonLinux2023), None);
        let finding = kernel_not_offered("6.8.0-9999-aws", Os::Ubuntu2404).unwrap();
        assert!(finding.message.ends_with("one of 7.0.0-1017-aws, 6.8.0-1069-aws"), "{finding}");
        let finding = kernel_not_offered("5.10.1-1.amzn2.x86_64", Os::AmazonLinux2023).unwrap();
        assert!(finding.message.ends_with("expected one of 6.1, 6.12, 6.18"), "{finding}");
    }

    #[test]
    fn what_is_suggested_passes_the_check() {
        // Volta ends with branch 580, and with CUDA 12.
        let mut node = node("580.1", "12.99", "2.27.7-1+cuda12.9");
        node.kernel_modules = Some(crate::compat::KernelModules::Proprietary);
        node.fabric_manager = None;
        let messages = messages(&node, "p3.16xlarge", PackageSource::Distribution);
        assert!(messages[0].ends_with(": expected 580.178.04"), "{messages:?}");
        assert!(messages[1].contains("expected one of 12.9, 12.8, 12.6"), "{messages:?}");
    }
}
