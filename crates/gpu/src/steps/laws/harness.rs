//! Hosts, nodes and the running of futures, for the laws.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::super::*;
use crate::compat::Version;
use crate::instance_type::{InstanceType, StorageRequirement};
use crate::simulated::{Machine, SimulatedHosts};
use crate::transport::HostRef;

/// Runs a future to its end; simulated hosts without latency never wait.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

pub(super) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

pub(super) fn host(os: Os, instance_type: &str) -> HostRef {
    HostRef::new("i-0123456789abcdef0").with_instance_type(instance_type).with_os(os)
}

/// Hosts with one host in the state of `machine`.
pub(super) fn hosts_with(machine: &Machine) -> (SimulatedHosts, HostRef) {
    let hosts = SimulatedHosts::in_memory();
    let host = host(machine.os, &machine.instance_type);
    block_on(crate::transport::Transport::run(&hosts, &host, &Batch::default())).unwrap();
    hosts.edit(&host.id, |there| *there = machine.clone()).unwrap();
    (hosts, host)
}

pub(super) fn fresh(os: Os, instance_type: &str) -> Machine {
    let hosts = SimulatedHosts::in_memory();
    let host = host(os, instance_type);
    block_on(crate::transport::Transport::run(&hosts, &host, &Batch::default())).unwrap();
    hosts.machine(&host.id).unwrap()
}

/// The machine after the step has come to rest on it.
pub(super) fn settled<S: Step>(step: &S, before: &Machine) -> Machine {
    let (hosts, host) = hosts_with(before);
    let result = block_on(settle(&hosts, &host, step));
    result.unwrap_or_else(|error| panic!("{} on {}: {error}", S::NAME, before.os));
    hosts.machine(&host.id).unwrap()
}

/// What two runs may differ in although they led to the same.
pub(super) fn comparable(machine: &Machine) -> Machine {
    Machine { boots: 0, indexed: Default::default(), ..machine.clone() }
}

/// A law that is checked for every step.
pub(super) trait Law {
    /// `before` is the host with everything that comes before the step.
    fn check<S: Step>(&mut self, step: &S, before: &Machine);
}

pub(super) fn release(os: Os) -> &'static str {
    match os {
        Os::Ubuntu2204 => "5.15.0-1120-aws",
        Os::Ubuntu2404 => "6.8.0-1069-aws",
        Os::AmazonLinux2023 => "6.12.58-82.121.amzn2023.x86_64",
    }
}

/// The whole node, in order; each step is checked on a host that has the ones before it.
pub(super) fn node(os: Os, type_name: &str, source: PackageSource, law: &mut impl Law) {
    fn next<S: Step>(step: &S, machine: &mut Machine, law: &mut impl Law) {
        law.check(step, machine);
        *machine = settled(step, machine);
    }
    let instance_type = InstanceType::named(type_name).unwrap();
    let mut machine = fresh(os, type_name);
    let machine = &mut machine;
    let apt = os.package_manager() == crate::os::PackageManager::Apt;
    let driver_version = version("580.178.04");
    let gpus = instance_type.accelerator.count;
    let disks = instance_type.storage.as_ref().map_or(0, |storage| storage.disks);

    next(&KernelPin::new(os, release(os)), machine, law);
    next(&NvidiaRepository { multiverse: apt, ..NvidiaRepository::new(os) }, machine, law);
    let driver = Driver { source, ..Driver::new(os, release(os), driver_version.clone()) };
    next(&driver, machine, law);
    let nvlsm = instance_type.nvlsm.then(|| version("2025.10.12"));
    if instance_type.fabric_manager {
        let version = driver_version.clone();
        next(&FabricManager { os, version, source, nvlsm }, machine, law);
    }
    let cuda = Cuda {
        cudnn: Some(version("9.17")),
        nccl: Some("2.27.7-1+cuda13.0".parse().unwrap()),
        ..Cuda::new(os, version("13.0"))
    };
    next(&cuda, machine, law);
    let mut nccl = NcclSettings::new(os, [("NCCL_DEBUG", "INFO"), ("NCCL_SOCKET_IFNAME", "ens")]);
    nccl.environment_block = true;
    next(&nccl, machine, law);
    let settings = GpuSettings {
        power_limit_w: Some(machine.gpus[0].power[3] - 50),
        compute_mode: Some(ComputeMode::ExclusiveProcess),
        clocks: Some(Clocks::Application {
            memory_mhz: machine.gpus[0].clocks[1].0,
            graphics_mhz: machine.gpus[0].clocks[1].1 + 100,
        }),
        ..GpuSettings::new(os, gpus)
    };
    next(&settings, machine, law);
    let layout = if source == PackageSource::Distribution { Layout::Raid0 } else { Layout::Lvm };
    let file_system = if apt { FileSystem::Xfs } else { FileSystem::Ext4 };
    let scratch = Scratch { layout, file_system, ..Scratch::new(os, "/scratch", disks) };
    next(&scratch, machine, law);
    let requirement =
        StorageRequirement { capacity_gb: 1, iops: Some(1), throughput_mb_s: Some(1_000) };
    let required = requirement.check(instance_type).to_measure;
    next(&ScratchSpeed::new(os, "/scratch", layout.device(), required), machine, law);
    let scratch = ScratchExpectation { mount_point: "/scratch".into(), capacity_gb: 7_000 };
    let readiness = Readiness {
        kernel_release: Some(release(os).to_owned()),
        scratch: Some(scratch),
        ..Readiness::for_type(os, instance_type, driver_version)
    };
    next(&readiness, machine, law);
}

/// Every system, with what differs most between the types: NVSwitch with and without fabric state,
/// NVLSM, and a size without any of it.
pub(super) fn every_step(law: &mut impl Law) {
    node(Os::Ubuntu2404, "p5.48xlarge", PackageSource::Distribution, law);
    node(Os::Ubuntu2404, "p6-b200.48xlarge", PackageSource::Nvidia, law);
    node(Os::Ubuntu2204, "p4d.24xlarge", PackageSource::Distribution, law);
    node(Os::Ubuntu2204, "g7e.24xlarge", PackageSource::Nvidia, law);
    node(Os::AmazonLinux2023, "p5en.48xlarge", PackageSource::Nvidia, law);
}
