//! What is there: the objects of the rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Gatherer, no_provider, patiently, refresh_error};
use crate::{
    identity::ResourceId,
    plan::{Observation, PlanError, mark_outputs, mark_secrets},
    provider::{BoxFuture, Seen, SeenRef, physical_id},
    state::{Record, Snapshot, Status},
};

/// A row, and what was seen of it.
type Look<'r> = (&'r Record, Option<Seen>);

impl Gatherer<'_> {
    /// Looks at the given rows, by one list per provider and type. What lives on something that is
    /// gone is not looked at.
    pub(crate) async fn observe(
        &self,
        snapshot: &Snapshot,
        wanted: &(dyn Fn(&Record) -> bool + Sync),
    ) -> Result<HashMap<ResourceId, Observation>, PlanError> {
        let there = |record: &&Record| record.status != Status::Absent && wanted(record);
        let rows: Vec<&Record> = snapshot.records.values().filter(there).collect();
        let (guests, hosts): (Vec<&Record>, Vec<&Record>) =
            rows.into_iter().partition(|record| record.options.deleted_with.is_some());
        let mut observed = self.observe_rows(&hosts).await?;
        let gone: HashSet<ResourceId> = observed
            .iter()
            .filter(|(_, seen)| **seen == Observation::Gone)
            .map(|(id, _)| *id)
            .collect();
        let orphaned = |record: &Record| {
            let mut at = record.options.deleted_with;
            for _ in 0..snapshot.records.len() {
                let Some(host) = at else { return false };
                match snapshot.records.get(&host) {
                    Some(row) if !gone.contains(&host) && row.status != Status::Absent => {
                        at = row.options.deleted_with;
                    }
                    _ => return true,
                }
            }
            false
        };
        let guests: Vec<&Record> = guests.into_iter().filter(|guest| !orphaned(guest)).collect();
        observed.extend(self.observe_rows(&guests).await?);
        Ok(observed)
    }

    async fn observe_rows(
        &self,
        rows: &[&Record],
    ) -> Result<HashMap<ResourceId, Observation>, PlanError> {
        let mut groups: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
        for record in rows {
            groups.entry((&record.provider, &record.kind)).or_default().push(record);
        }
        let mut looks: Vec<BoxFuture<'_, Result<Vec<_>, PlanError>>> = Vec::new();
        for rows in groups.into_values() {
            looks.push(Box::pin(self.observe_type(rows)));
        }
        Ok(self.all(looks).await?.into_iter().flatten().collect())
    }

    async fn observe_type<'r>(
        &self,
        rows: Vec<&'r Record>,
    ) -> Result<Vec<(ResourceId, Observation)>, PlanError> {
        let Some((_, handler)) = rows.first().and_then(|record| self.handler(record)) else {
            return rows.first().map_or(Ok(Vec::new()), |record| Err(no_provider(record)));
        };
        let of = handler.resource_type();
        let last =
            |record: &&'r Record| SeenRef { inputs: record.last_known(), outputs: &record.outputs };
        let among: Vec<SeenRef<'r>> = rows.iter().map(last).collect();
        let listed = patiently(|| handler.list(&among)).await;
        let listed = listed.map_err(|source| refresh_error(rows[0], source))?;
        let mut by_id: HashMap<String, Seen> = HashMap::with_capacity(listed.len());
        for seen in listed {
            if let Some(id) = physical_id(of, &seen.outputs) {
                by_id.insert(id.to_owned(), seen);
            }
        }
        let mut found = Vec::with_capacity(rows.len());
        let mut missing: Vec<BoxFuture<'_, Result<Look<'_>, PlanError>>> = Vec::new();
        for (record, known) in rows.iter().copied().zip(&among) {
            match physical_id(of, &record.outputs).and_then(|id| by_id.remove(id)) {
                Some(seen) => found.push((record, Some(seen))),
                // A list may lag behind; one that it lacks is asked for by itself.
                None => missing.push(Box::pin(async move {
                    let (identity, known) = (self.identity(record), known.to_seen());
                    let read = patiently(|| handler.read(&identity, &known)).await;
                    Ok((record, read.map_err(|source| refresh_error(record, source))?))
                })),
            }
        }
        found.extend(self.all(missing).await?);
        let observed = found.into_iter().map(|(record, seen)| {
            let observation = seen.map_or(Observation::Gone, |seen| {
                Observation::There(Seen {
                    inputs: mark_secrets(&record.inputs, seen.inputs),
                    outputs: mark_outputs(of, &record.inputs, seen.outputs),
                })
            });
            (record.id, observation)
        });
        Ok(observed.collect())
    }
}
