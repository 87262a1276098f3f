//! Why a command did not do what it was asked, with what to try next.

use std::{fmt, path::PathBuf};

use formwork_core::{
    Action, Address, ApplyError, DeclareError, ErrorKind, Lack, LoadPlanError, Missing, PlanError,
    state::{StateError, edit::EditError},
};
use miette::Diagnostic;

use crate::view::natural;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The arguments make no command.
    #[error("{0}")]
    Usage(#[source] Box<clap::Error>),
    /// A setting is wrong, or unknown, or missing.
    #[error("{message}")]
    Settings {
        /// What, and where it was set.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// The program itself is put together wrongly: a mistake of its author.
    #[error("this program can not run: {0}")]
    Program(String),
    /// The declaration is no stack. Nothing was planned, and nothing changed.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// No plan could be made. Nothing changed.
    #[error(transparent)]
    Plan(#[from] Box<PlanError>),
    /// A type is declared or recorded that no provider of the cloud has. Nothing changed.
    #[error("{} the type `{kind}`, which no provider here has", of(address, *declared))]
    NoProvider {
        /// The resource.
        address: Address,
        /// Its type.
        kind: String,
        /// Whether the program declares it; otherwise it is only recorded.
        declared: bool,
        /// The names of the providers there are.
        providers: Vec<String>,
    },
    /// The file of a plan could not be written or read. Nothing changed.
    #[error("{message}")]
    PlanFile {
        /// Which, and why.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// A saved plan is not what could be applied here and now. Nothing changed.
    #[error(transparent)]
    Load(#[from] Box<LoadPlanError>),
    /// A plan was not applied, or not wholly.
    #[error(transparent)]
    Apply(#[from] Box<ApplyError>),
    /// The state could not be written, and the run ended there.
    #[error("{source}")]
    Unsaved {
        /// The error, with what is not recorded.
        source: Box<ApplyError>,
        /// The file that has it, or why there is none.
        kept: Result<PathBuf, String>,
    },
    /// What a run could not record can not be recorded now. Nothing was written.
    #[error("{} can not be recorded: {why}", file.display())]
    Unrecovered {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The recorded state can not be edited so. Nothing changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The cloud could not be opened. Nothing changed.
    #[error("the cloud `{cloud}` can not be used: {message}")]
    Cloud {
        /// Which.
        cloud: String,
        /// Why.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// The plan was not approved. Nothing changed.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// Something was asked for that is not there.
    #[error("{message}")]
    NotFound {
        /// What.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// A command failed in its own way.
    #[error("{message}")]
    Command {
        /// How.
        message: String,
        /// What to try.
        help: Option<String>,
    },
    /// What was to be printed could not be; what was asked is done all the same.
    #[error("standard output could not be written")]
    Unwritten(#[source] std::io::Error),
    /// The user stopped it before anything was changed.
    #[error("cancelled; nothing was changed")]
    Cancelled,
    /// A panic outside of the user's code.
    #[error("a bug in formwork or in one of its providers: {0}")]
    Bug(String),
}

impl CliError {
    /// A cloud that can not be opened, and why: for [`Cloud::open`](crate::Cloud::open).
    pub fn cloud(cloud: impl Into<String>, why: impl fmt::Display) -> Self {
        CliError::Cloud { cloud: cloud.into(), message: why.to_string(), help: None }
    }

    /// A command that failed, and why: for [`ExtraCommand::run`](crate::ExtraCommand::run).
    pub fn command(why: impl fmt::Display) -> Self {
        CliError::Command { message: why.to_string(), help: None }
    }

    pub(crate) fn settings(message: impl Into<String>) -> Self {
        CliError::Settings { message: message.into(), help: None }
    }

    pub(crate) fn plan_file(why: impl fmt::Display) -> Self {
        CliError::PlanFile { message: why.to_string(), help: None }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        CliError::Refused { message: message.into(), help: None }
    }

    /// Something that is not there, with the nearest of what is.
    pub(crate) fn not_found<'a>(
        what: &str,
        name: &str,
        there: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let there: Vec<&str> = there.into_iter().collect();
        let mut within: Vec<&str> =
            there.iter().copied().filter(|other| other.contains(name)).collect();
        within.sort_by_key(|other| natural(other));
        within.dedup();
        within.truncate(8);
        let help = match nearest(name, there.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if !within.is_empty() && !name.is_empty() => {
                Some(format!("did you mean {}?", within.join(", ")))
            }
            None if there.is_empty() => Some(format!("there is no {what} at all")),
            None if there.len() <= 12 => Some(format!("there is {}", there.join(", "))),
            None => None,
        };
        CliError::NotFound { message: format!("there is no {what} `{name}`"), help }
    }

    /// Says what to try.
    #[must_use]
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            CliError::Settings { help, .. }
            | CliError::Cloud { help, .. }
            | CliError::Refused { help, .. }
            | CliError::NotFound { help, .. }
            | CliError::PlanFile { help, .. }
            | CliError::Command { help, .. } => *help = Some(text.into()),
            _ => {}
        }
        self
    }

    /// Whether the user stopped it.
    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            CliError::Cancelled => true,
            CliError::Apply(error) => matches!(**error, ApplyError::Cancelled(_)),
            _ => false,
        }
    }

    fn id(&self) -> &'static str {
        match self {
            CliError::Usage(_) => "usage",
            CliError::Settings { .. } => "settings",
            CliError::Program(_) => "program",
            CliError::Declare(_) => "declare",
            CliError::Plan(_) | CliError::NoProvider { .. } => "plan",
            CliError::PlanFile { .. } => "plan_file",
            CliError::Load(_) => "saved_plan",
            CliError::Apply(_) if self.is_cancelled() => "cancelled",
            CliError::Apply(_) => "apply",
            CliError::Cancelled => "cancelled",
            CliError::Unsaved { .. } => "unsaved",
            CliError::State(_) | CliError::Unrecovered { .. } => "state",
            CliError::Edit(_) => "edit",
            CliError::Cloud { .. } => "cloud",
            CliError::Refused { .. } => "refused",
            CliError::NotFound { .. } => "not_found",
            CliError::Command { .. } => "command",
            CliError::Unwritten(_) => "unwritten",
            CliError::Bug(_) => "bug",
        }
    }

    fn advice(&self) -> Option<String> {
        let text = match self {
            CliError::Settings { help, .. }
            | CliError::Cloud { help, .. }
            | CliError::Refused { help, .. }
            | CliError::NotFound { help, .. }
            | CliError::PlanFile { help, .. }
            | CliError::Command { help, .. } => return help.clone(),
            CliError::Declare(_) => "nothing was changed; correct the program and run it again",
            CliError::Plan(error) => return plan_advice(error),
            CliError::Load(error) => return load_advice(error).map(str::to_owned),
            CliError::NoProvider { declared, providers, .. } => {
                return Some(provider_wanted(*declared, providers));
            }
            CliError::Apply(error) => return apply_advice(error).map(str::to_owned),
            CliError::State(error) => return state_advice(error).map(str::to_owned),
            CliError::Unsaved { kept: Ok(file), .. } => {
                return Some(format!(
                    "make room or repair the disk, then run `state recover {}`, and `up`; without the file `up` looks up by itself what the cloud has",
                    file.display()
                ));
            }
            CliError::Unsaved { kept: Err(_), .. } => {
                "make room or repair the disk, then run `up` again: it looks up what the cloud has"
            }
            CliError::Edit(error) if error.refusals.iter().all(|refusal| refusal.forcible) => {
                "nothing was changed; --force does it all the same"
            }
            CliError::Edit(_) => "nothing was changed; `state list` shows what is recorded",
            CliError::Bug(_) => {
                "what was done is recorded; the next run goes on from there. Please report this, with the output under FORMWORK_BACKTRACE=1"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl Diagnostic for CliError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("formwork::{}", self.id())))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.advice().map(|text| Box::new(text) as Box<dyn fmt::Display>)
    }
}

fn of(address: &Address, declared: bool) -> String {
    match declared {
        true => format!("{address} is of"),
        false => format!("{address} is recorded, not declared, and of"),
    }
}

/// What to do about a type that nobody has.
fn provider_wanted(declared: bool, providers: &[String]) -> String {
    let there = match providers {
        [] => "no provider".to_owned(),
        [one] => format!("the provider {one} alone"),
        many => format!("the providers {}", many.join(", ")),
    };
    match declared {
        true => format!(
            "nothing was changed; there is {there}: choose a cloud that has this type with --cloud, or give the cloud another provider"
        ),
        false => format!(
            "nothing was changed; there is {there}: run it with the cloud and the settings that it was applied with, so that what is recorded can be looked at and removed"
        ),
    }
}

fn apply_advice(error: &ApplyError) -> Option<&'static str> {
    match error {
        ApplyError::Failed(_) => Some("what was done is recorded; the next run goes on from there"),
        ApplyError::Cancelled(_) => Some(
            "what was done is recorded, and what was cut off is looked up; the next run goes on from there",
        ),
        ApplyError::State(error) => state_advice(error),
        _ => None,
    }
}

fn plan_advice(error: &PlanError) -> Option<String> {
    let text = match error {
        PlanError::Invalid { .. } => "nothing was changed; correct the program and run it again",
        PlanError::Protected { .. } => {
            "nothing was changed; take `.protect()` off in the program if they really shall go"
        }
        PlanError::LeftOut { missing } => {
            let below = |of: &Missing| matches!(of.why, Lack::Uses { .. } | Lack::LivesOn { .. });
            let below = missing.iter().filter(|of| below(of)).count();
            return Some(match below {
                0 => "nothing was changed; name them with --target too, or take in what the targets need with --target-dependencies".to_owned(),
                n if n == missing.len() => "nothing was changed; name them with --target too, or take in what needs the targets with --target-dependents".to_owned(),
                _ => "nothing was changed; name them with --target too, or take them in with --target-dependencies and --target-dependents".to_owned(),
            });
        }
        PlanError::UnknownAddresses { .. } => {
            "nothing was changed; an address is the path of a resource or component, as `state list` and `graph` show it"
        }
        PlanError::KeptInUse { .. } => {
            "nothing was changed; destroy what uses them with `destroy --target`, or let the new ones be made first with `.create_first()`"
        }
        PlanError::Excluded { .. } => {
            "nothing was changed; what needs something that is left out is left out too (of `destroy`, what that needs)"
        }
        PlanError::Record { .. } => {
            "use the version of the program that wrote the record, or a later one"
        }
        PlanError::OtherTarget { .. } => {
            "nothing was changed; run it with the cloud, region and account that it was applied with, or keep the other place in a state of its own: --stack, --state-dir"
        }
        PlanError::Moving { .. } => {
            "nothing was changed; run `up` without --target and --exclude first, which records the moves"
        }
        PlanError::HooksFailed { .. } => {
            "nothing was changed; mend what they say, or use --skip-hooks"
        }
        PlanError::MissingHooks { .. } => {
            "nothing was changed; run the program that has them, or use --skip-hooks"
        }
        PlanError::Exchange { .. } => "nothing was changed",
        PlanError::Lookup { source, .. } => {
            let advice = provider_advice(source.kind, Doing::Lookup);
            return Some(format!("nothing was changed; {advice}"));
        }
        PlanError::Refresh { source, .. } => {
            let advice = provider_advice(source.kind, Doing::Read);
            return Some(format!("nothing was changed; {advice}"));
        }
        PlanError::State(error) => return state_advice(error).map(str::to_owned),
        _ => return None,
    };
    Some(text.to_owned())
}

fn load_advice(error: &LoadPlanError) -> Option<&'static str> {
    let text = match error {
        LoadPlanError::Differs { .. } => {
            "nothing was changed; apply it with the program and the settings that it was made with, or plan again"
        }
        LoadPlanError::OtherStack { .. } => "nothing was changed; name its stack with --stack",
        LoadPlanError::OtherTargets { .. } => {
            "nothing was changed; apply it with the cloud, region and account that it was made with"
        }
        LoadPlanError::Stale { .. } => {
            "nothing was changed; --allow-stale goes on where there is only less left to do"
        }
        _ => "nothing was changed; plan again",
    };
    Some(text)
}

/// What the message of the error does not say already.
fn state_advice(error: &StateError) -> Option<&'static str> {
    match error {
        StateError::Stale { .. } | StateError::Fenced { .. } => {
            Some("run the command again; two runs on one stack at a time do not work")
        }
        StateError::Io { .. } => Some("is the folder there, writable, and not full?"),
        StateError::Key { .. } => {
            Some("set FORMWORK_KEY_FILE or FORMWORK_PASSPHRASE to what the state was written with")
        }
        _ => None,
    }
}

/// What a call was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Seeing what is there, before a plan.
    Read,
    /// Answering a lookup, before a plan.
    Lookup,
    /// A step of an apply.
    Step(Action),
}

/// What to try after a call failed.
pub(crate) fn provider_advice(kind: ErrorKind, doing: Doing) -> &'static str {
    const WORDS: &str = "the service's own words above say why";
    let looks = matches!(doing, Doing::Read | Doing::Lookup);
    let deletes = doing == Doing::Step(Action::Delete);
    match kind {
        ErrorKind::Denied => "check the credentials, and what they are allowed to do",
        ErrorKind::Capacity if !looks => {
            "another zone or type may have room; or ask for a higher quota or a reservation"
        }
        ErrorKind::Throttled => "try again with a smaller --parallel",
        ErrorKind::Conflict if looks || deletes => "something else changes it: try again",
        ErrorKind::Conflict => {
            "something of that name is there already: choose another name, or remove it"
        }
        ErrorKind::InUse if !looks => {
            "something that this program does not know still uses it: remove that first"
        }
        ErrorKind::Invalid if doing == Doing::Lookup => {
            "correct in the program what the lookup asks for"
        }
        ErrorKind::Invalid if looks || deletes => WORDS,
        ErrorKind::Invalid => "correct the resource at the line above",
        ErrorKind::NotFound if doing == Doing::Lookup => {
            "what the lookup asks for is not there: correct it in the program, or check account and region"
        }
        ErrorKind::NotFound if looks => "check account, region and endpoint",
        ErrorKind::NotFound => "something that it names is gone: `drift` shows what is missing",
        ErrorKind::Ambiguous if looks => "the answer was none that can be used: try again",
        ErrorKind::Ambiguous => "whether it happened is not known: the next run looks",
        ErrorKind::Timeout if looks => "try again",
        ErrorKind::Timeout if deletes => {
            "the next run waits on; a longer time is set with `.timeouts(..)`"
        }
        ErrorKind::Timeout => {
            "the next run waits on; a longer time is set with `.create_timeout(..)` or `.timeouts(..)`"
        }
        ErrorKind::Provider => "this is a mistake of the provider; please report it",
        _ => "try again; if it stays, the service's own words above say why",
    }
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    among
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_depends_on_what_was_being_done() {
        let create = Doing::Step(Action::Create);
        for kind in [ErrorKind::Ambiguous, ErrorKind::NotFound, ErrorKind::Invalid] {
            let told =
                [Doing::Read, Doing::Lookup, create].map(|doing| provider_advice(kind, doing));
            assert!(told[0] != told[2] && told[1] != told[2], "{told:?}");
        }
        let read = provider_advice(ErrorKind::Ambiguous, Doing::Read);
        assert!(!read.contains("whether it happened"), "a look changes nothing: {read}");
        let lookup = provider_advice(ErrorKind::NotFound, Doing::Lookup);
        assert!(!lookup.contains("drift"), "a lookup has no drift: {lookup}");
    }
}
