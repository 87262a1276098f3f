//! An in-process AWS to try and to test stacks on, without an account, a network or a container.
//!
//! A [`Sandbox`] is a small world of cloud objects, in memory or in a folder. Any client of
//! aws-sdk-rust talks to it through [`Sandbox::http_client`]; any other client (the `aws` command,
//! boto3) through [`Sandbox::serve`] on loopback.
//!
//! It is stricter than AWS on purpose: dependencies, CIDR conflicts, unknown ids, idempotency
//! tokens, pagination and asynchronous states are real, an operation or a parameter that it lacks
//! is an error that says so, and nothing is ever ignored silently. [`Knobs`] slow it down, throttle
//! it, break it or make it forgetful on request, and [`Sandbox::calls`] tells what was asked.
//!
//! What it is not: it checks no signature and no permission, runs no machine and moves no packet.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use formwork_sandbox::{Fault, Sandbox};
//!
//! let sandbox = Sandbox::in_memory();
//! sandbox.knobs().inject(Fault::on("CreateVpc").after_effect().drops_connection());
//! let _client = sandbox.http_client(); // aws_config::ConfigLoader::http_client takes this
//! assert!(sandbox.calls().is_empty());
//! # Ok(())
//! # }
//! ```

mod call;
mod calls;
mod client;
mod describe;
mod dispatch;
mod error;
mod filter;
mod ids;
mod index;
mod knobs;
mod page;
mod params;
mod regions;
mod request;
mod row;
mod sandbox;
mod server;
mod service;
mod store;
mod tags;
mod time;
mod world;
mod xml;

mod autoscaling;
mod ec2;
mod iam;
mod ssm;
mod sts;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use calls::{CallRecord, Outcome};
pub use client::SandboxHttpClient;
pub use knobs::{Fault, Knobs};
pub use sandbox::{EditError, OpenError, Sandbox, SandboxBuilder, find_endpoint};
pub use server::{ServeError, Server};
