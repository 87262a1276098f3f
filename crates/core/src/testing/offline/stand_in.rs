//! The provider that stands in for others: what a schema says of a type is all that it knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use super::{Answer, Offline, invent::invent};
use crate::{
    Changes, Check, Deletion, FoundBy, ResourceType, Settling,
    identity::{Address, Identity, ResourceId},
    provider::{
        BoxFuture, CreateFailure, ErrorKind, Handler, LookupHandler, Provider, ProviderError, Seen,
        SeenRef,
    },
    resource::Lifecycle,
    value::{Map, Value},
};

/// The objects, by identity; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects(Arc<Mutex<BTreeMap<ResourceId, Seen>>>);

impl Objects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a type itself knows, beside its schema, and needs no cloud for.
pub(super) trait Judge: Send + Sync {
    fn resource_type(&self) -> &'static ResourceType;
    fn validate(&self, check: &mut Check<'_>);
    fn upgrade(&self, version: u32, row: Seen) -> Result<Seen, String>;
    /// Outputs of the right types.
    fn invent(&self, stem: &str) -> Result<Value, String>;
}

pub(super) struct TypedJudge<R>(PhantomData<fn() -> R>);

impl<R> Default for TypedJudge<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<R: Lifecycle> Judge for TypedJudge<R> {
    fn resource_type(&self) -> &'static ResourceType {
        R::TYPE
    }
    fn validate(&self, check: &mut Check<'_>) {
        R::validate(check);
    }
    fn upgrade(&self, version: u32, row: Seen) -> Result<Seen, String> {
        if version >= R::TYPE.version {
            return Ok(row);
        }
        let (inputs, outputs) = R::upgrade(version, row.inputs, row.outputs)?;
        Ok(Seen { inputs, outputs })
    }
    fn invent(&self, stem: &str) -> Result<Value, String> {
        let outputs: R::Outputs = invent(stem).map_err(|error| error.to_string())?;
        Value::from_data(&outputs).map_err(|error| error.to_string())
    }
}

pub(super) struct StandIn {
    name: String,
    handlers: BTreeMap<&'static str, Double>,
    lookups: BTreeMap<&'static str, Oracle>,
}

/// A type that is stood in for.
struct Double {
    of: &'static ResourceType,
    objects: Objects,
    judge: Option<Arc<dyn Judge>>,
    model: Option<Arc<dyn Provider>>,
    outputs: BTreeMap<(Address, String), Value>,
}

/// A lookup that the test answers.
struct Oracle {
    kind: &'static str,
    answer: Option<Answer>,
}

impl StandIn {
    pub(super) const NAME: &'static str = "offline";
}

impl Offline {
    pub(super) fn stand_in(
        &self,
        name: String,
        kinds: &BTreeMap<&'static str, &'static ResourceType>,
        lookups: &BTreeSet<&'static str>,
    ) -> StandIn {
        // What was applied before may be of types that the program no longer has.
        let known = self.judges.values().map(|judge| judge.resource_type());
        let seen = self.types();
        let all = kinds.values().copied().chain(known).chain(seen.iter().copied());
        let all: BTreeMap<&'static str, &'static ResourceType> =
            all.map(|of| (of.kind, of)).collect();
        self.remember(all.values().copied());
        let double = |of: &'static ResourceType| Double {
            of,
            objects: self.objects.clone(),
            judge: self.judges.get(of.kind).cloned(),
            model: self.models.iter().find(|model| model.handler(of.kind).is_some()).cloned(),
            outputs: self.outputs.clone(),
        };
        let handlers = all.into_iter().map(|(kind, of)| (kind, double(of))).collect();
        let oracle =
            |kind: &'static str| (kind, Oracle { kind, answer: self.answers.get(kind).cloned() });
        StandIn { name, handlers, lookups: lookups.iter().copied().map(oracle).collect() }
    }
}

impl Provider for StandIn {
    fn name(&self) -> &str {
        &self.name
    }
    fn handler(&self, kind: &str) -> Option<&dyn Handler> {
        self.handlers.get(kind).map(|double| double as &dyn Handler)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler> {
        self.lookups.get(kind).map(|oracle| oracle as &dyn LookupHandler)
    }
    fn target(&self) -> Value {
        Value::Null
    }
    fn consistency_window(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

impl LookupHandler for Oracle {
    fn look_up<'a>(&'a self, query: &'a Value) -> BoxFuture<'a, Result<Value, ProviderError>> {
        let unanswered = || {
            let message = "no test answers this lookup: tell `Offline::answer` what it finds";
            Err(message.to_owned())
        };
        let answer = self.answer.as_ref().map_or_else(unanswered, |answer| answer(query));
        let answer =
            answer.map_err(|message| ProviderError::new(ErrorKind::NotFound, self.kind, message));
        Box::pin(std::future::ready(answer))
    }
}

impl Double {
    /// A name for the object that is the same in every run: `vpc-0a1b2c3d` for `aws:ec2/vpc`.
    fn stem(&self, identity: &Identity, n: usize) -> String {
        let short = self.of.kind.rsplit(['/', ':']).next().unwrap_or(self.of.kind);
        let digest = Sha256::new()
            .chain_update(identity.address.as_str())
            .chain_update(n.to_le_bytes())
            .finalize();
        let digits: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{short}-{digits}")
    }

    fn outputs(
        &self,
        identity: &Identity,
        inputs: &Value,
        before: Option<&Value>,
    ) -> Result<Value, ProviderError> {
        let schema = self.of.outputs;
        let n = self.objects.lock().len();
        let stem = self.stem(identity, n);
        let invented = self.judge.as_ref().map(|judge| judge.invent(&stem));
        let mut outputs = Map::new();
        for field in schema.fields {
            let told = self.outputs.get(&(identity.address.clone(), field.name.to_owned()));
            let old = before.and_then(|before| before.get(field.name)).cloned();
            let value = match (told, old) {
                (Some(told), _) => told.clone(),
                _ if field.echo => inputs.get(field.name).cloned().unwrap_or_default(),
                (None, Some(old)) => old,
                _ if field.name == schema.id => stem.as_str().into(),
                _ => match &invented {
                    Some(Ok(Value::Map(made))) => made.get(field.name).cloned().unwrap_or_default(),
                    Some(Err(message)) => return Err(self.cannot(identity, field.name, message)),
                    _ => format!("{stem}.{}", field.name).into(),
                },
            };
            outputs.insert(field.name, value);
        }
        Ok(Value::Map(outputs))
    }

    fn cannot(&self, identity: &Identity, field: &str, message: &str) -> ProviderError {
        let message = format!(
            "no outputs can be made up for it ({message}): tell `Offline::output(\"{}\", \"{field}\", ..)`",
            identity.address
        );
        ProviderError::new(ErrorKind::Provider, self.of.kind, message)
    }

    fn model(&self) -> Option<&dyn Handler> {
        self.model.as_ref().and_then(|model| model.handler(self.of.kind))
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Handler for Double {
    fn resource_type(&self) -> &'static ResourceType {
        self.of
    }
    fn found_by(&self) -> FoundBy {
        FoundBy::Tag
    }
    fn find<'a>(
        &'a self,
        identity: &'a Identity,
        _: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        ready(Ok(self.objects.lock().get(&identity.id).cloned()))
    }
    fn read<'a>(
        &'a self,
        identity: &'a Identity,
        _: &'a Seen,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        ready(Ok(self.objects.lock().get(&identity.id).cloned()))
    }
    fn list<'a>(
        &'a self,
        among: &'a [SeenRef<'a>],
    ) -> BoxFuture<'a, Result<Vec<Seen>, ProviderError>> {
        let id = self.of.outputs.id;
        let wanted: BTreeSet<&str> =
            among.iter().filter_map(|seen| seen.outputs.get(id)?.as_str()).collect();
        let there = |seen: &&Seen| {
            seen.outputs.get(id).and_then(Value::as_str).is_some_and(|id| wanted.contains(id))
        };
        ready(Ok(self.objects.lock().values().filter(there).cloned().collect()))
    }
    fn create<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Value, CreateFailure>> {
        let made = self.outputs(identity, inputs, None);
        ready(match made {
            Ok(outputs) => {
                let seen = Seen { inputs: inputs.clone(), outputs: outputs.clone() };
                self.objects.lock().insert(identity.id, seen);
                Ok(outputs)
            }
            Err(error) => Err(CreateFailure { error, partial: None }),
        })
    }
    fn settle<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Settling, ProviderError>> {
        let seen = self.objects.lock().get(&identity.id).cloned();
        ready(Ok(Settling::Ready(seen.unwrap_or_else(|| known.clone()))))
    }
    fn update<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
        inputs: &'a Value,
        changes: &'a Changes,
    ) -> BoxFuture<'a, Result<Value, ProviderError>> {
        let mut before = known.outputs.clone();
        if let Value::Map(before) = &mut before {
            // What this change computes again is another value now.
            let again = self
                .of
                .outputs
                .fields
                .iter()
                .filter(|field| field.recomputed_by.iter().any(|input| changes.touches(input)));
            let again: Vec<&str> = again.map(|field| field.name).collect();
            let kept = std::mem::take(before);
            *before = kept
                .iter()
                .filter(|(name, _)| !again.contains(&name.as_ref()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
        }
        let outputs = self.outputs(identity, inputs, Some(&before));
        if let Ok(outputs) = &outputs {
            let seen = Seen { inputs: inputs.clone(), outputs: outputs.clone() };
            self.objects.lock().insert(identity.id, seen);
        }
        ready(outputs)
    }
    fn delete<'a>(
        &'a self,
        identity: &'a Identity,
        _: &'a Seen,
    ) -> BoxFuture<'a, Result<Deletion, ProviderError>> {
        self.objects.lock().remove(&identity.id);
        ready(Ok(Deletion::Done))
    }
    fn validate(&self, check: &mut Check<'_>) {
        match (&self.judge, self.model()) {
            (Some(judge), _) => judge.validate(check),
            (None, Some(model)) => model.validate(check),
            (None, None) => {}
        }
    }
    fn upgrade(&self, version: u32, row: Seen) -> Result<Seen, String> {
        match (&self.judge, self.model()) {
            (Some(judge), _) => judge.upgrade(version, row),
            (None, Some(model)) => model.upgrade(version, row),
            (None, None) => Ok(row),
        }
    }
}
