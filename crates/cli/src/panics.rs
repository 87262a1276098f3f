//! Panics, made presentable: caught where they are expected, and never shown as a backtrace.
//!
//! A panic in the user's closure is a message with its place. One anywhere else is a bug, and says
//! so; `FORMWORK_BACKTRACE=1` brings the usual output back.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// What panicked on this thread since [`watch`] began; `None` while nobody watches.
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Makes panics on watched threads silent. Others go to the hook that was there before.
fn install() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            let kept = SEEN.try_with(|seen| match seen.try_borrow_mut().as_deref_mut() {
                Ok(Some(list)) => {
                    list.push(place.unwrap_or_default());
                    true
                }
                _ => false,
            });
            let wanted = std::env::var_os("FORMWORK_BACKTRACE").is_some_and(|value| value != "0");
            if wanted || !kept.unwrap_or(false) {
                before(info);
            }
        }));
    });
}

/// Runs `f`, keeping the default output of its panics back, caught or not; with the places of
/// those there were.
pub(crate) fn watch<T>(f: impl FnOnce() -> T) -> (T, Vec<String>) {
    install();
    let outer = SEEN.replace(Some(Vec::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let places = SEEN.replace(outer).unwrap_or_default();
    match result {
        Ok(result) => (result, places),
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Runs `f`; what it panics with is an error, with its place.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    let (result, places) = watch(|| panic::catch_unwind(AssertUnwindSafe(f)));
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
        match places.last() {
            Some(place) if !place.is_empty() => format!("{text} (at {place})"),
            _ => text,
        }
    })
}
