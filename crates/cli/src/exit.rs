//! How a command ends, for the shell.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// All was done.
    Done,
    /// Something went wrong, or was refused.
    Error,
    /// Changes or drift were found, and `--exit-code` asked to be told.
    Changes,
    /// The state could not be written: some of what was done is not recorded there.
    Unsaved,
    /// The user stopped it.
    Cancelled,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Changes => 2,
            Exit::Unsaved => 3,
            Exit::Cancelled => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
