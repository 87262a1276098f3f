//! Progress on a terminal: what is done scrolls by, what runs stands below with its time.

use std::time::Instant;

use formwork_core::{Event, Summary};

use super::{FRAME, View, model::Model, sentence};
use crate::{
    console::Console,
    view::{Paint, plain, seconds, truncated},
};

/// At most so many running steps are shown.
const LINES: usize = 8;

/// With more steps than this, their ends do not scroll by: the numbers say enough.
const MANY: usize = 500;

pub(super) struct Live {
    console: Console,
    paint: Paint,
    model: Model,
    /// How many lines of the page are drawn over next time.
    drawn: usize,
    due: Instant,
    /// What scrolls by with the next drawing.
    pending: String,
}

impl Live {
    pub(super) fn new(console: Console, summary: Summary) -> Self {
        let now = Instant::now();
        let paint = console.err_layout().paint;
        let model = Model::new(summary, now);
        Self { console, paint, model, drawn: 0, due: now, pending: String::new() }
    }

    fn draw(&mut self, frame: &[String]) {
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the first drawn line, and clear from there to the end.
            text.push_str(&format!("\r\x1b[{}A\x1b[J", self.drawn));
        }
        text.push_str(&std::mem::take(&mut self.pending));
        for line in frame {
            text.push_str(line);
            text.push('\n');
        }
        self.drawn = frame.len();
        if !text.is_empty() {
            self.console.err(&text);
        }
    }
}

impl View for Live {
    fn event(&mut self, event: &Event, now: Instant) {
        self.model.event(event, now);
        let text = match event {
            Event::StepFinished { .. } if self.model.total > MANY => None,
            Event::RunFinished { failed: 0, skipped: 0, elapsed_ms, .. } => {
                Some(sentence::finished(&self.model.summary, *elapsed_ms))
            }
            event => sentence::lasting(event, &self.model.summary, self.paint),
        };
        if let Some(text) = text {
            self.pending.push_str(&format!("{text}\n"));
        }
    }

    fn tick(&mut self, now: Instant) {
        if now < self.due || self.model.ended {
            return;
        }
        self.due = now + FRAME;
        let (columns, lines) = self.console.err_size().unwrap_or((80, 24));
        let frame = frame(&self.model, now, columns, lines, self.paint);
        self.draw(&frame);
    }

    fn end(&mut self, _now: Instant) {
        self.draw(&[]);
    }
}

/// The lines below what scrolls by: a bounded number, none longer than the terminal is wide.
fn frame(model: &Model, now: Instant, columns: usize, lines: usize, paint: Paint) -> Vec<String> {
    let elapsed = |since: Instant| {
        seconds(u64::try_from(now.duration_since(since).as_millis()).unwrap_or(u64::MAX))
    };
    let fit = |text: &str| truncated(text, columns.saturating_sub(1));
    let mut head = format!("{} of {} done, {}", model.done, model.total, elapsed(model.started));
    if model.failed > 0 {
        head.push_str(&format!(", {} failed", model.failed));
    }
    if model.cancelling {
        head.push_str(", stopping");
    }
    let mut frame = vec![paint.bold(&fit(&head))];
    let running = model.longest();
    let room = LINES.min(lines.saturating_sub(3));
    // A line that says "and 1 more" could be that one.
    let shown = if running.len() <= room { running.len() } else { room.saturating_sub(1) };
    for step in running.iter().take(shown) {
        let note = match (&step.retrying, step.waiting) {
            (Some(error), _) => format!("  again after: {error}"),
            (None, true) => "  not ready yet".to_owned(),
            (None, false) => String::new(),
        };
        let doing = sentence::present(&step.of);
        let time = elapsed(step.since);
        let line = format!("  {time:>8}  {doing} {}{note}", step.of.address);
        frame.push(paint.dim(&fit(&plain(&line.replace('\n', " ")))));
    }
    if shown < running.len() && room > 0 {
        frame.push(paint.dim(&fit(&format!("  and {} more", running.len() - shown))));
    }
    frame
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use formwork_core::{Action, Group, ResourceId, Seed, StepId, StepInfo};

    use super::*;
    use crate::view::width;

    #[test]
    fn a_frame_is_bounded_whatever_runs() {
        let start = Instant::now();
        let mut model = Model::new(Summary::default(), start);
        model.event(&Event::RunStarted { stack: "s".into(), steps: 99 }, start);
        for step in 0..40 {
            let of = StepInfo {
                step: StepId(step),
                action: Action::Create,
                replacement: false,
                address: format!("nodes/training-{step}/a-rather-long-name").as_str().into(),
                kind: "demo:node".into(),
                group: Group::Compute,
                id: ResourceId::derive(&Seed::fixed(1), u64::from(step)),
            };
            model.event(&Event::StepStarted(of.clone()), start + Duration::from_secs(step.into()));
            if step == 1 {
                model.event(&Event::StepWaiting { of, for_ms: 5000 }, start);
            }
        }
        let now = start + Duration::from_secs(75);
        for (columns, lines) in [(40, 24), (120, 6), (20, 2)] {
            let frame = frame(&model, now, columns, lines, Paint(false));
            assert!(frame.len() <= (lines - 1).clamp(1, LINES + 1), "{frame:?}");
            assert!(frame.iter().all(|line| width(line) < columns), "{frame:?}");
        }
        let frame = frame(&model, now, 70, 7, Paint(false));
        assert_eq!(
            frame,
            [
                "0 of 99 done, 1 min 15 s",
                "  1 min 15 s  creating nodes/training-0/a-rather-long-name",
                "  1 min 14 s  creating nodes/training-1/a-rather-long-name  not read…",
                "  1 min 13 s  creating nodes/training-2/a-rather-long-name",
                "  and 37 more",
            ]
        );
    }
}
