//! Secrets, sealed and opened.
//!
//! Each is sealed by itself with XChaCha20-Poly1305 under a random nonce of 24 bytes, and bound to
//! the stack and the row it belongs to: copied into another row it does not open.

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chacha20poly1305::{
    AeadInPlace, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use formwork_core::{
    state::{Change, StateError},
    value::Value,
};

use crate::{
    key::{KeyRow, KeySource},
    layout::Row,
};

/// The encoding of a sealed secret: its version, then base64 of nonce and ciphertext.
const PREFIX: &str = "x1.";
const NONCE: usize = 24;
const CHECK: &[u8] = b"formwork: the key is right";

/// A key, which wipes itself when it is dropped.
#[derive(Clone)]
pub(crate) struct Key(XChaCha20Poly1305);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Key {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&bytes.into()))
    }

    pub(crate) fn seal(&self, bound_to: &[u8], plain: &[u8]) -> Result<String, String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        let mut sealed = Vec::with_capacity(NONCE + plain.len() + 16);
        sealed.extend(nonce);
        let mut body = plain.to_vec();
        self.0
            .encrypt_in_place(XNonce::from_slice(&nonce), bound_to, &mut body)
            .map_err(|_| "the secret is too long to seal".to_owned())?;
        sealed.extend(body);
        Ok(format!("{PREFIX}{}", STANDARD_NO_PAD.encode(sealed)))
    }

    pub(crate) fn open(&self, bound_to: &[u8], sealed: &str) -> Option<Vec<u8>> {
        let sealed = STANDARD_NO_PAD.decode(sealed.strip_prefix(PREFIX)?).ok()?;
        let (nonce, body) = sealed.split_at_checked(NONCE)?;
        self.0.decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: bound_to }).ok()
    }

    /// A known text, sealed.
    pub(crate) fn check(&self) -> Result<String, String> {
        self.seal(CHECK, CHECK)
    }

    /// Whether `check` was sealed with this key.
    pub(crate) fn passes(&self, check: &str) -> bool {
        self.open(CHECK, check).is_some_and(|plain| plain == CHECK)
    }
}

/// What a secret is bound to.
pub(crate) fn bound_to(stack: &str, row: Row<'_>) -> Vec<u8> {
    // A record and its intents share one: the same object, and often the same secret.
    let (kind, name) = match &row {
        Row::Record(id) | Row::Intent(id) => ("object", id.as_str()),
        Row::Pin(address) => ("pin", address.as_str()),
        Row::Target(provider) => ("target", *provider),
        Row::Departed(address) => ("departed", address.as_str()),
        Row::Exports => ("exports", ""),
    };
    let mut bound = Vec::with_capacity(stack.len() + name.len() + 24);
    bound.extend((stack.len() as u64).to_be_bytes());
    bound.extend(stack.as_bytes());
    bound.extend(kind.as_bytes());
    bound.push(0);
    bound.extend(name.as_bytes());
    bound
}

/// The row that a change writes values into.
pub(crate) fn row_of(change: &Change) -> Option<Row<'_>> {
    match change {
        Change::Open(intent) => Some(Row::Intent(intent.id)),
        Change::Put(record) => Some(Row::Record(record.id)),
        Change::Pin(pin) => Some(Row::Pin(&pin.address)),
        Change::Target(target) => Some(Row::Target(&target.provider)),
        Change::Exports(_) => Some(Row::Exports),
        Change::Close(_)
        | Change::Remove(_)
        | Change::Unpin(_)
        | Change::Depart(_)
        | Change::Return(_) => None,
    }
}

/// Seals and opens the secrets of one store; it gets its key when it first needs it.
#[derive(Debug)]
pub(crate) struct Vault {
    dir: PathBuf,
    source: Option<KeySource>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    key: Option<Key>,
    row: Option<KeyRow>,
}

impl Vault {
    /// The vault of the store in `dir`, which has `row` if it holds secrets.
    ///
    /// # Errors
    /// When there is a key, and it is not the one that those secrets were sealed with.
    pub(crate) fn new(
        dir: PathBuf,
        source: Option<KeySource>,
        row: Option<KeyRow>,
    ) -> Result<Self, StateError> {
        let vault = Self { dir, source, state: Mutex::default() };
        let key = match (&vault.source, &row) {
            (Some(source), Some(row)) => {
                Some(source.existing(row).map_err(|message| vault.refuse(message))?)
            }
            _ => None,
        };
        *vault.state() = State { key, row };
        Ok(vault)
    }

    /// A vault with the same source of keys for what was sealed elsewhere, with `row` beside it.
    pub(crate) fn with_row(&self, row: Option<KeyRow>) -> Result<Self, StateError> {
        Self::new(self.dir.clone(), self.source.clone(), row)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, message: impl Into<String>) -> StateError {
        StateError::Key { place: self.dir.display().to_string(), message: message.into() }
    }

    fn sealing_key(&self) -> Result<Key, StateError> {
        let mut state = self.state();
        if let Some(key) = &state.key {
            return Ok(key.clone());
        }
        let Some(source) = &self.source else {
            return Err(self.refuse("there is a secret to seal, and the store was given no key"));
        };
        let (key, row) = source.first().map_err(|message| self.refuse(message))?;
        *state = State { key: Some(key.clone()), row: Some(row) };
        Ok(key)
    }

    /// What the store must keep to tell a wrong key, once there is a key.
    pub(crate) fn row(&self) -> Option<KeyRow> {
        self.state().row.clone()
    }

    /// Seals every secret in `value`. One that is sealed already must open here.
    pub(crate) fn seal(&self, bound_to: &[u8], value: Value) -> Result<Value, StateError> {
        if !value.has_secret() {
            return Ok(value);
        }
        let key = self.sealing_key()?;
        self.seal_with(&key, bound_to, value)
    }

    fn seal_with(&self, key: &Key, bound_to: &[u8], value: Value) -> Result<Value, StateError> {
        value.try_map_secrets(&mut |leaf| match leaf {
            Value::Secret(inner) => {
                // A secret inside a secret is sealed first, or it would be written as `[secret]`.
                let inner = self.seal_with(key, bound_to, *inner)?;
                let plain =
                    serde_json::to_vec(&inner).map_err(|error| self.refuse(error.to_string()))?;
                let sealed = key.seal(bound_to, &plain).map_err(|message| self.refuse(message))?;
                Ok(Value::Sealed(sealed.into()))
            }
            Value::Sealed(sealed) => {
                if key.open(bound_to, &sealed).is_none() {
                    return Err(self.refuse("a sealed secret belongs to another row or key"));
                }
                Ok(Value::Sealed(sealed))
            }
            plain => Ok(plain),
        })
    }

    /// Opens every sealed secret in `value`.
    pub(crate) fn open(&self, bound_to: &[u8], value: Value) -> Result<Value, StateError> {
        if !value.has_secret() {
            return Ok(value);
        }
        let Some(key) = self.state().key.clone() else {
            return Err(self.refuse("the store was given no key, and it holds sealed secrets"));
        };
        self.open_with(&key, bound_to, value)
    }

    fn open_with(&self, key: &Key, bound_to: &[u8], value: Value) -> Result<Value, StateError> {
        value.try_map_secrets(&mut |leaf| {
            let Value::Sealed(sealed) = leaf else { return Ok(leaf) };
            let plain = key
                .open(bound_to, &sealed)
                .ok_or_else(|| self.refuse("a sealed secret was changed, or moved from its row"))?;
            let inner: Value = serde_json::from_slice(&plain)
                .map_err(|error| self.refuse(format!("a sealed secret: {error}")))?;
            Ok(Value::Secret(Box::new(self.open_with(key, bound_to, inner)?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use formwork_core::Secret;

    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new("here".into(), Some(KeySource::Bytes(Secret::new([byte; 32]))), None).unwrap()
    }

    #[test]
    fn a_secret_opens_in_its_own_row_alone_and_never_looks_the_same_twice() {
        let vault = vault(1);
        let inner = Value::Secret(Box::new(Value::List(vec![
            Value::from("hunter2").into_secret(),
            Value::Unknown,
        ])));
        let here = bound_to("shop", Row::Exports);
        let sealed = vault.seal(&here, inner.clone()).unwrap();
        assert_ne!(sealed, vault.seal(&here, inner.clone()).unwrap());
        assert_eq!(vault.seal(&here, sealed.clone()).unwrap(), sealed);
        assert_eq!(vault.open(&here, sealed.clone()).unwrap(), inner);
        for (stack, row) in [("shop2", Row::Exports), ("shop", Row::Pin(&"".into()))] {
            let there = bound_to(stack, row);
            assert!(matches!(vault.open(&there, sealed.clone()), Err(StateError::Key { .. })));
            assert!(matches!(vault.seal(&there, sealed.clone()), Err(StateError::Key { .. })));
        }
    }

    #[test]
    fn a_wrong_key_is_told_before_it_is_used() {
        let right = vault(1);
        right.seal(b"row", Value::from("x").into_secret()).unwrap();
        let source = KeySource::Bytes(Secret::new([2; 32]));
        let wrong = Vault::new("here".into(), Some(source), right.row());
        assert!(matches!(wrong, Err(StateError::Key { .. })));
    }
}
