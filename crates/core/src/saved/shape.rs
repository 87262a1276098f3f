//! What an expression of a program is, as data: what two declarations of it are compared by.
//!
//! All of an expression is data but the functions of the user's. Of these only the place in the
//! source is known, so one that moved counts as another one.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    declare::Program,
    expr::Expr,
    identity::Address,
    value::{Map, Value},
};

/// An expression, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    /// A known value.
    Is(Value),
    /// An output of a resource or lookup; an empty field means all of them.
    Output {
        of: Address,
        field: String,
    },
    /// What a function makes of its arguments.
    Map {
        from: Vec<Shape>,
        at: String,
    },
    List(Vec<Shape>),
    /// A struct or a map.
    Members(BTreeMap<String, Shape>),
    /// Texts joined.
    Text(Vec<Shape>),
    /// A JSON document.
    Json(Box<Shape>),
    /// What is secret whatever it is.
    Secret(Box<Shape>),
    /// What could not be converted; no plan is made of a program that has one.
    Invalid(String),
}

/// Where two expressions differ, and how.
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) was: String,
    pub(super) is: String,
}

impl Shape {
    /// The shape of an expression. What is made of known values alone is known, whichever way the
    /// program writes it.
    pub(super) fn of(program: &Program, expr: &Expr) -> Self {
        let all = |parts: &[std::sync::Arc<Expr>]| -> Vec<Shape> {
            parts.iter().map(|part| Shape::of(program, part)).collect()
        };
        match expr {
            Expr::Known(value) => Shape::Is(value.clone()),
            Expr::Attribute { node, field, .. } => Shape::Output {
                of: program.node(*node).address.clone(),
                field: (*field).to_owned(),
            },
            Expr::Map { from, at, .. } => Shape::Map { from: all(from), at: at.to_string() },
            Expr::List(parts) => {
                let parts = all(parts);
                match parts.iter().map(Shape::known).collect::<Option<Vec<_>>>() {
                    Some(known) => Shape::Is(Value::List(known.into_iter().cloned().collect())),
                    None => Shape::List(parts),
                }
            }
            Expr::Members(members) => {
                let members = members
                    .iter()
                    .map(|(key, part)| (key.to_string(), Shape::of(program, part)))
                    // What is set to nothing is not set.
                    .filter(|(_, shape)| *shape != Shape::Is(Value::Null));
                let members: BTreeMap<String, Shape> = members.collect();
                let known = members
                    .iter()
                    .map(|(key, shape)| Some((key.clone().into(), shape.known()?.clone())));
                match known.collect::<Option<Map>>() {
                    Some(known) => Shape::Is(Value::Map(known)),
                    None => Shape::Members(members),
                }
            }
            Expr::Text(parts) => {
                let parts = all(parts).into_iter().filter(|part| {
                    // An empty piece of a format says nothing.
                    !matches!(part, Shape::Is(Value::String(text)) if text.is_empty())
                });
                Shape::Text(parts.collect())
            }
            Expr::Json(part) => Shape::Json(Box::new(Shape::of(program, part))),
            Expr::Secret(part) => match Shape::of(program, part) {
                Shape::Is(value) => Shape::Is(value.into_secret()),
                other => Shape::Secret(Box::new(other.hidden())),
            },
            Expr::Invalid(message) => Shape::Invalid(message.clone()),
        }
    }

    fn known(&self) -> Option<&Value> {
        match self {
            Shape::Is(value) => Some(value),
            _ => None,
        }
    }

    /// The same, with every known part marked secret.
    fn hidden(self) -> Self {
        let Ok(hidden) = self
            .try_map_values(&mut |value| Ok::<_, std::convert::Infallible>(value.into_secret()));
        hidden
    }

    /// Replaces every value in it by what `f` makes of it.
    pub(super) fn try_map_values<E>(
        self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        let all = |parts: Vec<Shape>, f: &mut _| -> Result<Vec<Shape>, E> {
            parts.into_iter().map(|part| part.try_map_values(f)).collect()
        };
        Ok(match self {
            Shape::Is(value) => Shape::Is(f(value)?),
            Shape::Map { from, at } => Shape::Map { from: all(from, f)?, at },
            Shape::List(parts) => Shape::List(all(parts, f)?),
            Shape::Text(parts) => Shape::Text(all(parts, f)?),
            Shape::Members(members) => Shape::Members(
                members
                    .into_iter()
                    .map(|(key, part)| Ok((key, part.try_map_values(f)?)))
                    .collect::<Result<_, E>>()?,
            ),
            Shape::Json(part) => Shape::Json(Box::new(part.try_map_values(f)?)),
            Shape::Secret(part) => Shape::Secret(Box::new(part.try_map_values(f)?)),
            plain @ (Shape::Output { .. } | Shape::Invalid(_)) => plain,
        })
    }

    /// The members, where it is a struct or a map.
    fn members(&self) -> Option<BTreeMap<&str, Cow<'_, Shape>>> {
        match self {
            Shape::Members(members) => {
                Some(members.iter().map(|(key, part)| (&**key, Cow::Borrowed(part))).collect())
            }
            Shape::Is(Value::Map(map)) => {
                let owned = |(key, value)| (AsRef::as_ref(key), Cow::Owned(is(value)));
                Some(map.iter().map(owned).collect())
            }
            _ => None,
        }
    }

    /// The elements, where it is a list.
    fn elements(&self) -> Option<Vec<Cow<'_, Shape>>> {
        match self {
            Shape::List(parts) => Some(parts.iter().map(Cow::Borrowed).collect()),
            Shape::Is(Value::List(items)) => {
                Some(items.iter().map(|item| Cow::Owned(is(item))).collect())
            }
            _ => None,
        }
    }

    /// Finds every place in which `self`, which was, and `now` differ.
    pub(super) fn differ(&self, now: &Shape, path: &str, found: &mut Vec<Difference>) {
        if self == now {
            return;
        }
        if let (Some(was), Some(is)) = (self.members(), now.members()) {
            let unset = Shape::Is(Value::Null);
            let keys: std::collections::BTreeSet<&str> =
                was.keys().chain(is.keys()).copied().collect();
            for key in keys {
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                let was = was.get(key).map_or(&unset, AsRef::as_ref);
                was.differ(is.get(key).map_or(&unset, AsRef::as_ref), &path, found);
            }
            return;
        }
        if let (Some(was), Some(is)) = (self.elements(), now.elements())
            && was.len() == is.len()
        {
            for (i, (was, is)) in was.iter().zip(&is).enumerate() {
                was.differ(is, &format!("{path}[{i}]"), found);
            }
            return;
        }
        if let (Shape::Secret(was), Shape::Secret(is)) = (self, now) {
            was.differ(is, path, found);
            return;
        }
        let (was, is) = (self.to_string(), now.to_string());
        let is = if was == is { "another one that reads the same".to_owned() } else { is };
        found.push(Difference { path: path.to_owned(), was, is });
    }
}

fn is(value: &Value) -> Shape {
    Shape::Is(value.clone())
}

/// In words: secrets masked, and what is long shortened.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |f: &mut fmt::Formatter<'_>, parts: &[Shape]| -> fmt::Result {
            for (i, part) in parts.iter().enumerate() {
                write!(f, "{}{part}", if i > 0 { ", " } else { "" })?;
            }
            Ok(())
        };
        match self {
            Shape::Is(Value::Null) => f.write_str("not set"),
            Shape::Is(value) => f.write_str(&shortened(value)),
            Shape::Output { of, field } if field.is_empty() => write!(f, "the outputs of {of}"),
            Shape::Output { of, field } => write!(f, "`{field}` of {of}"),
            Shape::Map { from, at } => {
                write!(f, "what the function at {at} makes of ")?;
                listed(f, from)
            }
            Shape::List(parts) => {
                f.write_str("[")?;
                listed(f, parts)?;
                f.write_str("]")
            }
            Shape::Members(members) => {
                f.write_str("{")?;
                for (i, (key, part)) in members.iter().enumerate() {
                    write!(f, "{}{key}: {part}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Shape::Text(parts) => {
                f.write_str("a text of ")?;
                listed(f, parts)
            }
            Shape::Json(part) => write!(f, "the JSON of {part}"),
            Shape::Secret(part) => write!(f, "the secret {part}"),
            Shape::Invalid(message) => f.write_str(message),
        }
    }
}

/// A value in a line of an error.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
