//! Steps that wait: for an object that is not ready or not gone yet, and to call again after an
//! error that passes. A waiting step holds no slot, and no call is in flight for it, so a run that
//! ends lets go of it at once.

use std::{cmp::Reverse, time::Duration};

use tokio::time::Instant;

use super::{Event, call::Ask, executor::Executor};
use crate::{
    plan::StepId,
    provider::{ErrorKind, ProviderError},
};

/// How often a call that failed in a way that passes is made again. One that the service asked to
/// make later is made as often as its step's time allows: a throttled run is slow, and does not fail.
const ATTEMPTS: u32 = 10;

impl Executor<'_> {
    /// Waits without a slot, then asks again.
    pub(super) fn wait(&mut self, id: StepId, duration: Duration) {
        if !self.has_time(id, duration) {
            let error = self.out_of_time(id);
            self.failed(id, error, None);
            return;
        }
        if self.halted() {
            // The row says how far it is; the next run goes on waiting.
            self.abandoned(id);
            return;
        }
        let for_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let of = self.info(id);
        self.events.event(Event::StepWaiting { of, for_ms });
        self.sleep(id, duration);
    }

    /// Whether the call is made again after this error. If not, the step fails with it: a refusal
    /// says more than that there was no time for another.
    pub(super) fn retries(&mut self, id: StepId, error: &ProviderError) -> bool {
        let passes = matches!(error.kind, ErrorKind::Throttled | ErrorKind::Transient);
        let attempt = self.running(id).attempt;
        let pause = pause(id, attempt, error.retry_after);
        let often = attempt >= ATTEMPTS && error.kind != ErrorKind::Throttled;
        if !passes || often || self.halted() || !self.has_time(id, pause) {
            return false;
        }
        self.running(id).attempt += 1;
        let in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let of = self.info(id);
        self.events.event(Event::StepRetrying { of, in_ms, error: error.clone() });
        self.sleep(id, pause);
        true
    }

    /// Whether the step's time is not over before a pause is: it sleeps for no call that would be
    /// dropped as it starts.
    fn has_time(&mut self, id: StepId, pause: Duration) -> bool {
        let deadline = self.deadline(id);
        Instant::now().checked_add(pause).is_some_and(|then| then < deadline)
    }

    /// Says what was waited for in vain. Whether the last call took effect is not known.
    pub(super) fn out_of_time(&mut self, id: StepId) -> ProviderError {
        let timeout = self.timeout(id);
        let running = self.running(id);
        let first = running.deadline.and_then(|at| at.checked_sub(timeout));
        let took = first.map_or(timeout, |first| first.elapsed());
        let awaited = running.again.as_ref().map_or("it", Ask::awaited);
        let message = format!(
            "waited {} for {awaited}; its timeout is {}",
            in_words(took),
            in_words(timeout)
        );
        ProviderError::new(ErrorKind::Timeout, "formwork", message)
    }

    fn sleep(&mut self, id: StepId, duration: Duration) {
        self.sleep_until(id, Instant::now() + duration);
    }

    /// Lets a step sleep that has no call in flight.
    pub(super) fn sleep_until(&mut self, id: StepId, at: Instant) {
        self.asleep.push(Reverse((at, id)));
    }

    /// When the first sleeper wakes.
    pub(super) fn next_waking(&self) -> Option<Instant> {
        self.asleep.peek().map(|Reverse((at, _))| *at)
    }

    /// Gives those whose time has come the right to call again.
    pub(super) fn wake(&mut self) {
        if self.asleep.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(&Reverse((at, id))) = self.asleep.peek()
            && at <= now
        {
            self.asleep.pop();
            self.awake.push_back(id);
        }
    }

    /// Lets go of every step that has no call in flight: what is recorded of it says how far it
    /// is, and the next run goes on from there.
    pub(super) fn abandon_waiting(&mut self) {
        let asleep = std::mem::take(&mut self.asleep).into_iter().map(|Reverse((_, id))| id);
        let awake = std::mem::take(&mut self.awake);
        let mut waiting: Vec<StepId> = asleep.chain(awake).collect();
        waiting.extend(self.abandon_held_back());
        // In the order of the plan, so that a run tells the same story each time.
        waiting.sort_unstable();
        for id in waiting {
            self.abandoned(id);
        }
    }
}

/// How long to wait before the next attempt: at least as long as the service asks, and then a
/// little, so that not all come back at that moment.
fn pause(step: StepId, attempt: u32, asked: Option<Duration>) -> Duration {
    let own = backoff(step, attempt);
    asked.map_or(own, |asked| asked.saturating_add(own / 2).max(own))
}

/// How long to wait before the `n`th attempt again: doubling from 200 ms to 20 s, and spread by
/// the step's number so that a throttled crowd does not come back as one.
fn backoff(step: StepId, attempt: u32) -> Duration {
    let base = 200u64.saturating_mul(1 << attempt.min(7)).min(20_000);
    let spread = u64::from(step.0.wrapping_mul(2_654_435_761) % 1000);
    Duration::from_millis(base / 2 + base * spread / 2000)
}

fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds => format!("{seconds} s"),
    }
}
