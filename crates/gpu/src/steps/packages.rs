//! Packages at the versions that a step wants, on either package manager.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Difference;
use crate::compat::Version;
use crate::operation::{Operation, PackageState, PackageVersion};

/// What a host knows of one package: see [`PackageState`].
pub type PackageObserved = PackageState;

/// Which versions of a package will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pin {
    /// Any: its name already says which one it is.
    Any,
    /// Exactly this upstream version, from wherever: `580.178.04` of `3:580.178.04-1.amzn2023`.
    Upstream(Version),
    /// Exactly this upstream version as Ubuntu builds it: `580.178.04-0ubuntu0.24.04.1`. NVIDIA's
    /// repository has packages of the same name that do not fit Ubuntu's others.
    UbuntuBuild(Version),
    /// Exactly this upstream version, and not as Ubuntu builds it.
    VendorBuild(Version),
    /// An upstream version that starts with these components.
    Within(Version),
    /// Exactly this version, as the package manager writes it.
    Exact(String),
}

/// A package that a step wants on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) pin: Pin,
}

impl Wanted {
    pub(super) fn new(name: impl Into<String>, pin: Pin) -> Self {
        Self { name: name.into(), pin }
    }

    fn accepts(&self, version: &str) -> bool {
        let upstream = upstream(version);
        match &self.pin {
            Pin::Any => true,
            Pin::Upstream(wanted) => upstream == wanted.as_str(),
            Pin::UbuntuBuild(wanted) => upstream == wanted.as_str() && is_ubuntu_build(version),
            Pin::VendorBuild(wanted) => upstream == wanted.as_str() && !is_ubuntu_build(version),
            Pin::Within(wanted) => Version::leading(upstream).is_ok_and(|v| v.is_within(wanted)),
            Pin::Exact(wanted) => version == wanted || without_epoch(version) == wanted,
        }
    }

    fn should(&self) -> String {
        match &self.pin {
            Pin::Any => "installed".to_owned(),
            Pin::Upstream(version) | Pin::UbuntuBuild(version) | Pin::VendorBuild(version) => {
                version.to_string()
            }
            Pin::Within(version) => format!("{version}.x"),
            Pin::Exact(version) => version.clone(),
        }
    }
}

/// A package version without epoch and revision: `580.95.05` of `3:580.95.05-1.amzn2023`.
pub(super) fn upstream(version: &str) -> &str {
    let version = without_epoch(version);
    version.split(['-', '+', '~']).next().unwrap_or(version)
}

/// Ubuntu's archive numbers its driver builds `0ubuntu0.<series>.<n>`.
fn is_ubuntu_build(version: &str) -> bool {
    version.split_once('-').is_some_and(|(_, revision)| revision.starts_with("0ubuntu0."))
}

fn without_epoch(version: &str) -> &str {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => version,
    }
}

/// What is to be done about a list of packages.
#[derive(Debug, Default)]
pub(super) struct PackagePlan {
    pub(super) differences: Vec<Difference>,
    install: Vec<PackageVersion>,
    unhold: Vec<String>,
    hold: Vec<String>,
    remove: Vec<String>,
    /// Whether a version that is installed gives way to another one, newer or older.
    changes_versions: bool,
    not_offered: bool,
}

impl PackagePlan {
    /// Compares `wanted` with what the host has. With `hold`, they are also to be kept there.
    pub(super) fn of(
        wanted: &[Wanted],
        observed: &BTreeMap<String, PackageState>,
        hold: bool,
    ) -> Self {
        let mut plan = Self::default();
        let absent = PackageState::default();
        for package in wanted {
            let state = observed.get(&package.name).unwrap_or(&absent);
            let what = || format!("package {}", package.name);
            let fits = state.installed_versions().any(|version| package.accepts(version));
            if !fits {
                let is = state.installed.clone().unwrap_or_else(|| "not installed".to_owned());
                let offer = state.available.iter().find(|version| package.accepts(version));
                if let Some(version) = offer {
                    plan.differences.push(Difference::new(what(), is, package.should()));
                    plan.changes_versions |= state.installed.is_some();
                    let (name, version) = (package.name.clone(), version.clone());
                    plan.install.push(PackageVersion { name, version });
                    if state.held {
                        plan.unhold.push(package.name.clone());
                    }
                } else {
                    let offered = match state.available.as_slice() {
                        [] => "nothing is offered".to_owned(),
                        versions => format!("offered: {}", versions.join(", ")),
                    };
                    let is = format!("{is} ({offered})");
                    plan.differences.push(Difference::new(what(), is, package.should()));
                    plan.not_offered = true;
                }
            }
            if hold && (!state.held || !fits) {
                plan.hold.push(package.name.clone());
            }
            if hold && fits && !state.held {
                plan.differences.push(Difference::new(what(), "not held", "held"));
            }
        }
        plan
    }

    /// Also takes away those of `names` that are installed.
    pub(super) fn and_remove<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
        observed: &BTreeMap<String, PackageState>,
    ) {
        for name in names {
            let Some(state) = observed.get(name) else { continue };
            if let Some(version) = &state.installed {
                let what = format!("package {name}");
                self.differences.push(Difference::new(what, version, "not installed"));
                self.remove.push(name.to_owned());
                if state.held {
                    self.unhold.push(name.to_owned());
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether something is installed or removed, and not only held.
    pub(super) fn replaces(&self) -> bool {
        !self.install.is_empty() || !self.remove.is_empty()
    }

    /// The operations. If a version is not offered, the indexes are fetched anew and nothing else:
    /// if that does not help, the same difference shows up again and the step reports it.
    pub(super) fn operations(&self) -> Vec<Operation> {
        if self.not_offered {
            return vec![Operation::RefreshPackageIndex];
        }
        let names = |names: &[String], of: fn(Vec<String>) -> Operation| match names {
            [] => None,
            names => Some(of(names.to_vec())),
        };
        let install = match self.install.as_slice() {
            [] => None,
            packages => Some(Operation::InstallPackages {
                packages: packages.to_vec(),
                allow_downgrade: self.changes_versions,
            }),
        };
        [
            names(&self.unhold, |names| Operation::UnholdPackages { names }),
            names(&self.remove, |names| Operation::RemovePackages { names }),
            install,
            names(&self.hold, |names| Operation::HoldPackages { names }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Takes away all of `names` that are installed, or held.
pub(super) fn removal(
    names: &[String],
    observed: &BTreeMap<String, PackageState>,
) -> (Vec<Difference>, Vec<Operation>) {
    let mut plan = PackagePlan::default();
    plan.and_remove(names.iter().map(String::as_str), observed);
    let operations = plan.operations();
    (plan.differences, operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_version_is_what_the_vendor_calls_it() {
        assert_eq!(upstream("580.178.04-0ubuntu0.24.04.1"), "580.178.04");
        assert_eq!(upstream("3:580.95.05-1.amzn2023"), "580.95.05");
        assert_eq!(upstream("2.27.7-1+cuda13.0"), "2.27.7");
        assert_eq!(upstream(""), "");
    }

    #[test]
    fn a_version_that_nobody_offers_refreshes_the_index_and_installs_nothing() {
        let wanted = [Wanted::new("a", Pin::Any), Wanted::new("b", Pin::Exact("2".into()))];
        let offers = |versions: &[&str]| PackageState {
            available: versions.iter().map(ToString::to_string).collect(),
            ..PackageState::default()
        };
        let observed = [("a".to_owned(), offers(&["1"])), ("b".to_owned(), offers(&["1"]))].into();
        let plan = PackagePlan::of(&wanted, &observed, true);
        assert_eq!(plan.operations(), [Operation::RefreshPackageIndex]);
        assert!(plan.differences[1].is.contains("offered: 1"));
    }
}
