//! The heartbeat: the lease is renewed beside everything else, and never in its way.

use std::future::pending;

use tokio::time::Instant;

use crate::{
    provider::BoxFuture,
    state::{Lease, StateError, StateStore},
};

/// When the lease is renewed, and until when the run may rely on it.
///
/// A renewal that fails is asked for again until the lease's time is nearly out; only the answer
/// that someone else has the lease ends the run at once.
pub(super) struct Heartbeat<'r> {
    store: &'r dyn StateStore,
    lease: &'r Lease,
    /// When the lease was last asked for with success: it lasts at least its `ttl` from then.
    held: Instant,
    due: Instant,
    /// The renewal under way, and when it was asked for.
    renewal: Option<(Instant, BoxFuture<'r, Result<(), StateError>>)>,
    /// What the last renewal failed with, if it did.
    failed: Option<StateError>,
    lost: bool,
}

impl<'r> Heartbeat<'r> {
    /// The heartbeat of a lease that was asked for at `asked`.
    pub(super) fn new(store: &'r dyn StateStore, lease: &'r Lease, asked: Instant) -> Self {
        let due = asked + lease.ttl / 3;
        Self { store, lease, held: asked, due, renewal: None, failed: None, lost: false }
    }

    /// When the lease must have been renewed: a little before its time is out, for the clocks of
    /// two machines do not run alike.
    fn end(&self) -> Instant {
        let end = self.held + self.lease.ttl / 10 * 9;
        match &self.renewal {
            // After a pause of the whole process the first answer is waited for all the same.
            Some((asked, _)) => end.max(*asked + self.lease.ttl / 3),
            None => end,
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        match (&self.renewal, &self.failed) {
            _ if self.lost => None,
            (Some(_), _) => Some(self.end()),
            (None, Some(_)) => Some(self.due.min(self.end())),
            (None, None) => Some(self.due),
        }
    }

    /// Asks for the renewal that is due.
    ///
    /// # Errors
    /// Once, when the lease's time is nearly out and no renewal succeeded.
    pub(super) fn beat(&mut self) -> Result<(), StateError> {
        let now = Instant::now();
        if self.next().is_none_or(|next| now < next) {
            return Ok(());
        }
        let tried = self.renewal.is_some() || self.failed.is_some();
        if tried && now >= self.end() {
            self.lost = true;
            self.renewal = None;
            return Err(self.failed.take().unwrap_or_else(|| StateError::Io {
                place: format!("stack `{}`", self.lease.stack),
                verb: "locked",
                message: "the store did not answer when the lease was to be renewed".to_owned(),
            }));
        }
        if self.renewal.is_none() {
            self.renewal = Some((now, self.store.renew(self.lease)));
        }
        Ok(())
    }

    /// Waits for the answer to the renewal under way; for ever if there is none.
    ///
    /// # Errors
    /// When the lease is lost for certain.
    pub(super) async fn answered(&mut self) -> Result<(), StateError> {
        let Some((asked, renewal)) = &mut self.renewal else { return pending().await };
        let asked = *asked;
        let answer = renewal.await;
        self.renewal = None;
        self.failed = answer.err();
        match &self.failed {
            None => {
                self.held = asked;
                self.due = asked + self.lease.ttl / 3;
            }
            Some(lost @ (StateError::Fenced { .. } | StateError::Leased { .. })) => {
                self.lost = true;
                return Err(lost.clone());
            }
            Some(_) => self.due = Instant::now() + self.lease.ttl / 20,
        }
        Ok(())
    }
}
