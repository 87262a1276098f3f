//! The image of some owner whose name and properties fit.

use std::collections::BTreeMap;

use aws_sdk_ec2::types;
use formwork_core::{ErrorKind, Inputs, Lookup, ProviderError};
use serde::{Deserialize, Serialize};

use super::image::{ImageAnswer, answer};
use crate::{client::Clients, error::Named};

/// Asks for the one available image that fits, or the most recent of those that do.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ImageByFilter {
    /// Whose images: account ids, `self`, `amazon`, `aws-marketplace`. One at least, for anyone may
    /// publish an image under any name
    /// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/sharing-amis.html>).
    pub owners: Vec<String>,
    /// The name; `*` and `?` are wildcards.
    pub name: Option<String>,
    /// For which processors: `x86_64`, `arm64`.
    pub architecture: Option<String>,
    /// More filters of `DescribeImages`: values by name.
    #[serde(default)]
    #[resource(default)]
    pub filters: BTreeMap<String, Vec<String>>,
    /// Whether to take the most recent of several. If not, several are an error.
    #[serde(default)]
    #[resource(default)]
    pub most_recent: bool,
    /// Whether deprecated images count too.
    #[serde(default)]
    #[resource(default)]
    pub include_deprecated: bool,
}

impl Lookup for ImageByFilter {
    const KIND: &'static str = "aws:ec2/image-by-filter";
    type Answer = ImageAnswer;
    type Client = Clients;

    async fn look_up(clients: &Clients, query: &Self) -> Result<ImageAnswer, ProviderError> {
        const CALL: &str = "ec2:DescribeImages";
        let wrong = |kind, message: String| ProviderError::new(kind, CALL, message);
        if query.owners.is_empty() {
            let message = "`owners` is empty: expected whose images may be taken";
            return Err(wrong(ErrorKind::Invalid, message.to_owned()));
        }
        let call = clients.ec2().describe_images().set_owners(Some(query.owners.clone()));
        let call = call.set_filters(Some(filters(query)));
        let call = call.include_deprecated(query.include_deprecated);
        let pages = call.into_paginator().items().send();
        let mut found: Vec<types::Image> = pages.try_collect().await.named(CALL)?;
        // RFC 3339 in UTC sorts as text; ids make the choice between two of one moment stable.
        found.sort_by_cached_key(|image| (image.creation_date.clone(), image.image_id.clone()));
        match (found.len(), found.pop()) {
            (_, None) => Err(wrong(
                ErrorKind::NotFound,
                format!("no image of {} fits", query.owners.join(", ")),
            )),
            (several @ 2.., _) if !query.most_recent => Err(wrong(
                ErrorKind::Invalid,
                format!("{several} images fit: expected one, or `most_recent`"),
            )),
            (_, Some(image)) => answer(image),
        }
    }
}

fn filters(query: &ImageByFilter) -> Vec<types::Filter> {
    let mut all = query.filters.clone();
    let mut one = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), vec![value.to_owned()]);
        }
    };
    one("name", query.name.as_deref());
    one("architecture", query.architecture.as_deref());
    all.entry("state".to_owned()).or_insert_with(|| vec!["available".to_owned()]);
    all.into_iter()
        .map(|(name, values)| types::Filter::builder().name(name).set_values(Some(values)).build())
        .collect()
}
