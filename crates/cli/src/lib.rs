//! The command line of any formwork program: plan, up, show, drift, destroy, output, graph, state.
//!
//! A program is a [`Program`]: its stack's name, a declaring closure with typed settings, the
//! [`Cloud`]s it can go to, and further [`ExtraCommand`]s. This crate reads arguments, the
//! environment, a `.env` and a settings file, asks the user, and prints; no other crate of formwork
//! does. It knows no cloud itself: the facade registers them.
//!
//! Results go to standard output; progress, questions and errors go to standard error. What is
//! printed is made by pure functions of a plan, an event or an error and a layout, so that tests
//! compare it as text. [`Program::run_with`] runs a whole command line on given streams.
//!
//! ```no_run
//! use formwork_cli::{NoSettings, Program};
//!
//! fn main() -> std::process::ExitCode {
//!     Program::new("shop")
//!         .about("A shop.")
//!         .declare(|_: &NoSettings, _scope| Ok::<_, std::convert::Infallible>(()))
//!         .run()
//! }
//! ```

mod approve;
mod args;
mod cloud;
mod command;
mod console;
mod declare;
mod error;
mod exit;
mod io;
mod narrow;
mod panics;
mod plan_file;
mod program;
mod progress;
mod run;
mod settings;
mod store;
mod view;

pub use cloud::{Cloud, CloudContext, Estimate, EstimateItem, OpenCloud, Pricing};
pub use command::{CommandContext, ExtraCommand};
pub use console::Console;
pub use declare::NoSettings;
pub use error::CliError;
pub use exit::Exit;
pub use io::{Input, Interrupter, Interrupts, Io, Stream};
pub use program::Program;

/// The version of clap whose types this crate's traits name.
pub use clap;
