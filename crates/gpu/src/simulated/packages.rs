//! apt and dnf, as far as the steps use them.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Package, System, natural_order, relation};
use super::machine::{InstalledPackage, Machine};
use crate::operation::{PackageState, PackageVersion};
use crate::os::PackageManager;

const STREAM_FILE: &str = "/etc/dnf/modules.d/nvidia-driver.module";

/// The packages after a transaction, by name.
type Target = BTreeMap<String, InstalledPackage>;

impl Machine {
    fn is_apt(&self) -> bool {
        self.os.package_manager() == PackageManager::Apt
    }

    /// The repositories that are configured, with their keys.
    fn configured(&self) -> BTreeSet<String> {
        let mut configured = BTreeSet::from(["archive".to_owned()]);
        let file = |folder: &str, word: &str| {
            let mut files = self.files.iter();
            files.any(|(path, file)| path.starts_with(folder) && file.content.contains(word))
        };
        if self.is_apt() {
            if self.multiverse || file("/etc/apt/sources.list.d/", "multiverse") {
                configured.insert("multiverse".to_owned());
            }
            let key = self.files.contains_key("/usr/share/keyrings/cuda-archive-keyring.gpg");
            if key && file("/etc/apt/sources.list.d/", "/compute/cuda/repos/") {
                configured.insert("cuda".to_owned());
            }
        } else if file("/etc/yum.repos.d/", "/compute/cuda/repos/") {
            configured.insert("cuda".to_owned());
        }
        configured
    }

    /// `apt-get update`; dnf looks by itself.
    pub(super) fn refresh_index(&mut self) {
        self.indexed = self.configured();
    }

    /// The module stream of the driver that is enabled (dnf).
    pub(super) fn driver_stream(&self) -> Option<String> {
        let file = self.files.get(STREAM_FILE)?;
        let enabled = file.content.lines().any(|line| line == "state=enabled");
        let stream = file.content.lines().find_map(|line| line.strip_prefix("stream="));
        stream.filter(|_| enabled).map(str::to_owned)
    }

    pub(super) fn set_driver_stream(&mut self, stream: Option<&str>) {
        let state = if stream.is_some() { "enabled" } else { "" };
        let stream = stream.unwrap_or_default();
        let content = format!(
            "[nvidia-driver]\nname=nvidia-driver\nstream={stream}\nprofiles=\nstate={state}\n"
        );
        self.put(STREAM_FILE, &content);
    }

    fn offered(&self) -> Vec<&'static Package> {
        let configured = self.configured();
        let stream = self.driver_stream();
        let visible = |package: &&Package| {
            let indexed = !self.is_apt() || self.indexed.contains(&package.repository);
            let streamed = package.stream.is_none() || package.stream == stream;
            configured.contains(&package.repository) && indexed && streamed
        };
        System::of(self.os).packages.iter().filter(visible).collect()
    }

    pub(super) fn query_packages(&self, names: &[String]) -> BTreeMap<String, PackageState> {
        let offered = self.offered();
        let state = |name: &String| {
            let mut available = offered
                .iter()
                .filter(|package| package.name == *name)
                .map(|package| package.version.clone())
                .collect::<Vec<_>>();
            available.sort_by(|a, b| natural_order(b, a));
            available.dedup();
            let installed = self.packages.get(name);
            let mut versions = installed.into_iter().flat_map(|package| package.versions.clone());
            PackageState {
                installed: versions.next(),
                others: versions.collect(),
                held: installed.is_some_and(|package| package.held),
                available,
            }
        };
        names.iter().map(|name| (name.clone(), state(name))).collect()
    }

    /// Holds or unholds packages that are installed; apt also holds others, this does not.
    pub(super) fn hold(&mut self, names: &[String], held: bool) -> Result<(), (i32, String)> {
        for name in names {
            match self.packages.get_mut(name) {
                Some(package) => package.held = held,
                None if held => {
                    return Err((
                        100,
                        format!("E: Can't select installed nor candidate version of {name}"),
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }

    pub(super) fn install(
        &mut self,
        packages: &[PackageVersion],
        allow_downgrade: bool,
    ) -> Result<(), (i32, String)> {
        let mut target = self.packages.clone();
        for wanted in packages {
            self.add(&mut target, &wanted.name, Some(&wanted.version), false, 0)?;
        }
        self.resolve_conflicts(&mut target, packages)?;
        self.check_target(&target, allow_downgrade)?;
        self.commit(target);
        Ok(())
    }

    /// Adds one package and what it needs.
    fn add(
        &self,
        target: &mut Target,
        name: &str,
        version: Option<&str>,
        automatic: bool,
        depth: usize,
    ) -> Result<(), (i32, String)> {
        let offered = self.offered();
        let known = offered.iter().any(|package| package.name == name);
        let mut fitting = offered
            .iter()
            .filter(|package| package.name == name && version.is_none_or(|v| package.version == v))
            .collect::<Vec<_>>();
        fitting.sort_by(|a, b| natural_order(&b.version, &a.version));
        let installed = self.packages.get(name);
        let package = match (fitting.first(), version) {
            (Some(package), _) => **package,
            (None, Some(version))
                if installed.is_some_and(|p| p.versions.iter().any(|v| v == version)) =>
            {
                return Ok(());
            }
            (None, version) => return Err(self.not_found(name, version, known)),
        };
        if depth > 20 {
            return Err((100, format!("E: dependencies of {name} do not end")));
        }
        let side_by_side = !self.is_apt() && package.gives.kernel.is_some();
        let entry = target.entry(name.to_owned()).or_insert_with(|| InstalledPackage {
            versions: Vec::new(),
            held: false,
            automatic,
        });
        if !automatic {
            entry.automatic = false;
        }
        if !side_by_side {
            entry.versions.clear();
        }
        if !entry.versions.contains(&package.version) {
            entry.versions.push(package.version.clone());
            entry.versions.sort_by(|a, b| natural_order(b, a));
        }
        for need in &package.needs {
            let (needed, exact) = relation(need);
            if !self.is_met(target, needed, exact) {
                self.add(target, needed, exact, true, depth + 1).map_err(|_| {
                    (100, format!(
                        "The following packages have unmet dependencies:\n {name} : Depends: {need} \
                         but it is not installable\nE: Unable to correct problems, you have held \
                         broken packages."
                    ))
                })?;
            }
        }
        Ok(())
    }

    fn not_found(&self, name: &str, version: Option<&str>, known: bool) -> (i32, String) {
        match (self.is_apt(), version) {
            (true, Some(version)) if known => {
                (100, format!("E: Version '{version}' for '{name}' was not found"))
            }
            (true, _) => (100, format!("E: Unable to locate package {name}")),
            (false, Some(version)) => {
                (1, format!("Error: Unable to find a match: {name}-{version}"))
            }
            (false, None) => (1, format!("Error: Unable to find a match: {name}")),
        }
    }

    fn packages_of<'a>(
        &self,
        target: &'a Target,
    ) -> impl Iterator<Item = (&'a String, &'static Package)> {
        let system = System::of(self.os);
        target.iter().flat_map(move |(name, installed)| {
            let versions = installed.versions.iter();
            versions.filter_map(move |version| Some((name, system.package(name, version)?)))
        })
    }

    fn is_met(&self, target: &Target, needed: &str, exact: Option<&str>) -> bool {
        self.packages_of(target).any(|(_, package)| match exact {
            Some(version) => package.name == needed && package.version == version,
            None => package.answers_to(needed),
        })
    }

    /// A new package drives out what it conflicts with, if that only came as a dependency and is
    /// not held, with what needs that; anything else is an error.
    fn resolve_conflicts(
        &self,
        target: &mut Target,
        asked: &[PackageVersion],
    ) -> Result<(), (i32, String)> {
        loop {
            let pairs = self.packages_of(target).filter(|(name, _)| {
                self.packages.get(*name).map(|p| &p.versions)
                    != target.get(*name).map(|p| &p.versions)
            });
            let clash = pairs.into_iter().find_map(|(name, new)| {
                let mut others = self.packages_of(target).filter(|(other, _)| *other != name);
                let clash =
                    others.find(|(_, old)| new.conflicts.iter().any(|c| old.answers_to(c)))?;
                Some((name.clone(), clash.0.clone()))
            });
            let Some((new, old)) = clash else { return Ok(()) };
            let state = target.get(&old);
            let asked = asked.iter().any(|wanted| wanted.name == old);
            if asked || state.is_none_or(|state| state.held || !state.automatic) {
                return Err((
                    100,
                    format!(
                        "The following packages have unmet dependencies:\n {new} : Conflicts: {old}\n\
                     E: Unable to correct problems, you have held broken packages."
                    ),
                ));
            }
            target.remove(&old);
        }
    }

    /// Nothing held changes, nothing goes back unasked, and every need is met.
    fn check_target(&self, target: &Target, allow_downgrade: bool) -> Result<(), (i32, String)> {
        let code = if self.is_apt() { 100 } else { 1 };
        for (name, before) in &self.packages {
            let after = target.get(name);
            let changed = after.is_none_or(|after| after.versions != before.versions);
            let side_by_side = after.is_some_and(|after| {
                before.versions.iter().all(|version| after.versions.contains(version))
            });
            if before.held && changed && !side_by_side {
                let message = "E: Held packages were changed and -y was used without \
                               --allow-change-held-packages.";
                return Err((code, message.to_owned()));
            }
            let newest = |package: &InstalledPackage| package.versions.first().cloned();
            if let Some(after) = after.and_then(newest)
                && let Some(before) = newest(before)
                && natural_order(&after, &before).is_lt()
                && !allow_downgrade
            {
                let message = "E: Packages were downgraded and -y was used without \
                               --allow-downgrades.";
                return Err((code, message.to_owned()));
            }
        }
        for (name, package) in self.packages_of(target) {
            for need in &package.needs {
                let (needed, exact) = relation(need);
                if !self.is_met(target, needed, exact) {
                    return Err((
                        code,
                        format!(
                            "The following packages have unmet dependencies:\n {name} : Depends: {need} \
                         but it is not going to be installed\nE: Unable to correct problems, you \
                         have held broken packages."
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Removes packages with what needs them, and the dependencies that nothing needs any more.
    pub(super) fn remove_packages(&mut self, names: &[String]) -> Result<(), (i32, String)> {
        let mut target = self.packages.clone();
        let mut gone =
            names.iter().filter(|name| target.contains_key(*name)).cloned().collect::<Vec<_>>();
        while let Some(name) = gone.pop() {
            let Some(package) = target.remove(&name) else { continue };
            if package.held {
                let message = "E: Held packages were changed and -y was used without \
                               --allow-change-held-packages.";
                return Err((100, message.to_owned()));
            }
            let orphans = self.packages_of(&target).filter(|(_, package)| {
                package.needs.iter().any(|need| {
                    let (needed, exact) = relation(need);
                    !self.is_met(&target, needed, exact)
                })
            });
            gone.extend(orphans.map(|(name, _)| name.clone()));
        }
        while let Some(unneeded) = self.unneeded(&target) {
            target.remove(&unneeded);
        }
        self.commit(target);
        Ok(())
    }

    /// A package that came as a dependency, and that nothing needs any more.
    fn unneeded(&self, target: &Target) -> Option<String> {
        let needed = |name: &str, package: &Package| {
            let mut others = self.packages_of(target).filter(|(other, _)| *other != name);
            others.any(|(_, other)| {
                other.needs.iter().any(|need| package.answers_to(relation(need).0))
            })
        };
        let mut packages = self.packages_of(target);
        let unneeded = packages.find(|(name, package)| {
            let state = target.get(*name);
            state.is_some_and(|state| state.automatic && !state.held) && !needed(name, package)
        });
        unneeded.map(|(name, _)| name.clone())
    }

    /// Makes a target real; daemons whose package went or changed its version are stopped.
    fn commit(&mut self, target: Target) {
        let units = |machine: &Self| {
            machine
                .installed()
                .flat_map(|p| p.gives.units.iter().map(|unit| (unit.clone(), p.version.clone())))
                .collect::<BTreeMap<_, _>>()
        };
        let before = units(self);
        self.packages = target;
        let after = units(self);
        for (unit, _) in before.iter().filter(|(unit, _)| !after.contains_key(*unit)) {
            self.stop(unit);
            self.units.remove(unit);
        }
    }
}
