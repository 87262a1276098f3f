//! What is recorded, as a table and one by one.

use std::collections::BTreeMap;

use formwork_core::{
    ResourceId,
    state::{Record, Role, Snapshot, Status, Verb},
    value::Value,
};
use serde::Serialize;

use super::{Layout, entry::pairs, table::table, value::leaves};

/// One row of `state list`.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    address: String,
    kind: String,
    id: String,
    physical_id: String,
    status: String,
}

/// The rows of `state list`, by address.
pub(crate) fn state_rows(state: &Snapshot) -> Vec<Row> {
    let mut rows: Vec<Row> = state
        .records
        .values()
        .map(|record| Row {
            address: record.address.to_string(),
            kind: record.kind.clone(),
            id: record.id.to_string(),
            physical_id: physical_id(&record.outputs).to_owned(),
            status: status(record, state),
        })
        .collect();
    for intent in state.intents.values().filter(|i| !state.records.contains_key(&i.id)) {
        let Some(record) = &intent.record else { continue };
        rows.push(Row {
            address: record.address.to_string(),
            kind: record.kind.clone(),
            id: intent.id.to_string(),
            physical_id: String::new(),
            status: format!("{} was cut off", verb(intent.verb)),
        });
    }
    rows.sort_by(|a, b| (&a.address, &a.id).cmp(&(&b.address, &b.id)));
    rows
}

/// The rows of `state list` as a page.
pub(crate) fn state_list(state: &Snapshot, layout: &Layout) -> String {
    let rows: Vec<[String; 5]> = state_rows(state)
        .into_iter()
        .map(|row| [row.address, row.kind, row.id, row.physical_id, row.status])
        .collect();
    table(["address", "type", "id", "physical id", "status"], &rows, layout)
}

/// All that is recorded of one resource.
pub(crate) fn record(record: &Record, state: &Snapshot, layout: &Layout) -> String {
    let by_id: BTreeMap<ResourceId, &Record> =
        state.records.iter().map(|(id, record)| (*id, record)).collect();
    let name = |id: &ResourceId| {
        by_id.get(id).map_or_else(|| id.to_string(), |record| record.address.to_string())
    };
    let mut rows = vec![
        ("type".to_owned(), format!("{} (version {})", record.kind, record.version)),
        ("provider".to_owned(), record.provider.clone()),
        ("id".to_owned(), record.id.to_string()),
        ("physical id".to_owned(), physical_id(&record.outputs).to_owned()),
        ("status".to_owned(), status(record, state)),
        ("declared at".to_owned(), record.declared_at.clone()),
    ];
    if !record.depends_on.is_empty() {
        let needs: Vec<String> = record.depends_on.iter().map(name).collect();
        rows.push(("depends on".to_owned(), needs.join(", ")));
    }
    let options = &record.options;
    let mut set = Vec::new();
    if options.protect {
        set.push("protected".to_owned());
    }
    if options.retain {
        set.push("retained".to_owned());
    }
    if let Some(host) = &options.deleted_with {
        set.push(format!("goes with {}", name(host)));
    }
    if let Some(trigger) = &options.trigger {
        set.push(format!("trigger {trigger}"));
    }
    if !set.is_empty() {
        rows.push(("options".to_owned(), set.join(", ")));
    }
    rows.retain(|(_, value)| !value.is_empty());
    let mut page = format!("{}\n", layout.paint.bold(record.address.as_str()));
    page.push_str(&pairs(&rows, 2, layout));
    for (heading, value) in [("inputs", &record.inputs), ("outputs", &record.outputs)] {
        let leaves = leaves(value);
        if !leaves.is_empty() {
            page.push_str(&format!("  {}\n", layout.paint.bold(heading)));
            page.push_str(&pairs(&leaves, 4, layout));
        }
    }
    page
}

fn status(record: &Record, state: &Snapshot) -> String {
    let mut text = match &record.status {
        Status::Ready => "ready".to_owned(),
        Status::Settling => "not seen ready yet".to_owned(),
        Status::Incomplete { reason } => format!("incomplete: {reason}"),
        Status::Absent => "absent".to_owned(),
    };
    if record.role == Role::Deposed {
        text = format!("replaced, to be deleted ({text})");
    }
    if let Some(intent) = state.intents.get(&record.id) {
        text = format!("{text}; {} was cut off", verb(intent.verb));
    }
    text
}

const fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

/// The object's own id in the cloud, by the names that ids have: the type that knows it is not at
/// hand without a cloud.
fn physical_id(outputs: &Value) -> &str {
    let Some(map) = outputs.as_map() else { return "" };
    let text = |name: &str| map.get(name).filter(|v| !v.has_secret()).and_then(Value::as_str);
    ["id", "arn", "name"]
        .into_iter()
        .find_map(text)
        .or_else(|| map.keys().filter(|key| key.ends_with("_id")).find_map(|key| text(key)))
        .unwrap_or("")
}
