//! Objects that exist already and are taken over: which have to be looked for, whether one may be
//! taken, and what changes on it then.
//!
//! What may be taken becomes a row that is in memory only, with what was seen as if it had been sent.
//! The planner then finds what the program wants otherwise as it does for every other row. The row
//! says that it is unclaimed, as does one of a run that was cut off half way, so both go the same way.

use std::collections::{BTreeMap, HashMap};

use super::{
    Action, Facts, FieldChange, Observation, Reason, Selection,
    decide::{Decision, Draft, problem, updated_outputs},
    diff::{mark_outputs, mark_secrets},
};
use crate::{
    declare::{Node, NodeKind, Program},
    identity::{Address, ResourceId},
    provider::{Seen, physical_id},
    schema::ResourceType,
    state::{Import, Record, RecordedOptions, Role, Snapshot, Status},
    value::Value,
};

/// What is to be taken over, and what may not be.
#[derive(Clone, Default)]
pub(crate) struct Imports {
    /// The ids that the request names, beside those of the program.
    asked: BTreeMap<Address, String>,
    /// Why not, and the option that asked for it.
    refused: HashMap<Address, (&'static str, String)>,
}

impl Imports {
    pub(crate) fn new(asked: BTreeMap<Address, String>) -> Self {
        Self { asked, refused: HashMap::new() }
    }

    /// The id of the object that a declaration is to take over.
    fn id_of<'a>(&'a self, node: &'a Node) -> Option<&'a str> {
        self.asked.get(&node.address).or(node.options.import.as_ref()).map(String::as_str)
    }

    /// Says why what `option` asked for at an address can not be.
    pub(crate) fn refuse(&mut self, address: &Address, option: &'static str, why: String) {
        self.refused.insert(address.clone(), (option, why));
    }
}

/// Whether the object of a row is there, as far as is known.
fn is_there(row: &Record, observed: &HashMap<ResourceId, Observation>) -> bool {
    row.status != Status::Absent && observed.get(&row.id) != Some(&Observation::Gone)
}

fn row_of<'s>(snapshot: &'s Snapshot, node: &Node) -> Option<&'s Record> {
    let rows = snapshot.records.values();
    let mut own = rows.filter(|row| row.address == node.address && row.kind == node.kind.name());
    own.find(|row| row.role == Role::Current)
}

/// The declarations that name an object which has to be looked for, with its id.
pub(crate) fn wanted<'p>(
    program: &'p Program,
    snapshot: &Snapshot,
    observed: &HashMap<ResourceId, Observation>,
    selection: &Selection,
    imports: &'p Imports,
) -> Vec<(&'p Node, &'static ResourceType, &'p str)> {
    let mut wanted = Vec::new();
    for node in program.graph.node_weights() {
        let NodeKind::Resource(of) = node.kind else { continue };
        let Some(id) = imports.id_of(node).filter(|_| selection.contains(&node.address)) else {
            continue;
        };
        // What was imported once counts as done, whatever became of it since.
        let done = row_of(snapshot, node).is_some_and(|row| {
            let named = row.import.as_ref().is_some_and(|import| import.id == id);
            named || (is_there(row, observed) && physical_id(of, &row.outputs) == Some(id))
        });
        if !done {
            wanted.push((node, of, id));
        }
    }
    wanted
}

/// Whether a declaration that is left out of a narrowed plan may take over this object, of a type and
/// an id.
pub(super) fn taken_over_later(
    program: &Program,
    facts: &Facts<'_>,
    (kind, id): (&str, &str),
) -> bool {
    !facts.selection.is_whole()
        && program.graph.node_weights().any(|node| {
            node.kind.name() == kind
                && !facts.selection.contains(&node.address)
                && (node.options.adopt || facts.imports.id_of(node) == Some(id))
                && row_of(&facts.snapshot, node).is_none()
        })
}

/// Whether what was found may be taken over.
pub(crate) enum Admitted {
    /// This is its row.
    Row(Box<Record>),
    /// It is what the address has already.
    Own,
    /// The row of another address, or one that is left over, has it.
    Taken(String),
    /// The address has another object.
    Other(String),
    /// It can not be told which object it is.
    Nameless,
}

/// Judges what was found for a declaration.
pub(crate) fn admit(
    (node, of): (&Node, &ResourceType),
    (provider, import): (&str, Import),
    seen: &Seen,
    (snapshot, observed): (&Snapshot, &HashMap<ResourceId, Observation>),
    id: ResourceId,
    same_place: impl Fn(&str, &str) -> bool,
) -> Admitted {
    let Some(physical) = physical_id(of, &seen.outputs) else { return Admitted::Nameless };
    let there = |row: &&Record| is_there(row, observed);
    let own = row_of(snapshot, node).filter(there);
    let is_it = |row: &Record| physical_id(of, &row.outputs) == Some(physical);
    if let Some(own) = own {
        let has = physical_id(of, &own.outputs).unwrap_or("no id");
        return if is_it(own) { Admitted::Own } else { Admitted::Other(has.to_owned()) };
    }
    let other = snapshot
        .records
        .values()
        .filter(there)
        .find(|row| row.kind == of.kind && is_it(row) && same_place(&row.provider, provider));
    if let Some(other) = other {
        let left = match other.role {
            Role::Current => String::new(),
            Role::Deposed => ", from an earlier replacement".to_owned(),
        };
        return Admitted::Taken(format!("{}{left}", other.address));
    }
    Admitted::Row(Box::new(Record {
        id,
        address: node.address.clone(),
        kind: of.kind.to_owned(),
        provider: provider.to_owned(),
        version: of.version,
        role: Role::Current,
        status: Status::Settling,
        inputs: seen.inputs.clone(),
        seen: Some(seen.inputs.clone()),
        unsure: Vec::new(),
        changing: Vec::new(),
        outputs: seen.outputs.clone(),
        depends_on: Vec::new(),
        options: RecordedOptions::default(),
        import: Some(import),
        declared_at: node.declared_at.to_string(),
    }))
}

/// Puts the row of what is taken over where the planner finds it. The row of an object that is gone
/// makes room.
pub(crate) fn take_in(snapshot: &mut Snapshot, row: Record) {
    for other in snapshot.records.values_mut() {
        if other.address == row.address && other.kind == row.kind {
            other.role = Role::Deposed;
        }
    }
    snapshot.records.insert(row.id, row);
}

/// What a new object at an address keeps of what was imported there.
pub(super) fn imported_before(row: Option<&Record>) -> Option<Import> {
    let import = row?.import.clone().filter(|import| !import.adopted)?;
    Some(Import { claimed: true, ..import })
}

/// The row of an unclaimed object and what was seen of it, with what the program says is secret.
pub(super) fn marked(
    of: &ResourceType,
    row: &Record,
    seen: Option<&Seen>,
    desired: &Value,
) -> Option<(Record, Option<Seen>)> {
    if !row.is_unclaimed() || !desired.has_secret() {
        return None;
    }
    let row = Record {
        inputs: mark_secrets(desired, row.inputs.clone()),
        seen: row.seen.clone().map(|seen| mark_secrets(desired, seen)),
        outputs: mark_outputs(of, desired, row.outputs.clone()),
        ..row.clone()
    };
    Some((row, seen.map(|seen| as_secret(of, desired, seen))))
}

fn as_secret(of: &ResourceType, desired: &Value, seen: &Seen) -> Seen {
    Seen {
        inputs: mark_secrets(desired, seen.inputs.clone()),
        outputs: mark_outputs(of, desired, seen.outputs.clone()),
    }
}

/// What was seen of the object of a node, with what the program says is secret.
pub(super) fn secret_as(program: &Program, node: usize, desired: &Value, seen: &Seen) -> Seen {
    match program.graph.node_weight(petgraph::graph::NodeIndex::new(node)).map(|node| node.kind) {
        Some(NodeKind::Resource(of)) => as_secret(of, desired, seen),
        _ => seen.clone(),
    }
}

/// Drops changes of what can not be read and not be changed either: nobody can say that it is
/// otherwise, so the program is believed.
pub(super) fn take_for_granted(of: &ResourceType, changes: &mut Vec<FieldChange>) {
    let hidden = |change: &FieldChange| {
        of.inputs.field(change.path.top()).is_some_and(|field| field.write_only)
    };
    changes.retain(|change| !(change.replace && hidden(change)));
}

/// Why an object is taken over.
pub(super) fn imported_as(decision: &Decision) -> Option<Reason> {
    let Import { id, adopted, .. } = decision.import.clone()?;
    Some(if adopted { Reason::Adopted(id) } else { Reason::Imported(id) })
}

impl Draft<'_> {
    /// Reports an import that can not be, and one whose object is gone half way.
    pub(super) fn refuse_import(&mut self, node: &Node, row: Option<&Record>) {
        if let Some((option, why)) = self.facts.imports.refused.get(&node.address) {
            self.problems.push(problem(node, Some(option), why.clone()));
            return;
        }
        let Some(id) = self.facts.imports.id_of(node) else { return };
        let begun = row.filter(|row| row.is_unclaimed());
        if begun.is_some_and(|row| !is_there(row, &self.facts.observed)) {
            let message = format!("{id} is gone, and an earlier run did not end its import");
            self.problems.push(problem(node, Some("import"), message));
        }
    }

    /// Decides about an object that is taken over: it is changed in place or not at all.
    pub(super) fn take_over(
        &mut self,
        node: &Node,
        of: &ResourceType,
        import: &Import,
        desired: &Value,
        (mut decision, now): (Decision, Value),
    ) -> (Decision, Value) {
        let verb = if import.adopted { "adopt" } else { "import" };
        let mut named = false;
        for change in decision.changes.iter().filter(|change| change.replace) {
            named = true;
            let message = format!(
                "it can not be {verb}ed as it is: this is {} there and {} in the program, and only a \
                 new object could have that. Let the program say what is there, or name it in \
                 ignore_changes",
                shown(&change.old),
                shown(&change.new)
            );
            self.problems.push(problem(node, Some(&change.path.to_string()), message));
        }
        if decision.replaced && !named {
            let own = |reason: &&Reason| !matches!(reason, Reason::Changed | Reason::Drifted);
            let why: Vec<String> =
                decision.reasons.iter().filter(own).map(ToString::to_string).collect();
            let message = format!(
                "it can not be {verb}ed and replaced in one run ({}): {verb} it first",
                why.join("; ")
            );
            self.problems.push(problem(node, Some(verb), message));
        }
        decision.replaced = false;
        decision.import = Some(import.clone());
        if decision.changes.is_empty() {
            decision.action = Some(Action::Import);
            decision.reasons = imported_as(&decision).into_iter().collect();
            return (decision, now);
        }
        decision.action = Some(Action::Update);
        decision.reasons.retain(|reason| matches!(reason, Reason::Changed | Reason::Drifted));
        let outputs = updated_outputs(of, now, desired, &decision.changes);
        (decision, outputs)
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() { "not set".to_owned() } else { value.to_string() }
}
