//! Code of the program that runs around the verbs of a resource.
//!
//! A resource names its hooks, and the engine knows them by name: a name can be recorded, so what is
//! to run when a resource goes is known when the program no longer declares it.
//!
//! A hook before a verb may run more than once: what it comes before was not done when a run was cut
//! off. One after a verb runs once at most: when the object was recorded as done, a run that is cut
//! off there does not come back to it. No hook runs while a plan is made, but for those that the
//! program wants to ([`EngineBuilder::dry_run`](crate::EngineBuilder::dry_run)).

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    identity::{Address, ResourceId},
    provider::{BoxFuture, ProviderError},
    value::Value,
};

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HookPoint {
    /// Before the object is made. If the hook fails it is not, and nothing is recorded.
    BeforeCreate,
    /// When the object is ready for the first time. If the hook fails the object is recorded as it
    /// is, and what depends on it is not started in this run.
    AfterCreate,
    /// Before the object is changed in place. If the hook fails it is not.
    BeforeUpdate,
    /// When the object is ready after a change. If the hook fails the change is recorded, and what
    /// depends on it is not started in this run.
    AfterUpdate,
    /// Before the object is removed, also by a replacement. If the hook fails it is not.
    BeforeDelete,
    /// When the object is gone. If the hook fails its record is gone all the same.
    AfterDelete,
    /// When a verb failed for good, with a definite answer. The hook says whether to try again; of
    /// a call whose effect is not known it is not asked, for the next run has to look first.
    OnError,
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HookPoint::BeforeCreate => "before its create",
            HookPoint::AfterCreate => "after its create",
            HookPoint::BeforeUpdate => "before its update",
            HookPoint::AfterUpdate => "after its update",
            HookPoint::BeforeDelete => "before its delete",
            HookPoint::AfterDelete => "after its delete",
            HookPoint::OnError => "on an error",
        })
    }
}

/// What a hook is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HookCall {
    /// The stack.
    pub stack: Arc<str>,
    /// The resource.
    pub address: Address,
    /// Its type.
    pub kind: String,
    /// The object.
    pub id: ResourceId,
    /// When this is.
    pub point: HookPoint,
    /// The inputs: as they are to be before a create or an update, and else as they are. Secrets
    /// among them are secrets here too.
    pub inputs: Value,
    /// What the object reports; null where there is none yet.
    pub outputs: Value,
    /// What went wrong, for [`HookPoint::OnError`].
    pub error: Option<ProviderError>,
    /// How often this hook has asked for another try in this run.
    pub retries: u32,
    /// Whether this only shows what a run would do: nothing was done before it, and nothing will be
    /// after it. Values may be unknown then.
    pub dry_run: bool,
}

/// What is done about an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorAction {
    /// The step fails with it.
    #[default]
    Fail,
    /// The call is made again, 100 times at most.
    Retry,
}

type Call = dyn Fn(HookCall) -> BoxFuture<'static, Result<ErrorAction, String>> + Send + Sync;

/// The hooks that an engine knows.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    calls: HashMap<String, Arc<Call>>,
    /// Those that run while a plan is made, too.
    dry: HashSet<String>,
}

impl Hooks {
    /// Adds a hook; returns whether the name was free.
    pub(crate) fn add<F, E>(
        &mut self,
        name: String,
        hook: impl Fn(HookCall) -> F + Send + Sync + 'static,
    ) -> bool
    where
        F: Future<Output = Result<ErrorAction, E>> + Send + 'static,
        E: fmt::Display,
    {
        let call = move |call: HookCall| -> BoxFuture<'static, _> {
            let done = hook(call);
            Box::pin(async move { done.await.map_err(|error| error.to_string()) })
        };
        self.calls.insert(name, Arc::new(call)).is_none()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Call>> {
        self.calls.get(name).cloned()
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.calls.contains_key(name)
    }

    /// Lets the hook of this name run while a plan is made, too.
    pub(crate) fn dry_run(&mut self, name: String) {
        self.dry.insert(name);
    }

    /// Whether some hook does.
    pub(crate) fn any_dry(&self) -> bool {
        !self.dry.is_empty()
    }

    pub(crate) fn runs_dry(&self, name: &str) -> bool {
        self.dry.contains(name)
    }

    /// The first name that is to run while a plan is made, and that no hook has.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.dry.iter().map(String::as_str).filter(|name| !self.knows(name)).min()
    }
}

/// A hook that a step would run, and that the engine does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingHook {
    /// The resource.
    pub address: Address,
    /// When it would run.
    pub point: HookPoint,
    /// Its name.
    pub name: String,
}

impl fmt::Display for MissingHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`, {}", self.address, self.name, self.point)
    }
}

/// A hook that runs while a plan is made, and said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedHook {
    /// The resource.
    pub address: Address,
    /// When it would run.
    pub point: HookPoint,
    /// Its name.
    pub name: String,
    /// What it said.
    pub why: String,
}

impl fmt::Display for FailedHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`, {}: {}", self.address, self.name, self.point, self.why)
    }
}
