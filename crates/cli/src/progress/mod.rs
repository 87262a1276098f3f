//! Showing how a run goes: a consumer of its events, off its path.
//!
//! Events go through a channel to a thread of their own, which prints them as JSON lines if that is
//! wanted, and shows them to people: live on a terminal, as plain lines elsewhere.

mod live;
mod model;
mod plain;
mod sentence;

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use formwork_core::{Event, EventSink, Summary};

use crate::console::Console;

/// How often a live view is drawn anew.
const FRAME: Duration = Duration::from_millis(100);

/// A view that is being shown.
pub(crate) struct Progress {
    events: mpsc::Sender<Event>,
    thread: JoinHandle<()>,
}

/// What is shown to people of a run.
trait View {
    /// Takes an event.
    fn event(&mut self, event: &Event, now: Instant);
    /// Takes the time, and draws what is due.
    fn tick(&mut self, now: Instant);
    /// Leaves the page as it should stay.
    fn end(&mut self, now: Instant);
}

impl Progress {
    /// Starts to show a run.
    pub(crate) fn start(console: &Console, summary: Summary) -> Self {
        let (events, arrived) = mpsc::channel();
        let console = console.clone();
        let thread = std::thread::spawn(move || {
            let mut view: Box<dyn View> = if console.err_size().is_some() {
                Box::new(live::Live::new(console.clone(), summary))
            } else {
                Box::new(plain::Plain::new(console.clone(), summary))
            };
            follow(&arrived, &console, view.as_mut());
        });
        Self { events, thread }
    }

    /// Where the run sends its events.
    pub(crate) fn sink(&self) -> impl EventSink + use<> {
        let events = self.events.clone();
        move |event| {
            // Whoever shows them may have ended; the run goes on.
            let _ = events.send(event);
        }
    }

    /// Shows what is left, and ends.
    pub(crate) fn finish(self) {
        drop(self.events);
        // What panicked there was shown by its own message.
        let _ = self.thread.join();
    }
}

fn follow(arrived: &mpsc::Receiver<Event>, console: &Console, view: &mut dyn View) {
    loop {
        match arrived.recv_timeout(FRAME) {
            Ok(event) => {
                for event in std::iter::once(event).chain(arrived.try_iter()) {
                    if console.is_json() {
                        console.json_line(&event);
                    }
                    view.event(&event, Instant::now());
                }
                view.tick(Instant::now());
            }
            Err(RecvTimeoutError::Timeout) => view.tick(Instant::now()),
            Err(RecvTimeoutError::Disconnected) => {
                view.end(Instant::now());
                return;
            }
        }
    }
}
