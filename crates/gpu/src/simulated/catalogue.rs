//! What the repositories of a simulated host offer: `data/simulated-packages.json`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::os::Os;

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
#[derive(Deserialize)]
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
    /// Whether it is, or stands for, `name`.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.provides.iter().any(|provided| provided == name)
    }
}

impl System {
    pub(super) fn of(os: Os) -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        let catalogue = CATALOGUE.get_or_init(|| {
            serde_json::from_str(include_str!("../../data/simulated-packages.json"))
                .expect("data/simulated-packages.json is part of this crate, and tests parse it")
        });
        let name = match os {
            Os::Ubuntu2204 => "ubuntu-22.04",
            Os::Ubuntu2404 => "ubuntu-24.04",
            Os::AmazonLinux2023 => "amazon-linux-2023",
        };
        catalogue.systems.get(name).expect("the catalogue has every system, and tests use them all")
    }

    /// The package of that name and version.
    pub(super) fn package(&self, name: &str, version: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name && package.version == version)
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
