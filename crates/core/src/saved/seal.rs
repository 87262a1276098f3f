//! The secrets of a plan: taken out of it, sealed as one, and put back.
//!
//! In the file a number stands where a secret was. All of them are sealed together, and bound to the
//! rest of the file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Document, ReadPlanError, SavePlanError};
use crate::{plan::PlanData, state::Change, value::Value};

/// What seals the secrets of a saved plan, and opens them again.
///
/// Core knows no cryptography: `formwork_state::KeySource` is one. Both directions are authenticated:
/// what was changed, or is bound to something else, must not open.
pub trait Sealer: Send + Sync {
    /// Encrypts `plain`, so that it opens only with this key and the same `bound_to`.
    ///
    /// # Errors
    /// When there is no key, or it can not be used.
    fn seal(&self, bound_to: &[u8], plain: &[u8]) -> Result<Sealed, SealError>;

    /// Decrypts what [`Sealer::seal`] made.
    ///
    /// # Errors
    /// When the key is missing or another one, when `sealed` was changed, or was bound to something
    /// else.
    fn open(&self, bound_to: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError>;
}

/// What a [`Sealer`] made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// What was sealed, in the sealer's own encoding.
    pub text: String,
    /// What the sealer needs to find its key again and to tell a wrong one. Nothing secret.
    pub key: serde_json::Value,
}

/// Why something could not be sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SealError(String);

impl SealError {
    /// An error in words, which must not quote what was to be sealed.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Takes every secret out of `document`, in the order they are met; a number stays in its place.
pub(super) fn take_out(
    document: Document,
    secrets: &mut Vec<Value>,
) -> Result<Document, SavePlanError> {
    document.try_map_values(&mut |value| take(value, secrets))
}

pub(super) fn take(value: Value, secrets: &mut Vec<Value>) -> Result<Value, SavePlanError> {
    value.try_map_secrets(&mut |leaf| match leaf {
        Value::Secret(inner) => {
            // A secret in a secret comes first, so that a number leads only to smaller ones.
            let inner = take(*inner, secrets)?;
            secrets.push(inner);
            Ok(Value::Sealed(Arc::from((secrets.len() - 1).to_string())))
        }
        Value::Sealed(_) => Err(SavePlanError::Sealed),
        plain => Ok(plain),
    })
}

/// Puts the secrets back where their numbers are.
pub(super) fn put_back(document: Document, sealed: Vec<Value>) -> Result<Document, ReadPlanError> {
    let secrets = nested(sealed)?;
    document.try_map_values(&mut |value| put(value, &secrets))
}

/// The secrets, each with those that are in it.
pub(super) fn nested(sealed: Vec<Value>) -> Result<Vec<Value>, ReadPlanError> {
    let mut secrets: Vec<Value> = Vec::with_capacity(sealed.len());
    for secret in sealed {
        let secret = put(secret, &secrets)?;
        secrets.push(secret);
    }
    Ok(secrets)
}

pub(super) fn put(value: Value, secrets: &[Value]) -> Result<Value, ReadPlanError> {
    value.try_map_secrets(&mut |leaf| {
        let Value::Sealed(number) = leaf else { return Ok(leaf) };
        let secret = number.parse::<usize>().ok().and_then(|number| secrets.get(number));
        let secret = secret.ok_or_else(|| ReadPlanError::Wrong {
            message: "a secret is missing that the file refers to".to_owned(),
        })?;
        Ok(Value::Secret(Box::new(secret.clone())))
    })
}

impl Document {
    /// Replaces every value in the file by what `f` makes of it.
    fn try_map_values<E>(self, f: &mut impl FnMut(Value) -> Result<Value, E>) -> Result<Self, E> {
        Ok(Self {
            made_with: f(self.made_with)?,
            targets: self
                .targets
                .into_iter()
                .map(|target| target.try_map_values(f))
                .collect::<Result<_, E>>()?,
            answers: self
                .answers
                .into_iter()
                .map(|pin| pin.try_map_values(f))
                .collect::<Result<_, E>>()?,
            declared: self.declared.try_map_values(f)?,
            plan: plan_values(self.plan, f)?,
            formwork: self.formwork,
            format: self.format,
            written_by: self.written_by,
            written_ms: self.written_ms,
            asked: self.asked,
            types: self.types,
        })
    }
}

/// Replaces every value in a plan by what `f` makes of it.
fn plan_values<E>(
    mut plan: PlanData,
    f: &mut impl FnMut(Value) -> Result<Value, E>,
) -> Result<PlanData, E> {
    let mut map = |value: &mut Value| -> Result<(), E> {
        *value = f(std::mem::take(value))?;
        Ok(())
    };
    for child in plan.unmanaged.iter_mut().flatten() {
        map(&mut child.inputs)?;
        map(&mut child.outputs)?;
    }
    for step in &mut plan.steps {
        map(&mut step.inputs)?;
        for change in &mut step.changes {
            map(&mut change.old)?;
            map(&mut change.new)?;
        }
        if let Some(observed) = &mut step.observed {
            map(&mut observed.inputs)?;
            map(&mut observed.outputs)?;
        }
        if let Some(trigger) = &mut step.options.trigger {
            map(trigger)?;
        }
    }
    for change in plan.drift.iter_mut().flat_map(|drift| &mut drift.fields) {
        map(&mut change.old)?;
        map(&mut change.new)?;
    }
    for view in plan.drift.iter_mut().flat_map(|drift| &mut drift.views) {
        for value in view.wanted.iter_mut().chain([&mut view.sent, &mut view.left, &mut view.found])
        {
            map(value)?;
        }
    }
    for decided in &mut plan.decided {
        map(&mut decided.value)?;
    }
    for remediation in &mut plan.policy.remediations {
        map(&mut remediation.old)?;
        map(&mut remediation.new)?;
    }
    map(&mut plan.exports)?;
    map(&mut plan.recorded_exports)?;
    let repairs = plan.repairs.into_iter().map(|change: Change| change.try_map_values(f));
    plan.repairs = repairs.collect::<Result<_, E>>()?;
    for source in &mut plan.sources {
        let changes = std::mem::take(&mut source.changes).into_iter();
        let changes = changes.map(|change: Change| change.try_map_values(f));
        source.changes = changes.collect::<Result<_, E>>()?;
    }
    Ok(plan)
}
