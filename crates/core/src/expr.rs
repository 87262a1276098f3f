//! Expressions: how a late value is computed, as data as far as it can be.

use std::{panic::Location, sync::Arc};

use crate::value::{Key, Map, Segment, Value};

/// The place of a declared resource or lookup in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// Which run of a declaration a handle came from; handles of another are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProgramToken(pub(crate) u64);

type MapFn = dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync;

pub(crate) enum Expr {
    Known(Value),
    /// An output of a node; an empty field means all outputs.
    Attribute {
        token: ProgramToken,
        node: NodeId,
        field: &'static str,
    },
    /// A pure function of the user's.
    Map {
        from: Vec<Arc<Expr>>,
        at: &'static Location<'static>,
        function: Box<MapFn>,
    },
    List(Vec<Arc<Expr>>),
    /// A struct or a map; what is not set is absent.
    Members(Vec<(Key, Arc<Expr>)>),
    /// Texts joined.
    Text(Vec<Arc<Expr>>),
    /// A value written as a JSON document.
    Json(Arc<Expr>),
    Secret(Arc<Expr>),
    /// A value that could not be converted; reported when it is declared.
    Invalid(String),
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExprError {
    #[error("{0}")]
    Invalid(String),
    #[error("the function given at {at} failed: {message}")]
    Function { at: String, message: String },
    #[error("`{field}` is not an output of `{node:?}`")]
    Missing { node: NodeId, field: &'static str },
}

impl Expr {
    /// Calls `see` with every node this expression reads.
    pub(crate) fn dependencies(&self, see: &mut impl FnMut(ProgramToken, NodeId)) {
        match self {
            Expr::Known(_) | Expr::Invalid(_) => {}
            Expr::Attribute { token, node, .. } => see(*token, *node),
            Expr::Map { from, .. } | Expr::List(from) | Expr::Text(from) => {
                for part in from {
                    part.dependencies(see);
                }
            }
            Expr::Members(members) => {
                for (_, part) in members {
                    part.dependencies(see);
                }
            }
            Expr::Json(part) | Expr::Secret(part) => part.dependencies(see),
        }
    }

    /// Evaluates; what depends on an unknown is unknown, and what depends on a secret is secret.
    pub(crate) fn resolve<'v>(
        &self,
        outputs: &impl Fn(NodeId) -> Option<&'v Value>,
    ) -> Result<Value, ExprError> {
        Ok(match self {
            Expr::Known(value) => value.clone(),
            Expr::Invalid(message) => return Err(ExprError::Invalid(message.clone())),
            Expr::Attribute { node, field, .. } => match outputs(*node) {
                None | Some(Value::Unknown) => Value::Unknown,
                Some(all) if field.is_empty() => all.clone(),
                Some(all) => {
                    all.get(field).cloned().ok_or(ExprError::Missing { node: *node, field })?
                }
            },
            Expr::Map { from, at, function } => {
                let arguments = resolve_all(from, outputs)?;
                if !arguments.iter().all(Value::is_known) {
                    return Ok(Value::Unknown);
                }
                let secret = arguments.iter().any(Value::has_secret);
                let call = std::panic::AssertUnwindSafe(|| function(&arguments));
                let result = std::panic::catch_unwind(call)
                    .unwrap_or_else(|_| Err("it panicked".to_owned()))
                    .map_err(|message| ExprError::Function { at: at.to_string(), message })?;
                if secret { result.into_secret() } else { result }
            }
            Expr::List(parts) => Value::List(resolve_all(parts, outputs)?),
            Expr::Members(members) => {
                let mut map = Map::with_capacity(members.len());
                for (key, part) in members {
                    map.insert(key.clone(), part.resolve(outputs)?);
                }
                Value::Map(map)
            }
            Expr::Text(parts) => {
                let parts = resolve_all(parts, outputs)?;
                if !parts.iter().all(Value::is_known) {
                    return Ok(Value::Unknown);
                }
                let mut text = String::new();
                for part in &parts {
                    match part.open() {
                        Value::String(s) => text.push_str(s),
                        Value::Null => {}
                        other => text.push_str(&other.to_string()),
                    }
                }
                let text = Value::String(text);
                if parts.iter().any(Value::has_secret) { text.into_secret() } else { text }
            }
            Expr::Json(part) => {
                let value = part.resolve(outputs)?;
                if !value.is_known() {
                    return Ok(Value::Unknown);
                }
                let secret = value.has_secret();
                let text = Value::String(open_all(value).to_string_json()?);
                if secret { text.into_secret() } else { text }
            }
            Expr::Secret(part) => match part.resolve(outputs)? {
                Value::Unknown => Value::Unknown,
                value => value.into_secret(),
            },
        })
    }

    /// The expression of the member `key`, if this is a struct or map of them.
    pub(crate) fn member(&self, key: &str) -> Option<&Expr> {
        match self {
            Expr::Secret(inner) => inner.member(key),
            Expr::Members(members) => Some(&members.iter().find(|(k, _)| k.as_ref() == key)?.1),
            _ => None,
        }
    }

    /// The node this expression reads at `path`, if that place is one output as it is.
    pub(crate) fn target(&self, path: &[Segment]) -> Option<(NodeId, &'static str)> {
        match (self, path) {
            (Expr::Attribute { node, field, .. }, []) => Some((*node, field)),
            (Expr::Secret(inner), _) => inner.target(path),
            (Expr::Members(members), [Segment::Key(key), rest @ ..]) => {
                members.iter().find(|(k, _)| k == key)?.1.target(rest)
            }
            (Expr::List(items), [Segment::Index(i), rest @ ..]) => items.get(*i)?.target(rest),
            _ => None,
        }
    }
}

fn resolve_all<'v>(
    parts: &[Arc<Expr>],
    outputs: &impl Fn(NodeId) -> Option<&'v Value>,
) -> Result<Vec<Value>, ExprError> {
    parts.iter().map(|part| part.resolve(outputs)).collect()
}

fn open_all(value: Value) -> Value {
    match value {
        Value::Secret(inner) => open_all(*inner),
        Value::List(items) => Value::List(items.into_iter().map(open_all).collect()),
        Value::Map(map) => Value::Map(map.into_iter().map(|(k, v)| (k, open_all(v))).collect()),
        other => other,
    }
}

impl Value {
    fn to_string_json(&self) -> Result<String, ExprError> {
        // Through `serde_json::Value`, so that keys with a `$` stay as the user wrote them.
        fn plain(value: &Value) -> serde_json::Value {
            match value {
                Value::Bool(b) => (*b).into(),
                Value::Number(n) => serde_json::Value::Number(n.clone()),
                Value::String(s) => s.as_str().into(),
                Value::List(items) => items.iter().map(plain).collect(),
                Value::Map(map) => map.iter().map(|(k, v)| (k.to_string(), plain(v))).collect(),
                _ => serde_json::Value::Null,
            }
        }
        serde_json::to_string(&plain(self)).map_err(|e| ExprError::Invalid(e.to_string()))
    }
}
