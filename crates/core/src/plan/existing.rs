//! Objects that the program only reads: whoever made one, it is not ours to delete.

use super::{Facts, decide::Draft};
use crate::{
    declare::{NodeKind, Program},
    identity::Address,
    provider::physical_id,
    schema::ResourceType,
    state::{Record, Role},
    value::Value,
};

/// What the program says of objects that others own.
pub(super) struct Readers<'p>(Vec<Reader<'p>>);

struct Reader<'p> {
    address: &'p Address,
    of: &'static ResourceType,
    /// The provider that it goes through.
    provider: Option<String>,
    /// The object's id in the cloud, and as the program writes it, as far as they are known.
    ids: Vec<String>,
}

impl<'p> Readers<'p> {
    pub(super) fn of(program: &'p Program, facts: &Facts<'_>) -> Self {
        let mut readers = Vec::new();
        for node in program.graph.node_weights() {
            let NodeKind::Lookup { existing: Some(of), kind, .. } = node.kind else { continue };
            // Where all goes nothing was asked: what is recorded has to do, and what is written out.
            let pinned = facts.snapshot.pins.get(&node.address).filter(|pin| pin.kind == kind);
            let answers = facts.answers.get(&node.address).into_iter().chain(pinned);
            let query = node.inputs.resolve(&|_| None).ok();
            let written = query.as_ref().and_then(|query| query.get("id")?.as_str());
            let mut ids: Vec<String> = written.into_iter().map(str::to_owned).collect();
            for pin in answers {
                ids.extend(physical_id(of, &pin.answer).map(str::to_owned));
                ids.extend(pin.query.get("id").and_then(Value::as_str).map(str::to_owned));
            }
            let provider = (facts.provider_of)(of.kind, &node.options, None);
            readers.push(Reader { address: &node.address, of, provider, ids });
        }
        Self(readers)
    }

    /// Whether the program reads the object of this id.
    pub(super) fn read(&self, facts: &Facts<'_>, (provider, kind, id): (&str, &str, &str)) -> bool {
        self.0.iter().any(|reader| {
            reader.of.kind == kind
                && reader.ids.iter().any(|read| read == id)
                && reader.provider.as_deref().is_some_and(|at| (facts.same_place)(at, provider))
        })
    }

    /// Where the program only reads the object of a row that goes; unless it is declared all the
    /// same, and goes because all does.
    pub(super) fn of_row(&self, draft: &Draft<'_>, row: &Record) -> Option<&'p Address> {
        let managed = draft.program.declares(&row.address, &row.kind);
        if self.0.is_empty() || (managed && row.role == Role::Current && draft.wants_nothing()) {
            return None;
        }
        let reads = |reader: &&Reader<'_>| {
            let is = |id: &str| reader.ids.iter().any(|read| read == id);
            let imported = row.import.as_ref().is_some_and(|import| is(&import.id));
            let physical = physical_id(reader.of, &row.outputs);
            let place = reader.provider.as_deref();
            reader.of.kind == row.kind
                && place.is_some_and(|at| (draft.facts.same_place)(at, &row.provider))
                && (physical.is_some_and(is) || (physical.is_none() && imported))
        };
        self.0.iter().find(reads).map(|reader| reader.address)
    }
}
