//! How fast calls start: as fast as slots are free, until a service says that it is too fast.
//!
//! Services count calls per account, region and kind of service, and so does this: one bucket of
//! tokens per provider and service. A bucket that nobody complained about has no end. A refusal for
//! being too fast cuts its rate to less than what was sent; each call that is taken raises it a
//! little. A step that gets no token waits without a slot, so one that is slow stops no other.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::executor::{Executor, Progress};
use crate::plan::StepId;

/// What a rate is cut to by a refusal.
const CUT: f64 = 0.7;

/// The least rate, in calls per second.
const SLOWEST: f64 = 0.5;

/// How long calls count towards the rate. Refusals that come so soon after a cut are of calls that
/// were sent before it.
const WINDOW: Duration = Duration::from_secs(1);

/// Fewer calls in a second are no rate to be cut: the pauses between tries are enough for them.
const FEW: usize = 8;

/// The rates of one run.
#[derive(Default)]
pub(super) struct Pace {
    buckets: HashMap<(String, String), Bucket>,
    /// The steps that have a token, and wait for its time.
    granted: HashSet<StepId>,
    /// The steps whose token's time has come, and whose call has not started.
    passed: HashSet<StepId>,
}

#[derive(Default)]
struct Bucket {
    /// Calls per second; nothing, where nobody complained.
    rate: Option<f64>,
    /// When the next call may start.
    next: Option<Instant>,
    cut: Option<Instant>,
    /// The calls of the last second: those that started, that were refused and of which step, and
    /// that were taken.
    sent: VecDeque<Instant>,
    refused: VecDeque<(Instant, StepId)>,
    taken: VecDeque<Instant>,
    /// Whether a step waits for the time of its token. Only one does: the rate may change meanwhile.
    waits: bool,
    /// The steps that wait for a token: those that have called before, which have a time to keep, and
    /// the others.
    again: VecDeque<StepId>,
    fresh: VecDeque<StepId>,
}

impl Bucket {
    /// Forgets what is longer ago than counts.
    fn forget(&mut self, now: Instant) {
        let old = |at: &Instant| now.duration_since(*at) >= WINDOW;
        while self.refused.front().is_some_and(|(at, _)| old(at)) {
            self.refused.pop_front();
        }
        for calls in [&mut self.sent, &mut self.taken] {
            while calls.front().is_some_and(old) {
                calls.pop_front();
            }
        }
    }

    /// When a call may start that takes its token now.
    fn token(&mut self, now: Instant) -> Instant {
        let Some(rate) = self.rate else { return now };
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + Duration::from_secs_f64(1.0 / rate));
        at
    }

    fn sent(&mut self, now: Instant) {
        self.forget(now);
        self.sent.push_back(now);
    }

    fn refused(&mut self, now: Instant, step: StepId, later: Option<Duration>) {
        self.forget(now);
        self.refused.push_back((now, step));
        let alone = self.refused.iter().all(|(_, other)| *other == step);
        let seldom = self.refused.len() * 10 < self.sent.len();
        if alone || seldom || self.sent.len() < FEW {
            // It waits by itself; the others do not go too fast for that.
            return;
        }
        if let Some(later) = later {
            let at = now + later;
            self.next = Some(self.next.map_or(at, |next| next.max(at)));
        }
        if self.cut.is_some_and(|cut| now.duration_since(cut) < WINDOW) {
            return;
        }
        // A service has fewer calls than 2^52 in a second.
        let (sent, taken) = (self.sent.len() as f64, self.taken.len() as f64);
        let cut = self.rate.map_or(sent, |rate| rate.min(sent)) * CUT;
        let cut = if taken > 0.0 { cut.min(taken) } else { cut };
        self.rate = Some(cut.max(SLOWEST));
        self.cut = Some(now);
    }

    fn taken(&mut self, now: Instant) {
        self.forget(now);
        self.taken.push_back(now);
        if let Some(rate) = &mut self.rate {
            // Half a call per second more each second, or a twentieth where that is more.
            *rate += (*rate * 0.05).max(0.5) / *rate;
        }
    }
}

impl Executor<'_> {
    fn bucket(&mut self, id: StepId) -> &mut Bucket {
        let step = self.step(id);
        let service = step.kind.rsplit_once('/').map_or(&*step.kind, |(service, _)| service);
        let key = (step.provider.clone(), service.to_owned());
        self.pace.buckets.entry(key).or_default()
    }

    /// Whether the step has to wait before its next call; then it sleeps until it may.
    pub(super) fn is_held_back(&mut self, id: StepId) -> bool {
        let now = Instant::now();
        if self.pace.granted.remove(&id) {
            let bucket = self.bucket(id);
            bucket.waits = false;
            if let Some(next) = bucket.again.pop_front().or_else(|| bucket.fresh.pop_front()) {
                let at = bucket.token(now);
                bucket.waits = true;
                self.pace.granted.insert(next);
                self.sleep_until(next, at);
            }
        } else {
            let called = self.running.contains_key(&id);
            let bucket = self.bucket(id);
            if bucket.waits {
                let queue = if called { &mut bucket.again } else { &mut bucket.fresh };
                queue.push_back(id);
                return true;
            }
            let at = bucket.token(now);
            if at > now {
                bucket.waits = true;
                self.pace.granted.insert(id);
                self.sleep_until(id, at);
                return true;
            }
        }
        self.pace.passed.insert(id);
        false
    }

    /// Counts a call that starts now. One that follows another of its step at once takes the token of
    /// the next step.
    pub(super) fn starts_call(&mut self, id: StepId) {
        let now = Instant::now();
        let passed = self.pace.passed.remove(&id);
        let bucket = self.bucket(id);
        if !passed {
            bucket.token(now);
        }
        bucket.sent(now);
    }

    /// Lets go of the steps that wait for a token.
    pub(super) fn abandon_held_back(&mut self) -> Vec<StepId> {
        self.pace.granted.clear();
        let buckets = self.pace.buckets.values_mut();
        let queues = buckets.flat_map(|bucket| {
            bucket.waits = false;
            bucket.again.drain(..).chain(bucket.fresh.drain(..))
        });
        queues.collect()
    }

    /// The service refused a call of this step for being too fast.
    pub(super) fn too_fast(&mut self, id: StepId, later: Option<Duration>) {
        let now = Instant::now();
        self.bucket(id).refused(now, id, later);
    }

    /// The service took a call of this step.
    pub(super) fn not_too_fast(&mut self, id: StepId) {
        let now = Instant::now();
        self.bucket(id).taken(now);
    }

    /// Goes on with a step that woke: it calls again, or for the first time.
    pub(super) fn woken(&mut self, id: StepId) {
        if self.running.contains_key(&id) {
            self.call_again(id);
        } else if self.progress[id.index()] == Progress::Open && !self.has_stopped() {
            self.start(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_cuts_the_rate_once_and_calls_that_are_taken_raise_it() {
        let mut bucket = Bucket::default();
        let now = Instant::now();
        assert_eq!(bucket.token(now), now, "nobody complained");
        (0..10).for_each(|_| bucket.sent(now));
        bucket.refused(now, StepId(0), None);
        bucket.refused(now, StepId(1), None);
        assert_eq!(bucket.rate, Some(7.0));
        (0..7).for_each(|_| bucket.taken(now));
        assert!(bucket.rate.is_some_and(|rate| (7.4..7.6).contains(&rate)), "{:?}", bucket.rate);
        for _ in 0..40 {
            tokio::time::advance(WINDOW).await;
            let now = Instant::now();
            (0..8).for_each(|_| bucket.sent(now));
            bucket.refused(now, StepId(0), None);
            bucket.refused(now, StepId(1), None);
        }
        assert_eq!(bucket.rate, Some(SLOWEST));
        let now = Instant::now();
        bucket.refused(now, StepId(0), Some(Duration::from_secs(600)));
        assert!(bucket.token(now) >= now + Duration::from_secs(600));
    }

    #[tokio::test(start_paused = true)]
    async fn one_step_that_is_refused_and_one_refusal_among_many_slow_down_nobody_else() {
        let mut bucket = Bucket::default();
        let now = Instant::now();
        for _ in 0..9 {
            bucket.sent(now);
            bucket.refused(now, StepId(0), Some(WINDOW));
        }
        assert_eq!((bucket.rate, bucket.token(now)), (None, now));
        tokio::time::advance(WINDOW).await;
        let now = Instant::now();
        (0..40).for_each(|_| bucket.sent(now));
        bucket.refused(now, StepId(0), None);
        bucket.refused(now, StepId(1), None);
        assert_eq!(bucket.rate, None);
    }
}
