//! Progress as plain lines, for pipes and logs: one per finished step, and fewer where there are
//! very many.

use std::time::{Duration, Instant};

use formwork_core::{Event, StepId, Summary};

use super::{View, model::Model, sentence};
use crate::{
    console::Console,
    view::{Paint, plain, seconds},
};

/// With more steps than this, not every end is told.
const MANY: usize = 500;

/// How often a summary is told of many steps, or of long waits.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Plain {
    console: Console,
    paint: Paint,
    model: Model,
    told: Instant,
    /// The steps whose trouble was told already.
    retried: std::collections::BTreeSet<StepId>,
}

impl Plain {
    pub(super) fn new(console: Console, summary: Summary) -> Self {
        let now = Instant::now();
        let paint = console.err_layout().paint;
        let model = Model::new(summary, now);
        Self { console, paint, model, told: now, retried: Default::default() }
    }

    fn say(&mut self, text: &str, now: Instant) {
        self.console.note(text);
        self.told = now;
    }
}

impl View for Plain {
    fn event(&mut self, event: &Event, now: Instant) {
        self.model.event(event, now);
        match event {
            Event::StepFinished { .. } if self.model.total > MANY => {}
            Event::StepRetrying { of, in_ms, error } if self.retried.insert(of.step) => {
                let wait = seconds(*in_ms);
                let doing = sentence::present(of);
                let error = error.to_string();
                let error = plain(&error);
                self.say(&format!("{doing} {}, again in {wait}: {error}", of.address), now);
            }
            Event::RunFinished { failed: 0, skipped: 0, elapsed_ms, .. } => {
                let text = sentence::finished(&self.model.summary, *elapsed_ms);
                self.say(&text, now);
            }
            event => {
                if let Some(text) = sentence::lasting(event, &self.model.summary, self.paint) {
                    self.say(&text, now);
                }
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        if now.duration_since(self.told) < PAUSE || self.model.total == 0 {
            return;
        }
        let Model { done, total, .. } = self.model;
        let mut text = format!("{done} of {total} done");
        if let Some(first) = self.model.longest().first() {
            let ms = u64::try_from(now.duration_since(first.since).as_millis()).unwrap_or(u64::MAX);
            let n = self.model.running.len();
            let doing = sentence::present(&first.of);
            text.push_str(&format!(
                ", {n} under way, longest {doing} {} ({})",
                first.of.address,
                seconds(ms)
            ));
        }
        self.say(&text, now);
    }

    fn end(&mut self, _now: Instant) {}
}
