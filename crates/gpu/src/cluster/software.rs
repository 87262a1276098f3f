//! The software of one node, in the order it needs: kernel, driver, what builds on the driver, and
//! the proof that it works.

use formwork_aws::ec2::InstanceHandle;
use formwork_core::{Declaration, Output, Scope};

use super::{
    check::Checked,
    spec::{GpuCluster, NodeGroup},
};
use crate::{
    instance_type::{InstanceType, StorageMeasurement},
    interfaces::InterfaceLayout,
    node::{Host, NodeStep, OnHost},
    os::Os,
    steps::{
        Cuda, Driver, FabricManager, GpuSettings, KernelPin, NcclSettings, NvidiaRepository,
        Readiness, Scratch, ScratchExpectation, ScratchSpeed, Step,
    },
};

/// The steps of a node, the same for all nodes of a group.
pub(super) struct Steps {
    kernel: KernelPin,
    repository: NvidiaRepository,
    driver: Driver,
    fabric: Option<FabricManager>,
    cuda: Option<Cuda>,
    settings: GpuSettings,
    nccl: Option<NcclSettings>,
    scratch: Option<Scratch>,
    speed: Option<ScratchSpeed>,
    readiness: Readiness,
}

impl Steps {
    /// The steps of the nodes of `group`, if it has software.
    pub(super) fn of(
        os: Os,
        group: &NodeGroup,
        of: &InstanceType,
        layout: &InterfaceLayout,
        to_measure: &StorageMeasurement,
    ) -> Option<Self> {
        let software = group.software.as_ref()?;
        let mut repository = NvidiaRepository::new(os);
        // Ubuntu's archive keeps the fabric manager in multiverse.
        repository.multiverse = of.fabric_manager;
        let mut driver = Driver::new(os, software.kernel.clone(), software.driver.clone());
        driver.modules = software.kernel_modules;
        driver.source = software.source;
        driver.activation = software.activation;
        let fabric = of.fabric_manager.then(|| {
            let version = software.fabric_manager.clone();
            let version = version.unwrap_or_else(|| software.driver.clone());
            let nvlsm = software.nvlsm.clone().filter(|_| of.nvlsm);
            FabricManager { os, version, source: software.source, nvlsm }
        });
        let cuda = software.cuda.as_ref().map(|toolkit| {
            let mut cuda = Cuda::new(os, toolkit.clone());
            cuda.cudnn.clone_from(&software.cudnn);
            cuda.nccl.clone_from(&software.nccl);
            cuda
        });
        let mut settings = GpuSettings::new(os, of.accelerator.count);
        settings.persistence = software.persistence;
        settings.power_limit_w = software.power_limit_w;
        settings.compute_mode = software.compute_mode;
        settings.clocks = software.clocks;
        let nccl = (!software.nccl_settings.is_empty()).then(|| {
            let mut nccl = NcclSettings::new(os, software.nccl_settings.clone());
            nccl.environment_block = software.nccl_environment_block;
            nccl
        });
        let mut readiness = Readiness::for_type(os, of, software.driver.clone());
        readiness.kernel_release = Some(software.kernel.clone());
        readiness.efa_devices = layout.efa_count();
        let (mut scratch, mut speed) = (None, None);
        if let (Some(space), Some(storage)) = (&group.scratch, &of.storage) {
            let mut joined = Scratch::new(os, space.mount_point.clone(), storage.disks);
            joined.layout = space.layout;
            joined.file_system = space.file_system;
            scratch = Some(joined);
            if !to_measure.is_empty() {
                speed = Some(ScratchSpeed::new(
                    os,
                    space.mount_point.clone(),
                    space.layout.device(),
                    to_measure.clone(),
                ));
            }
            readiness.scratch = Some(ScratchExpectation {
                mount_point: space.mount_point.clone(),
                capacity_gb: space.required.capacity_gb,
            });
        }
        let kernel = KernelPin::new(os, software.kernel.clone());
        Some(Self {
            kernel,
            repository,
            driver,
            fabric,
            cuda,
            settings,
            nccl,
            scratch,
            speed,
            readiness,
        })
    }

    /// What is wrong with the steps by themselves, by the field of the group that it is in.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        fn of<S: Step>(step: Option<&S>, field: &'static str) -> Vec<(&'static str, String)> {
            let problems = step.map(Step::problems).unwrap_or_default();
            problems.into_iter().map(|problem| (field, problem)).collect()
        }
        [
            of(Some(&self.kernel), "software.kernel"),
            of(Some(&self.repository), "software"),
            of(Some(&self.driver), "software.source"),
            of(self.fabric.as_ref(), "software.fabric_manager"),
            of(self.cuda.as_ref(), "software.nccl"),
            of(Some(&self.settings), "software.clocks"),
            of(self.nccl.as_ref(), "software.nccl_settings"),
            of(self.scratch.as_ref(), "scratch"),
            of(self.speed.as_ref(), "scratch"),
            of(Some(&self.readiness), "software"),
        ]
        .concat()
    }
}

/// Declares the software of the node that `scope` is; returns what is known once the node is ready.
pub(super) fn declare(
    cluster: &GpuCluster,
    checked: &Checked<'_>,
    instance: &InstanceHandle,
    scope: &mut Scope<'_>,
) -> Option<Output<String>> {
    let steps = checked.steps.as_ref()?;
    let instance_type = &checked.group.instance_type;
    let on = Machine { instance, instance_type, os: cluster.os };
    let driver = &steps.driver;
    let basis = format!("driver {} on kernel {}", driver.version, driver.kernel_release);
    let kernel = scope.add("kernel", on.step(steps.kernel.clone()));
    let repository = scope.add("repository", on.step(steps.repository.clone()));
    let driver = on.step(steps.driver.clone()).after(&kernel).after(&repository);
    let driver = scope.add("driver", driver);

    let mut proved = vec![kernel, driver.clone()];
    if let Some(fabric) = &steps.fabric {
        let fabric = on.step_upon(fabric.clone(), &basis).after(&driver).replace_with(&driver);
        proved.push(scope.add("fabric-manager", fabric));
    }
    if let Some(cuda) = &steps.cuda {
        // One package manager runs at a time on a host.
        let cuda = on.step(cuda.clone()).after(&proved);
        proved.push(scope.add("cuda", cuda));
    }
    let settings = on.step_upon(steps.settings.clone(), &basis);
    let settings = settings.after(&proved).replace_with(&driver);
    proved.push(scope.add("gpu-settings", settings));
    if let Some(nccl) = &steps.nccl {
        proved.push(scope.add("nccl-settings", on.step(nccl.clone())));
    }
    if let Some(scratch) = &steps.scratch {
        let scratch = on.step(scratch.clone()).after(&proved);
        proved.push(scope.add("scratch", scratch));
    }
    if let Some(speed) = &steps.speed {
        let speed = on.step(speed.clone()).after(&proved);
        proved.push(scope.add("scratch-speed", speed));
    }
    let readiness = on.step_upon(steps.readiness.clone(), &basis);
    let readiness = readiness.after(&proved).replace_with(&driver);
    Some(scope.add("readiness", readiness).id)
}

/// The machine that a step runs on.
struct Machine<'m> {
    instance: &'m InstanceHandle,
    instance_type: &'m str,
    os: Os,
}

impl Machine<'_> {
    fn step<S: NodeStep>(&self, step: S) -> Declaration<OnHost<S>> {
        self.declare(step, None)
    }

    /// A step whose work a change of what is beneath it undoes.
    fn step_upon<S: NodeStep>(&self, step: S, basis: &str) -> Declaration<OnHost<S>> {
        self.declare(step, Some(basis.to_owned()))
    }

    fn declare<S: NodeStep>(&self, step: S, basis: Option<String>) -> Declaration<OnHost<S>> {
        let host = Host::builder()
            .id(self.instance.id.cast::<String>())
            .address(&self.instance.private_ip)
            .instance_type(self.instance_type.to_owned())
            .os(self.os)
            .build();
        OnHost::declare_upon(host, step, basis).deleted_with(self.instance)
    }
}
