//! The outputs of the stack: as the program has them, or as they are recorded where a plan is
//! narrowed and what they come from is left out.

use super::decide::Draft;
use crate::{
    declare::{NodeKind, Problem},
    expr::{Expr, ExprError, NodeId},
    value::{Map, Value},
};

impl Draft<'_> {
    /// The outputs of the stack, and the names of those that keep their recorded value.
    pub(super) fn exports(&mut self, reported: &[ExprError]) -> (Value, Vec<String>) {
        let recorded = &self.facts.snapshot.exports;
        let (mut map, mut kept) = (Map::new(), Vec::new());
        if !self.chosen.selection.is_whole() || self.program.undecided().next().is_some() {
            let set = |name: &str| self.program.exports.iter().any(|(set, _)| set == name);
            let recorded = recorded.as_map().into_iter().flat_map(Map::iter);
            for (name, value) in recorded.filter(|(name, _)| !set(name)) {
                map.insert(name.clone(), value.clone());
                kept.push(name.to_string());
            }
        }
        let outputs = &self.outputs;
        for (name, expr) in &self.program.exports {
            if self.keeps(expr) {
                if let Some(value) = recorded.get(name) {
                    map.insert(name.clone(), value.clone());
                }
                kept.push(name.clone());
                continue;
            }
            match expr.resolve(&|id: NodeId| outputs.get(id.0 as usize)) {
                Ok(value) => {
                    map.insert(name.clone(), value);
                }
                Err(error) if reported.contains(&error) => {}
                Err(error) => self.problems.push(Problem {
                    address: "".into(),
                    field: Some(name.clone()),
                    message: error.to_string(),
                    declared_at: "its export".to_owned(),
                }),
            }
        }
        (Value::Map(map), kept)
    }

    /// Whether an output of the stack comes from something that is left out, from a lookup that can not
    /// be asked for that, or from what is undecided.
    pub(super) fn keeps(&self, export: &Expr) -> bool {
        let mut keeps = false;
        if self.is_narrowed() || !self.program.deciders.is_empty() {
            export.dependencies(&mut |_, node: NodeId| {
                keeps |= self.waits[node.0 as usize];
                keeps |= !self.chosen.selection.contains(&self.program.node(node).address);
                keeps |= self.is_unasked(node);
            });
        }
        keeps
    }

    /// The outputs of the stack after a part of it was destroyed: those that come from what is left.
    pub(super) fn exports_left(&self) -> Value {
        let recorded = &self.facts.snapshot.exports;
        let Value::Map(recorded) = recorded else { return recorded.clone() };
        let goes = |export: &Expr| {
            let mut goes = false;
            export.dependencies(&mut |_, node: NodeId| {
                let node = self.program.node(node);
                let resource = matches!(node.kind, NodeKind::Resource(_));
                goes |= resource && self.chosen.selection.contains(&node.address);
            });
            goes
        };
        let mut left = recorded.clone();
        for (name, export) in &self.program.exports {
            if goes(export) {
                left.remove(name);
            }
        }
        Value::Map(left)
    }
}
