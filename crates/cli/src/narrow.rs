//! The flags that narrow a run: to a part of the stack, or to the records.

use formwork_core::PlanRequest;

use crate::{
    args::{Builtin, Flags, Refresh},
    error::CliError,
};

/// What a run is about, if not the whole stack.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Part of the stack")]
pub(crate) struct Narrow {
    /// Plan for this resource alone, or for all that is inside this component; may be given several
    /// times. All else stays as it is, and no provider is asked for it
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub(crate) target: Vec<String>,

    /// Leave this resource out, or all that is inside this component, and what needs it (of
    /// `destroy`, what it needs); may be given several times
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub(crate) exclude: Vec<String>,

    /// Take in what the targets need, and what that needs
    #[arg(long, global = true)]
    pub(crate) target_dependencies: bool,

    /// Take in what needs the targets, and what needs that
    #[arg(long, global = true)]
    pub(crate) target_dependents: bool,

    /// Bring the records up to what is there, and change nothing else, whatever the program says;
    /// the next `up` puts back what it declares otherwise
    #[arg(long, global = true)]
    pub(crate) refresh_only: bool,
}

impl Narrow {
    /// Whether anything is asked for that concerns a part of the stack.
    fn is_part(&self) -> bool {
        !self.target.is_empty()
            || !self.exclude.is_empty()
            || self.target_dependencies
            || self.target_dependents
    }

    /// Puts what is asked for into a request.
    pub(crate) fn ask<'e>(&self, mut request: PlanRequest<'e>) -> PlanRequest<'e> {
        for address in &self.target {
            request = request.target(address.as_str());
        }
        for address in &self.exclude {
            request = request.exclude(address.as_str());
        }
        if self.target_dependencies {
            request = request.target_dependencies();
        }
        if self.target_dependents {
            request = request.target_dependents();
        }
        request
    }
}

/// Refuses flags that mean nothing to the command, or beside each other.
pub(crate) fn check(flags: &Flags, command: &Builtin) -> Result<(), CliError> {
    let narrow = &flags.narrow;
    let refused = |message: &str, help: &str| Err(CliError::settings(message).with_help(help));
    let (plans, looks) = match command {
        Builtin::Plan { .. } | Builtin::Up { .. } => (true, true),
        Builtin::Drift | Builtin::Destroy | Builtin::Policy => (true, false),
        Builtin::Import { .. } if narrow.is_part() || !flags.replace.is_empty() => {
            return refused(
                "`import` is about its own address: it takes no --target, --exclude or --replace",
                "`up` takes over what the program imports, with all the rest",
            );
        }
        Builtin::Show { .. }
        | Builtin::Import { .. }
        | Builtin::Output { .. }
        | Builtin::Graph { .. }
        | Builtin::State(_) => (false, false),
    };
    if narrow.is_part() && !plans {
        let message = "this command is about the whole stack: it takes no --target or --exclude";
        return refused(message, "`plan`, `up`, `drift`, `policy` and `destroy` do");
    }
    if narrow.refresh_only && !looks {
        return refused(
            "--refresh-only makes a plan of its own",
            "`plan --refresh-only` shows what would be recorded, `up --refresh-only` records it",
        );
    }
    let widens = narrow.target_dependencies || narrow.target_dependents;
    if widens && narrow.target.is_empty() {
        return refused(
            "--target-dependencies and --target-dependents widen what --target names",
            "give a --target, or leave them out",
        );
    }
    if narrow.target_dependencies && matches!(command, Builtin::Destroy) {
        return refused(
            "what a destroyed target needs stays: --target-dependencies has no meaning here",
            "--target-dependents takes in what needs it",
        );
    }
    if narrow.refresh_only && !flags.replace.is_empty() {
        return refused(
            "--refresh-only replaces nothing",
            "leave out --replace, or --refresh-only",
        );
    }
    if narrow.refresh_only && !matches!(flags.refresh, Refresh::List) {
        return refused(
            "--refresh-only looks at everything that is recorded",
            "leave out --refresh; --target and --exclude narrow it",
        );
    }
    Ok(())
}
