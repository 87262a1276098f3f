//! Types that have another name than when their rows were written: what is recorded follows, before
//! anything looks at it.

use std::collections::{BTreeMap, BTreeSet};

use super::Gatherer;
use crate::{
    declare::{NodeKind, Program},
    identity::{Address, ResourceId},
    plan::Selection,
    state::{Change, Pin, Record, Role, Snapshot},
};

/// What was recorded under the former name of a type.
pub(crate) struct Renamed {
    records: BTreeSet<ResourceId>,
    intents: BTreeSet<ResourceId>,
    pins: Vec<Address>,
}

impl Gatherer<'_> {
    /// Gives what is recorded the names that its types have today. A provider that the program
    /// brings along is made only for rows that the plan is about.
    pub(crate) fn rename(
        &self,
        program: &Program,
        snapshot: &mut Snapshot,
        chosen: impl Fn(&Record) -> bool,
    ) -> Renamed {
        let mut renamed =
            Renamed { records: BTreeSet::new(), intents: BTreeSet::new(), pins: Vec::new() };
        let brought: Vec<&str> = self.providers[self.defaults..].iter().map(|p| p.name()).collect();
        let today = |record: &Record| {
            if brought.contains(&record.provider.as_str()) && !chosen(record) {
                return None;
            }
            let kind = self.handler(record)?.1.resource_type().kind;
            (kind != record.kind).then(|| kind.to_owned())
        };
        let place = |record: &Record| (record.address.clone(), record.kind.clone());
        let mut taken = BTreeSet::new();
        if snapshot.records.values().any(|record| today(record).is_some()) {
            let current = snapshot.records.values().filter(|row| row.role == Role::Current);
            taken.extend(current.map(place));
        }
        for (id, record) in &mut snapshot.records {
            let Some(kind) = today(record) else { continue };
            record.kind = kind;
            // An address has one current object, and one that was made since under today's name is it.
            if taken.contains(&place(record)) {
                record.role = Role::Deposed;
            }
            renamed.records.insert(*id);
        }
        for (id, intent) in &mut snapshot.intents {
            let Some(record) = &mut intent.record else { continue };
            if let Some(kind) = today(record) {
                record.kind = kind;
                renamed.intents.insert(*id);
            }
        }
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for node in program.graph.node_weights() {
            let NodeKind::Lookup { kind, formerly, existing, .. } = node.kind else { continue };
            names.extend(formerly.iter().map(|former| ((*former).to_owned(), kind)));
            let former = existing.into_iter().flat_map(|of| of.formerly);
            names.extend(former.map(|former| (format!("existing {former}"), kind)));
        }
        for pin in snapshot.pins.values_mut() {
            if let Some(kind) = names.get(&pin.kind) {
                pin.kind = (*kind).to_owned();
                renamed.pins.push(pin.address.clone());
            }
        }
        renamed
    }
}

impl Renamed {
    /// What to write of it, before `upgraded`: of what is left out of the plan nothing.
    pub(crate) fn written(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
        upgraded: Vec<Change>,
    ) -> Vec<Change> {
        let read = selection.read(snapshot);
        let records = self.records.iter().filter_map(|id| read.records.get(id));
        let mut changes: Vec<Change> =
            records.map(|record| Change::Put(Box::new(record.clone()))).collect();
        let intents = self.intents.iter().filter_map(|id| read.intents.get(id));
        changes.extend(intents.cloned().map(Change::Open));
        let pins = self.pins.iter().filter(|address| selection.contains(address));
        let pins = pins.filter_map(|address| snapshot.pins.get(address));
        changes.extend(pins.cloned().map(|pin: Pin| Change::Pin(pin)));
        changes.extend(upgraded);
        changes
    }
}
