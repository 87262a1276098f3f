//! Asking the lookups that depend on resources, as far as that can be done before the run.

use std::collections::{HashMap, HashSet};

use petgraph::graph::NodeIndex;

use super::{Gathered, PlanRequest};
use crate::{
    declare::Program,
    gather::Gatherer,
    identity::Address,
    plan::{PlanError, Want, pinned, questions},
    state::{Change, Pin},
};

impl PlanRequest<'_> {
    /// Asks each of the lookups in `late` whose question is known and depends on nothing that is
    /// about to change, until no answer brings up another question. `asked` remembers what was asked
    /// for this plan before.
    pub(super) async fn ask_late(
        &self,
        gatherer: &Gatherer<'_>,
        program: &Program,
        late: &HashSet<NodeIndex>,
        facts: &mut Gathered,
        asked: &mut HashMap<Address, Pin>,
    ) -> Result<(), PlanError> {
        if late.is_empty() || self.want != Want::Program {
            return Ok(());
        }
        loop {
            let found =
                self.with_facts(gatherer, facts.clone(), |facts| questions(program, &facts))?;
            if found.is_empty() {
                return Ok(());
            }
            for question in found {
                let node = &program.graph[question.node];
                let (address, kind) = (&node.address, node.kind.name());
                let recorded = pinned(&facts.snapshot.pins, address, kind, &question.query);
                let before = asked.get(address).filter(|pin| pin.query == question.query);
                let pin = match recorded.filter(|_| question.pinned).or(before) {
                    Some(pin) => pin.clone(),
                    None => gatherer.ask(node, question.query).await?,
                };
                asked.insert(address.clone(), pin.clone());
                if facts.snapshot.pins.get(address) != Some(&pin) {
                    let change = Change::Pin(pin.clone());
                    facts.snapshot.apply(change.clone());
                    facts.recovery.repairs.push(change);
                }
                facts.answers.insert(address.clone(), pin);
            }
        }
    }
}
