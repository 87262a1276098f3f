//! Hosts that execute operations without any machine behind them, strictly.
//!
//! [`SimulatedHosts`] is a [`Transport`](crate::transport::Transport). Each of its hosts is a
//! [`Machine`]: packages with their dependencies, kernels and kernel modules, systemd units, GPUs with their
//! settings, local disks, files. It refuses what a real one refuses, in the words of apt, dnf,
//! systemd and nvidia-smi, and where real machines are lenient it is stricter. A program that it
//! does not know is not found (exit 127), never silently accepted.
//!
//! * A host comes into being at the first contact with a [`HostRef`](crate::transport::HostRef)
//!   that names a known instance type, and goes with [`SimulatedHosts::forget`].
//! * With [`SimulatedHosts::open`] every host is a JSON file of its own in a folder, written
//!   atomically before the answer, and not at all by operations that only look.
//! * [`SimulatedHosts::edit`] changes a machine behind everyone's back, which is how drift is shown;
//!   [`Fault`] fails operations and cuts connections.
//!
//! What is simulated is the *state* and its rules, not time or performance: figures such as the
//! speed of a disk are made up and can be edited.

mod boot;
mod catalogue;
mod commands;
mod delay;
mod execute;
mod faults;
mod gpu;
mod hosts;
mod machine;
mod nvidia_smi;
mod packages;
mod storage;
mod store;
mod units;

#[cfg(test)]
mod tests;

pub use faults::Fault;
pub use gpu::SimulatedGpu;
pub use hosts::{Call, SimulatedHosts, SimulationError};
pub use machine::{InstalledPackage, Machine, SimulatedFile, SimulatedUnit};
pub use storage::{SimulatedArray, SimulatedDisk};
