//! An apply on a cloud that takes its time, against the shortest that any scheduler could reach.

use std::path::Path;

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, in_child, millis, number, timed},
    unit::{Clock, Shape, provider},
};
use formwork_core::Engine;
use formwork_state::SledStore;
use serde_json::{Value, json};

use crate::Settings;

const SLOTS: u32 = 16;

fn shape(name: &str) -> Option<Shape> {
    Some(match name {
        "wide" => Shape::wide(320, 100),
        "chains" => Shape::chains(64, 8, 20, 180),
        "layers" => Shape::layers(10, 48, 20, 180),
        "path" => Shape::chains(1, 30, 100, 100).beside(&Shape::wide(200, 40)),
        _ => return None,
    })
}

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let mut figures = Vec::new();
    for name in ["wide", "chains", "layers", "path"] {
        let dir = tempfile::tempdir_in(&settings.dir)?;
        let place = dir.path().join("state").display().to_string();
        let measured = in_child(&["latency", name, &place])?;
        let (took, bound) = (number(&measured, "apply_ms")?, number(&measured, "bound_ms")?);
        figures.push(
            Figure::new(format!("{name}: makespan / bound"), took / bound, "x")
                .target(Target::AtMost(1.05))
                .note(format!(
                    "{:.0} units, {took:.0} ms; path {:.0} ms, work / slots {:.0} ms",
                    number(&measured, "units")?,
                    number(&measured, "path_ms")?,
                    number(&measured, "work_ms")?
                )),
        );
    }
    Ok(figures)
}

pub(crate) async fn measure(name: &str, dir: &Path) -> Result<Value, Failed> {
    let shape = shape(name).ok_or_else(|| format!("there is no shape {name}"))?;
    let store = SledStore::open(dir)?;
    let slots = usize::try_from(SLOTS)?;
    let clock = Clock::default();
    let engine =
        Engine::builder().provider(provider(&clock)).state(store).parallelism(slots).try_build()?;
    let stack = shape.stack()?;
    let plan = engine.plan(&stack).await?;
    let (live, apply_ms) = timed(async { engine.apply(plan).await }).await;
    drop(live?);
    let shape = shape.as_it_was(&clock);
    Ok(json!({
        "units": shape.units.len(),
        "apply_ms": apply_ms,
        "path_ms": millis(shape.critical_path()),
        "work_ms": millis(shape.work() / SLOTS),
        "bound_ms": millis(shape.bound(SLOTS)),
    }))
}
