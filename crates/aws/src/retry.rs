//! Bounded patience with eventual consistency, where AWS documents it.
//!
//! Verbs do not wait for slow things; but an object that was just made may not yet be known to the
//! API host that answers the next call, and that call then fails although nothing is wrong.

use std::time::Duration;

use formwork_core::{ErrorKind, ProviderError};
use tokio::time::{Instant, sleep};

use crate::client::Clients;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Calls again while what the call names is said not to exist, for the provider's consistency
/// window: all that it names was settled before, so it does exist.
///
/// <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
pub(crate) async fn while_unseen<T, F>(
    clients: &Clients,
    call: impl FnMut() -> F,
) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    while_failing(clients, |error| error.kind == ErrorKind::NotFound, call).await
}

/// Calls again while `passing` says that the failure will pass, for the provider's consistency
/// window.
pub(crate) async fn while_failing<T, F>(
    clients: &Clients,
    passing: impl Fn(&ProviderError) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    let end = Instant::now() + clients.consistency_window();
    let mut wait = FIRST_WAIT;
    loop {
        match call().await {
            Err(error) if passing(&error) && Instant::now() + wait <= end => {
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            result => return result,
        }
    }
}

/// How long a create waits with what it still has to do to an object that exists, in all.
const LONGEST_FINISH: Duration = Duration::from_secs(10 * 60);

/// Does what a create has to do to an object that exists already, and again while the service asks to
/// slow down: else the create would have failed half way, for want of patience. `rest` sets what it
/// sets, however often it is called.
pub(crate) async fn while_throttled<T, F>(mut rest: impl FnMut() -> F) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    let end = Instant::now() + LONGEST_FINISH;
    let mut wait = FIRST_WAIT;
    loop {
        match rest().await {
            Err(error) if error.kind == ErrorKind::Throttled => {
                let pause = error.retry_after.map_or(wait, |after| after.max(wait));
                if Instant::now() + pause > end {
                    return Err(error);
                }
                sleep(pause).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            result => return result,
        }
    }
}
