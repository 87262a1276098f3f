//! What goes together: driver, CUDA, fabric manager, kernel, libraries and instance type.
//!
//! [`check`] holds a declared [`NodeSoftware`] against an instance type and answers *every*
//! problem at once, each with what was found, what was expected, why, and where that is written.
//! The facts are data (`data/nvidia.json`, see [`Compatibility`]) with a source on every row.
//!
//! Two things are kept apart on purpose:
//!
//! * [`VendorMinimum`] is what NVIDIA's tables require. Breaking it is an [`Severity::Error`].
//! * [`Policy`] is what a site wants beyond that, such as [`Policy::h100_reference`]. It is never
//!   applied unless the caller asks for it.
//!
//! [`not_offered`] says which of a node's versions cannot be installed, because no repository that the
//! tables know has them; what it suggests instead passes [`check`].
//!
//! Rows that the data marks as unverified never reject a plan: they answer with a warning at most.
//! This module knows no host: it compares declarations, the steps verify what is really installed.

mod check;
mod data;
mod finding;
mod offers;
mod policy;
mod rules;
mod software;
mod version;

pub use check::check;
pub use data::{
    Architecture, Compatibility, CudaToolkit, CudnnRow, DistroKernel, DriverBranch, DriverOffer,
    GpuModel, Lockstep, MinimumDriver, NcclBuild, OpenModules, PowerLimits,
};
pub use finding::{Finding, Rule, Severity};
pub use offers::{kernel_not_offered, not_offered};
pub use policy::{Policy, PolicyRule, VendorMinimum};
pub use software::{Component, KernelModules, NcclVersion, NodeSoftware};
pub use version::{ParseVersionError, Version};
