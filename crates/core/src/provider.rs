//! The two faces of a provider: typed for its author, object-safe for the engine.

use std::{
    borrow::Cow, collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    check::Check,
    child::{Managed, Parent, SeenChild},
    declare::Options,
    identity::Identity,
    plan::mark_outputs,
    resource::{
        By, Changes, Context, CreateError, Deletion, FoundBy, Known, Lifecycle, Lookup, Observed,
        Settled,
    },
    schema::ResourceType,
    state::Record,
    value::{Value, mask::masked},
};

/// A boxed future, as the object-safe half of a provider returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What kind of failure a call met: it decides what the engine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object, or one it names, does not exist.
    NotFound,
    /// Something of that name or key exists already.
    Conflict,
    /// Others still use it.
    InUse,
    /// The service asks to slow down.
    Throttled,
    /// The credentials are missing, expired or not allowed to.
    Denied,
    /// The request is wrong, and will be next time.
    Invalid,
    /// The service has no room now: an instance type, a quota.
    Capacity,
    /// A passing failure, after a definite answer.
    Transient,
    /// No definite answer: the effect may or may not have happened. The intent stays open, and the
    /// next run looks.
    Ambiguous,
    /// It took longer than its timeout.
    Timeout,
    /// The provider broke its own contract.
    Provider,
    /// Anything else that is a definite answer.
    Other,
}

/// What a provider call failed with.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[error("{operation}: {message}{}{}", with(" (", code, ")"), with(" [request ", request_id, "]"))]
pub struct ProviderError {
    /// What the engine makes of it.
    pub kind: ErrorKind,
    /// The API operation, such as `ec2:CreateVpc`.
    pub operation: Cow<'static, str>,
    /// The service's own words.
    pub message: String,
    /// The service's code, such as `VpcLimitExceeded`.
    pub code: Option<String>,
    /// The service's request id, for its support.
    pub request_id: Option<String>,
    /// How long the service asks to wait before the next try: for what is throttled or passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

fn with(before: &str, text: &Option<String>, after: &str) -> String {
    text.as_ref().map_or_else(String::new, |text| format!("{before}{text}{after}"))
}

impl ProviderError {
    /// An error with a kind and words, and nothing more.
    pub fn new(
        kind: ErrorKind,
        operation: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            operation: operation.into(),
            message: message.into(),
            code: None,
            request_id: None,
            retry_after: None,
        }
    }
}

impl ProviderError {
    /// This error without the secrets that its provider was given, should it quote one.
    pub(crate) fn masked(mut self, secrets: &[String]) -> Self {
        self.message = masked(self.message, secrets);
        self.code = self.code.map(|code| masked(code, secrets));
        self
    }
}

/// An object as a provider sees it, untyped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its state, in the shape of the inputs.
    pub inputs: Value,
    /// Its outputs.
    pub outputs: Value,
}

/// A [`Seen`] that lies elsewhere, such as in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenRef<'a> {
    /// The state, in the shape of the inputs.
    pub inputs: &'a Value,
    /// The outputs.
    pub outputs: &'a Value,
}

impl<'a> From<&'a Seen> for SeenRef<'a> {
    fn from(seen: &'a Seen) -> Self {
        Self { inputs: &seen.inputs, outputs: &seen.outputs }
    }
}

impl SeenRef<'_> {
    /// A copy of its own.
    #[must_use]
    pub fn to_seen(self) -> Seen {
        Seen { inputs: self.inputs.clone(), outputs: self.outputs.clone() }
    }
}

/// Untyped [`Settled`].
#[derive(Clone, Debug, PartialEq)]
pub enum Settling {
    /// Ready, and what it is.
    Ready(Seen),
    /// Not yet; ask again after this long.
    Pending(Duration),
}

/// Untyped [`CreateError`].
#[derive(Clone, Debug)]
pub struct CreateFailure {
    /// What went wrong.
    pub error: ProviderError,
    /// The outputs of what exists all the same.
    pub partial: Option<Value>,
}

/// What the engine sees of one resource type. [`Registry::with`] makes one of any [`Lifecycle`].
pub trait Handler: Send + Sync {
    /// The type, as data.
    fn resource_type(&self) -> &'static ResourceType;
    /// See [`Lifecycle::FOUND_BY`].
    fn found_by(&self) -> FoundBy;
    /// See [`Lifecycle::find`].
    fn find<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>>;
    /// See [`Lifecycle::read`].
    fn read<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>>;
    /// See [`Lifecycle::list`].
    fn list<'a>(
        &'a self,
        among: &'a [SeenRef<'a>],
    ) -> BoxFuture<'a, Result<Vec<Seen>, ProviderError>>;
    /// See [`Lifecycle::create`].
    fn create<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Value, CreateFailure>>;
    /// See [`Lifecycle::settle`].
    fn settle<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Settling, ProviderError>>;
    /// See [`Lifecycle::update`].
    fn update<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
        inputs: &'a Value,
        changes: &'a Changes,
    ) -> BoxFuture<'a, Result<Value, ProviderError>>;
    /// See [`Lifecycle::delete`].
    fn delete<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Deletion, ProviderError>>;
    /// See [`Lifecycle::locate`]. Of inputs that are not known the type sees nothing; where it can
    /// not do without them the answer is `None`.
    fn locate<'a>(
        &'a self,
        by: By<'a, Value>,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>>;
    /// See [`Lifecycle::claim`].
    fn claim<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<(), ProviderError>>;
    /// See [`Lifecycle::PARENTS`].
    fn parents(&self) -> &'static [Parent] {
        &[]
    }
    /// See [`Lifecycle::list_children`].
    fn list_children<'a>(
        &'a self,
        parents: &'a [Managed<'a>],
    ) -> BoxFuture<'a, Result<Vec<SeenChild>, ProviderError>> {
        let _ = parents;
        Box::pin(async { Ok(Vec::new()) })
    }
    /// See [`Lifecycle::validate`].
    fn validate(&self, check: &mut Check<'_>);
    /// Says what is wrong with outputs that a verb reported: a record of them must be readable by the
    /// next run.
    ///
    /// # Errors
    /// When they do not have this type's shape.
    fn check_outputs(&self, outputs: &Value) -> Result<(), String> {
        let _ = outputs;
        Ok(())
    }
    /// See [`Lifecycle::upgrade`](Lifecycle::upgrade).
    ///
    /// # Errors
    /// When the row can not be brought to this program's shape.
    fn upgrade(&self, version: u32, row: Seen) -> Result<Seen, String>;
}

/// What the engine sees of one lookup.
pub trait LookupHandler: Send + Sync {
    /// See [`Lookup::look_up`].
    fn look_up<'a>(&'a self, query: &'a Value) -> BoxFuture<'a, Result<Value, ProviderError>>;
}

/// A named set of handlers that share where they point.
pub trait Provider: Send + Sync {
    /// The name that records refer to it by, such as `aws`.
    fn name(&self) -> &str;
    /// The handler of `kind`, if this provider has one; also by a name that the type had before
    /// ([`ResourceType::formerly`]), unless another type has that now.
    fn handler(&self, kind: &str) -> Option<&dyn Handler>;
    /// The handler of the lookup `kind`, if this provider has one.
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler>;
    /// The types that have [`Handler::parents`]: what is looked for where nobody declares it.
    fn child_kinds(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// Where it points, such as account, region and endpoint; never credentials.
    fn target(&self) -> Value;
    /// How long after a create the service may not show the object yet. Only after it is an object
    /// that can not be found believed to be absent.
    fn consistency_window(&self) -> Duration;
}

/// A [`Provider`] made of [`Lifecycle`] types that share a client.
pub struct Registry<C> {
    name: String,
    client: Arc<C>,
    target: Value,
    window: Duration,
    handlers: BTreeMap<&'static str, Box<dyn Handler>>,
    lookups: BTreeMap<&'static str, Box<dyn LookupHandler>>,
    /// Names that types had before, with those that they have.
    former: BTreeMap<&'static str, &'static str>,
}

impl<C: Send + Sync + 'static> Registry<C> {
    /// An empty provider over `client`.
    pub fn new(name: impl Into<String>, client: Arc<C>) -> Self {
        Self {
            name: name.into(),
            client,
            target: Value::Null,
            window: Duration::ZERO,
            handlers: BTreeMap::new(),
            lookups: BTreeMap::new(),
            former: BTreeMap::new(),
        }
    }

    /// Sets [`Provider::target`].
    #[must_use]
    pub fn target(mut self, target: Value) -> Self {
        self.target = target;
        self
    }

    /// Sets [`Provider::consistency_window`].
    #[must_use]
    pub fn consistency_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Adds the resource type `R`.
    #[must_use]
    pub fn with<R: Lifecycle<Client = C>>(mut self) -> Self {
        let existing = Existing::<R> { client: self.client.clone() };
        self.lookups.insert(R::TYPE.existing, Box::new(existing));
        for former in R::TYPE.formerly {
            self.former.insert(former, R::TYPE.kind);
        }
        let typed = Typed::<R> { client: self.client.clone() };
        self.handlers.insert(R::TYPE.kind, Box::new(typed));
        self
    }

    /// The kinds of the resource types that it has, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().copied()
    }

    /// Adds the lookup `L`.
    #[must_use]
    pub fn with_lookup<L: Lookup<Client = C>>(mut self) -> Self {
        let typed = TypedLookup::<L> { client: self.client.clone() };
        self.lookups.insert(L::KIND, Box::new(typed));
        self
    }
}

impl<C: Send + Sync + 'static> Provider for Registry<C> {
    fn name(&self) -> &str {
        &self.name
    }
    fn handler(&self, kind: &str) -> Option<&dyn Handler> {
        let handler = self.handlers.get(kind);
        let former = || self.handlers.get(self.former.get(kind)?);
        handler.or_else(former).map(AsRef::as_ref)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler> {
        self.lookups.get(kind).map(AsRef::as_ref)
    }
    fn child_kinds(&self) -> Vec<&'static str> {
        let children = self.handlers.iter().filter(|(_, handler)| !handler.parents().is_empty());
        children.map(|(kind, _)| *kind).collect()
    }
    fn target(&self) -> Value {
        self.target.clone()
    }
    fn consistency_window(&self) -> Duration {
        self.window
    }
}

/// The blanket bridge from typed to object-safe.
struct Typed<R: Lifecycle> {
    client: Arc<R::Client>,
}

fn decode<T: DeserializeOwned>(
    kind: &'static str,
    what: &str,
    value: &Value,
) -> Result<T, ProviderError> {
    value.to_data().map_err(|error| {
        let message = format!("the {what} do not have this type's shape: {error}");
        ProviderError::new(ErrorKind::Provider, kind, message)
    })
}

fn encode<T: Serialize>(kind: &'static str, value: &T) -> Result<Value, ProviderError> {
    Value::from_data(value).map_err(|error| {
        ProviderError::new(
            ErrorKind::Provider,
            kind,
            format!("what it reported has no value: {error}"),
        )
    })
}

impl<R: Lifecycle> Typed<R> {
    fn context<'a>(&'a self, identity: &'a Identity) -> Context<'a, R::Client> {
        Context { client: &self.client, identity }
    }

    fn known<'a>(known: impl Into<SeenRef<'a>>) -> Result<Known<R>, ProviderError> {
        let known = known.into();
        Ok(Known {
            inputs: decode(R::TYPE.kind, "recorded inputs", known.inputs)?,
            outputs: decode(R::TYPE.kind, "recorded outputs", known.outputs)?,
        })
    }

    fn seen(observed: &Observed<R>) -> Result<Seen, ProviderError> {
        Ok(Seen {
            inputs: encode(R::TYPE.kind, &observed.inputs)?,
            outputs: encode(R::TYPE.kind, &observed.outputs)?,
        })
    }
}

impl<R: Lifecycle> Handler for Typed<R> {
    fn resource_type(&self) -> &'static ResourceType {
        R::TYPE
    }

    fn found_by(&self) -> FoundBy {
        R::FOUND_BY
    }

    fn find<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        Box::pin(async move {
            let inputs: R = decode(R::TYPE.kind, "inputs", inputs)?;
            let found = R::find(&self.context(identity), &inputs).await?;
            found.as_ref().map(Self::seen).transpose()
        })
    }

    fn read<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        Box::pin(async move {
            let read = R::read(&self.context(identity), &Self::known(known)?).await?;
            read.as_ref().map(Self::seen).transpose()
        })
    }

    fn list<'a>(
        &'a self,
        among: &'a [SeenRef<'a>],
    ) -> BoxFuture<'a, Result<Vec<Seen>, ProviderError>> {
        Box::pin(async move {
            let among: Vec<Known<R>> =
                among.iter().map(|known| Self::known(*known)).collect::<Result<_, _>>()?;
            R::list(&self.client, &among).await?.iter().map(Self::seen).collect()
        })
    }

    fn create<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Value, CreateFailure>> {
        Box::pin(async move {
            let failure = |error| CreateFailure { error, partial: None };
            let inputs: R = decode(R::TYPE.kind, "inputs", inputs).map_err(failure)?;
            match R::create(&self.context(identity), &inputs).await {
                // The object is there, though what it reported is unusable: the intent must stay open.
                Ok(outputs) => encode(R::TYPE.kind, &outputs).map_err(|error| {
                    failure(ProviderError { kind: ErrorKind::Ambiguous, ..error })
                }),
                Err(CreateError { error, partial }) => Err(CreateFailure {
                    error,
                    partial: partial.as_ref().and_then(|o| encode(R::TYPE.kind, o).ok()),
                }),
            }
        })
    }

    fn settle<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Settling, ProviderError>> {
        Box::pin(async move {
            Ok(match R::settle(&self.context(identity), &Self::known(known)?).await? {
                Settled::Ready(observed) => Settling::Ready(Self::seen(&observed)?),
                Settled::Pending(after) => Settling::Pending(after),
            })
        })
    }

    fn update<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
        inputs: &'a Value,
        changes: &'a Changes,
    ) -> BoxFuture<'a, Result<Value, ProviderError>> {
        Box::pin(async move {
            let inputs: R = decode(R::TYPE.kind, "inputs", inputs)?;
            let known = Self::known(known)?;
            let outputs = R::update(&self.context(identity), &known, &inputs, changes).await?;
            encode(R::TYPE.kind, &outputs)
        })
    }

    fn delete<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Deletion, ProviderError>> {
        Box::pin(async move { R::delete(&self.context(identity), &Self::known(known)?).await })
    }

    fn locate<'a>(
        &'a self,
        by: By<'a, Value>,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        Box::pin(async move {
            let located = match by {
                By::Id(id) => R::locate(&self.client, By::Id(id)).await?,
                By::Inputs(inputs) => match inputs.clone().without_unknowns().to_data() {
                    Ok(inputs) => R::locate(&self.client, By::Inputs(&inputs)).await?,
                    // It needs what is not known yet, so there can be no such object.
                    Err(_) => None,
                },
            };
            located.as_ref().map(Self::seen).transpose()
        })
    }

    fn claim<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move { R::claim(&self.context(identity), &Self::known(known)?).await })
    }

    fn parents(&self) -> &'static [Parent] {
        R::PARENTS
    }

    fn list_children<'a>(
        &'a self,
        parents: &'a [Managed<'a>],
    ) -> BoxFuture<'a, Result<Vec<SeenChild>, ProviderError>> {
        Box::pin(async move {
            let children = R::list_children(&self.client, parents).await?;
            let seen = children.into_iter().map(|child| {
                let seen = Self::seen(&child.observed)?;
                Ok(SeenChild { seen, owner: child.owner, goes_along: child.goes_along })
            });
            seen.collect()
        })
    }

    fn validate(&self, check: &mut Check<'_>) {
        R::validate(check);
    }

    fn check_outputs(&self, outputs: &Value) -> Result<(), String> {
        outputs.to_data::<R::Outputs>().map(drop).map_err(|error| error.to_string())
    }

    fn upgrade(&self, version: u32, row: Seen) -> Result<Seen, String> {
        if version > R::TYPE.version {
            return Err(format!(
                "it was written by a newer program: version {version} of `{}`, and this program knows up to {}",
                R::TYPE.kind,
                R::TYPE.version
            ));
        }
        if version == R::TYPE.version {
            return Ok(row);
        }
        let (inputs, outputs) = R::upgrade(version, row.inputs, row.outputs)?;
        Ok(Seen { inputs, outputs })
    }
}

/// Reads objects that others own.
struct Existing<R: Lifecycle> {
    client: Arc<R::Client>,
}

impl<R: Lifecycle> LookupHandler for Existing<R> {
    fn look_up<'a>(&'a self, query: &'a Value) -> BoxFuture<'a, Result<Value, ProviderError>> {
        Box::pin(async move {
            let kind = R::TYPE.kind;
            let error = |error, message: String| ProviderError::new(error, kind, message);
            let id = query.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| {
                error(ErrorKind::Invalid, "its id is not set; expected text".to_owned())
            })?;
            let located = R::locate(&self.client, By::Id(id)).await?;
            let located = located.ok_or_else(|| {
                error(ErrorKind::NotFound, format!("there is no object with the id {id:?}"))
            })?;
            let outputs = encode(kind, &located.outputs)?;
            match physical_id(R::TYPE, &outputs) {
                Some(_) => Ok(mark_outputs(R::TYPE, &Value::Null, outputs)),
                None => Err(error(ErrorKind::Provider, "it was reported without an id".to_owned())),
            }
        })
    }
}

/// The provider that a lookup asks: the one that its options name, if that has it, or the first of
/// the `defaults` that has.
pub(crate) fn asked<'p>(
    providers: &'p [Arc<dyn Provider>],
    defaults: usize,
    kind: &str,
    options: &Options,
) -> Option<&'p Arc<dyn Provider>> {
    let can = |provider: &&Arc<dyn Provider>| provider.lookup(kind).is_some();
    let mut named = providers.iter().filter(|p| Some(p.name()) == options.provider.as_deref());
    named.find(can).or_else(|| providers.iter().take(defaults).find(can))
}

struct TypedLookup<L: Lookup> {
    client: Arc<L::Client>,
}

impl<L: Lookup> LookupHandler for TypedLookup<L> {
    fn look_up<'a>(&'a self, query: &'a Value) -> BoxFuture<'a, Result<Value, ProviderError>> {
        Box::pin(async move {
            let query: L = decode(L::KIND, "inputs", query)?;
            encode(L::KIND, &L::look_up(&self.client, &query).await?)
        })
    }
}

/// What tells the object of a row from all others: its provider, type and own id. Two rows may name
/// the same one where its key comes from its inputs and its create does not mind that it is there.
pub(crate) fn object_of<'r>(
    of: &ResourceType,
    row: &'r Record,
) -> Option<(&'r str, &'r str, &'r str)> {
    Some((&row.provider, &row.kind, physical_id(of, &row.outputs)?))
}

/// Reads the object's own id out of its outputs.
pub(crate) fn physical_id<'v>(of: &ResourceType, outputs: &'v Value) -> Option<&'v str> {
    outputs.get(of.outputs.id)?.as_str().filter(|id| !id.is_empty())
}
