//! Reads the answers to a probe, in the order of its questions.

use std::collections::BTreeMap;

use super::StepError;
use crate::operation::{
    Batch, ExecOutput, FileContent, HostFacts, LoadedModule, Mount, Operation, OperationResult,
    PackageState, Payload, UnitState,
};
use crate::os::Os;

/// The answers to a batch, taken one by one.
pub(super) struct Answers<'a> {
    step: &'static str,
    questions: &'a [Operation],
    results: &'a [OperationResult],
    at: usize,
}

impl<'a> Answers<'a> {
    pub(super) fn new(
        step: &'static str,
        probe: &'a Batch,
        results: &'a [OperationResult],
    ) -> Result<Self, StepError> {
        let (expected, found) = (probe.operations.len(), results.len());
        if expected != found {
            return Err(StepError::AnswerCount { step, expected, found });
        }
        Ok(Self { step, questions: &probe.operations, results, at: 0 })
    }

    fn take<T>(&mut self, of: impl FnOnce(&'a Payload) -> Option<T>) -> Result<T, StepError> {
        let step = self.step;
        let question = self.questions.get(self.at).map(ToString::to_string).unwrap_or_default();
        let result = self.results.get(self.at);
        self.at += 1;
        match result {
            Some(OperationResult::Ok(payload)) => {
                of(payload).ok_or(StepError::WrongKind { step, operation: question })
            }
            Some(OperationResult::Failed { code, stderr }) => {
                let code = code.map(|code| format!("exit {code}: ")).unwrap_or_default();
                let reason = format!("{code}{}", stderr.trim());
                Err(StepError::Unanswered { step, operation: question, reason })
            }
            Some(OperationResult::Skipped) | None => {
                let reason = "it was not tried".to_owned();
                Err(StepError::Unanswered { step, operation: question, reason })
            }
        }
    }

    pub(super) fn file(&mut self) -> Result<Option<&'a FileContent>, StepError> {
        self.take(|payload| match payload {
            Payload::File(file) => Some(file.as_ref()),
            _ => None,
        })
    }

    pub(super) fn packages(&mut self) -> Result<&'a BTreeMap<String, PackageState>, StepError> {
        self.take(|payload| match payload {
            Payload::Packages(packages) => Some(packages),
            _ => None,
        })
    }

    pub(super) fn unit(&mut self) -> Result<&'a UnitState, StepError> {
        self.take(|payload| match payload {
            Payload::Unit(unit) => Some(unit),
            _ => None,
        })
    }

    pub(super) fn modules(&mut self) -> Result<&'a BTreeMap<String, LoadedModule>, StepError> {
        self.take(|payload| match payload {
            Payload::Modules(modules) => Some(modules),
            _ => None,
        })
    }

    pub(super) fn exec(&mut self) -> Result<&'a ExecOutput, StepError> {
        self.take(|payload| match payload {
            Payload::Exec(output) => Some(output),
            _ => None,
        })
    }

    pub(super) fn mounts(&mut self) -> Result<&'a BTreeMap<String, Mount>, StepError> {
        self.take(|payload| match payload {
            Payload::Mounts(mounts) => Some(mounts),
            _ => None,
        })
    }

    /// The host's facts, if it runs the system that the inputs say.
    pub(super) fn facts(&mut self, os: Os) -> Result<&'a HostFacts, StepError> {
        let facts = self.take(|payload| match payload {
            Payload::Facts(facts) => Some(facts),
            _ => None,
        })?;
        if facts.os() == Some(os) {
            return Ok(facts);
        }
        let found = format!("{} {}", facts.os_id, facts.os_version);
        Err(StepError::WrongOs { step: self.step, expected: os, found })
    }
}
