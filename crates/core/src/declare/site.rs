//! Where in the user's program something was declared.

use std::{fmt, panic::Location};

/// The source lines of a declaration: the user's own, and the one inside a component, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The line that added the outermost component: the user's.
    pub outer: &'static Location<'static>,
    /// The line that added the resource itself.
    pub inner: &'static Location<'static>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.outer.file(), self.outer.line())?;
        if self.outer != self.inner {
            write!(f, " (in {}:{})", self.inner.file(), self.inner.line())?;
        }
        Ok(())
    }
}
