//! Validation at plan: what can be known to be wrong before anything is done.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde::de::DeserializeOwned;

use crate::{
    declare::{Node, NodeKind, Problem, Program},
    expr::NodeId,
    plan::Canonical,
    schema::Field,
    value::{Path, Value},
};

/// Who is of the same type as whom, found once for all that are checked.
pub(crate) struct Peers {
    of_kind: HashMap<&'static str, Vec<NodeId>>,
    /// By type and fields, those that have the same in these fields; made when first asked for.
    alike: RefCell<HashMap<(&'static str, Vec<String>), Alike>>,
}

type Alike = HashMap<Vec<Has>, Rc<Vec<NodeId>>>;

/// What a field has, as far as it can be compared before apply.
#[derive(PartialEq, Eq, Hash)]
enum Has {
    OutputOf(NodeId),
    Known(Canonical),
}

impl Peers {
    pub(crate) fn of(program: &Program) -> Self {
        let mut of_kind: HashMap<&'static str, Vec<NodeId>> = HashMap::new();
        for index in program.graph.node_indices() {
            let node = NodeId(u32::try_from(index.index()).unwrap_or(u32::MAX));
            of_kind.entry(program.node(node).kind.name()).or_default().push(node);
        }
        Self { of_kind, alike: RefCell::default() }
    }

    /// The nodes of a type that come before `node`.
    fn before(&self, kind: &str, node: NodeId) -> &[NodeId] {
        let all = self.of_kind.get(kind).map_or(&[][..], Vec::as_slice);
        &all[..all.partition_point(|peer| peer.0 < node.0)]
    }
}

/// A declared resource under validation: its inputs as far as they are known, and what they refer to.
pub struct Check<'a> {
    pub(crate) program: &'a Program,
    pub(crate) node: NodeId,
    /// The inputs of every node so far, with unknowns in place.
    pub(crate) inputs: &'a [Value],
    pub(crate) peers: &'a Peers,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl<'a> Check<'a> {
    fn here(&self) -> &'a Node {
        self.program.node(self.node)
    }

    /// The inputs as far as they are known.
    #[must_use]
    pub fn inputs(&self) -> &'a Value {
        &self.inputs[self.node.0 as usize]
    }

    /// The field at `path`, if it is set, wholly known, and of the type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let path = Path::parse(path).ok()?;
        let value = path.of(self.inputs())?;
        if value.is_null() || !value.is_known() {
            return None;
        }
        value.to_data().ok()
    }

    /// Whether the field is set, be its value known or not.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        let set = |path: Path| path.of(self.inputs()).is_some_and(|value| !value.is_null());
        Path::parse(path).is_ok_and(set)
    }

    /// The declared resource that the field at `path` is an output of.
    #[must_use]
    pub fn target(&self, path: &str) -> Option<Target<'a>> {
        let path = Path::parse(path).ok()?;
        let (node, field) = self.here().inputs.target(path.segments())?;
        target(self.program, self.inputs, node, field)
    }

    /// The resources of the same type that were declared before this one. To find those that have
    /// something in common with it, ask for [`Self::peers_with_same`]: it does not look at them all.
    pub fn peers(&self) -> impl Iterator<Item = Target<'a>> + use<'a> {
        let (program, inputs) = (self.program, self.inputs);
        let peers = self.peers.before(self.here().kind.name(), self.node);
        peers.iter().filter_map(move |peer| target(program, inputs, *peer, ""))
    }

    /// The resources of the same type that were declared before this one and have the same in all
    /// of `fields`: an output of the same resource, or the same known value. There are none if a
    /// field is not set here, or is known only after apply.
    pub fn peers_with_same(&self, fields: &[&str]) -> impl Iterator<Item = Target<'a>> + use<'a> {
        let (program, inputs, kind) = (self.program, self.inputs, self.here().kind.name());
        // What is no path is nothing that two could have.
        let paths: Option<Vec<Path>> = fields.iter().map(|field| Path::parse(field).ok()).collect();
        let paths = paths.unwrap_or_default();
        let own = has(program, inputs, self.node, &paths);
        let same = own.and_then(|own| {
            let key = (kind, fields.iter().map(|field| (*field).to_owned()).collect());
            let mut alike = self.peers.alike.borrow_mut();
            let alike = alike.entry(key).or_insert_with(|| {
                let mut alike: HashMap<Vec<Has>, Vec<NodeId>> = HashMap::new();
                for node in self.peers.of_kind.get(kind).into_iter().flatten() {
                    if let Some(has) = has(program, inputs, *node, &paths) {
                        alike.entry(has).or_default().push(*node);
                    }
                }
                alike.into_iter().map(|(has, nodes)| (has, Rc::new(nodes))).collect()
            });
            alike.get(&own).cloned()
        });
        let (same, here) = (same.unwrap_or_default(), self.node.0);
        (0..)
            .map_while(move |i| same.get(i).copied().filter(|peer| peer.0 < here))
            .filter_map(move |peer| target(program, inputs, peer, ""))
    }

    /// Reports that the field `path` is wrong. Say what was found, and what was expected.
    pub fn problem(&mut self, path: &str, message: impl Into<String>) {
        let here = self.here();
        self.problems.push(Problem {
            address: here.address.clone(),
            field: Some(path.to_owned()).filter(|path| !path.is_empty()),
            message: message.into(),
            declared_at: here.declared_at.to_string(),
        });
    }
}

fn target<'a>(
    program: &'a Program,
    inputs: &'a [Value],
    node: NodeId,
    field: &'static str,
) -> Option<Target<'a>> {
    let inputs = inputs.get(node.0 as usize)?;
    Some(Target { node: program.node(node), inputs, program, field })
}

/// What a node has at each of `paths`; `None` if there are none, or if it has nothing comparable at
/// one of them.
fn has(program: &Program, inputs: &[Value], node: NodeId, paths: &[Path]) -> Option<Vec<Has>> {
    if paths.is_empty() {
        return None;
    }
    let declared = program.node(node);
    let at = |path: &Path| {
        if let Some((of, _)) = declared.inputs.target(path.segments()) {
            return Some(Has::OutputOf(of));
        }
        let value = path.of(inputs.get(node.0 as usize)?).filter(|value| !value.is_null())?;
        let whole = path.segments().len() == 1;
        let field = declared.kind.inputs().field(path.top()).filter(|_| whole);
        Canonical::of(field.unwrap_or(&Field::new("")), value).map(Has::Known)
    };
    paths.iter().map(at).collect()
}

/// A resource or lookup that a field refers to.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    node: &'a Node,
    inputs: &'a Value,
    program: &'a Program,
    field: &'static str,
}

impl Target<'_> {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.node.kind {
            NodeKind::Resource(of) => of.kind,
            NodeKind::Lookup { kind, .. } => kind,
            NodeKind::Decide => "decide",
        }
    }

    /// The address of the resource that its own field at `path` is an output of.
    #[must_use]
    pub fn target_address(&self, path: &str) -> Option<&str> {
        let path = Path::parse(path).ok()?;
        let (node, _) = self.node.inputs.target(path.segments())?;
        Some(self.program.node(node).address.as_str())
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.node.address.as_str()
    }

    /// Which of its outputs the field is.
    #[must_use]
    pub fn output(&self) -> &'static str {
        self.field
    }

    /// One of its inputs, if it is set, wholly known, and of the type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let path = Path::parse(path).ok()?;
        path.of(self.inputs).filter(|value| !value.is_null() && value.is_known())?.to_data().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Output, Scope, Stack,
        testing::{Single, Thing},
    };

    /// Asks `ask` of every resource, and returns the addresses it found, by address.
    fn found(
        declare: impl FnOnce(&mut Scope<'_>),
        ask: impl Fn(&Check<'_>) -> Vec<String>,
    ) -> Vec<(String, Vec<String>)> {
        let stack = Stack::new("t", declare).unwrap();
        let program = &*stack.program;
        let resolve = |node: &Node| node.inputs.resolve(&|_| Some(&Value::Unknown)).unwrap();
        let inputs: Vec<Value> = program.graph.node_weights().map(resolve).collect();
        let (peers, mut problems) = (Peers::of(program), Vec::new());
        let mut found = Vec::new();
        for node in (0u32..).take(inputs.len()).map(NodeId) {
            let problems = &mut problems;
            let check = Check { program, node, inputs: &inputs, peers: &peers, problems };
            found.push((check.here().address.to_string(), ask(&check)));
        }
        found.retain(|(_, found)| !found.is_empty());
        found
    }

    fn hosts_and_guests(scope: &mut Scope<'_>) {
        let one = scope.add("one", Thing::builder().build());
        let two = scope.add("two", Single::builder().build());
        let guest = |on: &Output<String>, label: &str| {
            Thing::builder().fixed_ref(on).label(label.to_owned()).name(on).build()
        };
        scope.add("a", guest(&one.id, "x"));
        scope.add("b", guest(&two.id, "x"));
        scope.add("c", guest(&one.id, "x"));
        scope.add("d", guest(&one.id, "y"));
        scope.add("e", Thing::builder().label("x").build());
        scope.add("f", Thing::builder().fixed_ref(one.id.map(|id| id)).build());
        scope.add("g", Single::builder().fixed_ref(&one.id).label("x").build());
    }

    #[test]
    fn peers_are_those_of_the_same_type_that_stand_before() {
        let addresses = |check: &Check<'_>| check.peers().map(|p| p.address().to_owned()).collect();
        let found = found(hosts_and_guests, addresses);
        let of = |at: &str| found.iter().find(|(address, _)| address == at).unwrap().1.join(" ");
        assert_eq!((of("a"), of("d"), of("g")), ("one".into(), "one a b c".into(), "two".into()));
    }

    #[test]
    fn peers_with_the_same_have_outputs_of_the_same_resource_or_the_same_known_values() {
        let ask = |fields: &'static [&'static str]| {
            let found = found(hosts_and_guests, |check| {
                check.peers_with_same(fields).map(|p| p.address().to_owned()).collect()
            });
            found.iter().map(|(at, same)| format!("{at}: {}", same.join(" "))).collect::<Vec<_>>()
        };
        assert_eq!(ask(&["fixed_ref"]), ["c: a", "d: a c"]);
        assert_eq!(ask(&["fixed_ref", "label"]), ["c: a"]);
        assert_eq!(ask(&["label"]), ["b: a", "c: a b", "e: a b c"]);
        assert_eq!(ask(&[]), [""; 0]);
        assert_eq!(ask(&["a["]), [""; 0]);
    }
}
