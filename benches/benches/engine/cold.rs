//! How long a program takes from its start to its plan: the example, on its sandbox.
//!
//! The example needs the AWS SDK, which takes minutes to build, so it is measured where it was built
//! already: `cargo build --release --example gpu_cluster`.

use std::{path::PathBuf, process::Command};

use formwork_benches::{
    figure::{Figure, Target},
    measure::{Failed, best, millis},
};

use crate::Settings;

/// Nodes that make some hundred resources.
const NODES: &str = "7";

pub(crate) fn figures(settings: &Settings) -> Result<Vec<Figure>, Failed> {
    let Some(example) = example()? else {
        let note = "NOT MEASURED: build it first: cargo build --release --example gpu_cluster";
        return Ok(vec![Figure::new("the example", 0.0, "-").note(note)]);
    };
    let mut took = Vec::new();
    let mut said = String::new();
    for _ in 0..5 {
        let dir = tempfile::tempdir_in(&settings.dir)?;
        let since = std::time::Instant::now();
        let plan = Command::new(&example)
            .args(["plan", "--count", NODES, "--state-dir"])
            .arg(dir.path().join("state"))
            .output()?;
        took.push(millis(since.elapsed()));
        if !plan.status.success() {
            return Err(String::from_utf8_lossy(&plan.stderr).into());
        }
        said = String::from_utf8_lossy(&plan.stdout).into();
    }
    let planned = said.lines().rfind(|line| line.starts_with("Plan:")).unwrap_or_default();
    Ok(vec![
        Figure::new("the example, start to plan", best(took), "ms")
            .target(Target::AtMost(150.0))
            .note(planned),
    ])
}

/// The example beside this benchmark's own profile: `target/release/examples/gpu_cluster`.
fn example() -> Result<Option<PathBuf>, Failed> {
    let own = std::env::current_exe()?;
    let profile = own.parent().and_then(|deps| deps.parent());
    Ok(profile.map(|p| p.join("examples/gpu_cluster")).filter(|example| example.is_file()))
}
