//! The project's own commands: `cargo xtask test` and `cargo xtask bench`.
//!
//! The first prepares what the tests need and then runs every check there is; it is all that an
//! automatic run calls, so a green one here is a green one there.

mod arguments;
#[cfg(test)]
mod arrows;
mod checks;
mod deny;
mod moto;
mod stage;
mod system;

use std::process::ExitCode;

use arguments::{Asked, HELP};

fn main() -> ExitCode {
    let done = match arguments::parse(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Test(checks)) => checks::run(&checks),
        Ok(Asked::Bench(arguments)) => checks::bench(&arguments),
        Err(message) => Err(format!("{message}\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nerror: {message}");
            ExitCode::FAILURE
        }
    }
}
