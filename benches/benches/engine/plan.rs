//! A plan that finds nothing to do.

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, in_child, number},
};

use crate::Settings;

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let mut figures = Vec::new();
    let sizes = [(1_000, None), (5_000, Some(50.0)), (10_000, Some(100.0))];
    for (count, most) in sizes {
        if settings.quick && count > 5_000 {
            continue;
        }
        let dir = tempfile::tempdir_in(&settings.dir)?;
        let place = dir.path().join("state").display().to_string();
        let measured = in_child(&["again", &count.to_string(), &place])?;
        let of = |name: &str| number(&measured, name);
        let mut listed =
            Figure::new(format!("{count} unchanged, refresh by list"), of("listed_ms")?, "ms")
                .note(format!(
                    "of which {:.1} ms load the state; {:.0} ms from opening the store on",
                    of("load_ms")?,
                    of("cold_ms")?
                ));
        let mut blind =
            Figure::new(format!("{count} unchanged, without refresh"), of("blind_ms")?, "ms");
        if let Some(most) = most {
            listed = listed.target(Target::AtMost(most));
            blind = blind.target(Target::AtMost(most));
        }
        figures.extend([listed, blind]);
    }
    Ok(figures)
}
