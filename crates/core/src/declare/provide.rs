//! Providers that a program brings along: made when something first goes through them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    panics::caught_now,
    provider::{Handler, LookupHandler, Provider},
    value::Value,
};

/// A provider by a name of the program's own, made on its first use.
struct Brought<P, F> {
    name: String,
    make: F,
    /// Nothing where making it panicked: then it has no type, and whoever needs one is told so.
    made: OnceLock<Option<P>>,
}

pub(super) fn brought<P: Provider + 'static>(
    name: String,
    make: impl Fn() -> P + Send + Sync + 'static,
) -> Arc<dyn Provider> {
    Arc::new(Brought { name, make, made: OnceLock::new() })
}

impl<P: Provider, F: Fn() -> P + Send + Sync> Brought<P, F> {
    fn made(&self) -> Option<&P> {
        self.made.get_or_init(|| caught_now(|| (self.make)()).ok()).as_ref()
    }
}

impl<P: Provider, F: Fn() -> P + Send + Sync> Provider for Brought<P, F> {
    fn name(&self) -> &str {
        &self.name
    }
    fn handler(&self, kind: &str) -> Option<&dyn Handler> {
        self.made()?.handler(kind)
    }
    fn lookup(&self, kind: &str) -> Option<&dyn LookupHandler> {
        self.made()?.lookup(kind)
    }
    fn child_kinds(&self) -> Vec<&'static str> {
        self.made().map_or_else(Vec::new, Provider::child_kinds)
    }
    fn target(&self) -> Value {
        self.made().map_or(Value::Null, Provider::target)
    }
    fn consistency_window(&self) -> Duration {
        self.made().map_or(Duration::ZERO, Provider::consistency_window)
    }
}
