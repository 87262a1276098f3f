//! What an edit may never do, on random states.

use proptest::prelude::*;

use super::*;
use crate::{
    identity::Seed,
    state::{Intent, Record, RecordedOptions, Role, Status, Verb},
    value::Value,
};

fn id(n: u8) -> ResourceId {
    ResourceId::derive(&Seed::fixed(0), u64::from(n))
}

fn row(n: u8, address: &str, role: Role, status: Status, needs: &[u8], host: Option<u8>) -> Record {
    Record {
        id: id(n),
        address: Address::new(address),
        kind: "model:test/thing".into(),
        provider: "model".into(),
        version: 0,
        role,
        status,
        inputs: Value::Null,
        seen: None,
        unsure: Vec::new(),
        changing: Vec::new(),
        outputs: Value::Null,
        depends_on: needs.iter().map(|n| id(*n)).collect(),
        options: RecordedOptions { deleted_with: host.map(id), ..RecordedOptions::default() },
        declared_at: "src/main.rs:1:1".into(),
    }
}

const PLACES: [&str; 8] = ["a", "b", "c", "net/a", "net/b", "net/in/a", "x/a", "x"];

/// Any state at all, broken ones too.
fn state() -> impl Strategy<Value = Snapshot> {
    let status = prop_oneof![
        4 => Just(Status::Ready),
        1 => Just(Status::Settling),
        1 => Just(Status::Absent),
    ];
    let role = prop_oneof![4 => Just(Role::Current), 1 => Just(Role::Deposed)];
    let needs = prop::collection::vec(0u8..10, 0..3);
    let one = (0usize..8, role, status, needs, prop::option::weighted(0.2, 0u8..10));
    let verb = prop_oneof![Just(Verb::Create), Just(Verb::Update), Just(Verb::Delete)];
    let calls = prop::collection::vec((0u8..10, verb, any::<bool>()), 0..3);
    (prop::collection::vec(one, 0..8), calls).prop_map(|(rows, calls)| {
        let mut state = Snapshot { lineage: "l".into(), version: 1, ..Snapshot::default() };
        for (n, (place, role, status, needs, host)) in (0u8..).zip(rows) {
            let row = row(n, PLACES[place], role, status, &needs, host);
            state.records.insert(row.id, row);
        }
        for (n, verb, says) in calls {
            let made =
                row(n, PLACES[usize::from(n) % 8], Role::Current, Status::Settling, &[], None);
            let record = says.then(|| Box::new(made));
            state.intents.insert(id(n), Intent { id: id(n), verb, record, started_ms: 0 });
        }
        state
    })
}

fn after(state: &Snapshot, edit: &Edit, stack: &str) -> Snapshot {
    let mut state = state.clone();
    for part in edit.parts.iter().filter(|part| part.stack == stack) {
        part.changes.iter().cloned().for_each(|change| state.apply(change));
    }
    state
}

/// Whether every reference resolves, and no address has two current rows.
fn is_sound(state: &Snapshot) -> bool {
    let mut current = std::collections::BTreeSet::new();
    state.records.values().all(|row| {
        let mut refers = row.depends_on.iter().chain(&row.options.deleted_with);
        let resolves = refers.all(|id| state.records.contains_key(id));
        resolves && (row.role == Role::Deposed || current.insert(&row.address))
    })
}

/// The same state, mended.
fn sound(state: Snapshot) -> Snapshot {
    let mended = repair("t", &state);
    after(&state, &mended, "t")
}

proptest! {
    #[test]
    fn a_repair_leaves_nothing_to_repair_and_loses_no_row(state in state()) {
        let edit = repair("t", &state);
        let mended = after(&state, &edit, "t");
        prop_assert!(is_sound(&mended), "{:#?}\n{:#?}", edit, mended);
        prop_assert!(mended.records.keys().eq(state.records.keys()));
        prop_assert!(repair("t", &mended).is_empty(), "{:#?}", repair("t", &mended));
        prop_assert_eq!(edit.is_empty(), edit.done.is_empty());
    }

    #[test]
    fn what_is_removed_leaves_every_reference_resolved(state in state(), at in 0usize..8, force: bool) {
        let state = sound(state);
        let how = Removal { force, moved_to: None };
        let Ok(edit) = remove("t", &state, &[PLACES[at].to_owned()], &how) else { return Ok(()) };
        let left = after(&state, &edit, "t");
        prop_assert!(is_sound(&left), "{:#?}", left);
        let wanted = |row: &&Record| {
            row.role == Role::Current && row.status != Status::Absent && row.address.as_str() == PLACES[at]
        };
        prop_assert!(left.records.values().find(wanted).is_none());
    }

    #[test]
    fn a_rename_keeps_every_row_and_its_references(state in state(), from in 0usize..8, to in 0usize..8) {
        let state = sound(state);
        let pair = [(PLACES[from].to_owned(), PLACES[to].to_owned())];
        let Ok(edit) = rename("t", &state, &pair) else { return Ok(()) };
        let left = after(&state, &edit, "t");
        prop_assert!(is_sound(&left), "{:#?}", left);
        prop_assert!(left.records.keys().eq(state.records.keys()));
        let back = rename("t", &left, &[(PLACES[to].to_owned(), PLACES[from].to_owned())]);
        // What was there before goes along on the way back.
        let there = |row: &Record| {
            row.address.as_str() == PLACES[to] || row.address.is_inside(PLACES[to])
        };
        if let (Ok(back), false) = (back, state.records.values().any(there)) {
            let back = after(&left, &back, "t");
            for (id, row) in &state.records {
                prop_assert_eq!(&back.records[id].address, &row.address);
            }
        }
    }

    #[test]
    fn an_object_that_is_handed_over_is_in_exactly_one_stack(
        source in state(),
        target in state(),
        from in 0usize..8,
        to in 0usize..8,
    ) {
        let source = sound(source);
        // Other objects than there.
        let mut target = sound(target);
        let other = |id: ResourceId| {
            let n = u64::from(id.as_str().as_bytes()[3]);
            ResourceId::derive(&Seed::fixed(1), n)
        };
        let renamed = |row: Record| Record {
            id: other(row.id),
            depends_on: row.depends_on.iter().copied().map(other).collect(),
            options: RecordedOptions {
                deleted_with: row.options.deleted_with.map(other),
                ..row.options.clone()
            },
            ..row
        };
        let rows = std::mem::take(&mut target.records).into_values().map(renamed);
        target.records = rows.map(|row| (row.id, row)).collect();
        target.intents.clear();
        let pair = [(PLACES[from].to_owned(), PLACES[to].to_owned())];
        let edit = hand_over(("s", &source), ("t", &target), &pair);
        let Ok(edit) = edit else { return Ok(()) };
        let (left, taken) = (after(&source, &edit, "s"), after(&target, &edit, "t"));
        prop_assert!(is_sound(&left), "{:#?}", left);
        prop_assert!(is_sound(&taken), "{:#?}", taken);
        for id in source.records.keys() {
            prop_assert!(left.records.contains_key(id) != taken.records.contains_key(id));
        }
        // What is there is marked as gone from where it was.
        for row in source.records.values().filter(|row| taken.records.contains_key(&row.id)) {
            let marked = left.departed.contains_key(&row.address);
            prop_assert!(marked || row.role == Role::Deposed || row.status == Status::Absent);
        }
        prop_assert!(target.records.keys().all(|id| taken.records.contains_key(id)));
    }
}
