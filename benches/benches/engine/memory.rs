//! The memory that a plan takes.

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, in_child, number},
};

use crate::Settings;

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let count = if settings.quick { 10_000 } else { 100_000 };
    let dir = tempfile::tempdir_in(&settings.dir)?;
    let place = dir.path().join("state").display().to_string();
    let measured = in_child(&["planned", &count.to_string(), &place])?;
    let of = |name: &str| number(&measured, name);
    let megabytes = |kib: f64| kib / 1024.0;
    let planned = Figure::new(format!("{count} new, planned"), megabytes(of("peak_kib")?), "MB")
        .target(Target::AtMost(500.0))
        .note(format!(
            "{:.0} MB when declared, {:.0} MB before; planned in {:.0} ms",
            megabytes(of("declared_kib")?),
            megabytes(of("before_kib")?),
            of("plan_ms")?
        ));
    Ok(vec![planned])
}
