//! What the author of a resource type writes.
//!
//! A resource is a plain serde struct of inputs and another of outputs; [`Lifecycle`] is how it is
//! read, made, changed and removed. Nothing late-bound reaches a provider: by the time one of these
//! is called, every input is known.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    check::Check,
    child::{Child, Managed, Parent},
    declare::ResourceRef,
    identity::Identity,
    provider::{ErrorKind, ProviderError},
    schema::{OutputSchema, ResourceType, Schema},
    value::{Path, Value},
};

/// A managed type: its inputs are the struct's own fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    note = "add `#[derive(Resource)]` with `#[resource(kind = \"provider:service/type\", outputs = ...)]`"
)]
pub trait Resource: Inputs + Send + Sync + 'static {
    /// The type, as data.
    const TYPE: &'static ResourceType;
    /// What the provider reports once the resource exists.
    type Outputs: Outputs;
}

/// A struct of inputs: a resource's own, or one nested in it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of inputs",
    note = "add `#[derive(Inputs)]`"
)]
pub trait Inputs: Serialize + DeserializeOwned + Clone {
    /// Its fields.
    const SCHEMA: &'static Schema;
}

/// The values a resource reports once it exists.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of outputs",
    note = "add `#[derive(Outputs)]`, and mark one field `#[output(id)]`"
)]
pub trait Outputs: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Its fields.
    const SCHEMA: &'static OutputSchema;
    /// The late-bound twin: the same fields, each an [`Output`](crate::Output).
    type Handle;
    /// Makes the handle of the resource `of`.
    fn handle(of: ResourceRef) -> Self::Handle;
}

/// A question to the cloud whose answer is recorded, and pinned until it is asked again on purpose.
pub trait Lookup: Inputs + Send + Sync + 'static {
    /// The lookup's name, as `provider:service/name`.
    const KIND: &'static str;
    /// The names that it had before: answers that are recorded under one of them stay.
    const FORMERLY: &'static [&'static str] = &[];
    /// What is answered.
    type Answer: Outputs;
    /// What the calls are made with.
    type Client: Send + Sync + 'static;
    /// Asks. Must only read.
    fn look_up(
        client: &Self::Client,
        query: &Self,
    ) -> impl Future<Output = Result<Self::Answer, ProviderError>> + Send;
}

/// How an object is found again after a crash, when its create may or may not have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// The service takes a client token: the same create again gives the same object.
    ClientToken,
    /// The create call itself sets the ownership tag `formwork:id`.
    Tag,
    /// The inputs name it: a route is its table and its destination.
    NaturalKey,
}

/// The verbs of a resource type. Each one must be idempotent: it may be called again after a crash
/// at any point of the first call.
///
/// Plain `async fn` in the impl. Verbs do not wait for slow things: they say `Pending` and are
/// called again, so that a machine that boots for minutes holds no slot.
pub trait Lifecycle: Resource {
    /// What the calls are made with.
    type Client: Send + Sync + 'static;

    /// How [`Lifecycle::find`] knows the object.
    const FOUND_BY: FoundBy;

    /// Looks for the object that `identity` was going to create; `None` if it is not there. Called
    /// only after a crash, and before `None` is believed the service's consistency window has passed.
    fn find(
        cx: &Context<'_, Self::Client>,
        inputs: &Self,
    ) -> impl Future<Output = Result<Option<Observed<Self>>, ProviderError>> + Send;

    /// Looks at one object; `None` if it is gone.
    fn read(
        cx: &Context<'_, Self::Client>,
        known: &Known<Self>,
    ) -> impl Future<Output = Result<Option<Observed<Self>>, ProviderError>> + Send;

    /// Looks at many objects in as few calls as the API allows. May report others too; one that is
    /// missing from the answer is asked for by [`Lifecycle::read`] before it counts as gone.
    fn list(
        client: &Self::Client,
        among: &[Known<Self>],
    ) -> impl Future<Output = Result<Vec<Observed<Self>>, ProviderError>> + Send;

    /// Makes it, and returns as soon as it has an id.
    ///
    /// A crash before the effect leaves an intent that [`Lifecycle::find`] resolves to nothing; a
    /// crash after it, one that resolves to the object.
    fn create(
        cx: &Context<'_, Self::Client>,
        inputs: &Self,
    ) -> impl Future<Output = Result<Self::Outputs, CreateError<Self>>> + Send;

    /// Looks whether a created or changed object is ready for its dependents. The default reads it
    /// once, and waits while it can not be seen yet.
    ///
    /// An error that does not pass is a verdict: the object will not be ready. One that never was
    /// counts as incomplete then, and the next plan replaces it, or resumes it where the type can.
    /// One that was ready before it was changed is kept: the next plan compares it with what is
    /// wanted, sends again what is missing, and looks again.
    fn settle(
        cx: &Context<'_, Self::Client>,
        known: &Known<Self>,
    ) -> impl Future<Output = Result<Settled<Self>, ProviderError>> + Send {
        async move {
            Ok(match Self::read(cx, known).await? {
                Some(observed) => Settled::Ready(observed),
                None => Settled::Pending(Duration::from_millis(500)),
            })
        }
    }

    /// Changes it in place, to `inputs`; `changes` says which fields differ from what is there.
    fn update(
        cx: &Context<'_, Self::Client>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> impl Future<Output = Result<Self::Outputs, ProviderError>> + Send;

    /// Removes it. Of what is gone already the removal is [`Deletion::Done`].
    fn delete(
        cx: &Context<'_, Self::Client>,
        known: &Known<Self>,
    ) -> impl Future<Output = Result<Deletion, ProviderError>> + Send;

    /// Looks for an object that exists already: for an import or for
    /// [`Scope::existing`](crate::Scope::existing) by its id, for an adoption by what its inputs
    /// name. Only reads; called at plan. There is no [`Identity`](crate::Identity) yet, for the object is not ours.
    ///
    /// [`By::Id`] is the id that a user of the type would write, which may be another than the one
    /// in its outputs: a route has none, and is named by its table and destination. What [`By::Inputs`]
    /// names is found only by a name that the inputs say and that no two objects share; where they
    /// say none the answer is `None`. Inputs that are not known yet are absent.
    ///
    /// The default refuses: objects of the type can be made, and not be taken over.
    fn locate(
        client: &Self::Client,
        by: By<'_, Self>,
    ) -> impl Future<Output = Result<Option<Observed<Self>>, ProviderError>> + Send {
        let _ = client;
        let message = match by {
            By::Id(_) => "objects of this type can not be found by an id, nor imported",
            By::Inputs(_) => "objects of this type can not be found by their inputs, nor adopted",
        };
        let kind = Self::TYPE.kind;
        async move { Err(ProviderError::new(ErrorKind::Invalid, kind, message)) }
    }

    /// Marks an object that is taken over as ours: with the ownership tag, where the type has one.
    /// Called only at apply, after its row is durable, and again after a crash. An error that does
    /// not pass leaves the row, and the next run goes on from there. The default does nothing.
    fn claim(
        cx: &Context<'_, Self::Client>,
        known: &Known<Self>,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send {
        let _ = (cx, known);
        async { Ok(()) }
    }

    /// The types whose objects this type's objects belong to; none, unless a type says so.
    ///
    /// A plan that looks at everything asks [`Self::list_children`] for what belongs to the objects
    /// that are managed, and reports what no row has ([`Unmanaged`](crate::Unmanaged)).
    const PARENTS: &'static [Parent] = &[];

    /// Looks for all objects of this type that belong to `parents`, which are of the types in
    /// [`Self::PARENTS`], in as few calls as the API allows. Must only read.
    ///
    /// What the cloud makes by itself, such as a local route, is not told, nor is what a parent
    /// declares inline. A parent that is gone has no children.
    fn list_children(
        client: &Self::Client,
        parents: &[Managed<'_>],
    ) -> impl Future<Output = Result<Vec<Child<Self>>, ProviderError>> + Send {
        let _ = (client, parents);
        async { Ok(Vec::new()) }
    }

    /// Reports what is wrong with a declaration, before anything is done. Unknown fields are absent.
    fn validate(check: &mut Check<'_>) {
        let _ = check;
    }

    /// Brings a row written by an older version of this type to the current shape.
    ///
    /// # Errors
    /// When `version` is newer than this program knows, or too old to understand.
    fn upgrade(version: u32, inputs: Value, outputs: Value) -> Result<(Value, Value), String> {
        let _ = version;
        Ok((inputs, outputs))
    }
}

/// How an object is named that exists already.
#[derive(Debug)]
pub enum By<'a, R> {
    /// By its id.
    Id(&'a str),
    /// By what these inputs say of it: its name, or whatever no two objects have in common.
    Inputs(&'a R),
}

impl<R> Clone for By<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for By<'_, R> {}

/// What a call is made with, and for whom.
#[derive(Debug)]
pub struct Context<'a, C> {
    /// The provider's client.
    pub client: &'a C,
    /// Who the object is: for tokens, tags and generated names.
    pub identity: &'a Identity,
}

/// What the record says of an object.
#[derive(Clone, Debug)]
pub struct Known<R: Resource> {
    /// The inputs it was last given.
    pub inputs: R,
    /// The outputs it last reported.
    pub outputs: R::Outputs,
}

/// What an object really is.
#[derive(Clone, Debug)]
pub struct Observed<R: Resource> {
    /// Its state, in the shape of the inputs that would bring it about.
    pub inputs: R,
    /// Its outputs.
    pub outputs: R::Outputs,
}

/// Whether an object is ready for its dependents.
#[derive(Clone)]
pub enum Settled<R: Resource> {
    /// It is, and this is what it is.
    Ready(Observed<R>),
    /// Not yet; ask again after this long.
    Pending(Duration),
}

/// How far a removal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// It is going; call again after this long.
    Pending(Duration),
}

/// A create that failed, with what it made all the same.
pub struct CreateError<R: Resource> {
    /// What went wrong.
    pub error: ProviderError,
    /// The object that exists now although the create did not finish. Its id is never lost.
    pub partial: Option<R::Outputs>,
}

impl<R: Resource> From<ProviderError> for CreateError<R> {
    fn from(error: ProviderError) -> Self {
        Self { error, partial: None }
    }
}

impl<R: Resource> CreateError<R> {
    /// A failure after the object came to be.
    pub fn partial(error: ProviderError, outputs: R::Outputs) -> Self {
        Self { error, partial: Some(outputs) }
    }
}

impl<R: Resource> fmt::Debug for CreateError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateError")
            .field("error", &self.error)
            .field("partial", &self.partial.is_some())
            .finish()
    }
}

/// Which fields an update is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<Path>);

impl Changes {
    /// The given paths.
    #[must_use]
    pub fn new(paths: Vec<Path>) -> Self {
        Self(paths)
    }

    /// Whether the top-level field `name`, or anything in it, changes.
    #[must_use]
    pub fn touches(&self, name: &str) -> bool {
        self.0.iter().any(|path| path.top() == name)
    }

    /// The paths.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.0
    }
}
