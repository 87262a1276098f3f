//! Applying a plan, with progress and the two stages of an interrupt.

use std::future::IntoFuture;

use formwork_core::{CancelToken, Live, Plan};

use super::{Run, Session};
use crate::{error::CliError, progress::Progress};

impl Run<'_> {
    /// Applies `plan` and shows how it goes.
    pub(crate) async fn apply(&self, session: &Session, plan: Plan) -> Result<Live, CliError> {
        let progress = Progress::start(&self.console, plan.summary());
        let result = self.apply_to(session, plan, Some(&progress)).await;
        progress.finish();
        result
    }

    /// Applies a plan that changes nothing in the cloud.
    pub(crate) async fn apply_silently(
        &self,
        session: &Session,
        plan: Plan,
    ) -> Result<Live, CliError> {
        self.apply_to(session, plan, None).await
    }

    async fn apply_to(
        &self,
        session: &Session,
        plan: Plan,
        progress: Option<&Progress>,
    ) -> Result<Live, CliError> {
        let cancel = CancelToken::new();
        let mut request = session.engine.apply(plan).cancel(cancel.clone());
        request = request.continue_on_error(self.flags.continue_on_error);
        if let Some(progress) = progress {
            request = request.events(progress.sink());
        }
        let mut interrupts = self.interrupts.clone();
        let cancelling = async {
            for n in 1..=2 {
                interrupts.reach(n).await;
                cancel.cancel();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = request.into_future() => done.map_err(|error| self.apply_error(error)),
            () = cancelling => Err(CliError::Cancelled),
        }
    }
}
