//! What the types share that find objects which exist already.

use formwork_core::{ErrorKind, ProviderError, Resource};

/// The refusal to look for an object of a type by inputs: none of them names it.
pub(crate) fn nameless<R: Resource>() -> ProviderError {
    let message = "objects of this type have no name that no other has: they can be imported by their \
                   id, and not adopted";
    ProviderError::new(ErrorKind::Invalid, R::TYPE.kind, message)
}

/// The two parts of an id that is made of two.
pub(crate) fn pair(id: &str, between: char) -> Option<(&str, &str)> {
    id.split_once(between).filter(|(one, other)| !one.is_empty() && !other.is_empty())
}

/// Marks an object of EC2 as ours: it gets the tags that it would have been made with.
macro_rules! claimed_by_tags {
    () => {
        async fn claim(
            cx: &Context<'_, Clients>,
            known: &Known<Self>,
        ) -> Result<(), ProviderError> {
            let id = known.outputs.id.as_str();
            $crate::tags::take_over(cx.client, cx.identity, id, &known.inputs.tags).await
        }
    };
}
pub(crate) use claimed_by_tags;
