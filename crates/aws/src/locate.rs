//! What the types share that find objects which exist already.

use formwork_core::{By, ErrorKind, ProviderError, Resource};

/// The refusal to look for an object of a type by inputs: none of them names it.
pub(crate) fn nameless<R: Resource>() -> ProviderError {
    let message = "objects of this type have no name that no other has: they can be imported by their \
                   id, and not adopted";
    ProviderError::new(ErrorKind::Invalid, R::TYPE.kind, message)
}

/// Whether an object may be taken over that was found in this way. An id means that one object,
/// whoever has it. A name means whatever has it, so it takes nothing that the tag of a stack is on:
/// the create then says that the name is taken, and that it can be imported.
pub(crate) fn may_take<R>(by: By<'_, R>, owned: bool) -> bool {
    match by {
        By::Id(_) => true,
        By::Inputs(_) => !owned,
    }
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
