//! What is known of a run from its events so far.

use std::{collections::BTreeMap, time::Instant};

use formwork_core::{Event, StepId, StepInfo, Summary};

/// A step that has started and not ended.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) of: StepInfo,
    pub(super) since: Instant,
    /// Whether its object is made and not ready yet, or gone and not away yet.
    pub(super) waiting: bool,
    /// What a call failed with that is made again.
    pub(super) retrying: Option<String>,
}

/// A run so far.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) started: Instant,
    pub(super) running: BTreeMap<StepId, Running>,
    /// Steps that a plan shows.
    pub(super) total: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) cancelling: bool,
    pub(super) ended: bool,
    pub(super) summary: Summary,
}

impl Model {
    pub(super) fn new(summary: Summary, now: Instant) -> Self {
        Self {
            started: now,
            running: BTreeMap::new(),
            total: 0,
            done: 0,
            failed: 0,
            cancelling: false,
            ended: false,
            summary,
        }
    }

    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::RunStarted { steps, .. } => self.total = *steps,
            Event::StepStarted(of) => {
                let running =
                    Running { of: of.clone(), since: now, waiting: false, retrying: None };
                self.running.insert(of.step, running);
            }
            Event::StepWaiting { of, .. } => {
                if let Some(running) = self.running.get_mut(&of.step) {
                    (running.waiting, running.retrying) = (true, None);
                }
            }
            Event::StepRetrying { of, error, .. } => {
                if let Some(running) = self.running.get_mut(&of.step) {
                    running.retrying = Some(error.message.clone());
                }
            }
            Event::StepFinished { of, .. } => {
                self.running.remove(&of.step);
                self.done += usize::from(of.action.is_shown());
            }
            Event::StepFailed { of, .. } => {
                self.running.remove(&of.step);
                self.failed += 1;
            }
            Event::Cancelling { .. } => self.cancelling = true,
            Event::RunFinished { .. } => self.ended = true,
            _ => {}
        }
    }

    /// The running steps, the longest running first.
    pub(super) fn longest(&self) -> Vec<&Running> {
        let mut running: Vec<&Running> = self.running.values().collect();
        running.sort_by_key(|running| (running.since, running.of.step));
        running
    }
}
