//! The provider of the modelled cloud as a [`World`](super::World) has it: it answers wrongly where
//! it was told to.

use std::{collections::BTreeMap, sync::Arc};

use super::{Cloud, Fault};
use crate::{
    Changes, Check, Deletion, FoundBy, Identity, ResourceType, Settling,
    provider::{
        BoxFuture, CreateFailure, Handler, LookupHandler, Provider, ProviderError, Registry, Seen,
        SeenRef,
    },
    value::Value,
};

/// A provider whose answers are those of a registry, or wrong ones.
pub(super) struct Distorted {
    inner: Arc<Registry<Cloud>>,
    handlers: BTreeMap<&'static str, Wrong>,
}

struct Wrong {
    kind: &'static str,
    inner: Arc<Registry<Cloud>>,
    cloud: Cloud,
}

impl Distorted {
    pub(super) fn new(inner: Registry<Cloud>, cloud: &Cloud) -> Self {
        let inner = Arc::new(inner);
        let wrong = |kind| (kind, Wrong { kind, inner: inner.clone(), cloud: cloud.clone() });
        let handlers = inner.kinds().map(wrong).collect();
        Self { inner, handlers }
    }
}

impl Wrong {
    fn inner(&self) -> &dyn Handler {
        // Every kind was taken from this registry.
        self.inner.handler(self.kind).unwrap_or_else(|| unreachable!("{} is there", self.kind))
    }

    fn distort(&self, identity: &Identity, outputs: Value) -> Value {
        let Some(fault) = self.cloud.wrong_answer(identity.address.as_str()) else {
            return outputs;
        };
        let Value::Map(mut outputs) = outputs else { return outputs };
        match fault {
            Fault::NoAnswer => return Value::Null,
            Fault::EmptyId => {
                outputs.insert(self.resource_type().outputs.id, "");
            }
            Fault::OtherValue => {
                outputs.insert("label", "what nobody asked for");
            }
            _ => {
                outputs.insert("label", Value::List(vec![Value::from(1), Value::from(true)]));
            }
        }
        Value::Map(outputs)
    }
}

impl Provider for Distorted {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn handler(&self, kind: &str) -> Option<&dyn Handler> {
        self.handlers.get(kind).map(|handler| handler as &dyn Handler)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler> {
        self.inner.lookup(kind)
    }
    fn target(&self) -> Value {
        Provider::target(&*self.inner)
    }
    fn consistency_window(&self) -> std::time::Duration {
        Provider::consistency_window(&*self.inner)
    }
}

impl Handler for Wrong {
    fn resource_type(&self) -> &'static ResourceType {
        self.inner().resource_type()
    }
    fn found_by(&self) -> FoundBy {
        self.inner().found_by()
    }
    fn find<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        self.inner().find(identity, inputs)
    }
    fn read<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Option<Seen>, ProviderError>> {
        self.inner().read(identity, known)
    }
    fn list<'a>(
        &'a self,
        among: &'a [SeenRef<'a>],
    ) -> BoxFuture<'a, Result<Vec<Seen>, ProviderError>> {
        self.inner().list(among)
    }
    fn create<'a>(
        &'a self,
        identity: &'a Identity,
        inputs: &'a Value,
    ) -> BoxFuture<'a, Result<Value, CreateFailure>> {
        Box::pin(async move {
            let outputs = self.inner().create(identity, inputs).await?;
            Ok(self.distort(identity, outputs))
        })
    }
    fn settle<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Settling, ProviderError>> {
        Box::pin(async move {
            Ok(match self.inner().settle(identity, known).await? {
                Settling::Ready(mut seen) => {
                    seen.outputs = self.distort(identity, seen.outputs);
                    Settling::Ready(seen)
                }
                pending @ Settling::Pending(_) => pending,
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
            let outputs = self.inner().update(identity, known, inputs, changes).await?;
            Ok(self.distort(identity, outputs))
        })
    }
    fn delete<'a>(
        &'a self,
        identity: &'a Identity,
        known: &'a Seen,
    ) -> BoxFuture<'a, Result<Deletion, ProviderError>> {
        self.inner().delete(identity, known)
    }
    fn validate(&self, check: &mut Check<'_>) {
        self.inner().validate(check);
    }
    fn check_outputs(&self, outputs: &Value) -> Result<(), String> {
        self.inner().check_outputs(outputs)
    }
    fn upgrade(&self, version: u32, row: Seen) -> Result<Seen, String> {
        self.inner().upgrade(version, row)
    }
}
