//! Instances: rows that remember when their last transition began.
//!
//! Nothing runs in the background. The state of an instance follows from its phase and the clock;
//! what a terminated instance held is let go by `termination_ended` when its time has come.

mod attribute;
mod capacity;
mod credit;
mod describe;
mod devices;
mod launch;
mod network;
mod options;
mod power;
mod profile;
mod requirements;
mod run;
mod status;
mod xml;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::launch_template_data::{
    MetadataOptions, PrivateDnsNameOptions, ReservationSpecification,
};
use crate::{
    call::{Call, OperationFn},
    error::ApiError,
    row::{Row, not_found},
    time::Millis,
};

pub(crate) use launch::{Request, launch};
pub(crate) use power::{terminate_row, termination_ended};
pub(crate) use profile::Association;

/// The operations of instances.
pub(crate) const OPERATIONS: &[(&str, OperationFn)] = &[
    ("RunInstances", run::run),
    ("DescribeInstances", describe::describe_instances),
    ("DescribeInstanceStatus", status::describe_status),
    ("DescribeInstanceAttribute", attribute::describe_attribute),
    ("ModifyInstanceAttribute", attribute::modify_attribute),
    ("ModifyInstanceMetadataOptions", options::modify_metadata),
    ("ModifyInstanceMaintenanceOptions", options::modify_maintenance),
    ("ModifyInstanceCapacityReservationAttributes", options::modify_reservation),
    ("ModifyInstancePlacement", options::modify_placement),
    ("DescribeInstanceCreditSpecifications", credit::describe_credits),
    ("ModifyInstanceCreditSpecification", credit::modify_credits),
    ("MonitorInstances", options::monitor),
    ("UnmonitorInstances", options::unmonitor),
    ("AssociateIamInstanceProfile", profile::associate),
    ("DisassociateIamInstanceProfile", profile::disassociate),
    ("ReplaceIamInstanceProfileAssociation", profile::replace),
    ("DescribeIamInstanceProfileAssociations", profile::describe_associations),
    ("StartInstances", power::start),
    ("StopInstances", power::stop),
    ("RebootInstances", power::reboot),
    ("TerminateInstances", power::terminate),
];

/// An instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// `r-..`: the launch that it came from.
    pub(crate) reservation: String,
    pub(crate) launch_index: usize,
    pub(crate) client_token: Option<String>,
    pub(crate) image: String,
    pub(crate) architecture: String,
    pub(crate) root_device: String,
    pub(crate) instance_type: String,
    pub(crate) key_name: Option<String>,
    pub(crate) launched: Millis,
    pub(crate) zone: String,
    pub(crate) subnet: String,
    pub(crate) vpc: String,
    /// By name.
    pub(crate) placement_group: Option<String>,
    pub(crate) partition: Option<i64>,
    pub(crate) tenancy: String,
    pub(crate) monitoring: bool,
    pub(crate) ebs_optimized: bool,
    pub(crate) profile: Option<Association>,
    /// Base64, as it was given.
    pub(crate) user_data: Option<String>,
    pub(crate) disable_termination: bool,
    pub(crate) disable_stop: bool,
    /// `stop` or `terminate`.
    pub(crate) shutdown_behavior: String,
    pub(crate) metadata: MetadataOptions,
    /// CPU credits, of a burstable type.
    pub(crate) credits: Option<String>,
    pub(crate) cores: Option<i64>,
    pub(crate) threads: Option<i64>,
    /// `spot` or `capacity-block`.
    pub(crate) lifecycle: Option<String>,
    pub(crate) spot_request: Option<String>,
    pub(crate) reservation_specification: ReservationSpecification,
    /// The capacity reservation that it runs in.
    pub(crate) capacity_reservation: Option<String>,
    pub(crate) hibernation: bool,
    pub(crate) enclave: bool,
    pub(crate) dns: PrivateDnsNameOptions,
    pub(crate) auto_recovery: String,
    pub(crate) bandwidth_weighting: Option<String>,
    /// Whether it gets a public address of Amazon's whenever it starts.
    pub(crate) public: bool,
    pub(crate) phase: Phase,
    /// When the phase began.
    pub(crate) since: Millis,
}

/// Where an instance is going, or has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// To `running`.
    Starting,
    /// To `stopped`.
    Stopping,
    /// To `terminated`.
    Terminating,
}

impl Row for Instance {
    const KIND: &'static str = "instance";
    const PREFIX: &'static str = "i";
    const ERROR: &'static str = "InvalidInstanceID";
    const NOUN: &'static str = "instance ID";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Instance {
    /// The state, by name.
    pub(crate) fn state(&self, call: &Call<'_>) -> &'static str {
        match (self.phase, call.settled(self.since)) {
            (Phase::Starting, false) => "pending",
            (Phase::Starting, true) => "running",
            (Phase::Stopping, false) => "stopping",
            (Phase::Stopping, true) => "stopped",
            (Phase::Terminating, false) => "shutting-down",
            (Phase::Terminating, true) => "terminated",
        }
    }

    /// Whether it is terminated, and was so for long enough not to be shown any more.
    pub(crate) fn is_forgotten(&self, call: &Call<'_>) -> bool {
        self.phase == Phase::Terminating && call.settled(self.since) && call.forgotten(self.since)
    }

    /// Whether it takes up reserved capacity.
    pub(crate) fn uses_capacity(&self, call: &Call<'_>) -> bool {
        !matches!(self.state(call), "stopped" | "terminated")
    }

    /// Begins a phase.
    pub(crate) fn enter(&mut self, phase: Phase, now: Millis) {
        self.phase = phase;
        self.since = now;
    }
}

/// The number that goes with a state's name.
pub(crate) fn state_code(state: &str) -> u8 {
    match state {
        "pending" => 0,
        "running" => 16,
        "shutting-down" => 32,
        "terminated" => 48,
        "stopping" => 64,
        _ => 80,
    }
}

/// Finds an instance that a client named; one that is no longer shown does not exist.
pub(crate) fn find(call: &Call<'_>, id: &str) -> Result<Instance, ApiError> {
    let instance: Instance = call.find(id)?;
    if instance.is_forgotten(call) { Err(not_found::<Instance>(id)) } else { Ok(instance) }
}

/// Finds an instance that is to be changed: a terminated one cannot be.
pub(crate) fn find_live(call: &Call<'_>, id: &str) -> Result<Instance, ApiError> {
    let instance = find(call, id)?;
    if instance.phase == Phase::Terminating {
        let message = format!("The instance '{id}' is terminated and cannot be modified.");
        return Err(ApiError::new("IncorrectInstanceState", message));
    }
    Ok(instance)
}

/// Finds the instances of `InstanceId.N`, of which there must be one, none twice.
fn find_all(call: &Call<'_>) -> Result<Vec<Instance>, ApiError> {
    let mut ids = call.params.list("InstanceId");
    if ids.is_empty() {
        return Err(ApiError::missing("InstanceId"));
    }
    ids.sort();
    ids.dedup();
    ids.iter().map(|id| find(call, id)).collect()
}
