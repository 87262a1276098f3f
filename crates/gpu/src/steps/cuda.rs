//! CUDA, cuDNN and NCCL on the node itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::packages::{PackagePlan, Pin, Wanted, removal};
use super::{Difference, Next, Step, StepError};
use crate::compat::{NcclVersion, Version};
use crate::operation::{Batch, Operation, OperationResult, PackageState};
use crate::os::{Os, PackageManager};

/// Installs the CUDA toolkit, and cuDNN and NCCL built for it, from NVIDIA's repository.
///
/// Workloads in containers bring their own; then this step is not needed. Two components of a
/// version (`13.0`) accept every update of it that is installed, and take the newest one that is
/// offered if none is; three (`13.0.2`) are exact. NCCL is exact with its build: `2.27.7-1+cuda13.0`.
///
/// **Removal** removes the packages and the profile script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuda {
    /// The operating system.
    pub os: Os,
    /// The toolkit: `13.0`, or `13.0.2` for one update of it.
    pub toolkit: Version,
    /// cuDNN: `9.17`, or `9.17.0.29`.
    pub cudnn: Option<Version>,
    /// NCCL with its development files: `2.27.7-1+cuda13.0`.
    pub nccl: Option<NcclVersion>,
    /// Whether login shells find the toolkit (`/etc/profile.d`).
    pub profile: bool,
}

/// What there is of CUDA on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CudaObserved {
    /// The packages.
    pub packages: BTreeMap<String, PackageState>,
    /// The content of the profile script.
    pub profile: Option<String>,
}

const PROFILE_FILE: &str = "/etc/profile.d/formwork-cuda.sh";

impl Cuda {
    /// The toolkit alone, found by login shells.
    #[must_use]
    pub fn new(os: Os, toolkit: Version) -> Self {
        Self { os, toolkit, cudnn: None, nccl: None, profile: true }
    }

    fn packages(&self) -> Vec<Wanted> {
        let (major, minor) = (self.toolkit.branch(), self.toolkit.minor());
        let toolkit = format!("cuda-toolkit-{major}-{minor}");
        let mut wanted = vec![Wanted::new(toolkit, Pin::Within(self.toolkit.clone()))];
        if let Some(cudnn) = &self.cudnn {
            let name = format!("cudnn{}-cuda-{major}", cudnn.branch());
            wanted.push(Wanted::new(name, Pin::Within(cudnn.clone())));
        }
        if let Some(nccl) = &self.nccl {
            let names = match self.os.package_manager() {
                PackageManager::Apt => ["libnccl2", "libnccl-dev"],
                PackageManager::Dnf => ["libnccl", "libnccl-devel"],
            };
            let pin = Pin::Exact(nccl.to_string());
            wanted.extend(names.map(|name| Wanted::new(name, pin.clone())));
        }
        wanted
    }

    fn profile_script(&self) -> String {
        let home = format!("/usr/local/cuda-{}.{}", self.toolkit.branch(), self.toolkit.minor());
        format!(
            "# Made by formwork.\nexport CUDA_HOME={home}\nexport PATH={home}/bin${{PATH:+:$PATH}}\n"
        )
    }
}

impl Step for Cuda {
    const NAME: &'static str = "CUDA";
    type Observed = CudaObserved;

    fn problems(&self) -> Vec<String> {
        match &self.nccl {
            Some(nccl) if nccl.cuda.is_none() => vec![format!(
                "NCCL {nccl} does not say which CUDA it was built for: write it whole, such as \
                 2.27.7-1+cuda13.0"
            )],
            _ => Vec::new(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let built = self.nccl.as_ref().and_then(|nccl| nccl.cuda.as_ref());
        match built {
            Some(cuda) if cuda.branch() != self.toolkit.branch() => {
                vec![format!("NCCL is built for CUDA {cuda}, and the toolkit is {}", self.toolkit)]
            }
            _ => Vec::new(),
        }
    }

    fn probe(&self) -> Batch {
        let names = self.packages().into_iter().map(|package| package.name).collect();
        Batch::probe([
            Operation::Facts,
            Operation::QueryPackages { names },
            Operation::read(PROFILE_FILE),
        ])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<CudaObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        let packages = answers.packages()?.clone();
        let profile = answers.file()?.map(|file| file.text.clone());
        Ok(CudaObserved { packages, profile })
    }

    fn converge(&self, observed: &CudaObserved) -> Next {
        let plan = PackagePlan::of(&self.packages(), &observed.packages, true);
        let mut operations = plan.operations();
        let mut differences = plan.differences;
        let script = self.profile_script();
        if self.profile && observed.profile.as_ref() != Some(&script) {
            let is = if observed.profile.is_some() { "another one" } else { "absent" };
            differences.push(Difference::new(PROFILE_FILE, is, "this toolkit's"));
            operations.push(Operation::write(PROFILE_FILE, script));
        }
        if !self.profile && observed.profile.is_some() {
            differences.push(Difference::new(PROFILE_FILE, "present", "absent"));
            operations.push(Operation::RemoveFile { path: PROFILE_FILE.to_owned() });
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &CudaObserved) -> Next {
        let names = self.packages().into_iter().map(|package| package.name).collect::<Vec<_>>();
        let (mut differences, mut operations) = removal(&names, &observed.packages);
        if observed.profile.is_some() {
            differences.push(Difference::new(PROFILE_FILE, "present", "absent"));
            operations.push(Operation::RemoveFile { path: PROFILE_FILE.to_owned() });
        }
        Next::change(differences, operations)
    }
}
