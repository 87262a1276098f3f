//! The same stacks in Terraform, in the same run.

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, best, in_child, number},
    terraform,
};

use crate::Settings;

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let Some(version) = terraform::version() else {
        return Ok(vec![
            Figure::new("terraform is not installed", 0.0, "").note("nothing to compare with"),
        ]);
    };
    let mut figures = Vec::new();
    let plans: &[usize] = if settings.quick { &[1_000] } else { &[1_000, 5_000, 10_000] };
    let applies: &[usize] = if settings.full { &[1_000, 5_000] } else { &[1_000] };
    for &count in plans {
        let dir = tempfile::tempdir_in(&settings.dir)?;
        let (ours, theirs) = (dir.path().join("formwork"), dir.path().join("terraform"));
        let measured = in_child(&["again", &count.to_string(), &ours.display().to_string()])?;
        terraform::prepare(&theirs, count)?;
        if applies.contains(&count) {
            let (own, peer) = (number(&measured, "apply_ms")?, terraform::apply(&theirs)?);
            figures.push(
                Figure::new(format!("apply {count}: terraform / formwork"), peer / own, "x")
                    .target(Target::AtLeast(100.0))
                    .note(format!(
                        "{:.2} s and {:.3} s; terraform {version}",
                        peer / 1e3,
                        own / 1e3
                    )),
            );
        } else {
            terraform::pretend_applied(&theirs, count)?;
        }
        let repeats = if count < 5_000 { 3 } else { 1 };
        let mut plans = Vec::new();
        for _ in 0..repeats {
            plans.push(terraform::plan_unchanged(&theirs)?);
        }
        let (own, peer) = (number(&measured, "blind_ms")?, best(plans));
        figures.push(
            Figure::new(format!("plan {count} unchanged: terraform / formwork"), peer / own, "x")
                .target(Target::AtLeast(50.0))
                .note(format!("{peer:.0} ms and {own:.1} ms, both without refresh")),
        );
        // A plan of ours that starts a process and opens the store, as Terraform's does.
        let cold = number(&measured, "cold_ms")?;
        figures.push(
            Figure::new(format!("plan {count} from opening the state on"), peer / cold, "x")
                .note(format!("{peer:.0} ms and {cold:.1} ms, ours with refresh by list")),
        );
    }
    Ok(figures)
}
