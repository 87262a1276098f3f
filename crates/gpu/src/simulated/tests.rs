//! What simulated hosts refuse, keep, and let go wrong.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::operation::{
    Batch, Exec, ExecOutput, Operation, OperationResult, PackageVersion, Payload, UnitAction,
};
use crate::os::Os;
use crate::transport::{HostRef, Transport, TransportError};

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn p5() -> HostRef {
    HostRef::new("i-1").with_instance_type("p5.48xlarge")
}

fn run(
    hosts: &SimulatedHosts,
    operations: impl IntoIterator<Item = Operation>,
) -> Vec<OperationResult> {
    block_on(hosts.run(&p5(), &Batch::probe(operations))).unwrap()
}

fn exec(hosts: &SimulatedHosts, line: &str) -> ExecOutput {
    let exec = Exec::change(line.split(' ')).expecting(0..=255);
    match run(hosts, [Operation::Exec(exec)]).remove(0) {
        OperationResult::Ok(Payload::Exec(output)) => output,
        other => panic!("{line}: {other:?}"),
    }
}

fn install(packages: &[(&str, &str)]) -> Operation {
    let packages = packages.iter().map(|(name, version)| PackageVersion {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
    });
    Operation::InstallPackages { packages: packages.collect(), allow_downgrade: false }
}

fn refusal(result: &OperationResult) -> (i32, String) {
    match result {
        OperationResult::Failed { code, stderr } => (code.unwrap_or(-1), stderr.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

const KERNEL: &str = "6.8.0-1069-aws";
const DRIVER: &str = "580.178.04-0ubuntu0.24.04.1";

/// A node with a driver that is loaded.
fn with_driver() -> SimulatedHosts {
    let hosts = SimulatedHosts::in_memory();
    let name = |prefix: &str| format!("{prefix}{KERNEL}");
    let results = run(
        &hosts,
        [
            Operation::RefreshPackageIndex,
            install(&[(&name("linux-image-"), "6.8.0-1069.74")]),
            Operation::write(
                "/etc/default/grub.d/1.cfg",
                format!(
                    "GRUB_DEFAULT=\"Advanced options for Ubuntu>Ubuntu, with Linux {KERNEL}\"\n"
                ),
            ),
            Operation::Exec(Exec::change(["update-grub"])),
            install(&[
                (&name("linux-modules-nvidia-580-server-open-"), "6.8.0-1069.74"),
                ("nvidia-headless-no-dkms-580-server-open", DRIVER),
                ("nvidia-utils-580-server", DRIVER),
            ]),
            Operation::Reboot { timeout_s: 900 },
        ],
    );
    assert!(results.iter().all(OperationResult::is_ok), "{results:?}");
    assert_eq!(hosts.machine("i-1").unwrap().kernel, KERNEL);
    hosts
}

#[test]
fn the_package_manager_refuses_in_the_words_of_apt() {
    let hosts = SimulatedHosts::in_memory();
    let refuse = |operation| refusal(&run(&hosts, [operation])[0]);
    // Nothing is known before the index was fetched.
    let text = "E: Unable to locate package mdadm".to_owned();
    assert_eq!(refuse(install(&[("mdadm", "4.3-1ubuntu2")])), (100, text));
    run(&hosts, [Operation::RefreshPackageIndex]);
    let text = "E: Version '1' for 'lvm2' was not found".to_owned();
    assert_eq!(refuse(install(&[("lvm2", "1")])), (100, text));
    let text = "E: Unable to locate package no-such-thing".to_owned();
    assert_eq!(refuse(install(&[("no-such-thing", "1")])), (100, text));

    let hosts = with_driver();
    let refuse = |operation| refusal(&run(&hosts, [operation])[0]);
    // The fabric manager needs the driver's very version.
    let other = [("nvidia-fabricmanager-595", "595.91.07-0ubuntu0.24.04.1")];
    let (code, text) = refuse(install(&other));
    assert!(code == 100 && text.contains("unmet dependencies"), "{text}");
    let right = [("nvidia-fabricmanager-580", DRIVER)];
    assert!(run(&hosts, [install(&right)])[0].is_ok());
    // A held package stays.
    let names = vec!["nvidia-utils-580-server".to_owned()];
    run(&hosts, [Operation::HoldPackages { names: names.clone() }]);
    let (code, text) = refuse(Operation::RemovePackages { names });
    assert!(code == 100 && text.contains("Held packages were changed"), "{text}");
}

#[test]
fn what_is_missing_keeps_modules_and_units_from_starting() {
    let hosts = SimulatedHosts::in_memory();
    let load = Operation::LoadModule { name: "nvidia".to_owned() };
    let (code, text) = refusal(&run(&hosts, [load.clone()])[0]);
    assert!(code == 1 && text.contains("Module nvidia not found"), "{text}");
    assert_eq!(exec(&hosts, "nvidia-smi -L").code, 127);
    let start = |unit: &str| Operation::SetUnit {
        unit: unit.to_owned(),
        enabled: Some(true),
        action: Some(UnitAction::Start),
    };
    assert_eq!(refusal(&run(&hosts, [start("nvidia-fabricmanager.service")])[0]).0, 5);

    let hosts = with_driver();
    assert_eq!(
        hosts.machine("i-1").unwrap().modules.get("nvidia"),
        Some(&Some("580.178.04".into()))
    );
    // Another version is loaded than the one of the user space, as after an upgrade without reboot.
    hosts
        .edit("i-1", |machine| {
            machine.modules.insert("nvidia".into(), Some("580.95.05".into()));
        })
        .unwrap();
    let output = exec(&hosts, "nvidia-smi -L");
    assert_eq!(output.code, 18);
    assert!(output.stdout.contains("Driver/library version mismatch"));
    let (_, text) = refusal(&run(&hosts, [start("nvidia-persistenced.service")])[0]);
    assert!(text.contains("Job for nvidia-persistenced.service failed"), "{text}");
    run(&hosts, [install(&[("nvidia-fabricmanager-580", DRIVER)])]);
    let (_, text) = refusal(&run(&hosts, [start("nvidia-fabricmanager.service")])[0]);
    assert!(text.contains("580.178.04") && text.contains("580.95.05"), "{text}");
    // nouveau has the GPUs.
    hosts.edit("i-1", |machine| machine.has_nouveau = true).unwrap();
    hosts.reboot("i-1").unwrap();
    assert!(!refusal(&run(&hosts, [load])[0]).1.is_empty());
}

#[test]
fn nvidia_smi_has_the_quirks_of_real_ones() {
    let hosts = with_driver();
    let query =
        |fields: &str| exec(&hosts, &format!("nvidia-smi --query-gpu={fields} --format=csv"));
    let output = query("index,power.limit,compute_mode");
    assert_eq!(output.stdout.lines().next(), Some("index, power.limit, compute_mode"));
    assert_eq!(output.stdout.lines().nth(8), Some("7, 700.00 W, Default"));
    let output = query("index,no.such.field");
    assert_eq!(output.code, 2);
    assert_eq!(output.stdout, "Field \"no.such.field\" is not a valid field to query.\n");
    assert_eq!(query("reset_status.reset_required").code, 2, "gone in 580");

    hosts.edit("i-1", |machine| machine.gpus[3].lost = true).unwrap();
    let output = query("index,power.limit");
    assert_eq!((output.code, output.stdout.lines().count()), (0, 9));
    assert_eq!(output.stdout.lines().nth(4), Some("3, [GPU is lost]"));
    hosts.edit("i-1", |machine| machine.gpus[3].lost = false).unwrap();

    assert_eq!(exec(&hosts, "nvidia-smi -pl 5000").code, 2);
    hosts
        .edit("i-1", |machine| {
            machine.gpus[0].unsupported.insert("power_limit".into());
        })
        .unwrap();
    let output = exec(&hosts, "nvidia-smi -i 0 -pl 300");
    assert_eq!(output.code, 0);
    assert!(output.stdout.contains("Treating as warning and moving on."));
    assert_eq!(hosts.machine("i-1").unwrap().gpus[0].power[0], 700, "and nothing was set");
}

#[test]
fn a_reboot_forgets_what_is_not_persistent() {
    let hosts = with_driver();
    for line in ["-pm 1", "-pl 400", "-c EXCLUSIVE_PROCESS", "-ac 2619,1500", "-lgc 300,1200"] {
        assert_eq!(exec(&hosts, &format!("nvidia-smi {line}")).code, 0, "{line}");
    }
    let before = hosts.machine("i-1").unwrap();
    assert_eq!((before.gpus[7].power[0], before.gpus[7].clocks[0].1), (400, 1500));
    run(
        &hosts,
        [Operation::SetSysctl { key: "kernel.yama.ptrace_scope".into(), value: "0".into() }],
    );
    hosts.reboot("i-1").unwrap();
    let after = hosts.machine("i-1").unwrap();
    assert_eq!(after.gpus, with_driver().machine("i-1").unwrap().gpus);
    assert_eq!(after.sysctl["kernel.yama.ptrace_scope"], "1");
}

#[test]
fn a_program_that_is_not_known_is_not_found_and_a_query_may_not_change_anything() {
    let hosts = with_driver();
    assert_eq!(exec(&hosts, "frobnicate --now").code, 127);
    assert_eq!(exec(&hosts, "dcgmi diag -r 1 -j").code, 127, "no DCGM is installed");
    let liar = Operation::Exec(Exec::query(["nvidia-smi", "-pl", "300"]));
    let before = hosts.machine("i-1").unwrap();
    let (_, text) = refusal(&run(&hosts, [liar])[0]);
    assert!(text.contains("was said to change nothing"), "{text}");
    assert_eq!(hosts.machine("i-1").unwrap(), before);
}

#[test]
fn dcgm_tells_what_it_finds_and_is_silent_without_its_daemon() {
    let hosts = with_driver();
    hosts
        .edit("i-1", |machine| {
            let (versions, held, automatic) = (vec!["1:4.6.0-1".to_owned()], false, false);
            let package = InstalledPackage { versions, held, automatic };
            machine.packages.insert("datacenter-gpu-manager-4-core".to_owned(), package);
        })
        .unwrap();
    assert_eq!(exec(&hosts, "dcgmi diag -r 1 -j").code, 1);
    run(
        &hosts,
        [Operation::SetUnit {
            unit: "nvidia-dcgm.service".into(),
            enabled: None,
            action: Some(UnitAction::Start),
        }],
    );
    let output = exec(&hosts, "dcgmi diag -r 1 -j");
    assert_eq!(output.code, 226);
    assert!(output.stdout.contains("Persistence mode for GPU 0 is disabled."));
    exec(&hosts, "nvidia-smi -pm 1");
    assert_eq!(exec(&hosts, "dcgmi diag -r 1 -j").code, 0);
}

#[test]
fn hosts_in_a_folder_are_there_tomorrow_and_gone_when_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let host =
        HostRef::new("../odd id/é").with_instance_type("g6.xlarge").with_os(Os::AmazonLinux2023);
    let write = Batch::change([Operation::write("/etc/nccl.conf", "NCCL_DEBUG=INFO\n")]);
    let hosts = SimulatedHosts::open(folder.path()).unwrap();
    block_on(hosts.run(&host, &write)).unwrap();
    let machine = hosts.machine(&host.id).unwrap();
    drop(hosts);

    let hosts = SimulatedHosts::open(folder.path()).unwrap();
    assert_eq!(hosts.hosts().unwrap(), [host.id.as_str()]);
    // The type is only needed to launch it.
    let read = Batch::probe([Operation::read("/etc/nccl.conf")]);
    assert!(block_on(hosts.run(&HostRef::new(&host.id), &read)).unwrap()[0].is_ok());
    assert_eq!(hosts.machine(&host.id).unwrap(), machine);
    assert!(hosts.forget(&host.id).unwrap());
    assert!(!hosts.forget(&host.id).unwrap());
    let error = block_on(hosts.run(&HostRef::new(&host.id), &read)).unwrap_err();
    assert!(matches!(error, TransportError::NoSuchHost { .. }), "{error}");
}

#[test]
fn faults_strike_once_where_they_are_put() {
    let hosts = SimulatedHosts::in_memory();
    let batch = Batch::change(["/1", "/2", "/3"].map(|path| Operation::write(path, "x")));
    let files = |hosts: &SimulatedHosts| {
        let machine = hosts.machine("i-1").unwrap();
        ["/1", "/2", "/3"].map(|path| machine.files.contains_key(path))
    };
    let go = |fault| {
        hosts.inject("i-1", fault);
        let result = block_on(hosts.run(&p5(), &batch));
        let seen = files(&hosts);
        hosts.edit("i-1", |machine| machine.files.clear()).unwrap();
        (result, seen)
    };
    run(&hosts, []);
    let (result, seen) = go(Fault::Unreachable);
    assert!(result.unwrap_err().nothing_was_done() && seen == [false, false, false]);
    let (result, seen) = go(Fault::CutBefore { operation: 1 });
    assert!(matches!(result, Err(TransportError::Lost { completed: 1, .. })));
    assert_eq!(seen, [true, false, false]);
    let (result, seen) = go(Fault::CutAfter { operation: 1 });
    assert!(matches!(result, Err(TransportError::Lost { completed: 1, .. })));
    assert_eq!(seen, [true, true, false]);
    let (result, seen) = go(Fault::Fail { operation: 1, code: 7, stderr: "no".into() });
    let failed = OperationResult::failed(7, "no");
    assert_eq!(result.unwrap(), [OperationResult::DONE, failed, OperationResult::Skipped]);
    assert_eq!(seen, [true, false, false]);
    assert!(block_on(hosts.run(&p5(), &batch)).is_ok());
    assert_eq!(hosts.calls().len(), 6);
    assert_eq!(hosts.calls().last().unwrap().mutations(), 3);
}

#[test]
fn latency_is_waited_for_by_whoever_waits_and_hosts_do_not_wait_for_each_other() {
    let hosts = SimulatedHosts::in_memory();
    hosts.set_latency(Duration::from_millis(30));
    let batch = Batch::probe([Operation::Facts]);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for at in 0..20 {
            let (hosts, batch) = (&hosts, &batch);
            scope.spawn(move || {
                let host = HostRef::new(format!("i-{at}")).with_instance_type("g6.xlarge");
                block_on(hosts.run(&host, batch)).unwrap();
            });
        }
    });
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(30), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(20 * 30), "{elapsed:?}");
}

#[test]
fn everything_that_the_tables_offer_can_be_installed() {
    use crate::{compat::Compatibility, os::PackageManager, steps::PackageSource};
    let tables = Compatibility::get();
    for offer in &tables.driver_offers {
        for driver in &offer.drivers {
            let (name, repository) = match (offer.os.package_manager(), offer.from) {
                (PackageManager::Dnf, _) => ("kmod-nvidia-open-dkms".to_owned(), "cuda"),
                (_, PackageSource::Distribution) => {
                    (format!("nvidia-headless-no-dkms-{}-server-open", driver.branch()), "archive")
                }
                (_, PackageSource::Nvidia) if driver.branch() >= 590 => {
                    ("nvidia-open".to_owned(), "cuda")
                }
                (_, PackageSource::Nvidia) => (format!("nvidia-open-{}", driver.branch()), "cuda"),
            };
            let is_it = |package: &&catalogue::Package| {
                package.name == name
                    && package.repository == repository
                    && package.version.contains(&format!("{driver}-"))
            };
            let found = catalogue::System::of(offer.os).packages.iter().find(is_it);
            assert!(found.is_some(), "{driver} as {name} for {}", offer.os);
        }
    }
    for os in Os::ALL {
        let system = catalogue::System::of(os);
        for build in &tables.nccl_builds {
            let version = build.nccl.to_string();
            let is_it = |package: &&catalogue::Package| {
                package.name.starts_with("libnccl") && package.version == version
            };
            assert_eq!(system.packages.iter().filter(is_it).count(), 2, "{version} for {os}");
        }
        for row in &tables.cuda_toolkit {
            let release = row.toolkit.split(' ').next().unwrap().replace('.', "-");
            let name = format!("cuda-toolkit-{release}");
            assert!(system.packages.iter().any(|package| package.name == name), "{name}");
        }
    }
}

#[test]
fn gpus_take_the_power_limits_that_the_tables_know() {
    let hosts = SimulatedHosts::in_memory();
    let host = HostRef::new("i-b").with_instance_type("p6-b200.48xlarge");
    block_on(hosts.run(&host, &Batch::probe([Operation::Facts]))).unwrap();
    assert_eq!(hosts.machine("i-b").unwrap().gpus[0].power, [1000, 1000, 200, 1000]);
}
