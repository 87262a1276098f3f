//! Changes of the state, and the rows and values in them: of every kind, and made from a number.

use std::time::Duration;

use super::Random;
use crate::{
    hook::HookPoint,
    identity::{Address, ResourceId, Seed},
    state::{
        Change, Departed, Import, Intent, Pin, ProviderTarget, Record, RecordedOptions, Role,
        Status, Verb,
    },
    value::{Path, Value},
};

/// Names that are easily taken for one another, or break what is made of them.
pub(super) const NAMES: [&str; 14] = [
    "shop",
    "shop2",
    "a",
    "a/b",
    "a/b/c",
    "a.b",
    "A",
    "a b",
    "\u{fc}",
    "u\u{308}",
    "\u{1f980}",
    "a\0b",
    "a\0",
    "%2e%2e",
];

/// A few changes of any kind, of few enough objects that they meet.
///
/// The same `random` gives the same changes: crash suites of stores replay them.
pub fn changes(random: &mut Random) -> Vec<Change> {
    let count = random.below(6);
    (0..count).map(|_| change(random)).collect()
}

fn change(random: &mut Random) -> Change {
    let n = random.below(12);
    let (id, address) = (id(n), Address::new(NAMES[n as usize]));
    match random.below(15) {
        0..=3 => Change::Put(Box::new(record(random, n))),
        4 => Change::Remove(id),
        5 | 6 => Change::Open(Intent {
            id,
            verb: [Verb::Create, Verb::Update, Verb::Delete][random.below(3) as usize],
            record: (random.below(2) == 0).then(|| Box::new(record(random, n))),
            started_ms: random.next(),
        }),
        7 | 8 => Change::Close(id),
        9 => Change::Pin(Pin {
            address,
            kind: "aws:ec2/vpc".into(),
            query: value(random, 2),
            answer: value(random, 2),
        }),
        10 => Change::Unpin(address),
        11 => Change::Target(ProviderTarget {
            provider: NAMES[n as usize].to_owned(),
            target: value(random, 2),
        }),
        12 => Change::Depart(Departed {
            address,
            kind: "aws:ec2/vpc".into(),
            id,
            to: (*random.pick(&NAMES)).to_owned(),
            to_address: (random.below(2) == 0).then(|| Address::new(*random.pick(&NAMES))),
        }),
        13 => Change::Return(address),
        _ => Change::Exports(value(random, 3)),
    }
}

fn id(n: u64) -> ResourceId {
    ResourceId::derive(&Seed::fixed(0), n)
}

/// A row of any content, of the `n`th object.
pub(super) fn record(random: &mut Random, n: u64) -> Record {
    let reason = "the instance did not start".to_owned();
    let statuses = [Status::Ready, Status::Settling, Status::Incomplete { reason }, Status::Absent];
    Record {
        id: id(n),
        address: Address::new(format!("{}/{n}", random.pick(&NAMES))),
        kind: "aws:ec2/subnet".into(),
        provider: "aws".into(),
        version: random.below(3) as u32,
        role: *random.pick(&[Role::Current, Role::Deposed]),
        status: random.pick(&statuses).clone(),
        inputs: value(random, 3),
        changing: vec![Path::field("a"); random.below(2) as usize],
        unsure: vec!["user_data".to_owned(); random.below(2) as usize],
        seen: (random.below(2) == 0).then(|| value(random, 2)),
        outputs: value(random, 3),
        depends_on: (0..random.below(3)).map(id).collect(),
        options: RecordedOptions {
            protect: random.below(2) == 0,
            exclusive: false,
            retain: random.below(2) == 0,
            deleted_with: (random.below(4) == 0).then(|| id(0)),
            replace_with: vec![("a".into(), id(0)); random.below(2) as usize],
            trigger: (random.below(4) == 0).then(|| value(random, 1)),
            hooks: vec![(HookPoint::AfterDelete, "drain".to_owned()); random.below(2) as usize],
            delete_timeout: (random.below(4) == 0)
                .then(|| Duration::from_millis(random.below(10_000))),
        },
        import: (random.below(4) == 0).then(|| Import {
            id: "subnet-1".to_owned(),
            adopted: random.below(2) == 0,
            claimed: random.below(2) == 0,
        }),
        declared_at: "src/main.rs:1:1".into(),
    }
}

/// A value of any kind, `depth` deep at most and now and then some kilobytes long.
fn value(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => Value::Number(random.next().into()),
        3 => Value::from((*random.pick(&NAMES)).repeat(random.below(4) as usize)),
        4 => Value::Unknown,
        5 => Value::from("x".repeat(1 << random.below(15))),
        6 => Value::Secret(Box::new(value(random, depth - 1))),
        7 => Value::List((0..random.below(4)).map(|_| value(random, depth - 1)).collect()),
        _ => {
            let keys = (0..random.below(4)).map(|_| (*random.pick(&NAMES)).to_owned().into());
            let keys: Vec<_> = keys.collect();
            Value::Map(keys.into_iter().map(|key| (key, value(random, depth - 1))).collect())
        }
    }
}
