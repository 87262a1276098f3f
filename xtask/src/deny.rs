//! The tool that checks licences, sources and banned crates: cargo-deny, as the machine has it, or a
//! version of our own in the cache.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    stage::Outcome,
    system::{self, cache, cargo, output, run},
};

/// The version that `deny.toml` was written for.
const VERSION: &str = "0.20.2";

/// Checks what `deny.toml` says, but for advisories, whose database is on the network.
pub(crate) fn check(installs: bool) -> Result<Outcome, String> {
    let arguments = ["--workspace", "check", "--hide-inclusion-graph"];
    let mut deny = if system::has_cargo_command("deny") {
        cargo(&["deny"])
    } else {
        let tool = cache()?.join(format!("cargo-deny-{VERSION}"));
        let program = program(&tool);
        if !is_right(&program) && !installs {
            let why = format!(
                "cargo-deny {VERSION} is not installed: licences, sources and banned crates were \
                 NOT checked"
            );
            return Ok(Outcome::Skipped(why));
        }
        install(&tool)?;
        let mut deny = Command::new(program);
        deny.current_dir(system::root());
        deny
    };
    run(deny.args(arguments).args(["bans", "licenses", "sources"]))?;
    Ok(Outcome::Done)
}

fn program(tool: &Path) -> PathBuf {
    tool.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX))
}

fn is_right(program: &Path) -> bool {
    let is = output(Command::new(program).arg("--version"));
    is.is_some_and(|is| is.split_whitespace().nth(1) == Some(VERSION))
}

/// Builds the tool, in about a minute: without optimisation, for it runs once. Only one process at a
/// time does.
fn install(tool: &Path) -> Result<(), String> {
    let failed = |what: &'static str| move |error| format!("{what}: {error}");
    fs::create_dir_all(tool).map_err(failed("the cache folder could not be made"))?;
    let lock = File::create(tool.with_file_name("cargo-deny.lock"));
    let lock = lock.map_err(failed("the lock of the cache could not be made"))?;
    lock.lock().map_err(failed("the lock of the cache could not be taken"))?;
    if is_right(&program(tool)) {
        return Ok(());
    }
    let package = format!("cargo-deny@{VERSION}");
    let mut install = cargo(&["install", "--locked", "--quiet", "--profile", "dev", "--root"]);
    // Its crates are none of ours: they are built in a folder that goes again.
    install.arg(tool).arg(&package).env_remove("CARGO_TARGET_DIR");
    run(&mut install).map_err(|error| {
        format!("{error}; `{package}` could not be installed: is the package index reachable?")
    })?;
    if is_right(&program(tool)) {
        Ok(())
    } else {
        Err(format!("{package} was installed, and is not there"))
    }
}
