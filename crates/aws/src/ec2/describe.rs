//! What EC2's many `Describe` calls have in common.
//!
//! Objects are asked for by *filters*: an unknown id in a filter is no error, so that one object
//! that is gone does not hide the others.

use aws_sdk_ec2::types;

/// How many values a filter takes
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>).
pub(crate) const FILTER_VALUES: usize = 200;

/// The filter that lets through what has one of `values` as `name`.
pub(crate) fn filter(name: &str, values: &[String]) -> types::Filter {
    types::Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

/// Describes all objects that have one of `values` as `name`, in chunks and page by page:
/// `describe!(clients, describe_vpcs, "ec2:DescribeVpcs", "vpc-id", values)`. A call that has its
/// filters under another name than `filters` is given that name as the last word.
macro_rules! describe {
    ($clients:expr, $call:ident, $operation:literal, $name:expr, $values:expr) => {
        $crate::ec2::describe::describe!($clients, $call, $operation, $name, $values, filters)
    };
    ($clients:expr, $call:ident, $operation:literal, $name:expr, $values:expr, $filters:ident) => {{
        let (name, values): (&str, Vec<String>) = ($name, $values);
        let mut found = Vec::new();
        for chunk in values.chunks($crate::ec2::describe::FILTER_VALUES) {
            let filter = $crate::ec2::describe::filter(name, chunk);
            let call = $clients.ec2().$call().$filters(filter);
            let pages = call.into_paginator().items().send();
            let items: Vec<_> = $crate::error::Named::named(pages.try_collect().await, $operation)?;
            found.extend(items);
        }
        found
    }};
}
pub(crate) use describe;

/// The ids that `among` have, to list them by.
macro_rules! ids {
    ($among:expr) => {
        $among.iter().map(|known| known.outputs.id.to_string()).collect::<Vec<String>>()
    };
}
pub(crate) use ids;

/// What is known of each of `among`, by its id.
macro_rules! by_id {
    ($among:expr) => {
        $among
            .iter()
            .map(|known| (known.outputs.id.as_ref(), known))
            .collect::<std::collections::HashMap<&str, _>>()
    };
}
pub(crate) use by_id;
