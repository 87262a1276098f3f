//! What is measured in a process of its own.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use formwork_benches::{
    measure::{Failed, Written, best, millis, peak_kib, processor_ms, timed},
    unit::{Clock, pairs, provider},
};
use formwork_core::{Engine, RefreshMode, Stack};
use formwork_state::{SledStore, SyncObserver};
use serde_json::{Value, json};

use crate::{latency, store};

/// How often a plan without changes is made; the best one counts.
const PLANS: usize = 9;

/// Measures what the arguments ask for, as JSON.
pub(crate) fn measure(arguments: &[String]) -> Result<Value, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["apply", count, dir] => runtime.block_on(apply(count.parse()?, dir.as_ref(), false)),
        ["again", count, dir] => runtime.block_on(apply(count.parse()?, dir.as_ref(), true)),
        ["planned", count, dir] => runtime.block_on(planned(count.parse()?, dir.as_ref())),
        ["latency", shape, dir] => runtime.block_on(latency::measure(shape, dir.as_ref())),
        ["store", count, dir] => runtime.block_on(store::measure(count.parse()?, dir.as_ref())),
        _ => Err(format!("nothing is measured by {arguments:?}").into()),
    }
}

/// Counts the syncs of a store.
#[derive(Default)]
struct Syncs(AtomicU64);

impl SyncObserver for Syncs {
    fn synced(&self, _: &Path) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An apply of `count` units with durable records, and then, where asked for, plans that find
/// nothing to do.
async fn apply(count: usize, dir: &Path, again: bool) -> Result<Value, Failed> {
    let syncs = Arc::new(Syncs::default());
    let store = SledStore::options(dir).observer(syncs.clone()).open()?;
    let engine =
        Engine::builder().provider(provider(&Clock::default())).state(store).try_build()?;
    let since = Instant::now();
    let stack = pairs(count)?;
    let declare_ms = millis(since.elapsed());
    let (plan, plan_ms) = timed(async { engine.plan(&stack).await }).await;
    let plan = plan?;
    let (written, synced) = (Written::now(), syncs.0.load(Ordering::Relaxed));
    let processor = processor_ms();
    let (live, apply_ms) = timed(async { engine.apply(plan).await }).await;
    drop(live?);
    let processor = processor_ms() - processor;
    let written = Written::now().since(written);
    let synced = syncs.0.load(Ordering::Relaxed) - synced;
    let mut measured = json!({
        "declare_ms": declare_ms,
        "plan_ms": plan_ms,
        "apply_ms": apply_ms,
        "processor_ms": processor,
        "syncs": synced,
        "handed": written.handed,
        "disk": written.disk,
        "peak_kib": peak_kib(),
    });
    if again {
        unchanged(engine, &stack, count, dir, &mut measured).await?;
    }
    Ok(measured)
}

/// Plans of a stack that is as declared, in this process and as by one that is started anew.
async fn unchanged(
    engine: Engine,
    stack: &Stack,
    count: usize,
    dir: &Path,
    measured: &mut Value,
) -> Result<(), Failed> {
    let (mut listed, mut blind) = (Vec::new(), Vec::new());
    for _ in 0..PLANS {
        for (refresh, figures) in
            [(RefreshMode::List, &mut listed), (RefreshMode::None, &mut blind)]
        {
            let (plan, took) = timed(async { engine.plan(stack).refresh(refresh).await }).await;
            let plan = plan?;
            if !plan.is_empty() || plan.summary().unchanged != count {
                return Err(format!("a second plan finds something to do: {plan}").into());
            }
            figures.push(took);
        }
    }
    drop(engine);
    // As a program that is started anew does it: open, load, plan.
    let since = Instant::now();
    let store = SledStore::open(dir)?;
    let opened_ms = millis(since.elapsed());
    let engine =
        Engine::builder().provider(provider(&Clock::default())).state(store).try_build()?;
    let stack = pairs(count)?;
    drop(engine.plan(&stack).await?);
    let cold_ms = millis(since.elapsed());
    let mut load = Vec::new();
    for _ in 0..PLANS {
        let (snapshot, took) = timed(engine.state(stack.name())).await;
        drop(snapshot?);
        load.push(took);
    }
    let more = [
        ("listed_ms", best(listed)),
        ("blind_ms", best(blind)),
        ("load_ms", best(load)),
        ("opened_ms", opened_ms),
        ("cold_ms", cold_ms),
    ];
    for (name, figure) in more {
        measured[name] = figure.into();
    }
    Ok(())
}

/// The memory that the plan of `count` new units takes.
async fn planned(count: usize, dir: &Path) -> Result<Value, Failed> {
    let store = SledStore::open(dir)?;
    let engine =
        Engine::builder().provider(provider(&Clock::default())).state(store).try_build()?;
    let before = peak_kib();
    let stack = pairs(count)?;
    let declared = peak_kib();
    let (plan, plan_ms) = timed(async { engine.plan(&stack).await }).await;
    let steps = plan?.steps().count();
    Ok(json!({
        "steps": steps,
        "before_kib": before,
        "declared_kib": declared,
        "peak_kib": peak_kib(),
        "plan_ms": plan_ms,
    }))
}
