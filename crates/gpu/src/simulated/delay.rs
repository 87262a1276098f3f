//! Waiting without an async runtime: a thread sleeps and wakes the future.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Default)]
struct Shared {
    over: bool,
    waker: Option<Waker>,
}

/// A future that is ready after a while.
pub(super) struct Delay {
    shared: Option<Arc<Mutex<Shared>>>,
    duration: Duration,
}

impl Delay {
    pub(super) fn new(duration: Duration) -> Self {
        Self { shared: None, duration }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.duration.is_zero() {
            return Poll::Ready(());
        }
        if let Some(shared) = &self.shared {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.over {
                return Poll::Ready(());
            }
            shared.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let waker = Some(context.waker().clone());
        let shared = Arc::new(Mutex::new(Shared { over: false, waker }));
        self.shared = Some(Arc::clone(&shared));
        let duration = self.duration;
        std::thread::spawn(move || {
            std::thread::sleep(duration);
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.over = true;
            if let Some(waker) = shared.waker.take() {
                waker.wake();
            }
        });
        Poll::Pending
    }
}
