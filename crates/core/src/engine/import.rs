//! Taking over what exists already: the looks that a plan takes for it, before it is computed.

use std::collections::HashMap;

use super::{Gathered, PlanRequest};
use crate::{
    declare::{NodeKind, Program},
    gather::{Found, Gatherer, Search},
    identity::{Address, ResourceId},
    plan::{Action, Admitted, Observation, PlanData, PlanError, Want, admit, take_in, wanted},
    resource::By,
    state::Import,
    value::Value,
};

/// Where the ids of what is taken over begin: the planner counts those of what it makes from one.
const FIRST: u64 = 1 << 40;

impl PlanRequest<'_> {
    /// Takes over the object with this id at this address, as
    /// [`Declaration::import`](crate::Declaration::import) does, and counts before what that says. Where
    /// the plan is narrowed to targets, the address is one of them. Means nothing where all is
    /// destroyed, or records are refreshed.
    ///
    /// # Errors
    /// When the program declares no resource there: [`PlanError::UnknownAddresses`]. When it can not
    /// be taken over: [`PlanError::Invalid`], with every reason.
    pub fn import(mut self, address: impl Into<Address>, id: impl Into<String>) -> Self {
        self.import.insert(address.into(), id.into());
        self
    }

    /// Takes what is named by its id into the facts.
    pub(super) async fn import_named(
        &self,
        gatherer: &Gatherer<'_>,
        program: &Program,
        facts: &mut Gathered,
    ) -> Result<(), PlanError> {
        if self.want != Want::Program {
            return Ok(());
        }
        let imports = facts.imports.clone();
        let named = wanted(program, &facts.snapshot, &facts.observed, &facts.selection, &imports);
        let search = |(node, of, id)| Search { node, of, by: By::Id(id) };
        let found = gatherer.locate(named.into_iter().map(search).collect()).await?;
        for found in found {
            admit_found(gatherer, facts, &found);
        }
        Ok(())
    }

    /// Computes the plan, with what is adopted.
    pub(super) async fn adopting(
        &self,
        gatherer: &Gatherer<'_>,
        program: &Program,
        mut facts: Gathered,
    ) -> Result<PlanData, PlanError> {
        let adopts = |address: &Address| {
            let node = program.by_address.get(address).map(|node| &program.graph[*node])?;
            let NodeKind::Resource(of) = node.kind else { return None };
            node.options.adopt.then_some((node, of))
        };
        let any = program.graph.node_weights().any(|node| node.options.adopt);
        if self.want != Want::Program || !any {
            return self.compute(gatherer, program, facts);
        }
        // What is adopted may say where others are to be looked for, which are asked for next.
        let mut asked: HashMap<Address, Value> = HashMap::new();
        loop {
            let plan = self.compute(gatherer, program, facts.clone())?;
            let made = plan.steps.iter().filter(|step| {
                step.action == Action::Create
                    && step.replaces.is_none()
                    && asked.get(&step.address) != Some(&step.inputs)
            });
            let searches: Vec<Search<'_>> = made
                .filter_map(|step| {
                    let (node, of) = adopts(&step.address)?;
                    Some(Search { node, of, by: By::Inputs(&step.inputs) })
                })
                .collect();
            if searches.is_empty() {
                return Ok(plan);
            }
            let inputs = |search: &Search<'_>| match search.by {
                By::Inputs(inputs) => Some((search.node.address.clone(), inputs.clone())),
                By::Id(_) => None,
            };
            asked.extend(searches.iter().filter_map(inputs));
            for found in gatherer.locate(searches).await? {
                admit_found(gatherer, &mut facts, &found);
            }
        }
    }
}

/// Takes what was found into the facts, or says why it can not be taken over.
fn admit_found(gatherer: &Gatherer<'_>, facts: &mut Gathered, found: &Found<'_>) {
    let Found { node, of, provider, .. } = found;
    let asked = match found.by {
        By::Id(id) => Some(id),
        By::Inputs(_) => None,
    };
    let option = if asked.is_some() { "import" } else { "adopt" };
    let mut refuse = |why: String| facts.imports.refuse(&node.address, option, why);
    let seen = match (&found.seen, asked) {
        (Ok(Some(seen)), _) => seen,
        (Ok(None), Some(id)) => {
            return refuse(format!(
                "there is no `{}` with the id {id:?} at the provider `{provider}`",
                of.kind
            ));
        }
        (Ok(None), None) => return,
        (Err(error), _) => return refuse(error.clone()),
    };
    let physical = seen.outputs.get(of.outputs.id).and_then(Value::as_str).unwrap_or_default();
    let import = Import {
        id: asked.unwrap_or(physical).to_owned(),
        adopted: asked.is_none(),
        claimed: false,
    };
    let taken = facts.snapshot.records.len() as u64;
    let id = ResourceId::derive(&facts.seed, FIRST + taken);
    let same_place = |one: &str, other: &str| gatherer.same_place(one, other);
    let known = (&facts.snapshot, &facts.observed);
    match (admit((node, of), (provider, import), seen, known, id, same_place), asked) {
        (Admitted::Row(row), _) => {
            facts.observed.insert(row.id, Observation::There(seen.clone()));
            take_in(&mut facts.snapshot, *row);
        }
        // Its own plan says what becomes of it.
        (Admitted::Own, _) | (Admitted::Taken(_) | Admitted::Other(_), None) => {}
        (Admitted::Taken(by), Some(id)) => refuse(format!(
            "{id} belongs to this stack already, at {by}: no object can have two addresses. To move \
             it here, use moved_from"
        )),
        (Admitted::Other(has), Some(id)) => refuse(format!(
            "{id} can not be imported here, for the address has an object already: {has}"
        )),
        (Admitted::Nameless, _) => {
            refuse("what was found has no id: the provider broke its contract".to_owned());
        }
    }
}
