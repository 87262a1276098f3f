//! The laws of the steps, over every step and every system, on simulated hosts.

mod cases;
mod harness;

use harness::*;

use super::*;
use crate::os::Os;
use crate::simulated::{Fault, Machine, SimulatedHosts};

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    struct SecondRun;
    impl Law for SecondRun {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            let (hosts, host) = hosts_with(before);
            let first = block_on(settle(&hosts, &host, step)).unwrap();
            let after = hosts.machine(&host.id).unwrap();
            let calls = hosts.calls().len();
            let second = block_on(settle(&hosts, &host, step)).unwrap();
            assert_eq!(second.batches, [], "{}", S::NAME);
            assert_eq!(second.observed, first.observed, "{}", S::NAME);
            assert_eq!(hosts.machine(&host.id).unwrap(), after, "{}", S::NAME);
            assert_eq!(hosts.calls().len(), calls + 1, "{}: one round trip", S::NAME);
        }
    }
    every_step(&mut SecondRun);
}

/// Every interruption of a run leads to what the whole run leads to, once it is resumed.
struct CutShort(usize);
impl Law for CutShort {
    fn check<S: Step>(&mut self, step: &S, before: &Machine) {
        let whole = comparable(&settled(step, before));
        let faults: [fn(usize) -> Fault; 3] = [
            |operation| Fault::CutBefore { operation },
            |operation| Fault::CutAfter { operation },
            |operation| Fault::Fail { operation, code: 1, stderr: "told to fail".into() },
        ];
        for fault in faults {
            for at in 0.. {
                let (hosts, host) = hosts_with(before);
                hosts.inject(&host.id, fault(at));
                let cut = block_on(settle(&hosts, &host, step));
                if cut.is_ok() {
                    break;
                }
                self.0 += 1;
                let resumed = block_on(settle(&hosts, &host, step));
                let what = format!("{} on {} after {:?}", S::NAME, before.os, fault(at));
                resumed.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(comparable(&hosts.machine(&host.id).unwrap()), whole, "{what}");
            }
        }
    }
}

#[test]
fn a_run_that_is_cut_short_anywhere_converges_when_it_is_resumed() {
    let mut law = CutShort(0);
    every_step(&mut law);
    assert!(law.0 > 1_000, "{} interruptions were tried", law.0);
}

#[test]
fn a_change_of_inputs_that_is_cut_short_converges_too() {
    let mut law = CutShort(0);
    let os = Os::Ubuntu2404;
    let source = PackageSource::Nvidia;
    let fabric = |text: &str| FabricManager { os, version: version(text), source, nvlsm: None };
    let driver = |text: &str, activation| Driver {
        source,
        activation,
        ..Driver::new(os, release(os), version(text))
    };
    let mut pinned = settled(&KernelPin::new(os, release(os)), &fresh(os, "p5.48xlarge"));
    pinned = settled(&NvidiaRepository::new(os), &pinned);
    for activation in [Activation::Reboot, Activation::Reload] {
        for (old, new) in [("580.95.05", "580.178.04"), ("580.178.04", "595.91.07")] {
            let mut machine = settled(&driver(old, activation), &pinned);
            machine = settled(&fabric(old), &machine);
            law.check(&driver(new, activation), &machine);
            machine = settled(&driver(new, activation), &machine);
            law.check(&fabric(new), &machine);
        }
    }
    let machine = settled(&driver("580.178.04", Activation::Reboot), &pinned);
    let settings = |watts, max_mhz| GpuSettings {
        power_limit_w: Some(watts),
        clocks: Some(Clocks::Locked { min_mhz: 300, max_mhz }),
        ..GpuSettings::new(os, 8)
    };
    let machine = settled(&settings(600, 1_500), &machine);
    law.check(&settings(500, 1_200), &machine);
    // Nothing but the locked clocks differs, and nobody can be asked about those.
    law.check(&settings(600, 1_200), &machine);
    law.check(&GpuSettings { persistence: false, ..settings(600, 1_500) }, &machine);
    law.check(&KernelPin::new(os, "7.0.0-1017-aws"), &pinned);
}

#[test]
fn a_reboot_loses_nothing_that_a_step_made() {
    struct Reboot;
    impl Law for Reboot {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            let (hosts, host) = hosts_with(&settled(step, before));
            hosts.reboot(&host.id).unwrap();
            let again = block_on(settle(&hosts, &host, step)).unwrap();
            let lines = again.batches.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(lines, [""; 0], "{} on {}", S::NAME, before.os);
        }
    }
    every_step(&mut Reboot);
}

#[test]
fn what_is_removed_is_gone_and_can_come_back() {
    struct Removal;
    impl Law for Removal {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            let there = settled(step, before);
            let (hosts, host) = hosts_with(&there);
            let what = format!("{} on {}", S::NAME, before.os);
            let removed = block_on(take_away(&hosts, &host, step));
            removed.unwrap_or_else(|error| panic!("{what}: {error}"));
            let gone = hosts.machine(&host.id).unwrap();
            let again = block_on(take_away(&hosts, &host, step)).unwrap();
            assert_eq!(again.batches, [], "{what}");
            for at in 0.. {
                let (hosts, host) = hosts_with(&there);
                hosts.inject(&host.id, Fault::CutAfter { operation: at });
                if block_on(take_away(&hosts, &host, step)).is_ok() {
                    break;
                }
                block_on(take_away(&hosts, &host, step)).unwrap();
                let resumed = hosts.machine(&host.id).unwrap();
                assert_eq!(comparable(&resumed), comparable(&gone), "{what} cut after {at}");
            }
            // A driver that is removed stays loaded until the next boot, and comes back from there.
            hosts.reboot(&host.id).unwrap();
            let back = block_on(settle(&hosts, &host, step));
            back.unwrap_or_else(|error| panic!("{what} again: {error}"));
        }
    }
    every_step(&mut Removal);
}

#[test]
fn looking_at_a_host_leaves_its_file_as_it_is_byte_for_byte() {
    struct Looking;
    impl Law for Looking {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            assert_eq!(step.probe().mutations(), 0, "{}", S::NAME);
            let folder = tempfile::tempdir().unwrap();
            let hosts = SimulatedHosts::open(folder.path()).unwrap();
            let host = host(before.os, &before.instance_type);
            block_on(look(&hosts, &host, step)).unwrap();
            hosts.edit(&host.id, |machine| *machine = before.clone()).unwrap();
            let file = folder.path().join(format!("{}.json", host.id));
            let bytes = std::fs::read(&file).unwrap();
            let written = std::fs::metadata(&file).unwrap().modified().unwrap();
            block_on(look(&hosts, &host, step)).unwrap();
            assert_eq!(std::fs::read(&file).unwrap(), bytes, "{}", S::NAME);
            assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written);
        }
    }
    every_step(&mut Looking);
}

#[test]
fn inputs_and_observations_survive_being_recorded() {
    struct Recorded;
    impl Law for Recorded {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            let json = serde_json::to_string(step).unwrap();
            assert_eq!(serde_json::from_str::<S>(&json).unwrap(), *step, "{}", S::NAME);
            let (hosts, host) = hosts_with(before);
            let observed = block_on(look(&hosts, &host, step)).unwrap();
            let json = serde_json::to_string(&observed).unwrap();
            assert_eq!(serde_json::from_str::<S::Observed>(&json).unwrap(), observed);
            assert_eq!(step.problems(), [""; 0], "{}", S::NAME);
        }
    }
    every_step(&mut Recorded);
}

#[test]
fn answers_that_are_not_those_of_the_probe_are_errors_and_never_panics() {
    struct Garbled;
    impl Law for Garbled {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            let (hosts, host) = hosts_with(before);
            let probe = step.probe();
            let run = crate::transport::Transport::run(&hosts, &host, &probe);
            let mut results = block_on(run).unwrap();
            for at in 0..results.len() {
                let mut missing = results.clone();
                missing.remove(at);
                assert!(step.observe(&missing).is_err(), "{} without {at}", S::NAME);
                let mut failed = results.clone();
                failed[at] = OperationResult::failed(1, "told to fail");
                assert!(step.observe(&failed).is_err(), "{} with {at} failed", S::NAME);
                failed[at] = OperationResult::Skipped;
                assert!(step.observe(&failed).is_err(), "{} with {at} skipped", S::NAME);
            }
            results.reverse();
            let _ = step.observe(&results);
            let other = Os::ALL.into_iter().find(|os| *os != before.os).unwrap();
            let (hosts, host) = hosts_with(&fresh(other, &before.instance_type));
            let wrong = block_on(look(&hosts, &host, step));
            assert!(matches!(wrong, Err(SettleError::Answers(_))), "{} on {other}", S::NAME);
        }
    }
    every_step(&mut Garbled);
}

/// A change behind everyone's back.
type Edit = fn(&mut Machine);

#[test]
fn drift_is_named_and_repaired() {
    struct Drift;
    impl Law for Drift {
        fn check<S: Step>(&mut self, step: &S, before: &Machine) {
            let there = settled(step, before);
            let edits: [(&str, Edit); 6] = [
                ("packages are no longer held", |machine| {
                    machine.packages.values_mut().for_each(|package| package.held = false);
                }),
                ("files are emptied", |machine| {
                    let made = |path: &str| {
                        (path.contains("formwork") || path.ends_with("nccl.conf"))
                            && !path.starts_with("/scratch")
                    };
                    let files = machine.files.iter_mut().filter(|(path, _)| made(path));
                    files.for_each(|(_, file)| file.content.clear());
                }),
                ("units are disabled and stopped", |machine| {
                    for unit in machine.units.values_mut() {
                        (unit.enabled, unit.active) = (false, "inactive".to_owned());
                    }
                }),
                ("GPU 3 has other settings", |machine| {
                    if let Some(gpu) = machine.gpus.get_mut(3) {
                        gpu.power[0] = gpu.power[2];
                        "Default".clone_into(&mut gpu.compute_mode);
                        gpu.clocks[0].1 = 345;
                        gpu.persistence = false;
                    }
                }),
                ("everything is unmounted", |machine| machine.mounts.clear()),
                ("figures are gone", |machine| {
                    machine.files.retain(|path, _| !path.starts_with("/scratch/"));
                }),
            ];
            for (name, edit) in edits {
                let (hosts, host) = hosts_with(&there);
                let observed = block_on(look(&hosts, &host, step)).unwrap();
                hosts.edit(&host.id, edit).unwrap();
                let drifted = block_on(look(&hosts, &host, step)).unwrap();
                let next = step.converge(&drifted);
                let what = format!("{} on {} when {name}", S::NAME, before.os);
                match next {
                    Next::Converged => continue,
                    Next::Blocked { .. } if drifted == observed => panic!("{what}: blocked"),
                    // What has to be there before is missing: not this step's to repair.
                    Next::Blocked { .. } => continue,
                    Next::Change { differences, .. } => assert!(!differences.is_empty(), "{what}"),
                }
                block_on(settle(&hosts, &host, step)).unwrap_or_else(|e| panic!("{what}: {e}"));
                let repaired = block_on(look(&hosts, &host, step)).unwrap();
                assert_eq!(step.converge(&repaired), Next::Converged, "{what}");
            }
        }
    }
    every_step(&mut Drift);
}
