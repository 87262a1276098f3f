//! What a run in a [`World`](super::World) was, and did.

use std::fmt;

use super::{
    cloud::{Call, before},
    world::Ended,
};
use crate::{
    apply::{ApplyError, Event, Live, StepInfo},
    plan::{Action, Plan},
};

/// A run: its plan, what it told, what it called, and how it ended.
pub struct Run {
    pub(super) plan: Plan,
    pub(super) result: Ended,
    pub(super) events: Vec<Event>,
    pub(super) calls: Vec<Call>,
    pub(super) crashed: bool,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.story())
    }
}

impl Run {
    /// The plan that was applied.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The calls that change something, in the order they started: `create network/vpc`.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        use super::Op::{Create, Delete, Update};
        let changes = self.calls.iter().filter(|call| matches!(call.op, Create | Update | Delete));
        changes.map(Call::name).collect()
    }

    /// All calls, with their start and their end.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// What the run told, in the order it did.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether every call `first` had ended before any call `then` started: `run.before("delete b",
    /// "delete a")`.
    ///
    /// # Panics
    /// When one of the two was not called.
    #[must_use]
    pub fn before(&self, first: &str, then: &str) -> bool {
        before(&self.calls, first, then)
    }

    /// Whether the run was cut off: nobody saw its end.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.crashed
    }

    /// The run, which must have ended well.
    ///
    /// # Panics
    /// When it did not; with its whole story.
    #[track_caller]
    pub fn ok(self) -> Self {
        match &self.result {
            Some(Ok(_)) if !self.crashed => self,
            Some(Err(error)) => panic!("the run failed: {error}\n{}", self.story()),
            _ => panic!("the run was cut off\n{}", self.story()),
        }
    }

    /// The outputs after a run that ended well.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn live(&self) -> &Live {
        match &self.result {
            Some(Ok(live)) => live,
            _ => panic!("the run did not end well\n{}", self.story()),
        }
    }

    /// What the run failed with.
    ///
    /// # Panics
    /// When it ended well, or was cut off.
    #[must_use]
    #[track_caller]
    pub fn error(&self) -> &ApplyError {
        match &self.result {
            Some(Err(error)) => error,
            _ => panic!("the run did not fail\n{}", self.story()),
        }
    }

    /// The failed steps, as `create a: refused on purpose`, in the order they failed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failed = self.events.iter().filter_map(|event| match event {
            Event::StepFailed { of, error, .. } => Some(format!("{}: {}", name(of), error.message)),
            _ => None,
        });
        failed.collect()
    }

    /// The steps that were not tried, as `create b, for a`.
    #[must_use]
    pub fn skipped(&self) -> Vec<String> {
        let skipped = self.events.iter().filter_map(|event| match event {
            Event::StepSkipped { of, because: Some(because), .. } => {
                Some(format!("{}, for {because}", name(of)))
            }
            Event::StepSkipped { of, because: None, .. } => Some(name(of)),
            _ => None,
        });
        skipped.collect()
    }

    /// What the run told, a line for each event, without times: the same in every run of the same
    /// story. Steps that only write to the records are left out.
    #[must_use]
    pub fn events_text(&self) -> String {
        self.events.iter().filter_map(line).map(|line| line + "\n").collect()
    }

    /// The plan as text, then what the run told: a story to compare with one that a test quotes.
    #[must_use]
    pub fn story(&self) -> String {
        format!("{}{}", self.plan, self.events_text())
    }
}

fn name(of: &StepInfo) -> String {
    format!("{} {}", format!("{:?}", of.action).to_lowercase(), of.address)
}

/// An event as a line.
fn line(event: &Event) -> Option<String> {
    let hidden = |of: &StepInfo| matches!(of.action, Action::Record | Action::Join);
    Some(match event {
        Event::RunStarted { stack, steps } => format!("run {stack}: {steps} step(s)"),
        Event::StepStarted(of) if !hidden(of) => format!("> {}", name(of)),
        Event::StepWaiting { of, .. } => format!("  {} waits", name(of)),
        Event::StepRetrying { of, error, .. } => {
            format!("  {} tries again: {}", name(of), error.message)
        }
        Event::HooksStarted { of, names, point } => {
            format!("  {} runs {} {point}", name(of), names.join(", "))
        }
        Event::HooksFinished { of, error: Some(error), .. } => {
            format!("  {} has a hook that failed: {error}", name(of))
        }
        Event::StepFinished { of, physical_id, .. } if !hidden(of) => match physical_id {
            Some(id) => format!("< {}: {id}", name(of)),
            None => format!("< {}", name(of)),
        },
        Event::StepFailed { of, error, .. } => format!("! {}: {}", name(of), error.message),
        Event::StepSkipped { of, because: Some(because) } if !hidden(of) => {
            format!("- {}, for {because}", name(of))
        }
        Event::StepSkipped { of, because: None } if !hidden(of) => format!("- {}", name(of)),
        Event::Cancelling { abort } => {
            format!("cancelling{}", if *abort { ", at once" } else { "" })
        }
        Event::RunFinished { done, failed, skipped, .. } => {
            format!("end: {done} done, {failed} failed, {skipped} skipped")
        }
        _ => return None,
    })
}
