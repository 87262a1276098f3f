//! Tags: the user's own, the provider's defaults, and the one that says whose an object is.
//!
//! A resource's input `tags` are the user's own and nothing else. What is set in AWS is those over
//! the provider's default tags, and [`Identity::TAG`] over both; what is read back is stripped of
//! the latter two again, and of the tags that AWS reserves (`aws:`).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types;
use formwork_core::{Changes, Check, Identity, ProviderError, value::Segment};

use crate::{client::Clients, error::Named};

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// The filter that finds objects by the ownership tag.
pub(crate) const OWNER_FILTER: &str = "tag:formwork:id";

const AWS: &str = "aws:";
const OURS: &str = "formwork:";

/// All tags that an object gets: the defaults, its own, and the ownership tag.
pub(crate) fn all(clients: &Clients, identity: &Identity, own: &Tags) -> Tags {
    let mut tags = clients.default_tags().clone();
    tags.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
    tags.insert(Identity::TAG.to_owned(), identity.id.to_string());
    tags
}

/// The tags for a create call of EC2, for the objects of type `of` that it makes.
pub(crate) fn specification(
    clients: &Clients,
    identity: &Identity,
    of: types::ResourceType,
    own: &Tags,
) -> types::TagSpecification {
    types::TagSpecification::builder()
        .resource_type(of)
        .set_tags(Some(ec2(&all(clients, identity, own))))
        .build()
}

/// Tags as EC2 wants them.
pub(crate) fn ec2(tags: &Tags) -> Vec<types::Tag> {
    tags.iter().map(|(key, value)| types::Tag::builder().key(key).value(value).build()).collect()
}

/// EC2's tags as a map.
pub(crate) fn map(tags: &[types::Tag]) -> Tags {
    let pair = |tag: &types::Tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()));
    tags.iter().filter_map(pair).collect()
}

/// The value of the ownership tag, of an object that has one.
pub(crate) fn owner(tags: &[types::Tag]) -> Option<&str> {
    tags.iter().find(|tag| tag.key() == Some(Identity::TAG)).and_then(|tag| tag.value())
}

/// The user's own tags among all that an object has. `declared` are those that its record says the
/// user gave it, for a user may say a default tag again.
pub(crate) fn own(clients: &Clients, all: Tags, declared: Option<&Tags>) -> Tags {
    let is_default = |key: &String, value: &String| {
        clients.default_tags().get(key) == Some(value)
            && !declared.is_some_and(|declared| declared.contains_key(key))
    };
    all.into_iter()
        .filter(|(key, value)| {
            !key.starts_with(AWS) && !key.starts_with(OURS) && !is_default(key, value)
        })
        .collect()
}

/// What an update of tags comes to: what to set, and what keys to remove. Keys that the program
/// never had are removed too where `changes` names them, for then someone else added them.
pub(crate) fn difference(all: Tags, known: &Tags, changes: &Changes) -> (Tags, BTreeSet<String>) {
    let seen = changes.paths().iter().filter(|path| path.top() == "tags").filter_map(|path| {
        match path.segments().get(1) {
            Some(Segment::Key(key)) => Some(key.to_string()),
            _ => None,
        }
    });
    let reserved = |key: &String| key.starts_with(AWS) || key.starts_with(OURS);
    let removed = known
        .keys()
        .cloned()
        .chain(seen)
        .filter(|key| !all.contains_key(key) && !reserved(key))
        .collect();
    (all, removed)
}

/// Gives the EC2 object `id` all tags that it would have been made with. The ownership tag of another
/// stack gives way: whoever imports by an id takes the object.
pub(crate) async fn take_over(
    clients: &Clients,
    identity: &Identity,
    id: &str,
    own: &Tags,
) -> Result<(), ProviderError> {
    let set = ec2(&all(clients, identity, own));
    let call = clients.ec2().create_tags().resources(id).set_tags(Some(set));
    call.send().await.named("ec2:CreateTags")?;
    Ok(())
}

/// Changes the tags of the EC2 object `id` from `known` to `own`, if `changes` says so.
pub(crate) async fn update(
    clients: &Clients,
    identity: &Identity,
    id: &str,
    known: &Tags,
    own: &Tags,
    changes: &Changes,
) -> Result<(), ProviderError> {
    if !changes.touches("tags") {
        return Ok(());
    }
    let (set, removed) = difference(all(clients, identity, own), known, changes);
    let ec2 = clients.ec2();
    // An object has 50 tags at most, so what goes makes room first.
    if !removed.is_empty() {
        let keys = removed.iter().map(|key| types::Tag::builder().key(key).build()).collect();
        ec2.delete_tags()
            .resources(id)
            .set_tags(Some(keys))
            .send()
            .await
            .named("ec2:DeleteTags")?;
    }
    let call = ec2.create_tags().resources(id).set_tags(Some(self::ec2(&set)));
    call.send().await.named("ec2:CreateTags").map(drop)
}

/// Reports what AWS would refuse about the tags of a declaration.
///
/// Limits: 50 tags (one of them is the ownership tag), keys of 1 to 128 characters and values of up
/// to 256 (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>).
pub(crate) fn check(check: &mut Check<'_>, field: &str) {
    const MOST: usize = 49;
    // Keys are known even where a value is not.
    let tags: Vec<(String, Option<String>)> = check
        .inputs()
        .get(field)
        .and_then(|value| value.as_map())
        .map(|map| {
            map.iter()
                .map(|(key, value)| (key.to_string(), value.as_str().map(str::to_owned)))
                .collect()
        })
        .unwrap_or_default();
    if tags.len() > MOST {
        check.problem(field, format!("{} tags: expected at most {MOST}", tags.len()));
    }
    for (key, value) in &tags {
        let length = key.chars().count();
        if length == 0 || length > 128 {
            let message = format!("the key {key:?} has {length} characters: expected 1 to 128");
            check.problem(field, message);
        }
        if key.to_ascii_lowercase().starts_with(AWS) {
            check.problem(field, format!("the key {key:?} starts with `aws:`, which AWS reserves"));
        } else if key.starts_with(OURS) {
            let message =
                format!("the key {key:?} starts with `formwork:`, which is for ownership");
            check.problem(field, message);
        }
        let text = key.chars().chain(value.iter().flat_map(|value| value.chars()));
        // <https://www.w3.org/TR/xml/#charsets>: in XML the tag could not be told.
        let odd = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{7f}'..);
        if let Some(odd) = text.into_iter().find(odd) {
            let message = format!("the tag {key:?} has {odd:?}: expected no control characters");
            check.problem(field, message);
        }
        if let Some(length) = value.as_ref().map(|value| value.chars().count()).filter(|n| *n > 256)
        {
            let message =
                format!("the value of {key:?} has {length} characters: expected at most 256");
            check.problem(field, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use formwork_core::value::Path;

    use super::*;

    fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Tags {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn an_update_removes_what_the_program_had_and_what_others_added_and_nothing_reserved() {
        let all = tags([("a", "1"), ("formwork:id", "x")]);
        let known = tags([("a", "0"), ("b", "0"), ("formwork:old", "y")]);
        let changes =
            ["tags.b", "tags.c", "tags.aws:thing", "tags.a"].map(|path| Path::parse(path).unwrap());
        let (set, removed) = difference(all.clone(), &known, &Changes::new(changes.into()));
        assert_eq!(set, all);
        assert_eq!(removed, ["b".to_owned(), "c".to_owned()].into());
    }
}
