//! The log of what was asked of a sandbox, for tests to read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Millis;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is still being served, hangs, or its client went away.
    Pending,
    /// It was answered with success.
    Success,
    /// It was answered with this error code.
    Error(String),
    /// Its connection was dropped by an injected fault.
    Dropped,
}

/// One call, in the order of arrival.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallRecord {
    /// The service by its signing name, such as `ec2`.
    pub service: String,
    /// The operation, such as `CreateVpc`.
    pub operation: String,
    /// The region that the request was signed for.
    pub region: String,
    /// The parameters in canonical order, `Name=value` joined by `&`, or the JSON body. Not escaped.
    pub parameters: String,
    /// When it arrived, in milliseconds since 1970 by the sandbox's clock.
    pub at: Millis,
    /// How it ended.
    pub outcome: Outcome,
}

/// The log. It forgets the oldest half when it grows beyond bounds.
#[derive(Debug, Default)]
pub(crate) struct CallLog(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    forgotten: usize,
    kept: Vec<CallRecord>,
}

const BOUND: usize = 200_000;

impl CallLog {
    /// Adds a call and returns its number.
    pub(crate) fn begin(&self, record: CallRecord) -> usize {
        let mut records = self.records();
        if records.kept.len() >= BOUND {
            records.kept.drain(..BOUND / 2);
            records.forgotten += BOUND / 2;
        }
        records.kept.push(record);
        records.forgotten + records.kept.len() - 1
    }

    /// Notes how a call ended.
    pub(crate) fn end(&self, number: usize, outcome: Outcome) {
        let mut records = self.records();
        let index = number.checked_sub(records.forgotten);
        if let Some(record) = index.and_then(|index| records.kept.get_mut(index)) {
            record.outcome = outcome;
        }
    }

    /// A copy of the log.
    pub(crate) fn all(&self) -> Vec<CallRecord> {
        self.records().kept.clone()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
