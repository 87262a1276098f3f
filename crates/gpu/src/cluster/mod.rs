//! A GPU cluster as one component: network, machines, and the software on them.
//!
//! [`GpuCluster`] is plain data. Declaring it checks everything that can be known beforehand (types,
//! interface layouts, addresses, storage, power limits, driver and CUDA against the GPU and against
//! what repositories offer) and reports all of it at once; what only a lookup knows, such as the zones
//! of a type and the size of an image, refuses the plan. A group that is refused declares no node. Then
//! it adds the network, the machines and, per machine and after it runs, its software.
//! Software is `deleted_with` its machine: destroying a cluster logs in to nothing.
//!
//! What it is not: a scheduler, or a way to reach the nodes; that is the node provider's transport.

mod check;
mod compute;
mod layout;
mod network;
mod software;
mod spec;
#[cfg(test)]
mod tests;

use formwork_aws::ec2::{InstanceId, SecurityGroupId, SubnetId, VpcId};
use formwork_core::{Component, Output, Scope};

pub use spec::{
    Capacity, ClusterNetwork, GpuCluster, NodeGroup, NodeImage, RootVolume, ScratchSpace, Software,
};

/// What a cluster offers the rest of a program.
#[derive(Clone, Debug)]
pub struct ClusterHandle {
    /// The network.
    pub vpc_id: Output<VpcId>,
    /// The group that lets all nodes of the cluster talk to each other.
    pub security_group_id: Output<SecurityGroupId>,
    /// The zone.
    pub zone: Output<String>,
    /// The groups, in the order of the declaration.
    pub groups: Vec<GroupHandle>,
}

/// One group of nodes.
#[derive(Clone, Debug)]
pub struct GroupHandle {
    /// Its name.
    pub name: String,
    /// Its subnet.
    pub subnet_id: Output<SubnetId>,
    /// Its nodes.
    pub nodes: Vec<NodeHandle>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    /// Its name, such as `training-0`.
    pub name: String,
    /// The instance.
    pub instance_id: Output<InstanceId>,
    /// Its private address.
    pub private_ip: Output<String>,
    /// Known once the node passed its readiness checks; the instance's id where it has no software.
    pub ready: Output<String>,
}

impl Component for GpuCluster {
    type Handle = ClusterHandle;

    fn declare(self, scope: &mut Scope<'_>) -> ClusterHandle {
        let addresses = layout::Addresses::of(&self, scope);
        let checked = check::cluster(&self, &addresses, scope);
        let network = network::declare(&self, &addresses, scope);
        let image = compute::image(&self, scope);
        let profile = compute::profile(&self, scope);
        let mut groups = Vec::new();
        for (i, group) in checked.iter().enumerate() {
            let Some(group) = group else { continue };
            let subnet = &network.groups[i];
            groups.push(compute::group(&self, group, &network, subnet, &image, &profile, scope));
        }
        ClusterHandle {
            vpc_id: network.vpc_id,
            security_group_id: network.security_group_id,
            zone: network.zone,
            groups,
        }
    }
}
