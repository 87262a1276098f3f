//! A declared program as data, and how another declaration of it differs.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use crate::{
    declare::{Node, Options, Problem, Program, ResourceRef, Timeouts},
    identity::Address,
    value::{Map, Value},
};

/// What a program declared when a plan was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Declared {
    nodes: Vec<DeclaredNode>,
    exports: BTreeMap<String, Shape>,
    requirements: Vec<Requirement>,
}

/// One resource or lookup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DeclaredNode {
    address: Address,
    kind: String,
    declared_at: String,
    inputs: Shape,
    /// Those that were set, by name.
    options: Value,
}

/// Something that must be computable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Requirement {
    address: Address,
    field: Option<String>,
    value: Shape,
}

impl Declared {
    pub(super) fn of(program: &Program) -> Self {
        Self {
            nodes: program
                .graph
                .node_weights()
                .map(|node| DeclaredNode::of(program, node))
                .collect(),
            exports: program
                .exports
                .iter()
                .map(|(name, expr)| (name.clone(), Shape::of(program, expr)))
                .collect(),
            requirements: program
                .requirements
                .iter()
                .map(|required| Requirement {
                    address: required.address.clone(),
                    field: required.field.clone(),
                    value: Shape::of(program, &required.value),
                })
                .collect(),
        }
    }

    /// The addresses of one type.
    pub(super) fn of_kind<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s Address> {
        self.nodes.iter().filter(move |node| node.kind == kind).map(|node| &node.address)
    }

    /// Replaces every value in it by what `f` makes of it.
    pub(super) fn try_map_values<E>(
        self,
        f: &mut impl FnMut(Value) -> Result<Value, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            nodes: self
                .nodes
                .into_iter()
                .map(|node| {
                    let inputs = node.inputs.try_map_values(f)?;
                    Ok(DeclaredNode { inputs, options: f(node.options)?, ..node })
                })
                .collect::<Result<_, E>>()?,
            exports: self
                .exports
                .into_iter()
                .map(|(name, shape)| Ok((name, shape.try_map_values(f)?)))
                .collect::<Result<_, E>>()?,
            requirements: self
                .requirements
                .into_iter()
                .map(|required| {
                    Ok(Requirement { value: required.value.try_map_values(f)?, ..required })
                })
                .collect::<Result<_, E>>()?,
        })
    }

    /// Everything in which `program`, as it is now, differs from this.
    pub(super) fn differences(&self, program: &Program) -> Vec<Problem> {
        let now = Declared::of(program);
        let mut found = Vec::new();
        let there: HashMap<&Address, &DeclaredNode> =
            now.nodes.iter().map(|node| (&node.address, node)).collect();
        for was in &self.nodes {
            match there.get(&was.address) {
                Some(is) => was.differences(is, &mut found),
                None => found.push(Problem {
                    address: was.address.clone(),
                    field: None,
                    message:
                        "the program declared it when the plan was made, and does not any more"
                            .to_owned(),
                    declared_at: was.declared_at.clone(),
                }),
            }
        }
        let known: HashMap<&Address, &DeclaredNode> =
            self.nodes.iter().map(|node| (&node.address, node)).collect();
        for is in now.nodes.iter().filter(|node| !known.contains_key(&node.address)) {
            found.push(Problem {
                address: is.address.clone(),
                field: None,
                message: "the program declares it now, and did not when the plan was made"
                    .to_owned(),
                declared_at: is.declared_at.clone(),
            });
        }
        for required in &now.requirements {
            let same =
                |was: &&Requirement| was.address == required.address && was.field == required.field;
            if !self.requirements.iter().filter(same).any(|was| was.value == required.value) {
                found.push(Problem {
                    address: required.address.clone(),
                    field: required.field.clone(),
                    message: "the program requires something of it that it did not when the plan was made".to_owned(),
                    declared_at: "its requirement".to_owned(),
                });
            }
        }
        let names = self.exports.keys().chain(now.exports.keys());
        let unset = Shape::Is(Value::Null);
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let was = self.exports.get(name).unwrap_or(&unset);
            let is = now.exports.get(name).unwrap_or(&unset);
            compare(was, is, name, &"".into(), "its export", &mut found);
        }
        found
    }
}

impl DeclaredNode {
    fn of(program: &Program, node: &Node) -> Self {
        Self {
            address: node.address.clone(),
            kind: node.kind.name().to_owned(),
            declared_at: node.declared_at.to_string(),
            inputs: Shape::of(program, &node.inputs),
            options: Value::Map(options(program, &node.options)),
        }
    }

    fn differences(&self, now: &DeclaredNode, found: &mut Vec<Problem>) {
        let (address, line) = (&now.address, now.declared_at.as_str());
        if self.kind != now.kind {
            found.push(Problem {
                address: address.clone(),
                field: None,
                message: format!("it is a `{}` now, and was a `{}`", now.kind, self.kind),
                declared_at: line.to_owned(),
            });
            return;
        }
        compare(&self.inputs, &now.inputs, "", address, line, found);
        let is = |options: &Value| Shape::Is(options.clone());
        let mut differ = Vec::new();
        is(&self.options).differ(&is(&now.options), "", &mut differ);
        found.extend(differ.into_iter().map(|option| Problem {
            address: address.clone(),
            field: None,
            message: format!(
                "its option `{}` is {} now, and was {}",
                option.path, option.is, option.was
            ),
            declared_at: line.to_owned(),
        }));
    }
}

fn compare(
    was: &Shape,
    is: &Shape,
    path: &str,
    address: &Address,
    line: &str,
    found: &mut Vec<Problem>,
) {
    let mut differ = Vec::new();
    was.differ(is, path, &mut differ);
    found.extend(differ.into_iter().map(|field| Problem {
        address: address.clone(),
        field: Some(field.path).filter(|path| !path.is_empty()),
        message: format!("it is {} now, and was {}", field.is, field.was),
        declared_at: line.to_owned(),
    }));
}

/// The options that are set, by name.
fn options(program: &Program, options: &Options) -> Map {
    // Whoever adds an option decides here how a plan remembers it.
    let Options {
        protect,
        exclusive,
        retain,
        delete_first,
        ignore_changes,
        replace_on,
        trigger,
        after,
        replace_with,
        deleted_with,
        timeouts: Timeouts { create, update, delete },
        provider,
        hooks,
        import,
        adopt,
        exempt,
        // What moves stands in the plan itself, and moves once.
        moved_from: _,
        moved_from_stack: _,
    } = options;
    let mut map = Map::new();
    let mut set = |name: &'static str, value: Value| {
        map.insert(name, value);
    };
    if *protect {
        set("protect", true.into());
    }
    if *exclusive {
        set("exclusive", true.into());
    }
    if *retain {
        set("retain", true.into());
    }
    if let Some(id) = import {
        set("import", id.as_str().into());
    }
    if *adopt {
        set("adopt", true.into());
    }
    if let Some(first) = delete_first {
        set("delete_first", (*first).into());
    }
    let texts = |texts: &[String]| {
        let mut texts: Vec<&String> = texts.iter().collect();
        texts.sort_unstable();
        texts.dedup();
        Value::List(texts.into_iter().map(|text| text.clone().into()).collect())
    };
    let addresses = |of: &[ResourceRef]| {
        let of: Vec<String> =
            of.iter().map(|of| program.node(of.node).address.as_str().to_owned()).collect();
        texts(&of)
    };
    let lists = [
        ("ignore_changes", texts(ignore_changes)),
        ("replace_on", texts(replace_on)),
        ("after", addresses(after)),
        ("replace_with", addresses(replace_with)),
        ("deleted_with", addresses(deleted_with.as_slice())),
    ];
    for (name, list) in lists {
        if list != Value::List(Vec::new()) {
            set(name, list);
        }
    }
    if let Some(trigger) = trigger {
        set("trigger", trigger.clone());
    }
    for (name, timeout) in
        [("create_timeout", create), ("update_timeout", update), ("delete_timeout", delete)]
    {
        if let Some(timeout) = timeout {
            set(name, format!("{timeout:?}").into());
        }
    }
    if !hooks.is_empty() {
        // Their order counts.
        let hooks = hooks.iter().map(|(point, name)| format!("`{name}` {point}").into());
        set("hooks", Value::List(hooks.collect()));
    }
    if !exempt.is_empty() {
        let exempt: Vec<String> =
            exempt.iter().map(|(policy, why)| format!("{policy}: {why}")).collect();
        set("exempt", texts(&exempt));
    }
    if let Some(provider) = provider {
        set("provider", provider.as_str().into());
    }
    map
}
