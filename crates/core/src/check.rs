//! Validation at plan: what can be known to be wrong before anything is done.

use serde::de::DeserializeOwned;

use crate::{
    declare::{Node, NodeKind, Problem, Program},
    expr::NodeId,
    value::{Path, Value},
};

/// A declared resource under validation: its inputs as far as they are known, and what they refer to.
pub struct Check<'a> {
    pub(crate) program: &'a Program,
    pub(crate) node: NodeId,
    /// The inputs of every node so far, with unknowns in place.
    pub(crate) inputs: &'a [Value],
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
        let inputs = self.inputs.get(node.0 as usize)?;
        Some(Target { node: self.program.node(node), inputs, program: self.program, field })
    }

    /// The resources of the same type that were declared before this one, for what must differ
    /// between siblings.
    pub fn peers(&self) -> impl Iterator<Item = Target<'a>> + use<'a> {
        let (program, inputs, kind) = (self.program, self.inputs, self.here().kind.name());
        (0..self.node.0).map(NodeId).filter_map(move |node| {
            let peer = program.node(node);
            let inputs = inputs.get(node.0 as usize)?;
            (peer.kind.name() == kind).then_some(Target { node: peer, inputs, program, field: "" })
        })
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
