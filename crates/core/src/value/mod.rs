//! The engine's own data model: what inputs, outputs and records are made of.
//!
//! It is JSON with two leaves that JSON lacks: a *secret*, which prints as `[secret]` and leaves
//! the process only sealed, and an *unknown*, which stands in a plan for what only apply can tell.
//! It is not a wire format; a store writes it as JSON through [`serde`].

mod de;
mod json;
mod map;
mod path;
mod secret;
mod ser;

use std::{borrow::Cow, fmt, sync::Arc};

pub use map::Map;
pub use path::{Path, Segment};
pub use secret::Secret;

/// The key of a [`Map`]; the field names of a struct cost no allocation.
pub type Key = Cow<'static, str>;

/// Any datum that a resource takes or reports.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// Nothing; an unset optional field.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    String(String),
    /// An ordered list.
    List(Vec<Value>),
    /// A struct or a map with text keys.
    Map(Map),
    /// A value that is never shown; only providers and the outputs a user asks for see inside.
    Secret(Box<Value>),
    /// A secret as a store keeps it: encrypted, in the store's own encoding.
    Sealed(Arc<str>),
    /// A value that only apply can tell.
    Unknown,
}

/// Why a Rust value has no [`Value`], or a [`Value`] is not of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    message: String,
}

impl ValueError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl Value {
    /// Converts plain data; a [`Secret`] inside stays secret.
    ///
    /// # Errors
    /// When the data has no representation: a map key that is not text, or a serializer that fails.
    pub fn from_data<T: serde::Serialize + ?Sized>(data: &T) -> Result<Self, ValueError> {
        data.serialize(ser::Serializer)
    }

    /// Converts into plain data; secrets are opened, for they are what the data's owner asked for.
    ///
    /// # Errors
    /// When the value is not of the type, or a part of it is unknown or still sealed.
    pub fn to_data<T: serde::de::DeserializeOwned>(&self) -> Result<T, ValueError> {
        T::deserialize(self)
    }

    /// The same, where a part that is secret may only be taken as a [`Secret`].
    pub(crate) fn to_guarded<T: serde::de::DeserializeOwned>(&self) -> Result<T, ValueError> {
        secret::guarding(true, || T::deserialize(self))
    }

    /// Whether nothing in here is unknown.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Value::Unknown => false,
            Value::List(items) => items.iter().all(Value::is_known),
            Value::Map(map) => map.values().all(Value::is_known),
            Value::Secret(inner) => inner.is_known(),
            _ => true,
        }
    }

    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether a secret is anywhere inside, open or sealed.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        match self {
            Value::Secret(_) | Value::Sealed(_) => true,
            Value::List(items) => items.iter().any(Value::has_secret),
            Value::Map(map) => map.values().any(Value::has_secret),
            _ => false,
        }
    }

    /// The value without its outer secret wrapping.
    #[must_use]
    pub fn open(&self) -> &Value {
        match self {
            Value::Secret(inner) => inner.open(),
            other => other,
        }
    }

    /// Wraps the value as secret, once.
    #[must_use]
    pub fn into_secret(self) -> Self {
        match self {
            already @ (Value::Secret(_) | Value::Sealed(_)) => already,
            plain => Value::Secret(Box::new(plain)),
        }
    }

    /// The text, if this is one (or a secret one).
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self.open() {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self.open() {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The member `key`, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// Replaces every secret leaf by what `f` makes of it.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map_secrets<E>(
        self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            leaf @ (Value::Secret(_) | Value::Sealed(_)) => f(leaf)?,
            Value::List(items) => Value::List(
                items.into_iter().map(|item| item.try_map_secrets(f)).collect::<Result<_, E>>()?,
            ),
            Value::Map(map) => Value::Map(
                map.into_iter()
                    .map(|(key, value)| Ok((key, value.try_map_secrets(f)?)))
                    .collect::<Result<_, E>>()?,
            ),
            plain => plain,
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Compact, JSON-like, and with secrets and unknowns masked.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Number(n) => write!(f, "{n}"),
            Value::String(s) => write!(f, "{s:?}"),
            Value::Secret(_) | Value::Sealed(_) => f.write_str("[secret]"),
            Value::Unknown => f.write_str("(known after apply)"),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Number(n.into())
    }
}
impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Value::Map(map)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, String),
        Struct { a: Option<bool> },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Everything {
        text: String,
        number: i64,
        big: u64,
        float: f64,
        none: Option<String>,
        some: Option<u8>,
        list: Vec<Shape>,
        map: BTreeMap<String, (u8, char)>,
        secret: Secret<String>,
        #[serde(default)]
        missing: u32,
    }

    fn everything() -> Everything {
        Everything {
            text: "t".into(),
            number: -3,
            big: u64::MAX,
            float: 0.5,
            none: None,
            some: Some(1),
            list: vec![
                Shape::Unit,
                Shape::Newtype(1),
                Shape::Tuple(2, "x".into()),
                Shape::Struct { a: Some(true) },
            ],
            map: [("$k".to_owned(), (1, 'c'))].into(),
            secret: Secret::new("hunter2".to_owned()),
            missing: 0,
        }
    }

    #[test]
    fn data_survives_the_way_into_a_value_and_back() {
        let value = Value::from_data(&everything()).unwrap();
        assert_eq!(value.to_data::<Everything>().unwrap(), everything());
    }

    #[test]
    fn a_value_survives_the_way_through_json_with_its_secret_sealed() {
        let value = Value::from_data(&everything()).unwrap();
        let sealed =
            value.try_map_secrets::<()>(&mut |_| Ok(Value::Sealed("cipher".into()))).unwrap();
        let text = serde_json::to_string(&sealed).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), sealed);
    }

    #[test]
    fn an_open_secret_reaches_no_foreign_format() {
        let value = Value::from_data(&everything()).unwrap();
        let shown = format!("{value} {value:?} {:?}", everything().secret);
        let json = serde_json::to_string(&value).unwrap();
        let direct = serde_json::to_string(&everything()).unwrap();
        assert!(!(shown + &json + &direct).contains("hunter2"));
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_quoted() {
        let secret = Value::from("hunter2").into_secret();
        let error = secret.to_data::<u32>().unwrap_err().to_string();
        assert_eq!(error, "the secret is not of the expected type");
    }

    #[test]
    fn an_unknown_is_not_data() {
        let error = Value::Unknown.to_data::<String>().unwrap_err();
        assert_eq!(error.to_string(), "the value is known only after apply");
    }
}
