//! What the stories have in common.

use formwork::{
    Declaration,
    testing::{Run, Single, Thing, ThingHandle},
};

/// A thing that refers to others, and can let go of them.
pub(crate) fn thing(refs: &[&ThingHandle]) -> Declaration<Thing> {
    let refs: Vec<_> = refs.iter().map(|handle| handle.id.clone()).collect();
    Thing::builder().refs(refs).build()
}

/// A thing with a field, and perhaps a reference, that can not be updated.
pub(crate) fn fixed(value: &str, on: Option<&ThingHandle>) -> Declaration<Thing> {
    Thing::builder().fixed(value).maybe_fixed_ref(on.map(|on| &on.id)).build()
}

/// The same of a type whose replacements delete first.
pub(crate) fn single(value: &str) -> Declaration<Single> {
    Single::builder().fixed(value).build()
}

/// A text without the source lines of declarations, which would change with every edit.
pub(crate) fn masked(text: &(impl ToString + ?Sized)) -> String {
    let text = text.to_string();
    let mut parts = text.split("[declared at ");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("[declared at ..]");
        masked.push_str(part.split_once(']').map_or("", |(_, rest)| rest));
    }
    masked
}

/// The error of a run, masked.
pub(crate) fn error(run: &Run) -> String {
    masked(run.error())
}

/// No calls.
pub(crate) const NOTHING: [&str; 0] = [];
