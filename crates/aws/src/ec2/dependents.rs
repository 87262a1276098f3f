//! What stands in the way of a deletion, and whether it goes by itself.

use aws_sdk_ec2::types::Filter;
use formwork_core::{Deletion, ErrorKind, ProviderError};

use crate::{client::Clients, error::Named, retry::while_failing, wait};

/// Deletes with `call`. Of what is gone already that is done; what still has network interfaces
/// that AWS keeps for its own services, such as those of a gateway or an endpoint just deleted,
/// is pending until they are gone. `filter` finds those interfaces by the object's `id`.
///
/// Where nothing is in the way that can be seen, what was in the way has just gone and not
/// everyone knows: `call` is repeated for the consistency window
/// (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>).
pub(crate) async fn delete<T, F>(
    clients: &Clients,
    (filter, id): (&str, &str),
    mut call: impl FnMut() -> F,
) -> Result<Deletion, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    let error = match call().await {
        Err(error) if error.kind == ErrorKind::InUse => error,
        result => return done(result),
    };
    let here = Filter::builder().name(filter).values(id).build();
    let interfaces = clients
        .ec2()
        .describe_network_interfaces()
        .filters(here)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .named("ec2:DescribeNetworkInterfaces")?;
    if interfaces.iter().any(|interface| interface.requester_managed() == Some(true)) {
        return Ok(Deletion::Pending(wait::LONG));
    }
    if !interfaces.is_empty() {
        return Err(error);
    }
    done(while_failing(clients, |error| error.kind == ErrorKind::InUse, call).await)
}

fn done<T>(result: Result<T, ProviderError>) -> Result<Deletion, ProviderError> {
    crate::error::unless_absent(result)?;
    Ok(Deletion::Done)
}
