//! GPU nodes for formwork: what a node needs, what is on it, and how it gets there.
//!
//! The rooms of this crate, in the order in which a plan meets them:
//!
//! * [`instance_type`]: the accelerated EC2 instance types as a table with sources.
//! * [`compat`]: which driver, CUDA, fabric manager, kernel and libraries go together.
//! * [`interfaces`]: how the EFA interfaces of a type are laid out, and how many addresses that takes.
//! * [`operation`]: what can be done to a host, as data that a plan prints and a transport runs.
//! * [`transport`]: who runs a batch of operations on a host.
//! * [`steps`]: the software of a node, one pure step each: probe, observe, converge, remove.
//! * [`node`]: those steps as resources, with a diff, drift and order.
//! * [`cluster`]: network, machines and software of a whole cluster, as one component.
//! * [`simulated`]: hosts that execute operations strictly without any machine behind them.
//!
//! Everything but [`simulated`] and the functions of [`steps`] that take a transport is pure: no
//! clock, no network, no process, no environment.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

pub mod cluster;
pub mod compat;
pub mod instance_type;
pub mod interfaces;
pub mod node;
pub mod operation;
pub mod os;
pub mod simulated;
pub mod steps;
pub mod transport;
