//! Machines.
//!
//! What can change while a machine runs is changed while it runs. Its type and its EBS
//! optimisation can change only while it is stopped: that is done if it is stopped or is to be, or
//! if `stop_to_change` says so, and refused otherwise; `.replace_on(["instance_type"])` makes a new
//! machine instead. What is read
//! only at launch (user data, interfaces, further disks) is compared with what was sent.

mod change;
mod check;
mod observe;
mod power;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use check::version;
use formwork_core::{
    By, Changes, Check, Context, CreateError, Deletion, FoundBy, Inputs, Known, Lifecycle,
    Observed, Outputs, ProviderError, Resource, Settled,
};
use serde::{Deserialize, Serialize};

use super::{
    LaunchTemplateId, LaunchTemplateVersion, SecurityGroupId, SubnetId, VolumeId, VolumeType,
    VpcId,
    launch::{
        AutoRecovery, BandwidthWeighting, BlockDevice, CapacityReservationOptions, CpuCredits,
        CpuOptions, ImageId, LaunchInterface, MarketOptions, MetadataOptions, NetworkInterfaceId,
        Placement, PrivateDnsOptions, ShutdownBehavior,
    },
};
use crate::{
    client::Clients,
    error::{Named, incomplete, unless_absent},
    id::{Arn, choice, id_type},
    locate::nameless,
    retry::while_throttled,
    tags::{OWNER_FILTER, Tags},
    wait,
};

id_type! {
    /// A machine's id, `i-...`.
    InstanceId,
}

choice! {
    /// Whether a machine runs.
    Power {
        /// It runs, or is about to.
        Running = "running",
        /// It is stopped, or is about to be.
        Stopped = "stopped",
    }
}

/// The launch template that a machine or a group launches from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct LaunchTemplateReference {
    /// The template.
    pub id: LaunchTemplateId,
    /// The version; [`LaunchTemplateVersion::DEFAULT`] if not set. Only with a number, such as the
    /// template's output `version`, does what is there already follow the template.
    pub version: Option<LaunchTemplateVersion>,
}

/// What all interfaces of a machine have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct EveryInterface {
    /// The security groups of each; instead of `security_group_ids`.
    #[resource(unordered, holds)]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// Whether each goes with the machine. Set back before the machine is terminated, too, for an
    /// interface that stays keeps its subnet and its groups from going.
    pub delete_on_termination: Option<bool>,
}

/// The disk that a machine boots from. Size, type, IOPS and throughput change in place; the size
/// only grows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Inputs)]
pub struct RootDevice {
    /// What the image calls its root device; looked up if not set.
    #[resource(replace, defaulted)]
    pub device_name: Option<String>,
    /// Its type.
    pub volume_type: Option<VolumeType>,
    /// In GiB; not less than the image's.
    pub volume_size: Option<u32>,
    /// I/O operations per second; for gp3, io1 and io2.
    pub iops: Option<u32>,
    /// In MiB/s; for gp3.
    pub throughput: Option<u32>,
    /// Whether it goes with the machine; it does if not set.
    pub delete_on_termination: Option<bool>,
    /// Whether it is encrypted.
    #[resource(replace)]
    pub encrypted: Option<bool>,
    /// The KMS key that it is encrypted with: an id, alias or ARN.
    #[resource(replace)]
    pub kms_key_id: Option<String>,
}

/// A machine. What is not set comes from the launch template, if there is one, or is AWS's choice.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html>
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(
    kind = "aws:ec2/instance",
    outputs = InstanceOutputs,
    group = compute,
    seconds = 20,
    resumable
)]
pub struct Instance {
    /// The launch template. A change makes a new machine.
    #[resource(replace, write_only, nested)]
    pub launch_template: Option<LaunchTemplateReference>,
    /// The image.
    #[resource(replace, defaulted)]
    pub image_id: Option<ImageId>,
    /// The instance type, such as `p5.48xlarge`. To change it the machine is stopped and started.
    #[resource(defaulted)]
    pub instance_type: Option<String>,
    /// Whether it runs. A machine that is to be stopped is stopped once it is up, and one that is to
    /// run is started when someone stopped it. If not set, a machine that someone stopped is drift
    /// and stays as it is.
    #[resource(defaulted)]
    pub power: Option<Power>,
    /// Whether the machine may be stopped and started for a change that needs it. What is on its
    /// instance store disks is lost then, and its public address changes.
    #[serde(default)]
    #[resource(default)]
    pub stop_to_change: bool,
    /// Whether it is ready only once its status checks pass, some minutes after it runs.
    #[serde(default)]
    #[resource(default)]
    pub wait_for_status_checks: bool,
    /// The subnet of the only interface.
    #[resource(replace, defaulted)]
    pub subnet_id: Option<SubnetId>,
    /// The security groups of the primary interface.
    #[resource(defaulted, unordered, holds)]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// What all interfaces have in common that the machine came with. A launch does not say it: it
    /// is the interfaces, of the machine or of its launch template, that come with theirs. One that
    /// is otherwise, because it came so or because someone changed it, is made like this.
    #[resource(nested, holds)]
    pub every_interface: Option<EveryInterface>,
    /// The network interfaces, if there are several or one needs more than a subnet and groups.
    #[serde(default)]
    #[resource(default, replace, write_only, unordered, nested)]
    pub network_interfaces: Vec<LaunchInterface>,
    /// Whether the only interface gets a public IPv4 address.
    #[resource(replace, write_only)]
    pub associate_public_ip_address: Option<bool>,
    /// The primary IPv4 address.
    #[resource(replace, defaulted)]
    pub private_ip_address: Option<String>,
    /// How many IPv6 addresses AWS chooses for the only interface.
    #[resource(replace, write_only)]
    pub ipv6_address_count: Option<u32>,
    /// The IPv6 addresses of the only interface.
    #[serde(default)]
    #[resource(default, replace, write_only, unordered)]
    pub ipv6_addresses: Vec<String>,
    /// Whether the primary interface takes only what is addressed to it. Off for a router.
    #[resource(defaulted)]
    pub source_dest_check: Option<bool>,
    /// The key pair, by name.
    #[resource(replace, defaulted)]
    pub key_name: Option<String>,
    /// The instance profile, by name. Of a machine that has none the empty text is seen.
    #[resource(defaulted)]
    pub iam_instance_profile: Option<String>,
    /// What runs at first boot, as text of up to 16 KiB; it is encoded for you. A change makes a new
    /// machine, for the old one would not run it; `.ignore_changes(["user_data"])` keeps it.
    #[resource(replace, write_only)]
    pub user_data: Option<String>,
    /// The same as base64, for what is no text.
    #[resource(replace, write_only)]
    pub user_data_base64: Option<String>,
    /// The disk to boot from.
    #[resource(defaulted, nested)]
    pub root_block_device: Option<RootDevice>,
    /// Disks that come with the machine. Those that are to change or to outlive it are better
    /// volumes of their own, attached.
    #[serde(default)]
    #[resource(default, replace, write_only, unordered, nested)]
    pub block_devices: Vec<BlockDevice>,
    /// Tags of the volumes that come with the machine.
    #[serde(default)]
    #[resource(default)]
    pub volume_tags: Tags,
    /// The market to buy on; on demand if not set.
    #[resource(replace, write_only, nested)]
    pub market: Option<MarketOptions>,
    /// Which reserved capacity to use.
    #[resource(replace, defaulted, nested)]
    pub capacity_reservation: Option<CapacityReservationOptions>,
    /// Where to put it.
    #[resource(replace, defaulted, nested)]
    pub placement: Option<Placement>,
    /// The metadata service.
    #[resource(defaulted, nested)]
    pub metadata_options: Option<MetadataOptions>,
    /// Cores and threads.
    #[resource(replace, defaulted, nested)]
    pub cpu_options: Option<CpuOptions>,
    /// How CPU credits are spent, on burstable types.
    #[resource(defaulted)]
    pub cpu_credits: Option<CpuCredits>,
    /// Whether metrics come every minute.
    #[resource(defaulted)]
    pub monitoring: Option<bool>,
    /// Whether there is bandwidth of its own for EBS, where the type leaves a choice. To change it
    /// the machine is stopped and started.
    #[resource(defaulted)]
    pub ebs_optimized: Option<bool>,
    /// Whether it refuses to be terminated, by this program too.
    #[resource(defaulted)]
    pub disable_api_termination: Option<bool>,
    /// Whether it refuses to be stopped, by this program too.
    #[resource(defaulted)]
    pub disable_api_stop: Option<bool>,
    /// What a shutdown from within does.
    #[resource(defaulted)]
    pub instance_initiated_shutdown_behavior: Option<ShutdownBehavior>,
    /// Whether there can be Nitro enclaves.
    #[resource(replace, defaulted)]
    pub enclave: Option<bool>,
    /// Whether it can hibernate.
    #[resource(replace, defaulted)]
    pub hibernation: Option<bool>,
    /// Whether AWS moves it off broken hardware.
    #[resource(defaulted)]
    pub auto_recovery: Option<AutoRecovery>,
    /// Its private names.
    #[resource(replace, defaulted, nested)]
    pub private_dns: Option<PrivateDnsOptions>,
    /// How bandwidth is shared between the network and EBS.
    #[resource(replace, defaulted)]
    pub bandwidth_weighting: Option<BandwidthWeighting>,
    /// Licence configurations.
    #[serde(default)]
    #[resource(default, replace, write_only, unordered)]
    pub license_configuration_arns: Vec<Arn>,
    /// Its tags.
    #[serde(default)]
    #[resource(default)]
    pub tags: Tags,
}

/// What a machine reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Outputs)]
pub struct InstanceOutputs {
    /// The id.
    #[output(id)]
    pub id: InstanceId,
    /// The ARN.
    pub arn: Arn,
    /// The zone that it is in.
    pub availability_zone: String,
    /// The subnet of its primary interface.
    pub subnet_id: SubnetId,
    /// The VPC that it is in.
    pub vpc_id: VpcId,
    /// Its primary IPv4 address.
    pub private_ip: String,
    /// Its name in the private DNS.
    pub private_dns: String,
    /// Its public IPv4 address, if it has one. It changes when the machine is stopped and started.
    #[output(recomputed_by(power, instance_type, ebs_optimized))]
    pub public_ip: Option<String>,
    /// Its public name, if it has one.
    #[output(recomputed_by(power, instance_type, ebs_optimized))]
    pub public_dns: Option<String>,
    /// Its primary interface.
    pub primary_network_interface_id: NetworkInterfaceId,
    /// The volume that it boots from; none with an instance store root.
    pub root_volume_id: Option<VolumeId>,
}

impl Lifecycle for Instance {
    type Client = Clients;

    const FOUND_BY: FoundBy = FoundBy::ClientToken;

    async fn find(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let owner = vec![cx.identity.id.to_string()];
        let mut found = observe::instances(cx.client, OWNER_FILTER, owner).await?;
        found.retain(observe::lives);
        let known = |_: &observe::Seen| Some(inputs);
        Ok(observe::all(cx.client, found, known).await?.pop())
    }

    async fn read(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        Ok(Self::list(cx.client, std::slice::from_ref(known)).await?.pop())
    }

    async fn list(
        clients: &Clients,
        among: &[Known<Self>],
    ) -> Result<Vec<Observed<Self>>, ProviderError> {
        let ids = super::describe::ids!(among);
        let mut found = observe::instances(clients, "instance-id", ids).await?;
        found.retain(observe::lives);
        let known = |seen: &observe::Seen| {
            let is = |known: &&Known<Self>| {
                seen.instance.instance_id.as_deref() == Some(known.outputs.id.as_str())
            };
            among.iter().find(is).map(|known| &known.inputs)
        };
        observe::all(clients, found, known).await
    }

    async fn locate(
        clients: &Clients,
        by: By<'_, Self>,
    ) -> Result<Option<Observed<Self>>, ProviderError> {
        let By::Id(id) = by else { return Err(nameless::<Self>()) };
        let mut found = observe::instances(clients, "instance-id", vec![id.to_owned()]).await?;
        found.retain(observe::lives);
        Ok(observe::all(clients, found, |_| None).await?.pop())
    }

    crate::locate::claimed_by_tags!();

    async fn create(
        cx: &Context<'_, Clients>,
        inputs: &Self,
    ) -> Result<InstanceOutputs, CreateError<Self>> {
        let seen = run::run(cx, inputs).await?;
        let outputs = observe::outputs(cx.client, &seen)?;
        let rest = || change::not_said_at_launch(cx.client, &seen.instance, inputs);
        match while_throttled(rest).await {
            Ok(()) => Ok(outputs),
            Err(error) => Err(CreateError::partial(error, outputs)),
        }
    }

    async fn settle(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Settled<Self>, ProviderError> {
        match observe::one(cx.client, &known.outputs.id).await? {
            Some(seen) => power::settle(cx, seen, &known.inputs).await,
            None => Ok(Settled::Pending(wait::SHORT)),
        }
    }

    async fn update(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
        inputs: &Self,
        changes: &Changes,
    ) -> Result<InstanceOutputs, ProviderError> {
        let id = &known.outputs.id;
        let seen = observe::one(cx.client, id).await?.filter(observe::lives);
        let seen = seen.ok_or_else(|| wait::vanished("ec2:DescribeInstances", id))?;
        // Refused before anything is changed, rather than halfway.
        let restart = power::needs_stop(&seen.instance, inputs);
        power::check_allowed(&seen, inputs, &restart)?;
        change::running(cx, &seen, known, inputs, changes).await?;
        if !restart.is_empty() {
            power::begin(cx, &seen, inputs).await?;
        } else if changes.touches("power") {
            power::turn(cx.client, &seen, inputs).await?;
        }
        observe::outputs(cx.client, &seen)
    }

    async fn delete(
        cx: &Context<'_, Clients>,
        known: &Known<Self>,
    ) -> Result<Deletion, ProviderError> {
        let id = &known.outputs.id;
        let Some(seen) = observe::one(cx.client, id).await? else {
            return Ok(Deletion::Done);
        };
        match seen.state() {
            "terminated" => return Ok(Deletion::Done),
            "shutting-down" => {}
            _ => {
                change::lets_go(cx.client, &seen.instance, &known.inputs).await?;
                // Else the request would launch another machine.
                run::cancel_persistent(cx.client, &seen.instance, &known.inputs).await?;
                let call = cx.client.ec2().terminate_instances().instance_ids(id.as_str());
                unless_absent(call.send().await.named("ec2:TerminateInstances"))?;
            }
        }
        Ok(Deletion::Pending(power::TERMINATION))
    }

    fn validate(check: &mut Check<'_>) {
        check::check(check);
    }
}

/// The error for an answer without what every instance has.
fn missing(what: &str) -> ProviderError {
    incomplete("ec2:DescribeInstances", what)
}
