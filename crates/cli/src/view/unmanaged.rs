//! What belongs to managed objects and nobody declares.

use formwork_core::{Address, Fate, PlanData, Unmanaged};

use super::{
    Layout,
    entry::{self, Entry},
    text::{folded, natural},
};

/// What of it is left where it is, or goes without a step of its own; empty if there is nothing.
pub(crate) fn unmanaged(plan: &PlanData, layout: &Layout) -> String {
    let Some(children) = &plan.unmanaged else {
        let text = "What nobody declares was not looked for: only --refresh=list does.";
        return folded(&layout.paint.dim(text), 0, layout.width);
    };
    let mut left: Vec<&Unmanaged> =
        children.iter().filter(|child| child.fate != Fate::Deleted).collect();
    if left.is_empty() {
        return String::new();
    }
    left.sort_by_key(|child| (natural(child.parent.as_str()), natural(&child.physical_id)));
    let entries: Vec<Entry> = left.into_iter().map(|of| Entry::of_unmanaged(of, why(of))).collect();
    let entries = if layout.verbose { entries } else { entry::collapsed(entries) };
    let heading = layout.paint.bold("there, and declared by nobody");
    format!("{heading}\n{}", entry::page(&entries, layout))
}

/// Whether another hand left something that is no other stack's.
pub(crate) fn has_strangers(plan: &PlanData) -> bool {
    plan.unmanaged.iter().flatten().any(|child| child.owner.is_none())
}

fn why(child: &Unmanaged) -> String {
    let mut why = Vec::new();
    if !child.also_of.is_empty() {
        let also: Vec<&str> = child.also_of.iter().map(Address::as_str).collect();
        why.push(format!("also of {}", also.join(", ")));
    }
    match child.fate {
        Fate::GoesAlong => why.push("goes with what it belongs to".to_owned()),
        Fate::Blocks => why.push("in the way of a delete".to_owned()),
        _ => {}
    }
    if let Some(owner) = &child.owner {
        why.push(format!("the resource {owner} of another stack, or a forgotten one"));
    }
    why.join("; ")
}
