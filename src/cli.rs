//! The command line, and the places it can put a stack on.

pub use formwork_cli::*;

#[cfg(feature = "aws")]
pub use crate::clouds::AwsCloud;
#[cfg(feature = "sandbox")]
pub use crate::clouds::{SandboxCloud, SandboxCommand};
