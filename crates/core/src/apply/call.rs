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
    value::{
        Value,
        mask::{masked, secrets},
    },
};

/// What is asked of a provider.
#[derive(Clone)]
pub(super) enum Ask {
    Look { known: Seen },
    Claim { known: Seen },
    Create { inputs: Value },
    Update { known: Seen, inputs: Value, changes: Changes },
    Settle { known: Seen },
    Delete { known: Seen },
    LookUp { query: Value },
}

/// What came of it.
pub(super) enum Answer {
    Looked(Result<Option<Seen>, ProviderError>),
    Claimed(Result<(), ProviderError>),
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

impl Answer {
    /// The same, without the secrets that were given.
    fn masked(self, given: &[String]) -> Self {
        if given.is_empty() {
            return self;
        }
        let mask = |error: ProviderError| error.masked(given);
        match self {
            Answer::Created(answer) => Answer::Created(answer.map_err(|failure| CreateFailure {
                error: mask(failure.error),
                partial: failure.partial,
            })),
            Answer::Updated(answer) => Answer::Updated(answer.map_err(mask)),
            Answer::Settled(answer) => Answer::Settled(answer.map_err(mask)),
            Answer::Deleted(answer) => Answer::Deleted(answer.map_err(mask)),
            Answer::LookedUp(answer) => Answer::LookedUp(answer.map_err(mask)),
            Answer::Looked(answer) => Answer::Looked(answer.map_err(mask)),
            Answer::Claimed(answer) => Answer::Claimed(answer.map_err(mask)),
            other => other,
        }
    }

    /// Whether the service did what it was asked.
    pub(super) fn is_taken(&self) -> bool {
        match self {
            Answer::Created(answer) => answer.is_ok(),
            Answer::Updated(answer) => answer.is_ok(),
            Answer::Settled(answer) => answer.is_ok(),
            Answer::Deleted(answer) => answer.is_ok(),
            Answer::LookedUp(answer) => answer.is_ok(),
            Answer::Looked(answer) => answer.is_ok(),
            Answer::Claimed(answer) => answer.is_ok(),
            Answer::Hooked(..) | Answer::OutOfTime | Answer::Panicked(_) => false,
        }
    }

    /// What the service refused with; nothing where it did not, or was not asked.
    pub(super) fn error(&self) -> Option<&ProviderError> {
        match self {
            Answer::Created(answer) => answer.as_ref().err().map(|failure| &failure.error),
            Answer::Updated(answer) => answer.as_ref().err(),
            Answer::Settled(answer) => answer.as_ref().err(),
            Answer::Deleted(answer) => answer.as_ref().err(),
            Answer::LookedUp(answer) => answer.as_ref().err(),
            Answer::Looked(answer) => answer.as_ref().err(),
            Answer::Claimed(answer) => answer.as_ref().err(),
            Answer::Hooked(..) | Answer::OutOfTime | Answer::Panicked(_) => None,
        }
    }
}

/// A message from a call to the dispatcher.
pub(super) struct Message {
    pub(super) step: StepId,
    pub(super) answer: Answer,
}

pub(super) type Pending = BoxFuture<'static, Message>;

impl Ask {
    /// The secrets that the provider is given with it.
    fn secrets(&self) -> Vec<String> {
        let (known, inputs) = match self {
            Ask::Create { inputs } => (None, Some(inputs)),
            Ask::Update { known, inputs, .. } => (Some(known), Some(inputs)),
            Ask::Look { known }
            | Ask::Claim { known }
            | Ask::Settle { known }
            | Ask::Delete { known } => (Some(known), None),
            Ask::LookUp { query } => (None, Some(query)),
        };
        let known = known.into_iter().flat_map(|known| [&known.inputs, &known.outputs]);
        let given: Vec<&Value> = known.chain(inputs).filter(|value| value.has_secret()).collect();
        secrets(given.into_iter())
    }

    /// What is waited for after this was asked.
    pub(super) fn awaited(&self) -> &'static str {
        match self {
            Ask::Look { .. } => "a look at it",
            Ask::Claim { .. } => "it to be marked as ours",
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
        // Whoever is given a secret may quote it, in an error or in a panic.
        let given = ask.secrets();
        let call = caught(answer(&*provider, &kind, &identity, ask));
        let answer = match timeout_at(deadline, call).await {
            Ok(Ok(answer)) => answer.masked(&given),
            Ok(Err(panic)) => Answer::Panicked(masked(panic, &given)),
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
        (Ask::Look { known }, Some(handler)) => {
            Answer::Looked(handler.read(identity, &known).await)
        }
        (Ask::Look { .. }, None) => Answer::Looked(Err(missing())),
        (Ask::Claim { known }, Some(handler)) => {
            Answer::Claimed(handler.claim(identity, &known).await)
        }
        (Ask::Claim { .. }, None) => Answer::Claimed(Err(missing())),
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
