//! What a narrowed plan can not do without, found while it is made: what its resources need, who
//! uses what goes, and what lives on it.

use std::collections::{HashMap, HashSet};

use petgraph::{Direction, graph::NodeIndex};

use super::{
    super::{
        Facts, PlanError, Want,
        decide::{Decision, Draft},
        order,
        removals::Removal,
    },
    Lack, Missing, Selection,
};
use crate::{
    declare::{Node, NodeKind},
    identity::{Address, ResourceId},
    schema::ResourceType,
    state::{Record, Role, Snapshot, Status, Verb},
    value::{Map, Value},
};

/// What a plan is about, as far as it is known while the plan is made.
#[derive(Default)]
pub(in super::super) struct Chosen {
    pub(in super::super) selection: Selection,
    /// The rows that go, where something is left out that may need them.
    going: HashMap<ResourceId, Address>,
    missing: Vec<Missing>,
    named: HashSet<Address>,
}

/// How often a plan is thought about again with what it lacks.
const ROUNDS: u32 = 16;

/// Makes a plan; of one that lacks something, finds out what it would lack with that, so that all of
/// it is told at once.
pub(in super::super) fn complete<T>(
    facts: &mut Facts<'_>,
    attempt: impl Fn(&Facts<'_>) -> Result<T, PlanError>,
) -> Result<T, PlanError> {
    let mut all: Vec<Missing> = Vec::new();
    for _ in 0..ROUNDS {
        match attempt(facts) {
            Err(PlanError::LeftOut { missing }) => {
                if let Some(part) = &mut facts.selection.part {
                    let addresses = missing.iter().map(|missing| missing.address.clone());
                    part.lacking.extend(addresses.clone());
                    part.addresses.extend(addresses);
                }
                all.extend(missing);
            }
            done if all.is_empty() => return done,
            _ => break,
        }
    }
    all.sort_by(|a, b| a.address.cmp(&b.address));
    Err(PlanError::LeftOut { missing: all })
}

/// What a row, or an open call, needs: the object, and whether it lives on it.
fn needs(record: &Record) -> impl Iterator<Item = (ResourceId, bool)> + '_ {
    let host = record.options.deleted_with;
    let needs = record.depends_on.iter().filter(move |needed| Some(**needed) != host);
    host.into_iter().map(|host| (host, true)).chain(needs.map(|needed| (*needed, false)))
}

/// The rows, and what open calls may have made or moved.
fn known(snapshot: &Snapshot) -> impl Iterator<Item = &Record> {
    let intended = snapshot.intents.values().filter_map(|intent| intent.record.as_deref());
    snapshot.records.values().chain(intended)
}

impl Chosen {
    pub(in super::super) fn new(selection: &Selection) -> Self {
        Self { selection: selection.clone(), ..Self::default() }
    }

    fn lacks(&mut self, address: &Address, why: Lack) {
        if self.named.insert(address.clone()) {
            self.missing.push(Missing { address: address.clone(), why });
        }
    }
}

impl<'a> Draft<'a> {
    /// Whether what is left out has to be thought of at all.
    pub(in super::super) fn is_narrowed(&self) -> bool {
        !self.chosen.selection.is_whole()
    }

    pub(in super::super) fn is_chosen(&self, node: NodeIndex) -> bool {
        self.chosen.selection.contains(&self.program.graph[node].address)
    }

    /// Notes what goes whatever becomes of the declared resources: what none of them means.
    pub(in super::super) fn note_going(&mut self, current: &HashMap<(&str, &str), &'a Record>) {
        if !self.is_narrowed() {
            return;
        }
        let program = self.program;
        let declared = |row: &Record| program.declares(&row.address, &row.kind);
        for row in self.facts.snapshot.records.values() {
            let stays = declared(row)
                && row.status != Status::Absent
                && current
                    .get(&(row.address.as_str(), row.kind.as_str()))
                    .is_some_and(|current| current.id == row.id);
            if !stays && self.chosen.selection.contains(&row.address) {
                self.chosen.going.insert(row.id, row.address.clone());
            }
        }
    }

    /// Whether the plan is about this resource: because it was asked for, or because it can not be
    /// left out, as what it uses goes.
    pub(in super::super) fn choose(&mut self, node: &Node, row: Option<&Record>) -> bool {
        if self.chosen.selection.contains(&node.address) {
            return true;
        }
        let of = |intent: &&Record| intent.address == node.address;
        let intents = self.facts.snapshot.intents.values();
        let intended = intents.filter_map(|intent| intent.record.as_deref()).filter(of);
        let going = &self.chosen.going;
        let goes =
            row.into_iter().chain(intended).flat_map(needs).find_map(|(needed, hosts)| {
                going.get(&needed).map(|address| (address.clone(), hosts))
            });
        let Some((goes, hosts)) = goes else { return false };
        if !hosts {
            self.chosen.lacks(&node.address, Lack::Uses { goes });
        } else if self.has_open_call(&node.address) || self.chosen.selection.excludes(&node.address)
        {
            self.chosen.lacks(&node.address, Lack::LivesOn { goes });
        }
        // With it the rest of what is lacking is found too.
        self.chosen.selection.add(&node.address);
        true
    }

    /// Whether nobody has looked yet what became of a call at this address.
    fn has_open_call(&self, address: &Address) -> bool {
        let Snapshot { records, intents, .. } = &self.facts.snapshot;
        intents.values().any(|intent| {
            let record = intent.record.as_deref().or_else(|| records.get(&intent.id));
            record.is_some_and(|record| record.address == *address)
        })
    }

    /// Notes that the object of this decision goes.
    pub(in super::super) fn note_decided(&mut self, address: &Address, decision: &Decision) {
        if self.is_narrowed()
            && let Some(row) = decision.row.filter(|row| *row != decision.id)
        {
            self.chosen.going.insert(row, address.clone());
        }
    }

    /// Notes what a chosen resource needs and can not have, because it is left out.
    pub(in super::super) fn note_needs(&mut self, index: NodeIndex) {
        if !self.is_narrowed() {
            return;
        }
        let program = self.program;
        let mut stack: Vec<(NodeIndex, &Address)> = Vec::new();
        let needs = |of: NodeIndex| {
            let user = &program.graph[of].address;
            let from = program.graph.neighbors_directed(of, Direction::Incoming);
            from.map(move |from| (from, user))
        };
        stack.extend(needs(index));
        while let Some((needed, user)) = stack.pop() {
            let node = &program.graph[needed];
            let user = user.clone();
            let lack = match node.kind {
                NodeKind::Lookup { .. } if self.facts.answers.contains_key(&node.address) => None,
                // It would be, if those who need it were named.
                NodeKind::Lookup { .. } if self.is_lacking(index) => None,
                // It is asked by the run, after what it depends on.
                NodeKind::Lookup { .. } if self.is_chosen(needed) => None,
                NodeKind::Lookup { .. } => Some(Lack::NotAsked { user }),
                NodeKind::Decide => None,
                NodeKind::Resource(_) if self.is_chosen(needed) => None,
                NodeKind::Resource(of) => self.lack_of(node, of, user),
            };
            let through = matches!(node.kind, NodeKind::Lookup { .. } | NodeKind::Decide);
            if (lack.is_some() && !self.chosen.named.contains(&node.address)) || through {
                stack.extend(needs(needed));
            }
            if let Some(lack) = lack {
                self.chosen.lacks(&node.address, lack);
            }
        }
    }

    fn is_lacking(&self, node: NodeIndex) -> bool {
        let address = &self.program.graph[node].address;
        self.chosen.named.contains(address) || self.chosen.selection.lacks(address)
    }

    /// Why a resource that is left out can not serve.
    fn lack_of(&self, node: &Node, of: &ResourceType, user: Address) -> Option<Lack> {
        let decided = self.program.by_address.get(&node.address).map(|node| node.index());
        let row = decided
            .and_then(|node| self.decisions.get(node)?.as_ref()?.row)
            .and_then(|row| self.facts.snapshot.records.get(&row));
        let there = row.filter(|row| row.status != Status::Absent && row.kind == of.kind);
        let Some(row) = there else { return Some(Lack::NotThere { user }) };
        let intent = self.facts.snapshot.intents.get(&row.id);
        let goes = intent.is_some_and(|intent| intent.verb == Verb::Delete);
        let unready = matches!(row.status, Status::Incomplete { .. }) || row.is_unfinished();
        (goes || unready).then_some(Lack::NotReady { user })
    }

    /// What a resource that is left out is to the others: as it is recorded.
    pub(in super::super) fn left_out(
        &self,
        of: &ResourceType,
        row: Option<&Record>,
    ) -> (Decision, Value) {
        let unknown = || {
            let names = of.outputs.fields.iter();
            names.map(|field| (field.name.into(), Value::Unknown)).collect::<Map>().into()
        };
        let decision = Decision {
            action: None,
            reasons: Vec::new(),
            changes: Vec::new(),
            id: row.map_or_else(|| ResourceId::derive(&self.facts.seed, u64::MAX), |row| row.id),
            row: row.map(|row| row.id),
            replaced: false,
            delete_first: false,
            depends_on: row.map(|row| row.depends_on.clone()).unwrap_or_default(),
            options: row.map(|row| row.options.clone()).unwrap_or_default(),
            provider: row.map(|row| row.provider.clone()).unwrap_or_default(),
        };
        (decision, row.map_or_else(unknown, |row| row.outputs.clone()))
    }

    /// Takes in what lives on something that goes and is not declared: it goes too.
    pub(in super::super) fn choose_guests(&mut self) {
        if !self.is_narrowed() {
            return;
        }
        loop {
            let records = self.facts.snapshot.records.values();
            let guests: Vec<&Record> = records
                .filter(|row| {
                    let host = row.options.deleted_with;
                    host.is_some_and(|host| self.chosen.going.contains_key(&host))
                        && !self.program.by_address.contains_key(&row.address)
                        && !self.chosen.going.contains_key(&row.id)
                })
                .collect();
            if guests.is_empty() {
                return;
            }
            for guest in guests {
                let host = guest.options.deleted_with.and_then(|host| self.chosen.going.get(&host));
                if let Some(goes) = host.cloned()
                    && !self.chosen.selection.contains(&guest.address)
                    && (self.has_open_call(&guest.address)
                        || self.chosen.selection.excludes(&guest.address))
                {
                    self.chosen.lacks(&guest.address, Lack::LivesOn { goes });
                }
                self.chosen.selection.add(&guest.address);
                self.chosen.going.insert(guest.id, guest.address.clone());
            }
        }
    }

    /// Refuses a plan that leaves out what it can not do without, naming all of it.
    pub(in super::super) fn refuse_what_lacks(
        &mut self,
        removals: &[Removal],
    ) -> Result<(), PlanError> {
        if !self.is_narrowed() {
            return Ok(());
        }
        self.note_users(removals);
        for Missing { address, why } in order::holders_left_out(self, removals) {
            self.chosen.lacks(&address, why);
        }
        let missing = self.chosen.missing.clone();
        if missing.is_empty() { Ok(()) } else { Err(PlanError::LeftOut { missing }) }
    }

    /// Notes who is left out and uses what goes; and who uses those, where they would go too.
    fn note_users(&mut self, removals: &[Removal]) {
        let facts = self.facts;
        let records = &facts.snapshot.records;
        let mut users: HashMap<ResourceId, Vec<(&Record, bool)>> = HashMap::new();
        for record in known(&facts.snapshot) {
            for (needed, hosts) in needs(record) {
                users.entry(needed).or_default().push((record, hosts));
            }
        }
        let rows = removals
            .iter()
            .flat_map(|removal| std::iter::once(removal.row).chain(removal.takes_along.clone()));
        let mut gone: HashSet<ResourceId> = rows.collect();
        let mut stack: Vec<ResourceId> = gone.iter().copied().collect();
        stack.sort_unstable();
        while let Some(row) = stack.pop() {
            let Some(goes) = records.get(&row).map(|row| row.address.clone()) else { continue };
            for (user, hosts) in users.get(&row).into_iter().flatten() {
                if gone.contains(&user.id) || self.chosen.selection.contains(&user.address) {
                    continue;
                }
                let goes = goes.clone();
                let lack = if *hosts { Lack::LivesOn { goes } } else { Lack::Uses { goes } };
                self.chosen.lacks(&user.address, lack);
                let declared = self.program.by_address.contains_key(&user.address);
                if (facts.want == Want::Nothing || !declared) && gone.insert(user.id) {
                    stack.push(user.id);
                }
            }
        }
    }

    /// The rows that are left out, or held back, and that a plan of the whole stack would remove.
    pub(in super::super) fn removable_left_out(&self) -> impl Iterator<Item = &'a Record> + '_ {
        let program = self.program;
        let any = self.is_narrowed() || !self.held.is_empty();
        let records = self.facts.snapshot.records.values().filter(move |_| any);
        records.filter(move |row| {
            if self.held.contains(&row.id) {
                return true;
            }
            let node = program.by_address.get(&row.address);
            let declared = node.is_some_and(|node| program.graph[*node].kind.name() == row.kind);
            let stays = declared && row.role == Role::Current;
            !stays && !self.chosen.selection.contains(&row.address)
        })
    }
}
