//! A stack as one JSON document: a copy to keep, or to take to another store.

use formwork_core::{
    state::{
        Change, Departed, Intent, Pin, ProviderTarget, Record, Snapshot, StateError, StateStore,
    },
    value::Value,
};
use serde::{Deserialize, Serialize};

use crate::{
    command::Write,
    inspect::StackRow,
    key::KeyRow,
    layout::Row,
    seal::{bound_to, row_of},
    store::SledStore,
};

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Document {
    formwork: String,
    format: u32,
    stack: String,
    lineage: String,
    version: u64,
    records: Vec<Record>,
    intents: Vec<Intent>,
    pins: Vec<Pin>,
    #[serde(default)]
    targets: Vec<ProviderTarget>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    departed: Vec<Departed>,
    exports: Value,
    /// How the key of the sealed secrets is derived and checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<KeyRow>,
}

impl SledStore {
    /// The state of `stack` as one JSON document, its secrets sealed with the store's key.
    ///
    /// # Errors
    /// As `load`; [`StateError::Key`] when there are secrets and there is no key.
    pub async fn export(&self, stack: &str) -> Result<serde_json::Value, StateError> {
        let state = self.load(stack).await?;
        let mut sealed = false;
        let mut seal = |row: Row<'_>, value: Value| {
            sealed |= value.has_secret();
            self.vault().seal(&bound_to(stack, row), value)
        };
        let Snapshot { lineage, version, records, intents, pins, targets, departed, exports } =
            state;
        let records = records
            .into_values()
            .map(|r| {
                let row = Row::Record(r.id);
                r.try_map_values(&mut |value| seal(row, value))
            })
            .collect::<Result<_, _>>()?;
        let intents = intents
            .into_values()
            .map(|i| {
                let row = Row::Intent(i.id);
                i.try_map_values(&mut |value| seal(row, value))
            })
            .collect::<Result<_, _>>()?;
        let pins = pins
            .into_values()
            .map(|p| {
                let address = p.address.clone();
                p.try_map_values(&mut |value| seal(Row::Pin(&address), value))
            })
            .collect::<Result<_, _>>()?;
        let targets = targets
            .into_values()
            .map(|t| {
                let provider = t.provider.clone();
                t.try_map_values(&mut |value| seal(Row::Target(&provider), value))
            })
            .collect::<Result<_, _>>()?;
        let exports = seal(Row::Exports, exports)?;
        let secrets = self.vault().row().filter(|_| sealed);
        let document = Document {
            formwork: "stack".to_owned(),
            format: FORMAT,
            stack: stack.to_owned(),
            lineage,
            version,
            records,
            intents,
            pins,
            targets,
            departed: departed.into_values().collect(),
            exports,
            secrets,
        };
        serde_json::to_value(&document)
            .map_err(|error| self.medium().corrupt(format!("stack `{stack}`"), error))
    }

    /// Takes the state in a document of [`Self::export`], with its lineage and version, and
    /// returns the name of its stack. All of it is durable when this resolves, or nothing is there.
    ///
    /// # Errors
    /// [`StateError::Corrupt`] for what is no such document, [`StateError::Key`] when its secrets
    /// were sealed with another key, [`StateError::Io`] when the stack has state here already,
    /// [`StateError::Leased`] when a run holds it.
    pub async fn import(&self, document: &serde_json::Value) -> Result<String, StateError> {
        let document: Document = Deserialize::deserialize(document)
            .map_err(|error: serde_json::Error| self.medium().corrupt("the document", error))?;
        if document.formwork != "stack" {
            return Err(self.medium().corrupt("the document", "it is not the export of a stack"));
        }
        if document.format > FORMAT {
            let (found, known) = (document.format, FORMAT);
            return Err(StateError::Newer { place: "the document".to_owned(), found, known });
        }
        let Document {
            stack,
            lineage,
            version,
            records,
            intents,
            pins,
            targets,
            departed,
            exports,
            secrets,
            ..
        } = document;
        let records = records.into_iter().map(|record| Change::Put(Box::new(record)));
        let changes = records
            .chain(intents.into_iter().map(Change::Open))
            .chain(pins.into_iter().map(Change::Pin))
            .chain(targets.into_iter().map(Change::Target))
            .chain(departed.into_iter().map(Change::Depart))
            .chain([Change::Exports(exports)]);
        let theirs = self.vault().with_row(secrets)?;
        let opened = changes.map(|change| {
            let bound = row_of(&change).map(|row| bound_to(&stack, row)).unwrap_or_default();
            change.try_map_values(&mut |value| theirs.open(&bound, value))
        });
        let encoded = self.encode(&stack, opened.collect::<Result<_, _>>()?)?;
        let row = StackRow { stack: stack.clone(), lineage, version, ..StackRow::default() };
        self.write(|reply| Write::Import { row, encoded, reply }).await?;
        Ok(stack)
    }
}
