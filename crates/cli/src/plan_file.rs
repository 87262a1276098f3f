//! Files of plans: written whole or not at all, for their owner alone, and over nothing else.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::error::CliError;

/// How every plan file begins.
const START: &[u8] = b"{\"formwork\":\"plan\"";

/// Refuses a place where a plan could not be written, or would take the place of something else.
/// `shown` is how the user wrote it.
pub(crate) fn check(file: &Path, shown: &Path) -> Result<(), CliError> {
    let shown = shown.display();
    if !folder(file).is_dir() {
        let message = format!("the plan can not be saved as {shown}: its folder is not there");
        return Err(CliError::plan_file(message));
    }
    let there = match fs::metadata(file) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("saved as", &shown.to_string(), &error)),
    };
    let is_plan = || -> io::Result<bool> {
        let mut start = Vec::new();
        File::open(file)?.take(START.len() as u64).read_to_end(&mut start)?;
        Ok(start.is_empty() || start == START)
    };
    match there.is_file() && is_plan().unwrap_or(false) {
        true => Ok(()),
        false => Err(CliError::plan_file(format!("{shown} is there already, and it is no plan"))
            .with_help("nothing was written; name another file, or remove this one")),
    }
}

/// Writes a plan: a crash leaves the old file or the new one, whole.
pub(crate) fn write(file: &Path, shown: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let draft = draft(file);
    let written = (|| {
        // One of the same process id can only be left over from a crash.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut to = options.open(&draft)?;
        to.write_all(bytes)?;
        to.sync_all()?;
        fs::rename(&draft, file)?;
        // Only Unix opens a folder as a file, and only there is it needed.
        if cfg!(unix) { File::open(folder(file))?.sync_all() } else { Ok(()) }
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&draft);
        failed("saved as", &shown.display().to_string(), &error)
    })
}

/// Reads a plan.
pub(crate) fn read(file: &Path, shown: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(file).map_err(|error| failed("read from", &shown.display().to_string(), &error))
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn draft(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    folder(file).join(format!(".{name}.{}.new", std::process::id()))
}

fn failed(verb: &str, shown: &str, error: &io::Error) -> CliError {
    CliError::plan_file(format!("the plan can not be {verb} {shown}: {error}"))
}
