//! What a plan relies on of a type: its version, and how its fields behave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::{Field, OutputField, ResourceType, Schema};

/// A type as a saved plan remembers it: by the path of each field, what is said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TypeShape {
    /// The version of its shape; 0 for the question of a lookup, which has none.
    version: u32,
    /// What holds of all of it.
    traits: String,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

impl TypeShape {
    pub(super) fn of(of: &ResourceType) -> Self {
        let flags = [("delete_first", of.delete_first), ("resumable", of.resumable)];
        let mut shape = Self { version: of.version, traits: words(&flags), ..Self::default() };
        describe(of.inputs, "", &mut shape.inputs);
        for field in of.outputs.fields {
            let OutputField { name, echo, secret, recomputed_by } = *field;
            let id = name == of.outputs.id;
            let mut said = words(&[("id", id), ("echo", echo), ("secret", secret)]);
            if !recomputed_by.is_empty() {
                said.push_str(&format!(" recomputed_by({})", recomputed_by.join(",")));
            }
            shape.outputs.insert(name.to_owned(), said);
        }
        shape
    }

    pub(super) fn of_query(inputs: &Schema) -> Self {
        let mut shape = Self::default();
        describe(inputs, "", &mut shape.inputs);
        shape
    }

    /// In what `now` differs from this, in words.
    pub(super) fn differ(&self, now: &TypeShape) -> Vec<String> {
        let mut found = Vec::new();
        if self.version != now.version {
            found.push(format!("it has version {} now, and had {}", now.version, self.version));
        }
        if self.traits != now.traits {
            found.push(format!("it is {} now, and was {}", or(&now.traits), or(&self.traits)));
        }
        let tables =
            [("input", &self.inputs, &now.inputs), ("output", &self.outputs, &now.outputs)];
        for (what, was, is) in tables {
            let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            found.extend(names.into_iter().filter_map(|name| {
                match (was.get(name), is.get(name)) {
                    (Some(_), None) => Some(format!("it has no {what} `{name}` any more")),
                    (None, Some(_)) => Some(format!("it has a new {what} `{name}`")),
                    (Some(was), Some(is)) if was != is => {
                        Some(format!("its {what} `{name}` is {} now, and was {}", or(is), or(was)))
                    }
                    _ => None,
                }
            }));
        }
        found
    }
}

fn or(words: &str) -> &str {
    if words.is_empty() { "nothing special" } else { words }
}

fn words(flags: &[(&str, bool)]) -> String {
    let set: Vec<&str> = flags.iter().filter(|(_, set)| *set).map(|(word, _)| *word).collect();
    set.join(" ")
}

fn describe(schema: &Schema, under: &str, to: &mut BTreeMap<String, String>) {
    for field in schema.fields {
        // Whoever adds a flag decides here whether a plan relies on it.
        let Field {
            name,
            required,
            replace,
            defaulted,
            write_only,
            secret,
            unordered,
            json,
            case_insensitive,
            unique,
            cidr,
            holds,
            keyed,
            nested,
        } = *field;
        let flags = [
            ("required", required),
            ("replace", replace),
            ("defaulted", defaulted),
            ("write_only", write_only),
            ("secret", secret),
            ("unordered", unordered),
            ("json", json),
            ("case_insensitive", case_insensitive),
            ("unique", unique),
            ("cidr", cidr),
            ("holds", holds),
            ("keyed", keyed),
        ];
        let path = if under.is_empty() { name.to_owned() } else { format!("{under}.{name}") };
        if let Some(nested) = nested {
            describe(nested, &path, to);
        }
        to.insert(path, words(&flags));
    }
}
