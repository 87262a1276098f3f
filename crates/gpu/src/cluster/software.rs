//! The software of one node, in the order it needs: kernel, driver, what builds on the driver, and
//! the proof that it works.

use formwork_aws::ec2::InstanceHandle;
use formwork_core::{Declaration, Output, Scope};

use super::{check::Checked, spec::GpuCluster};
use crate::{
    node::{Host, NodeStep, OnHost},
    steps::{
        Cuda, Driver, FabricManager, GpuSettings, KernelPin, NcclSettings, NvidiaRepository,
        Readiness, Scratch, ScratchExpectation, ScratchSpeed,
    },
};

/// Declares the software of the node that `scope` is; returns what is known once the node is ready.
pub(super) fn declare(
    cluster: &GpuCluster,
    checked: &Checked<'_>,
    instance: &InstanceHandle,
    scope: &mut Scope<'_>,
) -> Option<Output<String>> {
    let software = checked.group.software.as_ref()?;
    let (os, of) = (cluster.os, checked.instance_type);
    let on = Machine { instance, instance_type: &checked.group.instance_type, os };
    let kernel = on.step(KernelPin::new(os, software.kernel.clone()));
    let kernel = scope.add("kernel", kernel);
    let mut repository = NvidiaRepository::new(os);
    // Ubuntu's archive keeps the fabric manager in multiverse.
    repository.multiverse = of.fabric_manager;
    let repository = on.step(repository);
    let repository = scope.add("repository", repository);

    let mut driver = Driver::new(os, software.kernel.clone(), software.driver.clone());
    driver.modules = software.kernel_modules;
    driver.source = software.source;
    driver.activation = software.activation;
    let driver = on.step(driver).after(&kernel).after(&repository);
    let driver = scope.add("driver", driver);

    let mut proved = vec![kernel, driver.clone()];
    if of.fabric_manager {
        let version = software.fabric_manager.clone().unwrap_or_else(|| software.driver.clone());
        let nvlsm = software.nvlsm.clone().filter(|_| of.nvlsm);
        let fabric = FabricManager { os, version, source: software.source, nvlsm };
        let fabric = on.step(fabric).after(&driver);
        proved.push(scope.add("fabric-manager", fabric));
    }
    if let Some(toolkit) = &software.cuda {
        let mut cuda = Cuda::new(os, toolkit.clone());
        cuda.cudnn.clone_from(&software.cudnn);
        cuda.nccl.clone_from(&software.nccl);
        // One package manager runs at a time on a host.
        let cuda = on.step(cuda).after(&proved);
        proved.push(scope.add("cuda", cuda));
    }
    let mut settings = GpuSettings::new(os, of.accelerator.count);
    settings.persistence = software.persistence;
    settings.power_limit_w = software.power_limit_w;
    settings.compute_mode = software.compute_mode;
    settings.clocks = software.clocks;
    let settings = on.step(settings).after(&proved);
    proved.push(scope.add("gpu-settings", settings));
    if !software.nccl_settings.is_empty() {
        let mut nccl = NcclSettings::new(os, software.nccl_settings.clone());
        nccl.environment_block = software.nccl_environment_block;
        let nccl = on.step(nccl);
        proved.push(scope.add("nccl-settings", nccl));
    }
    let mut readiness = Readiness::for_type(os, of, software.driver.clone());
    readiness.kernel_release = Some(software.kernel.clone());
    readiness.efa_devices = checked.layout.efa_count();
    if let (Some(space), Some(storage)) = (&checked.group.scratch, &of.storage) {
        let mut scratch = Scratch::new(os, space.mount_point.clone(), storage.disks);
        scratch.layout = space.layout;
        scratch.file_system = space.file_system;
        let scratch = on.step(scratch).after(&proved);
        let scratch = scope.add("scratch", scratch);
        proved.push(scratch);
        if !checked.to_measure.is_empty() {
            let speed = ScratchSpeed::new(
                os,
                space.mount_point.clone(),
                space.layout.device(),
                checked.to_measure.clone(),
            );
            let speed = on.step(speed).after(&proved);
            proved.push(scope.add("scratch-speed", speed));
        }
        readiness.scratch = Some(ScratchExpectation {
            mount_point: space.mount_point.clone(),
            capacity_gb: space.required.capacity_gb,
        });
    }
    let readiness = on.step(readiness).after(&proved);
    Some(scope.add("readiness", readiness).id)
}

/// The machine that a step runs on.
struct Machine<'m> {
    instance: &'m InstanceHandle,
    instance_type: &'m str,
    os: crate::os::Os,
}

impl Machine<'_> {
    fn step<S: NodeStep>(&self, step: S) -> Declaration<OnHost<S>> {
        let host = Host::builder()
            .id(self.instance.id.cast::<String>())
            .address(&self.instance.private_ip)
            .instance_type(self.instance_type.to_owned())
            .os(self.os)
            .build();
        OnHost::declare(host, step).deleted_with(self.instance)
    }
}
