//! Turning what the environment and a file say into the defaults of flags.

use std::{collections::BTreeMap, error::Error};

use clap::{
    Arg, ArgAction, Command,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};
use formwork_core::value::Value;

use super::{Entry, Variable};
use crate::error::CliError;

/// `command` with the defaults that `env` and `entries` ask for, and the entries that are no flag.
/// An empty variable is none.
///
/// `fixed` names the flags that only the command line can set.
pub(crate) fn apply(
    mut command: Command,
    env: &BTreeMap<String, Variable>,
    mut entries: Vec<Entry>,
    fixed: &[&str],
) -> Result<(Command, Vec<Entry>), CliError> {
    let probe = probe(&command);
    let arguments: Vec<Arg> = command.get_arguments().cloned().collect();
    for arg in &arguments {
        let id = arg.get_id().as_str();
        let long = arg.get_long().unwrap_or(id);
        let at = entries.iter().position(|entry| entry.names(id) || entry.names(long));
        let entry = at.map(|at| entries.remove(at));
        if let Some(entry) = &entry
            && fixed.contains(&id)
        {
            let message = format!("{}: `{}` can not be set in a file", entry.place, entry.key);
            return Err(CliError::settings(message).with_help(format!("pass it as --{long}")));
        }
        let variable = arg.get_env().and_then(|name| name.to_str());
        let set = variable.and_then(|name| Some((name, env.get(name)?)));
        if set.is_some_and(|(_, variable)| variable.text.is_empty()) {
            // The parser would take it from the process.
            command = command.mut_arg(arg.get_id(), |arg| arg.env(Resettable::Reset));
        }
        let set = set.filter(|(_, variable)| !variable.text.is_empty());
        let texts = match (set, &entry) {
            (Some((name, Variable { text, place })), _) => {
                checked(&probe, arg, vec![text.clone()], &format!("{place} `{name}`"))?
            }
            (None, Some(entry)) => {
                let texts = texts(&entry.value).ok_or_else(|| {
                    let kind = "expected one value, or a list of them";
                    CliError::settings(format!("{}: `{}` is wrong: {kind}", entry.place, entry.key))
                })?;
                if texts.is_empty() {
                    continue;
                }
                checked(&probe, arg, texts, &format!("{}: `{}`", entry.place, entry.key))?
            }
            (None, None) => continue,
        };
        command = command.mut_arg(arg.get_id(), |arg| arg.default_values(texts).required(false));
    }
    Ok((command, entries))
}

/// A command to try single values on: the same flags, and nothing of the environment.
fn probe(command: &Command) -> Command {
    let flags = command
        .get_arguments()
        .map(|arg| arg.clone().global(false).required(false).env(Resettable::Reset));
    Command::new("probe").no_binary_name(true).disable_help_flag(true).args(flags)
}

/// The values as texts for the parser, if they are ones that a flag can have.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) => Some(s.clone()),
        _ => None,
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::List(items) => items.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

fn checked(
    probe: &Command,
    arg: &Arg,
    texts: Vec<String>,
    what: &str,
) -> Result<Vec<String>, CliError> {
    let wrong =
        |text: &str, why: &str| CliError::settings(format!("{what} can not be `{text}`: {why}"));
    if matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse) {
        let truth = |text: String| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok("true".to_owned()),
            "false" | "0" | "no" | "off" | "" => Ok("false".to_owned()),
            _ => Err(wrong(&text, "expected true or false")),
        };
        return texts.into_iter().map(truth).collect();
    }
    let Some(long) = arg.get_long().filter(|_| arg.get_action().takes_values()) else {
        return Ok(texts);
    };
    for text in &texts {
        let tried = probe.clone().try_get_matches_from([format!("--{long}={text}")]);
        let Err(error) = tried else { continue };
        if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
            continue;
        }
        let valid = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
                Some(format!("expected {}", valid.join(", ")))
            }
            _ => None,
        };
        let why = valid.or_else(|| error.source().map(ToString::to_string));
        return Err(wrong(text, &why.unwrap_or_else(|| "it has another form".to_owned())));
    }
    Ok(texts)
}
