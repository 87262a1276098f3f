//! The store by itself: durable writes, and loading.

use std::{path::Path, time::Duration};

use formwork_benches::{
    figure::Figure,
    measure::{Failed, Written, in_child, number, timed},
    unit::{Clock, STACK, pairs, provider},
};
use formwork_core::{
    Engine,
    state::{Change, Record, StateStore},
};
use formwork_state::SledStore;
use serde_json::{Value, json};

use crate::Settings;

/// How many rows are written at a time: what an apply with ten slots has ready at once.
const BATCH: usize = 10;

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let count = if settings.quick { 1_000 } else { 10_000 };
    let dir = tempfile::tempdir_in(&settings.dir)?;
    let place = dir.path().join("state").display().to_string();
    let measured = in_child(&["store", &count.to_string(), &place])?;
    let of = |name: &str| number(&measured, name);
    let rows = count as f64;
    Ok(vec![
        Figure::new(format!("{count} rows, {BATCH} per commit"), of("batches_ms")? / 1e3, "s")
            .note(format!(
                "{:.0} rows per second, {:.0} bytes per row",
                1e3 * rows / of("batches_ms")?,
                of("handed")? / rows
            )),
        Figure::new("one row per commit", of("single_ms")?, "ms").note("per durable commit"),
        Figure::new(format!("{count} rows loaded"), of("load_ms")?, "ms"),
    ])
}

/// Rewrites the rows of an applied stack, `BATCH` at a time and then one at a time.
pub(crate) async fn measure(count: usize, dir: &Path) -> Result<Value, Failed> {
    let rows: Vec<Record> = {
        let store = SledStore::open(dir)?;
        let engine =
            Engine::builder().provider(provider(&Clock::default())).state(store).try_build()?;
        drop(engine.apply(engine.plan(&pairs(count)?).await?).await?);
        engine.state(STACK).await?.records.into_values().collect()
    };
    let store = SledStore::open(dir)?;
    let lease = store.acquire(STACK, "bench", Duration::from_secs(600)).await?;
    let mut version = store.load(STACK).await?.version;
    let put = |row: &Record| Change::Put(Box::new(row.clone()));
    let before = Written::now();
    let (written, batches_ms) = timed(async {
        for batch in rows.chunks(BATCH) {
            version = store.commit(&lease, version, batch.iter().map(put).collect()).await?;
        }
        Ok::<_, Failed>(version)
    })
    .await;
    let mut version = written?;
    let handed = Written::now().since(before).handed;
    let singles = rows.len().min(500);
    let (written, single_ms) = timed(async {
        for row in &rows[..singles] {
            version = store.commit(&lease, version, vec![put(row)]).await?;
        }
        Ok::<_, Failed>(())
    })
    .await;
    written?;
    store.release(&lease).await?;
    let (loaded, load_ms) = timed(store.load(STACK)).await;
    let loaded = loaded?.records.len();
    let single_ms = single_ms / singles as f64;
    Ok(json!({
        "rows": loaded,
        "batches_ms": batches_ms,
        "single_ms": single_ms,
        "load_ms": load_ms,
        "handed": handed,
    }))
}
