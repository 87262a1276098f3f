//! What all of IAM's objects have in common.
//!
//! IAM has no client tokens: an object is known by its name, which is the same for every attempt to
//! create it, and by the ownership tag on it, so that a stranger's object of that name is never
//! taken for ours. IAM is also eventually consistent
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>):
//! what was just sent may not be what is read at once.

use aws_sdk_iam::types;
use formwork_core::{Context, ErrorKind, Identity, Known, Lifecycle, ProviderError, Settled};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::document::PolicyDocument;
use crate::{client::Clients, error::Absent, tags::Tags, wait};

/// How many objects are read at a time where IAM has no call that reads many.
const AT_ONCE: usize = 8;

/// Tags as IAM wants them.
pub(super) fn sent_tags(tags: &Tags) -> Result<Vec<types::Tag>, ProviderError> {
    tags.iter()
        .map(|(key, value)| types::Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(|error| ProviderError::new(ErrorKind::Provider, "iam:Tag", error.to_string()))
}

/// IAM's tags as a map.
pub(super) fn seen_tags(tags: &[types::Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// Whether an object with these tags is the one that `identity` made.
pub(super) fn is_ours(tags: &[types::Tag], identity: &Identity) -> bool {
    tags.iter().any(|tag| tag.key == Identity::TAG && tag.value == identity.id.as_str())
}

/// Whether an object with these tags is some stack's.
pub(super) fn is_owned(tags: &[types::Tag]) -> bool {
    tags.iter().any(|tag| tag.key == Identity::TAG)
}

/// Brings the tags of an object to what the program says: one call to remove, one to set.
macro_rules! update_tags {
    (
        $cx:expr, $known:expr, $inputs:expr, $changes:expr,
        $name:ident = $value:expr,
        $tag:ident = $tag_call:literal, $untag:ident = $untag_call:literal
    ) => {
        if $changes.touches("tags") {
            use $crate::error::Named as _;
            let all = $crate::tags::all($cx.client, $cx.identity, &$inputs.tags);
            let (set, removed) = $crate::tags::difference(all, &$known.inputs.tags, $changes);
            let iam = $cx.client.iam();
            // Removed first: IAM takes keys that differ by case alone for the same.
            if !removed.is_empty() {
                let call =
                    iam.$untag().$name($value).set_tag_keys(Some(removed.into_iter().collect()));
                call.send().await.named($untag_call)?;
            }
            let call = iam.$tag().$name($value);
            let call = call.set_tags(Some($crate::iam::entity::sent_tags(&set)?));
            call.send().await.named($tag_call)?;
        }
    };
}
pub(super) use update_tags;

/// The outputs of an object whose create says that there is one of that name: those of `found`,
/// which is the object if an earlier attempt of ours made it, or else the error.
pub(super) fn made_before<T>(error: ProviderError, found: Option<T>) -> Result<T, ProviderError> {
    found.ok_or_else(|| ProviderError {
        message: format!(
            "{} (it is not this stack's: import it, or choose another name)",
            error.message
        ),
        ..error
    })
}

/// The answer to a question about one object, or nothing if it is not there.
pub(super) fn if_there<T>(result: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match result {
        Err(error) if error.is_absent() => Ok(None),
        result => result.map(Some),
    }
}

/// Asks about each of `keys`, a few at a time, and keeps what is there.
pub(super) async fn each<'a, K, T, F>(
    keys: &'a [K],
    ask: impl Fn(&'a K) -> F,
) -> Result<Vec<T>, ProviderError>
where
    F: Future<Output = Result<Option<T>, ProviderError>>,
{
    let mut found = Vec::new();
    for chunk in keys.chunks(AT_ONCE) {
        found.extend(try_join_all(chunk.iter().map(&ask)).await?.into_iter().flatten());
    }
    Ok(found)
}

/// Looks until what was sent is seen, as `same` tells of sent and seen, or the consistency window
/// has passed; what is seen then is what there is.
pub(super) async fn settled<R: Lifecycle<Client = Clients>>(
    cx: &Context<'_, Clients>,
    known: &Known<R>,
    same: impl Fn(&R, &R) -> bool + Send,
) -> Result<Settled<R>, ProviderError> {
    let end = Instant::now() + cx.client.consistency_window();
    loop {
        let seen = R::read(cx, known).await?;
        let over = Instant::now() >= end;
        match seen {
            Some(seen) if over || same(&known.inputs, &seen.inputs) => {
                return Ok(Settled::Ready(seen));
            }
            None if over => return Ok(Settled::Pending(wait::SHORT)),
            _ => sleep(wait::SHORT).await,
        }
    }
}

/// Reads a document as IAM gives it, URL-encoded
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html>): the one that was
/// declared, if that says the same.
pub(super) fn seen_document(
    operation: &'static str,
    text: Option<&str>,
    declared: Option<&PolicyDocument>,
) -> Result<PolicyDocument, ProviderError> {
    let unreadable = |message| ProviderError::new(ErrorKind::Other, operation, message);
    let text = text.ok_or_else(|| unreadable("the answer has no document".to_owned()))?;
    let text = if text.starts_with('{') { text.to_owned() } else { url_decoded(text) };
    let seen = PolicyDocument::from_json(&text).map_err(|error| unreadable(error.to_string()))?;
    Ok(declared.filter(|declared| declared.means(&seen)).cloned().unwrap_or(seen))
}

fn url_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = (ahead.next(), ahead.next());
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(digits.0), digit(digits.1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_encoding_is_undone_and_what_is_none_stays() {
        assert_eq!(url_decoded("%7B%22a%22%3A%20%22%C3%BC+%22%7D"), "{\"a\": \"ü+\"}");
        assert_eq!(url_decoded("100% %zz %4"), "100% %zz %4");
    }
}
