//! The arguments of every program, and how they join those of its settings and clouds.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, Subcommand, ValueEnum, builder::PossibleValuesParser};
use formwork_core::RefreshMode;

use crate::{
    cloud::Cloud, command::ExtraCommand, console::ColorWhen, error::CliError, narrow::Narrow,
};

/// The flags of every subcommand.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// The cloud that the stack is put on
    #[arg(long, value_name = "NAME", global = true, env = "FORMWORK_CLOUD")]
    pub(crate) cloud: Option<String>,

    /// The stack's name, where one program has several
    #[arg(long, value_name = "NAME", global = true, env = "FORMWORK_STACK")]
    pub(crate) stack: Option<String>,

    /// The folder that state is kept in
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        env = "FORMWORK_STATE_DIR",
        default_value = ".formwork"
    )]
    pub(crate) state_dir: PathBuf,

    /// A file of settings, in TOML or JSON: flags and the environment go before it
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Do not ask; a real cloud still asks for what costs more than --max-hourly
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,

    /// What a stack may cost by the hour without being asked about: US dollars, or `none`
    #[arg(
        long,
        value_name = "DOLLARS",
        global = true,
        env = "FORMWORK_MAX_HOURLY",
        default_value = "100",
        value_parser = Ceiling::parse
    )]
    pub(crate) max_hourly: Ceiling,

    /// Never ask, even on a terminal: what would need an answer is refused
    #[arg(long, global = true)]
    pub(crate) no_input: bool,

    /// How many calls may be in flight at a time
    #[arg(
        long,
        value_name = "N",
        global = true,
        env = "FORMWORK_PARALLEL",
        default_value = "16",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) parallel: u16,

    /// How much of the cloud is looked at before planning
    #[arg(long, value_name = "MODE", global = true, default_value = "list")]
    pub(crate) refresh: Refresh,

    /// Ask the lookups again (newest image, zones) instead of using their recorded answers
    #[arg(long, global = true)]
    pub(crate) refresh_lookups: bool,

    /// Replace this resource, changed or not; may be given several times
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub(crate) replace: Vec<String>,

    /// Run no hook, and need none to be there
    #[arg(long, global = true)]
    pub(crate) skip_hooks: bool,
    #[command(flatten)]
    pub(crate) narrow: Narrow,

    /// Whether to go on after a failure with what does not depend on it, deletes included; else
    /// nothing more is started, and what has started is finished
    #[arg(
        long,
        value_name = "BOOL",
        global = true,
        env = "FORMWORK_CONTINUE_ON_ERROR",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true"
    )]
    pub(crate) continue_on_error: bool,

    /// Exit with 2 when `plan` has changes or `drift` finds any
    #[arg(long, global = true)]
    pub(crate) exit_code: bool,

    /// Print JSON to standard output: one document, or the events of a run line by line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Show every resource by itself, with all its inputs
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// Whether to use colours
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    pub(crate) color: ColorWhen,
}

/// The flags that make no sense in a settings file.
pub(crate) const FIXED: &[&str] = &[
    "config",
    "yes",
    "no_input",
    "refresh_lookups",
    "replace",
    "skip_hooks",
    "target",
    "exclude",
    "target_dependencies",
    "target_dependents",
    "refresh_only",
    "exit_code",
    "json",
    "verbose",
];

/// The most that is approved without a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ceiling {
    /// US dollars by the hour.
    Dollars(f64),
    /// None at all.
    None,
}

impl Ceiling {
    fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Ceiling::None);
        }
        match text.trim_start_matches('$').parse::<f64>() {
            Ok(dollars) if dollars.is_finite() && dollars >= 0.0 => Ok(Ceiling::Dollars(dollars)),
            _ => Err("expected US dollars by the hour, or `none`".to_owned()),
        }
    }
}

/// How much of the cloud is looked at.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Refresh {
    /// All that is recorded, by listing each type.
    List,
    /// Only what the program changes.
    Minimal,
    /// Nothing.
    None,
}

impl From<Refresh> for RefreshMode {
    fn from(refresh: Refresh) -> Self {
        match refresh {
            Refresh::List => RefreshMode::List,
            Refresh::Minimal => RefreshMode::Minimal,
            Refresh::None => RefreshMode::None,
        }
    }
}

/// The subcommands of every program.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Builtin {
    /// Show what would change; changes nothing
    Plan {
        /// Save the plan too, for `up FILE`: data only, secrets sealed with the key of the state
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make it so: plan, ask where it costs money, apply (the default)
    Up {
        /// A plan that `plan --out` saved: exactly that is done, or refused before any change
        #[arg(id = "plan_file", value_name = "FILE")]
        file: Option<PathBuf>,
        /// Go on with a saved plan although the state changed since: what is there already is done
        /// no second time, and what the plan does not say is refused
        #[arg(long, requires = "plan_file")]
        allow_stale: bool,
    },
    /// Show a plan that `plan --out` saved; needs no cloud, state or key
    Show {
        /// The file
        #[arg(id = "plan_file", value_name = "FILE")]
        file: PathBuf,
    },
    /// Show what differs from what the last `up` left
    Drift,
    /// Remove everything
    Destroy,
    /// Print what the stack reports
    Output {
        /// Only this one, for scripts: texts come without quotes
        name: Option<String>,
        /// Print a secret in clear
        #[arg(long, requires = "name")]
        reveal: bool,
    },
    /// Print the declared graph
    Graph {
        /// For which tool
        #[arg(long, value_name = "FORMAT", default_value = "dot")]
        format: GraphFormat,
    },
    /// Look at what is recorded, and edit it
    #[command(subcommand)]
    State(StateCommand),
}

/// What can be done with the recorded state.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List what is recorded
    List,
    /// Record what a run did and could not write, from the file that it left
    Recover {
        /// The file: `formwork-unsaved-...json`
        file: PathBuf,
    },
    /// Show all that is recorded of one resource; as JSON a list, for what was replaced may still
    /// be there beside it
    Show {
        /// Its address, as `state list` shows it
        address: String,
    },
    /// Forget resources; what they are in the cloud stays there, and nothing knows it any more
    Rm {
        /// Addresses of resources, lookups, or components with all inside them; or the id of one row
        #[arg(id = "edit_addresses", value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        /// Also what others use, what is protected, and what a call was cut off of
        #[arg(id = "edit_force", long = "force")]
        force: bool,
        /// Who has them from now on, such as another state: the program is refused for as long as it
        /// declares them here, so that it does not make them anew
        #[arg(id = "edit_moved_to", long = "moved-to", value_name = "WHO")]
        moved_to: Option<String>,
        /// Show what would be done; do nothing
        #[arg(id = "edit_dry_run", long = "dry-run")]
        dry_run: bool,
    },
    /// Give a resource, a lookup, or a component with all inside it another address, here or in
    /// another stack; the program has to say the same
    Mv {
        /// The address that it has
        #[arg(id = "edit_from", value_name = "ADDRESS")]
        from: String,
        /// The address that it gets
        #[arg(
            id = "edit_to",
            value_name = "NEW-ADDRESS",
            required_unless_present = "edit_to_stack"
        )]
        to: Option<String>,
        /// Give it to this stack of the same state folder
        #[arg(id = "edit_to_stack", long = "to-stack", value_name = "NAME")]
        to_stack: Option<String>,
        /// Show what would be done; do nothing
        #[arg(id = "edit_dry_run", long = "dry-run")]
        dry_run: bool,
    },
    /// Mend what breaks a rule of the records, such as references to what is not there
    Repair {
        /// Show what would be done; do nothing
        #[arg(id = "edit_dry_run", long = "dry-run")]
        dry_run: bool,
    },
    /// Write resources as a document for `state import`, their secrets sealed: with the passphrase
    /// in FORMWORK_EXPORT_PASSPHRASE if that is set, else with the key of the state
    Export {
        /// Addresses of resources, lookups, or components with all inside them; else everything
        #[arg(id = "edit_addresses", value_name = "ADDRESS")]
        addresses: Vec<String>,
        /// Write it to this file, which must not be there
        #[arg(id = "edit_out", long = "out", value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take in what `state export` wrote, of another stack or another state; overwrites nothing
    Import {
        /// The file
        #[arg(id = "edit_file", value_name = "FILE")]
        file: PathBuf,
        /// Show what would be done; do nothing
        #[arg(id = "edit_dry_run", long = "dry-run")]
        dry_run: bool,
    },
}

/// A language for graphs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

/// What a program's command line is made of.
pub(crate) struct Parts<'a> {
    /// How the program is called.
    pub(crate) binary: String,
    pub(crate) about: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    /// The settings' flags.
    pub(crate) settings: Command,
    pub(crate) clouds: &'a [Box<dyn Cloud>],
    pub(crate) commands: &'a [Box<dyn ExtraCommand>],
}

impl Parts<'_> {
    /// All flags, without subcommands.
    pub(crate) fn flags(&self) -> Result<Command, CliError> {
        let mut command = Flags::augment_args(Command::new(self.binary.clone()));
        if let [first, ..] = self.clouds {
            let names: Vec<String> = self.clouds.iter().map(|c| c.name().to_owned()).collect();
            let default = first.name().to_owned();
            command = command.mut_arg("cloud", |arg| {
                arg.value_parser(PossibleValuesParser::new(names)).default_value(default)
            });
        }
        for arg in self.settings.get_arguments() {
            refuse_clash(&command, arg, "the setting")?;
            refuse_flag_of_a_command(arg, "the setting")?;
            let arg = arg.clone().help_heading("Settings of this stack").hide_env_values(true);
            command = command.arg(arg.global(true).required(false));
        }
        let own = Flags::augment_args(Command::new("own"));
        for arg in self.clouds.iter().flat_map(|cloud| cloud.args()) {
            let taken = |command: &Command| {
                command.get_arguments().any(|other| other.get_id() == arg.get_id())
            };
            // A setting, or another cloud, has it already: both read the same flag.
            if taken(&command) && !taken(&own) {
                continue;
            }
            refuse_clash(&command, &arg, "the cloud's flag")?;
            refuse_flag_of_a_command(&arg, "the cloud's flag")?;
            command = command.arg(arg.help_heading("Cloud").global(true).required(false));
        }
        // A number that is too small is a wrong value, and no unknown flag.
        Ok(command.mut_args(|arg| match arg.get_action().takes_values() {
            true => arg.allow_negative_numbers(true),
            false => arg,
        }))
    }

    /// The whole command line, made of [`Parts::flags`] with whatever defaults they got.
    pub(crate) fn complete(&self, flags: Command) -> Result<Command, CliError> {
        let mut command = Builtin::augment_subcommands(flags).subcommand_required(false);
        for extra in self.commands {
            let extra = extra.command();
            if command.get_subcommands().any(|other| other.get_name() == extra.get_name()) {
                let name = extra.get_name();
                return Err(CliError::Program(format!("it has two commands named `{name}`")));
            }
            command = command.subcommand(extra);
        }
        if let Some(about) = self.about {
            command = command.about(about.to_owned());
        }
        if let Some(version) = self.version {
            command = command.version(version.to_owned());
        }
        Ok(command)
    }
}

/// Refuses a flag that would take the place of another.
fn refuse_clash(command: &Command, arg: &Arg, whose: &str) -> Result<(), CliError> {
    let id = arg.get_id();
    if arg.is_positional() {
        let message = format!("{whose} `{id}` is no flag: give it `#[arg(long)]`");
        return Err(CliError::Program(message));
    }
    let clash = command.get_arguments().any(|other| {
        other.get_id() == id
            || (arg.get_long().is_some() && other.get_long() == arg.get_long())
            || (arg.get_short().is_some() && other.get_short() == arg.get_short())
    });
    let reserved = matches!(arg.get_long(), Some("help" | "version"))
        || matches!(arg.get_short(), Some('h' | 'V'));
    if clash || reserved {
        let message = format!(
            "{whose} `{id}` has the name of another flag: rename it, or give it another `id`, `long` and `short`"
        );
        return Err(CliError::Program(message));
    }
    Ok(())
}

/// Refuses a flag that one of the subcommands has: it would be given to both, or to neither.
fn refuse_flag_of_a_command(arg: &Arg, whose: &str) -> Result<(), CliError> {
    let own = Builtin::augment_subcommands(Command::new("own"));
    let inner = own.get_subcommands().flat_map(Command::get_subcommands);
    for command in own.get_subcommands().chain(inner) {
        let same = |other: &&Arg| {
            other.get_id() == arg.get_id()
                || (arg.get_long().is_some() && other.get_long() == arg.get_long())
        };
        if let Some(other) = command.get_arguments().find(same) {
            let (id, of) = (arg.get_id(), command.get_name());
            let long = other.get_long().unwrap_or_else(|| other.get_id().as_str());
            let message = format!(
                "{whose} `{id}` has the name of `{of} --{long}`: rename it, or give it another `id` and `long`"
            );
            return Err(CliError::Program(message));
        }
    }
    Ok(())
}

/// The matches of the innermost subcommand, which has the values of all flags that it shares with
/// the others.
pub(crate) fn innermost(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

/// Whether JSON is asked for, for errors that come before anything is parsed.
pub(crate) fn wants_json(args: &[std::ffi::OsString]) -> bool {
    args.iter().skip(1).take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}

/// The file that `--config` names, found before anything is parsed, for the file has a say in that.
pub(crate) fn config_file(args: &[std::ffi::OsString]) -> Option<PathBuf> {
    let mut args = args.iter().skip(1).take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        if arg == "--config" {
            return args.next().map(PathBuf::from);
        }
        if let Some(file) = arg.to_str().and_then(|arg| arg.strip_prefix("--config=")) {
            return Some(file.into());
        }
    }
    None
}
