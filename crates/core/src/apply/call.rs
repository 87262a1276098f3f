//! One call to a provider, as a message: what is asked, and what came of it.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::{
    hook::{ErrorAction, HookPoint},
    identity::Identity,
    panics::caught,
    plan::StepId,
    provider::{
        BoxFuture, CreateFailure, ErrorKind, Handler, Provider, ProviderError, Seen, Settling,
    },
    resource::{Changes, Deletion},
    value::Value,
};

/// What is asked of a provider.
#[derive(Clone)]
pub(super) enum Ask {
    Create { inputs: Value },
    Update { known: Seen, inputs: Value, changes: Changes },
    Settle { known: Seen },
    Delete { known: Seen },
    LookUp { query: Value },
}

/// What came of it.
pub(super) enum Answer {
    Created(Result<Value, CreateFailure>),
    Updated(Result<Value, ProviderError>),
    Settled(Result<Settling, ProviderError>),
    Deleted(Result<Deletion, ProviderError>),
    LookedUp(Result<Value, ProviderError>),
    /// Hooks of the step ended: what they want done, or the one that failed and why.
    Hooked(HookPoint, Result<ErrorAction, (String, String)>),
    /// There is none: the step's time was over, and the call was dropped.
    OutOfTime,
    /// There is none: the provider panicked.
    Panicked(String),
}

/// A message from a call to the dispatcher.
pub(super) struct Message {
    pub(super) step: StepId,
    pub(super) answer: Answer,
}

pub(super) type Pending = BoxFuture<'static, Message>;

impl Ask {
    /// What is waited for after this was asked.
    pub(super) fn awaited(&self) -> &'static str {
        match self {
            Ask::Create { .. } => "an answer to its create",
            Ask::Update { .. } => "an answer to its update",
            Ask::Settle { .. } => "it to be ready",
            Ask::Delete { .. } => "it to be gone",
            Ask::LookUp { .. } => "its answer",
        }
    }
}

/// Makes the call, drops it at `deadline`, and lets no panic of the provider out. The future owns all it needs, so that the
/// dispatcher keeps its hands free.
pub(super) fn call(
    step: StepId,
    provider: Arc<dyn Provider>,
    kind: String,
    identity: Identity,
    ask: Ask,
    deadline: Instant,
) -> Pending {
    Box::pin(async move {
        let call = caught(answer(&*provider, &kind, &identity, ask));
        let answer = match timeout_at(deadline, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => Answer::Panicked(panic),
            Err(_) => Answer::OutOfTime,
        };
        Message { step, answer }
    })
}

async fn answer(provider: &dyn Provider, kind: &str, identity: &Identity, ask: Ask) -> Answer {
    let missing = || {
        let message = format!("the provider `{}` no longer has `{kind}`", provider.name());
        ProviderError::new(ErrorKind::Provider, "formwork", message)
    };
    if let Ask::LookUp { query } = &ask {
        return Answer::LookedUp(match provider.lookup(kind) {
            Some(lookup) => lookup.look_up(query).await,
            None => Err(missing()),
        });
    }
    let handler: Option<&dyn Handler> = provider.handler(kind);
    match (ask, handler) {
        (Ask::Create { inputs }, Some(handler)) => {
            Answer::Created(handler.create(identity, &inputs).await)
        }
        (Ask::Create { .. }, None) => {
            Answer::Created(Err(CreateFailure { error: missing(), partial: None }))
        }
        (Ask::Update { known, inputs, changes }, Some(handler)) => {
            Answer::Updated(handler.update(identity, &known, &inputs, &changes).await)
        }
        (Ask::Update { .. }, None) => Answer::Updated(Err(missing())),
        (Ask::Settle { known }, Some(handler)) => {
            Answer::Settled(handler.settle(identity, &known).await)
        }
        (Ask::Settle { .. }, None) => Answer::Settled(Err(missing())),
        (Ask::Delete { known }, Some(handler)) => {
            Answer::Deleted(handler.delete(identity, &known).await)
        }
        (Ask::Delete { .. }, None) => Answer::Deleted(Err(missing())),
        (Ask::LookUp { .. }, _) => Answer::LookedUp(Err(missing())),
    }
}
