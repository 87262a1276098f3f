//! The checks, and what each of them runs.
//!
//! All of them ask for the whole workspace with its default features: another set of features
//! would compile the AWS SDK once more, which takes minutes.

use std::{io::IsTerminal, path::Path, process::Command};

use crate::{
    arguments::Checks,
    deny, moto,
    stage::{Outcome, Stages},
    system,
};

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Fmt,
    Clippy,
    Test,
    Doctest,
    Deny,
    Doc,
}

impl Check {
    /// All of them, cheap ones first.
    pub(crate) const ALL: [Self; 6] =
        [Self::Fmt, Self::Deny, Self::Clippy, Self::Test, Self::Doctest, Self::Doc];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Doctest => "doctest",
            Self::Deny => "deny",
            Self::Doc => "doc",
        }
    }

    pub(crate) const fn is_quick(self) -> bool {
        matches!(self, Self::Fmt | Self::Clippy | Self::Test)
    }
}

/// Makes the checks, one after the other, up to the first that fails.
pub(crate) fn run(checks: &Checks) -> Result<(), String> {
    let mut stages = Stages::default();
    let done = checks.of.iter().try_for_each(|check| make(*check, checks.installs, &mut stages));
    stages.print_summary();
    done
}

fn make(check: Check, installs: bool, stages: &mut Stages) -> Result<(), String> {
    match check {
        Check::Fmt => stages.run("fmt", || {
            // rustfmt asks the terminal's database for colours even when it prints to no terminal.
            let color = if std::io::stdout().is_terminal() { "auto" } else { "never" };
            cargo(&["fmt", "--all", "--check", "--", "--color", color])
        }),
        Check::Clippy => stages.run("clippy", || {
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
        }),
        Check::Test => {
            let mut server = None;
            stages.run("moto", || {
                let (found, outcome) = moto::prepare(installs)?;
                server = found;
                Ok(outcome)
            })?;
            stages.run("test", || tests(server.as_deref()))
        }
        Check::Doctest => {
            stages.run("doctest", || cargo(&["test", "--workspace", "--doc", "--quiet"]))
        }
        Check::Deny => stages.run("deny", || deny::check(installs)),
        Check::Doc => stages.run("doc", || {
            let mut doc = system::cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
            system::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
            Ok(Outcome::Done)
        }),
    }
}

fn cargo(arguments: &[&str]) -> Result<Outcome, String> {
    system::run(&mut system::cargo(arguments))?;
    Ok(Outcome::Done)
}

fn tests(moto: Option<&Path>) -> Result<Outcome, String> {
    // nextest runs every test in a process of its own, and all of them at the same time.
    let mut tests: Command = if system::has_cargo_command("nextest") {
        system::cargo(&["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        println!("cargo-nextest is not installed: the tests run by `cargo test`");
        system::cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])
    };
    if let Some(moto) = moto {
        tests.env(moto::SERVER, moto);
    }
    system::run(&mut tests)?;
    Ok(Outcome::Done)
}

/// Measures the engine in release, which compiles no AWS SDK.
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let mut bench = system::cargo(&["bench", "--package", "formwork-benches", "--"]);
    system::run(bench.args(arguments))
}
