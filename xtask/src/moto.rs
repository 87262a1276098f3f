//! The AWS emulator that the tests compare with: another team's, so that our sandbox does not only
//! agree with itself. It is a Python program, and lives in a virtual environment of its own.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    stage::Outcome,
    system::{cache, output, run},
};

/// The variable that tells the tests where the server is.
pub(crate) const SERVER: &str = "FORMWORK_MOTO";

/// The version that the tests were written against: others answer differently.
const VERSION: &str = "5.2.5";

/// Finds the server, or installs it if that is allowed. Without one the tests that need it are not
/// run.
pub(crate) fn prepare(installs: bool) -> Result<(Option<PathBuf>, Outcome), String> {
    if let Some(server) = env::var_os(SERVER).map(PathBuf::from) {
        return if server.is_file() {
            println!("{SERVER} says {}", server.display());
            Ok((Some(server), Outcome::Done))
        } else {
            Err(format!("{SERVER} says {}, and there is no such file", server.display()))
        };
    }
    let cache = cache()?;
    let venv = cache.join(format!("moto-{VERSION}"));
    let server = venv.join("bin/moto_server");
    if is_right(&venv) {
        println!("moto {VERSION} is in {}", venv.display());
        return Ok((Some(server), Outcome::Done));
    }
    if !installs {
        let why = format!("moto {VERSION} is not installed: the tests on it were NOT run");
        return Ok((None, Outcome::Skipped(why)));
    }
    install(&cache, &venv)?;
    Ok((Some(server), Outcome::Done))
}

fn is_right(venv: &Path) -> bool {
    let ask = "import importlib.metadata as m; print(m.version('moto'))";
    let version = output(Command::new(venv.join("bin/python")).args(["-c", ask]));
    version.as_deref() == Some(VERSION) && venv.join("bin/moto_server").is_file()
}

/// Makes the virtual environment. Only one process at a time does; one that was cut off is made
/// anew.
fn install(cache: &Path, venv: &Path) -> Result<(), String> {
    let failed = |what: &'static str| move |error| format!("{what}: {error}");
    fs::create_dir_all(cache).map_err(failed("the cache folder could not be made"))?;
    let lock = File::create(cache.join("moto.lock"));
    let lock = lock.map_err(failed("the lock of the cache could not be made"))?;
    lock.lock().map_err(failed("the lock of the cache could not be taken"))?;
    if is_right(venv) {
        return Ok(());
    }
    if output(Command::new("python3").arg("--version")).is_none() {
        return Err(format!(
            "python3 is not installed, and the tests need moto {VERSION}: install Python 3.9 or \
             later, or give the server's path in {SERVER}"
        ));
    }
    if venv.exists() {
        fs::remove_dir_all(venv).map_err(failed("a broken installation could not be removed"))?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(venv)).map_err(|error| {
        format!("{error}; Python's `venv` and `pip` must be there too (on Debian: python3-venv)")
    })?;
    let package = format!("moto[server]=={VERSION}");
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(venv.join("bin/python")).args(quiet).arg(&package)).map_err(|error| {
        format!("{error}; `{package}` could not be installed: is the package index reachable?")
    })?;
    if is_right(venv) { Ok(()) } else { Err(format!("{package} was installed, and is not there")) }
}
