//! Tags that everything has to have.

use formwork_core::{Found, Policy};

use crate::tags::Tags;

/// Everything that can have tags has these (mandatory), with a value that is not empty.
///
/// `given` are the tags that the provider gives everything by itself
/// ([`AwsBuilder::default_tag`](crate::AwsBuilder::default_tags)): they need not be said again.
///
/// Source: AWS whitepaper "Best Practices for Tagging AWS Resources"
/// (<https://docs.aws.amazon.com/whitepapers/latest/tagging-best-practices/tagging-best-practices.html>).
#[must_use]
pub fn required_tags<K: Into<String>>(keys: impl IntoIterator<Item = K>, given: &Tags) -> Policy {
    let has = |key: &String| given.get(key).is_some_and(|value| !value.is_empty());
    let keys: Vec<String> = keys.into_iter().map(Into::into).filter(|key| !has(key)).collect();
    Policy::mandatory("required-tags")
        .about("everything that can have tags has those that are required")
        .source("https://docs.aws.amazon.com/whitepapers/latest/tagging-best-practices/tagging-best-practices.html")
        .check_every(move |resource, report| {
            if !resource.kind().starts_with("aws:") || !resource.has("tags") {
                return;
            }
            let tags = match resource.value("tags") {
                Found::Known(tags) => tags.as_map(),
                Found::Absent => None,
                // Its keys are known all the same, as long as it is a map.
                Found::Unknown => return unknown(resource, &keys, report),
            };
            let set = |key: &String| {
                let value = tags.and_then(|tags| tags.get(key)?.as_str());
                value.is_some_and(|value| !value.is_empty())
            };
            missing(keys.iter().filter(|key| !set(key)), report);
        })
}

/// Of tags with late values: a key that is there has a value, or will have.
fn unknown(
    resource: &formwork_core::Subject<'_>,
    keys: &[String],
    report: &mut formwork_core::PolicyReport<'_>,
) {
    let Some(tags) = resource.inputs().get("tags").and_then(|tags| tags.as_map()) else { return };
    let gone = |key: &&String| match tags.get(key) {
        None => true,
        Some(value) => value.is_known() && value.as_str().is_none_or(str::is_empty),
    };
    missing(keys.iter().filter(gone), report);
}

fn missing<'k>(
    keys: impl Iterator<Item = &'k String>,
    report: &mut formwork_core::PolicyReport<'_>,
) {
    let keys: Vec<&str> = keys.map(String::as_str).collect();
    if !keys.is_empty() {
        let keys = keys.join("`, `");
        let remedy = format!("add `{keys}`, or give it to everything with the provider");
        report.violation_with_remedy("tags", format!("it has no `{keys}`"), remedy);
    }
}
