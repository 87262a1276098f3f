//! The operating systems of nodes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operating system that the steps know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Os {
    /// Ubuntu 22.04 LTS.
    #[serde(rename = "ubuntu-22.04")]
    Ubuntu2204,
    /// Ubuntu 24.04 LTS.
    #[serde(rename = "ubuntu-24.04")]
    Ubuntu2404,
    /// Amazon Linux 2023.
    #[serde(rename = "amazon-linux-2023")]
    AmazonLinux2023,
}

/// The package manager family of an operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageManager {
    /// `apt-get`, `dpkg`, `apt-mark`.
    Apt,
    /// `dnf`, `rpm`, `dnf versionlock`.
    Dnf,
}

impl Os {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ubuntu2204, Self::Ubuntu2404, Self::AmazonLinux2023];

    /// The system that `ID` and `VERSION_ID` of `/etc/os-release` name.
    #[must_use]
    pub fn of_release(id: &str, version_id: &str) -> Option<Self> {
        match (id, version_id) {
            ("ubuntu", "22.04") => Some(Self::Ubuntu2204),
            ("ubuntu", "24.04") => Some(Self::Ubuntu2404),
            ("amzn", "2023") => Some(Self::AmazonLinux2023),
            _ => None,
        }
    }

    /// `ID` and `VERSION_ID` of its `/etc/os-release`.
    #[must_use]
    pub fn release(self) -> (&'static str, &'static str) {
        match self {
            Self::Ubuntu2204 => ("ubuntu", "22.04"),
            Self::Ubuntu2404 => ("ubuntu", "24.04"),
            Self::AmazonLinux2023 => ("amzn", "2023"),
        }
    }

    /// What the tables of this crate call it: `ubuntu-24.04`, as it is serialized.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Ubuntu2204 => "ubuntu-22.04",
            Self::Ubuntu2404 => "ubuntu-24.04",
            Self::AmazonLinux2023 => "amazon-linux-2023",
        }
    }

    /// Its package manager.
    #[must_use]
    pub fn package_manager(self) -> PackageManager {
        match self {
            Self::Ubuntu2204 | Self::Ubuntu2404 => PackageManager::Apt,
            Self::AmazonLinux2023 => PackageManager::Dnf,
        }
    }
}

impl fmt::Display for Os {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ubuntu2204 => "Ubuntu 22.04",
            Self::Ubuntu2404 => "Ubuntu 24.04",
            Self::AmazonLinux2023 => "Amazon Linux 2023",
        })
    }
}
