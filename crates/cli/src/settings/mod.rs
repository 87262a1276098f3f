//! Where settings come from: flags, then the environment and `.env`, then a file, then defaults.
//!
//! What the environment and the file say is turned into the defaults of the flags of the same
//! names, so that one parser checks all of it and an unset flag needs no special case. Before that
//! each value is tried by itself, so that a wrong one is blamed on the line that has it.

mod dotenv;
mod file;
mod layer;

use std::collections::BTreeMap;

pub(crate) use dotenv::{load as load_dotenv, read as read_dotenv};
pub(crate) use file::read as read_file;
use formwork_core::value::{Map, Value};
pub(crate) use layer::apply;

use crate::error::{CliError, nearest};

/// One variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) text: String,
    /// What has it, as the beginning of a sentence about its name.
    pub(crate) place: &'static str,
}

/// What the environment sets, and `.env` where that does not.
pub(crate) fn variables(
    env: &BTreeMap<String, String>,
    dotenv: &[(String, String)],
) -> BTreeMap<String, Variable> {
    let file = dotenv.iter().map(|(name, text)| (name, text, ".env:"));
    let own = env.iter().map(|(name, text)| (name, text, "the environment variable"));
    file.chain(own)
        .map(|(name, text, place)| (name.clone(), Variable { text: text.clone(), place }))
        .collect()
}

/// One setting of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Value,
    /// The file and the line.
    pub(crate) place: String,
}

impl Entry {
    /// Whether the key means the setting `name`; `-` and `_` are the same.
    pub(crate) fn names(&self, name: &str) -> bool {
        let same =
            |(a, b): (u8, u8)| a == b || (matches!(a, b'-' | b'_') && matches!(b, b'-' | b'_'));
        self.key.len() == name.len() && self.key.bytes().zip(name.bytes()).all(same)
    }

    /// The error that there is no such setting.
    pub(crate) fn unknown<'a>(&self, names: impl Iterator<Item = &'a str>) -> CliError {
        let error =
            CliError::settings(format!("{}: there is no setting `{}`", self.place, self.key));
        match nearest(&self.key.replace('-', "_"), names) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error.with_help("`--help` lists the settings; keys are written like the flags"),
        }
    }
}

/// The names of a map's members.
pub(crate) fn members_of(map: &Map) -> impl Iterator<Item = String> + use<> {
    map.keys().map(ToString::to_string).collect::<Vec<_>>().into_iter()
}
