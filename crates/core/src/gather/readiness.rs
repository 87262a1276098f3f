//! What became of objects whose create did not end well, for a plan that only records what is there.

use std::collections::HashMap;

use super::{Gatherer, no_provider, patiently};
use crate::{
    identity::ResourceId,
    plan::{Observation, PlanError, mark_outputs, mark_secrets},
    provider::{BoxFuture, ErrorKind, ProviderError, Seen, Settling},
    state::{Record, Role, Snapshot, Status},
};

/// What its type says of an object that no run has seen ready.
#[derive(Clone)]
pub(crate) enum Readiness {
    /// It is ready, like this.
    Ready(Seen),
    /// It will not be.
    Never(String),
}

/// An object, and what was said of it, if anything.
type Told = Option<(ResourceId, Readiness)>;

impl Gatherer<'_> {
    /// Asks about the rows of objects that are there and were never seen ready. One that can not be
    /// told about stays as it is recorded.
    pub(crate) async fn readiness(
        &self,
        snapshot: &Snapshot,
        observed: &HashMap<ResourceId, Observation>,
        wanted: &(dyn Fn(&Record) -> bool + Sync),
    ) -> Result<HashMap<ResourceId, Readiness>, PlanError> {
        let open = |record: &&Record| {
            let unready =
                matches!(record.status, Status::Incomplete { .. }) || record.is_unfinished();
            let there = matches!(observed.get(&record.id), Some(Observation::There(_)));
            unready && there && record.role == Role::Current && wanted(record)
        };
        let mut looks: Vec<BoxFuture<'_, Result<Told, PlanError>>> = Vec::new();
        for record in snapshot.records.values().filter(open) {
            looks.push(Box::pin(async move {
                let Some((_, handler)) = self.handler(record) else {
                    return Err(no_provider(record));
                };
                let known = Seen { inputs: record.inputs.clone(), outputs: record.outputs.clone() };
                let identity = self.identity(record);
                let settled = patiently(|| handler.settle(&identity, &known)).await;
                Ok(match settled {
                    Ok(Settling::Ready(seen)) => Some(Readiness::Ready(Seen {
                        inputs: mark_secrets(&record.inputs, seen.inputs),
                        outputs: mark_outputs(
                            handler.resource_type(),
                            &record.inputs,
                            seen.outputs,
                        ),
                    })),
                    Ok(Settling::Pending(_)) => None,
                    Err(error) => is_verdict(&error).then(|| Readiness::Never(error.to_string())),
                }
                .map(|readiness| (record.id, readiness)))
            }));
        }
        Ok(self.all(looks).await?.into_iter().flatten().collect())
    }
}

/// Whether an error says that an object will not be ready, and not only that nobody can tell.
pub(crate) fn is_verdict(error: &ProviderError) -> bool {
    !matches!(
        error.kind,
        ErrorKind::Timeout
            | ErrorKind::Ambiguous
            | ErrorKind::Transient
            | ErrorKind::Throttled
            | ErrorKind::Denied
            | ErrorKind::Provider
    )
}
