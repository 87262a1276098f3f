//! Panics in the code of others: a provider's bug ends its call, and not the run.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::FutureExt;

use crate::provider::{ErrorKind, ProviderError};

/// The future's result, or what it panicked with. What a panic leaves half done belongs to the
/// provider: the engine shares nothing with a call that it could find broken.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| text(&*panic))
}

/// The same for what is no future.
pub(crate) fn caught_now<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| text(&*panic))
}

/// What the panic of a provider is told as.
pub(crate) fn provider_bug(kind: ErrorKind, operation: &str, panic: &str) -> ProviderError {
    ProviderError::new(kind, operation.to_owned(), bug(panic))
}

/// The words for it.
pub(crate) fn bug(panic: &str) -> String {
    format!("the provider panicked, which is a bug in it: {panic}")
}

/// The message of a panic.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
