//! What single steps refuse, wait for and restore.

use super::super::*;
use super::harness::*;
use crate::operation::Operation;
use crate::simulated::{Machine, SimulatedHosts};
use crate::transport::HostRef;

#[test]
fn rolling_back_restores_the_tuple_of_driver_and_fabric_manager() {
    let os = Os::Ubuntu2404;
    let source = PackageSource::Nvidia;
    let fabric = |text: &str| FabricManager { os, version: version(text), source, nvlsm: None };
    for activation in [Activation::Reboot, Activation::Reload] {
        let driver = |text: &str| Driver {
            source,
            activation,
            ..Driver::new(os, release(os), version(text))
        };
        let mut machine = settled(&KernelPin::new(os, release(os)), &fresh(os, "p5.48xlarge"));
        machine = settled(&NvidiaRepository::new(os), &machine);
        for text in ["580.95.05", "580.178.04", "595.91.07", "580.95.05"] {
            machine = settled(&driver(text), &machine);
            machine = settled(&fabric(text), &machine);
            let (hosts, host) = hosts_with(&machine);
            let observed = block_on(look(&hosts, &host, &driver(text))).unwrap();
            assert_eq!(observed.loaded.as_deref(), Some(text));
            assert_eq!(observed.user_space.as_deref(), Ok(text));
            let observed = block_on(look(&hosts, &host, &fabric(text))).unwrap();
            assert!(observed.unit.is_active(), "{activation:?} {text}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let os = Os::Ubuntu2404;
    let machine = fresh(os, "p5.48xlarge");
    let refused = |result: Result<(), SettleError>, word: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(word), "`{text}` names {word}");
    };
    let run = |machine: &Machine,
               step: &dyn Fn(&SimulatedHosts, &HostRef) -> Result<(), SettleError>| {
        let (hosts, host) = hosts_with(machine);
        step(&hosts, &host)
    };
    // The driver is for another kernel than the running one.
    let driver = Driver::new(os, release(os), version("580.178.04"));
    refused(
        run(&machine, &|t, h| block_on(settle(t, h, &driver)).map(drop)),
        "pin the kernel first",
    );
    // A version that nobody offers: the index is fetched once, and then it is said what there is.
    let pinned = settled(&KernelPin::new(os, release(os)), &machine);
    let old = Driver::new(os, release(os), version("580.95.05"));
    refused(run(&pinned, &|t, h| block_on(settle(t, h, &old)).map(drop)), "offered: 580.178.04");
    // Settings out of range, and GPUs that are lost, are named before anything is tried.
    let ready = settled(&driver, &pinned);
    let settings = GpuSettings { power_limit_w: Some(900), ..GpuSettings::new(os, 8) };
    refused(
        run(&ready, &|t, h| block_on(settle(t, h, &settings)).map(drop)),
        "200 to 700 W, not 900",
    );
    let mut damaged = ready.clone();
    damaged.gpus[5].lost = true;
    let settings = GpuSettings::new(os, 8);
    refused(run(&damaged, &|t, h| block_on(settle(t, h, &settings)).map(drop)), "GPU 5 is lost");
    // Settings that nvidia-smi accepts with exit 0 and does not make.
    let mut silent = ready.clone();
    silent.gpus[2].unsupported.insert("power_limit".into());
    let settings = GpuSettings { power_limit_w: Some(600), ..GpuSettings::new(os, 8) };
    refused(
        run(&silent, &|t, h| block_on(settle(t, h, &settings)).map(drop)),
        "power limit of GPU 2",
    );
    // The boot loader starts the old kernel again.
    let mut stubborn = machine.clone();
    stubborn.boots_old_kernel = true;
    let pin = KernelPin::new(os, release(os));
    refused(
        run(&stubborn, &|t, h| block_on(settle(t, h, &pin)).map(drop)),
        "running kernel: is 7.0.0",
    );
}

#[test]
fn volta_takes_the_proprietary_modules_and_refuses_the_open_ones() {
    let os = Os::Ubuntu2404;
    let before = settled(&KernelPin::new(os, release(os)), &fresh(os, "p3.2xlarge"));
    let open = Driver::new(os, release(os), version("580.178.04"));
    let modules = crate::compat::KernelModules::Proprietary;
    let proprietary = Driver { modules, ..open.clone() };
    let (hosts, host) = hosts_with(&before);
    let error = block_on(settle(&hosts, &host, &open)).unwrap_err().to_string();
    assert!(error.contains("No such device"), "{error}");
    // From the wrong kind to the right one, on the same host.
    block_on(settle(&hosts, &host, &proprietary)).unwrap();
    assert_eq!(hosts.machine(&host.id).unwrap().modules["nvidia"], Some("580.178.04".into()));
}

#[test]
fn a_fabric_that_is_not_known_to_be_complete_never_counts_as_complete() {
    let os = Os::Ubuntu2404;
    let (version, source) = (version("580.178.04"), PackageSource::Distribution);
    let step = FabricManager { os, version: version.clone(), source, nvlsm: None };
    let mut machine = settled(&KernelPin::new(os, release(os)), &fresh(os, "p5.48xlarge"));
    machine = settled(&Driver::new(os, release(os), version), &machine);
    machine = settled(&step, &machine);
    let (hosts, host) = hosts_with(&machine);
    let mut observed = block_on(look(&hosts, &host, &step)).unwrap();
    assert_eq!(step.converge(&observed), Next::Converged);
    let in_progress = smi::Cell::Value("In Progress".to_owned());
    observed.fabric = Ok(vec![in_progress]);
    let Next::Change { batch, .. } = step.converge(&observed) else { panic!("not waited for") };
    assert_eq!(batch.operations, [Operation::Pause { seconds: 60 }]);
    observed.fabric = Ok(vec![smi::Cell::Lost]);
    assert_eq!(step.converge(&observed), Next::blocked("GPU 0 is lost"));
    observed.fabric = Err("nvidia-smi exits 15".to_owned());
    assert_eq!(step.converge(&observed), Next::blocked("nvidia-smi exits 15"));
}

#[test]
fn a_node_that_misses_anything_is_not_ready_and_what_is_unknown_never_passes() {
    let os = Os::Ubuntu2404;
    let readiness = Readiness {
        os,
        kernel_release: None,
        gpus: 8,
        driver: version("580.178.04"),
        fabric_manager: true,
        efa_devices: 32,
        scratch: Some(ScratchExpectation { mount_point: "/scratch".into(), capacity_gb: 15_360 }),
    };
    let (hosts, host) = hosts_with(&fresh(os, "p5.48xlarge"));
    let observed = block_on(look(&hosts, &host, &readiness)).unwrap();
    assert!(!observed.is_ready());
    let unknown = observed.checks.iter().filter(|c| matches!(c.verdict, Verdict::Unknown(_)));
    assert_eq!(unknown.count(), 1, "nvidia-smi is not there yet");
    let Err(SettleError::Blocked { problems, .. }) = block_on(settle(&hosts, &host, &readiness))
    else {
        panic!("a fresh node is ready")
    };
    assert_eq!(
        problems,
        [
            "installed driver: is none, should be 580.178.04",
            "loaded driver: is none, should be 580.178.04",
            "GPUs: unknown, nvidia-smi is not installed",
            "nvidia-fabricmanager.service: is inactive, should be active",
            "/scratch: nothing is mounted",
        ]
    );
}

#[test]
fn a_fabric_manager_of_another_version_does_not_start_and_apt_does_not_install_it() {
    let os = Os::Ubuntu2404;
    let mut machine = settled(&KernelPin::new(os, release(os)), &fresh(os, "p5.48xlarge"));
    machine = settled(&Driver::new(os, release(os), version("580.178.04")), &machine);
    let source = PackageSource::Distribution;
    let fabric = FabricManager { os, version: version("595.91.07"), source, nvlsm: None };
    let (hosts, host) = hosts_with(&machine);
    let error = block_on(settle(&hosts, &host, &fabric)).unwrap_err().to_string();
    assert!(error.contains("needs driver 595.91.07 loaded, and 580.178.04 is"), "{error}");
    let name = "nvidia-fabricmanager-595".to_owned();
    let wrong =
        crate::operation::PackageVersion { name, version: "595.91.07-0ubuntu0.24.04.1".into() };
    let batch = Batch::change([Operation::InstallPackages {
        packages: vec![wrong],
        allow_downgrade: true,
    }]);
    let results = block_on(crate::transport::Transport::run(&hosts, &host, &batch)).unwrap();
    assert!(!results[0].is_ok(), "{results:?}");
}
