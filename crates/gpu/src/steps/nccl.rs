//! NCCL's settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::{Difference, Next, Step, StepError};
use crate::operation::{Batch, Operation, OperationResult};
use crate::os::Os;

/// Writes NCCL's settings to `/etc/nccl.conf`, which NCCL reads by itself in every process.
///
/// [`environment_block`](Self::environment_block) also writes them as a block of
/// `/etc/environment`, as many playbooks do. That file is read by PAM when someone logs in, and by
/// nothing else: not by systemd services, not by the job steps of slurmd, not in containers. What
/// else is in it is left alone.
///
/// **Removal** removes `/etc/nccl.conf` if it is ours, and the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NcclSettings {
    /// The operating system.
    pub os: Os,
    /// The settings: `NCCL_DEBUG` to `INFO`.
    pub settings: BTreeMap<String, String>,
    /// Whether they are written to `/etc/environment` too.
    pub environment_block: bool,
}

/// What there is of NCCL's settings on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NcclSettingsObserved {
    /// The content of `/etc/nccl.conf`.
    pub conf: Option<String>,
    /// The content of `/etc/environment`.
    pub environment: Option<String>,
    /// Its permission bits and owner.
    pub environment_file: Option<(u32, String)>,
}

const CONF: &str = "/etc/nccl.conf";
const ENVIRONMENT: &str = "/etc/environment";
const HEADER: &str = "# Made by formwork.\n";
const BEGIN: &str = "# BEGIN formwork NCCL";
const END: &str = "# END formwork NCCL";

/// What aws-ofi-nccl sets for its platform, or what EFA does not need any more
/// (aws-ofi-nccl `src/platform-aws.cpp`; awsome-distributed-training's cheat sheet).
const SET_BY_THE_PLUGIN: [&str; 4] =
    ["FI_PROVIDER", "NCCL_PROTO", "FI_EFA_USE_DEVICE_RDMA", "RDMAV_FORK_SAFE"];

impl NcclSettings {
    /// These settings, in `/etc/nccl.conf` only.
    #[must_use]
    pub fn new<K: Into<String>, V: Into<String>>(
        os: Os,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let settings = settings.into_iter().map(|(key, value)| (key.into(), value.into()));
        Self { os, settings: settings.collect(), environment_block: false }
    }

    fn lines(&self) -> String {
        self.settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    fn conf(&self) -> String {
        format!("{HEADER}{}", self.lines())
    }

    /// `/etc/environment` with our block instead of the one that is there, if any.
    fn environment(&self, there: Option<&str>) -> String {
        let rest = without_block(there.unwrap_or(""));
        let newline = if rest.is_empty() || rest.ends_with('\n') { "" } else { "\n" };
        format!("{rest}{newline}{BEGIN}\n{}{END}\n", self.lines())
    }
}

fn has_block(text: &str) -> bool {
    text.lines().any(|line| line == BEGIN)
}

/// The text without our block; a block without an end goes on to the end of the file.
fn without_block(text: &str) -> String {
    let mut inside = false;
    let keep = text.split_inclusive('\n').filter(|line| {
        let line = line.trim_end_matches('\n');
        inside |= line == BEGIN;
        let keep = !inside;
        inside &= line != END;
        keep
    });
    keep.collect()
}

impl Step for NcclSettings {
    const NAME: &'static str = "NCCL settings";
    type Observed = NcclSettingsObserved;

    fn problems(&self) -> Vec<String> {
        let name = |key: &str| {
            !key.is_empty()
                && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        let wrong = self
            .settings
            .iter()
            .filter(|(key, value)| !name(key) || value.chars().any(char::is_control));
        wrong.map(|(key, value)| format!("`{key}={value}` is not a setting of one line")).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for key in SET_BY_THE_PLUGIN.iter().filter(|key| self.settings.contains_key(**key)) {
            warnings.push(format!(
                "{key} is set: aws-ofi-nccl sets what its platform needs by itself, and a fixed \
                 value takes that away"
            ));
        }
        let ib = self.settings.keys().filter(|key| key.starts_with("NCCL_IB_")).cloned();
        let ib = ib.collect::<Vec<_>>();
        if !ib.is_empty() {
            warnings.push(format!(
                "{} concern InfiniBand verbs; with EFA the traffic goes through aws-ofi-nccl, which \
                 does not read them",
                ib.join(", ")
            ));
        }
        if self.environment_block {
            warnings.push(format!(
                "{ENVIRONMENT} reaches login sessions only: no systemd service, no slurmd job step \
                 and no container reads it"
            ));
        }
        warnings
    }

    fn probe(&self) -> Batch {
        Batch::probe([Operation::Facts, Operation::read(CONF), Operation::read(ENVIRONMENT)])
    }

    fn observe(&self, results: &[OperationResult]) -> Result<NcclSettingsObserved, StepError> {
        let probe = self.probe();
        let mut answers = Answers::new(Self::NAME, &probe, results)?;
        answers.facts(self.os)?;
        let conf = answers.file()?.map(|file| file.text.clone());
        let file = answers.file()?;
        let environment = file.map(|file| file.text.clone());
        let environment_file = file.map(|file| (file.mode, file.owner.clone()));
        Ok(NcclSettingsObserved { conf, environment, environment_file })
    }

    fn converge(&self, observed: &NcclSettingsObserved) -> Next {
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        let conf = self.conf();
        if observed.conf.as_ref() != Some(&conf) {
            let is = if observed.conf.is_some() { "another one" } else { "absent" };
            differences.push(Difference::new(CONF, is, self.lines().replace('\n', " ").trim()));
            operations.push(Operation::write(CONF, conf));
        }
        let there = observed.environment.as_deref().unwrap_or("");
        let environment = match self.environment_block {
            true => self.environment(Some(there)),
            false => without_block(there),
        };
        if environment != there && (self.environment_block || has_block(there)) {
            let is = if has_block(there) { "another block" } else { "no block" };
            let should = if self.environment_block { "our block" } else { "no block" };
            differences.push(Difference::new(ENVIRONMENT, is, should));
            operations.push(write_environment(observed, environment));
        }
        Next::change(differences, operations)
    }

    fn remove(&self, observed: &NcclSettingsObserved) -> Next {
        let mut differences = Vec::new();
        let mut operations = Vec::new();
        if observed.conf.as_ref().is_some_and(|conf| conf.starts_with(HEADER)) {
            differences.push(Difference::new(CONF, "present", "absent"));
            operations.push(Operation::RemoveFile { path: CONF.to_owned() });
        }
        let there = observed.environment.as_deref().unwrap_or("");
        if has_block(there) {
            differences.push(Difference::new(ENVIRONMENT, "our block", "no block"));
            operations.push(write_environment(observed, without_block(there)));
        }
        Next::change(differences, operations)
    }
}

fn write_environment(observed: &NcclSettingsObserved, content: String) -> Operation {
    let unknown = || (0o644, "root:root".to_owned());
    let (mode, owner) = observed.environment_file.clone().unwrap_or_else(unknown);
    Operation::WriteFile { path: ENVIRONMENT.to_owned(), content, mode, owner }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_the_environment_file_is_replaced_and_nothing_else_in_it() {
        let step = NcclSettings::new(Os::Ubuntu2404, [("NCCL_DEBUG", "INFO")]);
        for there in ["", "PATH=\"/bin\"", "A=1\n\nB=2\n"] {
            let once = step.environment(Some(there));
            assert_eq!(step.environment(Some(&once)), once);
            assert_eq!(without_block(&once).trim_end(), there.trim_end());
        }
        let torn = format!("A=1\n{BEGIN}\nNCCL_DEBUG=WARN\n");
        assert_eq!(
            step.environment(Some(&torn)),
            format!("A=1\n{BEGIN}\nNCCL_DEBUG=INFO\n{END}\n")
        );
    }

    #[test]
    fn settings_that_the_plugin_makes_itself_are_warned_of() {
        let settings = [("NCCL_PROTO", "simple"), ("NCCL_IB_HCA", "mlx5"), ("NCCL_DEBUG", "INFO")];
        let mut step = NcclSettings::new(Os::Ubuntu2404, settings);
        assert_eq!(step.warnings().len(), 2);
        step.environment_block = true;
        assert_eq!(step.warnings().len(), 3);
        step.settings.insert("bad name".into(), "x\ny".into());
        assert_eq!(step.problems().len(), 1);
    }
}
