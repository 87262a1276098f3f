//! An apply of resources that cost nothing themselves, with durable records.

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, in_child, number},
};

use serde_json::Value;

use crate::Settings;

/// The quickest of some runs; more of the short ones, which noise hits harder.
fn best_run(settings: &Settings, count: usize) -> Result<Value, Failed> {
    let mut best: Option<(f64, Value)> = None;
    for _ in 0..(20_000 / count).clamp(2, 6) {
        let dir = tempfile::tempdir_in(&settings.dir)?;
        let place = dir.path().join("state").display().to_string();
        let measured = in_child(&["apply", &count.to_string(), &place])?;
        let took = number(&measured, "apply_ms")?;
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, measured));
        }
    }
    best.map(|(_, measured)| measured).ok_or_else(|| "nothing was measured".into())
}

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let mut figures = Vec::new();
    let (mut per_resource, mut processor, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let sizes: &[usize] =
        if settings.quick { &[1_000, 5_000] } else { &[1_000, 5_000, 20_000, 100_000] };
    for &count in sizes {
        let measured = best_run(settings, count)?;
        let of = |name: &str| number(&measured, name);
        let resources = count as f64;
        let took = of("apply_ms")?;
        per_resource.push(took / resources);
        processor.push(of("processor_ms")? / resources);
        bytes.push(of("handed")? / resources);
        let mut total = Figure::new(format!("{count} created"), took / 1e3, "s").note(format!(
            "declare {:.0} ms, plan {:.0} ms, {:.0} syncs, peak {:.0} MB",
            of("declare_ms")?,
            of("plan_ms")?,
            of("syncs")?,
            of("peak_kib")? / 1024.0,
        ));
        if count == 5_000 {
            total = total.target(Target::AtMost(3.0));
        }
        figures.push(total);
        figures.push(
            Figure::new(format!("{count} created, per resource"), 1e3 * took / resources, "us")
                .note(format!(
                    "{:.0} us of processor; {:.0} bytes handed to the system, {:.0} to the disk",
                    1e3 * of("processor_ms")? / resources,
                    of("handed")? / resources,
                    of("disk")? / resources
                )),
        );
    }
    for (what, of) in
        [("time", per_resource), ("processor time", processor), ("bytes written", bytes)]
    {
        if let (Some(first), Some(last)) = (of.first(), of.last()) {
            let largest = sizes.last().copied().unwrap_or_default();
            figures.push(
                Figure::new(format!("{what} per resource, {largest} : 1000"), last / first, "x")
                    .target(Target::AtMost(1.25)),
            );
        }
    }
    Ok(figures)
}
