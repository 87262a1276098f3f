//! What was asked for on the command line.

use crate::checks::Check;

pub(crate) const HELP: &str = "\
The project's own commands.

cargo xtask test [OPTIONS]     prepares what the tests need, then formats, lints and tests everything
  --only A,B                   only these checks, of: fmt, clippy, test, doctest, deny, doc
  --quick                      only fmt, clippy and test, and nothing is installed for the tests
cargo xtask bench [OPTIONS]    measures the engine; `cargo xtask bench --help` says more
cargo xtask help               this text

Set by hand, and found out otherwise:
  FORMWORK_MOTO                the moto_server that the tests start
  CARGO_TARGET_DIR             where everything is built; one that is kept saves minutes
";

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Help,
    Test(Checks),
    Bench(Vec<String>),
}

/// Which checks to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checks {
    /// The checks, in the order they are made.
    pub(crate) of: Vec<Check>,
    /// Whether what the tests need may be installed.
    pub(crate) installs: bool,
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Asked, String> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref() {
        None | Some("help" | "--help" | "-h") => Ok(Asked::Help),
        Some("bench") => Ok(Asked::Bench(arguments.collect())),
        Some("test") => parse_test(arguments),
        Some(other) => Err(format!("unknown command `{other}`")),
    }
}

fn parse_test(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut checks = Checks { of: Check::ALL.to_vec(), installs: true };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Asked::Help),
            "--quick" => {
                checks.installs = false;
                checks.of.retain(|check| check.is_quick());
            }
            "--only" => {
                let names = arguments.next().ok_or("--only needs the names of checks")?;
                let only: Vec<Check> = names.split(',').map(named).collect::<Result<_, _>>()?;
                checks.of.retain(|check| only.contains(check));
            }
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    if checks.of.is_empty() {
        return Err("no check is left to make".to_owned());
    }
    Ok(Asked::Test(checks))
}

fn named(name: &str) -> Result<Check, String> {
    let known = Check::ALL.into_iter().find(|check| check.name() == name);
    known.ok_or_else(|| format!("there is no check `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn all_checks_are_made_unless_some_are_named() {
        let all = Checks { of: Check::ALL.to_vec(), installs: true };
        assert_eq!(asked("test"), Ok(Asked::Test(all)));
        let two = Checks { of: vec![Check::Fmt, Check::Doc], installs: true };
        assert_eq!(asked("test --only doc,fmt"), Ok(Asked::Test(two)));
        let quick = Checks { of: vec![Check::Fmt, Check::Clippy, Check::Test], installs: false };
        assert_eq!(asked("test --quick"), Ok(Asked::Test(quick)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in
            ["tets", "test --fast", "test --only", "test --only lint", "test --quick --only doc"]
        {
            assert!(asked(line).is_err(), "{line}");
        }
    }
}
