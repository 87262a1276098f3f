//! The rules, one function per part of the software; each adds all of its findings.

use super::data::{Architecture, Compatibility, CudnnRow, GpuModel, OpenModules};
use super::finding::{Finding, Rule, Severity};
use super::software::{KernelModules, NodeSoftware};
use super::version::Version;
use crate::instance_type::InstanceType;

/// What the rules look at.
pub(super) struct Subject<'a> {
    pub(super) tables: &'a Compatibility,
    pub(super) node: &'a NodeSoftware,
    pub(super) instance_type: &'a InstanceType,
    pub(super) gpu: &'a GpuModel,
    pub(super) architecture: &'a Architecture,
}

/// Driver branches from which a rule on kernel modules holds (`kernel_module_rules`).
const OPEN_IS_DEFAULT_FROM: u64 = 560;
const PROPRIETARY_REMOVED_FROM: u64 = 620;

/// The oldest kernel that NVIDIA's modules build on (open-km).
pub(super) fn minimum_kernel() -> Version {
    fixed("4.15")
}

pub(super) fn driver(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { tables, node, gpu, architecture, .. } = subject;
    let mut add = |severity, rule, source: &str, message| {
        findings.push(Finding::new(severity, rule, source, message));
    };
    if node.mig && !gpu.mig_capable {
        let message = format!("{} cannot be cut into MIG instances", gpu.model);
        add(Severity::Error, Rule::Mig, "mig-ug-620", message);
    }
    let Some(driver) = &node.driver else { return };
    if *driver < gpu.min_driver {
        let without_mig = gpu.min_driver_without_mig.as_ref();
        let enough = !node.mig && without_mig.is_some_and(|minimum| driver >= minimum);
        let (severity, remark) = if enough {
            (Severity::Warning, "that row is for MIG, and without MIG this driver is known to work")
        } else if !gpu.min_driver_verified {
            (Severity::Warning, "that figure is not in a release table and rejects nothing")
        } else {
            (Severity::Error, "an older driver does not know this GPU")
        };
        let message =
            format!("driver {driver} is older than {} for {}; {remark}", gpu.min_driver, gpu.model);
        add(severity, Rule::GpuMinimumDriver, &gpu.source, message);
    }
    if let Some(last) = architecture.last_driver_branch
        && driver.branch() > last
    {
        let message = format!(
            "driver {driver} no longer knows {} ({}): branch {last} is the last one that does",
            gpu.model, architecture.name
        );
        add(Severity::Error, Rule::ArchitectureLastBranch, &architecture.source, message);
    }
    match tables.branch(driver) {
        Some(branch) if branch.has_ended(&tables.meta.generated) => {
            let eol = branch.eol.as_deref().unwrap_or("ended");
            let message = format!(
                "driver branch {} ({}) is at its end of life ({eol}): it gets no fixes; 580 is \
                 supported until 2028-06",
                branch.branch, branch.kind
            );
            add(Severity::Warning, Rule::BranchEndOfLife, &branch.source, message);
        }
        Some(_) => {}
        None => {
            let message = format!("driver branch {} is not in the tables", driver.branch());
            add(Severity::Note, Rule::UnknownBranch, "drv-615", message);
        }
    }
    modules(driver, subject, findings);
}

fn modules(driver: &Version, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { node, gpu, architecture, .. } = subject;
    let by_default = match driver.branch() >= OPEN_IS_DEFAULT_FROM {
        true if architecture.open_modules == OpenModules::Unsupported => KernelModules::Proprietary,
        true => KernelModules::Open,
        false => KernelModules::Proprietary,
    };
    let modules = node.kernel_modules.unwrap_or(by_default);
    let open_required = architecture.open_modules == OpenModules::Required;
    let problem = match modules {
        KernelModules::Open if architecture.open_modules == OpenModules::Unsupported => {
            Some(("open-km", "only the proprietary kernel modules know it"))
        }
        KernelModules::Proprietary if open_required => {
            Some(("drv-install-615", "only the open kernel modules know it"))
        }
        KernelModules::Proprietary if driver.branch() >= PROPRIETARY_REMOVED_FROM => {
            Some(("drv-install-620", "branch 620 removed the proprietary kernel modules"))
        }
        _ => None,
    };
    if let Some((source, why)) = problem {
        let message = format!(
            "the {modules} kernel modules of driver {driver} do not drive {} ({}): {why}",
            gpu.model, architecture.name
        );
        findings.push(Finding::new(Severity::Error, Rule::KernelModules, source, message));
    }
}

pub(super) fn cuda(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { tables, node, gpu, architecture, .. } = subject;
    let Some(cuda) = &node.cuda else { return };
    let mut add = |severity, rule, source: &str, message| {
        findings.push(Finding::new(severity, rule, source, message));
    };
    let first = architecture.first_cuda_by_cc.get(gpu.cc.as_str());
    if let Some(first) = first.or(architecture.first_cuda.as_ref())
        && cuda < first
    {
        let message = format!(
            "CUDA {cuda} does not know {} (compute capability {}): {first} is the first that does",
            gpu.model, gpu.cc
        );
        add(Severity::Error, Rule::CudaArchitecture, &architecture.source, message);
    }
    let last = architecture.last_cuda.as_deref().and_then(|last| last.strip_suffix(".x"));
    if let Some(last) = last.and_then(|last| last.parse::<u64>().ok())
        && cuda.branch() > last
    {
        let message = format!(
            "CUDA {cuda} no longer knows {} ({}): CUDA {last} is the last major that does",
            gpu.model, architecture.name
        );
        add(Severity::Error, Rule::CudaArchitecture, &architecture.source, message);
    }
    let Some(driver) = &node.driver else { return };
    let minimum = tables.minimum_driver(cuda);
    if let Some(row) = minimum
        && *driver < row.min_driver
    {
        let message = format!(
            "driver {driver} is too old for CUDA {cuda}: CUDA {}.x needs {} or newer",
            row.cuda_major, row.min_driver
        );
        add(Severity::Error, Rule::CudaMinimumDriver, &row.source, message);
    } else if let Some(toolkit) = tables.toolkit(cuda)
        && let Some(bundled) = &toolkit.bundled_driver
        && driver < bundled
    {
        let message = format!(
            "CUDA {cuda} came with driver {bundled}; on {driver} it runs by minor-version \
             compatibility"
        );
        add(Severity::Note, Rule::CudaMinorVersion, &toolkit.source, message);
    }
}

pub(super) fn fabric(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { node, instance_type, .. } = subject;
    let Some(driver) = &node.driver else { return };
    let name = &instance_type.name;
    let mut add = |severity, rule, source: &str, message| {
        findings.push(Finding::new(severity, rule, source, message));
    };
    let lockstep = [
        ("fabric manager", instance_type.fabric_manager, &node.fabric_manager, Rule::FabricManager),
        ("IMEX", instance_type.imex, &node.imex, Rule::Imex),
    ];
    for (what, needed, version, rule) in lockstep {
        match version {
            Some(version) if version.as_str() != driver.as_str() => {
                let message = format!(
                    "{what} {version} is not the driver's version {driver}: it refuses to start \
                     unless they are exactly equal"
                );
                add(Severity::Error, rule, "fm-ug", message);
            }
            Some(_) if !needed => {
                let message = format!("{name} has nothing for {what} to manage");
                add(Severity::Warning, rule, "fm-ug", message);
            }
            None if needed => {
                let message = format!(
                    "{name} needs {what} {driver}, exactly the driver's version: without it the \
                     GPUs cannot be used together"
                );
                add(Severity::Error, rule, "fm-ug", message);
            }
            _ => {}
        }
    }
    match (instance_type.nvlsm, &node.nvlsm) {
        (true, None) => {
            let message = format!(
                "{name} needs NVLSM beside the fabric manager, and the module ib_umad; its version \
                 is a date of its own, not the driver's"
            );
            add(Severity::Error, Rule::Nvlsm, "pcluster-cookbook", message);
        }
        (false, Some(_)) => {
            let message = format!("{name} has no NVLink 5 switches for NVLSM to manage");
            add(Severity::Warning, Rule::Nvlsm, "pcluster-cookbook", message);
        }
        _ => {}
    }
}

pub(super) fn libraries(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { tables, node, instance_type, gpu, .. } = subject;
    let mut add = |severity, rule, source: &str, message| {
        findings.push(Finding::new(severity, rule, source, message));
    };
    if let (Some(cudnn), Some(cuda)) = (&node.cudnn, &node.cuda) {
        let rows = tables.cudnn.iter().filter(|row| row.source.is_some() && row.covers(cudnn));
        let rows = rows.collect::<Vec<_>>();
        let source = rows.first().and_then(|row| row.source.as_deref()).unwrap_or("cudnn-9");
        let fitting = rows.iter().filter(|row| row.allows(cuda)).collect::<Vec<_>>();
        if !rows.is_empty() && fitting.is_empty() {
            let known = rows.iter().map(|row| row.cuda.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("cuDNN {cudnn} supports CUDA {known}, and not {cuda}");
            add(Severity::Error, Rule::Cudnn, source, message);
        }
        let unfit = |row: &CudnnRow| {
            row.cc_max.as_ref().is_some_and(|max| gpu.cc > *max)
                || row.cc_min.as_ref().is_some_and(|min| gpu.cc < *min)
        };
        if !fitting.is_empty() && fitting.iter().all(|row| unfit(row)) {
            let message = format!(
                "cuDNN {cudnn} with CUDA {cuda} does not support {} (compute capability {})",
                gpu.model, gpu.cc
            );
            add(Severity::Error, Rule::Cudnn, source, message);
        }
    }
    if let Some(nccl) = &node.nccl {
        match (&nccl.cuda, &node.cuda, &node.driver) {
            (None, ..) => {
                let message = format!(
                    "NCCL {nccl} does not say which CUDA it was built for: pin the whole package \
                     version, such as 2.27.7-1+cuda13.0"
                );
                add(Severity::Warning, Rule::NcclBuild, "nccl-rn", message);
            }
            (Some(built), Some(cuda), _) if built.branch() != cuda.branch() => {
                let message = format!(
                    "NCCL {nccl} was built for CUDA {built}, and the toolkit is {cuda}: expected a \
                     build for CUDA {}.x",
                    cuda.branch()
                );
                add(Severity::Error, Rule::NcclBuild, "nccl-rn", message);
            }
            _ => {}
        }
    }
    // The stack that AWS's samples require of p5 is a floor of theirs, not of the vendor.
    if instance_type.name.starts_with("p5") {
        let nccl = node.nccl.as_ref().map(|nccl| &nccl.version);
        for (what, version, floor) in [
            ("NCCL", nccl, "2.18.5"),
            ("CUDA", node.cuda.as_ref(), "12.0"),
            ("aws-ofi-nccl", node.aws_ofi_nccl.as_ref(), "1.7.2"),
            ("the EFA installer", node.efa_installer.as_ref(), "1.29.0"),
        ] {
            let Some(version) = version else { continue };
            if *version < fixed(floor) {
                let message = format!(
                    "{what} {version} is older than {floor}, the floor of AWS's samples for p5"
                );
                add(Severity::Warning, Rule::InstanceFloor, "awsome-dt", message);
            }
        }
    }
}

pub(super) fn power(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { node, gpu, .. } = subject;
    let Some(watts) = node.power_limit_w else { return };
    let mut add = |severity, rule, source: &str, message| {
        findings.push(Finding::new(severity, rule, source, message));
    };
    let Some(limits) = &gpu.power_limit else {
        let message = format!(
            "no power limits are documented for {}: {watts} W will be judged on the node",
            gpu.model
        );
        add(Severity::Warning, Rule::PowerLimitUnpublished, "smi-live", message);
        return;
    };
    let most = limits.max_w;
    let range = match limits.min_w {
        Some(least) => format!("from {least} to {most} W"),
        None => format!("of at most {most} W (its least one is not documented)"),
    };
    if watts > most || limits.min_w.is_some_and(|least| watts < least) || watts == 0 {
        let message = format!("{} takes power limits {range}, not {watts} W", gpu.model);
        add(Severity::Error, Rule::PowerLimit, &limits.source, message);
    } else if limits.min_w.is_none() {
        let message = format!(
            "the least power limit of {} is not documented: {watts} W is held against its greatest, \
             {most} W, and otherwise judged on the node",
            gpu.model
        );
        add(Severity::Note, Rule::PowerLimitUnpublished, &limits.source, message);
    }
}

pub(super) fn kernel(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Subject { node, instance_type, .. } = subject;
    let Some(kernel) = &node.kernel else { return };
    let mut add = |severity, source: &str, message| {
        findings.push(Finding::new(severity, Rule::Kernel, source, message));
    };
    if node.driver.is_some() && *kernel < minimum_kernel() {
        let message = format!("kernel {kernel} is older than 4.15, which NVIDIA's modules need");
        add(Severity::Error, "open-km", message);
    }
    if node.enterprise_kernel {
        return;
    }
    if node.gpudirect_dma_buf && *kernel < fixed("5.12") {
        let message =
            format!("kernel {kernel} has no DMA-BUF for GPUDirect RDMA: 5.12 is the first");
        add(Severity::Error, "gpu-operator", message);
    }
    if instance_type.network.efa_max > 0 && *kernel < fixed("5.15") {
        let message =
            format!("on kernel {kernel} EFA is not safe with fork() by itself; from 5.15 on it is");
        add(Severity::Warning, "efa-kernel", message);
    }
}

fn fixed(text: &str) -> Version {
    text.parse().expect("the rules write their versions correctly, and the tests run every rule")
}
