//! A stack program: what its author writes in `main`, and how it is run.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Command, FromArgMatches};
use formwork_core::{
    EngineBuilder, Scope,
    state::{StateError, StateStore},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    args::{self, Builtin, Flags, Parts},
    cloud::Cloud,
    command::{CommandContext, ExtraCommand},
    console::{ColorWhen, Console},
    declare::{Closure, Declares},
    error::CliError,
    exit::Exit,
    io::{Interrupts, Io},
    panics,
    run::{self, Run},
    settings, store, view,
};

/// A stack program.
///
/// Mistakes in how it is put together (two flags of one name, no cloud) are errors when it runs.
pub struct Program {
    name: String,
    about: Option<String>,
    pub(crate) version: Option<String>,
    declaration: Option<Box<dyn Declares>>,
    pub(crate) clouds: Vec<Box<dyn Cloud>>,
    commands: Vec<Box<dyn ExtraCommand>>,
    pub(crate) store: Box<store::Opener>,
    /// Whether the store is the default one, so that a folder that is not there needs no opening.
    pub(crate) default_store: bool,
    pub(crate) engine: Box<Engines>,
}

/// What a program adds to the engine.
type Engines = dyn Fn(EngineBuilder) -> EngineBuilder + Send + Sync;

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clouds: Vec<&str> = self.clouds.iter().map(|cloud| cloud.name()).collect();
        f.debug_struct("Program")
            .field("name", &self.name)
            .field("clouds", &clouds)
            .finish_non_exhaustive()
    }
}

impl Program {
    /// A program for the stack `name`; `--stack` gives it another at run time.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            about: None,
            version: None,
            declaration: None,
            clouds: Vec::new(),
            commands: Vec::new(),
            store: Box::new(store::sled),
            default_store: true,
            engine: Box::new(|engine| engine),
        }
    }

    /// What it is for, at the top of `--help`.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = Some(text.into());
        self
    }

    /// Its version, for `--version`. A plan that another version saved is refused.
    #[must_use]
    pub fn version(mut self, text: impl Into<String>) -> Self {
        self.version = Some(text.into());
        self
    }

    /// What it declares, given its settings: a struct that derives `clap::Args`, `Serialize` and
    /// `Deserialize`.
    ///
    /// Each field is a flag `#[arg(long)]`, and a key of the settings file; `env = ".."` makes it an
    /// environment variable too, of which an empty one counts as none. Flags go before the
    /// environment and `.env`, these before the file, and that before `default_value_t`. A field with `#[arg(skip)]` and a serde default can
    /// be of any shape, and is set by the file alone.
    #[must_use]
    pub fn declare<S, T, E>(
        mut self,
        declare: impl Fn(&S, &mut Scope<'_>) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        S: Args + Serialize + DeserializeOwned + 'static,
        T: 'static,
        E: fmt::Display + 'static,
    {
        self.declaration = Some(Box::new(Closure { declare, types: PhantomData }));
        self
    }

    /// Adds a cloud; the first is the default one.
    #[must_use]
    pub fn cloud(mut self, cloud: impl Cloud + 'static) -> Self {
        self.clouds.push(Box::new(cloud));
        self
    }

    /// Adds a subcommand.
    #[must_use]
    pub fn command(mut self, command: impl ExtraCommand + 'static) -> Self {
        self.commands.push(Box::new(command));
        self
    }

    /// Keeps state elsewhere than in sled in the state folder: `open` is given that folder and the
    /// environment.
    #[must_use]
    pub fn store(
        mut self,
        open: impl Fn(&Path, &BTreeMap<String, String>) -> Result<Arc<dyn StateStore>, StateError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.store = Box::new(open);
        self.default_store = false;
        self
    }

    /// Adds to the engine what the command line does not know: hooks, and further providers.
    #[must_use]
    pub fn engine(
        mut self,
        add: impl Fn(EngineBuilder) -> EngineBuilder + Send + Sync + 'static,
    ) -> Self {
        self.engine = Box::new(add);
        self
    }

    /// Runs it on this process's arguments, environment and streams: what `main` returns.
    ///
    /// It reads `.env`, starts a runtime and answers signals: a first SIGINT or SIGTERM lets calls
    /// in flight end, a second drops them.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let mut io = Io::process();
        // A file that can not be read is reported by the run itself.
        let _ = settings::load_dotenv(&io.dir);
        let (interrupter, interrupts) = Interrupts::channel();
        io.interrupts = interrupts;
        let started = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = match started {
            Ok(runtime) => runtime,
            Err(error) => {
                let console = Console::new(io.out, io.err, ColorWhen::Never);
                console.note(&format!("error: no runtime could be started: {error}"));
                return Exit::Error.into();
            }
        };
        let ended = panics::catch(|| {
            runtime.block_on(async {
                // Without it a signal ends the process at once, which is what recovery is for.
                let _ = interrupter.listen();
                self.run_with(std::env::args_os().collect(), io).await
            })
        });
        // A thread that waits for a line of input must not hold up the end.
        runtime.shutdown_background();
        let exit = ended.unwrap_or_else(|message| {
            let io = Io::process();
            let console = Console::new(io.out, io.err, ColorWhen::of_environment(&io.env));
            report(&console, &CliError::Bug(message));
            Exit::Error
        });
        exit.into()
    }

    /// Runs it on the given arguments (the first is the program's own name) and outside world.
    ///
    /// Must be called inside a tokio runtime. Everything is printed when it returns.
    pub async fn run_with(&self, args: Vec<OsString>, io: Io) -> Exit {
        let console = Console::new(io.out, io.err, ColorWhen::of_environment(&io.env));
        let outside =
            Outside { env: io.env, dir: io.dir, input: io.input, interrupts: io.interrupts };
        let exit = match self.dispatch(args, console.clone(), outside).await {
            Ok(exit) => exit,
            Err((console, error)) => report(&console, &error),
        };
        match console.take_lost() {
            Some(error) => {
                let exit = if exit == Exit::Cancelled { exit } else { Exit::Error };
                console.err(&view::error(&CliError::Unwritten(error), &console.err_layout()));
                exit
            }
            None => exit,
        }
    }

    async fn dispatch(
        &self,
        args: Vec<OsString>,
        console: Console,
        mut outside: Outside,
    ) -> Result<Exit, (Console, CliError)> {
        let console = console.with(ColorWhen::Auto, args::wants_json(&args), false);
        let (matches, more) = match self.parse(&args, &console, &mut outside) {
            Ok(parsed) => parsed,
            Err(error) => return Err((console, error)),
        };
        let inner = args::innermost(&matches).clone();
        let flags = match Flags::from_arg_matches(&inner) {
            Ok(flags) => flags,
            Err(error) => return Err((console, CliError::Usage(Box::new(error)))),
        };
        let console = console.with(flags.color, flags.json, flags.verbose);
        let stack = flags.stack.clone().unwrap_or_else(|| self.name.clone());
        let state_dir = outside.dir.join(&flags.state_dir);
        if let Err(error) = store::refuse_file(&state_dir, &flags.state_dir) {
            return Err((console, error));
        }
        let result = match matches.subcommand() {
            Some((name, of)) if self.extra(name).is_some() => {
                let cx = CommandContext {
                    stack: &stack,
                    state_dir: &state_dir,
                    env: &outside.env,
                    console: &console,
                    interrupts: outside.interrupts,
                };
                match self.extra(name) {
                    Some(extra) => extra.run(of, cx).await,
                    None => Ok(Exit::Done),
                }
            }
            subcommand => {
                let run = Run {
                    program: self,
                    call: how_to_call(&args, &outside.env),
                    flags,
                    matches: inner,
                    more,
                    stack,
                    state_dir,
                    dir: outside.dir,
                    console: console.clone(),
                    env: outside.env,
                    input: outside.input,
                    interrupts: outside.interrupts,
                };
                let builtin = match subcommand {
                    None => Ok(Builtin::Up { file: None, allow_stale: false }),
                    Some(_) => Builtin::from_arg_matches(&matches),
                };
                match builtin {
                    Ok(builtin) => run::dispatch(&run, builtin).await,
                    Err(error) => Err(CliError::Usage(Box::new(error))),
                }
            }
        };
        result.map_err(|error| (console, error))
    }

    fn extra(&self, name: &str) -> Option<&dyn ExtraCommand> {
        self.commands.iter().map(AsRef::as_ref).find(|extra| extra.command().get_name() == name)
    }

    pub(crate) fn declaration(&self) -> Result<&dyn Declares, CliError> {
        let missing = || CliError::Program("it declares nothing: call `.declare(..)`".to_owned());
        self.declaration.as_deref().ok_or_else(missing)
    }

    /// Parses the command line, with the environment and the settings file under it.
    fn parse(
        &self,
        args: &[OsString],
        console: &Console,
        outside: &mut Outside,
    ) -> Result<(clap::ArgMatches, Vec<settings::Entry>), CliError> {
        let dotenv = settings::read_dotenv(&outside.dir)?;
        let variables = settings::variables(&outside.env, &dotenv);
        for (name, value) in dotenv {
            outside.env.entry(name).or_insert(value);
        }
        let entries = match args::config_file(args) {
            Some(file) => {
                settings::read_file(&outside.dir.join(&file), &file.display().to_string())?
            }
            None => Vec::new(),
        };
        let parts = Parts {
            binary: binary(args),
            about: self.about.as_deref(),
            version: self.version.as_deref(),
            settings: match &self.declaration {
                Some(declaration) => declaration.augment(Command::new("settings")),
                None => Command::new("settings"),
            },
            clouds: &self.clouds,
            commands: &self.commands,
        };
        let flags = parts.flags()?;
        let names: Vec<String> =
            flags.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        let (flags, more) = settings::apply(flags, &variables, entries, args::FIXED)?;
        let width = console.out_layout().width.unwrap_or(100);
        let command = parts.complete(flags)?.term_width(width);
        let matches =
            command.try_get_matches_from(args).map_err(|e| CliError::Usage(Box::new(e)))?;
        if let (Some(entry), None) = (more.first(), &self.declaration) {
            return Err(entry.unknown(names.iter().map(String::as_str)));
        }
        Ok((matches, more))
    }
}

/// What of [`Io`] is left when the console is made.
struct Outside {
    env: BTreeMap<String, String>,
    dir: PathBuf,
    input: crate::io::Input,
    interrupts: Interrupts,
}

/// Prints an error where it belongs, and says how the command ends.
fn report(console: &Console, error: &CliError) -> Exit {
    if let CliError::Usage(usage) = error {
        let layout = if usage.use_stderr() { console.err_layout() } else { console.out_layout() };
        let text = usage.render();
        let text = if layout.paint.0 { text.ansi().to_string() } else { text.to_string() };
        if !usage.use_stderr() {
            console.line(text.trim_end());
            return Exit::Done;
        }
        console.note(text.trim_end());
    } else {
        console.err(&view::error(error, &console.err_layout()));
    }
    if console.is_json() {
        console.json_line(&view::error_json(error));
    }
    match error {
        error if error.is_cancelled() => Exit::Cancelled,
        CliError::Unsaved { .. } => Exit::Unsaved,
        _ => Exit::Error,
    }
}

fn binary(args: &[OsString]) -> String {
    let name = args.first().and_then(|path| Path::new(path).file_stem());
    name.map_or_else(|| "formwork".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What the user types to run this program: under cargo that is not the file's own name.
fn how_to_call(args: &[OsString], env: &BTreeMap<String, String>) -> String {
    let name = binary(args);
    if !env.contains_key("CARGO") || !env.contains_key("CARGO_MANIFEST_DIR") {
        return name;
    }
    let folder = args.first().and_then(|path| Path::new(path).parent()?.file_name());
    match folder.and_then(|folder| folder.to_str()) {
        Some("examples") => format!("cargo run --example {name} --"),
        _ => "cargo run --".to_owned(),
    }
}
