//! An apply of resources that cost nothing themselves, with durable records.

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, in_child, mean, median, number},
};

use crate::Settings;

/// How often all sizes are measured in turn: what else goes on on the machine changes slower.
const ROUNDS: usize = 3;

/// What is measured of an apply.
const MEASURES: [&str; 7] =
    ["apply_ms", "processor_ms", "handed", "disk", "declare_ms", "plan_ms", "syncs"];

/// The means of one size in one round, in the order of [`MEASURES`]; and the peak of memory.
struct Round {
    means: Vec<f64>,
    peak_kib: f64,
}

/// Applies stacks of `count` resources, `runs` times.
///
/// The mean counts, not the best run: a large stack is as many small ones one after the other, and
/// has no choice among them.
fn round(settings: &Settings, count: usize, runs: usize) -> Result<Round, Failed> {
    let mut all = vec![Vec::with_capacity(runs); MEASURES.len()];
    let mut peak_kib: f64 = 0.0;
    for _ in 0..runs {
        let dir = tempfile::tempdir_in(&settings.dir)?;
        let place = dir.path().join("state").display().to_string();
        let measured = in_child(&["apply", &count.to_string(), &place])?;
        for (figures, name) in all.iter_mut().zip(MEASURES) {
            figures.push(number(&measured, name)?);
        }
        peak_kib = peak_kib.max(number(&measured, "peak_kib")?);
    }
    Ok(Round { means: all.iter().map(|figures| mean(figures)).collect(), peak_kib })
}

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let sizes: &[usize] =
        if settings.quick { &[1_000, 5_000] } else { &[1_000, 5_000, 20_000, 100_000] };
    let (Some(&smallest), Some(&largest)) = (sizes.first(), sizes.last()) else {
        return Ok(Vec::new());
    };
    // Per size, its rounds. The smallest is applied as often as the largest has room for it, so
    // that the two are exposed to the machine's moods alike.
    let mut rounds: Vec<Vec<Round>> = sizes.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (&count, rounds) in sizes.iter().zip(&mut rounds) {
            let share = if count == smallest { largest } else { largest / 5 };
            rounds.push(round(settings, count, (share / count).max(1))?);
        }
    }
    let of = |rounds: &[Round], i: usize| median(rounds.iter().map(|r| r.means[i]).collect());
    let mut figures = Vec::new();
    for (&count, rounds) in sizes.iter().zip(&rounds) {
        let resources = count as f64;
        let took = of(rounds, 0);
        let peak = rounds.iter().map(|round| round.peak_kib).fold(0.0, f64::max);
        let mut total = Figure::new(format!("{count} created"), took / 1e3, "s").note(format!(
            "declare {:.0} ms, plan {:.0} ms, {:.0} syncs, peak {:.0} MB",
            of(rounds, 4),
            of(rounds, 5),
            of(rounds, 6),
            peak / 1024.0,
        ));
        if count == 5_000 {
            total = total.target(Target::AtMost(3.0));
        }
        figures.push(total);
        figures.push(
            Figure::new(format!("{count} created, per resource"), 1e3 * took / resources, "us")
                .note(format!(
                    "{:.0} us of processor; {:.0} bytes handed to the system, {:.0} to the disk",
                    1e3 * of(rounds, 1) / resources,
                    of(rounds, 2) / resources,
                    of(rounds, 3) / resources
                )),
        );
    }
    let (Some(small), Some(large)) = (rounds.first(), rounds.last()) else { return Ok(figures) };
    let times = (largest / smallest) as f64;
    for (i, what) in ["time", "processor time", "bytes written"].into_iter().enumerate() {
        // Of the same round, for the machine is quicker in some than in others.
        let ratios = small.iter().zip(large).map(|(s, l)| l.means[i] / s.means[i] / times);
        let ratios: Vec<f64> = ratios.collect();
        let (least, most) = ratios
            .iter()
            .fold((f64::MAX, 0.0), |(least, most): (f64, f64), r| (least.min(*r), most.max(*r)));
        figures.push(
            Figure::new(
                format!("{what} per resource, {largest} : {smallest}"),
                median(ratios),
                "x",
            )
            .target(Target::AtMost(1.25))
            .note(format!("median of {ROUNDS} rounds, from {least:.2} to {most:.2}")),
        );
    }
    Ok(figures)
}
