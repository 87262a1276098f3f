//! What a run did and could not record, as a file: for the day on which the store fails.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{
    ReadPlanError, SavePlanError, SealError, Sealed, Sealer, VERSION,
    seal::{nested, put, take},
    text::{self, Broken, Kind, Parts},
};
use crate::{state::Change, value::Value};

const UNSAVED: Kind = Kind { name: "unsaved", format: 1 };

/// The changes that a run could not record, and the state that they belong to.
///
/// It comes with [`ApplyError::Unsaved`](crate::ApplyError::Unsaved). What a call made is in the cloud, and its intent in
/// the state, so the next run finds it again without this. But that looks at the cloud, and an object
/// that another hand changes meanwhile is found as it is then. [`Unsaved::to_bytes`] makes a file of
/// it, with the secrets sealed; [`Engine::record`](crate::Engine::record) writes it when the store works again, if
/// nobody wrote to the stack since.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsaved {
    /// The stack.
    pub stack: String,
    /// The lineage of its state.
    pub lineage: String,
    /// The version that the changes follow on.
    pub version: u64,
    /// The changes, in order. They may be durable in fact: of the last commit that a run made it can
    /// be unknown.
    pub changes: Vec<Change>,
}

/// Why there is no file of what was not recorded, or why it can not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnsavedError(String);

#[derive(Serialize, Deserialize)]
struct Document {
    formwork: String,
    format: u32,
    written_by: String,
    written_ms: u64,
    stack: String,
    lineage: String,
    version: u64,
    changes: Vec<Change>,
}

impl Unsaved {
    /// The bytes of a file. `sealer` is asked only where there are secrets.
    ///
    /// # Errors
    /// When there are secrets, and they can not be sealed.
    pub fn to_bytes(&self, sealer: Option<&dyn Sealer>) -> Result<Vec<u8>, UnsavedError> {
        let mut secrets = Vec::new();
        let changes = self.changes.iter().cloned();
        let changes = changes
            .map(|change| change.try_map_values(&mut |value| take(value, &mut secrets)))
            .collect::<Result<_, SavePlanError>>();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let document = Document {
            formwork: UNSAVED.name.to_owned(),
            format: UNSAVED.format,
            written_by: VERSION.to_owned(),
            written_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            stack: self.stack.clone(),
            lineage: self.lineage.clone(),
            version: self.version,
            changes: changes.map_err(|_| UnsavedError::new("they are sealed already"))?,
        };
        let write = |error: serde_json::Error| UnsavedError::new(error.to_string());
        let body = text::body(&document).map_err(write)?;
        let sealed = match (secrets.is_empty(), sealer) {
            (true, _) => None,
            (false, None) => {
                let message = "they hold secrets, and there is no key to seal them with";
                return Err(UnsavedError::new(message));
            }
            (false, Some(sealer)) => {
                let plain = serde_json::to_vec(&secrets).map_err(write)?;
                let sealed = sealer.seal(&text::digest(UNSAVED, &body), &plain);
                Some(sealed.map_err(|error| UnsavedError::secrets("sealed", &error))?)
            }
        };
        text::finish(body, sealed.as_ref()).map_err(write)
    }

    /// Reads a file, and opens its secrets; where there are none, `sealer` is not asked.
    ///
    /// # Errors
    /// When it is no such file, damaged, or its secrets can not be opened.
    pub fn from_bytes(bytes: &[u8], sealer: Option<&dyn Sealer>) -> Result<Self, UnsavedError> {
        let Parts::<Document> { document, sealed, bound_to } = text::read(UNSAVED, bytes)?;
        let secrets = match sealed {
            None => Vec::new(),
            Some(sealed) => open(&sealed, &bound_to, sealer)?,
        };
        let changes = document.changes.into_iter();
        let changes: Result<_, ReadPlanError> = changes
            .map(|change| change.try_map_values(&mut |value| put(value, &secrets)))
            .collect();
        Ok(Self {
            stack: document.stack,
            lineage: document.lineage,
            version: document.version,
            changes: changes.map_err(|error| UnsavedError::new(error.to_string()))?,
        })
    }
}

fn open(
    sealed: &Sealed,
    bound_to: &[u8],
    sealer: Option<&dyn Sealer>,
) -> Result<Vec<Value>, UnsavedError> {
    let sealer = sealer.ok_or_else(|| {
        UnsavedError::new("it holds sealed secrets, and there is no key to open them with")
    })?;
    let plain =
        sealer.open(bound_to, sealed).map_err(|error| UnsavedError::secrets("opened", &error))?;
    // The text of this error would quote the secret.
    let secrets: Vec<Value> = serde_json::from_slice(&plain)
        .map_err(|_| UnsavedError::new("its secrets are not what such a file holds"))?;
    nested(secrets).map_err(|error| UnsavedError::new(error.to_string()))
}

impl UnsavedError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn secrets(verb: &str, error: &SealError) -> Self {
        Self(format!("its secrets can not be {verb}: {error}"))
    }
}

impl From<Broken> for UnsavedError {
    fn from(broken: Broken) -> Self {
        Self(match broken {
            Broken::Other { found } => format!("this is no file of unrecorded changes: {found}"),
            Broken::Format { found, known } => format!(
                "it has format {found}, and this version of formwork reads format {known}: use the version that wrote it"
            ),
            Broken::OtherVersion { wrote, reads } => format!(
                "formwork {wrote} wrote it, and this is {reads}: use the version that wrote it"
            ),
            Broken::Damaged { line } => format!("it is damaged in line {line}"),
            Broken::Truncated { line } => {
                format!("it ends too early, in line {line}: it was cut off")
            }
            Broken::Wrong { message } => format!("it makes no sense: {message}"),
        })
    }
}
