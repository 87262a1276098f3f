//! Unique values that change hands: whoever has one lets go of it before another takes it.
//!
//! All unique fields of a type are one key together, as they are for a replacement that keeps it; of
//! the blocks of addresses in them, those that overlap are in each other's way.
//! What only apply can tell is not compared.

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;
use petgraph::graph::NodeIndex;

use super::{
    super::{
        Action, Lack, Missing, Observation, PlanError, StepId, Takeover,
        canonical::Canonical,
        decide::Decision,
        diff::{Against, same},
        removals::Removal,
        replace::block,
    },
    Arrangement,
    soft::{Soft, Weight, choose, components, topological},
};
use crate::{
    identity::ResourceId,
    schema::{Field, Schema},
    state::{Record, Status},
    value::Value,
};

/// A key of one type at one provider, but for its block of addresses.
type Key<'d> = (&'d str, &'d str, Vec<Canonical>);

/// All keys, each with its block of addresses, if it has one: by what they have beside it, for two
/// blocks need not be equal to be in each other's way.
type Keys<'d> = HashMap<Key<'d>, BTreeMap<Option<IpNet>, Hands>>;

/// A key that goes from one resource to another: the step that frees it, and the one that takes it.
struct Handover {
    frees: StepId,
    takes: StepId,
    fields: Vec<String>,
}

/// How many have a key before and after, the step that frees it, and the step that takes it.
#[derive(Clone, Copy, Default)]
struct Hands {
    had: u32,
    wanted: u32,
    freed: Option<StepId>,
    taken: Option<(StepId, &'static Schema)>,
    /// The row that has it and would let go of it, if it were not left out.
    kept: Option<ResourceId>,
}

impl Arrangement<'_> {
    /// Lets whoever takes a key wait for whoever frees it. Where that can not be, returns the nodes
    /// whose old object has to go before the new one comes.
    pub(super) fn hand_over(&mut self, removals: &[Removal]) -> Result<Vec<usize>, PlanError> {
        let handovers = self.handovers(removals);
        let mut next = self.next();
        for handover in &handovers {
            next[handover.frees.index()].push(handover.takes);
        }
        if handovers.is_empty() || topological(&next).is_some() {
            for Handover { frees, takes, .. } in handovers {
                self.wait(takes, frees);
            }
            return Ok(Vec::new());
        }
        // What may as well go before it comes anew, unless the program says otherwise.
        let mut nodes = Vec::new();
        let mut create_first = Vec::new();
        for removal in removals.iter().filter(|r| r.action == Action::Delete) {
            let Some(node) = removal.replaced_by else { continue };
            let may = |decision: &&Decision| decision.replaced && !decision.delete_first;
            let decision = self.draft.decisions[node].as_ref().filter(may);
            let asked = self.draft.program.graph[NodeIndex::new(node)].options.delete_first;
            if let (Some(_), None, Some(before)) = (decision, asked, self.of_node[node]) {
                let after = self.of_row[&removal.row];
                next[before.index()].retain(|step| *step != after);
                nodes.push(node);
                create_first.push(Soft { before, after, weight: Weight::Moves });
            }
        }
        if topological(&next).is_none() {
            let component = components(&next);
            let stuck = |handover: &&Handover| {
                component[handover.frees.index()] == component[handover.takes.index()]
            };
            let takeover = |handover: &Handover| Takeover {
                taker: self.steps[handover.takes.index()].address.clone(),
                holder: self.steps[handover.frees.index()].address.clone(),
                fields: handover.fields.clone(),
            };
            let takeovers = handovers.iter().filter(stuck).map(takeover).collect();
            return Err(PlanError::Exchange { takeovers });
        }
        let kept = choose(next, &create_first);
        Ok(nodes.into_iter().zip(kept).filter(|(_, kept)| !kept).map(|(node, _)| node).collect())
    }

    /// Who has a key that a step takes, would let go of it, and is left out.
    pub(super) fn holders_left_out(&self, removals: &[Removal]) -> Vec<Missing> {
        let records = &self.draft.facts.snapshot.records;
        let missing = |(had, wanted): (Hands, Hands)| {
            let (kept, (takes, schema)) = (had.kept?, wanted.taken?);
            let fields = unique(schema).map(|field| field.name.to_owned()).collect();
            let taker = self.steps[takes.index()].address.clone();
            let address = records.get(&kept)?.address.clone();
            Some(Missing { address, why: Lack::Has { fields, taker } })
        };
        let keys = self.keys(removals);
        let mut missing: Vec<Missing> =
            keys.values().flat_map(in_the_way).filter_map(missing).collect();
        missing.sort_by(|a, b| a.address.cmp(&b.address));
        missing
    }

    pub(super) fn held_in_the_way(&self, removals: &[Removal]) -> Vec<ResourceId> {
        let keys = self.keys(removals);
        let kept = keys.values().flat_map(in_the_way).filter_map(|(had, _)| had.kept);
        kept.filter(|row| self.draft.held.contains(row)).collect()
    }

    fn keys(&self, removals: &[Removal]) -> Keys<'_> {
        let draft = self.draft;
        let records = &draft.facts.snapshot.records;
        let mut keys = Keys::new();
        for record in draft.removable_left_out() {
            let of = (draft.facts.types)(&record.provider, &record.kind);
            if let Some((key, block)) = of.and_then(|of| self.key_of(record, of.inputs)) {
                let hands = keys.entry(key).or_default().entry(block).or_default();
                hands.had += 1;
                hands.kept = Some(record.id);
            }
        }
        for (node, decision) in draft.decisions.iter().enumerate() {
            let Some(decision) = decision else { continue };
            let schema = draft.program.graph[NodeIndex::new(node)].kind.inputs();
            let row = records.get(&decision.id);
            let held = row.and_then(|row| self.key_of(row, schema));
            let wanted = self.wanted_key(node, decision, row, schema);
            if draft.waits[node] || !draft.is_chosen(NodeIndex::new(node)) {
                // It has what it has, whatever the program wants for it.
                let lets_go = held != wanted && !draft.waits[node];
                if let (Some((key, block)), Some(row)) = (held, row) {
                    let hands = keys.entry(key).or_default().entry(block).or_default();
                    hands.had += 1;
                    hands.wanted += u32::from(!lets_go);
                    hands.kept = Some(row.id).filter(|_| lets_go);
                }
                continue;
            }
            let step = self.of_node[node].filter(|_| held != wanted);
            if let Some((key, block)) = held {
                let hands = keys.entry(key).or_default().entry(block).or_default();
                hands.had += 1;
                hands.freed = step;
            }
            if let Some((key, block)) = wanted {
                let hands = keys.entry(key).or_default().entry(block).or_default();
                hands.wanted += 1;
                hands.taken = step.map(|step| (step, schema));
            }
        }
        for removal in removals.iter().filter(|r| r.action == Action::Delete) {
            let record = &records[&removal.row];
            let of = (draft.facts.types)(&record.provider, &record.kind);
            if let Some((key, block)) = of.and_then(|of| self.key_of(record, of.inputs)) {
                let hands = keys.entry(key).or_default().entry(block).or_default();
                hands.had += 1;
                hands.freed = Some(self.of_row[&removal.row]);
            }
        }
        keys
    }

    fn handovers(&self, removals: &[Removal]) -> Vec<Handover> {
        let handover = |(had, wanted): (Hands, Hands)| {
            let (frees, (takes, schema)) = (had.freed?, wanted.taken?);
            // Where two have the same value at one time, it is not that value which is unique.
            let shared = had.had > 1 || wanted.wanted > 1;
            // A replacement that keeps its own key has decided for its order already.
            let own = self.steps[takes.index()].replaces == Some(self.steps[frees.index()].id);
            let fields = unique(schema).map(|field| field.name.to_owned()).collect();
            (!shared && !own).then_some(Handover { frees, takes, fields })
        };
        let keys = self.keys(removals);
        let mut handovers: Vec<Handover> =
            keys.values().flat_map(in_the_way).filter_map(handover).collect();
        handovers.sort_unstable_by_key(|handover| (handover.takes, handover.frees));
        handovers
    }

    /// The key that a recorded object has in the cloud.
    fn key_of<'r>(&self, record: &'r Record, schema: &Schema) -> Option<(Key<'r>, Option<IpNet>)> {
        let facts = self.draft.facts;
        let gone = facts.observed.get(&record.id) == Some(&Observation::Gone)
            // A delete that was cut off may not be done with its object yet.
            && !facts.deleting.contains(&record.id);
        if gone || record.status == Status::Absent {
            return None;
        }
        key(&record.provider, &record.kind, schema, |field| self.value_of(record, field))
    }

    /// What an object has in a field: as the program sent it, or as it was changed behind its back.
    fn value_of<'r>(&'r self, record: &'r Record, field: &Field) -> &'r Value {
        let sent = at(&record.inputs, field);
        match self.draft.facts.observed.get(&record.id) {
            Some(Observation::There(seen)) if !field.write_only => {
                let is = at(&seen.inputs, field);
                let left = record.seen.as_ref().map_or(sent, |seen| at(seen, field));
                // What the cloud makes of a value is not how a program writes it.
                if !sent.is_null() && same(field, left, is, Against::Seen) { sent } else { is }
            }
            _ => sent,
        }
    }

    /// The key that a declared resource will have.
    fn wanted_key<'r>(
        &'r self,
        node: usize,
        decision: &'r Decision,
        row: Option<&'r Record>,
        schema: &Schema,
    ) -> Option<(Key<'r>, Option<IpNet>)> {
        let kind = self.draft.program.graph[NodeIndex::new(node)].kind.name();
        key(&decision.provider, kind, schema, |field| {
            let wanted = at(&self.draft.inputs[node], field);
            match row {
                _ if !field.defaulted || !wanted.is_null() => wanted,
                // What the program leaves to the cloud stays as it is, or is yet to be chosen.
                Some(row) => self.value_of(row, field),
                None => &Value::Unknown,
            }
        })
    }
}

fn unique(schema: &Schema) -> impl Iterator<Item = &'static Field> {
    schema.fields.iter().filter(|field| field.unique)
}

fn at<'v>(inputs: &'v Value, field: &Field) -> &'v Value {
    inputs.get(field.name).unwrap_or(&Value::Null)
}

/// The key that `value` gives each field of; `None` if there is none, or not all of it is known.
fn key<'r, 'v>(
    provider: &'r str,
    kind: &'r str,
    schema: &Schema,
    value: impl Fn(&Field) -> &'v Value,
) -> Option<(Key<'r>, Option<IpNet>)> {
    if unique(schema).all(|field| value(field).is_null()) {
        return None;
    }
    let (mut parts, mut found) = (Vec::new(), None);
    for field in unique(schema) {
        match block(field, value(field)).filter(|_| found.is_none()) {
            Some(block) => found = Some(block),
            None => parts.push(Canonical::of(field, value(field))?),
        }
    }
    Some(((provider, kind, parts), found))
}

/// Who has a key and who wants one, of all keys that can not be there at one time: those with the
/// same block of addresses, and those whose block is inside another.
fn in_the_way(keys: &BTreeMap<Option<IpNet>, Hands>) -> Vec<(Hands, Hands)> {
    let mut pairs = Vec::with_capacity(keys.len());
    // The blocks that the one at hand may be inside of: what is wider sorts before what is in it.
    let mut around: Vec<(IpNet, Hands)> = Vec::new();
    for (block, hands) in keys {
        pairs.push((*hands, *hands));
        let Some(block) = *block else { continue };
        while around.last().is_some_and(|(wider, _)| !wider.contains(&block)) {
            around.pop();
        }
        for (_, wider) in &around {
            pairs.extend([(*wider, *hands), (*hands, *wider)]);
        }
        around.push((block, *hands));
    }
    pairs
}
