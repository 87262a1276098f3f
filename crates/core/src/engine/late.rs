//! What can be found out before the run: the answers of lookups that depend on resources, and by which
//! values subtrees are declared.

use std::collections::HashSet;

use petgraph::graph::NodeIndex;

use super::{Gathered, PlanRequest};
use crate::{
    declare::{Decisions, Program},
    gather::Gatherer,
    plan::{PlanError, Want, pinned, probe},
    state::Change,
};

impl PlanRequest<'_> {
    /// Asks each of the lookups in `late` whose question is known and depends on nothing that is
    /// about to change, until no answer brings up another question. Returns by which values subtrees
    /// can be declared, if there are any and the plan asks.
    pub(super) async fn ask_late(
        &self,
        gatherer: &Gatherer<'_>,
        program: &Program,
        late: &HashSet<NodeIndex>,
        facts: &mut Gathered,
    ) -> Result<Option<Decisions>, PlanError> {
        if (late.is_empty() && program.deciders.is_empty()) || self.want != Want::Program {
            return Ok(None);
        }
        loop {
            let found = self.with_facts(gatherer, facts.clone(), |facts| probe(program, &facts))?;
            if found.questions.is_empty() {
                return Ok(Some(found.decided));
            }
            for question in found.questions {
                let node = &program.graph[question.node];
                let (address, kind) = (&node.address, node.kind.name());
                let recorded = pinned(&facts.snapshot.pins, address, kind, &question.query);
                let pin = match recorded.filter(|_| question.pinned) {
                    Some(pin) => pin.clone(),
                    None => gatherer.ask(node, question.query).await?,
                };
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
