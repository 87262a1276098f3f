//! `cargo bench -p formwork-benches`: the engine against its targets, and against Terraform.
//!
//! Each figure is measured in a process of its own. Terraform is measured in the same run, where it
//! is installed, with resources that cost it as little as ours cost us: ratios hold on any machine,
//! absolute figures only on this one.

mod apply;
mod child;
mod cold;
mod latency;
mod memory;
mod peer;
mod plan;
mod store;

use std::{path::PathBuf, process::ExitCode};

use formwork_benches::{
    figure::{Figure, heading},
    measure::{CHILD, Failed},
};

const HELP: &str = "\
Measures the engine: cargo xtask bench [OPTIONS]

  --only A,B   only these of: plan, apply, memory, latency, store, cold, peer
  --quick      smaller sizes, for a look
  --full       also Terraform's apply of 5,000 resources, which takes some twelve minutes
  --dir DIR    where the states are kept while they are measured; a folder on a disk
  --check      fail when a target is missed
  --help       this text
";

/// What was asked for.
pub(crate) struct Settings {
    pub(crate) quick: bool,
    pub(crate) full: bool,
    pub(crate) dir: PathBuf,
    check: bool,
    only: Option<Vec<String>>,
}

impl Settings {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failed> {
        let dir = std::env::temp_dir();
        let mut settings = Self { quick: false, full: false, dir, check: false, only: None };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // What cargo says to every benchmark.
                "--bench" => {}
                "--quick" => settings.quick = true,
                "--full" => settings.full = true,
                "--check" => settings.check = true,
                "--dir" => settings.dir = PathBuf::from(value()?),
                "--only" => {
                    settings.only = Some(value()?.split(',').map(str::to_owned).collect());
                }
                other => return Err(format!("unknown argument {other}\n\n{HELP}").into()),
            }
        }
        Ok(settings)
    }
}

/// One group of figures: its name, and how it is measured.
type Group = (&'static str, fn(&Settings) -> Result<Vec<Figure>, Failed>);

const GROUPS: [Group; 7] = [
    ("plan", plan::figures),
    ("apply", apply::figures),
    ("memory", memory::figures),
    ("latency", latency::figures),
    ("store", store::figures),
    ("cold", cold::figures),
    ("peer", peer::figures),
];

fn run() -> Result<bool, Failed> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == CHILD) {
        let arguments: Vec<String> = arguments.skip(1).collect();
        println!("{}", child::measure(&arguments)?);
        return Ok(true);
    }
    if arguments.peek().is_some_and(|first| first == "--help") {
        print!("{HELP}");
        return Ok(true);
    }
    let settings = Settings::parse(arguments)?;
    let mut missed = 0;
    println!("{}", heading());
    for (name, figures) in GROUPS {
        if settings.only.as_ref().is_some_and(|only| !only.iter().any(|asked| asked == name)) {
            continue;
        }
        println!("{name}");
        for figure in figures(&settings)? {
            missed += usize::from(figure.is_missed());
            println!("  {figure}");
        }
    }
    println!("{missed} target(s) missed");
    Ok(missed == 0 || !settings.check)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
