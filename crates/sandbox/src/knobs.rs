//! What tests turn: latency, throttling, faults, forgetfulness, how long things take.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::time::Millis;

/// The knobs of a sandbox. Cloning gives another handle on the same knobs; they are not persisted.
#[derive(Clone, Debug, Default)]
pub struct Knobs(Arc<Mutex<Settings>>);

/// A fault to be injected into one or more calls.
///
/// Without further words it hits the next call of the operation, before any effect, with an
/// HTTP 500 `InternalError`.
#[derive(Clone, Debug)]
pub struct Fault {
    operation: String,
    skip: usize,
    times: usize,
    after: bool,
    action: FaultAction,
}

/// What a fault does to a call.
#[derive(Clone, Debug)]
pub(crate) enum FaultAction {
    /// Answers with an error.
    Answer { status: u16, code: String, message: String },
    /// Cuts the connection.
    Drop,
    /// Never answers.
    Hang,
}

/// How long things take, in milliseconds, as one call sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From `pending` to `available`, from `deleting` to `deleted`.
    pub(crate) settle: Millis,
    /// From a creation until others see the object.
    pub(crate) window: Millis,
    /// From a deletion until the object is no longer shown as deleted.
    pub(crate) keep_deleted: Millis,
}

/// What is to happen to one call.
#[derive(Debug, Default)]
pub(crate) struct Treatment {
    pub(crate) latency: Duration,
    pub(crate) throttled: bool,
    pub(crate) before: Option<FaultAction>,
    pub(crate) after: Option<FaultAction>,
}

#[derive(Debug)]
struct Settings {
    latency: Duration,
    timing: Timing,
    clock_ahead: Millis,
    throttle_next: usize,
    calls_per_second: Option<usize>,
    admitted: VecDeque<Instant>,
    faults: Vec<Fault>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            // Deleted NAT gateways and terminated instances stay visible for about an hour
            // (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html).
            timing: Timing { settle: 300, window: 0, keep_deleted: 3_600_000 },
            clock_ahead: 0,
            throttle_next: 0,
            calls_per_second: None,
            admitted: VecDeque::new(),
            faults: Vec::new(),
        }
    }
}

impl Fault {
    /// A fault for the next call of an operation, such as `CreateVpc`; `*` is any operation.
    pub fn on(operation: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            skip: 0,
            times: 1,
            after: false,
            action: FaultAction::Answer {
                status: 500,
                code: "InternalError".into(),
                message: "An internal error has occurred (injected)".into(),
            },
        }
    }

    /// Hits the nth matching call from now on, counted from 1, instead of the next.
    #[must_use]
    pub fn nth(mut self, nth: usize) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }

    /// Hits this many matching calls in a row instead of one.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Strikes after the effect is persisted: the work is done, and the client does not know.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after = true;
        self
    }

    /// Strikes before any effect, which is the default.
    #[must_use]
    pub fn before_effect(mut self) -> Self {
        self.after = false;
        self
    }

    /// Cuts the connection instead of answering.
    #[must_use]
    pub fn drops_connection(mut self) -> Self {
        self.action = FaultAction::Drop;
        self
    }

    /// Never answers; the client's own timeout has to end the call.
    #[must_use]
    pub fn hangs(mut self) -> Self {
        self.action = FaultAction::Hang;
        self
    }

    /// Answers with this HTTP status, error code and message.
    #[must_use]
    pub fn answers(mut self, status: u16, code: &str, message: &str) -> Self {
        self.action =
            FaultAction::Answer { status, code: code.to_owned(), message: message.to_owned() };
        self
    }
}

impl Knobs {
    /// Delays every call by this much before it has an effect. Zero at first.
    pub fn latency(&self, latency: Duration) {
        self.settings().latency = latency;
    }

    /// Sets how long `pending`, `deleting` and the like last. 0.3 seconds at first; may be zero.
    pub fn state_duration(&self, duration: Duration) {
        self.settings().timing.settle = millis(duration);
    }

    /// Sets how long a new object stays unseen by others (eventual consistency). Zero at first.
    pub fn consistency_window(&self, window: Duration) {
        self.settings().timing.window = millis(window);
    }

    /// Sets how long a deleted object is still shown as deleted. An hour at first, as on AWS.
    pub fn keep_deleted(&self, duration: Duration) {
        self.settings().timing.keep_deleted = millis(duration);
    }

    /// Moves the sandbox's clock forward, so that a test does not have to sleep.
    pub fn advance_clock(&self, by: Duration) {
        let mut settings = self.settings();
        settings.clock_ahead = settings.clock_ahead.saturating_add(millis(by));
    }

    /// Throttles the next calls, whatever they are.
    pub fn throttle_next(&self, calls: usize) {
        self.settings().throttle_next = calls;
    }

    /// Throttles what exceeds this many calls in any second; `None`, as at first, throttles nothing.
    pub fn throttle_above(&self, calls_per_second: Option<usize>) {
        let mut settings = self.settings();
        settings.calls_per_second = calls_per_second;
        settings.admitted.clear();
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.settings().faults.push(fault);
    }

    /// Removes all faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.settings().faults.clear();
    }

    /// Decides what happens to a call that just arrived.
    pub(crate) fn treat(&self, operation: &str) -> Treatment {
        let mut settings = self.settings();
        let mut treatment = Treatment {
            latency: settings.latency,
            throttled: settings.throttles(),
            ..Treatment::default()
        };
        if treatment.throttled {
            return treatment;
        }
        for fault in &mut settings.faults {
            if fault.operation != "*" && fault.operation != operation {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                let slot = if fault.after { &mut treatment.after } else { &mut treatment.before };
                slot.get_or_insert_with(|| fault.action.clone());
            }
        }
        settings.faults.retain(|fault| fault.times > 0);
        treatment
    }

    /// The durations, for one call.
    pub(crate) fn timing(&self) -> Timing {
        self.settings().timing
    }

    /// The sandbox's clock.
    pub(crate) fn now(&self) -> Millis {
        crate::time::now().saturating_add(self.settings().clock_ahead)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    fn throttles(&mut self) -> bool {
        if self.throttle_next > 0 {
            self.throttle_next -= 1;
            return true;
        }
        let Some(limit) = self.calls_per_second else { return false };
        let now = Instant::now();
        while self
            .admitted
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1))
        {
            self.admitted.pop_front();
        }
        if self.admitted.len() >= limit {
            return true;
        }
        self.admitted.push_back(now);
        false
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
