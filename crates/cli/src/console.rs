//! The two streams of a run, shared, and how they may be written to.

use std::{
    io::{self, ErrorKind, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    io::Stream,
    view::{Layout, Paint},
};

/// Whether colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl ColorWhen {
    /// What the environment says, where no flag does.
    pub(crate) fn of_environment(env: &std::collections::BTreeMap<String, String>) -> Self {
        let set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
        if set("NO_COLOR") || env.get("TERM").is_some_and(|term| term == "dumb") {
            return ColorWhen::Never;
        }
        match env.get("CLICOLOR_FORCE") {
            Some(value) if value != "0" => ColorWhen::Always,
            _ => ColorWhen::Auto,
        }
    }
}

/// Where a run prints. Clones print to the same place.
///
/// A stream that can not be written to is no reason to stop a run halfway. What is lost of standard
/// output is an error at the end, unless nobody reads it any more (`| head`).
#[derive(Clone)]
pub struct Console {
    out: Arc<Mutex<Stream>>,
    err: Arc<Mutex<Stream>>,
    /// Why standard output is not whole.
    lost: Arc<Mutex<Option<io::Error>>>,
    when: ColorWhen,
    /// Whether standard output belongs to machine-readable text, so that people read the other one.
    json: bool,
    verbose: bool,
}

fn locked(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    // A half-written line is the worst that a panic leaves.
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(stream: &Mutex<Stream>, text: &str) -> io::Result<()> {
    let mut stream = locked(stream);
    stream.writer.write_all(text.as_bytes())?;
    stream.writer.flush()
}

impl Console {
    pub(crate) fn new(out: Stream, err: Stream, when: ColorWhen) -> Self {
        let (out, err) = (Arc::new(Mutex::new(out)), Arc::new(Mutex::new(err)));
        Self { out, err, lost: Arc::default(), when, json: false, verbose: false }
    }

    pub(crate) fn with(mut self, when: ColorWhen, json: bool, verbose: bool) -> Self {
        if when != ColorWhen::Auto {
            self.when = when;
        }
        self.json = json;
        self.verbose = verbose;
        self
    }

    /// Whether results are wanted as JSON, one document or one per line.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a line of a result, for people or (after `--json`) for machines, to standard output.
    pub fn line(&self, text: &str) {
        self.out(&format!("{text}\n"));
    }

    /// Prints a line for people, beside the result, to standard error.
    pub fn note(&self, text: &str) {
        self.err(&format!("{text}\n"));
    }

    /// Prints a result for people: to standard output, or beside it where that is for machines.
    pub(crate) fn human(&self, text: &str) {
        if self.json { self.err(text) } else { self.out(text) }
    }

    /// Writes to standard output as it is.
    fn out(&self, text: &str) {
        if let Err(error) = write(&self.out, text)
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.lost().get_or_insert(error);
        }
    }

    /// Writes to standard error as it is.
    pub(crate) fn err(&self, text: &str) {
        // There is no other place to report it.
        let _ = write(&self.err, text);
    }

    fn lost(&self) -> MutexGuard<'_, Option<io::Error>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why standard output is not whole, if it is not; told once.
    pub(crate) fn take_lost(&self) -> Option<io::Error> {
        self.lost().take()
    }

    /// Prints one JSON value as a line.
    pub fn json_line(&self, value: &impl serde::Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.note(&format!("this can not be written as JSON: {error}")),
        }
    }

    /// Prints one JSON document, indented.
    pub(crate) fn json_document(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.note(&format!("this can not be written as JSON: {error}")),
        }
    }

    fn layout(&self, stream: &Mutex<Stream>) -> Layout {
        let stream = locked(stream);
        let paint = match self.when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => stream.is_terminal(),
        };
        let width = stream.size().map(|(columns, _)| columns.max(20));
        Layout { paint: Paint(paint), width, verbose: self.verbose }
    }

    /// How results for people are laid out.
    pub(crate) fn human_layout(&self) -> Layout {
        self.layout(if self.json { &self.err } else { &self.out })
    }

    /// How results are laid out.
    pub(crate) fn out_layout(&self) -> Layout {
        self.layout(&self.out)
    }

    /// How notes and errors are laid out.
    pub(crate) fn err_layout(&self) -> Layout {
        self.layout(&self.err)
    }

    /// Columns and lines of the terminal that progress can be drawn on, if it is one.
    pub(crate) fn err_size(&self) -> Option<(usize, usize)> {
        locked(&self.err).size()
    }
}
