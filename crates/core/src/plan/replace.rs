//! Whether an object is replaced, why, and whether the old one goes before the new one comes.

use ipnet::IpNet;
use petgraph::{Direction, graph::NodeIndex};

use super::{
    Action, Cause, Reason,
    decide::{Decision, Draft},
    diff::{Against, same, same_value},
};
use crate::{
    declare::{Node, NodeKind},
    expr::NodeId,
    provider::Seen,
    schema::{Field, ResourceType},
    state::{Record, Status},
    value::{Segment, Value},
};

impl Draft<'_> {
    /// Why an object changes, and whether that takes a new one.
    pub(super) fn reasons(
        &self,
        node: &Node,
        of: &ResourceType,
        row: &Record,
        decision: &mut Decision,
    ) {
        let has = |cause| decision.changes.iter().any(|c| c.cause == cause);
        let (program, drift) = (has(Cause::Program), has(Cause::Drift));
        if program {
            decision.reasons.push(Reason::Changed);
        }
        if drift {
            decision.reasons.push(Reason::Drifted);
        }
        if row.is_unfinished() && program {
            decision.reasons = vec![Reason::NotReadyYet];
        }
        decision.replaced = decision.changes.iter().any(|c| c.replace);
        if let Status::Incomplete { reason } = &row.status {
            decision.reasons.push(Reason::Incomplete { reason: reason.clone() });
            decision.replaced |= !of.resumable;
        }
        if let (Some(was), Some(is)) = (&row.options.trigger, &node.options.trigger)
            && !same_value(was, is)
        {
            decision.reasons.push(Reason::Triggered);
            decision.replaced = true;
        }
        if !(self.facts.same_place)(&row.provider, &decision.provider) {
            decision.reasons.push(Reason::OtherProvider(row.provider.clone()));
            decision.replaced = true;
        }
        let bound = node.options.replace_with.iter().chain(&node.options.deleted_with);
        for other in bound {
            let other = other.node.0 as usize;
            let address = &self.program.graph[NodeIndex::new(other)].address;
            let renewed = self.decisions[other].as_ref().is_some_and(|d| {
                // Now, or in a run that did not get as far as this resource.
                let was = row.options.replace_with.iter().find(|(at, _)| at == address);
                was.is_some_and(|(_, id)| *id != d.id)
                    || (d.action == Some(Action::Create) && d.row.is_some())
            });
            if renewed {
                let address = address.clone();
                decision.reasons.push(Reason::ReplacedWith(address));
                decision.replaced = true;
            }
        }
        // It lives on an object that is not its host any more.
        if let (Some(was), Some(is), false) =
            (row.options.deleted_with, decision.options.deleted_with, decision.replaced)
            && was != is
            && let Some(host) = node.options.deleted_with
        {
            let address = self.program.node(host.node).address.clone();
            decision.reasons.push(Reason::ReplacedWith(address));
            decision.replaced = true;
        }
        if self.facts.replace.contains(&node.address) {
            decision.reasons.push(Reason::Requested);
            decision.replaced = true;
        }
    }

    /// Whether a field keeps an object from going that has to go before its replacement comes.
    pub(super) fn holds_what_goes(&self, of: &ResourceType, node: &Node, field: &str) -> bool {
        if !of.inputs.field(field).is_some_and(|field| field.holds) {
            return false;
        }
        let mut goes = false;
        if let Some(expr) = node.inputs.member(field) {
            expr.dependencies(&mut |_, on: NodeId| {
                let on = on.0 as usize;
                let replaced = self.decisions[on].as_ref().is_some_and(|d| d.replaced);
                goes |= replaced && self.goes_first[on];
            });
        }
        goes
    }

    /// Whether the new object would have the same unique key as the old one, or a block of addresses
    /// that overlaps its, which can not be. All
    /// unique fields of a type are one key; what the cloud chooses it chooses anew. An update whose
    /// end nobody saw, or another hand, may have given the old one a key that was never recorded.
    pub(super) fn keeps_unique(
        &self,
        of: &ResourceType,
        node: &Node,
        row: &Record,
        seen: Option<&Seen>,
        desired: &Value,
    ) -> bool {
        let wanted =
            |field: &Field| desired.get(field.name).is_some_and(|wanted| !wanted.is_null());
        let mut unique = of.inputs.fields.iter().filter(|field| field.unique);
        unique.clone().any(wanted)
            && unique.all(|field| {
                let wanted = desired.get(field.name).unwrap_or(&Value::Null);
                let had = row.inputs.get(field.name).unwrap_or(&Value::Null);
                let has = seen.and_then(|seen| seen.inputs.get(field.name)).unwrap_or(had);
                if !wanted.is_known() {
                    return !self.is_new_id(node, field.name);
                }
                let clashes = clash(field, had, wanted) || clash(field, has, wanted);
                !(wanted.is_null() && field.defaulted) && clashes
            })
    }

    /// Whether a field is the id of an object that this plan makes.
    fn is_new_id(&self, node: &Node, field: &str) -> bool {
        let Some((on, output)) = node.inputs.target(&[Segment::Key(field.to_owned().into())])
        else {
            return false;
        };
        let NodeKind::Resource(of) = self.program.node(on).kind else { return false };
        let made = |d: &Decision| d.action == Some(Action::Create);
        output == of.outputs.id && self.decisions[on.0 as usize].as_ref().is_some_and(made)
    }

    /// Whatever is replaced downstream of a delete-first replacement must go first too: its old
    /// object still uses the one that goes.
    pub(super) fn delete_first_cascade(&mut self) {
        let mut upstream = vec![false; self.decisions.len()];
        for at in &self.program.order {
            let index = at.index();
            let above =
                self.program.graph.neighbors_directed(*at, Direction::Incoming).any(|from| {
                    let first = |d: &Decision| d.replaced && d.delete_first;
                    upstream[from.index()]
                        || self.decisions[from.index()].as_ref().is_some_and(first)
                });
            upstream[index] = above;
            if let Some(decision) = &mut self.decisions[index] {
                decision.delete_first |= above && decision.replaced;
            }
        }
    }
}

/// Whether two values of a unique field can not be side by side.
fn clash(field: &Field, had: &Value, wanted: &Value) -> bool {
    match (block(field, had), block(field, wanted)) {
        (Some(had), Some(wanted)) => had.contains(&wanted) || wanted.contains(&had),
        _ => same(field, had, wanted, Against::Sent),
    }
}

/// The block of addresses that a field says, if it says one.
pub(super) fn block(field: &Field, value: &Value) -> Option<IpNet> {
    let Value::String(text) = value.open() else { return None };
    let block: IpNet = text.parse().ok().filter(|_| field.cidr)?;
    Some(block.trunc())
}
