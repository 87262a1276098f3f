//! Cancellation in two stages, as data.

use std::sync::Arc;

use tokio::sync::watch;

/// How far a cancellation has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cancelling {
    /// Nobody asked.
    #[default]
    No,
    /// Nothing new is started; calls in flight finish, and their results are recorded.
    Stop,
    /// Calls in flight are dropped; their intents stay open, and the next run looks what became of them.
    Abort,
}

/// Asks a run to end. Clones ask the same run.
#[derive(Clone, Debug)]
pub struct CancelToken {
    stage: Arc<watch::Sender<Cancelling>>,
}

impl Default for CancelToken {
    fn default() -> Self {
        Self { stage: Arc::new(watch::Sender::new(Cancelling::No)) }
    }
}

impl CancelToken {
    /// A token that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the next stage: the first call stops, the second aborts.
    pub fn cancel(&self) {
        self.stage.send_modify(|stage| {
            *stage = if *stage == Cancelling::No { Cancelling::Stop } else { Cancelling::Abort };
        });
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> Cancelling {
        *self.stage.borrow()
    }

    /// Waits until the stage is past `known`.
    pub(crate) async fn past(&self, known: Cancelling) -> Cancelling {
        let mut changes = self.stage.subscribe();
        let stage = changes.wait_for(|stage| *stage > known).await.map(|stage| *stage);
        match stage {
            Ok(stage) => stage,
            // The sender lives in `self`, so this does not happen.
            Err(_) => std::future::pending().await,
        }
    }
}
