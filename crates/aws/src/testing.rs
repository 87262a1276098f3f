//! The laws that every resource type obeys, checked on whatever cloud a provider points to.
//!
//! Compiled always and used by nothing that runs in earnest: the tests of this crate run the laws on
//! the sandbox, the conformance suite runs them on an emulator too. A law that is broken panics, and
//! says which type, which verb and what differs.

use std::{fmt::Debug, time::Duration};

use formwork_core::{
    Address, By, Changes, Context, Deletion, Field, FoundBy, Identity, Known, Lifecycle, Observed,
    OutputField, Outputs, Resource, ResourceId, Seed, Settled,
    value::{Path, Value},
};
#[cfg(test)]
use formwork_sandbox::Sandbox;

use crate::{Aws, Clients};

/// How often a slow verb is called again, and how long after: a minute in all.
const ATTEMPTS: u32 = 1200;
const WAIT: Duration = Duration::from_millis(50);

/// Something that a cloud which stands in for AWS does not do, and why that is known.
#[derive(Clone, Copy, Debug)]
pub struct Lack {
    /// The type it is about.
    pub kind: &'static str,
    /// What is not done.
    pub what: Lacking,
    /// How that is known.
    pub why: &'static str,
}

/// What a cloud does not do for a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// It does not have the type.
    Type,
    /// It does not give this input back as it was sent.
    Input(&'static str),
    /// It reports this output differently from time to time.
    Output(&'static str),
    /// It does not change this input of an object: versions that differ in it are left out.
    Update(&'static str),
    /// It does not find objects of the type by their tag or token.
    Find,
    /// It does not remove objects of the type when it says so.
    Delete,
}

/// The laws, for one cloud.
#[derive(Clone, Copy, Debug)]
pub struct Laws<'a> {
    aws: &'a Aws,
    lacks: &'a [Lack],
}

impl<'a> Laws<'a> {
    /// All laws.
    #[must_use]
    pub fn of(aws: &'a Aws) -> Self {
        Self { aws, lacks: &[] }
    }

    /// All laws but what the cloud lacks.
    #[must_use]
    pub fn lenient(aws: &'a Aws, lacks: &'a [Lack]) -> Self {
        Self { aws, lacks }
    }

    /// The cloud that they are checked on.
    #[must_use]
    pub fn aws(&self) -> &'a Aws {
        self.aws
    }

    fn lacks<R: Resource>(&self, what: Lacking) -> bool {
        self.lacks.iter().any(|lack| lack.kind == R::TYPE.kind && lack.what == what)
    }

    fn lacks_update<R: Resource>(&self, field: &str) -> bool {
        self.lacks.iter().any(|lack| {
            let is_it = matches!(lack.what, Lacking::Update(lacking) if lacking == field);
            lack.kind == R::TYPE.kind && is_it
        })
    }

    /// Creates the `n`th object, waits until it is ready, and checks that what was sent came back.
    pub async fn ready<R: Lifecycle<Client = Clients>>(&self, n: u64, inputs: R) -> Known<R> {
        let identity = identity(n);
        let cx = self.context(&identity);
        let outputs = must::<R, _, _>("create", R::create(&cx, &inputs).await);
        self.settled(&cx, Known { inputs, outputs }).await
    }

    /// Takes the `n`th object through its life: it is created as the first of `versions`, looked at
    /// by all verbs that look, and brought by an update in place to each next version in turn.
    ///
    /// # Panics
    /// When a law is broken, there is no version, or a version needs a new object.
    pub async fn lives<R: Lifecycle<Client = Clients>>(
        &self,
        n: u64,
        versions: impl IntoIterator<Item = R>,
    ) -> Known<R> {
        let mut versions = versions.into_iter();
        let Some(first) = versions.next() else { panic!("no version of {}", R::TYPE.kind) };
        let mut known = self.ready(n, first).await;
        let identity = identity(n);
        let cx = self.context(&identity);
        self.seen(&cx, &known).await;
        self.is_nobody_elses(&cx, n, &known).await;
        must::<R, _, _>("claim", R::claim(&cx, &known).await);
        self.seen(&cx, &known).await;
        for inputs in versions {
            let changes = changes::<R>(&known.inputs, &inputs);
            must_update_in_place::<R>(&changes);
            if changes.paths().iter().any(|path| self.lacks_update::<R>(path.top())) {
                continue;
            }
            let outputs = R::update(&cx, &known, &inputs, &changes).await;
            let outputs = must::<R, _, _>("update", outputs);
            let next = self.settled(&cx, Known { inputs, outputs }).await;
            self.outputs_stay(&known, &next, &changes);
            self.seen(&cx, &next).await;
            known = next;
        }
        known
    }

    /// Removes the object, and checks that it is gone for all verbs that look, and that to remove it
    /// again does no harm.
    ///
    /// # Panics
    /// When a law is broken.
    pub async fn dies<R: Lifecycle<Client = Clients>>(&self, n: u64, known: Known<R>) {
        let identity = identity(n);
        let cx = self.context(&identity);
        let kind = R::TYPE.kind;
        self.gone(&cx, &known).await;
        if self.lacks::<R>(Lacking::Delete) {
            return;
        }
        let read = must::<R, _, _>("read", R::read(&cx, &known).await);
        assert!(read.is_none(), "{kind}: it is read although it was deleted");
        if !self.lacks::<R>(Lacking::Find) {
            let found = must::<R, _, _>("find", R::find(&cx, &known.inputs).await);
            assert!(found.is_none(), "{kind}: it is found although it was deleted");
        }
        let listed =
            must::<R, _, _>("list", R::list(cx.client, std::slice::from_ref(&known)).await);
        let is_it = |seen: &Observed<R>| id::<R>(&seen.outputs) == id::<R>(&known.outputs);
        assert!(!listed.iter().any(is_it), "{kind}: it is listed although it was deleted");
        self.gone(&cx, &known).await;
    }

    fn context<'i>(&self, identity: &'i Identity) -> Context<'i, Clients>
    where
        'a: 'i,
    {
        Context { client: &**self.aws.clients(), identity }
    }

    async fn settled<R: Lifecycle<Client = Clients>>(
        &self,
        cx: &Context<'_, Clients>,
        known: Known<R>,
    ) -> Known<R> {
        for _ in 0..ATTEMPTS {
            match must::<R, _, _>("settle", R::settle(cx, &known).await) {
                Settled::Ready(observed) => {
                    self.same_inputs("settle", &known, &observed);
                    return Known { inputs: known.inputs, outputs: observed.outputs };
                }
                Settled::Pending(_) => tokio::time::sleep(WAIT).await,
            }
        }
        panic!("{}: settle: it never became ready", R::TYPE.kind);
    }

    async fn gone<R: Lifecycle<Client = Clients>>(
        &self,
        cx: &Context<'_, Clients>,
        known: &Known<R>,
    ) {
        for _ in 0..ATTEMPTS {
            match must::<R, _, _>("delete", R::delete(cx, known).await) {
                Deletion::Done => return,
                Deletion::Pending(_) => tokio::time::sleep(WAIT).await,
            }
        }
        panic!("{}: delete: it never was done", R::TYPE.kind);
    }

    /// All verbs that look see the same object.
    async fn seen<R: Lifecycle<Client = Clients>>(
        &self,
        cx: &Context<'_, Clients>,
        known: &Known<R>,
    ) {
        let read = must::<R, _, _>("read", R::read(cx, known).await);
        self.same("read", known, read.as_ref());
        if !self.lacks::<R>(Lacking::Find) {
            let found = must::<R, _, _>("find", R::find(cx, &known.inputs).await);
            self.same("find", known, found.as_ref());
        }
        let own = id::<R>(&known.outputs);
        let by = By::Id(own.as_str().unwrap_or_default());
        let located = must::<R, _, _>("locate", R::locate(cx.client, by).await);
        let located = located.map(|seen| id::<R>(&seen.outputs));
        assert_eq!(located, Some(own), "{}: it is not located by its own id", R::TYPE.kind);
        let listed = must::<R, _, _>("list", R::list(cx.client, std::slice::from_ref(known)).await);
        let is_it = |seen: &&Observed<R>| id::<R>(&seen.outputs) == id::<R>(&known.outputs);
        self.same("list", known, listed.iter().find(is_it));
        let none = must::<R, _, _>("list", R::list(cx.client, &[]).await);
        drop(none);
    }

    /// An object that is known by its tag or token is not found for another identity.
    async fn is_nobody_elses<R: Lifecycle<Client = Clients>>(
        &self,
        cx: &Context<'_, Clients>,
        n: u64,
        known: &Known<R>,
    ) {
        // An emulator may answer a question for what is not there with an error.
        if let Ok(located) = R::locate(cx.client, By::Id("no-such-0")).await {
            assert!(located.is_none(), "{}: locate finds what is not there", R::TYPE.kind);
        }
        if R::FOUND_BY == FoundBy::NaturalKey || self.lacks::<R>(Lacking::Find) {
            return;
        }
        let identity = identity(n + 1_000_000);
        let other = Context { client: cx.client, identity: &identity };
        let found = must::<R, _, _>("find", R::find(&other, &known.inputs).await);
        assert!(found.is_none(), "{}: find takes an object for another's", R::TYPE.kind);
    }

    /// An update leaves the outputs as they are, but those that the schema says it changes.
    fn outputs_stay<R: Resource>(&self, before: &Known<R>, after: &Known<R>, changes: &Changes) {
        let may_change = |field: &OutputField| {
            field.recomputed_by.iter().any(|input| changes.touches(input))
                || (field.echo && changes.touches(field.name))
        };
        for field in differing::<R>(&before.outputs, &after.outputs) {
            assert!(
                may_change(field) || self.lacks::<R>(Lacking::Output(field.name)),
                "{}: update: the output {} changed, which its schema does not say: {changes:?}",
                R::TYPE.kind,
                field.name,
            );
        }
    }

    fn same<R: Resource>(&self, verb: &str, known: &Known<R>, seen: Option<&Observed<R>>) {
        let kind = R::TYPE.kind;
        let Some(seen) = seen else { panic!("{kind}: {verb}: it is not seen") };
        self.same_inputs(verb, known, seen);
        for field in differing::<R>(&known.outputs, &seen.outputs) {
            assert!(
                self.lacks::<R>(Lacking::Output(field.name)),
                "{kind}: {verb}: the output {} is not what settle saw: {} and {}",
                field.name,
                value(&known.outputs),
                value(&seen.outputs),
            );
        }
    }

    /// What is there is what was sent, as far as the schema says that it must be.
    fn same_inputs<R: Resource>(&self, verb: &str, known: &Known<R>, seen: &Observed<R>) {
        let sent = value(&known.inputs);
        let there = value(&seen.inputs);
        let differ = changes::<R>(&known.inputs, &seen.inputs);
        let counts = |path: &&Path| {
            R::SCHEMA.fields.iter().find(|field| field.name == path.top()).is_some_and(|field| {
                let unset = sent.get(field.name).is_none_or(Value::is_null);
                let free = field.write_only || (field.defaulted && unset);
                !free && !self.lacks::<R>(Lacking::Input(field.name))
            })
        };
        let at = |path: &Path, of: &Value| path.of(of).cloned().unwrap_or_default();
        let words = |path: &Path| {
            format!(
                "{path} was sent as {:?} and is seen as {:?}",
                at(path, &sent),
                at(path, &there)
            )
        };
        let differ: Vec<String> = differ.paths().iter().filter(counts).map(words).collect();
        assert!(differ.is_empty(), "{}: {verb}: {}", R::TYPE.kind, differ.join("; "));
    }
}

/// The identity of the `n`th object of a test.
#[must_use]
pub fn identity(n: u64) -> Identity {
    Identity {
        id: ResourceId::derive(&Seed::fixed(1), n),
        stack: "test".into(),
        address: Address::new(format!("object-{n}")),
    }
}

/// A provider on `sandbox`.
#[cfg(test)]
pub(crate) async fn aws(sandbox: &Sandbox) -> Aws {
    Aws::builder()
        .region("eu-west-1")
        .credentials("test", "test", None)
        .http_client(sandbox.http_client())
        .consistency_window(Duration::ZERO)
        .default_tag("team", "platform")
        .connect()
        .await
        .unwrap()
}

/// [`Laws::ready`].
#[cfg(test)]
pub(crate) async fn ready<R>(aws: &Aws, n: u64, inputs: R) -> Known<R>
where
    R: Lifecycle<Client = Clients>,
{
    Laws::of(aws).ready(n, inputs).await
}

/// [`Laws::lives`].
#[cfg(test)]
pub(crate) async fn lives<R>(aws: &Aws, n: u64, versions: impl IntoIterator<Item = R>) -> Known<R>
where
    R: Lifecycle<Client = Clients>,
{
    Laws::of(aws).lives(n, versions).await
}

/// [`Laws::dies`].
#[cfg(test)]
pub(crate) async fn dies<R>(aws: &Aws, n: u64, known: Known<R>)
where
    R: Lifecycle<Client = Clients>,
{
    Laws::of(aws).dies(n, known).await;
}

fn must<R: Resource, T, E: Debug>(verb: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{}: {verb}: {error:?}", R::TYPE.kind),
    }
}

fn must_update_in_place<R: Resource>(changes: &Changes) {
    for path in changes.paths() {
        let replaces = R::SCHEMA.field(path.top()).is_some_and(|field| field.replace);
        assert!(!replaces, "{}: to change {path} needs a new object", R::TYPE.kind);
    }
}

fn value<T: serde::Serialize>(data: &T) -> Value {
    match Value::from_data(data) {
        Ok(value) => value,
        Err(error) => panic!("it has no value: {error}"),
    }
}

fn id<R: Resource>(outputs: &R::Outputs) -> Value {
    value(outputs).get(<R::Outputs as Outputs>::SCHEMA.id).cloned().unwrap_or_default()
}

fn differing<R: Resource>(
    one: &R::Outputs,
    other: &R::Outputs,
) -> impl Iterator<Item = &'static OutputField> {
    let (one, other) = (value(one), value(other));
    let fields = <R::Outputs as Outputs>::SCHEMA.fields.iter();
    fields.filter(move |field| one.get(field.name) != other.get(field.name))
}

/// The fields in which `new` differs from `old`, each with its members where it is a map.
fn changes<R: Resource>(old: &R, new: &R) -> Changes {
    let (old, new) = (value(old), value(new));
    let mut paths = Vec::new();
    for field in R::SCHEMA.fields {
        let (old, new) =
            (canonical(field, old.get(field.name)), canonical(field, new.get(field.name)));
        if old == new || (is_empty(&old) && is_empty(&new)) {
            continue;
        }
        match (&old, &new) {
            (Value::Map(a), Value::Map(b)) if field.nested.is_none() => {
                let keys = a.iter().chain(b.iter()).map(|(key, _)| key);
                let mut keys: Vec<_> = keys.filter(|key| a.get(key) != b.get(key)).collect();
                keys.sort();
                keys.dedup();
                let field = Path::field(field.name);
                let inside = |key: &formwork_core::value::Key| {
                    field.join(formwork_core::value::Segment::Key(key.clone()))
                };
                paths.extend(keys.into_iter().map(inside));
            }
            _ => paths.push(Path::field(field.name)),
        }
    }
    Changes::new(paths)
}

fn canonical(field: &Field, value: Option<&Value>) -> Value {
    match value.cloned().unwrap_or_default() {
        Value::List(mut items) if field.unordered => {
            items.sort_by_key(ToString::to_string);
            Value::List(items)
        }
        Value::String(text) if field.json => {
            let document = serde_json::from_str::<serde_json::Value>(&text);
            Value::String(document.map_or(text, |document| document.to_string()))
        }
        Value::String(text) if field.case_insensitive => Value::String(text.to_ascii_lowercase()),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}
