//! A part of a stack as a document: to be taken into another stack or another store.
//!
//! Secrets are sealed one by one with a key of their own choice: that of the store, or a passphrase
//! for whoever has another one. The document says how its key is found and told from a wrong one.

use formwork_core::{
    state::{StateError, edit::Excerpt},
    value::Value,
};
use serde::{Deserialize, Serialize};

use crate::{
    key::{KeyRow, KeySource},
    layout::Row,
    seal::{Vault, bound_to},
};

const FORMAT: u32 = 1;
const PLACE: &str = "the document";

#[derive(Serialize, Deserialize)]
struct Document {
    formwork: String,
    format: u32,
    #[serde(flatten)]
    excerpt: Excerpt,
    /// How the key of the sealed secrets is derived and checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<KeyRow>,
}

/// The document of `excerpt`, its secrets sealed with `key`. Without secrets it needs none.
///
/// # Errors
/// [`StateError::Key`] when there are secrets, and no key or one that can not be used.
pub fn seal_excerpt(
    excerpt: Excerpt,
    key: Option<&KeySource>,
) -> Result<serde_json::Value, StateError> {
    let vault = Vault::new(PLACE.into(), key.cloned(), None)?;
    let stack = excerpt.stack.clone();
    let excerpt = map(excerpt, &mut |row, value| vault.seal(&bound_to(&stack, row), value))?;
    let (formwork, secrets) = ("excerpt".to_owned(), vault.row());
    serde_json::to_value(Document { formwork, format: FORMAT, excerpt, secrets })
        .map_err(|error| corrupt(error.to_string()))
}

/// What a document of [`seal_excerpt`] holds, its secrets opened with the first of `keys` that is
/// theirs.
///
/// # Errors
/// [`StateError::Corrupt`] for what is no such document, [`StateError::Newer`] for one of a later
/// version, [`StateError::Key`] when none of the keys is the one that its secrets were sealed with.
pub fn open_excerpt(
    document: &serde_json::Value,
    keys: &[KeySource],
) -> Result<Excerpt, StateError> {
    let of = document.get("formwork").and_then(serde_json::Value::as_str);
    if of != Some("excerpt") {
        return Err(corrupt("it is not what `state export` wrote".to_owned()));
    }
    let format = document.get("format").and_then(serde_json::Value::as_u64);
    if let Some(found) = format.and_then(|found| u32::try_from(found).ok())
        && found > FORMAT
    {
        return Err(StateError::Newer { place: PLACE.to_owned(), found, known: FORMAT });
    }
    let Document { excerpt, secrets, .. } =
        Deserialize::deserialize(document).map_err(|error: serde_json::Error| {
            // The text of the error would quote what is in there.
            corrupt(format!(
                "line {}, column {}: not as it was written",
                error.line(),
                error.column()
            ))
        })?;
    let vault = match secrets {
        None => Vault::new(PLACE.into(), None, None)?,
        Some(row) => {
            let none = StateError::Key {
                place: PLACE.to_owned(),
                message: "there is no key for them".to_owned(),
            };
            let open =
                |key: &KeySource| Vault::new(PLACE.into(), Some(key.clone()), Some(row.clone()));
            keys.iter().map(open).fold(Err(none), Result::or)?
        }
    };
    let stack = excerpt.stack.clone();
    map(excerpt, &mut |row, value| vault.open(&bound_to(&stack, row), value))
}

fn corrupt(message: String) -> StateError {
    StateError::Corrupt { place: PLACE.to_owned(), what: "the document".to_owned(), message }
}

/// Replaces every value by what `f` makes of it, in its row.
fn map(
    excerpt: Excerpt,
    f: &mut impl FnMut(Row<'_>, Value) -> Result<Value, StateError>,
) -> Result<Excerpt, StateError> {
    let records = excerpt.records.into_iter().map(|record| {
        let id = record.id;
        record.try_map_values(&mut |value| f(Row::Record(id), value))
    });
    let records = records.collect::<Result<_, _>>()?;
    let pins = excerpt.pins.into_iter().map(|pin| {
        let address = pin.address.clone();
        pin.try_map_values(&mut |value| f(Row::Pin(&address), value))
    });
    let pins = pins.collect::<Result<_, _>>()?;
    let targets = excerpt.targets.into_iter().map(|target| {
        let provider = target.provider.clone();
        target.try_map_values(&mut |value| f(Row::Target(&provider), value))
    });
    let targets = targets.collect::<Result<_, _>>()?;
    Ok(Excerpt { records, pins, targets, ..excerpt })
}
