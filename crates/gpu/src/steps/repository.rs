//! NVIDIA's package repository, and Ubuntu's multiverse.

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::{Difference, Next, Step, StepError};
use crate::operation::{Batch, Exec, Operation, OperationResult};
use crate::os::{Os, PackageManager};

/// Configures NVIDIA's CUDA repository, which has the driver, fabric manager, CUDA, cuDNN and NCCL.
///
/// Ubuntu's own archive has the fabric manager in *multiverse*, which minimal images do not enable;
/// [`multiverse`](Self::multiverse) enables it.
///
/// **Removal** takes the configuration and the key away. What was installed from it stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvidiaRepository {
    /// The operating system.
    pub os: Os,
    /// Where the repositories are, for a mirror of one's own.
    pub base_url: String,
    /// Whether Ubuntu's multiverse is enabled too.
    pub multiverse: bool,
}

/// What there is of the repository on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvidiaRepositoryObserved {
    /// The content of its configuration.
    pub configuration: Option<String>,
    /// Whether its key is there; dnf fetches the key by itself.
    pub key: bool,
    /// The content of our configuration of multiverse.
    pub multiverse: Option<String>,
    /// Whether the package index knows what the repository offers.
    pub indexed: bool,
}

const KEYRING: &str = "/usr/share/keyrings/cuda-archive-keyring.gpg";
const MULTIVERSE: &str = "/etc/apt/sources.list.d/formwork-multiverse.list";
/// A package that the repository has for every system.
const SENTINEL: &str = "nvlsm";

impl NvidiaRepository {
    /// NVIDIA's own repository, without multiverse.
    #[must_use]
    pub fn new(os: Os) -> Self {
        let base_url = "https://developer.download.nvidia.com/compute/cuda/repos".to_owned();
        Self { os, base_url, multiverse: false }
    }

    fn distribution(&self) -> &'static str {
        match self.os {
            Os::Ubuntu2204 => "ubuntu2204",
            Os::Ubuntu2404 => "ubuntu2404",
            Os::AmazonLinux2023 => "amzn2023",
        }
    }

    fn is_apt(&self) -> bool {
        self.os.package_manager() == PackageManager::Apt
    }

    fn path(&self) -> String {
        let distribution = self.distribution();
        match self.os.package_manager() {
            PackageManager::Apt => {
                format!("/etc/apt/sources.list.d/cuda-{distribution}-x86_64.list")
            }
            PackageManager::Dnf => format!("/etc/yum.repos.d/cuda-{distribution}.repo"),
        }
    }

    fn configuration(&self) -> String {
        let (distribution, base) = (self.distribution(), self.base_url.trim_end_matches('/'));
        let url = format!("{base}/{distribution}/x86_64");
        match self.os.package_manager() {
            PackageManager::Apt => format!("deb [signed-by={KEYRING}] {url}/ /\n"),
            PackageManager::Dnf => format!(
                "[cuda-{distribution}-x86_64]\nname=cuda-{distribution}-x86_64\nbaseurl={url}\n\
                 enabled=1\ngpgcheck=1\ngpgkey={url}/D42D0685.pub\n"
            ),
        }
    }

    fn multiverse_file(&self) -> Option<String> {
        let series = match self.os {
            Os::Ubuntu2204 => "jammy",
            Os::Ubuntu2404 => "noble",
            Os::AmazonLinux2023 => return None,
        };
        let line = |pocket: &str| {
            format!("deb http://archive.ubuntu.com/ubuntu {series}{pocket} multiverse\n")
        };
        self.multiverse.then(|| line("") + &line("-updates") + &line("-security"))
    }
}

impl Step for NvidiaRepository {
    const NAME: &'static str = "NVIDIA repository";
    type Observed = NvidiaRepositoryObserved;

    fn problems(&self) -> Vec<String> {
        let https = self.base_url.starts_with("https://") || self.base_url.starts_with("http://");
        let spaced = self.base_url.chars().any(|c| c.is_whitespace() || c.is_control());
        match https && !spaced {
            true => Vec::new(),
            false => vec![format!("`{}` is not the address of a repository", self.base_url)],
        }
    }

    fn probe(&self) -> Batch {
        Batch::probe([
            Operation::Facts,
            Operation::read(self.path()),
            Operation::read(KEYRING),
            Operation::read(MULTIVERSE),
            Operation::QueryPackages { names: vec![SENTINEL.to_owned()] },
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<NvidiaRepositoryObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        Ok(NvidiaRepositoryObserved {
            configuration: answers.file()?.map(|file| file.text.clone()),
            key: answers.file()?.is_some(),
            multiverse: answers.file()?.map(|file| file.text.clone()),
            indexed: answers.packages()?.values().all(|package| !package.available.is_empty()),
        })
    }

    fn converge(&self, observed: &NvidiaRepositoryObserved) -> Next {
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        let there = |there: bool| if there { "another one" } else { "absent" };
        if self.is_apt() && !observed.key {
            differences.push(Difference::new("repository key", "absent", "present"));
            let base = self.base_url.trim_end_matches('/');
            let url = format!("{base}/{}/x86_64/cuda-archive-keyring.gpg", self.distribution());
            operations.push(Operation::Exec(Exec::change(["curl", "-fsSL", "-o", KEYRING, &url])));
        }
        let configuration = self.configuration();
        if observed.configuration.as_ref() != Some(&configuration) {
            let is = there(observed.configuration.is_some());
            differences.push(Difference::new("repository", is, &self.base_url));
            operations.push(Operation::write(self.path(), configuration));
        }
        if let Some(file) = self.multiverse_file()
            && observed.multiverse.as_ref() != Some(&file)
        {
            let is = there(observed.multiverse.is_some());
            differences.push(Difference::new("multiverse", is, "enabled"));
            operations.push(Operation::write(MULTIVERSE, file));
        }
        if !observed.indexed {
            differences.push(Difference::new("package index", "without the repository", "with it"));
        }
        if !differences.is_empty() {
            operations.push(Operation::RefreshPackageIndex);
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &NvidiaRepositoryObserved) -> Next {
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        let key = observed.key && self.is_apt();
        let parts = [
            ("repository", self.path(), observed.configuration.is_some()),
            ("repository key", KEYRING.to_owned(), key),
            ("multiverse", MULTIVERSE.to_owned(), observed.multiverse.is_some()),
        ];
        for (what, path, _) in parts.into_iter().filter(|(_, _, there)| *there) {
            differences.push(Difference::new(what, "present", "absent"));
            operations.push(Operation::RemoveFile { path });
        }
        if !operations.is_empty() {
            operations.push(Operation::RefreshPackageIndex);
        }
        Next::change(differences, operations)
    }
}
