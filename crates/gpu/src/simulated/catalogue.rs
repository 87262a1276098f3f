//! What the repositories of a simulated host offer: `data/simulated-packages.json`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::{
    compat::Compatibility,
    os::{Os, PackageManager},
};

#[derive(Deserialize)]
struct Catalogue {
    systems: BTreeMap<String, System>,
}

/// An operating system with its repositories.
#[derive(Deserialize)]
pub(super) struct System {
    /// The kernel that its image boots.
    pub(super) kernel: String,
    /// What is installed on its image: `name`, or `name=version`.
    pub(super) installed: Vec<String>,
    pub(super) packages: Vec<Package>,
}

/// A package that a repository offers.
#[derive(Default, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) repository: String,
    /// The module stream that must be enabled (dnf).
    pub(super) stream: Option<String>,
    /// `name`, or `name=version`; a name may be one that another package provides.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    #[serde(default)]
    pub(super) conflicts: Vec<String>,
    #[serde(default)]
    pub(super) provides: Vec<String>,
    #[serde(default)]
    pub(super) gives: Gives,
}

/// What a package brings that the simulation knows about.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Gives {
    /// A kernel that can be booted.
    pub(super) kernel: Option<String>,
    /// The headers of a kernel.
    pub(super) headers: Option<String>,
    /// Ready-built driver modules.
    pub(super) modules: Option<Modules>,
    /// Driver modules that are built for every kernel with headers.
    pub(super) dkms: Option<Dkms>,
    /// The driver's user space, by version.
    pub(super) user_space: Option<String>,
    pub(super) units: Vec<String>,
    pub(super) commands: Vec<String>,
    /// The fabric manager, by version.
    pub(super) fabric_manager: Option<String>,
    pub(super) nvlsm: bool,
    /// A CUDA toolkit, by version.
    pub(super) toolkit: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Modules {
    pub(super) driver: String,
    pub(super) kernel: String,
    pub(super) open: bool,
}

#[derive(Deserialize)]
pub(super) struct Dkms {
    pub(super) driver: String,
    pub(super) open: bool,
}

impl Package {
    fn of_nvidia(name: &str, version: &str) -> Self {
        let (name, version) = (name.to_owned(), version.to_owned());
        Self { name, version, repository: "cuda".to_owned(), ..Self::default() }
    }

    /// Whether it is, or stands for, `name`.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.provides.iter().any(|provided| provided == name)
    }
}

impl System {
    pub(super) fn of(os: Os) -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        let catalogue = CATALOGUE.get_or_init(|| {
            let text = include_str!("../../data/simulated-packages.json");
            let mut catalogue: Catalogue = serde_json::from_str(text)
                .expect("data/simulated-packages.json is part of this crate, and tests parse it");
            for os in Os::ALL {
                if let Some(system) = catalogue.systems.get_mut(os.key()) {
                    system.add_what_the_tables_list(os);
                }
            }
            catalogue
        });
        catalogue
            .systems
            .get(os.key())
            .expect("the catalogue has every system, and tests use them all")
    }

    /// Adds the CUDA toolkits and the builds of NCCL that the compatibility tables list, so that what
    /// passes them can be installed.
    fn add_what_the_tables_list(&mut self, os: Os) {
        let tables = Compatibility::get();
        for row in &tables.cuda_toolkit {
            let (release, update) = row.toolkit.split_once(" U").unwrap_or((&row.toolkit, "0"));
            let version = format!("{release}.{update}");
            let gives = Gives { toolkit: Some(version.clone()), ..Gives::default() };
            let name = format!("cuda-toolkit-{}", release.replace('.', "-"));
            self.offer(Package { gives, ..Package::of_nvidia(&name, &format!("{version}-1")) });
        }
        let (library, headers) = nccl_packages(os);
        for row in &tables.nccl_builds {
            let version = row.nccl.to_string();
            self.offer(Package::of_nvidia(library, &version));
            let needs = vec![format!("{library}={version}")];
            self.offer(Package { needs, ..Package::of_nvidia(headers, &version) });
        }
    }

    fn offer(&mut self, package: Package) {
        if self.package(&package.name, &package.version).is_none() {
            self.packages.push(package);
        }
    }

    /// The package of that name and version.
    pub(super) fn package(&self, name: &str, version: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name && package.version == version)
    }
}

/// What NCCL and its development files are called.
fn nccl_packages(os: Os) -> (&'static str, &'static str) {
    match os.package_manager() {
        PackageManager::Apt => ("libnccl2", "libnccl-dev"),
        PackageManager::Dnf => ("libnccl", "libnccl-devel"),
    }
}

/// Splits `name=version`.
pub(super) fn relation(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    }
}

/// Compares versions as people read them: runs of digits as numbers.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    fn parts(text: &str) -> Vec<(u64, &str)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[word..].find(|c: char| !c.is_ascii_digit());
            let end = number.map_or(rest.len(), |length| word + length);
            parts.push((rest[word..end].parse().unwrap_or(0), &rest[..word]));
            rest = &rest[end..];
        }
        parts
    }
    let key = |text| parts(text).into_iter().map(|(number, word)| (word, number));
    key(a).collect::<Vec<_>>().cmp(&key(b).collect::<Vec<_>>())
}
