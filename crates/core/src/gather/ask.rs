//! The answers of lookups.

use std::{
    collections::{HashMap, HashSet},
    sync::{MutexGuard, PoisonError},
};

use petgraph::graph::NodeIndex;

use super::{Gatherer, patiently};
use crate::{
    declare::{Node, NodeKind, Options, Program},
    expr::NodeId,
    identity::Address,
    plan::{PlanError, Selection, pinned},
    provider::{ErrorKind, Provider, ProviderError},
    state::{Change, Pin, Role, Snapshot, Status},
    value::Value,
};

impl<'g> Gatherer<'g> {
    /// Who answers a lookup: the provider that its declaration names, if that can, or the first that
    /// can.
    pub(crate) fn asked_of(&self, kind: &str, options: &Options) -> Option<&'g dyn Provider> {
        let can = || self.providers.iter().filter(|p| p.lookup(kind).is_some());
        let named = can().find(|p| options.provider.as_deref() == Some(p.name()));
        named.or_else(|| can().next()).map(AsRef::as_ref)
    }

    /// Asks every lookup that has no pinned answer to the same question, or all of them. One that is
    /// left out keeps the answer that it has, if it has one, whatever was asked for it. Those in
    /// `late` are passed over, and keep what is recorded of them for now.
    pub(crate) async fn answers(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        selection: &Selection,
        late: &HashSet<NodeIndex>,
        again: bool,
    ) -> Result<(HashMap<Address, Pin>, Vec<Change>), PlanError> {
        let mut answers: HashMap<Address, Pin> = HashMap::new();
        let mut outputs: HashMap<NodeId, Value> = HashMap::new();
        let mut pins = Vec::new();
        for index in program.order.iter().copied() {
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
            if late.contains(&index) {
                continue;
            }
            let query = node.inputs.resolve(&|id| outputs.get(&id)).map_err(|error| {
                failed(node, ProviderError::new(ErrorKind::Invalid, kind, error.to_string()))
            })?;
            let pin = match pinned(&snapshot.pins, &address, kind, &query) {
                Some(pin) if !again => pin.clone(),
                _ => self.ask(node, query).await?,
            };
            if snapshot.pins.get(&address) != Some(&pin) {
                pins.push(Change::Pin(pin.clone()));
            }
            outputs.insert(id, pin.answer.clone());
            answers.insert(address, pin);
        }
        let later: HashSet<&Address> =
            late.iter().map(|index| &program.graph[*index].address).collect();
        let dropped = snapshot.pins.keys().filter(|address| {
            // Of what is undecided nobody knows whether it asks the same.
            let kept = later.contains(address) || program.is_undecided(address);
            let counts = answers.contains_key(*address) || kept;
            !counts && selection.contains(address)
        });
        pins.extend(dropped.cloned().map(Change::Unpin));
        Ok((answers, pins))
    }

    /// Asks the lookups in `late` again, as far as what they depend on is recorded: what is to be
    /// recorded is what is there, whatever the program is about to change.
    pub(crate) async fn recorded_answers(
        &self,
        program: &Program,
        snapshot: &Snapshot,
        selection: &Selection,
        late: &HashSet<NodeIndex>,
        answers: &mut HashMap<Address, Pin>,
    ) -> Result<(), PlanError> {
        let current =
            |row: &&crate::state::Record| row.role == Role::Current && row.status != Status::Absent;
        let rows = snapshot.records.values().filter(current);
        let rows: HashMap<(&str, &str), &Value> =
            rows.map(|row| ((row.address.as_str(), row.kind.as_str()), &row.outputs)).collect();
        for index in program.order.iter().filter(|index| late.contains(index)) {
            let index = *index;
            let node = &program.graph[index];
            if !selection.contains(&node.address) {
                continue;
            }
            let query = node.inputs.resolve(&|id| {
                let on = program.node(id);
                match on.kind {
                    NodeKind::Lookup { .. } => answers.get(&on.address).map(|pin| &pin.answer),
                    NodeKind::Decide => None,
                    NodeKind::Resource(of) => rows.get(&(on.address.as_str(), of.kind)).copied(),
                }
            });
            if let Some(query) = query.ok().filter(Value::is_known) {
                let pin = self.ask(node, query).await?;
                answers.insert(node.address.clone(), pin);
            }
        }
        Ok(())
    }

    /// Asks one lookup.
    pub(crate) async fn ask(&self, node: &Node, query: Value) -> Result<Pin, PlanError> {
        let (address, kind) = (node.address.clone(), node.kind.name().to_owned());
        let heard =
            |heard: &Pin| (&heard.address, &heard.kind, &heard.query) == (&address, &kind, &query);
        if let Some(pin) = self.heard().iter().find(|pin| heard(pin)) {
            return Ok(pin.clone());
        }
        let provider = self.asked_of(&kind, &node.options);
        let Some(handler) = provider.and_then(|provider| provider.lookup(&kind)) else {
            return Err(PlanError::NoProvider { address, kind });
        };
        let answer = patiently(|| handler.look_up(&query)).await;
        let answer = answer.map_err(|source| failed(node, source))?;
        let pin = Pin { address, kind, query, answer };
        self.heard().push(pin.clone());
        Ok(pin)
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Pin>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(node: &Node, source: ProviderError) -> PlanError {
    PlanError::Lookup {
        address: node.address.clone(),
        declared_at: node.declared_at.to_string(),
        source,
    }
}
