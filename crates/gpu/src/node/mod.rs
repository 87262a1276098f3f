//! The software of a node as resources: each step on each host has inputs, a diff, drift, order.
//!
//! [`OnHost`] makes a resource of any [`Step`](crate::steps::Step). What a host has otherwise than declared comes back in
//! the field `differs`, one entry per difference, so that drift names exactly what is off. The host
//! is reached through a [`Transport`]: which one is the provider's choice, and the resources do not
//! know it.
//!
//! What is on a node goes with the node: declare the software `deleted_with` its machine, as
//! [`GpuCluster`](crate::cluster::GpuCluster) does, and destroying the machine logs in to nothing.

mod on_host;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use formwork_core::Registry;

use crate::transport::Transport;

pub use on_host::{Host, HostBuilder, NodeStep, OnHost, SoftwareHandle, SoftwareOutputs};

/// What the node resources' calls are made with: a way to reach hosts.
#[derive(Clone)]
pub struct Nodes {
    transport: Arc<dyn Transport>,
    parallelism: usize,
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nodes").field("parallelism", &self.parallelism).finish_non_exhaustive()
    }
}

impl Nodes {
    /// Nodes that are reached through `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, parallelism: 64 }
    }

    /// Sets how many hosts are looked at at a time when what is there is gathered. Default 64.
    #[must_use]
    pub fn parallelism(mut self, hosts: usize) -> Self {
        self.parallelism = hosts.max(1);
        self
    }
}

/// The provider of node software, under the name `node`.
#[must_use]
pub fn provider(nodes: Nodes) -> Registry<Nodes> {
    use crate::steps::{
        Cuda, Driver, FabricManager, GpuSettings, KernelPin, NcclSettings, NvidiaRepository,
        Readiness, Scratch, ScratchSpeed,
    };
    Registry::new("node", Arc::new(nodes))
        .with::<OnHost<KernelPin>>()
        .with::<OnHost<NvidiaRepository>>()
        .with::<OnHost<Driver>>()
        .with::<OnHost<FabricManager>>()
        .with::<OnHost<Cuda>>()
        .with::<OnHost<NcclSettings>>()
        .with::<OnHost<GpuSettings>>()
        .with::<OnHost<Scratch>>()
        .with::<OnHost<ScratchSpeed>>()
        .with::<OnHost<Readiness>>()
}
