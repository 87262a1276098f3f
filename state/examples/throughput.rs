//! How fast the store writes and loads: `cargo run --release -p formwork-state --example throughput`.
//!
//! Prints, for some sizes of a stack, the time of its durable writes in batches of ten, what one
//! write costs the disk, and how long it takes to open and to load it. Run it in a folder on a
//! disk, not in memory: `-- DIR`, and after it the sizes if other ones are wanted.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use formwork_core::{
    ResourceId, Seed,
    state::{Change, Intent, Record, RecordedOptions, Role, StateStore, Status, Verb},
    value::{Map, Value},
};
use formwork_state::SledStore;

const BATCH: u64 = 10;

/// A row like that of a subnet, of about 700 bytes.
fn record(n: u64) -> Record {
    let id = ResourceId::derive(&Seed::fixed(1), n);
    let mut inputs = Map::new();
    inputs.insert("vpc_id", Value::from("vpc-0123456789abcdef0"));
    inputs.insert("cidr_block", Value::from(format!("10.{}.{}.0/24", n / 256 % 256, n % 256)));
    inputs.insert("availability_zone", Value::from("eu-central-1a"));
    inputs.insert("map_public_ip_on_launch", Value::from(false));
    let mut outputs = Map::new();
    outputs.insert("id", Value::from(format!("subnet-{n:017x}")));
    outputs.insert("arn", Value::from(format!("arn:aws:ec2:eu-central-1:1:subnet/{n:017x}")));
    Record {
        id,
        address: format!("network/subnet-{n}").as_str().into(),
        kind: "aws:ec2/subnet".into(),
        provider: "aws".into(),
        version: 1,
        role: Role::Current,
        status: Status::Ready,
        inputs: Value::Map(inputs.clone()),
        seen: Some(Value::Map(inputs)),
        unsure: Vec::new(),
        changing: Vec::new(),
        outputs: Value::Map(outputs),
        depends_on: vec![ResourceId::derive(&Seed::fixed(1), n / 2)],
        options: RecordedOptions::default(),
        import: None,
        declared_at: "examples/network.rs:12:9".into(),
    }
}

/// What this process has caused to be written to the disk, on Linux.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The processor time this process has used, on Linux.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // utime and stime, the 14th and 15th field of proc_pid_stat(5), in ticks of 10 ms.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

async fn measure(dir: &std::path::Path, rows: u64) -> Result<(), Box<dyn Error>> {
    let store = SledStore::open(dir)?;
    let lease = store.acquire("shop", "throughput", Duration::from_secs(600)).await?;
    let (since, before, cpu, mut version) = (Instant::now(), written(), used(), 0);
    for first in (0..rows).step_by(10) {
        // As an apply does it: the results of ten steps, and the intents of the next ten.
        let changes = (first..first + BATCH).map(|n| Change::Put(Box::new(record(n)))).collect();
        version = store.commit(&lease, version, changes).await?;
    }
    let elapsed = since.elapsed();
    println!(
        "{rows:>7} rows in batches of {BATCH}: {elapsed:.2?} ({:.2?} of processor), {} bytes of disk per row",
        used() - cpu,
        (written() - before) / rows
    );

    let (since, before, steps) = (Instant::now(), written(), rows.min(1000));
    for n in 0..steps {
        let record = Box::new(record(n));
        let intent = Intent {
            id: record.id,
            verb: Verb::Update,
            record: Some(record.clone()),
            started_ms: 0,
        };
        version = store.commit(&lease, version, vec![Change::Open(intent)]).await?;
        let changes = vec![Change::Put(record.clone()), Change::Close(record.id)];
        version = store.commit(&lease, version, changes).await?;
    }
    println!(
        "{rows:>7} rows, {steps} updates one by one, two commits each: {:.2?} per update, {} bytes of disk",
        since.elapsed() / u32::try_from(steps)?,
        (written() - before) / steps
    );
    store.release(&lease).await?;

    let since = Instant::now();
    let cpu = used();
    let state = store.load("shop").await?;
    println!(
        "{:>7} rows loaded in {:.2?} ({:.2?} of processor)",
        state.records.len(),
        since.elapsed(),
        used() - cpu
    );
    let since = Instant::now();
    drop(store);
    let closed = since.elapsed();
    let since = Instant::now();
    let store = SledStore::open(dir)?;
    println!("{rows:>7} rows: closed in {closed:.2?}, opened in {:.2?}", since.elapsed());
    drop(store);
    std::fs::remove_file(dir.join("clean"))?;
    let since = Instant::now();
    drop(SledStore::open(dir)?);
    println!("{rows:>7} rows: checked, opened and closed in {:.2?}", since.elapsed());
    println!("{rows:>7} rows: {} KiB of log", std::fs::metadata(dir.join("rows/db"))?.len() / 1024);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let base = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let sizes =
        std::env::args().skip(2).map(|size| size.parse()).collect::<Result<Vec<u64>, _>>()?;
    for rows in if sizes.is_empty() { vec![100, 1_000, 10_000, 100_000] } else { sizes } {
        let dir = std::path::Path::new(&base).join(format!("throughput-{rows}"));
        if dir.exists() {
            return Err(format!("{} is in the way", dir.display()).into());
        }
        measure(&dir, rows).await?;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}
