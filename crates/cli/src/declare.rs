//! The user's declaring closure and its settings, without their types.

use std::{fmt, marker::PhantomData};

use clap::{Arg, ArgMatches, Args, Command};
use formwork_core::{DeclareError, Scope, Stack, value::Value};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::CliError,
    panics,
    settings::{Entry, members_of},
};

/// The settings of a program that has none.
#[derive(Clone, Copy, Debug, Default, clap::Args, Serialize, Deserialize)]
pub struct NoSettings {}

/// A declaration whose settings have any type.
pub(crate) trait Declares: Send + Sync {
    /// Adds the settings' flags.
    fn augment(&self, command: Command) -> Command;

    /// Reads the settings: `matches` has all that are flags, `more` what only a file can set.
    fn settings<'a>(
        &'a self,
        matches: &ArgMatches,
        more: &[Entry],
    ) -> Result<Box<dyn Declared + 'a>, CliError>;
}

/// A declaration with its settings.
pub(crate) trait Declared {
    /// The settings, as a map.
    fn settings(&self) -> &Value;

    /// Declares the stack.
    fn stack(&self, name: &str) -> Result<Stack, CliError>;
}

pub(crate) struct Closure<S, F, T, E> {
    pub(crate) declare: F,
    pub(crate) types: PhantomData<fn(S) -> (T, E)>,
}

struct Bound<'a, S, F, T, E> {
    closure: &'a Closure<S, F, T, E>,
    settings: S,
    value: Value,
}

impl<S, F, T, E> Declares for Closure<S, F, T, E>
where
    S: Args + Serialize + DeserializeOwned,
    F: Fn(&S, &mut Scope<'_>) -> Result<T, E> + Send + Sync,
    E: fmt::Display,
{
    fn augment(&self, command: Command) -> Command {
        S::augment_args(command)
    }

    fn settings<'a>(
        &'a self,
        matches: &ArgMatches,
        more: &[Entry],
    ) -> Result<Box<dyn Declared + 'a>, CliError> {
        refuse_missing(&S::augment_args(Command::new("settings")), matches)?;
        let mut settings =
            S::from_arg_matches(matches).map_err(|error| CliError::Usage(Box::new(error)))?;
        let as_value = |settings: &S| {
            let value = Value::from_data(settings);
            value.map_err(|error| {
                CliError::Program(format!("its settings can not be written: {error}"))
            })
        };
        let mut value = as_value(&settings)?;
        for entry in more {
            // One at a time, so that what is wrong is known by its line.
            let Value::Map(members) = &mut value else {
                return Err(unknown(entry, &[]));
            };
            let Some(member) = members_of(members).find(|name| entry.names(name)) else {
                let names: Vec<String> = members_of(members).collect();
                return Err(unknown(entry, &names));
            };
            members.insert(member.clone(), entry.value.clone());
            settings = value.to_data().map_err(|error| {
                CliError::settings(format!("{}: `{member}` is wrong: {error}", entry.place))
            })?;
        }
        if !more.is_empty() {
            value = as_value(&settings)?;
        }
        Ok(Box::new(Bound { closure: self, settings, value }))
    }
}

/// Names every required setting that nothing sets. They are not required of the command line, for
/// not every subcommand declares.
fn refuse_missing(settings: &Command, matches: &ArgMatches) -> Result<(), CliError> {
    let set = |arg: &Arg| matches.value_source(arg.get_id().as_str()).is_some();
    let missing: Vec<&Arg> =
        settings.get_arguments().filter(|arg| arg.is_required_set() && !set(arg)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let names: Vec<String> = missing.iter().map(|arg| format!("`{}`", arg.get_id())).collect();
    let message = match names.as_slice() {
        [name] => format!("the setting {name} is missing"),
        names => format!("the settings {} are missing", names.join(", ")),
    };
    let long = first.get_long().unwrap_or_else(|| first.get_id().as_str());
    let mut help = format!("pass --{long}");
    if let Some(variable) = first.get_env() {
        help.push_str(&format!(", set {}", variable.display()));
    }
    help.push_str(", or put it into the file of --config");
    Err(CliError::settings(message).with_help(help))
}

fn unknown(entry: &Entry, names: &[String]) -> CliError {
    entry.unknown(names.iter().map(String::as_str))
}

impl<S, F, T, E> Declared for Bound<'_, S, F, T, E>
where
    F: Fn(&S, &mut Scope<'_>) -> Result<T, E>,
    E: fmt::Display,
{
    fn settings(&self) -> &Value {
        &self.value
    }

    fn stack(&self, name: &str) -> Result<Stack, CliError> {
        let declare =
            |scope: &mut Scope<'_>| (self.closure.declare)(&self.settings, scope).map(|_| ());
        let (stack, panicked) = panics::watch(|| Stack::try_new(name, declare));
        Ok(stack.map_err(|error| match (error, panicked.last()) {
            (DeclareError::Panicked { stack, message }, Some(place)) if !place.is_empty() => {
                DeclareError::Panicked { stack, message: format!("{message}\n  at {place}") }
            }
            (error, _) => error,
        })?)
    }
}
