//! What changes on one object: what the program wants anew, and what drifted from what it wants.
//!
//! Pure, and cheap where nothing changes: one comparison of what was sent, one of what is there.

use super::{
    Cause, FieldChange, baseline,
    diff::{Against, diff, same},
};
use crate::{
    declare::Node,
    provider::Seen,
    schema::{Field, ResourceType},
    state::Record,
    value::{Map, Path, Value},
};

static NULL: Value = Value::Null;

/// The fields that a declaration asked not to act on.
pub(crate) fn ignored(node: &Node) -> Vec<Path> {
    node.options.ignore_changes.iter().filter_map(|text| Path::parse(text).ok()).collect()
}

/// The fields in which the cloud differs from what the last apply left there. A field that the
/// program leaves to the cloud is compared only if something was seen in it then.
pub(super) fn drifted(of: &ResourceType, record: &Record, seen: &Seen) -> Vec<FieldChange> {
    drifted_from(of, &baseline::left(record, seen), seen)
}

/// The fields in which the cloud differs from `left`.
pub(crate) fn drifted_from(of: &ResourceType, left: &Value, seen: &Seen) -> Vec<FieldChange> {
    if *left == seen.inputs {
        return Vec::new();
    }
    diff(of.inputs, left, &seen.inputs, Against::Left, Cause::Drift)
}

pub(super) fn is_ignored(change: &FieldChange, ignored: &[Path]) -> bool {
    ignored.iter().any(|path| change.path.starts_with(path))
}

/// Puts what is there where the program asked to ignore changes. Where nothing was looked at, or
/// nothing is otherwise than it was left, that is what was last sent.
pub(super) fn keep_ignored(
    desired: &mut Value,
    ignored: &[Path],
    of: &ResourceType,
    row: &Record,
    seen: Option<&Seen>,
) {
    for path in ignored {
        let Some(field) = of.inputs.field(path.top()) else { continue };
        let drifted = seen.filter(|seen| {
            let left = baseline::left(row, seen);
            let (left, is) = (at(&left, field.name), at(&seen.inputs, field.name));
            !field.write_only && !same(field, left, is, Against::Left)
        });
        let from = drifted.map_or(&row.inputs, |seen| &seen.inputs);
        baseline::put(desired, path.segments(), path.of(from).cloned());
    }
}

/// The fields to change; `strayed` says whether the object may be otherwise than it was left.
pub(super) fn changes(
    of: &ResourceType,
    row: &Record,
    seen: Option<&Seen>,
    strayed: bool,
    desired: &Value,
    ignored: &[Path],
) -> Vec<FieldChange> {
    let mut changes = diff(of.inputs, &row.inputs, desired, Against::Sent, Cause::Program);
    for name in &row.unsure {
        if !changes.iter().any(|change| change.path.top() == name) {
            changes.push(FieldChange {
                path: Path::field(name.clone()),
                old: at(&row.inputs, name).clone(),
                new: at(desired, name).clone(),
                replace: false,
                cause: Cause::Program,
            });
        }
    }
    if let Some(seen) = seen.filter(|_| strayed || !changes.is_empty()) {
        let left = baseline::left(row, seen);
        for field in of.inputs.fields.iter().filter(|field| !field.write_only) {
            let (left, is) = (at(&left, field.name), at(&seen.inputs, field.name));
            reconcile(field, of, left, is, at(desired, field.name), &mut changes);
        }
    }
    if row.is_unfinished() {
        // Its create is finished in place. What needs a new object was in the call that made this
        // one, so that it is there, and the cloud only writes it in another way.
        changes.retain(|change| change.cause == Cause::Program || !change.replace);
        changes.iter_mut().for_each(|change| change.cause = Cause::Program);
    }
    changes.retain(|change| !is_ignored(change, ignored));
    changes
}

/// Brings the changes of one field in line with what is there.
fn reconcile(
    field: &Field,
    of: &ResourceType,
    left: &Value,
    is: &Value,
    wanted: &Value,
    changes: &mut Vec<FieldChange>,
) {
    let asked = changes.iter().any(|change| change.path.top() == field.name);
    if asked && wanted.is_known() && same(field, is, wanted, Against::Seen) {
        // The cloud has it already: by hand, or by an update that was cut off.
        changes.retain(|change| change.path.top() != field.name);
        return;
    }
    if same(field, left, is, Against::Left) {
        return;
    }
    // Only what drifted is put back. What the cloud merely writes in another way stays.
    let (left, is, wanted) = (only(field, left), only(field, is), only(field, wanted));
    let drifted = diff(of.inputs, &left, &is, Against::Left, Cause::Drift);
    let drifted: Vec<Path> = drifted.iter().map(|change| change.path.unit()).collect();
    let mut wants = diff(of.inputs, &is, &wanted, Against::Seen, Cause::Drift);
    wants.retain(|change| drifted.iter().any(|path| meet(path, &change.path.unit())));
    for mut change in wants {
        let unit = change.path.unit();
        if changes
            .iter()
            .any(|c| unit.starts_with(&c.path) || (change.path == unit && meet(&c.path, &unit)))
        {
            // The program asks for something else here anyway.
            continue;
        }
        // The elements of a list have no place of their own: they are told as they are now.
        let same = |c: &FieldChange| match change.new.is_null() {
            true => c.old == change.old,
            false => c.new == change.new,
        };
        let asked = changes
            .extract_if(.., |c| c.cause == Cause::Program && c.path.starts_with(&unit) && same(c));
        if asked.count() > 0 {
            change.cause = Cause::Program;
        }
        changes.push(change);
    }
}

/// Whether one of the two places lies in the other.
fn meet(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn at<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&NULL)
}

fn only(field: &Field, value: &Value) -> Value {
    let mut map = Map::with_capacity(1);
    map.insert(field.name, value.clone());
    Value::Map(map)
}
