//! What is there: the answers of lookups, and the objects of the rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Gatherer, given, no_provider, patiently, refresh_error};
use crate::{
    declare::{NodeKind, Program},
    expr::NodeId,
    identity::{Address, ResourceId},
    plan::{Observation, PlanError, Selection, mark_outputs, mark_secrets},
    provider::{BoxFuture, ErrorKind, ProviderError, Seen, SeenRef, physical_id},
    state::{Change, Pin, Record, Snapshot, Status},
    value::{Value, mask::secrets},
};

/// A row, and what was seen of it.
type Look<'r> = (&'r Record, Option<Seen>);

impl Gatherer<'_> {
    /// Asks every lookup that has no pinned answer to the same question, or all of them. One that is
    /// left out keeps the answer that it has, if it has one, whatever was asked for it.
    pub(crate) async fn answers(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        selection: &Selection,
        again: bool,
    ) -> Result<(HashMap<Address, Pin>, Vec<Change>), PlanError> {
        let mut answers: HashMap<Address, Pin> = HashMap::new();
        let mut outputs: HashMap<NodeId, Value> = HashMap::new();
        let mut pins = Vec::new();
        for index in program.graph.node_indices() {
            let node = &program.graph[index];
            let NodeKind::Lookup { kind, .. } = node.kind else { continue };
            let address = node.address.clone();
            let id = NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX));
            if !selection.contains(&address) {
                if let Some(pin) = snapshot.pins.get(&address).filter(|pin| pin.kind == kind) {
                    outputs.insert(id, pin.answer.clone());
                    answers.insert(address, pin.clone());
                }
                continue;
            }
            let failed = |source| PlanError::Lookup {
                address: node.address.clone(),
                declared_at: node.declared_at.to_string(),
                source,
            };
            let unknown = || PlanError::LookupUnknown { address: address.clone() };
            let query = node.inputs.resolve(&|id| outputs.get(&id)).map_err(|error| {
                failed(ProviderError::new(ErrorKind::Invalid, kind, error.to_string()))
            })?;
            if !query.is_known() {
                return Err(unknown());
            }
            let pinned = snapshot.pins.get(&address).filter(|p| p.kind == kind && p.query == query);
            let pin = match pinned {
                Some(pin) if !again => pin.clone(),
                _ => {
                    let handler = self.providers.iter().find_map(|p| p.lookup(kind));
                    let handler = handler.ok_or_else(|| PlanError::NoProvider {
                        address: address.clone(),
                        kind: kind.to_owned(),
                    })?;
                    let answer = patiently(|| handler.look_up(&query)).await;
                    let known = secrets([&query].into_iter());
                    let answer = answer.map_err(|error| failed(error.masked(&known)))?;
                    Pin { address: address.clone(), kind: kind.to_owned(), query, answer }
                }
            };
            if snapshot.pins.get(&address) != Some(&pin) {
                pins.push(Change::Pin(pin.clone()));
            }
            outputs.insert(id, pin.answer.clone());
            answers.insert(address, pin);
        }
        let dropped = snapshot
            .pins
            .keys()
            .filter(|address| !answers.contains_key(*address) && selection.contains(address));
        pins.extend(dropped.cloned().map(Change::Unpin));
        Ok((answers, pins))
    }

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
        let listed = listed.map_err(|source| {
            let mask = |source: ProviderError, row: &&Record| source.masked(&given(row));
            refresh_error(rows[0], rows.iter().fold(source, mask))
        })?;
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
